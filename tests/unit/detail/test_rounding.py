"""Coefficients as integers: what rounding costs, what they take in a file, and which precision pays."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from radcodec.detail.borders import tap_offsets
from radcodec.detail.predictors import HEAD, Predictors, pack_predictors
from radcodec.detail.rounding import Predictor, coding_order, quantise_predictor, rice_bits, round_to_plane
from radcodec.detail.tables import default_tables

F64 = npt.NDArray[np.float64]


def smooth_gram(radius: int, n: int) -> tuple[F64, F64]:
    """Normal equations (gram, right) of a radius for n pixels of a Gaussian beam's noise, with some white noise."""

    def cov(dy: int, dx: int) -> float:
        return float(np.exp(-(dy * dy + dx * dx) / 8.0)) + (1e-4 if dy == dx == 0 else 0.0)

    taps = tap_offsets(radius)
    gram = np.array([[cov(a[0] - b[0], a[1] - b[1]) for a in taps] for b in taps])
    return n * gram, n * np.array([cov(*tap) for tap in taps])


def test_rounding_by_hand() -> None:
    """With L = [[1, 0], [2, 1]], x = (0.4, 0.6): the second goes to 1, which moves the first by -2 * 0.4 to -0.4."""
    lower = np.array([[1.0, 0.0], [2.0, 1.0]])
    out, added = round_to_plane(np.array([0.4, 0.6]), lower)
    assert out.tolist() == [0.0, 1.0]
    assert added == pytest.approx(0.4**2 + (2 * 0.4 - 0.4) ** 2)


@pytest.mark.parametrize("seed", range(5))
def test_rounding_tells_what_it_costs(seed: int) -> None:
    """The number is d^T L L^T d, and in random lattices hardly over that of plain rounding, mostly far under it."""
    rng = np.random.default_rng(seed)
    lower = np.tril(rng.normal(size=(12, 12)))
    lower[np.diag_indices(12)] = np.abs(lower.diagonal()) + 0.1
    x = 10.0 * rng.normal(size=12)
    out, added = round_to_plane(x, lower)
    assert (out == np.rint(out)).all()
    assert added == pytest.approx(float(np.sum((lower.T @ (out - x)) ** 2)))
    assert added <= 0.25 * float(np.sum(lower.diagonal() ** 2)) * (1 + 1e-12)  # Babai's bound


def test_rounding_beats_the_nearest_integers_where_taps_are_alike() -> None:
    """Neighbours in a broad beam are nearly equal, so that their coefficients' errors should cancel."""
    gram, right = smooth_gram(3, 1)
    coefs: F64 = np.linalg.solve(gram, right).astype(np.float64)
    lower: F64 = np.linalg.cholesky(gram).astype(np.float64)
    for shift in (2, 4, 6, 8):
        x = coefs * 2.0**shift
        out, added = round_to_plane(x, lower)
        plain = float(np.sum((lower.T @ (np.rint(x) - x)) ** 2))
        assert added == pytest.approx(float(np.sum((lower.T @ (out - x)) ** 2)))
        assert added < 0.5 * plain


@pytest.mark.parametrize("size", [0.0, 0.6, 20.0, 1e4, 1e9, 3e13])
def test_rice_bits_are_those_of_the_file(size: float) -> None:
    """The count is that of the bits which the predictor block then has, escapes included."""
    rng = np.random.default_rng(9)
    radius = 3
    integers = np.rint(size * rng.uniform(-1, 1, 24)).astype(np.int64)
    integers[tap_offsets(radius).index((1, 0))] = 2**45  # the first that is coded: an escape
    one = Predictor(radius=radius, shift=5, integers=integers)
    block = pack_predictors(Predictors(tables=default_tables(), fill=0.0, predictors=(one,)))
    bits = rice_bits(integers[np.array(coding_order(radius))])
    octets = (bits + 7) // 8
    assert len(block) == HEAD.size + 1 + 4 + (1 if octets < 128 else 2) + octets


def test_rice_bits_by_hand() -> None:
    """k = 0 for all four: -1, 0, 0 and 1 are 10, 0, 0 and 110."""
    assert rice_bits(np.array([-1, 0, 0, 1])) == 2 + 1 + 1 + 3


def test_more_pixels_pay_for_finer_coefficients() -> None:
    """The shift grows with the number of pixels, and the integers stay near the coefficients."""
    gram, right = smooth_gram(2, 1)
    coefs: F64 = np.linalg.solve(gram, right).astype(np.float64)
    error = float(1.0 + 1e-4 - right @ coefs)
    shifts = []
    for n in (100, 10_000, 10**6, 10**8):
        found, bits = quantise_predictor(coefs, 2, n * gram, n * error, n)
        change = found.coefficients - coefs
        lost = 0.5 * n * np.log2(1.0 + float(change @ gram @ change) / error)
        assert bits == pytest.approx(lost + rice_bits(found.integers[np.array(coding_order(2))]), rel=1e-6)
        shifts.append(found.shift)
    assert shifts == sorted(set(shifts))


def test_a_worthless_predictor_has_no_bits_to_spare() -> None:
    """For two pixels the cheapest coefficients are zeros: one bit each."""
    gram = smooth_gram(1, 1)[0]
    found, _ = quantise_predictor(0.1 * np.ones(4), 1, 2 * gram, 2.0, 2)
    assert not found.integers.any()
