"""A map of the noise that follows mosaics of any size and that sources do not raise."""

from __future__ import annotations

import numpy as np
import pytest

import radcodec
from radcodec.pixels.noise import local_cell, sigma_map


def _mosaic(side: int) -> tuple[np.ndarray, np.ndarray]:
    """Correlated noise that grows 7.5 times from the centre to the border, NaN beyond; and its sigma."""
    y, x = np.mgrid[:side, :side]
    radius = np.hypot(y - side / 2, x - side / 2) / (side / 2)
    white = np.random.default_rng(side).normal(size=(side, side))
    kernel = np.exp(-0.5 * (np.minimum(np.arange(side), side - np.arange(side)) / 2.0) ** 2)
    beam = np.fft.fft2(np.outer(kernel, kernel))
    field = np.fft.ifft2(np.fft.fft2(white) * beam).real
    sigma = 1e-5 * np.exp((radius / 0.7) ** 2)
    image = (field / field.std() * sigma).astype(np.float32)
    image[radius > 1] = np.nan
    return image, sigma


@pytest.mark.parametrize("side", [256, 512, 1024])
def test_the_map_follows_a_mosaic(side: int) -> None:
    """No cell is over 1.3 times the noise of any of its pixels, and on the whole it is not below 0.6 of it."""
    image, sigma = _mosaic(side)
    special = np.isnan(image)
    cell = local_cell(image, special)
    cells = sigma_map(image, special, cell)
    ratio = (np.repeat(np.repeat(cells, cell, 0), cell, 1)[:side, :side] / sigma)[~special]
    assert ratio.max() <= 1.3
    assert np.exp(np.log(ratio).mean()) > 0.6


def test_flat_noise_loses_little() -> None:
    """Noise that is the same everywhere is mapped at 0.8 to 1.1 of it: few beams must not cost bits."""
    white = np.random.default_rng(1).normal(size=(400, 400))
    cells = sigma_map(white, None, local_cell(white, None))
    assert cells.min() > 0.8
    assert cells.max() < 1.1


def test_sources_do_not_raise_the_bound() -> None:
    """Bright and extended sources leave the map of the noise around and under them within 1.3 times the noise."""
    image = np.random.default_rng(2).normal(size=(512, 512))
    y, x = np.mgrid[:512, :512]
    for cy, cx, size, peak in ((100, 100, 3, 1e4), (300, 200, 12, 50), (400, 420, 20, 30)):
        image += peak * np.exp(-0.5 * ((y - cy) ** 2 + (x - cx) ** 2) / size**2)
    cells = sigma_map(image, None, local_cell(image, None))
    assert cells.max() < 1.3
    assert np.median(cells) > 0.85


def test_parts_without_noise_take_the_finest_bound() -> None:
    """A constant part is not exact, which would make its whole tile so, but has the lowest noise of the map."""
    image = np.random.default_rng(3).normal(size=(256, 256))
    image[:, :100] = 4.0
    cells = sigma_map(image, None, 16)
    assert cells[:, 0] == pytest.approx(cells.min())
    assert cells.min() > 0.5


def test_info_says_the_cell() -> None:
    """The side of the cells is in the report, the same for any tile size; without a map it is None."""
    image, _ = _mosaic(256)
    sizes = {
        radcodec.open(radcodec.encode(image, max_error="1localsigma", tile=tile, threads=1)).info.hdus[0]["sigma_cell"]
        for tile in (64, 512)
    }
    assert sizes == {local_cell(image, np.isnan(image))}
    assert radcodec.open(radcodec.encode(image, max_error="1sigma", threads=1)).info.hdus[0]["sigma_cell"] is None


def test_the_bound_is_local_in_the_end() -> None:
    """The largest error of a whole round trip is within 1.3 times an eighth of the noise of each pixel."""
    image, sigma = _mosaic(256)
    restored = radcodec.decode(radcodec.encode(image, max_error="0.125localsigma", threads=1))
    error = np.abs(restored.astype(np.float64) - image) / sigma
    assert np.nanmax(error) <= 1.3 * 0.125
