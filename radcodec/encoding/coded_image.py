"""One image to the streams of its tiles: bound, masks, predictors, detail streams; each tile held against its bound."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from radcodec import detail
from radcodec.base.normalise import (
    code_base,
    in_groups,
    pack_codes,
    pack_normalisation,
    plan_normalisation,
    restore_codes,
    round_to_type,
)
from radcodec.container.layout import entry_bytes, stage_entry_bytes
from radcodec.container.meta import ImageRecord, ParamBlocks, pack_image_record
from radcodec.container.writer import TileStreams
from radcodec.decoding.guarantee import tile_breach
from radcodec.decoding.image import ImageCoding, Lazy, Pixels, base_values, pixel_crc
from radcodec.encoding.bound_plan import BoundedImage, measure, plan_bounds
from radcodec.encoding.bound_spec import BoundSpec
from radcodec.encoding.exact_probe import may_be_smaller
from radcodec.encoding.marking import mark_special, part_of
from radcodec.encoding.on_base import MAX_RADIUS, find_base
from radcodec.encoding.special import all_marks
from radcodec.errors import FormatError, GuaranteeError
from radcodec.pixels.bounds import ImageBounds, pack_bounds, tile_bound
from radcodec.pixels.masks import Mask, as_bits, encode_mask
from radcodec.pixels.tiles import Box, slices, tile_grid
from radcodec.runtime.parallel import one_blas_thread, ordered_map
from radcodec.types import DetailsOnBase, EarlierBound, Mode

if TYPE_CHECKING:
    from radcodec.base.store import Codes, Model
    from radcodec.fits.select import HduSelector


WORTH = 1.05  # share of bytes that an image without a bound may take over one that it does not change


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodeOptions:
    """How to encode. ``bound`` is given in bounded mode; ``bpp`` or ``n_stages`` may be given in lossy mode.

    ``hdus`` are the images of a FITS file that are not exact, where they are named; ``exact_hdus`` are some that are.
    ``fills`` are values, in physical units, that are special.
    ``progress`` is told how many more pixels are done, from the caller's thread.
    """

    mode: Mode
    bound: BoundSpec | None = None
    bpp: float | None = None
    n_stages: int | None = None
    sigma: float | None = None
    hdus: tuple[HduSelector, ...] = ()
    exact_hdus: tuple[HduSelector, ...] = ()
    fills: tuple[float, ...] = ()
    dither: bool = False
    details_on_base: DetailsOnBase = DetailsOnBase.AUTO
    preview_percent: float = 0.0
    model: str | None = None
    tile_size: int
    threads: int
    verify: bool = True
    provenance: bool = True
    progress: Callable[[int], None] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class CodedImage:
    """An image whose exact or bounded streams are made, but whose base stages are not chosen yet.

    ``pixels`` are the restored samples [P, H, W], the original ones where all is exact; in lossy mode they are filled
    in when the stages are chosen. ``codes`` are the base layer's of each tile, and ``base`` the streams made of them.
    ``warnings`` is what there is to say; ``noise`` was measured beside an absolute bound, physical units.
    """

    record: ImageRecord
    coding: ImageCoding
    lossy: bool = False
    original: Pixels = field(repr=False)
    pixels: Pixels = field(repr=False)
    special: Mask | None = field(repr=False)
    doubtful: Mask | None = field(default=None, repr=False)
    params: ParamBlocks = field(repr=False)
    masks: Sequence[bytes] = field(repr=False)
    details: Sequence[bytes] = field(repr=False)
    codes: Sequence[Codes | None] = field(default=(), repr=False)
    base: Sequence[tuple[bytes, ...]] = field(default=(), repr=False)
    warnings: tuple[str, ...] = ()
    noise: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedImage:
    """An image ready to be written, with its samples [P, H, W] before and after."""

    record: ImageRecord
    params: ParamBlocks = field(repr=False)
    tiles: Sequence[TileStreams] = field(repr=False)
    original: Pixels = field(repr=False)
    pixels: Pixels = field(repr=False)

    @property
    def mode(self) -> Mode:
        """Lossy where a tile is made from base streams alone, else bounded where the record has a bound."""
        if any(tile.is_base_alone for tile in self.tiles):
            return Mode.LOSSY
        return Mode.LOSSLESS if self.record.bound is None else Mode.BOUNDED

    @property
    def is_unchanged(self) -> bool:
        """Whether the restored samples are the original ones, bit for bit."""
        same = self.pixels is self.original or (as_bits(self.pixels) == as_bits(self.original)).all()
        return bool(same)


@dataclass(frozen=True, slots=True, kw_only=True)
class _CodedTile:
    """Streams of a tile, its special samples, and what it restores to but for these."""

    mask: bytes
    stream: bytes
    special: Mask | None
    restored: Pixels

    def size_bytes(self) -> int:
        """Bytes of both streams."""
        return len(self.mask) + len(self.stream)


def _tell(options: EncodeOptions, box: Box) -> None:
    if options.progress is not None:
        options.progress((box[1] - box[0]) * (box[3] - box[2]) * (box[5] - box[4]))


def _mask_streams(image: Pixels, special: Mask | None, coding: ImageCoding) -> list[bytes]:
    """Mask stream of each tile, of special samples bool [P, H, W]."""
    boxes = map(slices, map(coding.grid.box, range(coding.grid.n_tiles)))
    return [encode_mask(image[box], None if special is None else special[box]) for box in boxes]


def _seeded(record: ImageRecord, seed: int, options: EncodeOptions) -> ImageRecord:
    return replace(record, dither_seed=seed) if options.dither and record.bound is not None else record


def _coding(record: ImageRecord, bounds: ImageBounds) -> ImageCoding:
    grid = tile_grid(record.shape, record.tile_size)
    return ImageCoding(record=record, grid=grid, bounds=bounds, lazy=Lazy(b"", None))


def code_image(
    image: Pixels,
    record: ImageRecord,
    options: EncodeOptions,
    *,
    seed: int,
    find_model: Callable[[], Model | None] = lambda: None,
    earlier: EarlierBound | None = None,
) -> CodedImage:
    """The masks and, in exact and bounded mode, the detail streams of an image.

    Parameters
    ----------
    image
        Stored samples, native [P, H, W].
    record
        What is known of it so far: type, shape, tile size, scaling, BLANK, unit.
    seed
        Of the dither.
    find_model
        Gives the model of the base layer that details of a bounded image may be coded on, None where there is none.
    earlier
        What the header says of an earlier compression.

    Raises
    ------
    BoundError
        If the bound does not fit the image.
    GuaranteeError
        If a restored sample does not keep the bound.
    """
    bounds = ImageBounds()
    coding = _coding(record, bounds)
    if coding.grid.n_tiles == 0:
        params = ParamBlocks()
        return CodedImage(
            record=record,
            coding=coding,
            lossy=options.mode is Mode.LOSSY,
            original=image,
            pixels=image,
            special=None,
            params=params,
            masks=(),
            details=(),
        )
    found = mark_special(image, coding, options.mode, options.fills)
    special = all_marks(found)
    masks = _mask_streams(image, special, coding)
    unbounded, plan = record, None
    if options.bound is not None:
        wanted = BoundedImage(
            pixels=image,
            special=special,
            bscale=record.bscale,
            unit=record.unit,
            sigma=options.sigma,
            earlier=earlier,
            shared_tiles=coding.grid.box(0)[1] > 1,
        )
        plan = plan_bounds(wanted, options.bound)
        if plan.largest > 0:
            bounds = plan.bounds
            # The noise of a plane near the end of the range may be infinite, which no record holds.
            sigma = plan.sigma if plan.sigma is not None and math.isfinite(plan.sigma) else None
            bounded = replace(record, bound=plan.largest, bound_sigma=plan.in_sigma, sigma=sigma)
            record = _seeded(replace(bounded, has_step_map=bounds.cells is not None), seed, options)
    pixels = image if record.bound is None else np.empty_like(image)
    coded = CodedImage(
        record=record,
        coding=_coding(record, bounds),
        lossy=options.mode is Mode.LOSSY,
        original=image,
        pixels=pixels,
        special=special,
        doubtful=found.doubtful,
        params=ParamBlocks(bounds=pack_bounds(bounds)),
        masks=masks,
        details=[b""] * len(masks),
        warnings=() if plan is None else plan.warnings,
        noise=None if plan is None else plan.noise,
    )
    if options.mode is Mode.LOSSY:
        return coded
    if options.bound is not None and record.bound is None:
        return replace(_code_exact(image, unbounded, options, options.progress), warnings=coded.warnings)
    coded = _add_details(_plan_details(coded, find_model, options), options, range(len(masks)))
    if record.bound is None or not may_be_smaller(coded.coding, image, special, _streams(coded)):
        return coded
    exact = _code_exact(image, unbounded, options, None)
    return _smaller(coded, exact, options, keeps_steps=earlier is not None)


def _code_exact(
    image: Pixels, record: ImageRecord, options: EncodeOptions, progress: Callable[[int], None] | None
) -> CodedImage:
    """The image as lossless mode codes it."""
    exact = replace(options, mode=Mode.LOSSLESS, bound=None, sigma=None, dither=False, progress=progress)
    return code_image(image, record, exact, seed=0)


def _streams(coded: CodedImage) -> list[int]:
    """Bytes of each tile: its mask, its details, and its base layer where they are coded on it."""
    base = coded.base if coded.record.on_base else [()] * len(coded.masks)
    return [
        len(mask) + len(detail_stream) + sum(map(len, stages))
        for mask, detail_stream, stages in zip(coded.masks, coded.details, base, strict=True)
    ]


def _size(coded: CodedImage) -> int:
    """Bytes of all that an image's pixels are made from, without a preview."""
    stages = coded.base if coded.record.on_base else []
    entries = sum(entry_bytes((len(m), len(d))) for m, d in zip(coded.masks, coded.details, strict=True))
    entries += sum(stage_entry_bytes(len(stream)) for tile in stages for stream in tile)
    params = coded.params
    return sum(_streams(coded)) + entries + len(params.base) + len(params.bounds) + len(params.predictors)


def _smaller(coded: CodedImage, exact: CodedImage, options: EncodeOptions, *, keeps_steps: bool) -> CodedImage:
    """The bounded image, or the exact one where that takes no more bytes whatever the preview takes beside it."""
    same = bool((as_bits(coded.pixels) == as_bits(coded.original)).all())
    asked = f"the bound of {coded.record.bound:.6g}"
    # Exact pixels are worth a few bytes where a bound would not change them.
    worth = WORTH if same and not keeps_steps else 1.0
    if worth * _size(coded) * 100.0 / (100.0 - min(options.preview_percent, 50.0)) < _size(exact):
        changes_nothing = () if keeps_steps or not same else (f"{asked} changes no pixel",)
        return replace(coded, warnings=(*coded.warnings, *changes_nothing))
    if same:
        text = f"{asked} changes no pixel, as the values lie farther apart: the image is stored exactly"
    else:
        text = f"{asked} saves nothing: the exact image takes fewer bytes, and is stored"
    return replace(exact, warnings=(*coded.warnings, text), noise=coded.noise)


def _smallest_step(coded: CodedImage) -> float | None:
    """The bound, in stored units, that predictors are fitted for: the smallest of the tiles' that is not exact."""
    if coded.record.bound is None:
        return None
    grid, bounds = coded.coding.grid, coded.coding.bounds
    found = (tile_bound(coded.record, bounds, grid.box(tile), tile) for tile in range(grid.n_tiles))
    smallest = min((bound.error for bound in found if bound is not None), default=None)
    return None if smallest is None else smallest / abs(coded.record.bscale)


def _fit(coded: CodedImage, image: Pixels, options: EncodeOptions, max_radius: int | None) -> bytes:
    """Predictor block for an image, or for what its base layer leaves of it."""
    if coded.special is not None and coded.special.all():
        return b""
    return detail.fit_image(
        image,
        coded.special,
        _smallest_step(coded),
        coded.record.sample_type,
        max_radius=max_radius,
        threads=options.threads,
    )


def _with_predictors(coded: CodedImage, block: bytes) -> CodedImage:
    params = replace(coded.params, predictors=block)
    return replace(coded, params=params, coding=replace(coded.coding, lazy=Lazy(block, None)))


def _plan_details(coded: CodedImage, find_model: Callable[[], Model | None], options: EncodeOptions) -> CodedImage:
    """The image with predictors, and with the base layer that its details shall be coded on where one pays."""

    @cache
    def fit(max_radius: int | None) -> bytes:
        return _fit(coded, coded.original, options, max_radius)

    found = None
    if options.details_on_base is not DetailsOnBase.NEVER:
        smallest = options.details_on_base is DetailsOnBase.ALWAYS
        found = find_base(
            coded.original, coded.special, coded.coding, fit, find_model, options.threads, smallest=smallest
        )
    if found is None:
        return _with_predictors(coded, fit(None))
    block = _fit(coded, found.left, options, MAX_RADIUS)
    record = replace(coded.record, on_base=True)
    return replace(
        coded,
        record=record,
        coding=replace(coded.coding, record=record, normalisation=found.pairs, lazy=Lazy(block, found.model)),
        params=replace(coded.params, base=pack_normalisation(found.pairs), predictors=block),
        base=found.streams,
    )


def _add_details(coded: CodedImage, options: EncodeOptions, tiles: Sequence[int]) -> CodedImage:
    """Code the details of ``tiles``, check their bounds, and fill in the samples that they should restore to.

    Whether the streams decode to these samples is checked once the file is written (`check_written`).
    """
    record, whole, coding = coded.record, coded.special, coded.coding

    def code(tile: int, special: Mask | None) -> _CodedTile:
        box = coding.grid.box(tile)
        samples = np.ascontiguousarray(coded.original[slices(box)])
        mask = encode_mask(samples, special)
        if special is not None and special.all():
            return _CodedTile(mask=mask, stream=b"", special=special, restored=samples)
        bound = tile_bound(record, coding.bounds, box, tile)
        if bound is not None and (stages := coded.base[tile] if record.on_base else ()):
            bound = replace(bound, base=base_values(coding, box, stages))
        stream, restored = detail.code_tile(samples, special, coding.lazy.predictors, bound)
        return _CodedTile(mask=mask, stream=stream, special=special, restored=restored)

    def one(tile: int) -> tuple[bytes, bytes]:
        box = coding.grid.box(tile)
        samples = np.ascontiguousarray(coded.original[slices(box)])
        special = part_of(whole, box)
        best = code(tile, special)
        doubtful = None if record.on_base else part_of(coded.doubtful, box)
        if special is not None and doubtful is not None:
            sure = special & ~doubtful
            best = min(best, code(tile, sure if sure.any() else None), key=_CodedTile.size_bytes)
        restored = best.restored if best.special is None else np.where(best.special, samples, best.restored)
        if options.verify:
            breach = tile_breach(samples, restored, best.special, coding, box)
            if breach:
                raise GuaranteeError(f"tile {tile} breaks its guarantee: {breach}; nothing was written")
        if coded.pixels is not coded.original:
            coded.pixels[slices(box)] = restored
        return best.mask, best.stream

    masks, details, grid = list(coded.masks), list(coded.details), coding.grid
    with one_blas_thread() if record.on_base else nullcontext():
        for tile, streams in zip(tiles, ordered_map(one, tiles, options.threads), strict=True):
            masks[tile], details[tile] = streams
            _tell(options, grid.box(tile))
    done = replace(coded, masks=masks, details=details)
    predictors = coding.lazy.predictors
    if predictors is None or sum(map(len, details)) >= detail.least_detail_bytes(predictors):
        return done
    # So small an image has no use for border sets, and the format refuses them there (8.2).
    block = detail.pack_predictors(detail.without_borders(predictors))
    lazy = Lazy(block, coding.lazy.model if record.on_base else None)
    params, coding = replace(coded.params, predictors=block), replace(coding, lazy=lazy)
    return _add_details(replace(coded, params=params, coding=coding), replace(options, progress=None), tiles)


def add_base(coded: CodedImage, model: Model, options: EncodeOptions, step: float | None = None) -> CodedImage:
    """The image with the codes of the base layer for every tile that it can hold; `add_stages` makes streams of them.

    In lossy mode a tile in a plane without noise, of which the base layer makes nothing, is coded exactly. A preview
    needs no codes for a tile that is its planes' offset everywhere.
    """
    grid = coded.coding.grid
    if grid.n_tiles == 0:
        return coded
    sigmas = [measure(coded.original, coded.special, plane) for plane in range(grid.n_planes)]
    pairs = plan_normalisation(coded.original, coded.special, sigmas)
    lossy = options.mode is Mode.LOSSY

    def one(tile: int, like: Codes | None) -> Codes | None:
        box = grid.box(tile)
        special = None if coded.special is None else coded.special[slices(box)]
        if special is not None and bool(special.all()):
            return None
        # A plane without a pixel to code (blank channels of a cube) has no noise, and needs none.
        known = (
            range(*box[:2]) if special is None else [box[0] + n for n, plane in enumerate(special) if not plane.all()]
        )
        if lossy and not all(sigmas[plane] > 0 for plane in known):
            return None
        samples, offsets = coded.original[slices(box)], pairs[box[0] : box[1], 0, None, None]
        if not lossy and bool(((samples == offsets) if special is None else (samples == offsets) | special).all()):
            return None
        return code_base(model, samples, special, pairs[box[0] : box[1]], step, like, keep_flux=lossy)

    codes: list[Codes | None] = []
    for tile, found in enumerate(in_groups(one, grid.n_tiles, base_threads(model, options))):
        codes.append(found)
        if lossy:
            _tell(options, grid.box(tile))
    coding = replace(coded.coding, normalisation=pairs, lazy=Lazy(coded.params.predictors, model))
    coded = replace(coded, codes=codes, coding=coding, params=replace(coded.params, base=pack_normalisation(pairs)))
    if not lossy:
        return coded
    coded = replace(coded, pixels=np.array(coded.original))
    exact = [tile for tile in range(grid.n_tiles) if codes[tile] is None and not _all_special(coded, tile)]
    if not exact:
        return coded
    added = _add_details(_with_predictors(coded, _fit(coded, coded.original, options, None)), options, exact)
    return replace(added, coding=replace(added.coding, lazy=Lazy(added.params.predictors, model)))


def base_threads(model: Model, options: EncodeOptions) -> int:
    """Threads that tiles are coded on: a model without a step keeps torch to one thread while it works."""
    return options.threads if model.takes_step else 1


def code_again(
    coded: CodedImage,
    model: Model,
    options: EncodeOptions,
    step: float,
    tiles: Sequence[int] | None = None,
    *,
    choose: bool = False,
) -> CodedImage:
    """An image of ``add_base`` with its codes made anew at another step, of some tiles alone where they are given.

    Tiles keep the choices of their codes; with ``choose`` they are made anew too.
    """
    grid, pairs, threads = coded.coding.grid, coded.coding.normalisation, base_threads(model, options)
    chosen = set(range(grid.n_tiles) if tiles is None else tiles)

    def one(tile: int, like: Codes | None) -> Codes | None:
        if pairs is None or tile not in chosen or coded.codes[tile] is None:
            return None
        box = grid.box(tile)
        special = None if coded.special is None else coded.special[slices(box)]
        samples, lossy = coded.original[slices(box)], options.mode is Mode.LOSSY
        return code_base(model, samples, special, pairs[box[0] : box[1]], step, like, keep_flux=lossy)

    if choose:
        return replace(coded, codes=list(in_groups(one, grid.n_tiles, threads)))
    codes = ordered_map(lambda tile: one(tile, coded.codes[tile]), range(grid.n_tiles), threads)
    return replace(coded, codes=list(codes))


def add_stages(coded: CodedImage, model: Model, n_stages: int, options: EncodeOptions) -> CodedImage:
    """The image with the streams of its first ``n_stages`` base stages; empty ones for tiles without a base layer."""

    def one(codes: Codes | None) -> tuple[bytes, ...]:
        return (b"",) * n_stages if codes is None else pack_codes(model, codes, n_stages)

    return replace(coded, base=list(ordered_map(one, coded.codes, options.threads)))


def _all_special(coded: CodedImage, tile: int) -> bool:
    return coded.special is not None and bool(coded.special[slices(coded.coding.grid.box(tile))].all())


def _restored_base(coded: CodedImage, tile: int, n_stages: int) -> npt.NDArray[np.float64] | None:
    """Values [p, h, w] of the first stages of a tile, None where it has none."""
    codes, pairs, box = coded.codes[tile], coded.coding.normalisation, coded.coding.grid.box(tile)
    if codes is None or pairs is None or n_stages == 0:
        return None
    return restore_codes(coded.coding.lazy.model, codes, n_stages, pairs[box[0] : box[1]])


def _lossy_samples(coded: CodedImage, tile: int, n_stages: int) -> Pixels:
    """Samples [p, h, w] that a tile without details restores to: of the base layer, but special ones of the image."""
    part = slices(coded.coding.grid.box(tile))
    samples, special = coded.original[part], None if coded.special is None else coded.special[part]
    base = _restored_base(coded, tile, n_stages)
    if base is None:  # all samples are special
        return samples
    restored = round_to_type(base, coded.record.sample_type)
    return restored if special is None else np.where(special, samples, restored)


def check_base(coded: CodedImage, kept: Sequence[int], options: EncodeOptions) -> None:
    """Decode the base streams that each tile keeps and compare them with what its codes stand for.

    ``kept`` holds the number of stages that each tile keeps.

    Raises
    ------
    GuaranteeError
        If a stream is unsound or decodes to another value.
    """
    grid, pairs = coded.coding.grid, coded.coding.normalisation

    def one(tile: int) -> bool:
        meant = _restored_base(coded, tile, kept[tile])
        if meant is None or pairs is None:
            return True
        box, streams = grid.box(tile), coded.base[tile][: kept[tile]]
        try:
            found = base_values(coded.coding, box, streams)
        except FormatError as err:
            raise GuaranteeError(f"the base layer of tile {tile} does not decode: {err}; nothing was written") from err
        return bool(np.array_equal(found, meant))

    for tile, same in enumerate(ordered_map(one, range(grid.n_tiles), options.threads)):
        if not same:
            raise GuaranteeError(f"the base layer of tile {tile} decodes to other values; nothing was written")


def finish_image(coded: CodedImage, kept: Sequence[int], n_stages: int, options: EncodeOptions) -> FinishedImage:
    """The image with ``n_stages`` base stages, of which tile i keeps the first ``kept[i]``, and its pixel CRCs.

    In lossy mode the restored samples are what those stages decode to.
    """
    record = replace(coded.record, n_stages=n_stages)
    record_bytes = pack_image_record(record)
    grid = coded.coding.grid
    stages = [
        coded.base[tile][: kept[tile]] + (b"",) * (n_stages - kept[tile]) if n_stages else ()
        for tile in range(grid.n_tiles)
    ]

    def finish(tile: int) -> TileStreams:
        pixels = coded.pixels[slices(grid.box(tile))]
        if coded.lossy and not coded.details[tile]:
            pixels[...] = _lossy_samples(coded, tile, kept[tile])
        return TileStreams(
            mask=coded.masks[tile],
            detail=coded.details[tile],
            pixel_crc=pixel_crc(record_bytes, tile, pixels),
            stages=stages[tile],
        )

    tiles = list(ordered_map(finish, range(grid.n_tiles), options.threads))
    params = coded.params if n_stages else replace(coded.params, base=b"")
    return FinishedImage(record=record, params=params, tiles=tiles, original=coded.original, pixels=coded.pixels)
