"""Two corpora that probes train and test on have the same classes, and no two corpora wait for each other."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from fathom.corpora.compared import check_classes
from fathom.runtime.errors import FathomError
from fathom.workflow.load import load_config
from fathom.workflow.plan import Plan
from fathom.workflow.wildcards import Wildcards


def corpus(*moods: object, ids: tuple[str, ...] = ()) -> pd.DataFrame:
    names = ids or tuple(f"row-{at + 2}" for at in range(len(moods)))
    return pd.DataFrame({"id": names, "view": "original", "label.mood": pd.array(moods, dtype=object)})


def refused(own: pd.DataFrame, other: pd.DataFrame) -> str:
    with pytest.raises(FathomError) as caught:
        check_classes(own, "mine.csv", other, "others", ["mood", "age"])
    return str(caught.value).split("; ")[0]


def test_a_class_of_one_corpus_only_is_named_with_its_row() -> None:
    known = corpus("good", "bad", "good")
    assert refused(corpus("good", None, "bad", "odd", "odd"), known) == (
        "mine.csv: column 'mood', row 5: 'odd' is no class of corpus others"
    )
    assert (
        refused(corpus("good", "good"), known) == "mine.csv: column 'mood': 'bad' of corpus others (row 3) is in no row"
    )
    named = corpus("good", "bad", "x", "y", ids=("a", "b", "c", "d"))
    assert refused(named, known) == "mine.csv: column 'mood', text 'c': 'x' (and 1 more) is no class of corpus others"
    assert "is no class of corpus others" in refused(known, corpus(1.0, 2.0))


def test_equal_classes_and_numbers_pass() -> None:
    check_classes(corpus("a", "b", None), "mine.csv", corpus("b", "a"), "others", ["mood", "age"])
    numbers = [pd.DataFrame({"id": ["x"], "view": "original", "label.mood": [value]}) for value in (0.5, 3.0)]
    check_classes(numbers[0], "mine.csv", numbers[1], "others", ["mood"])


def compared(**tests: str) -> dict[str, list[str]]:
    """Of each corpus those that it is compared with, where experiments on the first are tested on the second."""
    names = ("first", "second", "third")
    files: dict[str, Any] = {name: {"kind": "file", "path": f"{name}.csv", "labels": ["mood"]} for name in names}
    probes = {
        f"e-{one}": {"corpus": one, "test": other, "labels": ["mood"], "positions": ["mean"]}
        for one, other in tests.items()
    }
    plan = Plan(load_config({"corpora": files, "probes": probes}, [], files_here=False))
    return {name: plan.corpora.compared(Wildcards(corpus=name)) for name in names}


def test_the_later_corpus_waits_for_the_earlier_one_whichever_is_tested() -> None:
    place = "results/corpora/{}.parquet".format
    assert compared(first="second") == {"first": [], "second": [place("first")], "third": []}
    both = compared(first="second", second="first", third="first")
    assert both == {"first": [], "second": [place("first")], "third": [place("first")]}
