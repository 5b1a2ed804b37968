"""A job of figures sets its own backend, and never reads the user's settings."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
from fathom.figures.own_matplotlib import import_matplotlib
import fathom.figures.command
import sys
assert "matplotlib" not in sys.modules
import_matplotlib()
import os
import matplotlib
print(matplotlib.get_backend(), matplotlib.rcParams["text.usetex"], os.getcwd())
"""


@pytest.mark.parametrize("where", ["variable", "working folder", "config folder", "corrupt"])
def test_the_users_backend_is_never_read(where: str, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.mkdir()
    environment = {**os.environ, "MPLCONFIGDIR": str(config)}
    words = b"backend: module://nowhere\ntext.usetex: True\n"
    if where == "variable":
        environment["MPLBACKEND"] = "module://nowhere"
    else:
        folder = config if where == "config folder" else tmp_path
        (folder / "matplotlibrc").write_bytes(b"\xff\xfe" if where == "corrupt" else words)
    done = subprocess.run(
        [sys.executable, "-c", CODE], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["agg", "False", str(tmp_path)]
