"""What makes a metric run again: its own function, what it shares, and nothing that is only said of it."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.copies import copy_package

from fathom.metrics.settings import METRICS
from fathom.workflow import code_digest
from fathom.workflow.jobs.metrics import metric_code

TOKENS = {name for name, metric in METRICS.items() if metric.table_module == "fathom.metrics.text_tables"}
CORPORA = {name for name, metric in METRICS.items() if metric.table_module == "fathom.metrics.corpus_tables"}
DEFINITIONS = "fathom.metrics.definitions."


def digests() -> dict[str, str]:
    return {name: metric_code([name]) for name in METRICS}


@pytest.fixture(scope="module")
def before() -> dict[str, str]:
    return digests()


def source_of(root: Path, module: str) -> str:
    return (root / "src").joinpath(*module.split(".")).with_suffix(".py").read_text(encoding="utf-8")


def rerun_by(edited: dict[str, str], before: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Metrics whose digest is another one where some modules have other sources.

    The edits change no import, so that one import graph serves all of them.
    """
    read = code_digest._module_digest
    monkeypatch.setattr(
        code_digest,
        "_module_digest",
        lambda module: code_digest.plain_code(edited[module]) if module in edited else read(module),
    )
    after = digests()
    monkeypatch.undo()
    return {name for name in METRICS if before[name] != after[name]}


def with_another_body(source: str, function: str) -> str:
    """The source with one more statement in a function or a method of a class."""
    tree = ast.parse(source)
    (found,) = (node for node in tree.body if getattr(node, "name", None) == function)
    bodies = [node.body for node in ast.walk(found) if isinstance(node, ast.FunctionDef)]
    bodies[-1].insert(0, ast.parse("edited = 1").body[0])
    return ast.unparse(tree)


# One metric ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(METRICS))
def test_another_function_of_a_metric_runs_that_metric_alone(
    name: str, root: Path, before: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    metric = METRICS[name]
    source = source_of(root, metric.module)
    own = {node.name for node in ast.parse(source).body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    assert metric.function in own
    for function in own & {metric.function, metric.chance, metric.published, metric.attention}:
        edited = {metric.module: with_another_body(source, str(function))}
        assert rerun_by(edited, before, monkeypatch) == {name}, function


@pytest.mark.parametrize("name", list(METRICS))
def test_a_job_imports_the_definition_of_its_metric_and_no_words(name: str) -> None:
    metric = METRICS[name]
    held = code_digest.imported_modules("fathom.metrics.command", metric.module, metric.table_module)
    assert {module for module in held if module.startswith(DEFINITIONS)} == {metric.module}
    assert not held & {"fathom.metrics.settings", "fathom.metrics.as_published", "fathom.metrics"}
    # What the table modules themselves import by name is not in the graph, so it must be imported by one of these.
    assert ("fathom.metrics.by_text" in held) == (name in TOKENS)
    assert ("fathom.metrics.by_corpus" in held) == ("fathom.metrics.by_layers" in held) == (name in CORPORA)


# What several metrics share ------------------------------------------------------------------------------------------

SPECTRUM = TOKENS | {"dataset_entropy", "dime", "lidar"}
SHARED = [
    ("metrics.published_entropy", {"prompt_entropy", "dataset_entropy"}, "the public code has one entropy for both"),
    ("metrics.attention_maps", {"effective_rank", "sinks"}, "both read attention maps, which are checked alike"),
    ("metrics.sink_tables", TOKENS, "one read of the states serves all metrics of tokens"),
    ("metrics.by_text", TOKENS, "one read of the states serves all metrics of tokens"),
    ("metrics.spectrum", SPECTRUM, "entropies and ranks are of a spectrum, which all metrics of tokens share"),
    ("metrics.by_corpus", CORPORA, "intervals of metrics of corpora are made alike"),
    ("metrics.by_layers", CORPORA, "the tables of pairs of layers are made beside those of corpora"),
    ("metrics.preparation", set(METRICS), "every metric reads prepared states"),
    (
        "statistics.renyi",
        {"prompt_entropy", "effective_rank", "dataset_entropy", "dime", "lidar"},
        "an entropy is part of the definition of each",
    ),
    (
        "statistics.neighbours",
        {"intrinsic_dimension", "label_overlap", "neighbourhood_overlap"},
        "nearest neighbours are part of the definition of each",
    ),
    ("statistics.gram_alignment", {"linear_cka"}, "it is the alignment of Gram matrices"),
]


@pytest.mark.parametrize(("module", "metrics", "reason"), SHARED, ids=[module for module, *_ in SHARED])
def test_shared_code_runs_the_metrics_that_share_it(
    module: str, metrics: set[str], reason: str, root: Path, before: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"fathom.{module}"
    edited = {path: source_of(root, path) + "\nONE_MORE = 1\n"}
    assert rerun_by(edited, before, monkeypatch) == metrics, reason


# What runs none ------------------------------------------------------------------------------------------------------

NEW_CLASS = '''
class MeanNormSettings(TextMetric, PreparedStates):
    """Settings of the mean norm."""

    name = "mean_norm"
    title = "Mean norm"
    symbol = "n"
    unit = "1"
    low = "0 (no state)"
    high = "unbounded (long states)"
    direction = "lower: shorter states"
    reference = "none"
    module = "fathom.metrics.definitions.mean_norm"
    function = "mean_norm"
    minimum_rows = 1


class MetricsSettings(Settings):
'''
NEW_FIELD = '''    mean_norm: MeanNormSettings | None = MeanNormSettings()
    """How long the states are."""
'''
NEW_MODULE = '''
"""Mean norm."""

import numpy as np
import numpy.typing as npt


def mean_norm(z: npt.NDArray[np.float64]) -> float:
    """Mean norm of the rows of `z`."""
    return float(np.linalg.norm(z, axis=1).mean())
'''
PRINT_DIGESTS = """
from fathom.metrics.settings import METRICS, CurvatureSettings
from fathom.workflow.config import Config
from fathom.workflow.jobs.metrics import metric_code
from fathom.workflow.wildcards import Wildcards
from fathom.workflow.plan import Plan
from fathom.workflow.write_reference import default_yaml, options_markdown
assert CurvatureSettings().folded is False
plan = Plan(Config())
assert "mean_norm" in plan.metrics.token_tables
assert "mean_norm" in plan.config.all_figures
assert "from 0 (no state) to unbounded (long states)" in plan.figures.settings(Wildcards(figure="mean_norm"))
assert "mean_norm:" in default_yaml()
assert "### `metrics`: `mean_norm`" in options_markdown()
for name in METRICS:
    print(name, metric_code([name]))
"""


def test_another_metric_option_or_wording_runs_none(tmp_path: Path, before: dict[str, str]) -> None:
    copy = tmp_path / "fathom"
    copy_package(copy)
    settings = copy / "metrics" / "settings.py"
    text = settings.read_text(encoding="utf-8")
    for old, new in (
        # Another metric, which touches the settings and one new module.
        ("\nclass MetricsSettings(Settings):\n", NEW_CLASS),
        (
            "    sinks: SinksSettings | None",
            NEW_FIELD + "    sinks: SinksSettings | None",
        ),
        # Another option.
        (
            "    k: Annotated[int, Field(ge=1)] = 1\n",
            '    folded: bool = False\n    """It."""\n    k: Annotated[int, Field(ge=1)] = 1\n',
        ),
        # Other words.
        ('title = "Effective rank"', 'title = "Dimensions"'),
        ('reference = "Kornblith et al. 2019, arXiv:1905.00414"', 'reference = "Kornblith and others"'),
        ('direction = "lower: states vary less between views of one text"', 'direction = "lower: better"'),
    ):
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    settings.write_text(text, encoding="utf-8")
    (copy / "metrics" / "definitions" / "mean_norm.py").write_text(NEW_MODULE, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", PRINT_DIGESTS],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert done.returncode == 0, done.stderr
    after = dict(line.split() for line in done.stdout.splitlines())
    assert after.pop("mean_norm") not in before.values()
    assert after == before
