"""Similarity of the states of adjacent layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from fathom.probes.coordination.resampling import CoordinationResampling, measure_frame
from fathom.statistics.arrays import BoolArray, FloatArray
from fathom.statistics.gram_alignment import aligned, inner_products, recentred
from fathom.statistics.neighbours import nearest_neighbours, neighbours_within, shared
from fathom.statistics.resampling import group_codes, half_sample_interval, half_samples

if TYPE_CHECKING:
    from collections.abc import Sequence


def state_similarity(
    states: npt.NDArray[np.floating],
    groups: npt.ArrayLike,
    resampling: CoordinationResampling,
    *,
    k: int,
    offsets: Sequence[int] = (1, 2, 3),
) -> pd.DataFrame:
    """Return how alike the states of layers are that lie 1, 2, 3 layers apart.

    - "cka": linear centred kernel alignment (Kornblith et al., arXiv 1905.00414), 0 to 1. `null` is its mean if the
      texts of the one layer are permuted, tr(K) tr(L) / ((texts - 1) |K| |L|) of the centred Gram matrices K and L
      (Kazi-Aoual et al. 1995, Comput. Stat. Data Anal. 20:643): far above 0 where texts are few beside the dimensions.
    - "neighbourhood_overlap": share of the k nearest neighbours that two layers have in common (Doimo et al., arXiv
      2007.03506), 0 to 1; `null` is k / (texts - 1).

    Intervals are those of half samples (`fathom.statistics.resampling.half_sample_interval`); there is no p.

    Args:
        states: (layers, texts, width), finite; at least 2 layers, the texts of no layer all alike.
        groups: (texts,) names; with fewer than 4 different ones there is no interval.
        resampling: how intervals are made (without `splits`).
        k: nearest neighbours, from 1 to half of the texts of the smallest half sample.
        offsets: distances between layers to look at.

    Returns:
        Rows with COLUMNS.

    Raises:
        ValueError: naming the argument.
    """
    if np.ndim(states) != 3 or np.shape(states)[0] < 2 or 0 in np.shape(states):
        msg = f"states: shape {np.shape(states)}; expected (layers, texts, width), at least 2 layers"
        raise ValueError(msg)
    layers, texts = np.shape(states)[:2]
    codes = group_codes(groups)
    if len(codes) != texts:
        msg = f"groups: {len(codes)} names for {texts} texts"
        raise ValueError(msg)
    halves = half_samples(codes, samples=resampling.samples, seed=resampling.seed)
    fewest = int(halves.sum(axis=1).min()) if len(halves) else texts
    if not 1 <= k < fewest:
        msg = f"k: {k}; expected 1 to {fewest - 1}, as a half sample has {fewest} texts"
        raise ValueError(msg)
    near = [(one, one + offset) for offset in offsets for one in range(layers - offset)]
    grams, orders = [], []
    for layer in range(layers):
        z = np.asarray(states[layer], dtype=np.float64)
        if not np.isfinite(z).all():
            msg = f"states: NaN or infinity in layer {layer}"
            raise ValueError(msg)
        z = z - z.mean(axis=0)
        grams.append(recentred(f"states[{layer}]", z @ z.T))
        orders.append(nearest_neighbours(z, texts - 1))

    def measured(chosen: BoolArray) -> FloatArray:
        part = [recentred(f"states[{layer}]", gram[np.ix_(chosen, chosen)]) for layer, gram in enumerate(grams)]
        alignment = aligned(inner_products(part))
        neighbours = [neighbours_within(order, chosen, k) for order in orders]
        overlap = [shared(neighbours[one], neighbours[other]) for one, other in near]
        return np.array([[alignment[pair] for pair in near], overlap])

    value = measured(np.ones(texts, dtype=np.bool_))
    replicates = np.array([measured(half) for half in halves])
    low, high = half_sample_interval(value, replicates, halves, level=resampling.level)
    # tr(K) / |K|
    traces = [float(np.trace(gram) / np.linalg.norm(gram)) for gram in grams]
    nulls = np.array(
        [[traces[one] * traces[other] / (texts - 1) for one, other in near], [k / (texts - 1)] * len(near)]
    )
    rows: list[dict[str, object]] = [
        {
            "label": "",
            "measure": measure,
            "layer": one,
            "other_layer": other,
            "value": value[at, pair],
            "low": low[at, pair],
            "high": high[at, pair],
            "null": nulls[at, pair],
        }
        for at, measure in enumerate(("cka", "neighbourhood_overlap"))
        for pair, (one, other) in enumerate(near)
    ]
    return measure_frame(rows)
