"""One pass of a model over tokens: the same whatever ran before, and whatever it raises said in one line."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from transformers.modeling_outputs import BaseModelOutput

from fathom.models.sizes import Part
from fathom.runtime.errors import FathomError, first_line

FEWEST_IDS = 8  # a vocabulary has so many tokens beside those with a role


class Half(nn.Module):
    """One half of an encoder-decoder, run on the tokens of a text alone.

    The decoder reads the text's own tokens, not shifted, while it attends to what the encoder makes of the same text.
    """

    def __init__(self, whole: Any, part: Part) -> None:
        super().__init__()
        self.config = whole.config
        self.part = part
        self.inner = whole.get_encoder() if part == "encoder" else whole
        self.kind = type(whole).__name__
        own = getattr(self.stack, "set_attn_implementation", None)
        self._switch: Callable[[str], None] = own or whole.set_attn_implementation
        self._embeddings: nn.Module = whole.get_input_embeddings()

    @property
    def stack(self) -> nn.Module:
        """The half itself."""
        half: nn.Module = self.inner if self.part == "encoder" else self.inner.get_decoder()
        return half

    def get_input_embeddings(self) -> nn.Module:
        """As transformers' models have it."""
        return self._embeddings

    def set_attn_implementation(self, implementation: str) -> None:
        """As transformers' models have it."""
        self._switch(implementation)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, **wanted: Any) -> Any:
        """Run the half; the output has the fields of a model that has no halves."""
        if self.part == "encoder":
            return call(self.inner, input_ids, attention_mask, **wanted)
        output = call(
            self.inner,
            input_ids,
            attention_mask,
            decoder_input_ids=input_ids,
            decoder_attention_mask=attention_mask,
            **wanted,
        )
        return BaseModelOutput(
            last_hidden_state=output.last_hidden_state,
            hidden_states=output.decoder_hidden_states,
            attentions=output.decoder_attentions,
        )


def call(module: nn.Module, input_ids: Tensor, attention_mask: Tensor, **wanted: Any) -> Any:
    """Run a model of transformers. It keeps no cache of keys and values, for no token follows."""
    taken = inspect.signature(module.forward).parameters
    anything = any(one.kind is inspect.Parameter.VAR_KEYWORD for one in taken.values())
    if "use_cache" in taken:
        wanted["use_cache"] = False
    if "attention_mask" in taken or anything:
        wanted["attention_mask"] = attention_mask
    return module(input_ids=input_ids, **wanted)


class Fresh:
    """The parts and attributes of a model as they were when it was loaded, to which every pass returns.

    Some models change as they run: a long text leaves its rotary frequencies behind, a short one switches sparse
    attention off for good. What a text's states are must not depend on the texts before it.
    """

    def __init__(self, module: nn.Module) -> None:
        self._kept = [
            (part, _plain(part), {name: dict(getattr(part, name)) for name in _TABLES}) for part in module.modules()
        ]

    def restore(self) -> None:
        """Give every part its attributes, parts, buffers and parameters back."""
        for part, plain, tables in self._kept:
            now = vars(part)
            for name in [name for name in _plain(part) if name not in plain]:
                del now[name]
            for name, value in plain.items():
                if now.get(name) is not value:
                    now[name] = value
            for name, table in tables.items():
                current = now[name]
                if current.keys() != table.keys() or any(current[key] is not value for key, value in table.items()):
                    current.clear()
                    current.update(table)


_TABLES = ("_parameters", "_buffers", "_modules")
_OF_TORCH = frozenset(vars(nn.Module()))  # hooks among them


def _plain(part: nn.Module) -> dict[str, Any]:
    """The attributes that torch itself does not keep of a module, nor transformers' note of hooks, which stay."""
    return {name: value for name, value in vars(part).items() if name not in _OF_TORCH and "hook" not in name}


def ordinary_ids(module: nn.Module, count: int, *, seed: int = 0) -> Tensor:
    """Token ids drawn from the embedding's, without those that the config gives a role, (count,)."""
    config: Any = module.config
    embedding: Any = module.get_input_embeddings()  # type: ignore[operator]  # nn.Module types it a Tensor
    rows: Any = getattr(embedding, "num_embeddings", None) or getattr(config.get_text_config(), "vocab_size", 0)
    special = torch.tensor(sorted(_special(config.to_dict())), dtype=torch.long)
    ordinary = torch.arange(int(rows))
    ordinary = ordinary[~torch.isin(ordinary, special)] if len(special) else ordinary
    if len(ordinary) < FEWEST_IDS:
        ordinary = torch.arange(max(1, int(rows)))
    draw = torch.Generator().manual_seed(seed)
    return ordinary[torch.randint(len(ordinary), (count,), generator=draw)]


def _special(values: dict[Any, Any]) -> Iterator[int]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _special(value)
        elif str(name).endswith(("token_id", "token_index")):
            yield from (one for one in (value if isinstance(value, list) else [value]) if type(one) is int)


@contextmanager
def first_pass(module: nn.Module, name: str, but: type[BaseException] = FathomError) -> Iterator[None]:
    """Around a model's first passes: whatever they raise `but` that becomes one line with the model and a way out."""
    try:
        yield
    except (FathomError, but):
        raise
    except Exception as error:  # models raise anything
        kind = getattr(module, "kind", type(module).__name__)
        beside = [one for one in modalities(module) if one != "text"]
        if beside:
            msg = f"model {name}: {kind} reads {' and '.join(_NAMES.get(one, one) for one in beside)} and does not run "
            msg += f"on text alone ({type(error).__name__}: {first_line(error)}); name a model of text"
            raise FathomError(msg) from error
        msg = f"model {name}: {kind} does not run on a few tokens ({type(error).__name__}: {first_line(error)}); "
        msg += "a checkpoint that transformers' AutoModel runs on input_ids and attention_mask alone is needed"
        raise FathomError(msg) from error


_NAMES = {"image": "images", "video": "videos", "audio": "sound", "time": "time series"}


def modalities(module: nn.Module) -> tuple[str, ...]:
    """What a model reads, as transformers says of its class: text, image, audio, ..."""
    found = getattr(getattr(module, "inner", module), "input_modalities", "text")
    return (found,) if isinstance(found, str) else tuple(found)


def device_of(module: nn.Module) -> torch.device:
    """Where a model's weights are."""
    return next(module.parameters()).device
