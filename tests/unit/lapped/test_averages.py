"""Codes made from averages of 2 by 2 pixels: what they keep, what they leave out, and that streams hold them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radcodec.base.lapped import search, transform
from radcodec.base.lapped.model import LappedModel, compand
from radcodec.errors import InputError


def averages(image: np.ndarray) -> np.ndarray:
    """Averages of 2 by 2 samples, sides even."""
    return image.reshape(image.shape[0] // 2, 2, image.shape[1] // 2, 2).mean(axis=(1, 3))


@pytest.mark.parametrize("code", [0, 2, 4])
def test_low_frequencies_are_those_of_the_samples(code: int) -> None:
    """Of an image without high frequencies both give the same coefficients, but for what averaging takes: under 2 %."""
    y, x = np.mgrid[:256, :256] + 0.5
    image = 3.0 * np.cos(2 * np.pi * x / 41.0) * np.cos(2 * np.pi * y / 67.0 + 0.3)
    g = transform.geometry_of(image.shape, code)
    full = transform.analyse(image, g, 1.0)
    low = transform.analyse_averages(averages(image), g)
    assert low.shape == (g.rows, g.columns, g.height // 2, g.width // 2)
    kept = full[:, :, : g.height // 2, : g.width // 2]
    assert np.linalg.norm(low - kept) < 0.02 * np.linalg.norm(full)


def test_a_coarse_picture_of_resolved_emission_is_as_good(model: LappedModel) -> None:
    """Of sources nine pixels wide a coarse step keeps the same: errors differ by under 3 %."""
    rng = np.random.default_rng(5)
    y, x = np.mgrid[:256, :256]
    image = rng.normal(size=(256, 256))
    for px, py, flux in zip(rng.uniform(0, 256, 30), rng.uniform(0, 256, 30), rng.exponential(60, 30), strict=True):
        image += flux * np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * 4.0**2))
    errors = []
    for codes in (
        model.encode_tile(image, 0.0, 1.0, step=8.0),
        model.encode_averages(averages(image), image.shape, step=8.0),
    ):
        errors.append(float(np.sqrt(np.mean((model.companded(codes) / 64 - compand(image, 0.0, 1.0)) ** 2))))
    assert errors[1] < 1.03 * errors[0]
    assert errors[1] < 0.9 * float(np.sqrt(np.mean(compand(image, 0.0, 1.0) ** 2)))


@settings(max_examples=25, deadline=None)
@given(height=st.integers(1, 70), width=st.integers(1, 70), step=st.floats(0.3, 20.0), seed=st.integers(0, 99))
def test_streams_hold_the_codes(model: LappedModel, height: int, width: int, step: float, seed: int) -> None:
    """Streams of tiles of any shape hold codes without high frequencies; their digest is that of the codes."""
    shape = (-(-height // 2), -(-width // 2))
    codes = model.encode_averages(np.random.default_rng(seed).normal(size=shape) * 9, (height, width), step=step)
    n, m = codes.coefficients.shape[2:]
    assert not codes.coefficients[:, :, n // 2 :].any()
    assert not codes.coefficients[:, :, :, m // 2 :].any()
    assert model.high_share(codes) == 0.0
    streams = model.stage_streams(codes)
    assert (model.read_codes(streams, (height, width))[0].coefficients == codes.coefficients).all()
    assert model.read_digest(streams, (height, width)) == model.digest(codes)


def test_digests_differ(model: LappedModel) -> None:
    """A coefficient, the step or the block length changed changes the digest; choices keep the block length alone."""
    image = np.random.default_rng(1).normal(size=(64, 64)) * 9
    codes = model.encode_tile(image, 0.0, 1.0, step=1.0)
    coefficients = codes.coefficients.copy()
    coefficients.flat[int(np.flatnonzero(coefficients)[0])] *= -1
    others = [replace(codes, coefficients=coefficients), replace(codes, gain=codes.gain ^ 1), replace(codes, code=0)]
    assert len({model.digest(one) for one in [codes, *others]}) == 4
    light = model.choices(codes)
    assert light.code == codes.code
    assert light.coefficients.size == 0
    again = model.encode_tile(image, 0.0, 1.0, step=1.0, like=light)
    assert model.digest(again) == model.digest(codes)


def test_high_share_counts_what_averages_do_not_see(model: LappedModel) -> None:
    """White noise has three quarters of its coefficients there, a wide source none."""
    white = np.random.default_rng(2).normal(size=(128, 128)) * 20
    assert model.high_share(model.encode_tile(white, 0.0, 1.0, step=0.5)) == pytest.approx(0.75, abs=0.02)
    assert model.high_share(model.encode_tile(np.zeros((8, 8)), 0.0, 1.0, step=0.5)) == 0.0


@pytest.mark.parametrize("shape", [(3, 4), (4,), (0, 4)])
def test_shapes_that_do_not_go_together(model: LappedModel, shape: tuple[int, ...]) -> None:
    """Averages of another shape than half the tile's, rounded up, are refused."""
    with pytest.raises(InputError, match="expected averages of shape"):
        model.encode_averages(np.zeros(shape), (8, 8), step=1.0)


def test_waves_take_the_longest_blocks_and_points_the_shortest() -> None:
    """Of averages of a tile of 512 pixels: waves over all of it, and bright points anywhere."""
    y, x = np.mgrid[:256, :256]
    waves = 9.0 * np.cos(2 * np.pi * 5.3 * x / 512) * np.cos(2 * np.pi * 3.1 * y / 512)
    points = np.zeros((256, 256))
    points[tuple(np.random.default_rng(3).integers(0, 256, (2, 40)))] = 40.0
    assert search.choose_averages(waves, (512, 512), 1.0) == 5
    assert search.choose_averages(points, (512, 512), 1.0) == 0
