"""Small extractions, and what they must give: shared by the tests of the activations stage."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from click.testing import CliRunner
from torch import Tensor

from fathom.activations.capture import Batch, Targets, make_batch, packed_targets
from fathom.activations.command import command
from fathom.activations.reading import final_norm, read_batch, read_reference
from fathom.activations.settings import KeptActivations
from fathom.activations.sharding import CutSettings
from fathom.activations.sinks import FEWEST_TOKENS, TokenFacts
from fathom.activations.tokenisation import TokenisedTexts, tokenise
from fathom.io.corpus_table import read_corpus, write_corpus
from fathom.models.command import command as prepare_command
from fathom.models.load import LoadedModel, load_model, load_tokenizer
from fathom.models.sites import BlockSites
from fathom.store.layout import Dtype, Shape
from fathom.workflow.jobs.activations import BOUNDARIES_DEPEND_ON
from tests.jobs import model_settings
from tests.stores import RULE
from tests.tiny import SENTENCES

if TYPE_CHECKING:
    from fathom.activations.job import ExtractionSettings

CPU = torch.device("cpu")
LAYERS = ("0", "1", "2", "3")
POSITIONS = ("tokens", "mean", "mean_without_sinks", "last", "span:item")
EVERYTHING: dict[str, Any] = {
    "positions": ("tokens", "mean", "last", "spans"),
    "sites": ("residual",),
    "attention_texts": 0,
}
"""What extraction is told to keep where a test does not say it; in a run the plan says it."""
LENGTHS = [7, 3, 19, 3, 12, 1, 8]


def random_texts(lengths: list[int] = LENGTHS) -> TokenisedTexts:
    draw = np.random.default_rng(0)
    ids = [draw.integers(5, 150, size=length).astype(np.int32) for length in lengths]
    ends = draw.integers(0, lengths)
    return TokenisedTexts(ids=ids, spans={"item": ends}, span_starts={"item": np.maximum(ends - 1, 0)}, truncated=0)


def run(model: LoadedModel, batch: Batch, layers: tuple[str, ...] = LAYERS) -> dict[str, Tensor]:
    """Position -> states of the residual stream, packed in the order of the batch."""
    positions = tuple(position for position in POSITIONS if position != "span:item" or "item" in batch.spans)
    dtype = str(next(model.module.parameters()).dtype).removeprefix("torch.")
    shape = Shape({"residual": layers}, 0, 0, model.architecture.width, model.architecture.depth, dtype, positions)  # type: ignore[arg-type]
    targets = packed_targets(batch, shape, model.device)
    read(model, batch, shape, targets)
    return {position: targets.arrays["residual", position] for position in positions}


def read(model: LoadedModel, batch: Batch, shape: Shape, targets: Targets) -> list[TokenFacts]:
    """Fill the targets of a batch as extraction does."""
    short = None
    if batch.lengths.min() < FEWEST_TOKENS:
        short = read_reference(model, np.arange(5, 69, dtype=np.int32), shape, BlockSites(), RULE)
    norm = final_norm(model, shape, "m")
    return read_batch(model, batch, shape, BlockSites(), targets, RULE, short, norm)


def one_at_a_time(model: LoadedModel, texts: TokenisedTexts, layers: tuple[str, ...] = LAYERS) -> dict[str, Tensor]:
    """States of every text from a pass of its own, in the order of the texts."""
    alone = [run(model, make_batch(np.array([text]), texts.ids, texts.spans), layers) for text in range(len(texts.ids))]
    return {position: torch.cat([states[position] for states in alone], dim=1) for position in POSITIONS}


def assert_round_off(found: Tensor, expected: Tensor) -> None:
    """Sums of another order: equal to 32 units in the last place of the largest state of the layer."""
    for one, other in zip(found, expected, strict=True):
        bound = 32 * torch.finfo(torch.float32).eps * float(other.abs().max())
        torch.testing.assert_close(one, other, rtol=0, atol=bound)


def job(shard: int = 0, dtype: Dtype = "float32", **activations: Any) -> ExtractionSettings:
    from fathom.activations.job import ExtractionSettings

    return ExtractionSettings(
        model="tiny",
        corpus="texts",
        dtype=dtype,
        shard=shard,
        activations=KeptActivations(**(EVERYTHING | activations)),
    )


def prepared(source: Path, results: Path) -> Path:
    """The model folder that `fathom models` makes; returns its manifest."""
    folder = results / "models" / "tiny"
    settings = model_settings({"source": "path", "path": str(source)}, "tiny")
    arguments = ["--settings", settings, "--folder", str(folder)]
    CliRunner().invoke(
        prepare_command, [*arguments, "--manifest", str(folder / "manifest.json")], catch_exceptions=False
    )
    return folder / "manifest.json"


def written_corpus(path: Path, *, spans: bool = True, draws: bool = False, paraphrased: bool = False) -> Path:
    rows: list[dict[str, Any]] = [
        {
            "id": f"t{index}",
            "text": text,
            "view": "original",
            "group": f"g{index}",
            "spans": [{"name": "item", "start": 3, "end": 7}] if spans else None,
            "token_draws": None,
        }
        for index, text in enumerate(SENTENCES)
    ]
    if draws:
        drawn = np.random.default_rng(0).random(11)
        rows.append(
            {"id": "drawn", "text": None, "view": "original", "group": "g", "spans": None, "token_draws": drawn}
        )
    if paraphrased:
        rows += [{**row, "view": "paraphrase", "text": f"{row['text']} Once more."} for row in rows]
    write_corpus(pd.DataFrame(rows), path, "texts")
    return path


def extracted(manifest: Path, corpus: Path, settings: ExtractionSettings) -> Path:
    """`fathom activations` for one shard; returns its manifest."""
    name = f"{settings.shard + 1}-of-{settings.activations.shards}"
    folder = corpus.parent / "activations"
    arguments = ["--settings", settings.model_dump_json(), "--corpus", str(corpus), "--model", str(manifest)]
    if settings.activations.shards > 1:
        arguments += ["--cut", str(cut(manifest, corpus, settings))]
    arguments += ["--store", str(folder / f"{name}.zarr.zip"), "--manifest", str(folder / f"{name}.manifest.json")]
    done = CliRunner().invoke(command, [*arguments, "--threads", "1"], catch_exceptions=False)
    assert done.exit_code == 0
    return folder / f"{name}.manifest.json"


def cut(manifest: Path, corpus: Path, settings: ExtractionSettings) -> Path:
    """`fathom activations --write-cut` for the corpus of a shard; returns the file that it writes."""
    path = corpus.parent / "activations" / "shards.json"
    told = {name: getattr(settings.activations, name) for name in BOUNDARIES_DEPEND_ON}
    cutting = CutSettings(model=settings.model, corpus=settings.corpus, **told)
    arguments = ["--settings", cutting.model_dump_json(), "--corpus", str(corpus), "--model", str(manifest)]
    done = CliRunner().invoke(command, [*arguments, "--write-cut", str(path)], catch_exceptions=False)
    assert done.exit_code == 0
    return path


def direct_states(
    folder: Path, corpus: Path, layers: tuple[str, ...] = LAYERS
) -> tuple[TokenisedTexts, dict[str, Tensor]]:
    model = load_model(folder, "m", dtype="float32", device=CPU)
    texts = tokenise(read_corpus(corpus), load_tokenizer(folder, "m"), longest=None, truncate=False, place="")
    return texts, one_at_a_time(model, texts, layers)
