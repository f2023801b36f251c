"""Images on their way into a file: coded ones, whose base stages may still change, and finished ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from radcodec.base.normalise import restore_codes, round_to_type
from radcodec.container.layout import entry_bytes, stage_entry_bytes
from radcodec.container.meta import ImageRecord, ParamBlocks
from radcodec.container.writer import TileStreams
from radcodec.decoding.tile import ImageCoding, Pixels, pixel_crc
from radcodec.encoding.coded_tile import made_missing
from radcodec.encoding.image_plan import ImagePlan
from radcodec.encoding.options import EncodeOptions, Lossy
from radcodec.pixels.masks import encode_mask
from radcodec.pixels.pieces import same_bits
from radcodec.pixels.tiles import Box, slices
from radcodec.runtime.parallel import ordered_map
from radcodec.types import Mode, Stream

if TYPE_CHECKING:
    from radcodec.base.store import Codes


@dataclass(frozen=True, slots=True, kw_only=True)
class CodedImage:
    """An image whose exact or bounded streams are made.

    ``coding`` is that of the plan, with predictors and base layer. ``restored`` are the samples [P, H, W] that the
    detail streams give; the original ones where these are exact, and in lossy mode. ``codes`` are the base layer's of
    each tile, and ``base`` the streams made of them.
    """

    plan: ImagePlan
    coding: ImageCoding
    params: ParamBlocks = field(repr=False)
    masks: Sequence[Stream] = field(repr=False)
    details: Sequence[Stream] = field(repr=False)
    restored: Pixels = field(repr=False)
    codes: Sequence[Codes | None] = field(default=(), repr=False)
    base: Sequence[tuple[Stream, ...]] = field(default=(), repr=False)
    warnings: tuple[str, ...] = ()

    @property
    def record(self) -> ImageRecord:
        """What the file says of the image."""
        return self.coding.record

    @property
    def is_lossy(self) -> bool:
        """Whether tiles without details are made from the base layer."""
        return isinstance(self.plan.fidelity, Lossy)

    @property
    def n_tiles(self) -> int:
        """Number of tiles."""
        return self.coding.grid.n_tiles

    @property
    def n_planes(self) -> int:
        """Number of planes."""
        return self.coding.grid.n_planes

    def is_special(self, tile: int) -> bool:
        """Say whether all samples of a tile are special."""
        special = self.plan.special
        return special is not None and bool(special[slices(self.coding.grid.box(tile))].all())

    def tile_bytes(self) -> list[int]:
        """Count the bytes of each tile: its mask, its details, and its base layer where they are coded on it."""
        base = self.base if self.record.on_base else [()] * len(self.masks)
        return [
            len(mask) + len(stream) + sum(map(len, stages))
            for mask, stream, stages in zip(self.masks, self.details, base, strict=True)
        ]

    def size_bytes(self) -> int:
        """Count the bytes of all that the pixels are made from, without a preview."""
        stages = self.base if self.record.on_base else []
        entries = sum(entry_bytes((len(m), len(d))) for m, d in zip(self.masks, self.details, strict=True))
        entries += sum(stage_entry_bytes(len(stream)) for tile in stages for stream in tile)
        blocks = (self.params.base, self.params.bounds, self.params.predictors)
        return sum(self.tile_bytes()) + entries + sum(map(len, blocks))


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
        return same_bits(self.pixels, self.original)


def report_progress(options: EncodeOptions, box: Box) -> None:
    """Add the pixels of a box to those done, where somebody counts them."""
    if options.progress is not None:
        options.progress((box[1] - box[0]) * (box[3] - box[2]) * (box[5] - box[4]))


def base_values_of(coded: CodedImage, tile: int, n_stages: int) -> npt.NDArray[np.float64] | None:
    """Restore the values [p, h, w] of the first stages of a tile from its codes; None where it has none."""
    codes, pairs, box = coded.codes[tile], coded.coding.normalisation, coded.coding.grid.box(tile)
    if codes is None or pairs is None or n_stages == 0:
        return None
    return restore_codes(coded.coding.shared.model, codes, n_stages, pairs[box[0] : box[1]])


def _lossy_tile(coded: CodedImage, tile: int, n_stages: int) -> tuple[Stream, bool, Pixels]:
    """Restore the samples [p, h, w] of a tile without details from its base layer; special ones are of the image.

    Before them, its mask, and whether all of its samples are special. Samples that would become a missing value are
    special, too.
    """
    part, plan = slices(coded.coding.grid.box(tile)), coded.plan
    samples, special = plan.pixels[part], None if plan.special is None else plan.special[part]
    base = base_values_of(coded, tile, n_stages)
    if base is None:  # all samples are special
        return coded.masks[tile], True, samples
    mask, restored = coded.masks[tile], round_to_type(base, coded.record.sample_type)
    made = made_missing(samples, restored, special, plan.missing) if plan.missing else None
    if made is not None:
        special = made if special is None else special | made
        mask = encode_mask(np.ascontiguousarray(samples), special)
    if special is None:
        return mask, False, restored
    return mask, bool(special.all()), np.where(special, samples, restored)


def finish_image(coded: CodedImage, kept: Sequence[int], n_stages: int, options: EncodeOptions) -> FinishedImage:
    """Choose the base stages of an image and compute its pixel CRCs.

    Parameters
    ----------
    kept
        How many of its first stages each tile keeps. In lossy mode the restored samples are what these decode to.
    n_stages
        How many stages the image has.
    """
    record = replace(coded.record, n_stages=n_stages)
    grid = coded.coding.grid

    def finish(tile: int) -> tuple[TileStreams, Pixels]:
        mask, n_kept, samples = coded.masks[tile], kept[tile], coded.restored[slices(grid.box(tile))]
        if coded.is_lossy and not coded.details[tile]:
            mask, is_special, samples = _lossy_tile(coded, tile, n_kept)
            n_kept = 0 if is_special else n_kept
        stages = coded.base[tile][:n_kept] + (b"",) * (n_stages - n_kept) if n_stages else ()
        crc = pixel_crc(record.sample_type, tile, samples)
        return TileStreams(mask=mask, detail=coded.details[tile], pixel_crc=crc, stages=stages), samples

    pixels = coded.restored
    if coded.is_lossy:
        pixels = options.scratch.empty(pixels.shape, pixels.dtype)
    tiles: list[TileStreams] = []
    for streams, samples in ordered_map(finish, range(grid.n_tiles), options.threads):
        if coded.is_lossy:
            pixels[slices(grid.box(len(tiles)))] = samples
        tiles.append(streams)
    params = coded.params if n_stages else replace(coded.params, base=b"")
    return FinishedImage(record=record, params=params, tiles=tiles, original=coded.plan.pixels, pixels=pixels)
