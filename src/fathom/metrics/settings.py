"""Which metrics are measured, on which corpora, and on which preparation of the states."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from fathom.metrics.job import Forms, Normalisation, Preparations
from fathom.schema import NOT_EXPECTED, Name, Settings


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


Position = Literal["tokens", "mean"]
Shape = Literal["text", "corpus", "views", "layers", "sinks"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Metric:
    """One metric: its wording for figures, reports and documentation, and how to run it."""

    name: str
    """Name in the config and in file names."""
    title: str
    """Name in a figure's title or a table."""
    symbol: str
    """Symbol in a formula or beside an axis."""
    unit: str
    """Unit of the value as computed."""
    low: str
    """Lowest value, and what it means."""
    high: str
    """Highest value, and what it means."""
    direction: str
    """What a lower value says."""
    reference: str
    """Where the definition is from."""
    site: str = "residual"
    """Site of the states that it reads: one name, or `all` for every site that is stored."""
    position: Position
    """Position of the states that it reads."""
    of: Shape
    """What one value is of: a text's tokens, all texts of a corpus, the views of all texts, a pair of layers, or (for
    `sinks`) a single token."""
    module: str
    """Module of the function. The job is re-run when this module, or one that it imports, changes."""
    function: str
    """Name of the function: prepared states in, one number out (or several, where its module says so)."""
    spectrum: bool = False
    """Whether the function reads the spectrum of the states (eigenvalues that sum to 1) instead of the states."""
    chance: str | None = None
    """Name of the function of the texts' labels that gives the value by chance, in the same module."""
    published: str | None = None
    """Name of the function in `fathom.metrics.as_published`, where the public code has a form of its own."""
    published_arguments: bool = False
    """Whether that function takes the metric's arguments."""
    minimum_rows: int
    """Fewest rows for which the metric has a meaning."""

    @property
    def range(self) -> str:
        """From the lowest value to the highest, and what both mean."""
        return f"from {self.low} to {self.high}"


_SKEAN_2025 = "Skean et al. 2025, arXiv:2502.02013"
_METRICS = (
    Metric(
        name="prompt_entropy",
        title="Prompt entropy",
        symbol="S₁",
        unit="nats",
        low="0 (all tokens of a text in one direction)",
        high="log min(tokens, width) (all directions used alike)",
        direction="lower: the tokens of a text are compressed into fewer directions",
        reference=f"{_SKEAN_2025}, Eq. 1",
        position="tokens",
        of="text",
        module="fathom.metrics.entropy",
        function="renyi_entropy",
        spectrum=True,
        published="prompt_entropy",
        minimum_rows=2,
    ),
    Metric(
        name="curvature",
        title="Curvature",
        symbol="C",
        unit="rad",
        low="0 (tokens on a straight line)",
        high="π (the path turns back at every token)",
        direction="lower: the path from token to token is straighter",
        reference=f"{_SKEAN_2025}, after Hosseini and Fedorenko 2023, arXiv:2311.04930",
        position="tokens",
        of="text",
        module="fathom.metrics.geometry",
        function="curvature",
        published="curvature",
        minimum_rows=3,
    ),
    Metric(
        name="effective_rank",
        title="Effective rank",
        symbol="erank",
        unit="dimensions",
        low="1 (all tokens of a text in one direction)",
        high="min(tokens, width) (all directions used alike)",
        direction="lower: the tokens of a text span fewer directions",
        reference="Roy and Vetterli 2007, EUSIPCO",
        site="all",
        position="tokens",
        of="text",
        module="fathom.metrics.geometry",
        function="effective_rank_of",
        spectrum=True,
        minimum_rows=2,
    ),
    Metric(
        name="sinks",
        title="Attention sinks",
        symbol="‖z‖ / median ‖z‖",
        unit="ratio",
        low="0 (a token without a state)",
        high="unbounded (one token whose norm rules its text)",
        direction="lower: no token stands out by its norm",
        reference="Queipo-de-Llano et al. 2025, arXiv:2510.06477; Sun et al. 2024, arXiv:2402.17762",
        position="tokens",
        of="sinks",
        module="fathom.metrics.profile",
        function="norm_ratios",
        minimum_rows=1,
    ),
    Metric(
        name="dataset_entropy",
        title="Dataset entropy",
        symbol="S₁",
        unit="nats",
        low="0 (all texts in one direction)",
        high="log min(texts, width) (all directions used alike)",
        direction="lower: the texts of the corpus are compressed into fewer directions",
        reference=f"{_SKEAN_2025}, Eq. 1 over the mean states of the texts",
        position="mean",
        of="corpus",
        module="fathom.metrics.entropy",
        function="matrix_entropy",
        published="prompt_entropy",
        minimum_rows=2,
    ),
    Metric(
        name="intrinsic_dimension",
        title="Intrinsic dimension",
        symbol="d",
        unit="dimensions",
        low="0 (texts that coincide)",
        high="unbounded (distances that are all alike)",
        direction="lower: the texts lie on a surface of fewer dimensions",
        reference="TwoNN, Facco et al. 2017, Scientific Reports 7:12140",
        position="mean",
        of="corpus",
        module="fathom.metrics.geometry",
        function="two_nn_by_scale",
        minimum_rows=3,
    ),
    Metric(
        name="label_overlap",
        title="Neighbourhood overlap with labels",
        symbol="χ",
        unit="share",
        low="0 (no neighbour bears the label of its text)",
        high="1 (all do)",
        direction="lower: texts of one label lie farther apart",
        reference="Doimo et al. 2020, arXiv:2007.03506",
        position="mean",
        of="corpus",
        module="fathom.metrics.similarity",
        function="label_overlap",
        chance="label_overlap_chance",
        minimum_rows=3,
    ),
    Metric(
        name="infonce",
        title="InfoNCE loss",
        symbol="L",
        unit="nats",
        low="0 (every text is found by its other view)",
        high="log texts (a guess), and more where views mislead",
        direction="lower: states vary less between views of one text",
        reference=f"{_SKEAN_2025}; van den Oord et al. 2018, arXiv:1807.03748",
        position="mean",
        of="views",
        module="fathom.metrics.invariance",
        function="infonce",
        published="infonce",
        minimum_rows=2,
    ),
    Metric(
        name="dime",
        title="DiME",
        symbol="DiME",
        unit="nats",
        low="about 0 (true pairs of views share no more than chance pairs)",
        high="log texts",
        direction="lower: true pairs of views share less beyond chance",
        reference=f"{_SKEAN_2025}; Skean et al. 2023, arXiv:2301.08164",
        position="mean",
        of="views",
        module="fathom.metrics.invariance",
        function="dime_with_error",
        published="dime_with_error",
        published_arguments=True,
        minimum_rows=2,
    ),
    Metric(
        name="lidar",
        title="LiDAR",
        symbol="LiDAR",
        unit="nats",
        low="0 (one direction tells texts apart)",
        high="log min(texts - 1, width) (all directions do alike)",
        direction="lower: fewer directions tell texts apart",
        reference=f"{_SKEAN_2025}; Thilak et al. 2023, arXiv:2312.04000",
        position="mean",
        of="views",
        module="fathom.metrics.invariance",
        function="lidar",
        published="lidar",
        minimum_rows=2,
    ),
    Metric(
        name="linear_cka",
        title="Linear CKA between layers",
        symbol="CKA",
        unit="share",
        low="0 (unrelated geometry)",
        high="1 (equal up to rotation, scale and shift)",
        direction="lower: the two layers arrange the texts more differently",
        reference="Kornblith et al. 2019, arXiv:1905.00414",
        position="mean",
        of="layers",
        module="fathom.metrics.similarity",
        function="linear_cka_matrix",
        minimum_rows=3,
    ),
    Metric(
        name="neighbourhood_overlap",
        title="Neighbourhood overlap between layers",
        symbol="χ",
        unit="share",
        low="0 (no nearest text in common)",
        high="1 (the same nearest texts)",
        direction="lower: the two layers have more different nearest texts",
        reference="Doimo et al. 2020, arXiv:2007.03506; Valeriani et al. 2023, arXiv:2302.00294",
        position="mean",
        of="layers",
        module="fathom.metrics.similarity",
        function="neighbourhood_overlap_matrix",
        minimum_rows=3,
    ),
)
METRICS: dict[str, Metric] = {metric.name: metric for metric in _METRICS}
PUBLISHED = "fathom.metrics.as_published"
"""Module of the public code's forms."""
TABLES: dict[Shape, str] = {
    "text": "fathom.metrics.text_tables",
    "sinks": "fathom.metrics.text_tables",
    "corpus": "fathom.metrics.corpus_tables",
    "views": "fathom.metrics.corpus_tables",
    "layers": "fathom.metrics.corpus_tables",
}
"""Module that makes the tables of metrics of each shape, by its function `make_tables`."""
