"""Stores of planted states for a corpus of some design, and what `fathom probes` makes of them."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from click.testing import CliRunner, Result

from fathom.io.corpus_table import ORIGINAL, read_corpus, text_items, write_corpus
from fathom.io.manifests import sha256_of
from fathom.io.shards import shard_names
from fathom.io.tables import read_table
from fathom.probes.command import command
from fathom.probes.job import ProbeJob
from fathom.probes.settings import ExperimentSettings
from fathom.schema import Uncertainty
from fathom.store.layout import SINK_SCORES, TOKEN_FACTS, Shape, is_mean, without_sinks
from fathom.store.writer import StoreWriter
from tests.stores import SINK_FACTS, plain_facts

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
WIDTH = 24
RESIDUAL = ("0", "1", "2", "3")


def written(texts: pd.DataFrame, path: Path) -> pd.DataFrame:
    """The corpus as `fathom corpora` writes it, and the probes read it."""
    write_corpus(texts, path, "c")
    return read_corpus(path)


def words_of(corpus: pd.DataFrame) -> IntArray:
    """Words of every text, (texts,)."""
    return np.array([len(text.split()) for text in corpus["text"]], dtype=np.int64)


def item_states(
    corpus: pd.DataFrame, layers: int, *, code: npt.ArrayLike = 0.0, since: int = 0, seed: int = 0
) -> FloatArray:
    """States (layers, texts, width) that hold each item at its place, and from a layer on a code (texts,)."""
    rng = np.random.default_rng(seed)
    vectors: dict[tuple[int, str], FloatArray] = {}
    states = 0.3 * rng.standard_normal((layers, len(corpus), WIDTH))
    for text, items in enumerate(text_items(corpus)):
        for place, item in enumerate(items):
            if (place, item) not in vectors:
                vectors[place, item] = rng.standard_normal((layers, WIDTH))
            states[:, text] += vectors[place, item]
    states[since:] += np.multiply.outer(np.broadcast_to(code, len(corpus)), 2 * rng.standard_normal(WIDTH))
    return np.asarray(states, dtype=np.float64)


def stored(
    corpus: Path,
    states: Mapping[tuple[str, str], npt.NDArray[np.floating]],
    *,
    layers: Mapping[str, Sequence[str]] | None = None,
    depth: int = 3,
    lengths: IntArray | None = None,
    spans: Mapping[str, IntArray] | None = None,
    patterns: Mapping[int, FloatArray] | None = None,
    sinks: Sequence[Collection[int]] | None = None,
) -> Path:
    """Write a store of the corpus beside it; returns its manifest.

    States are of a site and position; spans are (texts, 2), first and last token; patterns are those of single texts;
    sinks are the places of those tokens in every text. A mean without sinks is the mean, unless it is given.
    """
    means = {(site, without_sinks(at)): means for (site, at), means in states.items() if is_mean(at)}
    states = means | dict(states)
    texts = next(iter(states.values())).shape[1]
    counts = np.full(texts, 5) if lengths is None else np.asarray(lengths, dtype=np.int64)
    sites = tuple(dict.fromkeys(site for site, _ in states))
    names = {site: tuple((layers or {}).get(site, RESIDUAL if site == "residual" else RESIDUAL[1:])) for site in sites}
    positions = tuple(dict.fromkeys(position for _, position in states))
    width = next(iter(states.values())).shape[2]
    shape = Shape(names, texts, int(counts.sum()), width, depth, "float32", positions)
    writer = StoreWriter(corpus.with_suffix(".zarr.zip"), shape, compression="none")
    facts = plain_facts(shape, shape.tokens)
    if sinks is not None:
        masks = [np.isin(np.arange(count), list(places)) for count, places in zip(counts, sinks, strict=True)]
        facts[TOKEN_FACTS, SINK_SCORES] = 2 * np.concatenate(masks).astype(np.float32)[None, :, None]
    writer.append({key: values.astype(np.float32) for key, values in states.items()} | facts)
    writer.end_states()
    if patterns:
        sampled = np.array(list(patterns))
        writer.write_patterns(sampled, counts[sampled], (one.astype(np.float32) for one in patterns.values()))
    edges = spans or {}
    writer.write_spans({name: at[:, 0] for name, at in edges.items()}, {name: at[:, 1] for name, at in edges.items()})
    writer.close(np.zeros(int(counts.sum()), dtype=np.int32), counts)
    manifest = corpus.with_suffix(".manifest.json")
    writer.finish(manifest, {"corpus_sha256": sha256_of(corpus), "sinks": SINK_FACTS})
    return manifest


def probe_job(kind: str = "probe", **settings: Any) -> ProbeJob:
    """A job with few resamples, of ridge at the mean unless said otherwise."""
    few: dict[str, Any] = {
        "corpus": "c",
        "positions": ("mean",),
        "estimators": ("ridge",),
        "inner": (),
        "permutations": 0,
        "repeats": 1,
        "controls": (),
    }
    experiment = ExperimentSettings(**(few | settings))
    uncertainty = Uncertainty(bootstrap=100)
    job = experiment.job("m", "e", experiment.views or (ORIGINAL,), uncertainty)
    return job if kind == "probe" else experiment.coordination_job(job, uncertainty)


def run_probes_command(job: ProbeJob, corpus: Path, manifests: Sequence[Path], texts: Path | None = None) -> Result:
    """`fathom probes`, which writes its tables beside the corpus."""
    arguments = ["--settings", job.model_dump_json(), "--corpus", str(corpus), "--folder", str(corpus.parent / "out")]
    arguments += [] if texts is None else ["--texts", str(texts)]
    for manifest, shard in zip(manifests, shard_names(len(manifests)), strict=True):
        named = manifest.with_name(f"{shard}.manifest.json")
        if named != manifest and manifest.is_file():
            shutil.copy(manifest, named)
    states = ["--states", str(manifests[0].parent), "--shards", str(len(manifests))]
    return CliRunner().invoke(command, [*arguments, *states])


def probed(job: ProbeJob, corpus: Path, *manifests: Path) -> dict[str, pd.DataFrame]:
    """The tables of `fathom probes`: layers, folds and texts."""
    done = run_probes_command(job, corpus, manifests)
    if done.exception is not None:
        raise done.exception
    folder = corpus.parent / "out"
    return {
        name: read_table(folder / f"e{ending}.parquet")
        for name, ending in (("layers", ".layers"), ("folds", ""), ("texts", ".texts"))
    }
