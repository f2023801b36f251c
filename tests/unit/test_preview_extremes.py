"""Previews of extreme values."""

from __future__ import annotations

import numpy as np

from radcodec.base.normalise import load_named_model, tile_spectrum
from radcodec.base.store import is_stepped


def test_differences_beyond_single_precision_are_normalised_without_a_warning() -> None:
    """Samples whose distance from the offset overflows in single precision count as far away, and raise no warning."""
    model = load_named_model(None)
    assert is_stepped(model)
    tile = np.full((1, 64, 64), np.finfo(np.float32).max)
    spectrum = tile_spectrum(model, tile, None, np.array([[-3e38, 1e36]]), step=1.0)
    assert np.isfinite(spectrum.low).all()
    assert np.abs(spectrum.low).max() > 0.0
