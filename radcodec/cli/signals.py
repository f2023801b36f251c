"""Handle signals that end the program: remove incomplete files and exit with the signal's code."""

from __future__ import annotations

import signal
import sys
import time
from types import FrameType
from typing import Any

# Names of the signals and their messages. Windows has no SIGHUP.
_WORDS = {"SIGINT": "interrupted", "SIGTERM": "terminated", "SIGHUP": "hung up"}
# A second signal within this time must not stop the removal of incomplete files.
_DEAF_SECONDS = 2.0
# Delay before a signal whose exception was lost is sent again.
_AGAIN_SECONDS = 0.01


class Ended(KeyboardInterrupt):
    """A signal asked the program to end. ``code`` is its exit code: 128 and the signal's number."""

    def __init__(self, number: int) -> None:
        name = signal.Signals(number).name
        super().__init__(_WORDS.get(name, name))
        self.code = 128 + number


class _Handler:
    """Raises `Ended` in the main thread, at most once in two seconds."""

    def __init__(self) -> None:
        self._last = -_DEAF_SECONDS

    def __call__(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if now - self._last < _DEAF_SECONDS:
            return
        self._last = now
        sys.unraisablehook = self._again
        raise Ended(number)

    def _again(self, lost: Any) -> None:
        """Send a signal again if Python dropped its exception in a callback; ignore other dropped exceptions."""
        if isinstance(lost.exc_value, Ended):
            import threading

            self._last = -_DEAF_SECONDS
            # Python drops exceptions raised in this hook, so a timer sends the signal.
            again = threading.Timer(_AGAIN_SECONDS, _send, [lost.exc_value.code - 128])
            again.daemon = True
            again.start()


def _send(number: int) -> None:
    """Send a signal to the main thread, which wakes it."""
    import threading

    if sys.platform == "win32":
        signal.raise_signal(number)
    else:
        signal.pthread_kill(threading.main_thread().ident or 0, number)


def catch_signals() -> None:
    """Let SIGINT, SIGTERM and SIGHUP raise `Ended`; signals ignored by the parent process (nohup) stay ignored."""
    handler = _Handler()
    for name in _WORDS:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, handler)


def ignore_signals() -> None:
    """Ignore these signals from now on: the work is finished and its exit code is known."""
    for name in _WORDS:
        number = getattr(signal, name, None)
        if number is not None:
            signal.signal(number, signal.SIG_IGN)
