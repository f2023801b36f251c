"""Detail streams: predictors are fitted for an image, its tiles are coded, each tile is held against its bound."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial

import numpy as np

from radcodec import detail
from radcodec.container.meta import ImageRecord
from radcodec.decoding.guarantee import tile_breach
from radcodec.decoding.tile import ImageCoding, Pixels, base_values
from radcodec.encoding.coded_image import CodedImage, report_progress
from radcodec.encoding.coded_tile import CodedTile, code_smallest
from radcodec.encoding.image_plan import ImagePlan
from radcodec.encoding.marking import part_of
from radcodec.encoding.options import EncodeOptions
from radcodec.errors import GuaranteeError
from radcodec.pixels.bounds import tile_bound
from radcodec.pixels.masks import Mask, always_special, encode_mask
from radcodec.pixels.tiles import slices
from radcodec.runtime.parallel import one_blas_thread, ordered_map


def _smallest_step(plan: ImagePlan) -> float | detail.TileBound | None:
    """Find the bound, in stored units, to fit predictors for: the smallest of the tiles' that is not exact.

    Predictors of dithered integers, which no loop codes, have to know that.
    """
    record, grid, bounds = plan.coding.record, plan.coding.grid, plan.coding.bounds
    if record.bound is None:
        return None
    found = (tile_bound(record, bounds, grid.box(tile), tile) for tile in range(grid.n_tiles))
    smallest = min((bound.error for bound in found if bound is not None), default=None)
    if smallest is None:
        return None
    step = smallest / abs(record.bscale)
    if record.sample_type.is_float or record.dither_seed is None:
        return step
    return detail.TileBound(error=step, dither_seed=record.dither_seed)


def fit_predictors(plan: ImagePlan, pixels: Pixels, options: EncodeOptions, max_radius: int | None = None) -> bytes:
    """Fit the predictor block of an image, or of what its base layer leaves of it.

    Parameters
    ----------
    pixels
        Stored samples [P, H, W].
    max_radius
        The largest radius of a predictor; the one that is worth its time for None.
    """
    if plan.special is not None and plan.special.all():
        return b""
    step, sample_type = _smallest_step(plan), plan.coding.record.sample_type
    ways = tile_planes(plan.coding, pixels, plan.special)
    if ways and max_radius is None:
        block = detail.fit_cube(
            pixels, plan.special, step, sample_type, ways=ways, threads=options.threads, effort=options.effort
        )
    else:
        block = detail.fit_image(
            pixels,
            plan.special,
            step,
            sample_type,
            max_radius=max_radius,
            threads=options.threads,
            effort=options.effort,
        )
    return detail.with_clean_tables(block) if options.clean else block


def plane_axes(record: ImageRecord) -> tuple[detail.PlaneAxis, ...]:
    """Return the axes along which planes of a tile follow each other, the innermost first."""
    axes, stride = [], 1
    for length, side in zip(reversed(record.shape[:-2]), reversed(record.sides[:-2]), strict=True):
        if side > 1:
            axes.append(detail.PlaneAxis(stride=stride, period=length, depth=side))
        stride *= side
        if side < length:
            break
    return tuple(axes)


def tile_planes(coding: ImageCoding, pixels: Pixels, special: Mask | None) -> tuple[detail.TilePlanes, ...]:
    """Return the orders of the axes in which tiles may be coded; none where each holds a single plane.

    Planes are along another axis than the slowest only in cubes of one leading axis that are rough along it.
    """
    axes = plane_axes(coding.record)
    if not axes:
        return ()
    ways = [detail.TilePlanes(order=detail.AS_IT_IS, axes=axes)]
    order = detail.order_by_roughness(pixels, special) if len(axes) == 1 else detail.AS_IT_IS
    depth = coding.grid.tile_shape(0)[order[0]]
    if order != detail.AS_IT_IS and depth > 1:
        axis = detail.PlaneAxis(stride=1, period=pixels.shape[order[0]], depth=depth)
        ways.append(detail.TilePlanes(order=order, axes=(axis,)))
    return tuple(ways)


def with_predictors(coded: CodedImage, block: bytes) -> CodedImage:
    """Give an image its predictors; it keeps its base layer."""
    params = replace(coded.params, predictors=block)
    return replace(
        coded, params=params, coding=replace(coded.coding, shared=coded.coding.shared.with_predictors(block))
    )


def _code_as(coded: CodedImage, tile: int, special: Mask | None) -> CodedTile:
    """Code a tile with these special samples."""
    record, coding = coded.record, coded.coding
    box = coding.grid.box(tile)
    samples = np.ascontiguousarray(coded.plan.pixels[slices(box)])
    mask = encode_mask(samples, special)
    if special is not None and special.all():
        return CodedTile(mask=mask, detail=b"", special=special, restored=samples)
    bound = tile_bound(record, coding.bounds, box, tile)
    if bound is not None and (stages := coded.base[tile] if record.on_base else ()):
        bound = replace(bound, base=base_values(coding, box, list(map(bytes, stages))))
    stream, restored = detail.code_tile(samples, special, coding.shared.predictors, bound)
    return CodedTile(mask=mask, detail=stream, special=special, restored=restored)


def _code_tile(coded: CodedImage, tile: int, options: EncodeOptions) -> CodedTile:
    """Code a tile with its doubtful samples marked or not, whichever is smaller; special ones are restored too.

    Raises
    ------
    GuaranteeError
        If a restored sample does not keep the bound.
    """
    plan, box = coded.plan, coded.coding.grid.box(tile)
    samples = np.ascontiguousarray(plan.pixels[slices(box)])
    special = part_of(plan.special, box)
    code, place = partial(_code_as, coded, tile), (coded.coding, box)
    doubtful = None if coded.record.on_base else part_of(plan.doubtful, box)
    best = code_smallest(code, samples, (special, doubtful), plan.missing, place)
    if coded.record.bound is None and special is not None and always_special(samples, coded.record.blank) is None:
        # A fill value is often the usual one of its tile.
        predictors = coded.coding.shared.predictors
        order = detail.AS_IT_IS if predictors is None else predictors.order
        turned = samples.transpose(order)
        counted, filled = detail.encode_counted(turned), None
        if best.detail and not options.preview_percent:  # a preview needs the mask
            filled = detail.encode_filled(turned, special.transpose(order), best.detail, predictors)
        for stream in (counted, filled):
            if stream is not None and len(stream) < best.size_bytes():
                best = CodedTile(mask=b"", detail=stream, special=None, restored=samples)
    if best.special is not None:
        best = replace(best, restored=np.where(best.special, samples, best.restored))
    if options.verify:
        breach = tile_breach(samples, best.restored, best.special, coded.coding, box)
        if breach:
            raise GuaranteeError(f"tile {tile} breaks its guarantee: {breach}; nothing was written")
    return best


def add_details(coded: CodedImage, options: EncodeOptions, tiles: Sequence[int]) -> CodedImage:
    """Code the details of some tiles and check their bounds.

    Whether the streams decode to the restored samples is checked once the file is written (`check_written`).

    Raises
    ------
    GuaranteeError
        If a restored sample does not keep the bound.
    """
    grid, predictors = coded.coding.grid, coded.coding.shared.predictors
    masks, details = list(coded.masks), list(coded.details)
    is_exact = coded.record.bound is None
    pixels, keep = coded.plan.pixels, options.scratch.keep
    restored = pixels if is_exact else options.scratch.empty(pixels.shape, pixels.dtype)
    with one_blas_thread() if coded.record.on_base else nullcontext():
        found = ordered_map(lambda tile: _code_tile(coded, tile, options), tiles, options.threads)
        for tile, streams in zip(tiles, found, strict=True):
            masks[tile], details[tile] = keep(streams.mask), keep(streams.detail)
            if not is_exact:
                restored[slices(grid.box(tile))] = streams.restored
            report_progress(options, grid.box(tile))
    if predictors is not None and not any(map(detail.uses_predictors, details)):
        without = with_predictors(coded, b"")
        if predictors.order != detail.AS_IT_IS:  # the order of the axes is in the block that goes
            return add_details(without, replace(options, progress=None), tiles)
        return replace(without, masks=masks, details=details, restored=restored)
    if predictors is None or sum(map(len, details)) >= detail.least_detail_bytes(predictors):
        return replace(coded, masks=masks, details=details, restored=restored)
    # So small an image has no use for border sets, and the format refuses them there (8.2).
    block = detail.pack_predictors(detail.without_borders(predictors))
    return add_details(with_predictors(coded, block), replace(options, progress=None), tiles)
