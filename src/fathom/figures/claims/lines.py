"""Verdicts on a claim as lines of a caption. The stage of metrics gave them."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd

from fathom.figures.drawing.checks import SINKS
from fathom.io.verdicts import WHICH_TOKENS, marked
from fathom.statistics.words import three_digits


def verdict_lines(verdicts: pd.DataFrame, titles: Mapping[str, str]) -> list[str]:
    """One line a verdict; `titles` are those of models, by their names."""
    return [f"Here: {_line(row, titles)}" for row in verdicts.to_dict("records")]


def _line(row: Mapping[Hashable, Any], titles: Mapping[str, str]) -> str:
    tokens = SINKS.get(row["sinks"], "")
    statement = str(row["statement"]).replace(WHICH_TOKENS, f", {tokens}" if tokens else "")
    for name, title in titles.items():
        statement = statement.replace(marked(name), title)
    word = "undecided" if pd.isna(row["agrees"]) else "agrees" if row["agrees"] else "disagrees"
    reason = f" ({row['reason']})" if row["reason"] else ""
    layer = "" if pd.isna(row["layer"]) else f" (layer {row['layer']})"
    return f"{statement}: {row['measure']}{layer}{_number(row)}: {word}{reason}."


def _number(row: Mapping[Hashable, Any]) -> str:
    if not math.isfinite(row["value"]):
        return ""
    interval = f" [{three_digits(row['low'])}, {three_digits(row['high'])}]" if math.isfinite(row["low"]) else ""
    p = f", p = {row['p']:.2g}" if math.isfinite(row["p"]) else ""
    return f" {three_digits(row['value'])}{interval}{p}"
