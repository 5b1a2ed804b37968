"""The one place where mteb is imported: offline, without a GPU, of the pinned version, and quiet."""

from __future__ import annotations

import os
import sys
import warnings
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from fathom.runtime.errors import FathomError
from fathom.tasks.job import MTEB


def import_mteb() -> Any:
    """mteb, from which nothing is fetched from here on.

    Errors: FathomError if it is not installed, or not of the version whose scores are told of.
    """
    try:
        found = version("mteb")
    except PackageNotFoundError:
        found = "none"
    if found != MTEB:
        msg = f"mteb: expected version {MTEB}, found {found}: pip install mteb=={MTEB}, or `make`, which installs it"
        raise FathomError(msg)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the libraries that it imports, on their own future
        import datasets
        import mteb

    datasets.disable_progress_bars()
    return mteb


def work_offline(scratch: Path) -> None:
    """Before mteb is imported: what it reads lies on this disk, and scores need no GPU."""
    os.environ |= {
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "HF_DATASETS_CACHE": str(scratch),
        "CUDA_VISIBLE_DEVICES": "",
        "TOKENIZERS_PARALLELISM": "false",
    }
    if "huggingface_hub.constants" in sys.modules:  # it has read its environment already
        sys.modules["huggingface_hub.constants"].HF_HUB_OFFLINE = True  # type: ignore[attr-defined]
