"""`fathom verify` finds what is corrupt, missing, stale or unknown, and nothing else."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.records import (
    CORPUS,
    FIGURE,
    MODEL,
    SETTINGS,
    STATES,
    TABLE,
    plant,
    plant_corpus,
    plant_shard,
    plant_table,
    record,
    write,
)

from fathom.provenance.verify import command
from fathom.runtime.errors import FathomError
from fathom.runtime.job_files import Work
from fathom.workflow.wildcards import Wildcards

STORE = STATES / "1-of-2.zarr.zip"


@pytest.fixture(autouse=True)
def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    plant()


def verify(*arguments: str | Path, status: int = 1) -> str:
    done = CliRunner().invoke(command, [str(one) for one in arguments], catch_exceptions=False)
    assert done.exit_code == status, done.output
    assert max(map(len, done.output.splitlines())) <= 110  # a path and its command are never broken
    return done.output


def findings(output: str) -> dict[str, str]:
    """Path -> fault."""
    found = re.findall(r"^(corrupt|missing|stale|unknown) +(\S+)$", output, re.MULTILINE)
    return {path: fault for fault, path in found}


def commands(output: str) -> list[list[str]]:
    """Targets of the one command that repairs, one list a run of Snakemake."""
    found = re.findall(r"^    (snakemake --cores all --force (?:.+\\\n)*.+)$", output, re.MULTILINE)
    assert len(found) <= 1
    return [run.split()[4:] for one in found for run in one.replace("\\\n", " ").split(" && ")]


def flip(path: Path) -> None:
    """One bit, and the time that the file had."""
    times = path.stat()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_all_is_well() -> None:
    output = verify(status=0)
    assert re.fullmatch(r"\d+ files, 0\.00 GB read in [\d.]+ s \([\d.]+ GB/s\): all is well\n", output)


@pytest.mark.parametrize("file", [CORPUS, TABLE, FIGURE, FIGURE.with_suffix(".csv")])
def test_a_flipped_bit_in_a_result(file: Path) -> None:
    whole = file.read_bytes()
    flip(file)
    output = verify()
    assert findings(output) == {str(file): "corrupt"}
    assert "its digest is not that of its record" in output
    assert commands(output) == [[str(file)]]
    assert findings(verify()) == {str(file): "corrupt"}  # it only looks
    file.write_bytes(whole)
    verify(status=0)


@pytest.mark.parametrize(
    ("file", "manifest"),
    [
        (STORE, STATES / "1-of-2.manifest.json"),
        (MODEL.with_name("model.safetensors"), MODEL),
    ],
)
def test_a_flipped_bit_in_what_a_manifest_describes(file: Path, manifest: Path) -> None:
    flip(file)
    output = verify()
    assert findings(output) == {str(file): "corrupt"}
    assert f"its digest is not that of its manifest {manifest.name}" in output
    assert commands(output) == [[str(manifest)]]


def test_nothing_is_changed() -> None:
    flip(STORE)
    flip(CORPUS)
    before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    verify()
    assert {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("file", [CORPUS, STORE])
def test_a_cut_file(file: Path) -> None:
    size = file.stat().st_size
    file.write_bytes(file.read_bytes()[:-1])
    output = verify()
    assert findings(output) == {str(file): "corrupt"}
    assert f"it holds {size - 1} bytes, " in output
    assert f"says {size}" in output


@pytest.mark.parametrize("file", [CORPUS, STORE, STATES / "2-of-2.manifest.json", FIGURE.with_suffix(".png")])
def test_a_missing_file(file: Path) -> None:
    file.unlink()
    output = verify()
    assert findings(output) == {str(file): "missing"}
    manifest = STATES / "1-of-2.manifest.json"
    assert commands(output) == [[str(manifest if file == STORE else file)]]


@pytest.mark.parametrize("file", [MODEL, STATES / "1-of-2.manifest.json", Path("results/corpora/c.record.json")])
def test_a_corrupt_manifest_or_record(file: Path) -> None:
    flip(file)
    output = verify()
    assert findings(output)[str(file)] == "corrupt"
    assert str(file) in commands(output)[0]


def test_a_manifest_of_another_store_is_corrupt() -> None:
    """It fits its own digest, and is not what the job wrote."""
    from fathom.io.manifests import DIGEST, write_manifest

    manifest = STATES / "1-of-2.manifest.json"
    content = json.loads(manifest.read_text())
    content.pop(DIGEST)
    write_manifest(manifest, {**content, "texts": 1})
    assert findings(verify()) == {str(manifest): "corrupt"}


def test_an_unknown_file() -> None:
    write(Path("results/figures/mine.svg"), "drawn by hand")
    write(Path("results/activations/m/c/9-of-9.zarr.zip"), "states without a manifest")
    output = verify()
    assert set(findings(output).values()) == {"unknown"}
    assert set(findings(output)) == {"results/figures/mine.svg", "results/activations/m/c/9-of-9.zarr.zip"}
    assert commands(output) == []


def test_what_is_no_result_is_left_alone() -> None:
    for name in ("report.html", "ro-crate-metadata.json", "provenance/curve.txt", "models/m/.snakemake_timestamp"):
        write(Path("results") / name, "")
    for name in ("models/.m-x/draft/w", "corpora/c.parquet.part"):
        write(Path("results") / name, "")
    verify(status=0)


def test_a_result_with_a_manifest_and_no_record_is_known() -> None:
    (STATES / "1-of-2.record.json").unlink()
    verify(status=0)
    flip(STORE)
    assert findings(verify()) == {str(STORE): "corrupt"}


# Stale ---------------------------------------------------------------------------------------------------------------


def test_made_from_another_corpus() -> None:
    plant_corpus("other texts")
    output = verify()
    assert findings(output) == {
        str(TABLE): "stale",
        str(STATES / "1-of-2.manifest.json"): "stale",
        str(STATES / "2-of-2.manifest.json"): "stale",
    }
    assert f"{CORPUS} is another one now" in output
    assert commands(output) == []
    assert "    snakemake --cores all\n" in output


def test_made_from_other_states() -> None:
    shards = [plant_shard(shard, 2, "other states") for shard in (1, 2)]
    assert findings(verify()) == {str(TABLE): "stale"}
    plant_table(shards)
    verify(status=0)


def test_made_from_a_file_of_ones_own_that_changed() -> None:
    mine = write(Path("mine.txt"), "texts")
    record("corpora", CORPUS, Work(json.dumps(SETTINGS["corpora"]), read=[mine], written=[CORPUS]))
    verify(status=0)
    mine.write_text("other")
    assert findings(verify()) == {str(CORPUS): "stale"}
    mine.unlink()
    assert findings(verify()) == {str(CORPUS): "stale"}


def test_made_by_other_code() -> None:
    work = Work(json.dumps(SETTINGS["metrics"]), read=[CORPUS], written=[TABLE])
    record("metrics", TABLE, work, code="0" * 16)
    output = verify()
    assert findings(output) == {str(TABLE): "stale"}
    assert "its code has changed" in output


def test_made_with_settings_that_are_no_more() -> None:
    """A version that refuses the settings would not run this code with them."""
    settings = {**SETTINGS["metrics"], "no_such_setting": 1}
    record("metrics", TABLE, Work(json.dumps(settings), read=[CORPUS], written=[TABLE]), code="0" * 16)
    assert findings(verify()) == {str(TABLE): "stale"}


def test_what_is_corrupt_makes_nothing_stale() -> None:
    flip(CORPUS)
    flip(STORE)
    output = verify()
    assert set(findings(output).values()) == {"corrupt"}
    assert commands(output) == [[str(CORPUS)], [str(STATES / "1-of-2.manifest.json")]]


def test_settings_of_a_config() -> None:
    config = Path("mine.yaml")
    corpora: dict[str, dict[str, Any]] = {"c": {"kind": "random-tokens", "texts": 4, "tokens": 5, "seed": 7}}
    record("corpora", CORPUS, Work(planned(corpora), read=[], written=[CORPUS]))
    config.write_text(json.dumps({"corpora": corpora}))
    assert str(CORPUS) not in findings(verify("results/corpora", "--configfile", config, status=0))
    config.write_text(json.dumps({"corpora": {"c": {**corpora["c"], "seed": 8}}}))
    output = verify("results/corpora", "--configfile", config)
    assert findings(output) == {str(CORPUS): "stale"}
    assert "its settings in the config are others now" in output
    # A config without this corpus says nothing of it.
    config.write_text(json.dumps({"corpora": {"d": corpora["c"]}}))
    verify("results/corpora", "--configfile", config, status=0)


def planned(corpora: Mapping[str, Any]) -> str:
    from fathom.workflow.config import Config
    from fathom.workflow.plan import Plan

    return Plan(Config.model_validate({"corpora": corpora})).corpora.settings(Wildcards(corpus="c"))


# Places --------------------------------------------------------------------------------------------------------------


def test_a_part_of_the_results() -> None:
    flip(CORPUS)
    verify("results/figures", TABLE, status=0)
    assert findings(verify(CORPUS)) == {str(CORPUS): "corrupt"}


def test_one_file_is_verified_with_what_its_job_made() -> None:
    flip(FIGURE.with_suffix(".png"))
    assert findings(verify(FIGURE)) == {str(FIGURE.with_suffix(".png")): "corrupt"}
    assert findings(verify(write(Path("other.txt"), ""))) == {"other.txt": "unknown"}


def test_no_such_place() -> None:
    with pytest.raises(FathomError, match="nowhere: no such file or folder"):
        verify("nowhere")


def test_names_are_quoted_in_the_command() -> None:
    odd = Path("results/corpora/a b.parquet")
    write(odd, "texts")
    record("corpora", odd, Work(json.dumps(SETTINGS["corpora"]), read=[], written=[odd]))
    odd.unlink()
    assert "    snakemake --cores all --force 'results/corpora/a b.parquet'\n" in verify()


def test_the_command_names_the_config(tmp_path: Path) -> None:
    (tmp_path / "my config.yaml").write_text(json.dumps({"uncertainty": {"seed": 1}}))
    flip(CORPUS)
    expected = f"    snakemake --cores all --configfile 'my config.yaml' --force {CORPUS}\n"
    assert expected in verify("--configfile", "my config.yaml")
