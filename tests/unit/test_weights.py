"""Weights of prepared folders: files as they are, or drawn when they are loaded."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.tiny import byte_level_tokenizer
from torch import Tensor, nn
from transformers import (
    AutoModel,
    BertConfig,
    Gemma3TextConfig,
    LlamaConfig,
    MixtralConfig,
    PreTrainedConfig,
    T5Config,
)

from fathom.models.load import load_model
from fathom.models.prepare import check_own, describe
from fathom.models.sources.random_weights import draw_weights
from fathom.models.weights import drawn
from fathom.models.weights.ways import way_of
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
    ours, found = way_of(folder).load(folder, dtype=dtype, attention=None)
    assert torch.equal(torch.get_rng_state(), before)
    assert not any(found.values())
    assert_equal_models(ours, AutoModel.from_pretrained(source, dtype=getattr(torch, dtype)))
    assert describe(folder, "m", depth=2)["parameters"] == describe(source, "m", depth=2)["parameters"]


@pytest.mark.parametrize("part", ["encoder", "decoder"])
def test_halves_of_a_drawn_model_run(tmp_path: Path, part: Any) -> None:
    folder = draw(stored(CONFIGS["halves"](), tmp_path / "base"), tmp_path / "m")
    model = load_model(folder, "m", dtype="float32", device=CPU, part=part)
    assert (model.anatomy.depth, model.module.part) == (2, part)
    assert model.reload is not None
    assert_equal_models(model.reload("eager").module, model.module)


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
            drawn.MARK,
            {"xxh3_128": "0" * 32, "versions": {"torch": "1.0", "transformers": "2.0"}},
            r"its seed gave other weights with torch 1\.0 and transformers 2\.0 than it gives now, with torch ",
        ),
        (drawn.MARK, {"seed": 1}, "its seed gave other weights"),
        ("config.json", {"initializer_range": 0.5}, "its seed gave other weights"),
        ("config.json", {"intermediate_size": 1 << 40}, "are not those of config.json beside it"),
        (drawn.MARK, {"seed": -1}, "does not say how weights are drawn"),
        (drawn.MARK, {"shapes": {"a": [-1]}}, "does not say how weights are drawn"),
        (drawn.MARK, {"more": 1}, "does not say how weights are drawn"),
    ],
)
def test_other_weights_than_were_drawn_are_one_line(
    tmp_path: Path, llama: Path, file: str, facts: dict[str, Any], expected: str
) -> None:
    folder = draw(llama, tmp_path / "m")
    changed(folder, file, **facts)
    with pytest.raises(FathomError, match=expected) as caught:
        load_model(folder, "m", dtype="float32", device=CPU)
    assert str(caught.value).startswith("model m: ")
    assert str(caught.value).rstrip(")").endswith(f"delete {folder} and run snakemake again")
    assert "\n" not in str(caught.value)


def test_a_drawn_model_is_no_folder_of_the_users(tmp_path: Path, llama: Path) -> None:
    """Nothing in it bounds what its config claims."""
    folder = draw(llama, tmp_path / "m")
    with pytest.raises(FathomError, match=r"a model of random weights .*; write \{source: random, of: \.\.\.\}"):
        check_own(folder)
    (folder / drawn.MARK).rename(folder / "weights.json")
    with pytest.raises(FathomError, match=r"holds no weights as \*\.safetensors"):
        check_own(folder)
