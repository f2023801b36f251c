"""Encoding arrays at the ends of what floats can be: it works, and what it writes both decoders read."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import reference_decoder as ref
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import radcodec

MAX = 1.7976931348623157e308


def check(array: npt.NDArray[Any], **options: Any) -> None:
    """The array comes back as it should, from both decoders, without a warning that is none of ours."""
    with warnings.catch_warnings(), np.errstate(over="warn", invalid="warn", divide="warn"):
        warnings.simplefilter("error", RuntimeWarning)
        data = radcodec.encode(array, **options)
        restored = radcodec.decode(data)
    again = ref.decode_file(data)
    assert not isinstance(again, bytes)
    assert restored.tobytes() == again.tobytes()
    info = radcodec.open(data).info
    if info.mode == "lossless":
        assert restored.tobytes() == array.tobytes()
    elif info.max_error is not None:
        with np.errstate(over="ignore", invalid="ignore"):
            assert (np.abs(restored.astype("f8") - array.astype("f8")) <= info.max_error).all()


def noise(shape: tuple[int, ...] = (3, 12, 12), seed: int = 1) -> npt.NDArray[np.float64]:
    """Gaussian noise."""
    return np.random.default_rng(seed).normal(0, 1, shape)


BOUNDS = [{}, {"max_error": "0.5sigma"}, {"max_error": "0.5localsigma"}, {"max_error": "0.5sigma", "dither": True}]


@pytest.mark.parametrize("options", BOUNDS, ids=str)
@pytest.mark.parametrize("decades", [30, 100, 200, 300])
def test_planes_of_far_scales(decades: int, options: dict[str, Any]) -> None:
    """Planes whose noise, and so bounds, differ by hundreds of decades share a tile."""
    scales = np.array([10.0**-decades, 1.0, 10.0**decades])[:, None, None]
    check(noise() * scales, **options)


@pytest.mark.parametrize("code", ["f4", "f8", "i2", "u8"])
@pytest.mark.parametrize("bound", [5e-324, 1e-310, 1e-45, 1e38, 1e300, MAX])
def test_bounds_of_every_size(bound: float, code: str) -> None:
    """A bound from the smallest to the largest float, on any type."""
    array = np.abs(noise() * 1000).astype(code)
    check(array, max_error=bound)
    check(array, max_error=bound, dither=True)


VALUES = [MAX, -MAX, 2.0**1000, 2.0**900, 2.0**901, 5e-324, 2.2250738585072014e-308, 3.4028234663852886e38, 1e-45]


@pytest.mark.parametrize("value", VALUES)
def test_values_at_the_ends_of_the_range(value: float) -> None:
    """Noise, constants, ramps and single pixels of the largest and smallest floats, in every mode."""
    with np.errstate(over="ignore", under="ignore"):
        images = [
            noise() * (value / 8),
            np.full((3, 12, 12), value),
            np.where(noise() > 0, value, -value),
            np.where(np.arange(432).reshape(3, 12, 12) == 5, value, noise()),
            np.linspace(value * 0.9, value, 432).reshape(3, 12, 12),
        ]
    for image in images:
        for code in ("f8", "f4") if 1e-45 <= abs(value) <= 3.5e38 else ("f8",):
            array = image.astype(code)
            for options in (*BOUNDS, {"max_error": 1e-3}, {"max_error": MAX}):
                check(array, **options)


@pytest.mark.parametrize("value", [MAX, 5e-324, 2.0**1000])
def test_base_layers_at_the_ends_of_the_range(value: float) -> None:
    """Offsets and scales of a base layer are kept within their range, which its reader applies."""
    with np.errstate(over="ignore", under="ignore"):
        for image in (noise() * (value / 8), np.where(noise() > 0, value, -value)):
            check(image, lossy_stages=2)
            check(image, preview=20)


NUMBERS = st.sampled_from([*VALUES, 0.0, -0.0, 1.0, -1.5, 1e-200, 1e200, np.inf, -np.inf, np.nan])


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(
    scales=st.lists(st.integers(-300, 300), min_size=1, max_size=4),
    offsets=st.lists(NUMBERS, min_size=4, max_size=4),
    code=st.sampled_from(["f4", "f8"]),
    bound=st.sampled_from([None, "0.5sigma", "0.5localsigma", 1e-300, 1e-3, 1e300]),
    dither=st.booleans(),
    seed=st.integers(0, 9),
)
def test_any_planes(scales: list[int], offsets: list[float], code: str, bound: Any, dither: bool, seed: int) -> None:
    """Planes of noise of any scale on values of any size: what is written is read by both decoders."""
    array = noise((len(scales), 9, 10), seed)
    with np.errstate(all="ignore"):
        for plane, scale in enumerate(scales):
            array[plane] = array[plane] * 10.0**scale + offsets[plane]
        array = array.astype(code)
    if bound is None:
        check_bits(array)
    else:
        data = radcodec.encode(array, max_error=bound, dither=dither)
        again = ref.decode_file(data)
        assert not isinstance(again, bytes)
        assert radcodec.decode(data).tobytes() == again.tobytes()


def check_bits(array: npt.NDArray[Any]) -> None:
    """The array comes back bit for bit from both decoders."""
    data = radcodec.encode(array)
    again = ref.decode_file(data)
    assert not isinstance(again, bytes)
    assert radcodec.decode(data).tobytes() == again.tobytes() == array.tobytes()
