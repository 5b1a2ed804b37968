"""Whatever stands in a config, a manifest or a checkpoint: a valid result, or one clear error; nothing else.

The number of cases is that of the hypothesis profile, see tests/conftest.py.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st
from tests.hostile import VALUES, damaged, mutated, outcome

from fathom.io.manifests import DIGEST, read_manifest
from fathom.models.checkpoint_checks import check_checkpoint, without_orders
from fathom.models.prepare import describe_config
from fathom.workflow.config import Config
from fathom.workflow.load import load_config
from fathom.workflow.plan import Plan
from fathom.workflow.strict_yaml import read_config_file
from fathom.workflow.write_reference import default_yaml

# Config --------------------------------------------------------------------------------------------------------------

DEFAULTS: dict[str, Any] = yaml.safe_load(default_yaml())


@given(tree=mutated(DEFAULTS) | VALUES)
def test_a_config_of_any_shape_is_valid_or_one_error(tree: Any) -> None:
    config = outcome(lambda: load_config(tree, []), "config: command line or defaults: ")
    if config is not None:
        assert Config.model_validate(config.model_dump()).models == config.models
        Plan(config)


@given(data=st.data())
def test_a_config_file_of_any_bytes_is_read_or_one_error(tmp_path: Path, data: st.DataObject) -> None:
    file = tmp_path / data.draw(st.sampled_from(["c.yaml", "c.json"]))
    whole = default_yaml().encode() if file.suffix == ".yaml" else json.dumps(DEFAULTS).encode()
    file.write_bytes(data.draw(damaged(whole)))
    content = outcome(lambda: read_config_file(file), f"config: {file}: ")
    if content is not None:
        outcome(lambda: load_config(content, [str(file)]), "config: ")


# Manifests -----------------------------------------------------------------------------------------------------------


@given(data=st.data())
def test_a_manifest_of_any_bytes_is_read_or_one_error(tmp_path: Path, data: st.DataObject) -> None:
    manifest = tmp_path / "m.manifest.json"
    content = {"kind": "model", "files": {"a": {"bytes": 3, "sha256": "0"}}, "depth": 3, "texts": [1, 2, "ä"]}
    content[DIGEST] = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    manifest.write_bytes(data.draw(damaged(json.dumps(content).encode())))
    found = outcome(lambda: read_manifest(manifest, "model"), str(manifest))
    assert found is None or {**found, DIGEST: content[DIGEST]} == content


# Checkpoints ---------------------------------------------------------------------------------------------------------


@given(data=st.data())
def test_a_checkpoint_of_any_bytes_is_described_or_one_error(llama: Path, tmp_path: Path, data: st.DataObject) -> None:
    folder = tmp_path / "m"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(llama, folder)
    file = data.draw(st.sampled_from(sorted(folder.iterdir())))
    if file.suffix == ".json" and data.draw(st.booleans()):
        tree = data.draw(mutated(json.loads(file.read_text())))
        file.write_text(json.dumps(tree), encoding="utf-8")
    else:
        file.write_bytes(data.draw(damaged(file.read_bytes())))
    weights = outcome(lambda: check_checkpoint(folder), str(folder))
    facts = outcome(lambda: describe_config(folder), str(folder))
    assert weights is None or weights.numbers > 0
    assert facts is None or facts["depth"] >= 1


@given(tree=VALUES)
def test_no_order_is_left_at_any_depth(tree: Any) -> None:
    hidden = {"a": [tree, {"auto_map": tree, "b": {"transformers_weights": tree}}], "use_kernels": tree}
    clean, found = without_orders(hidden)
    assert found >= {"auto_map", "transformers_weights", "use_kernels"}
    assert without_orders(clean) == (clean, set()) or clean != clean
