"""A thread that checks, sorts and writes states while the model runs on, with bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fathom.activations.capture import Batch
from fathom.errors import FathomError
from fathom.store import StoreWriter, is_pooled

WAITING_BATCHES = 2


class WindowWriter:
    """Collects the batches of a window of texts, puts them back into the order of the corpus, and appends them.

    At most WAITING_BATCHES batches wait; then `put` blocks until one is done. Errors of the thread appear in the
    next `put`, or at the end.
    """

    def __init__(
        self,
        store: StoreWriter,
        layers: tuple[str, ...],
        describe: Callable[[int], str],
    ) -> None:
        self._store = store
        self._layers = layers
        self._describe = describe
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store-writer")
        self._waiting: deque[Future[None]] = deque()
        self._window = (0, 0)
        # Text -> position -> (layers, tokens or 1, width), a view into the states of its batch.
        self._states: dict[int, dict[str, Tensor]] = {}

    def __enter__(self) -> WindowWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._drain(0)
        finally:
            self._thread.shutdown(wait=True, cancel_futures=True)

    def begin(self, first: int, last: int) -> None:
        """Texts first .. last - 1 of the shard come next, in batches of any order."""
        self._submit(self._begin, first, last)

    def put(self, batch: Batch, states: dict[str, Tensor]) -> None:
        """Hand over the states of a batch, on whichever device they are."""
        self._submit(self._receive, batch, *_to_host(states))

    def end(self) -> None:
        """The window is complete: append it to the store."""
        self._submit(self._flush)

    def _submit(self, task: Callable[..., None], *arguments: Any) -> None:
        self._drain(WAITING_BATCHES - 1)
        self._waiting.append(self._thread.submit(task, *arguments))

    def _drain(self, left: int) -> None:
        while len(self._waiting) > left:
            self._waiting.popleft().result()

    def _begin(self, first: int, last: int) -> None:
        self._window = (first, last)
        self._states = {}

    def _receive(self, batch: Batch, states: dict[str, Tensor], ready: torch.cuda.Event | None) -> None:
        if ready is not None:
            ready.synchronize()
        for position, state in states.items():
            self._refuse_not_finite(position, state, batch)
        ends = np.cumsum(batch.lengths)
        for row, text in enumerate(batch.texts.tolist()):
            tokens = slice(ends[row] - batch.lengths[row], ends[row])
            self._states[text] = {
                position: state[:, row : row + 1] if is_pooled(position) else state[:, tokens]
                for position, state in states.items()
            }

    def _refuse_not_finite(self, position: str, state: Tensor, batch: Batch) -> None:
        low, high = torch.aminmax(state)  # NaN if one is there; ten times as fast as to look at each number
        if bool(torch.isfinite(low) & torch.isfinite(high)):
            return
        finite = torch.isfinite(state).all(dim=2)
        layer, row = (int(index) for index in torch.nonzero(~finite)[0])
        if is_pooled(position):
            text = int(batch.texts[row])
        else:
            text = int(batch.texts[np.searchsorted(np.cumsum(batch.lengths), row, side="right")])
        where = f"{self._describe(text)}: layer {self._layers[layer]}"
        msg = f"{where} gives NaN or infinity ({position}); nothing was stored"
        raise FathomError(msg)

    def _flush(self) -> None:
        for text in range(*self._window):
            self._store.append({position: _as_stored(state) for position, state in self._states[text].items()})
        self._states = {}


def _to_host(states: dict[str, Tensor]) -> tuple[dict[str, Tensor], torch.cuda.Event | None]:
    """Start copying to pinned memory and go on; the event tells the thread when the copy is complete."""
    if next(iter(states.values())).device.type != "cuda":
        return states, None
    host = {
        position: torch.empty(state.shape, dtype=state.dtype, pin_memory=True) for position, state in states.items()
    }
    for position, state in states.items():
        host[position].copy_(state, non_blocking=True)
    ready = torch.cuda.Event()
    ready.record()
    return host, ready


def _as_stored(state: Tensor) -> npt.NDArray[Any]:
    return state.view(torch.uint16).numpy() if state.dtype == torch.bfloat16 else state.numpy()
