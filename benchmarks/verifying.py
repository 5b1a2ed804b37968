"""`fathom verify` against plain reading of as many bytes, both from the disk and not from the page cache."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from benchmarks.pairs import Aim, Comparison, clock, interleave, speeds
from benchmarks.reading import TEXT_TOKENS, write_states
from fathom.provenance.verify import check_files, look

if TYPE_CHECKING:
    from pathlib import Path

PAIRS = 5
STORES = 4
TEXTS = 35
BLOCK_BYTES = 8 << 20


def measure(folder: Path) -> Comparison:
    """Measure a gigabyte in four stores."""
    folder.mkdir()
    stores = [folder / str(number) for number in range(STORES)]
    for store in stores:
        write_states(store, "tokens", TEXTS, TEXTS * TEXT_TOKENS)
    plain = [store / "plain.bin" for store in stores]
    megabytes = sum(file.stat().st_size for file in plain) / 1e6
    os.sync()  # what is not on the disk yet cannot be read from it

    def ours() -> None:
        check_files(look([store / "manifest.json" for store in stores]))

    def theirs() -> None:
        for file in plain:
            _read(file)

    ours()
    theirs()
    return Comparison(
        name=f"fathom verify of {STORES} stores, {megabytes:,.0f} MB",
        against="reading plain files of the same bytes, one after another",
        unit="MB/s",
        pairs=speeds(interleave(lambda: clock(ours), lambda: clock(theirs), PAIRS), megabytes),
        aim=Aim("at least", 0.95),
    )


def _read(file: Path) -> None:
    with file.open("rb", buffering=0) as stream:
        os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        buffer = bytearray(BLOCK_BYTES)
        while stream.readinto(buffer):
            pass
