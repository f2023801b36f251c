"""Find the shipped models and the header dictionary, inside the wheel or beside the package in a checkout."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

_HEADER_DICTIONARY = "headers.zdict"


def find_models_folder() -> Path | None:
    """Find the folder of models, ``registry.toml`` and the header dictionary; None if none is installed."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "models_data", package.parent / "models"):
        if folder.is_dir():
            return folder
    return None


@cache
def load_header_dictionary() -> tuple[bytes, bytes] | None:
    """Load the zstandard dictionary for FITS headers and its SHA-256; None if it is not installed."""
    folder = find_models_folder()
    path = folder / _HEADER_DICTIONARY if folder is not None else None
    if path is None or not path.is_file():
        return None
    content = path.read_bytes()
    return content, hashlib.sha256(content).digest()
