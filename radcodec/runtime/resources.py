"""Find the shipped models and header dictionaries, inside the wheel or beside the package in a checkout."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

_HEADER_DICTIONARY = "headers.zdict"
#: The same from invented headers alone (docs/models.md).
_CLEAN_DICTIONARY = "clean.zdict"


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
    return _load_dictionary(_HEADER_DICTIONARY)


@cache
def load_clean_dictionary() -> tuple[bytes, bytes] | None:
    """Load the dictionary that was made from invented headers alone, as `load_header_dictionary` does."""
    return _load_dictionary(_CLEAN_DICTIONARY)


def header_dictionaries() -> tuple[tuple[bytes, bytes], ...]:
    """Return all dictionaries for FITS headers that are installed; a file names the one that it needs by SHA-256."""
    found = (load_header_dictionary(), load_clean_dictionary())
    return tuple(dictionary for dictionary in found if dictionary is not None)


def _load_dictionary(name: str) -> tuple[bytes, bytes] | None:
    folder = find_models_folder()
    path = folder / name if folder is not None else None
    if path is None or not path.is_file():
        return None
    content = path.read_bytes()
    return content, hashlib.sha256(content).digest()
