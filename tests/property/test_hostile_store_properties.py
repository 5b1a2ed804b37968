"""Whatever stands in a store or its manifest: what was written, or one clear error; nothing else.

The number of cases is that of the hypothesis profile (tests/conftest.py). Nothing here knows which files a store has.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.hostile import damaged, mutated, outcome
from tests.unit.test_store import make_shape, random_states, read_everything, write

from fathom.io.manifests import DIGEST
from fathom.store.layout import KIND
from fathom.store.reader import Store


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Manifest of a small store; tests copy it."""
    lengths = [40, 10, 30]
    shape = make_shape(lengths, width=8, layers=2)
    spans = {"item": [(0, 1), (2, 3), (4, 5)]}
    folder = tmp_path_factory.mktemp("whole")
    return write(folder, "s", shape, random_states(shape), lengths, spans=spans)


def everything(manifest: Path) -> list[np.ndarray[Any, Any]]:
    """All that readers take from a store."""
    return [*read_everything(manifest), Store(manifest).span_tokens("item")]


def same(found: list[np.ndarray[Any, Any]], expected: list[np.ndarray[Any, Any]]) -> bool:
    return len(found) == len(expected) and all(
        one.shape == other.shape and one.tobytes() == other.tobytes()
        for one, other in zip(found, expected, strict=True)
    )


def copied(manifest: Path, folder: Path) -> Path:
    """A copy of a store, whatever files it is made of."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(manifest.parent, folder)
    return folder / manifest.name


@given(data=st.data())
def test_a_store_with_damaged_bytes_reads_the_same_or_is_one_error(
    whole: Path, tmp_path: Path, data: st.DataObject
) -> None:
    manifest = copied(whole, tmp_path / "store")
    files = sorted(path for path in manifest.parent.rglob("*") if path.is_file())
    file = data.draw(st.sampled_from(files))
    file.write_bytes(data.draw(damaged(file.read_bytes())))
    found = outcome(lambda: everything(manifest), str(manifest.parent))
    assert found is None or same(found, everything(whole))


@given(data=st.data())
def test_a_manifest_that_somebody_signed_anew_reads_nothing_from_elsewhere(
    whole: Path, tmp_path: Path, data: st.DataObject
) -> None:
    manifest = copied(whole, tmp_path / "store")
    content = data.draw(mutated({**json.loads(manifest.read_text()), "kind": KIND}))
    if isinstance(content, dict):
        content.pop(DIGEST, None)
        text = json.dumps(content, sort_keys=True)
        content = {**content, DIGEST: hashlib.sha256(text.encode()).hexdigest()}
    manifest.write_text(json.dumps(content), encoding="utf-8")
    found = outcome(lambda: everything(manifest), str(manifest.parent))
    # A forged manifest may name fewer positions or texts; what is read is of this store.
    known = {array.tobytes() for array in everything(whole)}
    assert found is None or all(array.size == 0 or any(array.tobytes() in one for one in known) for array in found)
