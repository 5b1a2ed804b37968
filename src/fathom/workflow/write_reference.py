"""Write what follows from the settings classes: config.yaml with all defaults, schema.json and the table of options."""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from fathom.activations.settings import ActivationsSettings, CorpusActivations
from fathom.corpora.settings import (
    AnalogiesCorpus,
    BibleCorpus,
    DocumentsCorpus,
    EarlyContextCorpus,
    FileCorpus,
    HubCorpus,
    ItemsCorpus,
    RandomnessCorpus,
    RandomTokensCorpus,
    RelationsCorpus,
    RepetitionCorpus,
    ViewsCorpus,
)
from fathom.figures.settings import (
    BimodalityFigure,
    BlockSitesFigure,
    ComparisonFigure,
    CoordinationFigure,
    EarlyContextFigure,
    MatrixFigure,
    MetricFigure,
    PowerLawFigure,
    ProbesFigure,
    PropertiesFigure,
    SinksFigure,
    SitesFigure,
    SpansFigure,
    SummaryFigure,
    SweepFigure,
)
from fathom.metrics.settings import METRICS, MetricsSettings
from fathom.models.settings import HubModel, PathModel, RandomModel, WheelModel
from fathom.probes.settings import CoordinationSettings, ExperimentSettings
from fathom.schema import Uncertainty
from fathom.workflow.config import Config

HEAD = """\
# yaml-language-server: $schema=schema.json
#
# The default run, every setting written out. Generated from the settings classes by `make config`: to change a run,
# write a file of your own and give it to Snakemake with --configfile. A section that it leaves out keeps its default,
# a section that it writes replaces this one whole. README.md in this folder explains every option.
"""
WIDTH = 118
MARK = "<!-- what follows is written by `make config` -->\n"


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
    """Every option, section by section, as Markdown tables."""
    sections: list[tuple[str, type[BaseModel]]] = [("## Every option", Config)]
    sections += [(f"### `{name}`", kind) for name, kind in _SECTIONS]
    sections += [(f"### An entry of `{name}` with `{tag}`", kind) for name, tag, kind in _ENTRIES]
    return "\n".join([*(_table(title, kind) for title, kind in sections), _metrics_table()])


def _metrics_table() -> str:
    """What the registry says of every metric."""
    rows = ["", "## Every metric", "", "| metric | symbol | unit | lowest | highest | a lower value | reads | after |"]
    rows.append("|---|---|---|---|---|---|---|---|")
    for metric in METRICS.values():
        reads = f"{metric.site if metric.site != 'all' else 'all sites'}, {metric.position}"
        after = metric.reference + ("; also `as_published`" if metric.published else "")
        words = (metric.symbol, metric.unit, metric.low, metric.high, metric.direction.removeprefix("lower: "))
        rows.append(f"| `{metric.name}` | {' | '.join(words)} | {reads} | {after} |")
    return "\n".join(rows) + "\n"


_SECTIONS: tuple[tuple[str, type[BaseModel]], ...] = (
    ("activations", ActivationsSettings),
    ("activations.corpora: a corpus", CorpusActivations),
    ("metrics", MetricsSettings),
    *((f"metrics.{name}", kind) for name, kind in METRICS.items()),
    ("uncertainty", Uncertainty),
    ("probes: an experiment", ExperimentSettings),
    ("probes: an experiment's coordination", CoordinationSettings),
)
_ENTRIES: tuple[tuple[str, str, type[BaseModel]], ...] = (
    ("models", "source: wheel", WheelModel),
    ("models", "source: hub", HubModel),
    ("models", "source: path", PathModel),
    ("models", "source: random", RandomModel),
    ("corpora", "kind: bible", BibleCorpus),
    ("corpora", "kind: random-tokens", RandomTokensCorpus),
    ("corpora", "kind: items", ItemsCorpus),
    ("corpora", "kind: relations", RelationsCorpus),
    ("corpora", "kind: analogies", AnalogiesCorpus),
    ("corpora", "kind: documents", DocumentsCorpus),
    ("corpora", "kind: early-context", EarlyContextCorpus),
    ("corpora", "kind: file", FileCorpus),
    ("corpora", "kind: hub", HubCorpus),
    ("corpora", "kind: views", ViewsCorpus),
    ("corpora", "kind: repetition", RepetitionCorpus),
    ("corpora", "kind: randomness", RandomnessCorpus),
    ("figures", "kind: metric", MetricFigure),
    ("figures", "kind: comparison", ComparisonFigure),
    ("figures", "kind: sweep", SweepFigure),
    ("figures", "kind: matrix", MatrixFigure),
    ("figures", "kind: sinks", SinksFigure),
    ("figures", "kind: block-sites", BlockSitesFigure),
    ("figures", "kind: bimodality", BimodalityFigure),
    ("figures", "kind: power-law", PowerLawFigure),
    ("figures", "kind: probes", ProbesFigure),
    ("figures", "kind: properties", PropertiesFigure),
    ("figures", "kind: spans", SpansFigure),
    ("figures", "kind: sites", SitesFigure),
    ("figures", "kind: early-context", EarlyContextFigure),
    ("figures", "kind: coordination", CoordinationFigure),
    ("figures", "kind: probe-summary", SummaryFigure),
)


def _table(title: str, kind: type[BaseModel]) -> str:
    about = " ".join((kind.__doc__ or "").split())
    rows = ["", title, "", about, "", "| option | default | meaning |", "|---|---|---|"]
    for name, field in kind.model_fields.items():
        if name in {"source", "kind"}:
            continue
        meaning = " ".join((field.description or "").split()).replace("|", "\\|")
        rows.append(f"| `{name}` | {_default(field)} | {meaning} |")
    return "\n".join(rows) + "\n"


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
    folder = Path(sys.argv[1])
    (folder / "config.yaml").write_text(default_yaml(), encoding="utf-8")
    (folder / "schema.json").write_text(schema_json(), encoding="utf-8")
    readme = folder / "README.md"
    by_hand = readme.read_text(encoding="utf-8").split(MARK)[0]
    readme.write_text(by_hand + MARK + options_markdown(), encoding="utf-8")
