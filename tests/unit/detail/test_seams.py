"""Tiles that are put together from integer maps of different scales, and floats, are recognised and come back."""

from __future__ import annotations

import struct
from unittest.mock import patch

import numpy as np
import numpy.typing as npt
import pytest
import reference_decoder
import zstandard

import radcodec
import radcodec.pixels.noise
from radcodec.detail import decode_tile, encode_tile, fit_image, load_predictors
from radcodec.detail.lattices import find_lattices
from radcodec.detail.maps import MapKind
from radcodec.detail.plain import LEARNED, PARTS
from radcodec.detail.seams import Cut, find_cut
from radcodec.errors import CorruptError
from radcodec.limits import MAX_DEPTH
from radcodec.simulate import simulate_image
from radcodec.types import SampleType

F4 = npt.NDArray[np.float32]


def lattice(seed: int, step: float, offset: float, shape: tuple[int, int] = (96, 80)) -> F4:
    """A simulated image whose values are whole steps."""
    image = simulate_image(shape, seed=seed).astype(np.float64)
    return (offset + step * np.rint(image / step)).astype(np.float32)


def mosaic() -> F4:
    """Rows 0 to 39 of one lattice; below, columns 0 to 29 of a second and the others of a third."""
    out = lattice(1, 2.1e-6, 1e-8)
    out[40:, :30] = lattice(2, 3.3e-6, 2e-7)[40:, :30]
    out[40:, 30:] = lattice(3, 4.7e-6, 5e-7)[40:, 30:]
    return out


def cut_of(image: F4, special: npt.NDArray[np.bool_] | None = None) -> Cut | None:
    """How an image is cut."""
    return find_cut(image[None], special, find_lattices(image[None], special))


def coded(image: F4, special: npt.NDArray[np.bool_] | None = None) -> bytes:
    """Detail stream of an image as one tile, which restores to it."""
    predictors = load_predictors(fit_image(image[None], special, None, SampleType.F4))
    stream = encode_tile(image[None], special, predictors, None)
    back = decode_tile(stream, (1, *image.shape), SampleType.F4, special, predictors, None)
    same = back[0].view("u4") == image.view("u4")
    assert same.all() if special is None else (same | special[0]).all()
    return stream


def test_lattices_are_told_apart() -> None:
    """Three lattices, each with its step and place, and each sample on its own."""
    found = find_lattices(mosaic()[None], None)
    assert found is not None
    assert sorted(found.steps[:, 1]) == pytest.approx([2.1e-6, 3.3e-6, 4.7e-6], rel=1e-6)
    for part in (np.s_[:40], np.s_[40:, :30], np.s_[40:, 30:]):
        share = np.bincount(found.classes[0][part].ravel(), minlength=3).max() / found.classes[0][part].size
        assert share > 0.95  # a value of one lattice may lie on another by chance
    assert not found.stray(None).any()
    assert cut_of(mosaic()) is None


@pytest.mark.parametrize("turn", [False, True])
def test_a_lattice_beside_noise(turn: bool) -> None:
    """Floats beside a lattice are cut off it, on either side."""
    image = simulate_image((96, 80), seed=4).astype(np.float32)
    image[50:] = lattice(5, 3e-6, 1e-8)[50:]
    image = np.ascontiguousarray(image[::-1] if turn else image)
    cut = cut_of(image)
    assert cut is not None
    assert (cut.axis, cut.inner) == (1, (None, None))
    assert cut.place == (46 if turn else 50)


def test_nothing_to_cut() -> None:
    """Neither a lattice, nor noise, nor noise with a blank border is cut."""
    noise = simulate_image((96, 80), seed=6).astype(np.float32)
    assert cut_of(noise) is None
    assert cut_of(lattice(7, 3e-6, 1e-7)) is None
    special = np.zeros((1, 96, 80), bool)
    special[0, :20] = special[0, :, :25] = True
    blank = np.where(special[0], np.float32(np.nan), noise)
    assert cut_of(blank, special) is None


def test_lattices_and_parts_restore_and_are_smaller() -> None:
    """Lattices, and a part of them beside floats, take less than floats alone, special pixels or not."""
    image = mosaic()
    noise = (image + simulate_image(image.shape, seed=9) * np.float32(1e-4)).astype(np.float32)
    floats = coded(noise)
    assert floats[0] == LEARNED
    several = coded(image)
    assert several[:3] == bytes([LEARNED, 0, MapKind.LATTICES])
    assert len(several) < len(floats) / 2
    both = image.copy()
    both[:40] = noise[:40]
    parts = coded(both)
    assert parts[0] == PARTS
    assert len(parts) < 0.75 * len(floats)
    special = np.zeros((1, *image.shape), bool)
    special[0, 50:54, 20:60] = True
    special[0, 70] = True
    for picture, method in ((image, LEARNED), (both, PARTS)):
        assert coded(np.where(special[0], np.float32(np.nan), picture), special)[0] == method


def test_a_few_samples_on_no_lattice_are_patches() -> None:
    """Three samples between the steps of three lattices come back too."""
    image = mosaic()
    image[[3, 60, 90], [70, 3, 50]] += np.float32(1e-7)
    assert coded(image)[:3] == bytes([LEARNED, 0, MapKind.LATTICES])


def packed(classes: bytes) -> bytes:
    """Length and frame of classes."""
    frame = zstandard.ZstdCompressor().compress(classes)
    return bytes([len(frame)]) + frame


def steps(*numbers: float) -> bytes:
    """Number of lattices, and a and b of each."""
    return struct.pack(f"<B{len(numbers)}d", len(numbers) // 2, *numbers)


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        (b"", "ends within a number"),
        (b"\0", "1 to 8 lattices"),
        (b"\x09" + bytes(200), "1 to 8 lattices"),
        (steps(0.0, 1.0, 0.0, 2.0)[:-1], "1 to 8 lattices and their steps"),
        (steps(0.0, 1.0) + b"\x70", "112 bytes of classes"),
        (steps(0.0, 1.0) + packed(bytes(5)), "6 bytes"),
        (steps(0.0, 1.0) + packed(bytes(7)), "6"),
        (steps(0.0, 1.0, 0.0, 2.0) + packed(b"\0\0\1\2\0\0"), "classes under 2, found 2"),
        (steps(0.0, 0.0) + packed(bytes(6)), "out of range"),
        (steps(0.0, 1.0, 0.0, 0.0) + packed(bytes(6)), "out of range"),
        (steps(0.0, 1.0, 0.0, np.nan) + packed(bytes(6)), "out of range"),
        (steps(0.0, 1.0, np.inf, 1.0) + packed(bytes(6)), "out of range"),
        (steps(0.0, 1.0, 0.0, 2.0**101) + packed(bytes(6)), "out of range"),
        (steps(0.0, 1.0, 2.0**53, 1.0) + packed(bytes(6)), "out of range"),
    ],
)
def test_unsound_lattices_are_rejected(fields: bytes, match: str) -> None:
    """Numbers, steps and classes of map 5 are within their ranges, and no class is missing."""
    predictors = load_predictors(fit_image(mosaic()[None], None, None, SampleType.F4))
    with pytest.raises(CorruptError, match=match):
        decode_tile(b"\2\0\5" + fields, (1, 2, 3), SampleType.F4, None, predictors, None)


def raw(n: int) -> bytes:
    """A raw detail stream of n float32 zeros."""
    return b"\0" + bytes(4 * n)


@pytest.mark.parametrize(
    ("stream", "match"),
    [
        (b"\4", "axis 1 or 2"),
        (b"\4\0\1\1" + raw(6), "axis 1 or 2"),
        (b"\4\3\1\1" + raw(6), "axis 1 or 2"),
        (b"\4\1\0\1" + raw(6), "within 2 lines, found 0"),
        (b"\4\1\2\1" + raw(6), "within 2 lines, found 2"),
        (b"\4\2\1", "ends within a number"),
        (b"\4\2\1\x30" + raw(2) + raw(3), "expected 48 bytes"),
        (b"\4\2\1\x09" + raw(2), "found nothing"),
        (b"\4\2\1\x09" + raw(2) + raw(5), "expected 16"),
    ],
)
def test_unsound_parts_are_rejected(stream: bytes, match: str) -> None:
    """A cut that is none, and parts that are too short or too long."""
    with pytest.raises(CorruptError, match=match):
        decode_tile(stream, (1, 2, 3), SampleType.F4, None, None, None)


def nested(depth: int) -> tuple[bytes, int]:
    """A stream of parts within parts, each cut after its first row, and the number of rows."""
    stream, rows = raw(1), 1
    for _ in range(depth):
        first = raw(1)
        stream, rows = bytes([4, 1, 1, len(first)]) + first + stream, rows + 1
    return stream, rows


def test_depth_of_parts() -> None:
    """Parts may be eight deep and no deeper, and only in float images without a bound."""
    stream, rows = nested(MAX_DEPTH)
    assert decode_tile(stream, (1, rows, 1), SampleType.F4, None, None, None).tolist() == [[[0.0]] * rows]
    with pytest.raises(CorruptError, match="over 8 deep"):
        decode_tile(nested(MAX_DEPTH + 1)[0], (1, rows + 1, 1), SampleType.F4, None, None, None)
    with pytest.raises(CorruptError, match="of integers"):
        decode_tile(stream, (1, rows, 1), SampleType.I4, None, None, None)


def test_parts_where_a_bound_is_zero() -> None:
    """An image with a bound that is 0 everywhere is exact, may be of parts, and is read by the format page alone."""
    image = np.random.default_rng(5).normal(0.0, 1.0, (480, 80)).astype(np.float32)
    image[384:] = mosaic()
    with patch.object(radcodec.pixels.noise, "sigma_map", lambda plane, special, cell: np.zeros((1, 1), np.float32)):
        data = radcodec.encode(image, max_error="0.25localsigma")
    kinds = []
    plain = reference_decoder.decode_parts

    def watched(*given: object) -> object:
        kinds.append("parts")
        return plain(*given)  # type: ignore[arg-type]

    with patch.object(reference_decoder, "decode_parts", watched):
        again = reference_decoder.decode_file(data)
    assert kinds
    assert not isinstance(again, bytes)
    assert (again == image).all()
    assert (radcodec.decode(data) == image).all()


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_largest_float_among_lattices(dtype: str) -> None:
    """A value at the end of the range beside two lattices is no reason for a warning, and comes back."""
    tile = mosaic().astype(dtype)
    tile[5, 7] = np.finfo(dtype).max
    assert radcodec.decode(radcodec.encode(tile)).tobytes() == tile.tobytes()
