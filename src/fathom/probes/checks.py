"""What is handed to the probes is checked before anything is fitted; a ValueError names the argument."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from fathom.statistics.arrays import FloatArray


class States(Protocol):
    """Layers of (texts, width) that are read when they are asked for; an array (layers, texts, width) is one."""

    def __len__(self) -> int:
        """Return the number of layers."""

    def __getitem__(self, layer: int, /) -> npt.NDArray[np.floating]:
        """Return the states of one layer, (texts, width)."""


def read_layer(states: States, layer: int, texts: int) -> FloatArray:
    """Return the states (texts, width) of one layer in float64."""
    read = np.asarray(states[layer], dtype=np.float64)
    if read.ndim != 2 or len(read) != texts or read.shape[1] == 0:
        msg = f"states: layer {layer} has shape {read.shape}; expected ({texts} texts, width)"
        raise ValueError(msg)
    if not np.isfinite(read).all():
        msg = f"states: NaN or infinity in layer {layer}"
        raise ValueError(msg)
    return read


def check_count(argument: str, count: int, least: int) -> None:
    """Refuse a number below `least`."""
    if count < least:
        msg = f"{argument}: {count}; expected at least {least}"
        raise ValueError(msg)
