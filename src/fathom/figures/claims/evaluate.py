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
from fathom.figures.claims.papers import CLAIMS, ClaimName
from fathom.figures.claims.rows import ClaimTables
from fathom.figures.claims.verdict import Resampling, Verdict
from fathom.figures.job import FigureJob
from fathom.figures.metrics.power_law import power_law_numbers
from fathom.figures.metrics.rows import Tables
from fathom.figures.settings import PowerLawFigure


def evaluate(claim: ClaimName, frames: ClaimTables, *, samples: int, level: float, seed: int) -> list[str]:
    """Ask this run whether it agrees with a claim.

    Args:
        claim: its name, one of CLAIMS
        frames: model, corpus, metric and rows of every table of the figure; see `ClaimTables` for the order of models
        samples: bootstrap samples, or uniform samples where modes are tested
        level: of the intervals, such as 0.95; p values agree below 1 - level
        seed: of the resampling

    Returns:
        The claim, and then one line a verdict.

    Raises:
        ValueError: naming what is missing or wrong.
    """
    try:
        verdicts = TESTS[claim](frames, Resampling(samples=samples, level=level, seed=seed))
    except ValueError as error:
        msg = f"claim {claim}: {error}"
        raise ValueError(msg) from error
    return [str(CLAIMS[claim]), *(f"Here: {verdict}" for verdict in verdicts)]


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


def claim_notes(frames: Tables, job: FigureJob) -> list[str]:
    """What a paper claims here, and in numbers whether this run agrees."""
    claim = getattr(job.settings, "claim", None)
    if claim is None:
        return []
    uncertainty = job.uncertainty
    rows = [(table.model, table.of, table.holds, frame) for table, frame in frames if table.holds != "texts"]
    if isinstance(job.settings, PowerLawFigure):
        rows.append(("", "", "power_law", power_law_numbers(job.settings)))
    return evaluate(claim, rows, samples=uncertainty.bootstrap, level=uncertainty.level, seed=uncertainty.seed)
