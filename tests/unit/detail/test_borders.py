"""Coefficients for pixels near a tile's edges: the ones that theory knows, from processes whose covariance is known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from radcodec.detail.borders import best_coefficients, covariance, derive_taps, impulse_response, tap_offsets

RIDGE = 1.0 + 2.0**-30  # of docs/format.md, 8.3
A, B = 0.5, 0.6


def autoregression(radius: int) -> npt.NDArray[np.float64]:
    """Coefficients of w(y, x) = A w(y-1, x) + B w(y, x-1) - AB w(y-1, x-1) + noise, as ones of a radius."""
    known = {(1, -1): -A * B, (1, 0): A, (0, -1): B}
    return np.array([known.get(tap, 0.0) for tap in tap_offsets(radius)])


def two_dimensional(found: npt.NDArray[np.float64], radius: int) -> dict[tuple[int, int], float]:
    """Coefficients in tap order by their (dy, dx), those that are not zero to rounding alone."""
    return {tap: float(a) for tap, a in zip(tap_offsets(radius), found, strict=True) if abs(a) > 1e-7}


def test_best_coefficients_against_numpy() -> None:
    """The solution is NumPy's for a covariance that differs between the two diagonals."""

    def cov(i: int, j: int) -> float:
        return float(np.exp(-(i * i + 0.7 * i * j + j * j) / 6.0)) + (0.01 if i == j == 0 else 0.0)

    border = 2
    r = np.array([[cov(i, j) for j in range(-2 * border, 2 * border + 1)] for i in range(border + 1)])
    taps = tap_offsets(border)
    places = np.array([(-dy, dx) for dy, dx in taps])  # row and column from the predicted pixel
    gram = np.array([[cov(*(p - q)) for p in places] for q in places]) * (1.0 + (RIDGE - 1.0) * np.eye(len(taps)))
    right = np.array([cov(*p) for p in places])
    dys, dxs = np.array(taps, np.int64).T.copy()
    exists, found = best_coefficients(r, dys, dxs)
    assert exists
    assert np.allclose(found, np.linalg.solve(gram, right), rtol=1e-8, atol=1e-10)


def test_best_coefficients_of_an_impossible_covariance() -> None:
    """A pixel more like its neighbour than like itself is none that a process has."""
    r = np.array([[0.0, 2.0, 1.0, 2.0, 0.0], [0.0] * 5])
    exists, _ = best_coefficients(r, np.array([0, 0]), np.array([-2, -1]))
    assert not exists


@pytest.mark.parametrize(
    ("tap", "expected"),
    [
        ((0, -1), lambda y, x: 0.5**x if y == 0 and x >= 0 else 0.0),
        ((1, 0), lambda y, x: 0.5**y if x == 0 else 0.0),
        ((1, 1), lambda y, x: 0.5**y if x == -y else 0.0),
        ((1, -1), lambda y, x: 0.5**y if x == y else 0.0),
    ],
    ids=["left", "above", "right above", "left above"],
)
def test_impulse_response_of_one_tap(tap: tuple[int, int], expected: Callable[[int, int], float]) -> None:
    """An impulse through one tap of 1/2 halves at every step along it, away from it."""
    coefs = np.array([0.5 if t == tap else 0.0 for t in tap_offsets(2)])
    found = impulse_response(coefs, 2)
    assert found.tolist() == [[expected(y, x) for x in range(-64, 65)] for y in range(64)]


def test_covariance_of_an_autoregression() -> None:
    """It falls by A a row and B a column from 1 / ((1 - A^2)(1 - B^2))."""
    found = covariance(impulse_response(autoregression(1), 1), 2)
    power = 1.0 / ((1.0 - A * A) * (1.0 - B * B))
    assert np.allclose(found, [[power * A**i * B ** abs(j) for j in range(-4, 5)] for i in range(3)], rtol=1e-12)


@pytest.mark.parametrize(("radius", "border"), [(1, 1), (2, 1), (2, 2), (3, 2)])
def test_border_sets_of_an_autoregression(radius: int, border: int) -> None:
    """What theory gives where taps are missing: the left neighbour alone, the upper one alone, or all three."""
    taps = derive_taps(autoregression(radius), radius, border, radius)
    assert taps is not None
    whole = {(1, -1): -A * B, (1, 0): A, (0, -1): B}
    expected = (
        [{(0, -1): B}]  # the first row
        + [whole] * border
        + [{(1, 0): A}]  # the first column: the process runs on to the right, which tells nothing more
        + [whole] * border
        + [whole] * (border + 1)  # the last columns: the taps that are missing have no weight anyway
    )
    for i, wanted in enumerate(expected, 1):
        side, n = divmod(i - 1, border + 1)
        if side == 0:
            rows_above = taps.above[i].reshape(radius, 2 * radius + 1)
            inner = rows_above[radius - border :, radius - border : radius + border + 1]
            assert np.count_nonzero(rows_above) == np.count_nonzero(inner)
            above = inner.ravel()
        elif n == radius:
            continue  # no pixel is that far from the edge and still within the reach
        else:
            above = taps.left[:, n] if side == 1 else taps.right[:, radius - 1 - n]
        assert not taps.own[i][: radius - border].any()
        found = two_dimensional(np.concatenate([above, taps.own[i][radius - border :]]), border)
        assert found == pytest.approx(wanted, abs=1e-7)


def test_sets_of_the_inside_are_the_predictor() -> None:
    """Set 0 is the predictor itself, and without borders there is no other."""
    coefs = np.arange(12) / 40.0
    taps = derive_taps(coefs, 2, 0, 0)
    assert taps is not None
    assert (taps.above.shape, taps.own.shape, taps.left.size, taps.right.size) == ((1, 10), (1, 2), 0, 0)
    assert np.concatenate([taps.above[0], taps.own[0]]).tolist() == coefs.tolist()


def test_columns_beyond_the_border_radius_share_a_set() -> None:
    """With b = 1 and B = 3 the second and third column have the set of one column to their side."""
    taps = derive_taps(autoregression(3), 3, 1, 3)
    assert taps is not None
    assert taps.left.shape == taps.right.shape == (3, 3)
    assert (taps.left[:, 1] == taps.left[:, 2]).all()
    assert (taps.right[:, 1] == taps.right[:, 0]).all()
    assert (taps.left[:, 0] != taps.left[:, 1]).any()


@pytest.mark.parametrize("size", [1e6, 1e200])
def test_unstable_predictor_has_no_border_sets(size: float) -> None:
    """A response that leaves the range of numbers has no covariance; without borders the predictor is still one."""
    assert derive_taps(np.full(4, size), 1, 1, 1) is None
    assert derive_taps(np.full(4, size), 1, 0, 0) is not None
