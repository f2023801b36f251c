"""Integer images under a bound that follows the noise, large enough that NumPy works in place."""

from __future__ import annotations

import numpy as np

import radcodec
from radcodec.pixels.bounds import ImageBounds, tile_errors
from radcodec.simulate import simulate_image


def test_errors_of_a_tile_are_in_the_order_of_its_samples() -> None:
    """E of each sample comes from its cell, and lies in memory as samples do, which kernels in C rely on."""
    cells = np.arange(12, dtype=np.float32).reshape(1, 3, 4)
    errors = tile_errors(ImageBounds(cell=2, cells=cells), (0, 1, 1, 6, 2, 8))
    assert isinstance(errors, np.ndarray)
    assert errors[0].tolist() == [[cells[0, y // 2, x // 2] for x in range(2, 8)] for y in range(1, 6)]
    assert errors.flags.c_contiguous


def test_integers_of_uneven_noise() -> None:
    """An integer image of 200 x 200 pixels with noisy edges is coded, with smaller errors where the noise is lower."""
    field = simulate_image((200, 200), seed=1, noise_rms=200.0, n_sources=0, primary_beam_fwhm_px=140.0)
    image = np.clip(field, -32000, 32000).astype(np.int16)
    restored = radcodec.decode(radcodec.encode(image, max_error="0.25localsigma", threads=1))
    errors = np.abs(restored.astype(np.int64) - image)
    middle, corner = errors[80:120, 80:120], errors[:20, :20]
    assert 0 < middle.max() <= 0.25 * 200 * 1.3
    assert middle.max() < corner.max()
