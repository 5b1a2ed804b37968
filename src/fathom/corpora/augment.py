"""The three augmentations of Skean et al. in a row: split words, random characters, slips to a neighbouring key.

Skean et al. 2025 (arXiv 2502.02013), Appendix D, names three augmenters of nlpaug (1.1.11 at the time) and gives each
p = 0.3. This is own code after that text and after what the library documents; nlpaug is no longer maintained.

What p applies to: of a text's W words, ceil(p W) are changed, sampled without replacement from the words of at least
four characters, and all of these where they are fewer. A word that is to be split is split once. Of the C characters of
a word whose characters are to be changed, ceil(p C) are. So p = 0.3 splits about 30 % of the words; of the words that
are there afterwards, about 30 % have 30 % of their characters changed, and then again by the keyboard.

The paper's form and the form of its code (`as_published`, read in nlpaug 1.1.11) differ:

============================  ===============================  ====================================================
what                          paper                            as published
============================  ===============================  ====================================================
words                         between white space, which stays  runs of letters and digits, every sign on its own,
                                                               joined anew by single spaces
number of words, characters   ceil(p W), ceil(p C)             the same, but at least 1 and at most 10
places to split a word        all inner ones                   all but the last inner one
a random character            inserted, substituted, swapped   substituted only
                              with the next, or deleted
a neighbouring key            shift is held as for the key     with or without shift
text that comes out           the text                         as Python writes a list that holds it: ['...']
============================  ===============================  ====================================================
"""

from __future__ import annotations

import math
import re
import string
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from fathom.corpora.derive import originals, text_seed
from fathom.io.corpus_table import LABEL_PREFIX

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fathom.corpora.sources import Sources

SHORTEST_WORD = 4  # characters; what nlpaug takes where the paper says nothing
MOST_AS_PUBLISHED = 10  # words of a text, and characters of a word, that nlpaug changes at most
EDITS = ("insert", "substitute", "swap", "delete")
RANDOM_CHARACTERS = string.ascii_letters + string.digits + "!@#$%^&*()_+"
WHITE_SPACE = re.compile(r"(\s+)")
SIGNS_AND_WORDS = re.compile(r"\w+|[^\w\s]")

# A keyboard of the United States: how far each row starts to the right, in widths of a key, and its keys.
ROW_STARTS = (0.0, 0.5, 0.75, 1.25)
PLAIN_ROWS = ("1234567890-=", "qwertyuiop[]", "asdfghjkl;'", "zxcvbnm,./")
SHIFTED_ROWS = ("!@#$%^&*()_+", "QWERTYUIOP{}", 'ASDFGHJKL:"', "ZXCVBNM<>?")


def _touching(rows: Sequence[str]) -> dict[str, str]:
    """The keys that touch each key."""
    places = {
        key: (row, start + column)
        for row, (start, keys) in enumerate(zip(ROW_STARTS, rows, strict=True))
        for column, key in enumerate(keys)
    }
    return {
        key: "".join(
            other
            for other, (its_row, its_x) in places.items()
            if other != key and abs(its_row - row) <= 1 and abs(its_x - x) <= 1
        )
        for key, (row, x) in places.items()
    }


_PLAIN, _SHIFTED = _touching(PLAIN_ROWS), _touching(SHIFTED_ROWS)
NEIGHBOURS = _PLAIN | _SHIFTED
"""Character -> the characters of the keys that touch its key, shift held as for itself."""
NEIGHBOURS_AS_PUBLISHED = {
    key: _PLAIN[low] + _SHIFTED[high] for low, high in zip(_PLAIN, _SHIFTED, strict=True) for key in (low, high)
}
"""Character -> the same, with and without shift."""


def build(sources: Sources, *, limit: int | None, views: int, p: float, seed: int, as_published: bool) -> pd.DataFrame:
    """Augmented views of the texts of the other corpus."""
    base, of = sources.base()
    return augmented_views(originals(base, of, limit), of, views=views, p=p, seed=seed, as_published=as_published)


def augmented_views(
    base: pd.DataFrame, of: str, *, views: int, p: float, seed: int, as_published: bool = False
) -> pd.DataFrame:
    """`views` augmented views of every text of a corpus: `view-01`, `view-02`, ...

    Args:
        base: a corpus (columns: see fathom.io.tables); only its view `original` is read.
        of: its name, for errors.
        views: number of views, at least 1.
        p: share of words, and of characters in a chosen word, in [0, 1]; see the head of this module.
        seed: a view depends on this seed, the id of its text and its own number, and on nothing else.
        as_published: the form of the papers' code.

    Returns:
        columns id, text, view, group and the labels of the base; spans are lost, for they mark places of the old text.

    Raises:
        ValueError: naming the corpus, if it has no text of the view `original` or one that is not written out.
    """
    rows = originals(base, of)
    unwritten = rows["text"].isna()
    if unwritten.any():
        first = rows["id"].iloc[int(unwritten.to_numpy().argmax())]
        msg = f"of: text {first!r} of corpus {of} is sampled token by token; expected written texts"
        raise ValueError(msg)
    labels = [column for column in rows.columns if column.startswith(LABEL_PREFIX)]
    frames = [
        rows[["id", "group", *labels]].assign(
            view=f"view-{number:02d}",
            text=[
                augment(text, np.random.default_rng(text_seed(seed, name, number)), p=p, as_published=as_published)
                for name, text in zip(rows["id"], rows["text"], strict=True)
            ],
        )
        for number in range(1, views + 1)
    ]
    return pd.concat(frames, ignore_index=True)


def augment(text: str, rng: np.random.Generator, *, p: float, as_published: bool = False) -> str:
    """Split words, then random characters, then slips to a neighbouring key; p in [0, 1], see the head of this module.

    Raises:
        ValueError: if p is not in [0, 1].
    """
    if not 0 <= p <= 1:
        msg = f"p: expected a share from 0 to 1, found {p}"
        raise ValueError(msg)
    for stage in (split_words, random_characters, slip_keys):
        text = stage(text, p, rng, as_published=as_published)
    # The library returns a list, which the papers' code turned into a text with str().
    return repr([text]) if as_published else text


def split_words(text: str, p: float, rng: np.random.Generator, *, as_published: bool = False) -> str:
    """Put a space into words, at one of their inner places sampled uniformly."""
    stays_together = 2 if as_published else 1  # characters at the end of a word

    def split(word: str) -> str:
        place = int(rng.integers(1, len(word) - stays_together, endpoint=True))
        return f"{word[:place]} {word[place:]}"

    return _change_words(text, split, p, rng, as_published=as_published)


def random_characters(text: str, p: float, rng: np.random.Generator, *, as_published: bool = False) -> str:
    """Edit characters of words, each in a way of its own sampled uniformly from four; no word loses all characters.

    What is inserted or put in place of a character is sampled from the letters, digits and signs of RANDOM_CHARACTERS.
    """
    edits = ("substitute",) if as_published else EDITS

    def edit(word: str) -> str:
        characters = list(word)
        # From the end, so that an edit does not move the places of those to come.
        for place in reversed(_draw(range(len(word)), len(word), p, rng, as_published=as_published)):
            _edit(characters, place, edits[int(rng.integers(len(edits)))], rng)
        return "".join(characters)

    return _change_words(text, edit, p, rng, as_published=as_published)


def _edit(characters: list[str], place: int, edit: str, rng: np.random.Generator) -> None:
    match edit:
        case "insert":
            characters.insert(place, _random_character(rng))
        case "substitute":
            characters[place] = _random_character(rng)
        case "swap":
            # With the next; the last one with the one before it. A word of one character stays.
            first = max(0, min(place, len(characters) - 2))
            characters[first : first + 2] = characters[first : first + 2][::-1]
        case "delete" if len(characters) > 1:
            del characters[place]


def _random_character(rng: np.random.Generator) -> str:
    return RANDOM_CHARACTERS[int(rng.integers(len(RANDOM_CHARACTERS)))]


def slip_keys(text: str, p: float, rng: np.random.Generator, *, as_published: bool = False) -> str:
    """Put neighbours on the keyboard in place of characters; a character that is not on it stays as it is."""
    neighbours = NEIGHBOURS_AS_PUBLISHED if as_published else NEIGHBOURS

    def slip(word: str) -> str:
        characters = list(word)
        on_keyboard = [place for place, character in enumerate(word) if character in neighbours]
        for place in _draw(on_keyboard, len(word), p, rng, as_published=as_published):
            near = neighbours[word[place]]
            characters[place] = near[int(rng.integers(len(near)))]
        return "".join(characters)

    return _change_words(text, slip, p, rng, as_published=as_published)


def _change_words(
    text: str, change: Callable[[str], str], p: float, rng: np.random.Generator, *, as_published: bool
) -> str:
    pieces = SIGNS_AND_WORDS.findall(text) if as_published else WHITE_SPACE.split(text)
    words = [index for index, piece in enumerate(pieces) if piece.strip()]
    long_enough = [index for index in words if len(pieces[index]) >= SHORTEST_WORD]
    for index in _draw(long_enough, len(words), p, rng, as_published=as_published):
        pieces[index] = change(pieces[index])
    return _join_as_published(pieces) if as_published else "".join(pieces)


def _draw(
    candidates: Sequence[int], total: int, p: float, rng: np.random.Generator, *, as_published: bool
) -> list[int]:
    """Draw ceil(p `total`) of the candidates, in ascending order; all of them where they are fewer."""
    count = math.ceil(round(p * total, 9))  # rounded, so that 7 % of 100 are 7 and not 7.000000000000001
    if as_published:
        count = min(max(count, 1), MOST_AS_PUBLISHED)
    drawn = rng.permutation(len(candidates))[:count]
    return [candidates[index] for index in sorted(drawn.tolist())]


def _join_as_published(pieces: list[str]) -> str:
    """Single spaces between all, but none before the signs that end a clause nor inside brackets."""
    text = " ".join(pieces)
    text = re.sub(r" ([.,:;?!%])(?= |$)", r"\1", text)
    text = re.sub(r"([\[({<]) ", r"\1", text)
    return re.sub(r" ([\])}>])(?= |$)", r"\1", text)
