"""Prediction from earlier planes of a tile: both readers agree, planes that are alike shrink, others do not grow."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import radcodec
from radcodec.detail import stream
from radcodec.detail.earlier import EarlierTaps, PlaneAxis, count_integers, middle_planes, pack_earlier, unpack_earlier
from radcodec.detail.maps import TileBound
from radcodec.detail.predictors import Predictors, pack_predictors, unpack_predictors
from radcodec.detail.rounding import Predictor
from radcodec.detail.tables import default_tables
from radcodec.errors import CorruptError
from radcodec.simulate import simulate_image
from radcodec.types import SampleType

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
import reference_decoder as ref

pytestmark = pytest.mark.slow

FLOATS = ("f4", "f8")


def some_taps(rng: np.random.Generator, radii: tuple[int, ...], stride: int, period: int, blend: int) -> EarlierTaps:
    """Taps with random coefficients of a size that keeps predictions in range."""
    integers = rng.integers(-60, 60, count_integers(radii))
    return EarlierTaps(stride=stride, period=period, radii=radii, blend=blend, shift=9, integers=integers)


def noise_cube(n_planes: int, height: int, width: int, share: float, seed: int = 3) -> Any:
    """Beam-smoothed noise of rms 1; each plane holds this share of the one before."""
    new = np.stack(
        [simulate_image((height, width), seed=seed + p, n_sources=0, noise_rms=1.0) for p in range(n_planes)]
    ).astype("f8")
    for p in range(1, n_planes):
        new[p] = share * new[p - 1] + np.sqrt(1.0 - share * share) * new[p]
    return new.astype("f4")


@settings(max_examples=60)
@given(st.data())
def test_both_readers_restore_what_was_coded(data: st.DataObject) -> None:
    """Random taps, strides and periods, special samples, each kind of map: the tile comes back, in both readers."""
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    shape = tuple(data.draw(st.tuples(st.integers(1, 7), st.integers(1, 6), st.integers(1, 7))))
    radii = tuple(data.draw(st.lists(st.integers(0, 4), min_size=1, max_size=3)))
    taps = some_taps(
        rng,
        radii,
        data.draw(st.integers(1, 4)),
        data.draw(st.integers(2, 5)),
        data.draw(st.sampled_from([0, 1, 14, 64])),
    )
    radius = data.draw(st.integers(1, 3))
    border = data.draw(st.integers(0, radius))
    own = Predictor(
        radius=radius,
        shift=8,
        integers=rng.integers(-20, 20, 2 * radius * (radius + 1)),
        border=border,
        reach=border,
        earlier=taps,
    )
    predictors = Predictors(tables=default_tables(), fill=0.25, predictors=(own,))
    block = pack_predictors(predictors)
    code = data.draw(st.sampled_from(["f4", "f8", "i2", "i4"]))
    tile = (rng.normal(0, 9, shape) + np.arange(shape[2])).astype(code)
    special = rng.random(shape) < 0.2 if data.draw(st.booleans()) else None
    error = data.draw(st.sampled_from([None, 0.7, 6.0]))
    bound = None if error is None else TileBound(error=error)
    if bound is not None and code in FLOATS and data.draw(st.booleans()):
        bound = replace(bound, map=np.where(np.arange(shape[0])[:, None, None] % 2, 0.3, 0.7) * np.ones(shape))
    kind = SampleType[code.upper()]
    read = unpack_predictors(block)
    coded = stream.encode_tile(tile, special, predictors, bound)
    restored = stream.decode_tile(coded, shape, kind, special, read, bound)  # type: ignore[arg-type]
    known = np.ones(shape, bool) if special is None else ~special
    if bound is None:
        assert restored[known].tobytes() == tile[known].tobytes()
    else:
        limits = np.full(shape, bound.error) if bound.map is None else bound.map
        assert (np.abs(restored.astype("f8") - tile.astype("f8")) <= limits)[known].all()
    image = ref.Image(kind, shape, shape, 0, bounded=bound is not None)
    image.predictors = ref.read_predictors(ref.Cursor(block))
    errors = None if bound is None else (np.full(shape, bound.error) if bound.map is None else bound.map).ravel()
    marks = np.zeros(tile.size, bool) if special is None else special.ravel()
    again = ref.decode_detail(coded, image, 0, shape, marks, errors).reshape(shape)  # type: ignore[arg-type]
    assert again[known].tobytes() == restored[known].tobytes()


@pytest.mark.parametrize("effort", [1, 5, 9])
@pytest.mark.parametrize("options", [{}, {"max_error": 0.125}, {"max_error": 0.5, "dither": True}, {"max_error": 2.0}])
def test_correlated_planes_take_fewer_bits(effort: int, options: dict[str, Any]) -> None:
    """A share of 0.9 of each plane is in the one before: 0.5 log2(1/(1 - 0.81)) = 1.2 bits a sample are known.

    Of exact samples most of that is saved. With a bound it is at least a sixth of the file, which has fewer bits than
    that; with a dither less, as that is new in every plane.
    """
    cube = noise_cube(16, 48, 56, 0.9)
    cube[5, 7, 9] = np.nan
    cube[:, 0, :9] = np.nan
    packed = radcodec.encode(cube, preview=0, effort=effort, threads=1, **options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("radcodec.encoding.details.plane_axes", lambda record: ())
        alone = radcodec.encode(cube, preview=0, effort=effort, threads=1, **options)
    saved = 8 * (len(alone) - len(packed)) / cube.size
    assert saved > (len(alone) * 8 / cube.size / (12 if "dither" in options else 6) if options else 0.9)
    restored = radcodec.decode(packed)
    error = options.get("max_error", 0.0)
    assert np.array_equal(np.isnan(restored), np.isnan(cube))
    assert np.nanmax(np.abs(restored.astype("f8") - cube.astype("f8"))) <= error
    assert ref.decode_file(packed).tobytes() == restored.tobytes()  # type: ignore[union-attr]


def test_planes_that_have_nothing_in_common_do_not_grow() -> None:
    """White noise, new in every plane: the file has no taps in earlier planes, and the bytes of one fitted without."""
    cube = np.random.default_rng(8).normal(0, 1, (20, 40, 40)).astype("f4")
    with pytest.MonkeyPatch.context() as patch:
        packed = radcodec.encode(cube, preview=0, max_error=0.125, threads=1)
        patch.setattr("radcodec.encoding.details.plane_axes", lambda record: ())
        assert len(packed) <= len(radcodec.encode(cube, preview=0, max_error=0.125, threads=1))


def test_axis_is_chosen_by_what_the_planes_have_in_common() -> None:
    """Planes are alike along the outer leading axis, not along the inner one: the stride is the inner length."""
    cubes = np.stack([noise_cube(8, 24, 24, 0.95, seed=20 * i) for i in range(3)], axis=1)  # [8, 3, 24, 24]
    packed = radcodec.encode(np.ascontiguousarray(cubes), preview=0, max_error=0.125, threads=1)
    with radcodec.open(packed) as file:
        predictors = file.images[0].stored.coding.shared.predictors
    assert predictors is not None
    earlier = predictors.predictors[0].earlier
    assert earlier is not None
    assert (earlier.stride, earlier.period) == (3, 8)
    assert ref.decode_file(packed).tobytes() == radcodec.decode(packed).tobytes()  # type: ignore[union-attr]


def test_prediction_by_hand() -> None:
    """One sample a plane, 0.5 and 0.25 of the two planes before: what is left of 8, 12, 8 is 8, 8, 0.

    The second plane has one plane before it, whose set has the coefficient 0.5: 12 - 0.5*8 = 8. The third has two, with
    the coefficients 0.5 and 0.25: 8 - (0.5*12 + 0.25*8) = 0. The tile of integers comes back.
    """
    taps = EarlierTaps(stride=1, period=3, radii=(0, 0), blend=0, shift=2, integers=np.array([2, 2, 1], np.int64))
    assert taps.coefficients_of(1).tolist() == [0.5]
    assert taps.coefficients_of(2).tolist() == [0.5, 0.25]
    decoder = ref.LearnedTile(
        (3, 1, 1), np.zeros(3, bool), 1, 0, 0, [0.0] * 4, ref.read_taps_before(ref.Cursor(pack_earlier(taps)))
    )
    decoder.clamp = 10
    decoder.full = [[[8.0]], [[12.0]]]
    assert decoder.predict_from_earlier(0, 0, 0) == 0.0
    assert decoder.predict_from_earlier(1, 0, 0) == 4.0
    assert decoder.predict_from_earlier(2, 0, 0) == 8.0


@settings(max_examples=60)
@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=8),
    st.integers(1, 1 << 22),
    st.integers(2, 1 << 22),
    st.integers(0, 64),
    st.integers(0, 40),
    st.integers(0, 2**32),
)
def test_taps_are_read_as_written(
    radii: list[int], stride: int, period: int, blend: int, shift: int, seed: int
) -> None:
    """Packed taps are read back, by both readers."""
    n = count_integers(tuple(radii))
    integers = np.random.default_rng(seed).integers(-(1 << 20), 1 << 20, n)
    taps = EarlierTaps(stride=stride, period=period, radii=tuple(radii), blend=blend, shift=shift, integers=integers)
    packed = pack_earlier(taps)
    read, end = unpack_earlier(packed, 0)
    assert end == len(packed)
    assert (read.stride, read.period, read.radii, read.blend, read.shift) == (
        stride,
        period,
        tuple(radii),
        blend,
        shift,
    )
    assert read.integers.tolist() == integers.tolist()
    theirs = ref.read_taps_before(ref.Cursor(packed))
    found = [c for one in theirs.sets for *_, c in one]
    assert found == taps.coefficients.tolist()


@pytest.mark.parametrize(("place", "value"), [(0, 0), (1, 1), (2, 65), (3, 0), (3, 9), (4, 5), (5, 41), (6, 60)])
def test_taps_out_of_range_are_refused(place: int, value: int) -> None:
    """Both readers refuse each field out of its range: stride, period, blend, planes, radius, shift, bytes."""
    taps = EarlierTaps(stride=1, period=9, radii=(0,), blend=4, shift=3, integers=np.array([5], np.int64))
    packed = bytearray(pack_earlier(taps))
    packed[place] = value
    with pytest.raises(CorruptError, match="predictor block"):
        unpack_earlier(bytes(packed), 0)
    with pytest.raises(ref.RejectError):
        ref.read_taps_before(ref.Cursor(bytes(packed)))


def test_taps_that_end_early_are_refused() -> None:
    """Every prefix of a block with taps in earlier planes is refused."""
    own = Predictor(
        radius=1,
        shift=3,
        integers=np.array([1, 2, 3, 4], np.int64),
        earlier=EarlierTaps(stride=1, period=9, radii=(1,), blend=4, shift=3, integers=np.arange(9)),
    )
    block = pack_predictors(Predictors(tables=default_tables(), fill=0.0, predictors=(own,)))
    for size in range(17, len(block)):
        with pytest.raises(CorruptError):
            unpack_predictors(block[:size])


@settings(max_examples=40)
@given(st.integers(1, 6), st.integers(2, 40), st.integers(1, 4), st.integers(2, 40))
def test_trial_planes_follow_each_other(stride: int, period: int, groups: int, depth: int) -> None:
    """The planes of a trial are in the image, on one line along the axis, and not more than a tile has."""
    axis = PlaneAxis(stride=stride, period=period, depth=min(depth, period))
    planes = list(range(stride * period * groups))[middle_planes(stride * period * groups, axis)]
    assert 1 <= len(planes) <= axis.depth
    assert {p % stride for p in planes} == {planes[0] % stride}
    assert {p // (stride * period) for p in planes} == {planes[0] // (stride * period)}
    assert [p // stride % period for p in planes] == list(
        range(planes[0] // stride % period, planes[0] // stride % period + len(planes))
    )
