"""What is stored is what the model gave: batching, padding, windows and the writer thread change nothing."""

from __future__ import annotations

import ctypes
import errno
import logging
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import torch
import zarr
from safetensors.torch import load_file, save_file
from tests.extraction import (
    CPU,
    LAYERS,
    LENGTHS,
    POSITIONS,
    assert_round_off,
    direct_states,
    extracted,
    job,
    one_at_a_time,
    prepared,
    random_texts,
    read,
    run,
    written_corpus,
)
from tests.stores import SINK_FACTS
from tests.tiny import SENTENCES
from torch import Tensor
from transformers import (
    GPT2Config,
    GPT2Model,
    GPTNeoXConfig,
    GPTNeoXModel,
    MambaConfig,
    MambaModel,
    PreTrainedModel,
)
from zarr.storage import ZipStore

from fathom.activations.batching import batches, windows
from fathom.activations.capture import Batch, make_batch
from fathom.activations.extraction import extract
from fathom.activations.tokenisation import TokenisedTexts, tokenise
from fathom.activations.window_writer import WINDOWS, WindowWriter
from fathom.io.corpus_table import read_corpus, write_corpus
from fathom.io.manifests import read_manifest, sha256_of
from fathom.models.load import LoadedModel, load_model, load_tokenizer
from fathom.models.sites import BlockSites
from fathom.runtime.errors import FathomError
from fathom.store.layout import Shape
from fathom.store.reader import Activations, Store
from fathom.store.writer import StoreWriter

if TYPE_CHECKING:
    from fathom.store.layout import Dtype


@pytest.fixture(scope="module", params=["llama", "bert", "gpt_neox", "gpt2", "mamba"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    """A tiny model of every kind of attention and position."""
    if request.param in {"llama", "bert"}:
        folder = request.getfixturevalue(request.param)
    else:
        folder = tmp_path_factory.mktemp("model")
        torch.manual_seed(0)
        sizes: dict[str, Any] = {"vocab_size": 150, "hidden_size": 16, "num_hidden_layers": 3}
        attention: dict[str, Any] = {"num_attention_heads": 2, "intermediate_size": 32}
        built: dict[str, Callable[[], PreTrainedModel]] = {
            "gpt_neox": lambda: GPTNeoXModel(GPTNeoXConfig(**sizes, **attention)),
            "gpt2": lambda: GPT2Model(
                GPT2Config(vocab_size=150, n_embd=16, n_layer=3, n_head=2, bos_token_id=0, eos_token_id=0)
            ),
            "mamba": lambda: MambaModel(MambaConfig(**sizes, state_size=4)),
        }
        built[request.param]().save_pretrained(folder)
    return load_model(folder, "m", dtype="float32", device=CPU)


@pytest.fixture(scope="module")
def decoder(llama: Path) -> LoadedModel:
    return load_model(llama, "m", dtype="float32", device=CPU)


# One batch -----------------------------------------------------------------------------------------------------------


def test_padded_batches_equal_one_text_at_a_time(model: LoadedModel) -> None:
    texts = random_texts()
    layers = (*LAYERS, "final")
    together = run(model, make_batch(np.arange(len(LENGTHS)), texts.ids, texts.spans), layers)
    alone = one_at_a_time(model, texts, layers)
    for position in POSITIONS:
        assert together[position].shape == alone[position].shape
        assert_round_off(together[position], alone[position])


def test_pooled_states_are_what_the_tokens_say(model: LoadedModel) -> None:
    texts = random_texts()
    order = np.array([4, 0, 5, 2, 1])
    states = run(model, make_batch(order, texts.ids, texts.spans))
    tokens = torch.split(states["tokens"], [LENGTHS[text] for text in order], dim=1)
    for row, (text, own) in enumerate(zip(order, tokens, strict=True)):
        assert torch.equal(states["last"][:, row], own[:, -1])
        assert torch.equal(states["span:item"][:, row], own[:, texts.spans["item"][text]])
        exact = own.to(torch.float64).mean(dim=1)
        torch.testing.assert_close(states["mean"][:, row].to(torch.float64), exact, rtol=0, atol=1e-6)


def test_what_stands_in_the_padding_does_not_matter(model: LoadedModel) -> None:
    texts = random_texts()
    batch = make_batch(np.arange(len(LENGTHS)), texts.ids, texts.spans)
    pads = np.arange(batch.ids.shape[1]) >= batch.lengths[:, None]
    assert (batch.ids[pads] == 0).all()
    other = Batch(batch.texts, np.where(pads, 77, batch.ids), batch.lengths, batch.spans)
    before, after = run(model, batch), run(model, other)
    assert all(torch.equal(before[position], after[position]) for position in POSITIONS)


def test_infinite_states_of_pads_do_not_reach_the_mean(llama: Path) -> None:
    model = load_model(llama, "m", dtype="float32", device=CPU)
    texts = random_texts([9, 6])
    batch = make_batch(np.arange(2), texts.ids, texts.spans)
    expected = run(model, batch)

    def overflow(_: torch.nn.Module, __: Any, output: Tensor) -> Tensor:
        output = output.clone()
        output[1, 6:] = torch.inf
        return output

    model.architecture.blocks[-1].register_forward_hook(overflow)
    found = run(model, batch)
    assert all(torch.equal(found[position], expected[position]) for position in POSITIONS)


def test_half_precision_keeps_its_dtype_and_a_float32_mean(llama: Path) -> None:
    model = load_model(llama, "m", dtype="bfloat16", device=CPU)
    texts = random_texts()
    states = run(model, make_batch(np.arange(len(LENGTHS)), texts.ids, texts.spans))
    assert {position: state.dtype for position, state in states.items()} == {
        "tokens": torch.bfloat16,
        "last": torch.bfloat16,
        "span:item": torch.bfloat16,
        "mean": torch.float32,
        "mean_without_sinks": torch.float32,
    }
    own = states["tokens"][:, : LENGTHS[0]].to(torch.float64).mean(dim=1)
    torch.testing.assert_close(states["mean"][:, 0].to(torch.float64), own, rtol=0, atol=1e-6)


# The writer ----------------------------------------------------------------------------------------------------------


def make_shape(texts: TokenisedTexts, dtype: Dtype = "float32") -> Shape:
    return Shape({"residual": LAYERS}, len(texts.ids), int(texts.lengths.sum()), 16, 3, dtype, POSITIONS)


def describe(text: int) -> str:
    return f"text {text}"


@pytest.mark.parametrize(("window", "budget"), [(1, 1), (20, 8), (20, 40), (1000, 25), (1000, 10_000)])
def test_any_windows_and_batches_give_the_texts_in_order(
    tmp_path: Path, decoder: LoadedModel, window: int, budget: int
) -> None:
    texts = random_texts()
    shape = make_shape(texts)
    writer = StoreWriter(tmp_path / "s.zarr.zip", shape, compression="none")
    ranges = windows(texts.lengths, window)
    with WindowWriter(writer, shape, ranges, texts.lengths, CPU, describe, 10_000) as sink:
        for first, last in ranges:
            sink.begin(first, last)
            for rows in batches(texts.lengths[first:last], budget):
                batch = make_batch(first + rows, texts.ids, texts.spans)
                targets = sink.targets(batch)
                sink.put_facts(batch, read(decoder, batch, shape, targets))
                sink.put(batch, targets)
            sink.end()
    writer.close(np.concatenate(texts.ids), texts.lengths)
    writer.finish(tmp_path / "s.manifest.json", {"sinks": SINK_FACTS})
    store = Store(tmp_path / "s.manifest.json")
    expected = one_at_a_time(decoder, texts)
    assert_round_off(torch.from_numpy(store.tokens(0, len(LENGTHS))), expected["tokens"])
    for position in ("mean", "mean_without_sinks", "last", "span:item"):
        found = np.stack([store.pooled(position, layer) for layer in range(len(LAYERS))])
        assert_round_off(torch.from_numpy(found), expected[position])
    np.testing.assert_array_equal(store.token_ids(), np.concatenate(texts.ids))


@pytest.mark.parametrize("kept", [(), (0,), (1, 2), (0, 3), (len(LENGTHS) - 1,)])
@pytest.mark.parametrize("window", [1, 20, 1000])
def test_token_states_of_some_texts_alone(
    tmp_path: Path, decoder: LoadedModel, window: int, kept: tuple[int, ...]
) -> None:
    texts = random_texts()
    marked = np.isin(np.arange(len(LENGTHS)), kept)
    shape = replace(make_shape(texts), with_tokens=marked, token_rows=int(texts.lengths[marked].sum()))
    writer = StoreWriter(tmp_path / "s.zarr.zip", shape, compression="none")
    ranges = windows(texts.lengths, window)
    with WindowWriter(writer, shape, ranges, texts.lengths, CPU, describe, 10_000) as sink:
        for first, last in ranges:
            sink.begin(first, last)
            for rows in batches(texts.lengths[first:last], 25):
                batch = make_batch(first + rows, texts.ids, texts.spans)
                targets = sink.targets(batch)
                sink.put_facts(batch, read(decoder, batch, shape, targets))
                sink.put(batch, targets)
            sink.end()
    writer.close(np.concatenate(texts.ids), texts.lengths)
    writer.finish(tmp_path / "s.manifest.json", {"sinks": SINK_FACTS})
    stored = Activations([tmp_path / "s.manifest.json"])
    expected = one_at_a_time(decoder, texts)
    rows = np.repeat(marked, texts.lengths)
    blocks = [text for block in stored.token_blocks(1 << 12) for text in block]
    assert [text.shape[1] for text in blocks] == stored.stored_lengths.tolist() == (texts.lengths * marked).tolist()
    if kept:
        assert_round_off(torch.from_numpy(np.concatenate(blocks, axis=1)), expected["tokens"][:, rows])
    for position in ("mean", "mean_without_sinks", "last"):
        found = np.stack([stored.pooled(position, layer) for layer in range(len(LAYERS))])
        assert_round_off(torch.from_numpy(found), expected[position])
    assert [len(scores) for scores in stored.sink_scores()] == texts.lengths.tolist()


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_the_bits_on_disk_are_the_models(tmp_path: Path, llama: Path, dtype: Dtype) -> None:
    model = load_model(llama, "m", dtype=dtype, device=CPU)
    texts = random_texts()
    batch = make_batch(np.arange(len(LENGTHS)), texts.ids, texts.spans)
    states = run(model, batch)
    shape = make_shape(texts, dtype)
    writer = StoreWriter(tmp_path / "s.zarr.zip", shape, compression="none")
    with WindowWriter(writer, shape, [(0, len(LENGTHS))], texts.lengths, CPU, describe, 10_000) as sink:
        sink.begin(0, len(LENGTHS))
        sink.put_facts(batch, read(model, batch, shape, sink.targets(batch)))
        sink.end()
    writer.close(np.concatenate(texts.ids), texts.lengths)
    writer.finish(tmp_path / "s.manifest.json", {"sinks": SINK_FACTS})
    for position, state in states.items():
        with closing(ZipStore(tmp_path / "s.zarr.zip", mode="r")) as opened:
            found = np.asarray(zarr.open_array(opened, path=f"residual/{position}", mode="r")[:])
        bits = state.contiguous().view(torch.uint8).numpy()
        np.testing.assert_array_equal(np.ascontiguousarray(found).view(np.uint8), bits)


class Gated(StoreWriter):
    """A store on a disk that does not move before `gate` is set."""

    def __init__(self, path: Path, shape: Shape) -> None:
        super().__init__(path, shape, compression="none")
        self.entered, self.gate = threading.Event(), threading.Event()

    def append(self, states: Any) -> None:
        """Wait, then write."""
        self.entered.set()
        self.gate.wait()
        super().append(states)


def test_a_slow_disk_holds_the_model_up_and_memory_stays_bounded(tmp_path: Path) -> None:
    # Windows of a small model: 12 layers of 2,048 tokens of width 64.
    texts, tokens = 8, 2048
    lengths = np.full(texts, tokens)
    shape = Shape({"residual": tuple(map(str, range(12)))}, texts, texts * tokens, 64, 11, "float32", ("tokens",))
    store = Gated(tmp_path / "s.zarr.zip", shape)
    ranges = [(text, text + 1) for text in range(texts)]
    filled: list[int] = []
    memory: set[int] = set()

    def produce() -> None:
        with WindowWriter(store, shape, ranges, lengths, CPU, describe, 10_000) as sink:
            for text, _ in ranges:
                sink.begin(text, text + 1)
                batch = Batch(np.array([text]), np.zeros((1, tokens), dtype=np.int64), np.array([tokens]), {})
                state = sink.targets(batch).arrays["residual", "tokens"]
                memory.add(state.data_ptr())
                state.fill_(float(text))
                filled.append(text)
                sink.end()

    producer = threading.Thread(target=produce)
    producer.start()
    assert store.entered.wait(timeout=60)
    # The disk stands still. Without a bound the producer would run to its end now.
    producer.join(timeout=0.5)
    assert producer.is_alive()
    assert len(filled) == WINDOWS
    store.gate.set()
    producer.join(timeout=60)
    assert not producer.is_alive()
    assert len(memory) == WINDOWS
    store.close(np.zeros(texts * tokens, dtype=np.int32), lengths)
    store.finish(tmp_path / "s.manifest.json", {"sinks": SINK_FACTS})
    found = Store(tmp_path / "s.manifest.json").tokens(0, texts)[0, ::tokens, 0]
    np.testing.assert_array_equal(found, np.arange(texts))


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="needs glibc")
def test_freed_memory_is_used_again() -> None:
    # In a process of its own, for the setting cannot be taken back. Each turn takes and fills 64 MiB, or 16,384 pages;
    # the first ones find the places in the heap that later ones take again.
    script = """
import resource, torch
from fathom.runtime.malloc import keep_freed_memory
keep_freed_memory()
for _ in range(20):
    torch.ones(1 << 24)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    torch.ones(1 << 24)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 16_384


class Full(StoreWriter):
    """A store on a full disk."""

    def append(self, states: Any) -> None:  # noqa: ARG002
        """Fail."""
        raise OSError(errno.ENOSPC, "No space left on device")


def writer_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("store-writer")]


def write_zeros(writer: StoreWriter, texts: TokenisedTexts, position: str = "tokens", bad: float = 0.0) -> None:
    """One window of zeros, with one number in layer 2 of the last row of a position."""
    batch = make_batch(np.arange(len(texts.ids)), texts.ids, texts.spans)
    with WindowWriter(writer, make_shape(texts), [(0, len(texts.ids))], texts.lengths, CPU, describe, 10_000) as sink:
        sink.begin(0, len(texts.ids))
        arrays = sink.targets(batch).arrays
        for state in arrays.values():
            state.zero_()
        arrays["residual", position][2, -1, 5] = bad
        sink.end()


def test_an_error_of_the_thread_appears_and_nothing_hangs(tmp_path: Path, decoder: LoadedModel) -> None:
    texts = random_texts()
    writer = Full(tmp_path / "s.zarr.zip", make_shape(texts), compression="none")
    # Windows of one text each: the first one fails, and the model must not run on to the last.
    settings = job().model_copy(update={"activations": job().activations.model_copy(update={"memory_mb": 0})})
    with pytest.raises(OSError, match="No space left"):
        extract(
            decoder,
            texts,
            make_shape(texts),
            writer,
            settings,
            ids=list("abcdefg"),
            found=BlockSites(),
            reference=np.arange(5, 69, dtype=np.int32),
        )
    assert writer_threads() == []


def test_an_error_of_the_last_task_appears_too(tmp_path: Path) -> None:
    texts = random_texts([3])
    writer = Full(tmp_path / "s.zarr.zip", make_shape(texts), compression="none")
    with pytest.raises(OSError, match="No space left"):
        write_zeros(writer, texts)
    assert writer_threads() == []


def test_an_error_of_the_model_ends_the_thread(tmp_path: Path) -> None:
    texts = random_texts([3])
    writer = StoreWriter(tmp_path / "s.zarr.zip", make_shape(texts), compression="none")

    def fail() -> None:
        with WindowWriter(writer, make_shape(texts), [(0, 1)], texts.lengths, CPU, describe, 10_000) as sink:
            sink.begin(0, 1)
            msg = "out of memory"
            raise RuntimeError(msg)

    with pytest.raises(RuntimeError, match="out of memory"):
        fail()
    assert writer_threads() == []


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("position", ["tokens", "mean", "last"])
def test_a_state_that_is_no_number_is_refused_with_its_text_and_layer(
    tmp_path: Path, bad: float, position: str
) -> None:
    texts = random_texts([4, 6, 2])
    writer = StoreWriter(tmp_path / "s.zarr.zip", make_shape(texts), compression="none")
    with pytest.raises(FathomError, match=rf"^text 2: layer 2 gives NaN or infinity \(residual, {position}\)"):
        write_zeros(writer, texts, position, bad)


def test_large_states_whose_sum_overflows_are_kept(tmp_path: Path) -> None:
    texts = random_texts([4, 6, 2])
    writer = StoreWriter(tmp_path / "s.zarr.zip", make_shape(texts), compression="none")
    batch = make_batch(np.arange(3), texts.ids, texts.spans)
    with WindowWriter(writer, make_shape(texts), [(0, 3)], texts.lengths, CPU, describe, 10_000) as sink:
        sink.begin(0, 3)
        for state in sink.targets(batch).arrays.values():
            state.fill_(3e38)
        sink.end()
    writer.close(np.concatenate(texts.ids), texts.lengths)
    writer.finish(tmp_path / "s.manifest.json", {"sinks": SINK_FACTS})
    assert (Store(tmp_path / "s.manifest.json").tokens(0, 3) == np.float32(3e38)).all()


# The command ---------------------------------------------------------------------------------------------------------


def assert_stored(manifests: list[Path], texts: TokenisedTexts, expected: dict[str, Tensor]) -> None:
    activations = Activations(manifests)
    np.testing.assert_array_equal(activations.lengths, texts.lengths)
    ids: npt.NDArray[np.int32] = np.concatenate([store.token_ids() for store in activations.stores])
    np.testing.assert_array_equal(ids, np.concatenate(texts.ids))
    blocks = [text for block in activations.token_blocks(5000) for text in block]
    assert_round_off(torch.from_numpy(np.concatenate(blocks, axis=1)), expected["tokens"])
    for position in activations.stores[0].positions:
        if position != "tokens":
            found = np.stack([activations.pooled(position, layer) for layer in range(len(activations.layers))])
            assert_round_off(torch.from_numpy(found), expected[position])


@pytest.mark.parametrize("name", ["llama", "bert"])
@pytest.mark.parametrize("shards", [1, 3])
def test_the_whole_way(tmp_path: Path, request: pytest.FixtureRequest, name: str, shards: int) -> None:
    folder = request.getfixturevalue(name)
    model, corpus = prepared(folder, tmp_path), written_corpus(tmp_path / "texts.parquet")
    settings = [job(shard, shards=shards, token_budget=60) for shard in range(shards)]
    manifests = [extracted(model, corpus, one) for one in settings]
    texts, expected = direct_states(folder, corpus)
    assert_stored(manifests, texts, expected)
    facts = read_manifest(manifests[0], "activations")
    assert facts["positions"] == list(POSITIONS)
    assert facts["sites"] == [{"site": "residual", "layers": list(LAYERS)}]
    assert facts["corpus_sha256"] == sha256_of(corpus)
    assert facts["model_manifest_sha256"] == sha256_of(model)
    assert (facts["architecture"], facts["truncated"], facts["dtype"]) == (name, 0, "float32")
    assert facts["first_text"] == "t0"
    assert read_manifest(manifests[-1], "activations")["last_text"] == f"t{len(SENTENCES) - 1}"
    assert sum(store.texts for store in Activations(manifests).stores) == len(SENTENCES)


def test_random_tokens_run_beside_texts(tmp_path: Path, bert: Path) -> None:
    corpus = written_corpus(tmp_path / "texts.parquet", spans=False, draws=True)
    manifest = extracted(prepared(bert, tmp_path), corpus, job())
    model = load_model(bert, "m", dtype="float32", device=CPU)
    texts = tokenise(read_corpus(corpus), load_tokenizer(bert, "m"), longest=None, truncate=False, place="")
    assert texts.lengths[-1] == 13
    batch = make_batch(np.array([len(texts.ids) - 1]), texts.ids, {})
    expected = run(model, batch)["tokens"]
    found = Store(manifest).tokens(len(texts.ids) - 1, len(texts.ids))
    assert_round_off(torch.from_numpy(found), expected)


@pytest.mark.parametrize(
    ("layers", "names"),
    [("transformers", ("0", "1", "2", "final")), ((2, "final"), ("2", "final")), ((3, 0), ("3", "0"))],
)
def test_chosen_layers(tmp_path: Path, llama: Path, layers: Any, names: tuple[str, ...]) -> None:
    corpus = written_corpus(tmp_path / "texts.parquet")
    manifest = extracted(prepared(llama, tmp_path), corpus, job(layers=layers))
    texts, expected = direct_states(llama, corpus, names)
    assert Activations([manifest]).layers == names
    assert_stored([manifest], texts, expected)


def test_chosen_positions(tmp_path: Path, llama: Path) -> None:
    corpus = written_corpus(tmp_path / "texts.parquet")
    manifest = extracted(prepared(llama, tmp_path), corpus, job(positions=("spans", "mean")))
    assert Store(manifest).positions == ("mean", "mean_without_sinks", "span:item")


def test_cut_texts_are_counted_and_told(tmp_path: Path, bert: Path, caplog: pytest.LogCaptureFixture) -> None:
    corpus = written_corpus(tmp_path / "texts.parquet", spans=False)
    manifest = extracted(prepared(bert, tmp_path), corpus, job(max_tokens=20, truncate=True))
    lengths = Activations([manifest]).lengths
    whole = direct_lengths(bert, corpus)
    np.testing.assert_array_equal(lengths, np.minimum(whole, 20))
    cut = int((whole > 20).sum())
    assert cut > 0
    assert read_manifest(manifest, "activations")["truncated"] == cut
    assert f"{cut} of {len(SENTENCES)} texts cut at 20 tokens" in caplog.text


def direct_lengths(folder: Path, corpus: Path) -> npt.NDArray[np.int64]:
    tokenizer = load_tokenizer(folder, "m")
    return tokenise(read_corpus(corpus), tokenizer, longest=None, truncate=False, place="").lengths


def test_long_work_is_told_in_plain_lines_where_there_is_no_terminal(
    tmp_path: Path, llama: Path, caplog: pytest.LogCaptureFixture
) -> None:
    corpus = written_corpus(tmp_path / "texts.parquet")
    with caplog.at_level(logging.INFO, logger="fathom"):
        extracted(prepared(llama, tmp_path), corpus, job())
    tokens = f"{int(direct_lengths(llama, corpus).sum()):,}"
    assert any(
        line.startswith(f"tiny on texts: {tokens} of {tokens} tokens, ") and "tokens/s" in line
        for line in caplog.messages
    )


@pytest.mark.parametrize(
    ("views", "passes", "told"),
    [(("original",), 1, "1 pass"), (("original", "split", "keyboard"), 3, "3 passes")],
)
def test_the_number_of_passes_is_told(
    tmp_path: Path, llama: Path, caplog: pytest.LogCaptureFixture, views: tuple[str, ...], passes: int, told: str
) -> None:
    rows = [
        {"id": f"t{index}", "text": f"{text} {view}", "view": view, "group": f"t{index}"}
        for view in views
        for index, text in enumerate(SENTENCES)
    ]
    corpus = tmp_path / "texts.parquet"
    write_corpus(pd.DataFrame(rows), corpus, "texts")
    for shard in range(2):
        with caplog.at_level(logging.INFO, logger="fathom"):
            manifest = extracted(prepared(llama, tmp_path), corpus, job(shard, shards=2))
        assert read_manifest(manifest, "activations")["passes"] == passes
        tokens = int(Activations([manifest]).lengths.sum())
        line = f"tiny on texts: {told} over 5 texts, {tokens} tokens in shard {shard + 1} of 2"
        assert line in caplog.messages


def test_running_again_gives_the_same_manifest_and_clears_a_corrupt_store(tmp_path: Path, llama: Path) -> None:
    model, corpus = prepared(llama, tmp_path), written_corpus(tmp_path / "texts.parquet")
    manifest = extracted(model, corpus, job())
    before = manifest.read_bytes()
    store = tmp_path / "activations" / "1-of-1.zarr.zip"
    whole = store.read_bytes()
    store.write_bytes(whole[: len(whole) // 2] + bytes(len(whole)))
    manifest.unlink()
    assert extracted(model, corpus, job()).read_bytes() == before
    assert store.read_bytes() == whole


def broken(source: Path, target: Path, weight: str, row: int | slice = slice(None)) -> Path:
    """A copy of a checkpoint with NaN in a weight."""
    target.mkdir()
    for path in source.iterdir():
        (target / path.name).write_bytes(path.read_bytes())
    weights = load_file(target / "model.safetensors")
    weights[weight][row] = torch.nan
    save_file(weights, target / "model.safetensors", metadata={"format": "pt"})
    return target


def test_a_model_that_gives_nan_is_refused(tmp_path: Path, llama: Path) -> None:
    folder = broken(llama, tmp_path / "broken", "layers.1.mlp.down_proj.weight")
    corpus = written_corpus(tmp_path / "texts.parquet")
    expected = (
        r"model tiny, corpus texts, text 't\d': layer 2 gives NaN or infinity \(residual, tokens\); nothing was stored"
    )
    with pytest.raises(FathomError, match=expected):
        extracted(prepared(folder, tmp_path), corpus, job())
    assert list((tmp_path / "activations").glob("*.manifest.json")) == []


def test_the_text_that_gives_nan_is_named(tmp_path: Path, llama: Path) -> None:
    corpus = written_corpus(tmp_path / "texts.parquet")
    ids = tokenise(read_corpus(corpus), load_tokenizer(llama, "m"), longest=None, truncate=False, place="").ids
    # A token of text t3 that no other text holds.
    others = set(np.concatenate([own for index, own in enumerate(ids) if index != 3]).tolist())
    token = next(token for token in ids[3].tolist() if token not in others)
    folder = broken(llama, tmp_path / "broken", "embed_tokens.weight", token)
    with pytest.raises(FathomError, match="text 't3': layer 0 gives NaN or infinity"):
        extracted(prepared(folder, tmp_path), corpus, job())


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"max_tokens": 5}, r"5 of 5 texts are longer than 5 tokens, first 't0' with \d+; set activations\.truncate"),
        ({"layers": (0, 9)}, r"activations\.layers: model tiny has the layers 0 to 3, expected no 9"),
        ({"shards": 6}, r"activations\.shards: corpus texts has 5 texts, expected at most so many shards, found 6"),
        ({"max_tokens": 2, "truncate": True}, r"cutting text 't\d' after 2 tokens would lose span 'item'"),
    ],
)
def test_bad_input_is_one_line_and_leaves_no_manifest(
    tmp_path: Path, llama: Path, settings: dict[str, Any], expected: str
) -> None:
    corpus = written_corpus(tmp_path / "texts.parquet")
    with pytest.raises(FathomError, match=expected) as caught:
        extracted(prepared(llama, tmp_path), corpus, job(**settings))
    assert "\n" not in str(caught.value)
    assert list(tmp_path.rglob("*.manifest.json")) == []


def test_texts_longer_than_the_context_are_refused(tmp_path: Path, llama: Path) -> None:
    frame = pd.DataFrame({"id": ["long"], "text": [" ".join(SENTENCES)], "view": "original", "group": "g"})
    write_corpus(frame, tmp_path / "texts.parquet", "texts")
    with pytest.raises(FathomError, match="1 of 1 texts are longer than 64 tokens, first 'long'"):
        extracted(prepared(llama, tmp_path), tmp_path / "texts.parquet", job())
    manifest = extracted(prepared(llama, tmp_path), tmp_path / "texts.parquet", job(truncate=True))
    assert Activations([manifest]).lengths.tolist() == [64]


def test_spans_of_a_corpus_that_marks_none(tmp_path: Path, llama: Path) -> None:
    corpus = written_corpus(tmp_path / "texts.parquet", spans=False)
    with pytest.raises(FathomError, match=r"activations\.positions asks for spans only, and the corpus marks none"):
        extracted(prepared(llama, tmp_path), corpus, job(positions=("spans",)))


def test_a_model_that_was_not_prepared(tmp_path: Path) -> None:
    corpus = written_corpus(tmp_path / "texts.parquet")
    with pytest.raises(FathomError, match="no such manifest"):
        extracted(tmp_path / "models" / "manifest.json", corpus, job())


def test_a_full_disk_is_one_line_and_leaves_nothing(
    tmp_path: Path, llama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, corpus = prepared(llama, tmp_path), written_corpus(tmp_path / "texts.parquet")
    monkeypatch.setattr("fathom.activations.command.StoreWriter", Full)
    with pytest.raises(FathomError, match=r"1-of-1\.zarr\.zip: the disk is full; nothing was kept"):
        extracted(model, corpus, job())
    assert list((tmp_path / "activations").iterdir()) == []
