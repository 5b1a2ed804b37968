"""Attention patterns of a sample are those of the model, and belong to the states that are stored."""

from __future__ import annotations

import logging
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from tests.architectures.build import tiny_model
from tests.architectures.measure import letters
from tests.extraction import extracted, job, prepared, written_corpus
from tests.tiny import SENTENCES, byte_level_tokenizer, save
from transformers import AutoModel, MambaConfig, MambaModel

from fathom.activations.sharding import sample_texts
from fathom.activations.tokenisation import tokenise
from fathom.io.corpus_table import read_corpus, write_corpus
from fathom.io.manifests import read_manifest
from fathom.models.load import load_tokenizer
from fathom.runtime.errors import FathomError
from fathom.store.layout import Dtype
from fathom.store.reader import Activations


def own_patterns(folder: Path, corpus: Path, text: int, blocks: int | None = None) -> np.ndarray[Any, Any]:
    """Patterns of one text from transformers alone, (blocks, heads, T, T); of a hybrid, of so many blocks."""
    ids = tokenise(read_corpus(corpus), load_tokenizer(folder, "m"), longest=None, truncate=False, place="").ids
    model = AutoModel.from_pretrained(folder, attn_implementation="eager").eval()
    with torch.inference_mode():
        output = model(input_ids=torch.from_numpy(ids[text].astype(np.int64))[None], output_attentions=True)
    length = len(ids[text])
    maps = [one for one in output.attentions if one is not None and one.shape[-2:] == (length, length)]
    assert len(maps) == (blocks or len(output.attentions))
    return torch.cat(maps).numpy()


@pytest.mark.parametrize("name", ["llama", "bert"])
@pytest.mark.parametrize(
    ("shards", "count", "expected"), [(1, 3, [0, 1, 2]), (2, 4, [0, 1, 2, 3]), (5, 2, [0, 1]), (1, 99, range(5))]
)
def test_patterns_are_the_models(
    tmp_path: Path, request: pytest.FixtureRequest, name: str, shards: int, count: int, expected: Any
) -> None:
    folder = request.getfixturevalue(name)
    model, corpus = prepared(folder, tmp_path), written_corpus(tmp_path / "texts.parquet")
    manifests = [
        extracted(model, corpus, job(shard, shards=shards, attention_texts=count, sites="all"))
        for shard in range(shards)
    ]
    activations = Activations(manifests)
    found = dict(activations.attention_patterns())
    assert list(found) == list(expected)
    for text, patterns in found.items():
        assert patterns.dtype == np.float32
        assert patterns.shape == (3, 2, activations.lengths[text], activations.lengths[text])
        np.testing.assert_allclose(patterns, own_patterns(folder, corpus, text), rtol=0, atol=1e-6)
        np.testing.assert_allclose(patterns.sum(axis=-1), 1.0, rtol=0, atol=1e-6)
        if name == "llama":
            assert not np.triu(patterns, k=1).any()
    assert sum(read_manifest(one, "activations")["attention_texts"] for one in manifests) == len(found)


def test_the_largest_difference_of_states_is_told(
    tmp_path: Path, llama: Path, caplog: pytest.LogCaptureFixture
) -> None:
    corpus = written_corpus(tmp_path / "texts.parquet")
    with caplog.at_level(logging.INFO, logger="fathom"):
        extracted(prepared(llama, tmp_path), corpus, job(attention_texts=2))
    line = next(line for line in caplog.messages if "attention patterns of 2 texts" in line)
    assert float(line.split("at most ")[1].split(" ")[0]) < 1e-5


def test_none_where_none_is_wanted(tmp_path: Path, llama: Path) -> None:
    corpus = written_corpus(tmp_path / "texts.parquet")
    manifest = extracted(prepared(llama, tmp_path), corpus, job(attention_texts=0))
    assert list(Activations([manifest]).attention_patterns()) == []
    assert read_manifest(manifest, "activations")["no_attention_patterns"] == "activations.attention_texts is 0"


def test_a_model_without_attention_stores_none_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    torch.manual_seed(0)
    tokenizer = byte_level_tokenizer()
    sizes: dict[str, Any] = {"vocab_size": len(tokenizer), "hidden_size": 16, "num_hidden_layers": 3, "state_size": 4}
    folder = save(MambaModel(MambaConfig(**sizes)), tokenizer, tmp_path / "mamba")
    corpus = written_corpus(tmp_path / "texts.parquet")
    with caplog.at_level(logging.INFO, logger="fathom"):
        manifest = extracted(prepared(folder, tmp_path), corpus, job(attention_texts=2, sites="all"))
    assert list(Activations([manifest]).attention_patterns()) == []
    assert Activations([manifest]).sites == ("residual",)
    facts = read_manifest(manifest, "activations")
    assert facts["no_attention_patterns"] == "0 of 3 blocks give attention patterns"
    assert facts["block"] is None
    told = [line for line in caplog.messages if "no attention patterns" in line]
    assert told == ["model tiny, corpus texts: no attention patterns: 0 of 3 blocks give attention patterns"]
    missing = [line for line in caplog.messages if ": no site" in line]
    assert len(missing) == 1
    assert "no site attention_input, attention, attention_residual, mlp, mlp_inner: block 1 (MambaBlock)" in missing[0]


@pytest.mark.parametrize(("name", "giving"), [("jamba", [1, 3]), ("minimax", [0, 2]), ("llama", [0, 1, 2, 3])])
def test_blocks_of_a_hybrid_that_attend_have_their_patterns_and_others_none(
    tmp_path: Path, name: str, giving: list[int]
) -> None:
    folder = tmp_path / "own"
    save(tiny_model(name), letters(), folder)
    corpus = written_corpus(tmp_path / "texts.parquet")
    manifest = extracted(prepared(folder, tmp_path), corpus, job(attention_texts=2))
    facts = read_manifest(manifest, "activations")
    assert facts["no_attention_patterns"] is None
    note = [] if len(giving) == 4 else [f"attention patterns of {len(giving)} of 4 blocks, the others give none"]
    assert facts["notes"] == note
    found = dict(Activations([manifest]).attention_patterns())
    assert list(found) == [0, 1]
    for text, patterns in found.items():
        assert np.flatnonzero(~np.isnan(patterns).all(axis=(1, 2, 3))).tolist() == giving
        assert not np.isnan(patterns[giving]).any()
        np.testing.assert_allclose(patterns[giving], own_patterns(folder, corpus, text, len(giving)), rtol=0, atol=1e-6)


def test_only_short_originals_are_sampled() -> None:
    views = pd.Series(["paraphrase", "original", "original", "original", "split", "original"])
    lengths = np.array([3, 9, 4, 5, 1, 2])
    chosen = sample_texts(views, lengths, count=2, longest=5)
    assert chosen.tolist() == [2, 3]
    assert sample_texts(views, lengths, count=3, longest=1).tolist() == []


def test_no_text_is_short_enough(tmp_path: Path, llama: Path) -> None:
    corpus = written_corpus(tmp_path / "texts.parquet")
    manifest = extracted(prepared(llama, tmp_path), corpus, job(attention_texts=2, attention_tokens=3))
    assert list(Activations([manifest]).attention_patterns()) == []
    expected = "no original text has at most 3 tokens"
    assert read_manifest(manifest, "activations")["no_attention_patterns"] == expected


@pytest.mark.parametrize("bad", [1.01, float("nan")])
def test_patterns_that_sum_to_more_than_1_are_left_out_and_the_states_kept(
    tmp_path: Path, llama: Path, monkeypatch: pytest.MonkeyPatch, bad: float
) -> None:
    from transformers.models.llama import modeling_llama

    eager = modeling_llama.eager_attention_forward

    def wrong(*args: Any, **kwargs: Any) -> Any:
        output, weights = eager(*args, **kwargs)
        return output, weights * bad

    monkeypatch.setattr(modeling_llama, "eager_attention_forward", wrong)
    corpus = written_corpus(tmp_path / "texts.parquet")
    manifest = extracted(prepared(llama, tmp_path), corpus, job(attention_texts=2))
    reason = read_manifest(manifest, "activations")["no_attention_patterns"]
    assert re.search(r"text 't0': attention of block \d, head \d, token \d+ sums to (1\.01|nan)", reason)
    assert list(Activations([manifest]).attention_patterns()) == []


def test_patterns_of_other_states_are_left_out(tmp_path: Path, llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers.models.llama import modeling_llama

    eager = modeling_llama.eager_attention_forward

    def wrong(*args: Any, **kwargs: Any) -> Any:
        output, weights = eager(*args, **kwargs)
        return output + 1.0, weights

    monkeypatch.setattr(modeling_llama, "eager_attention_forward", wrong)
    corpus = written_corpus(tmp_path / "texts.parquet")
    manifest = extracted(prepared(llama, tmp_path), corpus, job(attention_texts=2))
    reason = read_manifest(manifest, "activations")["no_attention_patterns"]
    assert re.search(r"text 't0': the states with eager attention differ .* by \d", reason)
    assert list(Activations([manifest]).attention_patterns()) == []


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_has_patterns_too(tmp_path: Path, llama: Path, dtype: Dtype) -> None:
    corpus = written_corpus(tmp_path / "texts.parquet")
    manifest = extracted(prepared(llama, tmp_path), corpus, job(dtype=dtype, attention_texts=2))
    for _, patterns in Activations([manifest]).attention_patterns():
        np.testing.assert_allclose(patterns.sum(axis=-1), 1.0, rtol=0, atol=0.02)


def test_a_damaged_pattern_is_an_error_that_names_the_file(tmp_path: Path, llama: Path) -> None:
    corpus = written_corpus(tmp_path / "texts.parquet")
    manifest = extracted(prepared(llama, tmp_path), corpus, job(attention_texts=len(SENTENCES)))
    file = tmp_path / "activations" / "1-of-1.zarr.zip"
    with zipfile.ZipFile(file) as opened:
        place = opened.getinfo("attention_patterns/c/0/0/0").header_offset + 100
    content = bytearray(file.read_bytes())
    content[place] ^= 1
    file.write_bytes(content)
    with pytest.raises(FathomError, match=r"1-of-1\.zarr\.zip: attention_patterns/c/0/0/0 does not fit its checksum"):
        list(Activations([manifest]).attention_patterns())


def test_views_are_left_out(tmp_path: Path, llama: Path) -> None:
    rows = [
        {"id": f"t{index}", "text": text, "view": view, "group": f"t{index}"}
        for index, text in enumerate(SENTENCES)
        for view in ("split", "original")
    ]
    write_corpus(pd.DataFrame(rows), tmp_path / "texts.parquet", "texts")
    manifest = extracted(prepared(llama, tmp_path), tmp_path / "texts.parquet", job(attention_texts=3))
    assert [text for text, _ in Activations([manifest]).attention_patterns()] == [1, 3, 5]
