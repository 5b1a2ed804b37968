"""A decoder: Llama."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from transformers import LlamaConfig, LlamaForCausalLM

from fathom.nursery.architectures.sizes import inner_width

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from fathom.nursery.tokenizer import Special


def build(*, vocabulary: int, special: Special, context: int, layers: int, width: int, heads: int) -> PreTrainedModel:
    """A model with the architecture's own initial weights, from torch's generator."""
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=width,
        intermediate_size=inner_width(width),
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        max_position_embeddings=context,
        tie_word_embeddings=True,
        bos_token_id=special.start,
        eos_token_id=special.end,
        use_cache=False,
    )
    return LlamaForCausalLM(config)


def while_training() -> AbstractContextManager[None]:
    """What must hold while it is trained: nothing."""
    return nullcontext()
