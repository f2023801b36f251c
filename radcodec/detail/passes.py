"""A tile as the native passes take it (``radcodec/native/core.h``), for encoder and decoder."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from radcodec.arrays import F64
from radcodec.detail.borders import Taps
from radcodec.detail.earlier import EarlierTaps, count_integers
from radcodec.runtime import native
from radcodec.runtime.native import core, pointer

NEAR = 2  # rows and columns around a sample whose errors in the plane before count (docs/format.md, 8.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """How a tile is modelled: level, clamp exponent, quantum z and fraction bits of docs/format.md, 8.4; and fill'."""

    level: int
    clamp: int
    z: int
    mantissa: int
    fill: float


class TilePass:
    """The memory and the numbers of a pass over a tile [p, h, w]; it keeps what C only points to."""

    def __init__(
        self,
        shape: tuple[int, ...],
        special: npt.NDArray[np.bool_] | None,
        taps: Taps,
        setting: Setting,
        earlier: EarlierTaps | None = None,
    ) -> None:
        planes, height, width = shape
        size = core().pass_bytes(taps.radius, width)
        if size < 0:
            raise ValueError(f"native core: radius {taps.radius} or width {width} is out of range")
        scratch = np.empty(size, np.uint8)
        marks = None if special is None else np.ascontiguousarray(special)
        before, kept = _earlier(earlier, planes, height, width)
        self._kept = (scratch, marks, taps, *kept)
        self.size = planes * height * width
        self.struct = native.Pass(
            planes,
            height,
            width,
            pointer(marks, np.bool_, self.size),
            _taps(taps),
            before,
            setting.level,
            setting.clamp,
            setting.z,
            setting.mantissa,
            setting.fill,
            pointer(scratch, np.uint8),
            size,
        )

    def like(self, values: F64) -> Any:
        """Return the address of float64 values [p, h, w], None where there are none."""
        return pointer(values, np.float64, self.size) if values.size else None


def _taps(taps: Taps) -> native.Taps:
    radius, border, reach = taps.radius, taps.border, taps.reach
    n_sets = 4 + 3 * border if border else 1
    n_side = border * (2 * border + 1) * reach
    return native.Taps(
        radius,
        border,
        reach,
        pointer(taps.above, np.float64, (2 + border if border else 1) * radius * (2 * radius + 1)),
        pointer(taps.own, np.float64, n_sets * radius),
        pointer(taps.left, np.float64, n_side),
        pointer(taps.right, np.float64, n_side),
    )


def _earlier(taps: EarlierTaps | None, planes: int, height: int, width: int) -> tuple[native.Earlier, tuple[Any, ...]]:
    """Return the taps that planes of a tile have in earlier ones, and the memory that they point to."""
    if taps is None or planes <= taps.stride:
        return native.Earlier(), ()
    lags = len(taps.radii)
    radii, coefs = np.array(taps.radii, np.int64), taps.coefficients
    values = np.empty(min(planes, lags * taps.stride + 1) * height * width)
    errors = np.empty(min(planes, taps.stride + 1) * height * (width + 2 * NEAR) if taps.blend else 0)
    struct = native.Earlier(
        lags,
        taps.stride,
        taps.period,
        pointer(radii, np.int64, lags),
        pointer(coefs, np.float64, count_integers(taps.radii)),
        pointer(values, np.float64),
        values.size,
        taps.blend,
        pointer(errors, np.float64),
        errors.size,
    )
    return struct, (radii, coefs, values, errors)


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolBuffers:
    """What the encoder's pass fills: tables (table * 9 + phase) and symbols [n], and raw bits.

    raw holds zeros at first; its last ``kernels.RAW_SPARE`` bytes stay free.
    """

    tables: npt.NDArray[np.uint16]
    symbols: npt.NDArray[np.uint8]
    raw: npt.NDArray[np.uint8]

    def struct(self) -> native.Symbols:
        """Return the buffers as C takes them."""
        return native.Symbols(
            pointer(self.tables, np.uint16, self.symbols.size),
            pointer(self.symbols, np.uint8),
            self.symbols.size,
            pointer(self.raw, np.uint8),
            self.raw.size,
            0,
            0,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TileStreams:
    """What the decoder's pass reads: cumulative counts [rows, 129], starts [rows, 64], ANS words and raw bits.

    raw has ``kernels.RAW_SPARE`` zeros behind the last of its ``n_bits``.
    """

    cumulative: npt.NDArray[np.uint32]
    starts: npt.NDArray[np.uint8]
    words: npt.NDArray[np.uint32]
    raw: npt.NDArray[np.uint8]
    n_bits: int

    def struct(self) -> native.Streams:
        """Return the streams as C takes them."""
        rows = len(self.cumulative)
        return native.Streams(
            pointer(self.cumulative, np.uint32, rows * 129),
            pointer(self.starts, np.uint8, rows * 64),
            rows,
            pointer(self.words, np.uint32),
            self.words.size,
            pointer(self.raw, np.uint8),
            self.raw.size,
            self.n_bits,
        )


def encode_float(tile: TilePass, values: F64, out: SymbolBuffers) -> tuple[int, int, int]:
    """Model values [p, h, w] of a float tile in decoding order; gives (status, number of symbols, raw bits)."""
    symbols = out.struct()
    status = core().encode_float(
        ctypes.byref(tile.struct), pointer(values, np.float64, tile.size), ctypes.byref(symbols)
    )
    return status, symbols.n_symbols, symbols.n_bits


def encode_int(
    tile: TilePass, values: npt.NDArray[np.int64], targets: F64, gain: F64, dither: F64, out: SymbolBuffers
) -> tuple[int, int, int]:
    """Model integers [p, h, w] as `encode_float` does floats, with gain and dither [p, h, w] or empty.

    targets [p, h, w] or empty are what a loop's values should be near: then values is filled.
    """
    symbols = out.struct()
    status = core().encode_int(
        ctypes.byref(tile.struct),
        pointer(values, np.int64, tile.size),
        tile.like(targets),
        tile.like(gain),
        tile.like(dither),
        ctypes.byref(symbols),
    )
    return status, symbols.n_symbols, symbols.n_bits


def decode_float(tile: TilePass, streams: TileStreams, out: F64) -> int:
    """Fill out [p, h, w] from the streams of a float tile; gives a status."""
    read = streams.struct()
    return int(core().decode_float(ctypes.byref(tile.struct), ctypes.byref(read), pointer(out, np.float64, tile.size)))


def decode_int(
    tile: TilePass, streams: TileStreams, gain: F64, dither: F64, loop: bool, out: npt.NDArray[np.int64]
) -> int:
    """Fill out [p, h, w] from the streams of an integer tile; gives a status. loop: the integers are those of map 4."""
    read = streams.struct()
    return int(
        core().decode_int(
            ctypes.byref(tile.struct),
            ctypes.byref(read),
            tile.like(gain),
            tile.like(dither),
            int(loop),
            pointer(out, np.int64, tile.size),
        )
    )
