"""What each way to choose a layer scores over tasks, and its gain over the last layer."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from fathom.statistics.layer_choice import Extreme, chosen_layers, layer_choices
from fathom.statistics.task_scores import ALL_LAYERS, complete_tasks, forms_of, metric_matrix, score_matrix
from fathom.tasks.over_tasks.tables import JOINED, OverTasks

OF_METRIC = ["metric", "extreme", "form"]


def over_tasks(of: OverTasks, *, choose: Mapping[str, Extreme]) -> pd.DataFrame:
    """One row a model, form and choice.

    `value` is the mean score over tasks, `gap` the gain over the last layer with its interval over tasks, `better` the
    tasks on which it beats the last layer. What a metric chooses has `metric`, `extreme` and `form` (with or without
    sink tokens).
    """
    scores, pooled, curves = of.scores(), of.scores(ALL_LAYERS), of.curves()
    found: list[pd.DataFrame] = []
    for model in dict.fromkeys(scores["model"]):
        for sinks in forms_of(scores):
            matrix = score_matrix(scores, model, sinks)
            rules = {
                (metric, extreme, form): chosen_layers(metric_matrix(curves, model, metric, form), extreme)
                for metric, extreme in choose.items()
                for form in dict.fromkeys(curves.loc[curves["metric"] == metric, "sinks"])
            }
            words = {f"{extreme} {metric}, sinks {form}": (metric, extreme, form) for metric, extreme, form in rules}
            whole = set(complete_tasks(matrix)).intersection(*(picks.index for picks in rules.values()))
            kept = matrix.loc[[task for task in matrix.index if task in whole]]
            own = pooled[(pooled["model"] == model) & (pooled["sinks"] == sinks)].set_index("task")["value"]
            choices = layer_choices(
                kept,
                {word: rules[rule] for word, rule in words.items()},
                pooled=own,
                samples=of.samples,
                level=of.level,
                seed=of.seed,
            )
            said = [words.get(choice, ("", "", "")) for choice in choices["choice"]]
            choices[OF_METRIC] = pd.DataFrame(said, index=choices.index)
            found.append(
                choices.assign(model=model, sinks=sinks, names=JOINED.join(kept.index), variant=JOINED.join(kept.index))
            )
    gains = {"score": "value", "gain": "gap", "low": "gap_low", "high": "gap_high"}
    return pd.concat(found, ignore_index=True).rename(columns=gains).assign(measure="mean of main scores")
