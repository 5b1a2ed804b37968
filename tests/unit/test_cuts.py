"""A corpus cut into shards by its tokens, and extracted shard by shard."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from tests.extraction import (
    assert_round_off,
    cut,
    extracted,
    job,
    prepared,
    written_corpus,
)

from fathom.activations import sharding as cuts
from fathom.activations.batching import even_cut
from fathom.activations.command import command
from fathom.activations.sharding import read_part
from fathom.io.corpus_table import write_corpus
from fathom.io.manifests import read_manifest, sha256_of, write_manifest
from fathom.runtime.errors import FathomError
from fathom.store.reader import Activations

LENGTHS = (2, 9, 1, 1, 1, 14, 3, 3, 3, 3, 7, 1)


def uneven_corpus(path: Path) -> Path:
    """Texts of few and many words, twice: as they are and in another view."""
    rows = [
        {"id": f"t{index}", "text": " ".join(["word"] * words), "view": view, "group": f"t{index}"}
        for view in ("original", "split")
        for index, words in enumerate(LENGTHS)
    ]
    write_corpus(pd.DataFrame(rows), path, "texts")
    return path


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    return uneven_corpus(tmp_path / "texts.parquet")


@pytest.mark.parametrize("block", [1, 5, 8192])
def test_a_cut_says_what_every_shard_holds(
    tmp_path: Path, llama: Path, corpus: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(cuts, "BLOCK_TEXTS", block)
    model = prepared(llama, tmp_path)
    whole = Activations([extracted(model, corpus, job())]).lengths
    found = read_manifest(cut(model, corpus, job(shards=4, attention_texts=8)), "shards")
    edges = even_cut(whole.tolist(), 4)
    ends = np.concatenate(([0], np.cumsum(whole)))[edges]
    assert found["shards"] == {
        "first_row": edges[:-1],
        "last_row": [edge - 1 for edge in edges[1:]],
        "texts": np.diff(edges).tolist(),
        "tokens": np.diff(ends).tolist(),
        "attention_texts": [8, 0, 0, 0] if edges[1] > 8 else found["shards"]["attention_texts"],
    }
    assert sum(found["shards"]["attention_texts"]) == 8
    assert (found["rows"], found["different_texts"], found["tokens"]) == (24, 12, whole.sum())
    assert (found["corpus_sha256"], found["model_manifest_sha256"]) == (sha256_of(corpus), sha256_of(model))


def test_a_cut_counts_tokens_as_they_run(tmp_path: Path, llama: Path, corpus: Path) -> None:
    """Of truncated texts, and with the tokens that the tokenizer adds."""
    model = prepared(llama, tmp_path)
    settings: dict[str, Any] = {"shards": 3, "max_tokens": 4, "truncate": True}
    found = read_manifest(cut(model, corpus, job(**settings)), "shards")["shards"]
    manifests = [extracted(model, corpus, job(shard, **settings)) for shard in range(3)]
    assert found["tokens"] == [int(Activations([manifest]).lengths.sum()) for manifest in manifests]
    assert Activations(manifests).lengths.max() == 4


@pytest.mark.parametrize("shards", [2, 5, 24])
def test_states_are_those_of_a_single_shard(tmp_path: Path, llama: Path, corpus: Path, shards: int) -> None:
    """Bit for bit where every text runs alone; where texts run together, up to the order of sums."""
    model = prepared(llama, tmp_path)
    for budget, same in ((1, True), (60, False)):
        whole = Activations([extracted(model, corpus, job(token_budget=budget))])
        pieces = [job(shard, shards=shards, token_budget=budget) for shard in range(shards)]
        parts = Activations([extracted(model, corpus, one) for one in pieces])
        assert [ids.tolist() for ids in parts.token_ids()] == [ids.tolist() for ids in whole.token_ids()]
        for layer in range(len(whole.layers)):
            for position in ("mean", "last"):
                found, expected = parts.pooled(position, layer), whole.pooled(position, layer)
                if same:
                    np.testing.assert_array_equal(found, expected)
                else:
                    assert_round_off(torch.from_numpy(found)[None], torch.from_numpy(expected)[None])
        found_tokens = [text for block in parts.token_blocks(1 << 20) for text in block]
        expected_tokens = [text for block in whole.token_blocks(1 << 20) for text in block]
        for one, other in zip(found_tokens, expected_tokens, strict=True):
            assert np.array_equal(one, other) or not same


def test_more_shards_than_texts_are_refused_before_a_text_is_read(
    tmp_path: Path, llama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(cuts, "tokenise")
    corpus = written_corpus(tmp_path / "texts.parquet")
    expected = r"activations\.shards: corpus texts has 5 texts, expected at most so many shards, found 6"
    with pytest.raises(FathomError, match=expected):
        cut(prepared(llama, tmp_path), corpus, job(shards=6))
    assert not (tmp_path / "activations" / "shards.json").exists()


def test_a_shard_without_a_cut_is_refused(tmp_path: Path, llama: Path, corpus: Path) -> None:
    arguments = ["--settings", job(shards=2).model_dump_json(), "--corpus", str(corpus)]
    arguments += ["--model", str(prepared(llama, tmp_path))]
    places = ["--store", str(tmp_path / "1-of-2.zarr.zip"), "--manifest", str(tmp_path / "1-of-2.manifest.json")]
    done = CliRunner().invoke(command, [*arguments, *places])
    assert str(done.exception) == "--cut: expected the file that says where corpus texts is cut into 2 shards"
    done = CliRunner().invoke(command, arguments)
    assert str(done.exception) == "--store, --manifest: expected both, or --write-cut"


def test_the_cut_of_another_corpus_model_or_number_is_refused(tmp_path: Path, llama: Path, corpus: Path) -> None:
    path = cut(prepared(llama, tmp_path), corpus, job(shards=3))
    facts = read_manifest(path, "shards")
    own = (facts["corpus_sha256"], facts["model_manifest_sha256"])
    assert read_part(path, 1, 3, *own).first == facts["shards"]["first_row"][1]
    for shards, digests in ((4, own), (3, ("0", own[1])), (3, (own[0], "0"))):
        with pytest.raises(FathomError, match=r"shards\.json: was made for another corpus, model or number of shards"):
            read_part(path, 1, shards, *digests)
    write_manifest(path, {**facts, "shards": {"first_row": [0, 1, 2]}})
    with pytest.raises(FathomError, match=r"shards\.json: lacks or garbles 'last_row'; delete"):
        read_part(path, 1, 3, *own)
    path.write_text(json.dumps({**facts, "rows": 1}), encoding="utf-8")
    with pytest.raises(FathomError, match="does not fit its own digest"):
        read_part(path, 1, 3, *own)
