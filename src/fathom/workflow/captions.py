"""Captions: what a reader must know to trust a figure, in words made from the config."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fathom.corpora.settings import (
    AnalogiesCorpus,
    BibleCorpus,
    CorpusSettings,
    DocumentsCorpus,
    EarlyContextCorpus,
    FileCorpus,
    HubCorpus,
    ItemsCorpus,
    RandomnessCorpus,
    RandomTokensCorpus,
    RelationsCorpus,
    RepetitionCorpus,
    ViewsCorpus,
)
from fathom.figures.claims.papers import CLAIMS
from fathom.figures.settings import (
    BimodalityFigure,
    ComparisonFigure,
    CoordinationFigure,
    EarlyContextFigure,
    FigureSettings,
    MatrixFigure,
    MetricFigure,
    PowerLawFigure,
    ProbeFigure,
    ProbesFigure,
    PropertiesFigure,
    SinksFigure,
    SitesFigure,
    SpansFigure,
    StagesFigure,
    SummaryFigure,
    SweepFigure,
)
from fathom.metrics.settings import METRICS
from fathom.models.settings import HubModel, ModelSettings, PathModel, RandomModel
from fathom.runtime.errors import one_line
from fathom.schema import Wheel, in_storage
from fathom.workflow.config import Config
from fathom.workflow.defaults import STEPS, hierarchy
from fathom.workflow.figure_tables import FigureTable, drawn_experiments

PREPARATIONS = {
    "none": "raw states",
    "rows": "unit rows",
    "centred": "centred, then unit rows",
    "as_published": "as in the public code of skean2025",
}
ESTIMATORS = {"svm": "linear SVM", "ridge": "ridge regression", "logistic": "logistic regression"}
SWEPT = {"repetition": "repeated tokens", "randomness": "random tokens", "random-tokens": "length of the text"}
NORMALISED = {"raw": "", "logN": " / log rows", "logD": " / log width", "max": " / log min(rows, width)"}


def model_label(config: Config, model: str) -> str:
    """Name of a model in figures."""
    return config.all_models[model].label or model


def figure_category(config: Config, figure: str) -> str:
    """Category of a figure in the report."""
    settings = config.all_figures[figure]
    if isinstance(settings, ProbeFigure):
        return "Probes"
    return "Claims of the papers" if getattr(settings, "claim", None) else "Representation metrics"


def figure_title(config: Config, figure: str) -> str:
    """Title of a figure: what it shows, in a few words."""
    settings = config.all_figures[figure]
    match settings:
        case MetricFigure() | MatrixFigure():
            return METRICS[settings.metric].title
        case ComparisonFigure():
            return ", ".join(METRICS[metric].title for metric in settings.metrics)
        case SweepFigure():
            return f"{METRICS[settings.metric].title}: {SWEPT[config.corpora[settings.corpus].kind]}"
        case SinksFigure():
            return "Entropy valley, token norms and attention sinks"
        case StagesFigure():
            return f"{METRICS[settings.metric].title} at every stage of a block"
        case BimodalityFigure():
            return f"Distribution of {METRICS[settings.metric].title.lower()} over texts"
        case PowerLawFigure():
            return "Entropy of power-law spectra"
        case ProbesFigure():
            return f"{_experiment_titles(config, settings)}: {ESTIMATORS[settings.estimator]}"
        case PropertiesFigure():
            return f"{_experiment_title(config, settings.experiment)} by label"
        case SpansFigure():
            return f"Where in a text it can be read: {_listed(config, settings.experiments)}"
        case SitesFigure():
            return f"Residual stream and sub-layers: {_listed(config, settings.experiments)}"
        case EarlyContextFigure():
            return "What is left of an early pair"
        case CoordinationFigure():
            return f"Coordination of adjacent layers: {_experiment_title(config, settings.experiment)}"
        case SummaryFigure():
            return "Summary of all probes"


def _experiment_title(config: Config, name: str) -> str:
    return config.experiments[name].title or name


def _experiment_titles(config: Config, settings: ProbesFigure) -> str:
    """What the curves of a figure are of: the whole hierarchy, or the titles of the experiments."""
    drawn = drawn_experiments(settings, config.experiments, config.corpora)
    steps = hierarchy({name: config.experiments[name] for name in drawn}, config.corpora)
    whole = len(steps) == len(STEPS) == len(drawn)
    return "Items, relations, analogies" if whole else _listed(config, drawn)


def _listed(config: Config, names: Sequence[str]) -> str:
    return ", ".join(_experiment_title(config, name) for name in names)


def figure_subject(config: Config, figure: str) -> str:
    """What a figure shows, for the report's list."""
    settings = config.all_figures[figure]
    title = figure_title(config, figure)
    return (
        f"{title}, {model_label(config, settings.model)}"
        if isinstance(settings, PropertiesFigure | CoordinationFigure)
        else title
    )


def metric_axis(config: Config, metric: str, *, raw: bool = False) -> str:
    """Symbol and unit of a metric as it is configured, or in its own unit."""
    about, settings = METRICS[metric], config.metric_settings[metric]
    alpha = getattr(settings, "alpha", 1.0)
    normalisation = "raw" if raw else getattr(settings, "normalisation", "raw")
    symbol = about.symbol if alpha == 1.0 else f"S (α = {alpha:g})"
    return symbol + NORMALISED[normalisation] if normalisation != "raw" else f"{symbol} ({about.unit})"


def as_label(text: str) -> str:
    """Text as a label of the report, whose builder would take braces for wildcards and `<` for the end of a script."""
    return text.translate(str.maketrans("{}<>", "()[]"))


def for_report(text: str) -> str:
    """Text as a parameter that the report shows: there `</script>` would end the script that holds it.

    The template of captions (workflow/report/figure.rst) turns it back.
    """
    return text.replace("<", r"\u003c")


def caption(config: Config, figure: str) -> str:
    """What a figure is: models, revisions, data, definition, intervals. Counts of texts are in its CSV and notes."""
    settings = config.all_figures[figure]
    if isinstance(settings, PowerLawFigure):
        return " ".join([_power_law_sentence(settings), *_claim_sentences(settings)])
    tables = config.figure_tables(figure)
    if isinstance(settings, ProbeFigure):
        sentences = _probe_sentences(config, settings)
    else:
        sentences = _metric_sentences(config, settings, tables)
    models = [_describe_model(config, name) for name in config.figure_models(figure)]
    sentences.append(f"Models: {'; '.join(models)}. Layer 0 is the embedding output.")
    if config.activations.layers == "transformers":
        sentences.append("Layers follow transformers' hidden_states: the last one is normed.")
    return " ".join([*sentences, *_claim_sentences(settings)])


def _claim_sentences(settings: FigureSettings) -> list[str]:
    claim = getattr(settings, "claim", None)
    return [] if claim is None else [f"The paper's claim: {CLAIMS[claim]}"]


def _power_law_sentence(settings: PowerLawFigure) -> str:
    return (
        f"Matrix-based entropy S_alpha in nats of {settings.dimension} eigenvalues proportional to i^-beta, over its "
        "order alpha: the metric's formula, no model and no data (after Skean et al. 2025, Fig. 7)."
    )


def _metric_sentences(config: Config, settings: FigureSettings, tables: Sequence[FigureTable]) -> list[str]:
    metrics = [name for name in dict.fromkeys(table.holds for table in tables) if name in config.metric_settings]
    if isinstance(settings, SinksFigure):
        metrics = ["prompt_entropy", "sinks"]
    raw = getattr(settings, "raw", False)
    shown = None if isinstance(settings, MetricFigure) else 1
    sentences = [_definition(config, metric, raw=raw, forms=shown) for metric in metrics]
    sentences.append(f"Corpora: {_describe_corpora(config, [table.of for table in tables])}.")
    if any(METRICS[metric].position == "tokens" for metric in metrics):
        sentences.append(
            "All tokens, and without sink tokens: those whose norm exceeds "
            f"{config.metrics.sink_multiple:g} times the median norm of their text at some layer."
        )
    if isinstance(settings, BimodalityFigure):
        sentences.append(
            "Dip: Hartigan and Hartigan 1985; p against the uniform distribution from "
            f"{settings.samples:,} samples, corrected over layers."
        )
    elif any(METRICS[metric].of == "text" for metric in metrics):
        sentences.append(f"Bands: {_intervals(config)} over texts.")
    if any(METRICS[metric].of in {"corpus", "views", "layers"} for metric in metrics):
        sentences.append(
            f"{100 * config.uncertainty.level:g} % intervals of corpus metrics: half samples of the texts."
        )
    return sentences


def _definition(config: Config, metric: str, *, raw: bool, forms: int | None) -> str:
    """Definition of a metric, and the first so many of its preparations (all if None)."""
    about = METRICS[metric]
    named = getattr(config.metric_settings[metric], "preparation", ())[:forms]
    states = f"; states: {' / '.join(PREPARATIONS[form] for form in named)}" if named else ""
    axis = metric_axis(config, metric, raw=raw)
    return f"{about.title} ({axis}; {about.symbol} goes {about.range()}; {about.direction}): {about.reference}{states}."


def _probe_sentences(config: Config, settings: ProbeFigure) -> list[str]:
    drawn = drawn_experiments(settings, config.experiments, config.corpora)
    experiments = [config.experiments[name] for name in drawn]
    design = (
        "Linear probes, after Bogdan 2025 (arXiv 2501.07359): our own design, not a replication of that paper's "
        "numbers."
    )
    folds = _values([f"{one.folds}-fold, {one.repeats} repeats" for one in experiments])
    tests = _values(
        [
            f"{one.permutations} block-wise permutations, family-wise over layers" if one.permutations else "none"
            for one in experiments
        ]
    )
    estimator = getattr(settings, "estimator", None)
    fitted = "SVM, ridge and logistic regression" if estimator is None else ESTIMATORS[estimator]
    controls = (
        "Controls, with the fixed penalty: embedding (layer 0), the same shape with random weights, shuffled words, "
        "the sum of the tokens' static vectors, a control task of random labels on a split by templates (selectivity: "
        "template split minus control task). Not every corpus has every control."
    )
    fit = (
        f"{fitted[0].upper()}{fitted[1:]} in closed blocks, grouped folds ({folds}) and scaling inside the fold; "
        f"penalty: {_values([f'{one.penalty:g}' for one in experiments])} everywhere (fixed), or chosen by inner "
        f"folds; out-of-fold predictions. Intervals: {_intervals(config)} over groups. Tests: {tests}."
    )
    sentences = [
        design,
        f"Texts: {_describe_corpora(config, [one.corpus for one in experiments])}.",
        fit,
        controls,
    ]
    if isinstance(settings, ProbesFigure | SummaryFigure):
        sentences.append("Normalised: (score - chance) / (1 - chance).")
    return sentences


def _values(words: Sequence[str]) -> str:
    """Different words, in order."""
    return " / ".join(dict.fromkeys(words))


def _intervals(config: Config) -> str:
    return f"{100 * config.uncertainty.level:g} % intervals from {config.uncertainty.bootstrap:,} bootstrap samples"


def _describe_model(config: Config, name: str) -> str:
    model = config.all_models[name]
    note = f", {model.note}" if model.note else ""
    return f"{model_label(config, name)} ({_origin(model)}{note}, {model.dtype})"


def _origin(model: ModelSettings) -> str:
    if isinstance(model, HubModel):
        return f"{model.repository} at {model.revision[:12]}"
    if isinstance(model, PathModel):
        return model.path if in_storage(model.path) else "local folder"
    if isinstance(model, RandomModel):
        return f"weights drawn anew with seed {model.seed}, shape of {model.of}"
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
            lengths = [corpus.tokens] if isinstance(corpus.tokens, int) else corpus.tokens
            shown = ", ".join(map(str, lengths))
            return f"{corpus.texts} texts of {shown} tokens drawn uniformly from the model's vocabulary"
        case ViewsCorpus():
            form = ", as published" if corpus.as_published else ""
            augmented = f"split, random character, keyboard; p = {corpus.p:g}{form}"
            return f"{corpus.views} augmented views of {corpus.of} ({augmented})"
        case RepetitionCorpus() | RandomnessCorpus():
            form = ", as published" if corpus.as_published else ""
            by = "tokens of the text itself" if isinstance(corpus, RepetitionCorpus) else "random tokens"
            return f"{corpus.of}, each token replaced with probability p by {by}{form}"
        case FileCorpus():
            return Path(corpus.path).name
        case HubCorpus():
            return f"{corpus.repository} at {corpus.revision[:12]}, {corpus.file}"
        case DocumentsCorpus():
            sentences = f"{corpus.sentences} sentences “{one_line(corpus.sentence)}” of one category or of several"
            return f"{sentences}, {corpus.table or 'own table'}"
        case EarlyContextCorpus():
            filler = ", ".join(map(str, corpus.filler))
            return f"template “{one_line(corpus.template)}” and {filler} words of filler, {corpus.table or 'own table'}"
        case ItemsCorpus():
            return f"template “{one_line(corpus.template)}”, {corpus.table or 'own table'}"
        case RelationsCorpus() | AnalogiesCorpus():
            source = corpus.table or "own table"
            if corpus.questions is not None:
                source = f"Google analogy questions in {_wheel(corpus.questions)}"
            return f"template “{one_line(corpus.template)}”, {source}"


def _wheel(wheel: Wheel) -> str:
    return f"{wheel.package} {wheel.version}"
