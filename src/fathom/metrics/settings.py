"""Which metrics are measured, on which corpora, and on which preparation of the states."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from fathom.settings import NOT_EXPECTED, Name, Settings


def _listed(value: Any) -> Any:
    """One preparation may be written without brackets."""
    return (value,) if isinstance(value, str) else value


def _once(forms: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(forms)) != len(forms):
        raise PydanticCustomError(NOT_EXPECTED, "expected every preparation once")
    return forms


Prepared = Literal["none", "rows", "centred"]
Form = Literal["none", "rows", "centred", "as_published"]
Preparations = Annotated[tuple[Prepared, ...], BeforeValidator(_listed), Field(min_length=1), AfterValidator(_once)]
Forms = Annotated[tuple[Form, ...], BeforeValidator(_listed), Field(min_length=1), AfterValidator(_once)]
Normalisation = Literal["raw", "logN", "logD", "max"]


class MetricSettings(Settings):
    """Settings of a metric that has one form only."""

    preparation: Preparations = ("centred",)
    """What is done to the states first, one or several: `none` (the papers' formulas), `rows` (unit rows), `centred`
    (centre, then unit rows, as the papers' public code does)."""


class PublishedMetricSettings(Settings):
    """Settings of a metric whose public code differs from the paper's formula."""

    PUBLISHED: ClassVar[dict[str, object]] = {}
    """What the public code's form holds fixed."""

    preparation: Forms = ("centred",)
    """What is done to the states first, one or several: `none` (the papers' formulas), `rows` (unit rows), `centred`
    (centre, then unit rows), `as_published` (the public code's own preparation, and its form of the metric)."""

    @model_validator(mode="after")
    def _publish_what_exists(self) -> PublishedMetricSettings:
        for name, fixed in self.PUBLISHED.items():
            found = getattr(self, name)
            if "as_published" in self.preparation and found != fixed:
                facts = {"name": name, "fixed": str(fixed), "found": str(found)}
                expected = "as_published: expected {name} = {fixed}, the only one in the public code; found {found}"
                raise PydanticCustomError(NOT_EXPECTED, expected, facts)
        return self


class EntropySettings(PublishedMetricSettings):
    """Settings of a matrix-based entropy."""

    PUBLISHED: ClassVar[dict[str, object]] = {"alpha": 1.0}

    alpha: Annotated[float, Field(gt=0.0)] = 1.0
    """Order of the entropy; 1 is the von Neumann entropy, which both papers use (and their code's only right one)."""
    normalisation: Normalisation = "max"
    """Divide by log rows, log width, or the smaller of both (`max`), so that texts of different length compare."""


class CurvatureSettings(PublishedMetricSettings):
    """Settings of the curvature."""

    PUBLISHED: ClassVar[dict[str, object]] = {"k": 1}

    k: Annotated[int, Field(ge=1)] = 1
    """Tokens that a step spans; 1 in the papers."""


class CorpusMetricSettings(MetricSettings):
    """Settings of a metric of all texts of a corpus."""

    samples: Annotated[int, Field(ge=100)] = 200
    """Half samples of the texts behind its interval. With 200 the ends err by about 5 % of the width."""


class CorpusEntropySettings(EntropySettings):
    """Settings of an entropy over the texts of a corpus."""

    samples: Annotated[int, Field(ge=100)] = 200
    """Half samples of the texts behind its interval. With 200 the ends err by about 5 % of the width."""


class IntrinsicDimensionSettings(MetricSettings):
    """Settings of the intrinsic dimension (TwoNN). Its own standard error makes the interval."""

    fractions: Annotated[tuple[Annotated[float, Field(gt=0.0, le=1.0)], ...], Field(min_length=1)] = (1.0, 0.5, 0.25)
    """Shares of the texts, drawn at random: a dimension that holds at several scales is one; noise grows with them."""
    draws: Annotated[int, Field(ge=1)] = 10
    """Draws at each share below 1, which are averaged."""


class ViewsSettings(PublishedMetricSettings):
    """Settings of a metric of how much of a text survives in its views."""

    samples: Annotated[int, Field(ge=100)] = 100
    """Half samples of the texts behind its interval. With 100 the ends err by about 7 % of the width."""


class InfonceSettings(ViewsSettings):
    """Settings of InfoNCE, between the first two views."""

    PUBLISHED: ClassVar[dict[str, object]] = {"temperature": 0.1, "both": False}

    temperature: Annotated[float, Field(gt=0.0)] = 0.1
    """Temperature of the softmax; the papers state none, their code uses 0.1."""
    both: bool = False
    """Both directions, averaged. The papers' code takes one, from the first view to the second."""


class DimeSettings(ViewsSettings):
    """Settings of DiME, between the first two views."""

    alpha: Annotated[float, Field(gt=0.0)] = 1.0
    """Order of the entropy."""
    permutations: Annotated[int, Field(ge=2)] = 10
    """Random pairings that the true one is compared with; 10 in the papers' code. Their error is in the table."""


class LidarSettings(ViewsSettings):
    """Settings of LiDAR, over all views."""

    PUBLISHED: ClassVar[dict[str, object]] = {"ridge": 1e-4}

    ridge: Annotated[float, Field(gt=0.0)] = 1e-4
    """Added to the scatter within texts, in squared units of the states: 1e-4, as in the papers' code, is for unit
    rows."""
    normalisation: Literal["raw", "max"] = "max"
    """Divide the entropy by the smaller of log texts and log width (`max`), or not."""


class OverlapSettings(CorpusMetricSettings):
    """Settings of the neighbourhood overlap between layers."""

    k: Annotated[int, Field(ge=1)] = 5
    """Nearest neighbours that are compared. Few, because a default corpus has only some dozens of texts."""


class LabelOverlapSettings(OverlapSettings):
    """Settings of the neighbourhood overlap with labels."""

    label: Name = "testament"
    """Label of the texts; measured on the corpora that carry it."""


class SinksSettings(Settings):
    """Settings of the profile of token norms and sinks."""

    looking: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.3
    """A head looks at a token where the mean attention that it gives to it exceeds this: 0.3 after Gu et al.
    (arXiv 2410.10781)."""
    positions: Annotated[int, Field(ge=1)] = 64
    """Token positions of the profile, from the start of the texts; it is kept in memory for all texts. Sinks are found
    at every position."""


class MetricsSettings(Settings):
    """Metrics by name; null leaves one out."""

    corpora: Annotated[tuple[Name, ...], Field(min_length=1)] | None = None
    """Corpora to measure; all without marked spans if left out."""
    only: Annotated[tuple[Name, ...], Field(min_length=1)] | None = None
    """Metrics to measure; all that are not null if left out."""
    sink_multiple: Annotated[float, Field(ge=1.0)] = 20.0
    """A token is a sink where its norm exceeds so many times the median norm of its text at some layer. In the 80 Bible
    texts of the default run SmolLM2's first token reaches 142 to 192 times; 77 of them have no other above 20."""
    prompt_entropy: EntropySettings | None = EntropySettings()
    """Entropy over the tokens of a text."""
    curvature: CurvatureSettings | None = CurvatureSettings()
    """Mean angle between steps from token to token."""
    effective_rank: MetricSettings | None = MetricSettings()
    """Dimensions that the tokens of a text span."""
    sinks: SinksSettings | None = SinksSettings()
    """Norms and attention by token position, and what is left of the prompt entropy without each sink token; measured
    together with the prompt entropy only."""
    dataset_entropy: CorpusEntropySettings | None = CorpusEntropySettings()
    """Entropy over the mean states of the texts of a corpus."""
    intrinsic_dimension: IntrinsicDimensionSettings | None = IntrinsicDimensionSettings()
    """Dimension of the cloud of texts, at several scales."""
    label_overlap: LabelOverlapSettings | None = LabelOverlapSettings()
    """Share of the nearest texts that bear the same label."""
    infonce: InfonceSettings | None = InfonceSettings()
    """How well a text is found again among the others by another view of it."""
    dime: DimeSettings | None = DimeSettings()
    """What true pairs of views share beyond chance pairs."""
    lidar: LidarSettings | None = LidarSettings()
    """Directions that tell texts apart, beside those in which views of one text differ."""
    linear_cka: CorpusMetricSettings | None = CorpusMetricSettings()
    """How alike the texts' geometry is at each pair of layers."""
    neighbourhood_overlap: OverlapSettings | None = OverlapSettings()
    """How many nearest texts are the same at each pair of layers."""


class Measured(Settings):
    """One metric of a job, and how it is measured."""

    metric: Name
    forms: tuple[Form, ...] = ()
    normalisation: Normalisation = "raw"
    arguments: dict[str, Any] = Field(default_factory=dict)
    """Arguments of the metric's function."""
    samples: int = 0
    label: Name | None = None


class MetricJob(Settings):
    """What one job of the metrics stage is told."""

    model: Name
    corpus: Name
    measured: Annotated[tuple[Measured, ...], Field(min_length=1)]
    sink_multiple: float
    looking: float = SinksSettings().looking
    positions: int = SinksSettings().positions
    level: float
    seed: int
