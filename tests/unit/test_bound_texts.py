"""Bounds as people write them: what has one meaning is taken, what has several is refused with what to write."""

from __future__ import annotations

import numpy as np
import pytest
from astropy import units

import radcodec
from radcodec.encoding.bound_spec import BoundKind, parse_bound
from radcodec.errors import BoundError, InputError


@pytest.mark.parametrize(
    "text",
    [
        "1/8sigma",
        "1/8 sigma",
        "0,125sigma",
        "12.5%sigma",
        "12.5 % of sigma",
        "sigma/8",
        "0.125 * sigma",
        "0.125σ",
        "0.125Sigma",
    ],
)
def test_an_eighth_of_the_noise(text: str) -> None:
    """Fractions, decimal commas and percentages of sigma mean 0.125 sigma."""
    spec = parse_bound(text)
    assert (spec.kind, spec.value) == (BoundKind.SIGMA, 0.125)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("12.5%", "write 0.125sigma"),
        ("0.1rms", "write 0.1sigma"),
        ("0.1 local sigma", "write 0.1localsigma"),
        ("1,234sigma", r"write 1\.234 or 1234"),
        ("sigma", r"such as 0\.125sigma"),
        ("1/8/2sigma", r"0\.125sigma"),
        ("1/0sigma", "finite and above 0"),
        ("1,000,000", "expected"),
    ],
)
def test_ambiguous_texts_name_what_to_write(text: str, hint: str) -> None:
    """A text of several meanings is refused with the forms that have one."""
    with pytest.raises(BoundError, match=hint):
        parse_bound(text)


def test_ratios_are_rounded_downwards() -> None:
    """One third of the noise is the float64 below one third, as the nearest one is."""
    assert parse_bound("1/3sigma").value == 1 / 3
    assert 3 * parse_bound("2/3").value <= 2.0


def test_quantities_are_bounds() -> None:
    """A quantity of astropy bounds an array with a unit, in that unit, as a text with a unit does."""
    image = np.random.default_rng(1).normal(0, 1e-3, (40, 40)).astype(np.float32) * units.Jy / units.beam
    for bound in (100 * units.uJy / units.beam, [1e-4] * units.Jy / units.beam, "100uJy/beam"):
        data = radcodec.encode(image, max_error=bound, threads=1)
        report = radcodec.open(data).info
        assert report.max_error == pytest.approx(1e-4, rel=1e-12)
        error = np.abs(radcodec.decode(data).astype(np.float64) - image.value.astype(np.float64))
        assert 0 < error.max() <= 1e-4
    with pytest.raises(BoundError, match="converts"):
        radcodec.encode(image, max_error=1 * units.K)
    with pytest.raises(BoundError, match="one number"):
        radcodec.encode(image, max_error=[1, 2] * units.Jy / units.beam)
    with pytest.raises(BoundError, match="no BUNIT"):
        radcodec.encode(image.value, max_error=1 * units.Jy)


def test_a_bound_over_ten_sigma_is_refused() -> None:
    """0.125 where the noise is 1e-3 was meant as 0.125 sigma; so is any other over 10 sigma refused, unless forced."""
    image = np.random.default_rng(2).normal(0, 1e-3, (64, 64)).astype(np.float32)
    with pytest.raises(BoundError, match=r"write 0\.125sigma"):
        radcodec.encode(image, max_error=0.125, threads=1)
    for bound in ("20sigma", "11localsigma"):
        with pytest.raises(BoundError, match="at most 10 times the noise"):
            radcodec.encode(image, max_error=bound, threads=1)
    assert radcodec.open(radcodec.encode(image, max_error=0.125, threads=1, force=True)).info.max_error == 0.125


def test_images_without_noise_take_any_bound() -> None:
    """Constants, masks of few integers, components on zeros and smooth maps have no noise to compare with."""
    y, x = np.mgrid[:48, :48]
    components = np.zeros((48, 48), np.float32)
    components[::7, ::5] = 3.0
    mask = np.random.default_rng(3).integers(0, 9, (48, 48)).astype(np.uint8)
    for image in (np.ones((48, 48), np.float32), mask, components, np.hypot(x - 99.0, y - 77.0)):
        restored = radcodec.decode(radcodec.encode(image, max_error=20.0, threads=1))
        assert np.abs(restored.astype(np.float64) - image).max() <= 20.0


def test_a_quiet_plane_among_noisy_ones_is_no_reason_to_refuse() -> None:
    """A bound that is sane for one plane of a cube is taken."""
    rng = np.random.default_rng(4)
    cube = np.stack([rng.normal(0, sigma, (32, 32)) for sigma in (1e-4, 1e-4, 1.0, 1e-4)]).astype(np.float32)
    data = radcodec.encode(cube, max_error=0.5, threads=1)
    assert np.abs(radcodec.decode(data).astype(np.float64) - cube).max() <= 0.5


def test_a_noise_that_is_no_number_is_refused() -> None:
    """A noise given as text or as a quantity is an error that says so."""
    for sigma in ("abc", 1 * units.Jy):
        with pytest.raises(InputError, match="sigma to be a number"):
            radcodec.encode(np.ones((8, 8)), max_error="1sigma", sigma=sigma)  # type: ignore[arg-type]
