"""The tile geometry of format.md section 4."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radcodec.pixels.tiles import count_tiles, plane_shape, tile_grid

SHAPES = st.lists(st.integers(1, 40), max_size=4).map(tuple)


@pytest.mark.parametrize(
    ("shape", "planes"),
    [((), (1, 1, 1)), ((7,), (1, 1, 7)), ((5, 6), (1, 5, 6)), ((2, 3, 5, 6), (6, 5, 6)), ((0, 3, 4), (0, 3, 4))],
)
def test_planes_of_a_shape(shape: tuple[int, ...], planes: tuple[int, int, int]) -> None:
    """The last two axes are y and x, the others are planes; one axis is a row, none a pixel."""
    assert plane_shape(shape) == planes


@pytest.mark.parametrize(
    ("shape", "tile_size", "n_tiles"),
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
        ((100, 100, 100), 128, 100),
        ((100, 100, 100), 512, 4),
        ((2**20, 2**20), 8, 2**34),
    ],
)
def test_number_of_tiles(shape: tuple[int, ...], tile_size: int, n_tiles: int) -> None:
    """Counts worked out by hand, without holding a list of them."""
    assert count_tiles(shape, tile_size) == n_tiles


def test_tiles_are_cut_evenly() -> None:
    """1000 pixels under tiles of 512 are two of 500, and the second row follows the first."""
    grid = tile_grid((1000, 1000), 512)
    boxes = [grid.box(tile) for tile in range(4)]
    assert boxes[0] == (0, 1, 0, 500, 0, 500)
    assert boxes[1] == (0, 1, 0, 500, 500, 1000)
    assert boxes[2] == (0, 1, 500, 1000, 0, 500)


@settings(deadline=None)  # a shape of a million tiles takes time
@given(SHAPES, st.integers(8, 20))
def test_tiles_cover_every_sample_once(shape: tuple[int, ...], tile_size: int) -> None:
    """The boxes of all tiles partition the planes, none over its limits."""
    grid = tile_grid(shape, tile_size)
    seen = np.zeros(plane_shape(shape), np.int64)
    for tile in range(grid.n_tiles):
        p0, p1, y0, y1, x0, x1 = grid.box(tile)
        seen[p0:p1, y0:y1, x0:x1] += 1
        assert (p1 - p0) * (y1 - y0) * (x1 - x0) <= tile_size * tile_size
    assert (seen == 1).all()


@given(SHAPES, st.integers(8, 12), st.data())
def test_tiles_in_a_region_are_those_that_meet_it(shape: tuple[int, ...], tile_size: int, data: st.DataObject) -> None:
    """Exactly the tiles whose box meets the region are named, in order."""
    grid = tile_grid(shape, tile_size)
    ends = [sorted(data.draw(st.tuples(st.integers(0, n), st.integers(0, n)))) for n in plane_shape(shape)]
    (p0, p1), (y0, y1), (x0, x1) = ends
    mark = np.zeros(plane_shape(shape), np.bool_)
    mark[p0:p1, y0:y1, x0:x1] = True
    expected = []
    for tile in range(grid.n_tiles):
        a, b, c, d, e, f = grid.box(tile)
        if mark[a:b, c:d, e:f].any():
            expected.append(tile)
    assert list(grid.tiles_in_region((p0, p1, y0, y1, x0, x1))) == expected
