"""How far a metric of the texts of tasks tells of their scores, over the layers of a model."""

from __future__ import annotations

import numpy as np
import pandas as pd

from fathom.statistics.dependence import dependence
from fathom.statistics.task_scores import complete_tasks, forms_of, metric_matrix, score_matrix
from fathom.tasks.over_tasks.tables import JOINED, OverTasks

MEASURES = {
    "distance": "distance correlation",
    "distance_corrected": "squared distance correlation, corrected",
    "spearman": "Spearman correlation",
    "kendall": "Kendall correlation",
}
FEWEST_LAYERS = 4  # of a correlation


def over_tasks(of: OverTasks) -> pd.DataFrame:
    """One row a model, metric (`variant`), form, task (or the mean of all) and measure of correlation.

    `p` is the share of circular shifts of one curve whose correlation is as strong; the corrected square has none.
    """
    scores, curves = of.scores(), of.curves()
    found: list[dict[str, object]] = []
    for model in dict.fromkeys(scores["model"]):
        for metric in dict.fromkeys(curves["metric"]):
            for sinks in forms_of(scores):
                form = sinks if sinks in set(curves.loc[curves["metric"] == metric, "sinks"]) else "with"
                score, measured = score_matrix(scores, model, sinks), metric_matrix(curves, model, metric, form)
                whole = [task for task in complete_tasks(score) if task in complete_tasks(measured)]
                if not whole:
                    msg = f"{metric} of {model}: no task has it and a score at every layer"
                    raise ValueError(msg)
                layers = [layer for layer in score.columns if layer in measured.columns]
                place = {"model": model, "variant": metric, "sinks": sinks, "form": form, "names": JOINED.join(whole)}
                measured, score = measured.loc[whole, layers], score.loc[whole, layers]
                pairs = {"": (measured.mean(), score.mean())}
                pairs |= {task: (measured.T[task], score.T[task]) for task in whole}
                for task, (values, reached) in pairs.items():
                    tasks = 1 if task else len(whole)
                    for measure, value, p in _correlations(values, reached):
                        found.append(
                            {**place, "name": task, "tasks": tasks, "measure": measure, "value": value, "p": p}
                        )
    return pd.DataFrame(found)


def _correlations(values: pd.Series[float], reached: pd.Series[float]) -> list[tuple[str, float, float]]:
    """All correlations; NaN of a curve that is the same at every layer."""
    if min(np.ptp(values.to_numpy()), np.ptp(reached.to_numpy())) == 0 or len(values) < FEWEST_LAYERS:
        return [(word, np.nan, np.nan) for word in MEASURES.values()]
    found = dependence(values.to_numpy(), reached.to_numpy())._asdict()
    return [(word, found[name], found.get(f"p_{name}", np.nan)) for name, word in MEASURES.items()]
