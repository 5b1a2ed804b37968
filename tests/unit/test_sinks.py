"""Sink tokens: the rule on what is known of real models, the attention that it reads, and the states without sinks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.extraction import CPU, read
from tests.stores import RULE
from transformers import (
    BertConfig,
    BertModel,
    BloomConfig,
    BloomModel,
    Gemma3TextConfig,
    Gemma3TextModel,
    GPT2Config,
    GPT2Model,
    GPTNeoXConfig,
    GPTNeoXModel,
    GptOssConfig,
    GptOssModel,
    LlamaConfig,
    LlamaModel,
    MambaConfig,
    MambaModel,
    PreTrainedModel,
)

from fathom.activations.attention_sample import switched_attention
from fathom.activations.capture import capture, forward, make_batch, packed_targets
from fathom.activations.pooling import pool
from fathom.activations.received_attention import FEWEST_QUERIES, MOST_QUERIES
from fathom.activations.sinks import FEWEST_TOKENS, Reference, judge_tokens
from fathom.models.load import LoadedModel, load_model
from fathom.models.sites import BlockSites
from fathom.store.layout import Shape

FloatArray = npt.NDArray[np.float64]
LAYERS, TOKENS = 13, 40


def profile(first: FloatArray, others: float = 1.0) -> FloatArray:
    """Norms of a text whose tokens have norm 1 but the first, (layers, tokens)."""
    norms = np.full((LAYERS, TOKENS), others)
    norms[:, 0] = first
    return norms


def shares(first: float, blocks: int = LAYERS - 1) -> FloatArray:
    found = np.zeros((blocks, TOKENS))
    found[:, 0] = first
    return found


# The rule ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "ratios", "heads", "sink"),
    [
        ("SmolLM2: a norm of 125 medians or more, half of the heads", [1.5, 3] + [125] * 9 + [20, 3], 0.52, True),
        (
            "Gemma 3: 20 medians at one layer, 2 to 15 elsewhere, nearly all heads",
            [2] + [8] * 5 + [21] + [15] * 6,
            0.9,
            True,
        ),
        ("the same, never above 20", [2] + [8] * 6 + [15] * 6, 0.9, True),
        ("Pythia: large in the middle, many heads", [1] * 4 + [30] * 6 + [3] * 3, 0.6, True),
        ("Pythia, a small one: seven medians, a third of the heads", [1] * 4 + [7] * 6 + [3] * 3, 0.35, True),
        ("a state-space model, whose attention is not known", [1] * 4 + [60] * 6 + [3] * 3, np.nan, True),
        ("MiniLM: two thirds of the heads, an ordinary norm", [1, 2, 3.2] + [2] * 10, 0.69, False),
        ("a full stop of SmolLM2: 10 medians, a fifth of the heads", [1] * 4 + [10.4] * 6 + [1] * 3, 0.2, False),
        ("a rare token: 13 medians, no heads", [1] * 4 + [13.5] * 6 + [1] * 3, 0.0, False),
    ],
)
def test_what_is_known_of_real_models(name: str, ratios: list[float], heads: float, sink: bool) -> None:  # noqa: ARG001 - names of cases
    facts = judge_tokens(profile(np.array(ratios, dtype=np.float64)), shares(heads), RULE, None)
    assert facts.sinks.tolist() == [sink] + [False] * (TOKENS - 1)
    np.testing.assert_allclose(facts.norm_ratios[:, 0], ratios)


def test_the_score_says_how_near_a_token_is() -> None:
    facts = judge_tokens(profile(np.full(LAYERS, 10.0)), shares(0.15), RULE, None)
    # 10 of 20 medians; 10 of 5 medians, but half of the heads that are wanted: the nearer of both ways.
    assert facts.scores[0] == pytest.approx(0.5)
    facts = judge_tokens(profile(np.full(LAYERS, 10.0)), shares(0.45), RULE, None)
    assert facts.scores[0] == pytest.approx(1.5)


@pytest.mark.parametrize("tokens", range(1, FEWEST_TOKENS))
def test_a_text_too_short_for_a_median_is_compared_with_another(tokens: int) -> None:
    norms = np.ones((LAYERS, tokens))
    norms[3:, 0] = 150.0
    reference = Reference(norms=np.ones(LAYERS), head_shares=np.tile([0.6, 0.0, 0.0, 0.0], (LAYERS - 1, 1)))
    # No head can be told from so few queries: those of the text itself are not read.
    facts = judge_tokens(norms, np.ones((LAYERS - 1, tokens)), RULE, reference)
    assert facts.sinks.tolist() == [True] + [False] * (tokens - 1)
    with pytest.raises(ValueError, match="expected a reference text beside fewer than 5"):
        judge_tokens(norms, np.ones((LAYERS - 1, tokens)), RULE, None)


def test_states_of_zeros_are_no_sinks() -> None:
    facts = judge_tokens(profile(np.zeros(LAYERS), others=0.0), shares(1.0), RULE, None)
    assert not facts.sinks.any()
    assert (facts.norm_ratios == 0.0).all()


@given(scale=st.floats(1e-6, 1e6), seed=st.integers(0, 99))
def test_a_unit_of_the_states_changes_nothing(scale: float, seed: int) -> None:
    draw = np.random.default_rng(seed)
    norms, heads = np.exp(draw.normal(size=(5, 12)) * 2), draw.random((4, 12))
    one, other = judge_tokens(norms, heads, RULE, None), judge_tokens(norms * scale, heads, RULE, None)
    np.testing.assert_allclose(one.scores, other.scores, rtol=1e-12)


# The attention that tokens receive -----------------------------------------------------------------------------------

SIZES: dict[str, Any] = {"vocab_size": 150, "hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 4}
FEED: dict[str, Any] = {"intermediate_size": 32}
BUILT: dict[str, Callable[[], PreTrainedModel]] = {
    "llama, grouped queries": lambda: LlamaModel(LlamaConfig(**SIZES, **FEED, num_key_value_heads=2)),
    "bert": lambda: BertModel(BertConfig(**SIZES, **FEED)),
    "gpt_neox": lambda: GPTNeoXModel(GPTNeoXConfig(**SIZES, **FEED)),
    "gpt2": lambda: GPT2Model(GPT2Config(vocab_size=150, n_embd=16, n_layer=3, n_head=4)),
    "gemma3, windows": lambda: Gemma3TextModel(
        Gemma3TextConfig(**SIZES, **FEED, num_key_value_heads=2, head_dim=4, sliding_window=6)
    ),
    "bloom, eager": lambda: BloomModel(BloomConfig(vocab_size=150, hidden_size=16, n_layer=3, n_head=4)),
    "gpt_oss, learned sinks": lambda: GptOssModel(
        GptOssConfig(
            **SIZES,
            **FEED,
            num_key_value_heads=2,
            head_dim=4,
            num_local_experts=2,
            num_experts_per_tok=2,
            sliding_window=6,
            rope_parameters={"rope_type": "default", "rope_theta": 10_000.0},  # no 4,096 tokens that a check would try
        )
    ),
}


def loaded(name: str, folder: Path) -> LoadedModel:
    torch.manual_seed(0)
    model = BUILT[name]()
    # Large weights, so that heads differ in what they attend to.
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() > 1:
                weight.mul_(20.0)
    model.save_pretrained(folder)
    return load_model(folder, "m", dtype="float32", device=CPU)


def by_maps(maps: npt.NDArray[np.float32], threshold: float) -> npt.NDArray[np.float64]:
    """Share of heads that attend to each token, from whole maps (blocks, heads, T, T)."""
    tokens = maps.shape[-1]
    seen = (maps > 0.0).any(axis=1).sum(axis=1)
    received = maps.sum(axis=2) / np.maximum(seen, 1)[:, np.newaxis]
    found: npt.NDArray[np.float64] = (received > threshold).mean(axis=1)
    found[seen < FEWEST_QUERIES] = 0.0
    assert found.shape == (len(maps), tokens)
    return found


@pytest.mark.parametrize("name", list(BUILT))
def test_received_attention_is_that_of_the_maps(name: str, tmp_path: Path) -> None:
    model = loaded(name, tmp_path)
    draw = np.random.default_rng(0)
    ids = [draw.integers(5, 150, length).astype(np.int32) for length in (17, 9, 5)]
    batch = make_batch(np.arange(3), ids, {})
    shape = Shape({"residual": ("0", "3")}, 0, 0, 16, 3, "float32", ("last",))
    found = capture(model, batch, shape, BlockSites(), packed_targets(batch, shape, CPU), attention=0.1).head_shares
    with switched_attention(model), torch.inference_mode():
        output = forward(model, batch, output_attentions=True)
    assert (found > 0.0).any()
    for text, length in enumerate(batch.lengths):
        maps = np.stack([block[text, :, :length, :length].numpy() for block in output.attentions])
        np.testing.assert_allclose(found[:, text, :length], by_maps(maps, 0.1), atol=1e-6)


def test_long_texts_are_asked_at_some_queries(tmp_path: Path) -> None:
    model = loaded("llama, grouped queries", tmp_path)
    length = 3 * MOST_QUERIES + 7
    ids = [np.random.default_rng(0).integers(5, 150, length).astype(np.int32)]
    batch = make_batch(np.arange(1), ids, {})
    shape = Shape({"residual": ("0",)}, 0, 0, 16, 3, "float32", ("last",))
    found = capture(model, batch, shape, BlockSites(), packed_targets(batch, shape, CPU), attention=0.02).head_shares
    with switched_attention(model), torch.inference_mode():
        output = forward(model, batch, output_attentions=True)
    maps = np.stack([block[0].numpy() for block in output.attentions])
    asked = maps[:, :, np.arange(MOST_QUERIES) * length // MOST_QUERIES]
    np.testing.assert_allclose(found[:, 0], by_maps(asked, 0.02), atol=1e-6)


def test_a_model_without_attention_says_so(tmp_path: Path) -> None:
    torch.manual_seed(0)
    MambaModel(MambaConfig(vocab_size=150, hidden_size=16, num_hidden_layers=3, state_size=4)).save_pretrained(tmp_path)
    model = load_model(tmp_path, "m", dtype="float32", device=CPU)
    batch = make_batch(np.arange(1), [np.arange(5, 14, dtype=np.int32)], {})
    shape = Shape({"residual": ("0",)}, 0, 0, 16, 3, "float32", ("last",))
    assert np.isnan(
        capture(model, batch, shape, BlockSites(), packed_targets(batch, shape, CPU), attention=0.3).head_shares
    ).all()


# States without sinks ------------------------------------------------------------------------------------------------


def planted(folder: Path, token: int) -> LoadedModel:
    """A model one of whose tokens has a huge embedding, and so a huge norm at every layer."""
    torch.manual_seed(0)
    model = LlamaModel(LlamaConfig(**SIZES, **FEED, num_key_value_heads=2))
    with torch.no_grad():
        model.embed_tokens.weight[token] *= 500.0
    model.save_pretrained(folder)
    return load_model(folder, "m", dtype="float32", device=CPU)


POSITIONS = ("tokens", "mean", "mean_without_sinks", "normed_mean", "normed_mean_without_sinks", "normed_last", "last")


def states_of(
    model: LoadedModel, ids: list[npt.NDArray[np.int32]], positions: tuple[str, ...] = POSITIONS
) -> dict[str, torch.Tensor]:
    batch = make_batch(np.arange(len(ids)), ids, {})
    layers = tuple(str(layer) for layer in range(4))
    shape = Shape({"residual": layers}, 0, 0, 16, 3, "float32", positions)
    targets = packed_targets(batch, shape, CPU)
    read(model, batch, shape, targets)
    return {position: targets.arrays["residual", position] for position in positions}


def test_means_leave_out_the_sinks(tmp_path: Path) -> None:
    model = planted(tmp_path, token=7)
    draw = np.random.default_rng(0)
    ids = [draw.integers(10, 150, length).astype(np.int32) for length in (12, 6, 9)]
    ids[0][[0, 4]] = 7
    ids[2][8] = 7
    found = states_of(model, ids)
    edges = np.cumsum([0, *map(len, ids)])
    norm = model.module.norm
    for text, own in enumerate(ids):
        tokens = found["tokens"][:, edges[text] : edges[text + 1]]
        kept = torch.from_numpy(own != 7)
        assert torch.equal(found["mean"][:, text], tokens.sum(dim=1) / len(own))
        torch.testing.assert_close(found["mean_without_sinks"][:, text], tokens[:, kept].mean(dim=1))
        with torch.inference_mode():
            normed = norm(tokens)  # type: ignore[operator]  # nn.Module types it a Tensor
        torch.testing.assert_close(found["normed_mean"][:, text], normed.mean(dim=1))
        torch.testing.assert_close(found["normed_mean_without_sinks"][:, text], normed[:, kept].mean(dim=1))
        torch.testing.assert_close(found["normed_last"][:, text], normed[:, -1])
    assert torch.equal(found["mean"][:, 1], found["mean_without_sinks"][:, 1])
    assert not torch.allclose(found["mean"][:, 0], found["mean_without_sinks"][:, 0])


def test_states_after_the_norm_end_in_the_models_last_hidden_state(tmp_path: Path) -> None:
    model = planted(tmp_path, token=7)
    ids = [np.random.default_rng(0).integers(10, 150, 11).astype(np.int32)]
    found = states_of(model, ids, ("normed_mean", "normed_last"))
    with torch.inference_mode():
        final = forward(model, make_batch(np.arange(1), ids, {})).last_hidden_state
    assert torch.equal(found["normed_last"][-1], final[:, -1])
    torch.testing.assert_close(found["normed_mean"][-1], final.mean(dim=1))


def test_the_mean_before_the_first_block_may_stand_alone(tmp_path: Path) -> None:
    model = planted(tmp_path, token=7)
    ids = [np.array([12, 7, 30, 31, 90, 8], dtype=np.int32), np.arange(10, 21, dtype=np.int32)]
    positions = ("embedding_mean", "embedding_mean_without_sinks")
    alone, whole = states_of(model, ids, positions), states_of(model, ids)
    for form in ("", "_without_sinks"):
        assert alone[f"embedding_mean{form}"].shape == (1, 2, 16)
        assert torch.equal(alone[f"embedding_mean{form}"][0], whole[f"mean{form}"][0])


def test_a_text_of_sinks_alone_has_no_state_without(tmp_path: Path) -> None:
    model = planted(tmp_path, token=7)
    found = states_of(model, [np.array([7], dtype=np.int32), np.array([7, 30], dtype=np.int32)])
    assert found["mean_without_sinks"][:, 0].isnan().all()
    assert torch.equal(found["mean_without_sinks"][:, 1], found["tokens"][:, 2])
    assert not found["mean"].isnan().any()


def test_all_texts_at_once_on_a_device_give_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The way of a GPU, taken here on the CPU: sums in another order."""
    model = planted(tmp_path, token=7)
    draw = np.random.default_rng(0)
    ids = [draw.integers(10, 150, length).astype(np.int32) for length in (12, 6, 9)]
    ids[0][0] = 7
    one = states_of(model, ids)
    monkeypatch.setattr("fathom.activations.pooling._means_on_host", pool.__globals__["_means_on_device"])
    monkeypatch.setattr("fathom.activations.capture._put_on_host", capture.__globals__["_put_on_device"])
    other = states_of(model, ids)
    for position in POSITIONS:
        torch.testing.assert_close(one[position], other[position], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["bert", "gpt2", "gpt_neox"])
def test_the_final_norm_is_found_by_what_it_does(name: str, tmp_path: Path) -> None:
    model = loaded(name, tmp_path)
    ids = [np.random.default_rng(0).integers(10, 150, 11).astype(np.int32)]
    found = states_of(model, ids, ("last", "normed_last"))
    with torch.inference_mode():
        final = forward(model, make_batch(np.arange(1), ids, {})).last_hidden_state
    assert torch.equal(found["normed_last"][-1], final[:, -1])
    if name == "bert":  # its blocks end in their norm, and nothing follows them
        assert torch.equal(found["normed_last"], found["last"])
