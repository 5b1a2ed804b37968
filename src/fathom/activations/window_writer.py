"""Windows of states that the model fills while a thread checks and writes the one before, with bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fathom.activations.capture import Batch, Targets, as_numpy, as_tensor, captured, packed_targets
from fathom.activations.sinks import TokenFacts
from fathom.runtime.errors import FathomError
from fathom.store.layout import (
    HEAD_SHARES,
    NORM_RATIOS,
    SINK_SCORES,
    TOKEN_FACTS,
    WITHOUT_SINKS,
    ArrayKey,
    Shape,
    array_dtype,
    is_pooled,
    of_embedding,
    of_tokens,
)
from fathom.store.writer import StoreWriter

WINDOWS = 2
WAITING_BATCHES = 2  # on their way from a GPU


class WindowWriter:
    """Two windows of consecutive texts: the model fills one in any order of texts, a thread writes the other.

    Their memory is taken once and used again, for fresh memory costs more than the copies themselves. `begin` blocks
    until a window is free. Errors of the thread appear there, in `put`, or at the end.
    """

    def __init__(
        self,
        store: StoreWriter,
        shape: Shape,
        ranges: Sequence[tuple[int, int]],
        lengths: npt.NDArray[np.int64],
        device: torch.device,
        describe: Callable[[int], str],
        batch_tokens: int,
    ) -> None:
        self._store = store
        self._shape = shape
        self._device = device
        self._describe = describe
        self._ends = np.concatenate(([0], np.cumsum(lengths)))
        texts = max(last - first for first, last in ranges)
        tokens = max(int(self._ends[last] - self._ends[first]) for first, last in ranges)
        # NumPy asks the system for huge pages, torch does not; that is most of what fresh memory costs.
        self._buffers = [
            {
                key: np.empty(shape.extent(key, texts, tokens), dtype=array_dtype(key, shape.dtype))
                for key in shape.arrays
            }
            for _ in range(min(WINDOWS, len(ranges)))
        ]
        # Token states of one batch, where they are read for a mean and not stored.
        self._scratch = {
            key: np.empty(shape.extent(key, 0, batch_tokens), dtype=array_dtype(key, shape.dtype))
            for key in captured(shape)
            if key not in shape.states and device.type == "cpu"
        }
        self._begun = 0
        self._first = self._last = 0
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store-writer")
        self._flushes: deque[Future[None]] = deque()
        self._copies: deque[Future[None]] = deque()

    def __enter__(self) -> WindowWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                _drain(self._copies, 0)
                _drain(self._flushes, 0)
        finally:
            self._thread.shutdown(wait=True, cancel_futures=True)

    @property
    def _buffer(self) -> dict[ArrayKey, npt.NDArray[Any]]:
        return self._buffers[(self._begun - 1) % len(self._buffers)]

    def begin(self, first: int, last: int) -> None:
        """Texts first .. last - 1 of the shard come next, in batches of any order."""
        _drain(self._flushes, len(self._buffers) - 1)
        self._begun += 1
        self._first, self._last = first, last

    def targets(self, batch: Batch) -> Targets:
        """Where to put the states of a batch: the window itself, or memory on the GPU."""
        if self._device.type != "cpu":
            return packed_targets(batch, self._shape, self._device)
        arrays = {key: as_tensor(self._buffer[key]) for key in self._shape.states}
        arrays |= {key: as_tensor(array) for key, array in self._scratch.items()}
        tokens = np.cumsum(batch.lengths) - batch.lengths if self._scratch else self._first_rows(batch)
        return Targets(arrays=arrays, tokens=tokens, texts=batch.texts - self._first)

    def put_facts(self, batch: Batch, facts: Sequence[TokenFacts]) -> None:
        """Put what is known of the tokens of a batch into the window."""
        for first, one in zip(self._first_rows(batch).tolist(), facts, strict=True):
            rows = slice(first, first + len(one.scores))
            self._buffer[TOKEN_FACTS, NORM_RATIOS][:, rows, 0] = one.norm_ratios
            self._buffer[TOKEN_FACTS, HEAD_SHARES][:, rows, 0] = one.head_shares
            self._buffer[TOKEN_FACTS, SINK_SCORES][0, rows, 0] = one.scores

    def put(self, batch: Batch, targets: Targets) -> None:
        """The targets are filled: from a GPU they are copied into the window, and the model runs on meanwhile."""
        if self._device.type == "cpu":
            return
        _drain(self._copies, WAITING_BATCHES - 1)
        states, ready = _to_host({key: targets.arrays[key] for key in self._shape.states})
        rows = (self._first_rows(batch), batch.texts - self._first)
        self._copies.append(self._thread.submit(_scatter, self._buffer, states, ready, batch.lengths, *rows))

    def end(self) -> None:
        """The window is complete: append it to the store."""
        self._flushes.append(self._thread.submit(self._flush, self._buffer, self._first, self._last))

    def _first_rows(self, batch: Batch) -> npt.NDArray[np.int64]:
        rows: npt.NDArray[np.int64] = self._ends[batch.texts] - self._ends[self._first]
        return rows

    def _flush(self, buffer: dict[ArrayKey, npt.NDArray[Any]], first: int, last: int) -> None:
        tokens = int(self._ends[last] - self._ends[first])
        filled = {key: array[:, : last - first if is_pooled(key) else tokens] for key, array in buffer.items()}
        for key, states in filled.items():
            self._refuse_not_finite(key, states, first)
        for key, states in filled.items():
            for rows in self._token_rows(first, last) if of_tokens(key) else (slice(None),):
                self._store.append({key: states[:, rows]})

    def _token_rows(self, first: int, last: int) -> list[slice]:
        """Runs of rows of texts first .. last - 1 whose token states are stored; those of others gave a mean alone."""
        stored = self._shape.with_tokens
        if stored is None:
            return [slice(None)]
        edges = np.flatnonzero(np.diff(np.concatenate(([False], stored[first:last], [False])).astype(np.int8)))
        rows = (self._ends[first + edges] - self._ends[first]).tolist()
        return [slice(start, end) for start, end in zip(rows[::2], rows[1::2], strict=True)]

    def _refuse_not_finite(self, key: ArrayKey, states: npt.NDArray[Any], first: int) -> None:
        site, position = key
        if site == TOKEN_FACTS or position.endswith(WITHOUT_SINKS):  # NaN says there what is not known, or not there
            return
        layers = self._shape.layers[site][:1] if of_embedding(position) else self._shape.layers[site]
        for layer, state in zip(layers, map(as_tensor, states), strict=True):
            # One pass and no memory: a sum is NaN or infinite if a number is. It can also overflow, hence the second.
            if torch.isfinite(state.sum(dtype=torch.float32)):
                continue
            finite = torch.isfinite(state).all(dim=1)
            if bool(finite.all()):
                continue
            row = int(torch.nonzero(~finite)[0])
            if is_pooled(key):
                text = first + row
            else:
                text = int(np.searchsorted(self._ends, self._ends[first] + row, side="right")) - 1
            msg = (
                f"{self._describe(text)}: layer {layer} gives NaN or infinity ({site}, {position}); nothing was stored"
            )
            raise FathomError(msg)


def _drain(tasks: deque[Future[None]], left: int) -> None:
    while len(tasks) > left:
        tasks.popleft().result()


def _scatter(
    buffer: dict[ArrayKey, npt.NDArray[Any]],
    states: dict[ArrayKey, Tensor],
    ready: torch.cuda.Event,
    lengths: npt.NDArray[np.int64],
    tokens: npt.NDArray[np.int64],
    texts: npt.NDArray[np.int64],
) -> None:
    """Put the texts of a batch, packed in its order, to their rows of the window."""
    ready.synchronize()
    for key, state in states.items():
        packed = as_numpy(state)
        if is_pooled(key):
            buffer[key][:, texts] = packed
            continue
        start = 0
        for first, length in zip(tokens.tolist(), lengths.tolist(), strict=True):
            buffer[key][:, first : first + length] = packed[:, start : start + length]
            start += length


def _to_host(states: dict[ArrayKey, Tensor]) -> tuple[dict[ArrayKey, Tensor], torch.cuda.Event]:
    """Start copying to pinned memory and go on; the event tells the thread when the copy is complete."""
    host = {key: torch.empty(state.shape, dtype=state.dtype, pin_memory=True) for key, state in states.items()}
    for key, state in states.items():
        host[key].copy_(state, non_blocking=True)
    ready = torch.cuda.Event()
    ready.record()
    return host, ready
