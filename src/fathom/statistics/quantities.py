"""What the views of a corpus vary: a probability, or the tokens of a text."""

from __future__ import annotations

import numpy as np
import pandas as pd


def quantities_of(rows: pd.DataFrame) -> dict[str, float]:
    """What each view of a table of metrics varies.

    Raises:
        ValueError: naming a view that varies nothing.
    """
    quantities = {
        str(view): float(found) for view, found in rows.groupby("view", sort=False)["quantity"].first().items()
    }
    for view, quantity in quantities.items():
        if np.isnan(quantity):
            msg = f"view {view!r}: expected a view with a quantity, such as a probability or a length"
            raise ValueError(msg)
    return quantities
