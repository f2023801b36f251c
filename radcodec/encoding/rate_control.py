"""The images of a file from first sample to chosen base stages: what files of both kinds have in common."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, BinaryIO

from radcodec.base.normalise import MAX_STEP, load_named_model
from radcodec.container.layout import SHA256_BYTES, entry_bytes, stage_entry_bytes
from radcodec.container.meta import ImageRecord
from radcodec.container.writer import FileContents, write_file
from radcodec.decoding.image import Pixels
from radcodec.encoding.allocation import fill_stages, fits_preview, n_leading, search_step
from radcodec.encoding.coded_image import (
    CodedImage,
    EncodeOptions,
    FinishedImage,
    add_base,
    add_stages,
    check_base,
    code_again,
    code_image,
    finish_image,
)
from radcodec.errors import BoundError, ModelError
from radcodec.runtime.parallel import one_blas_thread
from radcodec.runtime.resources import load_header_dictionary
from radcodec.types import EarlierBound, Kind, Mode

if TYPE_CHECKING:
    from radcodec.base.store import Model

# Makes a file of finished images, whose base layer is of that model.
Packager = Callable[[Sequence[FinishedImage], "Model | None"], FileContents]


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """A file ready to be written and what there is to say about it.

    ``model`` is that of its base layer, None where it has none. ``noise``, physical units, was measured beside an
    absolute bound, in the image with the largest one.
    """

    contents: FileContents = field(repr=False)
    model: Model | None = field(default=None, repr=False)
    warnings: tuple[str, ...] = ()
    noise: float | None = None

    def write_to(self, out: BinaryIO) -> int:
        """Number of bytes of the file, which is written to ``out``."""
        dictionary = load_header_dictionary() if self.contents.kind is Kind.FITS else None
        return write_file(out, self.contents, dictionary=dictionary)

    def to_bytes(self) -> bytes:
        """The file, put together once from its streams: no buffer grows beside them."""
        pieces = _Pieces()
        self.write_to(pieces)  # type: ignore[arg-type]  # only write() is used
        return b"".join(pieces)


class _Pieces(list[bytes | memoryview]):
    """A stream that keeps what it is given as it is."""

    def write(self, data: bytes | memoryview) -> int:
        """Number of bytes that were given."""
        self.append(data)
        return len(data)


START_STEP = 2.0
FAR = 1.25  # factor between steps from which a tile's transform is chosen anew
TURNS, LOOK_TURNS, RATE_TURNS = 10, 5, 4
LOOK_TILES = 8
LEAST_PREVIEW = 24  # bytes of a tile, under which its picture would be blank


class _Null:
    """A stream that keeps nothing."""

    def write(self, data: bytes | memoryview) -> int:
        """Number of bytes that were given."""
        return len(data)


def _size_of(contents: FileContents) -> int:
    return Encoded(contents=contents).write_to(_Null())  # type: ignore[arg-type]  # only write() is used


def _without_base(coded: Sequence[CodedImage]) -> int:
    """Bytes of a file that are neither base layer nor headers."""
    streams = sum(len(stream) for image in coded for stream in (*image.masks, *image.details))
    params = sum(len(image.params.bounds) + len(image.params.predictors) for image in coded)
    sizes = (
        (len(mask), len(detail)) for image in coded for mask, detail in zip(image.masks, image.details, strict=True)
    )
    return streams + params + sum(map(entry_bytes, sizes))


def _finish(
    coded: Sequence[CodedImage], kept: Sequence[int], n_stages: int, options: EncodeOptions
) -> list[FinishedImage]:
    """All images with ``n_stages`` stages, of which the tiles of all images in order keep ``kept``."""
    finished: list[FinishedImage] = []
    position = 0
    for image in coded:
        n_tiles = len(image.masks)
        # Without a base stream there is nothing to normalise and no model to name.
        stages = n_stages if image.record.on_base or any(map(any, image.base)) else 0
        finished.append(finish_image(image, kept[position : position + n_tiles], stages, options))
        position += n_tiles
    return finished


def _stage_sizes(coded: Sequence[CodedImage]) -> list[list[int]]:
    return [[len(stream) for stream in streams] for image in coded for streams in image.base]


def _encode_with_details(
    coded: Sequence[CodedImage],
    find_model: Callable[[], Model | None],
    options: EncodeOptions,
    package: Packager,
    extra_bytes: int,
) -> FileContents:
    """Exact and bounded images.

    Those that are not coded on their base layer get as many base stages as fit into the share for a preview.
    """
    alone: Sequence[CodedImage] = [image for image in coded if not image.record.on_base]
    n_stages = 0
    preview = options.preview_percent > 0 and any(image.masks for image in alone)
    model = find_model() if preview or len(alone) < len(coded) else None
    if model is not None and preview:
        fit = _fit_preview_step if model.takes_step else _fit_preview
        with one_blas_thread():
            n_stages, alone = fit(alone, model, options, extra_bytes)
    waiting = iter(alone)
    coded = [image if image.record.on_base else next(waiting) for image in coded]
    finished = []
    for image in coded:
        most = n_stages if model is None or not image.record.on_base else model.n_stages
        kept = [min(most, n_leading(tile)) for tile in _stage_sizes([image])] if most else [0] * len(image.masks)
        if options.verify and most and not image.record.on_base:  # details on a base are made from its streams
            with one_blas_thread():
                check_base(image, kept, options)
        finished += _finish([image], kept, most, options)
    used = any(image.record.n_stages for image in finished)
    return package(finished, model if used else None)


def _fit_preview(
    coded: Sequence[CodedImage], model: Model, options: EncodeOptions, extra_bytes: int
) -> tuple[int, Sequence[CodedImage]]:
    """The largest number of stages that the share for a preview has room for, and the images with their streams."""
    coded = [add_base(image, model, options) for image in coded]
    best, best_images = 0, coded
    planes = sum(image.coding.grid.n_planes for image in coded)
    for n_stages in range(1, model.n_stages + 1):
        tried = [add_stages(image, model, n_stages, options) for image in coded]
        fits = fits_preview(
            _stage_sizes(tried),
            other_bytes=_without_base(coded) + extra_bytes,
            fixed_bytes=16 * planes + len(model.name) + 1 + SHA256_BYTES,
            percent=options.preview_percent,
        )
        if not fits:
            break
        best, best_images = n_stages, tried
    return best, best_images


def _fit_preview_step(
    coded: Sequence[CodedImage], model: Model, options: EncodeOptions, extra_bytes: int
) -> tuple[int, Sequence[CodedImage]]:
    """All stages of the model at the finest step that the share for a preview has room for, 0 where it has none."""
    n_tiles = sum(len(image.masks) for image in coded)
    planes = sum(image.coding.grid.n_planes for image in coded)
    share = options.preview_percent / (100.0 - options.preview_percent)
    room = math.floor((_without_base(coded) + extra_bytes) * share)
    entries = n_tiles * model.n_stages * stage_entry_bytes(room)
    budget = room - 16 * planes - len(model.name) - 1 - SHA256_BYTES - entries
    if budget < LEAST_PREVIEW * n_tiles:
        return 0, coded
    found = fill_budget([add_base(image, model, options, START_STEP) for image in coded], model, options, budget)
    return (0, coded) if found is None else (model.n_stages, found)


def fill_budget(
    coded: Sequence[CodedImage], model: Model, options: EncodeOptions, budget: int
) -> list[CodedImage] | None:
    """Images of ``add_base`` at START_STEP with all their streams, at about the finest step that ``budget`` allows.

    None where they take more at any step. Of many tiles a few are looked at first; choices are made anew where the step
    is far from START_STEP.
    """
    n_tiles = sum(len(image.masks) for image in coded)
    every, made_at = max(1, n_tiles // LOOK_TILES), START_STEP

    def streams(step: float, some: bool) -> tuple[list[CodedImage], int]:
        images = []
        for image in coded:
            tiles = range(every // 2, len(image.masks), every) if some else None
            again = image if step == made_at and not some else code_again(image, model, options, step, tiles)
            images.append(add_stages(again, model, model.n_stages, options))
        return images, sum(len(stream) for image in images for tile in image.base for stream in tile)

    found = None
    if every > 1:
        share = budget * LOOK_TILES // n_tiles
        step, _ = search_step(lambda step: streams(step, True), share, START_STEP, LOOK_TURNS)
    else:
        step, found = search_step(lambda step: streams(step, False), budget, START_STEP, TURNS)
    far = not START_STEP / FAR <= step <= START_STEP * FAR
    if far:
        coded, made_at = [code_again(image, model, options, step, choose=True) for image in coded], step
    if far or every > 1:
        found = search_step(lambda step: streams(step, False), budget, step, TURNS)[1] or found
    return found


def _lossy_contents(
    coded: Sequence[CodedImage],
    n_stages: int,
    budget: int | None,
    options: EncodeOptions,
    finish: Packager,
    model: Model,
) -> FileContents | None:
    """The file with ``n_stages`` stages and at most ``budget`` bytes of base streams; None where that cannot be."""
    sizes = _stage_sizes(coded)
    kept: list[int] | None = [min(n_stages, n_leading(tile)) for tile in sizes]
    if budget is not None:
        kept = fill_stages(sizes, n_stages, budget)
    return None if kept is None else finish(_finish(coded, kept, n_stages, options), model)


def _base_bytes(contents: FileContents) -> int:
    return sum(len(stream) for tiles in contents.tiles for tile in tiles for stream in tile.stages)


def _set_exact_apart(
    coded: Sequence[CodedImage], options: EncodeOptions, package: Packager
) -> tuple[list[CodedImage], Packager]:
    """The images of a lossy file that are not exact, and what packages them with the others between them."""
    lossy = [image for image in coded if image.lossy]
    finished = [None if image.lossy else _finish([image], [0] * len(image.masks), 0, options)[0] for image in coded]

    def package_all(images: Sequence[FinishedImage], model: Model | None) -> FileContents:
        waiting = iter(images)
        return package([next(waiting) if image is None else image for image in finished], model)

    return lossy, package_all


def _encode_lossy(
    coded: Sequence[CodedImage], find_model: Callable[[], Model | None], options: EncodeOptions, package: Packager
) -> FileContents:
    """Images from the base layer alone, with all stages, the first few, or as many as a bit-rate allows.

    Raises
    ------
    BoundError
        If the model has fewer stages than asked for, or the bit-rate cannot be reached.
    """
    n_pixels = sum(image.original.size for image in coded)
    coded, package = _set_exact_apart(coded, options, package)
    if not any(image.masks for image in coded):
        return package(_finish(coded, [], 0, options), None)
    model = find_model() or load_named_model(options.model)  # the latter says why there is none
    n_stages = model.n_stages if options.n_stages is None else options.n_stages
    if not 1 <= n_stages <= model.n_stages:
        raise BoundError(f"expected 1 to {model.n_stages} stages, as the model {model.name} has, found {n_stages}")
    if options.bpp is not None and model.takes_step:
        return _encode_to_rate(coded, model, options, package, n_pixels)
    coded = [add_stages(add_base(image, model, options), model, n_stages, options) for image in coded]
    if not any(codes is not None for image in coded for codes in image.codes):
        return _exact(coded, options, package, n_pixels)
    if options.bpp is None:
        contents = _lossy_contents(coded, n_stages, None, options, package, model)
        if contents is None:
            raise BoundError("expected a base layer for every tile, found none")
        return contents
    target = math.floor(options.bpp * n_pixels / 8)
    smallest = _lossy_contents(coded, 1, 1 << 62, options, package, model)
    if smallest is None or (reached := _size_of(smallest)) > target:
        bpp = math.ceil(80000 * reached / n_pixels) / 10000 if smallest is not None else math.inf
        raise BoundError(
            f"expected at least {bpp} bits a pixel, which one stage of the base layer takes, found {options.bpp}"
        )
    return _fill(coded, n_stages, target, smallest, options, package, model)


def _encode_to_rate(
    coded: Sequence[CodedImage], model: Model, options: EncodeOptions, package: Packager, n_pixels: int
) -> FileContents:
    """Images whose base layer has the finest step with which the file of ``n_pixels`` keeps to a bit-rate.

    Raises
    ------
    BoundError
        If even the coarsest does not.
    """
    target = math.floor((options.bpp or 0.0) * n_pixels / 8)
    bases = [add_base(image, model, options, START_STEP) for image in coded]
    if not any(codes is not None for image in bases for codes in image.codes):
        return _exact(bases, options, package, n_pixels)
    coarsest = [code_again(image, model, options, MAX_STEP) for image in bases]
    images = [add_stages(image, model, model.n_stages, options) for image in coarsest]
    contents = _whole(images, model, options, package)
    reached = _size_of(contents)
    if reached > target:
        bpp = math.ceil(80000 * reached / n_pixels) / 10000
        raise BoundError(f"expected at least {bpp} bits a pixel, which the coarsest step takes, found {options.bpp}")
    budget = target - (reached - _base_bytes(contents))
    for _ in range(RATE_TURNS):
        found = fill_budget(bases, model, options, budget)
        if found is None:
            break
        better = _whole(found, model, options, package)
        excess = _size_of(better) - target
        if excess <= 0:
            return better
        budget -= excess
    return contents


def _exact(coded: Sequence[CodedImage], options: EncodeOptions, package: Packager, n_pixels: int) -> FileContents:
    """The file, of ``n_pixels``, of images of which the base layer makes nothing: all of it is exact.

    Raises
    ------
    BoundError
        If it does not keep to the bit-rate.
    """
    kept = [0 for image in coded for _ in image.masks]
    contents = package(_finish(coded, kept, 0, options), None)
    if options.bpp is not None and (reached := _size_of(contents)) > math.floor(options.bpp * n_pixels / 8):
        bpp = math.ceil(80000 * reached / n_pixels) / 10000
        raise BoundError(f"expected at least {bpp} bits a pixel, which images without noise take, found {options.bpp}")
    return contents


def _whole(images: Sequence[CodedImage], model: Model, options: EncodeOptions, package: Packager) -> FileContents:
    """The file with all the streams that images have."""
    kept = [n_leading(tile) for tile in _stage_sizes(images)]
    return package(_finish(images, kept, model.n_stages, options), model)


def _fill(
    coded: Sequence[CodedImage],
    n_stages: int,
    target: int,
    smallest: FileContents,
    options: EncodeOptions,
    package: Packager,
    model: Model,
) -> FileContents:
    """The file of at most ``target`` bytes with most bytes of base streams."""
    best, best_bytes = smallest, _base_bytes(smallest)
    overhead = _size_of(smallest) - best_bytes
    n_tiles = sum(len(image.masks) for image in coded)
    for stages in range(n_stages, 1, -1):
        budget = target - overhead - n_tiles * (stages - 1) * stage_entry_bytes(target // max(1, n_tiles))
        # Headers that depend on the pixels pack to a few bytes more or less each time.
        for _ in range(4):
            contents = _lossy_contents(coded, stages, budget, options, package, model)
            if contents is None or (excess := _size_of(contents) - target) <= 0:
                break
            budget -= excess
        if contents is not None and excess <= 0 and _base_bytes(contents) > best_bytes:
            best, best_bytes = contents, _base_bytes(contents)
    return best


def _code_all(code: Callable[[int, EncodeOptions], CodedImage], options: Sequence[EncodeOptions]) -> list[CodedImage]:
    """Code all images of a file. A bound that is too coarse for some is refused only where it suits none.

    Raises
    ------
    BoundError
        If the bound does not fit an image, or is over 10 times the noise of every image that has some.
    """
    coded: dict[int, CodedImage] = {}
    refused: dict[int, BoundError] = {}
    for number, own in enumerate(options):
        try:
            coded[number] = code(number, own)
        except BoundError as err:
            if not err.too_coarse or len(options) == 1:
                raise
            refused[number] = err
    if refused and not any(image.noise for number, image in coded.items() if options[number].bound is not None):
        raise next(iter(refused.values()))
    for number in refused:
        bound = options[number].bound
        forced = replace(options[number], bound=None if bound is None else replace(bound, force=True))
        image = code(number, forced)
        text = "the bound is over 10 times the noise of this image, though not of others: little of it is left"
        coded[number] = replace(image, warnings=(text, *image.warnings))
    return [coded[number] for number in range(len(options))]


def encode_images(
    images: Sequence[tuple[Pixels, ImageRecord, EncodeOptions]],
    options: EncodeOptions,
    package: Packager,
    *,
    seed: int,
    extra_bytes: int,
    names: Sequence[str] = (),
    earlier: Sequence[EarlierBound | None] = (),
) -> Encoded:
    """The file that ``package`` makes of images [P, H, W], each with what is known of it and options of its own.

    Parameters
    ----------
    options
        Of the file; those of an image differ from them where it stays exact.
    seed
        Of the dither of the first image; the next ones count up.
    extra_bytes
        Size of what else is in the file.
    names, earlier
        Of each image, where there are several: what warnings call it, and what its header says of an earlier
        compression.

    Raises
    ------
    BoundError, ModelError, GuaranteeError
        If the bound, the model or the result is not what it should be.
    """
    warnings: list[str] = []

    @cache
    def find_model() -> Model | None:
        try:
            return load_named_model(options.model)
        except ModelError as err:
            if options.model is not None:
                raise
            if options.preview_percent > 0:
                warnings.append(f"no preview: {err}")
            return None

    def code(number: int, wanted: EncodeOptions) -> CodedImage:
        image, record, _ = images[number]
        before = earlier[number] if earlier else None
        own_seed = (seed + number) % (1 << 64)
        return code_image(image, record, wanted, seed=own_seed, find_model=find_model, earlier=before)

    coded = _code_all(code, [own for _, _, own in images])
    for number, image in enumerate(coded):
        prefix = f"{names[number]}: " if len(images) > 1 and names else ""
        warnings += [prefix + warning for warning in image.warnings]
    if options.mode is Mode.LOSSY:
        with one_blas_thread():
            contents = _encode_lossy(coded, find_model, options, package)
        wanted = any(image.size and own.mode is Mode.LOSSY for image, _, own in images)
        if wanted and contents.mode is not Mode.LOSSY:
            warnings.append("the lossy mode has no effect: no part of an image has noise in all of its planes")
    else:
        contents = _encode_with_details(coded, find_model, options, package, extra_bytes)
    widest = max(coded, key=lambda image: image.record.bound or 0.0, default=None)
    return Encoded(
        contents=contents,
        model=None if contents.meta.model is None else find_model(),
        warnings=tuple(warnings),
        noise=None if widest is None else widest.noise,
    )
