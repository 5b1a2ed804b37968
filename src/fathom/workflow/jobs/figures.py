"""Settings of the jobs of the figures stage."""

from __future__ import annotations

from fathom.models.settings import RandomModel
from fathom.workflow.config import Config
from fathom.workflow.figure_tables import FigureTable


def main_model(config: Config, table: FigureTable) -> str:
    """The model whose curves a table is drawn with: a control goes with the model that it is a control of."""
    model = str(table.model)
    settings = config.all_models[model]
    return settings.of if table.control and isinstance(settings, RandomModel) else model
