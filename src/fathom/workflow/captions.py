"""What the report says of a figure."""

from __future__ import annotations

from fathom.workflow.config import Config


def figure_category(config: Config, figure: str) -> str:
    """Category of a figure in the report."""
    return config.all_figures[figure].category


def figure_title(config: Config, figure: str) -> str:
    """Title of a figure: what it shows, in a few words."""
    return config.all_figures[figure].title(config)


def figure_subject(config: Config, figure: str) -> str:
    """What a figure shows, for the report's list."""
    return config.all_figures[figure].subject(config)


def caption(config: Config, figure: str) -> str:
    """What a figure is: models, revisions, data, definition, intervals. Counts of texts are in its CSV and notes."""
    return config.all_figures[figure].caption(config)


def as_label(text: str) -> str:
    """Text as a label of the report, whose builder would take braces for wildcards and `<` for the end of a script."""
    return text.translate(str.maketrans("{}<>", "()[]"))


def for_report(text: str) -> str:
    """Text as a parameter that the report shows: there `</script>` would end the script that holds it.

    The template of captions (workflow/report/figure.rst) turns it back.
    """
    return text.replace("<", r"\u003c")
