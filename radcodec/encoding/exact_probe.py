"""Guess from a few small parts of an image whether its exact form may be smaller than its bounded one.

Maps of coordinates, counts, ramps or few values are exact multiples of a number, or predictable to the last place.
Steps of a bound only spoil that. Images with noise are neither, and coding them twice would double the time.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import zstandard

from radcodec import detail
from radcodec.decoding.tile import ImageCoding, Pixels
from radcodec.limits import MAX_EFFORT, MIN_EFFORT
from radcodec.pixels.masks import Mask
from radcodec.pixels.tiles import slices
from radcodec.types import SampleType

PARTS, SIDE = 8, 64  # parts that are coded exactly, and their side
RADIUS = 3  # of their predictors
SURE = 1.5  # bits of the exact form over those of the bounded one that end the matter
CHEAP_PARTS = 2  # parts that take fewer bits than their tiles have, from which all of it is tried
CLEAR, CLEAR_PARTS = 4.0, 3  # SURE after so many parts that are all dear, at all levels of effort but the last
SMALL, FEW_SAMPLES = 1 << 14, 1 << 16  # up to which all of it is tried, in any case and where it is predictable
PREDICTABLE = 8.0  # bits a sample of the exact parts up to which a whole tile is tried, as much of them is their start
QUICK_LEVEL, QUICK_BYTES = 1, 1 << 20


def may_be_smaller(
    coding: ImageCoding, image: Pixels, special: Mask | None, tile_bytes: Sequence[int], effort: int
) -> bool:
    """Guess whether lossless coding of an image [P, H, W] may take fewer bytes than its bounded tiles do.

    True wherever it is not clear. ``tile_bytes`` are those of each bounded tile.
    """
    if image.size <= SMALL:
        return True
    grid = coding.grid
    tiles = sorted({(2 * part + 1) * grid.n_tiles // (2 * PARTS) for part in range(PARTS)})
    exact = bounded = 0.0
    cheap = looked = seen = 0
    for place, tile in enumerate(tiles):
        box = grid.box(tile)
        samples = image[slices(box)]
        marks = None if special is None else special[slices(box)]
        rate = tile_bytes[tile] / samples.size
        if _packs_to(samples, tile_bytes[tile]):
            return True
        for number in range(place * PARTS // len(tiles), (place + 1) * PARTS // len(tiles)):
            part = _part(samples.shape, number)
            found = _exact_bytes(samples[part], None if marks is None else marks[part], effort)
            if found is None:
                continue
            size = samples[part].size
            exact += found
            bounded += rate * size
            cheap += found < rate * size
            looked += size
            seen += 1
            if effort < MAX_EFFORT and seen >= CLEAR_PARTS and cheap == 0 and exact > CLEAR * bounded:
                return False
    if exact < SURE * bounded or cheap >= CHEAP_PARTS or bounded == 0.0:
        return True
    if 8.0 * exact > PREDICTABLE * looked:
        return False
    return image.size <= FEW_SAMPLES or _is_smaller(coding, image, special, tile_bytes, effort)


def _is_smaller(
    coding: ImageCoding, image: Pixels, special: Mask | None, tile_bytes: Sequence[int], effort: int
) -> bool:
    """Say whether the exact form of the tile in the middle takes hardly more bytes than its bounded one."""
    tile = coding.grid.n_tiles // 2
    box = slices(coding.grid.box(tile))
    found = _exact_bytes(image[box], None if special is None else special[box], effort)
    return found is None or found < SURE * tile_bytes[tile]


def _packs_to(samples: Pixels, size: int) -> bool:
    """Say whether repeats alone make a tile smaller than ``size`` bytes."""
    octets = np.ascontiguousarray(samples).tobytes()
    some = octets[:QUICK_BYTES]
    return len(zstandard.ZstdCompressor(level=QUICK_LEVEL).compress(some)) * len(octets) < size * len(some)


def _part(shape: tuple[int, ...], number: int) -> tuple[slice, ...]:
    """Cut out part ``number`` of a tile [p, h, w]: the parts go round over it."""
    side = SIDE if shape[1] > 1 else SIDE * SIDE
    y = max(0, shape[1] - SIDE) * (number * 3 % PARTS) // (PARTS - 1)
    x = max(0, shape[2] - side) * number // (PARTS - 1)
    p = number * shape[0] // PARTS
    planes = 1 if min(shape[1], SIDE) * min(shape[2], side) >= SIDE else SIDE
    return slice(p, p + planes), slice(y, y + SIDE), slice(x, x + side)


def _exact_bytes(samples: Pixels, special: Mask | None, effort: int) -> int | None:
    """Count the bytes of the exact details of a part; None where all of it is special."""
    samples = np.ascontiguousarray(samples)
    marks = None if special is None else np.ascontiguousarray(special)
    if marks is not None and bool(marks.all()):
        return None
    sample_type = SampleType[samples.dtype.str[1:].upper()]
    level = effort if effort == MAX_EFFORT else MIN_EFFORT
    block = detail.fit_image(samples, marks, None, sample_type, max_radius=RADIUS, effort=level)
    stream, _ = detail.code_tile(samples, marks, detail.load_predictors(block), None)
    return len(stream)
