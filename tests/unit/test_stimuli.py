"""The stimuli that come with fathom: complete, consistent, and as their README says."""

from __future__ import annotations

import itertools
import re
from importlib import resources

import numpy as np
import pandas as pd
import pytest

DATA = resources.files("fathom.corpora").joinpath("data")
# Beyond these a typical thing of any noun of the table would be misplaced by a slip of the pen.
PLAUSIBLE = {"length [log10 m]": (-3, 6), "mass [log10 kg]": (-7, 15), "lasts [log10 years]": (-5, 9)}


def table(name: str) -> pd.DataFrame:
    with DATA.joinpath(name).open(encoding="utf-8") as source:
        return pd.read_csv(source, dtype=str, na_filter=False)


ITEMS = table("items.csv")
PAIRS = table("pairs.csv")
PROPERTIES = [column for column in ITEMS.columns if column not in {"item", "category"}]
CONTINUOUS = [column for column in PROPERTIES if column.endswith("]")]
BINARY = [column for column in PROPERTIES if column not in CONTINUOUS]
README = DATA.joinpath("README.md").read_text(encoding="utf-8")


def values() -> pd.DataFrame:
    """The properties as numbers, named without their units."""
    numbers = ITEMS[PROPERTIES].astype(float)
    return numbers.rename(columns={column: column.split(" [")[0] for column in PROPERTIES})


def readme_rows(*header: str) -> list[list[str]]:
    """The cells of the README's table with this header, without the marks of code."""
    lines = iter(README.splitlines())
    assert f"| {' | '.join(header)} |" in lines, header
    next(lines)
    rows = itertools.takewhile(lambda line: line.startswith("|"), lines)
    return [[cell.strip().strip("`") for cell in row.strip("|").split("|")] for row in rows]


def percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def test_there_are_enough_items_categories_and_properties() -> None:
    assert ITEMS.columns[:2].tolist() == ["item", "category"]
    assert len(ITEMS) >= 240
    counts = ITEMS["category"].value_counts()
    assert len(counts) >= 16
    assert counts.min() >= 10
    assert len(BINARY) >= 12
    assert sorted(CONTINUOUS) == sorted(PLAUSIBLE)


@pytest.mark.parametrize(("name", "words"), [("items", ITEMS["item"]), ("pairs", PAIRS[["first", "second"]].stack())])
def test_every_noun_is_one_word_in_lower_case_and_stands_once(name: str, words: pd.Series) -> None:
    assert words[words.duplicated()].tolist() == [], name
    assert [word for word in words if not re.fullmatch(r"[a-z]+", word)] == [], name


def test_the_labels_carry_no_stray_spaces() -> None:
    for labels in (ITEMS["category"], PAIRS["relation"]):
        assert [label for label in labels.unique() if not re.fullmatch(r"[a-z]+([ -][a-z]+)*", label)] == []


def test_every_relation_has_the_same_even_number_of_pairs() -> None:
    assert PAIRS.columns.tolist() == ["first", "second", "relation"]
    assert len(PAIRS) >= 120
    counts = PAIRS["relation"].value_counts()
    assert len(counts) >= 16
    assert counts.nunique() == 1
    assert counts.iloc[0] % 2 == 0


def test_every_noun_of_the_pairs_is_an_item() -> None:
    assert set(PAIRS["first"]) | set(PAIRS["second"]) <= set(ITEMS["item"])


@pytest.mark.parametrize("column", BINARY)
def test_binary_properties_are_decided_and_vary(column: str) -> None:
    assert set(ITEMS[column]) == {"0", "1"}
    assert 0.1 <= (ITEMS[column] == "1").mean() <= 0.9


def test_no_binary_property_repeats_or_negates_another() -> None:
    correlation = ITEMS[BINARY].astype(int).corr().abs().to_numpy()
    assert correlation[~np.eye(len(BINARY), dtype=bool)].max() < 0.9


@pytest.mark.parametrize("column", CONTINUOUS)
def test_continuous_properties_have_one_decimal_and_plausible_values(column: str) -> None:
    assert ITEMS["item"][~ITEMS[column].str.fullmatch(r"-?\d+\.\d")].tolist() == []
    low, high = PLAUSIBLE[column]
    outside = ~ITEMS[column].astype(float).between(low, high)
    assert ITEMS["item"][outside].tolist() == []


def test_binary_sizes_follow_from_the_measured_ones() -> None:
    value = values()
    lighter = value["mass"] < 0
    longer = value["length"] > np.log10(1.75)
    assert ITEMS["item"][lighter != (value["under_one_kilogram"] == 1)].tolist() == []
    assert ITEMS["item"][longer != (value["larger_than_person"] == 1)].tolist() == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("alive", "manmade"),
        ("alive", "made_of_metal"),
        ("alive", "held_in_hand"),
        ("alive", "holds_things"),
        ("made_of_metal", "from_plants"),
    ],
)
def test_what_excludes_each_other_never_occurs_together(one: str, other: str) -> None:
    assert ITEMS["item"][(ITEMS[one] == "1") & (ITEMS[other] == "1")].tolist() == []


def test_what_is_of_metal_is_manmade() -> None:
    assert ITEMS["item"][(ITEMS["made_of_metal"] == "1") & (ITEMS["manmade"] == "0")].tolist() == []


def test_the_readme_counts_what_the_tables_hold() -> None:
    words = " ".join(README.split())
    smallest = ITEMS["category"].value_counts().min()
    categories, relations = ITEMS["category"].nunique(), PAIRS["relation"].nunique()
    assert f"{len(ITEMS)} concrete nouns" in words
    assert f"at least {smallest} in each of {categories} categories" in words
    assert f"{len(PAIRS)} pairs of single nouns, {len(PAIRS) // relations} in each of {relations} relations" in words


def test_the_readme_states_the_shares_of_the_binary_columns() -> None:
    expected = []
    for column in BINARY:
        value = ITEMS[column].astype(int)
        share = value.groupby(ITEMS["category"]).transform("mean")
        expected.append([column, percent(value.mean()), percent(np.maximum(share, 1 - share).mean())])
    rows = readme_rows("column", "sentence", "share of 1", "told by category")
    assert [[row[0], *row[2:]] for row in rows] == expected


def test_the_readme_states_the_ranges_of_the_continuous_columns() -> None:
    expected = []
    for column in CONTINUOUS:
        value = ITEMS[column].astype(float)
        between = value.groupby(ITEMS["category"]).transform("mean").var() / value.var()
        expected.append([column, f"{value.min()} to {value.max()}", percent(between)])
    rows = readme_rows("column", "meaning", "range", "between categories")
    assert [[row[0], *row[2:]] for row in rows] == expected


def test_the_readme_names_the_three_largest_correlations() -> None:
    value = values()
    found = [
        (value[one].corr(value[other]), *sorted([one, other]))
        for one, other in itertools.combinations(value.columns.tolist(), 2)
    ]
    largest = sorted(found, key=lambda row: -abs(row[0]))[:3]
    assert readme_rows("one", "other", "r") == [[one, other, f"{r:.2f}"] for r, one, other in largest]


def test_the_readme_explains_every_relation() -> None:
    rows = readme_rows("relation", "how `first` and `second` go together")
    assert [row[0] for row in rows] == PAIRS["relation"].unique().tolist()
