"""Packages that only some users need: an import of one that is missing names the extra that brings it."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def import_extra(module: str, extra: str, purpose: str) -> Any:
    """Import a module of an optional package.

    Raises
    ------
    ImportError
        If it, or what it imports, is not installed; the message names ``pip install "radcodec[EXTRA]"``.
    """
    try:
        return import_module(module)
    except ImportError as err:
        raise missing_extra(extra, purpose, err) from err


def missing_extra(extra: str, purpose: str, err: ImportError) -> ImportError:
    """Make the error for a package that ``purpose`` needs and that is not there."""
    found = err.name or str(err)
    return ImportError(
        f'{purpose} needs a package that is not installed ({found}): pip install "radcodec[{extra}]"', name=err.name
    )
