"""Labels of one's own texts, a panel each, and what of them could mislead: leaks, the surface of texts, rare values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from fathom.figures.job import Drawn, FigureJob, Tables
from fathom.figures.probes.choices import choice_notes, experiment_choices
from fathom.figures.probes.forms import FORMS, forms_notes, forms_that_differ
from fathom.figures.probes.label_panels import draw_properties
from fathom.figures.probes.rows import fixed_curves, one_place
from fathom.figures.probes.score_panels import CONTROLS, PRIMARY, SURFACES
from fathom.io.corpus_table import LABEL_PREFIX, ORIGINAL, TEST, TRAIN
from fathom.statistics.words import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_CLASSES = 6  # that are named with their texts
LARGEST = 0.01  # share of the texts with the largest numbers
HEAVY = 0.25  # share of the variance that these hold, from which on it is said; of a normal distribution it is 0.08
MINUS = "\N{MINUS SIGN}"


def figure(tables: Tables, job: FigureJob, notes: list[str], *, estimator: str) -> Drawn:
    """A panel a label, and notes on the labels, under the panels too."""
    corpus = next(frame for table, frame in tables if table.content == "texts")
    rows = one_place(fixed_curves(tables, estimator=estimator))
    alike, behind = surface_notes(rows)
    chosen = choice_notes(experiment_choices(tables, estimator=estimator), forms_that_differ(rows))
    notes = [*notes, *forms_notes(rows), *label_notes(corpus, rows), *alike, *chosen]
    picture = draw_properties(rows, title=job.title, layers=job.layers, notes=notes)
    return Drawn(rows, picture, [*notes, *behind])


def label_notes(corpus: pd.DataFrame, curves: pd.DataFrame) -> list[str]:
    """Sentences on the labels of some curves: their texts, leaks, groups and heavy tails."""
    texts = corpus[corpus["view"] == ORIGINAL]
    labels = [label for label in dict.fromkeys(curves["label"]) if LABEL_PREFIX + str(label) in texts]
    found = [_texts_note(label, texts) for label in labels]
    found += _leak_notes(texts)
    return [
        *found,
        *(note for label in labels for note in (_group_note(label, texts), _tail_note(label, texts)) if note),
    ]


def surface_notes(curves: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Of each label, the surfaces that tell it as well as its best layer, and those that its best layer is ahead of.

    As well: the interval of the difference, over the same resampled groups, does not lie above 0.
    """
    curves = forms_that_differ(curves)
    several = curves["sinks"].nunique() > 1
    rows = curves[curves["control"].isin(SURFACES) & (curves["selection"] == "fixed")]
    alike, behind = [], []
    for (label, sinks), of_label in rows.groupby(["label", "sinks"], sort=False):
        measure = next(measure for measure in PRIMARY if (of_label["measure"] == measure).any())
        chosen = of_label[of_label["measure"] == measure]
        name = f"{label}, {FORMS[str(sinks)]}" if several else str(label)
        as_well = chosen[~(chosen["gap_low"] > 0)]
        if len(as_well):
            alike.append(
                f"{name}: the surface of the texts tells it as well as any layer: {_gaps(as_well)}. The layers need "
                "not hold more than the surface."
            )
        if len(as_well) < len(chosen):
            behind.append(f"{name}: the best layer is ahead of: {_gaps(chosen[chosen['gap_low'] > 0])}.")
    return alike, behind


def _gaps(rows: pd.DataFrame) -> str:
    numbers = rows[["score", "gap", "gap_low", "gap_high"]].to_numpy(dtype=np.float64)
    parts = []
    for control, (score, gap, low, high) in zip(rows["control"], numbers, strict=True):
        ahead = f"best layer ahead by {_number(gap)}, {_number(low)} to {_number(high)}"
        parts.append(f"{CONTROLS[str(control)].label} ({_number(score)}; {ahead})")
    return "; ".join(parts)


def _texts_note(label: str, texts: pd.DataFrame) -> str:
    values = texts[LABEL_PREFIX + label]
    present = values[values.notna()]
    missing = len(values) - len(present)
    without = f", {missing} without a value left out" if missing else ""
    if pd.api.types.is_numeric_dtype(present):
        what = f"numbers from {present.min():g} to {present.max():g}".replace("-", MINUS)
    else:
        counts = present.value_counts()
        named = ", ".join(f"{name} {count}" for name, count in counts.head(MOST_CLASSES).items())
        more = f" and {len(counts) - MOST_CLASSES} more, the rarest {counts.iloc[-1]}" * (len(counts) > MOST_CLASSES)
        what = f"{len(counts)} classes ({named}{more})"
    return f"{label}: {what}; {counted(len(present), 'text')}{without}{_split_words(texts, present)}."


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
    verb = "is" if len(near) == 1 else "are"
    note = f"{len(near)} of {counted(len(texts), 'text')} {verb} {kinds} to one of another group; {done}."
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
    verb = "holds" if count == 1 else "hold"
    return (
        f"{label}: heavy-tailed, {count} of {len(squares)} texts {verb} {100 * share:.0f} % of the variance, so that r "
        "and R\N{SUPERSCRIPT TWO} weigh these; logarithms or ranks in the table weigh texts alike."
    )


def _number(value: float) -> str:
    return f"{value:.2f}".replace("-", MINUS)
