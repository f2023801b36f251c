"""Codes of one tile of a lapped model and the header of its first stream (docs/format.md, 9.5)."""

from __future__ import annotations

import struct
from collections.abc import Callable
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
        return int(np.abs(self.coefficients).max(initial=0)).bit_length()

    @property
    def step(self) -> float:
        """Step of the coefficients, in companded units."""
        return (256 + self.gain) * 2.0**-self.last


@dataclass(frozen=True, slots=True, kw_only=True)
class ShelvedCodes:
    """Codes packed to a fraction of their size, as long as other tiles are coded.

    ``choices`` are the codes without content. ``packed`` holds their coefficients as integers of ``dtype_str``.
    """

    choices: LappedCodes
    shape: tuple[int, ...]
    dtype_str: str
    packed: Stream = field(repr=False)

    @property
    def code(self) -> int:
        """Block code, which other codes may have too."""
        return self.choices.code


def without_content(codes: LappedCodes) -> LappedCodes:
    """Give the choices of codes: block length, step and offsets."""
    return replace(codes, coefficients=np.zeros((0, 0, 0, 0), np.int32))


def shelve(codes: LappedCodes, keep: Callable[[bytes], Stream]) -> ShelvedCodes:
    """Pack codes; ``keep`` finds a place for the bytes."""
    content = codes.coefficients
    dtype_str = next(form for form in _FORMS if codes.n_planes < 8 * np.dtype(form).itemsize)
    packer = zstandard.ZstdCompressor(level=_SHELF_LEVEL, write_checksum=False)
    # A copy: what the library gives has the memory of the longest possible frame.
    packed = bytes(memoryview(packer.compress(content.astype(dtype_str).tobytes())))
    return ShelvedCodes(
        choices=without_content(codes),
        shape=content.shape,
        dtype_str=dtype_str,
        packed=keep(packed),
    )


def unshelve(codes: LappedCodes | ShelvedCodes) -> LappedCodes:
    """Give the codes that were packed; others are given as they are."""
    if isinstance(codes, LappedCodes):
        return codes
    content = np.frombuffer(zstandard.ZstdDecompressor().decompress(codes.packed), codes.dtype_str)
    return replace(codes.choices, coefficients=content.astype(np.int32).reshape(codes.shape))


def empty_codes(shape: tuple[int, int], step: float) -> LappedCodes:
    """Return empty codes for a shape, with a step near the one given."""
    last, gain, _ = search.split_step(step)
    nothing = np.zeros((0, 0, 0, 0), np.int32)
    return LappedCodes(shape=shape, code=0, last=last, gain=gain, offsets=(0, 0), coefficients=nothing)


def planes_of_stages(count: int, n_stages: int) -> list[int]:
    """Return the number of planes in each stage."""
    first = min(count, max(1, count - n_stages + 1))
    return [first] + [1 if stage < count - first else 0 for stage in range(n_stages - 1)]


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
