"""How well a model predicts the next token, as it is and with its sinks taken away: one row a text."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from transformers.utils import logging as transformers_logging

from fathom.activations.ablation import SinkAblation, arising_layers
from fathom.activations.batching import batches
from fathom.activations.capture import Batch, forward, make_batch
from fathom.activations.job import LossSettings
from fathom.activations.loss_summary import loss_summary
from fathom.activations.reading import judge_batch, look, read_reference
from fathom.activations.sinks import FEWEST_TOKENS, REFERENCE_TOKENS
from fathom.activations.tokenisation import TokenisedTexts, reference_text, tokenise
from fathom.io.corpus_table import ORIGINAL, read_corpus
from fathom.io.manifests import read_manifest
from fathom.io.tables import write_table
from fathom.models.load import LoadedModel, load_model, load_tokenizer, pick_device
from fathom.models.passes import ordinary_ids
from fathom.models.sites import BlockSites
from fathom.runtime.errors import FathomError
from fathom.runtime.malloc import keep_freed_memory
from fathom.runtime.progress import Progress
from fathom.store.layout import Shape

log = logging.getLogger("fathom")

LOGIT_TOKENS = 512  # of a batch: each has a number for every token of the vocabulary
TRIED = 6  # tokens of the text by which a model is seen to read none that follows
CAUSAL = {torch.float32: 1e-3, torch.float16: 5e-2, torch.bfloat16: 2e-1}  # of its largest logit, far above round-off


def write_losses(settings_json: str, corpus_file: Path, manifest: Path, path: Path, threads: int | None) -> list[Path]:
    """Measure the original texts of a corpus, and write the table of the texts and its summary; returns both."""
    settings = LossSettings.model_validate_json(settings_json)
    checkpoint = read_manifest(manifest, "model")
    corpus = read_corpus(corpus_file)
    corpus = corpus[corpus["view"] == ORIGINAL].reset_index(drop=True)
    summary = path.with_suffix(".summary.parquet")
    path.unlink(missing_ok=True)
    summary.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    if threads is not None:
        torch.set_num_threads(threads)
    keep_freed_memory()
    place = f"model {settings.model}, corpus {settings.corpus}"
    limits = [one for one in (settings.max_tokens, checkpoint["context"]) if one is not None]
    longest, vocabulary = min(limits, default=None), checkpoint["vocabulary"]
    tokenizer = load_tokenizer(manifest.parent, settings.model)
    texts = tokenise(
        corpus,
        tokenizer,
        longest=longest,
        truncate=settings.truncate,
        place=place,
        start_token=settings.start_token,
        vocabulary=vocabulary,
    )
    device = pick_device(settings.device)
    model = load_model(
        manifest.parent, settings.model, dtype=settings.dtype, device=device, context=checkpoint["context"], head=True
    )
    require_causal(model, settings.model)
    reference = reference_text(tokenizer, REFERENCE_TOKENS, longest, vocabulary, settings.start_token)
    losses = measure_losses(model, texts, settings, reference)
    table = pd.DataFrame({"text": corpus["id"], "group": corpus["group"]}).join(losses)
    try:
        means = loss_summary(table, settings.uncertainty)
    except ValueError as error:
        msg = f"{place}: {error}"
        raise FathomError(msg) from error
    write_table(table, path)
    write_table(means, summary)
    log.info(
        "%s: %.3f nats a token, %.3f without the sinks of %s of %s texts",
        place,
        table["intact"].mean(),
        table["ablated"].mean(),
        int((table["sinks"] > 0).sum()),
        len(table),
    )
    return [path, summary]


def measure_losses(
    model: LoadedModel, texts: TokenisedTexts, settings: LossSettings, reference: np.ndarray[Any, Any]
) -> pd.DataFrame:
    """Mean loss of the next token of every text in nats, `intact` and `ablated`; NaN of a text of one token.

    Beside them the tokens of the text, how many are sinks, and the first layer at which one arises (null if none is).
    Both losses of a text come from passes of the same batch, so that they are the same number where no token is a sink.
    """
    architecture = model.architecture
    shape = Shape({"residual": ("0",)}, 0, 0, architecture.width, architecture.depth, model.states_dtype, ())
    short = None
    if int(texts.lengths.min()) < FEWEST_TOKENS:
        short = read_reference(model, reference, shape, BlockSites(), settings.sinks)
    found = pd.DataFrame({"tokens": texts.lengths, "sinks": 0, "layer": pd.array([None] * len(texts.ids), "Int64")})
    found[["intact", "ablated"]] = np.nan
    with Progress(f"losses of {settings.model} on {settings.corpus}", int(texts.lengths.sum()), "tokens") as progress:
        for rows in batches(texts.lengths, 1 if model.texts_alone else LOGIT_TOKENS):
            batch = make_batch(rows, texts.ids, {})
            losses: list[Tensor] = []
            with _noting(model, batch, losses):
                intact = look(model, batch, shape, BlockSites(), settings.sinks)
                facts = judge_batch(batch, intact, settings.sinks, short)
                norms = intact.norms.astype(np.float64)
                with SinkAblation().taken_away(architecture, norms, facts, settings.sinks), torch.inference_mode():
                    forward(model, batch)
            for row, (text, length) in enumerate(zip(rows.tolist(), batch.lengths.tolist(), strict=True)):
                arising = arising_layers(facts[row], settings.sinks)
                arising = arising[arising >= 0]
                found.loc[text, "sinks"] = len(arising)
                found.loc[text, "layer"] = int(arising.min()) if len(arising) else None
                if length > 1:
                    found.loc[text, ["intact", "ablated"]] = [float(one[row, : length - 1].mean()) for one in losses]
            progress.advance(int(batch.lengths.sum()))
    return found


@contextmanager
def _noting(model: LoadedModel, batch: Batch, losses: list[Tensor]) -> Iterator[None]:
    """While active, each pass appends the losses of the tokens of a batch, (batch, tokens - 1), in nats."""
    ids = torch.from_numpy(batch.ids)

    def note(_: Any, __: Any, output: Any) -> None:
        losses.append(next_token_losses(output.logits, ids.to(output.logits.device)).cpu())

    with model.module.register_forward_hook(note):  # which is taken away at the end
        yield


def next_token_losses(logits: Tensor, ids: Tensor) -> Tensor:
    """Cross entropy in nats of every token but the first, given those before it.

    Args:
        logits: (batch, tokens, vocabulary); those of a token predict the one after it.
        ids: (batch, tokens).

    Returns:
        (batch, tokens - 1) in float64.
    """
    return torch.stack(
        [
            torch.nn.functional.cross_entropy(row[:-1].to(torch.float32), own[1:], reduction="none").to(torch.float64)
            for row, own in zip(logits, ids, strict=True)
        ]
    )


def require_causal(model: LoadedModel, name: str) -> None:
    """Refuse a model that reads the tokens that it is to predict. Errors: FathomError."""
    one = ordinary_ids(model.module, TRIED)[None].to(model.device)
    other = one.clone()
    other[0, -1] = other[0, 0]
    if torch.equal(one, other):
        other[0, -1] = other[0, 1]
    with torch.inference_mode():
        logits = [model.run(ids, torch.ones_like(ids)).logits[0, :-1].to(torch.float32) for ids in (one, other)]
    gap, size = float((logits[0] - logits[1]).abs().max()), float(logits[0].abs().max())
    if not gap <= CAUSAL[next(model.module.parameters()).dtype] * size:
        msg = f"model {name}: {model.kind} reads the tokens that it is to predict, so that its loss says nothing; "
        msg += "expected a model that reads a text from its start"
        raise FathomError(msg)
