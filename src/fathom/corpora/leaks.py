"""The list of texts of a corpus that are equal, or of mostly the same words, across groups."""

from __future__ import annotations

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
    labels = [column for column in texts if str(column).startswith(LABEL_PREFIX)]
    texts_by_id = {text["id"]: text for text in texts.to_dict("records")}
    rows = []
    for own in texts_by_id.values():
        near = own["near"]
        if pd.isna(near):
            continue
        other = texts_by_id[near["id"]]
        rows.append(
            {
                "text": own["id"],
                "given_group": near["group"],
                "near_text": near["id"],
                "near_group": other["near"]["group"],
                "share": round(near["share"], 4),
                "joined": own["group"] == other["group"],
                "labels_differ": any(
                    own[name] != other[name] for name in labels if pd.notna(own[name]) and pd.notna(other[name])
                ),
                "excerpt": own["text"][:EXCERPT],
                "near_excerpt": other["text"][:EXCERPT],
            }
        )
    return pd.DataFrame(rows, columns=names)
