"""Models beside each other: one panel a metric, one colour a model, for architectures, scales and checkpoints."""

from __future__ import annotations

import pandas as pd

from fathom.figures.drawing.models import draw_comparison as draw_comparison
from fathom.figures.job import Drawn, FigureJob, Tables
from fathom.figures.metrics.rows import RESIDUAL, curve_rows, first_preparation, one_view, summaries


def comparison_curves(tables: Tables, job: FigureJob) -> pd.DataFrame:
    """One row a metric, model, sinks and layer: of texts their original view, in the first preparation."""
    known = summaries(tables)
    corpora = {
        table.content: {other.corpus_or_experiment for other, _ in known if other.content == table.content}
        for table, _ in known
    }
    curves = []
    for table, frame in known:
        title = job.titles[table.content]
        name = title if len(corpora[table.content]) == 1 else f"{title}, {table.corpus_or_experiment}"
        rows = one_view(first_preparation(frame[frame["site"] == RESIDUAL]))
        place = {"metric_id": table.content, "model": table.model, "corpus": table.corpus_or_experiment}
        curves.append(curve_rows(rows).assign(**place, metric=name))
    return pd.concat(curves, ignore_index=True)


def comparison_units(tables: Tables, curves: pd.DataFrame, job: FigureJob) -> dict[str, str]:
    """Label of the axis of values of every panel of a comparison."""
    axes = {job.titles[table.content]: job.axes[table.content] for table, _ in tables}
    return {name: axes[name.split(", ")[0]] for name in curves["metric"].unique()}


def figure(tables: Tables, job: FigureJob, notes: list[str], *, ordered: bool) -> Drawn:
    """Curves of several metrics, models beside each other."""
    curves = comparison_curves(tables, job)
    units = comparison_units(tables, curves, job)
    picture = draw_comparison(curves, title=job.title, units=units, layers=job.layers, notes=notes, ordered=ordered)
    return Drawn(curves, picture, notes)
