"""What holds of every metric: its words, its functions, its range, what it refuses. A new one is held at once.

What a metric's value is where the answer is known stands in `test_metrics_analytic`.
"""

from __future__ import annotations

import importlib
import inspect
import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from fathom.metrics import as_published, prepare
from fathom.metrics.by_corpus import evaluate
from fathom.metrics.by_text import LayerStates, measure_states
from fathom.metrics.definitions.sinks import norm_ratios
from fathom.metrics.job import Form, Measured
from fathom.metrics.measure import Measure, make_measure
from fathom.metrics.settings import METRICS, Metric, MetricsSettings

Array = npt.NDArray[np.float64]
VIEWS = 3
WORDS = ("title", "symbol", "unit", "low", "high", "direction", "reference")
COMMON = {"preparation", "normalisation", "samples", "label"}  # said of several metrics, and no argument of a function
# Options with which a metric has a value on as few texts as it allows.
FEW: dict[str, Any] = {"k": 1, "fractions": (1.0,)}

every_metric = pytest.mark.parametrize("name", list(METRICS))


def states(seed: int, rows: int = 12, width: int = 7) -> list[Array]:
    """Three views of the same rows, on a decaying spectrum, with a row of large norm."""
    random = np.random.default_rng(seed)
    own = random.standard_normal((rows, width)) * np.exp(-0.2 * np.arange(width)) + 0.3
    own[0] *= 10.0
    return [own + random.uniform(0.05, 1.0) * random.standard_normal((rows, width)) for _ in range(VIEWS)]


def labels(rows: int) -> npt.NDArray[np.object_]:
    return np.array([f"label {row % 2}" for row in range(rows)], dtype=object)


def settings_of(name: str, **options: Any) -> Metric:
    kind = METRICS[name]
    return kind.model_validate({key: value for key, value in options.items() if key in kind.model_fields})


def value_of(name: str, views: list[Array], form: Form = "centred", **options: Any) -> float:
    """Value of a metric, in its own unit, as the job of the metric comes to it; ValueError where it has none."""
    one = make_measure(settings_of(name, preparation=form, **options).measured(seed=0))
    return by_shape(one, views, form)


def by_shape(one: Measure, views: list[Array], form: Form) -> float:
    about = one.settings
    if about.of == "sinks":
        return float(norm_ratios(views[0]).max())
    if about.of == "text":
        _, raw, _, reason = measure_states(LayerStates(views[0]), one, form)
        if reason is not None:
            raise ValueError(reason)
        return raw
    if about.of == "layers":
        assert form != "as_published"
        return float(one.function([prepare(view, form) for view in views])[0, 1])
    if about.by_scale:
        assert form != "as_published"
        return float(one.function(prepare(views[0], form))[0][1])
    return evaluate(views[: about.views], one, form, None if about.label is None else labels(len(views[0]))).raw


def bound(words: str, rows: int, width: int) -> float:
    """The number that `low` or `high` begins with, for states of so many rows; infinite where there is none."""
    limit = words.split(" (")[0]
    if "unbounded" in limit or "about" in limit or "more" in words:
        return math.inf
    formula = limit.replace("π", "pi").replace("log min", "logmin").replace("log texts", "log(texts)")
    names = {
        "logmin": lambda *sides: math.log(min(sides)),
        "log": math.log,
        "min": min,
        "pi": math.pi,
        "tokens": rows,
        "texts": rows,
        "width": width,
    }
    return float(eval(formula, {"__builtins__": {}}, names))


# Words and functions -------------------------------------------------------------------------------------------------


@every_metric
def test_its_words_are_complete(name: str) -> None:
    metric = METRICS[name]
    assert metric.name == name
    for word in WORDS:
        text = getattr(metric, word)
        assert isinstance(text, str), word
        assert text.strip() == text != "", word
    assert metric.direction.startswith("lower: ")
    assert metric.range() == f"from {metric.low} to {metric.high}"
    assert (metric.__doc__ or "").startswith("Settings of ")
    assert MetricsSettings.model_fields[name].description
    assert all(field.description for field in metric.model_fields.values())


@every_metric
def test_its_functions_exist_in_its_module(name: str) -> None:
    metric = METRICS[name]
    assert metric.module == f"fathom.metrics.definitions.{name}"
    module = importlib.import_module(metric.module)
    for function in (metric.function, metric.chance, metric.published, metric.attention):
        assert function is None or callable(getattr(module, function))
    assert callable(importlib.import_module(metric.table_module).make_tables)
    if metric.published is not None:
        assert getattr(module, metric.published) in vars(as_published).values()
    assert metric.together_with is None or METRICS[metric.together_with].of == "text"


@every_metric
def test_its_options_are_arguments_of_its_function(name: str) -> None:
    """What is not said of several metrics is an argument of the function: the names must be those."""
    metric = METRICS[name]
    module = importlib.import_module(metric.module)
    own = set(metric.model_fields) - COMMON | ({"seed"} if metric.seeded else set())
    parameters = set(inspect.signature(getattr(module, metric.function)).parameters)
    assert own <= parameters
    assert metric.seeded == ("seed" in parameters)
    if metric.published_arguments and metric.published is not None:
        assert own <= set(inspect.signature(getattr(module, metric.published)).parameters)


@every_metric
def test_a_job_is_told_all_of_it(name: str) -> None:
    told = METRICS[name]().measured(seed=5)
    assert Measured.model_validate_json(told.model_dump_json()).model_dump_json() == told.model_dump_json()
    assert told.name == name
    assert told.arguments.get("seed") == (5 if METRICS[name].seeded else None)
    # The plan says everything: a job has no default of its own.
    assert all(field.is_required() for field in Measured.model_fields.values())
    said = {
        key: getattr(METRICS[name], key) for key in set(Measured.model_fields) & set(vars(Metric)["__class_vars__"])
    }
    assert len(said) > 12
    assert all(getattr(told, key) == value for key, value in said.items())


@every_metric
def test_a_metric_of_means_has_a_table_in_both_forms(name: str) -> None:
    """What makes its table gives both; `test_metrics_tables` holds the values. A pair of layers has no order."""
    metric = METRICS[name]
    assert (metric.position == "mean") == (metric.table_module == "fathom.metrics.corpus_tables")
    assert (metric.of in {"corpus", "views", "layers"}) == (metric.position == "mean")
    if metric.of == "layers":
        layers = [prepare(view, "none") for view in states(3)]
        matrix = make_measure(settings_of(name).measured(seed=0)).function(layers)
        np.testing.assert_allclose(matrix, matrix.T, rtol=1e-12)


# Values --------------------------------------------------------------------------------------------------------------


@every_metric
@pytest.mark.parametrize(("rows", "width"), [(12, 7), (6, 20), (30, 3)])
def test_its_values_lie_in_the_range_that_it_states(name: str, rows: int, width: int) -> None:
    metric = METRICS[name]
    low, high = bound(metric.low, rows, width), bound(metric.high, rows, width)
    if math.isinf(low):
        low = -math.inf
    for seed in range(5):
        for form in ("none", "rows", "centred"):
            if metric.of == "sinks" and form != "none":
                continue
            found = value_of(name, states(seed, rows, width), form, fractions=(1.0,))
            assert low - 1e-9 <= found <= high + 1e-9, (seed, form)


@every_metric
def test_a_rotation_of_all_states_changes_nothing(name: str) -> None:
    for seed in range(3):
        views = states(seed)
        turn, _ = np.linalg.qr(np.random.default_rng(seed).standard_normal((views[0].shape[1],) * 2))
        expected = pytest.approx(value_of(name, views), rel=1e-6, abs=1e-7)
        assert value_of(name, [view @ turn for view in views]) == expected


@every_metric
def test_it_has_a_value_from_its_fewest_rows_on(name: str) -> None:
    metric = METRICS[name]
    fewest = metric.minimum_rows
    views = [view[:fewest] for view in states(1, rows=max(fewest, 2))]
    assert math.isfinite(value_of(name, views, "none", **FEW))
    if metric.of in {"text", "corpus", "views"} and fewest > 1:
        with pytest.raises(ValueError, match=r"expected at least"):
            value_of(name, [view[: fewest - 1] for view in views], "none", **FEW)


@every_metric
@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (lambda z: np.where(z == z[2, 1], np.nan, z), r"holds nan at \(2, (0, )?1\); expected finite numbers"),
        (lambda z: np.where(z == z[2, 1], np.inf, z), r"holds inf at \(2, (0, )?1\); expected finite numbers"),
        (lambda z: z * 1e80, r"has largest magnitude .*; expected 0 or "),
        (lambda z: z[:, 0], r"has shape \(12,( 3)?\); expected [23] axes"),
        (lambda z: z.astype(np.complex128), r"holds complex128; expected real numbers"),
    ],
)
def test_it_refuses_states_that_are_none_and_names_the_argument(name: str, spoil: Any, expected: str) -> None:
    views = [spoil(view) for view in states(2)]
    with pytest.raises(ValueError, match=rf"^`\w+(\[\d+\])?` {expected}"):
        spoiled(name, views)


def spoiled(name: str, views: list[Any]) -> None:
    """Give a metric states as a user of its public function does: a table never holds such states."""
    metric = METRICS[name]
    if metric.of == "sinks":
        norm_ratios(views[0])
    elif metric.spectrum:
        prepare(views[0], "none")  # the function reads what is made of prepared states
    elif metric.of == "views" and metric.views is None:
        one = make_measure(settings_of(name).measured(seed=0))
        one.function(np.stack(views, axis=1))
    elif metric.of == "layers":
        make_measure(settings_of(name).measured(seed=0)).function(views)
    else:
        one = make_measure(settings_of(name).measured(seed=0))
        one.function(*views[: metric.views], *([labels(len(views[0]))] if one.settings.label is not None else []))
