"""What the figure of sinks taken away says of its numbers, on numbers that are known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from fathom.activations.loss_summary import loss_summary
from fathom.figures.metrics.ablation import draw_ablation, loss_verdict, metric_verdict
from fathom.schema import Uncertainty

LAYERS = 5


def curves(values: dict[str, list[float]], width: float | None = 0.01) -> pd.DataFrame:
    """Curves of one metric, with intervals of a half width, or none."""
    half = np.nan if width is None else width
    return pd.DataFrame(
        [
            {"form": form, "layer": layer, "value": value, "low": value - half, "high": value + half}
            for form, line in values.items()
            for layer, value in enumerate(line)
        ]
    ).assign(metric="Entropy", model="m", preparation="none", texts=12, depth=lambda one: one["layer"] / (LAYERS - 1))


VALLEY = {
    "with": [0.8, 0.8, 0.1, 0.2, 0.4],
    "without": [0.8, 0.8, 0.8, 0.8, 0.8],
    "ablated": [0.8, 0.8, 0.8, 0.5, 0.6],
}


def test_the_gap_is_that_behind_the_layer_where_sinks_arise() -> None:
    # Layers 3 and 4: .3 and .8, and .55 in between.
    said = metric_verdict(curves(VALLEY), 2).replace("\N{NO-BREAK SPACE}", " ")
    assert said == (
        "Entropy, behind layer 2, where the sinks arise: mean over 2 layers from 3 to 4, at which all tokens and those "
        "without sinks part, 0.30 with all tokens, 0.80 without sink tokens, 0.55 with the sinks taken away: 50% of "
        "the gap closed."
    )


def test_layers_whose_intervals_overlap_are_no_gap() -> None:
    found = curves(VALLEY, width=0.25)  # .4 and .8 overlap, .2 and .8 do not
    assert "mean over layer 3, at which" in metric_verdict(found, 2)
    assert metric_verdict(curves(VALLEY, width=0.5), 2).endswith("part nowhere by more than their intervals.")
    assert "50% of the gap closed" in metric_verdict(curves(VALLEY, width=None), 2)


def test_without_a_sink_there_is_nothing_to_say() -> None:
    assert metric_verdict(curves(VALLEY), None) == "Entropy: no token is a sink, so that nothing was taken away."


def losses(texts: int) -> pd.DataFrame:
    intact = np.linspace(3.0, 4.0, texts)
    groups = [f"g{text}" for text in range(texts)]
    return pd.DataFrame({"group": groups, "intact": intact, "ablated": intact + 0.5, "layer": 2})


def test_the_change_of_the_loss_is_paired_over_texts() -> None:
    rows = loss_summary(losses(20), Uncertainty(bootstrap=200))
    assert rows["value"].tolist() == pytest.approx([3.5, 4.0, 0.5])
    assert rows["arises"].tolist() == [2, 2, 2]
    assert loss_summary(losses(20).assign(layer=None), Uncertainty(bootstrap=200))["arises"].isna().all()
    # Every text loses the same: the interval of the change has no width, that of the losses has.
    assert (rows["high"] - rows["low"]).gt(0.1).tolist() == [True, True, False]
    assert rows[["low", "high"]].to_numpy()[2].tolist() == pytest.approx([0.5, 0.5])
    said = loss_verdict(rows, 0.95).replace("\N{NO-BREAK SPACE}", " ")
    assert said == (
        "Loss: 3.50 nats a token as it is, 4.00 with the sinks taken away; change +0.50 (95 % interval 0.50 to 0.50, "
        "20 texts)."
    )


def test_a_single_group_has_no_interval_and_texts_of_one_token_no_loss() -> None:
    alone = loss_summary(losses(5).assign(group="g"), Uncertainty())
    assert alone[["low", "high"]].isna().all(axis=None)
    assert "(no interval, 5" in loss_verdict(alone, 0.95)
    with pytest.raises(ValueError, match="no text has more than one token"):
        loss_summary(losses(5).assign(intact=np.nan), Uncertainty())


def test_an_unknown_form_is_refused() -> None:
    rows = curves(VALLEY)
    found = loss_summary(losses(12), Uncertainty(bootstrap=100)).iloc[:2]
    picture = draw_ablation(rows, found, title="t", units={"Entropy": "nats"})
    assert [axes.get_ylabel() for axes in picture.axes] == ["nats", "nats a token"]
    with pytest.raises(ValueError, match="column form: expected one of with, without, ablated, found 'else'"):
        draw_ablation(rows.replace("ablated", "else"), found, title="t", units={"Entropy": "nats"})
