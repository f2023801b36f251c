"""The base layer: a residual VQ-VAE with a learned index prior.

Importing this package imports no torch; `load_model` and `find_model` do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from radcodec.vqvae.store import ModelRecord, find_model, list_models, load_model

if TYPE_CHECKING:
    from radcodec.vqvae.model import BaseModel, TileCodes

__all__ = ["BaseModel", "ModelRecord", "TileCodes", "find_model", "list_models", "load_model"]


def __getattr__(name: str) -> Any:
    """Return the classes whose module imports torch, when they are first asked for."""
    if name in ("BaseModel", "TileCodes"):
        from radcodec.vqvae import model

        return getattr(model, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
