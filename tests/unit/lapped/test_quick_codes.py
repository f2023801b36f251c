"""Codes for previews, in single precision and without a search: what they keep, and that streams hold them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radcodec.base.lapped import quick, transform
from radcodec.base.lapped.model import LappedModel, compand
from radcodec.errors import InputError


def averages(image: np.ndarray) -> np.ndarray:
    """Averages of 2 by 2 samples, sides even."""
    return image.reshape(image.shape[0] // 2, 2, image.shape[1] // 2, 2).mean(axis=(1, 3))


def short(image: np.ndarray) -> np.ndarray:
    """A copy in single precision."""
    return image.astype(np.float32)


@pytest.mark.parametrize("code", range(6))
@pytest.mark.parametrize("shape", [(256, 192), (300, 130), (61, 47), (1, 9)])
def test_all_samples_give_the_coefficients_of_the_exact_transform(code: int, shape: tuple[int, int]) -> None:
    """Within 0.01 noise, of strong images too, and the samples that were given stay as they were."""
    image = np.random.default_rng(code).normal(size=shape) * 5
    g = transform.geometry_of(shape, code)
    mirrored = np.pad(image, ((0, g.rows * g.height - shape[0]), (0, g.columns * g.width - shape[1])), mode="symmetric")
    exact = transform.forward(np.rint(mirrored * transform.UNIT), g) / transform.UNIT
    given_samples = short(image)
    found = quick.spectrum_of(given_samples, shape, code).low
    assert np.abs(found - exact).max() < 0.01
    assert (given_samples == short(image)).all()


@pytest.mark.parametrize("code", [0, 2, 4])
def test_low_frequencies_are_those_of_the_samples(code: int) -> None:
    """Of an image without high frequencies both give the same coefficients, but for what averaging takes: under 2 %."""
    y, x = np.mgrid[:256, :256] + 0.5
    image = 3.0 * np.cos(2 * np.pi * x / 41.0) * np.cos(2 * np.pi * y / 67.0 + 0.3)
    g = transform.geometry_of(image.shape, code)
    full = transform.analyse(image, g, 1.0)
    low = quick.spectrum_of(short(averages(image)), (256, 256), code).low
    assert low.shape == (g.rows, g.columns, g.height // 2, g.width // 2)
    kept = full[:, :, : g.height // 2, : g.width // 2]
    assert np.linalg.norm(low - kept) < 0.02 * np.linalg.norm(full)


def sources() -> np.ndarray:
    """Noise, and sources nine pixels wide."""
    rng = np.random.default_rng(5)
    y, x = np.mgrid[:256, :256]
    image = rng.normal(size=(256, 256))
    for px, py, flux in zip(rng.uniform(0, 256, 30), rng.uniform(0, 256, 30), rng.exponential(60, 30), strict=True):
        image += flux * np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * 4.0**2))
    return image


@pytest.mark.parametrize("averaged", [True, False])
def test_a_coarse_picture_of_resolved_emission_is_as_good(model: LappedModel, averaged: bool) -> None:
    """A coarse step keeps what the search keeps of resolved sources: errors are at most 3 % larger."""
    image = sources()
    values = averages(image) if averaged else image
    errors = []
    for codes in (
        model.encode_tile(image, 0.0, 1.0, step=8.0),
        model.quick_codes(model.spectrum(short(values), (256, 256), step=8.0), 8.0),
    ):
        errors.append(float(np.sqrt(np.mean((model.companded(codes) / 64 - compand(image, 0.0, 1.0)) ** 2))))
    assert errors[1] < 1.03 * errors[0]
    assert errors[1] < 0.9 * float(np.sqrt(np.mean(compand(image, 0.0, 1.0) ** 2)))


@settings(max_examples=25, deadline=None)
@given(
    height=st.integers(1, 70), width=st.integers(1, 70), step=st.floats(0.3, 20.0), averaged=st.booleans(),
    seed=st.integers(0, 99),
)  # fmt: skip
def test_streams_hold_the_codes(
    model: LappedModel, height: int, width: int, step: float, averaged: bool, seed: int
) -> None:
    """Streams of tiles of any shape hold the codes; those of averages have no high frequencies."""
    shape = (-(-height // 2), -(-width // 2)) if averaged else (height, width)
    values = short(np.random.default_rng(seed).normal(size=shape) * 9)
    codes = model.quick_codes(model.spectrum(values, (height, width), step=step), step)
    n, m = codes.coefficients.shape[2:]
    if averaged and shape != (height, width):
        assert not codes.coefficients[:, :, n // 2 :].any()
        assert not codes.coefficients[:, :, :, m // 2 :].any()
    streams = model.stage_streams(codes)
    assert (model.read_codes(streams, (height, width))[0].coefficients == codes.coefficients).all()
    assert model.read_digest(streams, (height, width)) == model.digest(codes)


def test_digests_differ(model: LappedModel) -> None:
    """A coefficient, the step or the block length changed changes the digest."""
    image = np.random.default_rng(1).normal(size=(64, 64)) * 9
    codes = model.encode_tile(image, 0.0, 1.0, step=1.0)
    coefficients = codes.coefficients.copy()
    coefficients.flat[int(np.flatnonzero(coefficients)[0])] *= -1
    others = [replace(codes, coefficients=coefficients), replace(codes, gain=codes.gain ^ 1), replace(codes, code=0)]
    assert len({model.digest(one) for one in [codes, *others]}) == 4


def test_high_share_counts_what_averages_do_not_see() -> None:
    """White noise has three quarters of its coefficients there, nothing has none."""
    white = short(np.random.default_rng(2).normal(size=(128, 128)) * 20)
    assert quick.spectrum_of(white, (128, 128), 2).high_share(0.5) == pytest.approx(0.75, abs=0.02)
    assert quick.spectrum_of(np.zeros((8, 8), np.float32), (8, 8), 0).high_share(0.5) == 0.0


def test_what_a_step_keeps_is_counted() -> None:
    """Coefficients of at least 0.6 steps are kept at each of some steps."""
    low = np.array([-3.0, 0.5, 0.7, 1.3, 5.9], np.float32).reshape(1, 1, 1, 5)
    spectrum = quick.Spectrum(shape=(1, 5), code=0, low=low)
    assert spectrum.kept(np.array([1.0, 2.0, 9.0, 10.0])).tolist() == [4, 3, 1, 0]


def test_a_lone_one_among_zeros_is_not_worth_its_bits() -> None:
    """One of 0.88 steps among many zeros stays 0; among ones as large it is kept.

    One in 25 is not 0 in its neighbourhood: 4.6 bits and that of the sign are worth 0.5 + 0.07 * 5.6 = 0.89 steps.
    """
    low = np.zeros((1, 1, 80, 80), np.float32)
    low[0, 0, 60, 60] = 0.88
    low[0, 0, :20, :20] = 0.88
    codes = quick.quantise(quick.Spectrum(shape=(80, 80), code=3, low=low), 1.0)
    assert codes.coefficients[0, 0, 60, 60] == 0
    assert (codes.coefficients[0, 0, :20, :20] == 1).all()


def test_values_without_a_number_count_as_nothing() -> None:
    """NaN is 0, and values beyond the range are its ends, 47.98."""
    values = quick.compand_quickly(np.array([[np.nan, np.inf, -1e30, 0.0]], np.float32))
    assert values.tolist() == [[0.0, 47.984375, -47.984375, 0.0]]


@pytest.mark.parametrize("shape", [(3, 4), (4,), (0, 4)])
def test_shapes_that_do_not_go_together(model: LappedModel, shape: tuple[int, ...]) -> None:
    """Values of another shape than the tile's, or half of it, rounded up, are refused."""
    with pytest.raises(InputError, match="expected values of shape"):
        model.spectrum(np.zeros(shape, np.float32), (8, 8), step=1.0)


def test_waves_take_the_longest_blocks_and_points_the_shortest() -> None:
    """Of averages of a tile of 512 pixels: waves over all of it, and bright points anywhere."""
    y, x = np.mgrid[:256, :256]
    waves = 9.0 * np.cos(2 * np.pi * 5.3 * x / 512) * np.cos(2 * np.pi * 3.1 * y / 512)
    points = np.zeros((256, 256))
    points[tuple(np.random.default_rng(3).integers(0, 256, (2, 40)))] = 40.0
    assert quick.choose_code(short(waves), (512, 512), 1.0)[0] == 5
    assert quick.choose_code(short(points), (512, 512), 1.0)[0] == 0
