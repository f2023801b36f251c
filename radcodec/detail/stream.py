"""The detail stream of a tile: the choice between its methods (docs/format.md, 8.2 and 8.4)."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial

import numpy as np
import numpy.typing as npt

from radcodec.coding.leb import pack_leb
from radcodec.detail.counted import decode_counted, encode_counted
from radcodec.detail.earlier import PlaneAxis, TilePlanes, middle_planes
from radcodec.detail.effort import EFFORTS, Effort
from radcodec.detail.lattices import Lattices
from radcodec.detail.learned import Modelled, decode_learned, encode_learned, model, modelled_bits
from radcodec.detail.maps import MapKind, TileBound
from radcodec.detail.middle import median_fill
from radcodec.detail.near_work import least_step, prepare_near
from radcodec.detail.orders import AS_IT_IS, turned, turned_back
from radcodec.detail.plain import (
    COUNTED,
    LEARNED,
    PACKED,
    PARTS,
    PLATEAU,
    RAW,
    SHUFFLED,
    Mask,
    Tile,
    decode_packed,
    decode_raw,
    decode_shuffled,
    encode_plain,
)
from radcodec.detail.plateaus import decode_plateau, encode_plateau, with_plateaus
from radcodec.detail.predictors import Predictors, pack_predictors, unpack_predictors
from radcodec.detail.prepare import Work, prepare, restored_tile, settle
from radcodec.detail.rounding import Predictor
from radcodec.detail.seams import Cut, decode_parts, find_cut
from radcodec.detail.tables import default_tables
from radcodec.detail.task import RADIUS_BY_SIZE, FitInput
from radcodec.errors import CorruptError
from radcodec.limits import DEFAULT_EFFORT, MAX_BORDER, MAX_DEPTH, MAX_RADIUS, MAX_TILE_SAMPLES, MIN_EFFORT
from radcodec.runtime.parallel import ordered_map
from radcodec.types import SampleType

THRIFT = 0.002  # bits a pixel that a smaller radius may cost a large image
NEAR_REACH = 12
TRIAL_SIDE = 320
SMALL_TRIAL_SIDE = 512  # in images of up to a million samples
LEAST_TRIAL_SIDE = 96  # of planes that follow each other
MIN_LEARNED = 64  # samples under which the fields of a learned stream cost more than they save
NEAR_GAIN = 16  # times that a tile near a lattice takes fewer bytes than its samples, and has no plateau
SymbolTables = tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint16]]


def fit_image(
    image: Tile,
    special: Mask | None,
    bound: float | TileBound | None,
    sample_type: SampleType,
    *,
    max_radius: int | None = None,
    threads: int = 1,
    effort: int = DEFAULT_EFFORT,
) -> bytes:
    """Fit a predictor block to an image [P, H, W]; empty if no tile of it should use the learned method.

    bound is E in stored units, one with a dither where that is no number, or None for lossless. Pixels marked special
    are left out. max_radius is 1 to 24. Its default is the largest radius that is worth its time, which counts for less
    in large images. The effort, 1 to 9, says how much time to spend (docs/effort.md).
    """
    if image.size < MIN_LEARNED:
        return b""
    from radcodec.detail.fit_input import fit_input  # decoders import this module, and fit nothing

    special = with_plateaus(image, special) if bound is None else special
    fill, limit = median_fill(image, special), _limit(bound)
    task = fit_input(image, special, limit, fill, sample_type, max_radius)
    return _fit_block(task, _Trial(image, special, limit, fill), EFFORTS.get(effort), (), threads)


def fit_cube(
    image: Tile,
    special: Mask | None,
    bound: float | TileBound | None,
    sample_type: SampleType,
    *,
    ways: tuple[TilePlanes, ...],
    threads: int = 1,
    effort: int = DEFAULT_EFFORT,
) -> bytes:
    """Fit a predictor block as `fit_image` does, where planes may be predicted from earlier ones of their tile.

    Of several orders of the axes of its tiles the one is chosen that takes the fewest bits in a trial.
    """
    if image.size < MIN_LEARNED:
        return b""
    from radcodec.detail.fit_input import fit_input

    special = with_plateaus(image, special) if bound is None else special
    fill, limit, found = median_fill(image, special), _limit(bound), []
    for way in ways:
        planes, marks = image.transpose(way.order), None if special is None else special.transpose(way.order)
        trial = _Trial(planes, marks, limit, fill)
        task = fit_input(planes, marks, limit, fill, sample_type, None)
        block = _fit_block(task, trial, EFFORTS.get(effort), way.axes, threads)
        if block and len(ways) == 1:
            return block
        if block:
            one = replace(unpack_predictors(block), order=way.order)
            found.append((trial.along(way.axes[0]).bits_a_sample(one.predictors[0]), one))
    return pack_predictors(min(found, key=lambda bits_and_block: bits_and_block[0])[1]) if found else b""


def _limit(bound: float | TileBound | None) -> TileBound | None:
    """Return the bound of a fit."""
    return TileBound(error=bound) if isinstance(bound, float | int) else bound


def _fit_block(task: FitInput, trial: _Trial, level: Effort | None, axes: tuple[PlaneAxis, ...], threads: int) -> bytes:
    """Fit a predictor block; empty where there is no predictor."""
    candidates = _candidates(task, level, threads)
    if not candidates:
        return b""
    best = _choose(candidates, level, trial, threads)
    if axes:
        from radcodec.detail.earlier_fit import Search, with_earlier

        search = Search(
            candidates=lambda task: _candidates(task, level, threads),
            rough=lambda task: _candidates(task, EFFORTS[MIN_EFFORT], threads),
            choose=lambda found, axis: _choose(found, level, trial.along(axis), threads),
            cheapest=lambda found, axis: _cheapest(found, trial.along(axis), threads),
            thorough=level is None or level.borders,
        )
        best = with_earlier(best, task, axes, search)
    return pack_predictors(Predictors(tables=default_tables(), fill=trial.fill, predictors=(best,)))


def _choose(candidates: list[Predictor], level: Effort | None, trial: _Trial, threads: int) -> Predictor:
    """Choose among candidates, and border sets for the best one."""
    bordered = list(map(_with_borders, candidates))
    best = bordered[0] if len(bordered) == 1 else _cheapest(bordered, trial, threads)
    if level is not None and not level.borders:
        return best
    reaches = {(0, 0)} | {
        (min(best.radius, MAX_BORDER), min(best.radius, r)) for r in (MAX_BORDER, NEAR_REACH, MAX_RADIUS)
    }
    reaches -= {(best.border, best.reach)}
    others = [replace(best, border=border, reach=reach) for border, reach in sorted(reaches)]
    return _cheapest([best, *others], trial, threads)


def _candidates(task: FitInput, level: Effort | None, threads: int) -> list[Predictor]:
    """Fit predictors at a level of effort; None is the fullest."""
    # Decoders import this module, and fit nothing.
    from radcodec.detail.fit import fit_predictors
    from radcodec.detail.quick_fit import fit_quickly

    with np.errstate(over="ignore", invalid="ignore"):
        if level is None:
            thrift = THRIFT if task.image.size > RADIUS_BY_SIZE[-1][0] else 0.0
            return fit_predictors(task, thrift=thrift, threads=threads)
        most = min(task.max_radius, level.exact_radius if task.exact else level.bounded_radius)
        return fit_quickly(replace(task, max_radius=most), level, threads=threads)


def _with_borders(predictor: Predictor) -> Predictor:
    """Return the predictor with border sets, if it has such."""
    r = predictor.radius
    bordered = replace(predictor, border=min(r, MAX_BORDER), reach=min(r, NEAR_REACH))
    return predictor if bordered.taps is None else bordered


def _cheapest(predictors: list[Predictor], trial: _Trial, threads: int) -> Predictor:
    """Choose the first of the predictors that takes the fewest bits in a trial."""
    bits = list(ordered_map(trial.bits, predictors, threads))
    return predictors[bits.index(min(bits))]


class _Trial:
    """The middle of an image, coded as a tile of its own to compare predictors."""

    def __init__(
        self, image: Tile, special: Mask | None, bound: TileBound | None, fill: float, axis: PlaneAxis | None = None
    ) -> None:
        self._of = (image, special, bound, fill)
        side = SMALL_TRIAL_SIDE if image.size <= RADIUS_BY_SIZE[0][0] else TRIAL_SIDE
        planes = slice(image.shape[0] // 2, image.shape[0] // 2 + 1)
        if axis is not None:
            planes = middle_planes(image.shape[0], axis)
            side = max(LEAST_TRIAL_SIDE, math.isqrt(side * side // len(range(planes.start, planes.stop, planes.step))))
        y, x = (max(0, n - side) // 2 for n in image.shape[1:])
        part = (planes, slice(y, y + side), slice(x, x + side))
        self._tile = np.ascontiguousarray(image[part])
        self._special = None if special is None else np.ascontiguousarray(special[part])
        self._bound = bound
        self.fill = fill
        self._share = self._tile.size / image.size

    def along(self, axis: PlaneAxis) -> _Trial:
        """Return a trial of planes that follow each other along an axis."""
        return _Trial(*self._of, axis)

    def bits_a_sample(self, predictor: Predictor) -> float:
        """Count the bits of a sample, with its share of the predictor."""
        return self.bits(predictor) / self._tile.size

    def bits(self, predictor: Predictor) -> float:
        """Count the bits of the tile and its share of the predictor; infinite where the method cannot carry it."""
        if predictor.taps is None:
            return float("inf")
        if predictor.earlier is not None:  # the planes of a trial follow each other
            predictor = replace(predictor, earlier=replace(predictor.earlier, stride=1, period=MAX_TILE_SAMPLES))
        predictors = Predictors(tables=default_tables(), fill=self.fill, predictors=(predictor,))
        _, done = _modelled(self._tile, self._special, predictors, self._bound)
        if done is None:
            return float("inf")
        return modelled_bits(done, predictors.tables) + self._share * 8 * len(pack_predictors(predictors))


def load_predictors(block: bytes) -> Predictors | None:
    """Load the predictors of an image's block; None for an empty one.

    Raises
    ------
    CorruptError, ModelNotFoundError
        As ``unpack_predictors``.
    """
    return unpack_predictors(block) if block else None


def encode_tile(tile: Tile, special: Mask | None, predictors: Predictors | None, bound: TileBound | None) -> bytes:
    """Detail stream of a tile [p, h, w]: the smallest of learned, shuffled, packed and raw, or of parts.

    Every sample that is not special restores exactly (bound None), or within its bound in physical units.
    """
    return code_tile(tile, special, predictors, bound)[0]


def code_tile(
    tile: Tile, special: Mask | None, predictors: Predictors | None, bound: TileBound | None
) -> tuple[bytes, Tile]:
    """Detail stream of a tile, and the samples that it restores to (special ones hold anything)."""
    order = AS_IT_IS if predictors is None else predictors.order
    if order == AS_IT_IS:
        return _code_turned(np.ascontiguousarray(tile), special, predictors, bound)
    marks, limits = None if special is None else turned(special, order), None if bound is None else bound.turned(order)
    stream, restored = _code_turned(turned(tile, order), marks, predictors, limits)
    return stream, turned_back(restored, order)


def _code_turned(
    tile: Tile, special: Mask | None, predictors: Predictors | None, bound: TileBound | None
) -> tuple[bytes, Tile]:
    """As ``code_tile``, for a tile in the order of its predictors."""
    whole, restored, lattices = _code_whole(tile, special, predictors, bound)
    cut = find_cut(tile, special, lattices) if bound is None else None
    return (whole if cut is None else min(whole, _code_cut(tile, special, predictors, cut), key=len)), restored


def _code_cut(tile: Tile, special: Mask | None, predictors: Predictors | None, cut: Cut | None) -> bytes:
    """Detail stream of a tile without a bound that is cut so; of a whole one, None."""
    if cut is None:
        return _code_whole(tile, special, predictors, None)[0]
    marks = (None, None) if special is None else cut.of(special)
    first, second = map(_code_cut, cut.of(tile), marks, (predictors, predictors), cut.inner)
    return b"".join((bytes([PARTS, cut.axis]), pack_leb(cut.place), pack_leb(len(first)), first, second))


def _code_whole(
    tile: Tile, special: Mask | None, predictors: Predictors | None, bound: TileBound | None, *, plateaus: bool = True
) -> tuple[bytes, Tile, Lattices | None]:
    """As ``code_tile``, without a cut; and the lattices that parts of the tile lie on."""
    work, done = _modelled(tile, special, predictors if tile.size >= MIN_LEARNED else None, bound)
    learned = None
    if predictors is not None and work is not None and done is not None:
        learned = encode_learned(tile, special, predictors, work, done)
    near = _code_near(tile, special, predictors, work) if bound is None and tile.size >= MIN_LEARNED else None
    if near is not None and (learned is None or len(near) < len(learned)):
        learned = near
    plain = tile
    if bound is not None and work is not None:
        plain = restored_tile(work, tile)
    counted = encode_counted(plain, special)
    if counted is not None and (learned is None or len(counted) < len(learned)):
        learned = counted
    may_be_flat = plateaus and bound is None and work is not None and work.how.kind == MapKind.FLOAT
    if may_be_flat and (near is None or len(near) * NEAR_GAIN > tile.nbytes):
        flat = encode_plateau(tile, special, lambda part, marks: code_rest(part, marks, predictors))
        learned = flat if flat is not None and (learned is None or len(flat) < len(learned)) else learned
    other = encode_plain(plain, None if learned is None else len(learned))
    smaller = other if learned is None or len(other) < len(learned) else learned
    return smaller, plain, None if work is None else work.lattices


def code_rest(tile: Tile, special: Mask | None, predictors: Predictors | None, *, plateaus: bool = False) -> bytes:
    """Detail stream of an exact tile in the order of its predictors: of what is left beside a plateau, for one."""
    return _code_whole(tile, special, predictors, None, plateaus=plateaus)[0]


def _code_near(tile: Tile, special: Mask | None, predictors: Predictors | None, work: Work | None) -> bytes | None:
    """Detail stream of a tile that lies near lattices; None for others."""
    least = least_step(tile, work)
    if predictors is None or least is None:
        return None
    near = prepare_near(tile, special, least)
    done = None if near is None else model(special, predictors, near)
    return None if near is None or done is None else encode_learned(tile, special, predictors, near, done)


def _modelled(
    tile: Tile, special: Mask | None, predictors: Predictors | None, bound: TileBound | None
) -> tuple[Work | None, Modelled | None]:
    """Prepare the tile and run the model over it; None for what cannot be done."""
    if predictors is None:
        return prepare(tile, special, bound), None
    work = prepare(tile, special, bound, predictors)
    done = None if work is None else model(special, predictors, work)
    if bound is None or work is None or work.targets is None:
        return work, done
    settled = None if done is None else settle(tile, special, bound, work.values, work.how)
    if settled is not None and tile.dtype.kind == "f":
        return settled, done
    steps = work.instead or prepare(tile, special, bound)
    done_steps = None if steps is None else model(special, predictors, steps)
    if settled is None or done is None:
        return steps, done_steps
    tables = predictors.tables
    if done_steps is None or modelled_bits(done, tables) <= modelled_bits(done_steps, tables):
        return settled, done
    return steps, done_steps


def decode_tile(
    stream: bytes | memoryview,
    shape: tuple[int, int, int],
    sample_type: SampleType,
    special: Mask | None,
    predictors: Predictors | None,
    bound: TileBound | None,
    depth: int = 0,
) -> Tile:
    """Decode the samples [p, h, w] of a stream that is a part in ``depth`` others; special ones hold anything.

    Raises
    ------
    CorruptError
        If the stream is not one that docs/format.md allows.
    """
    if len(stream) < 1:
        raise CorruptError("detail stream: expected a method, found nothing")
    if predictors is not None and predictors.order != AS_IT_IS:
        order, as_it_is = predictors.order, replace(predictors, order=AS_IT_IS)
        sides = (shape[order[0]], shape[order[1]], shape[order[2]])
        marks, bound = None if special is None else turned(special, order), bound and bound.turned(order)
        return turned_back(decode_tile(stream, sides, sample_type, marks, as_it_is, bound), order)
    dtype = np.dtype(sample_type.dtype_str)
    size = int(np.prod(shape)) * dtype.itemsize
    body = memoryview(stream)[1:]
    decode_part = partial(decode_tile, sample_type=sample_type, predictors=predictors, bound=None, depth=depth + 1)
    if stream[0] == RAW:
        return decode_raw(body, shape, dtype, size)
    if stream[0] == SHUFFLED:
        return decode_shuffled(body, shape, dtype, size)
    if stream[0] == PACKED:
        return decode_packed(body, shape, dtype, size)
    if stream[0] == PARTS:
        if bound is not None or dtype.kind != "f" or depth == MAX_DEPTH:
            raise CorruptError(f"detail stream: parts in a tile with a bound, of integers, or over {MAX_DEPTH} deep")
        return decode_parts(body, shape, dtype, special, decode_part)
    if stream[0] == COUNTED:
        return decode_counted(body, shape, dtype)
    if stream[0] == PLATEAU:
        if bound is not None or depth == MAX_DEPTH:
            raise CorruptError(f"detail stream: a plateau in a tile with a bound, or over {MAX_DEPTH} deep")
        return decode_plateau(body, shape, dtype, special, decode_part)
    if stream[0] != LEARNED:
        raise CorruptError(f"detail stream: expected method 0 to 6, found {stream[0]}")
    if predictors is None:
        raise CorruptError("detail stream: uses a predictor, but the image has none")
    return decode_learned(body, shape, sample_type, special, predictors, bound)


def model_tile(tile: Tile, special: Mask | None, predictors: Predictors, bound: TileBound | None) -> SymbolTables:
    """(symbols, tables) of a tile, for training table sets; empty where the learned method cannot carry it."""
    _, done = _modelled(tile, special, predictors, bound)
    if done is None:
        return np.empty(0, np.uint8), np.empty(0, np.uint16)
    return done.symbols, done.tables
