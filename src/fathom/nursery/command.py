"""`fathom nursery`: train a small model, with checkpoints."""

from __future__ import annotations

import hashlib
import importlib
import json
import logging
import math
import shutil
from pathlib import Path

import click
import pandas as pd

from fathom.io.corpus_table import ORIGINAL, read_corpus
from fathom.io.hashing import file_facts, xxh3_of
from fathom.io.manifests import versions_of, write_manifest
from fathom.io.tables import write_table
from fathom.nursery.job import TrainingJob
from fathom.runtime.errors import FathomError
from fathom.runtime.job_files import Work
from fathom.runtime.malloc import keep_freed_memory

LOSSES = "losses.parquet"
log = logging.getLogger("fathom")


@click.command()
@click.option("--settings", "settings_json", required=True, help="Settings, as JSON.")
@click.option("--text", required=True, type=click.Path(path_type=Path), help="Corpus to train on.")
@click.option("--apart", multiple=True, type=click.Path(path_type=Path), help="Corpus whose texts are not trained on.")
@click.option("--folder", required=True, type=click.Path(path_type=Path), help="Folder to make.")
@click.option("--threads", default=1, type=click.IntRange(min=1), help="Threads; sums of more have other last digits.")
@click.pass_context
def command(
    ctx: click.Context, settings_json: str, text: Path, apart: tuple[Path, ...], folder: Path, threads: int
) -> Work:
    """Train a small model from scratch; a training that was cut off goes on where it was."""
    job = TrainingJob.model_validate_json(settings_json)
    if len(apart) != len(job.apart_from):
        msg = f"--apart: expected the tables of {', '.join(job.apart_from) or 'none'}, found {len(apart)}"
        raise FathomError(msg)
    documents = _texts(text, job.text)
    measured = [one for path, name in zip(apart, job.apart_from, strict=True) for one in _texts(path, name)]
    code = ctx.parent.params.get("code") if ctx.parent is not None else None
    versions = versions_of("torch", "transformers", "tokenizers")
    digests = [xxh3_of(path) for path in (text, *apart)]
    made_of = hashlib.sha256(json.dumps([job.model_dump(mode="json"), code, versions, digests]).encode()).hexdigest()
    # Beside the folder: what a job has not finished Snakemake deletes.
    draft = folder.with_name(f".{folder.name}-unfinished")
    draft.mkdir(parents=True, exist_ok=True)
    try:
        facts = _train(job, documents, measured, draft, made_of, threads)
    except FathomError as error:
        shutil.rmtree(draft)
        where = f"nursery.{job.name}"
        msg = str(error) if str(error).startswith(where) else f"{where}: {error}"
        raise FathomError(msg) from error
    shutil.rmtree(folder, ignore_errors=True)
    draft.rename(folder)
    files = {path.name: file_facts(path) for path in sorted(folder.iterdir()) if path.name != LOSSES}
    manifest = folder / "manifest.json"
    settings = job.model_dump(mode="json")
    write_manifest(manifest, {"kind": "nursery", "training": settings, "versions": versions, **facts, "files": files})
    return Work(settings_json, read=[text, *apart], written=[folder / LOSSES, manifest])


def _texts(path: Path, name: str) -> list[str]:
    """The texts of a corpus, each once. Errors: FathomError if it has none that are written."""
    corpus = read_corpus(path)
    found = corpus.loc[(corpus["view"] == ORIGINAL) & corpus["text"].notna(), "text"].tolist()
    if not found:
        msg = f"corpus {name} holds no written texts, expected some"
        raise FathomError(msg)
    return [str(one) for one in found]


def _train(
    job: TrainingJob, documents: list[str], measured: list[str], draft: Path, made_of: str, threads: int
) -> dict[str, object]:
    """Train into a folder: checkpoints, config, tokenizer and the table of losses; facts for the manifest."""
    import torch
    from transformers import PreTrainedTokenizerFast
    from transformers.utils.logging import disable_progress_bar

    from fathom.nursery.baselines import Counts, baseline_losses
    from fathom.nursery.batches import Windows
    from fathom.nursery.documents import divide
    from fathom.nursery.tokenizer import SPECIAL, named_roles, stream_of, train_tokenizer
    from fathom.nursery.training import HELD_OUT, MOST_WINDOWS, Recipe, train

    keep_freed_memory()
    disable_progress_bar()
    torch.set_num_threads(threads)
    divided = divide(documents, measured, share=job.held_out, seed=job.seed)
    special = SPECIAL[job.objective]
    tokenizer = train_tokenizer(divided.train, job.vocabulary, job.objective)
    read, held = (stream_of(tokenizer, some, special.end) for some in (divided.train, divided.held_out))
    windows, others = (
        Windows(stream, context=job.context, special=special, masked=job.masked, vocabulary=job.vocabulary)
        for stream in (read, held)
    )
    held_out = others.spread(job.seed, MOST_WINDOWS)
    unigram, bigram = baseline_losses(Counts(read, job.vocabulary), held_out)
    architecture = importlib.import_module(job.module)
    torch.manual_seed(job.seed)
    model = architecture.build(vocabulary=job.vocabulary, special=special, context=job.context, **job.shape)
    log.info(
        "nursery %s: %s parameters, %s tokens of %s documents, %s held out (%s of them measured)",
        job.name,
        f"{sum(one.numel() for one in model.parameters()):,}",
        f"{len(read):,}",
        f"{len(divided.train):,}",
        f"{len(divided.held_out):,}",
        divided.apart,
    )

    def keep(step: int) -> None:
        model.save_pretrained(draft)
        (draft / "model.safetensors").rename(draft / step_file(step))
        (draft / "generation_config.json").unlink(missing_ok=True)

    recipe = Recipe(
        name=job.name,
        steps=job.steps,
        batch=job.batch,
        context=job.context,
        vocabulary=job.vocabulary,
        learning_rate=job.learning_rate,
        warmup=job.warmup,
        weight_decay=job.weight_decay,
        seed=job.seed,
    )
    with architecture.while_training():
        rows = train(model, windows, held_out, recipe, folder=draft, made_of=made_of, keep=keep)
    (draft / "state.safetensors").unlink()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=job.context, **named_roles(job.objective)
    ).save_pretrained(draft)
    losses = pd.DataFrame(rows).assign(uniform=math.log(job.vocabulary), unigram=unigram, bigram=bigram)
    write_table(losses, draft / LOSSES)
    last = float(losses.loc[losses["split"] == HELD_OUT, "loss"].iloc[-1])
    verdict = verdict_on(last, unigram, bigram)
    log.info("nursery %s: loss %.3f on held-out text after step %s: %s", job.name, last, f"{job.steps:,}", verdict)
    return {
        "parameters": sum(one.numel() for one in model.parameters()),
        "tokens": len(read),
        "documents": len(divided.train),
        "held_out": len(divided.held_out),
        "apart": divided.apart,
        "loss": last,
        "baselines": {"uniform": math.log(job.vocabulary), "unigram": unigram, "bigram": bigram},
    }


def step_file(step: int) -> str:
    """Name of the weights of a step."""
    return f"step-{step}.safetensors"


def verdict_on(loss: float, unigram: float, bigram: float) -> str:
    """What a loss says of a model, against the baselines on the same tokens."""
    if loss < bigram:
        return f"{bigram - loss:.2f} nats below bigrams"
    if loss < unigram:
        return f"it has learned little: {loss - bigram:.2f} nats above bigrams, {unigram - loss:.2f} below unigrams"
    return f"it has learned little: {loss - unigram:.2f} nats above unigrams"
