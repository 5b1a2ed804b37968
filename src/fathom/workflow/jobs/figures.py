"""Settings of the jobs of the figures stage."""

from __future__ import annotations

from fathom.workflow.config import Config
from fathom.workflow.figure_tables import FigureTable


def main_model(config: Config, table: FigureTable) -> str:
    """The model whose curves a table is drawn with: a control goes with the model that it is a control of."""
    model = str(table.model)
    return (config.all_models[model].base or model) if table.control else model
