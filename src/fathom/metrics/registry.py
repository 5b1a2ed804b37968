"""The metrics that the workflow computes: what each is called, reads and means, and where its code is. Imports none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

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
