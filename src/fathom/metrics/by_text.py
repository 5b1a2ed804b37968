"""Metrics of the tokens of a text: one pass over its states serves all of them, at every layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from fathom.metrics.checks import FloatArray
from fathom.metrics.job import Form
from fathom.metrics.measure import Measure
from fathom.metrics.preparation import Preparation, prepare
from fathom.metrics.spectrum import gram_of, prepared_spectrum, stacked_spectra
from fathom.statistics.words import counted

States = npt.NDArray[np.floating]
LAYERS_BYTES = 16 << 20  # of one text's states in float64 at a time
VALUE_COLUMNS = ["metric", "row", "preparation", "sinks", "value", "raw", "angles", "reason"]


class LayerStates:
    """Token states of one text at one layer, (tokens, width), and what several metrics need of them, made once."""

    def __init__(self, z: States, *, keep: npt.NDArray[np.bool_] | None = None, gram: FloatArray | None = None) -> None:
        self._all: FloatArray = z.astype(np.float64, copy=False)
        self.keep = keep
        self._gram = gram
        self._made: dict[tuple[str, str], FloatArray | ValueError] = {}

    def without(self, left_out: npt.NDArray[np.bool_]) -> LayerStates:
        """The states of the other tokens. They share the Gram matrix."""
        return LayerStates(self._all, keep=~left_out, gram=self.shared_gram()) if left_out.any() else self

    @property
    def shape(self) -> tuple[int, int]:
        """Tokens and width."""
        tokens, width = self._all.shape
        return tokens if self.keep is None else int(np.count_nonzero(self.keep)), width

    @property
    def raw(self) -> FloatArray:
        """The states as the model gave them."""
        return self._all if self.keep is None else self._all[self.keep]

    def prepared(self, preparation: Preparation) -> FloatArray:
        """The states, prepared; ValueError where a token has no direction."""
        return self._once("prepared", preparation, lambda: prepare(self.raw, preparation))

    def spectrum(self, preparation: Preparation) -> FloatArray:
        """Spectrum of the prepared states; ValueError where they have none."""
        return self._once(
            "spectrum",
            preparation,
            lambda: prepared_spectrum(self._all, self.shared_gram(), preparation, keep=self.keep),
        )

    def know_spectrum(self, preparation: Preparation, spectrum: FloatArray) -> None:
        """Take over a spectrum that was made elsewhere."""
        self._made["spectrum", preparation] = spectrum

    def shared_gram(self) -> FloatArray | None:
        """Gram matrix of all tokens; none where the covariance is the smaller matrix."""
        tokens, width = self._all.shape
        if self._gram is None and tokens <= width:
            self._gram = gram_of(self._all)
        return self._gram

    def _once(self, what: str, preparation: str, make: Callable[[], FloatArray]) -> FloatArray:
        key = (what, preparation)
        if key not in self._made:
            try:
                self._made[key] = make()
            except ValueError as error:  # kept, so that every metric that needs it gives the same reason
                self._made[key] = error
        found = self._made[key]
        if isinstance(found, ValueError):
            raise found
        return found


def share_spectra(layers: Sequence[LayerStates], preparation: Preparation) -> None:
    """Make the spectra of several layers of one text, of the same tokens, in one go."""
    grams = [layer.shared_gram() for layer in layers]
    known = [gram for gram in grams if gram is not None]
    if len(known) == len(layers):
        for layer, spectrum in zip(layers, stacked_spectra(known, preparation, keep=layers[0].keep), strict=True):
            if spectrum is not None:
                layer.know_spectrum(preparation, spectrum)


def measure_states(states: LayerStates, measure: Measure, form: Form) -> tuple[float, float, float, str | None]:
    """Value, raw value and number of angles of a metric on one text and layer, or NaN and why it has none."""
    rows, width = states.shape
    if rows < measure.settings.minimum_rows:
        return np.nan, np.nan, np.nan, f"{counted(rows, 'token')}, expected at least {measure.settings.minimum_rows}"
    try:
        if form == "as_published":
            found = measure.as_published(states.raw)
        else:
            read = states.spectrum if measure.settings.spectrum else states.prepared
            found = measure.normalised(measure.function(read(form)), rows, width)
    except ValueError as error:  # states for which the metric is not defined: the table says so
        return np.nan, np.nan, np.nan, str(error)
    return found.value, found.raw, found.angles, None


def measure_text(states: States, sinks: npt.NDArray[np.bool_], *, measures: Sequence[Measure]) -> pd.DataFrame:
    """Measure one text at every layer, with all its tokens and without its sink tokens.

    `states` is (layers, tokens, width); `sinks` (tokens,) marks tokens. Sinks are left out at every layer, so that a
    curve without them is over the same tokens at every depth. Returns columns metric, row (which layer), preparation,
    sinks, value, raw, angles, reason.
    """
    found = []
    for first in range(0, len(states), _layers_at_once(states)):
        layers = [LayerStates(z) for z in states[first : first + _layers_at_once(states)]]
        rests = [layer.without(sinks) for layer in layers]
        for preparation in _spectra_read(measures):
            share_spectra(layers, preparation)
            if rests[0] is not layers[0]:
                share_spectra(rests, preparation)
        for row, (layer, rest) in enumerate(zip(layers, rests, strict=True), start=first):
            for measure in measures:
                for form in measure.forms:
                    value = measure_states(layer, measure, form)
                    other = value if rest is layer else measure_states(rest, measure, form)
                    found.append((measure.name, row, form, "with", *value))
                    found.append((measure.name, row, form, "without", *other))
    return pd.DataFrame(found, columns=VALUE_COLUMNS)


def _layers_at_once(states: States) -> int:
    """As many layers of a text as fit into memory that is small beside a block of texts."""
    _, tokens, width = states.shape
    return max(1, LAYERS_BYTES // int(8 * tokens * max(tokens, width)))


def _spectra_read(measures: Sequence[Measure]) -> list[Preparation]:
    """Preparations whose spectrum some metric reads, each once."""
    forms = [form for measure in measures if measure.settings.spectrum for form in measure.forms]
    return [form for form in dict.fromkeys(forms) if form != "as_published"]


def entropy_left(states: States, positions: npt.NDArray[np.int64], entropy: Measure) -> FloatArray:
    """Prompt entropy of a text with all tokens, and with one token left out: (layers, 1 + positions).

    In the first form of `entropy`; NaN where it has no value.
    """
    form = entropy.forms[0]
    left = np.full((len(states), 1 + len(positions)), np.nan)
    for row, z in enumerate(states):
        layer = LayerStates(z)
        left[row, 0] = measure_states(layer, entropy, form)[0]
        for column, position in enumerate(positions, start=1):
            left[row, column] = measure_states(layer.without(np.arange(len(z)) == position), entropy, form)[0]
    return left
