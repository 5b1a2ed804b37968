"""Settings and code of the jobs of the figures stage."""

from __future__ import annotations

from fathom.figures.base import FigureTable
from fathom.figures.claims.papers import CLAIMS
from fathom.figures.job import FigureJob, JudgedClaim, Table
from fathom.figures.sentences import experiment_title, model_label
from fathom.workflow.code_digest import code_digest
from fathom.workflow.config import Config
from fathom.workflow.figure_tables import figure_tables, table_corpus
from fathom.workflow.jobs.settings_json import as_json


def figure_settings(config: Config, figure: str) -> str:
    """Settings of `fathom figures`."""
    return as_json(figure_job(config, figure))


def figure_job(config: Config, figure: str) -> FigureJob:
    """What `fathom figures` is told of a figure."""
    settings = config.all_figures[figure]
    tables = figure_tables(config, figure)
    steps = settings.order(config)
    claim, axes = settings.paper_claim, settings.axes(config)
    first = [name for name in steps if config.corpora[config.experiments[name].corpus].step == 0]
    return FigureJob(
        figure=figure,
        module=settings.module,
        options=settings.options,
        claim=None if claim is None else JudgedClaim(name=claim, sentence=str(CLAIMS[claim])),
        tables=tuple(_told(config, table) for table in tables),
        title=settings.title(config),
        titles={metric: config.metric_words(metric).title for metric in sorted(axes)},
        axes=dict(sorted(axes.items())),
        layers="layer (transformers)" if config.follows_transformers else "layer",
        caption=settings.caption(config),
        order=tuple(experiment_title(config, name) for name in steps),
        # The claim is: items < relations <= analogies.
        strictly_before=tuple(experiment_title(config, name) for name in first),
        uncertainty=config.uncertainty,
    )


def figure_code(config: Config, figure: str) -> str:
    """Digest of the code behind a figure; that of other kinds is none of it, nor of claims where none is judged."""
    settings = config.all_figures[figure]
    claims = () if settings.paper_claim is None else ("fathom.figures.claims.evaluate",)
    return code_digest("fathom.figures.command", settings.module, *claims)


def _told(config: Config, table: FigureTable) -> Table:
    """A table, as the figure names what it is of."""
    name = table.corpus_or_experiment
    return Table(
        model="" if table.model is None else model_label(config, main_model(config, table)),
        corpus_or_experiment=experiment_title(config, name) if table.of_experiment else name,
        content=table.content,
        corpus=table_corpus(config, table) if table.of_experiment else "",
        control=table.control,
    )


def main_model(config: Config, table: FigureTable) -> str:
    """The model whose curves a table is drawn with: a control goes with the model that it is a control of."""
    model = str(table.model)
    return (config.all_models[model].base or model) if table.control else model
