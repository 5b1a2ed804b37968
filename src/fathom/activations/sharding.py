"""Where a corpus is cut into shards: by the tokens that a model runs, so that all shards take about the same time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from pydantic import Field

from fathom.activations.batching import IntArray, even_cut
from fathom.activations.settings import StartToken
from fathom.activations.tokenisation import tokenise
from fathom.io.corpus_table import ORIGINAL, read_corpus
from fathom.io.manifests import read_manifest, sha256_of, versions_of, write_manifest
from fathom.io.tables import count_rows
from fathom.runtime.errors import FathomError
from fathom.schema import Name, Settings

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


KIND = "shards"
BLOCK_TEXTS = 8192  # tokenised at a time: of a corpus of any length only their tokens are held


class CutSettings(Settings):
    """The settings of the job that cuts a corpus."""

    model: Name
    corpus: Name
    shards: int = Field(ge=2)
    max_tokens: int | None
    truncate: bool
    start_token: StartToken = "tokenizer"
    attention_texts: int = Field(ge=0)
    attention_tokens: int = Field(ge=1)


@dataclass(frozen=True)
class Part:
    """What one job extracts: the rows first .. last - 1 of a corpus."""

    first: int
    last: int
    attention_texts: int
    """How many of these texts have their attention patterns stored."""
    different_texts: int
    """Texts of the whole corpus, views of the same text counted once."""
    passes: float
    """Rows of the whole corpus for each of these."""


def write_cut(
    path: Path,
    settings: CutSettings,
    corpus_file: Path,
    model_manifest: Path,
    tokenizer: PreTrainedTokenizerFast,
    longest: int | None,
    vocabulary: int | None,
) -> None:
    """Tokenise a corpus, block by block, and write where its shards start and end.

    Errors: FathomError if it has fewer texts than shards are asked for, or if a text cannot be run.
    """
    rows = count_rows(corpus_file)
    if settings.shards > rows:
        msg = f"activations.shards: corpus {settings.corpus} has {rows} texts, expected at most so many shards, "
        msg += f"found {settings.shards}"
        raise FathomError(msg)
    place = f"model {settings.model}, corpus {settings.corpus}"
    lengths: list[IntArray] = []
    views: list[pd.Series[str]] = []
    texts: set[str] = set()
    for first in range(0, rows, BLOCK_TEXTS):
        block = read_corpus(corpus_file, rows=(first, min(first + BLOCK_TEXTS, rows)))
        tokenised = tokenise(
            block,
            tokenizer,
            longest=longest,
            truncate=settings.truncate,
            place=place,
            start_token=settings.start_token,
            vocabulary=vocabulary,
        )
        lengths.append(tokenised.lengths)
        views.append(block["view"])
        texts.update(block["id"])
    sizes = np.concatenate(lengths)
    sampled = sample_texts(pd.concat(views), sizes, count=settings.attention_texts, longest=settings.attention_tokens)
    edges = even_cut(sizes.tolist(), settings.shards)
    ends = np.concatenate(([0], np.cumsum(sizes)))[edges]
    write_manifest(
        path,
        {
            "kind": KIND,
            "settings": settings.model_dump(mode="json"),
            "model_manifest_sha256": sha256_of(model_manifest),
            "corpus_sha256": sha256_of(corpus_file),
            "rows": rows,
            "different_texts": len(texts),
            "tokens": int(ends[-1]),
            # A list for each column: of 10,000 shards it is read in milliseconds.
            "shards": {
                "first_row": edges[:-1],
                "last_row": [edge - 1 for edge in edges[1:]],
                "texts": np.diff(edges).tolist(),
                "tokens": np.diff(ends).tolist(),
                "attention_texts": np.diff(np.searchsorted(sampled, edges)).tolist(),
            },
            "versions": versions_of("tokenizers", "transformers"),
        },
    )


def read_part(path: Path, shard: int, shards: int, corpus_sha256: str, model_manifest_sha256: str) -> Part:
    """The part of a corpus that shard number `shard`, counted from 0, holds.

    Errors: FathomError if the file is none of this kind, or was made from another corpus, model or number of shards.
    """
    cut = read_manifest(path, KIND)
    advice = f"delete {path} and run snakemake again"
    try:
        columns = cut["shards"]
        rows, texts = int(cut["rows"]), int(cut["different_texts"])
        found = (cut["corpus_sha256"], cut["model_manifest_sha256"], len(columns["first_row"]))
        if found != (corpus_sha256, model_manifest_sha256, shards):
            msg = f"{path}: was made for another corpus, model or number of shards; {advice}"
            raise FathomError(msg)
        return Part(
            first=int(columns["first_row"][shard]),
            last=int(columns["last_row"][shard]) + 1,
            attention_texts=int(columns["attention_texts"][shard]),
            different_texts=texts,
            passes=rows / texts,
        )
    except (KeyError, IndexError, TypeError, ValueError, ZeroDivisionError) as error:
        msg = f"{path}: lacks or garbles {error}; {advice}"
        raise FathomError(msg) from error


def whole_corpus(corpus: pd.DataFrame, attention_texts: int) -> Part:
    """The part of a corpus that a single shard holds: all of it."""
    texts = corpus["id"].nunique()
    return Part(0, len(corpus), attention_texts, texts, len(corpus) / texts)


def sample_texts(views: pd.Series[str], lengths: IntArray, *, count: int, longest: int) -> IntArray:
    """Indices of the texts to sample: the first original ones of at most `longest` tokens."""
    fitting = np.flatnonzero((views == ORIGINAL).to_numpy() & (lengths <= longest))
    return fitting[:count].astype(np.int64)
