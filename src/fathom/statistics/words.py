"""Numbers as words."""

from __future__ import annotations

import math


def three_digits(value: float) -> str:
    """Three digits, or all digits before the point."""
    digits = 2 if value == 0 else max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:.{min(digits, 6)}f}".replace("-", "\N{MINUS SIGN}")


def counted(number: int, noun: str, several: str = "") -> str:
    """A number with its noun: 1 text, 2 texts; `several` is the noun's plural where that is more than an s."""
    return f"{number} {noun}" if number == 1 else f"{number} {several or noun + 's'}"
