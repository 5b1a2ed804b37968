"""The settings of one job of the metrics stage."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from fathom.schema import Name, Seed, Settings, each_once


def _listed(value: Any) -> Any:
    """One preparation may be written without brackets."""
    return (value,) if isinstance(value, str) else value


Prepared = Literal["none", "rows", "centred"]
Form = Literal["none", "rows", "centred", "as_published"]
Preparations = Annotated[tuple[Prepared, ...], BeforeValidator(_listed), Field(min_length=1), AfterValidator(each_once)]
Forms = Annotated[tuple[Form, ...], BeforeValidator(_listed), Field(min_length=1), AfterValidator(each_once)]
Normalisation = Literal["raw", "logN", "logD", "max"]
Position = Literal["tokens", "mean"]
Shape = Literal["text", "corpus", "views", "layers", "sinks"]
"""What one value of a metric is of: a text's tokens, all texts of a corpus, the views of all texts, a pair of layers,
or (`sinks`) a single token."""


class Measured(Settings):
    """One metric of a job, and how it is measured. The plan writes everything: a job knows no metric by its name."""

    name: Name
    """The metric; its table is called so."""
    module: str
    """Module of its functions."""
    table_module: str
    """Module that makes its tables, by the function `make_tables`."""
    of: Shape
    """What one value is of."""
    site: str
    """Site of the states that it reads, or `all`."""
    position: Position
    """Position of the states that it reads."""
    views: int | None
    """Views of a text that its function compares, each an array of its own; all of them, in one array, if None."""
    distinct: bool
    """Whether texts that repeat another are left out."""
    minimum_rows: int
    """Fewest rows for which it has a meaning."""
    function: str
    """Function of prepared states."""
    spectrum: bool
    """Whether the function reads the spectrum of the states instead of the states."""
    by_scale: bool
    """Whether the function measures at several scales, and brings the error of each."""
    arguments: dict[str, Any]
    """Arguments of the function."""
    chance: str | None
    """Function of the texts' labels that gives the value by chance."""
    published: str | None
    """Function of raw states in the form of the public code."""
    published_arguments: bool
    """Whether that function takes the arguments too."""
    attention: str | None
    """Function of the attention maps of a text."""
    together_with: str | None
    """Metric of tokens whose values its table holds too."""
    forms: tuple[Form, ...]
    """Preparations of the states."""
    normalisation: Normalisation
    """What the values are divided by."""
    samples: int
    """Half samples behind the intervals."""
    label: Name | None
    """Label of the texts that it reads."""


class ModesJob(Settings):
    """The settings of one job that tests whether the values of texts have two modes at some layer."""

    model: Name
    corpus: Name
    metric: Name
    """Metric of texts whose table is read."""
    samples: int
    """Uniform samples of the dip."""
    level: float
    """The critical dip is this quantile of theirs."""
    seed: Seed


class JudgedTable(Settings):
    """A table that a claim is judged on."""

    model: Name
    corpus: Name
    content: str
    """Metric, or what is tested of one: `prompt_entropy.modes`."""


class ClaimJob(Settings):
    """The settings of one job that judges what a paper claims of metrics, on the tables of several models."""

    claim: str
    """Name of the test."""
    figure: Name
    """The figure that asks for it; the table is named after it."""
    tables: tuple[JudgedTable, ...] = ()
    """In the order of the inputs; models in the order that the claim speaks of."""
    spectra: dict[str, Any] = Field(default_factory=dict)
    """Arguments of `power_law_entropies`, where the claim is on that formula and reads no table."""
    samples: int
    """Bootstrap samples."""
    level: float
    """Coverage of the intervals."""
    seed: Seed


class MetricJob(Settings):
    """The settings of one job of the metrics stage."""

    model: Name
    corpus: Name
    measured: Annotated[tuple[Measured, ...], Field(min_length=1)]
    bootstrap: int
    """Bootstrap samples behind the intervals of metrics of texts."""
    level: float
    """Coverage of the intervals."""
    seed: Seed
    """Seed of the bootstrap and of the half samples."""
