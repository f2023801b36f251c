"""Images of an open file to pixels: all of an image, a region of it, or slab after slab."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from radcodec.base.normalise import unpack_normalisation
from radcodec.container.meta import ImageRecord
from radcodec.container.predictor_sets import unpack_sets
from radcodec.container.reader import Reader
from radcodec.decoding.late_parts import LateParts
from radcodec.decoding.needed_ranges import fetched_ahead
from radcodec.decoding.tile import (
    ImageCoding,
    Pixels,
    SharedParts,
    leading_stages,
    pixel_crc,
    pixel_sha256,
    restore_tile,
)
from radcodec.errors import CorruptError, LimitError
from radcodec.limits import MAX_SLAB_BYTES
from radcodec.pixels.bounds import unpack_bounds
from radcodec.pixels.tiles import plane_shape, slab_regions, slices, tile_grid
from radcodec.runtime.parallel import one_blas_thread, ordered_map
from radcodec.runtime.scratch import Scratch
from radcodec.types import ImageInfo, Mode

if TYPE_CHECKING:
    from radcodec.base.store import Model


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredImage:
    """One image of an open file."""

    reader: Reader = field(repr=False)
    number: int
    coding: ImageCoding

    @property
    def n_tiles(self) -> int:
        """Number of tiles."""
        return self.coding.grid.n_tiles


def open_image(reader: Reader, number: int, model: Model | None = None) -> StoredImage:
    """Open image ``number`` of a file to decode tiles of it; raises CorruptError where PARAMS is unsound.

    ``model`` is that of the base layer where the caller has it; it is looked for by its hash otherwise.
    """
    record, blocks = reader.meta.images[number], reader.params[number]
    n_planes = plane_shape(record.shape)[0]
    if not record.n_stages and blocks.base:
        raise CorruptError(f"expected no base normalisation without base stages, found {len(blocks.base)} bytes")
    grid = tile_grid(record.shape, record.sides)
    if not grid.n_tiles and blocks.predictors:
        raise CorruptError(f"expected no predictors for an image without samples, found {len(blocks.predictors)} bytes")
    coding = ImageCoding(
        record=record,
        grid=grid,
        bounds=unpack_bounds(blocks.bounds, record),
        shared=_shared_parts(reader, number, model or reader.meta.model),
        normalisation=unpack_normalisation(blocks.base, n_planes) if record.n_stages else None,
        is_copy=reader.is_base_only,
    )
    return StoredImage(reader=reader, number=number, coding=coding)


def _shared_parts(reader: Reader, number: int, model: Model | tuple[str, bytes] | None) -> SharedParts:
    """Give the predictors and the model of an image, which are loaded when they are needed."""
    block = reader.params[number].predictors
    if reader.prelude.is_late:
        counted = None if reader.is_base_only else partial(reader.detail_bytes, number)
        return LateParts(unpack_sets(block, reader.n_tiles(number)), model, counted)
    return SharedParts(block, model, None if reader.is_base_only else reader.detail_bytes(number))


def read_stages(image: StoredImage, tile: int, n_stages: int | None = None) -> tuple[bytes, ...]:
    """Read the base streams of a tile, up to the first empty one and at most ``n_stages``."""
    total = image.coding.record.n_stages
    streams: list[bytes] = []
    for stage in range(total if n_stages is None else min(n_stages, total)):
        streams.append(image.reader.read_stage(image.number, stage, tile))
    return leading_stages(streams)


def decode_tile(image: StoredImage, tile: int) -> Pixels:
    """Decode a tile to native samples [p, h, w] and check its checksums.

    Raises
    ------
    CorruptError, TruncatedError
        If a checksum does not hold or a stream is unsound.
    ModelError
        If it needs a model that is missing.
    """
    mask, stream = image.reader.read_tile(image.number, tile)
    stages = () if stream and not image.coding.record.on_base else read_stages(image, tile)
    samples = restore_tile(image.coding, tile, mask, stream, stages)
    if not image.reader.is_base_only and not _has_checksum(image, tile, samples):
        raise CorruptError(
            f"the pixels of tile {tile} of image {image.number} do not match their checksum: the file is damaged, "
            "or this machine computes otherwise than the one that wrote it (then report it)"
        )
    return samples


def _has_checksum(image: StoredImage, tile: int, samples: Pixels) -> bool:
    """Return whether the samples of a tile have its checksum; that of a compact file (2.7) is its SHA-256."""
    reader = image.reader
    if reader.prelude.is_compact:
        return pixel_sha256(samples, reader.meta.image_records[0]) == reader.meta.restored_sha256
    return pixel_crc(image.coding.record.sample_type, tile, samples) == reader.pixel_crc(image.number, tile)


def decode_tiles(image: StoredImage, tiles: Iterable[int], threads: int) -> Iterator[Pixels]:
    """Decode several tiles, in order; errors as `decode_tile`.

    The form of the predictor block is checked whether or not a tile makes use of it.
    """
    _ = image.coding.shared.predictors
    from_base = image.reader.prelude.mode is Mode.LOSSY or image.coding.record.on_base
    with one_blas_thread() if from_base else nullcontext():  # decoding a base layer is mostly products of matrices
        yield from ordered_map(lambda tile: decode_tile(image, tile), fetched_ahead(image, tiles), threads)


def iter_slabs(image: StoredImage, threads: int) -> Iterator[tuple[int, Pixels]]:
    """Decode slab after slab, samples [p, h, W] that follow each other in the array, with the index of their first.

    A slab is what `slab_regions` gives: each tile is decoded for every slab that it reaches, as a rule one. It may be
    overwritten by the next one. A large slab lies in a temporary file.
    """
    grid, sample_type = image.coding.grid, image.coding.record.sample_type
    room = MAX_SLAB_BYTES // sample_type.size_bytes
    scratch, buffer = Scratch(), np.empty(0, sample_type.dtype_str)
    wanted = (tile for region in slab_regions(grid, room) for tile in grid.tiles_in_region(region))
    tiles = decode_tiles(image, wanted, threads)
    for region in slab_regions(grid, room):
        p0, p1, y0, y1, _, _ = region
        numbers = list(grid.tiles_in_region(region))
        if len(numbers) == 1 and grid.box(numbers[0]) == region:
            slab = next(tiles)
        else:
            shape = (p1 - p0, y1 - y0, grid.width)
            if buffer.size < math.prod(shape):
                buffer = scratch.empty((math.prod(shape),), sample_type.dtype_str)
            slab = buffer[: math.prod(shape)].reshape(shape)
            for number in numbers:
                q0, _, _, _, x0, x1 = box = grid.box(number)
                samples = next(tiles)[max(0, p0 - q0) : p1 - q0]
                slab[:, box[2] - y0 : box[3] - y0, x0:x1] = samples
        yield (p0 * grid.height + y0) * grid.width, slab


def _allocate(shape: tuple[int, ...], image: StoredImage, scratch: Scratch | None = None) -> Pixels:
    """Reserve memory for pixels, that of ``scratch`` if given; an image that does not fit raises LimitError."""
    try:
        return (np if scratch is None else scratch).empty(shape, image.coding.record.sample_type.dtype_str)
    except (MemoryError, ValueError) as err:
        raise LimitError(f"an image of {shape} pixels does not fit into the memory of this machine") from err


def decode_image(image: StoredImage, threads: int, scratch: Scratch | None = None) -> Pixels:
    """Decode all of an image to stored samples, native, in its own shape; errors as `decode_tile`.

    They lie in memory of their own, or in that of ``scratch`` if given.
    """
    record = image.coding.record
    samples, grid = _allocate(record.shape, image, scratch), image.coding.grid
    planes = samples.reshape(plane_shape(record.shape))
    for tile, part in enumerate(decode_tiles(image, range(grid.n_tiles), threads)):
        planes[slices(grid.box(tile))] = part
    return samples


def decode_region(
    image: StoredImage,
    planes: Sequence[int],
    y: tuple[int, int],
    x: tuple[int, int],
    threads: int,
    scratch: Scratch | None = None,
) -> Pixels:
    """Decode a part of an image to stored samples [len(planes), y1 - y0, x1 - x0]; no tile without need.

    Parameters
    ----------
    planes
        Numbers of planes in any order, also repeated.
    y, x
        Half-open ranges within the image.
    scratch
        Holds the result; memory of its own for None.
    """
    grid = image.coding.grid
    (y0, y1), (x0, x1) = y, x
    result = _allocate((len(planes), y1 - y0, x1 - x0), image, scratch)
    wanted: dict[int, list[int]] = {}
    for place, plane in enumerate(planes):
        wanted.setdefault(grid.p_piece_of(plane), []).append(place)
    tiles: list[int] = []
    for piece in sorted(wanted):
        plane = planes[wanted[piece][0]]
        tiles += grid.tiles_in_region((plane, plane + 1, y0, y1, x0, x1))
    for tile, samples in zip(tiles, decode_tiles(image, tiles, threads), strict=True):
        p0, _, ty0, ty1, tx0, tx1 = grid.box(tile)
        rows, columns = (max(y0, ty0), min(y1, ty1)), (max(x0, tx0), min(x1, tx1))
        for place in wanted[grid.p_piece_of(p0)]:
            result[place, rows[0] - y0 : rows[1] - y0, columns[0] - x0 : columns[1] - x0] = samples[
                planes[place] - p0, rows[0] - ty0 : rows[1] - ty0, columns[0] - tx0 : columns[1] - tx0
            ]
    return result


def image_info(record: ImageRecord) -> ImageInfo:
    """Collect what the FITS layer needs to make stored samples physical."""
    return ImageInfo(
        sample_type=record.sample_type,
        shape=record.shape,
        bscale=record.bscale,
        bzero=record.bzero,
        blank=record.blank,
        unit=record.unit,
    )
