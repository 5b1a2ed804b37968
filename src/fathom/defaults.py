"""Write config/config.yaml (all defaults, with what they mean) and config/schema.json (for editors) from the settings."""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from fathom.config import Config

HEAD = """\
# yaml-language-server: $schema=schema.json
#
# The default run, every setting written out. Generated from the settings classes by `make config`: to change a run,
# write a file of your own and give it to Snakemake with --configfile. A section that it leaves out keeps its default,
# a section that it writes replaces this one whole. README.md in this folder explains every option.
"""
WIDTH = 118


def schema_json() -> str:
    """JSON schema of the config."""
    return json.dumps(Config.model_json_schema(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def default_yaml() -> str:
    """The default config as commented YAML."""
    config = Config()
    # What the config derives from other sections is written out too, so that a reader sees what will run.
    shown = config.model_copy(update={"probes": config.experiments, "figures": config.all_figures})
    return HEAD + "\n" + "\n".join(_lines(shown, indent=0)) + "\n"


def _lines(settings: BaseModel, indent: int) -> Iterator[str]:
    margin = " " * indent
    fields = type(settings).model_fields
    # What decides which other keys there are comes first.
    for name in sorted(fields, key=lambda name: name not in {"source", "kind"}):
        field = fields[name]
        value = getattr(settings, name)
        if indent == 0:
            yield ""
        if field.description and indent <= 2:  # noqa: PLR2004 - deeper entries repeat: models, corpora, figures
            yield from textwrap.wrap(field.description, WIDTH, initial_indent=f"{margin}# ", subsequent_indent=f"{margin}# ")
        yield from _entry(name, value, indent)


def _entry(name: str, value: Any, indent: int) -> Iterator[str]:
    margin = " " * indent
    if isinstance(value, BaseModel):
        yield f"{margin}{name}:"
        yield from _lines(value, indent + 2)
    elif isinstance(value, Mapping) and value:
        yield f"{margin}{name}:"
        for key, entry in value.items():
            yield from _entry(str(key), entry, indent + 2)
    else:
        plain = list(value) if isinstance(value, tuple) else value
        text = yaml.safe_dump(plain, default_flow_style=True, allow_unicode=True, width=10_000).removesuffix("...\n")
        yield f"{margin}{name}: {text.strip()}"


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    (folder / "config.yaml").write_text(default_yaml(), encoding="utf-8")
    (folder / "schema.json").write_text(schema_json(), encoding="utf-8")
