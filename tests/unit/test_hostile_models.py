"""Checkpoints made to do harm: nothing in them runs, nothing from outside comes in, errors are one line."""

from __future__ import annotations

import json
import os
import pickle
import re
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file
from tests.jobs import model_settings

from fathom.io.manifests import read_manifest
from fathom.models.checkpoint_checks import ORDERS, check_checkpoint, check_prepared
from fathom.models.command import command
from fathom.models.load import load_model, load_tokenizer
from fathom.models.prepare import copy_plain
from fathom.models.sources.random_weights import draw_weights
from fathom.models.sources.wheel import convert_gguf
from fathom.models.weight_headers import read_gguf_header, read_safetensors_header
from fathom.runtime.errors import FathomError

CPU = torch.device("cpu")
Harm = Callable[[Path, Path], None]
"""Changes a checkpoint folder; the path is a file that the harm would make."""


class Bomb:
    """Unpickling it makes a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.marker,)


def change(file: Path, **entries: Any) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | entries), encoding="utf-8")


def prepare(source: Path, folder: Path, **settings: Any) -> dict[str, Any]:
    """`fathom models` on a folder; returns the manifest."""
    manifest = folder / "manifest.json"
    wanted = model_settings({"source": "path", "path": str(source)} | settings)
    arguments = ["--settings", wanted, "--folder", str(folder), "--manifest", str(manifest)]
    done = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return read_manifest(manifest, "model")


def refusal(source: Path, folder: Path) -> str:
    """The one line with which `fathom models` refuses a folder, of which it leaves nothing."""
    with pytest.raises(FathomError) as caught:
        prepare(source, folder)
    assert not folder.exists()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def source(tmp_path: Path, llama: Path) -> Path:
    """A checkpoint folder that a test may harm."""
    folder = tmp_path / "source"
    shutil.copytree(llama, folder)
    return folder


# Pickles and code ----------------------------------------------------------------------------------------------------


def pickles_beside(folder: Path, marker: Path) -> None:
    bomb = pickle.dumps(Bomb(marker))
    names = ("pytorch_model.bin", "training_args.bin", "adapter_model.bin", "vocab.pkl", "model.pt", "rng.joblib")
    for name in (*names, "consolidated.00.pth"):
        (folder / name).write_bytes(bomb)
    np.save(folder / "embeddings.npy", np.array([Bomb(marker)], dtype=object), allow_pickle=True)
    index = {"metadata": {}, "weight_map": {"embed_tokens.weight": "pytorch_model.bin"}}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index))


def weights_named_in_the_config(folder: Path, marker: Path) -> None:
    torch.save({"bomb": Bomb(marker)}, folder / "adapter_model.bin")
    change(folder / "config.json", transformers_weights="adapter_model.bin")


def code_of_its_own(folder: Path, marker: Path) -> None:
    (folder / "evil.py").write_text(f"import pathlib\npathlib.Path({str(marker)!r}).touch()\n")
    names = {f"Auto{part}": "evil.Evil" for part in ("Config", "Model", "ModelForCausalLM")}
    change(folder / "config.json", auto_map=names, custom_pipelines={"x": {"impl": "evil.Evil"}})
    change(folder / "tokenizer_config.json", auto_map={"AutoTokenizer": ["evil.Evil", "evil.Evil"]})
    (folder / "generation_config.json").write_text('{"custom_generate": "evil"}')
    (folder / "custom_generate").mkdir()
    shutil.copyfile(folder / "evil.py", folder / "custom_generate" / "generate.py")


def kernels_of_the_hub(folder: Path, _: Path) -> None:
    change(
        folder / "config.json",
        attn_implementation="evil/kernel@main:run",
        _attn_implementation="evil/kernel",
        _attn_implementation_internal="evil/kernel",
        use_kernels=True,
        kernel_config={"RMSNorm": "evil/kernel:RMSNorm"},
    )


def an_adapter(folder: Path, marker: Path) -> None:
    adapter = {"peft_type": "LORA", "base_model_name_or_path": "evil/base", "auto_mapping": {"parent_library": "evil"}}
    (folder / "adapter_config.json").write_text(json.dumps(adapter))
    (folder / "adapter_model.bin").write_bytes(pickle.dumps(Bomb(marker)))


def a_template_that_breaks_out(folder: Path, marker: Path) -> None:
    template = "{{ cycler.__init__.__globals__.os.system('touch " + str(marker) + "') }}"
    change(folder / "tokenizer_config.json", chat_template=template)
    (folder / "chat_template.jinja").write_text(template)


HARMS: dict[str, Harm] = {
    "pickles beside the weights": pickles_beside,
    "weights named in the config": weights_named_in_the_config,
    "code of its own": code_of_its_own,
    "kernels of the hub": kernels_of_the_hub,
    "an adapter": an_adapter,
    "a template that breaks out": a_template_that_breaks_out,
}


@pytest.mark.parametrize("harm", HARMS)
def test_a_harmed_checkpoint_gives_the_same_model_and_runs_nothing(
    tmp_path: Path, source: Path, llama: Path, harm: str
) -> None:
    marker = tmp_path / "ran"
    HARMS[harm](source, marker)
    facts = prepare(source, tmp_path / "m")
    kept = {path.name for path in (tmp_path / "m").iterdir()}
    assert kept == {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "manifest.json"}
    text = (tmp_path / "m/config.json").read_text() + (tmp_path / "m/tokenizer_config.json").read_text()
    assert not [key for key in ORDERS if f'"{key}"' in text]
    assert facts["context"] == 64
    ids = load_tokenizer(tmp_path / "m", "m")("A church and an organ")["input_ids"]
    assert ids == load_tokenizer(llama, "m")("A church and an organ")["input_ids"]
    loaded = load_model(tmp_path / "m", "m", dtype="float32", device=CPU).module.state_dict()
    whole = load_file(llama / "model.safetensors")
    assert all(torch.equal(loaded[key], weight) for key, weight in whole.items())
    assert not marker.exists()
    if harm == "kernels of the hub":
        assert "attn_implementation" in facts["left_out"]


@pytest.mark.parametrize("harm", ["weights named in the config", "kernels of the hub", "an adapter"])
def test_a_folder_that_did_not_come_through_the_stage_is_not_loaded(tmp_path: Path, source: Path, harm: str) -> None:
    HARMS[harm](source, tmp_path / "ran")
    for load in (
        lambda: load_model(source, "m", dtype="float32", device=CPU),
        lambda: load_tokenizer(source, "m"),
    ):
        with pytest.raises(FathomError, match="not as `fathom models` leaves a model"):
            load()
    assert not (tmp_path / "ran").exists()


def test_loading_never_asks_the_hub(source: Path) -> None:
    load_tokenizer(source, "m")
    assert os.environ["HF_HUB_OFFLINE"] == "1"
    assert os.environ["USE_HUB_KERNELS"] == "NO"


@pytest.mark.parametrize(
    "name", ["AutoModel", "AutoTokenizer", "RagTokenizer", "os.system", "pipeline", "../x", "", 3, ["LlamaTokenizer"]]
)
@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json"])
def test_a_class_that_is_no_tokenizer_is_refused(tmp_path: Path, source: Path, file: str, name: Any) -> None:
    change(source / file, tokenizer_class=name)
    assert "tokenizer_class: expected a name that transformers has for it" in refusal(source, tmp_path / "m")


def test_quantised_weights_are_refused(tmp_path: Path, source: Path) -> None:
    change(source / "config.json", quantization_config={"quant_method": "gptq", "bits": 4})
    assert "quantised weights (quantization_config) are not read" in refusal(source, tmp_path / "m")


# Files from elsewhere ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["pytorch_model.bin", "../../x.safetensors", "/etc/x.safetensors", "a/b.safetensors", "..", "", "a\nb", 7]
)
def test_an_index_names_safetensors_files_beside_it_only(tmp_path: Path, source: Path, name: Any) -> None:
    index = {"metadata": {}, "weight_map": {"embed_tokens.weight": "model.safetensors", "other": name}}
    (source / "model.safetensors.index.json").write_text(json.dumps(index))
    (tmp_path / "x.safetensors").touch()
    assert "expected only *.safetensors files beside it" in refusal(source, tmp_path / "m")


def test_an_index_of_a_missing_file_is_refused(tmp_path: Path, source: Path) -> None:
    (source / "model.safetensors.index.json").write_text('{"weight_map": {"a": "model-2.safetensors"}}')
    assert "names model-2.safetensors, which is not there" in refusal(source, tmp_path / "m")


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "vocab.txt", "tokenizer.model"])
def test_a_link_out_of_the_folder_is_refused(tmp_path: Path, source: Path, name: str) -> None:
    secret = tmp_path / "secret"
    secret.write_text((source / name).read_text() if (source / name).exists() else "password")
    (source / name).unlink(missing_ok=True)
    (source / name).symlink_to(secret)
    assert "outside of its folder; put the file itself there" in refusal(source, tmp_path / "m")


def test_links_of_the_hubs_cache_and_links_to_weights_are_followed(tmp_path: Path, source: Path) -> None:
    blobs, snapshot = tmp_path / "cache/blobs", tmp_path / "cache/snapshots/0123"
    blobs.mkdir(parents=True)
    snapshot.mkdir(parents=True)
    for number, path in enumerate(sorted(source.iterdir())):
        shutil.copyfile(path, blobs / str(number))
        (snapshot / path.name).symlink_to(Path("../../blobs") / str(number))
    prepare(snapshot, tmp_path / "of the cache")
    shutil.move(source / "model.safetensors", tmp_path / "elsewhere.safetensors")
    (source / "model.safetensors").symlink_to(tmp_path / "elsewhere.safetensors")
    prepare(source, tmp_path / "of a link")
    assert not [path for path in (tmp_path / "of a link").iterdir() if path.is_symlink()]


def test_a_link_to_what_is_no_weights_is_refused(tmp_path: Path, source: Path) -> None:
    (tmp_path / "secret").write_text("password" * 100)
    (source / "model.safetensors").unlink()
    (source / "model.safetensors").symlink_to(tmp_path / "secret")
    assert "not a safetensors file" in refusal(source, tmp_path / "m")


def test_a_write_to_a_copy_never_changes_the_users_file(tmp_path: Path, source: Path) -> None:
    before = {path.name: path.read_bytes() for path in source.iterdir()}
    (tmp_path / "copy").mkdir()
    copy_plain(source, tmp_path / "copy")
    for path in (tmp_path / "copy").iterdir():
        assert path.read_bytes() == before[path.name]
        with path.open("r+b") as stream:
            stream.write(b"overwritten")
    assert {path.name: path.read_bytes() for path in source.iterdir()} == before


# Bombs and corrupt files ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "entries",
    [
        {"num_hidden_layers": 10**9},
        {"num_hidden_layers": 10**400},
        {"num_hidden_layers": -1},
        {"num_hidden_layers": 2.5},
        {"num_hidden_layers": True},
        {"num_hidden_layers": [3]},
        {"hidden_size": 10**9},
        {"hidden_size": 17},
        {"hidden_size": 0},
        {"hidden_size": None},
        {"model_type": None},
        {"model_type": ["llama"]},
        {"model_type": "../../evil"},
        {"text_config": "llama", "num_hidden_layers": None},
        {"text_config": {"quantization_config": {}}},
    ],
)
def test_a_config_that_does_not_fit_its_weights_is_refused_before_a_model_is_built(
    tmp_path: Path, source: Path, entries: dict[str, Any]
) -> None:
    change(source / "config.json", **entries)
    refusal(source, tmp_path / "m")


@pytest.mark.parametrize("entries", [{"intermediate_size": 10**12}, {"vocab_size": 10**12}, {"head_dim": 10**9}])
def test_a_shape_larger_than_its_weights_is_never_drawn(tmp_path: Path, source: Path, entries: dict[str, int]) -> None:
    change(source / "config.json", **entries)
    refused = refusal(source, tmp_path / "m")
    assert re.search("its config claims [0-9,]+ weights, its files hold|cannot build a model of this config", refused)
    with pytest.raises(FathomError, match="cannot build a model of this shape"):
        draw_weights(source, tmp_path / "r", seed=0)
    with pytest.raises(FathomError, match="model m: "):
        load_model(source, "m", dtype="float32", device=CPU)
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"3",
        b"null",
        b'{"a": NaN}',
        b'{"a": 1e999}',
        b'{"a": 1, "a": 2}',
        b"[" * 100_000,
        b'{"a": ' * 50_000,
        b'{"a": ' + b"9" * 5000 + b"}",
        b" " * (9 << 20),
    ],
    ids=range(12),
)
@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json"])
def test_what_is_no_json_mapping_is_one_line(tmp_path: Path, source: Path, name: str, content: bytes) -> None:
    (source / name).write_bytes(content)
    assert f"{name}: expected " in refusal(source, tmp_path / "m")


def test_a_broken_tokenizer_is_one_line(tmp_path: Path, source: Path) -> None:
    for number, content in enumerate(("{}", '{"model": {"type": "BPE"}}', '{"model": 3, "added_tokens": "x"}')):
        (source / "tokenizer.json").write_text(content)
        prepare(source, tmp_path / str(number))
        with pytest.raises(FathomError, match="model m: its tokenizer cannot be read") as caught:
            load_tokenizer(tmp_path / str(number), "m")
        assert "\n" not in str(caught.value)


def safetensors(header: Any, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


TENSOR = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "header too small"),
        (b"\x00" * 7, "header too small"),
        (struct.pack("<Q", 1 << 62) + b"{}", "header too large"),
        (struct.pack("<Q", 99) + b"{}", "invalid header length"),
        (safetensors(b"[]"), "invalid JSON in header"),
        (safetensors(b"{nonsense"), "invalid JSON in header"),
        (safetensors(b"[" * 100_000), "invalid JSON in header"),
        (safetensors(b'{"a":' * 50_000), "recursion limit exceeded"),
        (safetensors(b"\xff\xfe{}"), "invalid UTF-8 in header"),
        (safetensors({"a": TENSOR, "b": TENSOR}, b"\x00" * 8), "invalid offset for tensor"),
        (safetensors({"a": TENSOR | {"data_offsets": [4, 12]}}, b"\x00" * 12), "invalid offset for tensor"),
        (safetensors({"a": TENSOR}, b"\x00" * 9), "file not fully covered"),
        (safetensors({"a": TENSOR}, b"\x00" * 7), "file not fully covered"),
        (safetensors({"a": TENSOR | {"shape": [1 << 40]}}, b"\x00" * 8), "invalid shape, data type, or offset"),
        (safetensors({"a": TENSOR | {"shape": [1 << 32, 1 << 32]}}, b"\x00" * 8), "overflow computing buffer size"),
        (safetensors({"a": TENSOR | {"shape": [-1, -2]}}, b"\x00" * 8), "expected usize"),
        (safetensors({"a": TENSOR | {"dtype": "PICKLE"}}, b"\x00" * 8), "unknown variant `PICKLE`"),
        (safetensors({"a": 3}, b""), "invalid type: integer `3`"),
        (safetensors({"a\x1b[2J": TENSOR}, b""), "file not fully covered"),
        (safetensors({"a": TENSOR | {"data_offsets": [0]}}, b""), "invalid length 1"),
    ],
    ids=range(20),
)
def test_a_bad_safetensors_header_is_one_line(tmp_path: Path, source: Path, content: bytes, expected: str) -> None:
    (source / "model.safetensors").write_bytes(content)
    message = refusal(source, tmp_path / "m")
    assert "model.safetensors: not a safetensors file (" in message
    assert expected in message


def test_the_header_of_a_good_file_is_read(llama: Path) -> None:
    declared = read_safetensors_header(llama / "model.safetensors")
    whole = load_file(llama / "model.safetensors")
    assert declared.shapes == {key: tuple(weight.shape) for key, weight in whole.items()}
    assert declared.numbers == sum(weight.numel() for weight in whole.values())
    check_prepared(llama)
    assert check_checkpoint(llama) == declared


# GGUF ----------------------------------------------------------------------------------------------------------------


def gguf(*, tensors: int = 1, pairs: int | None = None, blocks: int = 1, width: int = 4, rows: int = 4) -> bytes:
    """A GGUF file of one tensor that says what it is told to."""

    def text(value: str) -> bytes:
        return struct.pack("<Q", len(value)) + value.encode()

    facts = [
        text("general.architecture") + struct.pack("<I", 8) + text("llama"),
        text("llama.block_count") + struct.pack("<II", 4, blocks),
        text("llama.embedding_length") + struct.pack("<II", 4, width),
        text("tokenizer.ggml.tokens") + struct.pack("<IIQ", 9, 8, 2) + text("a") + text("b"),
        text("tokenizer.ggml.scores") + struct.pack("<IIQ", 9, 6, 2) + b"\x00" * 8,
    ]
    head = b"GGUF" + struct.pack("<IQQ", 3, tensors, len(facts) if pairs is None else pairs)
    tensor = text("token_embd.weight") + struct.pack("<IQQIQ", 2, 4, rows, 0, 0)
    return head + b"".join(facts) + tensor + b"\x00" * 128


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "it ends within its header"),
        (b"GGML" + gguf()[4:], "it does not begin with GGUF"),
        (gguf()[:4] + struct.pack("<I", 99) + gguf()[8:], "version 99, expected 2 or 3"),
        (gguf(tensors=1 << 60), "it declares 1,152,921,504,606,846,976 entries, more than a file of its size can hold"),
        (gguf(pairs=1 << 60), "it declares 1,152,921,504,606,846,976 entries, more than a file of its size can hold"),
        (gguf(rows=1 << 60), "is larger than the file"),
        (gguf(blocks=10**9), "claims 1,000,000,000 blocks, it holds 1 tensors"),
        (gguf(width=10**9), "claims width 1,000,000,000, it holds no tensor of that width"),
        (gguf(pairs=0, tensors=0), "it names no architecture with block_count and embedding_length"),
        (np.random.default_rng(0).bytes(4096), "it does not begin with GGUF"),
    ],
    ids=range(10),
)
def test_a_bad_gguf_file_is_one_line(tmp_path: Path, content: bytes, expected: str) -> None:
    (tmp_path / "m.gguf").write_bytes(content)
    with pytest.raises(FathomError) as caught:
        convert_gguf(tmp_path / "m.gguf", tmp_path / "out")
    assert str(caught.value).startswith("m.gguf: ")
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_gguf_file_that_only_looks_right_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "m.gguf").write_bytes(gguf())
    assert read_gguf_header(tmp_path / "m.gguf").weights.shapes == {"token_embd.weight": (4, 4)}
    with pytest.raises(FathomError, match=r"^m\.gguf: transformers cannot read this GGUF file \(") as caught:
        convert_gguf(tmp_path / "m.gguf", tmp_path / "out")
    assert "\n" not in str(caught.value)


def test_every_cut_of_a_gguf_header_is_one_line(tmp_path: Path) -> None:
    whole = gguf()
    for length in range(len(whole) - 128):
        (tmp_path / "m.gguf").write_bytes(whole[:length])
        with pytest.raises(FathomError, match=r"^m\.gguf: not a GGUF file that can be read"):
            read_gguf_header(tmp_path / "m.gguf")
