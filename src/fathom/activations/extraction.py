"""One shard's extraction: batches through the model, windows of layers through the store."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from fathom.activations.batching import batches, windows
from fathom.activations.job import ExtractionSettings
from fathom.activations.settings import KeptActivations
from fathom.activations.sharding import Part, sample_texts
from fathom.activations.sinks import FEWEST_TOKENS
from fathom.activations.tokenisation import TokenisedTexts
from fathom.runtime.errors import FathomError
from fathom.runtime.malloc import keep_freed_memory
from fathom.runtime.progress import Progress
from fathom.store.layout import NORMED, Shape, is_mean, without_sinks
from fathom.store.writer import StoreWriter

if TYPE_CHECKING:
    from fathom.activations.ablation import SinkAblation
    from fathom.activations.capture import Batch
    from fathom.models.load import LoadedModel
    from fathom.models.sites import BlockSites

log = logging.getLogger("fathom")

SPAN = "span:"
LEAST_REST = 0.01  # more than round-off takes from the rows of a pattern in half precision


def stored_positions(wanted: KeptActivations, texts: TokenisedTexts, place: str) -> tuple[str, ...]:
    """Positions that are stored: those asked for, every mean in both forms, and every span that the corpus marks."""
    plain = [
        form
        for position in wanted.positions
        if position != "spans" and not position.startswith(SPAN)
        for form in ((position, without_sinks(position)) if is_mean(position) else (position,))
    ]
    named = [position.removeprefix(SPAN) for position in wanted.positions if position.startswith(SPAN)]
    unknown = [name for name in named if name not in texts.spans]
    if unknown:
        msg = f"{place}: activations.positions asks for the span {unknown[0]!r}, and the corpus marks "
        msg += ", ".join(texts.spans) or "none"
        raise FathomError(msg)
    chosen = texts.spans if "spans" in wanted.positions else named
    spans = [f"{SPAN}{name}" for name in texts.spans if name in chosen]
    if not plain and not spans:
        msg = f"{place}: activations.positions asks for spans only, and the corpus marks none"
        raise FathomError(msg)
    return (*plain, *spans)


def layers_of_sites(
    sites: tuple[str, ...], wanted: KeptActivations, model: LoadedModel, name: str, found: BlockSites
) -> dict[str, tuple[str, ...]]:
    """Names of the layers that are stored of every site. Sub-layers have none before the first block or after the last.

    Of a hybrid a site has the layers of the blocks that have it. Errors: FathomError if the model has no such layer, or
    a site none of those that are asked for.
    """
    from fathom.models.architecture import FINAL, layer_names, lists_embedding
    from fathom.models.sites import INNER, RESIDUAL

    if INNER in sites and any(position.startswith(NORMED) for position in wanted.positions):
        msg = f"model {name}: activations.sites: {INNER!r} has another width than the final norm; leave it out where "
        msg += "activations.positions has normed_mean or normed_last"
        raise FathomError(msg)
    architecture = model.architecture
    embedding = wanted.layers != "transformers" or lists_embedding(model.module, architecture, name)
    residual = layer_names(wanted.layers, architecture.depth, name, embedding=embedding, no_final=architecture.no_final)
    numbered = isinstance(wanted.layers, tuple)
    blocks = residual if numbered else layer_names("all", architecture.depth, name)
    sublayers = tuple(layer for layer in blocks if layer not in {"0", FINAL})
    if not sublayers and sites != (RESIDUAL,):
        msg = f"activations.layers: names no block, expected one from 1 to {architecture.depth} for activations.sites"
        raise FathomError(msg)
    layers = {RESIDUAL: residual}
    for site in (one for one in sites if one != RESIDUAL):
        layers[site] = tuple(layer for layer in sublayers if int(layer) in found.taps[site])
        if not layers[site]:
            known = ", ".join(map(str, found.taps[site]))
            msg = f"model {name}: activations.layers: expected a block that has the site {site!r}: {known}"
            raise FathomError(msg)
    return {site: layers[site] for site in sites}


def log_missing_sites(found: BlockSites, place: str, depth: int) -> None:
    """Log which sites the model's blocks do not have, and why, and which are in some of its blocks only."""
    for reason in dict.fromkeys(found.missing.values()):
        sites = ", ".join(site for site, why in found.missing.items() if why == reason)
        log.info("%s: no site %s: %s", place, sites, reason)
    for site, taps in found.taps.items():
        if len(taps) < depth:
            log.info("%s: site %s in %s of %s blocks: %s", place, site, len(taps), depth, ", ".join(map(str, taps)))


def window_ranges(texts: TokenisedTexts, shape: Shape, wanted: KeptActivations) -> list[tuple[int, int]]:
    """First and last + 1 text of every window, so that two of them and the store's own buffers fit into memory_mb."""
    left = (wanted.memory_mb << 20) - shape.buffer_bytes
    return windows(shape.sizes(texts.lengths), max(1, left // 2))


def extract(
    model: LoadedModel,
    texts: TokenisedTexts,
    shape: Shape,
    writer: StoreWriter,
    settings: ExtractionSettings,
    *,
    ids: list[str],
    found: BlockSites,
    reference: npt.NDArray[np.int32],
    ablation: SinkAblation | None = None,
) -> SinksFound:
    """Run all texts, window by window, and append their states to the store.

    The finished store holds texts in the order of the corpus; within a window they run sorted by length. `reference`
    holds the token ids of the text that those are compared with that are too short to show their own sinks; with an
    `ablation` the sinks of every text are taken away. Returns the sinks that were found, of what was stored.
    """
    from fathom.activations.reading import final_norm, read_batch, read_reference
    from fathom.activations.window_writer import WindowWriter

    keep_freed_memory()
    wanted = settings.activations
    rule = wanted.sinks
    place = f"model {settings.model}, corpus {settings.corpus}"
    ranges = window_ranges(texts, shape, wanted)
    norm = final_norm(model, shape, settings.model)
    short = None
    if int(texts.lengths.min()) < FEWEST_TOKENS:
        short = read_reference(model, reference, shape, found, rule)
    sinks = SinksFound()
    with (
        Progress(f"{settings.model} on {settings.corpus}", shape.tokens, "tokens") as progress,
        WindowWriter(
            writer,
            shape,
            ranges,
            texts.lengths,
            model.device,
            lambda text: f"{place}, text {ids[text]!r}",
            max(wanted.token_budget, int(texts.lengths.max())),
        ) as window,
    ):
        for first, last in ranges:
            window.begin(first, last)
            for batch in window_batches(texts, first, last, 1 if model.texts_alone else wanted.token_budget):
                targets = window.targets(batch)
                facts = read_batch(model, batch, shape, found, targets, rule, short, norm, ablation)
                window.put_facts(batch, facts)
                window.put(batch, targets)
                sinks.add(texts, batch.texts, [one.sinks for one in facts])
                progress.advance(int(batch.lengths.sum()))
            window.end()
    return sinks


@dataclass
class SinksFound:
    """Sinks of the texts of a shard."""

    texts: int = 0
    """Texts that have any."""
    tokens: int = 0
    alone: int = 0
    """Texts all of whose tokens are sinks, which have no state without."""
    ids: set[int] = field(default_factory=set)
    """Token ids of the sinks."""

    def add(self, texts: TokenisedTexts, rows: npt.NDArray[np.int64], marked: list[npt.NDArray[np.bool_]]) -> None:
        """Count the sinks of some texts."""
        for row, sinks in zip(rows.tolist(), marked, strict=True):
            self.texts += int(sinks.any())
            self.tokens += int(sinks.sum())
            self.alone += int(sinks.all())
            self.ids.update(texts.ids[row][sinks].tolist())


def sample_attention(
    model: LoadedModel,
    texts: TokenisedTexts,
    corpus: pd.DataFrame,
    part: Part,
    shape: Shape,
    writer: StoreWriter,
    settings: ExtractionSettings,
    found: BlockSites,
) -> tuple[str | None, list[str]]:
    """Store attention patterns of the first texts, where they are asked for.

    Returns why there are none, and what figures must say of them.
    """
    from fathom.activations.attention_sample import write_sample

    wanted = settings.activations
    place = f"model {settings.model}, corpus {settings.corpus}"
    if not wanted.attention_texts:
        return "activations.attention_texts is 0", []
    if not part.attention_texts:
        return "the sampled texts are in other shards, if any is short enough", []
    chosen = sample_texts(corpus["view"], texts.lengths, count=part.attention_texts, longest=wanted.attention_tokens)
    if not len(chosen):
        reason = f"no original text has at most {wanted.attention_tokens} tokens"
        return reason, [f"no attention patterns: {reason}"]
    ids = corpus["id"].tolist()
    sampled = write_sample(model, texts, chosen, shape, writer, found, lambda text: f"text {ids[text]!r}")
    if sampled.missing is not None:
        return sampled.missing, [f"no attention patterns: {sampled.missing}"]
    log.info(
        "%s: attention patterns of %s texts; with eager attention the states differ from the stored ones by at most "
        "%.1e of the largest state of a layer%s",
        place,
        len(chosen),
        sampled.difference,
        f"; {sampled.rest:.0%} of the attention goes to a learned sink" if sampled.rest > LEAST_REST else "",
    )
    if sampled.blocks == shape.depth:
        return None, []
    return None, [f"attention patterns of {sampled.blocks} of {shape.depth} blocks, the others give none"]


def window_batches(texts: TokenisedTexts, first: int, last: int, token_budget: int) -> list[Batch]:
    """The batches of a window of texts, longest first; with a budget of one token every text is a batch."""
    from fathom.activations.capture import make_batch

    chosen = batches(texts.lengths[first:last], token_budget)
    return [make_batch(first + rows, texts.ids, texts.spans) for rows in chosen]
