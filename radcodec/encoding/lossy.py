"""Lossy images: the base layer alone, with all stages, the first few, or as much of it as a bit-rate allows.

A bit-rate counts the whole file. Headers hold checksums of the restored pixels: they pack to a few bytes more or less
each time. The streams of a try are searched by their own sizes. Where the file of a try is too large, `next_try` gives
smaller images.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from radcodec.base.normalise import MAX_STEP
from radcodec.base.store import is_stepped
from radcodec.container.layout import entry_bytes, stage_entry_bytes
from radcodec.encoding.allocation import fill_stages, n_leading
from radcodec.encoding.base_codes import add_base, add_stages, choose_for_groups, code_again, plan_base
from radcodec.encoding.coded_image import CodedImage, FinishedImage
from radcodec.encoding.options import EncodeOptions, Lossy, most_bytes
from radcodec.encoding.rate_control import Filling, fill_budget, finish_all, stage_sizes
from radcodec.errors import BoundError
from radcodec.runtime.parallel import one_blas_thread

if TYPE_CHECKING:
    from radcodec.base.store import Model

RATE_TURNS = 4  # tries for a bit-rate after the smallest file


@dataclass(frozen=True, slots=True, kw_only=True)
class RateSearch:
    """Where the search for a bit-rate stands.

    ``smallest`` has the streams of the smallest file, and ``what`` says what that is. ``smallest_kept`` and
    ``smallest_stages`` are how many stages of it tiles and images keep. Of a model with steps they say nothing, and
    the file of the coarsest step is the smallest that counts: ``is_coarsest`` where that was tried. ``start`` are the
    images to search from, or those found before; if none, the smallest file is the only one. ``overhead`` is the bytes
    of a file beside its base streams; None before the smallest file is known.
    """

    target: int
    n_pixels: int
    what: str
    smallest: Sequence[CodedImage] = field(repr=False)
    smallest_kept: Sequence[int] = field(repr=False)
    smallest_stages: int
    start: Sequence[CodedImage] = field(default=(), repr=False)
    filling: Filling | None = field(default=None, repr=False)
    is_coarsest: bool = False
    overhead: int | None = None
    excess: int = 0
    turns: int = RATE_TURNS


@dataclass(frozen=True, slots=True, kw_only=True)
class LossyImages:
    """Finished images; ``search`` is there where the size of their file is to be held against a bit-rate."""

    images: Sequence[FinishedImage] = field(repr=False)
    model: Model | None = field(default=None, repr=False)
    options: EncodeOptions
    search: RateSearch | None = None


def finish_lossy(coded: Sequence[CodedImage], model: Model | None, options: EncodeOptions, asked: Lossy) -> LossyImages:
    """Make images from the base layer alone; some of the images may be exact.

    Parameters
    ----------
    model
        None where no image has a tile to make a base layer of.

    Raises
    ------
    BoundError
        If the model has fewer stages than asked for.
    """
    if model is None:
        return LossyImages(images=finish_all(coded, _no_stages(coded), 0, options), options=options)
    n_stages = model.n_stages if asked.n_stages is None else asked.n_stages
    if not 1 <= n_stages <= model.n_stages:
        raise BoundError(f"expected 1 to {model.n_stages} stages, as the model {model.name} has, found {n_stages}")
    stepped = asked.bpp is not None and model.takes_step
    with one_blas_thread():
        if stepped and is_stepped(model):
            coded = [plan_base(image, model, options) if image.is_lossy else image for image in coded]
        else:
            coded = [add_base(image, model, options, asked.step) if image.is_lossy else image for image in coded]
        has_base = any(codes is not None for image in coded for codes in image.codes)
        if has_base and not stepped:
            coded = [_with_stages(image, model, n_stages, options) for image in coded]
        if asked.bpp is None:
            kept = [min(n_stages, n_leading(tile)) for tile in _all_sizes(coded)] if has_base else _no_stages(coded)
            return LossyImages(
                images=finish_all(coded, kept, n_stages, options),
                model=model if has_base else None,
                options=options,
            )
        search = _start_search(coded, model, options, asked.bpp, has_base=has_base)
        images = finish_all(search.smallest, search.smallest_kept, search.smallest_stages, options)
        return LossyImages(images=images, model=model if has_base else None, options=options, search=search)


def next_try(tried: LossyImages, size_bytes: int) -> LossyImages | None:
    """Give the images of another file to try, by the size of the last file; None where that stands.

    Raises
    ------
    BoundError
        If even the smallest file does not keep to the bit-rate.
    """
    search, model, options = tried.search, tried.model, tried.options
    if search is None:
        return None
    fits, is_first = size_bytes <= search.target, search.overhead is None
    can_step = model is not None and model.takes_step and bool(search.start)
    if not fits and (search.is_coarsest or (is_first and not can_step)):
        bpp, asked = math.ceil(80000 * size_bytes / search.n_pixels) / 10000, _asked_bpp(options)
        raise BoundError(f"expected at least {bpp} bits a pixel, which {search.what}, found {asked}")
    if is_first:
        search = replace(search, overhead=size_bytes - _kept_bytes(search))
    elif fits:
        return None
    else:
        search = replace(search, excess=search.excess + size_bytes - search.target)
        if can_step:  # more stages have longer entries than the smallest file's
            search = replace(
                search, excess=max(search.excess, size_bytes - _base_bytes(tried) - (search.overhead or 0))
            )
    if model is None or not search.start:
        return None
    with one_blas_thread():
        if search.turns and (fits or not is_first):
            found = (_finest_step if can_step else _most_stages)(search, model, options)
            if found is not None:
                images, filling = found
                return replace(tried, images=images, search=replace(search, filling=filling, turns=search.turns - 1))
        if can_step:
            return replace(tried, images=_coarsest(search, model, options), search=replace(search, is_coarsest=True))
        if is_first:
            return None
        images = finish_all(search.smallest, search.smallest_kept, search.smallest_stages, options)
        return replace(tried, images=images, search=None)


def _base_bytes(tried: LossyImages) -> int:
    """Count the bytes of all base streams of a file that was tried."""
    return sum(len(stream) for image in tried.images for tile in image.tiles for stream in tile.stages)


def _asked_bpp(options: EncodeOptions) -> float | None:
    return options.fidelity.bpp if isinstance(options.fidelity, Lossy) else None


def _no_stages(coded: Sequence[CodedImage]) -> list[int]:
    return [0 for image in coded for _ in image.masks]


def _all_sizes(coded: Sequence[CodedImage]) -> list[list[int]]:
    """List the bytes of each base stage of every tile of all images; none for images that are exact."""
    return [sizes for image in coded for sizes in (stage_sizes([image]) or [[] for _ in image.masks])]


def _with_stages(image: CodedImage, model: Model, n_stages: int, options: EncodeOptions) -> CodedImage:
    return add_stages(image, model, n_stages, options) if image.is_lossy else image


def _start_search(
    coded: Sequence[CodedImage], model: Model, options: EncodeOptions, bpp: float, *, has_base: bool
) -> RateSearch:
    """Make the smallest file there is: without a base layer, of the coarsest step, or of one stage."""
    n_pixels = sum(image.plan.pixels.size for image in coded)
    target = most_bytes(bpp, n_pixels)
    if not has_base:
        return RateSearch(
            target=target,
            n_pixels=n_pixels,
            what="images without noise take",
            smallest=coded,
            smallest_kept=_no_stages(coded),
            smallest_stages=0,
        )
    if not model.takes_step:
        return RateSearch(
            target=target,
            n_pixels=n_pixels,
            what="one stage of the base layer takes",
            smallest=coded,
            smallest_kept=[min(1, n_leading(sizes)) for sizes in _all_sizes(coded)],
            smallest_stages=1,
            start=coded,
        )
    blank = [_with_stages(image, model, model.n_stages, options) for image in coded]
    return RateSearch(
        target=target,
        n_pixels=n_pixels,
        what="the coarsest step takes",
        smallest=blank,
        smallest_kept=[n_leading(sizes) for sizes in _all_sizes(blank)],
        smallest_stages=model.n_stages,
        start=coded,
    )


def _coarsest(search: RateSearch, model: Model, options: EncodeOptions) -> list[FinishedImage]:
    """Make the images of the coarsest step."""
    found = []
    for image in search.start:
        if image.is_lossy:
            steps = {tile: MAX_STEP for tile, codes in enumerate(image.codes) if codes is not None}
            image = code_again(choose_for_groups(image, options, MAX_STEP)[0], options, steps)
        found.append(_with_stages(image, model, model.n_stages, options))
    return finish_all(found, [n_leading(sizes) for sizes in _all_sizes(found)], model.n_stages, options)


def _kept_bytes(search: RateSearch) -> int:
    """Count the bytes of the base streams of the smallest file."""
    sizes = _all_sizes(search.smallest)
    return sum(sum(tile[:n]) for tile, n in zip(sizes, search.smallest_kept, strict=True))


def _finest_step(
    search: RateSearch, model: Model, options: EncodeOptions
) -> tuple[list[FinishedImage], Filling] | None:
    """Make the base layer of the finest step whose streams fit; None where none does."""
    budget = search.target - (search.overhead or 0) - search.excess
    start = search.filling or [image for image in search.start if image.is_lossy]
    filling = fill_budget(start, model, options, budget)
    if filling is None:
        return None
    waiting = iter(filling.images)
    found = [next(waiting) if image.is_lossy else image for image in search.start]
    kept = [n_leading(sizes) for sizes in _all_sizes(found)]
    return finish_all(found, kept, model.n_stages, options), filling


def _most_stages(search: RateSearch, model: Model, options: EncodeOptions) -> tuple[list[FinishedImage], None] | None:
    """Keep the stages with most bytes that fit; None where the smallest file has most."""
    sizes, room = _all_sizes(search.start), search.target - (search.overhead or 0) - search.excess
    n_tiles, n_stages = sum(map(bool, sizes)), max(map(len, sizes), default=0)
    fewest = _entries(sizes, search.smallest_kept, search.smallest_stages)
    best, best_bytes = None, _kept_bytes(search)
    for stages in range(n_stages, 1, -1):
        # An entry of a stage is at most as long as one of an even share of the file.
        budget = room - n_tiles * (stages - 1) * stage_entry_bytes(search.target // max(1, n_tiles))
        for _ in range(RATE_TURNS):
            kept = fill_stages(sizes, stages, budget)
            if kept is None:
                break
            n_bytes = sum(sum(tile[:n]) for tile, n in zip(sizes, kept, strict=True))
            over = n_bytes + _entries(sizes, kept, stages) - fewest - room
            if over <= 0:
                if n_bytes > best_bytes:
                    best, best_bytes = (kept, stages), n_bytes
                break
            budget -= over
    return None if best is None else (finish_all(search.start, *best, options), None)


def _entries(sizes: Sequence[Sequence[int]], kept: Sequence[int], n_stages: int) -> int:
    """Count the bytes that base stages add to INDEX."""
    pairs = zip(sizes, kept, strict=True)
    padded = ([*tile[:n], *[0] * (n_stages - n)] for tile, n in pairs if tile)
    return sum(entry_bytes((0, 0), stages) - entry_bytes((0, 0)) for stages in padded)
