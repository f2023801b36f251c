"""The public face: arrays and files in, files and arrays out. Each name is loaded when it is first used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from radcodec.reading import cutout, decode, decompress, open, preview, verify
    from radcodec.streaming import create, recover
    from radcodec.writing import compress, encode, estimate

__all__ = [
    "compress",
    "create",
    "cutout",
    "decode",
    "decompress",
    "encode",
    "estimate",
    "open",
    "preview",
    "recover",
    "verify",
]

_PLACES = {
    **dict.fromkeys(("cutout", "decode", "decompress", "open", "preview", "verify"), "radcodec.reading"),
    **dict.fromkeys(("create", "recover"), "radcodec.streaming"),
    **dict.fromkeys(("compress", "encode", "estimate"), "radcodec.writing"),
}


def __getattr__(name: str) -> Any:
    """Return a public name from the module that defines it."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_PLACES[name]), name)
