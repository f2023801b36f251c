"""Codes of one tile of a lapped model and the header of its first stream (docs/format.md, 9.5)."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import zstandard

from radcodec.base.lapped import search, transform
from radcodec.errors import CorruptError
from radcodec.types import Stream

HEADER = struct.Struct("<BBBBbb")  # block code, last plane, gain, planes, offsets
MAX_PLANES = 24
OFFSET_LIMIT = 32
_FORMS = ("i1", "i2", "i4")  # of shelved coefficients: the least that holds them
_SHELF_LEVEL = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class LappedCodes:
    """The content of a tile's streams: coefficients int32 [A, B, n, m] in steps (256 + gain) * 2^-last, two offsets."""

    shape: tuple[int, int]
    code: int
    last: int
    gain: int
    offsets: tuple[int, int]
    coefficients: npt.NDArray[np.int32]

    @property
    def n_planes(self) -> int:
        """Planes that the largest magnitude needs."""
        return max(int(self.coefficients.max(initial=0)), -int(self.coefficients.min(initial=0))).bit_length()

    @property
    def step(self) -> float:
        """Step of the coefficients, in companded units."""
        return (256 + self.gain) * 2.0**-self.last

    def contents(self) -> tuple[npt.NDArray[np.integer], ...]:
        """Give the arrays that hold what the codes say beside their choices."""
        return (self.coefficients,)

    def with_contents(self, arrays: Sequence[npt.NDArray[np.integer]]) -> LappedCodes:
        """Put in the arrays of ``contents``."""
        return replace(self, coefficients=arrays[0].astype(np.int32))

    def like_coefficients(self) -> tuple[npt.NDArray[np.int32], ...]:
        """Give the coefficients, and what else there is for each of them."""
        return (self.coefficients,)

    def with_coefficients(self, arrays: Sequence[npt.NDArray[np.int32]]) -> LappedCodes:
        """Put in arrays of some of the coefficients, as those of ``like_coefficients``."""
        return replace(self, coefficients=arrays[0])

    def without_content(self) -> LappedCodes:
        """Give the choices alone: block length, step and offsets."""
        return replace(self, coefficients=np.zeros((0, 0, 0, 0), np.int32))


@dataclass(frozen=True, slots=True, kw_only=True)
class ShelvedCodes:
    """Codes packed to a fraction of their size, as long as other tiles are coded.

    ``choices`` are the codes without content. ``packed`` holds their arrays one after the other, each in its shape and
    form.
    """

    choices: LappedCodes
    shapes: tuple[tuple[int, ...], ...]
    forms: tuple[str, ...]
    packed: Stream = field(repr=False)

    @property
    def code(self) -> int:
        """Block code, which other codes may have too."""
        return self.choices.code


def shelve(codes: LappedCodes, keep: Callable[[bytes], Stream]) -> ShelvedCodes:
    """Pack codes; ``keep`` finds a place for the bytes."""
    arrays = codes.contents()
    forms = tuple(_form(array) for array in arrays)
    content = b"".join(array.astype(form).tobytes() for array, form in zip(arrays, forms, strict=True))
    packer = zstandard.ZstdCompressor(level=_SHELF_LEVEL, write_checksum=False)
    # A copy: what the library gives has the memory of the longest possible frame.
    packed = keep(bytes(memoryview(packer.compress(content))))
    shapes = tuple(array.shape for array in arrays)
    return ShelvedCodes(choices=codes.without_content(), shapes=shapes, forms=forms, packed=packed)


def _form(array: npt.NDArray[np.integer]) -> str:
    """Choose the shortest signed integers that hold an array."""
    most = int(np.abs(array.astype(np.int64, copy=False)).max(initial=0))
    return next(form for form in _FORMS if most < 1 << (8 * np.dtype(form).itemsize - 1))


def unshelve(codes: LappedCodes | ShelvedCodes) -> LappedCodes:
    """Give the codes that were packed; others are given as they are."""
    if isinstance(codes, LappedCodes):
        return codes
    content, arrays, at = zstandard.ZstdDecompressor().decompress(codes.packed), [], 0
    for shape, form in zip(codes.shapes, codes.forms, strict=True):
        array = np.frombuffer(content, form, math.prod(shape), at).reshape(shape)
        arrays.append(array)
        at += array.nbytes
    return codes.choices.with_contents(arrays)


def empty_codes(shape: tuple[int, int], step: float) -> LappedCodes:
    """Return empty codes for a shape, with a step near the one given."""
    last, gain, _ = search.split_step(step)
    nothing = np.zeros((0, 0, 0, 0), np.int32)
    return LappedCodes(shape=shape, code=0, last=last, gain=gain, offsets=(0, 0), coefficients=nothing)


def blank_codes(shape: tuple[int, int]) -> LappedCodes:
    """Return codes whose coefficients are all 0, for a shape [h, w]."""
    codes = empty_codes(shape, 1.0)
    g = transform.geometry_of(shape, codes.code)
    return replace(codes, coefficients=np.zeros((g.rows, g.columns, g.height, g.width), np.int32))


def planes_of_stages(count: int, n_stages: int) -> list[int]:
    """Return the number of planes in each stage."""
    first = min(count, max(1, count - n_stages + 1))
    return [first] + [1 if stage < count - first else 0 for stage in range(n_stages - 1)]


def planes_below(count: int, n_stages: int) -> list[range]:
    """Return for each stage how many planes are below each of its planes, in the order of coding."""
    left, found = count, []
    for n_planes in planes_of_stages(count, n_stages):
        found.append(range(left - 1, left - n_planes - 1, -1))
        left -= n_planes
    return found


def read_header(stream: bytes) -> tuple[int, ...]:
    """Return block code, last plane, gain, number of planes and offsets."""
    if len(stream) < HEADER.size:
        raise CorruptError(f"base layer: expected {HEADER.size} bytes before the first stage, found {len(stream)}")
    code, last, gain, count, *offsets = HEADER.unpack_from(stream)
    if (
        code > transform.WAVELET
        or not 1 <= last <= search.MAX_LAST
        or count > MAX_PLANES
        or not all(-OFFSET_LIMIT <= o < OFFSET_LIMIT for o in offsets)
    ):
        raise CorruptError(
            f"base layer: block code {code}, last plane {last}, {count} planes or offsets {offsets} are out of range; "
            "the file is damaged, fetch it again"
        )
    return code, last, gain, count, *offsets
