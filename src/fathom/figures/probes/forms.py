"""Curves of means over tokens in both forms, with and without sink tokens: how they are told apart, and in words."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

FORMS = {"with": "with sink tokens", "without": "without sink tokens"}
FormNames = Mapping[tuple[str, str], str]
"""Model and form -> name of the panels that show them; a form that is the same as another is not named."""


def form_names(curves: pd.DataFrame) -> FormNames:
    """Name each form of each model for its panels.

    Line styles, colours and markers tell experiments, controls and what is above chance, so that each form of a model
    has panels of its own. A model without a sink has one, for both forms are the same.

    Args:
        curves: model, experiment, control, sinks ("with" | "without") and texts_with_sinks
    """
    names: dict[tuple[str, str], str] = {}
    for model, rows in curves.groupby("model", sort=False):
        forms = [form for form in FORMS if form in set(rows["sinks"])]
        if len(forms) == 2 and not _differs(rows):
            forms = forms[:1]
        names |= {(str(model), form): f"{model}, {FORMS[form]}" if len(forms) == 2 else str(model) for form in forms}
    return names


def panels_of_forms(rows: pd.DataFrame, names: FormNames) -> pd.DataFrame:
    """Rows whose model is the name of its form's panels, in their order; forms without a name are left out."""
    named = pd.Series([names.get(pair) for pair in zip(rows["model"], rows["sinks"], strict=True)], index=rows.index)
    order = {name: place for place, name in enumerate(names.values())}
    chosen = rows.assign(model=named)[named.notna()]
    in_order: pd.DataFrame = chosen.iloc[chosen["model"].map(order).argsort(kind="stable")]
    return in_order


def forms_that_differ(curves: pd.DataFrame) -> pd.DataFrame:
    """Rows without the forms that are the same as another."""
    names = form_names(curves)
    pairs = zip(curves["model"], curves["sinks"], strict=True)
    known = pd.Series([pair in names for pair in pairs], index=curves.index, dtype=bool)
    chosen: pd.DataFrame = curves[known]
    return chosen


def _differs(rows: pd.DataFrame) -> bool:
    """Whether a mean of some text of an experiment that has both forms holds a sink."""
    both = rows["experiment"].isin(rows.loc[rows["sinks"] == "without", "experiment"])
    return bool((rows.loc[both & (rows["control"] == ""), "texts_with_sinks"] > 0).any())


def forms_notes(curves: pd.DataFrame) -> list[str]:
    """Say which forms are shown, which texts a form leaves out, and which states are read at a sink.

    Args:
        curves: model, experiment, view, position, control, sinks, texts_with_sinks and texts_left_out
    """
    key = ["model", "experiment", "position", "sinks"]
    of_views = curves[curves["control"] == ""].drop_duplicates([*key, "view"])
    main = of_views.groupby(key, sort=False)[["texts_with_sinks", "texts_left_out"]].sum().reset_index()
    # A position of one token has no form without sinks.
    of_means = main["position"].str.endswith("mean")
    means = main[of_means]
    without = means[means["sinks"] == "without"]
    notes = []
    if len(without):
        shown = {model for model, form in form_names(curves) if form == "without"}
        same = [model for model in dict.fromkeys(without["model"]) if model not in shown]
        alike = f"; no text of {', '.join(same)} has a sink, so that both are the same" if same else ""
        notes.append(f"Means over tokens are probed with and without sink tokens, each with its controls{alike}.")
    left_out = _counts(without, "texts_left_out")
    if left_out:
        notes.append(f"Texts left out without sink tokens, since they have no other: {left_out}.")
    read, probed = (dict.fromkeys(zip(rows["model"], rows["experiment"], strict=True)) for rows in (means, without))
    lacking = [f"{experiment} ({model})" for model, experiment in read if (model, experiment) not in probed]
    if lacking:
        notes.append(f"Not probed without sink tokens, since too few texts have others: {', '.join(lacking)}.")
    at_sinks = _counts(main[~of_means], "texts_with_sinks")
    if at_sinks:
        notes.append(f"Texts whose state is that of a sink token: {at_sinks}.")
    return notes


def _counts(rows: pd.DataFrame, column: str) -> str:
    """Counts of texts above 0, and of which experiment, position and model."""
    columns = (column, "experiment", "position", "model")
    return ", ".join(
        f"{count} of {experiment} at {str(position).removeprefix('span:')} ({model})"
        for count, experiment, position, model in zip(*(rows[one] for one in columns), strict=True)
        if count > 0
    )
