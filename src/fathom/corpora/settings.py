"""Which texts are read, and how they are made."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from fathom.settings import NOT_EXPECTED, MemberPath, Repository, Revision, Settings, Wheel

Seed = Annotated[int, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]


class BibleCorpus(Settings):
    """Passages of whole verses, and the same verses of another translation as a paraphrase view."""

    kind: Literal["bible"]
    translation: Wheel
    """The text: a translation in the layout of the pythonbible packages."""
    paraphrase: Wheel | None = None
    """Another translation of the same verses, kept as the view `paraphrase`."""
    words: Count = 80
    """Words of a passage at least; it ends with the verse that reaches them. 80 words are about 100 tokens."""
    passages: Count = 40
    """Number of passages, drawn from the whole text without overlap."""
    seed: Seed = 0
    """Seed of the draw."""


class RandomTokensCorpus(Settings):
    """Tokens drawn uniformly from the vocabulary of whichever model reads them (special tokens left out)."""

    kind: Literal["random-tokens"]
    texts: Count = 32
    """Number of texts."""
    tokens: Annotated[int, Field(ge=3)] = 100
    """Tokens of a text."""
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


CorpusSettings = Annotated[
    BibleCorpus | RandomTokensCorpus | ItemsCorpus | RelationsCorpus | AnalogiesCorpus | FileCorpus | HubCorpus,
    Field(discriminator="kind"),
]
