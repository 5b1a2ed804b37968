"""Labels of one's own texts, a panel each, and what of them could mislead: leaks, the surface of texts, rare values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from fathom.figures.job import Drawn, FigureJob, Tables
from fathom.figures.probes.properties import figure as properties
from fathom.figures.probes.score_panels import CONTROLS, PRIMARY
from fathom.io.corpus_table import LABEL_PREFIX, ORIGINAL, TEST, TRAIN

if TYPE_CHECKING:
    from collections.abc import Sequence

SURFACES = ("surface", "length", "first_word")
MOST_CLASSES = 6  # that are named with their texts
LARGEST = 0.01  # share of the texts with the largest numbers
HEAVY = 0.25  # share of the variance that these hold, from which on it is said; of a normal distribution it is 0.08
MINUS = "\N{MINUS SIGN}"


def figure(tables: Tables, job: FigureJob, notes: list[str], *, estimator: str) -> Drawn:
    """A panel a label, and notes on the labels."""
    corpus = next(frame for table, frame in tables if table.content == "texts")
    drawn = properties(tables, job, notes, estimator=estimator)
    return Drawn(drawn.numbers, drawn.picture, [*drawn.notes, *label_notes(corpus, drawn.numbers)])


def label_notes(corpus: pd.DataFrame, curves: pd.DataFrame) -> list[str]:
    """Sentences on the labels of some curves: their texts, leaks, and what the surface tells."""
    texts = corpus[corpus["view"] == ORIGINAL]
    labels = [label for label in dict.fromkeys(curves["label"]) if LABEL_PREFIX + str(label) in texts]
    found = [_texts_note(label, texts) for label in labels]
    found += _leak_notes(texts)
    found += [note for label in labels for note in (_group_note(label, texts), _tail_note(label, texts)) if note]
    return [*found, *surface_notes(curves)]


def surface_notes(curves: pd.DataFrame) -> list[str]:
    """Of each label, the surfaces that tell it as well as its best layer does, and how far it is ahead of others.

    `as well`: the interval of the difference, over the same resampled groups, does not lie above 0.
    """
    rows = curves[curves["control"].isin(SURFACES) & (curves["selection"] == "fixed")]
    notes = []
    for (label, sinks), of_label in rows.groupby(["label", "sinks"], sort=False):
        measure = next(measure for measure in PRIMARY if (of_label["measure"] == measure).any())
        chosen = of_label[of_label["measure"] == measure]
        as_well, behind = [], []
        for row in chosen.itertuples(index=False):
            name = CONTROLS[str(row.control)].label
            gap = f"{_number(row.gap)}, {_number(row.gap_low)} to {_number(row.gap_high)}"
            alike = not row.gap_low > 0
            (as_well if alike else behind).append(f"{name} ({_number(row.score)}; best layer ahead by {gap})")
        form = f"{label}, {'all tokens' if sinks == 'with' else 'without sink tokens'}"
        if as_well:
            notes.append(
                f"{form}: told as well by the surface of the texts as by any layer: {'; '.join(as_well)}. These layers "
                "need not hold more than the surface."
            )
        if behind:
            notes.append(f"{form}: the best layer is ahead of: {'; '.join(behind)}.")
    return notes


def _texts_note(label: str, texts: pd.DataFrame) -> str:
    values = texts[LABEL_PREFIX + label]
    present = values[values.notna()]
    missing = len(values) - len(present)
    without = f", {missing} without a value left out" if missing else ""
    if pd.api.types.is_numeric_dtype(present):
        what = f"numbers from {present.min():g} to {present.max():g}"
    else:
        counts = present.value_counts()
        named = ", ".join(f"{name} {count}" for name, count in counts.head(MOST_CLASSES).items())
        more = f" and {len(counts) - MOST_CLASSES} more, the rarest {counts.iloc[-1]}" * (len(counts) > MOST_CLASSES)
        what = f"{len(counts)} classes ({named}{more})"
    return f"{label}: {what}; {len(present)} texts{without}{_split_words(texts, present)}."


def _split_words(texts: pd.DataFrame, present: pd.Series) -> str:
    parts = texts.loc[present.index, "split"]
    if not parts.notna().any():
        return ""
    counts = [f"{int((parts == part).sum())} to {word}" for part, word in ((TRAIN, "train on"), (TEST, "test"))]
    others = len(parts) - int(parts.isin((TRAIN, TEST)).sum())
    return f", split as given: {', '.join(counts)}" + (f", {others} in neither" if others else "")


def _leak_notes(texts: pd.DataFrame) -> Sequence[str]:
    """How many texts are equal or nearly equal to one of another group, and what was done."""
    near = texts[texts["near"].notna()]
    if near.empty:
        return ["No text is equal or nearly equal to one of another group."]
    equal = int(sum(fact["share"] == 1 for fact in near["near"]))
    group_of = texts.set_index("id")["group"]
    apart = sum(group_of[fact["id"]] != group for fact, group in zip(near["near"], near["group"], strict=True))
    done = (
        "they are left in groups of their own, so that one in training can tell the label of the other"
        if apart
        else "each is in one group with it"
    )
    kinds = f"equal ({equal}) or nearly equal ({len(near) - equal})"
    note = f"{len(near)} of {len(texts)} texts are {kinds} to one of another group; {done}."
    return [f"{note} The corpus' table of leaks names them."]


def _group_note(label: str, texts: pd.DataFrame) -> str:
    """Whether groups of several texts all hold one value: what is tested then is the group, not the text."""
    values = texts[texts[LABEL_PREFIX + label].notna()]
    sizes = values.groupby("group").size()
    several = sizes.index[sizes > 1]
    held = values[values["group"].isin(several)].groupby("group")[LABEL_PREFIX + label].nunique()
    if len(several) < 2 or len(several) < len(sizes) / 2 or not (held == 1).all():
        return ""
    return f"{label}: all texts of a group have one value, so that a layer may hold what is common to groups instead."


def _tail_note(label: str, texts: pd.DataFrame) -> str:
    """Whether few large numbers make up most of what r and R2 weigh."""
    values = texts[LABEL_PREFIX + label].dropna()
    if not pd.api.types.is_numeric_dtype(values):
        return ""
    squares = np.sort((values.to_numpy(dtype=np.float64) - values.mean()) ** 2)
    count = max(1, round(LARGEST * len(squares)))
    share = float(squares[-count:].sum() / squares.sum())
    if share < HEAVY:
        return ""
    return (
        f"{label}: heavy-tailed, {count} of {len(squares)} texts hold {100 * share:.0f} % of the variance, so that r "
        "and R\N{SUPERSCRIPT TWO} weigh these; logarithms or ranks in the table weigh texts alike."
    )


def _number(value: float) -> str:
    return f"{value:.2f}".replace("-", MINUS)
