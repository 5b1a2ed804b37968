"""Weights as their publisher wrote them: safetensors files that transformers itself reads."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from fathom.models.weight_headers import Weights, read_safetensors_header

if TYPE_CHECKING:
    from transformers import PreTrainedModel

BOUND = True


def declared(folder: Path) -> Weights:
    """Names and shapes of all tensors."""
    shapes: dict[str, tuple[int, ...]] = {}
    for path in sorted(folder.glob("*.safetensors")):
        shapes |= read_safetensors_header(path).shapes
    return Weights(shapes)


def load(
    folder: Path, *, dtype: str, attention: str | None, head: bool = False
) -> tuple[PreTrainedModel, dict[str, Any]]:
    """The model as transformers loads it."""
    import torch
    from transformers import AutoModel, AutoModelForCausalLM

    kind: Any = AutoModelForCausalLM if head else AutoModel
    model, info = kind.from_pretrained(
        folder,
        dtype=getattr(torch, dtype),
        local_files_only=True,
        trust_remote_code=False,
        use_safetensors=True,
        output_loading_info=True,
        **({} if attention is None else {"attn_implementation": attention}),
    )
    return model, info
