"""`fathom probes` on real stores of planted states: what its tables hold, of which curves, and what is refused."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from tests.designs import ITEM, RELATION, item_table, pair_table
from tests.probed import WIDTH, item_states, probe_job, probed, run_probes_command, stored, words_of, written

from fathom.corpora.early_context import early_context_texts
from fathom.corpora.items import item_texts
from fathom.corpora.relations import relation_texts
from fathom.io.corpus_table import (
    read_corpus,
    shuffled_view,
    template_views,
    text_items,
    with_facts_of_view,
    write_corpus,
)
from fathom.probes.accuracy_curves import DIP
from fathom.probes.states import AdjacentLayers, LayerStates, static_vectors
from fathom.probes.tables import probe_tables
from fathom.runtime.errors import FathomError
from fathom.store.reader import Activations
from fathom.workflow.code_digest import imported_modules

FloatArray = npt.NDArray[np.float64]
Tables = dict[str, pd.DataFrame]

PLACE = ["view", "site", "position", "sinks", "label", "estimator", "selection"]
CURVE = [*PLACE, "control", "measure"]
LAYERS_COLUMNS = {
    *DIP,
    *(*CURVE, "layer", "depth", "score", "low", "high", "chance", "normalised", "p_family_wise"),
    *(
        "peak",
        "peak_low",
        "peak_high",
        "centre",
        "centre_low",
        "centre_high",
        "texts",
        "groups",
        "texts_with_sinks",
        "texts_left_out",
        "distance",
        "quantity",
        "pair_at",
        "gap",
        "gap_low",
        "gap_high",
        "texts_known",
        "test_corpus",
    ),
}
FOLDS_COLUMNS = {*PLACE, "quantity", "control", "layer", "depth", "repeat", "fold", "texts", "score", "penalty"}
TEXTS_COLUMNS = {*PLACE, "quantity", "control", "layer", "depth", "text", "group", "class", "hit"}
CENTRES = ["centre", "centre_low", "centre_high"]
OTHER = "There are {second} beside {first}"
FROM = 2


def primary(curves: pd.DataFrame, **chosen: str) -> pd.DataFrame:
    """Rows of the experiment itself with all tokens, unless others are chosen, at the primary measure of classes."""
    wanted = {"control": "", "sinks": "with", "measure": "balanced_accuracy", **chosen}
    found = curves[np.logical_and.reduce([curves[column] == value for column, value in wanted.items()])]
    return found.reset_index(drop=True)


def related_code(corpus: pd.DataFrame) -> FloatArray:
    """-1 and 1 for re-paired and related texts; 0 where the words are shuffled."""
    related = 2.0 * corpus["label.related"].to_numpy(dtype=np.float64) - 1
    return np.where(corpus["view"].str.endswith("shuffled"), 0.0, related)


# Relations, with everything that can be asked for ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def pairs_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pairs of twelve blocks in two templates, their relatedness in the states from layer 2 on."""
    path = tmp_path_factory.mktemp("pairs") / "c.parquet"
    corpus = written(relation_texts(pair_table([6] * 4), [RELATION, OTHER]), path)
    code = related_code(corpus)
    stored(
        path,
        {
            ("residual", "mean"): item_states(corpus, 4, code=code, since=FROM),
            ("residual", "span:second"): item_states(corpus, 4, code=code, since=FROM + 1, seed=1),
            ("attention", "mean"): item_states(corpus, 3, seed=7),
            ("attention", "span:second"): item_states(corpus, 3, seed=8),
        },
        spans={"second": np.full((len(corpus), 2), 4)},
    )
    return path


def manifest_of(corpus: Path) -> Path:
    return corpus.with_suffix(".manifest.json")


@pytest.fixture(scope="module")
def pairs(pairs_corpus: Path) -> Tables:
    job = probe_job(
        labels=("related", "relation"),
        sites=("residual", "attention"),
        estimators=("svm", "ridge"),
        inner=("svm", "ridge"),
        margin_penalties=(10.0, 1.0),
        ridge_penalties=(10.0, 1.0, 0.1),
        inner_folds=3,
        permutations=20,
        controls=("random", "shuffled", "static", "selectivity"),
        control_draws=2,
    )
    return probed(job, pairs_corpus, manifest_of(pairs_corpus))


def test_tables_have_the_columns_of_their_rule(pairs: Tables) -> None:
    assert set(pairs["layers"].columns) == LAYERS_COLUMNS | {"stage", "name", "model", "corpus"}
    assert set(pairs["folds"].columns) == FOLDS_COLUMNS
    assert set(pairs["texts"].columns) == TEXTS_COLUMNS
    for table in pairs.values():
        assert not table.columns.duplicated().any()
    assert pairs["texts"]["hit"].dtype == np.float32
    may_lack = ["p_family_wise", "distance", "quantity", "gap", "gap_low", "gap_high", *CENTRES, *DIP[:-1]]
    assert not pairs["layers"].drop(columns=may_lack).isna().any(axis=None)
    assert pairs["layers"]["distance"].isna().all()
    assert not pairs["folds"].drop(columns="quantity").isna().any(axis=None)
    assert not pairs["texts"].drop(columns="quantity").isna().any(axis=None)
    for name, table in pairs.items():
        assert table["quantity"].isna().all()  # the views of relations vary nothing
        assert name == "layers" or set(table["control"]) == {""}


def test_a_row_is_one_layer_of_one_curve(pairs: Tables) -> None:
    curves = pairs["layers"]
    assert not curves.duplicated([*CURVE, "layer"]).any()
    assert set(curves["view"]) == {"original"}
    assert set(curves["label"]) == {"related", "relation"}  # one of them has two values: no mean of labels
    assert set(curves["control"]) == {"", "shuffled", "static", "template split", "control task"}
    for (site, control), rows in curves.groupby(["site", "control"]):
        layers = [0] if control == "static" else [0, 1, 2, 3] if site == "residual" else [1, 2, 3]
        for _, curve in rows.groupby(CURVE):
            assert curve["layer"].tolist() == layers
            assert curve["depth"].tolist() == [layer / 3 for layer in layers]
    # Every site has the same curves.
    of_site = [set(map(tuple, rows[CURVE[3:]].to_numpy().tolist())) for _, rows in curves.groupby("site")]
    assert of_site[0] == of_site[1]


def test_controls_have_the_fixed_penalty_and_no_test(pairs: Tables) -> None:
    curves = pairs["layers"]
    controls = curves[curves["control"] != ""]
    assert (controls["selection"] == "fixed").all()
    assert controls["p_family_wise"].isna().all()
    assert set(controls[controls["control"].isin(["template split", "control task"])]["measure"]) == {
        "balanced_accuracy"
    }
    main = curves[curves["control"] == ""]
    assert set(zip(main["estimator"], main["selection"], strict=True)) == {
        (estimator, selection) for estimator in ("svm", "ridge") for selection in ("fixed", "inner")
    }
    tested = (main["measure"] == "balanced_accuracy") & ~((main["estimator"] == "svm") & (main["selection"] == "inner"))
    assert (main["p_family_wise"].notna() == tested).all()


def test_counts_are_those_of_the_label(pairs: Tables) -> None:
    curves = pairs["layers"]
    grouped = curves[~curves["control"].isin(["template split", "control task"])]
    columns = ["label", "texts", "groups"]
    # Re-paired texts have no relation.
    assert set(map(tuple, grouped[columns].to_numpy().tolist())) == {("related", 96, 12), ("relation", 48, 12)}
    split = curves[curves["control"].isin(["template split", "control task"])]
    # Both templates; a text's id is a type.
    assert set(map(tuple, split[columns].to_numpy().tolist())) == {("related", 192, 96), ("relation", 96, 48)}
    chance = primary(curves).groupby("label")["chance"].unique()
    assert chance["related"].tolist() == [0.5]
    assert chance["relation"].tolist() == [0.25]


def test_normalised_peak_and_centre_follow_from_the_scores(pairs: Tables) -> None:
    curves = pairs["layers"]
    expected = (curves["score"] - curves["chance"]) / (1 - curves["chance"])
    np.testing.assert_allclose(curves["normalised"], expected)
    assert (curves["normalised"] < 0).any()  # below chance is said, not cut off
    for _, curve in curves.groupby(CURVE):
        assert curve["peak"].sum() == 1
        assert curve["peak"].to_numpy().argmax() == curve["score"].to_numpy().argmax()
        ends = curve[["peak_low", "peak_high"]].drop_duplicates()
        assert len(ends) == 1
        low, high = ends.iloc[0]
        assert low <= high
        assert {low, high} <= set(curve["layer"])
        excess = (curve["score"] - curve["chance"]).clip(lower=0)
        centre = (excess * curve["depth"]).sum() / excess.sum() if excess.sum() > 0 else np.nan
        np.testing.assert_allclose(curve["centre"], centre)
        assert curve[CENTRES].drop_duplicates().shape[0] == 1


def test_what_is_planted_from_a_layer_on_is_significant_there_and_nowhere_else(pairs: Tables) -> None:
    related = primary(pairs["layers"], label="related")
    for (site, estimator, selection), curve in related.groupby(["site", "estimator", "selection"]):
        planted = ((curve["layer"] >= FROM) & (site == "residual")).to_numpy()
        assert (curve["score"].to_numpy()[planted] > 0.9).all()
        assert (curve["low"].to_numpy()[planted] > 0.5).all()
        if (estimator, selection) != ("svm", "inner"):
            assert ((curve["p_family_wise"] <= 0.05).to_numpy() == planted).all()
        if site == "residual":
            assert curve.loc[curve["peak"], "layer"].item() >= FROM
            assert (curve["peak_low"] >= FROM).all()
            assert (curve["centre"] > 0.6).all()
    shuffled = primary(pairs["layers"], label="related", control="shuffled")
    assert (shuffled["score"] < 0.8).all()
    # Types are in training and test: the items tell what the classes are, whatever these are.
    split = primary(pairs["layers"], label="related", control="template split", site="residual")
    task = primary(pairs["layers"], label="related", control="control task", site="residual")
    at = (split["layer"] >= FROM).to_numpy()
    assert (split["score"][at] > 0.9).all()
    assert (split["score"].to_numpy() - task["score"].to_numpy())[at].min() > 0


def test_accuracies_per_text_add_up_to_the_score_of_the_curve(pairs: Tables) -> None:
    texts = pairs["texts"]
    recalls = texts.groupby([*PLACE, "layer", "class"])["hit"].mean()
    found = recalls.astype(np.float64).groupby(level=[*PLACE, "layer"]).mean()
    curves = pd.concat([primary(pairs["layers"], sinks=sinks) for sinks in ("with", "without")])
    expected = curves.set_index([*PLACE, "layer"])["score"]
    assert len(found) == len(expected)
    pd.testing.assert_series_equal(found, expected.loc[found.index], check_names=False, rtol=1e-6)


def test_texts_have_the_id_group_and_class_that_the_corpus_gives_them(pairs_corpus: Path, pairs: Tables) -> None:
    corpus = read_corpus(pairs_corpus)
    original = corpus[corpus["view"] == "original"].set_index("id")
    for label, rows in pairs["texts"].groupby("label"):
        one = rows.drop_duplicates("text").set_index("text")
        labelled = original[original[f"label.{label}"].notna()]
        assert set(one.index) == set(labelled.index)
        assert one["group"].to_dict() == labelled["group"].to_dict()
        assert one["class"].to_dict() == labelled[f"label.{label}"].astype(str).to_dict()
        assert (rows.groupby([*PLACE, "layer"])["text"].nunique() == len(labelled)).all()
    assert set(pairs["texts"]["group"]) == set(original["group"])


def test_folds_are_those_of_the_curve(pairs: Tables) -> None:
    folds = pairs["folds"]
    tested = folds.groupby([*PLACE, "layer", "repeat"])["texts"].sum().reset_index()
    assert set(zip(tested["label"], tested["texts"], strict=True)) == {("related", 96), ("relation", 48)}
    assert (
        folds.groupby([*PLACE, "layer", "repeat"])["fold"].agg(list).map(sorted).map(tuple) == (0, 1, 2, 3, 4)
    ).all()
    fixed = folds["selection"] == "fixed"
    assert (folds.loc[fixed, "penalty"] == 1.0).all()
    assert folds.loc[~fixed & (folds["estimator"] == "svm"), "penalty"].isin([10.0, 1.0]).all()
    assert folds.loc[~fixed & (folds["estimator"] == "ridge"), "penalty"].isin([10.0, 1.0, 0.1]).all()
    assert set(folds.loc[folds["site"] == "attention", "layer"]) == {1, 2, 3}


def test_the_command_writes_what_the_function_returns(pairs_corpus: Path) -> None:
    job = probe_job(labels=("related",), controls=("shuffled",))
    activations = Activations([manifest_of(pairs_corpus)])
    tables = probe_tables(job, read_corpus(pairs_corpus), activations, 1)
    several = probe_tables(job, read_corpus(pairs_corpus), activations, 2)
    read = probed(job, pairs_corpus, manifest_of(pairs_corpus))
    for name, table, again in (
        ("layers", tables.curves, several.curves),
        ("folds", tables.folds, several.folds),
        ("texts", tables.texts, several.texts),
    ):
        pd.testing.assert_frame_equal(read[name][list(table.columns)], table)
        pd.testing.assert_frame_equal(again, table)


def test_each_position_is_read_for_itself(pairs_corpus: Path) -> None:
    job = probe_job(
        labels=("related",), positions=("span:second", "mean"), permutations=20, controls=("static", "shuffled")
    )
    found = probed(job, pairs_corpus, manifest_of(pairs_corpus))["layers"]
    # A span is a single token.
    assert found.groupby("position")["sinks"].unique().map(set).to_dict() == {
        "span:second": {"with"},
        "mean": {"with", "without"},
    }
    curves = primary(found)
    assert curves["position"].unique().tolist() == ["span:second", "mean"]
    assert set(curves["selection"]) == {"fixed"}
    for position, since in (("mean", FROM), ("span:second", FROM + 1)):
        curve = curves[curves["position"] == position]
        assert ((curve["p_family_wise"] <= 0.05) == (curve["layer"] >= since)).all()


def test_several_shards_are_one_store(pairs_corpus: Path, tmp_path: Path) -> None:
    corpus = read_corpus(pairs_corpus)
    whole = Activations([manifest_of(pairs_corpus)])
    manifests = []
    for part, rows in enumerate((slice(0, 100), slice(100, None))):
        folder = tmp_path / str(part)
        folder.mkdir()
        (folder / "c.parquet").write_bytes(pairs_corpus.read_bytes())
        states = np.stack([whole.pooled("mean", layer)[rows] for layer in range(4)])
        manifests.append(stored(folder / "c.parquet", {("residual", "mean"): states}))
    job = probe_job(labels=("related",), controls=("shuffled", "static", "selectivity"))
    found = probe_tables(job, corpus, Activations(manifests), 1)
    pd.testing.assert_frame_equal(found.curves, probe_tables(job, corpus, whole, 1).curves)


# Items: several labels, and which controls there are ------------------------------------------------------------------


def items_texts(count: int = 10, **changed: Any) -> pd.DataFrame:
    """Three categories of items with two binary labels and a continuous one."""
    table = item_table([count] * 3)
    table["big"] = (np.arange(len(table)) // 2) % 2
    return item_texts(table, [ITEM, "This is {article} {item}"], **changed)


def stored_items(texts: pd.DataFrame, path: Path, **changed: Any) -> pd.DataFrame:
    """A store whose states tell from layer 1 on what is odd; text lengths are their words."""
    corpus = written(texts, path)
    odd = corpus["label.odd"].to_numpy(dtype=np.float64) - 0.5
    lengths = words_of(corpus)
    states = item_states(corpus, 4, code=1.5 * odd, since=1)
    stored(path, {("residual", "mean"): states}, lengths=lengths, **changed)
    return corpus


@pytest.fixture(scope="module")
def items_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("items") / "c.parquet"
    stored_items(items_texts(), path)
    return path


def test_the_mean_curve_is_of_the_labels_with_two_values(items_corpus: Path) -> None:
    job = probe_job(
        stratify_by="category",
        estimators=("svm", "ridge"),
        inner=("ridge",),
        ridge_penalties=(10.0, 1.0),
        permutations=20,
        permuted=("ridge",),
        controls=("shuffled", "static", "selectivity"),
        control_draws=1,
    )
    tables = probed(job, items_corpus, manifest_of(items_corpus))
    curves = tables["layers"]
    assert set(curves["label"]) == {"mean", "category", "odd", "big", "length"}
    assert set(tables["texts"]["label"]) == {"category", "odd", "big"}
    assert set(tables["folds"]["label"]) == {"category", "odd", "big", "length"}
    assert set(zip(curves["label"], curves["estimator"], strict=True)).isdisjoint({("length", "svm")})
    assert set(curves[curves["label"] == "length"]["measure"]) == {"r", "r2"}
    assert set(curves[curves["label"] == "length"]["control"]) == {"", "shuffled", "static"}
    assert set(curves[curves["label"] == "mean"]["control"]) == set(curves["control"])
    key = ["sinks", "estimator", "selection", "control", "measure", "layer"]
    binary = curves[curves["label"].isin(["odd", "big"])].groupby(key)
    mean = curves[curves["label"] == "mean"].set_index(key).sort_index()
    for column, expected in (
        ("score", binary["score"].mean()),
        ("chance", binary["chance"].mean()),
        ("p_family_wise", binary["p_family_wise"].max()),
    ):
        pd.testing.assert_series_equal(mean[column], expected, check_names=False)
    assert (mean["low"] <= mean["high"]).all()
    # Intervals of both labels together are those of one joint resampling, no wider than the two on average.
    width = (curves["high"] - curves["low"]).groupby([curves[column] for column in ["label", *key]]).first()
    both = (width["odd"] + width["big"]) / 2
    assert (width["mean"] <= both + 1e-9).all()


def test_one_label_of_two_values_has_no_mean(items_corpus: Path) -> None:
    job = probe_job(labels=("category", "odd", "length"), stratify_by="category")
    curves = probed(job, items_corpus, manifest_of(items_corpus))["layers"]
    assert set(curves["label"]) == {"category", "odd", "length"}


def test_numbers_alone_have_no_accuracy_per_text(items_corpus: Path) -> None:
    job = probe_job(labels=("length",), permutations=20, controls=("shuffled", "static", "selectivity"))
    tables = probed(job, items_corpus, manifest_of(items_corpus))
    curves = tables["layers"]
    assert set(curves["measure"]) == {"r", "r2"}
    assert set(curves["control"]) == {"", "shuffled", "static"}  # no control task: it is one of classes
    assert (curves["p_family_wise"].notna() == ((curves["measure"] == "r") & (curves["control"] == ""))).all()
    assert set(tables["texts"].columns) == TEXTS_COLUMNS
    assert tables["texts"].empty


@pytest.mark.parametrize(
    ("controls", "expected"),
    [
        ((), set()),
        (("random",), set()),  # is another model
        (("shuffled",), {"shuffled"}),
        (("static",), {"static"}),
        (("selectivity",), {"control task", "template split"}),
    ],
)
def test_controls_are_those_that_are_asked_for(
    items_corpus: Path, controls: tuple[str, ...], expected: set[str]
) -> None:
    job = probe_job(labels=("odd",), controls=controls)
    curves = probed(job, items_corpus, manifest_of(items_corpus))["layers"]
    assert set(curves["control"]) == {"", *expected}
    assert set(curves[curves["control"] == "static"]["layer"]) <= {0}


def test_controls_without_texts_are_left_out(tmp_path: Path) -> None:
    texts = items_texts(shuffled=False)
    path = tmp_path / "c.parquet"
    stored_items(texts[texts["view"] == "original"], path)
    job = probe_job(labels=("odd",), controls=("random", "shuffled", "static", "selectivity"))
    assert set(probed(job, path, manifest_of(path))["layers"]["control"]) == {"", "static"}


def test_another_template_is_probed_without_the_control_task(items_corpus: Path) -> None:
    job = probe_job(labels=("odd",), views=("template 2", "original"), controls=("shuffled", "static", "selectivity"))
    curves = probed(job, items_corpus, manifest_of(items_corpus))["layers"]
    controls = curves.groupby("view")["control"].unique().map(set)
    assert controls["template 2"] == {"", "static"}
    assert controls["original"] == {"", "shuffled", "static", "control task", "template split"}


def test_layers_have_the_numbers_of_the_store(tmp_path: Path) -> None:
    path = tmp_path / "c.parquet"
    corpus = written(items_texts(), path)
    odd = corpus["label.odd"].to_numpy(dtype=np.float64) - 0.5
    states = {
        ("residual", "mean"): item_states(corpus, 3, code=3 * odd, since=1),
        ("attention", "mean"): item_states(corpus, 2, code=3 * odd, seed=1),
    }
    stored(path, states, layers={"residual": ("0", "2", "final"), "attention": ("2", "4")}, depth=4)
    job = probe_job(labels=("odd",), sites=("residual", "attention"), controls=("static",), permutations=20)
    tables = probed(job, path, manifest_of(path))
    for site, layers in (("residual", [0, 2, 4]), ("attention", [2, 4])):
        for table in tables.values():
            rows = table[table["site"] == site]
            rows = rows[rows["control"] == ""] if "control" in rows else rows
            assert sorted(set(rows["layer"])) == layers
            assert (rows["depth"] == rows["layer"] / 4).all()
    curves = primary(tables["layers"])
    residual = curves[curves["site"] == "residual"]
    assert residual.loc[residual["peak"], "layer"].item() in {2, 4}
    assert residual["peak_low"].isin([2, 4]).all()
    assert residual["centre"].between(0.5, 1).all()
    static = primary(tables["layers"], control="static")
    assert static[["layer", "depth", "peak_low", "peak_high"]].to_numpy().tolist() == [[0, 0, 0, 0]] * 2
    assert static["peak"].all()
    assert static["score"].nunique() == 1  # whichever site it stands beside


# With and without sink tokens -----------------------------------------------------------------------------------------


def equal_but_for_the_sinks(tables: Tables) -> None:
    """Whether both forms of the means are the same numbers."""
    for table in tables.values():
        with_sinks, without = (
            table[table["sinks"] == sinks].drop(columns="sinks").reset_index(drop=True) for sinks in ("with", "without")
        )
        assert len(without) > 0
        pd.testing.assert_frame_equal(with_sinks, without)


def test_without_a_sink_both_forms_are_the_same(pairs: Tables) -> None:
    equal_but_for_the_sinks(pairs)
    assert (pairs["layers"][["texts_with_sinks", "texts_left_out"]] == 0).all(axis=None)


def means_of_tokens(
    corpus: pd.DataFrame, sinks: Sequence[Collection[int]], lengths: npt.NDArray[np.int64]
) -> dict[tuple[str, str], FloatArray]:
    """Means of tokens with and without sinks: the label is in all tokens but sinks, which are long and random."""
    rng = np.random.default_rng(4)
    odd = corpus["label.odd"].to_numpy(dtype=np.float64) - 0.5
    direction = rng.standard_normal(WIDTH)
    means = np.full((2, 4, len(corpus), WIDTH), np.nan)
    for text, (places, length) in enumerate(zip(sinks, lengths, strict=True)):
        tokens = 2 * odd[text] * direction + 0.3 * rng.standard_normal((4, length, WIDTH))
        other = np.setdiff1d(np.arange(length), list(places))
        tokens[:, list(places)] = 1000 * rng.standard_normal((4, len(places), WIDTH))
        means[0, :, text] = tokens.mean(axis=1)
        if len(other):
            means[1, :, text] = tokens[:, other].mean(axis=1)
    return {("residual", "mean"): means[0], ("residual", "mean_without_sinks"): means[1]}


def stored_with_sinks(path: Path, whole: Callable[[int], bool] = lambda _: False) -> pd.DataFrame:
    """A store of items whose label only the tokens that are no sinks hold: the first is one, of whole texts all are."""
    corpus = written(items_texts(), path)
    lengths = words_of(corpus)
    sinks = [range(length) if whole(text) else (0,) for text, length in enumerate(lengths)]
    stored(path, means_of_tokens(corpus, sinks, lengths), lengths=lengths, sinks=sinks)
    return corpus


def test_a_label_that_sinks_hide_is_found_without_them_and_so_in_every_control(tmp_path: Path) -> None:
    path = tmp_path / "c.parquet"
    corpus = stored_with_sinks(path)
    job = probe_job(labels=("odd",), permutations=20, controls=("shuffled", "static", "selectivity"))
    tables = probed(job, path, manifest_of(path))
    curves = tables["layers"]
    for control in ("", "shuffled", "static", "template split"):
        hidden, found = (primary(curves, sinks=sinks, control=control) for sinks in ("with", "without"))
        assert (hidden["score"] < 0.8).all()
        assert (found["score"] > 0.95).all()
    assert (primary(curves)["p_family_wise"] > 0.05).all()
    assert (primary(curves, sinks="without")["p_family_wise"] <= 0.05).all()
    # One sink in each of the texts: of the view, or of both templates.
    texts = curves.groupby(["sinks", "control"])["texts_with_sinks"].unique().map(list)
    original = int((corpus["view"] == "original").sum())
    for control in ("", "shuffled", "static"):
        assert (texts["with", control], texts["without", control]) == ([original], [0])
    assert texts["with", "control task"] == [2 * original]
    assert set(map(tuple, tables["texts"].groupby(["text", "layer"])["sinks"].unique())) == {("with", "without")}


def test_texts_of_sinks_alone_are_left_out_without_them_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "c.parquet"
    corpus = stored_with_sinks(path, lambda text: text < 2)
    original = corpus[corpus["view"] == "original"]
    job = probe_job(labels=("odd",), controls=("static", "selectivity"))
    tables = probed(job, path, manifest_of(path))
    left = tables["texts"].groupby("sinks")["text"].unique().map(set)
    assert left["with"] == set(original["id"])
    assert left["without"] == set(original["id"][2:])
    of_texts = primary(tables["layers"], sinks="without")
    assert set(of_texts["texts"]) == {len(original) - 2}
    assert (of_texts["score"] > 0.95).all()
    counts = tables["layers"].groupby(["sinks", "control"])["texts_left_out"].unique().map(list)
    assert set(map(tuple, counts["with"])) == {(0,)}
    assert set(map(tuple, counts["without"])) == {(2,)}


def test_where_too_few_texts_are_left_there_is_no_form_without_sinks(tmp_path: Path) -> None:
    path = tmp_path / "c.parquet"
    stored_with_sinks(path, lambda text: text > 3)
    tables = probed(probe_job(labels=("odd",), controls=("static",)), path, manifest_of(path))
    for table in tables.values():
        assert set(table["sinks"]) == {"with"}
    assert set(tables["layers"]["control"]) == {"", "static"}


@pytest.mark.parametrize(("place", "position"), [(1, "span:item"), (1, "last"), (0, "mean")])
def test_a_state_that_is_read_at_a_sink_is_counted(tmp_path: Path, place: int, position: str) -> None:
    path = tmp_path / "c.parquet"
    texts = items_texts(shuffled=False)
    corpus = written(texts[texts["view"] == "original"], path)
    sinks: list[tuple[int, ...]] = [(place,)] * 7 + [(1 - place,)] * 2 + [()] * (len(corpus) - 9)
    states = {("residual", at): item_states(corpus, 4) for at in ("mean", "last", "span:item")}
    spans = {"item": np.ones((len(corpus), 2), dtype=np.int64)}
    stored(path, states, lengths=np.full(len(corpus), 2), spans=spans, sinks=sinks)
    curves = probed(probe_job(labels=("odd",), positions=(position,), folds=3), path, manifest_of(path))["layers"]
    assert set(primary(curves)["texts_with_sinks"]) == {9 if position == "mean" else 7}


# Early context --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def early_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pairs followed by filler, two tokens a word; what is planted fades with the filler after the pair."""
    path = tmp_path_factory.mktemp("early") / "c.parquet"
    corpus = written(early_context_texts(pair_table([4] * 4), RELATION, filler=(0, 8), closing="and so on"), path)
    lengths = 1 + 2 * words_of(corpus)
    kept = np.where(corpus["view"] == "start 8", 0.0, 2.0)
    states = item_states(corpus, 3, code=kept * related_code(corpus), since=1)
    stored(path, {("residual", "mean"): states}, layers={"residual": ("0", "1", "2")}, depth=2, lengths=lengths)
    return path


def test_views_of_early_context_have_their_measured_distance(early_corpus: Path) -> None:
    views = ("start 0", "start 8", "end 8")
    job = probe_job(labels=("related",), views=views, permutations=20, controls=("shuffled", "static", "selectivity"))
    tables = probed(job, early_corpus, manifest_of(early_corpus))
    curves = tables["layers"]
    assert curves["view"].unique().tolist() == list(views)
    assert curves.groupby("view")["distance"].unique().map(list).to_dict() == {
        "start 0": [0.0],
        "start 8": [16.0],
        "end 8": [16.0],
    }
    quantities = curves.groupby("view")["quantity"].unique().map(list).to_dict()
    assert quantities == {"start 0": [0.0], "start 8": [8.0], "end 8": [8.0]}
    places = curves.groupby("view")["pair_at"].unique().map(list).to_dict()
    assert places == {"start 0": ["start"], "start 8": ["start"], "end 8": ["end"]}
    # The shuffled form of each view is its control; there is one template.
    assert (curves.groupby("view")["control"].unique().map(set) == {"", "shuffled", "static"}).all()
    last = primary(curves).query("layer == 2").set_index("view")
    assert (last["p_family_wise"] <= 0.05).to_dict() == {"start 0": True, "start 8": False, "end 8": True}
    shuffled = primary(curves, control="shuffled").query("layer == 2")
    assert (shuffled["score"] < 0.75).all()
    assert (tables["texts"].groupby("view")["text"].nunique() == 64).all()


# What is refused ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        (
            {"views": ("original", "template 3", "start 0")},
            "probes.e.views: corpus c has the views original, shuffled, template 2, found template 3, start 0",
        ),
        (
            {"labels": ("odd", "edible")},
            "probes.e.labels: corpus c has the labels category, odd, length, big, found edible",
        ),
        (
            {"stratify_by": "kind"},
            "probes.e.stratify_by: corpus c has the labels category, odd, length, big, found kind",
        ),
        ({"positions": ("last",)}, "holds no position 'last', only mean"),
        ({"sites": ("attention",)}, "holds no site 'attention', only residual"),
        (
            {"labels": ("length",), "estimators": ("svm",)},
            "experiment e of model m: labels: length is continuous; svm takes classes, ridge takes numbers",
        ),
        ({"folds": 31}, "experiment e of model m: groups: 30 for 31 folds"),
    ],
)
def test_what_corpus_or_store_lack_is_refused_in_one_line(
    items_corpus: Path, settings: dict[str, Any], line: str
) -> None:
    done = run_probes_command(probe_job(**settings), items_corpus, [manifest_of(items_corpus)])
    assert isinstance(done.exception, FathomError)
    assert line in str(done.exception)
    assert "\n" not in str(done.exception)


def test_a_corpus_without_labels_is_refused(tmp_path: Path) -> None:
    texts = items_texts(shuffled=False)
    path = tmp_path / "c.parquet"
    corpus = written(texts.drop(columns=[column for column in texts.columns if column.startswith("label.")]), path)
    stored(path, {("residual", "mean"): item_states(corpus, 4)})
    done = run_probes_command(probe_job(), path, [manifest_of(path)])
    assert str(done.exception) == "probes.e.labels: corpus c has the labels none, found none"


def test_a_label_that_is_called_as_the_mean_of_labels_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.parquet"
    corpus = written(items_texts(shuffled=False).rename(columns={"label.big": "label.mean"}), path)
    stored(path, {("residual", "mean"): item_states(corpus, 4)})
    done = run_probes_command(probe_job(), path, [manifest_of(path)])
    assert str(done.exception) == "probes.e.labels: 'mean' names the mean of labels; expected other names"
    assert set(probed(probe_job(labels=("odd", "length")), path, manifest_of(path))["layers"]["label"]) == {
        *("odd", "length")
    }


def test_a_design_that_leaks_is_refused_in_one_line(tmp_path: Path) -> None:
    texts = relation_texts(pair_table([2] * 4), [RELATION], shuffled=False)
    texts["group"] = texts["id"]
    path = tmp_path / "c.parquet"
    corpus = written(texts, path)
    stored(path, {("residual", "mean"): item_states(corpus, 4)})
    done = run_probes_command(probe_job(labels=("related",)), path, [manifest_of(path)])
    assert isinstance(done.exception, FathomError)
    assert "experiment e of model m: groups: " in str(done.exception)
    assert "shares the item" in str(done.exception)


def test_states_of_another_corpus_are_refused(items_corpus: Path, pairs_corpus: Path) -> None:
    done = run_probes_command(probe_job(), items_corpus, [manifest_of(pairs_corpus)])
    assert isinstance(done.exception, FathomError)
    assert f"its states are not of the texts in {items_corpus}" in str(done.exception)


def test_a_missing_corpus_or_manifest_is_refused(items_corpus: Path, tmp_path: Path) -> None:
    done = run_probes_command(probe_job(), tmp_path / "none.parquet", [manifest_of(items_corpus)])
    assert isinstance(done.exception, FathomError)
    done = run_probes_command(probe_job(), items_corpus, [tmp_path / "none" / "1-of-1.manifest.json"])
    assert isinstance(done.exception, FathomError)
    assert "none: 1 of 1 shards have no manifest, first 1-of-1.manifest.json" in str(done.exception)


# States and tables that probes read -----------------------------------------------------------------------------------


def test_states_are_read_layer_by_layer_and_side_by_side(items_corpus: Path) -> None:
    activations = Activations([manifest_of(items_corpus)])
    texts = np.array([5, 0, 2])
    states = LayerStates(activations, "residual", "mean", texts)
    assert len(states) == 4
    for layer in range(4):
        rows = states[layer]
        assert rows.dtype == np.float64
        np.testing.assert_array_equal(rows, activations.pooled("mean", layer)[texts])
    pairs = AdjacentLayers(states)
    assert len(pairs) == 3
    for layer in range(3):
        np.testing.assert_array_equal(pairs[layer], np.hstack([states[layer], states[layer + 1]]))
    for outside in (-1, 4):
        with pytest.raises(IndexError):
            states[outside]
        with pytest.raises(IndexError):
            pairs[min(outside, 3)]


def test_a_static_vector_is_the_sum_of_the_tokens(items_corpus: Path) -> None:
    activations = Activations([manifest_of(items_corpus)])
    texts = np.arange(activations.texts)[::-1]
    found = static_vectors(activations, texts)
    words = words_of(read_corpus(items_corpus))
    assert len(set(words)) > 1
    np.testing.assert_allclose(found[0], (activations.pooled("mean", 0) * words[:, None])[texts], rtol=1e-6)
    assert len(found) == 1


def views_and_controls(**controls: str) -> pd.DataFrame:
    """A corpus of two texts in views of these controls."""
    return pd.DataFrame({"view": [*controls] * 2, "control": [*controls.values()] * 2})


def test_the_shuffled_form_of_a_view_follows_it() -> None:
    early = {"start 0": "", "start 0, mixed": "shuffled", "end 8": "", "end 8, mixed": "shuffled", "end 9": ""}
    corpus = views_and_controls(**early)
    assert shuffled_view(corpus, "start 0") == "start 0, mixed"
    assert shuffled_view(corpus, "end 8") == "end 8, mixed"
    assert shuffled_view(corpus, "end 9") is None
    assert shuffled_view(corpus, "end 8, mixed") is None
    assert template_views(corpus) == []


def test_views_in_templates_are_found_with_the_original_first() -> None:
    corpus = views_and_controls(original="", mixed="shuffled", second="template", third="template")
    assert template_views(corpus) == ["original", "second", "third"]


def test_a_table_is_told_what_the_corpus_says_of_its_views() -> None:
    corpus = pd.DataFrame({"view": ["a", "a", "b"], "quantity": [0.5, 0.5, np.nan], "control": ["", "", "shuffled"]})
    table = pd.DataFrame({"text": [1, 2, 3], "view": ["b", "a", "a and b"], "value": [1.0, 2.0, 3.0]})
    found = with_facts_of_view(table, corpus)
    assert found.columns.tolist() == ["text", "view", "quantity", "control", "value"]
    np.testing.assert_array_equal(found["quantity"], [np.nan, 0.5, np.nan])
    assert found["control"].tolist() == ["shuffled", "", ""]
    assert with_facts_of_view(table, corpus, ("quantity",)).columns.tolist() == ["text", "view", "quantity", "value"]
    assert with_facts_of_view(table.iloc[:0], corpus)["quantity"].dtype == np.float64


def test_items_of_texts_are_what_their_spans_hold(tmp_path: Path) -> None:
    texts = item_texts(item_table([3, 3]), [ITEM])
    expected = [(item,) for item in [*item_table([3, 3])["item"]] * 2]
    assert text_items(texts) == expected
    assert text_items(written(texts, tmp_path / "c.parquet")) == expected
    bare = texts.drop(columns="spans")
    write_corpus(bare, tmp_path / "bare.parquet", "c")
    assert text_items(read_corpus(tmp_path / "bare.parquet")) == [()] * 12


def test_no_job_reads_the_words_of_the_settings() -> None:
    read = imported_modules("fathom.probes.command")
    assert "fathom.probes.probing" in read
    assert "fathom.probes.coordination.table" in read
    assert not [module for module in read if module.endswith(".settings")]
