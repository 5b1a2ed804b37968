"""A revision of the hub may be a branch, or left out: it is looked up once, and what was fetched does not move."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter
from tests.hub import FIRST, SECOND, Hub, serving
from tests.jobs import model_settings
from tests.tiny import tiny_llama

from fathom.corpora.settings import CorpusSettings
from fathom.io.manifests import read_manifest
from fathom.models.settings import ModelSettings

OWN = """
import json, sys
from fathom import hidden_states
states = hidden_states("owner/name", ["One text of my own."], **json.loads(sys.argv[1]))
print(repr(float(states.sum())))
"""


@pytest.fixture
def hub(llama: Path, tmp_path: Path) -> Iterator[Hub]:
    commits = {FIRST: llama, SECOND: tiny_llama(tmp_path / "second", seed=1)}
    with serving(Hub(commits)) as served:
        yield served


def run(hub: Hub, folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
    places = {"HF_ENDPOINT": hub.address, "HF_HOME": str(folder / "home"), "XDG_CACHE_HOME": str(folder / "cache")}
    return subprocess.run(
        [sys.executable, *command],
        env=variables | places | {"HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_XET": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def fetched(hub: Hub, folder: Path, **settings: Any) -> dict[str, Any]:
    """Manifest of what `fathom models` makes of a repository."""
    told = model_settings({"source": "hub", "repository": "owner/name"} | settings)
    target = folder / "results/m"
    arguments = ["models", "--settings", told, "--folder", str(target), "--manifest", str(target / "manifest.json")]
    done = run(hub, folder, "-m", "fathom.cli", *arguments)
    assert done.returncode == 0, done.stderr
    return read_manifest(target / "manifest.json", "model")


@pytest.mark.parametrize(
    ("settings", "commit"), [({}, FIRST), ({"revision": "dev"}, SECOND), ({"revision": SECOND}, SECOND)]
)
def test_the_manifest_keeps_the_commit_that_a_revision_led_to(
    hub: Hub, tmp_path: Path, settings: dict[str, str], commit: str
) -> None:
    facts = fetched(hub, tmp_path, **settings)
    assert facts["revision"] == commit
    weights = (hub.commits[commit] / "model.safetensors").read_bytes()
    assert (tmp_path / "results/m/model.safetensors").read_bytes() == weights


def test_what_runs_again_stays_with_the_commit_until_it_is_asked_for_anew(hub: Hub, tmp_path: Path) -> None:
    assert fetched(hub, tmp_path)["revision"] == FIRST
    hub.branches["main"] = SECOND
    # Before it runs a job again, Snakemake deletes all that the job had made.
    shutil.rmtree(tmp_path / "results/m")
    assert fetched(hub, tmp_path)["revision"] == FIRST
    assert fetched(hub, tmp_path, revision="dev")["revision"] == SECOND
    assert fetched(hub, tmp_path)["revision"] == SECOND  # the setting has changed, and changed back
    hub.branches["main"] = FIRST
    assert fetched(hub, tmp_path)["revision"] == SECOND
    (tmp_path / "results/m.commit.json").unlink()
    assert fetched(hub, tmp_path)["revision"] == FIRST


def test_where_the_hub_is_switched_off_its_cache_says_where_a_branch_leads(hub: Hub, tmp_path: Path) -> None:
    filled = run(hub, tmp_path, "-c", "from huggingface_hub import snapshot_download as get; get('owner/name')")
    assert filled.returncode == 0, filled.stderr
    hub.branches["main"] = SECOND
    hub.asked.clear()
    script = (
        "import os; os.environ['HF_HUB_OFFLINE'] = '1'\n"
        "from fathom.io.hub_commits import _in_cache\n"
        "print([_in_cache('owner/name', one, 'model') for one in ('main', 'dev')])"
    )
    assert run(hub, tmp_path, "-c", script).stdout == f"['{FIRST}', None]\n"
    assert hub.asked == []


def test_a_revision_that_is_not_there_is_one_line(hub: Hub, tmp_path: Path) -> None:
    told = model_settings({"source": "hub", "repository": "owner/name", "revision": "gone"})
    target = tmp_path / "results/m"
    arguments = ["models", "--settings", told, "--folder", str(target), "--manifest", str(target / "manifest.json")]
    done = run(hub, tmp_path, "-m", "fathom.cli", *arguments)
    assert done.returncode == 1
    said = "fathom: error: hub model owner/name at gone: the repository has no such revision"
    assert done.stderr.splitlines()[-1] == said
    assert not target.exists()


def test_own_texts_stay_with_the_commit_that_was_looked_up_first(hub: Hub, tmp_path: Path) -> None:
    first = run(hub, tmp_path, "-c", OWN, "{}")
    assert first.returncode == 0, first.stderr
    hub.branches["main"] = SECOND
    hub.asked.clear()
    again = run(hub, tmp_path, "-c", OWN, "{}")
    assert again.stdout == first.stdout
    assert hub.asked == []
    asked_for = run(hub, tmp_path, "-c", OWN, json.dumps({"revision": SECOND}))
    assert asked_for.returncode == 0, asked_for.stderr
    assert asked_for.stdout != first.stdout


@pytest.mark.parametrize(
    ("revision", "said"),
    [({}, "its default branch"), ({"revision": "step1000"}, "step1000"), ({"revision": FIRST}, FIRST[:12])],
)
def test_captions_name_the_revision_as_the_config_does(revision: dict[str, str], said: str) -> None:
    model: Any = TypeAdapter(ModelSettings).validate_python({"source": "hub", "repository": "a/b"} | revision)
    corpus: Any = TypeAdapter(CorpusSettings).validate_python(
        {"kind": "hub", "repository": "a/b", "file": "texts.txt"} | revision
    )
    assert model.origin() == f"a/b at {said}"
    assert corpus.describe() == f"a/b at {said}, texts.txt"
    assert model.pinned == corpus.pinned == ("revision" in revision and said == FIRST[:12])
