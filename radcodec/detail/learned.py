"""The learned method of a detail stream: its fields, written and read (docs/format.md, 8.4 to 8.6)."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import zstandard

from radcodec.coding.ans import count_symbols, encode_symbols
from radcodec.coding.leb import pack_leb, unpack_leb
from radcodec.coding.zstd import unpack_frame
from radcodec.detail import kernels
from radcodec.detail.lattice_maps import lattices_map, near_map, sound_lattice
from radcodec.detail.lattices import MOST
from radcodec.detail.level import error_level
from radcodec.detail.maps import (
    MAX_FLOAT_SHRINK,
    MAX_SHRINK,
    MapKind,
    TileBound,
    ValueMap,
    restore,
    step_map,
)
from radcodec.detail.near import UNIT_RANGE, Near, decode_corrections, encode_corrections
from radcodec.detail.passes import (
    Setting,
    SymbolBuffers,
    TilePass,
    TileStreams,
    decode_float,
    decode_int,
    encode_float,
    encode_int,
)
from radcodec.detail.plain import BEST_LEVEL, LEARNED, Mask, Tile, little
from radcodec.detail.predictors import Predictors
from radcodec.detail.prepare import Work
from radcodec.detail.rounding import Predictor
from radcodec.detail.tables import TableSet
from radcodec.errors import CorruptError
from radcodec.types import SampleType

NO_TARGETS: npt.NDArray[np.float64] = np.empty((0, 0, 0))
TAIL = struct.Struct("<Bhh")  # shape, level, clamp exponent
FLOAT_MAP = struct.Struct("<hB")  # quantum, fraction bits
FLOAT_LATTICE_MAP = struct.Struct("<dd")  # a, b
INT_LATTICE_MAP = struct.Struct("<qQ")  # a, b
UNIT = struct.Struct("<h")
FINE = 2  # bit of the shrink of integers: units of steps are counted
FRACTION_BITS = {4: 23, 8: 52}


@dataclass(frozen=True, slots=True, kw_only=True)
class Modelled:
    """What the model makes of a tile: symbols and tables [n], the raw bits, and the settings that the fields name."""

    tables: npt.NDArray[np.uint16]
    symbols: npt.NDArray[np.uint8]
    raw: npt.NDArray[np.uint8]
    level: int
    clamp: int


def _clamp_exponent(work: Work, special: Mask | None, fill: float) -> int:
    """Smallest power of two that no window value of the tile exceeds."""
    values = work.values if work.targets is None else work.targets
    low, high = float(values.min()), float(values.max())
    size = max(abs(low - fill), abs(high - fill))
    if work.how.gain.size:
        moved = float(np.abs(work.how.dither).max(initial=0.0)) + 1.0
        size = (max(abs(low), abs(high)) + moved) * float(np.abs(work.how.gain).max()) + abs(fill)
    return max(-1000, min(1000, int(np.ceil(np.log2(max(size, 2.0**-1000))))))


def model(special: Mask | None, predictors: Predictors, work: Work) -> Modelled | None:
    """Run the model over a tile; None where it cannot carry the tile or gains nothing."""
    predictor, how, values = predictors.predictors[0], work.how, work.values
    fill = how.fill(predictors.fill)
    clamp = _clamp_exponent(work, special, fill)
    if how.kind != MapKind.FLOAT and (clamp > 52 or abs(fill) > 2.0**52):
        return None
    level = error_level(values, how, special, predictor, fill) if work.level is None else work.level
    taps = predictor.taps
    if taps is None:
        return None
    size = values.size * how.sample_type.size_bytes + kernels.RAW_SPARE
    out = SymbolBuffers(
        tables=np.empty(values.size, np.uint16), symbols=np.empty(values.size, np.uint8), raw=np.zeros(size, np.uint8)
    )
    setting = Setting(level=level, clamp=clamp, z=how.z, mantissa=how.mantissa, fill=fill)
    tile = TilePass(values.shape, special, taps, setting, predictor.earlier)
    if how.kind == MapKind.FLOAT:
        status, n, bits = encode_float(tile, values, out)
    else:
        targets = NO_TARGETS if work.targets is None else work.targets
        status, n, bits = encode_int(tile, values, targets, how.gain, how.dither, out)
    if status != kernels.OK:
        return None
    raw = out.raw[: (bits + 7) // 8]
    return Modelled(tables=out.tables[:n], symbols=out.symbols[:n], raw=raw, level=level, clamp=clamp)


def encode_learned(tile: Tile, special: Mask | None, predictors: Predictors, work: Work, done: Modelled) -> bytes:
    """Method 2 of what the model made of a tile."""
    how = work.how
    shape, words = _encode_words(done.symbols, done.tables, predictors.tables)
    out = bytearray((LEARNED,))
    out += pack_leb(0)
    out.append(how.kind)
    if how.kind == MapKind.FLOAT:
        out += FLOAT_MAP.pack(how.z, how.mantissa)
    elif how.kind == MapKind.FLOAT_LATTICE:
        out += FLOAT_LATTICE_MAP.pack(how.a, how.b)
    elif how.kind == MapKind.INT_LATTICE:
        out += INT_LATTICE_MAP.pack(how.a, how.b)
    elif how.kind == MapKind.LATTICES:
        classes = zstandard.ZstdCompressor(level=BEST_LEVEL).compress(how.classes.tobytes())
        out += pack_leb(len(how.lattices)) + how.lattices.astype("<f8").tobytes() + pack_leb(len(classes)) + classes
    elif how.near is not None:
        out += _pack_near(how.near, work, special, tile.dtype)
    elif how.kind == MapKind.STEPS or not how.sample_type.is_float:
        out.append(how.shrink + FINE * how.fine)
    out += TAIL.pack(shape, done.level, done.clamp)
    for number in (words.size, done.raw.size, work.patches.size):
        out += pack_leb(number)
    before = 0
    for i in work.patches.tolist():
        out += pack_leb(i - before)
        out += little(tile.reshape(-1)[i : i + 1]).tobytes()
        before = i
    return bytes(out) + words.astype("<u4").tobytes() + done.raw.tobytes()


def _pack_near(near: Near, work: Work, special: Mask | None, dtype: np.dtype[Any]) -> bytes:
    """Pack the parameters of map 6."""
    code = encode_corrections(work.values, special, near, dtype)
    return (
        pack_leb(len(near.pairs))
        + near.pairs.astype("<f8").tobytes()
        + UNIT.pack(near.unit)
        + pack_leb(len(code))
        + code
    )


def _parse_near(
    body: memoryview, pos: int, shape: tuple[int, int, int], sample_type: SampleType
) -> tuple[ValueMap, bytes, int]:
    """Read the map of a near-lattice, the code of its corrections, and the position behind them."""
    n, pos = unpack_leb(body, pos, "the detail stream")
    if n not in (1, shape[0]) or 16 * n + UNIT.size > len(body) - pos:
        raise CorruptError(f"detail stream: expected 1 or {shape[0]} near-lattices, found {n}")
    pairs = np.frombuffer(body, "<f8", 2 * n, pos).astype(np.float64).reshape(n, 2)
    (unit,) = UNIT.unpack_from(body, pos + 16 * n)
    n_bytes, pos = unpack_leb(body, pos + 16 * n + UNIT.size, "the detail stream")
    how = near_map(Near(pairs=pairs, unit=unit), shape, sample_type)
    low, high = UNIT_RANGE if sample_type.is_float else (0, 0)
    if how is None or not low <= unit <= high:
        raise CorruptError(f"detail stream: near-lattices out of range, or a unit of 2^{unit}")
    if n_bytes > len(body) - pos:
        raise CorruptError(f"detail stream: expected {n_bytes} bytes of corrections, found {len(body) - pos}")
    return how, bytes(body[pos : pos + n_bytes]), pos + n_bytes


def modelled_bits(done: Modelled, table_set: TableSet) -> float:
    """About the bits that a tile takes."""
    return float(_symbol_bits(done.symbols, done.tables, table_set).min()) + 8.0 * done.raw.size


def _symbol_bits(
    symbols: npt.NDArray[np.uint8], tables: npt.NDArray[np.uint16], table_set: TableSet
) -> npt.NDArray[np.float64]:
    """Count the bits of the symbols with each shape of a table set."""
    counts = np.zeros((kernels.N_TABLES * kernels.N_PHASES, kernels.N_SYMBOLS), np.int64)
    count_symbols(symbols, tables, counts)
    return np.asarray(table_set.bits @ counts.reshape(-1).astype(np.float64))


def _encode_words(
    symbols: npt.NDArray[np.uint8], tables: npt.NDArray[np.uint16], table_set: TableSet
) -> tuple[int, npt.NDArray[np.uint32]]:
    """Choose the shape that codes the symbols in the fewest bits; also gives its ANS words."""
    shape = int(np.argmin(_symbol_bits(symbols, tables, table_set)))
    words = np.empty(symbols.size + 2, np.uint32)
    count = encode_symbols(symbols, tables, table_set.cumulative[shape], words)
    return shape, words[:count]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fields:
    """The fields of a learned stream."""

    predictor: Predictor
    how: ValueMap
    shape: int
    level: int
    clamp: int
    patch_at: npt.NDArray[np.int64]
    patch_values: Tile
    words: npt.NDArray[np.uint32]
    raw: npt.NDArray[np.uint8]
    n_raw: int
    corrections: bytes


def decode_learned(
    body: memoryview,
    shape: tuple[int, int, int],
    sample_type: SampleType,
    special: Mask | None,
    predictors: Predictors,
    bound: TileBound | None,
) -> Tile:
    """Decode the samples of method 2."""
    f = _parse_learned(body, shape, sample_type, predictors, bound)
    fill = f.how.fill(predictors.fill)
    if not np.isfinite(fill) or (f.how.kind != MapKind.FLOAT and (f.clamp > 52 or abs(fill) > 2.0**52)):
        raise CorruptError("detail stream: fill or clamp is out of range")
    taps = f.predictor.taps
    if taps is None:
        raise CorruptError("predictor block: a tile uses a predictor that gives no border sets and declares some")
    setting = Setting(level=f.level, clamp=f.clamp, z=f.how.z, mantissa=f.how.mantissa, fill=fill)
    tile = TilePass(shape, special, taps, setting, f.predictor.earlier)
    tables = predictors.tables
    streams = TileStreams(
        cumulative=tables.cumulative[f.shape],
        starts=tables.starts[f.shape],
        words=f.words,
        raw=f.raw,
        n_bits=8 * f.n_raw,
    )
    if f.how.kind == MapKind.FLOAT:
        real = np.empty(shape)
        status = decode_float(tile, streams, real)
        values: Tile = real
    else:
        values = np.empty(shape, np.int64)
        status = decode_int(tile, streams, f.how.gain, f.how.dither, f.how.kind == MapKind.LOOP, values)
    if status != kernels.OK:
        raise CorruptError("detail stream: its symbols or raw bits do not end where they should")
    how = f.how
    if how.near is not None:
        how = replace(
            how, near=decode_corrections(f.corrections, values, special, how.near, np.dtype(sample_type.dtype_str))
        )
    out = restore(values, how)
    if f.patch_at.size:
        out.reshape(-1)[f.patch_at] = f.patch_values
    return out


def _parse_learned(
    body: memoryview,
    shape: tuple[int, int, int],
    sample_type: SampleType,
    predictors: Predictors,
    bound: TileBound | None,
) -> _Fields:
    """Read the fields of a learned stream, each within its range."""
    number, pos = unpack_leb(body, 0, "the detail stream")
    if number >= len(predictors.predictors):
        raise CorruptError(f"detail stream: expected a predictor under {len(predictors.predictors)}, found {number}")
    corrections = b""
    if pos < len(body) and body[pos] == MapKind.NEAR:
        how, corrections, pos = _parse_near(body, pos + 1, shape, sample_type)
    else:
        how, pos = _parse_map(body, pos, shape, sample_type, bound)
    if pos + TAIL.size > len(body):
        raise CorruptError("detail stream: ends within its fields")
    which, level, clamp = TAIL.unpack_from(body, pos)
    n_words, pos = unpack_leb(body, pos + TAIL.size, "the detail stream")
    n_raw, pos = unpack_leb(body, pos, "the detail stream")
    n_patches, pos = unpack_leb(body, pos, "the detail stream")
    if which >= predictors.tables.n_shapes or abs(level) > 4000 or abs(clamp) > 1000:
        raise CorruptError(f"detail stream: shape {which}, level {level} or clamp {clamp} is out of range")
    size, n = sample_type.size_bytes, int(np.prod(shape))
    if n_patches > n or n_patches * (size + 1) + 4 * n_words + n_raw > len(body) - pos:
        raise CorruptError("detail stream: declares more than it holds")
    at = np.empty(n_patches, np.int64)
    values = bytearray()
    last = 0
    for i in range(n_patches):
        step, pos = unpack_leb(body, pos, "the detail stream")
        last += step
        if last >= n or (step == 0 and i > 0):
            raise CorruptError(f"detail stream: patch {i} is at sample {last} of {n}, or not after the one before")
        at[i] = last
        values += body[pos : pos + size]
        pos += size
    if pos + 4 * n_words + n_raw != len(body):
        raise CorruptError(f"detail stream: expected {pos + 4 * n_words + n_raw} bytes, found {len(body)}")
    raw = np.zeros(n_raw + kernels.RAW_SPARE, np.uint8)
    raw[:n_raw] = np.frombuffer(body, np.uint8, n_raw, pos + 4 * n_words)
    dtype = np.dtype(sample_type.dtype_str)
    return _Fields(
        predictor=predictors.predictors[number],
        how=how,
        shape=which,
        level=level,
        clamp=clamp,
        patch_at=at,
        patch_values=np.frombuffer(bytes(values), dtype.newbyteorder("<")).astype(dtype),
        words=np.frombuffer(body, "<u4", n_words, pos).astype(np.uint32),
        raw=raw,
        n_raw=n_raw,
        corrections=corrections,
    )


def _parse_lattices(
    body: memoryview, pos: int, shape: tuple[int, int, int], sample_type: SampleType
) -> tuple[ValueMap, int]:
    """Read the map of several lattices, and the position behind its parameters."""
    n, pos = unpack_leb(body, pos, "the detail stream")
    if not 1 <= n <= MOST or 16 * n > len(body) - pos:
        raise CorruptError(f"detail stream: expected 1 to {MOST} lattices and their steps, found {n}")
    lattices = np.frombuffer(body, "<f8", 2 * n, pos).astype(np.float64).reshape(n, 2)
    n_bytes, pos = unpack_leb(body, pos + 16 * n, "the detail stream")
    if n_bytes > len(body) - pos:
        raise CorruptError(f"detail stream: expected {n_bytes} bytes of classes, found {len(body) - pos}")
    packed = unpack_frame(body[pos : pos + n_bytes], int(np.prod(shape)), what="the classes")
    classes = np.frombuffer(packed, np.uint8).reshape(shape)
    if classes.max(initial=0) >= n:
        raise CorruptError(f"detail stream: expected classes under {n}, found {classes.max()}")
    how = lattices_map(lattices, classes, sample_type)
    if how is None:
        raise CorruptError("detail stream: lattices out of range")
    return how, pos + n_bytes


def _parse_map(
    body: memoryview, pos: int, shape: tuple[int, int, int], sample_type: SampleType, bound: TileBound | None
) -> tuple[ValueMap, int]:
    """Read the map that a learned stream names, and the position behind its parameters."""
    kind = body[pos] if pos < len(body) else 255
    pos += 1
    if kind == MapKind.LATTICES and sample_type.is_float:
        return _parse_lattices(body, pos, shape, sample_type)
    sizes = {MapKind.FLOAT: 3, MapKind.FLOAT_LATTICE: 16, MapKind.INT_LATTICE: 16, MapKind.STEPS: 1}
    sizes[MapKind.LOOP] = 0 if sample_type.is_float else 1
    if kind not in sizes or pos + sizes[MapKind(kind)] > len(body):
        raise CorruptError(f"detail stream: expected a map 0 to 6 and its parameters, found {kind}")
    end = pos + sizes[MapKind(kind)]
    if kind in (MapKind.STEPS, MapKind.LOOP):
        shrink, fine = body[pos] if end > pos else 0, 0
        if kind == MapKind.STEPS and not sample_type.is_float:
            fine, shrink = divmod(shrink, FINE)
        most = MAX_FLOAT_SHRINK if sample_type.is_float else MAX_SHRINK
        sound = bound is not None and shrink <= most and fine <= 1
        how = step_map(bound, shape, sample_type, shrink) if bound is not None and sound else None
        if how is None or (kind == MapKind.LOOP and bound is not None and bound.dither_seed is not None):
            raise CorruptError(f"detail stream: uses steps (less {shrink}), but its image has no such bound there")
        return replace(how, kind=MapKind(kind), fine=fine == 1), end
    if (kind == MapKind.INT_LATTICE) == sample_type.is_float:
        raise CorruptError(f"detail stream: map {kind} does not fit {sample_type.name}")
    if kind == MapKind.INT_LATTICE:
        a, b = INT_LATTICE_MAP.unpack_from(body, pos)
        if b == 0:
            raise CorruptError("detail stream: a lattice step of 0")
        return ValueMap(kind=MapKind.INT_LATTICE, sample_type=sample_type, a=a, b=b), end
    if kind == MapKind.FLOAT_LATTICE:
        fa, fb = FLOAT_LATTICE_MAP.unpack_from(body, pos)
        if not sound_lattice(fa, fb):
            raise CorruptError(f"detail stream: a lattice of {fa} and {fb}")
        return ValueMap(kind=MapKind.FLOAT_LATTICE, sample_type=sample_type, a=fa, b=fb), end
    z, mantissa = FLOAT_MAP.unpack_from(body, pos)
    if not -1022 <= z <= 1000 or mantissa > FRACTION_BITS[sample_type.size_bytes]:
        raise CorruptError(f"detail stream: a quantum of 2^{z} with {mantissa} fraction bits")
    return ValueMap(kind=MapKind.FLOAT, sample_type=sample_type, z=z, mantissa=mantissa), end
