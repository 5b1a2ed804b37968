"""A record says what a job did; it is written last, and only after success."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import xxhash
from tests.jobs import corpus_settings
from tests.records import CORPUS, MODEL, SETTINGS, STATES, TABLE, plant, plant_shard, write

from fathom.io.hashing import BLOCK_BYTES, file_facts, xxh3_of
from fathom.io.manifests import sha256_of, write_manifest
from fathom.provenance.records import Started, described_files, read_record, shards_entry, write_record
from fathom.runtime.errors import FathomError
from fathom.runtime.job_files import Work

SECRETS = {"HF_TOKEN": "hf_secret", "AWS_SECRET_ACCESS_KEY": "aws_secret", "SLURM_JOB_ID": "4711"}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def corpora(settings: dict[str, Any], *, code: str = "0123456789abcdef") -> subprocess.CompletedProcess[str]:
    before = ["--log", "c.log", "--record", "results/corpora/c.record.json", "--code", code]
    after = ["corpora", "--settings", corpus_settings(settings), "--output", str(CORPUS)]
    return subprocess.run(
        [sys.executable, "-m", "fathom.cli", *before, *after],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | SECRETS,
    )


def test_a_verb_leaves_a_record(folder: Path) -> None:
    (folder / "mine.txt").write_text("one text\nanother text\n")
    settings = {"kind": "file", "path": "mine.txt"}
    done = corpora(settings)
    assert done.returncode == 0, done.stderr
    record = read_record(Path("results/corpora/c.record.json"))
    content = record.content
    assert (record.verb, content["code"]) == ("corpora", "0123456789abcdef")
    assert content["settings"] == json.loads(corpus_settings(settings))
    assert content["slurm_job"] == "4711"
    assert content["started"] <= content["ended"]
    assert content["started"].endswith("+00:00")
    assert content["packages"]["fathom"] == version("fathom")
    assert content["packages"]["pyarrow"] == version("pyarrow")
    assert "torch" not in content["packages"]  # the verb did not use it
    assert content["machine"]["host"]
    assert content["machine"]["cpu"]
    (made,), (read,) = record.outputs, record.inputs
    assert (made.path, made.bytes, made.xxh3_128) == (CORPUS, CORPUS.stat().st_size, xxh3_of(CORPUS))
    assert (read.path, read.bytes, read.xxh3_128) == (Path("mine.txt"), 22, xxh3_of(folder / "mine.txt"))


def test_a_record_holds_no_secret(folder: Path) -> None:
    assert corpora({"kind": "random-tokens", "texts": 2, "tokens": 3}).returncode == 0
    text = (folder / "results/corpora/c.record.json").read_text()
    assert "secret" not in text
    assert "TOKEN" not in text


def test_a_verb_that_fails_leaves_none() -> None:
    assert corpora({"kind": "random-tokens", "texts": 2, "tokens": 3}).returncode == 0
    assert corpora({"kind": "file", "path": "no-such.txt"}).returncode == 1
    assert not Path("results/corpora/c.record.json").exists()


def test_a_record_leaves_the_result_as_it_is() -> None:
    settings = {"kind": "random-tokens", "texts": 2, "tokens": 3}
    assert corpora(settings).returncode == 0
    before = CORPUS.read_bytes()
    assert corpora(settings).returncode == 0
    assert CORPUS.read_bytes() == before


def test_tools_have_no_record() -> None:
    command = [sys.executable, "-m", "fathom.cli", "--record", "r.json", "verify"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "--record is for stages" in done.stderr


def test_paths_are_seen_from_the_record(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant()
    path = Path("results/metrics/m/c/dataset_entropy.record.json")
    written = [one["path"] for one in json.loads(path.read_text())["inputs"]]
    assert written == ["../../../corpora/c.parquet", "../../../activations/m/c"]
    folder.rename(folder.with_name("moved"))
    monkeypatch.chdir(folder.with_name("moved"))
    assert [entry.path for entry in read_record(path).inputs] == [CORPUS, STATES]


def test_a_path_outside_the_project_is_whole(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside") / "texts.txt"
    outside.write_text("text")
    path = folder / "results/corpora/c.record.json"
    write_record(path, "corpora", Work("{}", read=[outside], written=[]), None, Started())
    assert [entry.path for entry in read_record(path).inputs] == [outside]


def test_what_a_manifest_describes_is_not_read_again() -> None:
    weights = write(MODEL.with_name("model.safetensors"), "weights")
    facts = {weights.name: {**file_facts(weights), "xxh3_128": "as the manifest says"}}
    write_manifest(MODEL, {"kind": "model", "files": facts})
    mine = write(Path("mine/model.safetensors"), "weights")
    path = Path("results/models/m.record.json")
    work = Work("{}", read=[mine], written=[MODEL], copies={mine: weights})
    write_record(path, "models", work, None, Started())
    record = read_record(path)
    assert [(entry.path, entry.manifest) for entry in record.outputs] == [(MODEL, None), (weights, MODEL)]
    assert record.outputs[1].xxh3_128 == record.inputs[0].xxh3_128 == "as the manifest says"


def test_a_store_of_one_file_is_described() -> None:
    content = {"store": "1-of-1.zarr.zip", "bytes": 12, "xxh3_128": "ab"}
    (entry,) = described_files(STATES / "1-of-1.manifest.json", content)
    assert (entry.path, entry.bytes, entry.xxh3_128) == (STATES / "1-of-1.zarr.zip", 12, "ab")


def test_a_manifest_that_describes_nothing_whole_is_refused() -> None:
    with pytest.raises(FathomError, match="the manifest lacks or garbles 'xxh3_128'"):
        described_files(MODEL, {"files": {"w": {"bytes": 1}}})


def test_manifests_of_shards_are_one_entry() -> None:
    plant(shards=3)
    size = Path("results/metrics/m/c/dataset_entropy.record.json").stat().st_size
    record = read_record(Path("results/metrics/m/c/dataset_entropy.record.json"))
    (states,) = [entry for entry in record.inputs if entry.shards]
    assert (states.path, states.shards) == (STATES, 3)
    plant(shards=30)
    assert Path("results/metrics/m/c/dataset_entropy.record.json").stat().st_size <= size + 4  # longer numbers


def test_the_entry_of_shards_follows_each_of_them() -> None:
    from fathom.provenance.records import entry_of

    manifests = [plant_shard_of_planted_model(shard) for shard in (1, 2)]
    before = shards_entry(STATES, [entry_of(path) for path in manifests])
    assert before == shards_entry(STATES, [entry_of(path) for path in manifests])
    manifests[1].write_text(manifests[1].read_text() + " ")
    assert before.xxh3_128 != shards_entry(STATES, [entry_of(path) for path in manifests]).xxh3_128


def plant_shard_of_planted_model(shard: int) -> Path:
    write(MODEL, "{}")
    write(CORPUS, "texts")
    return plant_shard(shard, 2)


def test_a_part_of_the_shards_is_told_file_by_file() -> None:
    manifests = [plant_shard_of_planted_model(shard) for shard in (1, 2)]
    path = TABLE.with_name("t.record.json")
    write_record(path, "metrics", Work("{}", read=manifests[:1], written=[]), None, Started())
    assert [entry.path for entry in read_record(path).inputs] == manifests[:1]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda text: text[: len(text) // 2], "not a manifest"),
        (lambda text: text.replace('"seconds": ', '"seconds": 1'), "changed since it was written"),
    ],
)
def test_a_corrupt_record_is_refused(change: Any, error: str) -> None:
    plant()
    path = Path("results/corpora/c.record.json")
    path.write_text(change(path.read_text()))
    with pytest.raises(FathomError, match=error):
        read_record(path)


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ({"kind": "model"}, "expected a manifest of kind 'record'"),
        ({"kind": "record", "format": 99}, "format 99, this version reads 1"),
        ({"kind": "record", "format": 1, "inputs": [{"path": "a"}]}, "lacks or garbles 'bytes'"),
        ({"kind": "record", "format": 1, "inputs": 3}, "lacks or garbles"),
    ],
)
def test_another_kind_of_record_is_refused(folder: Path, content: dict[str, Any], error: str) -> None:
    write_manifest(folder / "r.record.json", content)
    with pytest.raises(FathomError, match=error):
        read_record(folder / "r.record.json")


@pytest.mark.parametrize("size", [0, 1, BLOCK_BYTES - 1, BLOCK_BYTES, 2 * BLOCK_BYTES + 3])
def test_digests_in_blocks_are_those_of_the_whole(folder: Path, size: int) -> None:
    path = folder / "file"
    content = bytes(range(251)) * (size // 251 + 1)
    path.write_bytes(content[:size])
    whole = xxhash.xxh3_128_hexdigest(content[:size])
    assert xxh3_of(path) == whole
    assert file_facts(path) == {"bytes": size, "sha256": sha256_of(path), "xxh3_128": whole}


def test_settings_of_the_planted_history_are_real() -> None:
    """The planted code digests are those of this version only where it understands the settings."""
    from fathom.provenance.expected_jobs import current_code

    assert all(current_code(verb, settings) for verb, settings in SETTINGS.items())
