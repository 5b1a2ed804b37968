"""Weights of prepared folders: files as they are, drawn when they are loaded, or in blocks of quantised numbers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tests.tiny import byte_level_tokenizer
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    BertConfig,
    Gemma3TextConfig,
    LlamaConfig,
    MixtralConfig,
    PreTrainedConfig,
    T5Config,
)

from fathom.models.load import LoadedModel, load_model
from fathom.models.prepare import check_own, copy_plain, describe
from fathom.models.sources.random_weights import draw_weights
from fathom.models.sources.wheel import convert_gguf
from fathom.models.weights import initialised, packed
from fathom.models.weights.storage import storage_of
from fathom.runtime.errors import FathomError

CPU = torch.device("cpu")
SIZES: dict[str, Any] = {
    "vocab_size": 320,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
}
CONFIGS: dict[str, Callable[[], PreTrainedConfig]] = {
    "llama": lambda: LlamaConfig(**SIZES, num_key_value_heads=1),
    "bert": lambda: BertConfig(**SIZES),
    "gemma": lambda: Gemma3TextConfig(**SIZES, num_key_value_heads=1, head_dim=8),
    "experts": lambda: MixtralConfig(**SIZES, num_key_value_heads=1, num_local_experts=4),
    "halves": lambda: T5Config(vocab_size=320, d_model=16, d_ff=32, d_kv=8, num_layers=2, num_heads=2),
}


def stored(config: PreTrainedConfig, folder: Path, *, seed: int = 0, **options: Any) -> Path:
    """A checkpoint whose weights the architecture's initialiser has drawn and which are written to files."""
    torch.manual_seed(seed)
    AutoModel.from_config(config, dtype=torch.float32).save_pretrained(folder, **options)
    byte_level_tokenizer().save_pretrained(folder)
    return folder


def load(folder: Path) -> LoadedModel:
    return load_model(folder, "m", dtype="float32", device=CPU)


def draw(source: Path, folder: Path, seed: int = 0) -> Path:
    """A model of random weights of the shape of another."""
    folder.mkdir()
    draw_weights(source, folder, seed=seed)
    return folder


def tensors(module: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers by all their names."""
    return dict([*module.named_parameters(remove_duplicate=False), *module.named_buffers(remove_duplicate=False)])


def assert_equal_models(one: nn.Module, other: nn.Module) -> None:
    """The same class, and the same parameters and buffers, bit by bit and tied in the same way."""
    ours, theirs = tensors(one), tensors(other)
    assert type(one) is type(other)
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        assert tensor.dtype == theirs[name].dtype, name
        assert torch.equal(tensor, theirs[name]), name
    assert len(set(map(id, ours.values()))) == len(set(map(id, theirs.values())))


# Drawn weights -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", CONFIGS)
def test_drawn_weights_are_those_that_a_file_would_hold(tmp_path: Path, name: str, dtype: str) -> None:
    source = stored(CONFIGS[name](), tmp_path / "base", seed=3)
    folder = draw(source, tmp_path / "m", seed=3)
    assert {path.suffix for path in folder.iterdir()} == {".json"}
    torch.manual_seed(99)
    before = torch.get_rng_state()
    ours, found = storage_of(folder).load(folder, dtype=dtype, attention=None)
    assert torch.equal(torch.get_rng_state(), before)
    assert not any(found.values())
    assert_equal_models(ours, AutoModel.from_pretrained(source, dtype=getattr(torch, dtype)))
    assert describe(folder, "m", depth=2)["parameters"] == describe(source, "m", depth=2)["parameters"]


@pytest.mark.parametrize("part", ["encoder", "decoder"])
def test_halves_of_a_drawn_model_run(tmp_path: Path, part: Any) -> None:
    folder = draw(stored(CONFIGS["halves"](), tmp_path / "base"), tmp_path / "m")
    model = load_model(folder, "m", dtype="float32", device=CPU, part=part)
    assert (model.architecture.depth, model.module.part) == (2, part)
    assert model.reload is not None
    assert_equal_models(model.reload("eager").module, model.module)


def test_weights_are_stored_where_they_are_asked_for(tmp_path: Path) -> None:
    source = stored(CONFIGS["gemma"](), tmp_path / "source", seed=3)
    kept = tmp_path / "kept"
    kept.mkdir()
    draw_weights(source, kept, seed=1, stored=True)
    assert not (kept / initialised.MARK).exists()
    found, expected = load(kept).module.state_dict(), load(draw(source, tmp_path / "drawn", seed=1)).module.state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in found)
    assert check_own(kept)  # a plain folder, which is anybody's


def test_a_sharded_or_drawn_model_lends_its_shape(tmp_path: Path) -> None:
    sharded = stored(CONFIGS["llama"](), tmp_path / "base", max_shard_size="20KB")
    assert (sharded / "model.safetensors.index.json").exists()
    first = draw(sharded, tmp_path / "first")
    second = draw(first, tmp_path / "second", seed=1)
    assert sorted(path.name for path in first.iterdir()) == sorted(path.name for path in second.iterdir())
    models = [load_model(folder, "m", dtype="float32", device=CPU).module for folder in (first, second)]
    ups = [model.get_parameter("layers.0.mlp.up_proj.weight") for model in models]
    assert not torch.equal(*ups)
    assert_equal_models(models[0], AutoModel.from_pretrained(sharded))


def changed(folder: Path, file: str, **facts: Any) -> None:
    content = json.loads((folder / file).read_text(encoding="utf-8"))
    (folder / file).write_text(json.dumps(content | facts), encoding="utf-8")


@pytest.mark.parametrize(
    ("file", "facts", "expected"),
    [
        (
            initialised.MARK,
            {"xxh3_128": "0" * 32, "versions": {"torch": "1.0", "transformers": "2.0"}},
            r"its seed gave other weights with torch 1\.0 and transformers 2\.0 than it gives now, with torch ",
        ),
        (initialised.MARK, {"seed": 1}, "its seed gave other weights"),
        ("config.json", {"initializer_range": 0.5}, "its seed gave other weights"),
        ("config.json", {"intermediate_size": 1 << 40}, "are not those of config.json beside it"),
        (initialised.MARK, {"seed": -1}, "does not say how weights are drawn"),
        (initialised.MARK, {"shapes": {"a": [-1]}}, "does not say how weights are drawn"),
        (initialised.MARK, {"more": 1}, "does not say how weights are drawn"),
    ],
)
def test_other_weights_than_were_drawn_are_one_line(
    tmp_path: Path, llama: Path, file: str, facts: dict[str, Any], expected: str
) -> None:
    folder = draw(llama, tmp_path / "m")
    changed(folder, file, **facts)
    with pytest.raises(FathomError, match=expected) as caught:
        load(folder)
    assert str(caught.value).startswith("model m: ")
    assert f"; delete {folder} and run snakemake again" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_drawn_model_is_no_folder_of_the_users(tmp_path: Path, llama: Path) -> None:
    """Nothing in it bounds what its config claims."""
    folder = draw(llama, tmp_path / "m")
    with pytest.raises(FathomError, match=r"a model of random weights .*; write \{source: random, of: \.\.\.\}"):
        check_own(folder)
    (folder / initialised.MARK).rename(folder / "weights.json")
    with pytest.raises(FathomError, match=r"holds no weights as \*\.safetensors"):
        check_own(folder)


# Packed weights ------------------------------------------------------------------------------------------------------

WIDTH, INNER, TOKENS = 256, 512, 97  # the blocks of some types have 256 numbers; 97 rows can be grouped in no way
HEADS, KEY_HEADS = 4, 2
BITS = {"F32": 32, "F16": 16, "BF16": 16, "Q8_0": 8.5, "Q4_1": 5, "Q6_K": 6.5625}
MATRICES = {
    "attn_q": (WIDTH, WIDTH),
    "attn_k": (WIDTH // 2, WIDTH),
    "attn_v": (WIDTH // 2, WIDTH),
    "attn_output": (WIDTH, WIDTH),
    "ffn_gate": (INNER, WIDTH),
    "ffn_up": (INNER, WIDTH),
    "ffn_down": (WIDTH, INNER),
}
VECTORS = ("attn_norm", "ffn_norm")


def quantised(numbers: NDArray[np.float32], kind: str) -> NDArray[Any]:
    """Numbers in blocks; where gguf cannot quantise, blocks of any bytes with scales that are numbers."""
    type_ = gguf.GGMLQuantizationType[kind]
    try:
        return gguf.quantize(numbers, type_)
    except NotImplementedError:
        length = numbers.shape[-1] // 256 * 210
        blocks = np.random.default_rng(1).integers(0, 256, (*numbers.shape[:-1], length), dtype=np.uint8)
        scales = blocks.reshape(-1, 210)[:, 208:]
        scales[:] = np.random.default_rng(2).normal(size=(len(scales), 1)).astype(np.float16).view(np.uint8)
        return blocks


def add(writer: gguf.GGUFWriter, name: str, shape: tuple[int, ...], kind: str, seed: int) -> None:
    numbers = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    if len(shape) == 1:
        writer.add_tensor(name, numbers)
    else:
        numbers[-3:] = 0  # rows that nothing tells apart
        writer.add_tensor(name, quantised(numbers, kind), raw_dtype=gguf.GGMLQuantizationType[kind])


def written(path: Path, architecture: str, tensors: dict[str, tuple[int, ...]], kind: str) -> Path:
    """A decoder of two blocks as a GGUF file, with a vocabulary of single letters."""
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_block_count(2)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KEY_HEADS)
    writer.add_context_length(64)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_layer_norm_eps(1e-5)
    writer.add_vocab_size(TOKENS)
    writer.add_tokenizer_model("gpt2")
    tokens = [*map(chr, range(33, 127)), "\u0120", "th", "<s>"]
    writer.add_token_list(tokens)
    writer.add_token_types([gguf.TokenType.NORMAL] * len(tokens))
    writer.add_token_merges(["t h"])
    writer.add_bos_token_id(TOKENS - 1)
    writer.add_eos_token_id(TOKENS - 1)
    for seed, (name, shape) in enumerate(tensors.items()):
        add(writer, name, shape, kind, seed)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def llama_file(path: Path, kind: str, *, without: str | None = None) -> Path:
    shapes: dict[str, tuple[int, ...]] = {"token_embd.weight": (TOKENS, WIDTH), "output_norm.weight": (WIDTH,)}
    for block in range(2):
        shapes |= {f"blk.{block}.{name}.weight": shape for name, shape in MATRICES.items()}
        shapes |= {f"blk.{block}.{name}.weight": (WIDTH,) for name in VECTORS}
    return written(path, "llama", {name: shape for name, shape in shapes.items() if name != without}, kind)


def gpt2_file(path: Path, kind: str) -> Path:
    # transformers reads neither the positions nor the inner width from such a file.
    shapes: dict[str, tuple[int, ...]] = {"token_embd.weight": (TOKENS, WIDTH), "position_embd.weight": (1024, WIDTH)}
    matrices = {"attn_qkv": (3 * WIDTH, WIDTH), "attn_output": (WIDTH, WIDTH)}
    matrices |= {"ffn_up": (4 * WIDTH, WIDTH), "ffn_down": (WIDTH, 4 * WIDTH)}
    for block in range(2):
        shapes |= {f"blk.{block}.{name}.weight": shape for name, shape in matrices.items()}
        shapes |= {f"blk.{block}.{name}.bias": shape[:1] for name, shape in matrices.items()}
        shapes |= {f"blk.{block}.{name}.{end}": (WIDTH,) for name in VECTORS for end in ("weight", "bias")}
    shapes |= {f"output_norm.{end}": (WIDTH,) for end in ("weight", "bias")}
    return written(path, "gpt2", shapes, kind)


def converted(file: Path, folder: Path) -> Path:
    folder.mkdir()
    convert_gguf(file, folder)
    return folder


def as_transformers_reads(file: Path, dtype: str, folder: Path) -> nn.Module:
    """What a GGUF file holds, by way of a plain folder: the numbers in float32, and then in the dtype."""
    whole = AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, dtype=torch.float32)
    plain = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(file.parent, gguf_file=file.name))
    plain.load_state_dict(whole.state_dict())
    plain.save_pretrained(folder)
    model: nn.Module = AutoModel.from_pretrained(folder, dtype=getattr(torch, dtype))
    return model


@pytest.mark.parametrize(
    ("make", "kind", "dtype"),
    [
        *((llama_file, kind, "float32") for kind in BITS),
        (llama_file, "Q4_1", "bfloat16"),
        (llama_file, "Q4_1", "float16"),
        (gpt2_file, "Q8_0", "float32"),  # its weights stand the other way round in transformers
    ],
)
def test_packed_weights_are_those_that_transformers_reads(tmp_path: Path, make: Any, kind: str, dtype: str) -> None:
    file = make(tmp_path / "m.gguf", kind)
    folder = converted(file, tmp_path / "m")
    ours, found = storage_of(folder).load(folder, dtype=dtype, attention=None)
    theirs = as_transformers_reads(file, dtype, tmp_path / "plain")
    assert not any(found.values())
    assert_equal_models(ours, theirs)
    matrices = sum(weight.numel() for weight in theirs.parameters() if weight.ndim == 2)
    vectors = sum(weight.numel() for weight in theirs.parameters() if weight.ndim == 1)
    assert (folder / packed.MARK).stat().st_size < matrices * BITS[kind] / 8 + vectors * 4 + 8000
    facts = describe(folder, "m", depth=2)
    assert facts == describe(tmp_path / "plain", "m", depth=2)


def test_a_packed_model_runs_is_copied_and_lends_its_shape(tmp_path: Path) -> None:
    folder = converted(llama_file(tmp_path / "m.gguf", "Q4_1"), tmp_path / "m")
    (tmp_path / "copy").mkdir()
    copy_plain(folder, tmp_path / "copy")
    models = [load_model(one, "m", dtype="float32", device=CPU) for one in (folder, tmp_path / "copy")]
    assert_equal_models(models[0].module, models[1].module)
    assert models[0].reload is not None
    assert_equal_models(models[0].reload("eager").module, models[0].module)
    random = draw(folder, tmp_path / "random")
    assert sorted(path.suffix for path in random.iterdir()) == [".json"] * 4
    assert describe(random, "m", depth=2) == describe(folder, "m", depth=2)


@pytest.mark.parametrize("way", ["drawn", "packed"])
def test_a_folder_that_transformers_loads_is_made_of_any_other(tmp_path: Path, way: str, llama: Path) -> None:
    made = {
        "drawn": lambda: draw(llama, tmp_path / "m"),
        "packed": lambda: converted(llama_file(tmp_path / "m.gguf", "Q4_1"), tmp_path / "m"),
    }
    folder = made[way]()
    model, _ = storage_of(folder).load(folder, dtype="float32", attention=None)
    model.save_pretrained(tmp_path / "plain")
    assert_equal_models(AutoModel.from_pretrained(tmp_path / "plain"), model)


def test_a_weight_that_is_in_no_block_is_kept_as_it_is(tmp_path: Path) -> None:
    file = llama_file(tmp_path / "m.gguf", "Q4_1")
    source = {one.name: one for one in gguf.GGUFReader(file).tensors}
    wide = source["blk.0.ffn_up.weight"]
    numbers = torch.from_numpy(gguf.dequantize(wide.data, wide.tensor_type))
    order = torch.randperm(len(numbers), generator=torch.Generator().manual_seed(0))
    other = numbers.clone()
    other[3, 5] += 1
    weights = {"same": numbers, "in another order": numbers[order], "another number": other, "none": torch.ones(3)}
    packed.write(tmp_path, weights, source.values())
    kept = load_file(tmp_path / packed.MARK)
    assert {name for name, weight in kept.items() if weight.dtype == torch.uint8} == {"same", "in another order"}
    assert torch.equal(kept["another number"], other)
    assert torch.equal(kept["none"], weights["none"])
    assert packed.declared(tmp_path).shapes == {name: tuple(weight.shape) for name, weight in weights.items()}


def test_a_gguf_file_without_all_weights_is_one_line(tmp_path: Path) -> None:
    file = llama_file(tmp_path / "m.gguf", "Q8_0", without="blk.1.ffn_up.weight")
    with pytest.raises(
        FathomError, match=r"^m\.gguf: .*1 weights of its architecture are not in it, first .*1\.mlp\.up_proj"
    ):
        converted(file, tmp_path / "m")


@pytest.mark.parametrize(
    "stated",
    [
        {"type": "Q4_1", "shape": [1 << 40, 256]},
        {"type": "Q4_1", "shape": [-1, -2]},
        {"type": "Q4_0", "shape": [2, 256]},
        {"type": "Q9", "shape": [2, 256]},
        {"type": "Q4_1", "shape": [2, 256], "more": 1},
        None,
    ],
)
def test_blocks_that_are_not_what_is_said_of_them_are_one_line(tmp_path: Path, stated: dict[str, Any] | None) -> None:
    folder = converted(llama_file(tmp_path / "m.gguf", "Q4_1"), tmp_path / "m")
    with safe_open(folder / packed.MARK, framework="pt") as file:
        said = json.loads(file.metadata()["packed"])
    name = "layers.0.mlp.up_proj.weight"
    assert said[name] == {"type": "Q4_1", "shape": [INNER, WIDTH], "turned": False}
    metadata = {} if stated is None else {"packed": json.dumps(said | {name: stated})}
    save_file(load_file(folder / packed.MARK), folder / packed.MARK, metadata=metadata)
    for refused in (lambda: describe(folder, "m", depth=None), lambda: load(folder)):
        with pytest.raises(
            FathomError, match=r"packed_weights\.safetensors: does not say what its blocks stand"
        ) as caught:
            refused()
        assert "\n" not in str(caught.value)
