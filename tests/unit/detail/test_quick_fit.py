"""The quick fit: what its predictors are worth beside theory and beside the slow fit."""

from __future__ import annotations

import math
import warnings

import numpy as np
import numpy.typing as npt
import pytest

from radcodec.detail import TileBound, decode_tile, encode_tile, fit_image, load_predictors
from radcodec.types import SampleType

LEVELS = tuple(range(1, 10))


def field(side: int, seed: int, spread: float) -> npt.NDArray[np.float64]:
    """A causal process x = 0.7 left + 0.6 above - 0.42 above left + noise of a spread, with its start left out."""
    noise = np.random.default_rng(seed).normal(scale=spread, size=(side + 40, side + 40))
    x = np.zeros_like(noise)
    for i in range(1, side + 40):
        for j in range(1, side + 40):
            x[i, j] = 0.7 * x[i, j - 1] + 0.6 * x[i - 1, j] - 0.42 * x[i - 1, j - 1] + noise[i, j]
    return x[40:, 40:]


def coded_bits(image: npt.NDArray[np.generic], bound: float | None, effort: int) -> float:
    """Bits a pixel of an image's stream and predictor, which must restore it."""
    kind = SampleType[image.dtype.str[1:].upper()]
    special = ~np.isfinite(image) if image.dtype.kind == "f" and not np.isfinite(image).all() else None
    block = fit_image(image, special, bound, kind, effort=effort)
    predictors = load_predictors(block)
    limit = None if bound is None else TileBound(error=bound)
    stream = encode_tile(image, special, predictors, limit)
    shape = (image.shape[0], image.shape[1], image.shape[2])
    restored = decode_tile(stream, shape, kind, special, predictors, limit)
    known = np.ones(image.shape, np.bool_) if special is None else ~special
    assert np.abs(restored[known].astype(np.float64) - image[known]).max(initial=0.0) <= (bound or 0.0)
    return 8.0 * (len(block) + len(stream)) / image.size


@pytest.mark.parametrize("effort", LEVELS)
def test_a_process_takes_about_its_entropy(effort: int) -> None:
    """Integers of a causal Gaussian process take at most 1.5 % more bits than the entropy of its innovations."""
    spread = 50.0
    image = np.rint(field(256, 1, spread)).astype(np.int32)[None]
    entropy = 0.5 * math.log2(2.0 * math.pi * math.e * spread**2)
    assert entropy * 0.99 < coded_bits(image, None, effort) < entropy * 1.015


def test_steps_of_a_process_take_about_their_entropy() -> None:
    """Bounded floats take little more than the entropy of innovations in steps, at the default and at the least."""
    image = field(256, 2, 8.0).astype(np.float32)[None]
    entropy = 0.5 * math.log2(2.0 * math.pi * math.e * 8.0**2)  # steps of about 1
    for effort in (1, 5):
        assert entropy * 0.98 < coded_bits(image, 0.5, effort) < entropy * 1.03


@pytest.mark.parametrize("bound", [None, 0.02])
def test_more_effort_takes_no_more_bits(bound: float | None) -> None:
    """On images smoothed by a beam, with sources, each level takes at most 1.5 % more bits than the one below.

    And the last takes fewest, within 0.5 %.
    """
    rng = np.random.default_rng(3)
    sizes = []
    for width in (1.6, 2.4):
        frequency = np.hypot(np.fft.fftfreq(160)[:, None], np.fft.rfftfreq(160)[None])
        beam = np.exp(-2.0 * (math.pi * width * frequency) ** 2)
        sky = rng.normal(size=(160, 160))
        sky[rng.integers(0, 160, 6), rng.integers(0, 160, 6)] += 300.0
        image = np.fft.irfft2(np.fft.rfft2(sky) * beam, (160, 160))
        image = (image / image.std() + 0.01 * rng.normal(size=(160, 160))).astype(np.float32)[None]
        sizes.append([coded_bits(image, bound, effort) for effort in LEVELS])
    total = np.array(sizes).sum(0)
    assert (total[1:] <= total[:-1] * 1.015).all(), total
    assert total[-1] <= total.min() * 1.005, total


@pytest.mark.parametrize("effort", [1, 5, 8])
def test_scattered_special_pixels_cost_little(effort: int) -> None:
    """With a fifth of the pixels missing the quick fit takes at most 3 % more bits than the slow one."""
    image = field(160, 4, 1.0).astype(np.float32)[None]
    image[np.random.default_rng(5).random(image.shape) < 0.2] = np.nan
    assert coded_bits(image, 0.05, effort) < 1.03 * coded_bits(image, 0.05, 9)


@pytest.mark.parametrize("effort", [1, 3, 5, 8])
@pytest.mark.parametrize(
    "shape", [(1, 1, 1), (1, 8, 8), (1, 1, 4000), (1, 4000, 1), (40, 5, 7), (3, 64, 70), (1, 7, 300)]
)
def test_any_shape_is_fitted(shape: tuple[int, int, int], effort: int) -> None:
    """Planes of any shape are fitted and restored, without a warning of NumPy."""
    image = np.random.default_rng(6).normal(size=shape).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for bound in (None, 0.1):
            coded_bits(image, bound, effort)


@pytest.mark.parametrize("effort", [1, 5, 8])
@pytest.mark.parametrize("scale", [0.0, 1e-300, 1e-30, 1e30, 1e300])
def test_any_size_of_values_is_fitted(scale: float, effort: int) -> None:
    """Values of any size are fitted and restored, constants too, without a warning of NumPy."""
    image = scale * field(64, 7, 1.0)[None]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        coded_bits(image, None, effort)
        if scale:
            coded_bits(image, 0.1 * scale, effort)


def test_all_but_a_few_pixels_special() -> None:
    """An image of which hardly a pixel is known is restored at every level."""
    image = np.full((1, 64, 64), np.nan, np.float32)
    image[0, ::9, ::11] = np.arange(48, dtype=np.float32).reshape(8, 6)
    for effort in LEVELS:
        coded_bits(image, None, effort)


def test_ramps_that_are_predictable_to_the_last_place() -> None:
    """A plane of float64 that four taps predict takes under a bit a pixel at the default effort."""
    y, x = np.mgrid[:128, :128]
    image = (3.0 * x + 5.0 * y)[None]
    assert coded_bits(image, None, 5) < 1.0
