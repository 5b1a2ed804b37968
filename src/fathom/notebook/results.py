"""The summaries of all tables of a run as one tidy frame."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from fathom.io.summaries import PAIR_TYPES, as_summary
from fathom.io.tables import read_table
from fathom.metrics.settings import METRICS
from fathom.runtime.errors import FathomError

SUMMARIES = {
    "metrics": ("*/*/*.layers.parquet", "*/*/*.modes.parquet", "_claims/*.parquet"),
    "probes": ("*/*.layers.parquet", "*/*.choices.parquet", "*/*.coordination.parquet", "*/*.order.parquet"),
    "tasks": ("*/*.layers.parquet", "_over_tasks/*.parquet"),
}
SCORES = {"score": "value", "p_family_wise": "p", "null": "chance", "texts_left_out": "left_out"}
"""Columns of probes that are called by what they are, in place of what they have in common with others."""
CHOICE, CLAIM = "choice", "claim"  # the control of rows that are choices of a layer, or verdicts on a claim
FIRST = ["stage", "metric", "experiment", "task", "title", "model", "corpus", "layer", "depth", "form", "sinks"]
DIVIDED_BY = {"logN": "log rows", "logD": "log width", "max": "log min(rows, width)"}
TITLES = {"token_norms": "Token norms by position"}
OF_METRICS = {
    "dip": "dip",
    "norm_ratio": "norm / median norm",
    "activation_ratio": "largest |activation| / median |activation|",
    "sink_rate": "share of texts",
    "heads": "share of heads",
}
"""Units of what tables of metrics measure beside the metric itself."""
MEASURES = {"balanced_accuracy": "balanced accuracy", "auc": "AUC", "r": "r", "r2": "R²"}


def read_results(results: str | Path = "results") -> pd.DataFrame:
    """Read every summary of a run: one row a curve and layer, of all metrics, probing experiments and tasks.

    Tables of sinks, of norms by position in the text (`metric` `token_norms`, whose `position` is a token's place), of
    choices among the layers (`choice`), of the coordination of layers, of the order of peaks (`experiment` holds the
    names of several, `variant` the two whose places differ by `value`), of dips (`measure`), of verdicts on papers'
    claims (`claim`; `model` holds the names of all models that are compared) and of several tasks together (`task` is
    `mean of the tasks`; `variant` names the tasks, or the metric that tells of their scores) are among them.

    Args:
        results: folder of the run's results.

    Returns:
        A frame with these columns. What a row is of: `stage` (metrics, probes or tasks), `metric`, `experiment` or
        `task` (the others are empty), `title` (in words), `model`, `corpus`, `layer`, `depth` (0 to 1), `form` (what
        was done to the states first), `sinks` (`with` or `without` sink tokens, `none` where that has no meaning),
        `view`, `site`, `position`, `variant`, `label`, `estimator`, `selection`, `measure`, `control`, `test_corpus`
        (on which other corpus probes are tested), `choice` (how a layer is chosen: `control` is then `choice`, and
        `layer` that layer, where it is one), `claim` (of a paper: `control` is then `claim`), `distance`. Words are
        empty where they have no meaning. What was found: `value`, its interval `low` to `high`, `unit`, `raw` (in the
        metric's own unit), `chance`, `p` (family-wise over layers), `texts`, `groups`, `left_out` (texts without a
        value), `peak`, `peak_low`, `peak_high`, `gap` (how far the curve inside a domain is ahead of one on another
        corpus, or the best layer of the texts' surface; of tasks, a choice of the last layer) and `dip` (the valley
        between two maxima of a curve), both with their intervals, and the `reason` where a value is missing. What is of
        pairs of layers has `other_layer` and `other_depth`, which are missing elsewhere.

    Raises:
        FathomError: if the folder holds no summary, or one is corrupt.
    """
    folder = Path(results)
    frames = [
        _summary(path)
        for stage, places in SUMMARIES.items()
        for place in places
        for path in sorted(folder.joinpath(stage).glob(place))
    ]
    if not frames:
        msg = f"{folder}: holds no results of metrics, probes or tasks; expected the folder `results` of a finished run"
        raise FathomError(msg)
    joined = pd.concat(frames, ignore_index=True)
    for column in PAIR_TYPES:  # which no frame has where there are no metrics of pairs of layers
        joined[column] = joined[column].astype("Float64") if column in joined else pd.Series(dtype="Float64")
    whole = {"other_layer": "Int64"} | ({} if joined["layer"].isna().any() else {"layer": "int64"})
    joined = joined.astype(whole)
    metric = joined["name"].where(joined["stage"] == "metrics", "")
    experiment = joined["name"].where(joined["stage"] == "probes", "")
    task = joined["name"].where(joined["stage"] == "tasks", "")
    named = joined.rename(columns={"preparation": "form"}).assign(
        metric=metric,
        experiment=experiment,
        task=task,
        title=[_title(name) for name in joined["name"]],
        unit=[_unit(*row) for row in joined[["stage", "name", "normalisation", "measure"]].itertuples(index=False)],
    )
    rest = [name for name in named.columns if name not in {*FIRST, "name", "normalisation"}]
    return named[[*FIRST, *rest]]


def _summary(path: Path) -> pd.DataFrame:
    table = read_table(path)
    if "stage" not in table.columns:
        msg = f"{path}: an earlier version wrote this table, which does not say what it is of; run snakemake again"
        raise FathomError(msg)
    summary = as_summary(table.rename(columns=SCORES))
    # They are what a curve is set against, and none of its points; `test_corpus` tells those on another corpus.
    for column, control in (("choice", CHOICE), ("claim", CLAIM)):
        summary["control"] = summary["control"].mask(summary[column] != "", control)
    return summary


def _title(name: str) -> str:
    return METRICS[name].title if name in METRICS else TITLES.get(name, name)


def _unit(stage: str, name: str, normalisation: str, measure: str) -> str:
    if stage != "metrics":
        return MEASURES.get(measure, measure)
    if measure:  # of metrics themselves it is empty
        return OF_METRICS.get(measure, measure)
    unit = METRICS[name].unit if name in METRICS else ""
    return f"{unit} / {DIVIDED_BY[normalisation]}" if normalisation in DIVIDED_BY else unit
