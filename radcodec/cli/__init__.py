"""The command line. `main` is the entry point; commands are loaded when they are used."""

from __future__ import annotations

import signal
import sys


def interrupt(*_: object) -> None:
    """End the work for Ctrl-C, and say nothing of objects that cannot be taken down since they were being made."""
    sys.unraisablehook = lambda _: None
    raise KeyboardInterrupt


def main() -> None:
    """Run the command line on ``sys.argv`` and leave with its exit code."""
    try:
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, interrupt)
        from radcodec.cli.app import run

        code = run(sys.argv[1:])
    except KeyboardInterrupt:
        # Before or after the work itself, while modules are loaded or threads ended.
        sys.stderr.write("radcodec: interrupted\n")
        code = 130
    sys.exit(code)
