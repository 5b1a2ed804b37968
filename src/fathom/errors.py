"""The one error that a user is meant to read: what was wrong, where, and what to do."""

from __future__ import annotations


class FathomError(Exception):
    """Bad input or a failed check. Its message is one line, shown without a traceback."""


def first_line(error: BaseException) -> str:
    """First line of what an error says, or its kind where it says nothing."""
    return str(error).strip().split("\n", 1)[0] or type(error).__name__
