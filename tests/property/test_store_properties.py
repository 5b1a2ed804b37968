"""How the axes of the store are cut, for any size."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from fathom.store.layout import CHUNK_BYTES, MINIMUM_ROWS, chunk_rows


@settings(max_examples=50, deadline=None)
@given(length=st.integers(1, 5_000_000), row_bytes=st.integers(2, 1 << 17))
def test_chunks_are_hardly_padded_and_about_a_megabyte(length: int, row_bytes: int) -> None:
    rows = chunk_rows(length, row_bytes)
    chunks = math.ceil(length / rows)
    assert chunks * rows <= 1.02 * length
    most = max(CHUNK_BYTES, MINIMUM_ROWS * row_bytes)
    assert rows * row_bytes <= most
    assert chunks == 1 or rows * row_bytes > most / 2 - row_bytes
