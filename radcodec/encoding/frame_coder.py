"""Planes that come one after the other, each coded when it comes: marks, bound, predictors, tiles.

What a frame needs to be decoded is known once it is coded, so that it can be written at once. It is the way of
`radcodec.encoding.image`, without anything that looks at all of an image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from radcodec import detail
from radcodec.container.meta import ImageRecord
from radcodec.container.writer import TileStreams
from radcodec.decoding.guarantee import tile_breach
from radcodec.decoding.tile import ImageCoding, Pixels, SharedParts, pixel_crc, restore_tile
from radcodec.encoding.coded_tile import CodedTile, code_smallest
from radcodec.encoding.exact_probe import may_be_smaller
from radcodec.encoding.frame_bounds import FrameBoundPlanner, FrameBounds
from radcodec.encoding.frame_sets import SetChoice
from radcodec.encoding.marking import mark_special, part_of
from radcodec.encoding.options import Bounded, EncodeOptions, Lossless
from radcodec.encoding.special import all_marks
from radcodec.errors import GuaranteeError
from radcodec.pixels.bounds import ImageBounds, pack_bounds, tile_bound
from radcodec.pixels.masks import Mask, as_bits, encode_mask
from radcodec.pixels.tiles import plane_shape, slices, tile_grid
from radcodec.runtime.parallel import ordered_map

_SEED_LIMIT = 1 << 64
_TILE_SHIFT = 32  # of the tile's number in the seed of a dither (docs/format.md, 8.7)


@dataclass(frozen=True, slots=True, kw_only=True)
class CodedFrame:
    """Some planes ready to be written, and their samples [P, H, W] as they are restored.

    ``new_set`` is their set of predictors where it is a new one; else ``set_number`` says which it is, 0 for none.
    """

    tiles: Sequence[TileStreams] = field(repr=False)
    restored: Pixels = field(repr=False)
    bounds: FrameBounds
    set_number: int = 0
    new_set: bytes = field(default=b"", repr=False)
    warnings: tuple[str, ...] = ()

    def packed_bounds(self, *, bounded: bool) -> bytes:
        """Pack the bounds of these planes as a record of planes has them; empty in an image that is not bounded."""
        if not bounded:
            return b""
        if self.bounds.bounds.cells is not None:
            return pack_bounds(self.bounds.bounds)
        return pack_bounds(ImageBounds(planes=self.bounds.planes(len(self.restored))))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frame:
    """What is decided about some planes before they are coded."""

    pixels: Pixels = field(repr=False)
    coding: ImageCoding
    first_tile: int
    special: Mask | None = field(repr=False)
    doubtful: Mask | None = field(repr=False)
    missing: tuple[Any, ...] = ()

    def with_set(self, block: bytes) -> _Frame:
        """Give the planes predictors."""
        return replace(self, coding=replace(self.coding, shared=SharedParts(block, None)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tiles:
    """The coded tiles of a frame."""

    streams: Sequence[TileStreams]
    restored: Pixels

    @property
    def n_bytes(self) -> int:
        return sum(_tile_bytes(self.streams))

    @property
    def rate(self) -> float:
        """Bytes a sample."""
        return self.n_bytes / self.restored.size

    @property
    def detail_bytes(self) -> int:
        return sum(len(tile.detail) for tile in self.streams)


class FrameCoder:
    """Code the planes of one image as they come.

    Parameters
    ----------
    record
        Of the image; the length of its slowest axis does not matter. The side of its tiles along that axis says how
        many frames are coded at a time.
    options
        Lossless or bounded.
    """

    def __init__(self, record: ImageRecord, options: EncodeOptions) -> None:
        self._record = record
        self._options = options
        self._planner = FrameBoundPlanner(options.fidelity) if isinstance(options.fidelity, Bounded) else None
        self._exact, self._bounded = SetChoice(), SetChoice()
        self._n_sets = 0

    def code(self, pixels: Pixels, first_tile: int) -> CodedFrame:
        """Code the next frames. Once they are in the file, `written` says so.

        Parameters
        ----------
        pixels
            Stored samples, native [P, H, W], of as many frames as tiles hold, or fewer at the end.
        first_tile
            Number of tiles before.

        Raises
        ------
        BoundError
            If the bound does not fit the first planes.
        GuaranteeError
            If a restored sample does not keep the bound, or a stream does not decode to it.
        """
        rest = self._record.shape[1:]
        record = replace(self._record, shape=(len(pixels) // plane_shape((1, *rest))[0], *rest))
        if self._planner is None:
            return self._code_exact(pixels, record, first_tile, FrameBounds(bounds=ImageBounds()))
        coding = _coding(record, ImageBounds())
        found = mark_special(pixels, coding, self._options.fidelity, self._options)
        shared = coding.grid.box(0)[1] > 1
        planned = self._planner.plan(pixels, all_marks(found), record, shared_tiles=shared)
        if not planned.largest > 0:
            return self._code_exact(pixels, record, first_tile, planned)
        frame = _Frame(
            pixels=pixels,
            coding=_coding(_bounded(record, planned, first_tile), planned.bounds),
            first_tile=first_tile,
            special=all_marks(found),
            doubtful=found.doubtful,
            missing=found.missing,
        )
        bounded = self._code(frame, planned, self._bounded)
        tile_bytes = _tile_bytes(bounded.tiles)
        if not may_be_smaller(frame.coding, pixels, frame.special, tile_bytes, self._options.effort):
            return bounded
        exact = self._code_exact(pixels, record, first_tile, self._planner.exact(pixels, planned.warnings))
        smaller = sum(_tile_bytes(exact.tiles)) + len(exact.new_set) <= sum(tile_bytes) + len(bounded.new_set)
        return exact if smaller else bounded

    def written(self, frame: CodedFrame) -> None:
        """Note that a frame is in the file, and its new set of predictors with it."""
        if frame.new_set:
            self._n_sets = frame.set_number
            for choice in (self._exact, self._bounded):
                if choice.block == frame.new_set:
                    choice.number = frame.set_number

    def _code_exact(self, pixels: Pixels, record: ImageRecord, first_tile: int, bounds: FrameBounds) -> CodedFrame:
        """Code frames exactly."""
        coding = _coding(replace(record, bound=None, bound_sigma=0.0, sigma=None, dither_seed=None), ImageBounds())
        coding = replace(coding, record=replace(coding.record, has_step_map=False))
        found = mark_special(pixels, coding, Lossless(), self._options)
        frame = _Frame(
            pixels=pixels, coding=coding, first_tile=first_tile, special=all_marks(found), doubtful=found.doubtful
        )
        return self._code(frame, bounds, self._exact)

    def _code(self, frame: _Frame, bounds: FrameBounds, choice: SetChoice) -> CodedFrame:
        """Code a frame with the predictors in use, or with new ones where that pays."""
        block = choice.block
        if frame.special is not None and bool(frame.special.all()):
            block, tiles = b"", self._code_tiles(frame)
        elif not choice.fitted:
            block, tiles = self._fitted(frame)
            choice.take(block, tiles.rate)
        else:
            tiles = self._code_tiles(frame.with_set(block))
            tried = choice.is_due(tiles.rate)
            other, others = self._fitted(frame) if tried else (b"", tiles)
            if other and choice.pays(tiles.n_bytes, others.n_bytes, len(other)):
                block, tiles = other, others
                choice.take(block, tiles.rate)
            else:
                choice.keep(tiles.rate, tried=tried)
        number = choice.number if block else 0
        return CodedFrame(
            tiles=tiles.streams,
            restored=tiles.restored,
            bounds=bounds,
            set_number=number or (self._n_sets + 1 if block else 0),
            new_set=b"" if number else block,
            warnings=bounds.warnings,
        )

    def _fitted(self, frame: _Frame) -> tuple[bytes, _Tiles]:
        """Fit predictors to a frame and code it with them."""
        coding, record = frame.coding, frame.coding.record
        boxes = enumerate(map(coding.grid.box, range(coding.grid.n_tiles)))
        errors = [bound.error for tile, box in boxes if (bound := tile_bound(record, coding.bounds, box, tile))]
        block = detail.fit_image(
            frame.pixels,
            frame.special,
            min(errors) / abs(record.bscale) if errors else None,
            record.sample_type,
            threads=self._options.threads,
            effort=self._options.effort,
        )
        tiles = self._code_tiles(frame.with_set(block))
        predictors = detail.load_predictors(block)
        if predictors is None or tiles.detail_bytes >= detail.least_detail_bytes(predictors):
            return block, tiles
        # So small a frame has no use for border sets, and the format refuses them there (8.2).
        block = detail.pack_predictors(detail.without_borders(predictors))
        return block, self._code_tiles(frame.with_set(block))

    def _code_tiles(self, frame: _Frame) -> _Tiles:
        """Code all tiles of a frame, in several threads."""
        grid = frame.coding.grid
        restored = np.empty_like(frame.pixels)
        streams: list[TileStreams] = []
        job = partial(_code_tile, frame, self._options.verify)
        for tile, (found, samples) in enumerate(ordered_map(job, range(grid.n_tiles), self._options.threads)):
            streams.append(found)
            restored[slices(grid.box(tile))] = samples
        return _Tiles(streams=streams, restored=restored)


def _coding(record: ImageRecord, bounds: ImageBounds) -> ImageCoding:
    grid = tile_grid(record.shape, record.sides)
    return ImageCoding(record=record, grid=grid, bounds=bounds, shared=SharedParts(b"", None))


def _bounded(record: ImageRecord, planned: FrameBounds, first_tile: int) -> ImageRecord:
    """Make the record by which the tiles of a frame are coded: numbered from 0, with the dither of their places."""
    seed = record.dither_seed
    moved = None if seed is None else (seed + (first_tile << _TILE_SHIFT)) % _SEED_LIMIT
    return replace(record, bound=planned.largest, dither_seed=moved)


def _tile_bytes(tiles: Sequence[TileStreams]) -> list[int]:
    return [len(tile.mask) + len(tile.detail) for tile in tiles]


def _code_as(frame: _Frame, tile: int, samples: Pixels, special: Mask | None) -> CodedTile:
    """Code a tile with these special samples."""
    coding, mask = frame.coding, encode_mask(samples, special)
    if special is not None and bool(special.all()):
        return CodedTile(mask=mask, detail=b"", special=special, restored=samples)
    bound = tile_bound(coding.record, coding.bounds, coding.grid.box(tile), tile)
    stream, restored = detail.code_tile(samples, special, coding.shared.predictors, bound)
    restored = restored if special is None else np.where(special, samples, restored)
    return CodedTile(mask=mask, detail=stream, special=special, restored=restored)


def _code_tile(frame: _Frame, verify: bool, tile: int) -> tuple[TileStreams, Pixels]:
    """Code a tile, with its doubtful samples marked or not, and give its samples as they are restored.

    Raises
    ------
    GuaranteeError
        If a restored sample does not keep the bound, or the streams do not decode to it.
    """
    coding, box = frame.coding, frame.coding.grid.box(tile)
    samples = np.ascontiguousarray(frame.pixels[slices(box)])
    special, doubtful = part_of(frame.special, box), part_of(frame.doubtful, box)
    code, place = partial(_code_as, frame, tile, samples), (coding, box)
    coded = code_smallest(code, samples, (special, doubtful), frame.missing, place)
    number = frame.first_tile + tile
    if verify:
        breach = tile_breach(samples, coded.restored, coded.special, coding, box)
        again = restore_tile(coding, tile, coded.mask, coded.detail, ()) if not breach else coded.restored
        if (as_bits(again) != as_bits(coded.restored)).any():
            breach = "its streams decode to other samples"
        if breach:
            raise GuaranteeError(f"tile {number} breaks its guarantee: {breach}; its planes were not written")
    crc = pixel_crc(coding.record.sample_type, number, coded.restored)
    return TileStreams(mask=coded.mask, detail=coded.detail, pixel_crc=crc), coded.restored
