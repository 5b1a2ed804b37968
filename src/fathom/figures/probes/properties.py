"""Properties of items, a panel each: where in one model a probe reads them, in the order of their peaks."""

from __future__ import annotations

from fathom.figures.job import Drawn, FigureJob, Tables
from fathom.figures.probes.forms import forms_notes
from fathom.figures.probes.label_panels import draw_properties
from fathom.figures.probes.rows import fixed_curves, one_place


def figure(tables: Tables, job: FigureJob, notes: list[str], *, estimator: str) -> Drawn:
    """A panel a label of one experiment."""
    rows = one_place(fixed_curves(tables, estimator=estimator))
    notes = [*notes, *forms_notes(rows)]
    return Drawn(rows, draw_properties(rows, title=job.title, layers=job.layers, notes=notes), notes)
