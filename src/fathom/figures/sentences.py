"""Sentences of captions that several kinds of figures share. No job imports them: other words change no digest."""

from __future__ import annotations

from collections.abc import Sequence

from fathom.schema import ConfigView, ExperimentView

PREPARATIONS = {
    "none": "raw states",
    "rows": "unit rows",
    "centred": "centred, then unit rows",
    "as_published": "as in the public code of skean2025",
}
ESTIMATORS = {"svm": "linear SVM", "ridge": "ridge regression", "logistic": "logistic regression"}
NORMALISED = {"raw": "", "logN": " / log rows", "logD": " / log width", "max": " / log min(rows, width)"}


def model_label(config: ConfigView, model: str) -> str:
    """Name of a model in figures."""
    return config.all_models[model].label or model


def task_title(config: ConfigView, name: str) -> str:
    """Name of a task in figures."""
    return config.tasks[name].title or name


def tasks_sentences(config: ConfigView, names: Sequence[str]) -> list[str]:
    """Which tasks, on which vectors, scored by what."""
    described = "; ".join(f"{task_title(config, name)} ({config.tasks[name].describe()})" for name in names)
    vectors = config.embeddings.in_words()
    scored = f"Test splits and main scores of mteb {config.mteb_version}, of every layer from one pass."
    read = f"Vectors: {vectors}. Texts beyond the context are cut."
    forms = f"All tokens, and without sink tokens ({config.sink_rule})."
    return [f"Tasks: {described}.", scored, read, *([forms] if "mean" in config.embeddings.positions else [])]


def models_sentences(config: ConfigView, models: Sequence[str]) -> list[str]:
    """Which models, from where, in which precision, and how their layers are numbered; none for a figure of none."""
    if not models:
        return []
    described = []
    for entry, names in _by_entry(config, models).items():
        model = config.all_models[names[0]]
        note = f", {model.note}" if model.note else ""
        if model.checkpoint is None:
            label, origin = model_label(config, entry), model.origin()
        else:
            points = [config.all_models[name].checkpoint for name in names]
            steps = ", ".join(f"{point.step:,}" for point in points if point is not None)
            label, origin = f"{model.checkpoint.label} at step {steps}", model.series_origin()
        described.append(f"{label} ({origin}{note}, {model.dtype})")
    sentences = [f"Models: {'; '.join(described)}. Layer 0 is the embedding output."]
    if config.follows_transformers:
        sentences.append("Layers follow transformers' hidden_states: the last one is normed.")
    return sentences


def _by_entry(config: ConfigView, models: Sequence[str]) -> dict[str, list[str]]:
    """Models by their entry in the config: checkpoints of one training together."""
    found: dict[str, list[str]] = {}
    for name in models:
        checkpoint = config.all_models[name].checkpoint
        found.setdefault(name if checkpoint is None else checkpoint.entry, []).append(name)
    return found


def corpora_phrase(config: ConfigView, names: Sequence[str]) -> str:
    """What some corpora hold."""
    return "; ".join(f"{name} ({config.corpora[name].describe()})" for name in dict.fromkeys(names))


def experiment_title(config: ConfigView, name: str) -> str:
    """Name of an experiment in figures."""
    return config.experiments[name].title or name


def experiment_titles(config: ConfigView, names: Sequence[str]) -> str:
    """Names of some experiments in figures."""
    return ", ".join(experiment_title(config, name) for name in names)


def intervals_phrase(config: ConfigView) -> str:
    """How intervals are made."""
    return f"{100 * config.uncertainty.level:g} % intervals from {config.uncertainty.bootstrap:,} bootstrap samples"


def metric_axis(config: ConfigView, metric: str, *, raw: bool = False) -> str:
    """Symbol and unit of a metric as it is configured, or in its own unit."""
    words, settings = config.metric_words(metric), config.metric_settings[metric]
    alpha = getattr(settings, "alpha", 1.0)
    normalisation = "raw" if raw else getattr(settings, "normalisation", "raw")
    symbol = words.symbol if alpha == 1.0 else f"S (α = {alpha:g})"
    return symbol + NORMALISED[normalisation] if normalisation != "raw" else f"{symbol} ({words.unit})"


def definition(config: ConfigView, metric: str, *, raw: bool = False, preparations: int | None = 1) -> str:
    """Definition of a metric, and the first so many of its preparations (all if None)."""
    words = config.metric_words(metric)
    named = getattr(config.metric_settings[metric], "preparation", ())[:preparations]
    states = f"; states: {' / '.join(PREPARATIONS[one] for one in named)}" if named else ""
    axis = metric_axis(config, metric, raw=raw)
    return f"{words.title} ({axis}; {words.symbol} goes {words.range}; {words.direction}): {words.reference}{states}."


def corpora_sentences(config: ConfigView, corpora: Sequence[str], metrics: Sequence[str]) -> list[str]:
    """On which texts metrics are measured, and which tokens of them count."""
    sentences = [f"Corpora: {corpora_phrase(config, corpora)}."]
    positions = {config.metric_words(metric).position for metric in metrics}
    if positions & {"tokens", "mean"}:
        sentences.append(f"All tokens, and without sink tokens ({config.sink_rule}).")
    if "mean" in positions:
        sentences.append(
            "States are means over the tokens of a text. A mean over T tokens holds the sink token divided by T, so "
            "that where the two forms part, texts differ by their share of one large vector more than by their words."
        )
    return sentences


def interval_sentences(config: ConfigView, metrics: Sequence[str]) -> list[str]:
    """How the intervals of metrics are made."""
    shapes = {config.metric_words(metric).of for metric in metrics}
    sentences = [f"Bands: {intervals_phrase(config)} over texts."] if "text" in shapes else []
    if shapes & {"corpus", "views", "layers"}:
        sentences.append(
            f"{100 * config.uncertainty.level:g} % intervals of corpus metrics: half samples of the texts."
        )
    return sentences


def probes_sentences(config: ConfigView, names: Sequence[str], estimator: str | None) -> list[str]:
    """The design of probing experiments: texts, fits, tests and controls; all estimators if `estimator` is None."""
    experiments = [config.experiments[name] for name in names]
    folds = _different([f"{one.folds}-fold, {one.repeats} repeats" for one in experiments])
    tests = _different(
        [
            f"{one.permutations} block-wise permutations, family-wise over layers" if one.permutations else "none"
            for one in experiments
        ]
    )
    penalty = _different([f"{one.penalty:g}" for one in experiments])
    fitted = "SVM, ridge and logistic regression" if estimator is None else ESTIMATORS[estimator]
    design = (
        "Linear probes, after Bogdan 2025 (arXiv 2501.07359): our own design, not a replication of that paper's "
        "numbers."
    )
    fit = (
        f"{fitted[0].upper()}{fitted[1:]} in closed blocks, grouped folds ({folds}) and scaling inside the fold; "
        f"penalty: {penalty} everywhere (fixed), or chosen by inner folds; out-of-fold predictions. "
        f"Intervals: {intervals_phrase(config)} over groups. Tests: {tests}."
    )
    controls = (
        "Controls, with the fixed penalty: embedding (layer 0), the same shape with random weights, shuffled words, "
        "the sum of the tokens' static vectors, a control task of random labels on a split by templates (selectivity: "
        "template split minus control task). Not every corpus has every control."
    )
    texts = f"Texts: {corpora_phrase(config, [one.corpus for one in experiments])}."
    return [design, texts, fit, controls, *_read_sentences(config, experiments)]


def labelled_sentences(config: ConfigView, name: str, estimator: str) -> list[str]:
    """The design of an experiment on labels of one's own texts."""
    one = config.experiments[name]
    fitted = ESTIMATORS[estimator]
    tests = f"{one.permutations} permutations of the labels, family-wise over layers" if one.permutations else "none"
    if one.permutations and estimator != "ridge":
        tests += " (of more than 5,000 texts ridge alone is tested)"
    fit = (
        f"{fitted[0].upper()}{fitted[1:]}, scaled inside the fold, penalty {one.penalty:g} everywhere; {one.folds} "
        f"folds of whole groups, {one.repeats} repeats, or the split that the table gives; out-of-fold predictions. "
        "Classes: balanced accuracy; numbers: Pearson's r with the numbers as they are (AUC and R² "
        f"in the CSV). Intervals: {intervals_phrase(config)} over groups. Tests: {tests}."
    )
    controls = (
        "Controls, with the fixed penalty: embedding (layer 0), the same shape with random weights, shuffled words, "
        "the sum of the tokens' static vectors, a control task of random labels where texts have paraphrases, and the "
        "surface of the text on the same folds: its words in a bag (tf-idf), its length, its first word."
    )
    texts = f"Linear probes of the labels of texts: {corpora_phrase(config, [one.corpus])}."
    return [texts, fit, controls, *_read_sentences(config, [one])]


def _read_sentences(config: ConfigView, experiments: Sequence[ExperimentView]) -> list[str]:
    """Which tokens are sinks, how a layer is chosen, and on which corpora probes are tested besides."""
    tested = {one.test: one.corpus for one in experiments if one.test is not None}
    return [
        f"Sink tokens: {config.sink_rule}.",
        "The peak is the best layer in hindsight; beside it stands the layer that inner folds choose.",
        *(
            f"Tested besides on {test} ({config.corpora[test].describe()}), trained on all of {corpus}, without texts "
            "that a training text gives away; gap: the curve inside minus the one outside."
            for test, corpus in tested.items()
        ),
    ]


def _different(phrases: Sequence[str]) -> str:
    """Different phrases, in order."""
    return " / ".join(dict.fromkeys(phrases))
