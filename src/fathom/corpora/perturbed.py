"""Texts whose tokens are to be replaced with a given probability, once a model's tokenizer has read them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import pandas as pd

from fathom.corpora.derive import originals, text_seed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fathom.corpora.sources import Sources


def build(
    sources: Sources,
    *,
    limit: int | None,
    kind: Literal["repetition", "randomness"],
    probabilities: Sequence[float],
    draws: int,
    seed: int,
    as_published: bool,
) -> pd.DataFrame:
    """The texts of the other corpus, perturbed."""
    base, of = sources.base()
    rows = originals(base, of, limit)
    return perturbed_texts(
        rows, of, kind=kind, probabilities=probabilities, draws=draws, seed=seed, as_published=as_published
    )


def perturbed_texts(
    base: pd.DataFrame,
    of: str,
    *,
    kind: Literal["repetition", "randomness"],
    probabilities: Sequence[float],
    draws: int,
    seed: int,
    as_published: bool = False,
) -> pd.DataFrame:
    """Every text of a corpus once a probability and draw, with a note of the perturbation that `tokenise` applies.

    Skean et al. 2025 (arXiv 2502.02013), Figure 6 a, b and Appendix F. The text itself stays as it is, since what is
    replaced are tokens, and each model has its own. The seed in the note depends on the seed of the settings, the id of
    the text and the number of the draw, but not on the probability or the kind: a larger probability replaces all
    positions that a smaller one does, with the same tokens, so that the points of a curve differ by the probability
    alone (common random numbers).

    Args:
        base: a corpus (columns: see fathom.io.tables); only its view `original` is read.
        of: its name, for errors.
        kind: what replaces a token, see fathom.activations.token_replacement.
        probabilities: each in [0, 1]; the view of its texts is `p = 0.50`, two decimals.
        draws: perturbed versions of every text. Those beyond the first have ids that end in #2, #3, ...
        seed: seed of the settings.
        as_published: the form of the papers' code.

    Returns:
        the columns of the base and `perturbation`; the quantity is the probability. Versions of a text share its
        group.

    Raises:
        ValueError: naming the corpus, if it has no text of the view `original` or one that marks spans.
    """
    rows = originals(base, of)
    marked = rows["spans"].notna()
    if marked.any():
        first = rows["id"].iloc[int(marked.to_numpy().argmax())]
        msg = f"of: text {first!r} of corpus {of} marks spans; expected none, for their tokens would be replaced"
        raise ValueError(msg)

    def note(name: str, probability: float, draw: int) -> dict[str, object]:
        own = text_seed(seed, name, draw)
        return {"kind": kind, "probability": probability, "seed": own, "published": as_published}

    frames = [
        rows.assign(
            id=rows["id"] if draw == 1 else rows["id"] + f"#{draw}",
            view=f"p = {probability:.2f}",
            quantity=probability,
            perturbation=pd.Series([note(name, probability, draw) for name in rows["id"]], dtype=object),
        )
        for probability in probabilities
        for draw in range(1, draws + 1)
    ]
    return pd.concat(frames, ignore_index=True)
