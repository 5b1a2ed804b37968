"""Which texts are read, and how they are made: one class a kind of corpus."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Callable, Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    AfterValidator,
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    WrapValidator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from fathom.corpora.column_names import label_name
from fathom.corpora.templates import ANALOGY_SLOTS, ITEM_SLOTS, PLACES, RELATION_SLOTS, parse_template
from fathom.runtime.errors import one_line
from fathom.schema import (
    NOT_EXPECTED,
    Line,
    MemberPath,
    Name,
    PathLine,
    Repository,
    Revision,
    Seed,
    Settings,
    Wheel,
    Wording,
    is_commit,
    named_revision,
)
from fathom.statistics.words import counted

Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
# What metrics may be of, see fathom.metrics.settings: the tokens of a text, or all texts of a corpus together.
TOKEN_SHAPES = frozenset({"text", "sinks"})
CORPUS_SHAPES = frozenset({"corpus", "layers"})
ONE_VIEW = ("original",)
# Of the properties in fathom's own table of items, three that do not follow from one another.
OWN_LABELS = ("edible", "manmade", "larger_than_person")


class Corpus(Settings):
    """What the workflow asks of a corpus, whatever its kind. Defaults are those of plain written texts."""

    module: ClassVar[str]
    """Module that builds it, by its function `build(sources, **options)`."""
    written: ClassVar[bool] = True
    """Whether another corpus may be made of its texts."""
    stands_for_base: ClassVar[bool] = False
    """Whether metrics of a task's texts are measured on it, where it is made of these."""
    designed: ClassVar[bool] = False
    """Whether its texts are worded from items by a design, for probes; metrics leave it out unless it is named."""
    step: ClassVar[int | None] = None
    """Place in the hierarchy of the claim items < relations <= analogies."""
    swept: ClassVar[str | None] = None
    """What its views vary, for the title of a figure over them."""
    calls_for: ClassVar[tuple[str, ...]] = ()
    """Kinds of figures that its experiments call for beside the usual ones."""

    @property
    def options(self) -> dict[str, Any]:
        """Arguments of the module's `build`, as plain JSON values."""
        return self.model_dump(mode="json", exclude={"kind"})

    def job_options(self, folds: Mapping[str, int]) -> dict[str, Any]:  # noqa: ARG002 - asked of tables with labels
        """These arguments; `folds` says of each label that is probed how many folds it is divided into at most."""
        return self.options

    @property
    def measured_unasked(self) -> bool:
        """Whether metrics are measured on it where the config does not name the corpora of metrics."""
        return not self.designed

    @property
    def has_own_figure(self) -> bool:
        """Whether its experiments call for a figure of their own, a panel a label."""
        return False

    @property
    def span_names(self) -> tuple[str, ...]:
        """Names of the spans that it marks: one an item of a text."""
        return ()

    @property
    def default_views(self) -> tuple[str, ...]:
        """Names of the views that an experiment reads, without its controls, where it names none."""
        return ONE_VIEW

    @property
    def view_count(self) -> int:
        """How many views of a text metrics are measured on, each a curve of its own."""
        return 1

    @property
    def label_names(self) -> tuple[str, ...] | None:
        """Labels that it carries; None where its settings do not tell, since they are in a table of one's own."""
        return ()

    @property
    def required_files(self) -> tuple[tuple[str, str, str], ...]:
        """Files of the user's: the option that names one, its path, and what it must be."""
        return ()

    @property
    def files(self) -> tuple[str, ...]:
        """Files of the user's that it is made of; none of what is fetched or made."""
        return tuple(path for _, path, _ in self.required_files)

    @property
    def data(self) -> tuple[str, ...]:
        """Files of the package that it is made of."""
        return ()

    @property
    def base(self) -> str | None:
        """Name of the corpus that it is made of."""
        return None

    @property
    def pinned(self) -> bool:
        """Whether what is fetched is the same at any time."""
        return True

    @property
    def measurable_as(self) -> frozenset[str]:
        """What metrics may be of on it, see `of` of a metric."""
        return TOKEN_SHAPES | CORPUS_SHAPES

    def describe(self) -> str:
        """What it holds, in one phrase for captions."""
        raise NotImplementedError

    def default_experiments(self, name: str, controls: tuple[str, ...]) -> dict[str, dict[str, Any]]:  # noqa: ARG002
        """Experiments that a corpus of this name calls for, as settings; `controls` are those that can be had."""
        return {}


def _named(wheel: Wheel) -> str:
    return f"{wheel.package} {wheel.version}"


class BibleCorpus(Corpus):
    """Passages of whole verses, labelled with their testament, and the same verses of another translation as a view."""

    kind: Literal["bible"]
    translation: Wheel
    """The text: a translation in the layout of the pythonbible packages."""
    paraphrase: Wheel | None = None
    """Another translation of the same verses, kept as the view `paraphrase`."""
    words: Count = 80
    """Words of a passage at least; it ends with the verse that reaches them. 80 words are about 100 tokens."""
    passages: Count = 40
    """Number of passages, without overlap."""
    choice: Literal["random", "first"] = "random"
    """Which passages: sampled from the whole text, or the first ones."""
    seed: Seed = 0
    """Seed of the draw."""

    module: ClassVar[str] = "fathom.corpora.bible"

    @property
    def view_count(self) -> int:
        """A paraphrase is a second one."""
        return 1 if self.paraphrase is None else 2

    @property
    def label_names(self) -> tuple[str, ...]:
        """The testament of a passage."""
        return ("testament",)

    @property
    def measurable_as(self) -> frozenset[str]:
        """A paraphrase makes two views of every passage."""
        return super().measurable_as | (frozenset() if self.paraphrase is None else {"views"})

    def describe(self) -> str:
        """Number and length of the passages, and the translations."""
        text = f"{self.passages} passages of at least {self.words} words, {_named(self.translation)}"
        return text if self.paraphrase is None else f"{text}; paraphrase: the same verses, {_named(self.paraphrase)}"


class ChaptersCorpus(Corpus):
    """The chapters of a Bible translation, each a text: something to train on. Metrics leave it out unless named."""

    kind: Literal["chapters"]
    translation: Wheel
    """The text: a translation in the layout of the pythonbible packages."""

    module: ClassVar[str] = "fathom.corpora.chapters"

    @property
    def measured_unasked(self) -> bool:
        """Chapters are longer than most contexts."""
        return False

    def describe(self) -> str:
        """The translation."""
        return f"chapters, {_named(self.translation)}"


def _say_what_lengths_are(value: Any, check: Callable[[Any], Any]) -> Any:
    """One sentence; pydantic itself reports each of the forms that a value could have had."""
    try:
        lengths = check(value)
    except ValidationError:
        lengths = ()
    if lengths == () or (isinstance(lengths, tuple) and len(set(lengths)) != len(lengths)):
        expected = "expected a number of tokens, at least 3, or a list of different ones"
        raise PydanticCustomError(NOT_EXPECTED, expected)
    return lengths


Length = Annotated[int, Field(ge=3)]
Lengths = Annotated[Length | tuple[Length, ...], WrapValidator(_say_what_lengths_are)]


class RandomTokensCorpus(Corpus):
    """Tokens sampled uniformly from the vocabulary of whichever model reads them (special tokens left out)."""

    kind: Literal["random-tokens"]
    texts: Count = 32
    """Number of texts."""
    tokens: Lengths = 100
    """Tokens of a text. With a list, every text comes in each length, as the views `64 tokens`, `128 tokens`, ...; the
    shorter ones are the starts of the longest."""
    seed: Seed = 0
    """Seed of the draws."""

    module: ClassVar[str] = "fathom.corpora.random_tokens"
    written: ClassVar[bool] = False
    swept: ClassVar[str | None] = "length of the text"

    @property
    def view_count(self) -> int:
        """One a length."""
        return 1 if isinstance(self.tokens, int) else len(self.tokens)

    @property
    def measurable_as(self) -> frozenset[str]:
        """Several lengths of one text are no corpus of independent texts."""
        return super().measurable_as if isinstance(self.tokens, int) else TOKEN_SHAPES

    def describe(self) -> str:
        """Number and lengths of the texts."""
        lengths = [self.tokens] if isinstance(self.tokens, int) else self.tokens
        shown = ", ".join(map(str, lengths))
        return f"{self.texts} texts of {shown} tokens sampled uniformly from the model's vocabulary"


def _check_slots(*slots: str) -> AfterValidator:
    def check(template: str) -> str:
        try:
            parse_template(template, slots)
        except ValueError as error:
            raise PydanticCustomError(NOT_EXPECTED, "{why}", {"why": str(error)}) from None
        return template

    return AfterValidator(check)


def _differ_from_the_first(more: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
    first = info.data.get("template", info.data.get("sentence"))
    if len({first, *more}) != len(more) + 1:
        expected = "expected templates that differ from each other and from the first"
        raise PydanticCustomError(NOT_EXPECTED, expected)
    return more


ItemTemplate = Annotated[Wording, _check_slots(*ITEM_SLOTS)]
RelationTemplate = Annotated[Wording, _check_slots(*RELATION_SLOTS)]
AnalogyTemplate = Annotated[Wording, _check_slots(*ANALOGY_SLOTS)]
# Defaults are checked too, since a first template of one's own may be the second of the defaults.
FurtherTemplates = (Field(validate_default=True), AfterValidator(_differ_from_the_first))


class DesignCorpus(Corpus):
    """A design of items worded in templates: its texts mark spans, and control texts are views of it."""

    table: PathLine | None = None
    """CSV with the stimuli in the columns of fathom's own table, which is taken if this is left out."""
    shuffled: bool = True
    """Whether to add the view `shuffled`: each text with its words in another order, items kept whole. A probe that
    scores as well on it needs no syntax. It doubles the cost of a corpus of one view, and these are small."""
    seed: Seed = 0
    """Seed of the blocks and of the order of shuffled words. Blocks of pairs nest in those of analogies of one seed."""

    written: ClassVar[bool] = False
    designed: ClassVar[bool] = True
    own_table: ClassVar[str]
    """File of the package that holds fathom's own table."""

    @property
    def required_files(self) -> tuple[tuple[str, str, str], ...]:
        """A table of the user's."""
        return () if self.table is None else (("table", self.table, "an existing CSV file"),)

    @property
    def data(self) -> tuple[str, ...]:
        """Fathom's own table, unless there is another source."""
        return (self.own_table,) if self.table is None else ()

    @property
    def view_count(self) -> int:
        """Each wording, and the first once more with its words in another order."""
        first, further = len(self.default_views), len(getattr(self, "more_templates", ()))
        return first * (2 if self.shuffled else 1) + further

    @property
    def source(self) -> str:
        """Where the stimuli are from, for captions."""
        return self.table or "own table"


class ItemsCorpus(DesignCorpus):
    """Single items in a template: 'An apple'. Table: item, category, a column a label."""

    kind: Literal["items"]
    template: ItemTemplate = "{article} {item}"
    """Slots: {article}, {item}. The shortest text that is one, so that little but the item is read."""
    more_templates: Annotated[tuple[ItemTemplate, ...], *FurtherTemplates] = ("This is {article} {item}",)
    """Further templates, the views `template 2` and so on. A control task needs one that it is not trained on."""

    module: ClassVar[str] = "fathom.corpora.items"
    own_table: ClassVar[str] = "corpora/data/items.csv"
    step: ClassVar[int | None] = 0

    @property
    def span_names(self) -> tuple[str, ...]:
        """The item."""
        return ITEM_SLOTS

    @property
    def label_names(self) -> tuple[str, ...] | None:
        """Columns of the table."""
        return _own_labels() if self.table is None else None

    def describe(self) -> str:
        """Template and table."""
        return f"template “{one_line(self.template)}”, {self.source}"

    def default_experiments(self, name: str, controls: tuple[str, ...]) -> dict[str, dict[str, Any]]:
        """One of a few labels for the hierarchy. One of all 18 takes as long again; config/offline.yaml has it."""
        shared = {"corpus": name, "positions": ("span:item",), "stratify_by": "category", "controls": controls}
        return {name: {**shared, "labels": OWN_LABELS if self.table is None else None}}


@cache
def _own_labels() -> tuple[str, ...]:
    with resources.files("fathom.corpora").joinpath("data", "items.csv").open(encoding="utf-8") as table:
        header = next(csv.reader(table))
    return tuple(label_name(column) for column in header if column != "item")


class _PairsCorpus(DesignCorpus):
    """What is made of pairs: table first, second, relation."""

    template: Wording
    more_templates: tuple[Wording, ...]
    questions: Wheel | None = None
    """Google analogy questions inside a wheel (lines `: section` and lines of four words) in place of a table. Pairs
    that share no word are kept, taken in turns by the sections. Not every word takes an article, so no template may."""
    per_relation: Annotated[int, Field(ge=2, multiple_of=2)] | None = None
    """At most so many pairs of each relation, sampled with the seed; all if left out. An even number, since analogies
    take two of a relation."""

    own_table: ClassVar[str] = "corpora/data/pairs.csv"
    balanced: ClassVar[str]
    """The label whose values the design balances."""

    @property
    def label_names(self) -> tuple[str, ...]:
        """The label that is balanced, and the relation where it is one."""
        return (self.balanced, "relation")

    @property
    def data(self) -> tuple[str, ...]:
        """Fathom's own table, unless there is another source."""
        return () if self.questions is not None else super().data

    @property
    def source(self) -> str:
        """Where the pairs are from, for captions."""
        return super().source if self.questions is None else f"Google analogy questions in {_named(self.questions)}"

    def describe(self) -> str:
        """Template and source of the pairs."""
        return f"template “{one_line(self.template)}”, {self.source}"

    def default_experiments(self, name: str, controls: tuple[str, ...]) -> dict[str, dict[str, Any]]:
        """The balanced label, read at the last item."""
        last = (f"span:{self.span_names[-1]}",)
        return {name: {"corpus": name, "positions": last, "labels": (self.balanced,), "controls": controls}}

    @model_validator(mode="after")
    def _take_one_source(self) -> Self:
        if self.questions is None:
            return self
        if self.table is not None:
            expected = "expected a table or questions, not both"
            raise PydanticCustomError(NOT_EXPECTED, expected)
        if any("{article" in template for template in (self.template, *self.more_templates)):
            expected = "expected templates without articles, since not every word of the questions takes one"
            raise PydanticCustomError(NOT_EXPECTED, expected)
        return self


class RelationsCorpus(_PairsCorpus):
    """Related pairs and the same items re-paired, in closed blocks: 'A church and an organ'."""

    kind: Literal["relations"]
    template: RelationTemplate = "{article_first} {first} and {article_second} {second}"
    """Slots: {article_first}, {first}, {article_second}, {second}. That of the one example that the paper gives."""
    more_templates: Annotated[tuple[RelationTemplate, ...], *FurtherTemplates] = (
        "This is about {article_first} {first} and {article_second} {second}",
    )
    """Further templates, the views `template 2` and so on."""
    block_size: Annotated[int, Field(ge=2)] = 2
    """Pairs a block. Two give the most blocks, and these nest in the blocks of analogies."""

    module: ClassVar[str] = "fathom.corpora.relations"
    balanced: ClassVar[str] = "related"
    step: ClassVar[int | None] = 1

    @property
    def span_names(self) -> tuple[str, ...]:
        """The items of a pair."""
        return RELATION_SLOTS


class AnalogiesCorpus(_PairsCorpus):
    """Pairs of one relation against pairs of two, in closed blocks: 'cat is to kitten as dog is to puppy'."""

    kind: Literal["analogies"]
    template: AnalogyTemplate = "{first} is to {second} as {third} is to {fourth}"
    """Slots: {first}, {second}, {third}, {fourth}, and {article_first} and so on."""
    more_templates: Annotated[tuple[AnalogyTemplate, ...], *FurtherTemplates] = (
        "What {first} is for {second}, {third} is for {fourth}",
    )
    """Further templates, the views `template 2` and so on."""

    module: ClassVar[str] = "fathom.corpora.analogies"
    balanced: ClassVar[str] = "same_relation"
    step: ClassVar[int | None] = 2

    @property
    def span_names(self) -> tuple[str, ...]:
        """The items of both pairs."""
        return ANALOGY_SLOTS


class DocumentsCorpus(DesignCorpus):
    """Documents of one theme against mixed ones, in closed blocks: 'There is a cat. There is a dog. There is a cow.'.

    Table: item, category, a column a label; the theme is the category.
    """

    kind: Literal["documents"]
    sentence: ItemTemplate = "There is {article} {item}."
    """Slots: {article}, {item}. A sentence that says of anything only that it is there."""
    more_templates: Annotated[tuple[ItemTemplate, ...], *FurtherTemplates] = ("Somebody mentioned {article} {item}.",)
    """Further templates of the sentence, the views `template 2` and so on."""
    sentences: Annotated[int, Field(ge=2, le=len(PLACES))] = 3
    """Sentences k of a document; a block takes k categories with k items each. Three give more blocks than four, and
    are more than the pairs of a relation."""

    module: ClassVar[str] = "fathom.corpora.documents"
    own_table: ClassVar[str] = "corpora/data/items.csv"

    @property
    def span_names(self) -> tuple[str, ...]:
        """The item of each sentence."""
        return PLACES[: self.sentences]

    @property
    def label_names(self) -> tuple[str, ...]:
        """Whether there is one theme, and which."""
        return ("one_theme", "category")

    def describe(self) -> str:
        """Sentence and table."""
        sentences = f"{self.sentences} sentences “{one_line(self.sentence)}” of one category or of several"
        return f"{sentences}, {self.source}"

    def default_experiments(self, name: str, controls: tuple[str, ...]) -> dict[str, dict[str, Any]]:
        """Whether there is one theme, read at the last token."""
        return {name: {"corpus": name, "positions": ("last",), "labels": ("one_theme",), "controls": controls}}


def _differ(filler: tuple[int, ...]) -> tuple[int, ...]:
    if len(set(filler)) != len(filler):
        raise PydanticCustomError(NOT_EXPECTED, "expected different numbers of words")
    return filler


class EarlyContextCorpus(DesignCorpus):
    """Related and re-paired pairs as in a relations corpus, then filler: how long is what stood first kept?

    Table: first, second, relation. Views: `start n` (pair, n words of filler, closing), `end n` (filler, pair,
    closing), and `<view>, shuffled`, where the words of the pair's part are shuffled.
    """

    kind: Literal["early-context"]
    template: RelationTemplate = "{article_first} {first} and {article_second} {second}"
    """Slots: {article_first}, {first}, {article_second}, {second}."""
    filler: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1), AfterValidator(_differ)] = (
        0,
        8,
        32,
        128,
    )
    """Words of filler, a view each; a word is one token in usual vocabularies. Equal steps of a logarithm, from none to
    about as long as the default passages."""
    closing: Annotated[Line, StringConstraints(pattern=r"^\S(.*\S)?$")] = "and so on"
    """Last words of every text, so that the last token is the same in all. They fit after a list of two."""
    blocks: Annotated[int, Field(ge=2)] | None = 32
    """The first blocks only, since long texts cost much; None takes all. 32 blocks of 8 texts in the default views hold
    100,000 words, and as many with their words shuffled."""

    module: ClassVar[str] = "fathom.corpora.early_context"
    own_table: ClassVar[str] = "corpora/data/pairs.csv"
    calls_for: ClassVar[tuple[str, ...]] = ("early-context",)

    @property
    def span_names(self) -> tuple[str, ...]:
        """The items of the pair."""
        return RELATION_SLOTS

    @property
    def default_views(self) -> tuple[str, ...]:
        """The pair before and after each amount of filler."""
        starts = tuple(f"start {count}" for count in self.filler)
        return starts + tuple(f"end {count}" for count in self.filler if count > 0)

    @property
    def label_names(self) -> tuple[str, ...]:
        """As of a relations corpus."""
        return ("related", "relation")

    def describe(self) -> str:
        """Template, filler and table."""
        filler = ", ".join(map(str, self.filler))
        return f"template “{one_line(self.template)}” and {filler} words of filler, {self.source}"

    def default_experiments(self, name: str, controls: tuple[str, ...]) -> dict[str, dict[str, Any]]:
        """Whether the pair is related, read at the last token."""
        read = {"positions": ("last",), "labels": ("related",), "estimators": ("ridge",)}
        return {name: {"corpus": name, **read, "controls": controls}}


def _compiled(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        why = {"why": str(error)}
        raise PydanticCustomError(NOT_EXPECTED, "expected a regular expression ({why})", why) from None
    return pattern


_ENDINGS = r"\.(txt|csv|jsonl|parquet)$"
_OTHER_FORMS = {
    (".gz", ".bz2", ".xz", ".zst", ".zip"): "unpack it first",
    (".tsv", ".xls", ".xlsx", ".ods"): "save it as .csv, with commas",
    (".json",): "write one JSON object a line, as .jsonl",
}


def _a_table(path: str) -> str:
    """One sentence with the way out for the usual other forms; a pattern alone says neither."""
    if re.search(_ENDINGS, path):
        return path
    advice = next((way for ends, way in _OTHER_FORMS.items() if path.lower().endswith(ends)), "")
    if not advice and re.search(_ENDINGS, path.lower()):
        advice = "in small letters"
    expected = "expected one file that ends with .txt, .csv, .jsonl or .parquet" + (f": {advice}" if advice else "")
    raise PydanticCustomError(NOT_EXPECTED, "{expected}", {"expected": expected})


Endings = (AfterValidator(_a_table), Field(json_schema_extra={"pattern": _ENDINGS}))


LabelKind = Literal["classes", "numbers"]
# Words of tables for "nothing is known", beside an empty cell. "None" and "NA" alone could be a class.
MISSING = ("NaN", "nan", "N/A", "n/a", "NULL", "null")


class SpanColumns(Settings):
    """A span by two columns."""

    start: Line
    """Column of its first character, counted from 0."""
    end: Line
    """Column of the character after its last."""


class SpanRange(Settings):
    """A span by one column."""

    range: Line
    """Column of the first character, counted from 0, and of the one after the last: 3:8 or [3, 8]."""


Mark = Annotated[Line, StringConstraints(min_length=1)]


class SpanMarks(Settings):
    """A span by marks in the text, which are taken out of it."""

    opens: Mark
    """Mark before the span; once in every text."""
    closes: Mark
    """Mark after it."""


def _say_what_a_span_is(value: Any, check: Callable[[Any], Any]) -> Any:
    """One sentence; pydantic itself reports each of the forms that a value could have had."""
    try:
        return check(value)
    except ValidationError:
        expected = "expected {start: COLUMN, end: COLUMN}, {range: COLUMN} or {opens: MARK, closes: MARK}"
        raise PydanticCustomError(NOT_EXPECTED, expected) from None


SpanPlace = Annotated[SpanColumns | SpanRange | SpanMarks, WrapValidator(_say_what_a_span_is)]


def _say_what_labels_are(value: Any, check: Callable[[Any], Any]) -> Any:
    """A list of columns is labels whose kind is inferred."""
    named = isinstance(value, (list, tuple)) and all(isinstance(one, str) for one in value)
    if named and len(set(value)) == len(value):
        value = dict.fromkeys(value)
    try:
        return check(value)
    except ValidationError:
        expected = "expected a list of different columns, or {COLUMN: classes, COLUMN: numbers}"
        raise PydanticCustomError(NOT_EXPECTED, expected) from None


def _not_the_mean(labels: dict[str, Any]) -> dict[str, Any]:
    if MEAN_LABEL in labels:
        raise PydanticCustomError(NOT_EXPECTED, "expected another name than 'mean', which names the mean of labels")
    return labels


MEAN_LABEL = "mean"
LabelColumns = Annotated[
    dict[Line, LabelKind | None], AfterValidator(_not_the_mean), WrapValidator(_say_what_labels_are)
]


def _new_views(views: tuple[str, ...]) -> tuple[str, ...]:
    if len({*views, "original", "shuffled"}) != len(views) + 2:
        raise PydanticCustomError(NOT_EXPECTED, "expected different columns, none called 'original' or 'shuffled'")
    return views


def _known_encoding(encoding: str) -> str:
    try:
        codecs.lookup(encoding)
    except (LookupError, ValueError):
        expected = "expected the name of an encoding, utf-8, cp1252 or latin-1 say"
        raise PydanticCustomError(NOT_EXPECTED, expected) from None
    return encoding


class _Table(Corpus):
    column: Line = "text"
    """Column that holds the text."""
    encoding: Annotated[Line, AfterValidator(_known_encoding)] = "utf-8"
    """Encoding of the file, unless it is Parquet. Spreadsheets on Windows write cp1252."""
    limit: Count | None = None
    """First rows only."""
    skip: Annotated[Line, AfterValidator(_compiled)] | None = None
    """Regular expression; rows whose text it matches from the start are left out (headings, say)."""
    min_characters: Count | None = None
    """Shorter texts are left out, after stripping white space."""
    min_words: Count | None = None
    """Texts of fewer words (what white space separates) are left out."""
    sample: Count | None = None
    """So many of the texts that are left, drawn by the seed; all if left out."""
    labels: LabelColumns = Field(default_factory=dict)
    """Columns with labels to probe for. A list, and what they hold is inferred: a column that is not all numbers has
    classes; so have two different numbers, and whole numbers that are codes of classes (all of 0 to K - 1 or of 1 to K,
    each in two texts at least, K at most 100); other numbers are numbers. Or declared: {mood: classes, age: numbers}.
    An empty cell leaves the text out for this label."""
    missing: tuple[Line, ...] = MISSING
    """Cells of a label that stand for none, beside empty ones."""
    min_class: Annotated[int, Field(ge=1)] = 1
    """Classes of fewer texts are left out of a label, and counted. Otherwise a class that is in fewer groups than there
    are folds is refused."""
    group: Line | None = None
    """Column with the author, document or template of a text: texts of one are never split between training and test.
    If left out, every text is a group of its own."""
    id: Line | None = None
    """Column with names of the texts, each once; the number of the row if left out."""
    split: Line | None = None
    """Column with a published split: probes are trained on `train` and tested on `test`, and other texts are left out.
    If left out, folds of the groups are made."""
    spans: dict[Name, SpanPlace] = Field(default_factory=dict)
    """Spans of every text by name, to be read at `span:<name>`: {start: COLUMN, end: COLUMN} in characters from 0,
    {range: COLUMN} of 3:8, or {opens: "[", closes: "]"}, marks in the text."""
    views: Annotated[tuple[Line, ...], AfterValidator(_new_views)] = ()
    """Columns with paraphrases of the text, each a view called after its column. With labels, a control task of random
    labels is trained on the other views and tested on one."""
    shuffled: bool = True
    """With labels: whether to add the view `shuffled`, each text with its words in another order. A probe that scores
    as well on it needs no syntax. It doubles the cost of a corpus of one view."""
    near_equal: Annotated[float, Field(gt=0.0, le=1.0)] = 0.8
    """Share of words from which on two texts count as nearly equal: words in both over words in either, repeats
    counted, case and punctuation aside. At 0.8 a sentence of ten words may differ in one."""
    join_near_equal: bool = True
    """With labels: put equal and nearly equal texts of different groups into one group, since one in training tells the
    label of the other. They are counted and listed in any case."""
    measured: bool = True
    """Whether metrics are measured on it where `metrics.corpora` is left out."""
    seed: Seed = 0
    """Seed of the sample and of the order of shuffled words."""

    @property
    def options(self) -> dict[str, Any]:
        """Without what changes no text."""
        return self.model_dump(mode="json", exclude={"kind", "measured"})

    @property
    def view_count(self) -> int:
        """The text, its paraphrases, and with labels the same with their words in another order."""
        return (1 + len(self.views)) * (2 if self.labels and self.shuffled else 1)

    @property
    def label_names(self) -> tuple[str, ...]:
        """The columns."""
        return tuple(self.labels)

    @property
    def span_names(self) -> tuple[str, ...]:
        """The marked spans."""
        return tuple(self.spans)

    @property
    def measured_unasked(self) -> bool:
        """As its settings say."""
        return self.measured

    @property
    def has_own_figure(self) -> bool:
        """If it has labels."""
        return bool(self.labels)

    @property
    def measurable_as(self) -> frozenset[str]:
        """A paraphrase makes two views of every text."""
        return super().measurable_as | ({"views"} if self.views else frozenset())

    def job_options(self, folds: Mapping[str, int]) -> dict[str, Any]:
        """With the folds of each label, so that a class that a fold would lack is refused before any model runs."""
        asked = {label: count for label, count in folds.items() if label in self.labels}
        return self.options | {"folds": asked}

    def describe(self) -> str:
        """The source, and the labels."""
        kinds = [f"{name} ({kind or 'kind inferred'})" for name, kind in self.labels.items()]
        parts = [self._source(), *([f"{counted(self.sample, 'text')} drawn"] if self.sample else [])]
        parts += [f"labels {', '.join(kinds)}"] if kinds else []
        parts += [f"groups {self.group}"] if self.group else []
        parts += [f"split {self.split}"] if self.split else []
        return "; ".join(parts)

    def _source(self) -> str:
        raise NotImplementedError

    def default_experiments(self, name: str, controls: tuple[str, ...]) -> dict[str, dict[str, Any]]:
        """All labels, read from the mean over tokens: of a text of any form it is the state that holds all of it."""
        if not self.labels:
            return {}
        # Ridge takes classes and numbers, and answers all permutations at once.
        asked = {"corpus": name, "positions": ("mean",), "labels": tuple(self.labels), "estimators": ("ridge",)}
        return {name: {**asked, "controls": controls}}


class FileCorpus(_Table):
    """A file of your own: .txt (a line a text, blank lines left aside), .csv, .jsonl or .parquet."""

    kind: Literal["file"]
    path: Annotated[PathLine, *Endings]
    """The file, relative to where Snakemake runs."""

    module: ClassVar[str] = "fathom.corpora.files"

    @property
    def required_files(self) -> tuple[tuple[str, str, str], ...]:
        """The file."""
        return (("path", self.path, "an existing file"),)

    def _source(self) -> str:
        return Path(self.path).name


class HubCorpus(_Table):
    """A file of a dataset on the Hugging Face hub: Parquet as a rule, or any of the kinds above."""

    kind: Literal["hub"]
    repository: Repository
    """Dataset repository, for example Salesforce/wikitext."""
    revision: Revision | None = None
    """Commit hash, branch or tag; the default branch if left out. A branch or tag is looked up once: the commit that it
    led to is in the corpus's record, and stays until the setting changes or `results/corpora/{corpus}.commit.json` is
    deleted. A paper's config names full commit hashes."""
    file: Annotated[MemberPath, *Endings]
    """File in the repository."""

    module: ClassVar[str] = "fathom.corpora.hub"

    @property
    def pinned(self) -> bool:
        """Whether the revision is a full commit hash."""
        return is_commit(self.revision or "")

    def _source(self) -> str:
        return f"{self.repository} at {named_revision(self.revision)}, {self.file}"


class WheelCorpus(_Table):
    """A table inside a wheel on the package index: .txt, .csv, .jsonl or .parquet."""

    kind: Literal["wheel"]
    wheel: Wheel
    """The wheel, and the file inside."""

    module: ClassVar[str] = "fathom.corpora.wheels"

    @model_validator(mode="after")
    def _take_a_table(self) -> Self:
        if not self.wheel.file.endswith((".txt", ".csv", ".jsonl", ".parquet")):
            expected = "expected a file that ends with .txt, .csv, .jsonl or .parquet"
            raise PydanticCustomError(NOT_EXPECTED, expected)
        return self

    def _source(self) -> str:
        return f"{Path(self.wheel.file).name} in {_named(self.wheel)}"


class DerivedCorpus(Corpus):
    """A corpus that is made from the texts of another one, of whose views only `original` is read."""

    of: Name
    """The other corpus."""
    limit: Count | None = None
    """First texts of the other corpus; all of them if left out."""

    written: ClassVar[bool] = False

    @property
    def options(self) -> dict[str, Any]:
        """Without the other corpus, which the job names apart from its options."""
        return self.model_dump(mode="json", exclude={"kind", "of"})

    @property
    def base(self) -> str:
        """The other corpus."""
        return self.of

    @property
    def label_names(self) -> None:
        """Those of the other corpus."""
        return

    @property
    def taken(self) -> str:
        """What is taken of the other corpus, for captions."""
        if self.limit is None:
            return self.of
        return f"the first {f'{self.limit:,} texts' if self.limit > 1 else 'text'} of {self.of}"


class ExcerptCorpus(DerivedCorpus):
    """The first texts of another corpus: for metrics that are costly, or whose states are large, on many texts."""

    kind: Literal["excerpt"]
    limit: Count
    """First texts of the other corpus."""

    module: ClassVar[str] = "fathom.corpora.excerpt"
    stands_for_base: ClassVar[bool] = True

    def describe(self) -> str:
        """How many, of what."""
        return self.taken


class _VariedCorpus(DerivedCorpus):
    """What is drawn from each text of another corpus."""

    seed: Seed = 0
    """Seed of all draws. Those of a text follow from it, the text's id and a number, whatever other texts there are."""
    as_published: bool = False
    """The form of the papers' code in place of that of their text."""

    @property
    def form(self) -> str:
        """The form, for captions."""
        return ", as published" if self.as_published else ""


class ViewsCorpus(_VariedCorpus):
    """Augmented views of written texts: words split, random characters, slips to a neighbouring key."""

    kind: Literal["views"]
    views: Count = 16
    """Views of a text, `view-01` and so on. The papers take 16 for LiDAR; InfoNCE and DiME need 2 of them."""
    p: Share = 0.3
    """Share of words, and of characters in a chosen word, that each of the three changes: 0.3 in the papers."""

    module: ClassVar[str] = "fathom.corpora.augment"
    stands_for_base: ClassVar[bool] = True

    @property
    def measurable_as(self) -> frozenset[str]:
        """Its views are compared with one another, and no more is kept of them."""
        return frozenset({"views"})

    def describe(self) -> str:
        """Number of views, and how they come about."""
        augmented = f"split, random character, keyboard; p = {self.p:g}{self.form}"
        return f"{self.views} augmented views of {self.taken} ({augmented})"


def _differ_as_views(probabilities: tuple[float, ...]) -> tuple[float, ...]:
    names = {f"{probability:.2f}" for probability in probabilities}
    if len(names) != len(probabilities):
        expected = "expected probabilities that differ when rounded to two decimals, as in the names of their views"
        raise PydanticCustomError(NOT_EXPECTED, expected)
    return probabilities


Probabilities = Annotated[tuple[Share, ...], Field(min_length=1), AfterValidator(_differ_as_views)]


class _PerturbedCorpus(_VariedCorpus):
    """What is made of texts by replacing their tokens with a probability."""

    kind: Literal["repetition", "randomness"]

    module: ClassVar[str] = "fathom.corpora.perturbed"
    replaced_by: ClassVar[str]
    """What takes the place of a token, for captions."""

    @property
    def options(self) -> dict[str, Any]:
        """One module makes both kinds."""
        return super().options | {"kind": self.kind}

    @property
    def measurable_as(self) -> frozenset[str]:
        """Each text comes once a probability, so the texts are not independent."""
        return TOKEN_SHAPES

    def describe(self) -> str:
        """The other corpus, and what replaces its tokens."""
        return f"{self.taken}, each token replaced with probability p by {self.replaced_by}{self.form}"


class RepetitionCorpus(_PerturbedCorpus):
    """Texts whose tokens are replaced, with a probability, by the text's own tokens (Skean et al. 2025, Figure 6a).

    Each position draws a token afresh; as published, one token, sampled once, replaces at all positions.
    """

    kind: Literal["repetition"]
    probabilities: Probabilities = (0.0, 0.1125, 0.225, 0.3375, 0.45, 0.5625, 0.675, 0.7875, 0.9)
    """Each is a view, `p = 0.45`. The paper's notebook takes these nine, its text shows 0, 0.1, 0.5 and 1."""
    draws: Count = 1
    """Versions of every text at each probability: one in the papers, which average over many texts instead."""

    swept: ClassVar[str | None] = "repeated tokens"
    replaced_by: ClassVar[str] = "tokens of the text itself"

    @property
    def view_count(self) -> int:
        """One a probability."""
        return len(self.probabilities)


class RandomnessCorpus(_PerturbedCorpus):
    """Texts whose tokens are replaced, with a probability, by random ones (Skean et al. 2025, Figure 6b).

    They are sampled uniformly from the vocabulary without special tokens; as published, from all ids from 20 on.
    """

    kind: Literal["randomness"]
    probabilities: Probabilities = (0.0, 0.1111, 0.2222, 0.3333, 0.4444, 0.5556, 0.6667, 0.7778, 0.8889, 1.0)
    """Each is a view, `p = 0.44`. The paper's notebook takes these ten (0 to 1 in ninths, here rounded)."""
    draws: Count = 1
    """Versions of every text at each probability: one in the papers, which average over many texts instead."""

    swept: ClassVar[str | None] = "random tokens"
    replaced_by: ClassVar[str] = "random tokens"

    @property
    def view_count(self) -> int:
        """One a probability."""
        return len(self.probabilities)


CorpusSettings = Annotated[
    BibleCorpus
    | ChaptersCorpus
    | RandomTokensCorpus
    | ItemsCorpus
    | RelationsCorpus
    | AnalogiesCorpus
    | DocumentsCorpus
    | EarlyContextCorpus
    | FileCorpus
    | HubCorpus
    | WheelCorpus
    | ExcerptCorpus
    | ViewsCorpus
    | RepetitionCorpus
    | RandomnessCorpus,
    Field(discriminator="kind"),
]
