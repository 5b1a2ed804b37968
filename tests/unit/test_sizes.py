"""Jobs ask for the memory that they were seen to take, and not for several times as much."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pandas as pd
import pytest
from tests.tiny import tiny_llama

from fathom.io.corpus_table import read_corpus_sizes, write_corpus
from fathom.io.tables import write_table
from fathom.models.checkpoint_checks import check_checkpoint
from fathom.runtime.errors import FathomError
from fathom.workflow.jobs.activations import extraction
from fathom.workflow.jobs.metrics import corpus_metric_resources, token_metric_resources
from fathom.workflow.jobs.probes import probe_resources
from fathom.workflow.resources import (
    SNAKEMAKE,
    CorpusSize,
    ModelSize,
    Resources,
    StatesSize,
    corpus_size,
    model_size,
    states_size,
)

SMOLLM2 = ModelSize(file_bytes=538_090_408, itemsize=4, parameters=134_515_008, depth=30, width=576)
MINILM = ModelSize(file_bytes=90_868_376, itemsize=4, parameters=22_713_728, depth=6, width=384)
BIBLE = CorpusSize(texts=80, characters=39_740, longest=735, labels=1)
RELATIONS = CorpusSize(texts=1536, characters=39_700, longest=43, labels=2)
ITEMS = CorpusSize(texts=990, characters=10_632, longest=22, labels=18)
RANDOM = CorpusSize(texts=32, characters=3_200, longest=100, labels=0)
OF_SMOLLM2 = StatesSize(texts=32, passes=1.0, tokens=3_200, layers=31, width=576, itemsize=4)
RELATIONS_OF_SMOLLM2 = StatesSize(texts=1536, passes=3.0, tokens=10_631, layers=31, width=576, itemsize=4)
ITEMS_OF_SMOLLM2 = StatesSize(texts=990, passes=3.0, tokens=4_953, layers=31, width=576, itemsize=4)
ITEMS_OF_MINILM = StatesSize(texts=990, passes=3.0, tokens=4_953, layers=7, width=384, itemsize=4)
BIBLE_OF_MINILM = StatesSize(texts=80, passes=2.0, tokens=10_055, layers=7, width=384, itemsize=4)


def extracted(
    model: ModelSize, corpus: CorpusSize, *, patterns: int = 0, gpu: bool = False, shards: int = 1
) -> Resources:
    budget = {"memory_mb": 512, "sites": 1, "token_budget": 2048, "attention_texts": patterns, "attention_tokens": 256}
    return extraction(model, corpus, shards=shards, threads=1, gpu=gpu, **budget)


# Peaks of the resident memory of jobs of the default run, in megabytes: 2 cores of an Intel Xeon, November 2026.
@pytest.mark.parametrize(
    ("needs", "measured"),
    [
        pytest.param(extracted(SMOLLM2, RELATIONS), 2119, id="extraction of smollm2 on relations"),
        pytest.param(extracted(SMOLLM2, RANDOM, patterns=8), 1574, id="extraction of smollm2 with patterns"),
        pytest.param(extracted(MINILM, RELATIONS), 1040, id="extraction of minilm on relations"),
        pytest.param(extracted(MINILM, BIBLE, patterns=8), 872, id="extraction of minilm on the Bible"),
        pytest.param(token_metric_resources(OF_SMOLLM2, RANDOM, threads=1), 568, id="token metrics of smollm2"),
        pytest.param(token_metric_resources(BIBLE_OF_MINILM, BIBLE, threads=1), 358, id="token metrics of minilm"),
        pytest.param(
            corpus_metric_resources(OF_SMOLLM2, RANDOM, samples=200), 205, id="similarity of smollm2's layers"
        ),
        pytest.param(corpus_metric_resources(BIBLE_OF_MINILM, BIBLE, samples=100), 197, id="LiDAR of minilm"),
        pytest.param(
            probe_resources(RELATIONS_OF_SMOLLM2, RELATIONS, fits=135, labels=1, columns=201, threads=1),
            358,
            id="probes of smollm2 on relations",
        ),
        pytest.param(
            probe_resources(ITEMS_OF_SMOLLM2, ITEMS, fits=15, labels=17, columns=17, threads=1),
            474,
            id="probes of 17 labels, smollm2 with random weights",
        ),
        pytest.param(
            probe_resources(ITEMS_OF_MINILM, ITEMS, fits=135, labels=17, columns=3417, threads=1),
            432,
            id="probes of 17 labels, minilm",
        ),
    ],
)
def test_memory_is_above_what_was_measured_and_not_far_above(needs: Resources, measured: int) -> None:
    assert measured < needs.mem_mb - SNAKEMAKE < 2.1 * measured


def test_needs_grow_with_what_they_depend_on() -> None:
    base = extracted(SMOLLM2, BIBLE)
    assert base.at(3) == (3 * base.mem_mb, 3 * base.runtime)
    assert extracted(MINILM, BIBLE).mem_mb < base.mem_mb
    assert extracted(SMOLLM2, BIBLE, patterns=1).mem_mb > base.mem_mb
    assert extracted(SMOLLM2, BIBLE, gpu=True).mem_mb > base.mem_mb
    assert extracted(SMOLLM2, BIBLE, gpu=True).runtime < base.runtime
    assert extracted(SMOLLM2, BIBLE, shards=10).runtime < base.runtime
    long = CorpusSize(texts=80, characters=10**6, longest=10**5, labels=1)
    assert (
        token_metric_resources(OF_SMOLLM2, long, threads=1).mem_mb
        > token_metric_resources(OF_SMOLLM2, RANDOM, threads=1).mem_mb
    )
    assert (
        token_metric_resources(OF_SMOLLM2, RANDOM, threads=8).mem_mb
        > token_metric_resources(OF_SMOLLM2, RANDOM, threads=1).mem_mb
    )


def test_sizes_go_with_a_corpus(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "id": ["a", "b"],
            "text": ["four", None],
            "view": "original",
            "group": ["1", "2"],
            "token_draws": [None, [0.5] * 7],
            "spans": None,
            "perturbation": None,
            "label.kind": ["x", "y"],
        }
    )
    write_corpus(frame, tmp_path / "corpus.parquet", "c")
    assert corpus_size(str(tmp_path / "corpus.parquet")) == CorpusSize(texts=2, characters=11, longest=7, labels=1)


def test_what_is_not_there_yet_is_named_as_snakemake_names_it(tmp_path: Path) -> None:
    """Snakemake asks again later where the file of a FileNotFoundError is an input of the rule, compared as text."""
    old = tmp_path / "old.parquet"
    write_table(pd.DataFrame({"text": ["a"]}), old)
    cut = tmp_path / "manifest.json"
    cut.write_text('{"kind": "mod', encoding="utf-8")
    cut_corpus = tmp_path / "cut.parquet"
    cut_corpus.write_bytes(old.read_bytes()[:-100])
    for ask, path in (
        (lambda path: model_size(path, "float32"), tmp_path / "none.json"),
        (lambda path: model_size(path, "float32"), cut),
        (lambda path: states_size([path]), tmp_path / "none.json"),
        (corpus_size, tmp_path / "none.parquet"),
        (corpus_size, old),
        (corpus_size, cut_corpus),
    ):
        with pytest.raises(FileNotFoundError) as caught:
            ask(str(path))
        assert caught.value.filename == str(path)
    cut.write_bytes(b"PAR1")
    with pytest.raises(FathomError, match="not a Parquet table"):
        read_corpus_sizes(cut)


def test_a_rewritten_manifest_is_read_again(tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.json"
    files = {"model.safetensors": {"bytes": 40}, "config.json": {"bytes": 9}}
    facts = {"parameters": 10, "depth": 2, "width": 4, "files": files}
    manifest.write_text(json.dumps(facts), encoding="utf-8")
    assert model_size(str(manifest), "bfloat16") == ModelSize(40, 2, 10, 2, 4)
    manifest.write_text(json.dumps(facts | {"parameters": 11}), encoding="utf-8")
    os.utime(manifest, ns=(1, 1))
    assert model_size(str(manifest), "bfloat16").parameters == 11


@pytest.mark.parametrize(("held", "needed"), [(0, 4000), (560, 4560), (2000, 2000), (4000, 4000)])
def test_weights_that_are_not_stored_as_they_run_need_memory_to_be_made(tmp_path: Path, held: int, needed: int) -> None:
    manifest = tmp_path / "manifest.json"
    files = {"a.safetensors": {"bytes": held}} if held else {"initialised_weights.json": {"bytes": 99}}
    manifest.write_text(json.dumps({"parameters": 1000, "depth": 2, "width": 4, "files": files}), encoding="utf-8")
    assert model_size(str(manifest), "float32").file_bytes == needed


def test_parameters_are_counted_from_the_headers(tmp_path: Path) -> None:
    from transformers import AutoModel

    folder = tiny_llama(tmp_path / "tiny")
    module = AutoModel.from_pretrained(folder)
    assert check_checkpoint(folder).numbers == sum(weight.numel() for weight in module.parameters())
    (folder / "broken.safetensors").write_bytes(b"no header")
    with pytest.raises(FathomError, match=r"broken\.safetensors: not a safetensors file"):
        check_checkpoint(folder)
