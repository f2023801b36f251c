"""What a rival is, and the mappings that several of them share."""

from __future__ import annotations

import struct
import zlib
from enum import Enum
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from benchmarks.types import Array

Plane = npt.NDArray[np.uint16] | npt.NDArray[np.uint8]


class Track(Enum):
    """The demand on a rival."""

    LOSSLESS = "lossless"
    """The stored samples come back bit for bit."""
    BOUNDED = "bounded"
    """Every finite sample within an absolute error; the others bit for bit."""
    INTEGERS = "integers"
    """Integer samples, and the integers behind floats that lie on a lattice, bit for bit."""
    LATTICES = "lattices"
    """Floats that lie on a lattice, as they are, bit for bit."""


class Rival(Protocol):
    """A codec of arrays of two or three axes.

    ``decode`` gets shape and dtype: no rival pays for storing them. A rival whose library is missing raises
    ImportError from ``version``, and one that cannot take an array raises Unsupported from ``encode``.
    """

    name: str
    setting: str

    def version(self) -> str: ...

    def encode(self, array: Array, *, max_error: float | None) -> bytes: ...

    def decode(self, data: bytes, *, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array: ...


class Unsupported(Exception):  # noqa: N818 - an answer, not an error
    """The rival has no mode for this dtype, size or track."""


def pack(*parts: bytes) -> bytes:
    """Join parts, each behind its length in four bytes."""
    return b"".join(struct.pack("<I", len(part)) + part for part in parts)


def unpack(data: bytes) -> list[bytes]:
    """Undo ``pack``."""
    parts, at = [], 0
    while at < len(data):
        (n,) = struct.unpack_from("<I", data, at)
        parts.append(data[at + 4 : at + 4 + n])
        at += 4 + n
    return parts


def pack_specials(array: Array) -> tuple[Array, bytes]:
    """Return ``array`` with the median for non-finite samples, and what restores those (empty if none)."""
    if array.dtype.kind != "f" or np.isfinite(array).all():
        return array, b""
    special = ~np.isfinite(array)
    filled = array.copy()
    filled[special] = np.median(array[~special]) if not special.all() else 0
    return filled, zlib.compress(np.packbits(special).tobytes() + array[special].tobytes(), 9)


def unpack_specials(filled: Array, stored: bytes) -> Array:
    """Undo ``pack_specials``, in place."""
    if stored:
        raw, n_bitmap = zlib.decompress(stored), (filled.size + 7) // 8
        bitmap = np.frombuffer(raw, np.uint8, count=n_bitmap)
        special = np.unpackbits(bitmap, count=filled.size).astype(bool).reshape(filled.shape)
        filled[special] = np.frombuffer(raw, filled.dtype, offset=n_bitmap)
    return filled


def tall(array: Array) -> Array:
    """Return a stack of planes as one image, plane under plane, so that 2-D coders pay for one header only."""
    return array.reshape(-1, array.shape[-1])


def safe_error(array: Array, max_error: float) -> float:
    """Return ``max_error`` less half a unit in the last place of the largest sample, for rounding to the dtype.

    A result that overshoots even so is reported with its measured error; none is passed over.
    """
    if array.dtype.kind != "f":
        return max_error
    finite = np.abs(array[np.isfinite(array)])
    error = max_error - float(np.spacing(finite.max())) / 2 if finite.size else max_error
    if error <= 0:
        raise Unsupported("the bound is finer than the samples")
    return error


class IntegerRival:
    """A rival that codes images of at most 16 bits a pixel, with the mapping of all other images to them.

    Floats under a bound E become ``rint(x / 2E)``; integers under a bound become ``rint(k / s)`` with s the largest
    odd step up to 2E + 1. The smallest value is stored apart and subtracted. Levels of more than 16 bits are
    coded as two images, high and low halves. Stacks of planes are coded as one tall image.

    ``eight_bits``: the coder gets 8-bit images if 8 bits are enough; its contexts may depend on the depth.
    """

    name: str
    setting: str = ""
    eight_bits = False

    def plane_of(self, levels: Array) -> Plane:
        """Return the plane that the coder gets for levels of at most 16 bits."""
        narrow = self.eight_bits and levels.max() < 1 << 8
        return np.ascontiguousarray(levels.astype(np.uint8 if narrow else np.uint16))

    def encode_plane(self, plane: Plane) -> bytes:
        raise NotImplementedError

    def decode_plane(self, data: bytes) -> Array:
        raise NotImplementedError

    def encode(self, array: Array, *, max_error: float | None) -> bytes:
        filled, specials = pack_specials(array)
        if array.dtype.kind == "f":
            if max_error is None:
                raise Unsupported("lossless floats")
            step = 2 * safe_error(filled, max_error)
        else:
            step = 1.0 if max_error is None else 2.0 * np.floor(max_error) + 1
        levels = np.rint(filled.astype(np.float64) / step).astype(np.int64)
        low = int(levels.min())
        codes = tall(levels - low)
        if codes.max() >= 1 << 32:
            raise Unsupported("more than 32 bits a pixel")
        halves = [codes] if codes.max() < 1 << 16 else [codes >> 16, codes & 0xFFFF]
        planes = [self.encode_plane(self.plane_of(half)) for half in halves]
        return pack(struct.pack("<dq", step, low), specials, *planes)

    def decode(self, data: bytes, *, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        head, specials, *planes = unpack(data)
        step, low = struct.unpack("<dq", head)
        codes = self.decode_plane(planes[0]).astype(np.int64)
        if len(planes) == 2:
            codes = (codes << 16) | self.decode_plane(planes[1]).astype(np.int64)
        values = (codes.reshape(shape) + low) * step
        if dtype.kind != "f":
            limits = np.iinfo(dtype)
            values = np.clip(values, limits.min, limits.max)
        return unpack_specials(values.astype(dtype), specials)


class FloatRival:
    """A coder of floats with its own absolute error mode, through imagecodecs.

    It gets the unchanged bound, unchanged arrays of two and three axes, and integers under a bound as float64.
    Non-finite samples are stored separately.
    """

    name: str
    setting = "absolute error"

    def version(self) -> str:
        import imagecodecs

        return str(getattr(imagecodecs, f"{self.name}_version")())

    def code(self, values: Array, error: float) -> bytes:
        raise NotImplementedError

    def restore(self, data: bytes, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        raise NotImplementedError

    def encode(self, array: Array, *, max_error: float | None) -> bytes:
        if max_error is None:
            raise Unsupported("no lossless mode")
        filled, specials = pack_specials(array)
        values = filled if array.dtype.kind == "f" else filled.astype(np.float64)
        return pack(specials, self.code(values, safe_error(filled, max_error)))

    def decode(self, data: bytes, *, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        specials, coded = unpack(data)
        kept = dtype if dtype.kind == "f" else np.dtype(np.float64)
        return unpack_specials(np.array(self.restore(coded, shape, kept)).reshape(shape), specials)
