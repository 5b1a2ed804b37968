"""What verdicts on the papers' claims have besides the columns of a summary, one row a verdict.

The statement is a sentence with the numbers that were found. Models stand in it by their names in braces, and the
choice of tokens by a mark, so that a figure can say both in its own words.
"""

from __future__ import annotations

VERDICT_TYPES = {"statement": "string", "agrees": "boolean"}
"""`statement`, what was found; `agrees`, whether the run agrees with the claim, missing where it cannot be decided."""
WHICH_TOKENS = "{which tokens}"
"""Stands in a statement for the choice of tokens, which the column `sinks` names."""


def marked(model: str) -> str:
    """The name of a model as it stands in a statement."""
    return f"{{{model}}}"
