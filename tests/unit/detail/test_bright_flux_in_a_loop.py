"""Loops keep the flux of sources of several steps (docs/design/0020-flux-in-a-loop.md)."""

from __future__ import annotations

import numpy as np
import pytest

import radcodec
from radcodec.simulate import simulate_image

SIDE, CELL, NOISE, AXIS, PEAK = 2112, 32, 1e-4, (9.0, 8.0), 3.0
REACH = 20


def beam(y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """A Gaussian with the axes of the simulated beam, which lie along x and y here."""
    return np.exp(-4 * np.log(2) * ((y / AXIS[0]) ** 2 + (x / AXIS[1]) ** 2))


@pytest.fixture(scope="module")
def field() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Smooth noise with 4096 sources of 3 sigma and of either sign: samples, places [n, 2] and signs [n]."""
    noise = simulate_image(
        (SIDE, SIDE), seed=45, noise_rms=NOISE, n_sources=0, beam_fwhm_px=AXIS, beam_pa_deg=0.0
    ).astype(np.float64)
    rng = np.random.default_rng(45)
    grid = np.arange(CELL + 16, SIDE - CELL, CELL)
    places = np.stack(np.meshgrid(grid, grid, indexing="ij"), axis=-1).reshape(-1, 2)
    places = places + rng.integers(-4, 5, places.shape)
    signs = rng.choice([-1.0, 1.0], len(places))
    y, x = np.mgrid[-REACH : REACH + 1, -REACH : REACH + 1]
    for (row, column), sign in zip(places, signs, strict=True):
        noise[row - REACH : row + REACH + 1, column - REACH : column + REACH + 1] += sign * PEAK * NOISE * beam(y, x)
    return noise.astype(np.float32), places, signs


def peaks(image: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Fit the beam to the 3 x 3 pixels at each place, in shares of a source."""
    y, x = np.mgrid[-1:2, -1:2]
    weights = beam(y, x) / (beam(y, x) ** 2).sum() / (PEAK * NOISE)
    return np.array([float((image[r - 1 : r + 2, c - 1 : c + 2] * weights).sum()) for r, c in places])


@pytest.mark.parametrize("divisor", [8.0, 4.0])
def test_stack_of_sources_of_3_sigma_keeps_its_flux(
    field: tuple[np.ndarray, np.ndarray, np.ndarray], divisor: float
) -> None:
    """A stack of sources of 3 sigma changes by less than three standard errors, which are under 0.07 %."""
    image, places, signs = field
    restored = radcodec.decode(radcodec.encode(image, max_error=NOISE / divisor, verify=False))
    assert np.abs(restored.astype(np.float64) - image).max() <= NOISE / divisor
    changes = signs * (peaks(restored.astype(np.float64), places) - peaks(image.astype(np.float64), places))
    error = float(changes.std(ddof=1) / np.sqrt(changes.size))
    assert error < 0.0007
    assert abs(float(changes.mean())) < 3 * error
