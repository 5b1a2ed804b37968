"""Captions: what a reader must know to trust a figure, in words made from the config."""

from __future__ import annotations

from pathlib import Path

from fathom.config import Config
from fathom.corpora.settings import BibleCorpus, CorpusSettings, FileCorpus, HubCorpus, RandomTokensCorpus
from fathom.figures.settings import MetricFigure, ProbesFigure
from fathom.metrics.registry import METRICS
from fathom.metrics.settings import EntropySettings
from fathom.models.settings import HubModel, ModelSettings, PathModel
from fathom.settings import Wheel

PREPARATIONS = {"none": "raw states", "rows": "unit rows", "centred": "centred, then unit rows"}
NORMALISED = {"raw": "", "logN": " / log rows", "logD": " / log width", "max": " / log min(rows, width)"}


def model_label(config: Config, model: str) -> str:
    """Name of a model in figures."""
    return config.models[model].label or model


def figure_category(config: Config, figure: str) -> str:
    """Category of a figure in the report."""
    return "Probes" if isinstance(config.all_figures[figure], ProbesFigure) else "Representation metrics"


def figure_subject(config: Config, figure: str) -> str:
    """What a figure shows, in a few words, for the report's list."""
    settings = config.all_figures[figure]
    return METRICS[settings.metric].title if isinstance(settings, MetricFigure) else "Items, relations, analogies"


def metric_axis(config: Config, metric: str) -> str:
    """Symbol and unit of a metric as it is configured."""
    about, settings = METRICS[metric], config.metric_settings[metric]
    if isinstance(settings, EntropySettings):
        symbol = about.symbol if settings.alpha == 1.0 else f"S (α = {settings.alpha:g})"
        return (
            f"{symbol} ({about.unit})"
            if settings.normalisation == "raw"
            else symbol + NORMALISED[settings.normalisation]
        )
    return f"{about.symbol} ({about.unit})"


def caption(config: Config, figure: str) -> str:
    """What a figure is: models, revisions, data, definition, intervals. Counts of texts are in its CSV and notes."""
    settings = config.all_figures[figure]
    tables = config.figure_tables(figure)
    sentences = (
        _metric_sentences(config, settings, tables)
        if isinstance(settings, MetricFigure)
        else _probe_sentences(config, tables)
    )
    models = [_describe_model(config, name) for name in dict.fromkeys(model for model, _ in tables)]
    sentences.append(f"Models: {'; '.join(models)}. Layer 0 is the embedding output.")
    if config.activations.layers == "transformers":
        sentences.append("Layers follow transformers' hidden_states: the last one is normed.")
    return " ".join(sentences)


def _metric_sentences(config: Config, settings: MetricFigure, tables: list[tuple[str, str]]) -> list[str]:
    metric, chosen = METRICS[settings.metric], config.metric_settings[settings.metric]
    sentences = [
        f"{metric.title} ({metric_axis(config, settings.metric)}) by relative depth; {metric.direction}.",
        f"Definition: {metric.reference}; states: {PREPARATIONS[chosen.preparation]}.",
        f"Corpora: {_describe_corpora(config, [corpus for _, corpus in tables])}.",
    ]
    if metric.reads == "tokens":
        sentences.append(
            "Solid: all tokens; dashed: without sink tokens, those whose norm exceeds "
            f"{config.metrics.sink_multiple:g} times the median norm of their text at some layer. "
            f"Bands: {_intervals(config)} over texts."
        )
    else:
        sentences.append(f"Bands: {100 * config.uncertainty.level:g} % intervals from resampled texts.")
    return sentences


def _probe_sentences(config: Config, tables: list[tuple[str, str]]) -> list[str]:
    experiments = [config.experiments[name] for _, name in tables]
    design = (
        "Linear probes by relative depth, after Bogdan 2025 (arXiv 2501.07359): our own design, not a replication of "
        "that paper's numbers."
    )
    scores = (
        "Balanced accuracy of out-of-fold predictions, closed blocks, grouped folds, scaling inside the fold; bands: "
        f"{_intervals(config)} over groups; filled markers: above chance (0.5, dotted) at family-wise p < 0.05."
    )
    return [
        design,
        f"Texts: {_describe_corpora(config, [one.corpus for one in experiments])}.",
        scores,
    ]


def _intervals(config: Config) -> str:
    return f"{100 * config.uncertainty.level:g} % intervals from {config.uncertainty.bootstrap:,} bootstrap samples"


def _describe_model(config: Config, name: str) -> str:
    model = config.models[name]
    note = f", {model.note}" if model.note else ""
    return f"{model_label(config, name)} ({_origin(model)}{note}, {model.dtype})"


def _origin(model: ModelSettings) -> str:
    if isinstance(model, HubModel):
        return f"{model.repository} at {model.revision[:12]}"
    if isinstance(model, PathModel):
        return "local folder"
    return f"{model.package} {model.version}"


def _describe_corpora(config: Config, names: list[str]) -> str:
    return "; ".join(f"{name} ({_contents(config.corpora[name])})" for name in dict.fromkeys(names))


def _contents(corpus: CorpusSettings) -> str:
    match corpus:
        case BibleCorpus():
            text = f"{corpus.passages} passages of at least {corpus.words} words, {_wheel(corpus.translation)}"
            return (
                text
                if corpus.paraphrase is None
                else f"{text}; paraphrase: the same verses, {_wheel(corpus.paraphrase)}"
            )
        case RandomTokensCorpus():
            return f"{corpus.texts} texts of {corpus.tokens} tokens drawn uniformly from the model's vocabulary"
        case FileCorpus():
            return Path(corpus.path).name
        case HubCorpus():
            return f"{corpus.repository} at {corpus.revision[:12]}, {corpus.file}"
        case _:
            return f"template “{corpus.template}”, {corpus.table or 'own table'}"


def _wheel(wheel: Wheel) -> str:
    return f"{wheel.package} {wheel.version}"
