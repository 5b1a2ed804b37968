"""An encoder: ModernBERT."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from transformers import ModernBertConfig, ModernBertForMaskedLM

from fathom.nursery.architectures.sizes import inner_width

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from fathom.nursery.tokenizer import Special


def build(*, vocabulary: int, special: Special, context: int, layers: int, width: int, heads: int) -> PreTrainedModel:
    """A model with the architecture's own initial weights, from torch's generator. All layers see the whole window."""
    config = ModernBertConfig(
        vocab_size=vocabulary,
        hidden_size=width,
        intermediate_size=inner_width(width),
        num_hidden_layers=layers,
        num_attention_heads=heads,
        max_position_embeddings=context,
        layer_types=["full_attention"] * layers,
        tie_word_embeddings=True,
        cls_token_id=special.start,
        bos_token_id=special.start,
        sep_token_id=special.end,
        eos_token_id=special.end,
        pad_token_id=special.padding,
    )
    return ModernBertForMaskedLM(config)


def while_training() -> AbstractContextManager[None]:
    """What must hold while it is trained: nothing."""
    return nullcontext()
