"""Tiles that are put together from maps of different lattices are cut at the seams, and come back."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from radcodec.detail import decode_tile, encode_tile, fit_image, load_predictors
from radcodec.detail.plain import LEARNED, PARTS
from radcodec.detail.seams import MAX_DEPTH, Cut, find_cut
from radcodec.errors import CorruptError
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


def coded(image: F4, special: npt.NDArray[np.bool_] | None = None) -> bytes:
    """Detail stream of an image as one tile, which restores to it."""
    predictors = load_predictors(fit_image(image[None], special, None, SampleType.F4))
    stream = encode_tile(image[None], special, predictors, None)
    back = decode_tile(stream, (1, *image.shape), SampleType.F4, special, predictors, None)
    same = back[0].view("u4") == image.view("u4")
    assert same.all() if special is None else (same | special[0]).all()
    return stream


def test_cuts_are_where_the_seams_are() -> None:
    """Three lattices: a cut of the rows, and one of the columns of its second part."""
    assert find_cut(mosaic()[None], None) == Cut(axis=1, place=40, second=Cut(axis=2, place=30))


@pytest.mark.parametrize("turn", [False, True])
def test_a_lattice_beside_noise(turn: bool) -> None:
    """Floats beside a lattice are cut off it, on either side."""
    image = simulate_image((96, 80), seed=4).astype(np.float32)
    image[50:] = lattice(5, 3e-6, 1e-8)[50:]
    image = np.ascontiguousarray(image[::-1] if turn else image)
    cut = find_cut(image[None], None)
    assert cut is not None
    assert (cut.axis, cut.inner) == (1, (None, None))
    # A row of noise too many or too few on the other side would leave no lattice.
    assert cut.place == (46 if turn else 50)


def test_nothing_to_cut() -> None:
    """Neither a lattice, nor noise, nor noise with a blank border is cut."""
    noise = simulate_image((96, 80), seed=6).astype(np.float32)
    assert find_cut(noise[None], None) is None
    assert find_cut(lattice(7, 3e-6, 1e-7)[None], None) is None
    special = np.zeros((1, 96, 80), bool)
    special[0, :20] = special[0, :, :25] = True
    blank = np.where(special[0], np.float32(np.nan), noise)
    assert find_cut(blank[None], special) is None


def test_parts_restore_and_are_smaller() -> None:
    """Parts take less than half the bytes of floats, special pixels or not."""
    image = mosaic()
    stream = coded(image)
    assert stream[0] == PARTS
    noise = coded((image + simulate_image(image.shape, seed=9) * np.float32(1e-4)).astype(np.float32))
    assert noise[0] == LEARNED
    assert len(stream) < len(noise) / 2
    special = np.zeros((1, *image.shape), bool)
    special[0, 10:14, 20:60] = True
    special[0, 70] = True
    assert coded(np.where(special[0], np.float32(np.nan), image), special)[0] == PARTS


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
