"""Attention sinks taken away as a model runs: where they arise, what becomes of the states and of the loss."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from tests.extraction import CPU, random_texts
from tests.stores import RULE
from tests.tiny import sink_llama, tiny_bert, tiny_llama
from transformers import LlamaForCausalLM

from fathom.activations.ablation import SinkAblation, arising_layers
from fathom.activations.capture import Targets, make_batch, packed_targets
from fathom.activations.job import LossSettings
from fathom.activations.losses import measure_losses, next_token_losses, require_causal
from fathom.activations.reading import judge_batch, look, read_batch, read_reference
from fathom.activations.sinks import TokenFacts
from fathom.models.load import LoadedModel, load_model
from fathom.models.passes import Fresh
from fathom.models.sites import BlockSites
from fathom.models.sources.ablated_sinks import bring
from fathom.models.sources.place import Place
from fathom.runtime.errors import FathomError
from fathom.store.layout import Shape
from fathom.workflow.load import load_config

if TYPE_CHECKING:
    from collections.abc import Callable

LAYERS = ("0", "1", "2", "3", "4")
ARISES = 2  # the block whose MLP makes the planted sink, and so the layer at which it arises
SINK = 0  # its token


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sink_llama(tmp_path_factory.mktemp("sink") / "m", block=ARISES)


@pytest.fixture(scope="module")
def model(folder: Path) -> LoadedModel:
    return load_model(folder, "m", dtype="float32", device=CPU, head=True)


def texts_of(lengths: list[int], sinks: list[int | None]) -> list[np.ndarray[Any, Any]]:
    """Token ids of texts, with the planted sink at a place of each, or at none."""
    ids = random_texts(lengths).ids
    for one, sink in zip(ids, sinks, strict=True):
        if sink is not None:
            one[sink] = SINK
    return ids


def states(model: LoadedModel, ids: list[np.ndarray[Any, Any]], ablation: SinkAblation | None) -> Targets:
    batch = make_batch(np.arange(len(ids)), ids, {})
    shape = Shape(
        {"residual": LAYERS}, 0, 0, model.architecture.width, model.architecture.depth, "float32", ("tokens",)
    )
    targets = packed_targets(batch, shape, CPU)
    reference = read_reference(model, np.arange(5, 69, dtype=np.int32) % 64 + 5, shape, BlockSites(), RULE)
    read_batch(model, batch, shape, BlockSites(), targets, RULE, reference, None, ablation)
    return targets


def tokens(targets: Targets) -> torch.Tensor:
    return targets.arrays["residual", "tokens"]


def test_the_planted_token_is_a_sink_from_its_block_on(model: LoadedModel) -> None:
    (ids,) = texts_of([12], [0])
    batch = make_batch(np.array([0]), [ids], {})
    shape = Shape({"residual": LAYERS}, 0, 0, model.architecture.width, model.architecture.depth, "float32", ())
    (facts,) = judge_batch(batch, look(model, batch, shape, BlockSites(), RULE), RULE, None)
    assert facts.sinks.tolist() == [True] + [False] * 11
    assert arising_layers(facts, RULE).tolist() == [ARISES] + [-1] * 11


def test_a_sink_by_its_heads_arises_where_it_exceeds_the_lower_limit() -> None:
    ratios = np.array([[1.0, 1.0], [6.0, 6.0], [8.0, 25.0], [4.0, 90.0]])
    facts = TokenFacts(ratios, np.zeros((3, 2)), scores=np.array([1.2, 4.5]))
    assert arising_layers(facts, RULE).tolist() == [1, 2]
    assert arising_layers(TokenFacts(ratios, np.zeros((3, 2)), np.array([0.9, 1.0])), RULE).tolist() == [-1, -1]


@pytest.mark.parametrize("sink", [0, 5])
def test_the_norm_becomes_the_median_and_earlier_layers_stay(model: LoadedModel, sink: int) -> None:
    ids = texts_of([12], [sink])
    intact, ablation = tokens(states(model, ids, None)), SinkAblation()
    without = tokens(states(model, ids, ablation))
    # Before the layer nothing differs, at the layer the sink alone, in length and not in direction.
    assert torch.equal(without[:ARISES], intact[:ARISES])
    others = [token for token in range(12) if token != sink]
    assert torch.equal(without[ARISES, others], intact[ARISES, others])
    median = np.median(intact[ARISES].norm(dim=-1).double().numpy())
    assert float(without[ARISES, sink].norm()) == pytest.approx(median, rel=1e-5)
    assert float(intact[ARISES, sink].norm()) > RULE.norm * median
    cosine = torch.nn.functional.cosine_similarity(without[ARISES, sink], intact[ARISES, sink], dim=0)
    assert float(cosine) == pytest.approx(1.0, abs=1e-5)
    # The next block's norm takes the length away, so that others still see the same keys and values there; what the
    # block adds to the token itself now counts, and later tokens read that one block on. Tokens before it cannot.
    torch.testing.assert_close(without[ARISES + 1, -1], intact[ARISES + 1, -1], rtol=1e-4, atol=1e-4)
    assert not torch.allclose(without[ARISES + 2, -1], intact[ARISES + 2, -1], rtol=1e-2)
    assert torch.equal(without[:, :sink], intact[:, :sink])
    assert ablation.counted() == {"texts": 1, "layers": {str(ARISES): 1}}
    assert ablation.notes(0) == [f"sinks taken away in 1 of 1 texts, at layer {ARISES} (1 token)"]


def test_a_text_without_a_sink_keeps_its_bits_beside_others(model: LoadedModel) -> None:
    ids = texts_of([9, 12, 3, 7], [None, 0, 1, None])
    ablation = SinkAblation()
    intact, without = tokens(states(model, ids, None)), tokens(states(model, ids, ablation))
    ends = np.cumsum([0, 9, 12, 3, 7])
    for text, sink in enumerate([False, True, True, False]):
        own = slice(int(ends[text]), int(ends[text + 1]))
        assert torch.equal(without[:, own], intact[:, own]) != sink
    assert (ablation.texts, ablation.texts_with_sinks) == (4, 2)


def test_nothing_changes_without_a_sink(model: LoadedModel) -> None:
    ids, ablation = texts_of([9, 4], [None, None]), SinkAblation()
    assert torch.equal(tokens(states(model, ids, ablation)), tokens(states(model, ids, None)))
    assert ablation.notes(0) == ["no token is a sink by the rule: nothing was taken away"]


# The loss ------------------------------------------------------------------------------------------------------------


def settings() -> LossSettings:
    job = {"model": "m", "corpus": "c", "dtype": "float32", "sinks": RULE.model_dump(), "uncertainty": {}}
    texts = {"max_tokens": None, "truncate": False, "start_token": "tokenizer", "device": "cpu"}
    return LossSettings.model_validate(job | texts)


def test_losses_are_those_of_the_model_by_hand(model: LoadedModel, folder: Path) -> None:
    lengths = [12, 9, 1, 20]
    texts = random_texts(lengths)
    texts.ids[0][0] = texts.ids[3][4] = SINK
    found = measure_losses(model, texts, settings(), np.arange(5, 64, dtype=np.int32))
    whole = LlamaForCausalLM.from_pretrained(folder)
    for text, ids in enumerate(texts.ids):
        if len(ids) == 1:
            assert np.isnan(found.loc[text, ["intact", "ablated"]].to_numpy(dtype=float)).all()
            continue
        tensor = torch.from_numpy(ids.astype(np.int64))[None]
        with torch.inference_mode():
            expected = float(whole(input_ids=tensor, labels=tensor).loss)
        assert found.loc[text, "intact"] == pytest.approx(expected, rel=1e-5)
    assert found["sinks"].tolist() == [1, 0, 0, 1]
    assert found["layer"].dropna().tolist() == [ARISES, ARISES]
    changed = found["intact"] != found["ablated"]
    assert changed[[0, 3]].all()
    assert not changed[1]


def test_the_loss_of_a_uniform_guess() -> None:
    losses = next_token_losses(torch.zeros(2, 4, 7), torch.tensor([[1, 2, 3, 4], [0, 0, 0, 0]]))
    assert losses.shape == (2, 3)
    torch.testing.assert_close(losses, torch.full((2, 3), np.log(7.0), dtype=torch.float64), rtol=1e-6, atol=0)


# The source of models ------------------------------------------------------------------------------------------------


def prepared(source: Path, name: str, tmp_path: Path) -> Path:
    """The manifest that `fathom models` writes of a folder."""
    from tests.jobs import model_settings

    from fathom.models.command import command

    folder = tmp_path / "models" / name
    told = model_settings({"source": "path", "path": str(source)}, name)
    arguments = ["--settings", told, "--folder", str(folder), "--manifest", str(folder / "manifest.json")]
    CliRunner().invoke(command, arguments, catch_exceptions=False)
    return folder / "manifest.json"


def test_its_files_are_those_of_the_other_model(folder: Path, tmp_path: Path) -> None:
    manifest = prepared(folder, "whole", tmp_path)
    draft = tmp_path / "draft"
    draft.mkdir()
    origin = bring(Place(draft, tmp_path, tmp_path / "kept", manifest), of="whole")
    assert origin.facts["ablates"] == "sinks"
    names = {path.name for path in manifest.parent.iterdir()} - {"manifest.json"}
    assert {path.name for path in draft.iterdir()} == names
    weights = "model.safetensors"
    assert (draft / weights).stat().st_ino == (manifest.parent / weights).stat().st_ino
    assert json.loads(manifest.read_text())["files"].keys() == names


def headless_llama(path: Path) -> Path:
    return tiny_llama(path)


def encoder(path: Path) -> Path:
    return tiny_bert(path)


REFUSED: dict[str, tuple[Callable[[Path], Path], str]] = {
    "encoder": (encoder, "bert does not predict the next token from those before it"),
    "no head": (headless_llama, "its checkpoint lacks lm_head.weight, which predicts the next token"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_models_without_a_loss_are_refused(name: str, tmp_path: Path) -> None:
    build, expected = REFUSED[name]
    manifest = prepared(build(tmp_path / "own"), "whole", tmp_path)
    draft = tmp_path / "draft"
    draft.mkdir()
    with pytest.raises(FathomError, match=expected) as raised:
        bring(Place(draft, tmp_path, tmp_path / "kept", manifest), of="whole")
    assert "\n" not in str(raised.value)
    assert not list(draft.iterdir())


def test_a_model_that_sees_what_it_is_to_predict_is_refused(folder: Path) -> None:
    model = load_model(folder, "m", dtype="float32", device=CPU, head=True)
    require_causal(model, "m")
    mlp: Any = model.architecture.blocks[0].get_submodule("mlp")
    own = mlp.forward
    mlp.forward = lambda states: own(states + states.mean(dim=1, keepdim=True))
    with pytest.raises(FathomError, match="reads the tokens that it is to predict"):
        require_causal(replace(model, fresh=Fresh(model.module)), "m")


# The config ----------------------------------------------------------------------------------------------------------

CONFIG: dict[str, Any] = {
    "models": {
        "whole": {"source": "path", "path": "own"},
        "without": {"source": "ablated-sinks", "of": "whole"},
    },
    "corpora": {"random": {"kind": "random-tokens"}, "relations": {"kind": "relations"}},
}


def test_no_probes_or_tasks_are_made_of_it_unasked_and_its_figure_is() -> None:
    config = load_config(CONFIG, [], files_here=False)
    assert config.trained_models == ("whole",)
    assert set(config.all_models) == {"whole", "without", "whole-random"}
    figures = config.all_figures
    assert figures["without-ablation"].plotted_models(config) == ("whole", "without")
    assert {figure.plotted_models(config) for figure in figures.values() if figure.category == "Probes"} <= {("whole",)}


@pytest.mark.parametrize(
    ("without", "expected"),
    [
        ({"of": "else"}, "models.without.of: expected one of whole"),
        ({"of": "without"}, "models.without.of: expected one of whole"),
        ({"of": "whole", "dtype": "bfloat16"}, "models.without.dtype: expected that of model whole, float32"),
    ],
)
def test_a_model_that_it_cannot_be_made_of_is_refused(without: dict[str, Any], expected: str) -> None:
    models = CONFIG["models"] | {"without": {"source": "ablated-sinks"} | without}
    with pytest.raises(FathomError) as raised:
        load_config(CONFIG | {"models": models}, [], files_here=False)
    assert expected in str(raised.value)
    assert "\n" not in str(raised.value)
