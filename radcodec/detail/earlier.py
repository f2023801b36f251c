"""Taps in earlier planes of a tile: what a file stores of them (docs/format.md, 8.2 and 8.3)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from radcodec.arrays import F64
from radcodec.coding.leb import pack_leb, unpack_leb
from radcodec.detail.orders import Order
from radcodec.detail.rice import MAX_INTEGER_BYTES, rice_read, rice_write
from radcodec.errors import CorruptError
from radcodec.limits import MAX_BLEND, MAX_LAG_RADIUS, MAX_LAGS, MAX_SHIFT, MAX_TILE_SAMPLES

WHAT = "the predictor block"
TRIAL_PLANES = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaneAxis:
    """An axis along which the planes of a tile follow each other.

    stride : planes of a tile from one to the next along it
    period : its length in the image
    depth : its length in a tile
    """

    stride: int
    period: int
    depth: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TilePlanes:
    """An order of the axes of tiles, and the axes along which their planes follow each other then."""

    order: Order
    axes: tuple[PlaneAxis, ...]


@dataclass(frozen=True, kw_only=True)
class EarlierTaps:
    """Taps in the planes 1, 2, ... strides before a plane: coefficient = integer * 2**-shift.

    A plane p of a tile has ``min(lags, p // stride % period)`` such planes before it. The taps in each are
    [2r + 1, 2r + 1], with its r of radii.

    integers has the sets for one earlier plane, for two, and so on. blend says how much the errors of the plane before
    count.
    """

    stride: int
    period: int
    radii: tuple[int, ...]
    blend: int
    shift: int
    integers: npt.NDArray[np.int64]

    @property
    def coefficients(self) -> F64:
        """Coefficients as binary64, set by set."""
        return np.ascontiguousarray(self.integers.astype(np.float64) * 2.0**-self.shift)

    def coefficients_of(self, n_planes: int) -> F64:
        """Return the coefficients of the set for so many earlier planes."""
        sizes = [count_taps(self.radii[:n]) for n in range(1, len(self.radii) + 1)]
        start = sum(sizes[: n_planes - 1])
        return self.coefficients[start : start + sizes[n_planes - 1]]


def middle_planes(n_planes: int, axis: PlaneAxis) -> slice:
    """Choose planes in the middle of an image that follow each other along an axis, for a trial."""
    group = axis.stride * axis.period
    length = min(axis.depth, TRIAL_PLANES)
    first = n_planes // 2 // group * group + axis.stride // 2 + (axis.period - length) // 2 * axis.stride
    return slice(first, first + (length - 1) * axis.stride + 1, axis.stride)


def count_taps(radii: tuple[int, ...]) -> int:
    """Count the taps in planes with taps of these radii."""
    return sum((2 * r + 1) ** 2 for r in radii)


def count_integers(radii: tuple[int, ...]) -> int:
    """Count the integers of all sets."""
    return sum(count_taps(radii[: n + 1]) for n in range(len(radii)))


@lru_cache(maxsize=64)
def coding_order(radii: tuple[int, ...]) -> list[int]:
    """Return the numbers of all integers as they are coded: set by set, plane by plane, from the nearest tap on."""
    order: list[int] = []
    for n in range(len(radii)):
        for r in radii[: n + 1]:
            offsets = [(dy, dx) for dy in range(-r, r + 1) for dx in range(-r, r + 1)]
            nearest = sorted(range(len(offsets)), key=lambda i: (offsets[i][0] ** 2 + offsets[i][1] ** 2, i))
            start = len(order)
            order += [start + i for i in nearest]
    return order


def pack_earlier(taps: EarlierTaps) -> bytes:
    """Pack taps in earlier planes."""
    body = rice_write(taps.integers[coding_order(taps.radii)])
    out = bytearray(pack_leb(taps.stride) + pack_leb(taps.period))
    out += bytes((taps.blend, len(taps.radii), *taps.radii, taps.shift))
    return bytes(out + pack_leb(len(body)) + body)


def unpack_earlier(block: bytes, pos: int) -> tuple[EarlierTaps, int]:
    """Read taps in earlier planes, and the position behind them.

    Raises
    ------
    CorruptError
        If a number is out of its range.
    """
    stride, pos = unpack_leb(block, pos, WHAT)
    period, pos = unpack_leb(block, pos, WHAT)
    if not 1 <= stride <= MAX_TILE_SAMPLES or not 2 <= period <= MAX_TILE_SAMPLES:
        raise CorruptError(f"predictor block: earlier planes at stride {stride} with period {period} are out of range")
    blend, lags = block[pos : pos + 2] if pos + 1 < len(block) else (0, 0)
    pos += 1
    if not 1 <= lags <= MAX_LAGS or pos + lags + 2 > len(block):
        raise CorruptError(f"predictor block: expected taps in 1 to {MAX_LAGS} earlier planes, found {lags}")
    radii, shift = tuple(block[pos + 1 : pos + 1 + lags]), block[pos + 1 + lags]
    if max(radii) > MAX_LAG_RADIUS or shift > MAX_SHIFT or blend > MAX_BLEND:
        raise CorruptError(
            f"predictor block: radii {radii}, shift {shift} or blend {blend} of earlier planes are out of range"
        )
    size, pos = unpack_leb(block, pos + lags + 2, WHAT)
    order = coding_order(radii)
    if size > MAX_INTEGER_BYTES * len(order) or pos + size > len(block):
        raise CorruptError(f"predictor block: {size} bytes of earlier planes are out of range")
    found = rice_read(block[pos : pos + size], len(order))
    if found is None:
        raise CorruptError(f"predictor block: {size} bytes that are no coefficients in earlier planes")
    integers = np.empty(len(order), np.int64)
    integers[order] = found
    taps = EarlierTaps(stride=stride, period=period, radii=radii, blend=blend, shift=shift, integers=integers)
    return taps, pos + size
