"""From the tables that other stages write to the rows that a figure draws."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from fathom.figures.metrics import summarise_metric
from fathom.figures.settings import FigureJob, Table
from fathom.figures.sinks import summarise_sinks
from fathom.figures.sweep import quantity_of

Tables = Sequence[tuple[Table, pd.DataFrame]]

RESIDUAL = "residual"
ORIGINAL = "original"
STAGES = {
    "attention_input": "what attention reads",
    "attention_patterns": "attention patterns, mean of heads",
    "attention": "attention output",
    "attention_residual": "residual after attention",
    "mlp": "MLP output",
    "residual": "residual after the block",
}
ON_THE_STREAM = ("attention_residual", "residual")


def metric_curves(tables: Tables, job: FigureJob) -> pd.DataFrame:
    """One row a model (and variant of the metric), corpus (with its view), sinks, preparation and layer."""
    curves = []
    for table, frame in tables:
        rows = frame[frame["site"] == RESIDUAL]
        for variant, part in rows.groupby("variant", sort=False, dropna=False):
            curve = _summarise(part, job)
            names = [table.of if view == ORIGINAL else f"{table.of}, {view}" for view in curve["view"]]
            model = f"{table.model}, {variant}" if isinstance(variant, str) else table.model
            curves.append(curve.assign(model=model, corpus=names))
    return pd.concat(curves, ignore_index=True)


def chance_notes(tables: Tables) -> list[str]:
    """What the metric would be by chance, where it has such a level: one line, or none."""
    levels = {
        f"{table.of} {frame['chance'].dropna().iloc[0]:.3f}" for table, frame in tables if frame["chance"].notna().any()
    }
    return [f"By chance, for neighbours drawn at random: {', '.join(sorted(levels))}."] if levels else []


def comparison_curves(tables: Tables, job: FigureJob) -> pd.DataFrame:
    """One row a metric, model, sinks and layer: of texts their original view, in the first preparation."""
    corpora = {table.holds: {other.of for other, _ in tables if other.holds == table.holds} for table, _ in tables}
    curves = []
    for table, frame in tables:
        title = job.titles[table.holds]
        name = title if len(corpora[table.holds]) == 1 else f"{title}, {table.of}"
        rows = _one_view(_first_preparation(frame[frame["site"] == RESIDUAL]))
        curves.append(_summarise(rows, job).assign(metric=name, model=table.model, corpus=table.of))
    return pd.concat(curves, ignore_index=True)


def comparison_units(tables: Tables, curves: pd.DataFrame, job: FigureJob) -> dict[str, str]:
    """Label of the axis of values of every panel of a comparison."""
    axes = {job.titles[table.holds]: job.axes[table.holds] for table, _ in tables}
    return {name: axes[name.split(", ")[0]] for name in curves["metric"].unique()}


def sweep_curves(tables: Tables, job: FigureJob, *, raw: bool) -> pd.DataFrame:
    """One row a model, quantity (read from the view), sinks and layer, in the first preparation."""
    curves = []
    for table, frame in tables:
        rows = _first_preparation(frame[frame["site"] == RESIDUAL])
        curve = _summarise(in_own_unit(rows) if raw else rows, job)
        curves.append(curve.assign(model=table.model, quantity=[quantity_of(str(view)) for view in curve["view"]]))
    return pd.concat(curves, ignore_index=True)


def in_own_unit(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of a metric with the raw value in place of the normalised one."""
    return rows.assign(value=rows["raw"])


def matrix_cells(tables: Tables) -> pd.DataFrame:
    """One row a model, corpus and pair of layers, of the original view, in the first preparation."""
    return pd.concat(
        [_one_view(_first_preparation(frame)).assign(model=table.model, corpus=table.of) for table, frame in tables],
        ignore_index=True,
    )


def stage_curves(tables: Tables, job: FigureJob) -> pd.DataFrame:
    """One row a model, stage of a block, sinks and layer."""
    curves = []
    for table, frame in tables:
        states = _first_preparation(frame[frame["site"] != "attention_patterns"])
        # Attention patterns are no states: nothing is prepared, and they stand beside the states in one panel.
        patterns = frame[frame["site"] == "attention_patterns"].assign(preparation=states["preparation"].iloc[0])
        found = pd.concat([states, patterns], ignore_index=True)
        found = found[found["view"] == ORIGINAL]
        for site in STAGES:
            rows = found[found["site"] == site]
            if len(rows):
                curve = _summarise(rows, job).assign(model=table.model, stage=STAGES[site])
                curves.append(curve.assign(residual=site in ON_THE_STREAM))
    return pd.concat(curves, ignore_index=True)


def sink_frames(tables: Tables, job: FigureJob) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Entropy, norms and rates of the original views, as `draw_sinks` takes them."""
    uncertainty = job.uncertainty
    by_place: dict[tuple[str, str], dict[str, pd.DataFrame]] = {}
    for table, frame in tables:
        by_place.setdefault((table.model, table.of), {})[table.holds] = frame[frame["view"] == ORIGINAL]
    valleys, norms, rates = [], [], []
    for (model, corpus), found in by_place.items():
        place = {"model": model, "corpus": corpus}
        entropy = found["prompt_entropy"]
        rows = _first_preparation(entropy[entropy["site"] == RESIDUAL])
        valleys.append(_summarise(rows, job).assign(**place))
        norm, rate = summarise_sinks(
            found["sinks"],
            found["token_norms"],
            samples=uncertainty.bootstrap,
            level=uncertainty.level,
            seed=uncertainty.seed,
        )
        norms.append(norm.assign(**place))
        rates.append(rate.assign(**place))
    return (
        pd.concat(valleys, ignore_index=True),
        pd.concat(norms, ignore_index=True),
        pd.concat(rates, ignore_index=True),
    )


def text_rows(tables: Tables, *, sinks: str) -> pd.DataFrame:
    """Rows of the one metric of texts among the tables: original view, first preparation, one choice of tokens."""
    frame = next(frame for table, frame in tables if table.holds != "texts")
    rows = _first_preparation(frame[(frame["site"] == RESIDUAL) & (frame["view"] == ORIGINAL)])
    return rows[rows["sinks"] == sinks]


def _summarise(rows: pd.DataFrame, job: FigureJob) -> pd.DataFrame:
    uncertainty = job.uncertainty
    return summarise_metric(rows, samples=uncertainty.bootstrap, level=uncertainty.level, seed=uncertainty.seed)


def _first_preparation(rows: pd.DataFrame) -> pd.DataFrame:
    chosen: pd.DataFrame = rows[rows["preparation"] == rows["preparation"].iloc[0]]
    return chosen


def _one_view(rows: pd.DataFrame) -> pd.DataFrame:
    chosen: pd.DataFrame = rows[rows["view"] == rows["view"].iloc[0]]
    return chosen
