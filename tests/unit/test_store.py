"""The activation store gives back the bits that were put in, or an error that names the file."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import pytest
import torch
import xarray
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fathom.errors import FathomError
from fathom.provenance import read_manifest, write_manifest
from fathom.store import (
    KIND,
    Activations,
    Dtype,
    Shape,
    Store,
    StoreWriter,
    array_dtype,
    is_pooled,
    layer_axis,
    to_float32,
)

DTYPES: tuple[Dtype, ...] = get_args(Dtype)
Compression = Literal["none", "zstd"]
POSITIONS = ("tokens", "mean", "last", "span:item")
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
            "float32" if position == "mean" else shape.dtype,
            seed + index,
        )
        for index, position in enumerate(shape.positions)
    }


def make_shape(lengths: list[int], *, width: int = 8, layers: int = 3, dtype: Dtype = "float32") -> Shape:
    names = tuple(map(str, range(layers)))
    return Shape({"residual": names}, len(lengths), sum(lengths), width, dtype, POSITIONS)


def write(
    folder: Path,
    name: str,
    shape: Shape,
    states: dict[str, torch.Tensor],
    lengths: list[int],
    *,
    shard_bytes: int = 1 << 28,
    compression: Compression = "none",
    texts_at_once: int = 2,
    spans: Mapping[str, list[tuple[int, int]]] | None = None,
) -> Path:
    """Write a store a few texts at a time, as extraction does; returns its manifest."""
    writer = StoreWriter(folder / f"{name}.zarr", shape, shard_bytes=shard_bytes, compression=compression)
    edges = np.concatenate(([0], np.cumsum(lengths)))
    for first in range(0, len(lengths), texts_at_once):
        last = min(first + texts_at_once, len(lengths))
        part = {
            position: tensor[:, first:last] if is_pooled(position) else tensor[:, edges[first] : edges[last]]
            for position, tensor in states.items()
        }
        writer.append({("residual", position): stored(tensor) for position, tensor in part.items()})
    edges_of = {name: np.array(at, dtype=np.int64) for name, at in (spans or {}).items()}
    writer.write_spans(*({name: at[:, edge] for name, at in edges_of.items()} for edge in (0, 1)))
    writer.close(np.arange(sum(lengths), dtype=np.int32), np.array(lengths, dtype=np.int64))
    manifest = folder / f"{name}.manifest.json"
    writer.finish(manifest, {"corpus_sha256": "of the corpus"})
    return manifest


def read_everything(manifest: Path) -> list[npt.NDArray[Any]]:
    activations = Activations([manifest])
    store = activations.stores[0]
    arrays: list[npt.NDArray[Any]] = [store.offsets, store.token_ids()]
    arrays += [block for blocks in activations.token_blocks(60_000) for block in blocks]
    for position in store.positions:
        if is_pooled(position):
            arrays += [activations.pooled(position, layer) for layer in range(len(activations.layers))]
    return arrays


# Round trip ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compression", get_args(Compression))
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_bit_comes_back(tmp_path: Path, dtype: Dtype, compression: Compression) -> None:
    lengths = [5, 1, 9, 3, 7]
    shape = make_shape(lengths, dtype=dtype)
    tensors = random_states(shape)
    manifest = write(tmp_path, "s", shape, tensors, lengths, shard_bytes=1, compression=compression)
    for position, tensor in tensors.items():
        on_disk = np.asarray(zarr.open_array(tmp_path / "s.zarr" / "residual" / position, mode="r")[:])
        assert on_disk.dtype == array_dtype(position, dtype)
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
    # Zarr leaves out chunks that equal the fill value 0; -0.0 equals it as a number, not in its bits.
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
def test_ragged_texts_over_many_zarr_shards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: st.DataObject
) -> None:
    lengths = data.draw(st.lists(st.integers(1, 12), min_size=1, max_size=12))
    width = data.draw(st.integers(1, 5))
    monkeypatch.setattr("fathom.store.CHUNK_BYTES", data.draw(st.integers(1, 400)))
    monkeypatch.setattr("fathom.store.MINIMUM_ROWS", data.draw(st.integers(1, 6)))
    shape = make_shape(lengths, width=width, layers=2)
    tensors = random_states(shape)
    shutil.rmtree(tmp_path)
    manifest = write(
        tmp_path,
        "s",
        shape,
        tensors,
        lengths,
        shard_bytes=data.draw(st.integers(1, 2000)),
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
def test_patterns_over_many_zarr_shards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compression: Compression
) -> None:
    monkeypatch.setattr("fathom.store.MINIMUM_ROWS", 7)
    monkeypatch.setattr("fathom.store.CHUNK_BYTES", 7 * 2 * 4)
    parts = {"1-of-2": ([4, 2, 9], [0, 2]), "2-of-2": ([5, 3], [1])}
    draw = np.random.default_rng(0)
    expected, manifests = [], []
    for name, (lengths, chosen) in parts.items():
        shape = make_shape(lengths)
        writer = StoreWriter(tmp_path / f"{name}.zarr", shape, shard_bytes=3 * 7 * 2 * 4 * 2, compression=compression)
        writer.append({("residual", position): stored(one) for position, one in random_states(shape).items()})
        patterns = [draw.random((3, 2, lengths[text], lengths[text]), dtype=np.float32) for text in chosen]
        writer.write_patterns(np.array(chosen), np.array(lengths)[chosen], iter(patterns))
        writer.close(np.arange(sum(lengths), dtype=np.int32), np.array(lengths))
        manifests.append(tmp_path / f"{name}.manifest.json")
        writer.finish(manifests[-1], {})
        expected += patterns
    assert len(list((tmp_path / "1-of-2.zarr" / "attention_patterns" / "c" / "0" / "0").iterdir())) > 5
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
    # All zeros: Zarr writes no file.
    shape = make_shape([1, 3])
    manifest = write(tmp_path, "s", shape, random_states(shape), [1, 3], spans={"item": [(0, 0), (0, 0)]})
    assert not list((tmp_path / "s.zarr" / "span_tokens").rglob("c/*"))
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
    with pytest.raises(FathomError, match=r"bare\.zarr: marks no span 'item', only none"):
        bare.span_tokens("item")
    marked = Activations([write(tmp_path, "marked", shape, states, [5, 2, 9], spans=SPANS)])
    with pytest.raises(FathomError, match=r"marked\.zarr: marks no span 'item', only second, first"):
        marked.span_tokens("item")


def test_shards_whose_spans_differ_are_refused(tmp_path: Path) -> None:
    shape = make_shape([5, 2, 9])
    states = random_states(shape)
    marks = {"bare": {}, "both": SPANS, "first": {"first": SPANS["first"]}, "order": dict(sorted(SPANS.items()))}
    manifests = {name: write(tmp_path, name, shape, states, [5, 2, 9], spans=spans) for name, spans in marks.items()}
    Activations([manifests["both"], manifests["both"]])
    for other in ("bare", "first", "order"):
        with pytest.raises(FathomError, match=rf"{other}\.zarr: .* or spans differ from .*both\.zarr"):
            Activations([manifests["both"], manifests[other]])


def test_damage_to_spans_is_found_when_they_are_read(tmp_path: Path) -> None:
    shape = make_shape([5, 2, 9])
    manifest = write(tmp_path, "s", shape, random_states(shape), [5, 2, 9], spans=SPANS)
    flip(tmp_path / "s.zarr" / "span_tokens" / "c" / "0", 9, 4)
    activations = Activations([manifest])
    with pytest.raises(FathomError, match=r"span_tokens/c/0: its digest is not the manifest's"):
        activations.span_tokens("first")


def test_nothing_is_read_before_it_is_asked_for(tmp_path: Path) -> None:
    shape = make_shape([4, 2])
    manifest = write(tmp_path, "s", shape, random_states(shape), [4, 2])
    flip(tmp_path / "s.zarr/residual/tokens/c/0/0/0", 0, 1)
    activations = Activations([manifest])
    assert activations.pooled("mean", 0).shape == (2, 8)
    with pytest.raises(FathomError, match="residual/tokens/c/0/0/0"):
        next(activations.token_blocks(1 << 20))


def test_shards_that_do_not_fit_together_are_refused(tmp_path: Path) -> None:
    shapes = {"a": make_shape([2]), "b": make_shape([2], width=4), "c": make_shape([2], layers=2)}
    manifests = [write(tmp_path, name, shape, random_states(shape), [2]) for name, shape in shapes.items()]
    for other in manifests[1:]:
        with pytest.raises(
            FathomError, match=r"\w\.zarr: sites, layers, width, positions or spans differ from .*a\.zarr"
        ):
            Activations([manifests[0], other])


def test_states_of_another_corpus_are_refused(tmp_path: Path) -> None:
    shape = make_shape([2])
    activations = Activations([write(tmp_path, "s", shape, random_states(shape), [2])])
    activations.require_corpus("of the corpus", Path("corpus.parquet"))
    with pytest.raises(FathomError, match=r"s\.zarr: its states are not of the texts in corpus\.parquet"):
        activations.require_corpus("of another", Path("corpus.parquet"))


def test_a_position_that_was_not_stored_is_named(tmp_path: Path) -> None:
    shape = make_shape([2])
    store = Store(write(tmp_path, "s", shape, random_states(shape), [2]))
    with pytest.raises(FathomError, match="no position 'span:first', only tokens, mean, last, span:item"):
        store.pooled("span:first", 0)


def test_too_few_rows_are_refused(tmp_path: Path) -> None:
    shape = make_shape([2, 3])
    writer = StoreWriter(tmp_path / "s.zarr", shape, shard_bytes=1 << 20, compression="none")
    writer.append({("residual", position): stored(one)[:, :1] for position, one in random_states(shape).items()})
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


# Damage --------------------------------------------------------------------------------------------------------------


def flip(file: Path, position: int, mask: int) -> None:
    content = bytearray(file.read_bytes())
    content[position] ^= mask
    file.write_bytes(content)


@pytest.fixture(scope="module", params=get_args(Compression))
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Manifest of a small store with several Zarr shards and chunks."""
    folder = tmp_path_factory.mktemp("whole")
    lengths = [400, 100, 300]
    shape = make_shape(lengths, width=64, layers=2)
    return write(folder, "s", shape, random_states(shape), lengths, shard_bytes=200_000, compression=request.param)


def files_of(manifest: Path) -> list[Path]:
    return sorted(path for path in manifest.with_name("s.zarr").rglob("*") if path.is_file())


@settings(max_examples=50, deadline=None)
@given(choice=st.integers(0, 10_000), position=st.integers(min_value=0, max_value=1 << 30), mask=st.integers(1, 255))
def test_a_flipped_byte_is_an_error_that_names_the_file(whole: Path, choice: int, position: int, mask: int) -> None:
    files = files_of(whole)
    file = files[choice % len(files)]
    at = position % file.stat().st_size
    flip(file, at, mask)
    try:
        with pytest.raises(FathomError) as caught:
            read_everything(whole)
        assert str(file) in str(caught.value)
        assert "\n" not in str(caught.value)
    finally:
        flip(file, at, mask)


def test_a_flipped_byte_in_the_index_of_a_zarr_shard(whole: Path) -> None:
    file = whole.with_name("s.zarr") / "residual/tokens/c/0/0/0"
    size = file.stat().st_size
    chunks = 2  # one a layer
    for at in range(size - 16 * chunks - 4, size):
        flip(file, at, 0x40)
        with pytest.raises(FathomError, match=str(file)):
            read_everything(whole)
        flip(file, at, 0x40)
    read_everything(whole)


def test_a_cut_or_missing_file_is_refused(whole: Path) -> None:
    # Zarr itself would read zeros.
    for file in files_of(whole):
        content = file.read_bytes()
        file.write_bytes(content[:-1])
        with pytest.raises(
            FathomError, match=f"{file}: holds {len(content) - 1} bytes, the manifest says {len(content)}"
        ):
            Store(whole)
        file.unlink()
        with pytest.raises(FathomError, match=f"{file}: missing"):
            Store(whole)
        file.write_bytes(content)
    read_everything(whole)


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
def test_a_torn_manifest_is_refused(tmp_path: Path, content: str, expected: str) -> None:
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
    "without", ["store", "sites", "texts", "width", "positions", "spans", "attention_texts", "files"]
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
    for other in (2, 99):  # the one before had no spans
        write_manifest(manifest, {**read_manifest(manifest, KIND), "format": other})
        with pytest.raises(FathomError, match=f"format {other}, this version reads 3"):
            Store(manifest)


def test_a_store_without_manifest_does_not_exist(tmp_path: Path) -> None:
    shape = make_shape([2])
    manifest = write(tmp_path, "s", shape, random_states(shape), [2])
    manifest.unlink()
    with pytest.raises(FathomError, match="no such manifest"):
        Activations([manifest])


# What others see -----------------------------------------------------------------------------------------------------


def test_other_tools_open_the_store(tmp_path: Path) -> None:
    # Warnings are errors here, also for the file that Snakemake leaves in the folder.
    lengths = [4, 2]
    shape = make_shape(lengths)
    tensors = random_states(shape)
    write(tmp_path, "s", shape, tensors, lengths, spans={"item": [(1, 2), (0, 1)]})
    (tmp_path / "s.zarr" / ".snakemake_timestamp").touch()
    root = zarr.open_group(tmp_path / "s.zarr", mode="r")
    assert sorted(name for name, _ in root.members(max_depth=None)) == [
        "offsets",
        "residual",
        "residual/last",
        "residual/mean",
        "residual/span:item",
        "residual/tokens",
        "span_tokens",
        "token_ids",
    ]
    with xarray.open_zarr(tmp_path / "s.zarr") as top:
        assert top["token_ids"].dims == ("token",)
        assert top["offsets"].to_numpy().tolist() == [0, 4, 6]
        assert top["span_tokens"].dims == ("span_edge",)
        assert top["span_tokens"].to_numpy().tolist() == [1, 2, 0, 1]
    with xarray.open_zarr(tmp_path / "s.zarr", group="residual") as site:
        assert site.attrs["layers"] == ["0", "1", "2"]
        assert dict(site.sizes) == {"layer": 3, "text": 2, "token": 6, "width": 8}
        assert site["mean"].dims == ("layer", "text", "width")
        assert site["tokens"].dims == ("layer", "token", "width")
        np.testing.assert_array_equal(site["tokens"].to_numpy(), tensors["tokens"].numpy())


def test_snakemakes_time_stamp_is_no_part_of_the_store(tmp_path: Path) -> None:
    shape = make_shape([2])
    manifest = write(tmp_path, "s", shape, random_states(shape), [2])
    (tmp_path / "s.zarr" / ".snakemake_timestamp").touch()
    before = read_everything(manifest)
    facts = read_manifest(manifest, KIND)
    assert not any("snakemake" in name for name in facts["files"])
    assert len(before) > 0


def test_the_manifest_names_every_file_and_nothing_that_varies(tmp_path: Path) -> None:
    shape = make_shape([4, 2])
    states = random_states(shape)
    for name in "ab":
        (tmp_path / name).mkdir()
        write(tmp_path / name, "s", shape, states, [4, 2])
    first = tmp_path / "a" / "s.manifest.json"
    assert first.read_bytes() == (tmp_path / "b" / "s.manifest.json").read_bytes()
    store = tmp_path / "a" / "s.zarr"
    on_disk = {path.relative_to(store).as_posix(): path.stat().st_size for path in store.rglob("*") if path.is_file()}
    assert {name: fact["bytes"] for name, fact in json.loads(first.read_text())["files"].items()} == on_disk


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
    manifest = write(tmp_path, "s", shape, tensors, lengths, shard_bytes=1 << 20)
    raw = sum(tensor.nbytes for tensor in tensors.values())
    assert raw > 1_000_000
    store = tmp_path / "s.zarr"
    used = sum(path.stat().st_size for path in store.rglob("*") if path.is_file()) + manifest.stat().st_size
    assert used <= 1.02 * raw
    # Seven arrays and groups at most, and a file a Zarr shard of at least half the wanted size.
    shards = sum(-(-2 * tensor.nbytes // (1 << 20)) for tensor in tensors.values())
    assert sum(1 for path in store.rglob("*") if path.is_file()) <= 8 + 2 + shards
