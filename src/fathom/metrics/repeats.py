"""Repeated texts: a text whose tokens are those of an earlier one is no neighbour and no pair of its own.

They are found on the tokens, not on the states: a text that runs in another batch has states that differ in the last
digits. So they are the same texts at every layer, and for every metric that leaves them out.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


def first_of_repeats(
    token_ids: Sequence[npt.NDArray[np.int32]], views: Sequence[npt.NDArray[np.int64]]
) -> npt.NDArray[np.bool_]:
    """Which texts have, in every one of some views, tokens that no earlier text has in the same view: (texts,).

    `token_ids` holds the tokens of every row of the corpus, as the model read them, and `views` the rows of the texts
    in each view. In one view that is enough: two texts that one of the views cannot tell apart are no different pairs.
    """
    kept = np.ones(len(views[0]), dtype=np.bool_)
    for rows in views:
        seen: set[bytes] = set()
        for text, row in enumerate(rows):
            tokens = token_ids[row].tobytes()
            kept[text] &= tokens not in seen
            seen.add(tokens)
    return kept
