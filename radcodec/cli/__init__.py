"""The command line. `main` is the entry point; commands are loaded when they are used."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line on ``sys.argv`` and leave with its exit code."""
    from radcodec.cli.app import run

    sys.exit(run(sys.argv[1:]))
