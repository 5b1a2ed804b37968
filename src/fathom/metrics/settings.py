"""Which metrics are measured, on which corpora, and on which preparation of the states.

A metric is one class here, which says in words what it is, where its functions are, and which options it has, and one
module in `fathom.metrics.definitions` with its functions. Jobs never import this module: they are told what they need
(`Measured`), so that a new metric, a new option or a better wording runs no other metric again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from fathom.metrics.job import Forms, Measured, Normalisation, Position, Preparations, Shape
from fathom.schema import NOT_EXPECTED, UNKNOWN_KEY, Name, Settings

_SKEAN_2025 = "Skean et al. 2025, arXiv:2502.02013"
_COMMON = {"preparation", "normalisation", "samples", "label"}  # what a job is told of every metric


def _refuse_moved(data: Any, moved: Mapping[str, str]) -> Any:
    """Refuse an option of the rule that finds sinks, which is one of extraction, where it has another name."""
    for key, name in moved.items():
        if isinstance(data, Mapping) and key in data:
            raise PydanticCustomError(UNKNOWN_KEY, "is now called activations.sinks.{name}", {"key": key, "name": name})
    return data


class Metric(Settings):
    """What there is to say of any metric."""

    # Its words, for figures, reports and documentation.
    name: ClassVar[str]
    """Name in the config and in file names."""
    title: ClassVar[str]
    """Name in a figure's title or a table."""
    symbol: ClassVar[str]
    """Symbol in a formula or beside an axis."""
    unit: ClassVar[str]
    """Unit of the value as computed."""
    low: ClassVar[str]
    """Lowest value, and what it means."""
    high: ClassVar[str]
    """Highest value, and what it means."""
    direction: ClassVar[str]
    """What a lower value says."""
    reference: ClassVar[str]
    """Where the definition is from."""
    # What it reads, which its shape implies.
    of: ClassVar[Shape]
    """What one value is of."""
    site: ClassVar[str] = "residual"
    """Site of the states that it reads: one name, or `all` for every site that is stored."""
    position: ClassVar[Position]
    """Position of the states that it reads."""
    views: ClassVar[int | None] = 1
    """Views of a text that the function compares, each an array of its own; None: all of them, in one array."""
    table_module: ClassVar[str]
    """Module that makes its tables, by the function `make_tables`."""
    tables: ClassVar[tuple[str, ...]] = ()
    """Tables beside the one that is called after it."""
    more_summaries: ClassVar[tuple[str, ...]] = ()
    """Those of them that are summarised by layer as well."""
    default_figure: ClassVar[Literal["metric", "matrix", "sinks"]] = "metric"
    """Kind of its figure in the default run."""
    opens: ClassVar[bool] = False
    """Whether the page to explore the results opens on it."""
    together_with: ClassVar[str | None] = None
    """Metric of tokens without which it is not measured, since its table holds values of that one too."""
    # Its functions.
    module: ClassVar[str]
    """Module of its functions. A job runs again when this module, or one that it imports, changes."""
    function: ClassVar[str]
    """Name of the function: prepared states in, one number out (or several, where its module says so)."""
    spectrum: ClassVar[bool] = False
    """Whether the function reads the spectrum of the states (eigenvalues that sum to 1) instead of the states."""
    by_scale: ClassVar[bool] = False
    """Whether the function takes `fractions` of the texts and gives (texts, value, standard error) of each."""
    seeded: ClassVar[bool] = False
    """Whether the function draws at random, and takes a `seed`."""
    chance: ClassVar[str | None] = None
    """Name of the function of the texts' labels that gives the value by chance."""
    published: ClassVar[str | None] = None
    """Name of the function of raw states in the form of the public code, where that has a form of its own."""
    published_arguments: ClassVar[bool] = False
    """Whether that function takes the metric's arguments."""
    attention: ClassVar[str | None] = None
    """Name of the function of the attention maps of a text, where the metric is measured on these too."""
    distinct: ClassVar[bool] = False
    """Whether texts that repeat another, token for token, are left out: where texts are each other's neighbours or
    candidates. A mean or an entropy over all texts keeps them, as a corpus that repeats itself is less diverse."""
    minimum_rows: ClassVar[int]
    """Fewest rows for which the metric has a meaning."""

    @classmethod
    def range(cls) -> str:
        """From the lowest value to the highest, and what both mean."""
        return f"from {cls.low} to {cls.high}"

    def measured(self, seed: int) -> Measured:
        """What a job is told of the metric. An option that is not said of every metric is for its function."""
        options = self.model_dump()
        arguments = {name: value for name, value in options.items() if name not in _COMMON}
        if self.seeded:
            arguments["seed"] = seed
        return Measured(
            name=self.name,
            module=self.module,
            table_module=self.table_module,
            of=self.of,
            site=self.site,
            position=self.position,
            views=self.views,
            distinct=self.distinct,
            minimum_rows=self.minimum_rows,
            function=self.function,
            spectrum=self.spectrum,
            by_scale=self.by_scale,
            arguments=arguments,
            chance=self.chance,
            published=self.published,
            published_arguments=self.published_arguments,
            attention=self.attention,
            together_with=self.together_with,
            forms=options.get("preparation", ()),
            normalisation=options.get("normalisation", "raw"),
            samples=options.get("samples", 0),
            label=options.get("label"),
        )


# Options that several metrics share ----------------------------------------------------------------------------------


class PreparedStates(Settings):
    """A metric that has one form only."""

    preparation: Preparations = ("centred",)
    """What is done to the states first, one or several: `none` (the papers' formulas), `rows` (unit rows), `centred`
    (centre, then unit rows, as the papers' public code does)."""


class PublishedForm(Settings):
    """A metric whose public code differs from the paper's formula."""

    fixed: ClassVar[dict[str, object]] = {}
    """What the public code's form holds fixed."""

    preparation: Forms = ("centred",)
    """What is done to the states first, one or several: `none` (the papers' formulas), `rows` (unit rows), `centred`
    (centre, then unit rows), `as_published` (the public code's own preparation, and its form of the metric)."""

    @model_validator(mode="after")
    def _publish_what_exists(self) -> PublishedForm:
        for name, fixed in self.fixed.items():
            found = getattr(self, name)
            if "as_published" in self.preparation and found != fixed:
                facts = {"name": name, "fixed": str(fixed), "found": str(found)}
                expected = "as_published: expected {name} = {fixed}, the only one in the public code; found {found}"
                raise PydanticCustomError(NOT_EXPECTED, expected, facts)
        return self


class HalfSampled(Settings):
    """A metric whose intervals come from half samples of the texts."""

    samples: Annotated[int, Field(ge=100)] = 200
    """Half samples of the texts behind its interval. With 200 the ends err by about 5 % of the width."""


class EntropyOptions(Settings):
    """A matrix-based entropy."""

    alpha: Annotated[float, Field(gt=0.0)] = 1.0
    """Order of the entropy; 1 is the von Neumann entropy, which both papers use (and their code's only right one)."""
    normalisation: Normalisation = "max"
    """Divide by log rows, log width, or the smaller of both (`max`), so that texts of different length compare."""


class Neighbours(Settings):
    """A metric of nearest neighbours."""

    k: Annotated[int, Field(ge=1)] = 5
    """Nearest neighbours that are compared. Few, because a default corpus has only some dozens of texts."""


# Shapes --------------------------------------------------------------------------------------------------------------


class TextMetric(Metric):
    """A metric of the tokens of a text."""

    of = "text"
    position = "tokens"
    table_module = "fathom.metrics.text_tables"


class CorpusMetric(Metric):
    """A metric of all texts of a corpus."""

    of = "corpus"
    position = "mean"
    table_module = "fathom.metrics.corpus_tables"


class ViewsMetric(Metric):
    """A metric of how much of a text survives in its views."""

    of = "views"
    distinct = True
    position = "mean"
    table_module = "fathom.metrics.corpus_tables"

    samples: Annotated[int, Field(ge=100)] = 100
    """Half samples of the texts behind its interval. With 100 the ends err by about 7 % of the width."""


class LayersMetric(Metric):
    """A metric of pairs of layers."""

    of = "layers"
    distinct = True
    position = "mean"
    table_module = "fathom.metrics.corpus_tables"
    default_figure = "matrix"


# The metrics ---------------------------------------------------------------------------------------------------------


class PromptEntropySettings(TextMetric, EntropyOptions, PublishedForm):
    """Settings of the prompt entropy."""

    name = "prompt_entropy"
    title = "Prompt entropy"
    opens = True
    symbol = "S₁"
    unit = "nats"
    low = "0 (all tokens of a text in one direction)"
    high = "log min(tokens, width) (all directions used alike)"
    direction = "lower: the tokens of a text are compressed into fewer directions"
    reference = f"{_SKEAN_2025}, Eq. 1"
    module = "fathom.metrics.definitions.prompt_entropy"
    function = "prompt_entropy_of"
    spectrum = True
    published = "entropy_as_published"
    minimum_rows = 2
    fixed: ClassVar[dict[str, object]] = {"alpha": 1.0}


class CurvatureSettings(TextMetric, PublishedForm):
    """Settings of the curvature."""

    name = "curvature"
    title = "Curvature"
    symbol = "C"
    unit = "rad"
    low = "0 (tokens on a straight line)"
    high = "π (the path turns back at every token)"
    direction = (
        "lower: the path from token to token is straighter; a mean over the angles that exist: a token that repeats "
        "the one before it makes none"
    )
    reference = f"{_SKEAN_2025}, after Hosseini and Fedorenko 2023, arXiv:2311.04930"
    module = "fathom.metrics.definitions.curvature"
    function = "curvature_of_states"
    published = "curvature_of_states_as_published"
    minimum_rows = 3
    fixed: ClassVar[dict[str, object]] = {"k": 1}

    k: Annotated[int, Field(ge=1)] = 1
    """Tokens that a step spans; 1 in the papers."""


class EffectiveRankSettings(TextMetric, PreparedStates):
    """Settings of the effective rank."""

    name = "effective_rank"
    title = "Effective rank"
    symbol = "erank"
    unit = "dimensions"
    low = "1 (all tokens of a text in one direction)"
    high = "min(tokens, width) (all directions used alike)"
    direction = "lower: the tokens of a text span fewer directions"
    reference = "Roy and Vetterli 2007, EUSIPCO"
    site = "all"
    module = "fathom.metrics.definitions.effective_rank"
    function = "effective_rank_of"
    spectrum = True
    attention = "attention_rank"
    minimum_rows = 2


class SinksSettings(Metric):
    """Settings of the profile of token norms and sinks."""

    name = "sinks"
    title = "Attention sinks"
    symbol = "‖z‖ / median ‖z‖"
    unit = "ratio"
    low = "0 (a token without a state)"
    high = "unbounded (one token whose norm rules its text)"
    direction = "lower: no token stands out by its norm"
    reference = "Queipo-de-Llano et al. 2025, arXiv:2510.06477; Sun et al. 2024, arXiv:2402.17762"
    of = "sinks"
    position = "tokens"
    table_module = "fathom.metrics.text_tables"
    tables = ("token_norms", "sink_margins")
    more_summaries = ("token_norms",)
    default_figure = "sinks"
    together_with = "prompt_entropy"
    module = "fathom.metrics.definitions.sinks"
    function = "SinkProfiler"
    minimum_rows = 1

    positions: Annotated[int, Field(ge=1)] = 64
    """Token positions of the profile, from the start of the texts; it is kept in memory for all texts. Sinks are found
    at every position."""

    @model_validator(mode="before")
    @classmethod
    def _name_what_moved(cls, data: Any) -> Any:
        return _refuse_moved(data, {"looking": "attention", "attention_threshold": "attention"})


class DatasetEntropySettings(CorpusMetric, HalfSampled, EntropyOptions, PublishedForm):
    """Settings of the dataset entropy."""

    name = "dataset_entropy"
    title = "Dataset entropy"
    opens = True
    symbol = "S₁"
    unit = "nats"
    low = "0 (all texts in one direction)"
    high = "log min(texts, width) (all directions used alike)"
    direction = "lower: the texts of the corpus are compressed into fewer directions"
    reference = f"{_SKEAN_2025}, Eq. 1 over the mean states of the texts"
    module = "fathom.metrics.definitions.dataset_entropy"
    function = "matrix_entropy"
    published = "entropy_as_published"
    minimum_rows = 2
    fixed: ClassVar[dict[str, object]] = {"alpha": 1.0}


class IntrinsicDimensionSettings(CorpusMetric, PreparedStates):
    """Settings of the intrinsic dimension (TwoNN). Its own standard error makes the interval."""

    name = "intrinsic_dimension"
    title = "Intrinsic dimension"
    distinct = True
    symbol = "d"
    unit = "dimensions"
    low = "0 (texts that coincide)"
    high = "unbounded (distances that are all alike)"
    direction = "lower: the texts lie on a surface of fewer dimensions"
    reference = (
        "TwoNN, Facco et al. 2017, Scientific Reports 7:12140; the estimate depends on the number of texts and on "
        "noise in the states (hence its value at several shares of the texts); for objections see arXiv:2604.20276"
    )
    module = "fathom.metrics.definitions.intrinsic_dimension"
    function = "two_nn_of_states"
    by_scale = True
    seeded = True
    minimum_rows = 3

    fractions: Annotated[tuple[Annotated[float, Field(gt=0.0, le=1.0)], ...], Field(min_length=1)] = (1.0, 0.5, 0.25)
    """Shares of the texts, at random: a dimension that holds at several scales is one; noise grows with them."""
    draws: Annotated[int, Field(ge=1)] = 10
    """Draws at each share below 1, which are averaged."""


class LabelOverlapSettings(CorpusMetric, Neighbours, HalfSampled, PreparedStates):
    """Settings of the neighbourhood overlap with labels."""

    name = "label_overlap"
    title = "Neighbourhood overlap with labels"
    distinct = True
    symbol = "χ"
    unit = "share"
    low = "0 (no neighbour bears the label of its text)"
    high = "1 (all do)"
    direction = "lower: texts of one label lie farther apart"
    reference = "Doimo et al. 2020, arXiv:2007.03506"
    module = "fathom.metrics.definitions.label_overlap"
    function = "label_overlap"
    chance = "label_overlap_chance"
    minimum_rows = 3

    label: Name = "testament"
    """Label of the texts; measured on the corpora that carry it."""


class InfonceSettings(ViewsMetric, PublishedForm):
    """Settings of InfoNCE, between the first two views."""

    name = "infonce"
    title = "InfoNCE loss"
    symbol = "L"
    unit = "nats"
    low = "0 (every text is found by its other view)"
    high = "log texts (a guess), and more where views mislead"
    direction = "lower: states vary less between views of one text"
    reference = f"{_SKEAN_2025}; van den Oord et al. 2018, arXiv:1807.03748"
    views = 2
    module = "fathom.metrics.definitions.infonce"
    function = "infonce"
    published = "infonce_as_published"
    minimum_rows = 2
    fixed: ClassVar[dict[str, object]] = {"temperature": 0.1, "both": False}

    temperature: Annotated[float, Field(gt=0.0)] = 0.1
    """Temperature of the softmax; the papers state none, their code uses 0.1."""
    both: bool = False
    """Both directions, averaged. The papers' code takes one, from the first view to the second."""


class DimeSettings(ViewsMetric, PublishedForm):
    """Settings of DiME, between the first two views."""

    name = "dime"
    title = "DiME"
    symbol = "DiME"
    unit = "nats"
    low = "about 0 (true pairs of views share no more than chance pairs)"
    high = "log texts (of more than 2,000 texts, those of a block: the mean over blocks is drawn)"
    direction = "lower: true pairs of views share less beyond chance"
    reference = f"{_SKEAN_2025}; Skean et al. 2023, arXiv:2301.08164"
    views = 2
    module = "fathom.metrics.definitions.dime"
    function = "dime_with_error"
    seeded = True
    published = "dime_with_error_as_published"
    published_arguments = True
    minimum_rows = 2

    alpha: Annotated[float, Field(gt=0.0)] = 1.0
    """Order of the entropy."""
    permutations: Annotated[int, Field(ge=2)] = 10
    """Random pairings that the true one is compared with; 10 in the papers' code. Their error is in the table."""


class LidarSettings(ViewsMetric, PublishedForm):
    """Settings of LiDAR, over all views."""

    name = "lidar"
    title = "LiDAR"
    symbol = "LiDAR"
    unit = "nats"
    low = "0 (one direction tells texts apart)"
    high = "log min(texts - 1, width) (all directions do alike)"
    direction = "lower: fewer directions tell texts apart"
    reference = f"{_SKEAN_2025}; Thilak et al. 2023, arXiv:2312.04000"
    views = None
    module = "fathom.metrics.definitions.lidar"
    function = "lidar"
    published = "lidar_as_published"
    minimum_rows = 2
    fixed: ClassVar[dict[str, object]] = {"ridge": 1e-4}

    ridge: Annotated[float, Field(gt=0.0)] = 1e-4
    """Added to the scatter within texts, in squared units of the states: 1e-4, as in the papers' code, is for unit
    rows."""
    normalisation: Literal["raw", "max"] = "max"
    """Divide the entropy by the smaller of log texts and log width (`max`), or not."""


class LinearCkaSettings(LayersMetric, HalfSampled, PreparedStates):
    """Settings of the linear CKA between layers."""

    name = "linear_cka"
    title = "Linear CKA between layers"
    symbol = "CKA"
    unit = "share"
    low = "0 (unrelated geometry)"
    high = "1 (equal up to rotation, scale and shift)"
    direction = "lower: the two layers arrange the texts more differently"
    reference = "Kornblith et al. 2019, arXiv:1905.00414"
    module = "fathom.metrics.definitions.linear_cka"
    function = "linear_cka_matrix"
    minimum_rows = 3


class NeighbourhoodOverlapSettings(LayersMetric, Neighbours, HalfSampled, PreparedStates):
    """Settings of the neighbourhood overlap between layers."""

    name = "neighbourhood_overlap"
    title = "Neighbourhood overlap between layers"
    symbol = "χ"
    unit = "share"
    low = "0 (no nearest text in common)"
    high = "1 (the same nearest texts)"
    direction = "lower: the two layers have more different nearest texts"
    reference = "Doimo et al. 2020, arXiv:2007.03506; Valeriani et al. 2023, arXiv:2302.00294"
    module = "fathom.metrics.definitions.neighbourhood_overlap"
    function = "neighbourhood_overlap_matrix"
    minimum_rows = 3


class MetricsSettings(Settings):
    """Metrics by name; null leaves one out."""

    corpora: Annotated[tuple[Name, ...], Field(min_length=1)] | None = None
    """Corpora to measure; all without marked spans if left out."""
    only: Annotated[tuple[Name, ...], Field(min_length=1)] | None = None
    """Metrics to measure; all that are not null if left out."""
    tasks: tuple[Name, ...] = ("dataset_entropy",)
    """Those of them that are measured on the texts of every downstream task too, to choose a layer by: of tokens, of a
    corpus, or of views, for which the config needs a corpus of the kind `views` that is made of `task-<name>`. Where it
    has one of the kind `excerpt`, the others are measured on that in place of all texts. The default is one of the
    three of Skean et al. 2025 that needs no views."""
    prompt_entropy: PromptEntropySettings | None = PromptEntropySettings()
    """Entropy over the tokens of a text."""
    curvature: CurvatureSettings | None = CurvatureSettings()
    """Mean angle between steps from token to token."""
    effective_rank: EffectiveRankSettings | None = EffectiveRankSettings()
    """Dimensions that the tokens of a text span."""
    sinks: SinksSettings | None = SinksSettings()
    """Norms and attention by token position, and what is left of the prompt entropy without each sink token; measured
    together with the prompt entropy only."""
    dataset_entropy: DatasetEntropySettings | None = DatasetEntropySettings()
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
    linear_cka: LinearCkaSettings | None = LinearCkaSettings()
    """How alike the texts' geometry is at each pair of layers."""
    neighbourhood_overlap: NeighbourhoodOverlapSettings | None = NeighbourhoodOverlapSettings()
    """How many nearest texts are the same at each pair of layers."""

    @model_validator(mode="before")
    @classmethod
    def _name_what_moved(cls, data: Any) -> Any:
        return _refuse_moved(data, {"sink_multiple": "norm"})


METRICS: dict[str, type[Metric]] = {
    name: kind
    for name, field in MetricsSettings.model_fields.items()
    for kind in get_args(field.annotation)
    if isinstance(kind, type) and issubclass(kind, Metric)
}
"""Settings class of every metric, by its name."""
