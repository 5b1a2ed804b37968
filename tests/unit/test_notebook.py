"""What `import fathom` offers: stored states as xarray, states of one's own texts, results as one frame."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.extraction import extracted, job, prepared, written_corpus
from tests.tiny import SENTENCES

from fathom import hidden_states, open_activations, read_results
from fathom.io.tables import write_table
from fathom.runtime.errors import FathomError
from fathom.store.layout import Dtype
from fathom.store.reader import Activations

SHARDS = 2
BUDGET = 40  # tokens of a batch: the texts run in several


def made(folder: Path, model: Path, dtype: Dtype = "float32", shards: int = SHARDS) -> Path:
    """A folder of results with a model, a corpus and its states, as a run leaves them."""
    manifest = prepared(model, folder)
    (folder / "corpora").mkdir()
    corpus = written_corpus(folder / "corpora" / "texts.parquet")
    for shard in range(shards):
        extracted(manifest, corpus, job(shard, dtype, shards=shards, token_budget=BUDGET))
    (folder / "activations" / "tiny").mkdir(parents=True)
    (folder / "corpora" / "activations").rename(folder / "activations" / "tiny" / "texts")
    return folder


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory, llama: Path) -> Path:
    """Float32 states in two shards; do not change them."""
    return made(tmp_path_factory.mktemp("results"), llama)


@pytest.fixture(scope="module")
def bfloat16(tmp_path_factory: pytest.TempPathFactory, llama: Path) -> Path:
    """Bfloat16 states in one shard; do not change them."""
    return made(tmp_path_factory.mktemp("bfloat16"), llama, "bfloat16", shards=1)


def reader(results: Path, shards: int = SHARDS) -> Activations:
    folder = results / "activations/tiny/texts"
    return Activations([folder / f"{shard + 1}-of-{shards}.manifest.json" for shard in range(shards)])


def all_tokens(activations: Activations) -> Any:
    return np.concatenate([text for block in activations.token_blocks(1 << 20) for text in block], axis=1)


def test_importing_fathom_is_cheap() -> None:
    script = "import sys, fathom; print({'torch', 'xarray', 'pandas', 'pydantic'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


# Stored states -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("position", ["mean", "last", "span:item"])
def test_pooled_states_of_all_shards_are_one_array(results: Path, position: str) -> None:
    states = open_activations("tiny", "texts", position=position, results=results)
    stored = reader(results)
    assert states.dims == ("layer", "text", "width")
    assert states.dtype == np.float32
    assert states["layer"].values.tolist() == ["0", "1", "2", "3"]
    assert states["depth"].values.tolist() == [0.0, 1 / 3, 2 / 3, 1.0]
    assert states["text"].values.tolist() == [f"t{text}" for text in range(len(SENTENCES))]
    assert states["group"].values.tolist() == [f"g{text}" for text in range(len(SENTENCES))]
    np.testing.assert_array_equal(states, np.stack([stored.pooled(position, layer) for layer in range(4)]))
    np.testing.assert_array_equal(states.sel(layer="2", text="t3"), stored.pooled(position, 2)[3])


def test_token_states_know_their_text_their_place_and_their_string(results: Path) -> None:
    states = open_activations("tiny", "texts", position="tokens", token_strings=True, results=results)
    stored = reader(results)
    assert states.dims == ("layer", "token", "width")
    np.testing.assert_array_equal(states, all_tokens(stored))
    for text, (sentence, ids) in enumerate(zip(SENTENCES, stored.token_ids(), strict=True)):
        own = states.sel(token=states["text"] == f"t{text}")
        assert own["token_id"].values.tolist() == ids.tolist()
        assert own["place"].values.tolist() == list(range(len(ids)))
        assert "".join(own["token"].values) == sentence


@pytest.mark.parametrize("asked", [False, True])
def test_tokens_of_paraphrases_are_there_where_they_are_asked_for(tmp_path: Path, llama: Path, asked: bool) -> None:
    manifest = prepared(llama, tmp_path)
    (tmp_path / "corpora").mkdir()
    corpus = written_corpus(tmp_path / "corpora" / "texts.parquet", paraphrased=True)
    for shard in range(SHARDS):  # the second holds paraphrases alone
        extracted(manifest, corpus, job(shard, shards=SHARDS, paraphrase_tokens=asked))
    (tmp_path / "activations" / "tiny").mkdir(parents=True)
    (tmp_path / "corpora" / "activations").rename(tmp_path / "activations" / "tiny" / "texts")
    states = open_activations("tiny", "texts", position="tokens", results=tmp_path)
    stored = reader(tmp_path)
    assert set(states["view"].values) == ({"original", "paraphrase"} if asked else {"original"})
    ids = [ids for ids, length in zip(stored.token_ids(), stored.stored_lengths, strict=True) if length]
    assert states["token_id"].values.tolist() == np.concatenate(ids).tolist()
    np.testing.assert_array_equal(states, all_tokens(stored))
    means = open_activations("tiny", "texts", position="mean", results=tmp_path)
    assert np.isfinite(means.values).all()
    assert set(means["view"].values) == {"original", "paraphrase"}


@pytest.mark.parametrize("view", ["original", "paraphrase"])
def test_views_that_did_not_run_are_not_there(results: Path, tmp_path: Path, llama: Path, view: str) -> None:
    manifest = prepared(llama, tmp_path)
    (tmp_path / "corpora").mkdir()
    corpus = written_corpus(tmp_path / "corpora" / "texts.parquet", paraphrased=True)
    extracted(manifest, corpus, job(views=(view,), token_budget=BUDGET))
    (tmp_path / "activations" / "tiny").mkdir(parents=True)
    (tmp_path / "corpora" / "activations").rename(tmp_path / "activations" / "tiny" / "texts")
    states = open_activations("tiny", "texts", position="last", results=tmp_path)
    assert states["view"].values.tolist() == [view] * len(SENTENCES)
    assert states["text"].values.tolist() == [f"t{text}" for text in range(len(SENTENCES))]
    if view == "original":
        np.testing.assert_allclose(
            states, open_activations("tiny", "texts", position="last", results=results), atol=1e-5
        )
    with pytest.raises(FathomError, match=r"expected the views formal, found none of them in .*texts\.parquet"):
        extracted(manifest, corpus, job(views=("formal",)))


def test_bfloat16_is_read_as_float32_exactly(bfloat16: Path) -> None:
    states = open_activations("tiny", "texts", position="last", results=bfloat16)
    assert states.attrs["computed_in"] == "bfloat16"
    assert states.dtype == np.float32
    values = states.values
    assert not np.any(values.view(np.uint32) & 0xFFFF)  # the lower half of a bfloat16 number is zero
    np.testing.assert_array_equal(values[1], reader(bfloat16, 1).pooled("last", 1))


# xarray itself fails on an empty slice with a negative step.
slices = st.slices(4).filter(lambda part: len(range(*part.indices(4))) > 0)
axes = st.one_of(st.integers(-4, 3), slices, st.lists(st.integers(-4, 3), min_size=1, max_size=6).map(np.array))


@settings(max_examples=50)
@given(parts=st.tuples(axes, axes, axes))
def test_any_index_gives_what_numpy_gives(results: Path, parts: tuple[Any, Any, Any]) -> None:
    states = open_activations("tiny", "texts", position="tokens", results=results)[:, 20:24, 3:7]
    expected = all_tokens(reader(results))[:, 20:24, 3:7]
    for axis in (2, 1, 0):  # from the last, so that an axis that goes moves no other
        expected = expected[(*[slice(None)] * axis, parts[axis])]
    np.testing.assert_array_equal(states.isel(dict(zip(states.dims, parts, strict=True))), expected)


def test_pointwise_indices_work_too(results: Path) -> None:
    states = open_activations("tiny", "texts", position="tokens", results=results)
    layers, tokens = [3, 0, 2], [70, 1, 5]
    found = states.isel(layer=xr.DataArray(layers, dims="point"), token=xr.DataArray(tokens, dims="point"))
    np.testing.assert_array_equal(found, all_tokens(reader(results))[layers, tokens])


def test_only_what_is_asked_for_is_read(results: Path, tmp_path: Path) -> None:
    copy = tmp_path / "results"
    subprocess.run(["cp", "-r", str(results), str(copy)], check=True)
    second = copy / "activations/tiny/texts/2-of-2.zarr.zip"
    first = reader(copy).stores[0].texts
    before = open_activations("tiny", "texts", position="last", results=results)
    planted = before.sel(layer="2").values[first:].tobytes()
    content = second.read_bytes()
    assert content.count(planted) == 1  # where layer 2 of the second shard lies
    second.write_bytes(content.replace(planted, bytes(len(planted))))

    states = open_activations("tiny", "texts", position="last", results=copy)
    np.testing.assert_array_equal(states.sel(layer="1"), before.sel(layer="1"))
    np.testing.assert_array_equal(states[2, :first], before[2, :first])
    with pytest.raises(FathomError, match=r"2-of-2\.zarr\.zip: .*residual/last/c/2"):
        states.sel(layer="2").load()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"model": "other"}, "activations/other/texts: holds no states; run `snakemake` with a config that has"),
        ({"position": "span:other"}, "holds no position 'span:other', only tokens, mean"),
        ({"site": "mlp"}, "holds no site 'mlp', only residual"),
        ({"shards": 3}, "3 of 3 shards have no manifest"),
    ],
)
def test_states_that_are_not_there_are_one_line(results: Path, options: dict[str, Any], said: str) -> None:
    with pytest.raises(FathomError, match=said):
        open_activations(**dict[str, Any]({"model": "tiny", "corpus": "texts", "results": results}, **options))


def test_shards_of_two_cuts_are_told_apart(results: Path, tmp_path: Path) -> None:
    copy = tmp_path / "results"
    subprocess.run(["cp", "-r", str(results), str(copy)], check=True)
    folder = copy / "activations/tiny/texts"
    (folder / "1-of-1.manifest.json").write_bytes((folder / "1-of-2.manifest.json").read_bytes())
    with pytest.raises(FathomError, match="holds the shards of several cuts, into 1, 2; say which one by `shards`"):
        open_activations("tiny", "texts", results=copy)
    assert open_activations("tiny", "texts", results=copy, shards=2).shape[1] == len(SENTENCES)


# Own texts -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_states_of_own_texts_are_those_of_the_workflow_bit_for_bit(
    results: Path, bfloat16: Path, llama: Path, dtype: Dtype
) -> None:
    folder, shards = (results, 2) if dtype == "float32" else (bfloat16, 1)
    stored = reader(folder, shards)
    first = stored.stores[0].texts  # the batches of a shard are those of its own texts
    options: dict[str, Any] = {"dtype": dtype, "token_budget": BUDGET}
    for position in ("mean", "mean_without_sinks", "last"):
        found = hidden_states(llama, SENTENCES[:first], position=position, **options)
        assert found.dtype == np.float32
        expected = np.stack([stored.pooled(position, layer)[:first] for layer in range(4)])
        np.testing.assert_array_equal(found, expected)
    tokens = hidden_states(llama, SENTENCES[:first], position="tokens", **options)
    np.testing.assert_array_equal(np.concatenate(tokens, axis=1), all_tokens(stored)[:, : sum(stored.lengths[:first])])


def test_a_model_is_a_folder_a_prepared_one_or_a_name_in_a_config(results: Path, llama: Path, tmp_path: Path) -> None:
    config = tmp_path / "mine.yaml"
    config.write_text(yaml.safe_dump({"models": {"tiny": {"source": "path", "path": str(llama)}}}))
    states = hidden_states(str(llama), SENTENCES)
    assert states.shape == (4, len(SENTENCES), 16)
    np.testing.assert_array_equal(hidden_states(results / "models/tiny", SENTENCES), states)
    np.testing.assert_array_equal(hidden_states("tiny", SENTENCES, config=config, results=results), states)
    some = hidden_states(llama, SENTENCES, layers=[0, 2, "final"])
    np.testing.assert_array_equal(some[:2], states[[0, 2]])
    assert not np.array_equal(some[2], states[3])


def test_a_model_of_a_config_without_a_run_is_kept_in_the_users_cache(
    llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    models = {
        "tiny": {"source": "path", "path": str(llama)},
        "drawn": {"source": "random", "of": "tiny", "seed": 3},
    }
    config = tmp_path / "mine.yaml"
    config.write_text(yaml.safe_dump({"models": models}))
    options: dict[str, Any] = {"config": config, "results": tmp_path / "none"}
    drawn = hidden_states("drawn", SENTENCES, **options)
    kept = sorted((tmp_path / "cache/fathom/models").iterdir())
    assert [folder.name.rsplit("-", 1)[0] for folder in kept] == ["drawn", "tiny"]
    changed = [folder.stat().st_mtime_ns for folder in kept]
    np.testing.assert_array_equal(hidden_states("drawn", SENTENCES, **options), drawn)
    assert [folder.stat().st_mtime_ns for folder in kept] == changed
    assert not np.array_equal(hidden_states("tiny", SENTENCES, **options), drawn)


def test_the_process_stays_as_it_was(llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    before = dict(os.environ)
    hidden_states(llama, ["One text."])
    assert dict(os.environ) == before
    assert constants.HF_HUB_OFFLINE is False


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"texts": "one text"}, "texts: expected a list of strings"),
        ({"texts": ["a", 2]}, "texts: expected a list of strings"),
        ({"position": "middle"}, "position: expected one of tokens, mean, last"),
        ({"site": "heads"}, "site: expected one of residual, "),
        ({"layers": "some"}, "layers: expected 'all', 'transformers', or a list of layer numbers and 'final'"),
        ({"tokens": 7}, "tokens: expected a setting of the section `activations`, such as token_budget"),
        ({"positions": ["last"]}, "positions: expected a setting of the section `activations`"),
        ({"token_budget": 0}, "token_budget: input should be greater than or equal to 1"),
        ({"revision": "main"}, "revision: expected none, for .* is no repository on the hub"),
    ],
)
def test_wrong_arguments_are_named(llama: Path, options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        hidden_states(**dict[str, Any]({"model": llama, "texts": ["A text."]}, **options))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"texts": []}, "corpus texts: it holds no text"),
        ({"texts": ["a", " "]}, r"corpus texts: text '1' \(row 2\) is empty"),
        ({"texts": ["word " * 99]}, "1 of 1 texts are longer than 64 tokens"),
        ({"layers": [9]}, "has the layers 0 to 3, expected no 9"),
        ({"model": "./nowhere"}, r"\./nowhere: no such folder"),
        ({"model": Path("nowhere")}, "nowhere: no such folder"),
        ({"model": "not a name"}, r"model not a name: expected one of smollm2-135m, .*, a folder, or a repository"),
        ({"config": "nowhere.yaml"}, "config: nowhere.yaml: not a config that can be read"),
    ],
)
def test_what_cannot_be_run_is_one_line(llama: Path, options: dict[str, Any], said: str) -> None:
    with pytest.raises(FathomError, match=said):
        hidden_states(**dict[str, Any]({"model": llama, "texts": ["A text."]}, **options))


def test_a_folder_that_could_run_code_is_cleaned_first(llama: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    subprocess.run(["cp", "-r", str(llama), str(folder)], check=True)
    config = (folder / "config.json").read_text()
    (folder / "config.json").write_text(config.replace("{", '{"auto_map": {"AutoModel": "evil.Model"},', 1))
    (folder / "evil.py").write_text("raise SystemExit")
    np.testing.assert_array_equal(hidden_states(folder, SENTENCES), hidden_states(llama, SENTENCES))


# Results -------------------------------------------------------------------------------------------------------------


def test_a_folder_without_results_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(FathomError, match="no results of metrics, probes or tasks; expected the folder `results`"):
        read_results(tmp_path)


def test_tasks_and_coordination_are_in_the_frame_of_all_results(tmp_path: Path) -> None:
    (tmp_path / "tasks/m").mkdir(parents=True)
    (tmp_path / "probes/m").mkdir(parents=True)
    task = {"stage": "tasks", "name": "sorted", "model": "m", "corpus": "task-sorted", "measure": "ndcg_at_10"}
    scores = pd.DataFrame([task | {"layer": 2, "depth": 1.0, "value": 0.7}])
    write_table(scores, tmp_path / "tasks/m/sorted.layers.parquet")
    turns = {"stage": "probes", "name": "e", "model": "m", "corpus": "c", "measure": "alternation", "null": 0.5}
    table = pd.DataFrame([turns | {"value": 0.6, "layer": pd.NA}]).astype({"layer": "Int64"})
    write_table(table, tmp_path / "probes/m/e.coordination.parquet")
    frame = read_results(tmp_path).set_index("measure")
    task_row, turns_row = frame.loc[["ndcg_at_10"]].iloc[0], frame.loc[["alternation"]].iloc[0]
    assert [task_row[name] for name in ("task", "layer", "value", "unit")] == ["sorted", 2, 0.7, "ndcg_at_10"]
    assert [turns_row[name] for name in ("experiment", "value", "chance")] == ["e", 0.6, 0.5]
    assert pd.isna(turns_row["layer"])
