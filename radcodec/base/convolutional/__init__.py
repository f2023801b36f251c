"""The convolutional base layer: a residual VQ-VAE with a learned index prior.

Importing this package imports no torch; its classes do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from radcodec.base.convolutional.model import BaseModel, TileCodes

__all__ = ["BaseModel", "TileCodes"]


def __getattr__(name: str) -> Any:
    """Return the classes whose module imports torch, when they are first asked for."""
    if name in __all__:
        from radcodec.base.convolutional import model

        return getattr(model, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
