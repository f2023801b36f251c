"""Frozen dataclasses and enums that the stages exchange."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import SupportsIndex, TypeAlias

# How users name an HDU: 1, "1", "SCI", "SCI,2" or ("SCI", 2).
HduChoice: TypeAlias = str | SupportsIndex | tuple[str, int]

# Bytes of a tile's stream, in memory or in a file that is mapped into it.
Stream: TypeAlias = bytes | memoryview


class Mode(IntEnum):
    """Fidelity of the pixels; the integer is what a file stores."""

    LOSSLESS = 0
    BOUNDED = 1
    LOSSY = 2


class Kind(IntEnum):
    """What a stream restores to; the integer is what a file stores."""

    ARRAY = 0
    FITS = 1


class SampleType(IntEnum):
    """Type of one pixel; the integer is what a file stores."""

    U1 = 1
    I1 = 2
    U2 = 3
    I2 = 4
    U4 = 5
    I4 = 6
    U8 = 7
    I8 = 8
    F4 = 9
    F8 = 10

    @property
    def dtype_str(self) -> str:
        """NumPy type string without byte order, such as ``"f4"``."""
        return self.name.lower()

    @property
    def size_bytes(self) -> int:
        """Bytes of one pixel."""
        return int(self.name[1])

    @property
    def is_float(self) -> bool:
        """Whether the type is IEEE binary32 or binary64."""
        return self.name[0] == "F"


class DetailsOnBase(Enum):
    """When to code the details of a bounded image on a base layer. Not stored: the image's record has the result."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


class HduKind(IntEnum):
    """Kind of a header and data unit of a FITS file, as radcodec distinguishes them."""

    IMAGE = 0
    EMPTY = 1
    TABLE = 2
    GROUPS = 3
    COMPRESSED = 4
    OPAQUE = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageInfo:
    """The pixel array of one image HDU.

    ``shape`` is in NumPy order (slowest axis first); ``unit`` is BUNIT as written, "" if absent.
    Physical value = ``bzero + bscale * stored``; ``blank`` (integer types only) marks undefined pixels.
    """

    sample_type: SampleType
    shape: tuple[int, ...]
    bscale: float
    bzero: float
    blank: int | None
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Hdu:
    """One header and data unit as byte ranges of the plain FITS file.

    The header is ``[header_start, data_start)`` (its padding included), the data without padding
    ``[data_start, data_stop)``, and the unit ends at ``end`` (padding included, whatever it holds).
    Only ``HduKind.IMAGE`` has ``image``. ``note`` says why a unit is carried as opaque bytes.
    """

    kind: HduKind
    name: str
    header_start: int
    data_start: int
    data_stop: int
    end: int
    image: ImageInfo | None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierBound:
    """Record of an earlier compression in the header of an image.

    ``total`` is the largest error relative to the first original, None if unknown (lossy). ``last`` and
    ``sigma`` are the bound and the noise of the last compression.
    """

    mode: str
    total: float | None
    last: float | None
    sigma: float | None
