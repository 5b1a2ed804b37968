"""Where the tables of a figure are on disk."""

from __future__ import annotations

from collections.abc import Iterable

from fathom.figures.base import FigureTable
from fathom.workflow.config import Config
from fathom.workflow.paths import task_corpus

PLACES = {
    "probes": "results/probes/{model}/{name}.layers.parquet",
    "choices": "results/probes/{model}/{name}.choices.parquet",
    "told": "results/probes/{model}/{name}.told.parquet",
    "confusion": "results/probes/{model}/{name}.confusion.parquet",
    "coordination": "results/probes/{model}/{name}.coordination.parquet",
    "order": "results/probes/{model}/{name}.order.parquet",
    "tasks": "results/tasks/{model}/{name}.parquet",
    "losses": "results/nursery/{name}/losses.parquet",
    "verdicts": "results/metrics/_claims/{name}.parquet",
    "over_tasks": "results/tasks/_over_tasks/{name}.parquet",
    "text_losses": "results/activations/{model}/{name}/losses.summary.parquet",
    "texts": "results/corpora/{name}.parquet",
}
METRIC_PLACE = "results/metrics/{model}/{name}/{content}.parquet"


def figure_tables(config: Config, figure: str) -> list[FigureTable]:
    """Every table that a figure is drawn from, in the order of its job."""
    settings = config.all_figures[figure]
    together = [
        FigureTable(None, figure, content)
        for content, wanted in (("verdicts", settings.paper_claim is not None), ("over_tasks", settings.over_tasks))
        if wanted
    ]
    return [*settings.tables(config), *together]


def table_files(config: Config, figure: str) -> list[str]:
    """The files of these tables."""
    return files_of(figure_tables(config, figure))


def files_of(tables: Iterable[FigureTable]) -> list[str]:
    """The files of some tables."""
    return [
        PLACES.get(table.content, METRIC_PLACE).format(
            model=table.model,
            name=table.corpus_or_experiment,
            content=f"{table.content}.layers" if table.summary else table.content,
        )
        for table in tables
    ]


def table_corpus(config: Config, table: FigureTable) -> str:
    """The corpus that a table is of, or that its experiment is on."""
    name = table.corpus_or_experiment
    if table.content == "tasks":
        return task_corpus(name)
    return config.experiments[name].corpus if table.of_experiment else name


def table_corpora(config: Config, table: FigureTable) -> tuple[str, ...]:
    """The corpora whose states are behind a table: of an experiment also the one that it is tested on besides."""
    if table.content == "order":
        return ()  # it is of tables of experiments that the figure reads too
    if not table.of_experiment:
        return (table_corpus(config, table),)
    control = table.model is not None and config.all_models[table.model].random
    return config.experiments[table.corpus_or_experiment].corpora[: 1 if control else None]
