"""Stages of a block: every stage that a model has, and none that it has not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from tests.drawings import LONG_NAME, LONG_NOTES, check_band, check_texts, labels, names, points, written

from fathom.figures.job import Table
from fathom.figures.metrics.block_sites import draw_stages, site_curves

STAGES = {
    "attention's input": False,
    "attention's output": False,
    "residual stream after attention": True,
    "MLP's output": False,
    "residual stream": True,
}


def stages(
    model: str, last: int, *, parallel: bool = False, sinks: tuple[str, ...] = ("with", "without")
) -> pd.DataFrame:
    parts = []
    for at, (stage, residual) in enumerate(STAGES.items()):
        if parallel and stage == "residual stream after attention":
            continue
        layers = np.arange(0 if stage == "residual stream" else 1, last + 1)
        for form in sinks:
            value = 20.0 + 10 * at + 5 * np.cos(5 * layers / last) * (form == "with")
            parts.append(
                pd.DataFrame(
                    {
                        "model": model,
                        "stage": stage,
                        "residual": residual,
                        "sinks": form,
                        "preparation": "none",
                        "layer": layers,
                        "depth": layers / last,
                        "value": value,
                        "low": value - 1,
                        "high": value + 2,
                        "texts": 40,
                    }
                )
            )
    return pd.concat(parts)


def test_a_row_of_panels_a_form_and_a_line_a_stage() -> None:
    curves = pd.concat([stages("parallel", 24, parallel=True), stages("sequential", 30)])

    figure = draw_stages(curves, title="Stages", unit="effective rank")

    assert names(figure) == ["parallel", "sequential"] * 2
    places = [(model, sinks) for sinks in ("with", "without") for model in ("parallel", "sequential")]
    for axes, (model, sinks) in zip(figure.axes, places, strict=True):
        rows = curves[(curves["model"] == model) & (curves["sinks"] == sinks)]
        assert labels(axes) == [f"{stage}, {sinks}" for stage in STAGES if stage in set(rows["stage"])]
        for stage, curve in rows.groupby("stage"):
            np.testing.assert_allclose(points(axes, f"{stage}, {sinks}"), curve[["depth", "value"]].to_numpy())
            check_band(axes, f"{stage}, {sinks}, interval", curve[["depth", "low", "high"]].to_numpy())
    assert len({axes.get_ylim() for axes in figure.axes}) == 1
    assert "raw states · without sink tokens · 24 layers · 40 texts" in written(figure)


def test_residual_stages_are_solid_and_others_are_not() -> None:
    axes = draw_stages(stages("m", 6, sinks=("none",)), title="t", unit="u").axes[0]

    assert [not line.is_dashed() for line in axes.get_lines()] == list(STAGES.values())
    assert [line.get_markerfacecolor() != "white" for line in axes.get_lines()] == list(STAGES.values())
    assert len({line.get_color() for line in axes.get_lines()}) == len(STAGES)


def test_the_legend_has_the_order_of_the_block_also_if_the_first_model_lacks_a_stage() -> None:
    curves = pd.concat([stages("parallel", 6, parallel=True), stages("sequential", 6)])

    (legend,) = draw_stages(curves, title="t", unit="u").legends

    assert [text.get_text() for text in legend.get_texts()] == list(STAGES)


@pytest.mark.parametrize("models", [1, 2, 5])
def test_texts_keep_clear_of_each_other(models: int) -> None:
    some = {LONG_NAME: 30, "small": 6, "x" * 60: 12, "EleutherAI/pythia-410m-deduped": 24, "m": 1}
    curves = pd.concat(stages(model, last) for model, last in list(some.items())[:models])

    check_texts(draw_stages(curves, title=LONG_NAME, unit="effective rank", notes=LONG_NOTES))


def test_stages_refuse_what_they_cannot_draw() -> None:
    curves = stages("m", 6)

    with pytest.raises(ValueError, match=r"^curves: columns are missing: residual$"):
        draw_stages(curves.drop(columns="residual"), title="t", unit="u")
    mixed = curves["residual"] & (curves["layer"] != 2)
    with pytest.raises(ValueError, match=r"stage residual stream( after attention)? is both true and false"):
        draw_stages(curves.assign(residual=mixed), title="t", unit="u")
    with pytest.raises(ValueError, match="more than one row for model=m, stage=attention's input"):
        draw_stages(pd.concat([curves, curves]), title="t", unit="u")
    one = curves[(curves["stage"] == "residual stream") & (curves["sinks"] == "with")]
    with pytest.raises(ValueError, match="column stage: at most 6 can be told apart in one figure, found 7"):
        draw_stages(pd.concat(one.assign(stage=f"s{at}") for at in range(7)), title="t", unit="u")


def test_no_line_joins_the_blocks_of_a_hybrid_over_those_without_the_site_in_either_form() -> None:
    layers = {"residual": range(9), "attention": (2, 4, 8), "mlp": range(1, 9)}
    rows = [
        {"site": site, "layer": layer, "sinks": form, "value": 5.0 + layer}
        for site, known in layers.items()
        for form in ("with", "without")
        for layer in known
    ]
    summary = pd.DataFrame(rows).assign(view="original", preparation="centred", low=4.0, high=20.0)
    summary = summary.assign(depth=summary["layer"] / 8, texts=12, groups=12, left_out=0)
    table = Table(
        model="Hybrid", corpus_or_experiment="c", model_id="hybrid", name="c", content="effective_rank", summary=True
    )

    curves = site_curves([(table, summary)])

    for form in ("with", "without"):
        chosen = curves[(curves["stage"] == "attention output") & (curves["sinks"] == form)]
        assert chosen["layer"].tolist() == [2, 3, 4, 5, 6, 7, 8]
        assert chosen.loc[chosen["value"].notna(), "layer"].tolist() == [2, 4, 8]
        assert curves[(curves["stage"] == "MLP output") & (curves["sinks"] == form)]["value"].notna().all()
    draw_stages(curves, title="t", unit="u")
