"""`fathom trace` tells what a result came from, and whether it still is what was recorded."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.records import CORPUS, FIGURE, MODEL, SETTINGS, STATES, TABLE, plant, plant_corpus, plant_shard, write

from fathom.io.manifests import DIGEST, write_manifest
from fathom.provenance.trace import command
from fathom.runtime.errors import FathomError


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def trace(*arguments: str | Path) -> str:
    done = CliRunner().invoke(command, [str(one) for one in arguments], catch_exceptions=False)
    assert done.exit_code == 0
    return done.output


def change_record(path: Path, **facts: Any) -> None:
    """A record with other facts, signed anew."""
    content = json.loads(path.read_text())
    content.pop(DIGEST)
    write_manifest(path, {**content, **facts})


def entities(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield value
        for one in value.values():
            yield from entities(one)
    elif isinstance(value, list):
        for one in value:
            yield from entities(one)


# Text ----------------------------------------------------------------------------------------------------------------


def test_a_figure_goes_back_to_model_and_corpus() -> None:
    plant()
    lines = trace(FIGURE).splitlines()
    assert lines[0] == f"{FIGURE}  as recorded"
    text = "\n".join(lines)
    for words in (
        f"{TABLE}  as recorded",
        f"{STATES}: 2 shards  as recorded",
        f"{MODEL}  as recorded",
        "revision: weights 1.2",
        "package: weights",
        "activations: 2 jobs, ",
        "Every file is as recorded",
    ):
        assert words in text, words
    # The corpus is read by the metric and by the extraction.
    assert text.count(f"{CORPUS}  as recorded") == 2
    assert text.count("told above") == 1
    for verb in ("models", "corpora", "metrics", "figures"):
        code = json.loads(next(Path("results").rglob(f"{RECORDS[verb]}.record.json")).read_text())["code"]
        assert code in text
    assert "said" not in text  # the caption follows from the settings


RECORDS = {"models": "m", "corpora": "c", "metrics": "dataset_entropy", "figures": "curve"}


def test_how_the_texts_were_read_is_said() -> None:
    plant()
    assert "texts: 1 of 8 texts cut at 12 tokens" in trace(FIGURE)
    assert "texts: 1 of 4 texts cut at 12 tokens" in trace(FIGURE, "--all")
    steps = json.loads(trace(FIGURE, "--json", "--all"))["steps"]
    assert [one["texts"] for one in steps.values() if one["verb"] == "activations"].count([]) == 1


def test_lines_fit_a_terminal() -> None:
    plant()
    assert max(map(len, trace(FIGURE).splitlines())) <= 80


@pytest.mark.parametrize(
    "file", [FIGURE.with_suffix(".csv"), TABLE, CORPUS, MODEL, MODEL.with_name("model.safetensors")]
)
def test_any_result_can_be_traced(file: Path) -> None:
    plant()
    assert trace(file).startswith(f"{file}  as recorded\n")


def test_many_shards_are_summed_up_unless_all_are_asked_for() -> None:
    plant(shards=40)
    for shard in range(1, 11):
        path = STATES / f"{shard}-of-40.record.json"
        machine = json.loads(path.read_text())["machine"]
        change_record(path, machine={**machine, "host": "node7", "gpus": ["H100"] * 2}, slurm_job=str(shard))
    text = trace(FIGURE)
    assert f"{STATES}: 40 shards  as recorded" in text
    assert "40 jobs" in text
    assert "node7 with 2 x H100 (10)" in " ".join(text.replace("│", "").split())
    assert len(text.splitlines()) < 50
    every = trace(FIGURE, "--all")
    assert "40-of-40, activations: " in every
    assert "(Slurm job 10)" in every


def test_what_changed_since_is_said() -> None:
    plant()
    write(TABLE, "other")
    text = trace(FIGURE)
    assert f"{TABLE}  CHANGED since it was read here" in text
    assert f"NOT as recorded: {TABLE}." in text
    assert text.startswith(f"{FIGURE}  as recorded")
    assert trace(TABLE).startswith(f"{TABLE}  CHANGED since it was made")


def test_what_was_made_anew_since_is_said() -> None:
    plant()
    plant_corpus("other texts")
    text = trace(FIGURE)
    assert text.count(f"{CORPUS}  CHANGED since it was read here") == 2
    assert f"NOT as recorded: {CORPUS}." in text


def test_what_is_gone_is_said() -> None:
    plant()
    CORPUS.unlink()
    assert f"{CORPUS}  MISSING" in trace(FIGURE)


def test_a_changed_shard_is_said() -> None:
    plant()
    manifest = plant_shard(1, 2)
    manifest.write_text(manifest.read_text() + "\n")
    assert f"{STATES}: 2 shards  CHANGED" in trace(FIGURE)


def test_weights_of_another_size_are_said() -> None:
    plant()
    MODEL.with_name("model.safetensors").write_text("cut")
    text = trace(FIGURE)
    assert "MISSING or of another size: results/models/m/model.safetensors" in " ".join(text.replace("│", "").split())
    assert "NOT as recorded" in text


def test_a_shard_without_a_record_is_said() -> None:
    plant(shards=3)
    (STATES / "2-of-3.record.json").unlink()
    assert "1 without a record" in trace(FIGURE)


def test_different_versions_are_said() -> None:
    plant()
    path = Path("results/corpora/c.record.json")
    packages = json.loads(path.read_text())["packages"]
    change_record(path, packages={**packages, "xxhash": "0.0.1"})
    text = " ".join(trace(FIGURE).split())
    assert "DIFFERENT versions of xxhash: " in text
    assert f"0.0.1 in {path}" in text
    assert text.count("pydantic") <= 1  # said once


# JSON ----------------------------------------------------------------------------------------------------------------


def test_json_holds_every_step_whole() -> None:
    plant()
    facts = json.loads(trace(FIGURE, "--json"))
    assert (facts["file"], facts["state"]) == (str(FIGURE), "as recorded")
    steps = facts["steps"]
    assert {step["verb"] for step in steps.values()} == {"figures", "metrics", "corpora", "models"}
    assert steps[facts["made_by"]]["settings"] == SETTINGS["figures"]
    (states,) = [one for step in steps.values() for one in step["inputs"] if one.get("shards")]
    assert states["made_by"]["jobs"] == 2
    assert {one["path"] for one in states["made_by"]["inputs"]} == {str(MODEL), str(CORPUS)}
    every = json.loads(trace(FIGURE, "--json", "--all"))
    assert sum(step["verb"] == "activations" for step in every["steps"].values()) == 2


def test_several_files_are_a_list_in_json() -> None:
    plant()
    assert [one["file"] for one in json.loads(trace(FIGURE, TABLE, "--json"))] == [str(FIGURE), str(TABLE)]


# Errors --------------------------------------------------------------------------------------------------------------


def refused(file: Path) -> str:
    with pytest.raises(FathomError) as caught:
        trace(file)
    return str(caught.value)


def test_no_such_file() -> None:
    assert refused(Path("results/figures/none.svg")) == "results/figures/none.svg: no such file"


def test_a_file_without_a_record() -> None:
    plant()
    write(FIGURE.with_name("other.svg"), "")
    assert refused(FIGURE.with_name("other.svg")).startswith(
        "results/figures/other.svg: no record says how it was made: it is no result, or an older version"
    )


def test_a_corrupt_record() -> None:
    plant()
    record = FIGURE.with_name("curve.record.json")
    record.write_text(record.read_text()[:100])
    assert f"{record}: not a manifest" in refused(FIGURE)


def test_a_record_that_turns_in_a_circle() -> None:
    plant()
    path = FIGURE.with_name("curve.record.json")
    content = json.loads(path.read_text())
    change_record(path, inputs=content["outputs"][:1])
    assert "made of themselves" in refused(FIGURE)


# RO-Crate ------------------------------------------------------------------------------------------------------------


def crate() -> tuple[dict[str, Any], dict[str, Any]]:
    """The crate of the figure, and its entities by their ids."""
    assert trace(FIGURE, "--crate", "results") == "results/ro-crate-metadata.json\n"
    content = json.loads(Path("results/ro-crate-metadata.json").read_text())
    by_id = {entity["@id"]: entity for entity in content["@graph"]}
    assert len(by_id) == len(content["@graph"])
    return content, by_id


def test_every_reference_of_the_crate_leads_somewhere() -> None:
    plant(shards=3)
    content, by_id = crate()
    outside = {"https://w3id.org/ro/crate/1.1"}
    for entity in entities(content["@graph"]):
        assert entity["@id"] in by_id or entity["@id"] in outside


def test_the_figure_of_the_crate_leads_back_to_model_and_corpus() -> None:
    plant(shards=3)
    _, by_id = crate()
    actions = [entity for entity in by_id.values() if entity["@type"] == "CreateAction"]
    assert len(actions) == 7
    assert by_id["./"]["mentions"] == [{"@id": action["@id"]} for action in actions]
    reached, waiting = set(), ["figures/curve.svg"]
    while waiting:
        one = waiting.pop()
        reached.add(one)
        for action in actions:
            results = action["result"] if isinstance(action["result"], list) else [action["result"]]
            if {"@id": one} in results:
                waiting += [read["@id"] for read in action["object"] if read["@id"] not in reached]
    assert {"models/m/manifest.json", "corpora/c.parquet"} <= reached
    assert {f"activations/m/c/{shard}-of-3.manifest.json" for shard in (1, 2, 3)} <= reached


def test_files_of_the_crate_have_size_and_digest() -> None:
    plant()
    _, by_id = crate()
    files = [entity for entity in by_id.values() if entity["@type"] == "File"]
    assert len(files) == 4 + 1 + 1 + 2 + 2 * 2
    for entity in files:
        path = Path("results", entity["@id"])
        assert int(entity["contentSize"]) == path.stat().st_size
        assert by_id[entity["identifier"]["@id"]]["propertyID"] == "xxh3_128"


def test_a_library_reads_the_crate() -> None:
    from rocrate.rocrate import ROCrate

    plant()
    crate()
    read = ROCrate("results")
    assert read.root_dataset["conformsTo"].id == "https://w3id.org/ro/wfrun/process/0.5"
    (action,) = [one for one in read.get_by_type("CreateAction") if one["name"] == "fathom figures: curve"]
    assert action["instrument"]["name"] == "fathom"
    assert [one.id for one in action["result"]] == [f"figures/curve.{kind}" for kind in ("svg", "png", "csv", "txt")]
    assert [one.type for one in action["object"]] == ["File", "PropertyValue", "PropertyValue"]
    assert action["startTime"] <= action["endTime"]
