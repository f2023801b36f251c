"""The lapped transform: orthonormal, exact in integers, and what its formulas say."""

from __future__ import annotations

import numpy as np
import pytest

from radcodec.base.lapped import transform, wavelet
from radcodec.base.lapped.transform import Geometry, cosine, forward, geometry_of, inverse, matrix


def test_cosine_is_the_cosine() -> None:
    """The polynomial is within 1e-12 of the cosine at every angle of a block of 37 samples, and outside a period."""
    r = np.arange(-300, 600)
    assert np.abs(cosine(r, 37) - np.cos(np.pi * r / 148)).max() < 1e-12


def test_blocks_by_hand() -> None:
    """300 pixels at a nominal 64 are five blocks of 60, at 512 one of 300; one pixel is a block of two."""
    assert geometry_of((300, 300), 2) == Geometry(5, 5, 60, 60)
    assert geometry_of((300, 1), 5) == Geometry(1, 1, 300, 2)
    assert geometry_of((17, 97), 1) == Geometry(1, 3, 18, 34)


def test_matrix_of_two_by_hand() -> None:
    """A last block of two holds the sum and the difference over the square root of two."""
    half = 23170  # 2^15 / sqrt(2), rounded
    assert matrix(2, True).tolist() == [[half, half], [half, -half]]


@pytest.mark.parametrize("shape", [(300, 300), (64, 97), (2, 2), (1, 5), (40, 600)])
@pytest.mark.parametrize("code", [0, 2, 5])
def test_inverse_undoes_forward(shape: tuple[int, int], code: int) -> None:
    """Coefficients rounded to 2^-10 give the image back within 0.01, and have its energy."""
    g = geometry_of(shape, code)
    samples = np.rint(np.random.default_rng(4).normal(size=(g.rows * g.height, g.columns * g.width)) * 1024)
    coefficients = forward(samples, g)
    again = inverse(coefficients.astype(np.int64), g)
    assert np.abs(again - samples).max() < 0.01 * 1024
    assert (coefficients**2).sum() == pytest.approx((samples**2).sum(), rel=1e-3)


def test_one_coefficient_by_the_formula() -> None:
    """One coefficient of a single block gives the product of two cosines."""
    g = geometry_of((20, 30), 5)
    coefficients = np.zeros((1, 1, 20, 30), np.int64)
    coefficients[0, 0, 3, 7] = 50 << 10
    rows = np.sqrt(2 / 20) * np.cos(np.pi * 3 * (np.arange(20) + 0.5) / 20)
    columns = np.sqrt(2 / 30) * np.cos(np.pi * 7 * (np.arange(30) + 0.5) / 30)
    assert np.abs(inverse(coefficients, g) / 1024 - 50 * np.outer(rows, columns)).max() < 0.01


def test_products_are_exact() -> None:
    """The largest coefficients that a stream can hold give the same integers in Python's own arithmetic."""
    g = geometry_of((8, 1), 5)
    coefficients = np.full((1, 1, 8, 2), 1 << 25, np.int64)
    lines = matrix(8, True).astype(np.int64).tolist()
    first = [(sum(line[i] << 25 for line in lines) + (1 << 14)) >> 15 for i in range(8)]
    clipped = [max(-(1 << 28), min(1 << 28, x)) for x in first]
    last = [[int(v) for v in line] for line in matrix(2, True)]
    expected = [[(x * last[0][i] + x * last[1][i] + (1 << 14)) >> 15 for i in range(2)] for x in clipped]
    assert inverse(coefficients, g).tolist() == expected


def test_analysis_leaves_little_beyond_the_image() -> None:
    """What blocks cover beyond an image does not cost energy: a constant of 17 by 33 is a constant of its blocks."""
    g = geometry_of((17, 33), 0)
    coefficients = transform.analyse(np.full((17, 33), 2.0), g, 0.5)
    assert np.sqrt((coefficients**2).sum() / coefficients.size) < 2.2


@pytest.mark.parametrize("shape", [(300, 300), (64, 98), (2, 2), (16, 16), (18, 600), (258, 512)])
def test_wavelets_undo_themselves(shape: tuple[int, int]) -> None:
    """Coefficients rounded to 2^-10 give the image back within 0.01, and have about its energy."""
    samples = np.rint(np.random.default_rng(4).normal(size=shape) * 1024)
    coefficients = wavelet.forward(samples)
    assert np.abs(wavelet.inverse(np.rint(coefficients).astype(np.int64)) - samples).max() < 0.01 * 1024
    assert (coefficients**2).sum() == pytest.approx((samples**2).sum(), rel=0.12)


def test_wavelet_of_a_constant() -> None:
    """The high bands of a constant are 0, and of a straight line too but at its ends: the wavelet has four moments."""
    line = wavelet.forward(np.broadcast_to(np.arange(64.0)[:, None], (64, 64)).copy())
    assert np.abs(line[34:62, :32]).max() < 1e-2  # numbers of 2^-16 are no exact ones
    assert np.abs(line[:, 32:]).max() < 1e-2
    assert np.abs(wavelet.forward(np.full((64, 64), 5.0))[8:]).max() < 1e-2


def test_wavelet_levels() -> None:
    """Sides are halved as long as at least eight samples are left, six times at most."""
    assert [wavelet.n_levels(n, 4096) for n in (2, 8, 15, 16, 31, 32, 300, 512, 2048)] == [0, 0, 0, 1, 1, 2, 5, 6, 6]


def test_wavelet_norms() -> None:
    """A coefficient of any band is an image of energy 1 within a sixth: one step serves them all."""
    for level, row, column in ((1, 0, 1), (1, 1, 1), (2, 1, 0), (3, 1, 1), (4, 0, 1), (6, 0, 0), (6, 1, 1)):
        side = 512 >> level
        coefficients = np.zeros((512, 512), np.int64)
        coefficients[row * side + side // 2, column * side + side // 2] = 1 << 20
        assert (wavelet.inverse(coefficients) ** 2.0).sum() / 2.0**40 == pytest.approx(1.0, abs=0.19)
