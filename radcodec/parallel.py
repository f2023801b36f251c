"""Work on many tiles by several threads, with results in order and few of them in memory."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import TypeVar

from radcodec.errors import InputError
from radcodec.limits import MAX_THREADS

Item = TypeVar("Item")
Result = TypeVar("Result")


def usable_threads(threads: int | None) -> int:
    """How many threads to use: all usable cores for None. Raises InputError for a number below 1."""
    if threads is None:
        usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return min(usable, MAX_THREADS)
    if threads < 1:
        raise InputError(f"expected 1 thread or more, found {threads}")
    return min(threads, MAX_THREADS)


def one_blas_thread() -> AbstractContextManager[object]:
    """Context in which BLAS uses one thread, for work that has threads of its own: the process's until it ends."""
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[object] = threadpool_limits(limits=1, user_api="blas")
    return limits


def ordered_map(function: Callable[[Item], Result], items: Iterable[Item], threads: int) -> Iterator[Result]:
    """Results of ``function`` for each item, in order; with few more of them begun than there are threads.

    With one thread everything runs in the caller's. When the caller stops early, or an item fails, what has not begun
    is dropped.
    """
    if threads == 1:
        yield from map(function, items)
        return
    pool = ThreadPoolExecutor(threads, thread_name_prefix="radcodec")
    waiting: deque[Future[Result]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > 2 * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
