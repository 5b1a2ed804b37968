"""A model from weights in memory, as transformers would load it from files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor
    from transformers import PretrainedConfig, PreTrainedModel


def empty_model(config: PretrainedConfig, *, head: bool = False) -> PreTrainedModel:
    """The model of a config without its weights: it takes no memory, whatever size the config claims."""
    with torch.device("meta"):
        return build(config, head=head)


def build(config: PretrainedConfig, *, head: bool = False) -> PreTrainedModel:
    """The model of a config, its weights drawn by the architecture's own initialiser, in float32.

    With a `head` it predicts the next token.
    """
    kind: Any = AutoModelForCausalLM if head else AutoModel
    model: PreTrainedModel = kind.from_config(config, dtype=torch.float32, trust_remote_code=False)
    return model


def config_of(folder: Path) -> PretrainedConfig:
    """The config of a folder."""
    config: PretrainedConfig = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    return config


def weights_of(model: PreTrainedModel) -> dict[str, Tensor]:
    """The weights of a model by their names, those that are shared under the first of theirs only."""
    first: dict[int, str] = {}
    named = model.state_dict(keep_vars=True)
    for name, weight in named.items():
        first.setdefault(id(weight), name)
    return {name: named[name].detach() for name in first.values()}


def load_from_memory(
    like: PreTrainedModel, weights: Mapping[str, Tensor], *, dtype: str, attention: str | None
) -> tuple[PreTrainedModel, dict[str, Any]]:
    """A model of the class and config of another with these weights, and what transformers says of them.

    Which weights stay in float32, which are tied and what buffers hold is transformers' own doing, as with files.
    Weights that have the dtype already are not copied.
    """
    kind: Any = type(like)
    model, info = kind.from_pretrained(
        None,
        config=like.config,
        state_dict=dict(weights),
        dtype=getattr(torch, dtype),
        output_loading_info=True,
        **({} if attention is None else {"attn_implementation": attention}),
    )
    return model, info
