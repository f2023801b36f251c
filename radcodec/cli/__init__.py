"""The command line. `main` is the entry point; commands are loaded when they are used."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line on ``sys.argv`` and leave with its exit code."""
    from radcodec.cli.signals import Ended, catch_signals, ignore_signals

    try:
        catch_signals()
        from radcodec.cli.streams import open_missing

        open_missing()
        from radcodec.cli.app import run

        code = run(sys.argv[1:])
        ignore_signals()
    except KeyboardInterrupt as error:
        # Before or after the work itself, while modules are loaded or threads ended.
        ignore_signals()
        if sys.stderr is not None:
            sys.stderr.write(f"radcodec: {error or 'interrupted'}\n")
        code = error.code if isinstance(error, Ended) else 130
    sys.exit(code)
