"""Settings of a job as one line of JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel


def as_json(content: BaseModel | Mapping[str, Any]) -> str:
    """One line of JSON with sorted keys. `<` is written as an escape: the report holds settings inside of a script."""
    plain = content.model_dump(mode="json") if isinstance(content, BaseModel) else content
    return json.dumps(plain, sort_keys=True, ensure_ascii=False).replace("<", r"\u003c")
