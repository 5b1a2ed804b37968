"""The entropy stage against nothing but the Gram matrices and their eigenvalues, with all cores busy."""

from __future__ import annotations

import os

import numpy as np
import numpy.typing as npt

from benchmarks.pairs import Aim, Comparison, clock, interleave
from fathom.metrics.by_text import measure_text
from fathom.metrics.checks import FloatArray
from fathom.metrics.measure import make_measure
from fathom.metrics.parallel import in_parallel
from fathom.metrics.preparation import prepare
from fathom.metrics.settings import PromptEntropySettings

PAIRS = 11
TEXTS, LAYERS, TOKENS, WIDTH = 8, 31, 100, 576
SINK_NORM = 40.0

Text = npt.NDArray[np.floating]
"""Token states of one text, (layers, tokens, width)."""


def measure() -> Comparison:
    """Measure prompt entropy at all layers of all texts, with all tokens and without the sink token of each text."""
    texts = random_texts()
    sinks = np.arange(TOKENS) == 0
    entropy = make_measure(PromptEntropySettings().measured(seed=0))
    threads = os.cpu_count() or 1
    # The other side is given what the stage has to make first: prepared rows in float64.
    prepared = [[prepare(rows, "centred") for layer in text for rows in (layer, layer[~sinks])] for text in texts]

    def measured(text: Text) -> None:
        measure_text(text, sinks, measures=[entropy])

    def ours() -> None:
        in_parallel(measured, texts, threads=threads)

    def alone() -> None:
        in_parallel(spectra, prepared, threads=threads)

    ours()
    alone()
    size = f"{TEXTS} texts x {LAYERS} layers of {TOKENS} x {WIDTH}"
    return Comparison(
        name=f"Prompt entropy, {size}, with and without sinks, {threads} threads",
        against="Gram matrices and LAPACK eigenvalues alone",
        unit="s",
        pairs=interleave(lambda: clock(ours), lambda: clock(alone), PAIRS),
        aim=Aim("at most", 1.15),
    )


def random_texts() -> list[Text]:
    """Random token states of some texts, the first token of each SINK_NORM times as long."""
    generator = np.random.default_rng(0)
    texts: list[Text] = []
    for _ in range(TEXTS):
        text = generator.standard_normal((LAYERS, TOKENS, WIDTH), dtype=np.float32)
        text[:, 0] *= SINK_NORM
        texts.append(text)
    return texts


def spectra(matrices: list[FloatArray]) -> list[npt.NDArray[np.floating]]:
    """Eigenvalues of the Gram matrix of each."""
    return [np.linalg.eigvalsh(z @ z.T) for z in matrices]
