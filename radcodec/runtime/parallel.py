"""Work on many tiles in several threads, with results in order and only a few in memory."""

from __future__ import annotations

import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from radcodec.errors import InputError
from radcodec.limits import MAX_THREADS
from radcodec.runtime.option_values import shown, whole_number

if TYPE_CHECKING:
    from concurrent.futures import Future

Item = TypeVar("Item")
Result = TypeVar("Result")
GIVE_BACK_EVERY = 32  # results


def usable_threads(threads: int | None) -> int:
    """Return the number of threads to use: all usable cores for None. Raises InputError for other than 1 or more."""
    if threads is None:
        usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return min(usable, MAX_THREADS)
    wanted = whole_number("threads", threads)
    if wanted < 1:
        raise InputError(f"expected 1 thread or more, found {shown(wanted)}")
    return min(wanted, MAX_THREADS)


def _free_blas_control() -> None:
    """Let the current thread set the number of BLAS threads: newer threadpoolctl lets only the one that did it last."""
    import threadpoolctl

    controller: Any = getattr(threadpoolctl, "OpenBLASController", None)
    if hasattr(controller, "clear_controlling_thread"):
        controller.clear_controlling_thread(force=True)


class _BlasLimit:
    """A counted limit of BLAS to one thread: the first user sets it, the last removes it.

    The number of BLAS threads belongs to the process. Without a count, the second user to finish would restore the
    first one's limit for ever.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holders = 0
        self._limits: Any = None

    def __enter__(self) -> None:
        with self._lock:
            if self._holders == 0:
                from threadpoolctl import threadpool_limits

                _free_blas_control()
                self._limits = threadpool_limits(limits=1, user_api="blas")
            self._holders += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._holders -= 1
            if self._holders == 0:
                limits, self._limits = self._limits, None
                _free_blas_control()
                limits.restore_original_limits()
                _free_blas_control()


_BLAS_LIMIT = _BlasLimit()


def one_blas_thread() -> AbstractContextManager[None]:
    """Limit BLAS to one thread inside this context; contexts of several threads may overlap.

    The limit covers the whole process until the last context ends.
    """
    return _BLAS_LIMIT


def ordered_map(function: Callable[[Item], Result], items: Iterable[Item], threads: int) -> Iterator[Result]:
    """Yield results of ``function`` for each item, in order; only a few more items than threads are in work.

    With one thread everything runs in the caller's thread. If the caller stops early or an item fails, items not yet
    started are dropped. Memory that was freed goes back to the system from time to time.
    """
    results = map(function, items) if threads == 1 else _in_pool(function, items, threads)
    try:
        for number, result in enumerate(results, start=1):
            yield result
            if number % GIVE_BACK_EVERY == 0:
                give_back()
    finally:
        if isinstance(results, Generator):
            results.close()


def _in_pool(function: Callable[[Item], Result], items: Iterable[Item], threads: int) -> Generator[Result, None, None]:
    from concurrent.futures import ThreadPoolExecutor  # which one thread, and what only looks, needs not

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


def give_back() -> None:
    """Give freed memory back to the system; only the C library of Linux (glibc) has to be asked.

    It keeps what lies between pieces in use. Arrays of tiles come and go by the thousand, so that the pieces spread.
    """
    if sys.platform == "linux":
        import ctypes

        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
