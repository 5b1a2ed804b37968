"""Which layer to take: averages over the same tasks, choices, and their gains over the last layer."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import pytest

from fathom.statistics.layer_choice import (
    bootstrap_over_tasks,
    chosen_layers,
    layer_choices,
    mean_over_tasks,
    middle_layer,
)
from fathom.statistics.task_scores import BEST, LAST, MIDDLE, ORACLE, POOLED, RANDOM, complete_tasks


def choices(
    scores: pd.DataFrame, chosen: Mapping[str, pd.Series[int]], pooled: pd.Series[float] | None = None
) -> pd.DataFrame:
    return layer_choices(scores, chosen, pooled=pooled, samples=200, level=0.95, seed=0)


@pytest.fixture
def scores() -> pd.DataFrame:
    """Three tasks at layers 0 to 4."""
    rows = [[0.1, 0.5, 0.9, 0.4, 0.2], [0.3, 0.7, 0.6, 0.5, 0.4], [0.2, 0.3, 0.6, 0.8, 0.3]]
    return pd.DataFrame(rows, index=["a", "b", "c"], columns=range(5))


def test_every_choice_scores_what_can_be_reckoned_by_hand(scores: pd.DataFrame) -> None:
    found = choices(scores, {}, pd.Series({"c": 0.3, "a": 0.6, "b": 0.9})).set_index("choice")
    expected = {LAST: 0.3, MIDDLE: 0.7, BEST: 0.7, ORACLE: 0.8, RANDOM: 0.4533333, POOLED: 0.6, "layer 1": 0.5}
    for choice, score in expected.items():
        assert found.loc[choice, "score"] == pytest.approx(score)
        assert found.loc[choice, "gain"] == pytest.approx(score - 0.3)
    assert found.loc[[LAST], ["gain", "low", "high", "better"]].to_numpy().tolist() == [[0, 0, 0, 0]]
    assert found.loc[BEST, "layer"] == 2
    assert found.loc[ORACLE, "better"] == 3
    assert (found["tasks"] == 3).all()
    assert len(found) == 6 + 5


def test_a_metric_chooses_a_layer_for_each_task(scores: pd.DataFrame) -> None:
    measured = pd.DataFrame(
        [[5, 4, 1, 2, 3], [1, 1, 1, 1, 0], [9, 9, np.nan, 1, 9]], index=list("abc"), columns=range(5)
    )
    lowest = chosen_layers(measured, "lowest")
    assert lowest.to_dict() == {"a": 2, "b": 4, "c": 3}
    assert chosen_layers(measured, "highest").to_dict() == {"a": 0, "b": 0, "c": 0}
    found = choices(scores, {"lowest": lowest}).set_index("choice")
    assert found.loc["lowest", "score"] == pytest.approx((0.9 + 0.4 + 0.8) / 3)
    assert found.index[0] == "lowest"


def test_a_metric_that_is_the_score_chooses_as_the_oracle_does(scores: pd.DataFrame) -> None:
    found = choices(scores, {"score": chosen_layers(scores, "highest")}).set_index("choice")
    assert found["score"].to_dict()["score"] == found["score"].to_dict()[ORACLE]


@pytest.mark.parametrize("layer", [0, 4])
def test_an_incomplete_task_is_named_and_refused_in_averages(scores: pd.DataFrame, layer: int) -> None:
    scores.loc["b", layer] = np.nan
    assert complete_tasks(scores) == ["a", "c"]
    with pytest.raises(ValueError, match=r"no score of b; expected the same complete tasks"):
        mean_over_tasks(scores)
    with pytest.raises(ValueError, match="no score of b"):
        choices(scores, {})


def test_a_rule_that_lacks_a_task_is_refused(scores: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match=r"chosen: lowest: .* none for \['c'\]"):
        choices(scores, {"lowest": pd.Series({"a": 1, "b": 2})})
    with pytest.raises(ValueError, match="pooled: expected a score of each task"):
        choices(scores, {}, pd.Series({"a": 1.0}))


def test_the_middle_is_the_layer_nearest_to_half_of_the_depth() -> None:
    assert middle_layer(range(25)) == 12
    assert middle_layer(range(6)) == 2
    assert middle_layer([0, 8, 30]) == 8


def test_the_interval_covers_the_mean_of_tasks_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    covered = []
    for seed in range(200):
        low, high = bootstrap_over_tasks(rng.normal(size=(32, 1)), samples=400, level=0.9, seed=seed)
        covered.append(low[0] <= 0 <= high[0])
    assert 0.82 <= np.mean(covered) <= 0.95


def test_one_task_has_no_interval() -> None:
    low, high = bootstrap_over_tasks([[0.5, 0.6]], samples=100, level=0.95, seed=0)
    assert np.isnan(low).all()
    assert np.isnan(high).all()
