"""Load a prepared checkpoint: no pickle, no code of its own, every weight accounted for."""

from __future__ import annotations

import logging as logs
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModel, AutoTokenizer, PreTrainedTokenizerFast
from transformers.utils import logging

from fathom.models.architecture import Architecture, Dtype, check_architecture, find_architecture, stream_dtype
from fathom.models.batch_check import BatchCheck, check_batches
from fathom.models.checkpoint_checks import check_prepared
from fathom.models.offline import go_offline
from fathom.models.passes import Fresh, Half, call
from fathom.models.sizes import Part
from fathom.models.weights.storage import storage_of
from fathom.runtime.errors import FathomError, first_line

log = logs.getLogger("fathom")


@dataclass(frozen=True)
class LoadedModel:
    """A model ready to run, in evaluation mode."""

    module: nn.Module
    architecture: Architecture
    device: torch.device
    fresh: Fresh
    """The module as it was loaded, which every pass starts from."""
    states_dtype: Dtype
    """Precision of its residual stream: float32 in some models that compute in half precision (Mamba)."""
    check: BatchCheck
    """Whether texts may share a batch."""
    reload: Callable[[str], LoadedModel] | None = None
    """Loads the same checkpoint once more, with another implementation of attention."""

    @property
    def texts_alone(self) -> str | None:
        """Why every text has to run alone; None if texts may share a batch."""
        return self.check.texts_alone

    @property
    def kind(self) -> str:
        """Class of the model in transformers."""
        return getattr(self.module, "kind", None) or type(self.module).__name__

    def run(self, input_ids: Tensor, attention_mask: Tensor, **wanted: bool) -> Any:
        """One pass over a batch, the same whatever ran before. Returns the model's output."""
        self.fresh.restore()
        return call(self.module, input_ids, attention_mask, **wanted)


def pick_device(setting: str) -> torch.device:
    """The device that a setting means; `auto` is the GPU where there is one.

    Errors: FathomError if a GPU is asked for and there is none.
    """
    if setting == "cuda" and not torch.cuda.is_available():
        msg = "activations.device: expected a CUDA device, found none (auto falls to the CPU, cuda does not)"
        raise FathomError(msg)
    if setting == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(setting)


def _guard(folder: Path, name: str) -> None:
    """What comes before any library reads a file of the folder."""
    go_offline()
    try:
        check_prepared(folder)
    except FathomError as error:
        msg = f"model {name}: cannot be loaded ({error})"
        raise FathomError(msg) from error


def load_tokenizer(folder: Path, name: str) -> PreTrainedTokenizerFast:
    """Load the tokenizer of a prepared checkpoint.

    Errors: FathomError if it cannot be read, or cannot tell which characters a token covers (spans need that).
    """
    _guard(folder, name)
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # the tokenizers library raises bare Exception, KeyError and more
        msg = f"model {name}: its tokenizer cannot be read from {folder} ({first_line(error)})"
        raise FathomError(msg) from error
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        msg = (
            f"model {name}: its tokenizer ({type(tokenizer).__name__}) gives no character offsets; a fast one is needed"
        )
        raise FathomError(msg)
    return tokenizer


def load_model(
    folder: Path,
    name: str,
    *,
    dtype: str,
    device: torch.device,
    part: Part | None = None,
    context: int | None = None,
    head: bool = False,
) -> LoadedModel:
    """Load a prepared checkpoint, find its layers and try whether its texts may share a batch.

    `part` is the half of an encoder-decoder that runs (the encoder if left out), `context` the longest text that it
    takes. With a `head` it puts out the logits of the next token. Errors: FathomError if weights are missing or of
    another shape, if the model does not run on text, or if the architecture is not understood.
    """
    _guard(folder, name)
    module = _load_module(folder, name, dtype, part, head=head).to(device)

    def reload(attention: str) -> LoadedModel:
        again = _load_module(folder, name, dtype, part, attention=attention, head=head).to(device)
        return understand(again, name, device, context=context)

    return understand(module, name, device, context=context, reload=reload)


def understand(
    module: nn.Module,
    name: str,
    device: torch.device,
    *,
    context: int | None = None,
    reload: Callable[[str], LoadedModel] | None = None,
) -> LoadedModel:
    """Find the layers of a model in memory, and try whether its texts may share a batch. Errors: as `load_model`."""
    fresh = Fresh(module)
    architecture = check_architecture(module, find_architecture(module, name), name)
    states_dtype = stream_dtype(module, architecture, name)
    check = check_batches(module, architecture, fresh, name, context=context)
    return LoadedModel(module, architecture, device, fresh, states_dtype, check, reload)


def check_names(folder: Path, name: str, part: Part | None) -> None:
    """Whether the files of a checkpoint hold every weight that is read, by their names and shapes: none is loaded.

    Errors: FathomError as `load_model`. What cannot be loaded without its weights is left to that.
    """
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()  # transformers draws a table of the names; the line below says what is wrong
    logging.disable_progress_bar()
    try:
        whole, info = AutoModel.from_pretrained(
            folder,
            device_map="meta",
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            output_loading_info=True,
        )
    except Exception as error:  # noqa: BLE001 - a model may want the values of some weights as it is built
        log.debug("model %s: its names cannot be compared without its weights (%s)", name, first_line(error))
        return
    finally:
        logging.set_verbosity(verbosity)
    _check_weights(info, name, whole, _that_runs(whole, part))


def _that_runs(whole: Any, part: Part | None) -> nn.Module:
    """The half of an encoder-decoder that runs; any other model whole."""
    halves = bool(getattr(whole.config, "is_encoder_decoder", False)) and hasattr(whole, "get_encoder")
    return Half(whole, part or "encoder") if halves else whole


def _load_module(
    folder: Path, name: str, dtype: str, part: Part | None, attention: str | None = None, *, head: bool = False
) -> nn.Module:
    try:
        whole, info = storage_of(folder).load(folder, dtype=dtype, attention=attention, head=head)
    except FathomError as error:
        msg = f"model {name}: {error}"
        raise FathomError(msg) from error
    except Exception as error:  # a bad config or file makes the libraries raise anything
        msg = f"model {name}: cannot be loaded from {folder} ({first_line(error)})"
        raise FathomError(msg) from error
    module = _that_runs(whole, part)
    _check_weights(info, name, whole, module)
    return module.eval()


def _check_weights(info: dict[str, Any], name: str, whole: nn.Module, module: nn.Module) -> None:
    """A weight that the checkpoint lacks would be initialised at random, and nobody would see it in a figure."""
    # BERT's pooler sits behind the last layer and is not read; sentence encoders are published without it. Of an
    # encoder-decoder only the half that runs has to be there.
    read = {id(weight) for weight in module.parameters()}
    names = {key: id(weight) for key, weight in whole.named_parameters(remove_duplicate=False)}
    missing = sorted(
        key for key in info["missing_keys"] if not key.startswith("pooler.") and names.get(key, 0) in {0, *read}
    )
    differing = sorted(str(key) for key in info["mismatched_keys"])
    if missing or differing:
        wrong = missing or differing
        msg = f"model {name}: {len(wrong)} weights are missing or of another shape in its checkpoint, first {wrong[0]}"
        alike = sorted(str(key) for key in info["unexpected_keys"] if str(key).endswith(f".{wrong[0]}"))
        if alike:
            prefix = alike[0].removesuffix(wrong[0])
            msg += f"; there it is called {alike[0]}: take {prefix!r} from the names, or save the model inside instead"
        raise FathomError(msg)
