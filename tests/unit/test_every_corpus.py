"""Whatever the kind of a corpus: it holds what its settings announce, and its seed makes it the same again."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import pandas as pd
import pytest
from click.testing import CliRunner
from tests.bibles import VERSES, as_module
from tests.designs import item_table, pair_table
from tests.jobs import corpus_of, corpus_settings
from tests.wheels import wheel_with

from fathom.corpora.command import command
from fathom.corpora.items import item_texts
from fathom.corpora.settings import CorpusSettings
from fathom.corpora.word_tables import load_items
from fathom.io import hub_commits
from fathom.io.corpus_table import CORPUS_COLUMNS, LABEL_PREFIX, paraphrases, read_corpus, write_corpus
from fathom.io.manifests import sha256_of
from fathom.runtime.errors import FathomError
from fathom.runtime.job_files import Work
from fathom.workflow.code_digest import imported_modules

KINDS = {get_args(kind.model_fields["kind"].annotation)[0]: kind for kind in get_args(get_args(CorpusSettings)[0])}
COMMIT = "0123456789abcdef0123456789abcdef01234567"
FILES = {"fathom.corpora.files"}
TEMPLATES = {"shuffled", "template 2"}
LABELLED = {"labels": ["mood"], "sample": 8}
DESCRIBED = "8 texts drawn; labels mood (kind inferred)"
SHUFFLED = frozenset({"shuffled"})


@dataclass(frozen=True)
class Example:
    """A small corpus of a kind, made in the working folder."""

    entry: dict[str, Any]
    described: str
    texts: int
    """Of a view."""
    controls: frozenset[str] = frozenset()
    """Views beside those that an experiment reads."""
    views: frozenset[str] = frozenset({"original"})
    quantities: frozenset[float] = frozenset()
    """What views vary, if anything."""


def example(kind: str) -> Example:
    """A corpus of a kind; its sources are in the working folder, where the tests run."""
    item_table([6] * 4).to_csv("items.csv", index=False)
    pair_table([4] * 4).to_csv("pairs.csv", index=False)
    moods().to_csv("moods.csv", index=False)
    items, pairs = {"kind": kind, "table": "items.csv"}, {"kind": kind, "table": "pairs.csv"}
    derived = {"kind": kind, "of": "b", "as_published": True}
    templates = frozenset(TEMPLATES)
    match kind:
        case "bible":
            entry = {"kind": kind, "translation": bible(), "words": 12, "passages": 2}
            return Example(entry, "2 passages of at least 12 words, tiny-model 1.0", 2)
        case "chapters":
            return Example({"kind": kind, "translation": bible()}, "chapters, tiny-model 1.0", 3)
        case "random-tokens":
            words = "3 texts of 4 tokens sampled uniformly from the model's vocabulary"
            return Example({"kind": kind, "texts": 3, "tokens": 4}, words, 3)
        case "items":
            entry = {**items, "template": "One of them is {article} {item}"}
            return Example(entry, "template “One of them is {article} {item}”, items.csv", 24, templates)
        case "relations":
            words = "template “{article_first} {first} and {article_second} {second}”, pairs.csv"
            return Example(pairs, words, 64, templates)
        case "analogies":
            words = "template “{first} is to {second} as {third} is to {fourth}”, pairs.csv"
            return Example(pairs, words, 32, templates)
        case "documents":
            words = "2 sentences “There is {article} {item}.” of one category or of several, items.csv"
            return Example({**items, "sentences": 2}, words, 48, templates)
        case "early-context":
            words = (
                "template “{article_first} {first} and {article_second} {second}” and 0, 8 words of filler, pairs.csv"
            )
            views = frozenset({"start 0", "start 8", "end 8"})
            controls = frozenset(f"{view}, shuffled" for view in views)
            return Example({**pairs, "filler": [0, 8]}, words, 64, controls, views, frozenset({0.0, 8.0}))
        case "file":
            return Example({"kind": kind, "path": "moods.csv", **LABELLED}, f"moods.csv; {DESCRIBED}", 8, SHUFFLED)
        case "hub":
            entry = {"kind": kind, "repository": "owner/name", "revision": COMMIT, "file": "moods.csv"}
            words = f"owner/name at {COMMIT[:12]}, moods.csv; {DESCRIBED}"
            return Example({**entry, **LABELLED}, words, 8, SHUFFLED)
        case "wheel":
            content = moods().to_csv(index=False).encode()
            made = wheel_with(Path("index"), {"tiny_model/moods.csv": content})
            wheel = {"package": "tiny-model", "version": "1.0", "sha256": sha256_of(made)}
            entry = {"kind": kind, "wheel": {**wheel, "file": "tiny_model/moods.csv"}, **LABELLED}
            return Example(entry, f"moods.csv in tiny-model 1.0; {DESCRIBED}", 8, SHUFFLED)
        case "excerpt":
            return Example({"kind": kind, "of": "b", "limit": 1}, "the first text of b", 1)
        case "views":
            words = "2 augmented views of b (split, random character, keyboard; p = 0.3, as published)"
            return Example({**derived, "views": 2}, words, 2, views=frozenset({"view-01", "view-02"}))
        case "repetition" | "randomness":
            by = {"repetition": "tokens of the text itself", "randomness": "random tokens"}[kind]
            words = f"b, each token replaced with probability p by {by}, as published"
            views = frozenset({"p = 0.00", "p = 0.50"})
            entry = {**derived, "probabilities": [0.0, 0.5]}
            return Example(entry, words, 2, views=views, quantities=frozenset({0.0, 0.5}))
        case _:
            pytest.fail(f"no example of a corpus of kind {kind}")


def moods() -> pd.DataFrame:
    """A table of labelled texts, no two of which are alike."""
    rows = [{"text": f"word{row} sign{row} of {'joy' if row % 2 else 'woe'}", "mood": row % 2} for row in range(12)]
    return pd.DataFrame(rows)


def bible() -> dict[str, str]:
    made = wheel_with(Path("index"), {"tiny_model/bible.py": as_module(VERSES).encode()})
    return {"package": "tiny-model", "version": "1.0", "sha256": sha256_of(made), "file": "tiny_model/bible.py"}


@pytest.fixture(autouse=True)
def folder(index: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with an index of packages and a hub of its own."""
    monkeypatch.chdir(index.parent)

    def fetch(repository: str, revision: str, patterns: Iterable[str], target: Path, *, kind: str) -> str:
        assert (repository, kind) == ("owner/name", "dataset")
        for pattern in patterns:
            shutil.copy(pattern, target)
        return revision

    monkeypatch.setattr(hub_commits, "fetch_hub", fetch)
    return index.parent


def build(entry: dict[str, Any], output: str = "results/c.parquet") -> tuple[pd.DataFrame, Work]:
    """The corpus of an entry of the config through the command, and what the command says of its work."""
    options: list[str] = []
    if corpus_of(entry).base is not None:
        base = pd.DataFrame(
            {"id": ["r0", "r1"], "text": ["the first of the texts", "the second"], "label.length": [5, 2]}
        )
        write_corpus(base.assign(view="original", group=base["id"]), Path("b.parquet"), "b")
        options = ["--base", "b.parquet"]
    arguments = ["--settings", corpus_settings(entry), "--output", output, *options]
    done = CliRunner().invoke(command, arguments, catch_exceptions=False, standalone_mode=False)
    return read_corpus(Path(output)), done.return_value


every_kind = pytest.mark.parametrize("kind", KINDS)


@every_kind
def test_it_holds_what_its_settings_announce(kind: str) -> None:
    made = example(kind)
    settings = corpus_of(made.entry)
    frame, _ = build(made.entry)
    assert frame.columns[: len(CORPUS_COLUMNS)].tolist() == list(CORPUS_COLUMNS)
    assert set(frame["view"]) == made.views | made.controls
    if settings.base is None:
        assert set(settings.default_views) == made.views
    assert (frame["view"].value_counts() == made.texts).all()
    assert (frame.groupby("view")[["quantity", "control", "pair_at"]].nunique(dropna=False) == 1).all(axis=None)
    assert set(frame["quantity"].dropna()) == made.quantities
    assert set(frame.loc[frame["control"] != "", "view"]) == made.controls
    assert set(frame["control"]) <= {"", "shuffled", "template"}
    assert set(frame["pair_at"]) == ({"start", "end"} if kind == "early-context" else {""})
    assert {span["name"] for spans in frame["spans"].dropna() for span in spans} == set(settings.span_names)
    own = [column.removeprefix(LABEL_PREFIX) for column in frame.columns if column.startswith(LABEL_PREFIX)]
    if settings.label_names is not None:
        assert own == list(settings.label_names)
    else:  # those of a table, or of another corpus
        assert own == (["category", "odd", "length"] if settings.base is None else ["length"])
    assert settings.describe() == made.described


@every_kind
def test_it_says_what_it_was_made_of(kind: str) -> None:
    entry = example(kind).entry
    settings = corpus_of(entry)
    _, work = build(entry)
    base = [] if settings.base is None else ["b.parquet"]
    assert list(map(str, work.read)) == [*settings.files, *base]
    assert work.revision == (COMMIT if kind == "hub" else None)
    assert all(Path(file).is_file() for file in settings.files)
    assert [path.name for path in Path("results").iterdir()] == ["c.parquet"]  # no scratch folder is left


@every_kind
def test_its_seed_makes_it_the_same_again_and_another_one_otherwise(kind: str) -> None:
    entry = example(kind).entry
    first, again = (build(entry)[0] for _ in range(2))
    pd.testing.assert_frame_equal(first, again)
    if "seed" in KINDS[kind].model_fields:
        other = build({**entry, "seed": 1})[0]
        assert not first.equals(other)


@every_kind
def test_what_it_is_for_agrees(kind: str) -> None:
    settings = corpus_of(example(kind).entry)
    shapes = settings.measurable_as
    assert shapes
    assert shapes <= {"text", "sinks", "corpus", "layers", "views"}
    assert settings.designed == bool(settings.span_names)
    assert not (settings.written and (settings.designed or settings.base))
    # Its experiments ask of it what it has.
    for name, experiment in settings.default_experiments("c", ("random",)).items():
        assert name == "c" or name.startswith("c-")
        assert (experiment["corpus"], experiment["controls"]) == ("c", ("random",))
        spans = [place.removeprefix("span:") for place in experiment["positions"] if place.startswith("span:")]
        assert set(spans) <= set(settings.span_names)
        assert set(experiment.get("labels") or ()) <= set(settings.label_names or ())
    assert bool(settings.default_experiments("c", ())) == (settings.designed or settings.has_own_figure)


@every_kind
def test_only_a_design_without_a_table_of_ones_own_reads_fathoms(kind: str) -> None:
    entry = example(kind).entry
    settings = corpus_of(entry)
    assert settings.data == ()
    if "table" in entry:
        (own,) = corpus_of({"kind": kind}).data
        assert own == f"corpora/data/{entry['table']}"
        assert corpus_of({"kind": kind}).describe().endswith(", own table")


@every_kind
def test_its_job_reads_no_settings_of_the_stage(kind: str) -> None:
    held = imported_modules("fathom.corpora.command", KINDS[kind].module)
    assert "fathom.corpora.settings" not in held
    assert KINDS[kind].module in held


@every_kind
def test_no_kind_is_another_ones_code(kind: str) -> None:
    """Kinds share helpers, and no module that builds another kind but the two that perturb."""
    others = {other.module for other in KINDS.values()} - {KINDS[kind].module}
    shared = {"early-context": {"fathom.corpora.relations"}, "hub": FILES, "wheel": FILES}.get(kind, set())
    assert imported_modules("fathom.corpora.command", KINDS[kind].module) & others == shared


@every_kind
def test_a_base_is_given_where_one_is_needed_and_nowhere_else(kind: str) -> None:
    entry = example(kind).entry
    needed = corpus_of(entry).base is not None
    options = [] if needed else ["--base", "texts.txt"]
    expected = "corpus c: --base: expected the table of corpus b" if needed else "corpus c: --base: expected none"
    arguments = ["--settings", corpus_settings(entry), "--output", "c.parquet", *options]
    with pytest.raises(FathomError, match=expected) as caught:
        CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert "\n" not in str(caught.value)
    assert not Path("c.parquet").exists()


@pytest.mark.parametrize("kind", ["items", "relations", "analogies", "documents", "early-context"])
def test_shuffled_words_can_be_left_out(kind: str) -> None:
    frame, _ = build({**example(kind).entry, "shuffled": False})
    assert not any("shuffled" in view for view in frame["view"])


def test_a_paraphrase_is_a_second_view_and_makes_views_measurable() -> None:
    entry = {**example("bible").entry, "paraphrase": bible()}
    frame, _ = build(entry)
    assert frame["view"].tolist() == ["original"] * 2 + ["paraphrase"] * 2
    assert paraphrases(frame).tolist() == [False] * 2 + [True] * 2
    settings = corpus_of(entry)
    assert "views" in settings.measurable_as
    assert settings.describe().endswith("; paraphrase: the same verses, tiny-model 1.0")


def test_several_lengths_are_views_of_which_tokens_alone_are_measured() -> None:
    entry = {"kind": "random-tokens", "texts": 3, "tokens": [8, 4]}
    frame, _ = build(entry)
    assert frame["view"].unique().tolist() == ["8 tokens", "4 tokens"]
    assert frame["quantity"].tolist() == [8.0] * 3 + [4.0] * 3
    assert not paraphrases(frame).any()
    assert corpus_of(entry).measurable_as == {"text", "sinks"}
    assert corpus_of(entry).describe().startswith("3 texts of 8, 4 tokens")


def test_labels_of_fathoms_own_items_are_those_of_the_table() -> None:
    own = pd.DataFrame(item_texts(load_items(), ["{item}"], shuffled=False)).filter(like=LABEL_PREFIX).columns
    assert corpus_of({"kind": "items"}).label_names == tuple(own.str.removeprefix(LABEL_PREFIX))


def test_steps_of_the_hierarchy() -> None:
    steps = {kind: settings.step for kind, settings in KINDS.items() if settings.step is not None}
    assert steps == {"items": 0, "relations": 1, "analogies": 2}


@pytest.mark.parametrize("revision", ["main", "v1.0", COMMIT[:12], COMMIT.upper()])
def test_a_branch_or_tag_is_not_pinned(revision: str) -> None:
    entry = example("hub").entry
    assert corpus_of(entry).pinned
    assert not corpus_of({**entry, "revision": revision}).pinned
