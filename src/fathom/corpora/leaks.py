"""The list of texts of a corpus that are equal, or of mostly the same words, across groups."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import pandas as pd

from fathom.io.corpus_table import LABEL_PREFIX, ORIGINAL

EXCERPT = 80  # characters


def leaks_table(corpus: pd.DataFrame) -> pd.DataFrame:
    """Texts that are equal, or nearly, to a text of another group: one row a text.

    Returns:
        text, given_group, near_text, near_group (as given), share (1: equal), joined (whether both are in one group
        now), labels_differ (in a class), and excerpts of both texts.
    """
    names = [
        "text",
        "given_group",
        "near_text",
        "near_group",
        "share",
        "joined",
        "labels_differ",
        "excerpt",
        "near_excerpt",
    ]
    if "near" not in corpus:
        return pd.DataFrame(columns=names)
    texts = corpus[corpus["view"] == ORIGINAL]
    labels = [str(column) for column in texts if str(column).startswith(LABEL_PREFIX)]
    of_id: dict[str, dict[Hashable, Any]] = {str(row["id"]): row for row in texts.to_dict("records")}
    rows = []
    for name, own in of_id.items():
        if not isinstance(own["near"], dict):
            continue
        other = of_id[own["near"]["id"]]
        both = [(own[label], other[label]) for label in labels]
        rows.append(
            {
                "text": name,
                "given_group": own["near"]["group"],
                "near_text": other["id"],
                "near_group": other["near"]["group"],
                "share": round(own["near"]["share"], 4),
                "joined": own["group"] == other["group"],
                "labels_differ": any(isinstance(one, str) and isinstance(two, str) and one != two for one, two in both),
                "excerpt": own["text"][:EXCERPT],
                "near_excerpt": other["text"][:EXCERPT],
            }
        )
    return pd.DataFrame(rows, columns=names)
