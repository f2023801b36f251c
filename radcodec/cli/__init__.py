"""The command line. `main` is the entry point; commands are loaded when they are used."""

from __future__ import annotations

import sys


def end_quietly() -> None:
    """Say nothing of objects that cannot be taken down since a signal came while they were made."""
    sys.unraisablehook = lambda _: None


def main() -> None:
    """Run the command line on ``sys.argv`` and leave with its exit code."""
    try:
        from radcodec.cli.app import run

        code = run(sys.argv[1:])
    except KeyboardInterrupt:
        # Before or after the work itself, while modules are loaded or threads ended.
        end_quietly()
        sys.stderr.write("radcodec: interrupted\n")
        code = 130
    sys.exit(code)
