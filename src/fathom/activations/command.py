"""`fathom activations`: run a model over one shard of a corpus and store its hidden states."""

from __future__ import annotations

import errno
import logging
from importlib import import_module
from pathlib import Path

import click
import numpy as np
import pandas as pd

from fathom.activations.extraction import (
    extract,
    layers_of_sites,
    log_missing_sites,
    sample_attention,
    stored_positions,
)
from fathom.activations.job import ExtractionSettings
from fathom.activations.sharding import CutSettings, Part, read_part, whole_corpus, write_cut
from fathom.activations.sinks import REFERENCE_TOKENS
from fathom.activations.tokenisation import reference_text, tokenise
from fathom.io.corpus_table import of_views, paraphrases, read_corpus
from fathom.io.manifests import read_manifest, sha256_of, versions_of
from fathom.runtime.errors import FathomError
from fathom.runtime.job_files import Work
from fathom.store.layout import KIND, Shape
from fathom.store.reading import reading_notes
from fathom.store.writer import StoreWriter

log = logging.getLogger("fathom")


@click.command()
@click.option("--settings", "settings_json", required=True, help="Settings, as JSON.")
@click.option("--corpus", "corpus_file", required=True, type=click.Path(path_type=Path), help="Corpus to read.")
@click.option(
    "--model", "model_manifest", required=True, type=click.Path(path_type=Path), help="Manifest of the model."
)
@click.option("--write-cut", type=click.Path(path_type=Path), help="Only write where the corpus is cut into shards.")
@click.option("--write-losses", type=click.Path(path_type=Path), help="Only write losses with and without sinks.")
@click.option("--cut", type=click.Path(path_type=Path), help="Where the corpus is cut, if into more shards than one.")
@click.option("--store", type=click.Path(path_type=Path), help="Zarr store to write, one file.")
@click.option("--manifest", type=click.Path(path_type=Path), help="Manifest to write last.")
@click.option("--threads", type=click.IntRange(min=1), default=None, help="CPU threads; all cores if left out.")
def command(
    settings_json: str,
    corpus_file: Path,
    model_manifest: Path,
    write_cut: Path | None,
    write_losses: Path | None,
    cut: Path | None,
    store: Path | None,
    manifest: Path | None,
    threads: int | None,
) -> Work:
    """Run a model over a corpus, or over one shard of it, and store its hidden states.

    With --write-cut, only tokenise the corpus and write where it is cut into shards of about as many tokens. With
    --write-losses, only measure how well the model predicts the next token as it is and with its sinks taken away.
    """
    if write_losses is not None:
        # By name, so that its code is no part of an extraction's.
        measured = import_module("fathom.activations.losses")
        written = measured.write_losses(settings_json, corpus_file, model_manifest, write_losses, threads)
        return Work(settings_json, read=[model_manifest, corpus_file], written=written)
    if write_cut is not None:
        _cut(CutSettings.model_validate_json(settings_json), corpus_file, model_manifest, write_cut)
        return Work(settings_json, read=[model_manifest, corpus_file], written=[write_cut])
    if store is None or manifest is None:
        msg = "--store, --manifest: expected both, or --write-cut"
        raise FathomError(msg)
    settings = ExtractionSettings.model_validate_json(settings_json)
    _extract(settings, corpus_file, model_manifest, cut, store, manifest, threads)
    cuts = [] if cut is None else [cut]
    return Work(settings_json, read=[model_manifest, corpus_file, *cuts], written=[manifest])


def _cut(settings: CutSettings, corpus_file: Path, model_manifest: Path, path: Path) -> None:
    """Write where a corpus is cut into shards."""
    checkpoint = read_manifest(model_manifest, "model")
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)

    from fathom.models.load import load_tokenizer

    folder = model_manifest.parent
    longest = _smaller(settings.max_tokens, checkpoint["context"])
    tokenizer = load_tokenizer(folder, settings.model)
    write_cut(path, settings, corpus_file, model_manifest, tokenizer, longest, checkpoint["vocabulary"])


def _extract(
    settings: ExtractionSettings,
    corpus_file: Path,
    model_manifest: Path,
    cut: Path | None,
    store: Path,
    manifest: Path,
    threads: int | None,
) -> None:
    """Run a model over one shard of a corpus and store its hidden states."""
    checkpoint = read_manifest(model_manifest, "model")
    corpus, part = _shard(settings, corpus_file, model_manifest, cut)
    manifest.unlink(missing_ok=True)
    store.unlink(missing_ok=True)
    store.parent.mkdir(parents=True, exist_ok=True)

    # torch takes seconds to import; what was refused above did not have to wait for it.
    import torch
    from transformers.utils import logging as transformers_logging

    from fathom.activations.ablation import SinkAblation
    from fathom.models.load import load_model, load_tokenizer, pick_device
    from fathom.models.sites import INNER, RESIDUAL, BlockSites, choose_sites, find_sites

    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    if threads is not None:
        torch.set_num_threads(threads)
    folder = model_manifest.parent
    place = f"model {settings.model}, corpus {settings.corpus}"
    wanted = settings.activations
    tokenizer = load_tokenizer(folder, settings.model)
    longest = _smaller(wanted.max_tokens, checkpoint["context"])
    texts = tokenise(
        corpus,
        tokenizer,
        longest=longest,
        truncate=wanted.truncate,
        place=place,
        start_token=wanted.start_token,
        vocabulary=checkpoint["vocabulary"],
    )
    model = load_model(
        folder,
        settings.model,
        dtype=settings.dtype,
        device=pick_device(wanted.device),
        part=checkpoint["part"],
        context=checkpoint["context"],
    )
    if model.texts_alone:
        log.warning("%s: every text runs alone, since %s", place, model.texts_alone)
    found = BlockSites() if wanted.sites == (RESIDUAL,) else find_sites(model.module, model.architecture)
    sites = choose_sites(wanted.sites, found, settings.model)
    if wanted.sites == "all":
        log_missing_sites(found, place, model.architecture.depth)
    with_tokens = None if wanted.paraphrase_tokens else ~paraphrases(corpus)
    shape = Shape(
        layers=layers_of_sites(sites, wanted, model, settings.model, found),
        texts=len(texts.ids),
        tokens=int(texts.lengths.sum()),
        width=model.architecture.width,
        depth=model.architecture.depth,
        dtype=model.states_dtype,
        positions=stored_positions(wanted, texts, place),
        with_tokens=with_tokens,
        token_rows=None if with_tokens is None else int(texts.lengths[with_tokens].sum()),
        widths={INNER: found.inner_width} if INNER in sites else {},
    )
    try:
        with StoreWriter(store, shape, compression=wanted.compression) as writer:
            reference = reference_text(
                tokenizer, REFERENCE_TOKENS, longest, checkpoint["vocabulary"], wanted.start_token
            )
            ids = corpus["id"].tolist()
            ablation = SinkAblation() if checkpoint.get("ablates") == "sinks" else None
            sinks = extract(
                model, texts, shape, writer, settings, ids=ids, found=found, reference=reference, ablation=ablation
            )
            no_patterns, of_patterns = (
                sample_attention(model, texts, corpus, part, shape, writer, settings, found)
                if ablation is None
                else ("the sinks of its texts are taken away as it runs", ablation.notes(sinks.texts))
            )
            writer.write_spans(texts.span_starts, texts.spans)
            writer.close(np.concatenate(texts.ids), texts.lengths)
            writer.finish(
                manifest,
                {
                    "model": settings.model,
                    "corpus": settings.corpus,
                    "model_manifest_sha256": sha256_of(model_manifest),
                    "corpus_sha256": sha256_of(corpus_file),
                    "revision": checkpoint["revision"],
                    "architecture": checkpoint["architecture"],
                    "settings": settings.model_dump(mode="json"),
                    "first_text": str(corpus["id"].iloc[0]),
                    "last_text": str(corpus["id"].iloc[-1]),
                    "views": wanted.views,
                    "passes": part.passes,
                    "truncated": texts.truncated,
                    "longest": longest,
                    "doubled_start": texts.doubled_start,
                    "sinks": {
                        "rule": wanted.sinks.in_words(),
                        "texts": sinks.texts,
                        "tokens": sinks.tokens,
                        "texts_of_sinks_alone": sinks.alone,
                        "strings": {str(one): tokenizer.convert_ids_to_tokens(one) for one in sorted(sinks.ids)},
                    },
                    "ablated_sinks": None if ablation is None else ablation.counted(),
                    "texts_alone": model.texts_alone,
                    "notes": [*model.check.notes(int(texts.lengths.max())), *of_patterns],
                    "batch_check": model.check.facts(),
                    "no_attention_patterns": no_patterns,
                    "block": f"{found.order}, {found.norm}-norm" if found.order else None,
                    "versions": versions_of("torch", "transformers", "tokenizers", "zarr"),
                    "device": str(model.device.type),
                },
            )
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
            raise
        msg = f"{store}: the disk is full; nothing was kept, make room and run snakemake again"
        raise FathomError(msg) from error
    log.info(
        "%s on %s: %s over %s texts, %s tokens%s",
        settings.model,
        settings.corpus,
        "1 pass" if part.passes == 1 else f"{part.passes:g} passes",
        f"{part.different_texts:,}",
        f"{shape.tokens:,}",
        "" if wanted.shards == 1 else f" in shard {settings.shard + 1} of {wanted.shards}",
    )
    for note in reading_notes([read_manifest(manifest, KIND)]):
        log.warning("%s: %s", place, note)


def _smaller(first: int | None, second: int | None) -> int | None:
    limits = [limit for limit in (first, second) if limit is not None]
    return min(limits) if limits else None


def _shard(
    settings: ExtractionSettings, corpus_file: Path, model_manifest: Path, cut: Path | None
) -> tuple[pd.DataFrame, Part]:
    """The texts of this job, and what part of the corpus they are."""
    shards = settings.activations.shards
    if shards == 1:
        corpus = of_views(read_corpus(corpus_file), settings.activations.views)
        if corpus.empty:
            msg = f"corpus {settings.corpus}: expected the views {', '.join(settings.activations.views or ())}, "
            msg += f"found none of them in {corpus_file}"
            raise FathomError(msg)
        return corpus, whole_corpus(corpus, settings.activations.attention_texts)
    if cut is None:
        msg = f"--cut: expected the file that says where corpus {settings.corpus} is cut into {shards} shards"
        raise FathomError(msg)
    part = read_part(cut, settings.shard, shards, sha256_of(corpus_file), sha256_of(model_manifest))
    return read_corpus(corpus_file, rows=(part.first, part.last)), part
