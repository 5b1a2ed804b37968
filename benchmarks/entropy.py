"""The entropy stage against nothing but the Gram matrices and their eigenvalues."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from benchmarks.pairs import Aim, Comparison, clock, interleave
from fathom.metrics.arrays import FloatArray
from fathom.metrics.entropy import matrix_entropy
from fathom.metrics.measure import Measure, measure_texts, text_sinks
from fathom.metrics.preparation import prepare
from fathom.metrics.settings import EntropySettings, MetricsSettings

PAIRS = 11
TEXTS, LAYERS, TOKENS, WIDTH = 8, 31, 100, 576
THREADS = 2


def measure() -> Comparison:
    """Measure prompt entropy at all layers of all texts, with all tokens and without the sink token of each text."""
    settings, sink_multiple = EntropySettings(), MetricsSettings().sink_multiple
    texts = random_texts(2.0 * sink_multiple)
    stage = Measure(matrix_entropy, settings.preparation, settings.normalisation, minimum_rows=2)
    # The other side is given what the stage has to make first: prepared rows in float64.
    prepared = [
        [prepare(rows, settings.preparation) for layer in text for rows in (layer, layer[~sinks])]
        for text, sinks in ((text, text_sinks(text, sink_multiple)) for text in texts)
    ]

    def ours() -> None:
        measure_texts(texts, stage, sink_multiple=sink_multiple, threads=THREADS)

    def alone() -> None:
        with threadpool_limits(limits=1, user_api="blas"), ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(spectra, prepared))

    ours()
    alone()
    size = f"{TEXTS} texts x {LAYERS} layers of {TOKENS} x {WIDTH}"
    return Comparison(
        name=f"Prompt entropy, {size}, with and without sinks, {THREADS} threads",
        against="Gram matrices and LAPACK eigenvalues alone",
        unit="s",
        pairs=interleave(lambda: clock(ours), lambda: clock(alone), PAIRS),
        aim=Aim("at most", 1.2),
    )


def random_texts(sink_norm: float) -> list[npt.NDArray[np.floating]]:
    """Random token states (layers, tokens, width), each text's first token `sink_norm` times as long."""
    generator = np.random.default_rng(0)
    texts: list[npt.NDArray[np.floating]] = []
    for _ in range(TEXTS):
        text = generator.standard_normal((LAYERS, TOKENS, WIDTH), dtype=np.float32)
        text[:, 0] *= sink_norm
        texts.append(text)
    return texts


def spectra(matrices: list[FloatArray]) -> list[npt.NDArray[np.floating]]:
    """Eigenvalues of the Gram matrix of each."""
    return [np.linalg.eigvalsh(z @ z.T) for z in matrices]
