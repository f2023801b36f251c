"""Write arrays as minimal FITS files, and convert stored pixels to the physical values that astropy gives.

References
----------
FITS Standard 4.0, section 4.4.2.5 (BSCALE, BZERO, BLANK) and table 11 (BZERO for unsigned integers).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from radcodec.coding.samples import native_in, native_of, sample_bytes
from radcodec.errors import UnsupportedDataError
from radcodec.fits.cards import BLOCK_BYTES, CardValue, format_card, pad_header
from radcodec.fits.parse import FitsBuffer, unit_data
from radcodec.limits import MAX_PIECE_SAMPLES
from radcodec.types import Hdu, ImageInfo, SampleType

# BITPIX, and the BZERO with which FITS stores a type that it does not have.
_STORAGE: dict[SampleType, tuple[int, int]] = {
    SampleType.U1: (8, 0),
    SampleType.I1: (8, -128),
    SampleType.I2: (16, 0),
    SampleType.U2: (16, 1 << 15),
    SampleType.I4: (32, 0),
    SampleType.U4: (32, 1 << 31),
    SampleType.I8: (64, 0),
    SampleType.U8: (64, 1 << 63),
    SampleType.F4: (-32, 0),
    SampleType.F8: (-64, 0),
}
_NAMES = {member.dtype_str: member for member in SampleType}


def storage_of(sample_type: SampleType) -> tuple[int, int]:
    """Return BITPIX, and the BZERO with which FITS stores a type that it does not have, 0 for others."""
    return _STORAGE[sample_type]


def possible_blank(info: ImageInfo) -> int | None:
    """Return the BLANK of an image; None for one that no pixel of its type can have."""
    if info.blank is None:
        return None
    limits = np.iinfo(info.sample_type.dtype_str)
    return info.blank if limits.min <= info.blank <= limits.max else None


def sample_type_of(dtype: np.dtype[Any]) -> SampleType:
    """Return the type of the samples of an array; raises UnsupportedDataError for one that FITS cannot hold."""
    found = _NAMES.get(dtype.str[1:])
    if found is None:
        raise UnsupportedDataError(
            f"expected an array of integers of 8 to 64 bits, float32 or float64, found {dtype}: convert it first"
        )
    return found


def stored_samples(data: FitsBuffer, hdu: Hdu) -> npt.NDArray[Any]:
    """Return the stored samples of an image HDU in native byte order, in the image's shape.

    In a writable buffer the samples stay in place and their bytes are swapped there. That range is then no longer
    big-endian and must not be read again. Otherwise the samples are a copy.
    """
    info = hdu.image
    if info is None:
        raise UnsupportedDataError(f"expected an image in HDU {hdu.name!r}, found none")
    content, dtype_str = unit_data(data, hdu), info.sample_type.dtype_str
    if isinstance(content, memoryview) and not content.readonly:
        return native_in(content, dtype_str, ">").reshape(info.shape)
    return native_of(content, dtype_str, ">").reshape(info.shape)


def stored_box(data: FitsBuffer, hdu: Hdu, box: tuple[int, int, int, int, int, int]) -> npt.NDArray[Any]:
    """Read the samples [p, h, w] in a box of an image HDU [P, H, W], native; nothing else of it is read.

    ``box`` has the first and last + 1 of planes, rows and columns. A buffer in memory must still hold the samples as
    they are in the file.
    """
    info = hdu.image
    if info is None:
        raise UnsupportedDataError(f"expected an image in HDU {hdu.name!r}, found none")
    p0, p1, y0, y1, x0, x1 = box
    height, width = ((1, 1) + info.shape)[-2:]
    dtype_str, itemsize = info.sample_type.dtype_str, info.sample_type.size_bytes
    found = np.empty((p1 - p0, y1 - y0, x1 - x0), dtype_str)
    if (x0, x1) == (0, width):
        whole = found.reshape(p1 - p0, -1)
        starts = [(p * height + y0) * width for p in range(p0, p1)]
    else:
        whole = found.reshape(-1, x1 - x0)
        starts = [(p * height + y) * width + x0 for p in range(p0, p1) for y in range(y0, y1)]
    for row, start in zip(whole, starts, strict=True):
        first = hdu.data_start + start * itemsize
        row[:] = np.frombuffer(data[first : first + row.size * itemsize], ">" + dtype_str)
    return found


def minimal_header(sample_type: SampleType, shape: tuple[int, ...]) -> bytes:
    """Make the header of a primary image HDU: mandatory cards, and BSCALE and BZERO where the type needs them.

    A shape without axes gives one axis of one pixel; an empty array keeps its axes with NAXISn = 0.
    """
    bitpix, bzero = _STORAGE[sample_type]
    axes = tuple(reversed(shape)) or (1,)
    cards: list[tuple[str, CardValue, str]] = [
        ("SIMPLE", True, "conforms to FITS standard"),
        ("BITPIX", bitpix, "array data type"),
        ("NAXIS", len(axes), "number of array dimensions"),
    ]
    cards += [(f"NAXIS{n}", length, "") for n, length in enumerate(axes, start=1)]
    if bzero:
        cards += [("BSCALE", 1, ""), ("BZERO", bzero, "")]
    return pad_header(b"".join(format_card(*card) for card in cards) + b"END".ljust(80))


def array_to_fits_bytes(array: npt.NDArray[Any]) -> tuple[bytes, memoryview, bytes]:
    """Return header, big-endian pixels and zero padding of a FITS file that holds an array.

    Parameters
    ----------
    array
        Of any strides, byte order and number of axes; int8 to int64, uint8 to uint64, float32 or float64. Unsigned
        integers and int8 are stored by the BZERO convention; NaN payloads are kept.

    Raises
    ------
    UnsupportedDataError
        If the dtype is not supported.
    """
    sample_type = sample_type_of(array.dtype)
    header = minimal_header(sample_type, array.shape)
    if array.size == 0:
        return header, memoryview(b""), b""
    data = sample_bytes(_storable(array), ">").data
    return header, data, b"\0" * (-len(data) % BLOCK_BYTES)


def array_to_fits_pieces(array: npt.NDArray[Any]) -> Iterator[bytes | memoryview]:
    """Give the FITS file of an array, as `array_to_fits_bytes` makes it, in pieces: no copy of the array is made."""
    yield minimal_header(_NAMES[array.dtype.str[1:]], array.shape)
    yield from stored_pieces(array)
    yield b"\0" * (-array.nbytes % BLOCK_BYTES)


def stored_pieces(array: npt.NDArray[Any]) -> Iterator[memoryview]:
    """Give the bytes of a contiguous array as FITS stores them, in pieces."""
    flat = array.reshape(-1)
    for start in range(0, flat.size, MAX_PIECE_SAMPLES):
        yield memoryview(sample_bytes(_storable(flat[start : start + MAX_PIECE_SAMPLES]), ">"))


def _storable(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Convert unsigned integers and int8 by the BZERO convention; other samples are unchanged."""
    if not _STORAGE[_NAMES[array.dtype.str[1:]]][1]:
        return array
    # Subtracting BZERO modulo 2^bits flips the top bit.
    unsigned = array.astype(f"=u{array.dtype.itemsize}", copy=False)
    flipped: npt.NDArray[Any] = unsigned ^ unsigned.dtype.type(1 << (8 * array.dtype.itemsize - 1))
    return flipped


def big_endian_samples(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Convert samples to how FITS stores them: big-endian, contiguous, unsigned types and int8 by BZERO.

    Parameters
    ----------
    array
        Of a dtype that `array_to_fits_bytes` takes.
    """
    stored = _storable(array)
    return np.ascontiguousarray(stored, dtype=stored.dtype.newbyteorder(">"))


def _pseudo_integer(sample_type: SampleType, bzero: float) -> np.dtype[Any] | None:
    """Return the integer dtype that BSCALE 1 and this BZERO encode; None if the convention does not apply."""
    for member, (bitpix, offset) in _STORAGE.items():
        stored_as = "u1" if bitpix == 8 else f"i{bitpix // 8}"
        if offset and bzero == offset and stored_as == sample_type.dtype_str:
            return np.dtype(member.dtype_str)
    return None


def to_physical(stored: npt.NDArray[Any], info: ImageInfo) -> npt.NDArray[Any]:
    """Convert to physical values, as ``astropy.io.fits`` gives them in ``hdu.data``, in native byte order.

    Unscaled pixels without BLANK are returned unchanged (the same array). BSCALE 1 with the BZERO of the unsigned
    convention gives unsigned integers (int8 for BITPIX 8), and BLANK is not applied. Other integers give float32
    (BITPIX 8 and 16) or float64 (BITPIX 32 and 64) with NaN at BLANK pixels. Floats keep their type. As in astropy,
    BLANK = 0 marks nothing.

    Parameters
    ----------
    stored
        Stored pixels in native byte order, of the type ``info.sample_type``, of any shape.
    """
    scaled = info.bscale != 1.0 or info.bzero != 0.0
    if not scaled and info.blank is None:
        return stored
    integer = None if info.sample_type.is_float or info.bscale != 1.0 else _pseudo_integer(info.sample_type, info.bzero)
    if integer is not None:
        unsigned = stored.view(f"u{info.sample_type.size_bytes}")
        flipped: npt.NDArray[Any] = (unsigned ^ unsigned.dtype.type(1 << (unsigned.itemsize * 8 - 1))).view(integer)
        return flipped
    if info.sample_type.is_float:
        values: npt.NDArray[Any] = stored.copy()
    else:
        values = stored.astype(np.float32 if info.sample_type.size_bytes <= 2 else np.float64)
    with np.errstate(all="ignore"):
        if info.bscale != 1.0:
            np.multiply(values, info.bscale, out=values)
        if info.bzero != 0.0:
            np.add(values, info.bzero, out=values)
    if info.blank:
        values[stored == info.blank] = np.nan
    return values
