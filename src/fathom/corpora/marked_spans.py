"""Where the spans of a text are: in columns of character ranges, or between marks in the text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from fathom.corpora.templates import Span
from fathom.runtime.errors import FathomError

RANGE = re.compile(r"\s*\[?\s*(\d+)\s*[:,]\s*(\d+)\s*\]?\s*", re.ASCII)
PAIR = 2
Spans = list[Span]


def read_spans(
    text: str, cells: Mapping[str, Any], spans: Mapping[str, Mapping[str, str]], place: str
) -> tuple[str, Spans]:
    """The text without marks, and its spans.

    Args:
        text: as the file has it.
        cells: of its row, by column.
        spans: name -> how it is given: `start` and `end` (columns of the first character, counted from 0, and of the
            one after the last), `range` (a column of both, 3:8 or [3, 8]), or `opens` and `closes` (marks in the text).
        place: file and row, for errors.

    Raises:
        FathomError: if a text lacks a span, or a range is none of its characters.
    """
    text, found = _marked(text, {name: how for name, how in spans.items() if "opens" in how}, place)
    for name, how in spans.items():
        if "opens" not in how:
            start, end = _range(cells, how, f"{place}: span {name!r}")
            if not 0 <= start < end <= len(text):
                columns = " and ".join(repr(how[key]) for key in ("range", "start", "end") if key in how)
                found_at = f"found {start}:{end} in column{'s' * ('range' not in how)} {columns}"
                msg = f"{place}: span {name!r}: expected characters from 0 to {len(text)}, {found_at}"
                raise FathomError(msg)
            found.append({"name": name, "start": start, "end": end})
    return text, found


def _range(cells: Mapping[str, Any], how: Mapping[str, str], place: str) -> tuple[int, int]:
    if "range" in how:
        cell = cells[how["range"]]
        match = RANGE.fullmatch(cell) if isinstance(cell, str) else None
        ends = match.groups() if match else cell
        if isinstance(ends, str) or not hasattr(ends, "__len__") or len(ends) != PAIR:
            msg = f"{place}: expected a range such as 3:8 in column {how['range']!r}, found {str(cell)[:60]!r}"
            raise FathomError(msg)
        columns = (how["range"], how["range"])
    else:
        columns = (how["start"], how["end"])
        ends = [cells[column] for column in columns]
    numbers = []
    for end, column in zip(ends, columns, strict=True):
        try:
            number = float(end)
        except (TypeError, ValueError):
            number = 0.5
        if not number.is_integer():
            msg = f"{place}: expected a whole number of characters in column {column!r}, found {str(end)[:60]!r}"
            raise FathomError(msg)
        numbers.append(int(number))
    return numbers[0], numbers[1]


def _marked(text: str, spans: Mapping[str, Mapping[str, str]], place: str) -> tuple[str, Spans]:
    """The text without its marks, and what stood between them."""
    cuts = []
    for name, how in spans.items():
        opens, closes = how["opens"], how["closes"]
        start = text.find(opens)
        end = text.find(closes, start + len(opens)) if start >= 0 else -1
        if end <= start + len(opens) or text.count(opens) > (2 if opens == closes else 1):
            msg = f"{place}: span {name!r}: expected something between one {opens!r} and {closes!r} in the text"
            raise FathomError(msg)
        cuts += [(start, len(opens), name, "start"), (end, len(closes), name, "end")]
    found: dict[str, Span] = {name: {"name": name} for name in spans}
    plain, at = "", 0
    for place_of, length, name, which in sorted(cuts):
        plain += text[at:place_of]
        at = place_of + length
        found[name][which] = len(plain)
    return plain + text[at:], list(found.values())
