"""Previews: a base layer beside exact or bounded pixels that takes at most a share of the file."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from radcodec.base.normalise import ENOUGH_FOR_A_LOOK
from radcodec.base.store import is_stepped
from radcodec.container.layout import SHA256_BYTES, entry_bytes, stage_entry_bytes
from radcodec.encoding.allocation import fits_preview, n_leading
from radcodec.encoding.base_codes import add_base, add_stages, check_base, has_base, normalise, tile_samples
from radcodec.encoding.coded_image import CodedImage, FinishedImage
from radcodec.encoding.options import EncodeOptions
from radcodec.encoding.preview_tiles import TileValues, check_preview, fit_preview
from radcodec.encoding.rate_control import finish_all, stage_sizes
from radcodec.runtime.parallel import one_blas_thread

if TYPE_CHECKING:
    from radcodec.base.store import Model, SteppedModel

LEAST_PREVIEW = 24  # bytes of a tile, under which its picture would be blank


def finish_with_previews(
    coded: Sequence[CodedImage], model: Model | None, options: EncodeOptions, extra_bytes: int
) -> list[FinishedImage]:
    """Finish exact and bounded images, with as many base stages as fit into the share for a preview.

    Images that are coded on their base layer keep it.

    Parameters
    ----------
    model
        The model of base layers; no preview is made without one.
    extra_bytes
        Size of what else is in the file.

    Raises
    ------
    GuaranteeError
        If a base stream does not decode to what it should.
    """
    alone: Sequence[CodedImage] = [image for image in coded if not image.record.on_base]
    n_stages = 0
    if model is not None and options.preview_percent > 0 and any(image.masks for image in alone):
        with one_blas_thread():
            if is_stepped(model):
                n_stages, alone = _fit_step(alone, model, options, extra_bytes)
            else:
                n_stages, alone = _fit_stages(alone, model, options, extra_bytes)
    waiting = iter(alone)
    finished: list[FinishedImage] = []
    for image in coded:
        own = image if image.record.on_base else next(waiting)
        most = n_stages if model is None or not own.record.on_base else model.n_stages
        kept = [min(most, n_leading(tile)) for tile in stage_sizes([own])] if most else [0] * len(own.masks)
        finished += finish_all([own], kept, most, options)
    return finished


def _without_base(coded: Sequence[CodedImage]) -> int:
    """Count the bytes of a file that are neither base layer nor headers."""
    streams = sum(len(stream) for image in coded for stream in (*image.masks, *image.details))
    params = sum(len(image.params.bounds) + len(image.params.predictors) for image in coded)
    sizes = (
        (len(mask), len(detail)) for image in coded for mask, detail in zip(image.masks, image.details, strict=True)
    )
    return streams + params + sum(map(entry_bytes, sizes))


def _fit_stages(
    coded: Sequence[CodedImage], model: Model, options: EncodeOptions, extra_bytes: int
) -> tuple[int, Sequence[CodedImage]]:
    """Find the largest number of stages that the share has room for, and make their streams."""
    coded = [add_base(image, model, options) for image in coded]
    best, best_images = 0, coded
    fixed_bytes = 16 * sum(image.n_planes for image in coded) + len(model.name) + 1 + SHA256_BYTES
    for n_stages in range(1, model.n_stages + 1):
        tried = [add_stages(image, model, n_stages, options) for image in coded]
        fits = fits_preview(
            stage_sizes(tried),
            other_bytes=_without_base(coded) + extra_bytes,
            fixed_bytes=fixed_bytes,
            percent=options.preview_percent,
        )
        if not fits:
            break
        best, best_images = n_stages, tried
    if options.verify and best:
        for image in best_images:
            check_base(image, [min(best, n_leading(tile)) for tile in stage_sizes([image])], options.threads)
    return best, best_images


def _fit_step(
    coded: Sequence[CodedImage], model: SteppedModel, options: EncodeOptions, extra_bytes: int
) -> tuple[int, Sequence[CodedImage]]:
    """Make all stages of the model at the finest step that the share has room for; 0 of them where it has none."""
    n_tiles = sum(image.n_tiles for image in coded)
    share = options.preview_percent / (100.0 - options.preview_percent)
    room = math.floor((_without_base(coded) + extra_bytes) * share)
    entries = n_tiles * model.n_stages * stage_entry_bytes(room)
    fixed_bytes = 16 * sum(image.n_planes for image in coded) + len(model.name) + 1 + SHA256_BYTES
    budget = room - fixed_bytes - entries
    if budget < LEAST_PREVIEW * n_tiles:
        return 0, coded
    normalised = [normalise(image, model, ENOUGH_FOR_A_LOOK) for image in coded]
    places = [(image, tile) for image in normalised for tile in range(image.n_tiles)]
    made = fit_preview(
        len(places),
        lambda place: _values(*places[place]),
        sum(image.plan.pixels.size for image in coded),
        model=model,
        budget=budget,
        threads=options.threads,
    )
    if made is None:
        return 0, coded
    if options.verify:
        shapes = [image.coding.grid.tile_shape(tile) for image, tile in places]
        check_preview(made, shapes, model, options.threads)
    waiting = iter(made)
    nothing = (b"",) * model.n_stages
    with_base = [
        replace(image, base=[next(waiting).streams or nothing for _ in range(image.n_tiles)]) for image in normalised
    ]
    return model.n_stages, with_base


def _values(image: CodedImage, tile: int) -> TileValues | None:
    """Give what the preview of a tile is made from, None where it has nothing to show."""
    pairs = image.coding.normalisation
    if pairs is None or not has_base(image, tile):
        return None
    samples, special = tile_samples(image, tile)
    p0, p1, *_ = image.coding.grid.box(tile)
    return TileValues(samples=samples, special=special, pairs=pairs[p0:p1])
