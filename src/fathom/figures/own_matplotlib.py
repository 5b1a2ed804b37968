"""matplotlib as a job imports it: with its own settings and a backend without a screen, never with the user's."""

from __future__ import annotations

import contextlib
import importlib.util
import os
from pathlib import Path


def import_matplotlib() -> None:
    """Import matplotlib with the settings that it comes with.

    Its import reads a `matplotlibrc` of the working folder or the user, and the backend of the environment variable
    MPLBACKEND, which notebooks set; a backend that is not installed here would end the job. To be called before
    anything else imports matplotlib.
    """
    found = importlib.util.find_spec("matplotlib")
    places = [] if found is None else list(found.submodule_search_locations or [])
    own = Path(places[0]) / "mpl-data"
    os.environ |= {"MPLBACKEND": "agg", "MATPLOTLIBRC": str(own)}
    # The working folder's file comes before that of the variable.
    with contextlib.chdir(own):
        importlib.import_module("matplotlib")
