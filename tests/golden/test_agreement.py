"""radcodec writes, the reference decoder reads: images whose values are awkward, made anew in each run.

The golden files pin what was written once; these find where today's encoder and docs/format.md part.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import numpy as np
import numpy.typing as npt
import pytest
import reference_decoder as ref
from hypothesis import given, settings
from hypothesis import strategies as st

import radcodec
from radcodec.detail.learned import encode_learned, model
from radcodec.detail.maps import TileBound
from radcodec.detail.predictors import Predictors, pack_predictors
from radcodec.detail.prepare import prepare, settle
from radcodec.detail.rounding import Predictor
from radcodec.detail.stream import decode_tile, encode_tile, load_predictors
from radcodec.detail.tables import default_tables
from radcodec.simulate import simulate_image
from radcodec.types import SampleType

AWKWARD = [0.0, -0.0, 5e-324, 1e-310, 1e-200, 1e-30, 1e-3, 1.0, 1.5, 3e5, 1e20, 1e40, 1e200, 1.7e308, np.inf, np.nan]


def check_same(array: npt.NDArray[Any], **options: Any) -> None:
    """Both decoders give the same array; the original one where nothing else was asked for."""
    data = radcodec.encode(array, **options)
    restored, again = radcodec.decode(data), ref.decode_file(data)
    assert not isinstance(again, bytes)
    assert (restored.shape, restored.dtype, restored.tobytes()) == (again.shape, again.dtype, again.tobytes())
    if not options:
        assert restored.tobytes() == array.tobytes()


@pytest.mark.parametrize("bound", [None, 3e-5])
@pytest.mark.parametrize("outlier", AWKWARD)
@pytest.mark.parametrize("code", ["f4", "f8"])
def test_one_outlier(code: str, outlier: float, bound: float | None) -> None:
    """A single pixel far from all others, of every size that a float can have."""
    with np.errstate(over="ignore"):
        value = np.float64(outlier).astype(code)
    image = simulate_image((24, 24), seed=31).astype(code)
    image[5, 13] = value
    check_same(image, **({} if bound is None else {"max_error": bound}))


@pytest.mark.parametrize("exponent", [-300, -150, -40, 0, 30, 150, 290])
@pytest.mark.parametrize("code", ["f4", "f8"])
def test_every_scale(code: str, exponent: int) -> None:
    """Images in any unit."""
    with np.errstate(over="ignore", under="ignore"):
        check_same((simulate_image((24, 24), seed=32) * np.float64(10.0) ** exponent).astype(code))


@pytest.mark.parametrize("code", ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"])
@pytest.mark.parametrize("bound", [None, 2.0, 1000.0])
def test_every_integer_type_over_its_range(code: str, bound: float | None) -> None:
    """Smooth values from the smallest to the largest that the type holds."""
    info = np.iinfo(code)
    wave = np.sin(np.arange(24)[:, None] / 5.0) * np.cos(np.arange(20) / 7.0) / 2 + 0.5
    values = [int(info.min) + int(v * 1e6) * (int(info.max) - int(info.min)) // 10**6 for v in wave.ravel()]
    array = np.array([values[0], int(info.min), int(info.max), *values[3:]], code).reshape(24, 20)
    check_same(array, **({} if bound is None else {"max_error": bound}))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.lists(st.sampled_from(AWKWARD), min_size=1, max_size=6),
    st.tuples(st.integers(1, 4), st.integers(1, 12), st.integers(1, 12)),
    st.sampled_from([None, 1e-6, 1.0, 1e10]),
    st.booleans(),
    st.integers(0, 99),
)
def test_mixtures(values: list[float], shape: tuple[int, ...], bound: float | None, dither: bool, seed: int) -> None:
    """Awkward values side by side in small cubes."""
    with np.errstate(over="ignore"):
        array = np.random.default_rng(seed).choice(np.array(values), shape).astype("f4" if seed % 2 else "f8")
    check_same(array, **({} if bound is None else {"max_error": bound, "dither": dither}))


@pytest.mark.parametrize("spread", [300.0, 330.0, 360.0, 400.0, 440.0, 480.0, 520.0, 560.0])
def test_phase_just_under_a_bin(spread: float) -> None:
    """A prediction that is 2^-53 short of a bin's edge: ``rho - base`` rounds to 1, and the phase must stay 7.

    The phase after it would be one of the next table, and of none after the last.
    """
    # One predictor of zeros, so that every prediction is the fill: -0.5 - 2^-53 in steps of 3, which E = 1 gives.
    table_set = hashlib.sha256((ref.MODELS / "detail.tables").read_bytes()).digest()[:8]
    block = table_set + struct.pack("<d", -1.5 - 2.0**-52) + b"\1" + bytes([1, 0, 0, 0]) + b"\1\0"
    image = np.random.default_rng(1).normal(0, spread, (1, 24, 24)).round().astype("i4")
    bound = TileBound(error=1.0)
    stream = encode_tile(image, None, load_predictors(block), bound)
    assert stream[:3] == bytes([2, 0, 3])  # learned, predictor 0, steps
    cur, here = ref.Cursor(block), ref.Image(6, image.shape, 512, 0, bounded=True, bound=1.0)
    here.predictors = ref.read_predictors(cur)
    again = ref.decode_detail(stream, here, 0, image.shape, np.zeros(image.size, bool), np.ones(image.size))
    assert np.abs(again - image.ravel()).max() <= 1
    restored = decode_tile(stream, image.shape, SampleType(6), None, load_predictors(block), bound)
    assert restored.ravel().tolist() == again.tolist()


def some_predictors(radius: int, border: int, reach: int, fill: float) -> Predictors:
    """A predictor whose process is stable, as the magnitudes of its coefficients sum to 0.9, with such borders."""
    weights = np.random.default_rng(radius).normal(size=2 * radius * (radius + 1))
    integers = np.rint(0.9 * 2**18 * weights / np.abs(weights).sum()).astype(np.int64)
    one = Predictor(radius=radius, shift=18, integers=integers, border=border, reach=reach)
    return Predictors(tables=default_tables(), fill=fill, predictors=(one,))


def learned_stream(tile: Any, special: Any, predictors: Predictors, bound: TileBound | None, loop: bool) -> bytes:
    """The learned stream of a tile, whether or not it is the smallest, in a loop where asked for."""
    with patch("radcodec.detail.prepare.loop_level", lambda *_: -8 if loop else None):
        work = prepare(tile, special, bound, predictors)
    assert work is not None
    done = model(special, predictors, work)
    assert done is not None
    if work.targets is not None:
        assert bound is not None
        work = settle(tile, special, bound, work.values, work.how)
        assert work is not None
    return encode_learned(tile, special, predictors, work, done)


# Radius, border radius, reach and shape: what each is there for stands behind it.
BORDERS = [
    (1, 1, 1, (1, 9, 11)),
    (2, 1, 1, (1, 12, 13)),  # b = B < R
    (2, 1, 2, (1, 12, 13)),  # b < B = R
    (2, 2, 2, (1, 12, 13)),
    (5, 2, 3, (1, 14, 15)),  # b < B < R
    (3, 0, 0, (1, 9, 11)),  # no borders
    (9, 8, 8, (1, 20, 24)),
    (12, 8, 12, (1, 25, 30)),
    (24, 8, 24, (1, 30, 50)),
    (4, 2, 4, (1, 3, 40)),  # lower than B
    (4, 4, 4, (1, 1, 70)),  # a single row
    (4, 2, 4, (1, 20, 8)),  # exactly 2B wide
    (4, 2, 4, (1, 20, 7)),  # narrower than 2B
    (4, 3, 3, (1, 70, 1)),  # a single column
    (3, 2, 3, (3, 7, 9)),  # several planes
]
CODINGS = ["f4", "f8", "f4 steps", "f4 loop", "f8 loop", "f4 map loop", "i2", "i2 steps"]


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize(("radius", "border", "reach", "shape"), BORDERS)
def test_borders(radius: int, border: int, reach: int, shape: tuple[int, int, int], coding: str) -> None:
    """Both decoders use the same coefficients for every pixel, with some special ones among them."""
    code, *how = coding.split()
    wave = simulate_image((shape[1], shape[0] * shape[2]), seed=radius).reshape(shape[1], shape[0], -1).swapaxes(0, 1)
    tile = np.ascontiguousarray(wave / 1.5e-4 * (40 if code == "i2" else 1)).round(0 if code == "i2" else 6)
    tile = np.clip(tile, -30000, 30000).astype(code)
    special = np.random.default_rng(radius).random(shape) < 0.04
    bound = TileBound(error=3.0 if code == "i2" else 0.6 if "loop" in how else 0.05) if how else None
    errors = None if bound is None else np.full(tile.size, bound.error)
    if bound is not None and "map" in how:
        errors = np.where(np.arange(tile.size) % shape[2] < shape[2] // 2, 0.6, 0.9)
        bound = replace(bound, map=errors.reshape(shape))
    predictors = some_predictors(radius, border, reach, 0.25)
    coded = learned_stream(tile, special, predictors, bound, "loop" in how)
    kind = 4 if "loop" in how else 3 if how else 2 if code == "i2" else 0
    assert coded[:3] == bytes([2, 0, kind])
    block = pack_predictors(predictors)
    here = ref.Image(SampleType[code.upper()], shape, 512, 0, bounded=bound is not None)
    here.predictors = ref.read_predictors(ref.Cursor(block))
    again = ref.decode_detail(coded, here, 0, shape, special.ravel(), errors).reshape(shape)
    restored = decode_tile(coded, shape, SampleType[code.upper()], special, load_predictors(block), bound)
    assert restored.tobytes() == again.tobytes()
    wrong = np.abs(again.astype("f8") - tile.astype("f8"))[~special]
    assert (wrong <= (0 if errors is None else errors.reshape(shape)[~special])).all()


def test_unstable_predictor_is_refused_by_both() -> None:
    """A process that grows without end has no covariance: with borders it is refused where it is used."""
    for border in (0, 1):
        huge = Predictor(radius=1, shift=0, integers=np.full(4, 10**9), border=border, reach=border)
        block = pack_predictors(Predictors(tables=default_tables(), fill=0.0, predictors=(huge,)))
        own, theirs = load_predictors(block), ref.read_predictors(ref.Cursor(block)).predictors[0]
        assert own is not None
        assert theirs[:3] == (1, border, border)
        if border == 0:
            assert own.predictors[0].taps is not None
            continue
        assert own.predictors[0].taps is None
        with pytest.raises(ref.RejectError, match="border"):
            ref.LearnedTile((1, 2, 2), np.zeros(4, bool), *theirs)


def test_signalling_nan() -> None:
    """A NaN that hardware would quieten and complain about comes back bit by bit, without a warning."""
    image = simulate_image((24, 24), seed=33)
    image.view("u4")[3, 4] = 0xFF812345
    check_same(image)
    check_same(image, max_error=3e-5)
