"""Texts as Snakemake's report can hold them."""

from __future__ import annotations


def as_label(text: str) -> str:
    """Text as a label of the report, whose builder would take braces for wildcards and `<` for the end of a script."""
    return text.translate(str.maketrans("{}<>", "()[]"))


def for_report(text: str) -> str:
    """Text as a parameter that the report shows: there `</script>` would end the script that holds it.

    The template of captions (workflow/report/figure.rst) turns it back.
    """
    return text.replace("<", r"\u003c")
