"""Bounds of a few spacings of the values save the bits that they can: log2(2 E / spacing) a pixel, nearly."""

from __future__ import annotations

import io

import numpy as np
import pytest
from astropy.io import fits

import radcodec
from radcodec.encoding.spacing import fit_to_spacing
from radcodec.pixels.bounds import ImageBounds


def _bits(image: np.ndarray, bound: float | None) -> float:
    data = radcodec.encode(image, max_error=bound, threads=1)
    if bound is not None:
        assert np.abs(radcodec.decode(data).astype(np.float64) - image).max() <= bound
    return 8 * len(data) / image.size


def _smooth_noise(side: int) -> np.ndarray:
    white = np.random.default_rng(0).normal(size=(side, side))
    for axis in (0, 1):
        white = sum(np.roll(white, shift, axis) * np.exp(-(shift**2) / 4.5) for shift in range(-5, 6))
    return white / white.std()


@pytest.mark.parametrize(
    ("dtype", "units", "least"),
    [(np.float32, 2, 1.6), (np.float32, 3.7, 1.7), (np.float32, 16, 4.5), (np.float64, 16, 4.5)],
)
def test_floats_gain(dtype: type, units: float, least: float) -> None:
    """Of log2(2 E / spacing) = 2, 2.9 and 5 bits a pixel, at most 1.2 are lost to roundings, of any E."""
    image = _smooth_noise(100).astype(dtype)
    spacing = float(np.spacing(np.median(np.abs(image))))
    assert _bits(image, None) - _bits(image, units * spacing) > least


@pytest.mark.parametrize("units", [2, 3.7])
def test_steps_that_are_too_many_are_said(units: float) -> None:
    """Steps of a few units of float64 are numbered beyond 2^52: the image is exact, and a warning says so."""
    image = _smooth_noise(100)
    file, packed = io.BytesIO(), io.BytesIO()
    fits.PrimaryHDU(image).writeto(file)
    bound = units * float(np.spacing(np.median(np.abs(image))))
    report = radcodec.compress(io.BytesIO(file.getvalue()), packed, max_error=bound, threads=1)
    assert any("bound" in warning and "exact" in warning for warning in report.warnings), report.warnings
    assert report.max_error is None


def test_integers_gain() -> None:
    """A bound of 1, 2 and 3 of white whole numbers saves nearly log2(3), log2(5) and log2(7) bits a pixel."""
    image = np.rint(1000 + 50 * np.random.default_rng(0).normal(size=(100, 100))).astype(np.int16)
    exact = _bits(image, None)
    for bound in (1, 2, 3):
        assert exact - _bits(image, bound) > np.log2(2 * bound + 1) - 0.1


def test_smooth_integers_gain() -> None:
    """Smooth whole numbers are predicted from their steps, whose errors cost a part of the gain, but not all of it."""
    image = np.rint(1000 + 50 * _smooth_noise(100)).astype(np.int16)
    exact = _bits(image, None)
    assert exact - _bits(image, 1) > 0.5
    assert exact - _bits(image, 3) > 1.0


def test_half_units_are_found() -> None:
    """With E at 3.7 spacings a step of 2 E leads beyond E; 3.5 spacings do not. Of coarse bounds all is taken."""
    image = np.random.default_rng(1).uniform(1, 2, (1, 64, 64)).astype(np.float32)
    share = fit_to_spacing(image, None, ImageBounds(everywhere=3.7 * 2.0**-23), 1.0)
    assert 3.3 <= 3.7 * share <= 3.5
    assert fit_to_spacing(image, None, ImageBounds(everywhere=3.4 * 2.0**-23), 1.0) == 1.0
    assert fit_to_spacing(image, None, ImageBounds(everywhere=0.01), 1.0) == 1.0
