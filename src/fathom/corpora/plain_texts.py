"""Whether a column holds a text a row: lists, messages and records are no texts, and neither is what they print."""

from __future__ import annotations

import ast
import json
from typing import Any

import numpy as np
import pandas as pd

from fathom.runtime.errors import FathomError

CHAT = {"role", "content"}, {"from", "value"}  # keys of a message, in the two usual forms
ADVICE = "expected one text a row: write each as plain text into a column of its own"


def check_plain(values: pd.Series[Any], column: str, place: str) -> None:
    """Refuse a column of lists, records or bytes, by what it holds; `place` names the file.

    A file of words only, such as a CSV, holds them in writing: as JSON or as Python prints them. One row that begins
    like a list may be a text; a column in which every row is one is not.

    Errors: FathomError, naming column, kind and first row.
    """
    for row, value in zip(values.index, values, strict=True):
        kind = _kind(value)
        if kind is not None:
            msg = f"{place}: column {column!r} holds {kind} (first in row {row + 1}); {ADVICE}"
            raise FathomError(msg)
    written = values[values.map(lambda value: isinstance(value, str) and bool(value.strip()))]
    first = None if written.empty else _kind(_parsed(written.iloc[0]))
    if first is not None and all(_kind(_parsed(text)) is not None for text in written):
        row = written.index[0] + 1
        msg = f"{place}: column {column!r} holds {first}, written out (first in row {row}); {ADVICE}"
        raise FathomError(msg)


def _kind(value: Any) -> str | None:
    """What a value that is no text is, in words; None for a text, a number or nothing."""
    if isinstance(value, bytes | bytearray | memoryview):
        return "bytes"
    if isinstance(value, dict):
        return "a chat message" if _is_message(value) else f"records of {_some(list(map(str, value)))}"
    if isinstance(value, list | tuple | set | np.ndarray):
        members = list(value)
        if members and all(isinstance(one, dict) for one in members):
            if _is_message(members[0]):
                return "lists of chat messages"
            return f"lists of records of {_some(list(map(str, members[0])))}"
        return "lists"
    return None


def _is_message(value: dict[Any, Any]) -> bool:
    return any(keys <= set(value) for keys in CHAT)


def _some(names: list[str]) -> str:
    return ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")


def _parsed(text: str) -> Any:
    """What a text writes out, if it writes out a list or a record; else nothing."""
    stripped = text.strip()
    if stripped[:1] + stripped[-1:] not in ("[]", "{}"):
        return None
    for parse in (json.loads, ast.literal_eval):
        try:
            return parse(stripped)
        except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
            continue  # not of this form
    return None
