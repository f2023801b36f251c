"""Run a script on a core of another build: ``python tests/corruption/sanitized.py CORE SCRIPT ARGUMENTS``."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

from radcodec.runtime import native


def main(library: Path, script: str) -> None:
    """Let ``script`` find ``library`` where the package's own core would be."""
    native.library_path = lambda: library
    loaded = native.core()
    print(f"{library.name}, variant {loaded.variant}", file=sys.stderr)
    sys.argv = sys.argv[2:]
    runpy.run_path(script, run_name="__main__")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
