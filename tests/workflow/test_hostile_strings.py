"""Strings that a shell, Snakemake or a page would interpret arrive as they are, through a run and its report."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
from tests.workflow.project import Project

WORD = "$(touch ran1) `touch ran2` ;touch ran3 & 'q' \"d\" %s $HOME \\ ä"
LABEL = f"{WORD} {{output}} {{{{input}}}} </script><script>alert(1)</script> $x_{{ `a`_ |b| *c*"
FIGURE = "results/figures/curvature"
TOKEN = "hf_PlantedTokenOfTheTest0123456789"


@pytest.fixture(scope="module")
def drawn(prepared: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with hostile words wherever words may stand, that has drawn one figure and its report."""
    project = prepared.copy(tmp_path_factory.mktemp("hostile") / f"project {WORD.replace('/', '')}")
    shutil.move(project.folder / "tiny", project.folder / WORD)
    texts = [f"A text of number {number} about rivers and the sea." for number in range(8)]
    (project.folder / f"{WORD}.txt").write_text("\n".join(texts), encoding="utf-8")
    project.configure(
        {
            "models": {"tiny": {"source": "path", "path": WORD, "label": LABEL, "note": LABEL}},
            "corpora": {"random": {"kind": "file", "path": f"{WORD}.txt"}},
            "activations": {"shards": 1},
            "metrics": {"only": ["curvature"]},
            "probes": None,
            "figures": {"curvature": {"kind": "metric", "metric": "curvature"}},
        }
    )
    project.environment |= {"HF_TOKEN": TOKEN, "HUGGING_FACE_HUB_TOKEN": TOKEN}
    project.run(*(f"{FIGURE}.{kind}" for kind in ("svg", "png", "csv")), "results/explore.html")
    project.run("--report", "report.html")
    return project


def test_labels_arrive_as_they_are(drawn: Project) -> None:
    assert set(pd.read_csv(drawn.folder / f"{FIGURE}.csv")["model_title"]) == {LABEL}
    caption = (drawn.folder / f"{FIGURE}.txt").read_text(encoding="utf-8")
    assert f"{LABEL} (local folder, {LABEL}, float32)" in caption
    assert f"random ({WORD}.txt)" in caption


def test_no_word_was_run(drawn: Project) -> None:
    assert not list(drawn.folder.parent.rglob("ran[123]"))
    assert not list(Path.cwd().glob("ran[123]"))


def test_no_word_ends_a_script_of_the_report(drawn: Project) -> None:
    page = (drawn.folder / "report.html").read_text(encoding="utf-8")
    assert "&lt;script&gt;alert(1)" in page  # the caption, as text
    assert not re.search(r"<script>\s*alert", page)
    assert "problematic" not in page  # what docutils calls markup that it cannot read


def test_a_token_in_the_environment_is_written_nowhere(drawn: Project) -> None:
    written = [path for path in drawn.folder.rglob("*") if path.is_file()]
    assert len(written) > 20
    assert not [path for path in written if TOKEN.encode() in path.read_bytes()]
