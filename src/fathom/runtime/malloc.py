"""How the C library hands out memory while states are written and measured."""

from __future__ import annotations

import ctypes

# From glibc's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
LARGEST = (1 << 31) - 1


def keep_freed_memory() -> None:
    """Let the process use freed memory again instead of handing it back to the system and asking for it anew.

    Files of the store, activations of the model and states of a text are larger than what glibc keeps: each would be
    mapped, filled page by page with zeros and unmapped again, which costs more than copying it. Where there is no glibc
    nothing changes.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, LARGEST)
        mallopt(M_TRIM_THRESHOLD, LARGEST)
