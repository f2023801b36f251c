"""Cut images into box-shaped tiles: their sides, their number, and the samples of each.

This is the geometry of ``docs/format.md`` section 4. Memory use does not depend on the number of tiles.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from radcodec.container.tile_sides import Sides, sides_fault
from radcodec.errors import InputError
from radcodec.limits import MAX_SLAB_BYTES

# First and last + 1 of planes, rows and columns.
Box = tuple[int, int, int, int, int, int]
# The largest side of tiles of about square planes, or the largest side along each axis, x first.
TileOption = int | tuple[int, ...]
# Depth of a box in units of a tile's side, and its samples in those of a tile: 103x103x50 where that is 512.
BOX_DEPTHS = 10
BOX_TILES = 2
# Fewer planes than this predict each other too little to be cut for.
LEAST_DEPTH = 8
# Samples of all planes of a row of boxes: restoring in order holds them, up to MAX_SLAB_BYTES of float32.
MAX_BOX_SAMPLES = MAX_SLAB_BYTES // 4


def _n_pieces(length: int, side: int) -> int:
    return -(-length // side)


@dataclass(frozen=True, slots=True, kw_only=True)
class TileGrid:
    """The tiles of an image of ``n_planes`` planes of ``height`` by ``width``, numbered with x fastest.

    Planes come in groups of ``p_period``. Tiles hold ``p_side`` planes of one group, the last one of a group fewer. So
    they are boxes along every axis. Rows and columns are cut into pieces of ``y_side`` and ``x_side``. Without pixels
    there are no tiles.
    """

    n_planes: int
    height: int
    width: int
    p_period: int
    p_side: int
    y_side: int
    x_side: int

    @property
    def p_pieces(self) -> int:
        """Number of pieces of all planes."""
        return self.n_planes // self.p_period * _n_pieces(self.p_period, self.p_side)

    @property
    def y_pieces(self) -> int:
        """Number of pieces of the rows."""
        return _n_pieces(self.height, self.y_side)

    @property
    def x_pieces(self) -> int:
        """Number of pieces of the columns."""
        return _n_pieces(self.width, self.x_side)

    @property
    def n_tiles(self) -> int:
        """Number of tiles."""
        return self.p_pieces * self.y_pieces * self.x_pieces

    def box(self, index: int) -> Box:
        """Return the half-open ranges ``(p0, p1, y0, y1, x0, x1)`` of tile ``index``."""
        rest, ix = divmod(index, self.x_pieces)
        ip, iy = divmod(rest, self.y_pieces)
        group, within = divmod(ip, _n_pieces(self.p_period, self.p_side))
        first, p0 = group * self.p_period, within * self.p_side
        y0, x0 = iy * self.y_side, ix * self.x_side
        return (
            first + p0,
            first + min(p0 + self.p_side, self.p_period),
            y0,
            min(y0 + self.y_side, self.height),
            x0,
            min(x0 + self.x_side, self.width),
        )

    def tile_shape(self, index: int) -> tuple[int, int, int]:
        """Count planes, rows and columns [p, h, w] of tile ``index``."""
        p0, p1, y0, y1, x0, x1 = self.box(index)
        return p1 - p0, y1 - y0, x1 - x0

    def p_piece_of(self, plane: int) -> int:
        """Return the number of the piece of the plane axis that contains a plane."""
        group, within = divmod(plane, self.p_period)
        return group * _n_pieces(self.p_period, self.p_side) + within // self.p_side

    def number(self, ip: int, iy: int, ix: int) -> int:
        """Return the tile number for a piece of each axis."""
        return (ip * self.y_pieces + iy) * self.x_pieces + ix

    def tiles_in_region(self, region: Box) -> Iterator[int]:
        """Yield the numbers of the tiles that hold a sample of the region, ascending; none for an empty region."""
        p0, p1, y0, y1, x0, x1 = region
        if self.n_tiles == 0 or p0 >= p1 or y0 >= y1 or x0 >= x1:
            return
        for ip in range(self.p_piece_of(p0), self.p_piece_of(p1 - 1) + 1):
            for iy in range(y0 // self.y_side, (y1 - 1) // self.y_side + 1):
                for ix in range(x0 // self.x_side, (x1 - 1) // self.x_side + 1):
                    yield self.number(ip, iy, ix)


def slices(box: Box) -> tuple[slice, slice, slice]:
    """Return the slices of a box in an array [P, H, W]."""
    p0, p1, y0, y1, x0, x1 = box
    return slice(p0, p1), slice(y0, y1), slice(x0, x1)


def slab_regions(grid: TileGrid, room: int) -> Iterator[Box]:
    """Divide an image into regions of whole rows whose samples follow each other, in order, along the tiles.

    A region is a row of tiles where tiles hold one plane. Else it is as many planes of a tile, whole, as there is room
    for: at most ``room`` samples. Where one plane is larger than that, it is one plane of a row of tiles.
    """
    if not grid.n_tiles:
        return
    fits = room // (grid.height * grid.width)
    for ip in range(grid.p_pieces):
        p0, p1, *_ = grid.box(grid.number(ip, 0, 0))
        if p1 - p0 > 1 and fits:
            for first in range(p0, p1, fits):
                yield first, min(first + fits, p1), 0, grid.height, 0, grid.width
            continue
        for plane in range(p0, p1):
            for y0 in range(0, grid.height, grid.y_side):
                yield plane, plane + 1, y0, min(y0 + grid.y_side, grid.height), 0, grid.width


def plane_shape(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Return planes, height and width of an array: one axis is one row, no axis is one pixel."""
    if not shape:
        return 1, 1, 1
    if len(shape) == 1:
        return 1, 1, shape[0]
    return math.prod(shape[:-2]), shape[-2], shape[-1]


def tile_grid(shape: tuple[int, ...], sides: Sides) -> TileGrid:
    """Divide an array of ``shape`` into tiles of sound ``sides``, both slowest axis first."""
    n_planes, height, width = plane_shape(shape)
    period = inner = 1
    p_side = 1
    for length, side in zip(reversed(shape[:-2]), reversed(sides[:-2]), strict=True):
        # Up to the first axis that is cut, planes of all axes follow each other in a tile.
        period, p_side = inner * length, inner * side
        if side < length:
            break
        inner = period
    if 0 in shape:
        period = p_side = 1
    y_side = sides[-2] if len(sides) > 1 else 1
    return TileGrid(
        n_planes=n_planes,
        height=height,
        width=width,
        p_period=period,
        p_side=p_side,
        y_side=y_side,
        x_side=sides[-1] if sides else 1,
    )


def count_tiles(shape: tuple[int, ...], sides: Sides) -> int:
    """Return the number of tiles of an array."""
    return tile_grid(shape, sides).n_tiles


def axis_chunks(shape: tuple[int, ...], sides: Sides) -> tuple[tuple[int, ...], ...]:
    """Return the lengths of the tiles along each axis of an array: the regular grid that the tiles form."""

    def pieces(length: int, side: int) -> tuple[int, ...]:
        return tuple(min(side, length - start) for start in range(0, length, side))

    if 0 in shape:
        return tuple((length,) for length in shape)
    return tuple(map(pieces, shape, sides))


def tile_sides(shape: tuple[int, ...], tile: TileOption) -> Sides:
    """Choose the sides of the tiles of an array, slowest axis first, such that the pieces of an axis are about equal.

    Parameters
    ----------
    shape
        Lengths of the axes, slowest first.
    tile
        Largest side of tiles of about square planes: as many planes as there is room for ``tile`` by ``tile`` samples
        share a tile. Where few planes have room and there are many, tiles are boxes of about as many samples. Or the
        largest side along each axis, in FITS order (x first). Axes without one have a side of 1,
        sides without an axis do not count.

    Raises
    ------
    InputError
        If tiles of these sides are no boxes of planes that follow each other, or too large.
    """
    limits = _square_limits(shape, tile) if isinstance(tile, int) else _given_limits(len(shape), tile)
    sides = tuple(_even(max(1, length), limit) for length, limit in zip(shape, limits, strict=True))
    fault = sides_fault(shape, sides)
    if fault:
        raise InputError(f"{fault}: choose other sides (--tile)")
    return sides


def turned_sides(shape: tuple[int, ...], tile: int, order: tuple[int, ...]) -> Sides:
    """Choose sides as `tile_sides` does, for a cube [..., P, H, W] whose planes are along another axis.

    order has, for each axis of the turned cube, its axis in the cube.
    """
    cube = shape[-3:]
    sides = tile_sides(tuple(cube[axis] for axis in order), tile)
    return (1,) * (len(shape) - 3) + tuple(sides[order.index(axis)] for axis in range(3))


def _even(length: int, limit: int) -> int:
    """Return the side of the fewest pieces within a limit, as equal as pieces of one side can be."""
    return -(-length // _n_pieces(length, limit))


def _square_limits(shape: tuple[int, ...], tile: int) -> list[int]:
    _, height, width = plane_shape(shape)
    area = tile * tile
    box = _box_limits(shape, height, width, tile)
    if box is not None:
        return box
    x_limit = area if height == 1 else tile
    fits = 0 not in shape and height <= tile and width <= x_limit
    room = max(1, area // (height * width)) if fits else 1
    limits = [x_limit, tile][: len(shape)]
    for length in reversed(shape[:-2]):
        limits.append(room)
        # The next axis shares a tile only where this one is whole.
        room = max(1, room // length) if length and room >= length else 1
    return limits[::-1]


def _box_limits(shape: tuple[int, ...], height: int, width: int, tile: int) -> list[int] | None:
    """Return the limits of the boxes of a cube, which weigh bits against reading spectra and planes (docs/design/0018).

    None for images whose tiles hold whole planes, or parts of one.
    """
    leading = [length for length in shape[:-2] if length > 1]
    if 0 in shape or min(height, width) == 1 or not leading:
        return None
    depth = min(tile // BOX_DEPTHS, MAX_BOX_SAMPLES // (height * width), leading[-1])
    if depth < LEAST_DEPTH:
        return None
    if tile * tile // (height * width) >= depth:
        return None  # so many whole planes have room
    side = math.isqrt(BOX_TILES * tile * tile // depth)
    limits = [-(-n // max(1, (2 * n + side) // (2 * side))) for n in (width, height)]
    for length in reversed(shape[:-2]):
        limits.append(depth)
        depth = depth if length == 1 else 1
    return limits[::-1]


def _given_limits(n_axes: int, tile: tuple[int, ...]) -> list[int]:
    return [*tile, *[1] * n_axes][:n_axes][::-1]
