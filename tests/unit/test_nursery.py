"""Training in the nursery: every batch follows from seed and step, and a training that was cut off ends the same."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional
from transformers import LlamaForCausalLM
from transformers.models.mamba import modeling_mamba

from fathom.nursery.architectures import llama, mamba, modernbert
from fathom.nursery.architectures.scan import scan
from fathom.nursery.baselines import Counts, baseline_losses
from fathom.nursery.batches import NOTHING, Batch, Windows, mask
from fathom.nursery.documents import RUN, divide
from fathom.nursery.state import FILE
from fathom.nursery.steps import FLOOR, checkpoint_steps, learning_rate
from fathom.nursery.tokenizer import SPECIAL, stream_of, train_tokenizer
from fathom.nursery.training import HELD_OUT, TRAIN, Recipe, train, window_losses
from fathom.runtime.errors import FathomError

SENTENCE = "the sea and a river of light under every stone that nobody has seen since morning came over hills"
WORDS = SENTENCE.split()
VOCABULARY = 300
CAUSAL, FRAMED = SPECIAL["next"], SPECIAL["masked"]


def documents(count: int, words: int = 60, seed: int = 0) -> list[str]:
    random = np.random.default_rng(seed)
    return [" ".join(random.choice(WORDS, size=words)) for _ in range(count)]


def test_checkpoints_double_up_to_the_last_step() -> None:
    assert checkpoint_steps(1) == (0, 1)
    assert checkpoint_steps(8) == (0, 1, 2, 4, 8)
    assert checkpoint_steps(11) == (0, 1, 2, 4, 8, 11)


def test_the_learning_rate_rises_over_the_warm_up_and_falls_to_a_tenth() -> None:
    rates = [learning_rate(step, highest=1.0, warmup=4, steps=20) for step in range(1, 21)]
    assert rates[:4] == [0.25, 0.5, 0.75, 1.0]
    assert rates[3:] == sorted(rates[3:], reverse=True)
    assert rates[11] == pytest.approx((1 + FLOOR) / 2)  # half-way
    assert rates[-1] == pytest.approx(FLOOR)
    assert learning_rate(1, highest=1.0, warmup=0, steps=1) == pytest.approx(FLOOR)


def test_documents_that_share_words_with_a_measured_text_are_held_out() -> None:
    words = [f"word{at}" for at in range(40)]
    whole, start, short = " ".join(words), " ".join(words[:RUN]), " ".join(words[: RUN - 1])
    other = "Something ELSE, entirely: no such words."
    found = divide([whole, start, short, other, "more", "still more"], [whole.upper()], share=0.01, seed=0)
    assert found.held_out == [whole, start]
    assert found.apart == 2
    assert found.train == [short, other, "more", "still more"]
    # A text of fewer words counts where it stands whole.
    assert divide([whole, short, other], ["else entirely"], share=0.01, seed=0).held_out == [other]


def test_others_are_held_out_by_seed_until_the_share_is() -> None:
    texts = [f"document {at}" for at in range(100)]
    one, same, another = (divide(texts, [], share=0.1, seed=seed) for seed in (0, 0, 1))
    assert one == same != another
    assert len(one.held_out) == len(another.held_out) == 10
    assert sorted(one.train + one.held_out) == sorted(texts)


def test_a_text_that_leaves_nothing_to_train_on_is_refused() -> None:
    text = " ".join(WORDS)
    with pytest.raises(FathomError, match="expected some to train on and some to hold out"):
        divide([text, text], [text], share=0.1, seed=0)
    with pytest.raises(FathomError, match="1 documents"):
        divide([text], [], share=0.1, seed=0)


def test_the_same_documents_give_the_same_tokenizer() -> None:
    texts = documents(20)
    one, other = (train_tokenizer(texts, VOCABULARY, "next") for _ in range(2))
    assert one.to_str() == other.to_str()
    assert one.get_vocab_size() == VOCABULARY
    stream = stream_of(one, texts, CAUSAL.end)
    assert [int(at) for at in np.flatnonzero(stream == CAUSAL.end)][-1] == len(stream) - 1
    assert (stream == CAUSAL.end).sum() == len(texts)
    assert one.decode(stream[: int(np.flatnonzero(stream == 0)[0])].tolist()) == texts[0]


def test_an_encoders_tokenizer_frames_a_text() -> None:
    tokenizer = train_tokenizer(documents(20), VOCABULARY, "masked")
    ids = tokenizer.encode("the sea").ids
    assert (ids[0], ids[-1]) == (FRAMED.start, FRAMED.end)
    assert min(ids[1:-1]) >= FRAMED.number


def test_a_vocabulary_that_the_text_cannot_fill_is_refused() -> None:
    with pytest.raises(
        FathomError, match=r"vocabulary: the documents hold merges for .* expected 5,000; ask for fewer"
    ):
        train_tokenizer(documents(2), 5000, "next")


def windows(length: int = 500, *, context: int = 16, masked: float | None = None) -> Windows:
    stream = np.random.default_rng(0).integers(4, VOCABULARY, size=length).astype(np.int32)
    special = CAUSAL if masked is None else FRAMED
    return Windows(stream, context=context, special=special, masked=masked, vocabulary=VOCABULARY)


@pytest.mark.parametrize("masked", [None, 0.15])
def test_a_batch_follows_from_seed_and_step(masked: float | None) -> None:
    one, same = (windows(masked=masked).drawn(3, 7, 5) for _ in range(2))
    for part, other in zip(one, same, strict=True):
        np.testing.assert_array_equal(part, other)
    assert one.inputs.shape == (5, 16)
    assert not np.array_equal(one.inputs, windows(masked=masked).drawn(3, 8, 5).inputs)
    assert not np.array_equal(one.inputs, windows(masked=masked).drawn(4, 7, 5).inputs)


def test_the_next_token_is_the_target() -> None:
    batch = windows().drawn(0, 1, 4)
    np.testing.assert_array_equal(batch.inputs[:, 1:], batch.targets[:, :-1])
    np.testing.assert_array_equal(batch.before, batch.inputs)


def test_held_out_windows_do_not_overlap() -> None:
    found = windows(200, context=9).spread(0, 8)
    assert len(found) == 8
    tokens = np.concatenate([one.inputs[0] for one in found])
    stream = np.random.default_rng(0).integers(4, VOCABULARY, size=200)
    starts = [next(at for at in range(200) if np.array_equal(stream[at : at + 9], one.inputs[0])) for one in found]
    assert np.diff(starts).min() >= 10
    assert len(tokens) == 8 * 9


def test_a_text_shorter_than_a_window_is_refused() -> None:
    with pytest.raises(FathomError, match="text: 10 tokens, expected more than the 17 of a window; name a longer text"):
        windows(10)


def test_masks_hide_the_share_of_tokens_by_berts_rule() -> None:
    random = np.random.default_rng(0)
    tokens = random.integers(FRAMED.number, VOCABULARY, size=(400, 100))
    tokens[:, 50] = FRAMED.end
    batch = mask(tokens, random, share=0.15, special=FRAMED, vocabulary=VOCABULARY)
    assert batch.inputs.shape == (400, 102)
    assert (batch.inputs[:, 0] == FRAMED.start).all()
    assert (batch.inputs[:, -1] == FRAMED.end).all()
    hidden = batch.targets != NOTHING
    assert (hidden.sum(axis=1) == 15).all()
    assert not hidden[:, [0, -1, 51]].any()  # neither the frame nor the end of a document
    true = np.hstack([np.full((400, 1), FRAMED.start), tokens, np.full((400, 1), FRAMED.end)])
    np.testing.assert_array_equal(batch.targets[hidden], true[hidden])
    np.testing.assert_array_equal(batch.inputs[~hidden], true[~hidden])
    np.testing.assert_array_equal(batch.before[:, 1:], true[:, :-1])
    masked = (batch.inputs[hidden] == FRAMED.mask).mean()
    kept = (batch.inputs[hidden] == true[hidden]).mean()
    assert masked == pytest.approx(0.8, abs=0.02)  # 6,000 tokens: four standard errors
    assert kept == pytest.approx(0.1, abs=0.016)
    assert (batch.inputs[hidden] != FRAMED.padding).all()


def test_a_short_window_has_a_masked_token() -> None:
    batch = windows(context=8, masked=0.01).drawn(0, 1, 50)
    assert ((batch.targets != NOTHING).sum(axis=1) == 1).all()


def batch_of(before: list[int], tokens: list[int]) -> Batch:
    rows = np.array([tokens])
    return Batch(rows, rows, np.array([before]))


def test_unigrams_of_equal_tokens_have_the_entropy_of_a_uniform_guess() -> None:
    stream = np.tile(np.arange(8), 50).astype(np.int32)
    unigram, _ = baseline_losses(Counts(stream, 8), [batch_of([0, 1, 2], [3, 5, 7])])
    assert unigram == pytest.approx(math.log(8), abs=1e-12)


def test_unigrams_have_the_entropy_of_their_frequencies() -> None:
    random = np.random.default_rng(0)
    p = np.array([0.5, 0.25, 0.125, 0.125])
    stream, test = (random.choice(4, size=200_000, p=p) for _ in range(2))
    unigram, bigram = baseline_losses(Counts(stream.astype(np.int32), 4), [batch_of(list(test[:-1]), list(test[1:]))])
    entropy = 1.75 * math.log(2)  # of these frequencies, in nats
    error = 3 * math.log(2) / math.sqrt(len(test))  # more than four standard errors
    assert unigram == pytest.approx(entropy, abs=error)
    assert bigram == pytest.approx(entropy, abs=error)  # tokens are independent: the one before says nothing


def test_bigrams_have_the_entropy_of_a_chain() -> None:
    random = np.random.default_rng(0)
    stays = random.random(200_000) < 0.9
    chain = (np.cumsum(~stays) % 2).astype(np.int32)
    unigram, bigram = baseline_losses(
        Counts(chain[:100_000], 2), [batch_of(list(chain[100_000:-1]), list(chain[100_001:]))]
    )
    assert unigram == pytest.approx(math.log(2), abs=0.01)
    assert bigram == pytest.approx(-0.9 * math.log(0.9) - 0.1 * math.log(0.1), abs=0.01)


def test_what_was_never_seen_has_a_probability_and_all_add_up_to_one() -> None:
    counts = Counts(np.array([1, 2, 1, 2, 1, 3], dtype=np.int32), 6)
    every = np.arange(6)
    assert counts.unigram(every).sum() == pytest.approx(1.0)
    # 1 was seen 3 of 6 times, with 3 kinds of tokens: (3 + 3 / 6) / (6 + 3).
    assert counts.unigram(np.array([1]))[0] == pytest.approx(3.5 / 9)
    for before in every:
        probabilities = counts.bigram(np.full(6, before), every)
        assert probabilities.sum() == pytest.approx(1.0)
        assert (probabilities > 0).all()
    # After 1: twice 2, once 3, two kinds: (2 + 2 p(2)) / (3 + 2).
    two = (2 + 2 * counts.unigram(np.array([2]))[0]) / 5
    assert counts.bigram(np.array([1]), np.array([2]))[0] == pytest.approx(two)


def test_the_scan_is_the_recurrence_and_its_gradient() -> None:
    torch.manual_seed(0)
    decays = torch.rand(7, 2, 3, dtype=torch.float64, requires_grad=True)
    inputs = torch.randn(7, 2, 3, dtype=torch.float64, requires_grad=True)
    states = [inputs[0]]
    for at in range(1, 7):
        states.append(decays[at] * states[-1] + inputs[at])
    torch.testing.assert_close(scan(decays, inputs), torch.stack(states), rtol=0, atol=1e-15)
    assert torch.autograd.gradcheck(scan, (decays, inputs))


def test_mamba_has_transformers_loss_and_gradients_while_it_is_trained() -> None:
    torch.manual_seed(0)
    model = mamba.build(vocabulary=50, special=CAUSAL, context=16, layers=2, width=16, state=8).train()
    ids = torch.randint(1, 50, (3, 13))

    def loss_and_gradients() -> tuple[float, dict[str, torch.Tensor]]:
        model.zero_grad()
        logits = model(input_ids=ids).logits
        loss = functional.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten())
        loss.backward()
        return loss.item(), {name: one.grad.clone() for name, one in model.named_parameters() if one.grad is not None}

    slow = modeling_mamba.mamba_selective_scan
    expected, gradients = loss_and_gradients()
    with mamba.while_training():
        assert modeling_mamba.mamba_selective_scan is not slow
        found, own = loss_and_gradients()
    assert modeling_mamba.mamba_selective_scan is slow
    assert found == pytest.approx(expected, rel=1e-6)
    assert own.keys() == gradients.keys()
    for name, gradient in gradients.items():
        torch.testing.assert_close(own[name], gradient, rtol=1e-4, atol=1e-7, msg=name)


RECIPE = Recipe(
    name="tiny",
    steps=11,
    batch=2,
    context=16,
    vocabulary=VOCABULARY,
    learning_rate=1e-2,
    warmup=3,
    weight_decay=0.1,
    seed=0,
)


class CutOff(Exception):  # noqa: N818 - it stands for a machine that goes away
    """A training ends here."""


def trained(folder: Path, recipe: Recipe = RECIPE, *, cut_at: int | None = None, made_of: str = "a") -> dict[str, Any]:
    """Train a tiny decoder; the digest of its weights at every checkpoint, and its losses."""
    torch.manual_seed(0)
    model = llama.build(vocabulary=VOCABULARY, special=CAUSAL, context=16, layers=2, width=16, heads=2)
    digests = {}

    def keep(step: int) -> None:
        if step == cut_at:
            raise CutOff
        weights = [one.detach().numpy().tobytes() for one in model.parameters()]
        digests[step] = hashlib.sha256(b"".join(weights)).hexdigest()

    some, held_out = windows(2000), windows(300).spread(0, 4)
    rows = train(model, some, held_out, recipe, folder=folder, made_of=made_of, keep=keep)
    return {"digests": digests, "rows": rows}


def test_a_training_that_was_cut_off_ends_as_one_that_was_not(tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    whole.mkdir()
    parts.mkdir()
    expected = trained(whole)
    assert list(expected["digests"]) == [0, 1, 2, 4, 8, 11]
    assert len(set(expected["digests"].values())) == 6
    with pytest.raises(CutOff):
        trained(parts, cut_at=8)
    resumed = trained(parts)
    assert list(resumed["digests"]) == [8, 11]  # it went on after step 4
    assert resumed["digests"] == {step: expected["digests"][step] for step in (8, 11)}
    assert repr(resumed["rows"]) == repr(expected["rows"])


def test_the_state_of_another_training_is_not_taken_up(tmp_path: Path) -> None:
    with pytest.raises(CutOff):
        trained(tmp_path, cut_at=8)
    assert (tmp_path / FILE).is_file()
    assert list(trained(tmp_path, made_of="b")["digests"]) == [0, 1, 2, 4, 8, 11]


def test_losses_are_measured_at_every_checkpoint(tmp_path: Path) -> None:
    rows = trained(tmp_path)["rows"]
    held_out = [row for row in rows if row["split"] == HELD_OUT]
    assert [row["step"] for row in held_out] == list(range(12))
    assert [row["step"] for row in rows if row["split"] == TRAIN] == list(range(1, 12))
    assert held_out[0]["loss"] == pytest.approx(math.log(VOCABULARY), rel=0.02)  # it knows nothing yet
    assert held_out[-1]["tokens"] == 11 * 2 * 16
    assert all(row["error"] > 0 for row in held_out)


def test_a_training_that_diverges_names_step_and_learning_rate(tmp_path: Path) -> None:
    wild = Recipe(**{**RECIPE.__dict__, "learning_rate": 1e4, "warmup": 0})
    with pytest.raises(
        FathomError, match=r"nursery.tiny: diverged at step \d+ with learning rate \d.*; lower learning_rate"
    ):
        trained(tmp_path, wild)


def test_a_decoder_learns_a_text_that_repeats(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = llama.build(vocabulary=VOCABULARY, special=CAUSAL, context=16, layers=1, width=32, heads=2)
    stream = np.tile(np.arange(10, 20), 60).astype(np.int32)
    some = Windows(stream, context=16, special=CAUSAL, masked=None, vocabulary=VOCABULARY)
    recipe = Recipe(**{**RECIPE.__dict__, "steps": 60})
    train(model, some, some.spread(0, 4), recipe, folder=tmp_path, made_of="a", keep=lambda _: None)
    assert window_losses(model, some.spread(0, 4)).mean() < 0.5  # a unigram has log 10 = 2.3


@pytest.mark.parametrize("objective", ["next", "masked"])
def test_what_is_built_reads_the_whole_window(objective: str) -> None:
    """A decoder's state does not change with what follows, an encoder's does, at any distance."""
    torch.manual_seed(0)
    if objective == "next":
        model = llama.build(vocabulary=50, special=CAUSAL, context=16, layers=2, width=16, heads=2)
        assert isinstance(model, LlamaForCausalLM)
    else:
        model = modernbert.build(vocabulary=50, special=FRAMED, context=16, layers=2, width=16, heads=2)
    model.eval()
    ids = torch.arange(10, 26)[None]
    other = ids.clone()
    other[0, -1] = 40
    with torch.inference_mode():
        changed = (model(input_ids=ids).logits - model(input_ids=other).logits).abs().amax(dim=-1)[0, 0]
    assert (changed > 0) == (objective == "masked")
