"""Predictors of loops keep the flux of faint sources on smooth noise (docs/design/0020-flux-in-a-loop.md)."""

from __future__ import annotations

import numpy as np
import pytest

import radcodec
from radcodec.detail import unbiased
from radcodec.detail.borders import tap_offsets
from radcodec.detail.unbiased import Loop, beam_spectrum, keep_flux, rounding_gain
from radcodec.simulate import simulate_image

SIDE, STEP, NOISE, AXIS = 1280, 64, 1e-4, (9.0, 8.0)
COUNT = (SIDE - 64) // STEP


def beam(y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """A Gaussian with the axes of the simulated beam, which lie along x and y here."""
    return np.exp(-4 * np.log(2) * ((y / AXIS[0]) ** 2 + (x / AXIS[1]) ** 2))


@pytest.fixture(scope="module")
def fields() -> list[np.ndarray]:
    """Two fields of smooth noise with sources of 1 sigma on a grid, float32."""
    y, x = np.mgrid[-20:21, -20:21]
    made = []
    for seed in (31, 32):
        noise = simulate_image(
            (SIDE, SIDE), seed=seed, noise_rms=NOISE, n_sources=0, beam_fwhm_px=AXIS, beam_pa_deg=0.0
        ).astype(np.float64)
        for row in range(COUNT):
            for column in range(COUNT):
                top, left = 64 + STEP * row - 20, 64 + STEP * column - 20
                if top + 41 <= SIDE and left + 41 <= SIDE:
                    noise[top : top + 41, left : left + 41] += NOISE * beam(y, x)
        made.append(noise.astype(np.float32))
    return made


def peaks(image: np.ndarray) -> np.ndarray:
    """Fit the beam to the 3 x 3 pixels at each source, in sigma."""
    y, x = np.mgrid[-1:2, -1:2]
    weights = beam(y, x) / (beam(y, x) ** 2).sum() / NOISE
    cuts = (image[r - 1 : r + 2, c - 1 : c + 2] for r in range(64, SIDE - 30, STEP) for c in range(64, SIDE - 30, STEP))
    return np.array([float((cut * weights).sum()) for cut in cuts])


def change(fields: list[np.ndarray], divisor: float) -> tuple[float, float]:
    """Measure by how much a stack of all sources changes at sigma / divisor, with its standard error."""
    found = []
    for field in fields:
        error = NOISE / divisor
        restored = radcodec.decode(radcodec.encode(field, max_error=error, verify=False))
        assert np.abs(restored.astype(np.float64) - field).max() <= error
        found.append(peaks(restored.astype(np.float64)) - peaks(field.astype(np.float64)))
    changes = np.concatenate(found)
    return float(changes.mean()), float(changes.std(ddof=1) / np.sqrt(changes.size))


@pytest.mark.parametrize("divisor", [16.0, 8.0])
def test_stack_on_smooth_noise_keeps_its_flux(fields: list[np.ndarray], divisor: float) -> None:
    """A stack of sources of 1 sigma changes by no more than chance allows: three standard errors and 0.1 %."""
    mean, error = change(fields, divisor)
    assert error < 0.004
    assert abs(mean) < 3 * error + 0.001


def test_predictor_that_overshoots_is_changed_to_keep_a_source(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop with the changed predictor restores the peak of a beam, computed pixel by pixel; before it did not."""
    radius = 3
    y, x = np.mgrid[-32:32, -32:32]
    source = beam(y, x)
    spectrum = np.fft.fft2(np.fft.ifftshift(source)).real
    # White noise under the beam, as loops have it; the autocovariance of the whole gives the best predictor.
    covariance = np.fft.ifft2(spectrum**2).real + 0.02 * np.eye(1, 64 * 64).reshape(64, 64)
    offsets = np.array(tap_offsets(radius))
    between = offsets[:, None] - offsets[None]
    gram = covariance[between[..., 0] % 64, -between[..., 1] % 64]
    right = covariance[offsets[:, 0] % 64, -offsets[:, 1] % 64]
    best = np.linalg.solve(gram, right)
    power = float(covariance[0, 0])
    step = power / 100
    error = power - float(best @ right)

    def added(coefs: np.ndarray) -> float:
        """Run the loop over a source, with rounding as a gain, and fit what it adds to the peak."""
        gain = rounding_gain(np.sqrt(error / step))
        restored = np.zeros((64 + radius, 64 + 2 * radius))
        for row in range(64):
            for column in range(64):
                taps = restored[row + radius - offsets[:, 0], column + radius + offsets[:, 1]]
                predicted = float(taps @ coefs)
                restored[row + radius, column + radius] = predicted + gain * (source[row, column] - predicted)
        middle = restored[radius + 31 : radius + 34, radius + 31 : radius + 34] - source[31:34, 31:34]
        core = source[31:34, 31:34]
        return float((middle * core).sum() / (core * core).sum())

    monkeypatch.setattr(unbiased, "MOST_CHANGE", 1e3)
    loop = Loop(beam=spectrum, step=step, power=power)
    worse = best + np.linalg.solve(gram, 0.8 * source[32 - offsets[:, 0], 32 + offsets[:, 1]])
    kept = keep_flux(worse, radius, lambda side: np.linalg.solve(gram, side), loop, error)
    assert added(worse) > 0.002
    assert abs(added(kept)) < 0.2 * added(worse)


def test_beam_of_noise_is_found() -> None:
    """The root of the spectrum of smooth noise has the width of its beam at half of its height, to a tenth."""
    field = simulate_image((512, 512), seed=5, noise_rms=1.0, n_sources=0, beam_fwhm_px=AXIS, beam_pa_deg=0.0)
    spectrum = beam_spectrum([(field.astype(np.float64), 1.0)])
    assert spectrum is not None
    profile = np.fft.ifft2(spectrum).real
    assert profile[0, 0] == pytest.approx(1.0)
    for axis, width in enumerate(AXIS):
        line = profile[:, 0] if axis == 0 else profile[0]
        half = np.interp(-0.5, -line[:16], np.arange(16))
        assert 2 * half == pytest.approx(width, rel=0.1)
    assert beam_spectrum([(np.zeros((64, 64)), 1.0)]) is None
    assert beam_spectrum([]) is None
