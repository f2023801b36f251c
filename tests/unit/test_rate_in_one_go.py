"""A bit-rate is met with little more coding than one pass over all tiles."""

from __future__ import annotations

import math

import numpy as np
import pytest

import radcodec
from radcodec.base.trellis.model import TrellisModel
from radcodec.simulate import simulate_image


@pytest.mark.parametrize(("rate", "most"), [(0.25, 1.3), (1.0, 1.7)])
def test_few_pixels_are_coded_twice(rate: float, most: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """At 0.25 and at 1 bit a pixel, 36 tiles are coded less than 1.3 and 1.7 times, the search included."""
    image = simulate_image((1152, 1152), seed=6, n_sources=30)
    coded: list[int] = []
    encode_tile = TrellisModel.encode_tile

    def counted(self: TrellisModel, values: np.ndarray, *args: object, **options: object) -> object:
        coded.append(math.prod(values.shape))
        return encode_tile(self, values, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(TrellisModel, "encode_tile", counted)
    data = radcodec.encode(image, lossy_bpp=rate, tile=192, threads=1)
    assert 0.96 * rate < 8 * len(data) / image.size <= rate
    assert sum(coded) < most * image.size
