"""One image before it is coded: its special samples are marked, its bound is planned."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

from radcodec.container.meta import ImageRecord
from radcodec.decoding.tile import ImageCoding, Pixels, SharedParts
from radcodec.encoding.bound_plan import BoundPlan, plan_bounds
from radcodec.encoding.marking import mark_special
from radcodec.encoding.options import Bounded, EncodeOptions, Fidelity, Lossless
from radcodec.encoding.plane_noise import BoundedImage
from radcodec.encoding.special import all_marks
from radcodec.pixels.bounds import ImageBounds
from radcodec.pixels.masks import Mask
from radcodec.pixels.tiles import tile_grid
from radcodec.types import EarlierBound


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceImage:
    """One image of a file, before anything is decided about it.

    ``pixels`` are stored samples, native [P, H, W]. ``record`` has its type, shape, tiles, scaling, BLANK and unit.
    ``name`` is what warnings call it; ``earlier`` is what its header says of an earlier compression.
    """

    pixels: Pixels = field(repr=False)
    record: ImageRecord
    fidelity: Fidelity
    name: str = ""
    earlier: EarlierBound | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagePlan:
    """What is decided about an image before it is coded.

    ``coding`` has the record with the bound, and the tiles. ``special`` samples, bool [P, H, W], are exact;
    ``doubtful`` ones among them are coded like others in tiles where that is smaller. ``missing`` are the stored values
    of missing pixels, which no other sample may become. ``noise``, physical units, was measured beside an absolute
    bound.
    """

    source: SourceImage
    fidelity: Fidelity
    coding: ImageCoding
    special: Mask | None = field(default=None, repr=False)
    doubtful: Mask | None = field(default=None, repr=False)
    missing: tuple[Any, ...] = ()
    warnings: tuple[str, ...] = ()
    noise: float | None = None

    @property
    def pixels(self) -> Pixels:
        """The samples to encode [P, H, W]."""
        return self.source.pixels


def _coding(record: ImageRecord, bounds: ImageBounds) -> ImageCoding:
    grid = tile_grid(record.shape, record.sides)
    return ImageCoding(record=record, grid=grid, bounds=bounds, shared=SharedParts(b"", None))


def plan_image(source: SourceImage, options: EncodeOptions, *, seed: int) -> ImagePlan:
    """Mark the special samples of an image and plan its bound.

    Parameters
    ----------
    seed
        Of the dither.

    Raises
    ------
    BoundError
        If the bound does not fit the image.
    """
    coding = _coding(source.record, ImageBounds())
    if coding.grid.n_tiles == 0:
        return ImagePlan(source=source, fidelity=source.fidelity, coding=coding)
    found = mark_special(source.pixels, coding, source.fidelity, options)
    plan = ImagePlan(
        source=source,
        fidelity=source.fidelity,
        coding=coding,
        special=all_marks(found, options.scratch),
        doubtful=found.doubtful,
        missing=found.missing,
    )
    return _with_bound(plan, source.fidelity, options, seed) if isinstance(source.fidelity, Bounded) else plan


def exact_plan(plan: ImagePlan, options: EncodeOptions) -> ImagePlan:
    """Plan the same image as lossless mode does."""
    return plan_image(replace(plan.source, fidelity=Lossless()), options, seed=0)


def _with_bound(plan: ImagePlan, fidelity: Bounded, options: EncodeOptions, seed: int) -> ImagePlan:
    """Add the bound; an image that has no noise to measure it by becomes a lossless one."""
    record = plan.source.record
    wanted = BoundedImage(
        pixels=plan.pixels,
        special=plan.special,
        bscale=record.bscale,
        unit=record.unit,
        sigma=fidelity.sigma,
        earlier=plan.source.earlier,
        shared_tiles=plan.coding.grid.box(0)[1] > 1,
    )
    bounds = plan_bounds(wanted, fidelity.bound)
    if not bounds.largest > 0:
        return replace(exact_plan(plan, options), warnings=bounds.warnings)
    coding = _coding(_bounded_record(record, bounds, seed if fidelity.dither else None), bounds.bounds)
    return replace(plan, coding=coding, warnings=bounds.warnings, noise=bounds.noise)


def _bounded_record(record: ImageRecord, plan: BoundPlan, dither_seed: int | None) -> ImageRecord:
    # The noise of a plane near the end of the range may be infinite, which no record holds.
    sigma = plan.sigma if plan.sigma is not None and math.isfinite(plan.sigma) else None
    return replace(
        record,
        bound=plan.largest,
        bound_sigma=plan.in_sigma,
        sigma=sigma,
        has_step_map=plan.bounds.cells is not None,
        dither_seed=dither_seed,
    )
