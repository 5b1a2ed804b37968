"""How the axes of the store are cut, for any size."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from fathom.store import Grid


@settings(max_examples=50, deadline=None)
@given(
    length=st.integers(1, 5_000_000),
    layers=st.integers(1, 200),
    row_bytes=st.integers(2, 1 << 17),
    shard_bytes=st.sampled_from([1 << 20, 1 << 25, 1 << 28]),
)
def test_chunks_are_hardly_padded_and_fill_shards(length: int, layers: int, row_bytes: int, shard_bytes: int) -> None:
    grid = Grid.fitting(length, layers, row_bytes, shard_bytes)
    chunks = math.ceil(length / grid.chunk)
    assert grid.shard % grid.chunk == 0
    assert chunks * grid.chunk <= 1.02 * length
    assert grid.shard <= chunks * grid.chunk
    # A shard is as large as was asked for, as long as one chunk of every layer fits into that.
    assert grid.shard * row_bytes * layers <= max(shard_bytes, grid.chunk * row_bytes * layers)
