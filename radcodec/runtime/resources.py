"""Find the shipped models and header dictionaries, inside the wheel or beside the package in a checkout."""

from __future__ import annotations

import hashlib
import os
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_HEADER_DICTIONARY = "headers.zdict"
#: The same from invented headers alone (docs/models.md).
_CLEAN_DICTIONARY = "clean.zdict"


def _models_folder() -> str | None:
    package = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
    folders = (os.path.join(package, "models_data"), os.path.join(os.path.dirname(package), "models"))
    return next((folder for folder in folders if os.path.isdir(folder)), None)


def find_models_folder() -> Path | None:
    """Find the folder of models, ``registry.toml`` and the header dictionary; None if none is installed."""
    from pathlib import Path  # which takes a while, and files without a model need none

    folder = _models_folder()
    return None if folder is None else Path(folder)


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
    folder = _models_folder()
    path = None if folder is None else os.path.join(folder, name)
    if path is None or not os.path.isfile(path):
        return None
    with open(path, "rb") as file:
        content = file.read()
    return content, hashlib.sha256(content).digest()
