"""What the surface of a text tells: its words in a bag, its length, its first word, on the folds of the experiment.

Where one of these tells a label as well as any layer, the layers need not hold more than the surface.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn import config_context
from sklearn.feature_extraction.text import TfidfVectorizer
from threadpoolctl import threadpool_limits

from fathom.probes.curve_tables import ProbeTables, make_tables
from fathom.probes.design import ProbeDesign
from fathom.probes.fitting import MakeFold, probe_layer
from fathom.probes.gram import Fold, make_fold
from fathom.probes.label_batches import Curve
from fathom.probes.measures import interval
from fathom.probes.probing import ProbePlan
from fathom.probes.scoring import Scored, score_curve
from fathom.probes.shapes import KEY, key_of
from fathom.statistics.arrays import BoolArray, FloatArray

WORDS, LENGTH, FIRST_WORD = "surface", "length", "first_word"
SURFACES = (WORDS, LENGTH, FIRST_WORD)
GAP = ("gap", "gap_low", "gap_high")
TOKEN = r"(?u)\w+|[^\w\s]"  # words and single signs: "!" and "?" tell much of a mood


def surface_tables(texts: Sequence[str], plan: ProbePlan, design: ProbeDesign) -> dict[str, ProbeTables]:
    """Probe the surface of texts as one layer, with the folds, bootstrap samples and estimators of a plan.

    - `surface`: words and signs as scikit-learn's tf-idf has them (lower case, sublinear counts, rows of length 1),
      vocabulary and weights from the training fold alone. Its kernel is scaled to a mean diagonal of 1, as the states'.
    - `length`: the logarithms of the numbers of characters and words, and their squares.
    - `first_word`: which word comes first, of those that come first twice at least.
    """
    features: dict[str, tuple[npt.NDArray[np.generic], MakeFold]] = {
        WORDS: (np.array(list(texts), dtype=object), _tfidf_fold),
        LENGTH: (_lengths(texts), make_fold),
        FIRST_WORD: (_first_words(texts), make_fold),
    }
    return {name: _probed(given, make, plan, design) for name, (given, make) in features.items()}


def with_gap(surface: ProbeTables, main: ProbeTables, level: float) -> pd.DataFrame:
    """Curves of a surface, with how far the best layer is ahead of it: `gap`, `gap_low`, `gap_high`.

    Both are scored on the same resampled groups. Where the low end is not above 0, the surface tells the label as well
    as any layer.
    """
    parts = []
    for _, rows in surface.curves.groupby(KEY, sort=False):
        key = key_of(rows)
        layers = main.curves
        for column, value in zip(KEY, key, strict=True):
            layers = layers[layers[column] == value]
        best = int(layers["score"].to_numpy().argmax())
        ahead = main.replicates[key][:, best] - surface.replicates[key][:, 0]
        low, high = interval(ahead[:, None], level).ravel()
        gap = layers["score"].iloc[best] - rows["score"].iloc[0]
        parts.append(rows.assign(gap=gap, gap_low=low, gap_high=high))
    return pd.concat(parts, ignore_index=True)


def _probed(features: npt.NDArray[np.generic], make: MakeFold, plan: ProbePlan, design: ProbeDesign) -> ProbeTables:
    scored: dict[Curve, Scored] = {}
    with threadpool_limits(limits=1), config_context(assume_finite=True, skip_parameter_validation=True):
        for batch, samples in zip(plan.batches, plan.samples, strict=True):
            for curve, outcome in probe_layer(features, batch, make).items():  # type: ignore[arg-type]
                scored[curve] = score_curve(batch, samples, curve, outcome)
    of_labels = {name: batch for batch in plan.batches for name in batch.targets}
    return make_tables([scored], of_labels, plan.curves, design.level)


def _tfidf_fold(texts: npt.NDArray[np.generic], training: BoolArray) -> Fold:
    """Products of the centred rows of tf-idf that the training texts give; `texts` holds strings."""
    rows = TfidfVectorizer(token_pattern=TOKEN, sublinear_tf=True)
    seen = rows.fit_transform(texts[training])
    unseen = rows.transform(texts[~training])
    products, test = (seen @ seen.T).toarray(), (unseen @ seen.T).toarray()
    mean = products.mean(axis=0)
    test = test - test.mean(axis=1, keepdims=True) - mean + mean.mean()
    products = products - mean[:, None] - mean + mean.mean()
    size = float(np.trace(products)) / len(products)
    scale = 1 / size if size > 0 else 0.0
    return Fold(training=products * scale, test=test * scale, width=1)


def _lengths(texts: Sequence[str]) -> FloatArray:
    sizes = np.log1p([[len(text), len(text.split())] for text in texts])
    return np.asarray(np.hstack([sizes, sizes**2]), dtype=np.float64)


def _first_words(texts: Sequence[str]) -> FloatArray:
    first = np.array([next(iter(re.findall(TOKEN, text.lower())), "") for text in texts])
    words, counts = np.unique(first, return_counts=True)
    return np.asarray(first[:, None] == np.append(words[counts > 1], ""), dtype=np.float64)
