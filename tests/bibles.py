"""A Bible of a few verses, in the layout of the pythonbible packages."""

from __future__ import annotations

VERSES = {
    1001001: "At first the hill was bare and the wind went over it.",
    1001002: "Then came a seed.",
    1001003: "It grew by day, and it grew by night.",
    1002001: "Birds sat in the tree; they sang.",
    1002002: "And the hill was glad.",
    2001001: "A second book begins with four words more.",
}


def as_module(verses: dict[int, str]) -> str:
    """Python source in the layout of the pythonbible packages: one string, and where each verse starts and ends."""
    text, starts, ends = "", {}, {}
    for verse, words in verses.items():
        starts[verse] = len(text)
        text += words
        ends[verse] = len(text)
        text += " "
    return f'''"""A Bible."""
from pythonbible import Bible, Version

bible = Bible(
    Version.TINY,
    {text!r},
    {starts!r},
    {ends!r},
    is_html=False,
)
'''
