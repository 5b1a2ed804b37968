"""The stages in the order of the data: each is a folder here, a rule file, a verb and a folder of results."""

from __future__ import annotations

STAGES = {
    "corpora": "Build the texts of a corpus and their views.",
    "nursery": "Train a small model from scratch, with checkpoints.",
    "models": "Fetch or convert a checkpoint, or draw its weights, into a folder without code.",
    "activations": "Run a model over a corpus and store its hidden states.",
    "metrics": "Measure a representation metric on every layer.",
    "probes": "Fit linear probes on every layer.",
    "tasks": "Score every layer on downstream tasks.",
    "figures": "Draw a figure, with the numbers behind it.",
    "explore": "Write the page to explore all results in a browser.",
}
