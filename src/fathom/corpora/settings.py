"""Which texts are read, and how they are made."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StringConstraints, ValidationError, WrapValidator
from pydantic_core import PydanticCustomError

from fathom.settings import NOT_EXPECTED, MemberPath, Name, Repository, Revision, Settings, Wheel

Seed = Annotated[int, Field(ge=0)]
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


class ItemsCorpus(Settings):
    """Single items in a template: 'An apple'."""

    kind: Literal["items"]
    table: str | None = None
    """CSV with the columns item, category and one 0/1 column a property; fathom's own if left out."""
    template: str = "{article} {item}"
    """Slots: {article}, {item}."""


class RelationsCorpus(Settings):
    """Related pairs and the same items re-paired, in closed blocks: 'A church and an organ'."""

    kind: Literal["relations"]
    table: str | None = None
    """CSV with the columns first, second, relation; fathom's own if left out."""
    template: str = "{article_first} {first} and {article_second} {second}"
    """Slots: {article_first}, {first}, {article_second}, {second}."""
    seed: Seed = 0
    """Seed of the assignment of pairs to blocks."""


class AnalogiesCorpus(Settings):
    """Pairs of one relation against pairs of two, in closed blocks: 'cat is to kitten as dog is to puppy'."""

    kind: Literal["analogies"]
    table: str | None = None
    """CSV with the columns first, second, relation; fathom's own if left out."""
    template: str = "{first} is to {second} as {third} is to {fourth}"
    """Slots: {first}, {second}, {third}, {fourth}."""
    seed: Seed = 0
    """Seed of the assignment of pairs to blocks."""


def _compiled(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        why = {"why": str(error)}
        raise PydanticCustomError(NOT_EXPECTED, "expected a regular expression ({why})", why) from None
    return pattern


Endings = StringConstraints(pattern=r"\.(txt|csv|jsonl|parquet)$")


class _Table(Settings):
    column: str = "text"
    """Column that holds the text."""
    limit: Count | None = None
    """First rows only."""
    skip: Annotated[str, AfterValidator(_compiled)] | None = None
    """Regular expression; rows whose text it matches from the start are left out (headings, say)."""
    min_characters: Count | None = None
    """Shorter texts are left out, after stripping white space."""
    min_words: Count | None = None
    """Texts of fewer words (what white space separates) are left out."""


class FileCorpus(_Table):
    """A file of your own: .txt (a line a text), .csv, .jsonl or .parquet."""

    kind: Literal["file"]
    path: Annotated[str, Endings]
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
    | FileCorpus
    | HubCorpus
    | ViewsCorpus
    | RepetitionCorpus
    | RandomnessCorpus,
    Field(discriminator="kind"),
]
