"""The files of the pythonbible wheels, which hold one translation each."""

from __future__ import annotations

import ast

from fathom.runtime.errors import FathomError


def parse_verses(source: str, name: str) -> dict[int, str]:
    """Verse id -> text, from a file that holds one long string and two tables of where each verse starts and ends.

    The file is Python source; it is parsed, never run. Errors: FathomError if it has another layout.
    """
    try:
        call = next(
            node.value
            for node in ast.parse(source).body
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)
        )
        text, starts, ends = (ast.literal_eval(argument) for argument in call.args[1:4])
        return {int(verse): str(text[start : ends[verse]]).strip() for verse, start in starts.items()}
    except (StopIteration, SyntaxError, ValueError, TypeError, KeyError, AttributeError) as error:
        msg = f"{name}: not a Bible in the layout of the pythonbible packages ({type(error).__name__})"
        raise FathomError(msg) from error
