"""What corpora that are made from another corpus share: which of its texts they take, and a seed for each text."""

from __future__ import annotations

import json
from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def originals(base: pd.DataFrame, of: str, limit: int | None = None) -> pd.DataFrame:
    """The first rows of the base corpus with the view `original`; its other views are no texts of their own.

    Errors: ValueError if there is none.
    """
    found = base[base["view"] == "original"].iloc[:limit].reset_index(drop=True)
    if found.empty:
        msg = f"of: corpus {of} has no text of the view 'original', found {', '.join(sorted(set(base['view'])))}"
        raise ValueError(msg)
    return found


def text_seed(seed: int, text: str, number: int) -> int:
    """Seed in [0, 2^63) that depends on the seed of the settings, the id of a text and a number, and on nothing else.

    So a text is made the same way whatever other texts there are, in which order, and by how many workers.
    """
    # JSON keeps apart what plain concatenation would not: text "a1" number 2, and text "a" number 12.
    key = json.dumps([seed, text, number]).encode()
    return int.from_bytes(blake2b(key, digest_size=8).digest(), "big") >> 1
