"""What the rule of the explore stage asks."""

from __future__ import annotations

from functools import cached_property

from fathom.explore.job import Corpus, ExploreJob, FigureView, Model, Table, TokenStates, Words
from fathom.explore.page import PARTS
from fathom.figures.base import FigureTable, default_estimator
from fathom.figures.claims.papers import CLAIMS
from fathom.figures.sentences import (
    corpora_sentences,
    definition,
    experiment_title,
    interval_sentences,
    labelled_sentences,
    metric_axis,
    model_label,
    probes_sentences,
    task_title,
    tasks_sentences,
)
from fathom.figures.settings import FigureSettings
from fathom.io.shards import shard_names
from fathom.io.tables import MEAN, MEAN_OF_TASKS
from fathom.metrics.settings import METRICS
from fathom.workflow.code_digest import code_digest
from fathom.workflow.config import Config
from fathom.workflow.figure_tables import table_corpora
from fathom.workflow.jobs.settings_json import as_json
from fathom.workflow.paths import manifests_of, states_folder, stores_of
from fathom.workflow.wildcards import Wildcards

RANDOM = "random weights"
PROBES, COORDINATION, TASKS = OF_STAGES = ("probes", "coordination", "tasks")
OF_TOKENS = "tokens"  # names the record of the metrics that one job measures together
# What is shown unasked of a curve of probes, where there are several; a label has its own rule.
MAIN_OF_PROBES = {"measure": "balanced_accuracy", "selection": "fixed", "site": "residual", "test_corpus": ""}


class ExploreJobs:
    """The job that writes the page. It shows what the run's figures are drawn from, and asks for no table besides."""

    def __init__(self, config: Config) -> None:
        self._config = config

    def settings(self, wildcards: Wildcards) -> str:  # noqa: ARG002 - as Snakemake calls it
        """Settings of `fathom explore`."""
        return as_json(self._job)

    @cached_property
    def code(self) -> str:
        """Digest of the code that writes the page, and of the page's own."""
        return explore_code()

    @property
    def tables(self) -> list[str]:
        """The summaries that it shows."""
        return [table.path for table in self._job.tables]

    @property
    def texts(self) -> list[str]:
        """Captions of the figures."""
        return [view.text for view in self._job.figures]

    @property
    def manifests(self) -> list[str]:
        """Manifests of the states whose tokens it shows, and the tables of their texts."""
        return [path for one in self._job.tokens for path in (*one.manifests, one.texts)]

    @property
    def stores(self) -> list[str]:
        """Stores of these states."""
        shards = self._config.shards_of
        return [path for one in self._job.tokens for path in stores_of(one.model, one.corpus, shards(one.corpus))]

    @property
    def records(self) -> list[str]:
        """Records of all jobs behind the tables."""
        return list(self._job.records)

    @cached_property
    def _job(self) -> ExploreJob:
        config = self._config
        drawn = self._drawn
        models = [name for name in config.all_models if name in {model for _, model, _ in drawn}]
        corpora = [name for name in config.corpora if name in {corpus for _, corpus in self._extractions}]
        return ExploreJob(
            megabytes=config.explore.megabytes,
            token_texts=config.explore.token_texts,
            tables=tuple(self._tables()),
            words=tuple(self._words()),
            models=tuple(
                Model(name=name, title=model_label(config, name), origin=config.all_models[name].origin())
                for name in models
            ),
            corpora=tuple(Corpus(name=name, about=config.corpora[name].describe()) for name in corpora),
            tokens=tuple(self._tokens()) if config.explore.token_texts else (),
            figures=tuple(self._view(name) for name in self._figures),
            records=tuple(dict.fromkeys([table.record for table in self._tables()] + self._records())),
            not_shown=tuple(self._not_shown()),
            level=config.uncertainty.level,
            layers="layer (transformers)" if config.follows_transformers else "layer",
        )

    @cached_property
    def _figures(self) -> dict[str, tuple[FigureSettings, list[FigureTable]]]:
        """Figures with their tables. The config derives its figures anew each time that it is asked."""
        return {name: (figure, figure.tables(self._config)) for name, figure in self._config.all_figures.items()}

    @property
    def _figure_tables(self) -> list[FigureTable]:
        return [table for _, tables in self._figures.values() for table in tables]

    @cached_property
    def _drawn(self) -> dict[tuple[str, str, str], str]:
        """Kind (`probes`, `coordination`, `tasks` or a metric), model, and corpus, experiment or task -> control."""
        found: dict[tuple[str, str, str], str] = {}
        for table in self._figure_tables:
            kind = _kind(table)
            if table.model is not None and kind:
                found.setdefault((kind, table.model, table.corpus_or_experiment), table.control)
        return found

    @cached_property
    def _extractions(self) -> list[tuple[str, str]]:
        """Model and corpus of the states behind all this."""
        pairs = {
            (table.model, corpus): None
            for table in self._figure_tables
            if table.model is not None
            for corpus in table_corpora(self._config, table)
        }
        return [(str(model), corpus) for model, corpus in pairs]

    def _tables(self) -> list[Table]:
        found = []
        for (kind, model, name), control in self._drawn.items():
            told = {"control": RANDOM, "control_of": self._config.all_models[model].base or model} if control else {}
            match kind:
                case "tasks":
                    stem = f"results/tasks/{model}/{name}"
                    found.append(Table(path=f"{stem}.layers.parquet", record=f"{stem}.record.json"))
                case "probes" | "coordination":
                    stem = f"results/probes/{model}/{name}"
                    parts = ("coordination",) if kind == "coordination" else ("layers", "choices")
                    record = f"{stem}.coordination.record.json" if kind == "coordination" else f"{stem}.record.json"
                    kept = parts[:1] if control else parts
                    found += [Table(path=f"{stem}.{part}.parquet", record=record, **told) for part in kept]
                case metric:
                    folder = f"results/metrics/{model}/{name}"
                    job = OF_TOKENS if metric in self._config.token_metrics else metric
                    found.append(Table(path=f"{folder}/{metric}.layers.parquet", record=f"{folder}/{job}.record.json"))
        stems = [f"results/tasks/_over_tasks/{name}" for name, (figure, _) in self._figures.items() if figure.explored]
        return found + [Table(path=f"{stem}.parquet", record=f"{stem}.record.json") for stem in stems]

    def _words(self) -> list[Words]:
        config = self._config
        drawn = {kind: None for kind, _, _ in self._drawn}
        words = [self._metric_words(name) for name in config.metric_settings if name in drawn]
        experiments = {name: None for kind, _, name in self._drawn if kind == "probes"}
        tasks = {name: None for kind, _, name in self._drawn if kind == "tasks"}
        words += [self._experiment_words(name) for name in config.experiments if name in experiments]
        return (
            words
            + [
                Words(
                    stage="tasks",
                    name=name,
                    title=task_title(config, name),
                    axis="main score",
                    gist="1: solved",
                    sentences=tuple(tasks_sentences(config, [name])),
                    main={"sinks": "with"},
                )
                for name in config.tasks
                if name in tasks
            ]
            + self._words_of_means()
        )

    def _words_of_means(self) -> list[Words]:
        """Of what is taken of several tasks together."""
        shown = [figure for figure, _ in self._figures.values() if figure.explored]
        sentences = dict.fromkeys(sentence for figure in shown for sentence in figure.sentences(self._config))
        return [
            Words(
                stage="tasks",
                name=MEAN_OF_TASKS,
                title="Mean of the tasks",
                axis="mean of main scores",
                gist="1: solved",
                sentences=tuple(sentences),
                main={"sinks": "with"},
            )
            for _ in shown[:1]
        ]

    def _metric_words(self, name: str) -> Words:
        config, about, settings = self._config, METRICS[name], self._config.metric_settings[name]
        corpora = [corpus for kind, _, corpus in self._drawn if kind == name and corpus in config.corpora]
        forms = getattr(settings, "preparation", ())
        return Words(
            stage="metrics",
            name=name,
            title=about.title,
            axis=metric_axis(config, name),
            gist=about.direction,
            sentences=(
                definition(config, name),
                *(corpora_sentences(config, corpora, [name]) if corpora else ()),
                *interval_sentences(config, [name]),
            ),
            opens=about.opens,
            main={"site": "residual", **({"preparation": forms[0]} if forms else {})},
        )

    def _experiment_words(self, name: str) -> Words:
        config, one = self._config, self._config.experiments[name]
        estimator = default_estimator(one)
        labelled = config.corpora[one.corpus].has_own_figure
        sentences = labelled_sentences(config, name, estimator) if labelled else probes_sentences(config, [name], None)
        labels = one.labels or config.corpora[one.corpus].label_names or ()
        main = labels[0] if len(labels) == 1 or labelled else MEAN
        return Words(
            stage="probes",
            name=name,
            title=experiment_title(config, name),
            axis="balanced accuracy",
            gist="the dotted line: chance",
            sentences=tuple(sentences),
            main={**MAIN_OF_PROBES, "estimator": estimator, "label": str(main)},
        )

    def _tokens(self) -> list[TokenStates]:
        """States of corpora that are not of a task; of models of random weights none."""
        config = self._config
        return [
            TokenStates(
                model=model,
                corpus=corpus,
                manifests=tuple(manifests_of(model, corpus, config.shards_of(corpus))),
                texts=f"results/corpora/{corpus}.parquet",
                tokenizer=f"results/models/{model}/tokenizer.json",
            )
            for model, corpus in self._extractions
            if corpus not in config.task_corpora and model in config.trained_models
        ]

    def _view(self, name: str) -> FigureView:
        config = self._config
        figure, tables = self._figures[name]
        shows = {
            table.corpus_or_experiment if _kind(table) in OF_STAGES else _kind(table): None
            for table in tables
            if _kind(table)
        }
        claim = figure.paper_claim
        return FigureView(
            name=name,
            title=figure.title(config),
            text=f"results/figures/{name}.txt",
            shows=tuple(shows),
            claim="" if claim is None else str(CLAIMS[claim]),
            judged=bool(figure.order(config)),
        )

    def _records(self) -> list[str]:
        """Of the states behind the tables, their corpora and models, the tasks' data, and the figures."""
        config = self._config
        states = [
            f"{states_folder(model, corpus)}/{shard}.record.json"
            for model, corpus in self._extractions
            for shard in shard_names(config.shards_of(corpus))
        ]
        corpora = [f"results/corpora/{corpus}.record.json" for _, corpus in self._extractions]
        models = [f"results/models/{model}.record.json" for model, _ in self._extractions]
        data = [f"results/tasks/_data/{name}.record.json" for kind, _, name in self._drawn if kind == "tasks"]
        figures = [f"results/figures/{name}.record.json" for name in self._figures]
        return [*states, *corpora, *models, *data, *figures]

    def _not_shown(self) -> list[str]:
        """Summaries of the metrics that are drawn, beside the one that is called after the metric."""
        drawn = {kind for kind, _, _ in self._drawn}
        return [
            f"results/metrics/*/*/{name}.layers.parquet"
            for metric in self._config.metric_settings
            if metric in drawn
            for name in METRICS[metric].more_summaries
        ]


def explore_code() -> str:
    """Digest of the code that writes the page, and of the page's own parts."""
    return code_digest("fathom.explore.command", data=PARTS)


def _kind(table: FigureTable) -> str:
    """What writes the summary that the page shows of a figure's table: one of OF_STAGES or a metric; else nothing.

    Tables of single texts, of several experiments together or of a training are in figures only.
    """
    content = table.content.removesuffix(".layers")
    if content in OF_STAGES:
        return content
    if table.of_experiment:
        return PROBES
    return next((name for name, metric in METRICS.items() if content in (name, *metric.tables)), "")
