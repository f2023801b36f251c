"""Cut planes into tiles: their number, and the samples of each.

This is the geometry of ``docs/format.md`` section 4. Memory use does not depend on the number of tiles.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

# First and last + 1 of planes, rows and columns.
Box = tuple[int, int, int, int, int, int]


def _n_pieces(length: int, limit: int) -> int:
    return -(-length // limit)


def _piece(index: int, length: int, n_pieces: int) -> tuple[int, int]:
    """Return the range of piece ``index`` of ``n_pieces`` even ones."""
    return index * length // n_pieces, (index + 1) * length // n_pieces


def _piece_of(position: int, length: int, n_pieces: int) -> int:
    """Return the number of the piece that contains ``position``: the inverse of `_piece`."""
    return ((position + 1) * n_pieces - 1) // length


@dataclass(frozen=True, slots=True, kw_only=True)
class TileGrid:
    """The tiles of an image of ``n_planes`` planes of ``height`` by ``width``, numbered with x fastest.

    ``p_pieces``, ``y_pieces`` and ``x_pieces`` are the numbers of pieces of each axis; all are 0 without pixels.
    """

    n_planes: int
    height: int
    width: int
    p_pieces: int
    y_pieces: int
    x_pieces: int

    @property
    def n_tiles(self) -> int:
        """Number of tiles."""
        return self.p_pieces * self.y_pieces * self.x_pieces

    def box(self, index: int) -> Box:
        """Return the half-open ranges ``(p0, p1, y0, y1, x0, x1)`` of tile ``index``."""
        rest, ix = divmod(index, self.x_pieces)
        ip, iy = divmod(rest, self.y_pieces)
        return (
            *_piece(ip, self.n_planes, self.p_pieces),
            *_piece(iy, self.height, self.y_pieces),
            *_piece(ix, self.width, self.x_pieces),
        )

    def tile_shape(self, index: int) -> tuple[int, int, int]:
        """Count planes, rows and columns [p, h, w] of tile ``index``."""
        p0, p1, y0, y1, x0, x1 = self.box(index)
        return p1 - p0, y1 - y0, x1 - x0

    def p_piece_of(self, plane: int) -> int:
        """Return the number of the piece of the plane axis that contains a plane."""
        return _piece_of(plane, self.n_planes, self.p_pieces)

    def number(self, ip: int, iy: int, ix: int) -> int:
        """Return the tile number for a piece of each axis."""
        return (ip * self.y_pieces + iy) * self.x_pieces + ix

    def tiles_in_region(self, region: Box) -> Iterator[int]:
        """Yield the numbers of the tiles that hold a sample of the region, ascending; none for an empty region."""
        p0, p1, y0, y1, x0, x1 = region
        if self.n_tiles == 0 or p0 >= p1 or y0 >= y1 or x0 >= x1:
            return
        y_first, y_last = (_piece_of(y, self.height, self.y_pieces) for y in (y0, y1 - 1))
        x_first, x_last = (_piece_of(x, self.width, self.x_pieces) for x in (x0, x1 - 1))
        for ip in range(self.p_piece_of(p0), self.p_piece_of(p1 - 1) + 1):
            for iy in range(y_first, y_last + 1):
                for ix in range(x_first, x_last + 1):
                    yield self.number(ip, iy, ix)


def slices(box: Box) -> tuple[slice, slice, slice]:
    """Return the slices of a box in an array [P, H, W]."""
    p0, p1, y0, y1, x0, x1 = box
    return slice(p0, p1), slice(y0, y1), slice(x0, x1)


def plane_shape(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Return planes, height and width of an array: one axis is one row, no axis is one pixel."""
    if not shape:
        return 1, 1, 1
    if len(shape) == 1:
        return 1, 1, shape[0]
    return math.prod(shape[:-2]), shape[-2], shape[-1]


def tile_grid(shape: tuple[int, ...], tile_size: int) -> TileGrid:
    """Divide an array of ``shape`` (slowest axis first) into tiles of ``tile_size`` by ``tile_size`` samples."""
    n_planes, height, width = plane_shape(shape)
    if n_planes == 0 or height == 0 or width == 0:
        return TileGrid(n_planes=n_planes, height=height, width=width, p_pieces=0, y_pieces=0, x_pieces=0)
    area = tile_size * tile_size
    x_limit = area if height == 1 else tile_size
    planes_a_tile = max(1, area // (height * width)) if height <= tile_size and width <= x_limit else 1
    return TileGrid(
        n_planes=n_planes,
        height=height,
        width=width,
        p_pieces=_n_pieces(n_planes, planes_a_tile),
        y_pieces=_n_pieces(height, tile_size),
        x_pieces=_n_pieces(width, x_limit),
    )


def count_tiles(shape: tuple[int, ...], tile_size: int) -> int:
    """Return the number of tiles of an array."""
    return tile_grid(shape, tile_size).n_tiles


def axis_chunks(shape: tuple[int, ...], tile_size: int) -> tuple[tuple[int, ...], ...]:
    """Return the lengths of the tiles along each axis of an array.

    A tile of several planes counts them over all axes but the last two. If several of these axes are longer than 1,
    only the last of them has pieces of several planes. Pieces of the others are single planes.
    """
    grid = tile_grid(shape, tile_size)
    if grid.n_tiles == 0:
        return tuple((length,) for length in shape)

    def pieces(length: int, n_pieces: int) -> tuple[int, ...]:
        ranges = (_piece(index, length, n_pieces) for index in range(n_pieces))
        return tuple(stop - start for start, stop in ranges)

    last = {1: (pieces(grid.width, grid.x_pieces),)}.get(
        len(shape), (pieces(grid.height, grid.y_pieces), pieces(grid.width, grid.x_pieces))
    )
    lead = shape[:-2]
    planes_a_piece = -(-grid.n_planes // grid.p_pieces)
    chunks: list[tuple[int, ...]] = []
    for length in reversed(lead):
        if length == grid.n_planes:
            chunks.append(pieces(length, grid.p_pieces))
        else:
            chunks.append(pieces(length, _n_pieces(length, min(planes_a_piece, length))))
        planes_a_piece = max(1, planes_a_piece // length)
    return (*reversed(chunks), *last) if shape else ()
