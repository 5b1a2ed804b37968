"""A model without its weights: what only its code tells of its sizes, found by a few tokens on the way in."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from transformers import AutoModel

from fathom.models.architecture import find_outermost
from fathom.models.passes import Half, call, first_pass, modalities, ordinary_ids
from fathom.models.sizes import Part, depth_of
from fathom.runtime.errors import FathomError, first_line

if TYPE_CHECKING:
    from transformers import PretrainedConfig

log = logging.getLogger("fathom")

TOKENS = 4
# A config's model may have heads (BERT's pooler), or a half that does not run, that its files lack.
MOST_UNREAD = 4
_IDS_AXES = 2


def outline(config: PretrainedConfig, name: str, part: Part | None, held: int) -> dict[str, int | None]:
    """Positions of the model's position table and rows of its embedding; None where it has none.

    The model is built without memory for its weights, of which its files hold so many numbers. Errors: FathomError if
    transformers cannot build it, if it claims far more weights than that, or if it does not read text.
    """
    try:
        with torch.device("meta"):  # takes no memory, whatever size the config claims
            claimed = sum(weight.numel() for weight in AutoModel.from_config(config).parameters())
        if claimed > MOST_UNREAD * held:
            msg = f"model {name}: its config claims {claimed:,} weights, its files hold {held:,}"
            raise FathomError(msg)
        with _EmptyWeights():
            whole = AutoModel.from_config(config, trust_remote_code=False)
    except FathomError:
        raise
    except Exception as error:  # a bad config makes transformers raise anything
        msg = f"model {name}: transformers cannot build a model of this config ({first_line(error)})"
        raise FathomError(msg) from error
    for inner in whole.modules():
        for key, weight in inner.named_parameters(recurse=False):
            # One zero that stands for all: it takes no memory, and can be looked up as real weights are.
            zeros = torch.zeros((), dtype=weight.dtype).expand(weight.shape)
            inner._parameters[key] = nn.Parameter(zeros, requires_grad=False)
    module: nn.Module = Half(whole, part) if part else whole
    beside = [one for one in modalities(module) if one != "text"]
    if beside == list(modalities(module)):
        with first_pass(module, name):
            msg = "it takes no input_ids"
            raise TypeError(msg)
    watch = _Lookups()
    handles = [
        member.register_forward_pre_hook(_stop)
        for one in find_outermost(module).values()
        if len(one) == depth_of(config, part)
        for member in one
    ]
    ids = ordinary_ids(module, TOKENS)[None]
    try:
        with torch.inference_mode(), watch:
            call(module.eval(), ids, torch.ones_like(ids))
    except _FirstBlockError:
        pass
    except Exception as error:  # models raise anything, and weights of zero may make some do so
        if beside and isinstance(error, (TypeError, ValueError)):
            with first_pass(module, name):
                raise
        log.debug("model %s: its outline does not run (%s)", name, first_line(error))
    finally:
        for handle in handles:
            handle.remove()
    embedding: Any = module.get_input_embeddings()  # type: ignore[operator]  # nn.Module types it a Tensor
    weight = getattr(embedding, "weight", None)
    return {
        "positions": min(watch.limits) if watch.limits else None,
        "vocabulary": int(weight.shape[0]) if isinstance(weight, Tensor) else None,
    }


class _EmptyWeights(TorchFunctionMode):
    """Makes what waits for its values, as weights do, without memory; buffers have values, and are made as ever."""

    def __torch_function__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func is torch.empty and kwargs.get("device") is None:
            kwargs["device"] = torch.device("meta")
        return func(*args, **kwargs)


class _FirstBlockError(Exception):
    """The tokens have reached the first block."""


def _stop(*_: Any) -> None:
    raise _FirstBlockError


class _Lookups(TorchFunctionMode):
    """Sees which rows of which tables are looked up: positions are rows in order, wherever they start."""

    def __init__(self) -> None:
        super().__init__()
        self.limits: list[int] = []

    def __torch_function__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is torch.nn.functional.embedding:
            self._see(*args[:2], **{key: kwargs[key] for key in ("input", "weight") if key in kwargs})
        return func(*args, **kwargs)

    def _see(self, input: Tensor, weight: Tensor) -> None:
        if input.dim() > _IDS_AXES or input.shape[-1] != TOKENS:
            return
        row = input.reshape(-1, TOKENS)[0].tolist()
        if row == list(range(row[0], row[0] + TOKENS)):
            self.limits.append(int(weight.shape[0]) - row[0])
