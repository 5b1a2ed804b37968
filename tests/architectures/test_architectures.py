"""Extraction against transformers' own hidden states, text by text: a sample of the register, all of it nightly."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.architectures.build import text_architectures
from tests.architectures.measure import Measured, measure

# What transformers has to say of a config that was shrunk.
pytestmark = pytest.mark.filterwarnings("ignore")

REGISTER = Path(__file__).parents[2] / "docs/models.md"
# One of each kind: a plain decoder, an encoder, a half of an encoder-decoder, blocks that share weights, tokens before
# texts, pads inside, a state-space model, attention chosen as it is built, and those whose batches mix texts.
SAMPLE = ("gpt_neo", "bert", "t5", "albert", "xlnet", "longformer", "mamba", "falcon", "fnet", "paligemma", "phi3")


def registered() -> dict[str, str]:
    """Architecture -> outcome in float32, as docs/models.md says."""
    rows = re.findall(r"^\| ([\w.-]+) \| ([\w ]+) \|", REGISTER.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {name: outcome for name, outcome in rows if name != "architecture"}


def test_the_register_holds_every_architecture_and_none_is_wrong() -> None:
    found = registered()
    assert set(found) == set(text_architectures())
    assert "wrong" not in found.values()
    assert sum(outcome in {"works", "texts alone"} for outcome in found.values()) >= 120


@pytest.mark.parametrize("architecture", SAMPLE)
def test_states_are_those_of_transformers(architecture: str, tmp_path: Path) -> None:
    found = measure(architecture, tmp_path, half=False)
    assert found.outcome == registered()[architecture], found.note


@pytest.mark.nightly
@pytest.mark.parametrize("architecture", text_architectures())
def test_the_register_is_true(architecture: str, tmp_path: Path) -> None:
    found: Measured = measure(architecture, tmp_path)
    assert found.outcome == registered()[architecture], found.note
