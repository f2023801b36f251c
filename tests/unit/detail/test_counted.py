"""Images that are mostly one value are coded as numbers of values, and come back bit for bit."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import reference_decoder
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import radcodec
from radcodec.detail import decode_tile
from radcodec.detail.counted import LISTED, MOST_VALUES, decode_counted, encode_counted, ordinals, samples_of
from radcodec.detail.plain import COUNTED
from radcodec.errors import CorruptError
from radcodec.types import SampleType

pytestmark = pytest.mark.slow

TYPES = ["u1", "i1", "<u2", "<i2", "<u4", "<i4", "<u8", "<i8", "<f4", "<f8"]


def blobs(seed: int, shape: tuple[int, int] = (60, 70)) -> npt.NDArray[np.float64]:
    """Smooth islands in zeros, up to 255."""
    rng = np.random.default_rng(seed)
    y, x = np.indices(shape)
    image = np.zeros(shape)
    for _ in range(5):
        cy, cx, size = rng.uniform(5, shape[0] - 5), rng.uniform(5, shape[1] - 5), rng.uniform(1, 3)
        image += rng.uniform(40, 250) * np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / (2 * size**2))
    return np.asarray(np.where(image < 12, 0, np.minimum(image, 255)))


def back_from_both(tile: npt.NDArray[Any], special: npt.NDArray[np.bool_] | None = None) -> bytes:
    """Method 5 of a tile [p, h, w], from which the library and the reference decoder restore it."""
    stream = encode_counted(tile, special)
    assert stream is not None
    sample_type = SampleType[f"{tile.dtype.kind.upper()}{tile.dtype.itemsize}"]
    shape = (tile.shape[0], tile.shape[1], tile.shape[2])
    ours = decode_tile(stream, shape, sample_type, special, None, None)
    theirs = reference_decoder.decode_counted(reference_decoder.Cursor(stream[1:]), shape, tile.dtype)
    assert ours.tobytes() == theirs.tobytes()
    kind = f"u{tile.dtype.itemsize}"
    same = ours.view(kind) == tile.view(kind)
    assert same.all() if special is None else (same | special).all()
    return stream


@pytest.mark.parametrize("code", TYPES)
def test_every_type(code: str) -> None:
    """Islands of every type come back, and the file says that they are coded so."""
    tile = (blobs(1) / 2).astype(code)[None]
    assert len(back_from_both(tile)) < tile.nbytes / 4
    data = radcodec.encode(tile[0])
    restored = reference_decoder.decode_file(data)
    assert radcodec.decode(data).tobytes() == tile.tobytes()
    assert not isinstance(restored, bytes)
    assert restored.tobytes() == tile.tobytes()


@given(
    tile=st.sampled_from(TYPES).flatmap(
        lambda code: hnp.arrays(code, st.tuples(st.integers(1, 2), st.integers(1, 9), st.integers(1, 12)))
    ),
    holes=st.booleans(),
)
@settings(deadline=None)
def test_any_tile_comes_back(tile: npt.NDArray[Any], holes: bool) -> None:
    """Arrays of any bits, NaN, infinities, -0.0 and subnormals, mostly one value or not, special samples or none."""
    special = None
    if holes:
        special = np.zeros(tile.shape, bool)
        special[:, :, ::2] = tile.shape[2] > 1
    if encode_counted(tile, special) is not None:
        back_from_both(tile, special)
    restored = radcodec.decode(radcodec.encode(tile))
    assert restored.tobytes() == tile.tobytes()


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (9, 200)])
def test_shapes(shape: tuple[int, int]) -> None:
    """One pixel, one row, one column and wide images come back, constant or not."""
    back_from_both(np.full((1, *shape), 7, np.int16))
    rng = np.random.default_rng(2)
    back_from_both(np.where(rng.random((2, *shape)) < 0.7, 3, rng.integers(-9, 9, (2, *shape))).astype(np.int16))


def test_segments_take_less_than_their_errors_would() -> None:
    """Numbers of islands, which say nothing of each other, are those of neighbours."""
    rng = np.random.default_rng(4)
    tile = np.zeros((1, 90, 90), np.int32)
    for _ in range(20):
        y, x = rng.integers(0, 80, 2)
        tile[0, y : y + 8, x : x + 8] = rng.integers(1, 1 << 30)
    stream = back_from_both(tile)
    assert stream[1] & 1
    assert len(stream) < 500


def test_a_mask_of_noise_takes_its_entropy() -> None:
    """Pixels that are set at random with a probability of a tenth take 0.469 bits each, and 3 % more."""
    tile = (np.random.default_rng(3).random((1, 400, 400)) < 0.1).astype(np.uint8)
    assert len(back_from_both(tile[:, :40])) > 0
    stream = encode_counted(tile)
    assert stream is not None
    assert 8 * len(stream) < 1.03 * 0.469 * tile.size


@pytest.mark.parametrize("code", TYPES)
def test_ordinals_by_hand(code: str) -> None:
    """Ordinals rise with the values, and lead back to all bit patterns."""
    dtype = np.dtype(code)
    patterns = np.random.default_rng(1).integers(0, 256, 400 * dtype.itemsize).astype(np.uint8).view(dtype)
    np.testing.assert_array_equal(samples_of(ordinals(patterns), dtype).view("u1"), patterns.view("u1"))
    rising = np.array([0, 1, 2, 100]) if dtype.kind == "u" else np.array([-100, -1, 0, 1, 100])
    assert (np.diff(ordinals(rising.astype(dtype)).astype(object)) > 0).all()
    if dtype.kind != "f":
        lowest = np.array([np.iinfo(dtype).min], dtype)
        assert ordinals(lowest)[0] == 0


def test_what_is_not_mostly_one_value_is_left_to_others() -> None:
    """Noise, and more values than the format allows, are not coded so."""
    rng = np.random.default_rng(5)
    assert encode_counted(rng.normal(size=(1, 50, 50))) is None
    many = np.zeros((1, 300, 300), np.int32)
    many.flat[: MOST_VALUES + 1] = np.arange(MOST_VALUES + 1)
    assert encode_counted(many) is None


def made(flags: int, m: int, usual: int, *rest: bytes) -> memoryview:
    """Fields of a stream of u1 samples."""
    return memoryview(struct.pack("<BBB", flags, m, usual) + b"".join(rest))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (memoryview(b""), "detail stream"),
        (made(4, 0, 1), "flags"),
        (memoryview(struct.pack("<BBBB", 0, 0x80, 0x80, 1) + b"\0"), "values"),
        (made(0, 1, 1), "within its values"),
        (made(0, 2, 1, b"\x05", b"\0"), "not above"),
        (made(0, 3, 1, b"\xf0", b"\x10"), "out of range"),
        (made(LISTED, 3, 1, b"\x05", b"\x01", b"\0"), "not above"),
        (made(0, 2, 5, b"\x04", b"\x01"), "usual value"),
        (made(0, 1, 1, b"\x05", b"\x01", bytes(range(1, 200))), "do not end"),
        (made(0, 1, 1, b"\x05", b"\x01", b"\0"), "do not end"),
    ],
)
def test_bad_fields_are_rejected(body: memoryview, message: str) -> None:
    """Fields out of their ranges, and a code that is too long, raise an error; so they do in the reference decoder."""
    with pytest.raises(CorruptError, match=message):
        decode_counted(body, (1, 3, 3), np.dtype("u1"))
    with pytest.raises(reference_decoder.RejectError):
        reference_decoder.decode_counted(reference_decoder.Cursor(bytes(body)), (1, 3, 3), np.dtype("u1"))


@settings(deadline=None, max_examples=200)
@given(code=st.binary(max_size=60), flags=st.integers(0, 3), m=st.integers(0, 30))
def test_any_bytes_give_an_error_or_samples_as_in_the_reference(code: bytes, flags: int, m: int) -> None:
    """Both decoders give the same samples of any bytes, or both reject them."""
    body, shape, dtype = bytes([COUNTED, flags, m]) + code, (1, 4, 6), np.dtype("<i2")
    try:
        ours = decode_counted(memoryview(body)[1:], shape, dtype)
    except CorruptError:
        with pytest.raises(reference_decoder.RejectError):
            reference_decoder.decode_counted(reference_decoder.Cursor(body[1:]), shape, dtype)
        return
    theirs = reference_decoder.decode_counted(reference_decoder.Cursor(body[1:]), shape, dtype)
    np.testing.assert_array_equal(ours.ravel(), theirs)
