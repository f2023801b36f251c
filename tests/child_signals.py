"""Signals of child processes, whatever the tests were started by."""

from __future__ import annotations

import signal


def heed_signals() -> None:
    """Let a child heed signals that this process ignores, as one started in the background or with nohup does."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
