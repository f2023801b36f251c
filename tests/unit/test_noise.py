"""The noise estimate reads the true noise of correlated images with sources, and says zero where there is none."""

from __future__ import annotations

import numpy as np
import pytest

from radcodec.pixels.noise import measure_sigma, sigma_map
from radcodec.simulate import simulate_image


@pytest.mark.parametrize("fwhm", [2.0, 4.0, 7.0])
def test_sigma_of_correlated_noise(fwhm: float) -> None:
    """Beam-correlated noise of known rms is measured within 5 %, and within 10 % between crowded sources."""
    for n_sources in (0, 60):
        image = simulate_image((512, 512), seed=11, beam_fwhm_px=(fwhm, fwhm), noise_rms=2e-4, n_sources=n_sources)
        assert measure_sigma(image, None) == pytest.approx(2e-4, rel=0.1 if n_sources else 0.05)


def test_white_noise() -> None:
    """White Gaussian noise of sigma 3 is measured within 2 %."""
    values = np.random.default_rng(2).normal(10.0, 3.0, (300, 300))
    assert measure_sigma(values, None) == pytest.approx(3.0, rel=0.02)


def test_undefined_noise_is_zero() -> None:
    """Constant, empty and fully special planes have sigma 0."""
    assert measure_sigma(np.ones((20, 20)), None) == 0.0
    assert measure_sigma(np.ones((0, 5)), None) == 0.0
    assert measure_sigma(np.full((20, 20), np.nan), np.ones((20, 20), bool)) == 0.0


def test_special_pixels_are_ignored() -> None:
    """NaN marked special leaves the estimate as it is."""
    values = np.random.default_rng(4).normal(0.0, 1.0, (256, 256))
    special = np.zeros(values.shape, bool)
    special[:100] = True
    values[special] = np.nan
    assert measure_sigma(values, special) == pytest.approx(1.0, rel=0.03)


def test_map_follows_the_noise() -> None:
    """Where the noise doubles, the map doubles."""
    values = np.random.default_rng(5).normal(0.0, 1.0, (512, 512))
    values[:, 256:] *= 2
    cells = sigma_map(values, None, 64)
    assert cells.shape == (8, 8)
    assert cells[:, :3] == pytest.approx(np.ones((8, 3)), rel=0.1)
    assert cells[:, 5:] == pytest.approx(2 * np.ones((8, 3)), rel=0.1)
