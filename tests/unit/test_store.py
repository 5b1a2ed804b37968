"""The activation store gives back the bits that were put in, or an error that names the file."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import torch
import xarray
import xxhash
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.stores import SINK_FACTS, plain_facts
from zarr.storage import ZipStore

from fathom.io.manifests import read_manifest, write_manifest
from fathom.runtime.errors import FathomError
from fathom.store.layout import KIND, Compression, Dtype, Shape, array_dtype, is_mean, is_pooled, to_float32
from fathom.store.reader import OPEN_STORES, Activations, Store, block_axis, layer_axis, number_layers
from fathom.store.writer import StoreWriter
from fathom.store.zip_archive import ArchiveWriter

DTYPES: tuple[Dtype, ...] = get_args(Dtype)
POSITIONS = ("tokens", "mean", "mean_without_sinks", "last", "span:item")
States = dict[str, npt.NDArray[Any]]
Bits = npt.NDArray[np.uint8]


def bits(array: npt.NDArray[Any]) -> Bits:
    return np.ascontiguousarray(array).view(np.uint8)


def random_tensor(shape: tuple[int, ...], dtype: Dtype, seed: int) -> torch.Tensor:
    """Numbers of all sizes with both zeros among them."""
    draw = torch.Generator().manual_seed(seed)
    scale = torch.exp(torch.randn(shape, generator=draw) * 3)
    tensor = (torch.randn(shape, generator=draw) * scale).to(getattr(torch, dtype))
    tensor.view(-1)[::7] = -0.0
    tensor.view(-1)[3::11] = 0.0
    return tensor


def stored(tensor: torch.Tensor) -> npt.NDArray[Any]:
    return tensor.view(torch.uint16).numpy() if tensor.dtype == torch.bfloat16 else tensor.numpy()


def random_states(shape: Shape, seed: int = 0) -> dict[str, torch.Tensor]:
    """Position -> states of the only site."""
    return {
        position: random_tensor(
            shape.extent(("residual", position), shape.texts, shape.tokens),
            "float32" if is_mean(position) else shape.dtype,
            seed + index,
        )
        for index, position in enumerate(shape.positions)
    }


def make_shape(lengths: list[int], *, width: int = 8, layers: int = 3, dtype: Dtype = "float32") -> Shape:
    names = tuple(map(str, range(layers)))
    return Shape({"residual": names}, len(lengths), sum(lengths), width, layers - 1, dtype, POSITIONS)


def write(
    folder: Path,
    name: str,
    shape: Shape,
    states: dict[str, torch.Tensor],
    lengths: list[int],
    *,
    compression: Compression = "none",
    texts_at_once: int = 2,
    spans: Mapping[str, list[tuple[int, int]]] | None = None,
) -> Path:
    """Write a store a few texts at a time, as extraction does; returns its manifest."""
    writer = StoreWriter(folder / f"{name}.zarr.zip", shape, compression=compression)
    edges = np.concatenate(([0], np.cumsum(lengths)))
    for first in range(0, len(lengths), texts_at_once):
        last = min(first + texts_at_once, len(lengths))
        part = {
            position: tensor[:, first:last]
            if is_pooled(("residual", position))
            else tensor[:, edges[first] : edges[last]]
            for position, tensor in states.items()
        }
        facts = plain_facts(shape, edges[last] - edges[first])
        writer.append({("residual", position): stored(tensor) for position, tensor in part.items()} | facts)
    edges_of = {name: np.array(at, dtype=np.int64) for name, at in (spans or {}).items()}
    writer.write_spans(*({name: at[:, edge] for name, at in edges_of.items()} for edge in (0, 1)))
    writer.close(np.arange(sum(lengths), dtype=np.int32), np.array(lengths, dtype=np.int64))
    manifest = folder / f"{name}.manifest.json"
    writer.finish(manifest, {"corpus_sha256": "of the corpus", "sinks": SINK_FACTS})
    return manifest


def read_with_zarr(store: Path, array: str) -> npt.NDArray[Any]:
    with closing(ZipStore(store, mode="r")) as opened:
        return np.asarray(zarr.open_array(opened, path=array, mode="r")[:])


def read_everything(manifest: Path) -> list[npt.NDArray[Any]]:
    activations = Activations([manifest])
    store = activations.stores[0]
    arrays: list[npt.NDArray[Any]] = [store.offsets, store.token_ids()]
    arrays += [block for blocks in activations.token_blocks(60_000) for block in blocks]
    arrays += [store.span_tokens(span) for span in store.spans]
    arrays += [*activations.norm_ratios(), *activations.head_shares(), *activations.sink_scores()]
    for position in store.positions:
        if is_pooled(("residual", position)):
            arrays += [activations.pooled(position, layer) for layer in range(len(activations.layers))]
    return arrays


# Round trip ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compression", get_args(Compression))
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_bit_comes_back(tmp_path: Path, dtype: Dtype, compression: Compression) -> None:
    lengths = [5, 1, 9, 3, 7]
    shape = make_shape(lengths, dtype=dtype)
    tensors = random_states(shape)
    manifest = write(tmp_path, "s", shape, tensors, lengths, compression=compression)
    for position, tensor in tensors.items():
        on_disk = read_with_zarr(tmp_path / "s.zarr.zip", f"residual/{position}")
        assert on_disk.dtype == array_dtype(("residual", position), dtype)
        np.testing.assert_array_equal(bits(on_disk), bits(stored(tensor)))
    store = Store(manifest)
    exact = tensors["tokens"].to(torch.float32).numpy()
    np.testing.assert_array_equal(bits(store.tokens(0, 5)), bits(exact))
    np.testing.assert_array_equal(bits(store.tokens(2, 4)), bits(exact[:, 6:18]))
    for position in ("mean", "last", "span:item"):
        for layer in range(3):
            expected = tensors[position][layer].to(torch.float32).numpy()
            np.testing.assert_array_equal(bits(store.pooled(position, layer)), bits(expected))
    np.testing.assert_array_equal(store.offsets, [0, 5, 6, 15, 18, 25])
    np.testing.assert_array_equal(store.token_ids(), np.arange(25))


@pytest.mark.parametrize("dtype", DTYPES)
def test_states_that_are_all_zero_come_back(tmp_path: Path, dtype: Dtype) -> None:
    shape = make_shape([2, 3], dtype=dtype)
    tensors = {position: torch.zeros_like(tensor) for position, tensor in random_states(shape).items()}
    tensors["tokens"][1] = -0.0
    store = Store(write(tmp_path, "s", shape, tensors, [2, 3]))
    np.testing.assert_array_equal(bits(store.tokens(0, 2)), bits(tensors["tokens"].to(torch.float32).numpy()))
    assert not store.pooled("mean", 0).any()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_widens_exactly(dtype: Dtype) -> None:
    every = torch.arange(1 << 16, dtype=torch.int32).to(torch.uint16).view(getattr(torch, dtype))
    finite = every[torch.isfinite(every)]
    np.testing.assert_array_equal(bits(to_float32(stored(finite))), bits(finite.to(torch.float32).numpy()))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_ragged_texts_over_many_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: st.DataObject) -> None:
    lengths = data.draw(st.lists(st.integers(1, 12), min_size=1, max_size=12))
    width = data.draw(st.integers(1, 5))
    monkeypatch.setattr("fathom.store.layout.CHUNK_BYTES", data.draw(st.integers(1, 400)))
    monkeypatch.setattr("fathom.store.layout.MINIMUM_ROWS", data.draw(st.integers(1, 6)))
    shape = make_shape(lengths, width=width, layers=2)
    tensors = random_states(shape)
    manifest = write(
        tmp_path,
        "s",
        shape,
        tensors,
        lengths,
        compression=data.draw(st.sampled_from(get_args(Compression))),
        texts_at_once=data.draw(st.integers(1, 12)),
    )
    activations = Activations([manifest])
    np.testing.assert_array_equal(activations.lengths, lengths)
    max_bytes = data.draw(st.integers(0, 4000))
    blocks = list(activations.token_blocks(max_bytes))
    for block in blocks:
        size = 4 * 2 * width * sum(text.shape[1] for text in block)
        assert size <= max_bytes or len(block) == 1
    texts = [text for block in blocks for text in block]
    assert [text.shape[1] for text in texts] == lengths
    np.testing.assert_array_equal(np.concatenate(texts, axis=1), tensors["tokens"].numpy())
    np.testing.assert_array_equal(activations.pooled("span:item", 1), tensors["span:item"][1].numpy())


def test_shards_read_as_one_corpus_in_order(tmp_path: Path) -> None:
    parts = [[4, 2], [1], [6, 3, 5]]
    shapes = [make_shape(lengths) for lengths in parts]
    tensors = [random_states(shape, seed=10 * index) for index, shape in enumerate(shapes)]
    manifests = [
        write(tmp_path, f"{index}-of-3", shape, states, lengths)
        for index, (shape, states, lengths) in enumerate(zip(shapes, tensors, parts, strict=True))
    ]
    activations = Activations(manifests)
    assert activations.texts == 6
    np.testing.assert_array_equal(activations.lengths, [4, 2, 1, 6, 3, 5])
    for position in ("mean", "last", "span:item"):
        expected = torch.cat([states[position][2] for states in tensors]).numpy()
        np.testing.assert_array_equal(activations.pooled(position, 2), expected)
    texts = [text for block in activations.token_blocks(600) for text in block]
    assert [text.shape for text in texts] == [(3, length, 8) for length in (4, 2, 1, 6, 3, 5)]
    expected = torch.cat([states["tokens"] for states in tensors], dim=1).numpy()
    np.testing.assert_array_equal(np.concatenate(texts, axis=1), expected)


@pytest.mark.parametrize("compression", get_args(Compression))
def test_patterns_over_many_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compression: Compression) -> None:
    monkeypatch.setattr("fathom.store.layout.MINIMUM_ROWS", 7)
    monkeypatch.setattr("fathom.store.layout.CHUNK_BYTES", 7 * 2 * 4)
    parts = {"1-of-2": ([4, 2, 9], [0, 2]), "2-of-2": ([5, 3], [1])}
    draw = np.random.default_rng(0)
    expected, manifests = [], []
    for name, (lengths, chosen) in parts.items():
        shape = make_shape(lengths)
        writer = StoreWriter(tmp_path / f"{name}.zarr.zip", shape, compression=compression)
        writer.append(
            {("residual", position): stored(one) for position, one in random_states(shape).items()}
            | plain_facts(shape, shape.tokens)
        )
        patterns = [draw.random((3, 2, lengths[text], lengths[text]), dtype=np.float32) for text in chosen]
        writer.write_patterns(np.array(chosen), np.array(lengths)[chosen], iter(patterns))
        writer.close(np.arange(sum(lengths), dtype=np.int32), np.array(lengths))
        manifests.append(tmp_path / f"{name}.manifest.json")
        writer.finish(manifests[-1], {"sinks": SINK_FACTS})
        expected += patterns
    names = zipfile.ZipFile(tmp_path / "1-of-2.zarr.zip").namelist()
    assert len([name for name in names if name.startswith("attention_patterns/c/0/0/")]) > 5
    on_disk = read_with_zarr(tmp_path / "2-of-2.zarr.zip", "attention_patterns")
    np.testing.assert_array_equal(on_disk, expected[-1].reshape(3, 2, -1))
    found = list(Activations(manifests).attention_patterns())
    assert [text for text, _ in found] == [0, 2, 4]
    for (_, one), other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(bits(one), bits(other))


SPANS = {"second": [(3, 4), (1, 1), (2, 8)], "first": [(0, 2), (0, 0), (1, 1)]}


def test_spans_come_back_by_name(tmp_path: Path) -> None:
    shape = make_shape([5, 2, 9])
    manifest = write(tmp_path, "s", shape, random_states(shape), [5, 2, 9], spans=SPANS)
    store, activations = Store(manifest), Activations([manifest])
    assert store.spans == activations.spans == ("second", "first")
    for name, expected in SPANS.items():
        for found in (store.span_tokens(name), activations.span_tokens(name)):
            assert found.dtype == np.int64
            np.testing.assert_array_equal(found, expected)


def test_spans_at_the_first_token_of_every_text_come_back(tmp_path: Path) -> None:
    # All zeros: Zarr itself would write no chunk.
    shape = make_shape([1, 3])
    manifest = write(tmp_path, "s", shape, random_states(shape), [1, 3], spans={"item": [(0, 0), (0, 0)]})
    assert "span_tokens/c/0" in zipfile.ZipFile(tmp_path / "s.zarr.zip").namelist()
    assert Activations([manifest]).span_tokens("item").tolist() == [[0, 0], [0, 0]]


def test_spans_of_several_shards_are_those_of_one_corpus(tmp_path: Path) -> None:
    parts = {"a": [4, 2], "b": [9]}
    edges = {"a": [(1, 2), (0, 1)], "b": [(5, 8)]}
    manifests = []
    for name, lengths in parts.items():
        shape = make_shape(lengths)
        spans = {"item": edges[name], "end": [(length - 1, length - 1) for length in lengths]}
        manifests.append(write(tmp_path, name, shape, random_states(shape), lengths, spans=spans))
    activations = Activations(manifests)
    assert activations.spans == ("item", "end")
    assert activations.span_tokens("item").tolist() == [[1, 2], [0, 1], [5, 8]]
    assert activations.span_tokens("end").tolist() == [[3, 3], [1, 1], [8, 8]]


def test_a_span_that_was_not_marked_is_named(tmp_path: Path) -> None:
    shape = make_shape([5, 2, 9])
    states = random_states(shape)
    bare = Activations([write(tmp_path, "bare", shape, states, [5, 2, 9])])
    assert bare.spans == ()
    with pytest.raises(FathomError, match=r"bare\.zarr\.zip: marks no span 'item', only none"):
        bare.span_tokens("item")
    marked = Activations([write(tmp_path, "marked", shape, states, [5, 2, 9], spans=SPANS)])
    with pytest.raises(FathomError, match=r"marked\.zarr\.zip: marks no span 'item', only second, first"):
        marked.span_tokens("item")


def test_shards_whose_spans_differ_are_refused(tmp_path: Path) -> None:
    shape = make_shape([5, 2, 9])
    states = random_states(shape)
    marks = {"bare": {}, "both": SPANS, "first": {"first": SPANS["first"]}, "order": dict(sorted(SPANS.items()))}
    manifests = {name: write(tmp_path, name, shape, states, [5, 2, 9], spans=spans) for name, spans in marks.items()}
    Activations([manifests["both"], manifests["both"]])
    for other in ("bare", "first", "order"):
        with pytest.raises(
            FathomError,
            match=rf"{other}\.zarr\.zip: .* views or the rule of sinks differ from .*both\.zarr\.zip",
        ):
            Activations([manifests["both"], manifests[other]])


def test_damage_to_spans_is_found_when_they_are_read(tmp_path: Path) -> None:
    shape = make_shape([5, 2, 9])
    manifest = write(tmp_path, "s", shape, random_states(shape), [5, 2, 9], spans=SPANS)
    store = tmp_path / "s.zarr.zip"
    flip(store, place_of(store, "span_tokens/c/0") + 9, 4)
    activations = Activations([manifest])
    assert activations.pooled("mean", 0).shape == (3, 8)
    with pytest.raises(FathomError, match=r"s\.zarr\.zip: span_tokens/c/0 does not fit its checksum; delete .*s\.man"):
        activations.span_tokens("first")


def test_nothing_is_read_before_it_is_asked_for(tmp_path: Path) -> None:
    shape = make_shape([4, 2])
    manifest = write(tmp_path, "s", shape, random_states(shape), [4, 2])
    store = tmp_path / "s.zarr.zip"
    flip(store, place_of(store, "residual/tokens/c/0/0/0"), 1)
    activations = Activations([manifest])
    assert activations.pooled("mean", 0).shape == (2, 8)
    with pytest.raises(FathomError, match="residual/tokens/c/0/0/0"):
        next(activations.token_blocks(1 << 20))


def test_shards_that_do_not_fit_together_are_refused(tmp_path: Path) -> None:
    shapes = {"a": make_shape([2]), "b": make_shape([2], width=4), "c": make_shape([2], layers=2)}
    manifests = [write(tmp_path, name, shape, random_states(shape), [2]) for name, shape in shapes.items()]
    for other in manifests[1:]:
        with pytest.raises(
            FathomError,
            match=r"\w\.zarr\.zip: sites, layers, .*, spans, views or the rule of sinks differ from .*a\.zarr\.zip",
        ):
            Activations([manifests[0], other])


def test_states_of_another_corpus_are_refused(tmp_path: Path) -> None:
    shape = make_shape([2])
    activations = Activations([write(tmp_path, "s", shape, random_states(shape), [2])])
    activations.require_corpus("of the corpus", Path("corpus.parquet"))
    with pytest.raises(FathomError, match=r"s\.zarr\.zip: its states are not of the texts in corpus\.parquet"):
        activations.require_corpus("of another", Path("corpus.parquet"))


def test_a_position_that_was_not_stored_is_named(tmp_path: Path) -> None:
    shape = make_shape([2])
    store = Store(write(tmp_path, "s", shape, random_states(shape), [2]))
    with pytest.raises(
        FathomError, match="no position 'span:first', only tokens, mean, mean_without_sinks, last, span:item"
    ):
        store.pooled("span:first", 0)


def test_too_few_rows_are_refused(tmp_path: Path) -> None:
    shape = make_shape([2, 3])
    writer = StoreWriter(tmp_path / "s.zarr.zip", shape, compression="none")
    states = {("residual", position): stored(one)[:, :1] for position, one in random_states(shape).items()}
    writer.append(states | plain_facts(shape, 1))
    with pytest.raises(FathomError, match="1 of 5 rows were written"):
        writer.close(np.arange(5, dtype=np.int32), np.array([2, 3]))


@pytest.mark.parametrize(
    ("names", "depth", "numbers"),
    [
        (["0", "1", "2"], 2, [0, 1, 2]),
        (["0", "1", "2", "final"], 2, [0, 1, 2, 3]),
        (["0", "1", "final"], 2, [0, 1, 2]),  # transformers' convention
        (["final", "4", "2"], 30, [30, 4, 2]),
        (["4"], 30, [4]),
    ],
)
def test_layer_axis(names: list[str], depth: int, numbers: list[int]) -> None:
    found, relative = layer_axis(names, depth)
    assert found.tolist() == numbers
    assert relative.tolist() == [number / max(depth, *numbers) for number in numbers]


def test_rows_of_a_table_become_layers() -> None:
    axis = layer_axis(["2", "4", "final"], 4)
    table = pd.DataFrame({"row": [2, 0, 1], "value": [0.2, 0.0, 0.1]})
    found = number_layers(table, axis, "row")
    assert found["layer"].tolist() == [5, 2, 4]
    assert found["layer"].dtype == np.int64
    assert found["depth"].tolist() == [1.0, 0.4, 0.8]
    assert found["value"].tolist() == table["value"].tolist()
    peak = number_layers(pd.DataFrame({"peak": [1]}), axis, "peak", layer="peak", depth=None)
    assert peak.to_dict("list") == {"peak": [4]}


def test_a_row_of_no_layer_stays_one() -> None:
    table = pd.DataFrame({"layer": pd.Series([1, pd.NA], dtype="Int64", index=[7, 3])})
    found = number_layers(table, block_axis(4))
    assert found["layer"].dtype == pd.Int64Dtype()
    assert found["layer"].tolist() == [2, pd.NA]
    np.testing.assert_array_equal(found["depth"], [0.5, np.nan])


# Damage --------------------------------------------------------------------------------------------------------------


def flip(file: Path, position: int, mask: int) -> None:
    with file.open("r+b") as stream:
        stream.seek(position)
        (byte,) = stream.read(1)
        stream.seek(position)
        stream.write(bytes([byte ^ mask]))


def place_of(store: Path, entry: str) -> int:
    """Where the content of an entry begins in the file."""
    with zipfile.ZipFile(store) as opened, opened.open(entry) as stream:
        content = stream.read()
        header = opened.getinfo(entry)
        at = header.header_offset + 30 + len(entry) + len(header.extra)
    assert store.read_bytes()[at : at + len(content)] == content
    return at


@pytest.fixture(scope="module", params=get_args(Compression))
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Manifest of a small store with several chunks of every array."""
    folder = tmp_path_factory.mktemp("whole")
    lengths = [40, 10, 30]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fathom.store.layout.CHUNK_BYTES", 500)
        patch.setattr("fathom.store.layout.MINIMUM_ROWS", 2)
        shape = make_shape(lengths, width=16, layers=2)
        spans = {"item": [(1, 2), (0, 1), (5, 9)]}
        return write(folder, "s", shape, random_states(shape), lengths, compression=request.param, spans=spans)


def store_of(manifest: Path) -> Path:
    return manifest.with_name("s.zarr.zip")


def assert_same_or_refused(manifest: Path, expected: list[npt.NDArray[Any]], *, only_refused: bool = False) -> None:
    """Reading gives exactly what was written, or one line that names the file and what to do."""
    try:
        found = read_everything(manifest)
    except FathomError as error:
        told = str(error)
    else:
        assert not only_refused
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(bits(one), bits(other))
        return
    assert told.startswith(f"{store_of(manifest)}: ")
    assert told.endswith(f"; delete {manifest} and run snakemake again")
    assert "\n" not in told


@settings(max_examples=300, deadline=None)
@given(position=st.floats(0, 1, exclude_max=True), mask=st.integers(1, 255))
def test_a_flipped_byte_is_an_error_or_harmless(whole: Path, position: float, mask: int) -> None:
    store = store_of(whole)
    expected = read_everything(whole)
    at = int(position * store.stat().st_size)
    flip(store, at, mask)
    try:
        assert_same_or_refused(whole, expected)
    finally:
        flip(store, at, mask)


def test_every_byte_that_is_read_is_checked(whole: Path) -> None:
    """Of every entry that a reader uses its first, middle and last byte; of the directory every byte."""
    store = store_of(whole)
    expected = read_everything(whole)
    places: list[int] = []
    with zipfile.ZipFile(store) as opened:
        infos = opened.infolist()
    # The metadata of groups are for other readers.
    used = [info for info in infos if info.filename not in {"zarr.json", "residual/zarr.json", "token_facts/zarr.json"}]
    assert len(used) >= 40
    for info in used:
        at = place_of(store, info.filename)
        places += [at, at + info.file_size // 2, at + info.file_size - 1]
    directory = read_manifest(whole, KIND)["directory_at"]
    assert max(place_of(store, info.filename) + info.file_size for info in infos) <= directory
    places += range(directory, store.stat().st_size)
    for at in places:
        flip(store, at, 0x40)
        try:
            assert_same_or_refused(whole, expected, only_refused=True)
        finally:
            flip(store, at, 0x40)
    read_everything(whole)


@settings(max_examples=100, deadline=None)
@given(kept=st.floats(0, 1, exclude_max=True))
def test_a_cut_file_is_refused(whole: Path, kept: float) -> None:
    store = store_of(whole)
    content = store.read_bytes()
    size = int(kept * len(content))
    store.write_bytes(content[:size])
    try:
        with pytest.raises(FathomError) as caught:
            Store(whole)
        told = f"{store}: holds {size} bytes, the manifest says {len(content)}; delete {whole} and run snakemake again"
        assert str(caught.value) == told
    finally:
        store.write_bytes(content)


def test_a_missing_file_is_refused(whole: Path, tmp_path: Path) -> None:
    manifest = tmp_path / whole.name
    manifest.write_bytes(whole.read_bytes())
    with pytest.raises(FathomError, match=rf"{store_of(manifest)}: missing; delete {manifest} and run snakemake again"):
        Store(manifest)


def test_a_file_that_vanishes_or_changes_after_it_was_opened_is_refused(whole: Path, tmp_path: Path) -> None:
    for path in (whole, store_of(whole)):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    manifest = tmp_path / whole.name
    cut, gone = Store(manifest), Store(manifest)
    content = store_of(manifest).read_bytes()
    store_of(manifest).write_bytes(content[:-1])
    with pytest.raises(FathomError, match=f"holds {len(content) - 1} bytes, the manifest says {len(content)}"):
        cut.token_ids()
    store_of(manifest).unlink()
    with pytest.raises(FathomError, match=f"{store_of(manifest)}: missing"):
        gone.pooled("mean", 0)


def without_entry(manifest: Path, folder: Path, entry: str) -> Path:
    """A store that lacks an entry, with a manifest that fits the file; returns the manifest."""
    archive = ArchiveWriter(folder / "s.zarr.zip")
    with zipfile.ZipFile(store_of(manifest)) as opened:
        for name in opened.namelist():
            if name != entry:
                archive.add(name, opened.read(name))
    facts = read_manifest(manifest, KIND) | asdict(archive.end())
    archive.publish()
    write_manifest(folder / manifest.name, facts)
    return folder / manifest.name


@pytest.mark.parametrize("entry", ["residual/tokens/c/1/3/0", "residual/mean/c/1/0/0", "residual/last/zarr.json"])
def test_a_missing_entry_is_an_error_and_never_zeros(whole: Path, tmp_path: Path, entry: str) -> None:
    read_everything(without_entry(whole, tmp_path, "no entry"))
    manifest = without_entry(whole, tmp_path, entry)
    with pytest.raises(FathomError, match=f"{store_of(manifest)}: {entry} is missing; delete {manifest}"):
        read_everything(manifest)


def test_the_file_of_another_store_is_refused(tmp_path: Path) -> None:
    """Of the same size, and whole in itself: only the manifest tells."""
    shape = make_shape([4, 2])
    manifests = []
    for name, seed in (("a", 0), ("b", 1)):
        (tmp_path / name).mkdir()
        manifests.append(write(tmp_path / name, "s", shape, random_states(shape, seed), [4, 2]))
    first, second = map(store_of, manifests)
    assert first.stat().st_size == second.stat().st_size
    second.replace(first)
    with pytest.raises(FathomError, match=r"its directory, .* is not the one that the manifest names; delete"):
        Activations(manifests[:1]).pooled("mean", 0)


def test_an_entry_that_is_not_of_the_shape_that_the_manifest_says(tmp_path: Path) -> None:
    shape = make_shape([4, 2])
    manifest = write(tmp_path, "s", shape, random_states(shape), [4, 2])
    facts = read_manifest(manifest, KIND)
    for changes, expected in (
        ({"width": 7}, r"residual/mean is of shape \(3, 2, 8\), expected \(3, 2, 7\)"),
        ({"texts": 3}, r"residual/mean is of shape \(3, 2, 8\), expected \(3, 3, 8\)"),
    ):
        write_manifest(manifest, facts | changes)
        with pytest.raises(FathomError, match=expected):
            Store(manifest).pooled("mean", 0)
    write_manifest(manifest, facts | {"tokens": 7})
    with pytest.raises(FathomError, match=r"token_ids is of shape \(6,\), expected \(7,\)"):
        Store(manifest).token_ids()


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (b'"chunk_shape": [', b'"chunk_shape": ["', "garbles"),
        (b'"shape"', b'"shapes"', "garbles 'shape'"),
        (b'"float32"', b'"object"', "garbles"),
        (b'"float32"', b'"floats"', "garbles"),
        (b'"chunk_shape"', b'"a"', "garbles 'chunk_shape'"),
        (b"{", b"[", "garbles"),
        (b"{", b"\xff", "garbles"),
    ],
)
def test_metadata_that_nobody_could_have_written(
    whole: Path, tmp_path: Path, before: bytes, after: bytes, expected: str
) -> None:
    archive = ArchiveWriter(tmp_path / "s.zarr.zip")
    changed = 0
    with zipfile.ZipFile(store_of(whole)) as opened:
        for name in opened.namelist():
            content = opened.read(name)
            if name == "residual/mean/zarr.json":
                content = json.dumps(json.loads(content)).encode()
                changed = content.count(before)
                content = content.replace(before, after)
            archive.add(name, content)
    assert changed
    manifest = tmp_path / whole.name
    write_manifest(manifest, read_manifest(whole, KIND) | asdict(archive.end()))
    archive.publish()
    with pytest.raises(FathomError, match=expected) as caught:
        Store(manifest).pooled("mean", 0)
    assert str(caught.value).startswith(f"{store_of(manifest)}: residual/mean/zarr.json lacks or garbles ")


def test_a_store_that_was_not_ended_does_not_exist(tmp_path: Path) -> None:
    shape = make_shape([2, 3])
    writer = StoreWriter(tmp_path / "s.zarr.zip", shape, compression="none")
    writer.append(
        {("residual", position): stored(one) for position, one in random_states(shape).items()}
        | plain_facts(shape, shape.tokens)
    )
    writer.end_states()
    with pytest.raises(RuntimeError, match="was not closed"):
        writer.finish(tmp_path / "s.manifest.json", {"sinks": SINK_FACTS})
    (temporary,) = tmp_path.iterdir()
    assert temporary.name.endswith(".part")
    assert temporary.stat().st_size > 0
    assert not zipfile.is_zipfile(temporary)
    with writer:
        pass
    assert list(tmp_path.iterdir()) == []


def test_thousands_of_shards_are_read_with_few_open_files(tmp_path: Path) -> None:
    shape = make_shape([2])
    one = write(tmp_path, "s", shape, random_states(shape), [2])
    facts = read_manifest(one, KIND)
    manifests = [tmp_path / f"{shard}.manifest.json" for shard in range(300)]
    for shard, manifest in enumerate(manifests):
        (tmp_path / f"{shard}.zarr.zip").hardlink_to(store_of(one))
        write_manifest(manifest, facts | {"store": f"{shard}.zarr.zip"})
    descriptors = Path("/proc/self/fd")
    if not descriptors.exists():
        pytest.skip("counts open files in /proc, which this system lacks")
    before = len(list(descriptors.iterdir()))
    activations = Activations(manifests)
    assert len(list(descriptors.iterdir())) == before
    assert activations.lengths.tolist() == [2] * 300
    assert activations.pooled("mean", 2).shape == (300, 8)
    assert sum(len(block) for block in activations.token_blocks(1)) == 300
    assert len(list(descriptors.iterdir())) <= before + OPEN_STORES


@settings(max_examples=50, deadline=None)
@given(position=st.integers(min_value=0, max_value=1 << 30), mask=st.integers(1, 255))
def test_a_flipped_byte_in_the_manifest_changes_nothing_or_is_refused(whole: Path, position: int, mask: int) -> None:
    at = position % whole.stat().st_size
    before = read_manifest(whole, KIND)
    flip(whole, at, mask)
    try:
        assert read_manifest(whole, KIND) == before  # white space
    except FathomError as error:
        assert str(whole) in str(error)  # noqa: PT017 - both outcomes are right
    finally:
        flip(whole, at, mask)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('{"kind": "activ', "not a manifest"),
        ("", "not a manifest"),
        ("[]", "expected a manifest of kind 'activations', found None"),
        ('{"kind": "model"}', "expected a manifest of kind 'activations', found 'model'"),
        ('{"kind": "activations"}', "changed since it was written"),
        ("\x00\x01", "not a manifest"),
    ],
)
def test_a_corrupt_manifest_is_refused(tmp_path: Path, content: str, expected: str) -> None:
    manifest = tmp_path / "s.manifest.json"
    manifest.write_text(content, encoding="utf-8")
    with pytest.raises(FathomError, match=expected) as caught:
        Store(manifest)
    assert str(manifest) in str(caught.value)


def test_a_manifest_that_is_not_text_is_refused(tmp_path: Path) -> None:
    manifest = tmp_path / "s.manifest.json"
    manifest.write_bytes(b"\xff\xfe{")
    with pytest.raises(FathomError, match="not a manifest"):
        Store(manifest)


@pytest.mark.parametrize(
    "without",
    [
        *("store", "bytes", "xxh3_128", "directory_at", "directory_xxh3_128"),
        *("sites", "texts", "tokens", "width", "positions", "spans", "attention_texts"),
    ],
)
def test_an_incomplete_manifest_is_refused(tmp_path: Path, without: str) -> None:
    shape = make_shape([2])
    manifest = write(tmp_path, "s", shape, random_states(shape), [2])
    facts = read_manifest(manifest, KIND)
    del facts[without]
    write_manifest(manifest, facts)
    with pytest.raises(FathomError, match=f"the manifest lacks or garbles '{without}'"):
        Store(manifest)


def test_another_format_is_refused(tmp_path: Path) -> None:
    shape = make_shape([2])
    manifest = write(tmp_path, "s", shape, random_states(shape), [2])
    for other in (3, 6, 99):  # 3 was a folder, 6 had no checksum but that of a zip
        write_manifest(manifest, {**read_manifest(manifest, KIND), "format": other})
        with pytest.raises(FathomError, match=f"format {other}, this version reads 7"):
            Store(manifest)


def test_a_store_without_manifest_does_not_exist(tmp_path: Path) -> None:
    shape = make_shape([2])
    manifest = write(tmp_path, "s", shape, random_states(shape), [2])
    manifest.unlink()
    with pytest.raises(FathomError, match="no such manifest"):
        Activations([manifest])


# What others see -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compression", get_args(Compression))
def test_other_tools_open_the_store(tmp_path: Path, compression: Compression) -> None:
    # Warnings are errors here.
    lengths = [4, 2]
    shape = make_shape(lengths)
    tensors = random_states(shape)
    spans = {"item": [(1, 2), (0, 1)]}
    write(tmp_path, "s", shape, tensors, lengths, spans=spans, compression=compression)
    with closing(ZipStore(tmp_path / "s.zarr.zip", mode="r")) as opened:
        root = zarr.open_group(opened, mode="r")
        assert dict(root.attrs) == {"format": 7, "dtype": "float32", "width": 8}
        assert sorted(name for name, _ in root.members(max_depth=None)) == [
            "offsets",
            "residual",
            "residual/last",
            "residual/mean",
            "residual/mean_without_sinks",
            "residual/span:item",
            "residual/tokens",
            "span_tokens",
            "token_facts",
            "token_facts/head_shares",
            "token_facts/norm_ratios",
            "token_facts/sink_scores",
            "token_ids",
            "with_tokens",
        ]
        with xarray.open_zarr(opened) as top:
            assert top["token_ids"].dims == ("token",)
            assert top["offsets"].to_numpy().tolist() == [0, 4, 6]
            assert top["span_tokens"].dims == ("span_edge",)
            assert top["span_tokens"].to_numpy().tolist() == [1, 2, 0, 1]
    with xarray.open_zarr(ZipStore(tmp_path / "s.zarr.zip", mode="r"), group="residual") as site:
        assert site.attrs["layers"] == ["0", "1", "2"]
        assert dict(site.sizes) == {"layer": 3, "text": 2, "token": 6, "width": 8}
        assert site["mean"].dims == ("layer", "text", "width")
        assert site["tokens"].dims == ("layer", "token", "width")
        np.testing.assert_array_equal(site["tokens"].to_numpy(), tensors["tokens"].numpy())


def test_the_same_states_give_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fathom.store.layout.MINIMUM_ROWS", 2)
    monkeypatch.setattr("fathom.store.layout.CHUNK_BYTES", 64)
    shape = make_shape([4, 2, 7])
    states = random_states(shape)
    manifests = []
    for name, now in (("a", 0.0), ("b", 1e9)):
        monkeypatch.setattr("time.time", lambda now=now: now)
        (tmp_path / name).mkdir()
        manifests.append(write(tmp_path / name, "s", shape, states, [4, 2, 7], spans=SPANS))
    first, second = manifests
    assert first.read_bytes() == second.read_bytes()
    assert store_of(first).read_bytes() == store_of(second).read_bytes()
    assert sorted(path.name for path in first.parent.iterdir()) == ["s.manifest.json", "s.zarr.zip"]


def test_the_manifest_tells_size_and_digest_of_the_file(tmp_path: Path) -> None:
    shape = make_shape([4, 2])
    manifest = write(tmp_path, "s", shape, random_states(shape), [4, 2])
    facts, content = read_manifest(manifest, KIND), store_of(manifest).read_bytes()
    assert facts["store"] == "s.zarr.zip"
    assert facts["bytes"] == len(content)
    assert facts["xxh3_128"] == xxhash.xxh3_128(content).hexdigest()
    assert facts["directory_xxh3_128"] == xxhash.xxh3_128(content[facts["directory_at"] :]).hexdigest()


def test_every_entry_is_written_once_and_as_it_is(whole: Path) -> None:
    with zipfile.ZipFile(store_of(whole)) as opened:
        infos = opened.infolist()
        assert opened.testzip() is None
    names = [info.filename for info in infos]
    assert len(set(names)) == len(names)
    assert names[-1] == "zarr.json"  # what others read first, beside the directory
    assert {info.compress_type for info in infos} == {zipfile.ZIP_STORED}
    assert {info.date_time for info in infos} == {(1980, 1, 1, 0, 0, 0)}


@pytest.mark.parametrize(
    ("lengths", "width", "layers", "dtype"),
    [
        ([137] * 20, 64, 4, "float32"),
        ([1] * 500, 300, 3, "bfloat16"),
        ([33], 8192, 2, "float32"),  # wide: a chunk of a megabyte would be padded by 3 %
        ([65, 64], 4096, 2, "float16"),
        ([511, 2, 700, 93], 576, 3, "float32"),
    ],
)
def test_size_on_disk(tmp_path: Path, lengths: list[int], width: int, layers: int, dtype: Dtype) -> None:
    shape = make_shape(lengths, width=width, layers=layers, dtype=dtype)
    tensors = random_states(shape)
    manifest = write(tmp_path, "s", shape, tensors, lengths)
    raw = sum(tensor.nbytes for tensor in tensors.values())
    raw += sum(facts.nbytes for facts in plain_facts(shape, shape.tokens).values())
    assert raw > 1_000_000
    assert store_of(manifest).stat().st_size + manifest.stat().st_size <= 1.02 * raw
