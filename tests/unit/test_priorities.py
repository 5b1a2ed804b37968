"""Which jobs go first, and what a plan keeps between two starts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fathom.workflow import code_digest
from fathom.workflow.config import Config
from fathom.workflow.priorities import FIRST, Priorities
from fathom.workflow.wildcards import Wildcards


def test_jobs_behind_the_first_figure_go_before_all_others() -> None:
    config = Config()
    priorities = Priorities(config)
    assert priorities.first in config.all_figures
    assert priorities.figure(Wildcards(figure=priorities.first)) == FIRST
    bible = [priorities.states(Wildcards(model=model, corpus="bible")) for model in config.models]
    items = [priorities.states(Wildcards(model=model, corpus="items")) for model in config.models]
    assert min(bible) >= FIRST > max(items)
    assert priorities.corpus(Wildcards(corpus="bible")) >= FIRST > priorities.corpus(Wildcards(corpus="items"))
    assert priorities.metrics(Wildcards(model="minilm-l6", corpus="bible", metric="infonce")) > FIRST
    assert priorities.metrics(Wildcards(model="minilm-l6", corpus="task-newsgroups", metric="dataset_entropy")) < FIRST


def test_tests_and_verdicts_behind_the_first_figure_go_before_all_others() -> None:
    figures = {"modes": {"kind": "bimodality", "model": "smollm2-135m", "corpus": "bible", "claim": "bimodal"}}
    priorities = Priorities(Config.model_validate({"figures": figures}))
    assert priorities.first == "modes"
    place = {"model": "smollm2-135m", "corpus": "bible"}
    assert priorities.modes(Wildcards(**place, text_metric="prompt_entropy")) == FIRST
    assert priorities.modes(Wildcards(**place, text_metric="curvature")) == 0
    assert priorities.figure(Wildcards(figure="modes")) == FIRST  # that of its verdicts too
    assert priorities.order(Wildcards(model="smollm2-135m", order="items+relations+analogies")) == 0


def test_longer_work_goes_first() -> None:
    config = Config()
    priorities = Priorities(config)
    deep, shallow = (
        {name: priorities.probes(Wildcards(model=model, experiment=name)) for name in config.experiments}
        for model in ("smollm2-135m", "minilm-l6")
    )
    assert all(deep[name] > shallow[name] for name in config.experiments)
    assert deep["items"] > deep["tweets"]
    random = priorities.probes(Wildcards(model="smollm2-135m-random", experiment="items"))
    assert random < shallow["items"]
    assert priorities.states(Wildcards(model="smollm2-135m", corpus="items")) > deep["items"]
    assert priorities.model(Wildcards(model="smollm2-135m")) > priorities.model(Wildcards(model="minilm-l6"))


@pytest.mark.parametrize("kept", [None, "{", '["a"]', '{"key": 3}', '{"key": "short"}'])
def test_kept_digests_change_no_digest(kept: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = code_digest.code_digest("fathom.corpora.command")
    place = tmp_path / ".snakemake" / "kept.json"
    place.parent.mkdir()
    if kept is not None:
        place.write_text(kept)
    monkeypatch.setattr(code_digest, "KEPT", place)
    for _ in range(2):  # parsed, then read
        code_digest._kept_digests.cache_clear()
        code_digest._module_digest.cache_clear()
        assert code_digest.code_digest("fathom.corpora.command") == expected
        code_digest._keep_digests()
    assert len(json.loads(place.read_text())) > 1
    assert [file.name for file in place.parent.iterdir()] == ["kept.json"]


def test_nothing_is_kept_where_snakemake_keeps_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(code_digest, "KEPT", tmp_path / ".snakemake" / "kept.json")
    code_digest._keep_digests()
    assert not list(tmp_path.iterdir())
