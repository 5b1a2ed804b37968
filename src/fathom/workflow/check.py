"""`python -m fathom.workflow.check FILE ...`: is this config fine? It is read as data; nothing in it runs."""

from __future__ import annotations

import sys

from fathom.runtime.errors import FathomError
from fathom.workflow.load import load_config
from fathom.workflow.strict_yaml import read_config_files


def main(files: list[str]) -> int:
    """Check the files as one config; returns the exit status."""
    if not files:
        print("usage: python -m fathom.workflow.check FILE ...", file=sys.stderr)
        return 2
    try:
        config = load_config(read_config_files(files), files)
    except FathomError as error:
        print(f"fathom: error: {error}", file=sys.stderr)
        return 1
    print(f"{', '.join(files)}: fine, {len(config.all_models)} models, {len(config.corpora)} corpora")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
