"""The tile geometry of format.md section 4."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radcodec.errors import InputError
from radcodec.pixels.tiles import (
    axis_chunks,
    count_tiles,
    plane_shape,
    slab_regions,
    slices,
    tile_grid,
    tile_sides,
)

SHAPES = st.lists(st.integers(1, 40), max_size=4).map(tuple)


@st.composite
def shapes_and_sides(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Up to six axes and sides that are boxes of planes that follow each other."""
    shape = draw(st.lists(st.integers(1, 7), max_size=6).map(tuple))
    sides = [draw(st.integers(1, length)) for length in shape]
    for axis in range(len(shape) - 3, 0, -1):
        if sides[axis] < shape[axis]:
            sides[:axis] = [1] * axis
    return shape, tuple(sides)


@pytest.mark.parametrize(
    ("shape", "planes"),
    [((), (1, 1, 1)), ((7,), (1, 1, 7)), ((5, 6), (1, 5, 6)), ((2, 3, 5, 6), (6, 5, 6)), ((0, 3, 4), (0, 3, 4))],
)
def test_planes_of_a_shape(shape: tuple[int, ...], planes: tuple[int, int, int]) -> None:
    """The last two axes are y and x, the others are planes; one axis is a row, none a pixel."""
    assert plane_shape(shape) == planes


@pytest.mark.parametrize(
    ("shape", "tile", "n_tiles"),
    [
        ((), 8, 1),
        ((0,), 8, 0),
        ((3, 0, 2), 8, 0),
        ((64,), 8, 1),
        ((65,), 8, 2),
        ((512, 512), 512, 1),
        ((513, 512), 512, 2),
        ((1000, 1000), 512, 4),
        ((1000, 21, 6), 512, 1),
        ((100, 100, 100), 128, 36),  # boxes of 50 x 50 x 12
        ((100, 100, 100), 512, 2),  # of 100 x 100 x 50
        ((2**20, 2**20), 8, 2**34),
    ],
)
def test_number_of_tiles(shape: tuple[int, ...], tile: int, n_tiles: int) -> None:
    """Counts worked out by hand, without holding a list of them."""
    assert count_tiles(shape, tile_sides(shape, tile)) == n_tiles


def test_pieces_are_regular_and_about_equal() -> None:
    """1300 pixels under tiles of 512 are 434, 434 and 432; the second row of tiles follows the first."""
    sides = tile_sides((1000, 1300), 512)
    assert sides == (500, 434)
    assert axis_chunks((1000, 1300), sides) == ((500, 500), (434, 434, 432))
    grid = tile_grid((1000, 1300), sides)
    assert grid.box(2) == (0, 1, 0, 500, 868, 1300)
    assert grid.box(3) == (0, 1, 500, 1000, 0, 434)


@pytest.mark.parametrize(
    ("shape", "tile", "sides"),
    [
        ((), 8, ()),
        ((5000,), 64, (2500,)),  # one row: 64 * 64 pixels
        ((1, 5000), 64, (1, 2500)),
        ((10, 8, 8), 16, (4, 8, 8)),  # room for 4 planes; 10 are three pieces
        ((7, 10, 8, 8), 16, (1, 4, 8, 8)),
        ((7, 1, 8, 8), 16, (4, 1, 8, 8)),  # CASA: a Stokes axis of 1 between
        ((7, 2, 8, 8), 16, (2, 2, 8, 8)),  # both planes of 2 of 7
        ((5, 40, 8), 16, (1, 14, 8)),  # a plane is cut, so a tile holds one
        ((2, 30, 300, 500), (128, 128, 64), (1, 30, 100, 125)),  # x first; all 30 planes
        ((100, 300, 300), (150, 150), (1, 150, 150)),
        ((300, 300), (100, 100, 9, 9), (100, 100)),
        ((3, 0, 2), 512, (1, 1, 2)),
    ],
)
def test_sides_that_the_writer_chooses(
    shape: tuple[int, ...], tile: int | tuple[int, ...], sides: tuple[int, ...]
) -> None:
    """Sides worked out by hand, slowest axis first."""
    assert tile_sides(shape, tile) == sides


@pytest.mark.parametrize(
    ("shape", "tile", "match"),
    [
        (
            (9, 4, 30, 30),
            (30, 30, 2, 3),
            "whole along every axis between y and another one .* 30x30x2x3 of .* 30x30x4x9",
        ),
        ((5000, 5000), (4096, 4096), "at most 4194304 samples in a tile, found the sides 2500x2500"),
    ],
)
def test_sides_that_are_refused(shape: tuple[int, ...], tile: tuple[int, ...], match: str) -> None:
    """A tile whose planes do not follow each other, and a tile of too many samples."""
    with pytest.raises(InputError, match=match):
        tile_sides(shape, tile)


@settings(deadline=None)
@given(shapes_and_sides())
def test_tiles_cover_every_sample_once(both: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    """The boxes of all tiles partition the array, in the order of a regular grid of the sides along every axis."""
    shape, sides = both
    grid = tile_grid(shape, sides)
    number = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    pieces = [[slice(start, start + side) for start in range(0, n, side)] for n, side in zip(shape, sides, strict=True)]
    boxes = [number[place].ravel() for place in itertools.product(*pieces)]
    assert grid.n_tiles == count_tiles(shape, sides) == len(boxes)
    planes = number.reshape(plane_shape(shape))
    for tile, expected in enumerate(boxes):
        found = planes[slices(grid.box(tile))]
        assert found.shape == grid.tile_shape(tile)
        assert np.array_equal(found.ravel(), expected)
        p0, p1, *_ = grid.box(tile)
        assert grid.p_piece_of(p0) == grid.p_piece_of(p1 - 1) == tile // (grid.y_pieces * grid.x_pieces)
    assert tuple(map(len, axis_chunks(shape, sides))) == tuple(map(len, pieces))
    assert tuple(map(sum, axis_chunks(shape, sides))) == shape


@given(shapes_and_sides(), st.data())
def test_tiles_in_a_region_are_those_that_meet_it(
    both: tuple[tuple[int, ...], tuple[int, ...]], data: st.DataObject
) -> None:
    """Exactly the tiles whose box meets the region are named, in order."""
    shape, sides = both
    grid = tile_grid(shape, sides)
    ends = [sorted(data.draw(st.tuples(st.integers(0, n), st.integers(0, n)))) for n in plane_shape(shape)]
    (p0, p1), (y0, y1), (x0, x1) = ends
    mark = np.zeros(plane_shape(shape), np.bool_)
    mark[p0:p1, y0:y1, x0:x1] = True
    expected = [tile for tile in range(grid.n_tiles) if mark[slices(grid.box(tile))].any()]
    assert list(grid.tiles_in_region((p0, p1, y0, y1, x0, x1))) == expected


@given(shapes_and_sides(), st.integers(1, 400))
def test_slabs_follow_each_other_and_stay_small(both: tuple[tuple[int, ...], tuple[int, ...]], room: int) -> None:
    """Slabs are all samples in order; one of several planes, or of a plane of such tiles, is within the room."""
    shape, sides = both
    grid = tile_grid(shape, sides)
    number = np.arange(np.prod(shape, dtype=int)).reshape(plane_shape(shape))
    slabs = [number[slices(region)].ravel() for region in slab_regions(grid, room)]
    assert np.array_equal(np.concatenate(slabs), number.ravel())
    for slab in slabs:
        assert slab.size <= max(room, grid.y_side * grid.width)


@settings(deadline=None)
@given(SHAPES, st.integers(8, 20))
def test_tiles_of_a_square_limit_stay_within_it(shape: tuple[int, ...], tile: int) -> None:
    """No tile has more samples than a square of the limit, and none is wider or higher, but for images of one row."""
    sides = tile_sides(shape, tile)
    assert np.prod(sides, dtype=int) <= tile * tile
    if plane_shape(shape)[1] > 1:
        assert max(sides[-2:]) <= tile


def test_images_without_samples_have_no_tiles() -> None:
    """Whichever axis has no length."""
    for shape in ((0,), (0, 5), (5, 0), (0, 4, 5), (3, 0, 4, 5)):
        sides = tile_sides(shape, 8)
        assert (count_tiles(shape, sides), axis_chunks(shape, sides)) == (0, tuple((n,) for n in shape))
        assert list(slab_regions(tile_grid(shape, sides), 100)) == []
