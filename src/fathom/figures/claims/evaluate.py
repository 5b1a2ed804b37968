"""A paper's claim, judged on the tables of a figure."""

from __future__ import annotations

from collections.abc import Callable

from fathom.figures.claims.claim_tests import (
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
from fathom.figures.claims.rows import ClaimTables
from fathom.figures.claims.verdict import Resampling, Verdict


def evaluate(claim: str, frames: ClaimTables, *, samples: int, level: float, seed: int) -> list[str]:
    """Ask this run whether it agrees with a claim.

    Args:
        claim: its name, one of TESTS
        frames: model, corpus, metric and rows of every table of the figure; see `ClaimTables` for the order of models
        samples: bootstrap samples, or uniform samples where modes are tested
        level: of the intervals, such as 0.95; p values agree below 1 - level
        seed: of the resampling

    Returns:
        One line a verdict.

    Raises:
        ValueError: naming what is missing or wrong.
    """
    try:
        verdicts = TESTS[claim](frames, Resampling(samples=samples, level=level, seed=seed))
    except ValueError as error:
        msg = f"claim {claim}: {error}"
        raise ValueError(msg) from error
    return [f"Here: {verdict}" for verdict in verdicts]


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
