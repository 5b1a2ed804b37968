"""How hidden states are extracted and stored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, ValidationError, WrapValidator
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


Site = Literal["residual", "attention_input", "attention", "attention_residual", "mlp"]


def _say_what_sites_are(value: Any, check: Callable[[Any], Any]) -> Any:
    try:
        sites = check(value)
    except ValidationError:
        expected = f"expected 'all', or a list of {', '.join(get_args(Site))}"
        raise PydanticCustomError(NOT_EXPECTED, expected) from None
    if sites != "all" and len(set(sites)) != len(sites):
        raise PydanticCustomError(NOT_EXPECTED, "expected every site once")
    return sites


Sites = Annotated[
    Literal["all"] | Annotated[tuple[Site, ...], Field(min_length=1)],
    WrapValidator(_say_what_sites_are),
]


Positions = Annotated[tuple[Literal["tokens", "mean", "last", "spans"], ...], Field(min_length=1)]


class CorpusActivations(Settings):
    """What is kept of a single corpus; what is left out is as for all."""

    sites: Sites | None = None
    """Where in a block."""
    positions: Positions | None = None
    """What of a text."""
    attention_texts: Annotated[int, Field(ge=0)] | None = None
    """Texts whose attention patterns are stored."""
    shards: Shards | None = None
    """Jobs that the corpus is cut into."""


class ActivationsSettings(Settings):
    """One forward pass a text serves every metric and every probe."""

    layers: Layers = "all"
    """`all`: 0 (embeddings) to the last block. `transformers`: as in its `hidden_states`, whose last entry is normed.
    Or a list of numbers and `final` (after the final norm)."""
    sites: Sites = ("residual",)
    """Where in a block: `residual` (the stream itself), `attention_input`, `attention` and `mlp` (before they join it),
    `attention_residual` (the stream between the two). `all` stores those that the architecture has. The residual stream
    alone by default: every metric and probe reads it, and all sites make the store nearly five times as large."""
    positions: Positions = ("tokens", "mean", "last", "spans")
    """What of a text is kept: all tokens, their mean, the last token, the last token of every marked span."""
    attention_texts: Annotated[int, Field(ge=0)] = 8
    """Texts whose attention patterns are stored: the first so many originals that are short enough, in one more pass of
    each with eager attention. Only of corpora whose sinks are measured, which read them. Few, because the patterns of
    30 blocks of 9 heads take 71 MB for a text of 256 tokens, which is four times its states."""
    attention_tokens: Annotated[int, Field(ge=1)] = 256
    """Longest of these texts, in tokens. Patterns grow with its square; the patterns of one text are held in memory."""
    token_budget: Annotated[int, Field(ge=1)] = 2048
    """Tokens of a batch, padding included. 2,048 keep two CPU cores at their arithmetic limit; a GPU wants 16,384."""
    memory_mb: Annotated[int, Field(ge=16)] = 512
    """States held in memory, of all sites, while they wait to be written. Texts are sorted by length within as many as
    half of it holds, so that the model fills one half while the other is written."""
    compression: Literal["none", "zstd"] = "none"
    """Both are lossless. Half-precision states shrink by a tenth only and take three times as long, so: none."""
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    """Longest text, in tokens; the model's context if left out."""
    truncate: bool = False
    """Cut longer texts, and count them in the manifest. Otherwise they are refused."""
    shards: Shards = 1
    """Jobs that a corpus is cut into: 1 on a laptop, many on a cluster. All run about as many tokens."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """`auto` takes the GPU where there is one."""
    corpora: dict[Name, CorpusActivations] = Field(default_factory=dict)
    """What is kept of single corpora instead, by name. Of augmented views the token states never are: nothing reads
    them."""
