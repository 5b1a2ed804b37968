"""The one error that a user is meant to read: what was wrong, where, and what to do."""

from __future__ import annotations

LONGEST = 2000  # characters of a message: what it quotes from a bad file may be of any length


class FathomError(Exception):
    """Bad input or a failed check. Its message is one line, shown without a traceback."""

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


def one_line(text: str) -> str:
    """Text without line breaks or control characters, which are written as escapes, and its middle left out if long.

    Names and contents of bad files stand in messages; they must neither forge a second line nor steer a terminal.
    """
    if len(text) > LONGEST:
        text = f"{text[: LONGEST // 2]} ... {text[-LONGEST // 4 :]}"
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)


def first_line(error: BaseException) -> str:
    """First line of what an error says, or its kind where it says nothing."""
    return str(error).strip().split("\n", 1)[0] or type(error).__name__
