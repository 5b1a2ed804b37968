"""What the headers of columns say; of items: the name of a label, and its unit where it is a number."""

from __future__ import annotations

import re
from collections.abc import Iterable

WITH_UNIT = re.compile(r"(?P<name>[^\[\]]*?) *\[[^\[\]]+\]")


def is_continuous(header: str) -> bool:
    """Tell whether a column holds numbers: its header ends in a unit, in square brackets."""
    return WITH_UNIT.fullmatch(header) is not None


def label_name(header: str) -> str:
    """Return the label that a column holds: its header, less the unit and the blanks before it."""
    with_unit = WITH_UNIT.fullmatch(header)
    return with_unit["name"] if with_unit else header


def listed(columns: Iterable[object]) -> str:
    """Names of columns for an error, in quotes where blanks or what cannot be printed would not be seen otherwise."""
    names = [str(name) for name in columns]
    return ", ".join(repr(name) if name != name.strip() or not name.isprintable() else name for name in names)
