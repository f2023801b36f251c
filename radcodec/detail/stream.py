"""The detail stream of a tile (docs/format.md, 8.4 to 8.6): its fields, and the choice between its methods."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import zstandard

from radcodec.detail import kernels
from radcodec.detail.bits import get_leb, put_leb
from radcodec.detail.fit import Predictor, fit_predictor, local_error
from radcodec.detail.maps import (
    MAX_INT_BOUND,
    STEP_FACTOR,
    MapKind,
    TileBound,
    ValueMap,
    float_lattice,
    int_lattice,
    quantise,
    restore,
    step_map,
)
from radcodec.detail.model import model_float, model_int
from radcodec.detail.predictors import Predictors, pack_predictors, unpack_predictors
from radcodec.detail.tables import TableSet, default_tables
from radcodec.detail.unmodel import decode_float, decode_int
from radcodec.entropy.ans import encode_symbols
from radcodec.errors import CorruptError
from radcodec.types import SampleType

RAW, SHUFFLED, LEARNED = 0, 1, 2
ZSTD_LEVEL = 3
MAX_RADIUS = 12
MIN_LEARNED = 64  # samples under which the fields of a learned stream cost more than they save
SMALL_TILE = 16384  # samples up to which the plain methods are always tried
SURE = (0.002, 0.6)  # share of the raw size between which the learned method has never lost to a plain one
NO_SPECIAL: npt.NDArray[np.bool_] = np.empty((0, 0, 0), np.bool_)
TAIL = struct.Struct("<Bhh")  # shape, level, clamp exponent
FLOAT_MAP = struct.Struct("<hB")  # quantum, fraction bits
FRACTION_BITS = {4: 23, 8: 52}

Tile = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]
SymbolTables = tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint16]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    """A tile ready to be modelled: working values, their map, and the samples that patches must set right."""

    values: npt.NDArray[Any]
    how: ValueMap
    patches: npt.NDArray[np.int64]


def fit_image(
    image: Tile, special: Mask | None, bound: float | None, sample_type: SampleType, *, max_radius: int = MAX_RADIUS
) -> bytes:
    """Predictor block for an image [P, H, W], empty if no tile of it should use the learned method.

    bound is E in stored units, or None for lossless. Pixels marked special are left out.
    """
    if image.size < MIN_LEARNED:
        return b""
    fill = _fill(image, special)
    unit = 1.0
    if bound is not None and bound > 0:
        is_float = sample_type.is_float
        unit = bound * STEP_FACTOR if is_float else 2.0 * np.floor(min(bound, MAX_INT_BOUND)) + 1.0
    lossless_float = sample_type.is_float and not (bound is not None and bound > 0)
    shift = fill / unit

    def to_window(values: Tile) -> npt.NDArray[np.float64]:
        with np.errstate(over="ignore", invalid="ignore"):
            real = values.astype(np.float64) / unit
            return real - shift if lossless_float else np.rint(real) - shift

    with np.errstate(over="ignore", invalid="ignore"):
        predictor = fit_predictor(
            image, special, to_window, floor=0.0 if lossless_float else 0.3, max_radius=max_radius
        )
    if predictor is None:
        return b""
    return pack_predictors(Predictors(tables=default_tables(), fill=fill, predictors=(predictor,)))


def load_predictors(block: bytes) -> Predictors | None:
    """Predictors of an image's block, None for an empty one.

    Raises
    ------
    CorruptError, ModelNotFoundError
        As ``unpack_predictors``.
    """
    return unpack_predictors(block) if block else None


def encode_tile(tile: Tile, special: Mask | None, predictors: Predictors | None, bound: TileBound | None) -> bytes:
    """Detail stream of a tile [p, h, w]: the smallest of learned, shuffled and raw.

    Every sample that is not special restores exactly (bound None), or within its bound in physical units.
    """
    tile = np.ascontiguousarray(tile)
    work = _prepare(tile, special, bound)
    learned = None
    if predictors is not None and work is not None and tile.size >= MIN_LEARNED:
        learned = _encode_learned(tile, special, predictors, work)
    plain = tile
    if bound is not None and work is not None:
        plain = _patched(restore(work.values, work.how), work.patches, tile)
    if learned is not None and tile.size > SMALL_TILE and SURE[0] * tile.nbytes < len(learned) < SURE[1] * tile.nbytes:
        return learned
    best = learned
    for other in (_encode_shuffled(plain), bytes((RAW,)) + _little(plain).tobytes()):
        if best is None or len(other) < len(best):
            best = other
    assert best is not None
    return best


def decode_tile(
    stream: bytes | memoryview,
    shape: tuple[int, int, int],
    sample_type: SampleType,
    special: Mask | None,
    predictors: Predictors | None,
    bound: TileBound | None,
) -> Tile:
    """Samples [p, h, w] of a detail stream; special ones hold anything.

    Raises
    ------
    CorruptError
        If the stream is not one that docs/format.md allows.
    """
    if len(stream) < 1:
        raise CorruptError("detail stream: expected a method, found nothing")
    dtype = np.dtype(sample_type.dtype_str)
    size = int(np.prod(shape)) * dtype.itemsize
    body = memoryview(stream)[1:]
    if stream[0] == RAW:
        if len(body) != size:
            raise CorruptError(f"detail stream: expected {size} raw bytes, found {len(body)}")
        return np.frombuffer(body, dtype.newbyteorder("<")).astype(dtype).reshape(shape)
    if stream[0] == SHUFFLED:
        return _decode_shuffled(body, shape, dtype, size)
    if stream[0] != LEARNED:
        raise CorruptError(f"detail stream: expected method 0 to 2, found {stream[0]}")
    if predictors is None:
        raise CorruptError("detail stream: uses a predictor, but the image has none")
    return _decode_learned(body, shape, sample_type, special, predictors, bound)


def _little(tile: Tile) -> Tile:
    """The tile with little-endian samples."""
    return tile.astype(tile.dtype.newbyteorder("<"), copy=False)


def _fill(image: Tile, special: Mask | None) -> float:
    """Median of about 65536 samples that are not special, 0 if there are none or it is out of range."""
    stride = max(1, image.size // 65536)
    values = image.reshape(-1)[::stride]
    if special is not None:
        values = values[~special.reshape(-1)[::stride]]
    if values.size == 0:
        return 0.0
    middle = float(np.partition(values, values.size // 2)[values.size // 2])
    return middle if np.isfinite(middle) and abs(middle) < 2.0**900 else 0.0


def _prepare(tile: Tile, special: Mask | None, bound: TileBound | None) -> _Work | None:
    """Working values of a tile, or None where it can only be stored as it is."""
    if bound is not None:
        sample_type = SampleType[f"{tile.dtype.kind.upper().replace('I', 'I')}{tile.dtype.itemsize}"]
        how = step_map(bound, (tile.shape[0], tile.shape[1], tile.shape[2]), sample_type)
        steps = None if how is None else quantise(tile, special, how)
        if how is not None and steps is not None:
            patches = _violations(tile, special, restore(steps, how), bound)
            if patches.size <= tile.size // 64:
                return _Work(values=steps, how=how, patches=patches)
    if tile.dtype.kind != "f":
        lattice = int_lattice(tile, special)
        return None if lattice is None else _Work(values=lattice[0], how=lattice[1], patches=np.empty(0, np.int64))
    lattice = float_lattice(tile, special)
    if lattice is not None:
        patches = _differences(tile, special, restore(*lattice))
        if patches.size <= tile.size // 256:
            return _Work(values=lattice[0], how=lattice[1], patches=patches)
    return _prepare_float(tile, special)


def _prepare_float(tile: Tile, special: Mask | None) -> _Work | None:
    """Float working values of a tile, or None where they are out of the model's range."""
    real = tile.astype(np.float64)
    if special is not None:
        real[special] = 0.0
    size = np.abs(real)
    if size.max(initial=0.0) >= 2.0**900 or size[size > 0].min(initial=1.0) < 2.0**-900:
        return None
    z, mantissa = kernels.float_quantum(real.reshape(-1))
    sample_type = SampleType[f"F{tile.dtype.itemsize}"]
    how = ValueMap(kind=MapKind.FLOAT, sample_type=sample_type, z=z, mantissa=mantissa)
    return _Work(values=real, how=how, patches=np.empty(0, np.int64))


def _violations(tile: Tile, special: Mask | None, restored: Tile, bound: TileBound) -> npt.NDArray[np.int64]:
    """Numbers of the samples whose restored value breaks the bound in physical units."""
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = bound.bscale != 1.0 or bound.bzero != 0.0
        before, after = tile.astype(np.float64), restored.astype(np.float64)
        if scaled:
            before, after = bound.bzero + bound.bscale * before, bound.bzero + bound.bscale * after
        wrong = ~(np.abs(after - before) <= (bound.error if bound.map is None else bound.map))
    if special is not None:
        wrong &= ~special
    return np.flatnonzero(wrong)


def _differences(tile: Tile, special: Mask | None, restored: Tile) -> npt.NDArray[np.int64]:
    """Numbers of the samples that are not restored bit for bit."""
    kind = f"u{tile.dtype.itemsize}"
    wrong = tile.view(kind) != restored.view(kind)
    if special is not None:
        wrong &= ~special
    return np.flatnonzero(wrong)


def _patched(restored: Tile, patches: npt.NDArray[np.int64], tile: Tile) -> Tile:
    """The restored tile with the patched samples of the original."""
    if patches.size:
        restored.reshape(-1)[patches] = tile.reshape(-1)[patches]
    return restored


def _encode_shuffled(tile: Tile) -> bytes:
    """Method 1."""
    octets = np.frombuffer(_little(tile).tobytes(), np.uint8).reshape(-1, tile.dtype.itemsize)
    return bytes((SHUFFLED,)) + zstandard.ZstdCompressor(level=ZSTD_LEVEL).compress(octets.T.tobytes())


def _decode_shuffled(body: memoryview, shape: tuple[int, int, int], dtype: np.dtype[Any], size: int) -> Tile:
    """Samples of method 1."""
    try:
        reader = zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(body, read_across_frames=False)
        octets = reader.read(size + 1)
    except zstandard.ZstdError as err:
        raise CorruptError(f"detail stream: not a zstd frame: {err}") from err
    if len(octets) != size:
        raise CorruptError(f"detail stream: expected {size} bytes in the frame, found {len(octets)} or more")
    planes = np.frombuffer(octets, np.uint8).reshape(dtype.itemsize, -1)
    return np.frombuffer(planes.T.tobytes(), dtype.newbyteorder("<")).astype(dtype).reshape(shape)


def _level(work: _Work, special: Mask | None, predictor: Predictor, fill: float) -> int:
    """Quarter-octave index of the median prediction error in a corner of the tile."""
    gain = work.how.gain[0, :64, :64] if work.how.gain.size else 1.0
    values = work.values[0, :64, :64].astype(np.float64) * gain - fill
    known = np.ones(values.shape, np.bool_) if special is None else ~special[0, :64, :64]
    r = predictor.radius
    padded = np.zeros((values.shape[0] + r, values.shape[1] + 2 * r))
    padded[r:, r:-r] = np.where(known, values, 0.0)
    error = local_error(padded, r, predictor.coefficients, known)[known]
    middle = float(np.median(error)) if error.size else 1.0
    floor = 2.0**-1000 if work.how.kind == MapKind.FLOAT else kernels.ERROR_FLOOR
    return max(-3900, min(3900, int(np.floor(4.0 * np.log2(max(middle, floor))))))


def _clamp_exponent(work: _Work, special: Mask | None, fill: float) -> int:
    """Smallest power of two that no window value of the tile exceeds."""
    values = work.values
    low, high = float(values.min()), float(values.max())
    size = max(abs(low - fill), abs(high - fill))
    if work.how.gain.size:
        size = (max(abs(low), abs(high)) + 1.0) * float(work.how.gain.max()) + abs(fill)
    return max(-1000, min(1000, int(np.ceil(np.log2(max(size, 2.0**-1000))))))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Modelled:
    """What the model makes of a tile: symbols and tables [n], the raw bits, and the settings that the fields name."""

    tables: npt.NDArray[np.uint16]
    symbols: npt.NDArray[np.uint8]
    raw: npt.NDArray[np.uint8]
    level: int
    clamp: int


def model_tile(tile: Tile, special: Mask | None, predictors: Predictors, bound: TileBound | None) -> SymbolTables:
    """(symbols, tables) of a tile, for training table sets; empty where the learned method cannot carry it."""
    work = _prepare(tile, special, bound)
    done = None if work is None else _model(special, predictors, work)
    if done is None:
        return np.empty(0, np.uint8), np.empty(0, np.uint16)
    return done.symbols, done.tables


def _model(special: Mask | None, predictors: Predictors, work: _Work) -> _Modelled | None:
    """The model's pass over a tile, or None where it cannot carry the tile or gains nothing."""
    predictor, how, values = predictors.predictors[0], work.how, work.values
    fill = how.fill(predictors.fill)
    clamp = _clamp_exponent(work, special, fill)
    if how.kind != MapKind.FLOAT and (clamp > 52 or abs(fill) > 2.0**52):
        return None
    level = _level(work, special, predictor, fill)
    tables, symbols = np.empty(values.size, np.uint16), np.empty(values.size, np.uint8)
    size = how.sample_type.size_bytes
    raw = np.zeros(values.size * size + kernels.RAW_SPARE, np.uint8)
    mask = NO_SPECIAL if special is None else special
    setting = np.array([predictor.radius, level, clamp, how.z, how.mantissa], np.int64)
    coefs = predictor.coefficients
    if how.kind == MapKind.FLOAT:
        status, n, bits = model_float(values, mask, coefs, setting, fill, tables, symbols, raw)
    else:
        status, n, bits = model_int(values, mask, how.gain, how.dither, coefs, setting, fill, tables, symbols, raw)
    if status != kernels.OK:
        return None
    return _Modelled(tables=tables[:n], symbols=symbols[:n], raw=raw[: (bits + 7) // 8], level=level, clamp=clamp)


def _encode_learned(tile: Tile, special: Mask | None, predictors: Predictors, work: _Work) -> bytes | None:
    """Method 2, or None where the model cannot carry the tile or gains nothing."""
    done = _model(special, predictors, work)
    if done is None:
        return None
    how = work.how
    shape, words = _encode_words(done.symbols, done.tables, predictors.tables)
    out = bytearray((LEARNED,))
    put_leb(out, 0)
    out.append(how.kind)
    if how.kind == MapKind.FLOAT:
        out += FLOAT_MAP.pack(how.z, how.mantissa)
    elif how.kind == MapKind.FLOAT_LATTICE:
        out += struct.pack("<dd", how.a, how.b)
    elif how.kind == MapKind.INT_LATTICE:
        out += struct.pack("<qQ", how.a, how.b)
    out += TAIL.pack(shape, done.level, done.clamp)
    for number in (words.size, done.raw.size, work.patches.size):
        put_leb(out, number)
    before = 0
    for i in work.patches.tolist():
        put_leb(out, i - before)
        out += _little(tile.reshape(-1)[i : i + 1]).tobytes()
        before = i
    return bytes(out) + words.astype("<u4").tobytes() + done.raw.tobytes()


def _encode_words(
    symbols: npt.NDArray[np.uint8], tables: npt.NDArray[np.uint16], table_set: TableSet
) -> tuple[int, npt.NDArray[np.uint32]]:
    """The shape that codes the symbols in the fewest bits, and the ANS words it gives."""
    shape = 0
    if table_set.n_shapes > 1 and symbols.size:
        stride = max(1, symbols.size // 32768)
        at, what = tables[::stride], symbols[::stride]
        costs = []
        for cumulative in table_set.cumulative:
            size = cumulative[at, what.astype(np.intp) + 1] - cumulative[at, what]
            costs.append(-float(np.log2(size.astype(np.float64)).sum()))
        shape = int(np.argmin(costs))
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


def _decode_learned(
    body: memoryview,
    shape: tuple[int, int, int],
    sample_type: SampleType,
    special: Mask | None,
    predictors: Predictors,
    bound: TileBound | None,
) -> Tile:
    """Samples of method 2."""
    f = _parse_learned(body, shape, sample_type, predictors, bound)
    fill = f.how.fill(predictors.fill)
    if not np.isfinite(fill) or (f.how.kind != MapKind.FLOAT and (f.clamp > 52 or abs(fill) > 2.0**52)):
        raise CorruptError("detail stream: fill or clamp is out of range")
    mask = NO_SPECIAL if special is None else special
    setting = np.array([f.predictor.radius, f.level, f.clamp, f.how.z, f.how.mantissa], np.int64)
    cumulative, starts = predictors.tables.cumulative[f.shape], predictors.tables.starts[f.shape]
    coefs = f.predictor.coefficients
    n_bits = 8 * f.n_raw
    if f.how.kind == MapKind.FLOAT:
        real = np.empty(shape)
        status = decode_float(real, mask, coefs, setting, fill, cumulative, starts, f.words, f.raw, n_bits)
        values: Tile = real
    else:
        values = np.empty(shape, np.int64)
        status = decode_int(
            values, mask, f.how.gain, f.how.dither, coefs, setting, fill, cumulative, starts, f.words, f.raw, n_bits
        )
    if status != kernels.OK:
        raise CorruptError("detail stream: its symbols or raw bits do not end where they should")
    out = restore(values, f.how)
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
    """Fields of a learned stream, each within its range."""
    number, pos = get_leb(body, 0)
    if number >= len(predictors.predictors):
        raise CorruptError(f"detail stream: expected a predictor under {len(predictors.predictors)}, found {number}")
    how, pos = _parse_map(body, pos, shape, sample_type, bound)
    if pos + TAIL.size > len(body):
        raise CorruptError("detail stream: ends within its fields")
    which, level, clamp = TAIL.unpack_from(body, pos)
    n_words, pos = get_leb(body, pos + TAIL.size)
    n_raw, pos = get_leb(body, pos)
    n_patches, pos = get_leb(body, pos)
    if which >= predictors.tables.n_shapes or abs(level) > 4000 or abs(clamp) > 1000:
        raise CorruptError(f"detail stream: shape {which}, level {level} or clamp {clamp} is out of range")
    size, n = sample_type.size_bytes, int(np.prod(shape))
    if n_patches > n or n_patches * (size + 1) + 4 * n_words + n_raw > len(body) - pos:
        raise CorruptError("detail stream: declares more than it holds")
    at = np.empty(n_patches, np.int64)
    values = bytearray()
    last = 0
    for i in range(n_patches):
        step, pos = get_leb(body, pos)
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
    )


def _parse_map(
    body: memoryview, pos: int, shape: tuple[int, int, int], sample_type: SampleType, bound: TileBound | None
) -> tuple[ValueMap, int]:
    """The map that a learned stream names, and the position behind its parameters."""
    kind = body[pos] if pos < len(body) else 255
    pos += 1
    sizes = {MapKind.FLOAT: 3, MapKind.FLOAT_LATTICE: 16, MapKind.INT_LATTICE: 16, MapKind.STEPS: 0}
    if kind not in sizes or pos + sizes[MapKind(kind)] > len(body):
        raise CorruptError(f"detail stream: expected a map 0 to 3 and its parameters, found {kind}")
    end = pos + sizes[MapKind(kind)]
    if kind == MapKind.STEPS:
        how = step_map(bound, shape, sample_type) if bound is not None else None
        if how is None:
            raise CorruptError("detail stream: uses steps, but its image has no bound there")
        return how, end
    if (kind == MapKind.INT_LATTICE) == sample_type.is_float:
        raise CorruptError(f"detail stream: map {kind} does not fit {sample_type.name}")
    if kind == MapKind.INT_LATTICE:
        a, b = struct.unpack_from("<qQ", body, pos)
        if b == 0:
            raise CorruptError("detail stream: a lattice step of 0")
        return ValueMap(kind=MapKind.INT_LATTICE, sample_type=sample_type, a=a, b=b), end
    if kind == MapKind.FLOAT_LATTICE:
        fa, fb = struct.unpack_from("<dd", body, pos)
        if not (np.isfinite(fa) and np.isfinite(fb) and fb != 0.0):
            raise CorruptError(f"detail stream: a lattice of {fa} and {fb}")
        return ValueMap(kind=MapKind.FLOAT_LATTICE, sample_type=sample_type, a=fa, b=fb), end
    z, mantissa = FLOAT_MAP.unpack_from(body, pos)
    if not -1022 <= z <= 1000 or mantissa > FRACTION_BITS[sample_type.size_bytes]:
        raise CorruptError(f"detail stream: a quantum of 2^{z} with {mantissa} fraction bits")
    return ValueMap(kind=MapKind.FLOAT, sample_type=sample_type, z=z, mantissa=mantissa), end
