"""A paper's claim, judged on tables of metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from fathom.io.names import COMPARED
from fathom.io.summaries import as_summary
from fathom.io.verdicts import VERDICT_TYPES
from fathom.metrics.claims.claim_tests import (
    bimodal_entropy,
    changes_in_training,
    deeper_valley,
    finetuned_invariance,
    length_raises,
    power_law_entropy,
    randomness_raises,
    repetition_lowers,
    residual_ranks,
    scale_trends,
)
from fathom.metrics.claims.rows import ClaimTables
from fathom.metrics.claims.verdict import Resampling, Verdict
from fathom.statistics.power_law import power_law_entropies


def verdicts_table(claim: str, frames: ClaimTables, *, samples: int, level: float, seed: int) -> pd.DataFrame:
    """Ask this run whether it agrees with a claim.

    Args:
        claim: its name, one of TESTS
        frames: model, corpus, metric and rows of every table that it is judged on; see `ClaimTables` for the order of
            models
        samples: bootstrap samples, or uniform samples where modes are tested
        level: of the intervals, such as 0.95; p values agree below 1 - level
        seed: of the resampling

    Returns:
        One row a verdict, with the columns of a summary and of `VERDICT_TYPES`: `model` holds the names of all models
        that are compared, `measure` says what `value` is, `reason` why nothing can be decided.

    Raises:
        ValueError: naming what is missing or wrong.
    """
    try:
        verdicts = TESTS[claim](frames, Resampling(samples=samples, level=level, seed=seed))
    except ValueError as error:
        msg = f"claim {claim}: {error}"
        raise ValueError(msg) from error
    rows = pd.DataFrame(
        [
            {
                "stage": "metrics",
                "name": one.metric,
                "model": COMPARED.join(one.models),
                "corpus": one.corpus,
                "sinks": one.sinks,
                "measure": one.statistic,
                "claim": claim,
                "layer": one.layer,
                "value": one.value,
                "low": one.low,
                "high": one.high,
                "p": one.p,
                "texts": one.texts,
                "groups": one.groups,
                "reason": one.why,
                "statement": one.statement,
                "agrees": one.agrees,
            }
            for one in verdicts
        ]
    )
    own = rows[list(VERDICT_TYPES)].astype(VERDICT_TYPES)
    return pd.concat([as_summary(rows), own], axis="columns")


def of_spectra(spectra: Mapping[str, Any]) -> ClaimTables:
    """What a claim on a formula is judged on: entropies of power-law spectra, of no model and no corpus."""
    return [("", "", "power_law", power_law_entropies(**spectra))]


TESTS: dict[str, Callable[[ClaimTables, Resampling], list[Verdict]]] = {
    "fig2": deeper_valley,
    "fig4": changes_in_training,
    "fig6a": repetition_lowers,
    "fig6b": randomness_raises,
    "fig6c": length_raises,
    "fig7": power_law_entropy,
    "fig10": deeper_valley,
    "fig11": changes_in_training,
    "fig12": scale_trends,
    "fig13": finetuned_invariance,
    "fig15": residual_ranks,
    "bimodal": bimodal_entropy,
}
"""How this run is asked whether it agrees, by the name of the claim."""
