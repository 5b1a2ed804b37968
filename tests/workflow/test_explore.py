"""The page of a real run, in a browser."""

from __future__ import annotations

import csv
import io
import shutil
from pathlib import Path

import pandas as pd
import pytest
from tests.browser.conftest import Opener, chromium, opener  # noqa: F401 - fixtures
from tests.workflow.project import Project


def test_the_page_shows_the_numbers_of_the_run(finished: Project, opener: Opener) -> None:  # noqa: F811 - the fixture
    folder = finished.folder / "results"
    page = opener(folder / "explore.html", "#numbers?words=tiny")
    with page.expect_download() as started:
        page.get_by_role("button", name="Download CSV").click()
    rows = pd.DataFrame(csv.DictReader(io.StringIO(Path(started.value.path()).read_text(encoding="utf-8"))))
    rows = rows.astype({"layer": int, "value": float})
    for path in folder.glob("*/*/**/*.layers.parquet"):
        truth = pd.read_parquet(path)
        name = path.name.split(".")[0]
        column = "value" if "value" in truth else "score"
        if path.parent.name == "tiny-random":
            assert (truth["model"] == "tiny-random").all()
            found = rows[(rows["name"] == name) & (rows["control"] == "random weights")]
            truth = truth[truth["control"] == ""]
        else:
            found = rows[(rows["name"] == name) & (rows.get("control", "") != "random weights")]
        assert len(found) == len(truth) > 0
        assert sorted(found["value"]) == pytest.approx(sorted(truth[column].astype(float)), rel=1e-4, abs=1e-5)


def test_tokens_captions_and_jobs_of_the_run_are_in_it(finished: Project, opener: Opener) -> None:  # noqa: F811
    file = finished.folder / "results/explore.html"
    page = opener(file, "#tokens?corpus=relations")
    text = "".join(page.locator("span.token").all_text_contents())
    corpus = pd.read_parquet(finished.folder / "results/corpora/relations.parquet")
    assert text.strip() in {one.strip() for one in corpus["text"]} or corpus["text"].iloc[0] in text
    page = opener(file, "#provenance")
    shown = page.locator("main").inner_text()
    for job in ("results/metrics/tiny/random/tokens", "results/models/tiny", "results/corpora/random"):
        assert job in shown
    page = opener(file)
    assert page.locator("section.block").evaluate_all("all => all.map(one => one.dataset.name)") == [
        "prompt_entropy",
        "dataset_entropy",
    ]
    link = page.locator("details.notes").first
    link.locator("summary").first.click()
    address = link.get_by_role("link", name="SVG").first.get_attribute("href")
    assert (file.parent / str(address)).is_file()


def test_snakemakes_report_holds_it(project: Project) -> None:
    report = project.folder / "report.zip"
    project.run("--report", str(report))
    shutil.unpack_archive(report, project.folder / "unpacked")
    pages = list((project.folder / "unpacked").rglob("*.html"))
    found = [path for path in pages if "explore" in path.name]
    assert [path.read_bytes() for path in found] == [(project.folder / "results/explore.html").read_bytes()]
    rest = [path for path in pages if path not in found]
    assert any("Explore" in path.read_text(encoding="utf-8", errors="replace") for path in rest)
