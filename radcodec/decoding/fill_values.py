"""Name the fill values of an image from its masks, without decoding a pixel or importing numpy."""

from __future__ import annotations

import math
import struct
from collections import Counter

from radcodec.coding.zstd import unpack_frame_within
from radcodec.container.reader import Reader
from radcodec.errors import CorruptError
from radcodec.pixels.tiles import tile_grid
from radcodec.types import SampleType

# A mask that lists its values, after the bitmap; the other form has one value before it (docs/format.md 7.1).
_LISTED = 0
_LETTERS = {
    "f4": "f",
    "f8": "d",
    "u1": "B",
    "i1": "b",
    "u2": "H",
    "i2": "h",
    "u4": "I",
    "i4": "i",
    "u8": "Q",
    "i8": "q",
}
# Tiles whose masks are read: a fill value is in nearly all tiles that have special samples.
_MOST_TILES = 64
# What repeats less often is an outlier.
_LEAST_COUNT = 4
_MOST_VALUES = 8
_MOST_LISTED = 1 << 16


def fill_values(reader: Reader, number: int) -> list[float] | None:
    """List the finite values of an image that its masks keep exact and that repeat, in physical units.

    The masks of the first tiles that have one are read. None where that would take a request: of a file behind a URL.

    Raises
    ------
    CorruptError
        If a mask that is read is unsound.
    """
    if not reader.is_near:
        return None
    record = reader.meta.images[number]
    grid = tile_grid(record.shape, record.sides)
    masked = (tile for tile in range(reader.n_tiles(number)) if reader.mask_bytes(number, tile))
    counts: Counter[float] = Counter()
    for _, tile in zip(range(_MOST_TILES), masked, strict=False):
        p0, p1, y0, y1, x0, x1 = grid.box(tile)
        n_samples = (p1 - p0) * (y1 - y0) * (x1 - x0)
        counts += _values_of(reader.read_mask(number, tile), n_samples, record.sample_type)
    # BLANK is in the header, and not finite values are no fill values; so is -0.0.
    repeated = [
        value
        for value, count in counts.most_common()
        if count >= _LEAST_COUNT and math.isfinite(value) and value != record.blank
    ]
    return [record.bzero + record.bscale * value for value in repeated[:_MOST_VALUES]]


def _values_of(stream: bytes, n_samples: int, sample_type: SampleType) -> Counter[float]:
    """Count the special values of a tile by its mask stream, without -0.0."""
    size, letter = sample_type.size_bytes, _LETTERS[sample_type.dtype_str[-2:]]
    bitmap_bytes = -(-n_samples // 8)
    content = unpack_frame_within(stream[1:], bitmap_bytes, bitmap_bytes + n_samples * size, what="a mask stream")
    is_listed = stream[0] == _LISTED
    bitmap, listed = (content[:bitmap_bytes], content[bitmap_bytes:]) if is_listed else (content[size:], content[:size])
    if len(listed) % size or not listed:
        raise CorruptError(f"expected a mask of whole samples, found {len(listed)} bytes of them")
    n_values = min(len(listed) // size, _MOST_LISTED)
    values = struct.unpack_from(f"<{n_values}{letter}", listed)
    times = 1 if is_listed else int.from_bytes(bitmap, "little").bit_count()
    return Counter({value: n * times for value, n in Counter(values).items() if math.copysign(1, value) > 0 or value})
