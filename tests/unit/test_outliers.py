"""Lone outliers: found beside noise and sources alike, exact, and no burden to the pixels around them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import radcodec
from radcodec.encoding.outliers import find_outliers

RNG = np.random.default_rng(3)


def _field(side: int, sigma: float = 1e-5, rng: np.random.Generator = RNG) -> np.ndarray:
    field = rng.normal(size=(side + 8, side + 8))
    for _ in range(4):
        field = (field[:-1] + field[1:])[:, :-1]
        field = field[:, :-1] + field[:, 1:] if field.shape[1] > field.shape[0] else field
    field = field[:side, :side]
    return (field / field.std() * sigma).astype(np.float32)


def _places(image: np.ndarray) -> set[tuple[int, ...]]:
    found = find_outliers(image[None], None)
    return set() if found is None else {(int(y), int(x)) for y, x in np.argwhere(found[0])}


@pytest.mark.parametrize("value", [1e-3, 0.1, -999.0, 1e20, -3e38])
@pytest.mark.parametrize("place", [(30, 31), (0, 0), (63, 5), (1, 62), (20, 63)])
def test_a_lone_outlier_is_found(place: tuple[int, int], value: float) -> None:
    """One pixel of a hundred times the noise or more is found, at the edges too, and no other."""
    image = _field(64)
    image[place] = value
    assert _places(image) == {place}


@pytest.mark.parametrize("dtype", ["i2", "i4", "u1", "f8"])
def test_outliers_of_other_types(dtype: str) -> None:
    """So it is in images of integers and of float64."""
    image = RNG.integers(20, 24, (64, 64)).astype(dtype)
    image[10, 50] = 255 if dtype == "u1" else 20000
    assert _places(image) == {(10, 50)}


def test_outliers_of_a_spectrum() -> None:
    """In an image of one row a spike of one channel is found."""
    spectrum = RNG.normal(size=(1, 500))
    spectrum[0, 77] = 1e4
    assert _places(spectrum) == {(0, 77)}


def test_a_track_is_found() -> None:
    """All pixels of a cosmic ray of four pixels of different brightness are among the outliers."""
    image = _field(64)
    image[30, 30:34] = (1, 2, 0.5, 1)
    assert _places(image) >= {(30, x) for x in range(30, 34)}


@pytest.mark.parametrize("fwhm", [1.5, 2.0, 3.0, 5.0])
@pytest.mark.parametrize("peak", [1e-3, 1e-1, 1.0])
def test_sources_are_no_outliers(fwhm: float, peak: float) -> None:
    """Compact sources of 100 to 100,000 times the noise, at any place between pixels, are none."""
    y, x = np.mgrid[:96, :96]
    image = _field(96).astype(np.float64)
    for cy, cx in ((20, 20), (50.5, 40.25), (70.25, 75.5), (30, 70.5)):
        image += peak * np.exp(-4 * np.log(2) * ((y - cy) ** 2 + (x - cx) ** 2) / fwhm**2)
    assert _places(image.astype(np.float32)) == set()


def test_many_are_no_exceptions() -> None:
    """An image of thousands of spikes has no outliers, noise neither, nor have constants and tiny images."""
    spikes = np.zeros((64, 64), np.float32)
    spikes[::3, ::3] = RNG.random((22, 22))
    for image in (spikes, RNG.standard_cauchy((64, 64)), RNG.normal(size=(64, 64)), np.ones((8, 8)), np.ones((2, 3))):
        assert len(_places(image)) <= 16


def test_pixels_beside_special_ones_are_left_alone() -> None:
    """A jump to a masked area is none."""
    image = _field(64)
    image[:20] = 1e20
    special = image == np.float32(1e20)
    assert find_outliers(image[None], special[None]) is None


@pytest.mark.parametrize("side", [64, 128])
@pytest.mark.parametrize("options", [{}, {"max_error": 1.25e-6}])
def test_an_outlier_costs_two_percent_at_most(side: int, options: dict[str, Any]) -> None:
    """Of a file with and of one without it the sizes differ by 2 % at most, and 32 bytes in the smallest ones."""
    image = _field(side)
    size = len(radcodec.encode(image, threads=1, **options))
    for value in (1e-3, 10.0, -999.0, 1e20):
        other = image.copy()
        other[side // 2, side // 3] = value
        stream = radcodec.encode(other, threads=1, **options)
        assert len(stream) <= max(1.02 * size, size + 32)
        restored = radcodec.decode(stream).astype(np.float64)
        assert (np.abs(restored - other.astype(np.float64)) <= options.get("max_error", 0.0)).all()


def test_many_outliers_cost_little() -> None:
    """Thirteen hot pixels in 16384 cost a lossless file less than the 2 % that they take at 6 bytes each."""
    image = _field(128)
    other = image.copy()
    places = RNG.choice(image.size, 13, replace=False)
    other.reshape(-1)[places] = 10 ** RNG.uniform(-2, 2, 13)
    size = len(radcodec.encode(image, threads=1))
    assert len(radcodec.encode(other, threads=1)) <= 1.02 * size


@pytest.mark.parametrize("model", ["vqvae-v1", "lapped-v2"])
@pytest.mark.parametrize("seed", [12, 17, 19])
def test_a_lossy_image_keeps_its_outlier(seed: int, model: str) -> None:
    """It comes back exactly, and the pixels around it are no worse than without it."""
    image = _field(64, rng=np.random.default_rng(seed))
    other = image.copy()
    other[30, 30] = 5.0
    before, after = (radcodec.decode(radcodec.encode(x, lossy=True, model=model, threads=1)) for x in (image, other))
    assert after[30, 30] == np.float32(5.0)
    around = np.ones(image.shape, np.bool_)
    around[30, 30] = False
    errors = [float(np.abs(x - image)[around].max()) for x in (before, after)]
    assert errors[1] < 1.5 * errors[0]


def _disc() -> np.ndarray:
    y, x = np.mgrid[:64, :64]
    return np.asarray(np.hypot(y - 32, x - 32) > 28.5)


@pytest.mark.parametrize("place", [(4, 32), (32, 4), (60, 30), (32, 60), (12, 12)])
def test_outliers_beside_blank_pixels(place: tuple[int, int]) -> None:
    """An outlier at the edge of a blank area is found, and nothing else at that edge."""
    image, blank = _field(64), _disc()
    blank[place[0] - 1 : place[0] + 2, place[1] - 1] = True
    blank[place] = False
    image[blank] = np.nan
    image[place] = 5.0
    found = find_outliers(image[None], blank[None])
    assert found is not None
    assert [tuple(at) for at in np.argwhere(found[0]).tolist()] == [place]


def test_blank_edges_alone_are_no_outliers() -> None:
    """Where blank areas end there are no outliers."""
    image, blank = _field(64), _disc()
    image[blank] = np.nan
    assert find_outliers(image[None], blank[None]) is None


def test_one_pixel_in_256_is_found() -> None:
    """Outliers of different values are found where they are one pixel in 256."""
    image = _field(64)
    places = RNG.choice(32 * 32, 16, replace=False)
    image[places // 32 * 2, places % 32 * 2] = RNG.uniform(1, 1000, 16)
    assert len(_places(image)) == 16


def test_the_edge_of_a_smooth_field_is_no_outlier() -> None:
    """At the border of a round smooth field no pixel is taken for an outlier."""
    y, x = np.mgrid[:512, :512]
    wave = np.fft.rfft2(np.random.default_rng(0).normal(size=x.shape))
    ky, kx = np.fft.fftfreq(512)[:, None], np.fft.rfftfreq(512)[None]
    image = np.fft.irfft2(wave * np.exp(-2 * (np.pi * 2.5) ** 2 * (ky**2 + kx**2))).astype(np.float32)
    blank = np.hypot(y - 256, x - 256) > 255
    image[blank] = np.nan
    assert find_outliers(image[None], blank[None]) is None
