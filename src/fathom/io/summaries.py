"""The columns that summaries of all stages share: one row a curve and layer, in `{name}.layers.parquet`.

Choices among the layers and the coordination of layers have tables of their own with these columns, where a row may
have no layer.
"""

from __future__ import annotations

import pandas as pd

SUMMARY_TYPES = {
    # What the curve is of: words, those of the config; empty where one has no meaning.
    "stage": "string",
    "name": "string",
    "model": "string",
    "corpus": "string",
    "view": "string",
    "quantity": "float64",
    "site": "string",
    "position": "string",
    "preparation": "string",
    "sinks": "string",
    "variant": "string",
    "normalisation": "string",
    "label": "string",
    "estimator": "string",
    "selection": "string",
    "measure": "string",
    "control": "string",
    "test_corpus": "string",
    "choice": "string",
    "claim": "string",
    "distance": "float64",
    # Where.
    "layer": "Int64",
    "depth": "float64",
    # What was found.
    "value": "float64",
    "low": "float64",
    "high": "float64",
    "raw": "float64",
    "raw_low": "float64",
    "raw_high": "float64",
    "chance": "float64",
    "p": "float64",
    "texts": "Int64",
    "groups": "Int64",
    "left_out": "Int64",
    "peak": "boolean",
    "peak_low": "Int64",
    "peak_high": "Int64",
    "gap": "float64",
    "gap_low": "float64",
    "gap_high": "float64",
    "dip": "float64",
    "dip_low": "float64",
    "dip_high": "float64",
    "reason": "string",
}
"""Column -> its type. `stage` and `name` say which metric or experiment; `quantity` what a view varies; `normalisation`
what the values are divided by; `test_corpus` on which other corpus probes are tested; `choice` how a layer is chosen;
`claim` which claim of a paper a verdict is on; `raw` is the value in the metric's own unit; `p` is family-wise over
layers; `left_out` counts texts without a value; `gap` is how far the curve inside a domain is ahead of one on another
corpus (or the best layer of a surface); `dip` is the depth of the valley between two maxima of a curve."""
SUMMARY_COLUMNS = tuple(SUMMARY_TYPES)
PAIR_TYPES = {"other_layer": "Int64", "other_depth": "float64"}
"""The columns besides, where a row is of a pair of layers."""


def as_summary(curves: pd.DataFrame) -> pd.DataFrame:
    """Curves with exactly the columns of a summary: those that they lack are empty, others are left out."""
    types = SUMMARY_TYPES | {name: kind for name, kind in PAIR_TYPES.items() if name in curves.columns}
    summary = curves.reindex(columns=list(types)).astype(types)
    words = [name for name, kind in types.items() if kind == "string"]
    return summary.fillna(dict.fromkeys(words, ""))
