"""Turned tiles of plain and counted streams: the order of the axes holds for all tiles of an image, or for none."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import reference_decoder as ref

import radcodec
from radcodec import detail
from radcodec.detail.plain import COUNTED, LEARNED


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("dtype", ["u1", "i2", "f4", "f8"])
def test_small_cubes_of_three_values(dtype: str, seed: int) -> None:
    """Cubes whose plain streams beat learned ones: the block with the order is not in the file."""
    rng = np.random.default_rng(seed)
    shape = tuple(int(n) for n in rng.integers(4, 12, 3))
    array = rng.choice(np.array([0, 1, 9]), shape).astype(dtype)
    data = radcodec.encode(array, threads=1)
    assert radcodec.decode(data).tobytes() == array.tobytes()
    assert np.asarray(ref.decode_file(data)).tobytes() == array.tobytes()


def test_fill_values_are_counted_in_the_order_of_the_tile() -> None:
    """In a cube of turned tiles those of mostly fill values are counted in that order; both readers restore them."""
    rng = np.random.default_rng(5)
    rough = np.cumsum(rng.normal(size=(8, 32, 48)), 0) + 40 * rng.normal(size=(1, 1, 48))
    array = rough.astype("f4")
    others = np.round(rough[:, :, 24:] / 8).astype("f4") + np.float32(0.5)
    array[:, :, 24:] = np.where(rng.random((8, 32, 24)) < 0.01, others, np.float32(0.0))
    methods: list[int] = []
    own: Any = detail.decode_tile

    def seen(stream: bytes, *options: Any) -> Any:
        methods.append(stream[0])
        return own(stream, *options)

    with (
        patch("radcodec.detail.order_by_roughness", lambda *_: (2, 0, 1)),
        patch("radcodec.detail.decode_tile", seen),
    ):
        data = radcodec.encode(array, tile=(8, 32, 24), threads=1, effort=5)
        assert radcodec.decode(data).tobytes() == array.tobytes()
    assert {LEARNED, COUNTED} <= set(methods)
    assert np.asarray(ref.decode_file(data)).tobytes() == array.tobytes()
