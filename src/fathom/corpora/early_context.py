"""A pair followed by filler, and the same with the filler first: how long is early context kept?"""

from __future__ import annotations

from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING

from fathom.corpora.designs import DesignText, View, Wording, closed_groups, shuffled_words, word_design
from fathom.corpora.relations import paired_blocks
from fathom.corpora.templates import RELATION_SLOTS, Worded, embed, fill, parse_template
from fathom.corpora.word_tables import load_pairs
from fathom.io.corpus_table import SHUFFLED

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from fathom.corpora.sources import Sources

# Common words, each one token in usual vocabularies. They name no thing that could be an item, and there is no sign
# among them, since signs draw attention as sinks do.
FILLER = (
    "then it went on much as it had before and so it would go on for some time after that because there was not very "
    "much more to say about it than what had already been said and what was said again would still be just the same as "
    "it was at first so that one could go on like this for quite long while nothing new came of it at all which was "
    "fine since no one had asked for more and few would have wanted any even if there had been some left but there was "
    "not and later on they did it all again in much the same way as they always did without ever being told why they "
    "should do so or what it might be good for and then once more they said what they had said"
)


def build(
    _sources: Sources,
    *,
    table: str | None,
    template: str,
    filler: Sequence[int],
    closing: str,
    blocks: int | None,
    shuffled: bool,
    seed: int,
) -> pd.DataFrame:
    """Pairs of a table of the user's, or of fathom's own."""
    pairs = load_pairs(None if table is None else Path(table))
    return early_context_texts(
        pairs, template, filler=filler, closing=closing, blocks=blocks, shuffled=shuffled, seed=seed
    )


def filler_words(count: int) -> tuple[str, ...]:
    """Return the first `count` words of the filler, which starts over where it ends."""
    return tuple(islice(cycle(FILLER.split()), count))


def early_context_texts(
    pairs: pd.DataFrame,
    template: str,
    *,
    filler: Sequence[int],
    closing: str,
    blocks: int | None = None,
    shuffled: bool = True,
    seed: int = 0,
) -> pd.DataFrame:
    """Return related pairs and the same items paired anew, as `relation_texts` in blocks of two, far from the end.

    The view `start n` is the pair, n words of filler and the closing; `end n` the filler, the pair and the closing, for
    n > 0. The filler is the same for all texts, so that it says nothing of the label.

    Args:
        pairs: as `check_pairs` takes them.
        template: of the pair; holds {first} and {second}, and {article_first} and {article_second} if wanted.
        filler: numbers of words between pair and closing, different ones.
        closing: last words of every text, joined by a blank.
        blocks: the first blocks only; None takes all.
        shuffled: whether to add the view `<view>, shuffled` of each: the words of the pair's part alone are shuffled,
            so that its distance from the end and the last words stay.
        seed: seed of the blocks and of that order.

    Returns:
        columns as of `word_design`, the quantity being n and `pair_at` start or end; labels and spans as of
        `relation_texts`.

    Raises:
        ValueError: naming what is wrong with the pairs or the template, or a chain through all texts.
    """
    pieces = parse_template(template, RELATION_SLOTS)
    views: dict[str, View] = {}
    for count in filler:
        words = "".join(f"{word} " for word in filler_words(count))
        ways = {"start": ("", f" {words}{closing}")}
        if count > 0:
            ways["end"] = (words, f" {closing}")
        for pair_at, (before, after) in ways.items():
            view, pair = f"{pair_at} {count}", partial(_pair, pieces, not before)
            views[view] = View(partial(_between, before, pair, after), quantity=count, pair_at=pair_at)
            if shuffled:
                wording = partial(_between, before, partial(shuffled_words, pair, seed), after)
                views[f"{view}, shuffled"] = View(wording, quantity=count, control=SHUFFLED, pair_at=pair_at)
    design = [text for block in paired_blocks(pairs, 2, seed)[:blocks] for text in block]
    return word_design(design, closed_groups(design, "related"), views)


def _pair(pieces: Sequence[str], opens: bool, text: DesignText) -> Worded:
    return fill(pieces, text.items, opens=opens)


def _between(before: str, wording: Wording, after: str, text: DesignText) -> Worded:
    return embed(before, wording(text), after)
