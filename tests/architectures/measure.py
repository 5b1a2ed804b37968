"""What the real verbs make of a tiny model, compared with transformers' own hidden states, text by text."""

from __future__ import annotations

import copy
import logging as logs
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
import torch
from click.testing import CliRunner
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoModel, PreTrainedTokenizerFast
from transformers.utils import logging

from fathom.activations.command import command as extract_command
from fathom.activations.job import ExtractionSettings
from fathom.activations.settings import KeptActivations
from fathom.io.corpus_table import write_corpus
from fathom.io.manifests import read_manifest
from fathom.models.command import command as prepare_command
from fathom.runtime.errors import FathomError, first_line
from fathom.store.reader import Activations
from tests.architectures.build import tiny_model
from tests.jobs import model_settings

if TYPE_CHECKING:
    from fathom.store.layout import Dtype

LENGTHS = (21, 4, 61, 9, 3)
"""Tokens of the texts, which all fit into one batch."""
NEAR: dict[Dtype, float] = {"float32": 1e-5, "bfloat16": 5e-2}
"""Largest difference from transformers' states, by the largest state of the text's layer (or 1, if that is more)."""
LETTERS = [chr(code) for code in range(33, 127)]


@dataclass(frozen=True)
class Measured:
    """A row of the register."""

    architecture: str
    outcome: str
    """`works`, `texts alone`, `refused`, `wrong` or `not built`."""
    note: str = ""
    sites: tuple[str, ...] = ()
    maps: str = "none"
    """Blocks of whose attention there are maps: `yes` for all, `none`, or so many of all."""
    bfloat16: str = ""
    entries: str = ""
    """Whether `layers: transformers` is taken, and then is transformers' tuple in every entry: `yes` or `refused`."""


def letters() -> PreTrainedTokenizerFast:
    """A tokenizer of one token a character, whose first ids have roles."""
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", "<a>", "<b>", "<c>"]
    words = {word: number for number, word in enumerate([*special, *LETTERS])}
    inner = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, bos_token="<s>", pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )


def texts() -> list[str]:
    """Texts of random letters."""
    draw = np.random.default_rng(0)
    return ["".join(draw.choice(LETTERS, size=length)) for length in LENGTHS]


def measured(architecture: str, *, half: bool = True) -> Measured:
    """`measure` in a folder that goes; whatever it raises is a row of the register."""
    logs.disable(logs.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        try:
            return measure(architecture, Path(folder), half=half)
        except Exception as error:  # noqa: BLE001 - as said
            return Measured(architecture, "wrong", f"traceback: {type(error).__name__}: {first_line(error)}")


def measure(architecture: str, folder: Path, *, half: bool = True) -> Measured:
    """Build a tiny model in an empty folder, extract its states, and compare them with transformers' own.

    With `half` once more in bfloat16.
    """
    logging.set_verbosity(50)
    logging.disable_progress_bar()
    try:
        model = tiny_model(architecture)
        model.save_pretrained(folder / "own")
        letters().save_pretrained(folder / "own")
    except Exception as error:  # noqa: BLE001 - a config that is shrunk may not fit itself
        return Measured(architecture, "not built", first_line(error))
    found = _measure(architecture, folder, "float32")
    if half and found.outcome in {"works", "texts alone"}:
        other = _measure(architecture, folder, "bfloat16")
        shown = other.outcome if not other.note else f"{other.outcome}: {other.note}"
        return replace(found, bfloat16=shown)
    return found


def _measure(architecture: str, folder: Path, dtype: Dtype) -> Measured:
    try:
        manifest = extract(folder, dtype)
    except FathomError as error:
        return Measured(architecture, "refused", str(error).replace(str(folder), "..."))
    states = Activations([manifest])
    facts = read_manifest(manifest, "activations")
    difference = compare(folder / "own", states, dtype, read_manifest(folder / "models/tiny/manifest.json", "model"))
    maps = attending(states) if dtype == "float32" else ""
    if not difference <= NEAR[dtype]:
        return Measured(architecture, "wrong", f"differs by {difference:.1e}", states.sites, maps)
    outcome = "texts alone" if facts["texts_alone"] else "works"
    entries = _entries(folder) if dtype == "float32" else ""
    if entries.startswith("wrong"):
        return Measured(architecture, "wrong", entries, states.sites, maps)
    return Measured(architecture, outcome, "", states.sites, maps, entries=entries)


def _entries(folder: Path) -> str:
    """What comes of `layers: transformers`."""
    try:
        manifest = extract(folder, "float32", layers="transformers")
    except FathomError:
        return "refused"
    facts = read_manifest(folder / "models/tiny/manifest.json", "model")
    difference = compare(folder / "own", Activations([manifest]), "float32", facts, entries=True)
    return "yes" if difference <= NEAR["float32"] else f"wrong: an entry of hidden_states differs by {difference:.1e}"


def extract(folder: Path, dtype: Dtype, *, layers: Literal["all", "transformers"] = "all", **model: Any) -> Path:
    """`fathom models` and `fathom activations` on a checkpoint in `folder`/own; returns the manifest of the states."""
    target = folder / "models/tiny"
    arguments = ["--settings", model_settings({"source": "path", "path": str(folder / "own"), **model}, "tiny")]
    arguments += ["--folder", str(target), "--manifest", str(target / "manifest.json")]
    CliRunner().invoke(prepare_command, arguments, catch_exceptions=False, standalone_mode=False)
    rows = [
        {"id": f"t{row}", "text": text, "view": "original", "group": f"g{row}", "spans": None, "token_draws": None}
        for row, text in enumerate(texts())
    ]
    write_corpus(pd.DataFrame(rows), folder / "texts.parquet", "texts")
    # Sites and maps are looked for once, in float32.
    shown: dict[str, Any] = {"sites": ("residual",), "attention_texts": 0}
    if dtype == "float32" and layers == "all":
        shown = {"sites": "all", "attention_texts": 2}
    wanted = KeptActivations(positions=("tokens",), device="cpu", layers=layers, **shown)
    settings = ExtractionSettings(model="tiny", corpus="texts", dtype=dtype, shard=0, activations=wanted)
    manifest = folder / f"{dtype}.{layers}.manifest.json"
    arguments = ["--settings", settings.model_dump_json(), "--corpus", str(folder / "texts.parquet")]
    arguments += ["--model", str(target / "manifest.json"), "--store", str(folder / f"{dtype}.{layers}.zarr.zip")]
    arguments += ["--manifest", str(manifest), "--threads", "1"]
    CliRunner().invoke(extract_command, arguments, catch_exceptions=False, standalone_mode=False)
    return manifest


def compare(
    checkpoint: Path, states: Activations, dtype: Dtype, facts: dict[str, Any], *, entries: bool = False
) -> float:
    """Largest difference of stored states from transformers' hidden states of each text alone, see `NEAR`.

    Every entry of transformers' tuple but the last is the state of a layer; the last is normed in many models. With
    `entries` the stored layers are the entries themselves, all of them.
    """
    tokenizer = letters()
    depth = len(states.layers_of("residual")) - 1
    worst = 0.0
    loaded = AutoModel.from_pretrained(checkpoint, dtype=getattr(torch, dtype)).eval()
    stored = [one for block in states.token_blocks(1 << 30) for one in block]
    for text, ours in zip(texts(), stored, strict=True):
        # A fresh copy for every text, so that none finds what another has left.
        model = copy.deepcopy(loaded)
        if facts["part"] == "encoder":
            model = model.get_encoder()
        ids = torch.tensor([tokenizer(text)["input_ids"]])
        with torch.inference_mode():
            output = run_alone(model, ids)
        theirs = [state[0].to(torch.float32).numpy() for state in output.hidden_states]
        if entries:
            if len(theirs) != len(ours):
                return float("inf")
            worst = max(worst, *map(_near, theirs, ours))
            continue
        first = 0 if len(theirs) == depth + 1 and _near(theirs[0], ours[0]) < _near(theirs[0], ours[1]) else 1
        pairs = list(zip(theirs[:-1], ours[first:], strict=False))
        worst = max(worst, *(_near(one, other) for one, other in pairs))
    return worst


def attending(states: Activations) -> str:
    """Of how many blocks there are attention maps."""
    for _, maps in states.attention_patterns():
        given = int(np.count_nonzero(~np.isnan(maps).any(axis=(1, 2, 3))))
        return "yes" if given == len(maps) else f"{given} of {len(maps)}"
    return "none"


def run_alone(model: Any, ids: torch.Tensor) -> Any:
    """The pass of transformers over one text, without pads; without a mask where a model takes none."""
    try:
        return model(input_ids=ids, attention_mask=torch.ones_like(ids), output_hidden_states=True, use_cache=False)
    except TypeError:
        return model(input_ids=ids, output_hidden_states=True)


def _near(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> float:
    if one.shape != other.shape:
        return float("inf")
    return float(np.abs(one - other).max()) / max(1.0, float(np.abs(other).max()))
