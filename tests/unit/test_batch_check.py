"""Texts of a batch: whether they leave each other alone is tried at load, and every pass starts fresh."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import (
    BigBirdConfig,
    BigBirdModel,
    FNetConfig,
    FNetModel,
    GPTNeoConfig,
    GPTNeoModel,
    LlamaConfig,
    LlamaModel,
    MambaConfig,
    MambaModel,
    OPTConfig,
    OPTModel,
    Phi3Config,
    Phi3Model,
    PreTrainedModel,
    T5Config,
    T5Model,
    ViTConfig,
    ViTModel,
)

from fathom.models.architecture import layer_names
from fathom.models.batch_check import thresholds
from fathom.models.load import LoadedModel, load_model, understand
from fathom.models.passes import Half
from fathom.models.prepare import describe
from fathom.runtime.errors import FathomError

CPU = torch.device("cpu")
SIZES: dict[str, Any] = {
    "vocab_size": 64,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "pad_token_id": 0,
}
LONGROPE: dict[str, Any] = {
    "rope_type": "longrope",
    "rope_theta": 10000.0,
    "short_factor": [1.0] * 4,
    "long_factor": [4.0] * 4,
    "original_max_position_embeddings": 32,
}
DYNAMIC: dict[str, Any] = {"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 4.0}


def built(model: PreTrainedModel) -> LoadedModel:
    torch.manual_seed(0)
    return understand(model.eval(), "m", CPU)


def final(model: LoadedModel, ids: Tensor) -> Tensor:
    with torch.inference_mode():
        state: Tensor = model.run(ids[None], torch.ones_like(ids)[None]).last_hidden_state[0]
    return state


@pytest.mark.parametrize(
    "model",
    [
        FNetModel(FNetConfig(**SIZES)),
        Phi3Model(Phi3Config(**SIZES, original_max_position_embeddings=32, rope_parameters=LONGROPE)),
    ],
    ids=["pads mixed into texts", "rotary factors of the longest text"],
)
def test_texts_that_a_batch_changes_run_alone(model: PreTrainedModel) -> None:
    found = built(model)
    assert found.texts_alone is not None
    assert f"in a batch {type(model).__name__} gives a text other states than alone" in found.texts_alone
    assert found.check.difference > 1e-3


def test_round_off_of_half_precision_hides_no_text_that_a_batch_changes() -> None:
    """The rotary factors change states by less than half precision rounds them, and are found in float32."""
    factors = {**LONGROPE, "long_factor": [1.2] * 4}
    model = Phi3Model(Phi3Config(**SIZES, original_max_position_embeddings=32, rope_parameters=factors)).bfloat16()
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    found = built(model)
    assert found.texts_alone is not None
    assert 2e-5 < found.check.difference < 1e-1
    after = model.state_dict()
    assert {name: weight.dtype for name, weight in after.items()} == {name: one.dtype for name, one in before.items()}
    assert all(torch.equal(weight, after[name]) for name, weight in before.items())
    assert built(LlamaModel(LlamaConfig(**SIZES)).bfloat16()).texts_alone is None


def test_texts_that_a_batch_leaves_alone_share_one() -> None:
    found = built(LlamaModel(LlamaConfig(**SIZES)))
    assert found.texts_alone is None
    assert found.check.difference < 1e-5
    assert found.check.not_tried is None


def test_a_model_that_draws_at_random_is_refused() -> None:
    model = LlamaModel(LlamaConfig(**SIZES))
    model.layers[0].register_forward_hook(lambda _, __, output: output + torch.rand_like(output))
    with pytest.raises(FathomError, match="model m: LlamaModel gives a text other states when the text runs once more"):
        built(model)


def test_the_long_text_is_longer_than_the_thresholds_of_the_model() -> None:
    assert list(thresholds(LlamaConfig(**SIZES))) == []
    config = BigBirdConfig(**SIZES, block_size=4, num_random_blocks=1, max_position_embeddings=256)
    assert dict(thresholds(config)) == {"block_size": 44}
    with pytest.raises(FathomError, match=r"BigBirdModel reads 56 tokens where a text has 53.* set original_full"):
        built(BigBirdModel(config))


def test_a_threshold_beyond_the_longest_text_is_said_to_be_untried() -> None:
    found = built(Phi3Model(Phi3Config(**SIZES, sliding_window=100_000, original_max_position_embeddings=32)))
    assert found.check.not_tried == "sliding_window 100,000"
    assert found.texts_alone is None


def test_what_ran_before_changes_no_text() -> None:
    """A long text leaves its rotary frequencies behind, and so would a short one."""
    dynamic = LlamaConfig(**SIZES, max_position_embeddings=16, rope_parameters=DYNAMIC)
    for model in (LlamaModel(LlamaConfig(**SIZES)), LlamaModel(dynamic)):
        found = built(model)
        draw = torch.Generator().manual_seed(1)
        texts = [torch.randint(5, 60, (length,), generator=draw) for length in (72, 6, 120)]
        first = [final(found, ids) for ids in texts]
        again = [final(found, ids) for ids in reversed(texts)][::-1]
        assert all(torch.equal(one, other) for one, other in zip(first, again, strict=True))


# Halves, widths, precisions ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def t5(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("t5")
    T5Model(
        T5Config(vocab_size=64, d_model=16, d_kv=8, d_ff=32, num_layers=3, num_decoder_layers=2, num_heads=2)
    ).save_pretrained(folder)
    return folder


def test_each_half_of_an_encoder_decoder_is_read(t5: Path) -> None:
    whole = T5Model.from_pretrained(t5).eval()
    ids = torch.arange(5, 14)[None]
    mask = torch.ones_like(ids)
    with torch.inference_mode():
        theirs = whole(input_ids=ids, decoder_input_ids=ids, output_hidden_states=True)
    for part, depth, states in (
        (None, 3, theirs.encoder_hidden_states),
        ("decoder", 2, theirs.decoder_hidden_states),
    ):
        model = load_model(t5, "m", dtype="float32", device=CPU, part=part)  # type: ignore[arg-type]
        assert isinstance(model.module, Half)
        assert model.architecture.depth == depth
        with torch.inference_mode():
            ours = model.run(ids, mask, output_hidden_states=True).hidden_states
        assert len(ours) == len(states)
        for one, other in zip(ours, states, strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=1e-6)


def test_sizes_are_those_of_the_half_that_runs(t5: Path, tmp_path: Path) -> None:
    assert (describe(t5, "m", depth=None)["part"], describe(t5, "m", depth=None)["depth"]) == ("encoder", 3)
    assert describe(t5, "m", depth=2, part="decoder")["depth"] == 2
    LlamaModel(LlamaConfig(**SIZES)).save_pretrained(tmp_path)
    with pytest.raises(FathomError, match=r"part: expected none, llama is no encoder-decoder; found 'decoder'"):
        describe(tmp_path, "m", depth=None, part="decoder")


def test_sizes_come_from_the_names_that_the_architecture_has(tmp_path: Path) -> None:
    config = GPTNeoConfig(vocab_size=64, hidden_size=16, num_layers=2, num_heads=2, attention_types=[[["global"], 2]])
    GPTNeoModel(config).save_pretrained(tmp_path)
    facts = describe(tmp_path, "m", depth=None)
    assert (facts["depth"], facts["width"], facts["vocabulary"], facts["context"]) == (2, 16, 64, 2048)


def test_a_last_state_of_another_width_is_refused_and_the_layers_are_read() -> None:
    sizes: dict[str, Any] = {"vocab_size": 64, "hidden_size": 16, "ffn_dim": 32, "num_hidden_layers": 3}
    config = OPTConfig(**sizes, num_attention_heads=2, word_embed_proj_dim=8, do_layer_norm_before=False)
    model = built(OPTModel(config))
    assert (model.architecture.depth, model.architecture.width) == (3, 16)
    no_final = model.architecture.no_final
    assert layer_names("all", 3, "m", no_final=no_final) == ("0", "1", "2", "3")
    with pytest.raises(FathomError, match=r"activations\.layers: model m has no layer 'final', for .*\(2, 5, 8\)"):
        layer_names((1, "final"), 3, "m", no_final=no_final)
    with pytest.raises(FathomError, match=r"no layer 'final'"):
        layer_names("transformers", 3, "m", no_final=no_final)


def test_a_residual_stream_in_float32_is_kept_so(tmp_path: Path) -> None:
    MambaModel(MambaConfig(vocab_size=64, hidden_size=16, num_hidden_layers=2, state_size=4)).save_pretrained(tmp_path)
    assert load_model(tmp_path, "m", dtype="bfloat16", device=CPU).states_dtype == "float32"
    LlamaModel(LlamaConfig(**SIZES)).save_pretrained(tmp_path / "llama")
    assert load_model(tmp_path / "llama", "m", dtype="bfloat16", device=CPU).states_dtype == "bfloat16"


def test_a_model_of_images_is_called_so(tmp_path: Path) -> None:
    sizes: dict[str, Any] = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2}
    sizes["num_attention_heads"] = 2
    ViTModel(ViTConfig(**sizes, image_size=8, patch_size=4)).save_pretrained(tmp_path)
    with pytest.raises(FathomError, match="model m: ViTModel reads images and does not run on text alone"):
        describe(tmp_path, "m", depth=None)
