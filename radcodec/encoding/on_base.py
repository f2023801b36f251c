"""Bounded images whose details are coded on a base layer: whether that pays, and at which step of the base.

At steps that are not far below the noise, prediction from rounded pixels is worse than a transform whose codes
are chosen by their bits. The detail layer then codes what the base leaves, and the bound holds as
without it. It is tried on the middle of an image (docs/design/0014-detail-on-base.md).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from radcodec import detail
from radcodec.arrays import median
from radcodec.base.normalise import (
    MAX_STEP,
    MIN_STEP,
    Normalisation,
    code_base,
    in_groups,
    pack_codes,
    plan_normalisation,
    restore_codes,
    shelve_codes,
)
from radcodec.container.layout import SHA256_BYTES, stage_entry_bytes
from radcodec.decoding.tile import ImageCoding, Pixels
from radcodec.encoding.details import fit_predictors
from radcodec.encoding.image_plan import ImagePlan
from radcodec.encoding.options import Bounded, EncodeOptions
from radcodec.pixels.bounds import tile_bound
from radcodec.pixels.masks import Mask
from radcodec.pixels.tiles import Box, slices
from radcodec.runtime.parallel import one_blas_thread, ordered_map
from radcodec.types import DetailsOnBase, Stream

if TYPE_CHECKING:
    from radcodec.base.store import Codes, Model

RATIOS = (1.5, 1.85, 2.25, 2.75, 3.4, 4.2, 5.2, 6.5)  # of the base layer's step to the bound
START = 2  # place of the ratio that is tried first, with the next one
LEAST_ERROR = 17  # of integers: sixteenths of a step are over two wide then, even if that is taken down by two
LEAST_EXACT = 2  # bytes of an integer: what a base layer leaves of larger ones takes double precision
HUGE = 1e200  # of offsets and scales: what base values of others would be is out of the range of floats
LEAST_BOUND = 0.26  # of the noise: up to a quarter of it, details that stand alone do not bias stacks of faint sources
LEAST_PAYING = 0.04  # of the noise: the base layer of a finer bound never pays
LARGE = 1 << 20  # samples from which time counts
TRIAL_SIDES = (512, 256)  # of the middle that is tried, of images that are not large and of large ones
LOOK_PIXELS, LOOK_SIDE = 1 << 17, 128  # of images that a rough look finds the ratio on a part of; of that part
LEAST_GAINS = (0.05, 0.15)  # share of the bits that a base layer must save for its time, of the same two kinds
ROUGH_RADIUS, SURE = 8, 0.94  # and what the best predictor leaves of its bits at least, but for few images
MAX_RADIUS = 4  # of predictors of what a base layer leaves, which is nearly white


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """The base layer of an image: its model, offset and scale of each plane, and the streams of every tile.

    ``left`` [P, H, W] is what it leaves of the image, and ``predictors`` their block where the trial fitted it. A tile
    that is special everywhere has empty streams.
    """

    model: Model
    scaling: Normalisation
    streams: tuple[tuple[Stream, ...], ...] = field(repr=False)
    left: Pixels = field(repr=False)
    predictors: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trial:
    """A base layer of the middle of an image: its streams, what it leaves, its predictors, and all of its bytes."""

    streams: tuple[bytes, ...] = field(repr=False)
    left: Pixels = field(repr=False)
    predictors: bytes = field(repr=False)
    size_bytes: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """A bounded image and what its base layer is made with."""

    plan: ImagePlan
    pairs: Normalisation
    model: Model
    options: EncodeOptions

    @property
    def coding(self) -> ImageCoding:
        """The record, the bounds and the tiles of the image."""
        return self.plan.coding

    def samples(self, box: Box) -> tuple[Pixels, Mask | None]:
        """Cut out the samples [p, h, w] of a box, and which are special."""
        part, special = slices(box), self.plan.special
        marks = None if special is None else np.ascontiguousarray(special[part])
        return np.ascontiguousarray(self.plan.pixels[part]), marks

    def code(self, box: Box, ratio: float, like: Codes | None) -> Codes | None:
        """Code a box at a ratio of the step to the bound; None where all samples are special."""
        samples, marks = self.samples(box)
        if marks is not None and bool(marks.all()):
            return None
        step = min(max(ratio * _unit(self.coding, self.pairs, box), MIN_STEP), MAX_STEP)
        return code_base(self.model, samples, marks, self.pairs[box[0] : box[1]], step, like)

    def values(self, box: Box, codes: Codes) -> npt.NDArray[np.float64]:
        """Restore the base values [p, h, w] of codes of a box."""
        return restore_codes(self.model, codes, self.model.n_stages, self.pairs[box[0] : box[1]])

    def left(self, box: Box, values: npt.NDArray[np.float64]) -> Pixels:
        """Subtract base values from the samples in a box [p, h, w]; 0 for special ones."""
        samples, marks = self.samples(box)
        with np.errstate(over="ignore", invalid="ignore"):
            left = (samples.astype(np.float64) - values).astype(_left_type(samples.dtype))
        if marks is not None:
            left[marks] = 0.0
        return left


def find_scaling(plan: ImagePlan) -> Normalisation | None:
    """Plan offset and scale of each plane of a base layer under the details; None where no base layer can pay.

    At fine bounds none is wanted, as errors would depend on the image, unless size is all that counts. Errors of
    dithered images never do.
    """
    if not isinstance(plan.fidelity, Bounded) or plan.fidelity.details_on_base is DetailsOnBase.NEVER:
        return None
    record, grid = plan.coding.record, plan.coding.grid
    smallest = plan.fidelity.details_on_base is DetailsOnBase.ALWAYS
    least = LEAST_PAYING if smallest or record.dither_seed is not None else LEAST_BOUND
    if record.bound is None or 0 < record.bound_sigma < least or not _suits_integers(plan):
        return None
    with np.errstate(all="ignore"):  # signalling NaN among the special ones, values near the ends of the range
        # Noise of a plane that is mostly constant would take longer to measure than all else here.
        pairs = plan_normalisation(plan.pixels, plan.special, lambda _: 0.0)
    if not (np.abs(pairs).max() < HUGE and pairs[:, 1].min() > 1 / HUGE):
        return None
    if any(_unit(plan.coding, pairs, grid.box(tile)) < least for tile in range(grid.n_tiles)):
        return None
    return pairs


def _left_type(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the type of what a base layer leaves of samples: that of floats, one that holds fractions for integers."""
    if dtype.kind == "f":
        return dtype
    return np.dtype(np.float32 if dtype.itemsize <= LEAST_EXACT else np.float64)


def _suits_integers(plan: ImagePlan) -> bool:
    """Say whether all steps of an image of integers are coarse enough for a base layer; floats have no least step."""
    record, grid, bounds = plan.coding.record, plan.coding.grid, plan.coding.bounds
    if record.sample_type.is_float:
        return True
    if record.dither_seed is not None or not record.bscale:
        return False
    for tile in range(grid.n_tiles):
        bound = tile_bound(record, bounds, grid.box(tile), tile)
        least = 0.0 if bound is None else bound.error if bound.map is None else float(bound.map.min())
        if not least / abs(record.bscale) >= LEAST_ERROR:
            return False
    return True


def find_base(
    plan: ImagePlan, scaling: Normalisation | None, model: Model | None, options: EncodeOptions
) -> tuple[Base | None, bytes | None]:
    """Find the base layer that makes a bounded image smaller, by a trial on the middle of the image.

    It must save enough for the time that it takes, unless size is all that counts.

    Parameters
    ----------
    scaling
        What `find_scaling` gave for the plan.
    model
        The model to make it with, None where there is none.

    Returns
    -------
    base
        None where none is worth it.
    predictors
        The predictor block of the image without a base layer, where the trial had to fit it.
    """
    if scaling is None or model is None or not model.takes_step or not isinstance(plan.fidelity, Bounded):
        return None, None
    job = _Job(plan=plan, pairs=scaling, model=model, options=options)
    always = plan.fidelity.details_on_base is DetailsOnBase.ALWAYS
    with one_blas_thread():
        place, trial, block = _best_trial(job, 0.0 if always else LEAST_GAINS[plan.pixels.size > LARGE])
        if place is None or trial is None:
            return None, block
        return _as_base(job, trial) or _whole_base(job, RATIOS[place]), block


@np.errstate(over="ignore", invalid="ignore")  # a bound far above the noise
def _unit(coding: ImageCoding, pairs: Normalisation, box: Box) -> float:
    """Divide the bound of the samples in a box by the scale of the base layer; 0 where some of them are exact."""
    bound = tile_bound(coding.record, coding.bounds, box, 0)
    errors = np.asarray(0.0 if bound is None else bound.error if bound.map is None else bound.map)
    if not errors.min() > 0:
        return 0.0
    with np.errstate(all="ignore"):  # bounds and scales near the ends of the range
        stored = (np.median(errors, axis=(1, 2)) if errors.ndim else errors) / abs(coding.record.bscale)
        return median(stored / pairs[box[0] : box[1], 1])


def _middle(shape: tuple[int, ...], side: int) -> Box:
    """Choose the box of an image [P, H, W] on which a base layer is tried: as many samples as a square has."""
    height, width = (min(n, side) for n in shape[1:])
    sizes = (min(shape[0], max(1, side * side // (height * width))), height, width)
    (p0, p1), (y0, y1), (x0, x1) = (((n - k) // 2, (n - k) // 2 + k) for n, k in zip(shape, sizes, strict=True))
    return p0, p1, y0, y1, x0, x1


def _best_trial(job: _Job, gain: float) -> tuple[int | None, _Trial | None, bytes | None]:
    """Find the ratio of the base layer's step to the bound that takes the fewest bits in the middle of an image.

    Returns
    -------
    place, trial
        Of the ratio, and what it gave; None where no base layer saves a share ``gain`` of the bits.
    predictors
        The predictor block of the image without a base layer, where it had to be fitted.
    """
    size = job.plan.pixels.size
    box = _middle(job.plan.pixels.shape, TRIAL_SIDES[size > LARGE])
    samples, marks = job.samples(box)
    bound = tile_bound(job.coding.record, job.coding.bounds, box, 0)
    if bound is None or (marks is not None and bool(marks.all())):
        return None, None, None
    share = samples.size / size

    def alone(block: bytes) -> float:
        return len(detail.code_tile(samples, marks, detail.load_predictors(block), bound)[0]) + share * len(block)

    looks = job.options.rough and size <= LOOK_PIXELS
    place, trial = _look(job, box, bound) if looks else _search(job, box, bound)
    # Predictors of a small radius take less time, and few more bits: they decide where the choice is clear.
    rough = alone(fit_predictors(job.plan, job.plan.pixels, job.options, ROUGH_RADIUS))
    if trial.size_bytes < (1.0 - gain) * SURE * rough:
        return place, trial, None
    block = fit_predictors(job.plan, job.plan.pixels, job.options)
    if trial.size_bytes < (1.0 - gain) * min(rough, alone(block)):
        return place, trial, block
    return None, None, block


def _attempt(job: _Job, box: Box, bound: detail.TileBound, place: int) -> _Trial:
    """Code a box on a base layer of one of the ratios; not all of its samples may be special."""
    record, model = job.coding.record, job.model
    samples, marks = job.samples(box)
    share = samples.size / job.plan.pixels.size
    least = (bound.error if bound.map is None else float(bound.map.min())) / abs(record.bscale)
    codes = job.code(box, RATIOS[place], None)
    values, streams = job.values(box, codes), pack_codes(model, codes, model.n_stages)
    left = job.left(box, values)
    effort = job.options.effort
    found = detail.fit_image(left, marks, least, record.sample_type, max_radius=MAX_RADIUS, effort=effort)
    found = detail.with_clean_tables(found) if job.options.clean else found
    stream, _ = detail.code_tile(samples, marks, detail.load_predictors(found), replace(bound, base=values))
    base = sum(len(stage) + stage_entry_bytes(len(stage)) for stage in streams)
    beside = len(found) + 16 * len(job.pairs) + len(model.name) + SHA256_BYTES
    return _Trial(streams=streams, left=left, predictors=found, size_bytes=base + len(stream) + share * beside)


def _search(job: _Job, box: Box, bound: detail.TileBound) -> tuple[int, _Trial]:
    """Find the place of the ratio that takes the fewest bytes; sizes have one minimum."""
    attempt = partial(_attempt, job, box, bound)
    first = ordered_map(attempt, (START, START + 1), job.options.threads)
    trials = dict(zip((START, START + 1), first, strict=True))
    step = 1 if trials[START + 1].size_bytes < trials[START].size_bytes else -1
    place = START + max(step, 0)
    while 0 <= place + step < len(RATIOS):
        place += step
        trials[place] = attempt(place)
        if trials[place].size_bytes >= trials[place - step].size_bytes:
            break
    best = min(trials, key=lambda place: trials[place].size_bytes)
    return best, trials[best]


def _look(job: _Job, box: Box, bound: detail.TileBound) -> tuple[int, _Trial]:
    """Find a ratio on a smaller part, upwards from the usual one, and try it on the box; go on there from a larger one.

    In small images the usual ratio is mostly the best, and never one below it.
    """
    part, place = _middle(job.plan.pixels.shape, LOOK_SIDE), START
    marks = job.samples(part)[1]
    here = tile_bound(job.coding.record, job.coding.bounds, part, 0)
    if here is not None and (marks is None or not marks.all()):
        least = _attempt(job, part, here, place).size_bytes
        while place + 1 < len(RATIOS) and (size := _attempt(job, part, here, place + 1).size_bytes) < least:
            place, least = place + 1, size
    trial = _attempt(job, box, bound, place)
    while START < place < len(RATIOS) - 1:
        more = _attempt(job, box, bound, place + 1)
        if more.size_bytes >= trial.size_bytes:
            break
        place, trial = place + 1, more
    return place, trial


def _as_base(job: _Job, trial: _Trial) -> Base | None:
    """Take a trial as the base layer of an image of one tile; None where it was on a part or of another bound."""
    coding = job.coding
    if coding.grid.n_tiles != 1 or trial.left.shape != job.plan.pixels.shape:
        return None
    bound = tile_bound(coding.record, coding.bounds, coding.grid.box(0), 0)
    # Predictors of a map of bounds, and of dithered integers, are fitted for another step.
    same_step = bound is not None and bound.map is None and coding.record.dither_seed is None
    predictors = trial.predictors if same_step else None
    streams = tuple(map(job.options.scratch.keep, trial.streams))
    return Base(model=job.model, scaling=job.pairs, streams=(streams,), left=trial.left, predictors=predictors)


def _whole_base(job: _Job, ratio: float) -> Base:
    """Make the base layer of an image at a ratio of its step to the bound of each tile."""
    grid, model = job.coding.grid, job.model

    keep = job.options.scratch.keep

    def code(tile: int, like: Codes | None) -> Codes | None:
        codes = job.code(grid.box(tile), ratio, like)
        return None if codes is None else shelve_codes(model, codes, keep)

    def finish(tile: int, codes: Codes | None) -> tuple[tuple[Stream, ...], Pixels | None]:
        if codes is None:
            return (b"",) * model.n_stages, None
        box = grid.box(tile)
        streams = pack_codes(model, codes, model.n_stages)
        return tuple(map(keep, streams)), job.left(box, job.values(box, codes))

    codes = in_groups(code, grid.n_tiles, job.options.threads)
    finished = ordered_map(lambda pair: finish(*pair), enumerate(codes), job.options.threads)
    left: Pixels = job.options.scratch.zeros(job.plan.pixels.shape, _left_type(job.plan.pixels.dtype))
    streams: list[tuple[Stream, ...]] = []
    for tile, (stages, part) in enumerate(finished):
        streams.append(stages)
        if part is not None:
            left[slices(grid.box(tile))] = part
    return Base(model=model, scaling=job.pairs, streams=tuple(streams), left=left)
