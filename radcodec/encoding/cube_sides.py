"""Sides of the tiles of an image: those of a cube depend on which of its axes is that of the planes."""

from __future__ import annotations

import math

from radcodec import detail
from radcodec.container.tile_sides import Sides
from radcodec.decoding.tile import Pixels
from radcodec.pixels.tiles import TileOption, tile_sides, turned_sides


def choose_sides(samples: Pixels, tile: TileOption) -> Sides:
    """Choose the sides of the tiles of an image in its own shape.

    A cube that has its spectral axis first is cut as one that has it last: the data say which it is.

    Raises
    ------
    InputError
        If tiles of these sides are no boxes of planes that follow each other, or too large.
    """
    shape = samples.shape
    if len(shape) < 3 or shape[-3] < 2 or math.prod(shape[:-3]) != 1 or not isinstance(tile, int):
        return tile_sides(shape, tile)
    order = detail.order_by_roughness(samples.reshape(shape[-3:]), None)
    return tile_sides(shape, tile) if order == detail.AS_IT_IS else turned_sides(shape, tile, order)
