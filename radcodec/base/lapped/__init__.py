"""The base layer of lapped models: pairs of transform coefficients as code vectors, a learned prior, no torch."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from radcodec.base.lapped.codes import LappedCodes
    from radcodec.base.lapped.load import load_bytes
    from radcodec.base.lapped.model import LappedModel
    from radcodec.base.lapped.weights import is_lapped

__all__ = ["LappedCodes", "LappedModel", "is_lapped", "load_bytes"]

_MODULES = {"LappedCodes": "codes", "LappedModel": "model", "is_lapped": "weights", "load_bytes": "load"}


def __getattr__(name: str) -> Any:
    """Return a public name from its module; the one of the model loads the native core."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
