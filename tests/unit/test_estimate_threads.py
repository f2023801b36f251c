"""Threads share the tries of an estimate without changing it."""

from __future__ import annotations

import pytest

import radcodec
from radcodec.simulate import simulate_image


@pytest.mark.parametrize("side", [96, 200])
def test_estimates_do_not_depend_on_threads(side: int) -> None:
    """One thread and three give the same modes, bounds and rates, in the same order."""
    image = simulate_image((side, side), seed=3)
    one, three = ([rung | {"seconds": 0} for rung in radcodec.estimate(image, threads=n)] for n in (1, 3))
    assert one == three
    assert [rung["mode"] for rung in one] == ["lossless", *["bounded"] * 5, "lossy"]
