"""Signals that ask the program to end: what is half written goes away, and the exit code names the signal."""

from __future__ import annotations

import signal
import sys
import time
from types import FrameType
from typing import Any

# Names of the signals and what is said of them. Windows has no SIGHUP.
_WORDS = {"SIGINT": "interrupted", "SIGTERM": "terminated", "SIGHUP": "hung up"}
# Ctrl-C pressed twice, or SIGTERM followed by SIGHUP, must not stop the removal of what is half written.
_DEAF_SECONDS = 2.0
# After which the signal comes again whose exception was lost.
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
        """Send the signal again whose exception Python dropped in a callback; say nothing of half-made objects."""
        if isinstance(lost.exc_value, Ended):
            import threading

            self._last = -_DEAF_SECONDS
            # Not from here: what is raised in a hook is dropped, too.
            again = threading.Timer(_AGAIN_SECONDS, _send, [lost.exc_value.code - 128])
            again.daemon = True
            again.start()


def _send(number: int) -> None:
    """Send a signal to the main thread, so that it does not sleep on."""
    import threading

    if sys.platform == "win32":
        signal.raise_signal(number)
    else:
        signal.pthread_kill(threading.main_thread().ident or 0, number)


def catch_signals() -> None:
    """Let SIGINT, SIGTERM and SIGHUP raise `Ended`; those that whoever started us ignores (nohup) stay ignored."""
    handler = _Handler()
    for name in _WORDS:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, handler)


def ignore_signals() -> None:
    """Ignore these signals from now on: the work is done and its exit code is known."""
    for name in _WORDS:
        number = getattr(signal, name, None)
        if number is not None:
            signal.signal(number, signal.SIG_IGN)
