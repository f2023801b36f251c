"""Basis functions of the lapped transform run on over the borders of blocks; a fold of the wrong sign breaks them."""

from __future__ import annotations

import importlib

import numpy as np
import numpy.typing as npt
import pytest
import reference_lapped

from radcodec.base.lapped import transform
from radcodec.base.lapped.transform import geometry_of, inverse

F64 = npt.NDArray[np.float64]
SIZE = 1 << 24  # of a coefficient, so that rounding is far below what is tested


def library_basis(n_blocks: int, n: int) -> F64:
    """Basis functions [coefficient, sample] of one axis, as the library's inverse transform restores them."""
    code = transform.NOMINAL.index(n)
    g = geometry_of((n_blocks * n, 2), code)
    assert (g.rows, g.height, g.columns, g.width) == (n_blocks, n, 1, 2)
    out = np.empty((n_blocks * n, n_blocks * n))
    for row in range(n_blocks * n):
        coefficients = np.zeros((n_blocks, 1, n, 2), np.int64)
        coefficients[row // n, 0, row % n, 0] = SIZE
        # The other axis is one block of two samples, whose coefficient 0 is (1, 1) / sqrt(2).
        out[row] = inverse(coefficients, g)[:, 0] * (np.sqrt(2.0) / SIZE)
    return out


def reference_basis(n_blocks: int, n: int) -> F64:
    """The same of the reference decoder."""
    lines = (SIZE * np.eye(n_blocks * n, dtype=np.int64)).reshape(n_blocks, n, -1)
    return np.asarray(reference_lapped.inverse_lines(lines).reshape(n_blocks * n, -1).T / SIZE)


def training_basis(n_blocks: int, n: int) -> F64:
    """The same of the training's matrix."""
    pytest.importorskip("torch")
    lapped = importlib.import_module("radcodec.training.lapped")
    return np.asarray(lapped.analysis_matrix(n_blocks, n), np.float64)


BASES = [library_basis, reference_basis, training_basis]


def coding_gain(functions: F64, rho: float) -> float:
    """Arithmetic over geometric mean of the coefficients' variances, dB, for an AR(1) process of variance 1."""
    at = np.arange(functions.shape[1])
    covariance = rho ** np.abs(at[:, None] - at)
    variances = np.einsum("ki,ij,kj->k", functions, covariance, functions)
    return float(10 * (np.log10(variances.mean()) - np.log10(variances).mean()))


@pytest.mark.parametrize("basis", BASES)
def test_coding_gain_of_a_correlated_line(basis: object) -> None:
    """Blocks of 32 with the sine window gain 10.0 dB on AR(1) with rho 0.95, where no transform can gain over 10.11.

    The limit is 1 / (1 - rho^2). With the fold's sign reversed the gain is 6.8 dB.
    """
    functions = basis(5, 32)[2 * 32 : 3 * 32]  # type: ignore[operator]
    gain = coding_gain(functions, 0.95)
    assert gain == pytest.approx(10.0, abs=0.05)
    assert gain < -10 * np.log10(1 - 0.95**2)


@pytest.mark.parametrize("basis", BASES)
@pytest.mark.parametrize(("n_blocks", "n"), [(2, 16), (4, 16), (3, 32), (2, 64)])
def test_no_jump_over_a_border(basis: object, n_blocks: int, n: int) -> None:
    """From the last sample before a border to the first behind it no function changes more than it does elsewhere."""
    functions = basis(n_blocks, n)  # type: ignore[operator]
    steps = np.abs(np.diff(functions, axis=1))
    at_border = np.zeros(steps.shape[1], bool)
    at_border[n - 1 :: n] = True
    largest = steps[:, ~at_border].max(axis=1)
    assert (steps[:, at_border].max(axis=1) <= 1.02 * largest + 1e-4).all()


@pytest.mark.parametrize("basis", BASES)
def test_lowest_functions_have_no_step_and_no_kink(basis: object) -> None:
    """Coefficient 0 of a block, at most 0.25 high, changes by less than 0.03 a sample, its slope by less than 0.01."""
    lowest = basis(4, 32)[::32]  # type: ignore[operator]
    assert np.abs(np.diff(lowest)).max() < 0.03
    assert np.abs(np.diff(lowest, 2)).max() < 0.01


@pytest.mark.parametrize("basis", BASES)
@pytest.mark.parametrize(("n_blocks", "n"), [(1, 16), (2, 16), (5, 32)])
def test_functions_are_orthonormal(basis: object, n_blocks: int, n: int) -> None:
    """Each has length 1 and is at a right angle to all others, to what 15 bits of a matrix element leave."""
    functions = basis(n_blocks, n)  # type: ignore[operator]
    assert np.abs(functions @ functions.T - np.eye(n_blocks * n)).max() < 2e-4
