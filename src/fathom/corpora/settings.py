"""Which texts are read, and how they are made."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from functools import cache
from importlib import resources
from typing import Annotated, Any, Literal, Self

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
)

Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]


class BibleCorpus(Settings):
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
    """Which passages: drawn from the whole text, or the first ones."""
    seed: Seed = 0
    """Seed of the draw."""


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


class RandomTokensCorpus(Settings):
    """Tokens drawn uniformly from the vocabulary of whichever model reads them (special tokens left out)."""

    kind: Literal["random-tokens"]
    texts: Count = 32
    """Number of texts."""
    tokens: Lengths = 100
    """Tokens of a text. With a list, every text comes in each length, as the views `64 tokens`, `128 tokens`, ...; the
    shorter ones are the starts of the longest."""
    seed: Seed = 0
    """Seed of the draws."""


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


class DesignCorpus(Settings):
    """A design of items worded in templates: its texts mark spans, and control texts are views of it."""

    table: PathLine | None = None
    """CSV with the stimuli in the columns of fathom's own table, which is taken if this is left out."""
    shuffled: bool = True
    """Whether to add the view `shuffled`: each text with its words in another order, items kept whole. A probe that
    scores as well on it needs no syntax. It doubles the cost of a corpus of one view, and these are small."""
    seed: Seed = 0
    """Seed of the blocks and of the order of shuffled words. Blocks of pairs nest in those of analogies of one seed."""


class ItemsCorpus(DesignCorpus):
    """Single items in a template: 'An apple'. Table: item, category, a column a label."""

    kind: Literal["items"]
    template: ItemTemplate = "{article} {item}"
    """Slots: {article}, {item}. The shortest text that is one, so that little but the item is read."""
    more_templates: Annotated[tuple[ItemTemplate, ...], *FurtherTemplates] = ("This is {article} {item}",)
    """Further templates, the views `template 2` and so on. A control task needs one that it is not trained on."""


class _PairsCorpus(DesignCorpus):
    """What is made of pairs: table first, second, relation."""

    template: Wording
    more_templates: tuple[Wording, ...]
    questions: Wheel | None = None
    """Google analogy questions inside a wheel (lines `: section` and lines of four words) in place of a table. Pairs
    that share no word are kept, taken in turns by the sections. Not every word takes an article, so no template may."""
    per_relation: Annotated[int, Field(ge=2, multiple_of=2)] | None = None
    """At most so many pairs of each relation, drawn by the seed; all if left out. An even number, since analogies take
    two of a relation."""

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


class AnalogiesCorpus(_PairsCorpus):
    """Pairs of one relation against pairs of two, in closed blocks: 'cat is to kitten as dog is to puppy'."""

    kind: Literal["analogies"]
    template: AnalogyTemplate = "{first} is to {second} as {third} is to {fourth}"
    """Slots: {first}, {second}, {third}, {fourth}, and {article_first} and so on."""
    more_templates: Annotated[tuple[AnalogyTemplate, ...], *FurtherTemplates] = (
        "What {first} is for {second}, {third} is for {fourth}",
    )
    """Further templates, the views `template 2` and so on."""


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


def _compiled(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        why = {"why": str(error)}
        raise PydanticCustomError(NOT_EXPECTED, "expected a regular expression ({why})", why) from None
    return pattern


Endings = StringConstraints(pattern=r"\.(txt|csv|jsonl|parquet)$")


class _Table(Settings):
    column: Line = "text"
    """Column that holds the text."""
    limit: Count | None = None
    """First rows only."""
    skip: Annotated[Line, AfterValidator(_compiled)] | None = None
    """Regular expression; rows whose text it matches from the start are left out (headings, say)."""
    min_characters: Count | None = None
    """Shorter texts are left out, after stripping white space."""
    min_words: Count | None = None
    """Texts of fewer words (what white space separates) are left out."""


class FileCorpus(_Table):
    """A file of your own: .txt (a line a text), .csv, .jsonl or .parquet."""

    kind: Literal["file"]
    path: Annotated[PathLine, Endings]
    """The file, relative to where Snakemake runs."""


class HubCorpus(_Table):
    """A file of a dataset on the Hugging Face hub: Parquet as a rule, or any of the kinds above."""

    kind: Literal["hub"]
    repository: Repository
    """Dataset repository, for example Salesforce/wikitext."""
    revision: Revision
    """Full commit hash. A branch or tag is followed only where `paper` is not set."""
    file: Annotated[MemberPath, Endings]
    """File in the repository."""


class DerivedCorpus(Settings):
    """A corpus that is made from the texts of another one, of whose views only `original` is read."""

    of: Name
    """The other corpus."""
    seed: Seed = 0
    """Seed of all draws. Those of a text follow from it, the text's id and a number, whatever other texts there are."""
    as_published: bool = False
    """The form of the papers' code in place of that of their text."""


class ViewsCorpus(DerivedCorpus):
    """Augmented views of written texts: words split, random characters, slips to a neighbouring key."""

    kind: Literal["views"]
    views: Count = 16
    """Views of a text, `view-01` and so on. The papers take 16 for LiDAR; InfoNCE and DiME need 2 of them."""
    p: Share = 0.3
    """Share of words, and of characters in a chosen word, that each of the three changes: 0.3 in the papers."""


def _differ_as_views(probabilities: tuple[float, ...]) -> tuple[float, ...]:
    names = {f"{probability:.2f}" for probability in probabilities}
    if len(names) != len(probabilities):
        expected = "expected probabilities that differ when rounded to two decimals, as in the names of their views"
        raise PydanticCustomError(NOT_EXPECTED, expected)
    return probabilities


Probabilities = Annotated[tuple[Share, ...], Field(min_length=1), AfterValidator(_differ_as_views)]


class RepetitionCorpus(DerivedCorpus):
    """Texts whose tokens are replaced, with a probability, by the text's own tokens (Skean et al. 2025, Figure 6a).

    Each position draws a token afresh; as published, one token that is drawn once replaces at all positions.
    """

    kind: Literal["repetition"]
    probabilities: Probabilities = (0.0, 0.1125, 0.225, 0.3375, 0.45, 0.5625, 0.675, 0.7875, 0.9)
    """Each is a view, `p = 0.45`. The paper's notebook takes these nine, its text shows 0, 0.1, 0.5 and 1."""
    draws: Count = 1
    """Versions of every text at each probability: one in the papers, which average over many texts instead."""


class RandomnessCorpus(DerivedCorpus):
    """Texts whose tokens are replaced, with a probability, by random ones (Skean et al. 2025, Figure 6b).

    They are drawn uniformly from the vocabulary without special tokens; as published, from all ids from 20 on.
    """

    kind: Literal["randomness"]
    probabilities: Probabilities = (0.0, 0.1111, 0.2222, 0.3333, 0.4444, 0.5556, 0.6667, 0.7778, 0.8889, 1.0)
    """Each is a view, `p = 0.44`. The paper's notebook takes these ten (0 to 1 in ninths, here rounded)."""
    draws: Count = 1
    """Versions of every text at each probability: one in the papers, which average over many texts instead."""


CorpusSettings = Annotated[
    BibleCorpus
    | RandomTokensCorpus
    | ItemsCorpus
    | RelationsCorpus
    | AnalogiesCorpus
    | DocumentsCorpus
    | EarlyContextCorpus
    | FileCorpus
    | HubCorpus
    | ViewsCorpus
    | RepetitionCorpus
    | RandomnessCorpus,
    Field(discriminator="kind"),
]


def spans_of(settings: CorpusSettings) -> tuple[str, ...]:
    """Names of the spans that a corpus marks: one an item of a text."""
    match settings:
        case ItemsCorpus():
            return ITEM_SLOTS
        case RelationsCorpus() | EarlyContextCorpus():
            return RELATION_SLOTS
        case AnalogiesCorpus():
            return ANALOGY_SLOTS
        case DocumentsCorpus():
            return PLACES[: settings.sentences]
        case _:
            return ()


def views_of(settings: CorpusSettings) -> tuple[str, ...]:
    """Names of the views that an experiment reads, without its controls."""
    if isinstance(settings, EarlyContextCorpus):
        starts = tuple(f"start {count}" for count in settings.filler)
        return starts + tuple(f"end {count}" for count in settings.filler if count > 0)
    return ("original",)


def labels_of(settings: CorpusSettings) -> tuple[str, ...] | None:
    """Labels that a corpus carries; None where its settings do not tell, since they are in a table of one's own."""
    match settings:
        case BibleCorpus():
            return ("testament",)
        case ItemsCorpus():
            return _own_labels() if settings.table is None else None
        case RelationsCorpus() | EarlyContextCorpus():
            return ("related", "relation")
        case AnalogiesCorpus():
            return ("same_relation", "relation")
        case DocumentsCorpus():
            return ("one_theme", "category")
        case DerivedCorpus():
            return None
        case _:
            return ()


@cache
def _own_labels() -> tuple[str, ...]:
    with resources.files("fathom.corpora").joinpath("data", "items.csv").open(encoding="utf-8") as table:
        header = next(csv.reader(table))
    return tuple(label_name(column) for column in header if column != "item")


HierarchyCorpus = (ItemsCorpus, RelationsCorpus, AnalogiesCorpus, DocumentsCorpus, EarlyContextCorpus)
TOKEN_SHAPES = ("text", "sinks")


def measurable_shapes(corpus: CorpusSettings | None) -> frozenset[str]:
    """What metrics may be of on a corpus of this kind; see `Metric.of`."""
    match corpus:
        case ViewsCorpus():
            return frozenset({"views"})
        case RepetitionCorpus() | RandomnessCorpus():
            return frozenset(TOKEN_SHAPES)
        case RandomTokensCorpus() if not isinstance(corpus.tokens, int):
            return frozenset(TOKEN_SHAPES)
        case BibleCorpus() if corpus.paraphrase is not None:
            return frozenset({*TOKEN_SHAPES, "corpus", "layers", "views"})
        case _:
            return frozenset({*TOKEN_SHAPES, "corpus", "layers"})


def known_labels(corpus: CorpusSettings | None) -> tuple[str, ...]:
    """Labels that a corpus is known to carry."""
    return () if corpus is None else labels_of(corpus) or ()
