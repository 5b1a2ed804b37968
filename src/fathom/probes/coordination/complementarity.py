"""Whether adjacent layers are right on different texts."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from fathom.probes.coordination.resampling import measure_frame
from fathom.statistics.resampling import check_level, tails


def complementarity(
    label: str,
    single: npt.ArrayLike,
    joint: npt.ArrayLike,
    single_samples: npt.ArrayLike,
    joint_samples: npt.ArrayLike,
    *,
    level: float,
) -> pd.DataFrame:
    """Return what two adjacent layers tell together beyond the better one of them.

    score([a_l; a_{l+1}]) - max(score(a_l), score(a_{l+1})): above 0 the layers complement each other, near 0 they are
    redundant. The larger of two noisy scores is biased upward, so that the value is biased downward, most where both
    layers are equally good (by 0.56 standard errors of a score if their noise is independent, less as it is shared).
    That is left in, for it is on the safe side: an interval above 0 means that they do complement each other, one below
    0 does not mean that they disturb each other. Choosing the better layer on other bootstrap samples would not help,
    as all samples hold the noise of the same data. Each sample takes the maximum anew.

    Args:
        label: what the probe reads.
        single: (layers,), scores of the layers.
        joint: (layers - 1,), scores of the concatenated states of a layer and the next.
        single_samples: (samples, layers), bootstrap samples of `single`.
        joint_samples: (samples, layers - 1), those of `joint`, sampled with the same groups.
        level: coverage of the intervals, between 0 and 1.

    Returns:
        Rows with COLUMNS, measure "complementarity"; `null` is 0, and there is no p.

    Raises:
        ValueError: naming the argument.
    """
    check_level(level)
    alone, both = np.asarray(single, dtype=np.float64), np.asarray(joint, dtype=np.float64)
    alone_samples = np.asarray(single_samples, dtype=np.float64)
    both_samples = np.asarray(joint_samples, dtype=np.float64)
    layers = len(alone)
    for name, array, shape in (
        ("joint", both, (layers - 1,)),
        ("single_samples", alone_samples, (len(both_samples), layers)),
        ("joint_samples", both_samples, (len(alone_samples), layers - 1)),
    ):
        if array.shape != shape or not array.size or not np.isfinite(array).all():
            msg = f"{name}: shape {array.shape}; expected {shape}, finite"
            raise ValueError(msg)
    value = both - np.maximum(alone[:-1], alone[1:])
    samples = both_samples - np.maximum(alone_samples[:, :-1], alone_samples[:, 1:])
    spread = np.quantile(samples - samples.mean(axis=0), tails(level), axis=0)
    low, high = value + spread
    rows: list[dict[str, object]] = [
        {
            "label": label,
            "measure": "complementarity",
            "layer": layer,
            "other_layer": layer + 1,
            "value": value[layer],
            "low": low[layer],
            "high": high[layer],
            "null": 0.0,
        }
        for layer in range(layers - 1)
    ]
    return measure_frame(rows)
