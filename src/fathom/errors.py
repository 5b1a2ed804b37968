"""The one error that a user is meant to read: what was wrong, where, and what to do."""

from __future__ import annotations


class FathomError(Exception):
    """Bad input or a failed check. Its message is one line, shown without a traceback."""
