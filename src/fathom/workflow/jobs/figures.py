"""What the rules of the figures stage ask."""

from __future__ import annotations

from fathom.figures.base import FigureTable
from fathom.figures.claims.papers import CLAIMS
from fathom.figures.job import FigureJob, Table
from fathom.figures.sentences import experiment_title, model_label, task_title
from fathom.workflow.code_digest import code_digest
from fathom.workflow.config import Config
from fathom.workflow.figure_tables import figure_tables, table_corpus, table_files
from fathom.workflow.jobs.settings_json import as_json
from fathom.workflow.report_text import as_label, for_report
from fathom.workflow.wildcards import Wildcards


class FigureJobs:
    """Jobs that draw a figure, and what the report says of it."""

    def __init__(self, config: Config) -> None:
        self._config = config

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all figures."""
        return tuple(self._config.all_figures)

    def settings(self, wildcards: Wildcards) -> str:
        """Settings of `fathom figures`."""
        return as_json(figure_job(self._config, wildcards.figure))

    def code(self, wildcards: Wildcards) -> str:
        """Digest of the code behind a figure; that of other kinds is none of it."""
        return figure_code(self._config.all_figures[wildcards.figure].module)

    def tables(self, wildcards: Wildcards) -> list[str]:
        """The files of the tables that a figure is drawn from."""
        return table_files(self._config, wildcards.figure)

    def caption(self, wildcards: Wildcards) -> str:
        """What a figure is, for the report. Counts of texts are in its CSV and notes."""
        return for_report(self._config.all_figures[wildcards.figure].caption(self._config))

    def category(self, wildcards: Wildcards) -> str:
        """Category of a figure in the report."""
        return self._config.all_figures[wildcards.figure].category

    def labels(self, wildcards: Wildcards) -> dict[str, str]:
        """Name and subject of a figure, for the report's list."""
        subject = self._config.all_figures[wildcards.figure].subject(self._config)
        return {"figure": wildcards.figure, "shows": as_label(subject)}


def figure_code(module: str) -> str:
    """Digest of the code behind one job of the figures stage."""
    return code_digest("fathom.figures.command", module)


def figure_job(config: Config, figure: str) -> FigureJob:
    """What `fathom figures` is told of a figure."""
    settings = config.all_figures[figure]
    tables = figure_tables(config, figure)
    claim, axes = settings.paper_claim, settings.axes(config)
    return FigureJob(
        figure=figure,
        module=settings.module,
        options=settings.job_options(config),
        claim="" if claim is None else str(CLAIMS[claim]),
        tables=tuple(_told(config, table) for table in tables),
        title=settings.title(config),
        titles={metric: config.metric_words(metric).title for metric in sorted(axes)},
        axes=dict(sorted(axes.items())),
        layers="layer (transformers)" if config.follows_transformers else "layer",
        caption=settings.caption(config),
        uncertainty=config.uncertainty,
    )


def _told(config: Config, table: FigureTable) -> Table:
    """A table, as the figure names what it is of."""
    return Table(
        model="" if table.model is None else model_label(config, main_model(config, table)),
        corpus_or_experiment=_named(config, table),
        model_id="" if table.model is None else main_model(config, table),
        name=table.corpus_or_experiment,
        content=table.content,
        of_task=task_title(config, table.task) if table.task else "",
        corpus=table_corpus(config, table) if table.of_experiment else "",
        control=table.control,
        summary=table.summary,
    )


def _named(config: Config, table: FigureTable) -> str:
    """What a table is of, as the figure names it."""
    name = table.corpus_or_experiment
    if table.content == "tasks":
        return task_title(config, name)
    return experiment_title(config, name) if table.of_experiment else name


def main_model(config: Config, table: FigureTable) -> str:
    """The model whose curves a table is drawn with: a control goes with the model that it is a control of."""
    model = str(table.model)
    return (config.all_models[model].base or model) if table.control else model
