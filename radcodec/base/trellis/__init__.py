"""The base layer of trellis models: codebooks that a trellis chooses, with a wide learned prior; no torch."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from radcodec.base.trellis.codes import TrellisCodes
    from radcodec.base.trellis.load import load_bytes
    from radcodec.base.trellis.model import TrellisModel
    from radcodec.base.trellis.weights import is_trellis

__all__ = ["TrellisCodes", "TrellisModel", "is_trellis", "load_bytes"]

_MODULES = {"TrellisCodes": "codes", "TrellisModel": "model", "is_trellis": "weights", "load_bytes": "load"}


def __getattr__(name: str) -> Any:
    """Return a public name from its module; the one of the model loads the native core."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
