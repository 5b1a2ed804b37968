"""The stored states of a model as one xarray array over all shards; nothing is read before it is used."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

from fathom.io.corpus_table import of_views, read_facts
from fathom.io.manifests import read_manifest, sha256_of
from fathom.io.shards import MANIFEST, shard_manifests
from fathom.runtime.errors import FathomError
from fathom.store.layout import KIND, is_pooled
from fathom.store.reader import Activations

GAP = 64  # rows between two wanted ones that are read along: a chunk holds as many or more
_SHARD = re.compile(rf"\d+-of-(\d+){re.escape(MANIFEST)}")


def open_activations(
    model: str,
    corpus: str,
    *,
    position: str = "mean",
    site: str = "residual",
    token_strings: bool = False,
    results: str | Path = "results",
    shards: int | None = None,
) -> xr.DataArray:
    """Open the hidden states of a model on a corpus, as a run has stored them.

    Nothing of them is read before values are asked for, and then the chunks only that hold them. Whatever a model
    computes in, the values are float32, exactly.

    Args:
        model: its name in the config.
        corpus: its name in the config.
        position: `tokens` for the states of all tokens (of paraphrases too where these are stored), or a pooled one:
            `mean`, `mean_without_sinks`, `last`, `span:NAME`.
        site: `residual`, or another one that was stored.
        token_strings: whether the tokens are named by their strings, for which the model's tokenizer is loaded.
        results: folder of the run's results.
        shards: how many shards the corpus is cut into; only needed where the folder holds the shards of several cuts.

    Returns:
        An array with the dimensions layer, text, width; or layer, token, width for all tokens, texts one after another.
        Coordinates: `layer` (names, such as "0", "12", "final"), its `number` and `depth` (0 to 1); `text` (ids of the
        corpus), `view`, `group` and the labels (`label.NAME`); of tokens besides `token_id`, `place` (from 0 in each
        text) and, as strings, `token`.

    Raises:
        FathomError: if the run has not stored such states.
    """
    folder = Path(results)
    manifests = _manifests(folder / "activations" / model / corpus, shards)
    activations = Activations(manifests)
    names = activations.layers_of(site)
    activations.require_position(position)
    numbers, depths = activations.layer_axis(site)
    texts = _texts(folder / "corpora" / f"{corpus}.parquet", activations)
    rows: dict[str, tuple[str, Any]]
    if is_pooled((site, position)):
        dimension, count = "text", activations.texts
        rows = {name: ("text", values) for name, values in texts.items()}
    else:
        dimension, count = "token", activations.tokens
        of = np.repeat(np.arange(activations.texts), activations.stored_lengths)
        rows = {name: ("token", values[of]) for name, values in texts.items()}
        rows |= _tokens(activations, folder / "models" / model if token_strings else None)
    lazy = _StoredArray(activations, site, position, (len(names), count, activations.width_of(site)))
    facts = read_manifest(manifests[0], KIND)
    return xr.DataArray(
        xr.Variable(("layer", dimension, "width"), indexing.LazilyIndexedArray(lazy)),
        coords={
            "layer": np.array(names, dtype=object),
            "number": ("layer", numbers),
            "depth": ("layer", depths),
            **rows,
        },
        name=f"{site}/{position}",
        attrs={
            "model": model,
            "corpus": corpus,
            "site": site,
            "position": position,
            "revision": facts["revision"],
            "architecture": facts["architecture"],
            "computed_in": facts["settings"]["dtype"],
        },
    )


class _StoredArray(BackendArray):
    """What xarray asks of a lazy array: its shape and dtype, and some of its values."""

    def __init__(self, activations: Activations, site: str, position: str, shape: tuple[int, int, int]) -> None:
        self.shape = shape
        self.dtype = np.dtype(np.float32)
        self._activations, self._site, self._position = activations, site, position

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, self._read)

    def _read(self, key: tuple[int | slice | npt.NDArray[np.int64], ...]) -> npt.NDArray[np.float32]:
        """Values of an outer index: each part of the key chooses along one axis."""
        layers, rows, width = (
            np.asarray(np.arange(length)[part]) for part, length in zip(key, self.shape, strict=True)
        )
        wanted, back = np.unique(rows, return_inverse=True)
        found = np.empty((layers.size, wanted.size, self.shape[2]), dtype=np.float32)
        for at, layer in enumerate(np.atleast_1d(layers).tolist()):
            for run in _runs(wanted):
                first, last = int(wanted[run.start]), int(wanted[run.stop - 1]) + 1
                read = self._activations.rows(self._position, layer, first, last, self._site)
                found[at, run] = read[wanted[run] - first]
        if wanted.size != rows.size or (wanted != rows).any():  # a copy that most reads do without
            found = found[:, back.reshape(-1)]
        if width.size != self.shape[2] or (width != np.arange(self.shape[2])).any():
            found = found[..., np.atleast_1d(width)]
        return found.reshape((*layers.shape, *rows.shape, *width.shape))


def _runs(rows: npt.NDArray[np.int64]) -> list[slice]:
    """Slices of sorted rows that are read in one go."""
    breaks = [0, *(np.flatnonzero(np.diff(rows) > GAP) + 1).tolist(), len(rows)]
    return [slice(start, stop) for start, stop in pairwise(breaks) if stop > start]


def _manifests(folder: Path, shards: int | None) -> list[Path]:
    if shards is not None:
        return shard_manifests(folder, shards)
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    cuts = sorted({int(match[1]) for match in map(_SHARD.fullmatch, names) if match})
    if not cuts:
        msg = f"{folder}: holds no states; run `snakemake` with a config that has this model and corpus"
        raise FathomError(msg)
    whole = [cut for cut in cuts if sum(name.endswith(f"-of-{cut}{MANIFEST}") for name in names) == cut]
    if len(whole) > 1:
        msg = (
            f"{folder}: holds the shards of several cuts, into {', '.join(map(str, whole))}; say which one by `shards`"
        )
        raise FathomError(msg)
    return shard_manifests(folder, (whole or cuts)[0])


def _texts(path: Path, activations: Activations) -> dict[str, npt.NDArray[Any]]:
    """What the corpus says of its texts, in the order of the states."""
    facts = of_views(read_facts(path), activations.views)
    activations.require_corpus(sha256_of(path), path)
    return {"text" if name == "id" else str(name): facts[name].to_numpy() for name in facts}


def _tokens(activations: Activations, model: Path | None) -> dict[str, tuple[str, Any]]:
    stored = activations.stored_lengths
    ids = np.concatenate([ids for ids, length in zip(activations.token_ids(), stored, strict=True) if length])
    places = np.concatenate([np.arange(length) for length in stored])
    facts: dict[str, tuple[str, Any]] = {"token_id": ("token", ids), "place": ("token", places)}
    if model is not None:
        from fathom.models.load import load_tokenizer

        tokenizer = load_tokenizer(model, model.name)
        different, back = np.unique(ids, return_inverse=True)
        strings = np.array([tokenizer.decode([one]) for one in different.tolist()], dtype=object)
        facts["token"] = ("token", strings[back])
    return facts
