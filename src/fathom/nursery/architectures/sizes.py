"""Sizes that follow from the width."""

from __future__ import annotations

STEP = 16  # widths of feed-forwards are multiples of it


def inner_width(width: int) -> int:
    """Width of a gated feed-forward: 8/3 of the stream's, as many weights as a plain one of four times the stream's."""
    return -(-8 * width // (3 * STEP)) * STEP
