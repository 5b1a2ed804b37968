"""Sub-layer sites are the states that the block really adds up, in every kind of block."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from tests.architectures.build import tiny_config, tiny_model
from tests.extraction import (
    CPU,
    assert_round_off,
    direct_states,
    extracted,
    job,
    prepared,
    random_texts,
    written_corpus,
)
from tests.tiny import byte_level_tokenizer, save
from torch import Tensor, nn
from transformers import (
    AutoModel,
    BertConfig,
    BertModel,
    BloomConfig,
    BloomModel,
    FalconConfig,
    FalconModel,
    Gemma2Config,
    Gemma2Model,
    GPT2Config,
    GPT2Model,
    GPTNeoXConfig,
    GPTNeoXModel,
    GraniteConfig,
    GraniteModel,
    LlamaConfig,
    LlamaModel,
    MambaConfig,
    MambaModel,
    OPTConfig,
    OPTModel,
    PreTrainedModel,
)

from fathom.activations.capture import capture, make_batch, packed_targets
from fathom.activations.extraction import layers_of_sites
from fathom.activations.pooling import pool
from fathom.activations.settings import ActivationsSettings
from fathom.io.manifests import read_manifest
from fathom.models.architecture import capturing
from fathom.models.load import LoadedModel, load_model, understand
from fathom.models.sites import INNER, SUBLAYER_SITES, BlockSites, choose_sites, existing_sites, find_sites, tapping
from fathom.runtime.errors import FathomError
from fathom.store.layout import Shape
from fathom.store.reader import Activations

if TYPE_CHECKING:
    from collections.abc import Mapping

DEPTH, WIDTH = 3, 16
WORDS: dict[str, Any] = {"vocab_size": 150, "bos_token_id": 0, "eos_token_id": 0}
SIZES: dict[str, Any] = {
    **WORDS,
    "hidden_size": WIDTH,
    "intermediate_size": 32,
    "num_hidden_layers": DEPTH,
    "num_attention_heads": 2,
}
OPT: dict[str, Any] = {
    **WORDS,
    "hidden_size": WIDTH,
    "ffn_dim": 32,
    "num_hidden_layers": DEPTH,
    "num_attention_heads": 2,
    "word_embed_proj_dim": WIDTH,
}
FALCON: dict[str, Any] = {**WORDS, "hidden_size": WIDTH, "num_hidden_layers": DEPTH, "num_attention_heads": 2}
BUILDERS: dict[str, Callable[[], PreTrainedModel]] = {
    "llama": lambda: LlamaModel(LlamaConfig(**SIZES)),
    "gpt_neox parallel": lambda: GPTNeoXModel(GPTNeoXConfig(**SIZES)),
    "gpt_neox sequential": lambda: GPTNeoXModel(GPTNeoXConfig(**SIZES, use_parallel_residual=False)),
    "gpt2": lambda: GPT2Model(GPT2Config(**WORDS, n_embd=WIDTH, n_layer=DEPTH, n_head=2)),
    "bert": lambda: BertModel(BertConfig(**SIZES), add_pooling_layer=False),
    "opt": lambda: OPTModel(OPTConfig(**OPT)),
    "opt post-norm": lambda: OPTModel(OPTConfig(**OPT, do_layer_norm_before=False)),
    # Windows of its own 4,096 tokens would be tried with a text as long.
    "gemma2": lambda: Gemma2Model(Gemma2Config(**SIZES, num_key_value_heads=1, head_dim=8, sliding_window=8)),
    "falcon parallel": lambda: FalconModel(FalconConfig(**FALCON)),
    "falcon sequential": lambda: FalconModel(FalconConfig(**FALCON, parallel_attn=False)),
    "bloom": lambda: BloomModel(BloomConfig(**WORDS, hidden_size=WIDTH, n_layer=DEPTH, n_head=2)),
}
Read = tuple[str, str]  # part of a block, and whether what it reads or what it gives is meant
# By hand, from the code of the architectures.
PLACES: dict[str, dict[str, Read]] = {
    "llama": {
        "attention_input": ("input_layernorm", "output"),
        "attention": ("self_attn", "output"),
        "attention_residual": ("post_attention_layernorm", "input"),
        "mlp": ("mlp.down_proj", "output"),
        "mlp_inner": ("mlp.down_proj", "input"),
    },
    "gpt_neox parallel": {
        "attention_input": ("input_layernorm", "output"),
        "attention": ("attention.dense", "output"),
        "mlp": ("mlp", "output"),
        "mlp_inner": ("mlp.dense_4h_to_h", "input"),
    },
    "gpt_neox sequential": {
        "attention_input": ("input_layernorm", "output"),
        "attention": ("attention", "output"),
        "attention_residual": ("post_attention_layernorm", "input"),
        "mlp": ("mlp", "output"),
        "mlp_inner": ("mlp.dense_4h_to_h", "input"),
    },
    "gpt2": {
        "attention_input": ("ln_1", "output"),
        "attention": ("attn.c_proj", "output"),
        "attention_residual": ("ln_2", "input"),
        "mlp": ("mlp.c_proj", "output"),
        "mlp_inner": ("mlp.c_proj", "input"),
    },
    "bert": {
        "attention_input": ("attention.self.query", "input"),
        "attention": ("attention.output.dense", "output"),
        "attention_residual": ("attention.output", "output"),
        "mlp": ("output.dense", "output"),
        "mlp_inner": ("output.dense", "input"),
    },
    "opt": {
        "attention_input": ("self_attn_layer_norm", "output"),
        "attention": ("self_attn.out_proj", "output"),
        "attention_residual": ("final_layer_norm", "input"),
        "mlp": ("fc2", "output"),
        "mlp_inner": ("fc2", "input"),
    },
    "opt post-norm": {
        "attention_input": ("self_attn.q_proj", "input"),
        "attention": ("self_attn.out_proj", "output"),
        "attention_residual": ("self_attn_layer_norm", "output"),
        "mlp": ("fc2", "output"),
        "mlp_inner": ("fc2", "input"),
    },
    "gemma2": {
        "attention_input": ("input_layernorm", "output"),
        "attention": ("post_attention_layernorm", "output"),
        "attention_residual": ("pre_feedforward_layernorm", "input"),
        "mlp": ("post_feedforward_layernorm", "output"),
        "mlp_inner": ("mlp.down_proj", "input"),
    },
    "falcon parallel": {
        "attention_input": ("input_layernorm", "output"),
        "attention": ("self_attention.dense", "output"),
        "mlp": ("mlp.dense_4h_to_h", "output"),
        "mlp_inner": ("mlp.dense_4h_to_h", "input"),
    },
    "falcon sequential": {
        "attention_input": ("input_layernorm", "output"),
        "attention": ("self_attention.dense", "output"),
        "attention_residual": ("post_attention_layernorm", "input"),
        "mlp": ("mlp.dense_4h_to_h", "output"),
        "mlp_inner": ("mlp.dense_4h_to_h", "input"),
    },
    "bloom": {
        "attention_input": ("input_layernorm", "output"),
        "attention": ("self_attention.dense", "output"),
        "attention_residual": ("self_attention", "output"),
        "mlp": ("mlp.dense_4h_to_h", "output"),
        "mlp_inner": ("mlp.dense_4h_to_h", "input"),
    },
}
POST_NORM = {"bert", "opt post-norm"}
PARALLEL = {"gpt_neox parallel", "falcon parallel"}


def mamba() -> MambaModel:
    return MambaModel(MambaConfig(vocab_size=150, hidden_size=WIDTH, num_hidden_layers=DEPTH, state_size=4))


@pytest.fixture(scope="module", params=BUILDERS)
def model(request: pytest.FixtureRequest) -> tuple[str, LoadedModel]:
    """A tiny model whose weights are large enough for its sub-layers to matter."""
    return request.param, built(BUILDERS[request.param])


def built(build: Callable[[], PreTrainedModel], dtype: torch.dtype = torch.float32) -> LoadedModel:
    torch.manual_seed(0)
    module = build().eval()
    module.to(dtype=dtype)
    with torch.no_grad():
        for weight in module.parameters():
            if weight.ndim == 2:
                weight.mul_(5.0)
    return understand(module, "m", CPU)


def run_by_hand(model: LoadedModel, places: Mapping[str, Read], ids: Tensor, mask: Tensor) -> dict[str, list[Tensor]]:
    """Site -> states of every block, from hooks that know the architecture."""
    found: dict[str, list[Tensor]] = {site: [] for site in places}
    handles = []

    def hook(site: str, side: str) -> Any:
        def keep(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
            given = output[0] if isinstance(output, tuple) else output
            read = args[0] if args else kwargs["hidden_states"]
            state = read if side == "input" else given
            found[site].append(state.reshape(*ids.shape, -1).clone())

        return keep

    for block in model.architecture.blocks:
        for site, (path, side) in places.items():
            handles.append(block.get_submodule(path).register_forward_hook(hook(site, side), with_kwargs=True))
    with torch.inference_mode():
        model.module(input_ids=ids, attention_mask=mask)
    for handle in handles:
        handle.remove()
    return found


def read_sites(model: LoadedModel, ids: Tensor) -> dict[tuple[str, str], Tensor]:
    """(Site, layer) -> state, with the residual stream among them."""
    sites = find_sites(model.module, model.architecture)
    found: dict[tuple[str, str], Tensor] = {}
    layers = tuple(str(layer) for layer in range(1, DEPTH + 1))

    def keep(site: str, layer: str, state: Tensor) -> None:
        found[site, layer] = state.reshape(*ids.shape, -1).clone()

    with (
        torch.inference_mode(),
        capturing(model.architecture, ("0", *layers), lambda layer, state: keep("residual", layer, state)),
        tapping(sites, dict.fromkeys(sites.taps, layers), keep),
    ):
        model.module(input_ids=ids, attention_mask=torch.ones_like(ids))
    return found


def test_the_form_of_the_block_is_found(model: tuple[str, LoadedModel]) -> None:
    name, loaded = model
    found = find_sites(loaded.module, loaded.architecture)
    assert found.order == ("parallel" if name in PARALLEL else "sequential")
    assert found.norm == ("post" if name in POST_NORM else "pre")
    assert set(found.taps) == set(PLACES[name])
    assert existing_sites(loaded.module, loaded.architecture) == (
        "residual",
        *(s for s in SUBLAYER_SITES if s in found.taps),
    )


def test_states_are_those_of_hooks_made_by_hand_without_the_pads(model: tuple[str, LoadedModel]) -> None:
    name, loaded = model
    texts = random_texts()
    batch = make_batch(np.array([4, 0, 5, 2, 1]), texts.ids, texts.spans)
    sites = find_sites(loaded.module, loaded.architecture)
    layers = tuple(str(layer) for layer in range(1, DEPTH + 1))
    positions = ("tokens", "mean", "last", "span:item")
    widths = {INNER: sites.inner_width}
    shape = Shape(dict.fromkeys(sites.taps, layers), 0, 0, WIDTH, DEPTH, "float32", positions, widths=widths)
    targets = packed_targets(batch, shape, CPU)
    nobody = [np.zeros(length, dtype=np.bool_) for length in batch.lengths]
    capture(loaded, batch, shape, sites, targets, attention=0.3)
    pool(batch, shape, targets, nobody, None)
    mask = torch.from_numpy((np.arange(batch.ids.shape[1]) < batch.lengths[:, None]).astype(np.int64))
    expected = run_by_hand(loaded, PLACES[name], torch.from_numpy(batch.ids), mask)
    for site, states in expected.items():
        for layer, state in enumerate(states):
            assert torch.equal(targets.arrays[site, "tokens"][layer], state[mask.bool()])
            for row, length in enumerate(batch.lengths):
                own = state[row, :length]
                assert torch.equal(targets.arrays[site, "last"][layer, row], own[-1])
                assert torch.equal(targets.arrays[site, "span:item"][layer, row], own[batch.spans["item"][row]])
                torch.testing.assert_close(targets.arrays[site, "mean"][layer, row], own.mean(dim=0))


def test_sites_add_up_to_the_residual_stream(model: tuple[str, LoadedModel]) -> None:
    name, loaded = model
    found = read_sites(loaded, torch.randint(5, 150, (2, 9), generator=torch.Generator().manual_seed(1)))
    for block in range(1, DEPTH + 1):
        before, after = found["residual", str(block - 1)], found["residual", str(block)]
        attention, mlp = found["attention", str(block)], found["mlp", str(block)]
        assert not torch.allclose(attention, mlp)
        if name in POST_NORM:
            first, second = post_norms(loaded.architecture.blocks[block - 1], name)
            between = found["attention_residual", str(block)]
            torch.testing.assert_close(between, first(before + attention))
            torch.testing.assert_close(after, second(between + mlp))
        else:
            torch.testing.assert_close(after, before + attention + mlp)
            if name not in PARALLEL:
                torch.testing.assert_close(found["attention_residual", str(block)], before + attention)


def test_inner_activations_times_the_last_projection_are_what_the_mlp_puts_out(model: tuple[str, LoadedModel]) -> None:
    name, loaded = model
    found = read_sites(loaded, torch.randint(5, 150, (2, 9), generator=torch.Generator().manual_seed(1)))
    path, _ = PLACES[name]["mlp_inner"]
    for number, block in enumerate(loaded.architecture.blocks, start=1):
        inner, last = found["mlp_inner", str(number)], block.get_submodule(path)
        assert inner.shape[-1] == (64 if name in {"gpt2", "bloom"} or "falcon" in name else 32)
        matrix = last.weight if name == "gpt2" else last.weight.T  # GPT-2 has it turned
        with torch.inference_mode():
            made = inner @ matrix + (0.0 if last.bias is None else last.bias)  # type: ignore[operator]  # nn.Module types them loosely
            if name == "gemma2":
                made = block.get_submodule("post_feedforward_layernorm")(made)
        torch.testing.assert_close(made, found["mlp", str(number)], rtol=1e-5, atol=1e-5)


def post_norms(block: nn.Module, name: str) -> tuple[nn.Module, nn.Module]:
    paths = ("attention.output.LayerNorm", "output.LayerNorm")
    if name == "opt post-norm":
        paths = ("self_attn_layer_norm", "final_layer_norm")
    return block.get_submodule(paths[0]), block.get_submodule(paths[1])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", ["llama", "gpt_neox parallel", "bert", "gemma2"])
def test_half_precision_is_understood_too(name: str, dtype: torch.dtype) -> None:
    loaded = built(BUILDERS[name], dtype)
    assert set(find_sites(loaded.module, loaded.architecture).taps) == set(PLACES[name])


def test_hooks_are_gone_afterwards(model: tuple[str, LoadedModel]) -> None:
    _, loaded = model
    find_sites(loaded.module, loaded.architecture)
    read_sites(loaded, torch.arange(5, 9)[None])
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in loaded.module.modules())


# What is refused -----------------------------------------------------------------------------------------------------


def test_a_parallel_block_has_nothing_between_its_sublayers() -> None:
    loaded = built(BUILDERS["gpt_neox parallel"])
    found = find_sites(loaded.module, loaded.architecture)
    assert choose_sites("all", found, "m") == ("residual", "attention_input", "attention", "mlp")
    reason = r"its blocks \(GPTNeoXLayer\) are parallel: nothing stands between attention and mlp"
    stored = r"it has residual, attention_input, attention, mlp \(`sites: all` stores these\)"
    expected = rf"^model m: activations\.sites: no site 'attention_residual': {reason}; {stored}$"
    with pytest.raises(FathomError, match=expected):
        choose_sites(("residual", "attention_residual"), found, "m")


@pytest.mark.parametrize("site", SUBLAYER_SITES)
def test_a_state_space_model_has_the_residual_stream_alone(site: str) -> None:
    loaded = built(mamba)
    found = find_sites(loaded.module, loaded.architecture)
    assert choose_sites("all", found, "m") == ("residual",)
    assert existing_sites(loaded.module, loaded.architecture) == ("residual",)
    with pytest.raises(FathomError, match=rf"no site '{site}': block 1 \(MambaBlock\) holds no attention sub-layer"):
        choose_sites((site,), found, "m")


def test_a_block_that_scales_what_joins_is_not_read_wrongly() -> None:
    # Granite multiplies what its sub-layers put out: no part of it puts out what joins the stream.
    loaded = built(lambda: GraniteModel(GraniteConfig(**SIZES, residual_multiplier=0.2)))
    found = find_sites(loaded.module, loaded.architecture)
    with pytest.raises(FathomError, match=r"block 1 \(GraniteDecoderLayer\) does not put out its input \+ attention"):
        choose_sites(("attention",), found, "m")


def test_one_block_of_another_form_is_named() -> None:
    loaded = built(BUILDERS["llama"])
    loaded.architecture.blocks[1].register_forward_hook(lambda _, __, output: output * 1.001)
    found = find_sites(loaded.module, loaded.architecture)
    with pytest.raises(FathomError, match=r"no site 'mlp': block 2 \(LlamaDecoderLayer\) does not put out"):
        choose_sites(("mlp",), found, "m")


def test_blocks_of_two_forms_are_refused() -> None:
    loaded = built(BUILDERS["gpt_neox sequential"])
    other = built(BUILDERS["gpt_neox parallel"])
    loaded.architecture.blocks[2] = other.architecture.blocks[2]
    found = find_sites(loaded.module, loaded.architecture)
    with pytest.raises(FathomError, match=r"differ in form \(parallel, pre-norm; sequential, pre-norm\)"):
        choose_sites(("mlp",), found, "m")


@pytest.mark.parametrize("value", ["mlp", [], ["mlp", "mlp"], ["nonsense"], None, 3])
def test_other_settings_are_one_sentence(value: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        ActivationsSettings(sites=value)
    assert caught.value.error_count() == 1
    assert caught.value.errors()[0]["msg"].startswith("expected ")


@pytest.mark.parametrize(
    ("layers", "residual", "sublayers"),
    [
        ("all", ("0", "1", "2", "3"), ("1", "2", "3")),
        ("transformers", ("0", "1", "2", "final"), ("1", "2", "3")),
        ((0, 2, "final"), ("0", "2", "final"), ("2",)),
    ],
)
def test_layers_of_sites(layers: Any, residual: tuple[str, ...], sublayers: tuple[str, ...]) -> None:
    model = built(BUILDERS["llama"])
    sites = find_sites(model.module, model.architecture)
    found = layers_of_sites(("residual", "mlp"), job(layers=layers).activations, model, "m", sites)
    assert found == {"residual": residual, "mlp": sublayers}


def test_layers_that_name_no_block_have_no_sublayers() -> None:
    model = built(BUILDERS["llama"])
    wanted = job(layers=(0, "final")).activations
    with pytest.raises(FathomError, match=r"activations\.layers: names no block, expected one from 1 to 3"):
        layers_of_sites(("residual", "mlp"), wanted, model, "m", BlockSites())
    assert layers_of_sites(("residual",), wanted, model, "m", BlockSites()) == {"residual": ("0", "final")}


# The command ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["llama", "bert"])
@pytest.mark.parametrize("shards", [1, 2])
def test_the_whole_way_with_all_sites(tmp_path: Path, request: pytest.FixtureRequest, name: str, shards: int) -> None:
    folder = request.getfixturevalue(name)
    manifest, corpus = prepared(folder, tmp_path), written_corpus(tmp_path / "texts.parquet")
    settings = [job(shard, shards=shards, token_budget=60, sites="all") for shard in range(shards)]
    manifests = [extracted(manifest, corpus, one) for one in settings]
    activations = Activations(manifests)
    assert activations.sites == ("residual", *SUBLAYER_SITES)
    assert activations.layers == activations.layers_of("residual") == ("0", "1", "2", "3")
    texts, residual = direct_states(folder, corpus)
    loaded = load_model(folder, "m", dtype="float32", device=CPU)
    for site in SUBLAYER_SITES:
        assert activations.layers_of(site) == ("1", "2", "3")
        numbers, depths = activations.layer_axis(site)
        assert numbers.tolist() == [1, 2, 3]
        np.testing.assert_allclose(depths, [1 / 3, 2 / 3, 1])
        alone = [
            run_by_hand(loaded, {site: PLACES[name][site]}, ids[None], torch.ones_like(ids[None]))
            for ids in (torch.from_numpy(one.astype(np.int64)) for one in texts.ids)
        ]
        expected = [torch.cat(found[site]) for found in alone]
        stored = [text for block in activations.token_blocks(5000, site) for text in block]
        for found, state in zip(stored, expected, strict=True):
            assert_round_off(torch.from_numpy(found), state)
        last = torch.stack([state[:, -1] for state in expected], dim=1)
        for layer in range(3):
            assert_round_off(torch.from_numpy(activations.pooled("last", layer, site))[None], last[layer][None])
    found = np.concatenate([text for block in activations.token_blocks(5000) for text in block], axis=1)
    assert_round_off(torch.from_numpy(found), residual["tokens"])
    facts = read_manifest(manifests[0], "activations")
    assert facts["block"] == ("sequential, post-norm" if name == "bert" else "sequential, pre-norm")
    assert [one["site"] for one in facts["sites"]] == list(activations.sites)


def test_a_site_that_was_not_stored_is_named(tmp_path: Path, llama: Path) -> None:
    corpus = written_corpus(tmp_path / "texts.parquet")
    activations = Activations([extracted(prepared(llama, tmp_path), corpus, job(sites=("mlp", "attention")))])
    assert activations.sites == ("mlp", "attention")
    assert activations.layers == ("1", "2", "3")
    with pytest.raises(FathomError, match="holds no site 'residual', only mlp, attention"):
        activations.pooled("mean", 0)
    with pytest.raises(FathomError, match="holds no site 'residual', only mlp, attention"):
        activations.layer_axis()


def test_the_window_counts_all_sites() -> None:
    layers = ("1", "2", "3")
    lengths = np.array([5, 1, 9])
    one = Shape({"residual": layers}, 3, 15, WIDTH, DEPTH, "bfloat16", ("tokens", "mean", "last"))
    # Per layer and width: two bytes a token, four for the mean and two for the last one; of every token a norm at
    # every layer, a share of heads at every block, and a score.
    facts = 4 * (DEPTH + 1 + DEPTH + 1) * lengths
    np.testing.assert_array_equal(one.sizes(lengths), 3 * WIDTH * (2 * lengths + 4 + 2) + facts)
    both = Shape({"residual": layers, "mlp": layers[:2]}, 3, 15, WIDTH, DEPTH, "bfloat16", ("tokens", "mean", "last"))
    np.testing.assert_array_equal(both.sizes(lengths), 5 * WIDTH * (2 * lengths + 4 + 2) + facts)
    assert both.buffer_bytes == 5 * WIDTH * (2 * 15 + 4 * 3 + 2 * 3) + 4 * (DEPTH + 1 + DEPTH + 1) * 15


# Hybrids -------------------------------------------------------------------------------------------------------------

# Of tiny models of transformers' own classes: site -> the blocks that have it, from their code.
_OTHER = {"attention": [2, 4], "attention_input": [2, 4], "attention_residual": [2, 4], "mlp": [1, 2, 3, 4]}
_THIRD = {"attention": [3], "attention_input": [3], "attention_residual": [3], "mlp": [1, 2, 3, 4]}
_LAST = {"attention": [4], "attention_input": [4], "attention_residual": [4], "mlp": [1, 2, 3, 4]}
HYBRIDS: dict[str, dict[str, list[int]]] = {
    "jamba": _OTHER | {"mlp_inner": [1, 3]},  # its other mlps are mixtures of experts
    "bamba": _OTHER | {"mlp_inner": [1, 2, 3, 4]},
    "recurrent_gemma": _THIRD | {"mlp_inner": [1, 2, 3, 4]},
    "qwen3_next": _LAST,
    "nemotron_h": {"attention": [3], "attention_input": [3], "mlp": [2, 4], "mlp_inner": [4]},
}
# Path of the last projection of an mlp.
LAST = {
    "jamba": "feed_forward.down_proj",
    "bamba": "feed_forward.down_proj",
    "recurrent_gemma": "mlp_block.down_proj",
    "nemotron_h": "mixer.down_proj",
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", HYBRIDS)
def test_a_hybrid_has_the_sites_of_the_blocks_that_have_them(name: str) -> None:
    loaded = built(lambda: tiny_model(name))
    found = find_sites(loaded.module, loaded.architecture)
    assert {site: sorted(taps) for site, taps in found.taps.items()} == HYBRIDS[name]
    assert set(choose_sites("all", found, name)) == {"residual", *HYBRIDS[name]} - {INNER}
    # What each block puts out is the sum of what stands in its sites and its mixer's output, which no site holds.
    ids = torch.randint(5, 100, (2, 9), generator=torch.Generator().manual_seed(1))
    states: dict[tuple[str, int], Tensor] = {}

    def keep(site: str, layer: str, state: Tensor) -> None:
        states[site, int(layer)] = state.clone()

    layers = tuple(map(str, range(loaded.architecture.depth + 1)))
    with (
        torch.inference_mode(),
        capturing(loaded.architecture, layers, lambda layer, state: keep("residual", layer, state)),
        tapping(found, {site: tuple(map(str, taps)) for site, taps in found.taps.items()}, keep),
    ):
        loaded.run(ids, torch.ones_like(ids))
    for block in HYBRIDS[name]["attention"]:
        whole = states["residual", block - 1] + states["attention", block]
        if ("mlp", block) in states:
            torch.testing.assert_close(whole, states["attention_residual", block])
            whole = whole + states["mlp", block]
        torch.testing.assert_close(states["residual", block], whole)
    for block in HYBRIDS[name].get(INNER, []):
        last = loaded.architecture.blocks[block - 1].get_submodule(LAST[name])
        with torch.inference_mode():
            torch.testing.assert_close(last(states[INNER, block]), states["mlp", block], rtol=1e-5, atol=1e-5)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["mixtral", "qwen3_next"])
def test_a_mixture_of_experts_has_no_inner_activations_of_its_own(name: str) -> None:
    loaded = built(lambda: tiny_model(name))
    found = find_sites(loaded.module, loaded.architecture)
    expected = (
        r"^model m: activations\.sites: no site 'mlp_inner': no mlp of its blocks \(\w+\) ends in one projection of "
    )
    with pytest.raises(FathomError, match=expected + "its own, as none of a mixture of experts does; it has residual"):
        choose_sites(("residual", INNER), found, "m")


def test_inner_widths_that_differ_are_refused() -> None:
    loaded = built(BUILDERS["llama"])
    wider = LlamaModel(LlamaConfig(**SIZES | {"intermediate_size": 48})).eval()
    loaded.architecture.blocks[1].mlp = wider.layers[1].mlp
    found = find_sites(loaded.module, loaded.architecture)
    assert set(found.taps) == set(SUBLAYER_SITES)
    with pytest.raises(
        FathomError, match=r"no site 'mlp_inner': its blocks \(LlamaDecoderLayer\) differ in inner width"
    ):
        choose_sites((INNER,), found, "m")


@pytest.mark.parametrize("shards", [1, 2])
def test_inner_activations_go_the_whole_way_beside_states_of_another_width(
    tmp_path: Path, request: pytest.FixtureRequest, shards: int
) -> None:
    folder = request.getfixturevalue("llama")
    manifest, corpus = prepared(folder, tmp_path), written_corpus(tmp_path / "texts.parquet")
    told: dict[str, Any] = {"sites": ("residual", "mlp", INNER), "shards": shards, "token_budget": 60}
    activations = Activations([extracted(manifest, corpus, job(shard, **told)) for shard in range(shards)])
    assert [activations.width_of(site) for site in activations.sites] == [16, 16, 32]
    assert activations.layers_of(INNER) == ("1", "2", "3")
    loaded = load_model(folder, "m", dtype="float32", device=CPU)
    inner, mlp = ([text for block in activations.token_blocks(5000, site) for text in block] for site in (INNER, "mlp"))
    for wide, own in zip(inner, mlp, strict=True):
        for layer, block in enumerate(loaded.architecture.blocks):
            with torch.inference_mode():
                made = block.get_submodule("mlp.down_proj")(torch.from_numpy(wide[layer]))
            torch.testing.assert_close(made, torch.from_numpy(own[layer]), rtol=1e-5, atol=1e-5)
    mean = activations.pooled("mean", 1, INNER)
    np.testing.assert_allclose(mean, np.stack([text[1].mean(axis=0) for text in inner]), rtol=1e-4, atol=1e-6)
    assert activations.rows("last", 0, 1, 3, INNER).shape == (2, 32)
    with pytest.raises(FathomError, match="'mlp_inner' has another width than the final norm"):
        extracted(manifest, corpus, job(sites=("residual", INNER), positions=("normed_mean",)))


@pytest.mark.filterwarnings("ignore")
def test_a_hybrid_goes_the_whole_way_and_its_layers_bear_the_numbers_of_their_blocks(tmp_path: Path) -> None:
    tokenizer = byte_level_tokenizer()
    torch.manual_seed(0)
    config = tiny_config("jamba")
    config.vocab_size = len(tokenizer)
    save(AutoModel.from_config(config), tokenizer, tmp_path / "own")
    manifest, corpus = prepared(tmp_path / "own", tmp_path), written_corpus(tmp_path / "texts.parquet")
    activations = Activations([extracted(manifest, corpus, job(sites="all", token_budget=60))])
    assert activations.layers_of("mlp") == ("1", "2", "3", "4")
    assert activations.layers_of("attention") == ("2", "4")
    numbers, depths = activations.layer_axis("attention")
    assert (numbers.tolist(), depths.tolist()) == ([2, 4], [0.5, 1.0])
    before, after = (activations.pooled("mean", layer) for layer in (1, 2))
    middle = [activations.pooled("mean", 0, site) for site in ("attention", "attention_residual")]
    np.testing.assert_allclose(before + middle[0], middle[1], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(middle[1] + activations.pooled("mean", 1, "mlp"), after, rtol=1e-4, atol=1e-5)
    with pytest.raises(FathomError, match=r"expected a block that has the site 'attention': 2, 4"):
        extracted(manifest, corpus, job(sites=("residual", "attention"), layers=(0, 1, 3)))
