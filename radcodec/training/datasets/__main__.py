"""Fetch data sets: ``python -m radcodec.training.datasets NAME ROOT``; without arguments, list them."""

from __future__ import annotations

import sys
from pathlib import Path

from radcodec.errors import RadcodecError
from radcodec.training.datasets.registry import DATASETS, fetch_dataset


def main(arguments: list[str]) -> int:
    """Return the exit code of fetching, or listing, data sets."""
    if not arguments:
        for name, data in DATASETS.items():
            print(f"{name:<12}{data.summary} ({data.terms})")
        return 0
    if len(arguments) != 2:
        print("usage: python -m radcodec.training.datasets [NAME ROOT]", file=sys.stderr)
        return 2
    try:
        print(fetch_dataset(arguments[0], Path(arguments[1])))
    except (RadcodecError, OSError, ModuleNotFoundError) as error:
        print(f"radcodec: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
