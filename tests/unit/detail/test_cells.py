"""Sums over cells: the native loops against the same sums written out in NumPy."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from radcodec.detail.borders import tap_offsets
from radcodec.detail.cells import cut_areas, ring_order, squared_errors, sum_products
from radcodec.runtime.native import BAD_ARGUMENT, core, pointer

F64 = npt.NDArray[np.float64]


def windows(image: F64, radius: int, top: int, left: int, height: int, width: int) -> F64:
    """Taps in tap order and the target, [n + 1, height * width], of targets from (top, left) on."""
    rows = [image[top - dy : top - dy + height, left + dx : left + dx + width] for dy, dx in tap_offsets(radius)]
    rows.append(image[top : top + height, left : left + width])
    return np.array([row.ravel() for row in rows])


def noise(shape: tuple[int, ...], seed: int) -> F64:
    return np.random.default_rng(seed).normal(size=shape)


@pytest.mark.parametrize(("radius", "rough"), [(1, False), (2, True), (5, False), (12, False), (12, True)])
def test_products_are_those_of_the_windows(radius: int, rough: bool) -> None:
    """The sums over cells are the weighted products of all windows, in ring order, to the precision asked for."""
    image = noise((1, 120, 117), radius)
    (first, *others) = cut_areas(image, None, lambda x: x.astype(np.float64), radius, 1 << 17)
    assert not others or sum(a.weight.size for a in (first, *others)) == sum(a.share.sum() for a in (first, *others))
    areas = [first, *others]
    weights = np.random.default_rng(7)
    expected = np.zeros((2 * radius * (radius + 1) + 1,) * 2)
    for area in areas:
        area.weight = weights.uniform(0.5, 2.0, area.weight.shape)
        height, width = (8 * n for n in area.weight.shape)
        pixels = np.kron(area.weight, np.ones((8, 8))).ravel()
        taps = windows(area.values, radius, radius, radius, height, width)
        expected += (taps * pixels) @ taps.T
    place = [*ring_order(radius), 2 * radius * (radius + 1)]
    found = sum_products(areas, radius, rough, 1)
    whole = np.tril(found) + np.tril(found, -1).T
    close = 1e-4 if rough else 1e-10
    np.testing.assert_allclose(whole[np.ix_(place, place)], expected, rtol=0, atol=close * np.abs(expected).max())


def test_areas_of_a_small_image_hold_each_pixel_once_whose_window_is_inside() -> None:
    """Areas of one plane do not overlap, and leave out less than a cell at its far edges."""
    image = np.arange(100 * 110, dtype=np.float64).reshape(1, 100, 110)
    radius = 3
    seen: list[float] = []
    for area in cut_areas(image, None, lambda x: x.astype(np.float64), radius, 1 << 17):
        height, width = (8 * n for n in area.weight.shape)
        seen += area.values[radius:, radius : radius + width].ravel().tolist()
        assert area.values.shape == (height + radius, width + 2 * radius)
    inside = image[0, radius : radius + 96, radius : radius + 104]
    assert sorted(seen) == sorted(inside.ravel().tolist())


def test_special_pixels_take_no_part() -> None:
    """What special pixels hold changes neither values nor weights of an area."""
    image, special = noise((1, 64, 64), 3), np.zeros((1, 64, 64), np.bool_)
    special[0, 10:40, 20:30] = True
    other = image.copy()
    other[special] = 1e9
    to_window = lambda x: x.astype(np.float64)  # noqa: E731
    for one, two in zip(
        cut_areas(image, special, to_window, 2, 1 << 17), cut_areas(other, special, to_window, 2, 1 << 17), strict=True
    ):
        np.testing.assert_array_equal(one.values, two.values)
        np.testing.assert_array_equal(one.share, two.share)
        assert one.known is not None
        assert one.share.min() == 0.0  # cells that are special for the greater part


@pytest.mark.parametrize("special", [False, True])
def test_squared_errors_are_those_of_means_of_nine_by_nine(special: bool) -> None:
    """A cell's number is the mean square, over its known pixels, of the mean absolute error around each."""
    radius = 2
    image = noise((1, 48, 40), 5)
    marks = np.random.default_rng(1).random(image.shape) < 0.2 if special else None
    coefs = np.ascontiguousarray(noise((12,), 6) * 0.2)
    area = cut_areas(image, marks, lambda x: x.astype(np.float64), radius, 1 << 17)[0]
    height, width = (8 * n for n in area.weight.shape)
    taps = windows(area.values, radius, radius, radius, height, width)
    errors = np.abs(taps[-1] - coefs @ taps[:-1]).reshape(height, width)
    known = np.ones((height, width), np.bool_) if area.known is None else area.known
    local = np.empty((height, width))
    for y in range(height):
        for x in range(width):
            part = (slice(max(0, y - 4), y + 5), slice(max(0, x - 4), x + 5))
            local[y, x] = errors[part][known[part]].sum() / max(known[part].sum(), 1)
    squares = np.where(known, local**2, 0.0).reshape(height // 8, 8, width // 8, 8).sum((1, 3))
    counts = known.reshape(height // 8, 8, width // 8, 8).sum((1, 3))
    # Where less than half of a cell is known it does not count, and its number means nothing.
    counted = area.share > 0.0
    found = squared_errors(area, radius, coefs)
    np.testing.assert_allclose(found[counted], (squares / np.maximum(counts, 1))[counted], rtol=1e-12)


def test_triangular_systems_are_solved() -> None:
    """The two halves of a solution by Cholesky's factor give what a solver of general systems gives."""
    a = noise((40, 25), 8)
    matrix, right = a.T @ a, noise((25,), 9)
    lower = np.ascontiguousarray(np.linalg.cholesky(matrix))
    z = right.copy()
    assert core().forward(pointer(lower, np.float64), 25, 25, pointer(z, np.float64)) == 0
    np.testing.assert_allclose(lower @ z, right, rtol=1e-10)
    assert core().backward(pointer(lower, np.float64), 25, 25, pointer(z, np.float64)) == 0
    np.testing.assert_allclose(z, np.linalg.solve(matrix, right), rtol=1e-8)
    part = right[:10].copy()
    assert core().forward(pointer(lower, np.float64), 10, 25, pointer(part, np.float64)) == 0
    assert core().backward(pointer(lower, np.float64), 10, 25, pointer(part, np.float64)) == 0
    np.testing.assert_allclose(part, np.linalg.solve(matrix[:10, :10], right[:10]), rtol=1e-8)


@pytest.mark.parametrize(
    ("radius", "rows", "columns"), [(0, 1, 1), (25, 1, 1), (1, 0, 1), (1, 1, 0), (1, 1 << 17, 1), (1, 1, 1 << 17)]
)
def test_sizes_out_of_range_are_refused(radius: int, rows: int, columns: int) -> None:
    """The native sums say that a radius or number of cells is out of range, and write nothing."""
    assert core().products_bytes(radius, rows, columns) == -1


def test_small_scratch_and_places_outside_are_refused() -> None:
    """Scratch memory that is too small, and places outside of the matrix, give the status of a bad argument."""
    values, weights, out = np.zeros((9, 10)), np.ones((1, 1)), np.zeros((5, 5))
    size = core().products_bytes(1, 1, 1)

    def run(place: list[int], n_bytes: int) -> int:
        places, scratch = np.array(place, np.int64), np.empty(size, np.uint8)
        return int(
            core().products(
                pointer(values, np.float64), 1, 1, 1, pointer(weights, np.float64), pointer(places, np.int64), 0,
                pointer(out, np.float64), pointer(scratch, np.uint8), n_bytes,
            )
        )  # fmt: skip

    assert run([0, 1, 2, 3, 4], size) == 0
    assert run([0, 1, 2, 3, 4], size - 1) == BAD_ARGUMENT
    assert run([0, 1, 2, 3, 5], size) == BAD_ARGUMENT
    assert run([0, 1, 2, 3, -1], size) == BAD_ARGUMENT


def test_ring_order_puts_smaller_radii_first() -> None:
    """The first 2r(r + 1) places are those of the taps of radius r, in the order that r itself has."""
    offsets, place = tap_offsets(5), ring_order(5)
    assert sorted(place) == list(range(60))
    for r in range(1, 6):
        first = {offsets[tap] for tap, at in enumerate(place) if at < 2 * r * (r + 1)}
        assert first == set(tap_offsets(r))
    small = {tap: at for tap, at in zip(tap_offsets(3), ring_order(3), strict=True)}
    assert all(small[tap] == at for tap, at in zip(offsets, place, strict=True) if tap in small)


def test_windows_of_the_oracle() -> None:
    """The oracle's windows are those of NumPy's sliding views."""
    image = noise((9, 12), 11)
    views = sliding_window_view(image, (3, 5))[2, 3:8, :, :]  # row 2, columns 3 to 7, each 3 x 5
    taps = windows(image, 2, 4, 5, 1, 1)
    np.testing.assert_array_equal(taps[:, 0], views[0].ravel()[:13])
