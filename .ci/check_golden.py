"""Decode golden arrays with the installed package: ``python .ci/check_golden.py FOLDER``. Fails at another bit."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import radcodec
from radcodec.runtime import native


def main(folder: Path) -> None:
    """Compare all arrays with those stored beside them."""
    files = sorted(folder.glob("*.npy"))
    for path in files:
        found = radcodec.decode(path.with_suffix(".rcz").read_bytes())
        if found.tobytes() != np.load(path, allow_pickle=False).tobytes():
            sys.exit(f"{path.stem}: other bits than those stored")
    print(f"{len(files)} golden arrays, variant {native.core().variant}, {native.library_path()}")
    if not files:
        sys.exit(f"no golden files in {folder}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
