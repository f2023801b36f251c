"""Which ranges of a file decoding needs, so that all of them are fetched in one go before anything is decoded.

Files at hand need none of this. Of a file behind a URL each range would be a request, one after the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from radcodec.container.ranges import ByteRange
from radcodec.types import Mode

if TYPE_CHECKING:
    from radcodec.container.reader import Reader
    from radcodec.decoding.image import StoredImage

# Streams of tiles that are fetched before the first is decoded: those of any cut-out, not those of a whole survey.
_BATCH_BYTES = 64 << 20


def tile_ranges(image: StoredImage, tiles: Iterable[int]) -> Iterator[ByteRange]:
    """Yield the ranges that decoding these tiles reads: masks, details, and the base streams that they need."""
    reader, number = image.reader, image.number
    from_base = reader.prelude.mode is Mode.LOSSY or image.coding.record.on_base
    for tile in tiles:
        yield from reader.tile_ranges(number, tile)
        if from_base:
            yield from reader.stage_ranges(number, tile)


def picture_ranges(image: StoredImage, tiles: Iterable[int]) -> Iterator[ByteRange]:
    """Yield the ranges that a picture of the base layer of these tiles reads: masks and base streams."""
    for tile in tiles:
        yield image.reader.mask_range(image.number, tile)
        yield from image.reader.stage_ranges(image.number, tile)


def base_copy_ranges(reader: Reader) -> Iterator[ByteRange]:
    """Yield the ranges that a base-only copy takes: base streams, data of other units, and tiles that have a mask.

    Details of a tile are needed where its mask shares their checksum.
    """
    for image in range(len(reader.meta.images)):
        for tile in range(reader.n_tiles(image)):
            yield from reader.stage_ranges(image, tile)
            if reader.mask_bytes(image, tile):
                yield (reader.mask_range if reader.prelude.has_masks_apart else reader.tile_range)(image, tile)
    yield reader.extra_range()


def region_tiles(image: StoredImage, planes: Sequence[int], y: tuple[int, int], x: tuple[int, int]) -> list[int]:
    """List the numbers of the tiles that hold a pixel of a part of an image, ascending."""
    grid = image.coding.grid
    pieces = {grid.p_piece_of(plane): plane for plane in planes}
    return [tile for _, plane in sorted(pieces.items()) for tile in grid.tiles_in_region((plane, plane + 1, *y, *x))]


def first_batch(image: StoredImage, tiles: Iterable[int]) -> list[ByteRange]:
    """List the ranges that decoding these tiles reads first; those of very many tiles are fetched later."""
    ranges: list[ByteRange] = []
    size = 0
    for tile in tiles:
        new = list(tile_ranges(image, (tile,)))
        size += sum(stop - start for start, stop in new)
        if ranges and size > _BATCH_BYTES:
            break
        ranges += new
    return ranges


def fetched_ahead(image: StoredImage, tiles: Iterable[int]) -> Iterable[int]:
    """Pass tiles through; fetch the streams of many of them in one go before the first comes."""
    return tiles if image.reader.is_near else _fetched_ahead(image, tiles)


def _fetched_ahead(image: StoredImage, tiles: Iterable[int]) -> Iterator[int]:
    batch: list[int] = []
    ranges: list[ByteRange] = []
    size = 0
    for tile in tiles:
        new = list(tile_ranges(image, (tile,)))
        new_bytes = sum(stop - start for start, stop in new)
        if batch and size + new_bytes > _BATCH_BYTES:
            image.reader.fetch(ranges)
            yield from batch
            batch, ranges, size = [], [], 0
        batch.append(tile)
        ranges += new
        size += new_bytes
    image.reader.fetch(ranges)
    yield from batch
