"""Classes of labels that probes train on in one corpus and test in another: the same in both."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from fathom.io.corpus_table import LABEL_PREFIX, ORIGINAL, different_classes
from fathom.runtime.errors import FathomError

ROW = "row-"  # begins the ids of texts whose table names none


def check_classes(own: pd.DataFrame, place: str, other: pd.DataFrame, named: str, labels: Sequence[str]) -> None:
    """Refuse a corpus whose labels have other classes than those of a corpus that it is trained or tested with.

    Args:
        own: the corpus.
        place: its file or name, for errors.
        other: the other corpus.
        named: its name.
        labels: that are probed; of those that one of the two lacks nothing is said here.

    Raises:
        FathomError: naming file, column and row.
    """
    for label in labels:
        column = LABEL_PREFIX + label
        if column not in own or column not in other:
            continue
        missing, added = different_classes(own, other, label)
        advice = "expected the same classes in both, since probes train on one and test on the other"
        if added:
            first = _first(own, column, added[0])
            more = f" (and {len(added) - 1} more)" if len(added) > 1 else ""
            msg = f"{place}: column {label!r}, {first}: {added[0]!r}{more} is no class of corpus {named}; {advice}"
            raise FathomError(msg)
        if missing:
            first = _first(other, column, missing[0])
            more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
            msg = f"{place}: column {label!r}: {missing[0]!r}{more} of corpus {named} ({first}) is in no row; {advice}"
            raise FathomError(msg)


def _first(corpus: pd.DataFrame, column: str, value: object) -> str:
    """The first text of a class: its row, or its id where the table names its texts."""
    texts = corpus[corpus["view"] == ORIGINAL]
    text = str(texts.loc[texts[column] == value, "id"].iloc[0])
    return f"row {text.removeprefix(ROW)}" if text.startswith(ROW) else f"text {text!r}"
