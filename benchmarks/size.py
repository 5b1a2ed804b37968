"""Bytes of a store on disk against the bytes of the numbers in it."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.pairs import Aim, Comparison
from fathom.store.layout import array_dtype, is_pooled


def measure(title: str, manifest: Path) -> Comparison:
    """Measure one store, its manifest and metadata included; no pairs, for both sides are exact."""
    facts = json.loads(manifest.read_text(encoding="utf-8"))
    store = manifest.with_name(facts["store"])
    tokens, vectors = facts["tokens"], sum(len(site["layers"]) for site in facts["sites"]) * facts["width"]
    on_disk = manifest.stat().st_size + store.stat().st_size
    raw = sum(
        (facts["texts"] if is_pooled(key) else tokens) * vectors * array_dtype(key, facts["dtype"]).itemsize
        for key in (("residual", position) for position in facts["positions"])
    )
    return Comparison(
        name=f"Store on disk, {title}'s shape, {facts['dtype']}",
        against=f"the states alone ({', '.join(facts['positions'])})",
        unit="bytes/token",
        pairs=[(on_disk / tokens, raw / tokens)],
        aim=Aim("at most", 1.02),
    )
