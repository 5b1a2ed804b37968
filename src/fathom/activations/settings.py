"""How hidden states are extracted and stored."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, StringConstraints, ValidationError, WrapValidator
from pydantic_core import PydanticCustomError

from fathom.schema import NOT_EXPECTED, Name, Settings

LayerNumber = Annotated[int, Field(ge=0)]
# Ten times what was planned with (docs/scaling.md); a slip of the keyboard shall not fill the memory with jobs.
Shards = Annotated[int, Field(ge=1, le=100_000)]


def _say_what_layers_are(value: Any, check: Callable[[Any], Any]) -> Any:
    """One sentence; pydantic itself reports each of the forms that a value could have had."""
    try:
        return check(value)
    except ValidationError:
        expected = "expected 'all', 'transformers', or a list of layer numbers and 'final'"
        raise PydanticCustomError(NOT_EXPECTED, expected) from None


Layers = Annotated[
    Literal["all", "transformers"] | Annotated[tuple[LayerNumber | Literal["final"], ...], Field(min_length=1)],
    WrapValidator(_say_what_layers_are),
]


Site = Literal["residual", "attention_input", "attention", "attention_residual", "mlp", "mlp_inner"]


def _listed_once(words: str, known: Sequence[str], thing: str) -> Callable[[Any, Callable[[Any], Any]], Any]:
    """One sentence on what a list may hold; pydantic itself reports each of the forms that a value could have had."""

    def check_list(value: Any, check: Callable[[Any], Any]) -> Any:
        try:
            listed = check(value)
        except ValidationError:
            expected = f"expected {words}, or a list of {', '.join(known)}"
            raise PydanticCustomError(NOT_EXPECTED, expected) from None
        if not isinstance(listed, str) and len(set(listed)) != len(listed):
            raise PydanticCustomError(NOT_EXPECTED, f"expected every {thing} once")
        return listed

    return check_list


Sites = Annotated[
    Literal["auto", "all"] | Annotated[tuple[Site, ...], Field(min_length=1)],
    WrapValidator(_listed_once("'auto', 'all'", get_args(Site), "site")),
]


POSITIONS = ("tokens", "mean", "embedding_mean", "last", "spans", "normed_mean", "normed_last")
Position = Annotated[str, StringConstraints(pattern=rf"^({'|'.join(POSITIONS)}|span:[A-Za-z0-9_-]{{1,100}})$")]

Positions = Annotated[
    Literal["auto"] | Annotated[tuple[Position, ...], Field(min_length=1)],
    WrapValidator(_listed_once("'auto'", (*POSITIONS, "span:<name>"), "position")),
]


StartToken = Literal["tokenizer", "added", "left_out"]


def holds(positions: Collection[str], position: str) -> bool:
    """Whether a store of some positions has one of them, or one that says as much."""
    whole = {"embedding_mean": "mean"}.get(position, "spans" if position.startswith("span:") else position)
    return position in positions or whole in positions


class SinkSettings(Settings):
    """The rule that finds sink tokens. Without them every mean over tokens is stored once more.

    Set on what is known of decoders: in 80 passages and 32 texts of random tokens SmolLM2's first token reaches 125 to
    192 medians, with 52 to 81 % of all heads attending. Gemma 3 270M's reaches 20 at one layer only, and 2 to 15
    elsewhere, with nearly all heads attending. In MiniLM 28 to 69 % attend to [CLS], whose norm reaches 3.2 medians.
    """

    norm: Annotated[float, Field(ge=1.0)] = 20.0
    """A token is a sink where its norm exceeds so many times the median norm of its text at some layer of the residual
    stream,"""
    attended_norm: Annotated[float, Field(ge=1.0)] = 5.0
    """or where it exceeds so many times that median, and"""
    heads: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.3
    """more than this share of all heads of the model attend to it."""
    attention: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.3
    """A head attends to a token where the mean attention that it gives to it exceeds this: 0.3 after Gu et al. (arXiv
    2410.10781)."""

    def in_words(self) -> str:
        """The rule as a phrase for tables and captions."""
        return (
            f"norm above {self.norm:g} times the median of the text at some layer, or above {self.attended_norm:g} "
            f"times with more than {self.heads:.0%} of all heads attending"
        )


class CorpusActivations(Settings):
    """What is kept of a single corpus; what is left out is as for all."""

    sites: Sites | None = None
    """Where in a block."""
    positions: Positions | None = None
    """What of a text."""
    attention_texts: Annotated[int, Field(ge=0)] | Literal["auto"] | None = None
    """Texts whose attention patterns are stored."""
    shards: Shards | None = None
    """Jobs that the corpus is cut into."""


class ActivationsSettings(Settings):
    """One forward pass a text serves every metric and every probe."""

    layers: Layers = "all"
    """`all`: 0 (embeddings) to the last block. `transformers`: as in its `hidden_states`, whose last entry is normed.
    Or a list of numbers and `final` (after the final norm)."""
    sites: Sites = "auto"
    """Where in a block: `residual` (the stream itself), `attention_input`, `attention` and `mlp` (before they join it),
    `attention_residual` (the stream between the two), `mlp_inner` (the inner activations of the feed-forward, behind
    non-linearity and gate; a mixture of experts has none of its own). `auto` stores those that an experiment or figure
    reads, `all` those that the architecture has but the last, which is wider: the store is then nearly five times as
    large. Of a hybrid each has the layers of the blocks that have it."""
    positions: Positions = "auto"
    """What of a text is stored. `auto`: what a metric, an experiment or a figure reads of the corpus; of paraphrases
    (views that word a text once more, neither perturbed nor a control) no tokens, which tell the same again and take as
    much room. Or a list, to keep more: `tokens` (all of them, of every text), `mean`, `embedding_mean` (that of layer 0
    alone), `last`, `spans` (the last token of every marked span) or `span:<name>` (of one), and `normed_mean` and
    `normed_last`, the same after the model's final norm at every layer. Every mean is stored twice, with all tokens and
    without the sink tokens."""
    sinks: SinkSettings = SinkSettings()
    """Which tokens are sinks."""
    attention_texts: Annotated[int, Field(ge=0)] | Literal["auto"] = "auto"
    """Texts whose attention patterns are stored: the first so many originals that are short enough, in one more pass of
    each with eager attention. `auto`: 8 where an experiment or figure reads them, else none. Few, because the patterns
    of 30 blocks of 9 heads take 71 MB for a text of 256 tokens, which is four times its states."""
    attention_tokens: Annotated[int, Field(ge=1)] = 256
    """Longest of these texts, in tokens. Patterns grow with its square; the patterns of one text are held in memory."""
    token_budget: Annotated[int, Field(ge=1)] = 2048
    """Most tokens of a batch, padding included: texts of unlike length do not run together beyond 256 of them. 2,048
    keep two CPU cores at their arithmetic limit; a GPU wants 16,384."""
    memory_mb: Annotated[int, Field(ge=16)] = 512
    """States held in memory, of all sites, while they wait to be written. Texts are sorted by length within as many as
    half of it holds, so that the model fills one half while the other is written."""
    compression: Literal["none", "zstd"] = "none"
    """Both are lossless. Half-precision states shrink by a tenth only and take three times as long, so: none."""
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    """Longest text, in tokens; the model's context if left out."""
    start_token: StartToken = "tokenizer"
    """The start token of a text: as the `tokenizer` does, which adds one or none; `added` before every text that does
    not begin with it; or `left_out`. It is a sink of most decoders, and texts made with a chat template bring their
    own: a text that begins with two is counted, and captions say so."""
    truncate: bool = False
    """Cut longer texts, and count them in the manifest. Otherwise they are refused."""
    shards: Shards = 1
    """Jobs that a corpus is cut into: 1 on a laptop, many on a cluster. All run about as many tokens."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """`auto` takes the GPU where there is one."""
    corpora: dict[Name, CorpusActivations] = Field(default_factory=dict)
    """What is kept of single corpora instead, by name."""


class KeptActivations(ActivationsSettings):
    """The same for one model and corpus, with nothing left to the planner: what a job is told."""

    sites: Literal["all"] | tuple[Site, ...]
    """Where in a block."""
    positions: tuple[Position, ...]
    """What of a text."""
    attention_texts: int
    """Texts whose attention patterns are stored."""
    paraphrase_tokens: bool = False
    """Whether `tokens` are stored of paraphrases too. Metrics of tokens measure the texts whose tokens are stored."""
    views: tuple[str, ...] | None = None
    """Views of texts that run; all of them if left out. Of a model of random weights, experiments read no controls."""
