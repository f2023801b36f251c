"""Run the command line. `main` is the entry point; each command is imported when it is used."""

from __future__ import annotations

import sys
from contextlib import suppress


def main() -> None:
    """Run the command line on ``sys.argv`` and leave with its exit code."""
    try:
        from radcodec.cli.signals import catch_signals, ignore_signals

        catch_signals()
        from radcodec.cli.streams import open_missing

        open_missing()
        from radcodec.cli.app import run

        code = run(sys.argv[1:])
        ignore_signals()
    except KeyboardInterrupt as error:
        # The signal came while modules were loaded or threads ended.
        code = getattr(error, "code", 130)
        if sys.stderr is not None:
            with suppress(OSError):
                print(f"radcodec: {str(error) or 'interrupted'}", file=sys.stderr)
    sys.exit(code)
