"""Samples near a lattice are coded as integers with small corrections, and come back bit for bit."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import reference_decoder
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import radcodec
from radcodec.coding.leb import pack_leb, unpack_leb
from radcodec.detail import decode_tile, encode_tile, fit_image, load_predictors
from radcodec.detail.learned import UNIT
from radcodec.detail.maps import MapKind
from radcodec.detail.near import Near, correct, decode_corrections, encode_corrections, expect, restore_near
from radcodec.detail.near_search import near_lattice
from radcodec.detail.plain import LEARNED
from radcodec.errors import CorruptError
from radcodec.types import SampleType

F32 = np.float32
HEAD = bytes([LEARNED, 0, MapKind.NEAR])


def integers(seed: int, shape: tuple[int, ...] = (40, 44), spread: float = 30.0) -> npt.NDArray[np.int64]:
    """Correlated integers."""
    noise = np.random.default_rng(seed).normal(0, spread, shape)
    smooth = noise + np.roll(noise, 1, -1) + np.roll(noise, 1, -2)
    return np.rint(smooth).astype(np.int64)


def scaled_twice(k: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """What rounded products and sums in single precision make of integers."""
    return (k.astype(F32) * F32(1.7345e-4) + F32(0.214)) * F32(142.857)


def detail_of(tile: npt.NDArray[Any], special: npt.NDArray[np.bool_] | None = None) -> bytes:
    """Detail stream of a tile [p, h, w], which restores to it."""
    sample_type = SampleType[f"{tile.dtype.kind.upper()}{tile.dtype.itemsize}"]
    predictors = load_predictors(fit_image(tile, special, None, sample_type))
    stream = encode_tile(tile, special, predictors, None)
    back = decode_tile(stream, (tile.shape[0], tile.shape[1], tile.shape[2]), sample_type, special, predictors, None)
    kind = f"u{tile.dtype.itemsize}"
    same = back.view(kind) == tile.view(kind)
    assert same.all() if special is None else (same | special).all()
    return stream


def both_decode(array: npt.NDArray[Any]) -> bytes:
    """The file of an array, which the library and the reference decoder restore to it."""
    data = radcodec.encode(array)
    again = reference_decoder.decode_file(data)
    assert not isinstance(again, bytes)
    assert radcodec.decode(data).tobytes() == again.tobytes() == array.tobytes()
    return data


@pytest.mark.parametrize(("a", "b"), [(0.3, 1.7e-4), (-12.5, 0.031), (4.1e9, 7.7e5), (0.0, 1e-30)])
@pytest.mark.parametrize("spread", [4.0, 500.0])
def test_the_lattice_is_found(a: float, b: float, spread: float) -> None:
    """Scale and offset that integers were given in single precision are found to a small share of a step."""
    k = integers(3, (128, 128), spread)
    values = (k.astype(F32) * F32(b) + F32(a)).astype(np.float64).ravel()
    found = near_lattice(values, np.dtype(F32))
    if np.spacing(F32(np.abs(values).max())) * 5 > b:
        assert found is None
        return
    assert found is not None
    assert found[1] == pytest.approx(b, rel=1e-5)
    off = (values - found[0]) / found[1]
    assert np.abs(off - np.rint(off)).max() < 0.25


def test_noise_has_no_lattice() -> None:
    """Gaussian and uniform noise, powers and few values that are no multiples give none."""
    rng = np.random.default_rng(5)
    for values in (rng.normal(size=40_000), rng.uniform(size=40_000), rng.exponential(size=40_000) ** 3):
        assert near_lattice(values.astype(F32).astype(np.float64), np.dtype(F32)) is None
    assert near_lattice(np.full(1000, 3.5), np.dtype(F32)) is None
    assert near_lattice(np.zeros(0), np.dtype(F32)) is None


def test_scaled_integers_take_hardly_more_than_the_integers() -> None:
    """An image that was scaled twice takes at most a tenth more than its integers, where floats took twice as much."""
    k = integers(1, (200, 200))
    scaled = scaled_twice(k)
    stream = detail_of(scaled[None])
    assert stream[:3] == HEAD
    assert len(stream) < 1.1 * len(detail_of(k.astype(np.int16)[None]))


def test_random_jitter_takes_its_entropy() -> None:
    """Corrections that follow from nothing take what they must, log2 5 bits, and 3 % more."""
    k, rng = integers(2, (256, 256)), np.random.default_rng(7)
    c = rng.integers(-2, 3, k.shape).astype(np.int32)
    near = Near(pairs=np.array([[0.3, 1e-3]]), unit=-24, corrections=c[None])
    code = encode_corrections(k[None], None, near, np.dtype(F32))
    assert len(code) * 8 < 1.03 * np.log2(5) * k.size


def test_corrections_that_repeat_are_nearly_free() -> None:
    """A correction that each integer always has is paid for once."""
    k, rng = integers(4, (256, 256), 20.0), np.random.default_rng(8)
    table = rng.integers(-3, 4, 4096).astype(np.int32)
    near = Near(pairs=np.array([[0.3, 1e-3]]), unit=-24, corrections=table[k % 4096][None])
    code = encode_corrections(k[None], None, near, np.dtype(F32))
    assert len(code) < 2 * np.unique(k).size


@given(
    corrections=hnp.arrays(np.int32, (2, 3, 5), elements=st.integers(-(2**31) + 1, 2**31 - 1) | st.integers(-9, 9)),
    k=hnp.arrays(np.int64, (2, 3, 5), elements=st.integers(-(2**54), 2**54) | st.integers(-4, 4)),
    special=st.none() | hnp.arrays(np.bool_, (2, 3, 5)),
    several=st.booleans(),
)
def test_any_corrections_come_back(corrections: Any, k: Any, special: Any, several: bool) -> None:
    """All numbers of 32 bits but the least come back, for any integers, one lattice or two, from both decoders."""
    pairs = np.array([[0.5, 0.001], [-7.0, 0.01]])[: 2 if several else 1]
    wanted = corrections if special is None else np.where(special, 0, corrections)
    near = Near(pairs=pairs, unit=-30, corrections=wanted)
    code = encode_corrections(k, special, near, np.dtype(F32))
    back = decode_corrections(code, k, special, near, np.dtype(F32))
    np.testing.assert_array_equal(back.corrections, near.corrections)
    marks = np.zeros(k.shape, bool) if special is None else special
    lattice = np.broadcast_to(np.arange(2)[:, None, None], k.shape) if several else np.zeros_like(k)
    slots = [None if m else (int(n), int(i)) for m, n, i in zip(marks.ravel(), lattice.ravel(), k.ravel(), strict=True)]
    classes = expect(k, near, np.dtype(F32)).classes.ravel().tolist()
    assert reference_decoder.read_corrections(code, slots, classes) == near.corrections.ravel().tolist()


def test_samples_by_hand() -> None:
    """a + b*k in units of the sample's own precision, plus corrections: worked out by hand."""
    k = np.array([[[0, 1, 2, -1, 1 << 24]]])
    near = Near(pairs=np.array([[0.25, 0.5]]), unit=-4, corrections=np.array([[[0, 1, -1, 3, 1]]], np.int32))
    # 0.25; 0.75 + 1/16; 1.25 - 1/16; -0.25 + 3/16; 2^23 + 0.25 in units of 1, plus one unit
    expected = np.array([0.25, 0.8125, 1.1875, -0.0625, 2.0**23 + 1], F32)
    np.testing.assert_array_equal(restore_near(k, near, np.dtype(F32)).ravel(), expected)
    whole = Near(pairs=np.array([[0.5, 100.0]]), unit=0, corrections=np.array([[[0, 2, -1, 0, 0]]], np.int32))
    # 0.5 is rounded to the even 0, 100.5 to 100, 200.5 to 200, -99.5 to -100; the last one is clamped
    np.testing.assert_array_equal(restore_near(k, whole, np.dtype(np.int16)).ravel(), [0, 102, 199, -100, 32767])


def test_a_sample_off_every_unit_is_left_to_a_patch() -> None:
    """What no whole number of units restores has no correction."""
    tile = np.array([[[0.25, 0.26]]], F32)
    near = correct(tile, None, np.zeros((1, 1, 2), np.int64), Near(pairs=np.array([[0.25, 1.0]]), unit=-8))
    assert near.corrections.tolist() == [[[0, 0]]]


def kinds() -> dict[str, npt.NDArray[Any]]:
    """Images of several kinds."""
    k = integers(6)
    image = scaled_twice(k)
    holes = image.copy()
    holes[5:9, 7:20] = np.nan
    holes[30, 3], holes[31, 4] = np.inf, -0.0
    wild = image.copy()
    wild[3, 3], wild[20, 30] = 1e30, -7.77e-7
    planes = np.stack([integers(i, (24, 30)).astype(F32) * F32(1e-3 * i) + F32(0.3 * i) for i in range(1, 6)])
    planes[3] = 2.5
    return {
        "float32": image,
        "float64": (k * 1.1e-4 + 0.37) * 3.3,
        "holes": holes,
        "wild": wild,
        "planes": planes,
        "negative": -image,
        "int32": np.rint(k * 1234.567 + 99.4).astype(np.int32),
        "uint64": np.rint((k - k.min()) * 98765.4321).astype(np.uint64),
        "int8-like": np.rint(k * 3.3).astype(np.int16),
    }


@pytest.mark.parametrize("name", sorted(kinds()))
def test_both_decoders_restore(name: str) -> None:
    """Images of every kind come back from the library and from the reference decoder."""
    both_decode(kinds()[name])


@pytest.mark.parametrize("name", ["float32", "float64", "negative", "int32", "uint64", "planes", "holes"])
def test_the_map_is_used(name: str) -> None:
    """Tiles of scaled integers are coded near a lattice, planes with one of their own each."""
    image = kinds()[name]
    tile = image if image.ndim == 3 else image[None]
    special = ~np.isfinite(tile) | (np.signbit(tile) & (tile == 0)) if tile.dtype.kind == "f" else None
    assert detail_of(tile, special if special is not None and special.any() else None)[:3] == HEAD


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(
    data=st.data(),
    dtype=st.sampled_from(["<f4", "<f8"]),
    b=st.floats(1e-30, 1e30) | st.floats(-1e3, -1e-3),
    a=st.floats(-1e6, 1e6),
    seed=st.integers(0, 1 << 30),
)
def test_any_scale_comes_back(data: Any, dtype: str, b: float, a: float, seed: int) -> None:
    """Scaled integers with NaN, infinities, -0.0, subnormals and others among them come back, whatever the scale."""
    size = np.finfo(dtype).max
    image = np.clip(integers(seed, (9, 11)) * b + a * b, -size, size).astype(dtype)
    image *= image.dtype.type(1.0 / 3.0)
    others = st.sampled_from([np.nan, np.inf, -np.inf, -0.0, 0.0, 5e-324, 1e-40, float(size), 1.0])
    for place, value in data.draw(st.lists(st.tuples(st.integers(0, 98), others), max_size=5)):
        image.flat[place] = value
    both_decode(image)


@pytest.mark.parametrize("shape", [(1, 1), (1, 64), (64, 1), (8, 8)])
def test_small_and_constant_images(shape: tuple[int, int]) -> None:
    """Images of one pixel, one row or column, and of one value."""
    both_decode(scaled_twice(integers(3, shape)))
    both_decode(np.full(shape, F32(0.1)))


def parts_of(stream: bytes) -> tuple[int, int]:
    """Position of the number of lattices, and of the length of the corrections."""
    n, pos = unpack_leb(stream, 3, "")
    return 3, pos + 16 * n + UNIT.size


def damaged() -> dict[str, tuple[Any, str]]:
    """Changes of a stream with one lattice, and what the error says."""
    return {
        "lattices": (lambda s: s[:3] + pack_leb(2) + s[4:], "near-lattices"),
        "step": (lambda s: s[:12] + struct.pack("<d", 0.0) + s[20:], "out of range"),
        "not a number": (lambda s: s[:4] + struct.pack("<d", np.nan) + s[12:], "out of range"),
        "unit": (lambda s: s[:20] + struct.pack("<h", 201) + s[22:], "unit"),
        "length": (lambda s: s[:22] + pack_leb(1 << 20) + s[parts_of(s)[1] + 2 :], "corrections"),
        "end": (lambda s: s[:15], "near-lattices"),
    }


@pytest.mark.parametrize("name", sorted(damaged()))
def test_fields_out_of_range_are_rejected(name: str) -> None:
    """A stream whose fields are out of their ranges raises an error that names what is wrong."""
    change, message = damaged()[name]
    tile = scaled_twice(integers(9))[None]
    predictors = load_predictors(fit_image(tile, None, None, SampleType.F4))
    stream = encode_tile(tile, None, predictors, None)
    assert stream[:3] == HEAD
    with pytest.raises(CorruptError, match=message):
        decode_tile(change(stream), (1, 40, 44), SampleType.F4, None, predictors, None)


def test_corrections_that_do_not_end_where_they_should() -> None:
    """More bytes than the decisions take, or a zero byte at the end, are rejected."""
    k = integers(5)[None]
    near = Near(pairs=np.array([[0.3, 1e-3]]), unit=-24, corrections=(k % 3).astype(np.int32))
    code = encode_corrections(k, None, near, np.dtype(F32))
    for more in (b"\x01\x02\x03\x04\x05", b"\0"):
        with pytest.raises(CorruptError, match="do not end where they should"):
            decode_corrections(code + more, k, None, near, np.dtype(F32))


@settings(deadline=None, max_examples=200)
@given(code=st.binary(max_size=40), special=st.booleans())
def test_any_code_of_corrections_gives_an_error_or_numbers(code: bytes, special: bool) -> None:
    """Bytes that are no corrections raise the error of the format, and nothing else."""
    k = integers(5, (6, 7))[None]
    marks = k % 5 == 0 if special else None
    try:
        found = decode_corrections(code, k, marks, Near(pairs=np.array([[0.3, 1e-3]]), unit=-24), np.dtype(F32))
    except CorruptError:
        return
    assert found.corrections.shape == k.shape
