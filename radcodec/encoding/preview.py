"""Previews: a base layer beside exact or bounded pixels that takes at most a share of the file."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from radcodec.container.layout import SHA256_BYTES, entry_bytes, stage_entry_bytes
from radcodec.encoding.allocation import fits_preview, n_leading
from radcodec.encoding.base_codes import add_base, add_stages, check_base
from radcodec.encoding.coded_image import CodedImage, FinishedImage
from radcodec.encoding.options import EncodeOptions
from radcodec.encoding.rate_control import START_STEP, fill_budget, finish_all, stage_sizes
from radcodec.runtime.parallel import one_blas_thread

if TYPE_CHECKING:
    from radcodec.base.store import Model

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
        fit = _fit_step if model.takes_step else _fit_stages
        with one_blas_thread():
            n_stages, alone = fit(alone, model, options, extra_bytes)
    waiting = iter(alone)
    finished: list[FinishedImage] = []
    for image in coded:
        own = image if image.record.on_base else next(waiting)
        most = n_stages if model is None or not own.record.on_base else model.n_stages
        kept = [min(most, n_leading(tile)) for tile in stage_sizes([own])] if most else [0] * len(own.masks)
        if options.verify and most and not own.record.on_base:  # details on a base are made from its streams
            with one_blas_thread():
                check_base(own, kept, options.threads)
        finished += finish_all([own], kept, most, options.threads)
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
        tried = [add_stages(image, model, n_stages, options.threads) for image in coded]
        fits = fits_preview(
            stage_sizes(tried),
            other_bytes=_without_base(coded) + extra_bytes,
            fixed_bytes=fixed_bytes,
            percent=options.preview_percent,
        )
        if not fits:
            break
        best, best_images = n_stages, tried
    return best, best_images


def _fit_step(
    coded: Sequence[CodedImage], model: Model, options: EncodeOptions, extra_bytes: int
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
    found = fill_budget([add_base(image, model, options, START_STEP) for image in coded], model, options, budget)
    return (0, coded) if found is None else (model.n_stages, found)
