"""Models with random weights and texts of random tokens: the work of a real one, without a download."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from transformers import AutoModel, GPTNeoXConfig, LlamaConfig

from fathom.activations.settings import KeptActivations, Position
from fathom.activations.tokenisation import TokenisedTexts
from fathom.models.load import LoadedModel, understand


@dataclass(frozen=True)
class Case:
    """A model, its precision, the texts that it reads, and how they are extracted."""

    title: str
    config: Any
    device: Literal["cpu", "cuda"]
    dtype: Literal["float32", "bfloat16"]
    texts: int
    activations: KeptActivations
    threads: int = 1
    """Of the model, where it runs on a CPU. The store has a thread of its own."""

    @property
    def place(self) -> str:
        """Where the model runs."""
        return "GPU" if self.device == "cuda" else f"CPU, {self.threads} thread{'s' if self.threads > 1 else ''}"

    def model(self) -> LoadedModel:
        """The model, with random weights."""
        torch.manual_seed(0)
        device = torch.device(self.device)
        module = AutoModel.from_config(self.config).to(device=device, dtype=getattr(torch, self.dtype)).eval()
        return understand(module, self.title, device)

    def tokens(self) -> TokenisedTexts:
        """Texts of 80 to 120 random tokens."""
        generator = np.random.default_rng(0)
        lengths = generator.integers(80, 121, size=self.texts)
        ids = [generator.integers(self.config.vocab_size, size=length).astype(np.int32) for length in lengths]
        return TokenisedTexts(ids=ids, spans={}, span_starts={}, truncated=0)


def kept(*positions: Position, **settings: int) -> KeptActivations:
    """Extraction of the residual stream that keeps some positions, fathom's default settings otherwise."""
    return KeptActivations.model_validate(
        {"sites": ("residual",), "positions": positions, "attention_texts": 0, **settings}
    )


# What metrics of tokens and of corpora read, and what was stored of every corpus before the planner chose.
READ: tuple[Position, ...] = ("tokens", "mean")
EVERYTHING: tuple[Position, ...] = ("tokens", "mean", "last")


def smollm2(*positions: Position, threads: int = 1) -> Case:
    """The shape of SmolLM2-135M in float32 on the CPU, fathom's default settings: three windows of texts."""
    config = LlamaConfig(
        vocab_size=49152,
        hidden_size=576,
        intermediate_size=1536,
        num_hidden_layers=30,
        num_attention_heads=9,
        num_key_value_heads=3,
        max_position_embeddings=8192,
    )
    return Case("SmolLM2-135M", config, "cpu", "float32", texts=96, activations=kept(*positions), threads=threads)


def pythia(*positions: Position) -> Case:
    """The shape of Pythia-410M in bfloat16 on a GPU, with the larger batches that a GPU wants and memory for them."""
    config = GPTNeoXConfig(
        vocab_size=50304,
        hidden_size=1024,
        intermediate_size=4096,
        num_hidden_layers=24,
        num_attention_heads=16,
        max_position_embeddings=2048,
    )
    activations = kept(*positions, token_budget=16384, memory_mb=4096)
    return Case("Pythia-410M", config, "cuda", "bfloat16", texts=1024, activations=activations)
