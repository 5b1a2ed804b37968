"""`python -m fathom.check FILE ...`: is this config fine? It is read as data; nothing in it runs."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fathom.config import load_config
from fathom.config_files import read_config_file
from fathom.errors import FathomError


def merged(files: list[str]) -> dict[str, Any]:
    """The config that Snakemake makes of several files: later ones go over earlier ones, key by key."""
    config: dict[str, Any] = {}
    for file in files:
        content = read_config_file(Path(file))
        if not isinstance(content, dict):
            msg = f"config: {file}: expected keys at top level"
            raise FathomError(msg)
        _put_over(config, content)
    return config


def _put_over(config: dict[str, Any], content: Mapping[str, Any]) -> None:
    for key, value in content.items():
        if isinstance(value, Mapping):
            if not isinstance(config.get(key), dict):
                config[key] = {}
            _put_over(config[key], value)
        else:
            config[key] = value


def main(files: list[str]) -> int:
    """Check the files as one config; returns the exit status."""
    if not files:
        print("usage: python -m fathom.check FILE ...", file=sys.stderr)
        return 2
    try:
        config = load_config(merged(files), files)
    except FathomError as error:
        print(f"fathom: error: {error}", file=sys.stderr)
        return 1
    print(f"{', '.join(files)}: fine, {len(config.all_models)} models, {len(config.corpora)} corpora")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
