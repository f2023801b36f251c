"""A sample of the images of a file, from which a search for a bound starts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from radcodec.decoding.tile import Pixels
from radcodec.encoding.image_plan import SourceImage
from radcodec.limits import DEFAULT_TILE
from radcodec.pixels.tiles import slices, tile_grid, tile_sides

SMALL = 1 << 20  # pixels of a file under which all of it is tried at once
PIXELS = 1 << 18  # of a sample
BOXES = 4  # of an image, at most
LEAST_SIDE = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A part of an image as an image of its own, and how many times its pixels the image has."""

    source: SourceImage = field(repr=False)
    ratio: float


def take_samples(sources: Sequence[SourceImage]) -> list[Sample]:
    """Cut a sample out of each image of a large file; none of a small file, or of one with narrow planes."""
    known = [source for source in sources if source.pixels.size]
    total = sum(source.pixels.size for source in known)
    if total <= SMALL or any(min(source.pixels.shape[1:]) < LEAST_SIDE for source in known):
        return []
    return [_take(source, PIXELS / total) for source in known]


def _take(source: SourceImage, share: float) -> Sample:
    """Cut out about a share of an image [P, H, W], as planes that follow each other."""
    pixels = source.pixels
    side = min(*pixels.shape[1:], max(LEAST_SIDE, math.isqrt(round(share * pixels.size / BOXES))))
    parts = _spread(pixels, side)
    sample = np.concatenate(parts)
    record = replace(source.record, shape=sample.shape, sides=tile_sides(sample.shape, DEFAULT_TILE))
    return Sample(source=replace(source, pixels=sample, record=record, earlier=None), ratio=pixels.size / sample.size)


def _spread(pixels: Pixels, side: int) -> list[Pixels]:
    """Cut out squares of one size, evenly spread over the planes and over each plane."""
    grid = tile_grid((pixels.shape[0], pixels.shape[1] // side * side, pixels.shape[2] // side * side), (1, side, side))
    wanted = min(BOXES, grid.n_tiles)
    chosen = ((2 * place + 1) * grid.n_tiles // (2 * wanted) for place in range(wanted))
    return [pixels[slices(grid.box(tile))] for tile in chosen]
