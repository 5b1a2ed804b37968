"""`fathom probes` for coordination, on the states and attention patterns of a real small model and on planted ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from click.testing import Result
from tests.designs import RELATION, item_table, pair_table
from tests.extraction import extracted, job, prepared
from tests.probed import item_states, probe_job, probed, run_probes_command, stored, written
from tests.tiny import tiny_llama

from fathom.corpora.items import item_texts
from fathom.corpora.relations import relation_texts
from fathom.io.corpus_table import read_corpus
from fathom.io.tables import read_table, write_table
from fathom.probes.coordination.attention import attention_coordination, item_weights
from fathom.probes.coordination.resampling import CoordinationResampling
from fathom.probes.coordination.table import accuracy_curves
from fathom.runtime.errors import FathomError
from fathom.store.reader import Activations

FloatArray = npt.NDArray[np.float64]
Patterns = dict[int, FloatArray]
BLOCKS, SAMPLED = 6, 12
COLUMNS = {
    *("estimator", "label", "measure", "layer", "depth", "other_layer", "other_depth", "value", "low", "high"),
    *("null", "null_low", "null_high", "p", "texts", "groups", "sinks"),
    *("stage", "name", "model", "corpus", "view", "site", "position"),
}
OF_CURVES = {"alternation", "alternation_cross", "parity", "tradeoff", "tradeoff_lagged", "attention_adjacent"}
OF_LAYERS = {"complementarity", "cka", "neighbourhood_overlap", "attention", "attention_heads"}
SETTINGS: dict[str, Any] = {
    "labels": ("related",),
    "sites": ("residual", "attention"),
    "coordination": {"splits": 2, "samples": 20},
}


def coordinated(corpus: Path, *manifests: Path, **settings: Any) -> pd.DataFrame:
    """The table of coordination, after the probes of the same experiment."""
    probed(probe_job(**(SETTINGS | settings)), corpus, *manifests)
    raise_from(run_coordination(corpus, *manifests, **settings))
    return read_table(corpus.parent / "out" / "e.coordination.parquet")


def raise_from(done: Result) -> None:
    if done.exception is not None:
        raise done.exception


def run_coordination(corpus: Path, *manifests: Path, **settings: Any) -> Result:
    texts = corpus.parent / "out" / "e.texts.parquet"
    return run_probes_command(probe_job("coordination", **(SETTINGS | settings)), corpus, manifests, texts)


def of(rows: pd.DataFrame, measure: str, sinks: str = "with") -> pd.DataFrame:
    return rows[(rows["measure"] == measure) & (rows["sinks"] == sinks)].reset_index(drop=True)


# A real model ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Path]]:
    """Corpus and manifests of two shards of a decoder with random weights."""
    folder = tmp_path_factory.mktemp("model")
    path = folder / "c.parquet"
    written(relation_texts(pair_table([4] * 4), [RELATION]), path)
    checkpoint = prepared(tiny_llama(folder / "llama", layers=BLOCKS), folder)
    settings: dict[str, Any] = {
        "sites": ("residual", "attention"),
        "positions": ("mean", "spans"),
        "attention_texts": 2 * SAMPLED,
        "shards": 2,
    }
    return path, [extracted(checkpoint, path, job(shard=shard, **settings)) for shard in range(2)]


@pytest.fixture(scope="module")
def table(model: tuple[Path, list[Path]]) -> pd.DataFrame:
    path, manifests = model
    return coordinated(path, *manifests, estimators=("svm", "ridge"), positions=("span:second",))


def test_rows_are_those_of_the_measures(table: pd.DataFrame) -> None:
    assert set(table.columns) == COLUMNS
    assert set(table["sinks"]) == {"with"}  # a span is a single token
    assert set(table["measure"]) == (OF_CURVES | OF_LAYERS) - {"tradeoff", "tradeoff_lagged"}  # of one label
    assert not table.duplicated(["estimator", "label", "measure", "layer", "other_layer"]).any()
    assert table[["value", "low", "high"]].notna().all(axis=None)
    for estimator in ("svm", "ridge"):
        own = table[table["estimator"] == estimator]
        assert set(own["measure"]) == {"alternation", "alternation_cross", "parity", "complementarity"}
        assert set(own["label"]) == {"related"}
    shared = table[table["estimator"] == ""]
    assert set(shared["measure"]) == {
        *("cka", "neighbourhood_overlap", "attention", "attention_adjacent", "attention_heads")
    }


def test_layers_are_blocks_from_1(table: pd.DataFrame) -> None:
    whole = table["measure"].isin(OF_CURVES)
    assert table.loc[whole, ["layer", "depth", "other_layer", "other_depth"]].isna().all(axis=None)
    rows = table[~whole]
    assert rows[["layer", "depth", "other_layer", "other_depth"]].notna().all(axis=None)
    np.testing.assert_allclose(rows["depth"], rows["layer"] / BLOCKS)
    np.testing.assert_allclose(rows["other_depth"], rows["other_layer"] / BLOCKS)
    neighbours = {(block, block + 1) for block in range(1, BLOCKS)}
    apart = {(block, block + offset) for offset in (1, 2, 3) for block in range(1, BLOCKS + 1 - offset)}
    every = {(one, other) for one in range(1, BLOCKS + 1) for other in range(one + 1, BLOCKS + 1)}
    for (_, measure), part in rows.groupby(["estimator", "measure"]):
        expected = {"cka": apart, "neighbourhood_overlap": apart, "attention": every}.get(str(measure), neighbours)
        assert set(zip(part["layer"], part["other_layer"], strict=True)) == expected


def test_counts_are_those_of_what_is_measured(table: pd.DataFrame, model: tuple[Path, list[Path]]) -> None:
    corpus = read_corpus(model[0])
    of_patterns = table["measure"].str.startswith("attention")
    assert (table.loc[~of_patterns, ["texts", "groups"]] == [64, 8]).all(axis=None)
    sampled = [text for text, _ in Activations(model[1]).attention_patterns()]
    # The second shard holds shuffled texts for the most part, of which none is sampled.
    assert (corpus["view"].iloc[sampled] == "original").all()
    expected = [len(sampled), corpus["group"].iloc[sampled].nunique()]
    assert (table.loc[of_patterns, ["texts", "groups"]] == expected).all(axis=None)


def test_attention_is_that_of_the_last_item_to_the_others(table: pd.DataFrame, model: tuple[Path, list[Path]]) -> None:
    path, manifests = model
    corpus, activations = read_corpus(path), Activations(manifests)
    items, queries = activations.span_tokens("first"), activations.span_tokens("second")
    weights, texts = [], []
    for text, pattern in activations.attention_patterns():
        first, last = items[text]
        assert 0 < first <= last < queries[text, 1]
        assert first < last  # several sub-tokens
        weights.append(item_weights(pattern, int(queries[text, 1]), [list(range(first, last + 1))]))
        texts.append(text)
    lengths = [f"{np.ptp(items[text])} {np.ptp(queries[text])}" for text in texts]
    expected = attention_coordination(
        np.stack(weights),
        corpus["group"].to_numpy(dtype=str)[texts],
        CoordinationResampling(samples=100, splits=2, level=0.95, seed=0),
        stratify_by=lengths,
    )
    found = table[table["measure"].str.startswith("attention")].reset_index(drop=True)
    for column in ("label", "measure", "value", "low", "high", "null", "p"):
        pd.testing.assert_series_equal(found[column], expected[column])


def test_accuracy_curves_hold_the_texts_of_their_label(model: tuple[Path, list[Path]], table: pd.DataFrame) -> None:
    assert len(table)
    corpus = read_corpus(model[0])
    original = corpus[corpus["view"] == "original"]
    texts = read_table(model[0].parent / "out" / "e.texts.parquet")
    own = texts[(texts["site"] == "attention") & (texts["estimator"] == "ridge")]
    (curve,) = accuracy_curves(own, original)
    assert curve.name == "related"
    assert curve.correct.shape == (1, BLOCKS, 64)
    np.testing.assert_allclose(curve.depths, np.arange(1, BLOCKS + 1) / BLOCKS)
    scores = read_table(model[0].parent / "out" / "e.layers.parquet").query(
        "site == 'attention' and estimator == 'ridge' and measure == 'balanced_accuracy' and control == ''"
    )
    np.testing.assert_allclose(curve.curve, scores["score"], rtol=1e-6)
    ids = own["text"].drop_duplicates().sort_values().tolist()
    assert [sorted(names) for names in curve.items] == [sorted(text.split("+")) for text in ids]


# Planted states and patterns ------------------------------------------------------------------------------------------


def planted(
    path: Path,
    *,
    blocks: int = 8,
    stored_blocks: list[int] | None = None,
    altered: Callable[[Patterns], Patterns] = lambda patterns: patterns,
    **changed: Any,
) -> Path:
    """Relatedness that every other block tells, and patterns in which neighbouring blocks attend alike."""
    corpus = written(relation_texts(pair_table([6] * 4), [RELATION], shuffled=False), path)
    code = 2.0 * corpus["label.related"].to_numpy(dtype=np.float64) - 1
    kept = stored_blocks or list(range(1, blocks + 1))
    own = np.stack([item_states(corpus, 1, code=code * (block % 2), seed=block)[0] for block in kept])
    random = np.random.default_rng(0)
    patterns = {}
    for text in range(20):
        pattern = np.tril(np.ones((blocks, 2, 9, 9)))
        share = random.random()
        for block in range(blocks):
            share = 0.8 * share + 0.2 * random.random()
            pattern[block, :, 7, 2:4] += 20 * share
        patterns[text] = pattern / pattern.sum(axis=-1, keepdims=True)
    spans = {"first": np.tile([2, 3], (len(corpus), 1)), "second": np.tile([6, 7], (len(corpus), 1))}
    arguments: dict[str, Any] = {
        "lengths": np.full(len(corpus), 9),
        "depth": blocks,
        "layers": {"attention": [str(block) for block in kept]},
        "spans": spans,
        "patterns": altered(patterns),
    }
    return stored(path, {("attention", "mean"): own}, **(arguments | changed))


def test_planted_turns_and_neighbours_that_attend_alike_are_found(tmp_path: Path) -> None:
    path = tmp_path / "c.parquet"
    rows = coordinated(path, planted(path), sites=("attention",))
    assert of(rows, "alternation_cross")["p"].item() <= 0.05
    parity = of(rows, "parity")
    assert parity["value"].item() > 0.3  # counted from 0, the blocks that tell are the even ones
    assert parity["p"].item() <= 0.05
    adjacent = of(rows, "attention_adjacent")
    assert adjacent["label"].tolist() == ["offset 1", "offset 2", "offset 3"]
    assert adjacent["value"].is_monotonic_decreasing
    assert adjacent["p"].iloc[0] <= 0.05
    # Of each two neighbours one tells everything.
    assert of(rows, "complementarity")["value"].max() < 0.1
    # No text has a sink; attention has one form.
    attention = rows["measure"].str.startswith("attention")
    assert set(rows.loc[attention, "sinks"]) == {"with"}
    with_sinks, without = (
        rows[~attention & (rows["sinks"] == sinks)].drop(columns="sinks").reset_index(drop=True)
        for sinks in ("with", "without")
    )
    pd.testing.assert_frame_equal(with_sinks, without)


def test_turns_that_sinks_hide_are_found_without_them(tmp_path: Path) -> None:
    path = tmp_path / "c.parquet"
    manifest = planted(path)
    without = np.stack([Activations([manifest]).pooled("mean", layer, "attention") for layer in range(8)])
    hidden = without + 1000 * np.random.default_rng(0).standard_normal(without.shape)
    blocks = [str(block) for block in range(1, 9)]
    stored(
        path,
        {("attention", "mean"): hidden, ("attention", "mean_without_sinks"): without},
        layers={"attention": blocks},
        depth=8,
        sinks=[(0,)] * without.shape[1],
    )
    rows = coordinated(path, manifest, sites=("attention",))
    assert of(rows, "parity")["p"].item() > 0.05
    assert of(rows, "parity", "without")["p"].item() <= 0.05
    assert of(rows, "parity", "without")["value"].item() > 0.3


def test_each_two_labels_are_set_against_each_other(tmp_path: Path) -> None:
    path = tmp_path / "c.parquet"
    rows = coordinated(path, planted(path), sites=("attention",), labels=("related", "relation"))
    of_labels = rows[rows["estimator"] == "ridge"].groupby("label")["measure"].unique().map(set)
    alone = {"alternation", "alternation_cross", "parity", "complementarity"}
    assert of_labels.to_dict() == {
        "related": alone,
        "relation": alone,
        "related | relation": {"tradeoff", "tradeoff_lagged"},
    }


def test_the_first_view_and_position_are_measured(tmp_path: Path) -> None:
    path = tmp_path / "c.parquet"
    manifest = planted(path)
    plain = coordinated(path, manifest, sites=("attention",))
    pd.testing.assert_frame_equal(
        coordinated(path, manifest, sites=("attention",), views=("original",), controls=("selectivity",)), plain
    )


def test_attention_is_numbered_by_blocks_where_only_some_layers_are_stored(tmp_path: Path) -> None:
    path = tmp_path / "c.parquet"
    kept = [1, 3, 4, 6, 7]
    rows = coordinated(path, planted(path, stored_blocks=kept), sites=("attention",))
    of_patterns = rows[rows["measure"].isin(["attention", "attention_heads"])]
    assert set(of_patterns["layer"]) == set(range(1, 8))
    assert set(of_patterns["other_layer"]) == set(range(2, 9))
    np.testing.assert_allclose(of_patterns["depth"], of_patterns["layer"] / 8)
    of_states = rows[rows["measure"].isin(["cka", "complementarity"])]
    assert set(of_states["layer"]) == set(kept[:-1])
    assert set(of_states["other_layer"]) == set(kept[1:])
    np.testing.assert_allclose(of_states["other_depth"], of_states["other_layer"] / 8)


# What is refused ------------------------------------------------------------------------------------------------------


def edges(start: int, end: int) -> npt.NDArray[np.int64]:
    return np.tile([start, end], (96, 1))


@pytest.mark.parametrize("spans", [{}, {"only": edges(2, 3)}])
def test_texts_of_one_item_have_no_attention_between_items(tmp_path: Path, spans: dict[str, Any]) -> None:
    path = tmp_path / "c.parquet"
    rows = coordinated(path, planted(path, spans=spans), sites=("attention",))
    assert not rows["measure"].str.startswith("attention").any()
    assert {"alternation", "cka", "complementarity"} <= set(rows["measure"])


def test_a_model_without_attention_maps_keeps_what_is_measured_on_states(tmp_path: Path) -> None:
    path = tmp_path / "c.parquet"
    rows = coordinated(path, planted(path, patterns={}), sites=("attention",))
    assert not rows["measure"].str.startswith("attention").any()
    assert {"alternation", "cka", "complementarity"} <= set(rows["measure"])


def test_blocks_without_attention_are_in_no_pair(tmp_path: Path) -> None:
    def holes(patterns: Patterns) -> Patterns:
        for pattern in patterns.values():
            pattern[[1, 4]] = np.nan
        return patterns

    path = tmp_path / "c.parquet"
    whole = coordinated(path, planted(path), sites=("attention",))
    rows = coordinated(path, planted(path, altered=holes), sites=("attention",))
    key = ["layer", "other_layer"]
    expected, found = (of(table, "attention").set_index(key)["value"] for table in (whole, rows))
    blocks = {1, 3, 4, 6, 7, 8}
    assert set(found.index) == {pair for pair in expected.index if set(pair) <= blocks}
    np.testing.assert_allclose(found, expected.loc[found.index], rtol=1e-12)
    heads = of(rows, "attention_heads")
    assert list(zip(heads["layer"], heads["other_layer"], strict=True)) == [(3, 4), (6, 7), (7, 8)]
    adjacent = of(rows, "attention_adjacent").set_index("label")["value"]
    pairs = [(3, 4), (6, 7), (7, 8)]
    assert adjacent["offset 1"] == pytest.approx(expected.loc[pairs].mean())


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        (
            {"spans": {"first": edges(0, 1), "second": edges(6, 7)}},
            "in 0 forms; expected one, with an item that is neither first nor last token",
        ),
        ({"blocks": 4}, "experiment e of model m: 4 blocks; coordination needs 5"),
    ],
)
def test_a_store_without_what_is_measured_is_refused_in_one_line(
    tmp_path: Path, changed: dict[str, Any], line: str
) -> None:
    path = tmp_path / "c.parquet"
    manifest = planted(path, **changed)
    with pytest.raises(FathomError) as caught:
        coordinated(path, manifest, sites=("attention",))
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)


def test_texts_whose_items_differ_in_number_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.parquet"
    first = edges(2, 3)
    first[5] = [0, 3]
    spans = {"first": first, "second": edges(4, 5), "third": edges(6, 7)}
    manifest = planted(path, spans=spans)
    with pytest.raises(FathomError, match="20 sampled texts have items that attention can be read of, in 2 forms"):
        coordinated(path, manifest, sites=("attention",))


def test_coordination_reads_the_attention_site(tmp_path: Path) -> None:
    path = tmp_path / "c.parquet"
    corpus = written(item_texts(item_table([6] * 3), ["{article} {item}"]), path)
    manifest = stored(path, {("residual", "mean"): item_states(corpus, 4)})
    settings: dict[str, Any] = {"labels": ("odd",), "sites": ("residual",)}
    with pytest.raises(FathomError, match="holds no site 'attention', only residual"):
        coordinated(path, manifest, **settings)


def test_coordination_without_what_the_probes_found_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.parquet"
    manifest = planted(path)
    settings = probe_job("coordination", **(SETTINGS | {"sites": ("attention",)}))
    done = run_probes_command(settings, path, [manifest])
    assert str(done.exception) == "--texts: expected the texts table of the experiment, for coordination"
    done = run_coordination(path, manifest, sites=("attention",))
    assert isinstance(done.exception, FathomError)
    assert "e.texts.parquet: no such table" in str(done.exception)


def test_texts_of_another_experiment_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.parquet"
    manifest = planted(path)
    probed(probe_job(**(SETTINGS | {"sites": ("attention",)})), path, manifest)
    with pytest.raises(
        FathomError, match=r"texts table holds no such texts; expected those of .* site attention, mean"
    ):
        raise_from(run_coordination(path, manifest, sites=("residual",), positions=("mean",), views=("template 2",)))
    texts = path.parent / "out" / "e.texts.parquet"
    write_table(read_table(texts).assign(text="cat+dog"), texts)
    with pytest.raises(FathomError, match=r"holds texts that the corpus lacks, such as 'cat\+dog'; expected those of"):
        raise_from(run_coordination(path, manifest, sites=("attention",)))
