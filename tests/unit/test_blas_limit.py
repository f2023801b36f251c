"""The limit of BLAS threads: held by several encodings at once, given back by the last."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest
from threadpoolctl import ThreadpoolController, threadpool_limits

import radcodec
from radcodec.runtime.parallel import one_blas_thread


def _blas_threads() -> set[int]:
    np.ones((4, 4)) @ np.ones((4, 4))
    return {info["num_threads"] for info in ThreadpoolController().info() if info["user_api"] == "blas"}


@pytest.fixture
def _two_threads() -> Iterator[None]:
    """BLAS on two threads, as a process has it at its start on a machine of two cores."""
    before = _blas_threads()
    threadpool_limits(limits=2, user_api="blas")
    if _blas_threads() != {2}:
        pytest.skip("the BLAS of this machine takes no limit")
    yield
    threadpool_limits(limits=max(before), user_api="blas")


def _hold(entered: threading.Event, leave: threading.Event) -> threading.Thread:
    def work() -> None:
        with one_blas_thread():
            entered.set()
            leave.wait(20)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    assert entered.wait(60)
    return thread


@pytest.mark.usefixtures("_two_threads")
@pytest.mark.parametrize("first_out", [0, 1])
def test_overlapping_blocks_give_back_what_was_there(first_out: int) -> None:
    """Two blocks that overlap in either order keep BLAS at one thread until both end; then it has two again."""
    events = [(threading.Event(), threading.Event()) for _ in range(2)]
    threads = [_hold(*pair) for pair in events]
    assert _blas_threads() == {1}
    events[first_out][1].set()
    threads[first_out].join()
    assert _blas_threads() == {1}
    events[1 - first_out][1].set()
    threads[1 - first_out].join()
    assert _blas_threads() == {2}


@pytest.mark.usefixtures("_two_threads")
def test_the_last_block_ends_in_another_thread_than_the_first_began_in() -> None:
    """A limit set by a thread that is still alive is taken back by another; afterwards any thread may set one."""
    entered, leave = threading.Event(), threading.Event()
    with one_blas_thread():
        other = _hold(entered, leave)
    assert _blas_threads() == {1}
    leave.set()
    other.join()
    assert _blas_threads() == {2}
    with one_blas_thread():
        assert _blas_threads() == {1}
    assert _blas_threads() == {2}


@pytest.mark.usefixtures("_two_threads")
def test_an_error_gives_the_limit_back() -> None:
    """A block that raises gives the limit back, nested ones too."""
    with pytest.raises(ValueError, match="no"), one_blas_thread(), one_blas_thread():
        raise ValueError("no")
    assert _blas_threads() == {2}


@pytest.mark.usefixtures("_two_threads")
def test_encodings_in_threads_leave_blas_as_it_was() -> None:
    """Many encodings that overlap at random leave BLAS with as many threads as before."""
    image = np.random.default_rng(0).normal(size=(128, 128)).astype(np.float32)

    def work(rounds: int) -> None:
        for _ in range(rounds):
            radcodec.encode(image, max_error=0.1, threads=1)

    workers = [threading.Thread(target=work, args=(rounds,)) for rounds in (3, 4, 5)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert _blas_threads() == {2}
