"""How many weights a checkpoint has, from the headers of its files."""

from __future__ import annotations

import math
from pathlib import Path

from safetensors import SafetensorError, safe_open

from fathom.errors import FathomError, first_line


def count_parameters(folder: Path) -> int:
    """Numbers in all safetensors files of a folder; no weight is read.

    Errors: FathomError if a file is not one.
    """
    count = 0
    for path in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(path, framework="numpy") as weights:
                count += sum(math.prod(weights.get_slice(name).get_shape()) for name in weights.keys())  # noqa: SIM118
        except (SafetensorError, OSError) as error:
            msg = f"{path}: not a safetensors file ({first_line(error)})"
            raise FathomError(msg) from error
    return count
