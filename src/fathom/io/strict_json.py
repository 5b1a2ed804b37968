"""JSON of others, read strictly: of bounded size and depth, no key twice, no number that JSON does not have."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

LARGEST = 256 << 20  # bytes; the largest tokenizers and the manifests of the largest runs stay far below


def read_json(path: Path, *, largest: int = LARGEST) -> Any:
    """Content of a JSON file.

    Errors: OSError if it cannot be opened; ValueError that says in a few words what is wrong with it.
    """
    with path.open("rb") as stream:
        content = stream.read(largest + 1)
    if len(content) > largest:
        msg = f"larger than {largest:,} bytes"
        raise ValueError(msg)
    return parse_json(content)


def parse_json(content: bytes) -> Any:
    """Content of JSON in UTF-8. Errors: ValueError that says in a few words what is wrong with it."""
    try:
        return json.loads(
            content.decode("utf-8"),
            object_pairs_hook=_each_key_once,
            parse_constant=_refuse_constant,
            parse_float=_finite,
        )
    except RecursionError:
        msg = "nested too deeply"
        raise ValueError(msg) from None


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        ((twice, _),) = Counter(key for key, _ in pairs).most_common(1)
        msg = f"the key {twice[:100]!r} stands there twice"
        raise ValueError(msg)
    return content


def _refuse_constant(constant: str) -> float:
    msg = f"{constant} is no number of JSON"
    raise ValueError(msg)


def _finite(number: str) -> float:
    value = float(number)
    if not math.isfinite(value):
        msg = f"the number {number[:40]} is too large"
        raise ValueError(msg)
    return value
