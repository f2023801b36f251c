"""Compress radio-astronomical images: exactly, within an error bound, or to a bit-rate.

>>> import numpy as np, radcodec
>>> image = np.arange(12, dtype=np.float32).reshape(3, 4)
>>> assert (radcodec.decode(radcodec.encode(image)) == image).all()

The names below are loaded when they are first used; importing this package imports no numpy, astropy or torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from radcodec.version import VERSION

if TYPE_CHECKING:
    from radcodec.api import (
        compress,
        create,
        cutout,
        decode,
        decompress,
        encode,
        estimate,
        open,
        preview,
        recover,
        verify,
    )
    from radcodec.container.report import Report
    from radcodec.decoding.rcz_file import RczFile
    from radcodec.errors import (
        BoundError,
        CorruptError,
        FormatError,
        GuaranteeError,
        InputError,
        LimitError,
        ModelError,
        ModelMismatchError,
        ModelNotFoundError,
        NotRadcodecError,
        RadcodecError,
        TruncatedError,
        UnsupportedDataError,
        UnsupportedVersionError,
    )

__version__ = VERSION

__all__ = [
    "BoundError",
    "CorruptError",
    "FormatError",
    "GuaranteeError",
    "InputError",
    "LimitError",
    "ModelError",
    "ModelMismatchError",
    "ModelNotFoundError",
    "NotRadcodecError",
    "RadcodecError",
    "RczFile",
    "Report",
    "TruncatedError",
    "UnsupportedDataError",
    "UnsupportedVersionError",
    "__version__",
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

_PLACES = {"RczFile": "radcodec.decoding.rcz_file", "Report": "radcodec.container.report"}


def __getattr__(name: str) -> Any:
    """Return a public name from the module that defines it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    place = _PLACES.get(name, "radcodec.errors" if name.endswith("Error") else "radcodec.api")
    return getattr(import_module(place), name)


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted(__all__)
