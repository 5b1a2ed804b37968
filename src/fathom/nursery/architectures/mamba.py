"""A state-space model: Mamba."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from transformers import MambaConfig, MambaForCausalLM
from transformers.models.mamba import modeling_mamba

from fathom.nursery.architectures.scan import selective_scan

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from fathom.nursery.tokenizer import Special


def build(*, vocabulary: int, special: Special, context: int, layers: int, width: int, state: int) -> PreTrainedModel:  # noqa: ARG001 - it has no longest text
    """A model with the architecture's own initial weights, from torch's generator."""
    config = MambaConfig(
        vocab_size=vocabulary,
        hidden_size=width,
        num_hidden_layers=layers,
        state_size=state,
        tie_word_embeddings=True,
        bos_token_id=special.start,
        eos_token_id=special.end,
        pad_token_id=special.padding,
        use_cache=False,
    )
    return MambaForCausalLM(config)


@contextmanager
def while_training() -> Iterator[None]:
    """Meanwhile transformers' Mamba scans by fathom's function: the time of its own grows with the square of the text.

    Hidden states are extracted with transformers' own.
    """
    own = modeling_mamba.mamba_selective_scan
    modeling_mamba.mamba_selective_scan = selective_scan
    try:
        yield
    finally:
        modeling_mamba.mamba_selective_scan = own
