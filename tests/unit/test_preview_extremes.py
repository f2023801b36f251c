"""Previews of extreme values."""

from __future__ import annotations

import numpy as np

import radcodec
from radcodec.simulate import simulate_image


def test_preview_of_values_at_the_ends_of_single_precision() -> None:
    """Normalising them for the preview overflows without a warning, and the image comes back."""
    image = simulate_image((64, 64), seed=4).astype(np.float32)
    image[::7, ::5] = np.finfo(np.float32).max
    image[1::7, ::5] = np.finfo(np.float32).min
    assert radcodec.decode(radcodec.encode(image, preview=5)).tobytes() == image.tobytes()
