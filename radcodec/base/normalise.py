"""Normalise tiles for the base layer and back (``docs/format.md`` 6.2 block 1, 9); only this module calls models.

Each plane has an offset (its median) and a scale (1.4826 times its median absolute deviation), in stored units. The
model gets a tile of several planes stacked along y.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from radcodec.arrays import median
from radcodec.base import store as model_store
from radcodec.errors import CorruptError, ModelError
from radcodec.pixels.noise import MAD_TO_SIGMA
from radcodec.pixels.pieces import spread
from radcodec.runtime.parallel import ordered_map
from radcodec.types import SampleType, Stream

if TYPE_CHECKING:
    from radcodec.base.lapped.codes import LappedCodes
    from radcodec.base.lapped.model import LappedModel
    from radcodec.base.lapped.quick import Spectrum
    from radcodec.base.store import Codes, Model, SteppedModel

# Offset and scale of each plane, float64 [P, 2].
Normalisation = npt.NDArray[np.float64]

# Replaces an empty entropy-coded stream: in a file, an empty stream ends the tile's base layer.
_NOTHING = b"\0"
ENOUGH_SAMPLES, ENOUGH_FOR_A_LOOK = 1 << 20, 1 << 17  # of a plane, for its offset and scale: of previews fewer do
MOST_NORMALISED = 1e30  # in single precision; companding stops at 1e7
MAX_SIZE = 2.0**1000  # of offsets and scales: no base value overflows
MIN_STEP, MAX_STEP = 0.02, 128.0  # for models that take a step, in units of the noise
GROUP = 4  # consecutive tiles whose base layers share choices, if there are at least four groups
_NEEDS_TORCH = (
    "the base layer needs torch, which is not installed: install its CPU build with "
    "pip install torch --index-url https://download.pytorch.org/whl/cpu"
)


def load_named_model(name_or_path: str | None) -> Model:
    """Load the model of a name or weights file; None is the default one.

    Raises
    ------
    ModelError
        If torch is missing, or the model is missing or does not match.
    """
    try:
        return model_store.load_model(name_or_path)
    except ModuleNotFoundError as err:
        raise ModelError(_NEEDS_TORCH) from err


def find_stored_model(model: tuple[str, bytes] | None) -> Model:
    """Find the model that a file names; raises ModelError as `load_named_model` does."""
    if model is None:
        raise CorruptError("expected the name of a model in a file with base streams, found none")
    try:
        found = model_store.find_model(model[0], model[1].hex())
    except ModuleNotFoundError as err:
        raise ModelError(_NEEDS_TORCH) from err
    if model[0] and found.name != model[0]:
        raise CorruptError(f"expected the name {found.name!r} of the model of that SHA-256, found {model[0]!r}")
    return found


def _known(plane: npt.NDArray[Any], special: npt.NDArray[np.bool_] | None, enough: int) -> npt.NDArray[Any]:
    """Return a plane's non-special samples [n]: at least ``enough`` if it has as many, evenly spread."""
    step = max(1, plane.size // enough)
    flat = plane.reshape(-1)[::step]
    if special is None:
        return flat
    known = flat[~special.reshape(-1)[::step]]
    return known if known.size or step == 1 else spread(plane, special, enough)


@np.errstate(over="ignore", invalid="ignore")  # of values near the end of their range nothing finite may come out
def plan_normalisation(
    image: npt.NDArray[Any],
    special: npt.NDArray[np.bool_] | None,
    noise: Callable[[int], float],
    enough: int = ENOUGH_SAMPLES,
) -> Normalisation:
    """Choose offset and scale of each plane of an image [P, H, W]; ``noise`` gives the noise of a plane (0: none).

    The scale is 1.4826 times the median absolute deviation, as in training. It exceeds the noise if emission fills much
    of a plane. If it is 0, the scale is the noise; without noise, the standard deviation. A constant or empty plane
    gets 1. The offset of a plane whose samples are all special is that of the finite ones among them. ``enough``
    samples of a plane decide.
    """
    pairs = np.empty((len(image), 2), np.float64)
    for plane in range(len(image)):
        samples = _known(image[plane], None if special is None else special[plane], enough)
        if not samples.size:
            # Fill values need not be marked in the file: what a base-only copy shows of them is the offset.
            samples = _known(image[plane], ~np.isfinite(image[plane]), enough)
        offset = median(samples) if samples.size else 0.0
        scale = MAD_TO_SIGMA * median(np.abs(samples - offset)) if samples.size else 0.0
        if not scale > 0:
            scale = noise(plane)
        if not scale > 0:
            scale = float(np.std(samples, dtype=np.float64)) if samples.size else 1.0
        usable = np.isfinite(offset) and np.isfinite(scale) and scale > 0
        pairs[plane] = (offset, scale) if usable else (offset if np.isfinite(offset) else 0.0, 1.0)
    pairs[:, 0] = np.clip(pairs[:, 0], -MAX_SIZE, MAX_SIZE)
    pairs[:, 1] = np.clip(pairs[:, 1], 1.0 / MAX_SIZE, MAX_SIZE)
    return pairs


def shorten(pairs: Normalisation) -> Normalisation:
    """Return offsets and scales that single precision holds, or the same ones where it cannot hold them."""
    with np.errstate(over="ignore"):
        short = pairs.astype(np.float32).astype(np.float64)
    usable = np.isfinite(short).all() and (short[:, 1] >= float(np.finfo(np.float32).tiny)).all()
    return short if usable else pairs


def pack_normalisation(pairs: Normalisation, *, short: bool = False) -> bytes:
    """Pack the base normalisation block of PARAMS; in single precision if ``short`` and that is exact."""
    with np.errstate(over="ignore"):
        if short and (pairs.astype(np.float32) == pairs).all():
            return pairs.astype("<f4").tobytes()
    return pairs.astype("<f8").tobytes()


def unpack_normalisation(block: bytes, n_planes: int) -> Normalisation:
    """Read offset and scale of each plane; raises CorruptError if the block is malformed."""
    if len(block) not in (8 * n_planes, 16 * n_planes):
        raise CorruptError(f"expected {16 * n_planes} bytes of base normalisation or half of them, found {len(block)}")
    numbers = np.frombuffer(block, "<f8" if len(block) == 16 * n_planes else "<f4")
    pairs = numbers.astype(np.float64).reshape(n_planes, 2)
    # The test also rejects NaN.
    if not ((np.abs(pairs) <= MAX_SIZE).all() and (pairs[:, 1] >= 1.0 / MAX_SIZE).all()):
        raise CorruptError("expected offsets within +-2^1000 and scales of 2^-1000 to 2^1000 in the base normalisation")
    return pairs


def code_base(
    model: Model,
    tile: npt.NDArray[Any],
    special: npt.NDArray[np.bool_] | None,
    pairs: Normalisation,
    step: float | None = None,
    like: Codes | None = None,
    *,
    keep_flux: bool = False,
) -> Codes:
    """Encode every stage of a tile [p, h, w]; ``pairs`` are offset and scale of its planes.

    ``step``, in units of the noise, is for models that take one; None is their finest. ``like`` are codes of another
    step, or of a tile nearby; their choices are reused. ``keep_flux`` is for base layers without details on them:
    bright sources keep their flux, at a little more error elsewhere.
    """
    stacked = _stacked(tile, special, pairs)
    return model.encode_tile(stacked, 0.0, 1.0, step=step, like=like, keep_flux=keep_flux)


def tile_spectrum(
    model: SteppedModel,
    tile: npt.NDArray[Any],
    special: npt.NDArray[np.bool_] | None,
    pairs: Normalisation,
    *,
    step: float,
    code: int | None = None,
    averaged: bool = False,
) -> Spectrum:
    """Transform a tile [p, h, w] for a preview at about a step, from all pixels or averages of 2 by 2 of them.

    ``code`` is the block code of a tile nearby, whose choice is reused.
    """
    return model.spectrum(*_quick_values(tile, special, pairs, averaged=averaged), step=step, code=code)


def _quick_values(
    tile: npt.NDArray[Any], special: npt.NDArray[np.bool_] | None, pairs: Normalisation, *, averaged: bool
) -> tuple[npt.NDArray[np.float32], tuple[int, int]]:
    """Normalise a tile [p, h, w] in single precision, or averages of it, and give the shape [p * h, w] of all."""
    from radcodec.base.lapped.quick import averages_of

    height, width = tile.shape[0] * tile.shape[1], tile.shape[2]
    plain = special is None and tile.dtype == np.float32 and not (averaged and (tile.shape[1] % 2 or width % 2))
    if plain:
        values = averages_of(tile.reshape(height, width)) if averaged else tile.reshape(height, width)
        with np.errstate(all="ignore"):
            short = values.reshape(len(tile), -1, values.shape[1]) - pairs[:, 0, None, None].astype(np.float32)
            short /= pairs[:, 1, None, None].astype(np.float32)
        if np.isfinite(short).all():
            return short.reshape(values.shape), (height, width)
    wide = _stacked(tile, special, pairs)
    if averaged:
        wide = averages_of(wide)
    finite = np.where(np.isfinite(wide), np.clip(wide, -MOST_NORMALISED, MOST_NORMALISED), 0.0)
    return finite.astype(np.float32), (height, width)


def _stacked(
    tile: npt.NDArray[Any], special: npt.NDArray[np.bool_] | None, pairs: Normalisation
) -> npt.NDArray[np.float64]:
    """Normalise the planes of a tile [p, h, w] and stack them to [p * h, w]; special ones are 0, lone ones filled."""
    with np.errstate(all="ignore"):
        values = (tile.astype(np.float64) - pairs[:, 0, None, None]) / pairs[:, 1, None, None]
    if special is not None:
        values[special] = 0.0
        _fill_lone(values, special)
    return values.reshape(-1, tile.shape[2])


def _fill_lone(values: npt.NDArray[np.float64], special: npt.NDArray[np.bool_]) -> None:
    """Give lone special samples of values [p, h, w] the mean of the known samples beside, above and below them.

    A hole of 0 in a smooth field would cost bits, and its neighbours exactness. Lone ones have 3 or 4 known neighbours.
    """
    known = np.pad(~special, ((0, 0), (1, 1), (1, 1)))
    sides = ((0, 1), (2, 1), (1, 0), (1, 2))  # of a sample at 1, 1
    height, width = special.shape[1:]
    count = np.zeros(special.shape, np.uint8)
    for down, right in sides:
        count += known[:, down : down + height, right : right + width]
    plane, y, x = np.nonzero(special & (count >= len(sides) - 1))
    n_known = count[plane, y, x]
    filled = np.zeros(plane.size)
    for down, right in sides:
        row, column = y + down, x + right
        beside = values[plane, np.clip(row - 1, 0, height - 1), np.clip(column - 1, 0, width - 1)]
        filled += np.where(known[plane, row, column], beside, 0.0) / n_known
    values[plane, y, x] = filled


def shelve_codes(model: Model, codes: Codes, keep: Callable[[bytes], Stream]) -> Codes:
    """Pack the codes of a tile that wait until others are coded; ``keep`` finds room for the bytes."""
    return model.shelve(codes, keep) if model_store.is_stepped(model) else codes


def in_groups(code: Callable[[int, Codes | None], Codes | None], n_tiles: int, threads: int) -> Iterator[Codes | None]:
    """Encode tiles in groups of four: the first runs the full search; the next three reuse its choices."""
    if n_tiles < GROUP**2:
        return ordered_map(lambda tile: code(tile, None), range(n_tiles), threads)
    first = list(ordered_map(lambda tile: code(tile, None), range(0, n_tiles, GROUP), threads))

    def other(tile: int) -> Codes | None:
        like = first[tile // GROUP]
        return like if tile % GROUP == 0 else code(tile, like)

    return ordered_map(other, range(n_tiles), threads)


def pack_codes(model: Model, codes: Codes, n_stages: int) -> tuple[bytes, ...]:
    """Return the stream of each of the first ``n_stages`` stages of a tile; none is empty."""
    return tuple(stream or _NOTHING for stream in model.stage_streams(codes, n_stages))


def read_digest(model: SteppedModel, streams: Sequence[bytes], shape: tuple[int, int, int]) -> bytes:
    """Return the digest of the codes that the streams of a tile of shape [p, h, w] hold.

    Raises
    ------
    CorruptError
        If a stream is unsound.
    """
    return model.read_digest(_coded_streams(streams), (shape[0] * shape[1], shape[2]))


def read_tile_codes(
    model: LappedModel, streams: Sequence[bytes], shape: tuple[int, int, int]
) -> tuple[LappedCodes, int]:
    """Read the codes of a tile [p, h, w] from its streams, and count the planes that are missing.

    Raises
    ------
    CorruptError
        If a stream is unsound.
    """
    return model.read_codes(_coded_streams(streams), (shape[0] * shape[1], shape[2]))


def _coded_streams(streams: Sequence[bytes]) -> list[bytes]:
    """Return the streams as the model made them."""
    return [b"" if stream == _NOTHING else stream for stream in streams]


def restore_codes(model: Model, codes: Codes, n_stages: int, pairs: Normalisation) -> npt.NDArray[np.float64]:
    """Return what ``decode_base`` gives for the first ``n_stages`` streams of ``pack_codes``, without reading them."""
    return _unstacked(model.restore_codes(codes, 0.0, 1.0, n_stages), pairs)


def _unstacked(stacked: npt.NDArray[np.float64], pairs: Normalisation) -> npt.NDArray[np.float64]:
    """Return values [p, h, w] in stored units, from a model's output for stacked planes [p * h, w]."""
    return pairs[:, 0, None, None] + pairs[:, 1, None, None] * stacked.reshape(len(pairs), -1, stacked.shape[1])


def decode_base(
    model: Model,
    streams: Sequence[bytes],
    shape: tuple[int, int, int],
    pairs: Normalisation,
    *,
    picture: bool = False,
) -> npt.NDArray[np.float64]:
    """Decode the base values of a tile [p, h, w] in stored units, from the streams of its first stages.

    With ``picture`` the cells of coarse stages are blended for display; the result differs from the restored pixels.

    Raises
    ------
    CorruptError
        If a stream is malformed or the model has fewer stages.
    """
    n_planes, height, width = shape
    if len(streams) > model.n_stages:
        raise CorruptError(f"expected at most {model.n_stages} stages of model {model.name!r}, found {len(streams)}")
    read = model.preview_tile if picture else model.decode_tile
    stacked = read(_coded_streams(streams), (n_planes * height, width), 0.0, 1.0)
    return _unstacked(stacked, pairs)


def round_to_type(values: npt.NDArray[np.float64], sample_type: SampleType) -> npt.NDArray[Any]:
    """Round values to samples (7.2): floats by conversion, integers to nearest even and clamped to the type."""
    dtype = np.dtype(sample_type.dtype_str)
    if sample_type.is_float:
        with np.errstate(over="ignore"):
            return values.astype(dtype)
    limits = np.iinfo(dtype)
    rounded = np.rint(values)
    # float64 cannot hold the largest 64-bit integers, so out-of-range values are set, not clipped.
    high, low = rounded >= float(limits.max), rounded <= float(limits.min)
    samples = np.where(high | low, 0.0, rounded).astype(dtype)
    samples[high], samples[low] = limits.max, limits.min
    return samples
