"""Bounded images of floats whose details are coded on a base layer: whether that pays, and at which step of the base.

Where a step of the bound is not far below the noise, a transform whose codes are chosen by their bits beats prediction
from pixels that are rounded to such steps. The detail layer then codes what the base leaves, and the bound holds as
without it. It is tried on the middle of an image (docs/design/0014-detail-on-base.md).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from radcodec import detail
from radcodec.base.normalise import (
    MAX_STEP,
    MIN_STEP,
    Normalisation,
    code_base,
    in_groups,
    pack_codes,
    plan_normalisation,
    restore_codes,
)
from radcodec.container.layout import SHA256_BYTES, stage_entry_bytes
from radcodec.decoding.image import ImageCoding, Pixels
from radcodec.pixels.bounds import tile_bound
from radcodec.pixels.masks import Mask
from radcodec.pixels.tiles import Box, slices
from radcodec.runtime.parallel import one_blas_thread, ordered_map

if TYPE_CHECKING:
    from radcodec.base.store import Codes, Model

RATIOS = (1.5, 1.85, 2.25, 2.75, 3.4, 4.2, 5.2, 6.5)  # of the base layer's step to the bound
START = 2  # place of the ratio that is tried first, with the next one
HUGE = 1e200  # of offsets and scales: what base values of others would be is out of the range of floats
LEAST_BOUND = 0.26  # of the noise: up to a quarter of it, details that stand alone do not bias stacks of faint sources
LEAST_PAYING = 0.04  # likewise: the base layer of a finer bound never pays
LARGE = 1 << 20  # samples from which time counts
TRIAL_SIDES = (512, 256)  # of the middle that is tried, of images that are not large and of large ones
LEAST_GAINS = (0.05, 0.15)  # share of the bits that a base layer must save for the time it takes, likewise
ROUGH_RADIUS, SURE = 8, 0.94  # and what the best predictor leaves of its bits at least, but for few images
MAX_RADIUS = 4  # of predictors of what a base layer leaves, which is nearly white


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """The base layer of an image: its model, offsets and scales, and streams of every tile.

    ``left`` [P, H, W] is what it leaves of the image. A tile that is special everywhere has no streams.
    """

    model: Model
    pairs: Normalisation
    streams: list[tuple[bytes, ...]] = field(repr=False)
    left: Pixels = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """A bounded image and what its base layer is made with."""

    image: Pixels = field(repr=False)
    special: Mask | None = field(repr=False)
    coding: ImageCoding
    pairs: Normalisation
    model: Model
    threads: int

    def samples(self, box: Box) -> tuple[Pixels, Mask | None]:
        """Samples [p, h, w] in a box, and which are special."""
        part = slices(box)
        marks = None if self.special is None else np.ascontiguousarray(self.special[part])
        return np.ascontiguousarray(self.image[part]), marks

    def code(self, box: Box, ratio: float, like: Codes | None) -> Codes | None:
        """Codes of a box at a ratio of the step to the bound; None where all samples are special."""
        samples, marks = self.samples(box)
        if marks is not None and bool(marks.all()):
            return None
        step = min(max(ratio * _unit(self.coding, self.pairs, box), MIN_STEP), MAX_STEP)
        return code_base(self.model, samples, marks, self.pairs[box[0] : box[1]], step, like)

    def values(self, box: Box, codes: Codes) -> npt.NDArray[np.float64]:
        """Base values [p, h, w] of codes of a box."""
        return restore_codes(self.model, codes, self.model.n_stages, self.pairs[box[0] : box[1]])

    def left(self, box: Box, values: npt.NDArray[np.float64]) -> Pixels:
        """What base values leave of the samples in a box [p, h, w], in their type; 0 for special ones."""
        samples, marks = self.samples(box)
        with np.errstate(over="ignore", invalid="ignore"):
            left = (samples.astype(np.float64) - values).astype(samples.dtype)
        if marks is not None:
            left[marks] = 0.0
        return left


def find_base(
    image: Pixels,
    special: Mask | None,
    coding: ImageCoding,
    fit: Callable[[int | None], bytes],
    find_model: Callable[[], Model | None],
    threads: int,
    *,
    smallest: bool = False,
) -> Base | None:
    """The base layer that makes a bounded image smaller, None where none does.

    Parameters
    ----------
    image, special
        Stored samples, native [P, H, W], and which of them are special.
    fit
        Gives the predictor block of the image without a base layer, of a largest radius.
    find_model
        Gives the model, None where there is none. Not called where no base layer is wanted: loading one takes time.
    smallest
        Whether size is all that counts. Else a base layer must save enough for the time that it takes, and is for
        bounds where errors depend on the image anyway, and for dithered images, where they never do.
    """
    record, grid = coding.record, coding.grid
    least = LEAST_PAYING if smallest or record.dither_seed is not None else LEAST_BOUND
    if record.bound is None or not record.sample_type.is_float or 0 < record.bound_sigma < least:
        return None
    with np.errstate(all="ignore"):  # signalling NaN among the special ones, values near the ends of the range
        # The noise of a plane most of which is constant would take longer to measure than all else here.
        pairs = plan_normalisation(image, special, [0.0] * grid.n_planes)
    if not (np.abs(pairs).max() < HUGE and pairs[:, 1].min() > 1 / HUGE):
        return None
    if any(_unit(coding, pairs, grid.box(tile)) < least for tile in range(grid.n_tiles)):
        return None
    model = find_model()
    if model is None or not model.takes_step:
        return None
    job = _Job(image=image, special=special, coding=coding, pairs=pairs, model=model, threads=threads)
    with one_blas_thread():
        ratio = _best_ratio(job, fit, 0.0 if smallest else LEAST_GAINS[image.size > LARGE])
        return None if ratio is None else _whole_base(job, ratio)


@np.errstate(over="ignore", invalid="ignore")  # a bound far above the noise
def _unit(coding: ImageCoding, pairs: Normalisation, box: Box) -> float:
    """The bound of the samples in a box over the scale of the base layer; 0 where some of them are exact."""
    bound = tile_bound(coding.record, coding.bounds, box, 0)
    errors = np.asarray(0.0 if bound is None else bound.error if bound.map is None else bound.map)
    if not errors.min() > 0:
        return 0.0
    with np.errstate(all="ignore"):  # bounds and scales near the ends of the range
        stored = (np.median(errors, axis=(1, 2)) if errors.ndim else errors) / abs(coding.record.bscale)
        return float(np.median(stored / pairs[box[0] : box[1], 1]))


def _middle(shape: tuple[int, ...], size: int) -> Box:
    """The box of an image [P, H, W] on which a base layer is tried."""
    side = TRIAL_SIDES[size > LARGE]
    height, width = (min(n, side) for n in shape[1:])
    sizes = (min(shape[0], max(1, side * side // (height * width))), height, width)
    (p0, p1), (y0, y1), (x0, x1) = (((n - k) // 2, (n - k) // 2 + k) for n, k in zip(shape, sizes, strict=True))
    return p0, p1, y0, y1, x0, x1


def _best_ratio(job: _Job, fit: Callable[[int | None], bytes], gain: float) -> float | None:
    """The ratio of the base layer's step to the bound that takes the fewest bits in the middle of an image.

    None where no base layer saves a share ``gain`` of them.
    """
    record, model, size = job.coding.record, job.model, job.image.size
    box = _middle(job.image.shape, size)
    samples, marks = job.samples(box)
    bound = tile_bound(record, job.coding.bounds, box, 0)
    if bound is None or (marks is not None and bool(marks.all())):
        return None
    share = samples.size / size
    least = (bound.error if bound.map is None else float(bound.map.min())) / abs(record.bscale)
    beside = share * (16 * len(job.pairs) + len(model.name) + SHA256_BYTES)

    def total(place: int) -> float:
        codes = job.code(box, RATIOS[place], None)
        values, streams = job.values(box, codes), pack_codes(model, codes, model.n_stages)
        left = job.left(box, values)
        found = detail.fit_image(left, marks, least, record.sample_type, max_radius=MAX_RADIUS)
        stream, _ = detail.code_tile(samples, marks, detail.load_predictors(found), replace(bound, base=values))
        base = sum(len(stage) + stage_entry_bytes(len(stage)) for stage in streams)
        return base + len(stream) + share * len(found) + beside

    def alone(radius: int | None) -> float:
        block = fit(radius)
        return len(detail.code_tile(samples, marks, detail.load_predictors(block), bound)[0]) + share * len(block)

    first = ordered_map(total, (START, START + 1), job.threads)
    totals = dict(zip((START, START + 1), first, strict=True))
    step = 1 if totals[START + 1] < totals[START] else -1
    place = START + max(step, 0)
    while 0 <= place + step < len(RATIOS):
        place += step
        totals[place] = total(place)
        if totals[place] >= totals[place - step]:
            break
    best = min(totals, key=lambda place: totals[place])
    # Predictors of a small radius take less time, and few more bits: they decide where the choice is clear.
    rough = alone(ROUGH_RADIUS)
    if totals[best] < (1.0 - gain) * SURE * rough:
        return RATIOS[best]
    return RATIOS[best] if totals[best] < (1.0 - gain) * min(rough, alone(None)) else None


def _whole_base(job: _Job, ratio: float) -> Base:
    """The base layer of an image at a ratio of its step to the bound of each tile."""
    grid, model = job.coding.grid, job.model
    left = np.zeros_like(job.image)
    streams = [(b"",) * model.n_stages] * grid.n_tiles

    def one(tile: int, like: Codes | None) -> Codes | None:
        box = grid.box(tile)
        codes = job.code(box, ratio, like)
        if codes is not None:
            left[slices(box)] = job.left(box, job.values(box, codes))
            streams[tile] = pack_codes(model, codes, model.n_stages)
        return codes

    for _ in in_groups(one, grid.n_tiles, job.threads):
        pass
    return Base(model=model, pairs=job.pairs, streams=streams, left=left)
