"""The settings of the job that writes the page."""

from __future__ import annotations

from pydantic import Field

from fathom.schema import Settings


class Table(Settings):
    """A summary that the page shows."""

    path: str
    record: str
    """The record of the job that wrote it."""
    control: str = ""
    """What its curves are a control as, where its model is no subject of its own: random weights."""
    control_of: str = ""
    """The model that it is a control of."""


class Words(Settings):
    """What the page says of a metric, an experiment or a task."""

    stage: str
    name: str
    title: str
    axis: str
    """Label of the axis of its values."""
    gist: str = ""
    """What a high and a low value mean, in a line."""
    sentences: tuple[str, ...] = ()
    """Its definition, and the texts that it is of."""
    opens: bool = False
    """Whether the page opens on it."""
    main: dict[str, str] = Field(default_factory=dict)
    """Key of a curve -> the value that is shown unasked, where there are several."""


class Model(Settings):
    """A model, as the page names it."""

    name: str
    title: str
    origin: str


class Corpus(Settings):
    """A corpus, as the page names it."""

    name: str
    about: str


class TokenStates(Settings):
    """The states of a corpus whose tokens are shown."""

    model: str
    corpus: str
    manifests: tuple[str, ...]
    texts: str
    """Table of the corpus."""
    tokenizer: str
    """The model's tokenizer.json."""


class FigureView(Settings):
    """A static figure, to which the page links where it shows the same."""

    name: str
    title: str
    text: str
    """File of its caption and verdicts."""
    shows: tuple[str, ...]
    """Metrics, experiments and tasks that it is drawn from."""
    claim: str = ""
    """What a paper claims there."""
    judged: bool = False
    """Whether its notes say if peaks come in the order that is expected."""


class ExploreJob(Settings):
    """The settings of the job that writes the page."""

    megabytes: float
    token_texts: int
    tables: tuple[Table, ...]
    words: tuple[Words, ...]
    models: tuple[Model, ...]
    corpora: tuple[Corpus, ...]
    tokens: tuple[TokenStates, ...]
    figures: tuple[FigureView, ...]
    records: tuple[str, ...]
    """Records of all jobs behind the tables."""
    not_shown: tuple[str, ...] = ()
    """Summaries that the page does not hold, whatever its size."""
    level: float
    """Coverage of the intervals."""
    layers: str
    """What the layers are called: `layer`, or transformers' convention."""
