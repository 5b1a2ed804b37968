"""A stage's digest follows its own code, and nothing else."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.copies import copy_package

from fathom.metrics.settings import METRICS
from fathom.stages import STAGES
from fathom.workflow.code_digest import code_digest, imported_modules, plain_code
from fathom.workflow.config import Config
from fathom.workflow.plan import Plan
from fathom.workflow.wildcards import Wildcards as At

GROUND = {"io", "schema", "statistics", "store"}

CORPUS_METRICS = {name for name, metric in METRICS.items() if metric.of not in {"text", "sinks"}}
METRIC_JOBS = {"tokens", *CORPUS_METRICS}

PRINT_DIGESTS = """
from fathom.workflow.config import Config
from fathom.workflow.wildcards import Wildcards as At
from fathom.workflow.plan import Plan
plan = Plan(Config())
print("activations", plan.activations.code)
print("probes", plan.probes.code)
print("tokens", plan.metrics.token_code)
for metric in plan.metrics.names:
    print(metric, plan.metrics.code(At(metric=metric)))
for corpus in plan.config.corpora:
    print(corpus, plan.corpora.code(At(corpus=corpus)))
for model in plan.config.models:
    print(model, plan.models.code(At(model=model)))
for figure in plan.figures.names:
    print("figure-" + figure, plan.figures.code(At(figure=figure)))
"""


class Source:
    """A copy of the package, to be edited."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def digests(self) -> dict[str, str]:
        """Digests of stages, metrics and corpora, from the copy."""
        done = subprocess.run(
            [sys.executable, "-c", PRINT_DIGESTS],
            capture_output=True,
            text=True,
            check=True,
            env=os.environ | {"PYTHONPATH": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1"},
        )
        return dict(line.split() for line in done.stdout.splitlines())

    def edit(self, file: str, old: str, new: str) -> None:
        """Replace the only occurrence of some code."""
        path = self.folder / "fathom" / file
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{file} holds {old!r} {text.count(old)} times"
        path.write_text(text.replace(old, new), encoding="utf-8")


@pytest.fixture(scope="module")
def unedited(root: Path) -> dict[str, str]:
    """What the package says of itself as it is."""
    return Source(root / "src").digests()


@pytest.fixture
def source(tmp_path: Path) -> Source:
    copy_package(tmp_path / "fathom")
    return Source(tmp_path)


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    assert before.keys() == after.keys()
    return {name for name in before if before[name] != after[name]}


# What counts as a change ---------------------------------------------------------------------------------------------

FUNCTION = '''
"""Module."""
import math

LIMIT = 3
"""What it is."""


class Box:
    """Class."""

    side: float = 1.0
    """Attribute."""

    def area(self, scale: float = 2.0) -> float:
        """Method."""
        return scale * self.side ** 2  # comment
'''


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# comment", "# a better comment"),
        ("  # comment", ""),
        ('"""Module."""', ""),
        ('"""Module."""', '"""Another\n\nof many lines."""'),
        ('    """Class."""\n', ""),
        ('        """Method."""\n', ""),
        ('"""What it is."""', '"""What it was."""'),
        ("    side: float = 1.0\n", "\n\n    side: float=1.0\n"),
        ("scale * self.side ** 2", "(scale\n            * self.side**2\n        )"),
        ("float = 2.0", "float=2.00"),
    ],
)
def test_comments_docstrings_and_layout_do_not_count(old: str, new: str) -> None:
    assert old in FUNCTION
    assert plain_code(FUNCTION.replace(old, new)) == plain_code(FUNCTION)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("LIMIT = 3", "LIMIT = 4"),
        ("** 2", "** 3"),
        ("scale: float = 2.0", "scale: float = 2.5"),
        ("scale * self.side ** 2", "(scale * self.side) ** 2"),
        ("import math", "import cmath"),
        ("class Box:", "class Box(object):"),
        ("return scale", "return -scale"),
    ],
)
def test_code_counts(old: str, new: str) -> None:
    assert old in FUNCTION
    assert plain_code(FUNCTION.replace(old, new)) != plain_code(FUNCTION)


def test_a_string_that_is_a_value_counts() -> None:
    assert plain_code('x = "a"') != plain_code('x = "b"')
    assert plain_code('f("a")') != plain_code('f("b")')


# Through the import graph --------------------------------------------------------------------------------------------


def test_prose_changes_no_digest(source: Source, unedited: dict[str, str]) -> None:
    for path in (source.folder / "fathom").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        path.write_text(
            "# A comment on top.\n\n" + text.replace('"""\n', '  """\n\n') + "\n\n# And one below.\n", encoding="utf-8"
        )
    assert changed(unedited, source.digests()) == set()


def test_a_changed_formula_changes_whoever_uses_it(source: Source, unedited: dict[str, str]) -> None:
    assert len(set(unedited.values())) > 1
    with (source.folder / "fathom/metrics/definitions/dataset_entropy.py").open("a") as stream:
        stream.write("\nONE_MORE = 1\n")
    after = source.digests()
    assert changed(unedited, after) == {"dataset_entropy"}

    with (source.folder / "fathom/activations/capture.py").open("a") as stream:
        stream.write("\nONE_MORE = 1\n")
    assert changed(after, source.digests()) == {"activations"}


def test_a_changed_constant_far_below_is_seen(source: Source, unedited: dict[str, str]) -> None:
    source.edit("store/layout.py", "CHUNK_BYTES = 1 << 20", "CHUNK_BYTES = 1 << 21")
    assert changed(unedited, source.digests()) == {"activations", "probes"} | METRIC_JOBS


WORDS = (
    ("metrics/settings.py", "the tokens of a text are compressed into fewer directions", "fewer directions are used"),
    ("metrics/settings.py", "Roy and Vetterli 2007, EUSIPCO", "Roy and Vetterli, EUSIPCO 2007"),
    ("figures/sentences.py", "Layer 0 is the embedding output.", "Layer 0 is the output of the embedding."),
    ("figures/settings.py", "Entropy of power-law spectra", "Entropies of power-law spectra"),
    ("runtime/progress.py", "s left", "seconds left"),
    ("runtime/errors.py", "LONGEST = 2000", "LONGEST = 1500"),
)


def test_words_progress_and_error_lines_change_nobodys_code(source: Source, unedited: dict[str, str]) -> None:
    """Words reach a figure through its settings, so that only the figures that show them are drawn again."""
    for file, old, new in WORDS:
        source.edit(file, old, new)
    with (source.folder / "fathom/runtime/progress.py").open("a") as stream:
        stream.write("\n\ndef nicer(bar: str) -> str:\n    return bar.upper()\n")
    assert changed(unedited, source.digests()) == set()


def test_the_config_and_the_command_line_are_nobodys_code(source: Source, unedited: dict[str, str]) -> None:
    edited = [*(source.folder / "fathom/workflow").rglob("*.py"), *(source.folder / "fathom/provenance").glob("*.py")]
    edited += [source.folder / "fathom" / file for file in ("cli.py", "stages.py")]
    # activations is told its whole slice of the settings.
    edited += [
        source.folder / "fathom" / stage / "settings.py" for stage in ("corpora", "models", "metrics", "figures")
    ]
    for path in edited:
        with path.open("a") as stream:
            stream.write("\nONE_MORE = 1\n")
    assert changed(unedited, source.digests()) == set()


def test_fathoms_own_tables_count_where_they_are_used(source: Source, unedited: dict[str, str]) -> None:
    for name, users in (("items.csv", {"items"}), ("pairs.csv", {"relations", "analogies"})):
        path = source.folder / "fathom/corpora/data" / name
        whole = path.read_bytes()
        path.write_bytes(whole + b"\n")
        assert changed(unedited, source.digests()) == users
        path.write_bytes(whole)


def test_a_table_of_ones_own_leaves_fathoms_out() -> None:
    own, theirs = (
        Config.model_construct(corpora=Config.model_validate({"corpora": {"c": entry}}).corpora)
        for entry in ({"kind": "items"}, {"kind": "items", "table": __file__})
    )
    without = code_digest("fathom.corpora.command", own.corpora["c"].module)
    assert Plan(own).corpora.code(At(corpus="c")) != Plan(theirs).corpora.code(At(corpus="c")) == without


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_holds_no_other_stage_and_no_config(stage: str) -> None:
    modules = imported_modules(f"fathom.{stage}.command")
    assert f"fathom.{stage}.command" in modules
    parts = {module.split(".")[1] for module in modules if module != "fathom"}
    allowed = GROUND | {stage} | ({"models"} if stage == "activations" else set())
    assert parts <= allowed
    # Nor its front door, which would bring in all of it.
    assert f"fathom.{stage}" not in modules


def test_a_digest_is_short_and_steady() -> None:
    digest = code_digest("fathom.corpora.command")
    assert digest == code_digest("fathom.corpora.command")
    assert len(digest) == 16
    assert int(digest, 16) >= 0
    assert digest != code_digest("fathom.models.command")


# Front doors ---------------------------------------------------------------------------------------------------------


def is_allowed(node: ast.stmt) -> bool:
    """Whether a statement of a front door only imports, names or documents."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        return True
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    lazy = "lazy_loader.attach_stub(__name__, __file__)"
    return isinstance(node, ast.Assign) and (
        ast.unparse(node.value) == lazy
        or (ast.unparse(node.targets[0]) == "__all__" and isinstance(node.value, ast.List))
    )


def test_front_doors_compute_nothing(root: Path) -> None:
    doors = sorted((root / "src" / "fathom").rglob("__init__.py"))
    assert len(doors) > len(STAGES)
    for door in doors:
        body = ast.parse(door.read_text(encoding="utf-8")).body
        assert all(is_allowed(node) for node in body), door
        assert ast.get_docstring(ast.Module(body=body, type_ignores=[])), door


def test_no_module_comes_through_a_front_door(root: Path) -> None:
    packages = {f"fathom.{stage}" for stage in STAGES} | {"fathom"}
    for path in sorted((root / "src" / "fathom").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module in packages:
                # `from fathom import captions` names a module, not something that the front door re-exports.
                folder = root / "src" / Path(*node.module.split("."))
                assert all((folder / f"{alias.name}.py").is_file() for alias in node.names), path
