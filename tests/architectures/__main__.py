"""`make models`: measure every architecture and write the register, docs/models.md."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from importlib.metadata import version
from pathlib import Path

import torch

from tests.architectures.build import text_architectures
from tests.architectures.measure import Measured, measured

SITES = ("attention_input", "attention", "attention_residual", "mlp")
OUTCOMES = {
    "works": "states equal transformers' own, whatever batch a text runs in",
    "texts alone": "a batch changes a text's states, as the check at load finds, so each text runs alone; states equal",
    "refused": "one line, before anything is stored",
    "wrong": "states differ from transformers' own",
    "not built": "no tiny model could be made by shrinking the config; not tried",
}
HEAD = """# Models

Written by `make models`; do not edit. Every architecture of transformers {transformers} that writes text, fills gaps in
it, or reads it beside images or sound: a tiny model with random weights, extracted as any other, five texts of 3 to 60
tokens in one batch, and compared with transformers' own `hidden_states` of each text alone. `works` means that no state
differs by more than 1e-5 of the largest state of its layer in float32 (5e-2 in bfloat16, where the model runs in it).
A tiny model shows that layers are found and batches are right. It does not show that a published checkpoint loads.

torch {torch}, transformers {transformers}, on a CPU. Of encoder-decoders the encoder runs; `part: decoder` runs the
other half. Attention maps are those of the blocks that have attention over the tokens. `layers: transformers` is taken
where it gives transformers' tuple `hidden_states` in every entry, and refused elsewhere.

{counts}

| architecture | float32 | bfloat16 | sub-layer sites | attention maps | `layers: transformers` | remark |
|---|---|---|---|---|---|---|
"""


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--write", type=Path, default=Path("docs/models.md"))
    parser.add_argument("--rows", type=Path, help="Where rows are kept, so that an interrupted run goes on.")
    parser.add_argument("--float32-only", action="store_true", help="Leave bfloat16 out.")
    told = parser.parse_args()
    known = _read(told.rows) if told.rows else {}
    names = [name for name in text_architectures() if name not in known]
    torch.set_num_threads(1)
    # Forked, for transformers takes long to import.
    with multiprocessing.get_context("fork").Pool(told.processes) as pool:
        for row in pool.imap_unordered(partial(measured, half=not told.float32_only), names):
            known[row.architecture] = row
            print(row.architecture, row.outcome, row.note, flush=True)
            if told.rows:
                with told.rows.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(asdict(row)) + "\n")
    told.write.write_text(register([known[name] for name in text_architectures()]), encoding="utf-8")


def _read(path: Path) -> dict[str, Measured]:
    """Rows of a run that was interrupted."""
    if not path.exists():
        return {}
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return {row["architecture"]: Measured(**{**row, "sites": tuple(row["sites"])}) for row in rows}


def register(rows: Sequence[Measured]) -> str:
    """The register as Markdown."""
    counted = Counter(row.outcome for row in rows)
    counts = "\n".join(f"- **{outcome}**: {counted[outcome]} ({meaning})" for outcome, meaning in OUTCOMES.items())
    head = HEAD.format(transformers=version("transformers"), torch=version("torch").split("+")[0], counts=counts)
    return head + "".join(f"| {' | '.join(_cells(row))} |\n" for row in rows)


def _cells(row: Measured) -> list[str]:
    there = [site for site in SITES if site in row.sites]
    ran = row.outcome in {"works", "texts alone", "wrong"}
    sites = ("all" if len(there) == len(SITES) else ", ".join(there) or "none") if ran else ""
    maps = row.maps if ran else ""
    bfloat16 = row.bfloat16.split(":")[0]
    return [row.architecture, row.outcome, bfloat16, sites, maps, row.entries, _plain(row.note)]


def _plain(note: str) -> str:
    return note.replace("|", "/").replace("\n", " ")[:200]


if __name__ == "__main__":
    main()
