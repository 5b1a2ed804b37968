"""States of a few texts of one's own: the verbs of the workflow, called on a folder that is deleted afterwards."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, get_args, overload

import numpy as np
import numpy.typing as npt
import pandas as pd
from platformdirs import user_cache_path
from pydantic import TypeAdapter, ValidationError

from fathom.activations.settings import POSITIONS, Site
from fathom.io.corpus_table import write_corpus
from fathom.io.manifests import read_manifest, write_manifest
from fathom.models.settings import HubModel, ModelSettings
from fathom.runtime.errors import FathomError
from fathom.store.layout import EMBEDDING_MEAN, WITHOUT_SINKS, is_mean, is_pooled, without_sinks
from fathom.store.reader import Activations
from fathom.workflow.config import Config
from fathom.workflow.jobs.models import model_job
from fathom.workflow.jobs.settings_json import as_json
from fathom.workflow.load import load_config
from fathom.workflow.strict_yaml import read_config_files

Float32Array = npt.NDArray[np.float32]
Dtype = Literal["float32", "bfloat16", "float16"]
MODEL, CORPUS, MANIFEST = "model", "texts", "manifest.json"
# What a verb sets for its own process, which here is that of the user: it is set back.
OWN_VARIABLES = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "USE_HUB_KERNELS", "TRUST_REMOTE_CODE")


@overload
def hidden_states(
    model: str | Path, texts: Sequence[str], *, position: Literal["tokens"], **options: Any
) -> list[Float32Array]: ...
@overload
def hidden_states(model: str | Path, texts: Sequence[str], *, position: str = ..., **options: Any) -> Float32Array: ...
def hidden_states(
    model: str | Path,
    texts: Sequence[str],
    *,
    layers: Any = "all",
    position: str = "mean",
    site: str = "residual",
    revision: str | None = None,
    dtype: Dtype | None = None,
    config: str | Path | None = None,
    results: str | Path = "results",
    **activations: Any,
) -> Float32Array | list[Float32Array]:
    """Hidden states of some texts, at every layer of a model, without a workflow.

    The extraction is that of the workflow: the same texts in the same batches give the same bits on as many
    threads. The model runs anew at every call.

    Args:
        model: a name in the config, a folder as `save_pretrained` writes it, or a repository on the Hugging Face hub.
        texts: the texts.
        layers: `all` (0, the embeddings, to the last block), `transformers`, or a list of numbers and "final".
        position: `mean` over the tokens of a text, `mean_without_sinks`, `last`, or `tokens` for all of them.
        site: where in a block, as in the config's `activations.sites`.
        revision: of a repository: a commit, branch or tag; its default branch if left out. A branch is looked up once,
            and the commit that it led to is kept with the model.
        dtype: what the model computes in; that of the config, or float32, if left out.
        config: the config file that names the model; the default config if left out.
        results: folder of a run, whose models are used where they are the config's.
        activations: other settings of the section `activations`, such as `token_budget=512` or `device="cpu"`.

    Returns:
        (layers, texts, width) in float32, exactly the numbers that the model computes; for `tokens` a list of
        (layers, tokens, width), one a text.

    Raises:
        ValueError: if an argument is none of those above.
        FathomError: if there is no such model, or it cannot run such a text.
    """
    if isinstance(texts, str) or not all(isinstance(text, str) for text in texts):
        msg = "texts: expected a list of strings"
        raise ValueError(msg)
    settings = _config(config)
    with tempfile.TemporaryDirectory(prefix="fathom-") as scratch, _process_as_it_was():
        found, manifest = _prepared(model, revision, settings, Path(results), Path(scratch))
        told = _extraction(settings, layers=layers, position=position, site=site, **activations)
        name = dtype or (found.dtype if found is not None else "float32")
        job = {"model": _name(model), "corpus": CORPUS, "dtype": name, "shard": 0, "activations": told}
        stored = _extracted(job, texts, manifest, Path(scratch))
        if is_pooled((site, position)):
            return np.stack([stored.pooled(position, layer, site) for layer in range(len(stored.layers_of(site)))])
        return [states.copy() for block in stored.token_blocks(1 << 28, site) for states in block]


def _name(model: str | Path) -> str:
    """A model as errors name it and as its folder is called."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", str(model)).strip("-._")[-100:] or MODEL


def _config(file: str | Path | None) -> Config:
    if file is None:
        return Config()
    return load_config(read_config_files([str(file)]), [str(file)], files_here=False)


def _extraction(settings: Config, *, layers: Any, position: str, site: str, **others: Any) -> dict[str, Any]:
    """The section `activations` of the job: that of the config, but for what is asked for here."""
    stored = position.removesuffix(WITHOUT_SINKS)
    for name, found, known in (("position", position, _positions()), ("site", site, get_args(Site))):
        if found not in known:
            msg = f"{name}: expected one of {', '.join(known)}; found {found!r}"
            raise ValueError(msg)
    own = {"layers": layers, "sites": [site], "positions": [stored], "attention_texts": 0, "shards": 1, "corpora": {}}
    unknown = sorted(others.keys() - type(settings.activations).model_fields.keys() | others.keys() & own.keys())
    if unknown:
        msg = f"{unknown[0]}: expected a setting of the section `activations`, such as token_budget"
        raise ValueError(msg)
    told = settings.activations.model_dump(mode="json") | own | others
    try:
        return type(settings.activations).model_validate(told).model_dump(mode="json")
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        msg = f"{first['loc'][0]}: {first['msg'][0].lower()}{first['msg'][1:]}"
        raise ValueError(msg) from None


def _positions() -> tuple[str, ...]:
    """Positions of a text without marked spans, at every layer; every mean also without sink tokens."""
    plain = [name for name in POSITIONS if name not in {"spans", EMBEDDING_MEAN}]
    return (*plain, *(without_sinks(name) for name in plain if is_mean(name)))


def _extracted(job: Mapping[str, Any], texts: Sequence[str], manifest: Path, scratch: Path) -> Activations:
    """Write the texts as a corpus and extract their states, as the workflow does."""
    from fathom.activations.command import command as extract

    names = [str(number) for number in range(len(texts))]
    corpus = pd.DataFrame({"id": names, "text": list(texts), "view": "original", "group": names})
    write_corpus(corpus, scratch / "texts.parquet", CORPUS)
    store = scratch / "states.manifest.json"
    _call(
        extract,
        settings_json=json.dumps(job),
        corpus_file=scratch / "texts.parquet",
        model_manifest=manifest,
        write_cut=None,
        write_losses=None,
        cut=None,
        store=scratch / "states.zarr.zip",
        manifest=store,
        threads=None,
    )
    return Activations([store])


# Models --------------------------------------------------------------------------------------------------------------


def _prepared(
    model: str | Path, revision: str | None, settings: Config, results: Path, scratch: Path
) -> tuple[ModelSettings | None, Path]:
    """Settings of a model, if the config has it, and the manifest of its prepared folder."""
    known = settings.all_models
    folder = Path(model).expanduser()
    if revision is not None and (model in known or isinstance(model, Path) or folder.is_dir()):
        msg = f"revision: expected none, for {model} is no repository on the hub"
        raise ValueError(msg)
    if isinstance(model, str) and model in known:
        return known[model], _of_config(model, settings, results)
    if folder.is_dir():
        return None, _of_folder(folder, scratch)
    if isinstance(model, Path) or model.startswith(("/", "./", "../", "~")):
        msg = f"{model}: no such folder"
        raise FathomError(msg)
    source = {"source": "hub", "repository": model} | ({} if revision is None else {"revision": revision})
    try:
        hub = TypeAdapter(HubModel).validate_python(source)
    except ValidationError:
        msg = f"model {model}: expected one of {', '.join(known)}, a folder, or a repository on the hub (owner/name)"
        raise FathomError(msg) from None
    return hub, _cached(_name(model), hub)


def _of_config(name: str, settings: Config, results: Path) -> Path:
    """A model that the config names: as a run has left it, or prepared once and kept in the user's cache."""
    wanted = settings.all_models[name]
    made = results / "models" / name / MANIFEST
    if made.is_file() and read_manifest(made, "model").get("source") == wanted.described:
        return made
    if wanted.training is not None:
        msg = (
            f"model {name}: a checkpoint of training {wanted.training}, not there yet; run snakemake --cores all {made}"
        )
        raise FathomError(msg)
    base = None if wanted.base is None else _of_config(wanted.base, settings, results)
    return _cached(name, wanted, base)


def _of_folder(folder: Path, scratch: Path) -> Path:
    """A folder of the user's, checked and cleaned as the workflow does; its weights are not copied."""
    from fathom.models.checkpoint_checks import CONFIG, TOKENIZER_CONFIG, copy_config, read_object
    from fathom.models.prepare import check_own, describe

    made = folder / MANIFEST
    if made.is_file() and read_object(made).get("kind") == "model":
        read_manifest(made, "model")
        return made
    target = scratch / MODEL
    target.mkdir()
    for path in check_own(folder):
        if path.name in (CONFIG, TOKENIZER_CONFIG):
            copy_config(path, target / path.name)
        elif path.suffix == ".safetensors":
            (target / path.name).symlink_to(path.resolve())
        else:
            shutil.copyfile(path, target / path.name)
    facts = describe(target, MODEL, depth=None)
    write_manifest(target / MANIFEST, {"kind": "model", "model": MODEL, "revision": "local folder", **facts})
    return target / MANIFEST


def _cached(name: str, wanted: ModelSettings, base: Path | None = None) -> Path:
    """A model in the user's cache; made there where it is missing, and then kept as it is."""
    from fathom.models.command import command as prepare

    job = as_json(model_job(name, wanted))
    folder = user_cache_path("fathom") / "models" / f"{name}-{hashlib.sha256(job.encode()).hexdigest()[:16]}"
    manifest = folder / MANIFEST
    if not manifest.is_file():
        folder.parent.mkdir(parents=True, exist_ok=True)
        _call(prepare, settings_json=job, folder=folder, manifest=manifest, base=base)
    return manifest


# The process ---------------------------------------------------------------------------------------------------------


def _call(verb: Any, **arguments: Any) -> None:
    """What a verb of the command line does, without its command line."""
    verb.callback(**arguments)


@contextmanager
def _process_as_it_was() -> Iterator[None]:
    """Set back what verbs set for a process of their own: that no library reaches for the network."""
    variables = {name: os.environ.get(name) for name in OWN_VARIABLES}
    hub: Any = sys.modules.get("huggingface_hub.constants")
    offline = None if hub is None else hub.HF_HUB_OFFLINE
    try:
        yield
    finally:
        for name, value in variables.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        hub = sys.modules.get("huggingface_hub.constants")
        if hub is not None:
            hub.HF_HUB_OFFLINE = _true(hub, variables["HF_HUB_OFFLINE"]) if offline is None else offline


def _true(hub: Any, value: str | None) -> bool:
    return value is not None and value.upper() in hub.ENV_VARS_TRUE_VALUES
