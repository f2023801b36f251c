"""Processes of this machine that share out the work on many items.

Each process has a pipe of its own, so that it is known which item a process had when it died. A process is started
afresh (spawn): it inherits no lock, and the standard streams stay those of the command.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
import traceback
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import get_context, parent_process, resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Generic, TypeVar, cast

from radcodec.cli.signals import catch_signals, ignore_signals

Item = TypeVar("Item")
Result = TypeVar("Result")

# After SIGTERM a process removes incomplete files. One that takes longer hangs, and is killed.
_GRACE_SECONDS = 10.0


class WorkerDiedError(OSError):
    """A process ended in the middle of its work: killed, or out of memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome(Generic[Result]):
    """What became of an item: its result or the error, and the texts of the warnings."""

    result: Result | None = None
    error: BaseException | None = None
    warnings: tuple[str, ...] = ()


@dataclass(slots=True, kw_only=True)
class _Worker(Generic[Item]):
    """A process, the pipe to it, and what it works on."""

    process: BaseProcess
    connection: Connection
    number: int = 0
    item: Item | None = None
    weight: int = 0


def in_processes(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    processes: int,
    weigh: Callable[[Item], int] = lambda _: 1,
    retry: Callable[[int, Outcome[Result]], bool] = lambda _number, _outcome: False,
) -> Generator[tuple[int, Outcome[Result]], None, None]:
    """Give the number and the outcome of each item as they are done. All processes have ended when this ends.

    Parameters
    ----------
    function
        Of a module, so that a process can import it. It and the items are pickled.
    processes
        How many there are at most.
    weigh
        How many of the processes an item stands for: one of weight ``processes`` is worked on alone.
    retry
        Called with each outcome: whether the item is put at the end of the queue again instead.
    """
    waiting = deque(enumerate(items))
    pool: _Pool[Item, Result] = _Pool(function)
    try:
        while waiting or pool.busy:
            while waiting and (not pool.busy or pool.load + min(weigh(waiting[0][1]), processes) <= processes):
                number, item = waiting.popleft()
                pool.begin(number, item, min(weigh(item), processes))
            for number, item, outcome in pool.collect():
                if retry(number, outcome):
                    waiting.append((number, item))
                else:
                    yield number, outcome
    finally:
        pool.end()


class _Pool(Generic[Item, Result]):
    """The processes that are there, made when there is work for them."""

    def __init__(self, function: Callable[[Item], Result]) -> None:
        self._function = function
        self._context = get_context("spawn")
        self._idle: list[_Worker[Item]] = []
        self.busy: dict[Connection, _Worker[Item]] = {}

    @property
    def load(self) -> int:
        """Weight of all that is worked on."""
        return sum(worker.weight for worker in self.busy.values())

    def begin(self, number: int, item: Item, weight: int) -> None:
        """Give an item to a process."""
        worker = self._idle.pop() if self._idle else self._start()
        worker.number, worker.item, worker.weight = number, item, weight
        self.busy[worker.connection] = worker
        # A process that died while it was idle shows when the answer is read.
        with suppress(BrokenPipeError, ConnectionResetError):
            worker.connection.send(item)

    def _start(self) -> _Worker[Item]:
        near, far = self._context.Pipe()
        process = self._context.Process(target=_serve, args=(self._function, far), daemon=True)
        with _interrupt_blocked():
            process.start()
        far.close()
        return _Worker(process=process, connection=near)

    def collect(self) -> Iterator[tuple[int, Item, Outcome[Result]]]:
        """Wait until at least one process has answered or died, and give what came."""
        for ready in cast(list[Connection], wait(list(self.busy))):
            worker = self.busy.pop(ready)
            try:
                outcome: Outcome[Result] = worker.connection.recv()
            except (EOFError, OSError):
                outcome = Outcome(error=_died(worker.process))
                worker.connection.close()
            else:
                self._idle.append(worker)
            assert worker.item is not None
            yield worker.number, worker.item, outcome

    def end(self) -> None:
        """End all processes: those that work remove incomplete files first."""
        workers = [*self._idle, *self.busy.values()]
        for worker in self.busy.values():
            worker.process.terminate()
        for worker in workers:
            worker.connection.close()
        for worker in workers:
            worker.process.join(_GRACE_SECONDS)
            if worker.process.exitcode is None:
                worker.process.kill()
                worker.process.join()
        self._idle, self.busy = [], {}


def _died(process: BaseProcess) -> WorkerDiedError:
    """Say how a process ended."""
    process.join(_GRACE_SECONDS)
    code = process.exitcode
    if code is not None and code < 0:
        name = signal.Signals(-code).name if -code in signal.valid_signals() else str(-code)
        how = f"by {name}{', as the system does when memory runs out' if name == 'SIGKILL' else ''}"
    else:
        how = f"with exit code {code}"
    return WorkerDiedError(errno.ECHILD, f"expected the process that worked on it to answer, found it ended {how}")


@contextmanager
def _interrupt_blocked() -> Iterator[None]:
    """Start processes that Ctrl-C does not reach: the command alone decides what becomes of them."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    # It unblocks SIGINT when it starts, so it must be there before.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(function: Callable[[Any], Any], connection: Connection) -> None:
    """Work on what comes through the pipe until it is closed or a signal ends the process."""
    with suppress(KeyboardInterrupt):
        try:
            if sys.platform == "win32":
                signal.signal(signal.SIGINT, signal.SIG_IGN)
            catch_signals()
            threading.Thread(target=_follow_parent, daemon=True).start()
            _answer(function, connection)
        except (EOFError, OSError):
            pass
        finally:
            ignore_signals()  # one that comes when the pipe is closed already has nothing left to end


def _answer(function: Callable[[Any], Any], connection: Connection) -> None:
    """Work on what comes through the pipe; raises EOFError or OSError when it is closed."""
    while True:
        outcome = attempt(function, connection.recv())
        try:
            connection.send(outcome)
        except (TypeError, AttributeError, ValueError) as error:
            connection.send(Outcome(error=RuntimeError(f"an answer that cannot be sent: {error}")))


def _follow_parent() -> None:
    """End this process and remove incomplete files when the command that started it is gone."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


def attempt(function: Callable[[Item], Result], item: Item) -> Outcome[Result]:
    """Call a function; its result or error, and its warnings, as what can be sent to another process."""
    with warnings.catch_warnings(record=True) as caught:
        try:
            result = function(item)
        except Exception as error:
            error.add_note(traceback.format_exc())
            return Outcome(error=error, warnings=_texts(caught))
    return Outcome(result=result, warnings=_texts(caught))


def _texts(caught: list[warnings.WarningMessage]) -> tuple[str, ...]:
    return tuple(str(warning.message) for warning in caught)
