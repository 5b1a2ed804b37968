"""Matrices go one a thread, with LAPACK held to one thread: small ones do not gain from more."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from threadpoolctl import threadpool_limits

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_parallel(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    threads: int,
    advance: Callable[[int], object] = lambda _: None,
) -> list[Result]:
    """Results of `function` for all items, in their order, `threads` at a time; `advance(1)` is called after each."""
    results = []
    with threadpool_limits(limits=1, user_api="blas"), ThreadPoolExecutor(threads) as pool:
        for result in pool.map(function, items):
            results.append(result)
            advance(1)
    return results
