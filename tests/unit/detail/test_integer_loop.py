"""Integers in a loop and in units of steps: the bound is exact, coding again changes nothing, decoders agree."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import reference_decoder as ref
from hypothesis import given, settings
from hypothesis import strategies as st

import radcodec
from radcodec.detail import stream
from radcodec.detail.int_steps import LEAST_STEP, restore_units
from radcodec.detail.maps import MapKind, TileBound
from radcodec.detail.plain import LEARNED
from radcodec.detail.predictors import Predictors
from radcodec.simulate import simulate_image
from radcodec.types import SampleType

SIGMA = 100.0  # noise of the simulated integers
TYPES = ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8")
SHRINK = 3  # place of the shrink in a stream of map 3 or 4: behind method, predictor and map


def whole(shape: tuple[int, int], code: str, sigma: float = SIGMA, seed: int = 21) -> Any:
    """A simulated image [1, h, w] in integers, with an offset that unsigned ones need."""
    real = simulate_image(shape, seed=seed, noise_rms=sigma, n_sources=5, beam_fwhm_px=(5.0, 4.0))
    limits = np.iinfo(code)
    offset = 6 * sigma if code[0] == "u" else 0
    return np.rint(real + offset).clip(limits.min, min(limits.max, 2**52)).astype(code)[None]


def coded(tile: Any, bound: TileBound, special: Any = None, fitted: Any = None) -> tuple[Any, bytes, Predictors]:
    """Restored tile, its stream and its predictors, fitted to another image where one is given."""
    kind = SampleType[tile.dtype.str[1:].upper()]
    least = bound.error if bound.map is None else float(bound.map.min())
    image = tile if fitted is None else fitted
    predictors = stream.load_predictors(stream.fit_image(image, special, least, kind))
    assert predictors is not None
    data = stream.encode_tile(tile, special, predictors, bound)
    return stream.decode_tile(data, tile.shape, kind, special, predictors, bound), data, predictors


def errors(one: Any, other: Any) -> Any:
    """Differences of integers, exact whatever their type."""
    return np.abs(one.astype(object) - other.astype(object))


@pytest.mark.parametrize(
    ("step", "units", "sample"),
    [(33, 0, 0), (33, 16, 33), (33, 8, 16), (33, -8, -17), (33, 1, 2), (33, -1, -2), (5, 8, 2)],
)
def test_units_by_hand(step: int, units: int, sample: int) -> None:
    """33*8/16 = 16.5 and -16.5 are rounded down to 16 and -17; 33/16 = 2.0625 to 2; 5*8/16 = 2.5 to 2."""
    assert restore_units(np.array([units]), np.array(step), np.dtype("i4"))[0] == sample


@settings(max_examples=300, deadline=None)
@given(
    sample=st.integers(-(2**31), 2**31 - 1),
    error=st.integers(0, 2**20),
    off=st.integers(-7, 8),
    data=st.data(),
)
def test_units_within_half_a_step_are_within_the_bound(sample: int, error: int, off: int, data: Any) -> None:
    """Every n with -8 < n - 16 x / D <= 8 restores to a sample at most (D - 1) / 2 from x, in exact integers."""
    step = 2 * error + 1
    least = (16 * sample - 8 * step) // step + 1
    most = (16 * sample + 8 * step) // step
    for units in (least, most, data.draw(st.integers(least, most))):
        got = int(restore_units(np.array([units]), np.array(step), np.dtype("i8"))[0])
        assert abs(got - sample) <= error


@pytest.mark.parametrize("code", TYPES)
@pytest.mark.parametrize(("error", "holes"), [(16, False), (40, True), (100.7, False)])
def test_bound_holds_and_again_changes_nothing(code: str, error: float, holes: bool) -> None:
    """Every sample is within E, in exact integers; the restored image coded at the same bound is the same."""
    tile = whole((64, 56), code, 10.0 if code[1] == "1" else SIGMA)
    special = None
    if holes:
        special = np.zeros(tile.shape, bool)
        special[0, 30:44, 20:50] = True
        special[0, ::9, ::7] = True
    bound = TileBound(error=error)
    restored, data, _ = coded(tile, bound, special)
    known = np.ones(tile.shape, bool) if special is None else ~special
    assert errors(restored, tile)[known].max() <= int(error)
    restored[~known] = 0
    again, _, _ = coded(restored, bound, special)
    assert again[known].tobytes() == restored[known].tobytes()
    if code[1] != "1" and error >= 100:
        assert data[:3] == bytes([LEARNED, 0, MapKind.LOOP])


@pytest.mark.parametrize("code", ["i2", "u4"])
def test_maps_of_bounds(code: str) -> None:
    """With E of each sample, growing from left to right, a loop keeps every one and is kept when coded again."""
    tile = whole((64, 56), code)
    map_ = np.linspace(90.0, 130.0, 56) * np.ones(tile.shape)
    bound = TileBound(error=130.0, map=map_)
    restored, data, _ = coded(tile, bound)
    assert data[2] == MapKind.LOOP
    assert (errors(restored, tile) <= map_).all()
    assert coded(restored, bound)[0].tobytes() == restored.tobytes()


@pytest.mark.parametrize("share", [0.5, 1.0, 2.0])
def test_a_loop_takes_fewer_bytes_than_steps(share: float) -> None:
    """On a smooth map it takes at least a tenth less than whole steps do with the predictors made for them."""
    tile = whole((128, 128), "i4")
    bound = TileBound(error=share * SIGMA)
    _, data, _ = coded(tile, bound)
    assert data[2] == MapKind.LOOP
    steps = np.rint(tile / (2 * np.floor(bound.error) + 1)).astype("i4")
    lossless = stream.encode_tile(
        steps, None, stream.load_predictors(stream.fit_image(steps, None, None, SampleType.I4)), None
    )
    assert len(data) < 0.9 * len(lossless)


@pytest.mark.parametrize("error", [3, 15])
def test_fine_steps_have_no_loop(error: int) -> None:
    """Where units would be finer than two integers, steps are whole: an image in units could not be known again."""
    assert 2 * error + 1 < LEAST_STEP
    _, data, _ = coded(whole((64, 56), "i2", 2.0 * error), TileBound(error=error))
    assert data[2] == MapKind.STEPS
    assert data[SHRINK] == 0


def test_restored_units_are_stored_as_units() -> None:
    """What a loop restored is coded as units of steps (map 3, shrink 2), and never as a loop again."""
    restored, _, _ = coded(whole((64, 56), "i2"), TileBound(error=50))
    data = coded(restored, TileBound(error=50))[1]
    assert (data[2], data[SHRINK]) == (MapKind.STEPS, 2)


def test_bscale_that_rounds_takes_a_smaller_step() -> None:
    """With E a multiple of BSCALE that rounds, physical errors keep it, and the loop's step is less by two."""
    tile = whole((64, 56), "i2")
    bound = TileBound(error=40 * 3.035171e-06, bscale=3.035171e-06, bzero=0.05752651)
    kind = SampleType.I2
    predictors = stream.load_predictors(stream.fit_image(tile, None, 40.0, kind))
    data = stream.encode_tile(tile, None, predictors, bound)
    restored = stream.decode_tile(data, tile.shape, kind, None, predictors, bound)
    physical = [bound.bzero + bound.bscale * each.astype("f8") for each in (restored, tile)]
    assert np.abs(physical[0] - physical[1]).max() <= bound.error


def test_dithered_integers_have_no_loop() -> None:
    """An image that asks for dither keeps whole steps."""
    _, data, _ = coded(whole((64, 56), "i2"), TileBound(error=SIGMA, dither_seed=5))
    assert data[2] == MapKind.STEPS


@settings(max_examples=25, deadline=None)
@given(
    code=st.sampled_from(TYPES),
    seed=st.integers(0, 2**32 - 1),
    sigma=st.floats(0.5, 3e4),
    share=st.floats(0.05, 6),
    wild=st.integers(0, 4),
)
def test_any_integers_keep_any_bound(code: str, seed: int, sigma: float, share: float, wild: int) -> None:
    """Walks of integers of every type, with samples at the ends of the type, come back within floor(E)."""
    rng = np.random.default_rng(seed)
    limits = np.iinfo(code)
    walk = rng.normal(size=(40, 36)).cumsum(axis=0).cumsum(axis=1) * sigma
    array = np.rint(walk).clip(max(limits.min, -(2**50)), min(limits.max, 2**50)).astype(code)
    array.reshape(-1)[rng.integers(0, array.size, wild)] = rng.choice(np.array([limits.min, limits.max], code), wild)
    error = max(1.0, share * sigma)
    data = radcodec.encode(array, max_error=error, force=True, threads=1)
    assert errors(radcodec.decode(data), array).max() <= int(error)


@pytest.mark.parametrize(
    ("code", "generation", "base"), [("u1", 1, "never"), ("u2", 1, "always"), ("i4", 2, "never"), ("i2", 2, "always")]
)
def test_the_reference_decoder_agrees(code: str, generation: int, base: str) -> None:
    """Loops, units of steps and details on a base of integers are read by a decoder made from format.md alone."""
    array = whole((40, 36), code, 12.0 if code == "u1" else SIGMA)[0]
    error = 18 if code == "u1" else 1.0 * SIGMA
    for _ in range(generation):
        data = radcodec.encode(array, max_error=error, details_on_base=base, force=True, threads=1)
        array = radcodec.decode(data)
    assert np.array_equal(ref.decode_file(data), array)


@pytest.mark.parametrize("byte", [2, 3, 4, 255])
def test_a_loop_of_integers_has_a_shrink_of_0_or_1(byte: int) -> None:
    """Other bytes are rejected by name; so is a shrink over 3 of steps."""
    tile = whole((64, 56), "i2")
    bound = TileBound(error=SIGMA)
    _, data, predictors = coded(tile, bound)
    assert data[2] == MapKind.LOOP
    for kind, least in ((MapKind.LOOP, 2), (MapKind.STEPS, 4)):
        if byte < least:
            continue
        broken = data[:2] + bytes([kind, byte]) + data[4:]
        with pytest.raises(radcodec.CorruptError, match="no such bound"):
            stream.decode_tile(broken, tile.shape, SampleType.I2, None, predictors, bound)


def test_a_loop_needs_a_bound_without_dither() -> None:
    """Without a bound, or in an image with dither, map 4 is rejected."""
    tile = whole((64, 56), "i2")
    _, data, predictors = coded(tile, TileBound(error=SIGMA))
    for bound in (None, TileBound(error=SIGMA, dither_seed=1)):
        with pytest.raises(radcodec.CorruptError, match="no such bound"):
            stream.decode_tile(data, tile.shape, SampleType.I2, None, predictors, bound)


@settings(max_examples=150, deadline=None)
@given(place=st.integers(0, 10**6), bit=st.integers(0, 7), cut=st.booleans())
def test_damaged_streams_are_rejected_or_give_integers(place: int, bit: int, cut: bool) -> None:
    """A flipped bit or a cut gives CorruptError or integers of the type, never another error."""
    data, predictors, bound = _sound()
    place %= len(data)
    damaged = data[:place] if cut else data[:place] + bytes([data[place] ^ 1 << bit]) + data[place + 1 :]
    try:
        found = stream.decode_tile(damaged, (1, 64, 56), SampleType.I2, None, predictors, bound)
    except radcodec.CorruptError:
        return
    assert found.dtype == np.int16


def _sound(cache: list[Any] = []) -> Any:  # noqa: B006
    """Stream, predictors and bound of a loop, made once."""
    if not cache:
        bound = TileBound(error=SIGMA)
        _, data, predictors = coded(whole((64, 56), "i2"), bound)
        assert data[2] == MapKind.LOOP
        cache.extend([data, predictors, bound])
    return cache
