"""What a real run leaves behind: every figure can be traced, and what is corrupt is found and made anew alone."""

from __future__ import annotations

import base64
import json
import re
import shlex
import sys
from pathlib import Path

from tests.workflow.faults import contents
from tests.workflow.project import ROOT, Project, done_jobs, said

from fathom.io.manifests import write_manifest
from fathom.provenance.records import read_record

SHARD = "results/activations/tiny/random/1-of-2.manifest.json"
STORE = "results/activations/tiny/random/1-of-2.zarr.zip"
TABLE = "results/metrics/tiny/random/curvature.parquet"
FIGURE = "results/figures/curvature.svg"


def fathom(project: Project, *arguments: str, status: int = 0) -> str:
    done = project.execute([sys.executable, "-m", "fathom.cli", *arguments])
    assert done.returncode == status, said(done)
    return done.stdout


def advised(output: str) -> str:
    """The command with which `fathom verify` says that everything corrupt or missing is made anew."""
    command: str
    (command,) = re.findall(
        r"^    (snakemake --cores all (?:--configfile .+ )?--force (?:.+\\\n)*.+)$", output, re.MULTILINE
    )
    return command


def repair(project: Project, output: str) -> list[str]:
    """Run the command that is advised, as a user would; returns the jobs that it ran."""
    snakemake = shlex.join([sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")])
    command = ["bash", "-c", f'snakemake() {{ {snakemake} "$@"; }}\n{advised(output)}']
    done = project.execute(command, variables=project.variables_to_fork(), check=True)
    return done_jobs(done)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_every_result_has_a_record_and_is_as_recorded(finished: Project) -> None:
    output = fathom(finished, "verify", "--configfile", "mine.yaml")
    assert output.endswith(": all is well\n")
    for path in finished.folder.glob("results/**/*.record.json"):
        content = read_record(path).content
        assert re.fullmatch("[0-9a-f]{16}", content["code"])
        assert content["seconds"] >= 0
        assert content["processor_seconds"] > 0
        assert content["peak_mb"] > 1


def test_a_figure_names_its_model_revision_corpus_and_code(finished: Project) -> None:
    text = fathom(finished, "trace", FIGURE)
    unwrapped = " ".join(text.replace("\N{BOX DRAWINGS LIGHT VERTICAL}", " ").split())
    record = read_record(finished.folder / "results/figures/curvature.record.json")
    for words in (
        f"{FIGURE}  as recorded",
        f"code {record.content['code']}",
        "results/models/tiny/manifest.json  as recorded",
        "revision: local folder",
        "tiny/model.safetensors  as recorded, no record",
        "results/corpora/random.parquet  as recorded",
        "options: {seed: 0, texts: 8, tokens: 12}",
        "results/activations/tiny/random: 2 shards  as recorded",
        "name: curvature",
        "Every file is as recorded",
    ):
        assert " ".join(words.split()) in unwrapped, words
    assert max(map(len, text.splitlines())) <= 80
    versions = json.loads(fathom(finished, "trace", FIGURE, "--json"))["packages"]
    assert {"fathom", "python", "torch", "transformers", "zarr", "matplotlib"} <= versions["same"].keys()
    assert versions["different"] == {}


def test_figures_do_not_follow_the_clock(project: Project) -> None:
    """A job that runs again leaves the same bytes, and another record."""
    figures = [path for path in sorted(project.folder.glob("results/figures/*")) if ".record." not in path.name]
    record = project.folder / "results/figures/curvature.record.json"
    before, told = [path.read_bytes() for path in figures], record.read_bytes()
    project.run("--forcerun", "figures")
    assert [path.read_bytes() for path in figures] == before
    assert record.read_bytes() != told
    assert project.planned() == []


EXTRACTING = "Extracting tiny on random, shard {}-of-2"
# Files, of which none is made from another one of its round, and the jobs that make them.
ROUNDS = (
    {
        STORE: EXTRACTING.format(1),
        "results/activations/tiny/random/2-of-2.manifest.json": EXTRACTING.format(2),
        "results/figures/probes-ridge.svg": "Drawing probes-ridge",
    },
    {
        "results/activations/tiny/random/1-of-2.record.json": EXTRACTING.format(1),
        "results/corpora/relations.parquet": "Building corpus relations",
    },
    {
        "results/models/tiny/model.safetensors": "Preparing model tiny",
        "results/corpora/random.parquet": "Building corpus random",
    },
    {
        "results/models/tiny-random/manifest.json": "Preparing model tiny-random",
        "results/probes/tiny/relations.parquet": "Probing tiny for relations",
        TABLE: "Measuring tokens of tiny on random",
    },
)


def test_a_flipped_byte_is_named_and_the_command_that_is_printed_makes_it_anew_alone(project: Project) -> None:
    before = contents(project)
    for files in ROUNDS:
        complete = {file: (project.folder / file).read_bytes() for file in files}
        for file in files:
            flip(project.folder / file)
        output = fathom(project, "verify", "--configfile", "mine.yaml", status=1)
        for file in files:
            assert f"corrupt  {file}\n" in output
        assert f": {len(files)} corrupt, 0 missing, 0 stale, 0 unknown" in output
        assert repair(project, output) == sorted(files.values())
        for file, content in complete.items():
            if not file.endswith(".record.json"):  # which holds times
                assert (project.folder / file).read_bytes() == content
    assert project.planned() == []
    assert contents(project) == before
    assert fathom(project, "verify").endswith(": all is well\n")


def test_stores_may_be_deleted_to_make_room(project: Project) -> None:
    (project.folder / STORE).unlink()
    assert project.planned() == []
    output = fathom(project, "verify", "--configfile", "mine.yaml", status=1)
    assert " 0 corrupt, " in output
    assert project.planned() == []
    # What needs them, and the command that is printed, make them anew.
    project.configure({"metrics": {"dataset_entropy": {"alpha": 2.0}}})
    assert "Extracting tiny on random, shard 1-of-2" in project.planned()
    project.configure()
    assert repair(project, output) == [EXTRACTING.format(1)]


def test_what_is_corrupt_and_lost_in_many_places_is_made_anew_alone(project: Project) -> None:
    flip(project.folder / TABLE)
    flip(project.folder / STORE)
    (project.folder / "results/corpora/random.parquet").unlink()
    output = fathom(project, "verify", "--configfile", "mine.yaml", status=1)
    assert ": 2 corrupt, 1 missing, 0 stale, 0 unknown" in output
    assert repair(project, output) == [
        "Building corpus random",
        "Extracting tiny on random, shard 1-of-2",
        "Measuring tokens of tiny on random",
    ]
    assert project.planned() == []
    assert ": all is well" in fathom(project, "verify")
    # A shard that comes out otherwise, as on another machine, has all made anew in the next run. Here its manifest is
    # written with another digest, as by that one.
    manifest = project.folder / SHARD
    content = json.loads(manifest.read_text(encoding="utf-8"))
    write_manifest(manifest, {**content, "tokens": content["tokens"] + 1})
    assert "Measuring tokens of tiny on random" in project.planned()


def test_verify_names_what_snakemake_would_make_anew(project: Project, tmp_path: Path) -> None:
    project = project.with_own_source(tmp_path / "source")
    path = tmp_path / "source/fathom/metrics/by_corpus.py"
    path.write_text(path.read_text(encoding="utf-8") + "\n\nNEW_CONSTANT = 1\n", encoding="utf-8")
    output = fathom(project, "verify", status=1)
    stale = re.findall(r"^stale +(\S+)$", output, re.MULTILINE)
    assert stale == ["results/metrics/tiny/random/dataset_entropy.parquet"]
    assert project.planned() == [
        "Drawing dataset_entropy",
        "Measuring dataset_entropy of tiny on random",
        "Writing the page to explore",
    ]


def test_verify_names_changed_settings(project: Project) -> None:
    project.configure({"metrics": {"dataset_entropy": {"alpha": 2.0}}})
    assert ": all is well" in fathom(project, "verify")
    output = fathom(project, "verify", "--configfile", "mine.yaml", status=1)
    assert "stale    results/metrics/tiny/random/dataset_entropy.parquet\n" in output
    assert "its settings in the config are others now" in output


def test_a_changed_file_of_ones_own_makes_the_model_stale(project: Project) -> None:
    config = project.folder / "tiny/config.json"
    text = config.read_text(encoding="utf-8")
    config.unlink()  # the model in results/ may be the same file under another name
    config.write_text(text + "\n", encoding="utf-8")
    output = fathom(project, "verify", status=1)
    assert "stale    results/models/tiny/manifest.json\n             tiny/config.json is another one now\n" in output


def test_comments_and_code_that_makes_no_result_rerun_nothing(project: Project, tmp_path: Path) -> None:
    """What looks at results, plans them, shows progress or says what was wrong; and comments anywhere."""
    project = project.with_own_source(tmp_path / "source")
    for path in (tmp_path / "source").rglob("*.py"):
        path.write_text(path.read_text(encoding="utf-8") + "\n\n# a comment\n", encoding="utf-8")
    rooms = [
        path
        for room in ("provenance", "runtime", "workflow")
        for path in (tmp_path / "source").rglob(f"{room}/**/*.py")
    ]
    assert len(rooms) > 20
    for path in [*rooms, tmp_path / "source/fathom/cli.py"]:
        path.write_text(path.read_text(encoding="utf-8") + "\n\nNEW_CONSTANT = 1\n", encoding="utf-8")
    assert project.planned() == []


def test_the_report_and_the_crate_tell_what_figures_came_from(project: Project) -> None:
    tools = ("--forcerun", "provenance", "crate", "--allowed-rules", "provenance", "crate")
    project.run("crate", *tools)
    assert project.planned() == []
    project.run("default", "crate", "--report", "report.html")
    page = (project.folder / "report.html").read_text(encoding="utf-8")
    for words in ("Provenance", "Representation metrics", "relations: ridge regression"):
        assert words in page
    for caption in ("Linear probes, after Bogdan 2025", "without sink tokens"):
        assert caption in page
    texts = [base64.b64decode(one).decode() for one in re.findall(r"data:text/plain;[^,]*base64,([\w+/=]+)", page)]
    (text,) = [one for one in texts if one.startswith(f"{FIGURE}  ")]
    assert text == fathom(project, "trace", FIGURE)
    assert "results/models/tiny/manifest.json" in text
    crate = json.loads((project.folder / "results/ro-crate-metadata.json").read_text(encoding="utf-8"))
    files = {entity["@id"] for entity in crate["@graph"] if entity["@type"] == "File"}
    for path in project.folder.glob("results/figures/*.svg"):
        assert f"figures/{path.name}" in files
    assert {"models/tiny/manifest.json", "corpora/random.parquet"} <= files
    assert any(one.startswith("file:///") for one in files)  # the user's own, outside of results/
