"""A run of many models, as the explore stage sees it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from fathom.explore.budget import Content
from fathom.explore.command import fitting_page
from fathom.explore.curves import as_curves
from fathom.explore.job import Corpus, ExploreJob, Model
from fathom.io.summaries import as_summary
from tests.explored import WORDS, curve


def write_many(folder: Path, count: int) -> Path:
    """The page of so many models with one metric each."""
    names = [f"m{number:03d}" for number in range(count)]
    rng = np.random.default_rng(0)
    parts = [
        curve("prompt_entropy", name, 30, rng.random(31).tolist(), corpus="bible", view="original", sinks=sinks)
        for name in names
        for sinks in ("with", "without")
    ]
    job = ExploreJob(
        megabytes=6.0,
        token_texts=0,
        tables=(),
        words=tuple(WORDS[:1]),
        models=tuple(Model(name=name, title=f"model {name[1:]}", origin="") for name in names),
        corpora=(Corpus(name="bible", about=""),),
        tokens=(),
        figures=(),
        records=(),
        level=0.95,
        layers="layer",
    )
    path = folder / "many.html"
    path.write_bytes(fitting_page(job, Content(curves=as_curves(as_summary(pd.concat(parts))), tokens=())))
    return path
