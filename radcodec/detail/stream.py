"""The detail stream of a tile: the choice between its methods (docs/format.md, 8.2 and 8.4)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from radcodec.detail.fit import fit_predictor
from radcodec.detail.learned import decode_learned, encode_learned, model
from radcodec.detail.maps import MAX_INT_BOUND, STEP_FACTOR, TileBound, restore
from radcodec.detail.plain import (
    LEARNED,
    PACKED,
    RAW,
    SHUFFLED,
    Mask,
    Tile,
    decode_packed,
    decode_raw,
    decode_shuffled,
    encode_plain,
)
from radcodec.detail.predictors import Predictors, pack_predictors, unpack_predictors
from radcodec.detail.prepare import patched, prepare
from radcodec.detail.tables import default_tables
from radcodec.errors import CorruptError
from radcodec.types import SampleType

MAX_RADIUS = 12
MIN_LEARNED = 64  # samples under which the fields of a learned stream cost more than they save
SymbolTables = tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint16]]


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
    """Detail stream of a tile [p, h, w]: the smallest of learned, shuffled, packed and raw.

    Every sample that is not special restores exactly (bound None), or within its bound in physical units.
    """
    return code_tile(tile, special, predictors, bound)[0]


def code_tile(
    tile: Tile, special: Mask | None, predictors: Predictors | None, bound: TileBound | None
) -> tuple[bytes, Tile]:
    """Detail stream of a tile, and the samples that it restores to (special ones hold anything)."""
    tile = np.ascontiguousarray(tile)
    work = prepare(tile, special, bound)
    learned = None
    if predictors is not None and work is not None and tile.size >= MIN_LEARNED:
        learned = encode_learned(tile, special, predictors, work)
    plain = tile
    if bound is not None and work is not None:
        plain = patched(restore(work.values, work.how), work.patches, tile)
    other = encode_plain(plain, None if learned is None else len(learned))
    return (other if learned is None or len(other) < len(learned) else learned), plain


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
        return decode_raw(body, shape, dtype, size)
    if stream[0] == SHUFFLED:
        return decode_shuffled(body, shape, dtype, size)
    if stream[0] == PACKED:
        return decode_packed(body, shape, dtype, size)
    if stream[0] != LEARNED:
        raise CorruptError(f"detail stream: expected method 0 to 3, found {stream[0]}")
    if predictors is None:
        raise CorruptError("detail stream: uses a predictor, but the image has none")
    return decode_learned(body, shape, sample_type, special, predictors, bound)


def model_tile(tile: Tile, special: Mask | None, predictors: Predictors, bound: TileBound | None) -> SymbolTables:
    """(symbols, tables) of a tile, for training table sets; empty where the learned method cannot carry it."""
    work = prepare(tile, special, bound)
    done = None if work is None else model(special, predictors, work)
    if done is None:
        return np.empty(0, np.uint8), np.empty(0, np.uint16)
    return done.symbols, done.tables


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
