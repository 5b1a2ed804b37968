"""How weights can be stored, and how a folder stores them."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from fathom.models.weight_headers import Weights
from fathom.models.weights import files, initialised, packed

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class Storage(Protocol):
    """What every module of this folder that holds weights has."""

    BOUND: bool
    """Whether its files are as large as what they declare; if not, only what fathom itself made is read."""

    def declared(self, folder: Path) -> Weights:
        """What the files declare, read from their heads alone. Errors: FathomError if they are refused."""

    def load(
        self, folder: Path, *, dtype: str, attention: str | None, head: bool = False
    ) -> tuple[PreTrainedModel, dict[str, Any]]:
        """The model, and what transformers says of its weights: missing, unexpected and of another shape.

        With a `head` it predicts the next token.

        Errors: FathomError, or whatever the libraries raise.
        """


FILES: Storage = files
MARKED: dict[str, Storage] = {initialised.MARK: initialised, packed.MARK: packed}
"""File that a folder has in place of those that transformers reads -> what reads it."""


def storage_of(folder: Path) -> Storage:
    """How a folder stores its weights."""
    marks = marks_in({path.name for path in folder.iterdir()})
    return MARKED[marks[0]] if marks else FILES


def marks_in(names: Collection[str]) -> list[str]:
    """Those of the names of files that stand in place of what transformers reads."""
    return [name for name in MARKED if name in names]
