"""The directions of probes with their scaler, which anything in the space of the states can be scored with.

A direction is fitted to all texts that have the label (of a given split, to those that are trained on), with the fixed
penalty, at every layer. The scores that it gives to these texts are those of training: how well it tells the label of
others is what the curves say.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save
from sklearn import config_context
from threadpoolctl import threadpool_limits

from fathom.io.atomic import atomic_write
from fathom.probes.checks import States
from fathom.probes.design import Estimator
from fathom.probes.estimators import predict
from fathom.probes.gram import Fold, scaler
from fathom.probes.targets import Target
from fathom.runtime.errors import FathomError, first_line
from fathom.statistics.arrays import FloatArray

PARTS = ("mean", "scale", "weights", "intercept")
FORMAT = "fathom"  # the key of the metadata: one, for the order of several is not kept


@dataclass(frozen=True)
class Place:
    """What directions are of: a label and estimator, and where the states were read."""

    label: str
    estimator: str
    view: str
    site: str
    position: str
    sinks: str


@dataclass(frozen=True)
class Directions:
    """The directions of one label and estimator at one place, at every layer.

    A state z is scored as ((z - mean) / scale) @ weights.T + intercept. Of two classes the score is above 0 where the
    probe says the second one, of several there is one score a class, and the highest says which; of numbers the score
    is the number.

    Attributes:
        place: what they are of.
        layers: numbers of the layers.
        classes: of the label; none of numbers.
        mean: (layers, width).
        scale: (layers, width).
        weights: (layers, columns, width), one column for two classes or numbers.
        intercept: (layers, columns).
    """

    place: Place
    layers: tuple[int, ...]
    classes: tuple[str | float, ...]
    mean: FloatArray
    scale: FloatArray
    weights: FloatArray
    intercept: FloatArray

    def score(self, states: npt.ArrayLike, layer: int) -> FloatArray:
        """Score states (..., width) of a layer: (...), or (..., classes) of several classes.

        Raises:
            ValueError: if the layer was not probed, or the states have another width.
        """
        if layer not in self.layers:
            msg = f"layer: {layer}; expected one of {', '.join(map(str, self.layers))}"
            raise ValueError(msg)
        given = np.asarray(states, dtype=np.float64)
        at, width = self.layers.index(layer), self.mean.shape[1]
        if given.ndim == 0 or given.shape[-1] != width:
            msg = f"states: shape {given.shape}; expected (..., {width}), the width of the model"
            raise ValueError(msg)
        scores = (given - self.mean[at]) / self.scale[at] @ self.weights[at].T + self.intercept[at]
        return np.asarray(scores[..., 0] if scores.shape[-1] == 1 else scores)


def fit_directions(
    states: States,
    target: Target,
    estimator: Estimator,
    penalty: float,
    place: Place,
    layers: Sequence[int],
) -> Directions:
    """Fit the directions of a label to the states of texts at every layer, which have these numbers."""
    columns = target.columns(target.values[:, None])
    parts: dict[str, list[FloatArray]] = {part: [] for part in PARTS}
    with threadpool_limits(limits=1), config_context(assume_finite=True, skip_parameter_validation=True):
        for layer in range(len(states)):
            found = _fit(np.asarray(states[layer], dtype=np.float64)[target.rows], columns, estimator, penalty)
            for part, values in zip(PARTS, found, strict=True):
                parts[part].append(values)
    stacked = {part: np.stack(values) for part, values in parts.items()}
    return Directions(place=place, layers=tuple(layers), classes=target.classes, **stacked)


def _fit(
    states: FloatArray, columns: FloatArray, estimator: Estimator, penalty: float
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Mean, scale, weights and intercept of a probe of states (texts, width) for columns (texts, columns)."""
    mean, deviation, constant = scaler(states)
    scale = np.where(constant, 1.0, deviation)
    features = np.where(constant, 0.0, (states - mean) / scale) / np.sqrt(states.shape[1])
    # A probe of the Gram matrix is linear in the products of a text with the training texts. At none of them it is the
    # intercept, at one of them alone that text's coefficient besides.
    nothing = np.zeros((1, len(features)))
    fold = Fold(features @ features.T, np.vstack([nothing, np.eye(len(features))]), states.shape[1])
    answers = predict(estimator, fold, columns, penalty)
    intercept = answers[0]
    weights = (answers[1:] - intercept).T @ features / np.sqrt(states.shape[1])
    return mean, scale, weights, intercept


def write_directions(found: Sequence[Directions], facts: Mapping[str, Any], path: Path) -> None:
    """Write directions as safetensors; `facts` say which model, corpus and experiment they are of."""
    tensors = {
        f"{number}.{part}": np.ascontiguousarray(getattr(one, part))
        for number, one in enumerate(found)
        for part in PARTS
    }
    entries = [asdict(one.place) | {"layers": one.layers, "classes": one.classes} for one in found]
    words = json.dumps({**facts, "directions": entries}, sort_keys=True)
    with atomic_write(path) as stream:
        stream.write(save(tensors, metadata={FORMAT: words}))


def read_directions(path: str | Path) -> list[Directions]:
    """Read all directions of a file.

    Errors: FathomError if it is missing or no such file.
    """
    try:
        with safe_open(str(path), framework="numpy") as file:
            entries = json.loads((file.metadata() or {})[FORMAT])["directions"]
            return [
                Directions(
                    place=Place(**{name: entry[name] for name in Place.__dataclass_fields__}),
                    layers=tuple(entry["layers"]),
                    classes=tuple(entry["classes"]),
                    **{part: file.get_tensor(f"{number}.{part}") for part in PARTS},
                )
                for number, entry in enumerate(entries)
            ]
    except FileNotFoundError:
        msg = f"{path}: no such file; an experiment with `keep_directions: true` writes it"
        raise FathomError(msg) from None
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        msg = f"{path}: holds no directions of probes ({first_line(error)})"
        raise FathomError(msg) from error


def apply(
    directions: str | Path | Directions,
    states: npt.ArrayLike,
    *,
    layer: int,
    label: str | None = None,
    estimator: str | None = None,
    view: str | None = None,
    site: str | None = None,
    position: str | None = None,
    sinks: str | None = None,
) -> FloatArray:
    """Score states with the directions of a probe: of other texts, or of every token of one.

    Args:
        directions: the file `{experiment}.directions.safetensors` of a run, or what `read_directions` gave.
        states: (..., width), of the layer; (tokens, width) of a text scores every token.
        layer: number of the layer.
        label: which label; needed where the file has several, and so are estimator, view, site, position and sinks
            (`with` or `without`).
        estimator: of the probe.
        view: of the texts that were trained on.
        site: where in a block.
        position: where in a text the state was read that was trained on.
        sinks: whether sink tokens were in it.

    Returns:
        (...) scores: of two classes above 0 for the second, of numbers the number; (..., classes) of several classes.

    Raises:
        ValueError: if the layer, the width or the choice of the directions does not fit; FathomError for the file.
    """
    if isinstance(directions, Directions):
        return directions.score(states, layer)
    wanted = {
        "label": label,
        "estimator": estimator,
        "view": view,
        "site": site,
        "position": position,
        "sinks": sinks,
    }
    known = read_directions(directions)
    chosen = known
    for name, value in wanted.items():
        there = list(dict.fromkeys(getattr(one.place, name) for one in chosen))
        if value is None and len(there) > 1 and name != "sinks":
            msg = f"{name}: expected one of {', '.join(there)}, since the file has directions of each"
            raise ValueError(msg)
        if value is not None and value not in there:
            msg = f"{name}: {value!r}; expected one of {', '.join(there)}"
            raise ValueError(msg)
        # Where both forms are kept and none is asked for, it is that with all tokens.
        chosen = [one for one in chosen if getattr(one.place, name) == (there[0] if value is None else value)]
    return chosen[0].score(states, layer)
