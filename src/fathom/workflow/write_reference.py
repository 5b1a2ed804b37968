"""Write what follows from the settings classes: config.yaml with all defaults, schema.json and docs/options.md."""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from fathom.metrics.settings import METRICS
from fathom.workflow.config import Config

HEAD = """\
# yaml-language-server: $schema=schema.json
#
# The default run, every setting written out. Generated from the settings classes by `make config`: to change a run,
# write a file of your own and give it to Snakemake with --configfile. A section that it leaves out keeps its default,
# a section that it writes replaces this one whole. README.md in this folder has examples, docs/options.md every option.
"""
WIDTH = 118
OPTIONS_HEAD = """\
# Every option

Generated from the settings classes by `make config`. [config/README.md](../config/README.md) says how a config is read
and has examples; [config/config.yaml](../config/config.yaml) is the default run with every default written out.
"""


def schema_json() -> str:
    """JSON schema of the config."""
    return json.dumps(Config.model_json_schema(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def default_yaml() -> str:
    """The default config as commented YAML."""
    config = Config()
    # What the config derives from other sections is written out too, so that a reader sees what will run.
    shown = config.model_copy(update={"probes": config.experiments, "figures": config.all_figures})
    return HEAD + "\n" + "\n".join(_lines(shown, indent=0)) + "\n"


def options_markdown() -> str:
    """Every option of every section and kind, and every metric, as Markdown tables."""
    sections = (_section(name, field) for name, field in Config.model_fields.items())
    return "\n".join([OPTIONS_HEAD, _table("## Sections", Config), *chain.from_iterable(sections), _metrics_table()])


def _section(name: str, field: FieldInfo) -> Iterator[str]:
    """The tables of one section: its kinds where it has several, then the groups of options inside them."""
    kinds = _classes_in(field.annotation)
    if len(kinds) > 1:
        yield _list_of_kinds(name, field, kinds)
        for kind in kinds:
            key, tag = _tag(kind)
            yield _table(f"### `{name}`, `{key}: {tag}`", kind)
    elif kinds:
        entries = ": an entry" if get_origin(_without_none(field.annotation)) is dict else ""
        yield _table(f"## `{name}`{entries}", kinds[0])
    inside: dict[type[BaseModel], list[str]] = {}
    for kind in kinds:
        for option, held in kind.model_fields.items():
            for group in _classes_in(held.annotation):
                names = inside.setdefault(group, [])
                names.extend([option] if option not in names else [])
    for group, options in inside.items():
        yield _table(f"### `{name}`: {', '.join(f'`{option}`' for option in options)}", group)


def _classes_in(annotation: Any) -> list[type[BaseModel]]:
    """Settings classes that an annotation names, through unions, dictionaries and annotations."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    arguments = get_args(annotation)[:1] if get_origin(annotation) is Annotated else get_args(annotation)
    return list(dict.fromkeys(kind for argument in arguments for kind in _classes_in(argument)))


def _without_none(annotation: Any) -> Any:
    """What an optional annotation holds if it is not None."""
    found = [argument for argument in get_args(annotation) if argument is not type(None)]
    return found[0] if len(found) == 1 else annotation


def _tag(kind: type[BaseModel]) -> tuple[str, str]:
    """The key and the word by which an entry says of which kind it is."""
    key = "source" if "source" in kind.model_fields else "kind"
    return key, get_args(kind.model_fields[key].annotation)[0]


def _list_of_kinds(name: str, field: FieldInfo, kinds: list[type[BaseModel]]) -> str:
    key, _ = _tag(kinds[0])
    rows = ["", f"## `{name}`: an entry", "", f"{field.description}", "", f"| `{key}` | what it is |", "|---|---|"]
    for kind in kinds:
        _, tag = _tag(kind)
        # GitHub's anchor of the heading of the kind's own table.
        rows.append(f"| [`{tag}`](#{name}-{key}-{tag}) | {_about(kind)} |")
    return "\n".join(rows) + "\n"


def _about(kind: type[BaseModel]) -> str:
    return " ".join((kind.__doc__ or "").split())


def _table(title: str, kind: type[BaseModel]) -> str:
    rows = ["", title, "", _about(kind), "", "| option | default | meaning |", "|---|---|---|"]
    for name, field in kind.model_fields.items():
        if name in {"source", "kind"}:
            continue
        meaning = " ".join((field.description or "").split()).replace("|", "\\|")
        rows.append(f"| `{name}` | {_default(field)} | {meaning} |")
    return "\n".join(rows) + "\n"


def _metrics_table() -> str:
    """What the settings class of every metric says of it."""
    rows = ["", "## Every metric", "", f"| {' | '.join(_METRIC_COLUMNS)} |", "|---" * len(_METRIC_COLUMNS) + "|"]
    for name, metric in METRICS.items():
        sites = "all sites" if metric.site == "all" else metric.site
        words = (metric.title, metric.symbol, metric.unit, metric.low, metric.high)
        lower = metric.direction.removeprefix("lower: ")
        reference = metric.reference + ("; also `as_published`" if metric.published else "")
        rows.append(f"| `{name}` | {' | '.join(words)} | {lower} | {sites}, {metric.position} | {reference} |")
    return "\n".join(rows) + "\n"


_METRIC_COLUMNS = ("metric", "title", "symbol", "unit", "lowest", "highest", "a lower value", "reads", "reference")


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if field.default_factory is not None:
        return "see `config.yaml`"
    return "see its own table" if isinstance(field.default, BaseModel) else f"`{_flow(field.default)}`"


def _flow(value: Any) -> str:
    """A value as YAML on one line."""
    plain = list(value) if isinstance(value, tuple) else value
    text = yaml.safe_dump(plain, default_flow_style=True, allow_unicode=True, width=10_000)
    return text.removesuffix("...\n").strip()


def _lines(settings: BaseModel, indent: int) -> Iterator[str]:
    margin = " " * indent
    fields = type(settings).model_fields
    # What decides which other keys there are comes first.
    for name in sorted(fields, key=lambda name: name not in {"source", "kind"}):
        field = fields[name]
        value = getattr(settings, name)
        if indent == 0:
            yield ""
        if field.description and indent <= 2:
            yield from textwrap.wrap(
                field.description, WIDTH, initial_indent=f"{margin}# ", subsequent_indent=f"{margin}# "
            )
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
        yield f"{margin}{name}: {_flow(value)}"


if __name__ == "__main__":
    root = Path(sys.argv[1])
    (root / "config" / "config.yaml").write_text(default_yaml(), encoding="utf-8")
    (root / "config" / "schema.json").write_text(schema_json(), encoding="utf-8")
    (root / "docs" / "options.md").write_text(options_markdown(), encoding="utf-8")
