"""Values near the end of their range: no warning of NumPy reaches the user, whatever the mode."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest

import radcodec
from radcodec.decoding.picture import png_bytes, sky_pixels


def _image(dtype: str, kind: str) -> np.ndarray:
    rng = np.random.default_rng(3)
    noise, largest = rng.normal(size=(40, 50)), float(np.finfo(dtype).max)
    images = {
        "huge noise": np.clip(noise, -3.9, 3.9) / 4 * largest,
        "largest": np.full((40, 50), largest),
        "largest of both signs": np.where(rng.random((40, 50)) < 0.5, largest, -largest),
        "half largest": np.where(rng.random((40, 50)) < 0.5, largest, noise),
        "tiny": noise * float(np.finfo(dtype).tiny),
        "infinite": np.where(rng.random((40, 50)) < 0.3, np.inf, noise),
    }
    return images[kind].astype(dtype)


OPTIONS: list[dict[str, Any]] = [
    {},
    {"max_error": "0.125sigma"},
    {"max_error": "0.25localsigma"},
    {"max_error": 1e30},
    {"lossy": True},
    {"preview": 10},
]


@pytest.mark.parametrize("kind", ["huge noise", "largest", "largest of both signs", "half largest", "tiny", "infinite"])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_encoding_decoding_and_pictures_warn_of_nothing(dtype: str, kind: str) -> None:
    """Warnings are errors here: each step of every mode goes through, or ends in an error of radcodec's own."""
    image = _image(dtype, kind)
    for options in OPTIONS:
        try:
            data = radcodec.encode(image, threads=1, **options)
        except radcodec.BoundError:
            continue
        found = radcodec.decode(data, threads=1)
        assert found.dtype == image.dtype
        if "max_error" not in options and "lossy" not in options:
            assert found.tobytes() == image.tobytes()
        radcodec.preview(data, io.BytesIO(), threads=1)


def test_pictures_of_the_largest_values() -> None:
    """A picture of values whose mean and spread overflow is drawn."""
    largest = np.finfo(np.float64).max
    image = np.where(np.arange(3000 * 20).reshape(3000, 20) % 3 == 0, largest, -largest)
    assert png_bytes(sky_pixels(image)).startswith(b"\x89PNG")
