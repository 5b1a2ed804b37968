"""The tables of the metrics stage, from stores of real tiny models and from stores of planted states."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from tests.extraction import extracted, job, prepared
from tests.measures import measure, measured, only
from tests.stores import SINK_FACTS, judged_facts, mean_without_sinks
from tests.tiny import SENTENCES

from fathom.activations.settings import SinkSettings
from fathom.io.corpus_table import read_corpus, write_corpus
from fathom.io.tables import read_table, write_table
from fathom.metrics import text_tables as text_tables_module
from fathom.metrics.corpus_tables import corpus_table, layer_pairs_table
from fathom.metrics.definitions.curvature import curvature
from fathom.metrics.definitions.dataset_entropy import matrix_entropy
from fathom.metrics.definitions.effective_rank import attention_rank, effective_rank
from fathom.metrics.definitions.infonce import infonce
from fathom.metrics.definitions.label_overlap import label_overlap, label_overlap_chance
from fathom.metrics.definitions.lidar import lidar
from fathom.metrics.definitions.linear_cka import linear_cka
from fathom.metrics.definitions.sinks import heads_attending
from fathom.metrics.job import MetricJob
from fathom.metrics.measure import CURVE_COLUMNS, Measure, make_measure
from fathom.metrics.preparation import prepare
from fathom.metrics.settings import METRICS
from fathom.metrics.sink_tables import MARGIN_COLUMNS
from fathom.metrics.text_tables import make_tables as text_tables
from fathom.runtime.errors import FathomError
from fathom.store.layout import SINK_SCORES, TOKEN_FACTS, Shape
from fathom.store.reader import Activations
from fathom.store.writer import StoreWriter

Array = npt.NDArray[np.float64]
# The norms of a model with random weights hardly differ: tokens of more than 1.05 medians are sinks here.
RULE = SinkSettings(norm=1.05, attended_norm=1.05)
TABLES = ("prompt_entropy", "curvature", "effective_rank", "sinks", "token_norms", "sink_margins")


class Counted(Activations):
    """Counts how often the token states of each text are read, by site."""

    def __init__(self, manifests: Sequence[Path]) -> None:
        super().__init__(manifests)
        self.reads: Counter[tuple[str, int]] = Counter()
        self.largest = 0
        for first, store in zip(np.cumsum([0] + [store.texts for store in self.stores]), self.stores, strict=False):
            store.tokens = self._counting(store.tokens, int(first))  # type: ignore[method-assign]

    def _counting(self, read: Any, before: int) -> Any:
        def tokens(first: int, last: int, site: str = "residual") -> npt.NDArray[np.float32]:
            self.reads.update((site, before + text) for text in range(first, last))
            states: npt.NDArray[np.float32] = read(first, last, site)
            self.largest = max(self.largest, states.nbytes)
            return states

        return tokens


def token_measures(positions: int = 64) -> list[Measure]:
    return [
        measure("prompt_entropy", "centred", "rows", "as_published", normalisation="max"),
        measure("curvature", "none"),
        measure("effective_rank", "rows"),
        measure("sinks", arguments={"positions": positions}),
    ]


def metric_job(*measures: Any, **changes: Any) -> MetricJob:
    content = {"model": "tiny", "corpus": "texts", "bootstrap": 50, "level": 0.9, "seed": 0} | changes
    return MetricJob.model_validate({"measured": measures or [measured("sinks")], **content})


def corpus_of(rows: list[dict[str, Any]], path: Path) -> Path:
    write_corpus(pd.DataFrame(rows), path, "texts")
    return path


def text_rows() -> list[dict[str, Any]]:
    return [
        {"id": f"t{index}", "text": text, "view": "original", "group": f"g{index // 2}"}
        for index, text in enumerate(SENTENCES)
    ]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return corpus_of(text_rows(), tmp_path_factory.mktemp("tables") / "texts.parquet")


def manifests_of(folder: Path, corpus: Path, results: Path, shards: int = 1) -> list[Path]:
    model = prepared(folder, results)
    positions = ["tokens", "mean"]
    settings: dict[str, Any] = {"positions": positions, "sites": "all", "attention_texts": 99, "sinks": RULE}
    settings["shards"] = shards
    return [extracted(model, corpus, job(shard, **settings)) for shard in range(shards)]


@pytest.fixture(scope="module")
def llama_shards(llama: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Path], list[Path]]:
    """The same states in one shard and in two."""
    found = []
    for shards in (1, 2):
        folder = tmp_path_factory.mktemp(f"shards{shards}")
        found.append(manifests_of(llama, corpus_of(text_rows(), folder / "texts.parquet"), folder, shards))
    return found[0], found[1]


@pytest.fixture(scope="module")
def one_shard(llama_shards: tuple[list[Path], list[Path]]) -> list[Path]:
    return llama_shards[0]


@pytest.fixture(scope="module")
def tables(one_shard: list[Path], corpus: Path) -> dict[str, pd.DataFrame]:
    return tables_of(one_shard, corpus)


def tables_of(
    manifests: list[Path], corpus: Path, *, threads: int = 1, measures: list[Measure] | None = None, **changes: Any
) -> dict[str, pd.DataFrame]:
    chosen = token_measures() if measures is None else measures
    return text_tables(Activations(manifests), read_corpus(corpus), chosen, metric_job(**changes), threads)


def states_of(manifests: list[Path], site: str) -> list[Array]:
    return [
        states.astype(np.float64) for block in Activations(manifests).token_blocks(1 << 30, site) for states in block
    ]


def assert_same(one: dict[str, pd.DataFrame], other: dict[str, pd.DataFrame]) -> None:
    assert one.keys() == other.keys()
    for name in one:
        assert len(one[name])
        pd.testing.assert_frame_equal(one[name].reset_index(drop=True), other[name].reset_index(drop=True), obj=name)


# Metrics of the tokens of a text -------------------------------------------------------------------------------------


def test_values_are_the_public_functions_of_the_stored_states(
    one_shard: list[Path], tables: dict[str, pd.DataFrame]
) -> None:
    assert tuple(tables) == TABLES
    stored = states_of(one_shard, "residual")
    sinks = Activations(one_shard).sinks()
    assert sum(int(one.sum()) for one in sinks) >= 3
    for name, form, function in (
        ("prompt_entropy", "centred", matrix_entropy),
        ("prompt_entropy", "rows", matrix_entropy),
        ("curvature", "none", curvature),
        ("effective_rank", "rows", effective_rank),
    ):
        table = only(tables[name], site="residual", preparation=form)
        assert list(table.columns) == CURVE_COLUMNS
        assert len(table) == len(SENTENCES) * 4 * 2
        for text, states in enumerate(stored):
            for layer, z in enumerate(states):
                for chosen, kept in (("with", z), ("without", z[~sinks[text]])):
                    line = only(table, text=f"t{text}", layer=layer, sinks=chosen)
                    # The embeddings of a token that comes twice in a row have no angle between them.
                    if name == "curvature" and layer == 0 and line["value"].isna().all():
                        with pytest.raises(ValueError, match="are the same") as caught:
                            curvature(kept)
                        assert line["reason"].item() == str(caught.value)
                    else:
                        expected = function(prepare(kept, form))  # type: ignore[arg-type]
                        assert line["raw"].item() == pytest.approx(expected, rel=1e-9)
                    assert line["group"].item() == f"g{text // 2}"
                    assert line["view"].item() == "original"
                    assert line["depth"].item() == pytest.approx(layer / 3)


def test_rank_at_every_site_and_of_the_attention_maps(one_shard: list[Path], tables: dict[str, pd.DataFrame]) -> None:
    table = tables["effective_rank"]
    activations = Activations(one_shard)
    assert set(table["site"]) == {*activations.sites, "attention_patterns"}
    assert len(activations.sites) == 5
    for site in activations.sites[1:]:
        rows = only(table, site=site, sinks="with")
        assert rows["layer"].tolist() == [1, 2, 3] * len(SENTENCES)
        found = rows["raw"].to_numpy().reshape(len(SENTENCES), 3)
        expected = [[effective_rank(prepare(z, "rows")) for z in states] for states in states_of(one_shard, site)]
        np.testing.assert_allclose(found, expected, rtol=1e-9)
    patterns = only(table, site="attention_patterns")
    assert set(zip(patterns["sinks"], patterns["preparation"], strict=True)) == {("with", "none")}
    assert patterns["depth"].tolist() == pytest.approx([1 / 3, 2 / 3, 1] * len(SENTENCES))
    expected_ranks = [attention_rank(one).mean(axis=1) for _, one in activations.attention_patterns()]
    np.testing.assert_allclose(patterns["value"], np.concatenate(expected_ranks), rtol=1e-12)


def test_tokens_left_out_are_those_of_the_residual_stream_at_every_site(
    one_shard: list[Path], tables: dict[str, pd.DataFrame]
) -> None:
    sinks = {text: np.unique(rows["position"]) for text, rows in tables["sinks"].groupby("text")}
    rows = only(tables["effective_rank"], site="mlp", sinks="without")
    for text, states in enumerate(states_of(one_shard, "mlp")):
        kept = np.delete(states, sinks.get(f"t{text}", []), axis=1)
        expected = [effective_rank(prepare(z, "rows")) for z in kept]
        np.testing.assert_allclose(only(rows, text=f"t{text}")["raw"], expected, rtol=1e-9)


def test_only_a_metric_of_all_sites_reads_them(tables: dict[str, pd.DataFrame]) -> None:
    for name in ("prompt_entropy", "curvature"):
        assert set(tables[name]["site"]) == {"residual"}


def test_sinks_and_profile_of_real_states(one_shard: list[Path], corpus: Path) -> None:
    tables = tables_of(one_shard, corpus, measures=token_measures(positions=7))
    sinks, norms = tables["sinks"], tables["token_norms"]
    assert list(sinks.columns[:5]) == ["text", "group", "view", "layer", "depth"]
    activations = Activations(one_shard)
    ids = activations.token_ids()
    patterns = dict(activations.attention_patterns())
    stored = states_of(one_shard, "residual")
    strings, scores = activations.token_strings(), activations.sink_scores()
    for _, row in sinks.iterrows():
        text, layer, position = int(row["text"][1:]), row["layer"], row["position"]
        lengths = np.linalg.norm(stored[text][layer], axis=1)
        assert row["token_id"] == ids[text][position]
        assert row["token"] == strings[row["token_id"]] != ""
        assert row["score"] == scores[text][position] > 1
        assert row["norm_ratio"] == pytest.approx(lengths[position] / np.median(lengths), rel=1e-5)
        if layer == 0:
            assert np.isnan(row["heads"])
        else:
            assert row["heads"] == pytest.approx(heads_attending(patterns[text])[layer - 1, position])
    assert set(sinks["rule"]) == {RULE.in_words()}
    assert len(sinks) == 4 * sum(int(one.sum()) for one in activations.sinks())
    entropies = only(tables["prompt_entropy"], preparation="centred", sinks="with").set_index(["text", "layer"])[
        "value"
    ]
    merged = entropies.loc[list(zip(sinks["text"], sinks["layer"], strict=True))].to_numpy()
    np.testing.assert_allclose(sinks["entropy"].to_numpy(dtype=float), merged, rtol=1e-12)
    for text, layer in ((0, 1), (3, 2)):
        for _, row in only(sinks, text=f"t{text}", layer=layer).iterrows():
            kept = np.delete(stored[text][layer], row["position"], axis=0)
            expected = matrix_entropy(prepare(kept, "centred")) / np.log(min(kept.shape))
            assert row["entropy_left"] == pytest.approx(expected, rel=1e-9)
    assert len(norms) == 4 * 7
    first = only(norms, layer=2, position=0)
    ratios = [np.linalg.norm(z[2], axis=1)[0] / np.median(np.linalg.norm(z[2], axis=1)) for z in stored]
    assert first["norm_ratio"].item() == pytest.approx(np.median(ratios), rel=1e-5)
    assert first["heads"].item() == pytest.approx(np.mean([heads_attending(one)[1, 0] for one in patterns.values()]))
    assert first["sink_rate"].item() == np.mean([marked[0] for marked in activations.sinks()])


def test_margins_say_how_near_a_text_is_to_other_sinks(one_shard: list[Path], tables: dict[str, pd.DataFrame]) -> None:
    table = tables["sink_margins"]
    assert list(table.columns) == ["text", "group", "view", *MARGIN_COLUMNS, "rule"]
    assert table["text"].tolist() == [f"t{text}" for text in range(len(SENTENCES))]
    assert set(table["rule"]) == {RULE.in_words()}
    for (_, row), scores in zip(table.iterrows(), Activations(one_shard).sink_scores(), strict=True):
        assert (row["tokens"], row["sink_tokens"]) == (len(scores), (scores > 1).sum())
        assert row["nearest_other"] == scores[scores <= 1].max() <= 1
        assert np.isnan(row["weakest_sink"]) if not row["sink_tokens"] else row["weakest_sink"] > 1


def test_two_shards_are_one(
    llama_shards: tuple[list[Path], list[Path]], tables: dict[str, pd.DataFrame], corpus: Path
) -> None:
    _, two = llama_shards
    assert len(two) == 2
    for name, table in tables_of(two, corpus).items():
        pd.testing.assert_frame_equal(table, tables[name], rtol=1e-5, atol=1e-6, obj=name)  # batches differ: float32


@pytest.mark.parametrize("threads", [2, 3])
def test_threads_change_nothing(
    one_shard: list[Path], tables: dict[str, pd.DataFrame], corpus: Path, threads: int
) -> None:
    assert_same(tables_of(one_shard, corpus, threads=threads), tables)


def test_the_size_of_a_block_changes_nothing(
    llama_shards: tuple[list[Path], list[Path]], corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = tables_of(llama_shards[1], corpus)
    monkeypatch.setattr(text_tables_module, "BLOCK_BYTES", 1)
    assert_same(tables_of(llama_shards[1], corpus), whole)


@pytest.mark.parametrize("shards", [0, 1])
def test_one_read_serves_all_metrics(
    llama_shards: tuple[list[Path], list[Path]], corpus: Path, shards: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for block_bytes in (1, 128 << 20):
        monkeypatch.setattr(text_tables_module, "BLOCK_BYTES", block_bytes)
        counted = Counted(llama_shards[shards])
        tables = text_tables(counted, read_corpus(corpus), token_measures(), metric_job(), 1)
        assert tuple(tables) == TABLES
        assert counted.reads == Counter({(site, text): 1 for site in counted.sites for text in range(len(SENTENCES))})


def test_sinks_alone_are_no_reason_to_read_another_site(one_shard: list[Path], corpus: Path) -> None:
    counted = Counted(one_shard)
    measures = [measure("prompt_entropy", "centred"), measure("sinks")]
    text_tables(counted, read_corpus(corpus), measures, metric_job(), 1)
    assert {site for site, _ in counted.reads} == {"residual"}


# Planted states ------------------------------------------------------------------------------------------------------


def planted_store(
    folder: Path,
    texts: list[npt.NDArray[np.float32]],
    patterns: dict[int, npt.NDArray[np.float32]] | None = None,
    *,
    only_sinks: Collection[int] = (),
) -> Path:
    """A store of given token states, (layers, tokens, width) each, and attention patterns of some texts.

    Sinks are those of the rule, and all tokens of the texts that are said to have no others.
    """
    lengths = np.array([states.shape[1] for states in texts])
    layers, _, width = texts[0].shape
    names = tuple(map(str, range(layers)))
    positions = ("tokens", "mean", "mean_without_sinks")
    shape = Shape({"residual": names}, len(texts), int(lengths.sum()), width, layers - 1, "float32", positions)
    writer = StoreWriter(folder / "1-of-1.zarr.zip", shape, compression="none")
    for text, states in enumerate(texts):
        heads = heads_attending(patterns[text]) if patterns and text in patterns else None
        facts = judged_facts(shape, states, heads)
        if text in only_sinks:
            facts[TOKEN_FACTS, SINK_SCORES][:] = 2.0
        means = (states.mean(axis=1, keepdims=True), mean_without_sinks(states, facts))
        writer.append(
            {("residual", position): one for position, one in zip(positions, (states, *means), strict=True)} | facts
        )
    if patterns:
        sampled = np.array(list(patterns), dtype=np.int64)
        writer.write_patterns(sampled, lengths[sampled], iter(patterns.values()))
    writer.close(np.arange(lengths.sum(), dtype=np.int32), lengths)
    manifest = folder / "1-of-1.manifest.json"
    strings = {str(token): f"<{token}>" for token in range(lengths.sum())}
    writer.finish(manifest, {"sinks": SINK_FACTS | {"strings": strings}})
    return manifest


def normal_states(seed: int, tokens: int, *, layers: int = 3, width: int = 8) -> npt.NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal((layers, tokens, width)).astype(np.float32)


def plain_corpus(folder: Path, texts: int) -> pd.DataFrame:
    rows = [{"id": f"t{index}", "text": "x", "view": "original", "group": f"g{index}"} for index in range(texts)]
    return read_corpus(corpus_of(rows, folder / "texts.parquet"))


def test_a_planted_sink_is_found_in_its_text(tmp_path: Path) -> None:
    texts = [normal_states(seed, tokens) for seed, tokens in enumerate((9, 12, 7))]
    texts[1][1:, 4] *= 300.0
    manifest = planted_store(tmp_path, texts)
    corpus = plain_corpus(tmp_path, 3)
    tables = text_tables(Activations([manifest]), corpus, token_measures(), metric_job(), 2)
    sinks = tables["sinks"]
    assert sinks["text"].tolist() == ["t1"] * 3
    assert sinks["position"].tolist() == [4] * 3
    assert sinks["token_id"].tolist() == [9 + 4] * 3  # ids count on through the store
    assert sinks["token"].tolist() == ["<13>"] * 3
    assert (sinks["score"] > 1).all()
    assert sinks["norm_ratio"].tolist()[0] < 20 < min(sinks["norm_ratio"].tolist()[1:])
    assert sinks["heads"].isna().all()
    assert (sinks["entropy_left"] > sinks["entropy"])[1:].all()
    norms = tables["token_norms"]
    assert only(norms, position=4)["sink_rate"].tolist() == pytest.approx([1 / 3] * 3)
    assert tables["sink_margins"]["sink_tokens"].tolist() == [0, 1, 0]
    assert only(norms, position=8)["texts"].tolist() == [2, 2, 2]
    entropy = only(tables["prompt_entropy"], preparation="rows").pivot_table(
        index=["text", "layer"], columns="sinks", values="value"
    )
    differs = entropy["with"] != entropy["without"]
    assert set(differs[differs].index.get_level_values("text")) == {"t1"}


def test_heads_are_those_of_the_block_that_makes_the_layer(tmp_path: Path) -> None:
    """Block 1 looks at all tokens alike; in block 2 one head of two looks at the sink alone, the other at itself."""
    texts = [normal_states(0, 8), normal_states(1, 8)]
    for states in texts:
        states[:, 4] *= 300.0
    patterns = np.full((2, 2, 8, 8), 1 / 8, dtype=np.float32)
    patterns[1, 0] = np.eye(8)[4]
    patterns[1, 1] = np.eye(8)
    manifest = planted_store(tmp_path, texts, {1: patterns})
    tables = text_tables(Activations([manifest]), plain_corpus(tmp_path, 2), token_measures(), metric_job(), 1)
    assert only(tables["sinks"], text="t0")["heads"].isna().all()
    found = only(tables["sinks"], text="t1").set_index("layer")["heads"]
    assert np.isnan(found[0])
    assert (found[1], found[2]) == (0.0, 0.5)
    norms = only(tables["token_norms"], layer=2)
    assert norms["heads"].tolist() == [0, 0, 0, 0, 0.5, 0, 0, 0]
    ranks = only(tables["effective_rank"], site="attention_patterns")
    assert ranks["text"].tolist() == ["t1", "t1"]
    assert ranks["layer"].tolist() == [1, 2]
    assert ranks["value"].tolist() == pytest.approx([1.0, (1 + 8) / 2])


def test_texts_without_any_sink_give_an_empty_table_that_can_be_written(tmp_path: Path) -> None:
    manifest = planted_store(tmp_path, [normal_states(0, 8), normal_states(1, 6)])
    tables = text_tables(Activations([manifest]), plain_corpus(tmp_path, 2), token_measures(), metric_job(), 1)
    assert len(tables["sinks"]) == 0
    write_table(tables["sinks"], tmp_path / "sinks.parquet")
    assert list(read_table(tmp_path / "sinks.parquet").columns) == list(tables["sinks"].columns)
    assert (tables["token_norms"]["sink_rate"] == 0).all()


def test_a_layer_of_zeros_has_no_sinks_and_no_activation_ratio(tmp_path: Path) -> None:
    texts = [normal_states(0, 8), normal_states(1, 8)]
    texts[0][1, 1:6] = 0.0
    tables = text_tables(
        Activations([planted_store(tmp_path, texts)]), plain_corpus(tmp_path, 2), token_measures(), metric_job(), 1
    )
    assert tables["sink_margins"]["sink_tokens"].tolist() == [0, 0]
    assert only(tables["prompt_entropy"], preparation="centred")["value"].notna().all()
    assert len(tables["sinks"]) == 0
    norms = tables["token_norms"]
    assert set(norms["texts"]) == {2}
    of_other = np.abs(texts[1][1].astype(np.float64))
    expected = of_other.max(axis=1) / np.median(of_other)
    np.testing.assert_allclose(only(norms, layer=1)["activation_ratio"], expected)


def test_nothing_but_zeros_gives_tables_without_values(tmp_path: Path) -> None:
    manifest = planted_store(tmp_path, [np.zeros((3, 6, 4), dtype=np.float32)])
    tables = text_tables(Activations([manifest]), plain_corpus(tmp_path, 1), token_measures(), metric_job(), 1)
    assert tables["prompt_entropy"]["value"].isna().all()
    assert tables["prompt_entropy"]["reason"].notna().all()
    assert len(tables["sinks"]) == 0
    assert tables["token_norms"]["activation_ratio"].isna().all()


def test_views_have_profiles_of_their_own(tmp_path: Path) -> None:
    texts = [normal_states(seed, 6) for seed in range(4)]
    texts[1][:, 2] *= 100.0
    texts[3][:, 2] *= 100.0
    rows = [
        {"id": f"t{index // 2}", "text": "x", "view": ("original", "p = 0.50")[index % 2], "group": "g"}
        for index in range(4)
    ]
    corpus = read_corpus(corpus_of(rows, tmp_path / "texts.parquet"))
    manifest = planted_store(tmp_path, texts)
    norms = text_tables(Activations([manifest]), corpus, token_measures(), metric_job(), 1)["token_norms"]
    rates = norms.groupby(["view", "position"])["sink_rate"].max()
    assert rates["original"].max() == 0
    assert rates["p = 0.50"].to_dict() == {0: 0.0, 1: 0.0, 2: 1.0, 3: 0.0, 4: 0.0, 5: 0.0}
    assert set(norms["texts"]) == {2}


def test_memory_is_bounded_by_a_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    block = 1 << 19
    monkeypatch.setattr(text_tables_module, "BLOCK_BYTES", block)
    states = normal_states(0, 100, layers=4, width=256)
    texts = 120
    manifest = planted_store(tmp_path, [states] * texts)
    corpus = plain_corpus(tmp_path, texts)
    counted = Counted([manifest])
    measures = [measure("curvature", "none")]
    tracemalloc.start()
    text_tables(counted, corpus, measures, metric_job(), 1)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert counted.largest <= block
    # Eight megabytes are read at a time where digests are checked; the rest is what the texts give.
    assert peak < 0.35 * texts * states.nbytes


# Metrics of corpora, views and pairs of layers -----------------------------------------------------------------------


def view_rows(order: Iterator[int] | list[int], views: int = 3) -> list[dict[str, Any]]:
    """Texts in several views; `order` of the rows, which are numbered view by view."""
    made = [
        {
            "id": f"t{text}",
            # Numbers are unknown to the tiny tokenizer: texts that differ in these alone would repeat each other.
            "text": sentence + " the sea" * (text // 5) + (sentence[: 10 + 6 * view] if view else ""),
            "view": "original" if view == 0 else f"view-{view:02d}",
            "group": f"g{text}",
            "label.old": "yes" if text % 2 else "no",
        }
        for view in range(views)
        for text, sentence in enumerate([*SENTENCES, *SENTENCES])
    ]
    return [made[at] for at in order]


def pooled_store(folder: Path, bert: Path, rows: list[dict[str, Any]]) -> tuple[Activations, pd.DataFrame]:
    folder.mkdir(exist_ok=True)
    corpus = corpus_of(rows, folder / "texts.parquet")
    manifest = extracted(prepared(bert, folder), corpus, job(positions=["mean"]))
    return Activations([manifest]), read_corpus(corpus)


# The first row of each view comes in the order of the views, all else is shuffled: 20 and 10 stand after 0.
SHUFFLED = [
    7,
    10,
    3,
    25,
    0,
    29,
    11,
    5,
    18,
    22,
    1,
    14,
    9,
    20,
    4,
    13,
    28,
    16,
    2,
    27,
    6,
    19,
    8,
    24,
    12,
    21,
    15,
    23,
    17,
    26,
]


@pytest.fixture(scope="module")
def ordered(bert: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Activations, pd.DataFrame]:
    return pooled_store(tmp_path_factory.mktemp("ordered"), bert, view_rows(list(range(30))))


@pytest.fixture(scope="module")
def shuffled(bert: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Activations, pd.DataFrame]:
    return pooled_store(tmp_path_factory.mktemp("shuffled"), bert, view_rows(SHUFFLED))


@pytest.mark.parametrize("metric", ["infonce", "lidar"])
def test_views_are_aligned_by_id_whatever_the_order_of_rows(
    ordered: tuple[Activations, pd.DataFrame], shuffled: tuple[Activations, pd.DataFrame], metric: str
) -> None:
    one = measured(metric, "rows", "as_published", samples=20)
    tables = [corpus_table(*store, make_measure(one), metric_job(one), 1) for store in (ordered, shuffled)]
    columns = ["layer", "preparation", "view", "value", "raw", "low", "high"]
    pd.testing.assert_frame_equal(tables[0][columns], tables[1][columns], rtol=1e-4)  # batches differ: float32
    activations, _ = ordered
    for layer in range(4):
        states = activations.pooled("mean", layer)
        views = [prepare(states[view * 10 : view * 10 + 10], "rows") for view in range(3)]
        expected = infonce(*views[:2]) if metric == "infonce" else lidar(np.stack(views, axis=1))
        line = only(tables[0], layer=layer, preparation="rows", sinks="with")
        assert line["raw"].item() == pytest.approx(expected, rel=1e-9)
        assert line["low"].item() < line["value"].item() < line["high"].item()
    assert set(tables[0]["view"]) == {"original and view-01" if metric == "infonce" else "3 views"}
    assert list(tables[0].columns) == CURVE_COLUMNS
    assert set(tables[0]["site"]) == {"residual"}
    assert tables[0]["sinks"].tolist() == ["with"] * 8 + ["without"] * 8
    assert tables[0]["text"].isna().all()
    assert tables[0]["depth"].tolist() == pytest.approx([*np.repeat([0, 1 / 3, 2 / 3, 1], 2)] * 2)


def test_a_corpus_metric_has_a_curve_for_every_view(shuffled: tuple[Activations, pd.DataFrame]) -> None:
    activations, corpus = shuffled
    one = measured("dataset_entropy", "centred", normalisation="raw", samples=20)
    table = corpus_table(activations, corpus, make_measure(one), metric_job(one), 2)
    assert len(table) == 3 * 4 * 2
    table = only(table, sinks="with")
    for view in ("original", "view-01", "view-02"):
        rows = np.flatnonzero(corpus["view"] == view)
        expected = [matrix_entropy(prepare(activations.pooled("mean", layer)[rows], "centred")) for layer in range(4)]
        np.testing.assert_allclose(only(table, view=view)["value"], expected, rtol=1e-9)


def test_a_text_that_lacks_a_view_is_refused(bert: Path, tmp_path: Path) -> None:
    activations, corpus = pooled_store(tmp_path, bert, view_rows([at for at in range(30) if at != 24]))
    for one in (measured("infonce", "rows"), measured("dataset_entropy", "rows")):
        with pytest.raises(FathomError, match=r"corpus texts: .* text 't4' lacks view 'view-02'"):
            corpus_table(activations, corpus, make_measure(one), metric_job(one), 1)
    cka = measured("linear_cka", "none")
    with pytest.raises(FathomError, match="text 't4' lacks view 'view-02'"):
        layer_pairs_table(activations, corpus, make_measure(cka), metric_job(cka), 1)


def test_a_corpus_of_one_view_has_no_invariance(bert: Path, tmp_path: Path) -> None:
    activations, corpus = pooled_store(tmp_path, bert, view_rows(list(range(10))))
    one = measured("lidar", "rows")
    with pytest.raises(FathomError, match="metric lidar on corpus texts: expected at least 2 views of its texts"):
        corpus_table(activations, corpus, make_measure(one), metric_job(one), 1)


def test_labels(shuffled: tuple[Activations, pd.DataFrame]) -> None:
    activations, corpus = shuffled
    one = measured("label_overlap", "rows", label="old", samples=20)
    table = corpus_table(activations, corpus, make_measure(one), metric_job(one), 1)
    table = only(table, view="view-01", sinks="with")
    rows = np.flatnonzero(corpus["view"] == "view-01")
    labels = corpus["label.old"].to_numpy()[rows]
    assert set(labels) == {"yes", "no"}
    expected = [
        label_overlap(prepare(activations.pooled("mean", layer)[rows], "rows"), labels, k=3) for layer in range(4)
    ]
    np.testing.assert_allclose(table["value"], expected, rtol=1e-12)
    assert set(table["chance"]) == {label_overlap_chance(labels)}
    unknown = measured("label_overlap", "rows", label="age")
    with pytest.raises(FathomError, match="corpus texts: expected a label 'age', found old"):
        corpus_table(activations, corpus, make_measure(unknown), metric_job(unknown), 1)


def test_matrices_of_every_view(shuffled: tuple[Activations, pd.DataFrame]) -> None:
    activations, corpus = shuffled
    one = measured("linear_cka", "none", samples=20)
    table = layer_pairs_table(activations, corpus, make_measure(one), metric_job(one), 1)
    assert len(table) == 3 * 16 * 2
    assert set(table["texts"]) == {10}
    rows = np.flatnonzero(corpus["view"] == "view-02")
    (cell,) = only(table, view="view-02", layer=1, other_layer=3, sinks="with").to_dict("records")
    expected = linear_cka(*(activations.pooled("mean", layer)[rows] for layer in (1, 3)))
    assert cell["value"] == pytest.approx(expected, rel=1e-9)
    assert (cell["depth"], cell["other_depth"]) == pytest.approx((1 / 3, 1))
    assert cell["low"] < cell["high"]


def test_texts_that_are_all_equal_have_no_matrix(tmp_path: Path) -> None:
    states = [normal_states(0, 5)] * 6
    activations = Activations([planted_store(tmp_path, states)])
    one = measured("linear_cka", "none")
    table = layer_pairs_table(activations, plain_corpus(tmp_path, 6), make_measure(one), metric_job(one), 1)
    assert len(table) == 9 * 2
    assert table["value"].isna().all()
    assert table["reason"].str.contains("are equal").all()


# With and without sink tokens ----------------------------------------------------------------------------------------

OF_MEANS = [name for name, metric in METRICS.items() if metric.position == "mean"]


def texts_with_sinks(texts: int, *, views: int = 2) -> list[npt.NDArray[np.float32]]:
    """Texts view by view, of which every second one has a sink."""
    found = []
    for at in range(texts * views):
        states = normal_states(at % texts, 6) + 0.3 * normal_states(100 + at, 6)
        if at % texts % 2:
            states[1:, 0] *= 300.0
        found.append(states)
    return found


def with_sinks(folder: Path, texts: int, *, only_sinks: Collection[int] = ()) -> tuple[Activations, pd.DataFrame]:
    """A store of such texts in two views, and their corpus; all tokens of the second view of some texts are sinks."""
    rows = [
        {"id": f"t{text}", "text": "x", "view": view, "group": f"g{text}", "label.old": "ab"[text % 2]}
        for view in ("view-01", "original")
        for text in range(texts)
    ]
    corpus = read_corpus(corpus_of(rows, folder / "texts.parquet"))
    alone = [texts + text for text in only_sinks]
    return Activations([planted_store(folder, texts_with_sinks(texts), only_sinks=alone)]), corpus


def of_means(name: str) -> tuple[Measure, MetricJob, Any]:
    label = "old" if name == "label_overlap" else None
    one = measured(name, "rows", label=label, samples=20)
    made = layer_pairs_table if one.of == "layers" else corpus_table
    return make_measure(one), metric_job(one), made


def same_values(one: pd.DataFrame, other: pd.DataFrame) -> bool:
    numbers = ["value", "low", "high", "texts"]
    return bool(np.allclose(one[numbers].astype(float), other[numbers].astype(float), rtol=1e-9, equal_nan=True))


@pytest.mark.parametrize("name", OF_MEANS)
def test_every_metric_of_means_has_both_forms(name: str, tmp_path: Path) -> None:
    """What it gives without sinks is what it gives of texts whose sink tokens were never there."""
    activations, corpus = with_sinks(tmp_path, 10)
    one, job, made = of_means(name)
    table = made(activations, corpus, one, job, 1)
    forms = [only(table, sinks=sinks) for sinks in ("with", "without")]
    assert len(forms[0]) == len(forms[1]) == len(table) / 2
    assert forms[1]["value"].notna().any()
    assert not same_values(*forms)

    (tmp_path / "never").mkdir()
    marked = activations.sinks()
    never = [z[:, ~sinks] for z, sinks in zip(texts_with_sinks(10), marked, strict=True)]
    without_them = Activations([planted_store(tmp_path / "never", never)])
    expected = made(without_them, corpus, one, job, 1)
    assert same_values(forms[1], only(expected, sinks="with"))
    # Where no text has a sink, one form is the other.
    assert same_values(only(expected, sinks="with"), only(expected, sinks="without"))


@pytest.mark.parametrize("name", OF_MEANS)
def test_a_text_of_sinks_alone_is_left_out_of_the_form_without_them(name: str, tmp_path: Path) -> None:
    activations, corpus = with_sinks(tmp_path, 10, only_sinks=(3, 4))
    one, job, made = of_means(name)
    table = last_view(made(activations, corpus, one, job, 1))
    assert table.groupby("sinks")["texts"].max().to_dict() == {"with": 10, "without": 8}

    kept = np.flatnonzero(~corpus["id"].isin(["t3", "t4"]).to_numpy())
    (tmp_path / "kept").mkdir()
    others = planted_store(tmp_path / "kept", [texts_with_sinks(10)[at] for at in kept])
    expected = last_view(made(Activations([others]), corpus.iloc[kept].reset_index(drop=True), one, job, 1))
    assert same_values(only(table, sinks="without"), only(expected, sinks="without"))


@pytest.mark.parametrize("name", OF_MEANS)
def test_too_few_texts_with_other_tokens_than_sinks_are_a_reason(name: str, tmp_path: Path) -> None:
    for left in (0, 1):
        folder = tmp_path / str(left)
        folder.mkdir()
        activations, corpus = with_sinks(folder, 8, only_sinks=range(left, 8))
        one, job, made = of_means(name)
        rows = only(last_view(made(activations, corpus, one, job, 1)), sinks="without")
        assert rows["value"].isna().all()
        assert rows["reason"].notna().all()


def last_view(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of the view, or comparison of views, that comes last."""
    return only(table, view=table["view"].iloc[-1])
