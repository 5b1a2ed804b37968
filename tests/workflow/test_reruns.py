"""Each stage runs again when its inputs change, and only then."""

from __future__ import annotations

import os
import re
import warnings
from contextlib import closing
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import xarray as xr
import zarr
from tests.workflow.project import CONFIG, Project, done_jobs, said
from zarr.storage import ZipStore

from fathom.store.reader import Activations


def of(messages: list[str], start: str) -> list[str]:
    return [message for message in messages if message.startswith(start)]


def test_a_run_makes_every_figure_with_its_numbers(finished: Project) -> None:
    for figure in ("prompt_entropy", "curvature", "dataset_entropy", "probes-ridge", "probe-summary"):
        for kind in ("svg", "png", "csv", "txt"):
            assert (finished.folder / f"results/figures/{figure}.{kind}").stat().st_size > 0
    folds = pq.read_table(finished.folder / "results/probes/tiny/relations.parquet").to_pandas()
    assert len(folds) == 4 * 3 * 2  # layers, repeats, folds
    entropy = pq.read_table(finished.folder / "results/metrics/tiny/random/prompt_entropy.parquet").to_pandas()
    assert len(entropy) == 8 * 4 * 2  # texts, layers, with and without sinks


def test_second_run_does_nothing(finished: Project) -> None:
    assert finished.planned() == []


TOKENS = "Measuring tokens of tiny on random"
PAGE = "Writing the page to explore"
OF_TOKENS = ["Drawing curvature", "Drawing prompt_entropy", TOKENS, PAGE]
"""The metrics of tokens share a job, and Snakemake redraws whatever reads a table that was written again."""
OF_PROBES = ["Drawing probe-summary", "Drawing probes-ridge"]


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("definitions/prompt_entropy", OF_TOKENS),
        (
            "definitions/dataset_entropy",
            ["Drawing dataset_entropy", "Measuring dataset_entropy of tiny on random", PAGE],
        ),
        ("definitions/linear_cka", []),
    ],
)
def test_changed_code_reruns_what_it_measures(project: Project, tmp_path: Path, file: str, expected: list[str]) -> None:
    project = project.with_own_source(tmp_path / "source")
    path = tmp_path / f"source/fathom/metrics/{file}.py"
    path.write_text(path.read_text(encoding="utf-8") + "\n\nNEW_CONSTANT = 1\n", encoding="utf-8")
    assert project.planned() == sorted(expected)


def test_another_word_of_a_metric_redraws_the_figure_that_shows_it(project: Project, tmp_path: Path) -> None:
    project = project.with_own_source(tmp_path / "source")
    path = tmp_path / "source/fathom/metrics/settings.py"
    text = path.read_text(encoding="utf-8")
    assert text.count("after Hosseini and Fedorenko 2023") == 1
    path.write_text(
        text.replace("after Hosseini and Fedorenko 2023", "as Hosseini and Fedorenko 2023"), encoding="utf-8"
    )
    assert project.planned() == ["Drawing curvature", PAGE]


def test_what_is_planned_is_what_runs(project: Project, tmp_path: Path) -> None:
    """Tables that come out as they were are no reason to leave out a figure that was planned."""
    project = project.with_own_source(tmp_path / "source")
    path = tmp_path / "source/fathom/metrics/definitions/curvature.py"
    path.write_text(path.read_text(encoding="utf-8") + "\n\nNEW_CONSTANT = 1\n", encoding="utf-8")
    table = project.folder / "results/metrics/tiny/random/prompt_entropy.parquet"
    before = table.read_bytes()
    done = project.run()
    assert sorted(re.findall(r"^ *Job \d+: (.+)$", done.stdout + done.stderr, flags=re.MULTILINE)) == OF_TOKENS
    assert table.read_bytes() == before
    assert project.planned() == []


def test_changed_capture_reruns_extraction_and_all_that_reads_it(project: Project, tmp_path: Path) -> None:
    project = project.with_own_source(tmp_path / "source")
    path = tmp_path / "source/fathom/activations/capture.py"
    path.write_text(path.read_text(encoding="utf-8") + "\n\nNEW_CONSTANT = 1\n", encoding="utf-8")
    planned = project.planned()
    assert len(of(planned, "Extracting")) == 4  # two shards and one, and one with random weights
    assert of(planned, "Preparing") == []
    assert of(planned, "Building") == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param(
            {"probes": {"relations": {"folds": 3, "repeats": 2}}},
            [*OF_PROBES, "Probing tiny for relations", "Probing tiny-random for relations", PAGE],
            id="two swapped values",
        ),
        pytest.param(
            {"probes": {"relations": {"permutations": 40}}},
            [*OF_PROBES, "Probing tiny for relations", PAGE],
            id="permutations, which the control of random weights is not tested by",
        ),
        pytest.param(
            {"metrics": {"curvature": {"preparation": "none"}}},
            OF_TOKENS,
            id="the preparation of a metric of tokens",
        ),
        pytest.param(
            {"metrics": {"dataset_entropy": {"alpha": 2.0}}},
            ["Drawing dataset_entropy", "Measuring dataset_entropy of tiny on random", PAGE],
            id="a setting of a metric of texts",
        ),
        pytest.param(
            {"models": {"tiny": {"label": "Another name"}}},
            ["Drawing curvature", "Drawing dataset_entropy", *OF_PROBES, "Drawing prompt_entropy", PAGE],
            id="a label",
        ),
        pytest.param({"models": {"tiny": {"depth": 3}}}, None, id="a depth that was known"),
    ],
)
def test_changed_setting_reruns_what_reads_it(
    project: Project, changes: dict[str, object], expected: list[str] | None
) -> None:
    assert CONFIG["probes"]["relations"]["folds"] == 2
    assert CONFIG["probes"]["relations"]["repeats"] == 3
    project.configure(changes)
    planned = project.planned()
    if expected is None:  # the model's own settings: its checks run again, and whatever reads the model
        assert of(planned, "Preparing") == ["Preparing model tiny", "Preparing model tiny-random"]
    else:
        assert planned == expected


def test_another_extraction_reaches_the_metrics_in_a_later_run(project: Project) -> None:
    project.configure({"corpora": {"random": {"seed": 1}}})
    project.run("--until", "activations")
    planned = project.planned()
    assert of(planned, "Extracting") == []
    assert of(planned, "Measuring") == [
        "Measuring dataset_entropy of tiny on random",
        "Measuring tokens of tiny on random",
    ]
    assert of(planned, "Probing") == []


def test_same_extraction_again_reruns_nothing_later(project: Project) -> None:
    project.run("--force", "results/activations/tiny/random/1-of-2.manifest.json")
    assert project.planned() == []


def test_copy_with_fresh_times_reruns_nothing(finished: Project, tmp_path: Path) -> None:
    copied = finished.copy(tmp_path / "copy", keep_times=False)
    # The order in which a copy gives times is arbitrary; the worst is that every input is newer than what it made.
    for age, stage in enumerate(("figures", "probes", "metrics", "activations", "corpora", "models")):
        for path in copied.folder.glob(f"results/{stage}/**/*"):
            os.utime(path, (2_000_000_000 + age, 2_000_000_000 + age))
    assert copied.planned() == []


def test_hash_seed_changes_nothing(finished: Project) -> None:
    project = Project(finished.folder, finished.source, {"PYTHONHASHSEED": "1"})
    # In a process of its own: the seed is fixed when Python starts.
    done = project.execute(project.command("--dry-run"), check=True)
    assert "Nothing to be done" in said(done)


def test_stores_open_without_a_warning(finished: Project) -> None:
    folder = finished.folder / "results/activations/tiny/random"
    stores = sorted(folder.glob("*.zarr.zip"))
    assert [store.name for store in stores] == ["1-of-2.zarr.zip", "2-of-2.zarr.zip"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for store in stores:
            with xr.open_zarr(ZipStore(store, mode="r")) as opened:
                assert set(opened.variables) == {"offsets", "token_ids", "with_tokens"}
            with xr.open_zarr(ZipStore(store, mode="r"), group="residual") as states:
                assert states["mean"].dims == ("layer", "text", "width")
            with closing(ZipStore(store, mode="r")) as whole:
                found = dict(zarr.open_group(whole, mode="r").members())
                assert found.keys() == {"residual", "token_facts", "offsets", "token_ids", "with_tokens"}
        assert Activations(sorted(folder.glob("*.manifest.json"))).texts == 8


def test_any_figure_is_a_target(prepared: Project) -> None:
    planned = prepared.planned("results/figures/curvature.svg")
    assert of(planned, "Drawing") == ["Drawing curvature"]
    assert of(planned, "Probing") == []


def test_what_needs_more_states_extracts_its_corpus_again_and_the_dry_run_says_why(project: Project) -> None:
    project.configure({"probes": {"relations": {"positions": ["span:second", "last"]}}})
    done = project.run("--dry-run")
    planned = done_jobs(done)
    assert of(planned, "Extracting") == [
        f"Extracting {model} on relations, shard 1-of-1" for model in ("tiny", "tiny-random")
    ]
    # Snakemake tells the parameters that differ in any order.
    before, now = ("embedding_mean, span:second of residual", "embedding_mean, last, span:second of residual")
    assert re.search(rf"before: .*'{before}; attention maps of 0 texts'.* now: .*'{now}; attention maps", said(done))


def test_what_needs_fewer_states_leaves_the_stores_as_they_are(project: Project) -> None:
    project.configure({"metrics": {"only": ["dataset_entropy"]}})
    assert of(project.planned(), "Extracting") == []
