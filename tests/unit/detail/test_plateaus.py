"""Method 6 of a detail stream (docs/format.md, 8.4): plateaus of a few values beside others."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import reference_decoder

import radcodec
from radcodec.detail.plain import PLATEAU
from radcodec.detail.plateaus import plateau_values, with_plateaus
from radcodec.detail.stream import decode_tile
from radcodec.errors import CorruptError
from radcodec.simulate import simulate_image
from radcodec.types import SampleType


def beside_noise(dtype: Any, level: float, ulps: int, side: int = 64) -> npt.NDArray[Any]:
    """A disc of noise, a quarter of the image, in a plateau that jitters by units in the last place."""
    rng = np.random.default_rng(7)
    noise = simulate_image((side, side), seed=3, n_sources=3).astype(dtype)
    flat = dtype(level * np.abs(noise).max())
    y, x = np.indices(noise.shape)
    disc = np.hypot(y - side / 2, x - side / 2) < 0.28 * side
    jitter = rng.integers(-ulps, ulps + 1, noise.shape)
    return np.where(disc, noise, flat + jitter * np.spacing(flat)).astype(dtype)


def method_of(data: bytes) -> int:
    with radcodec.open(data) as file:
        return file.reader.read_tile(0, 0)[1][0]


def restored_by_both(array: npt.NDArray[Any]) -> bytes:
    """A lossless file of an array, from which the library and the reference decoder restore it."""
    data = radcodec.encode(array)
    expected = reference_decoder.decode_file(data)
    assert isinstance(expected, np.ndarray)
    assert radcodec.decode(data).tobytes() == array.tobytes()
    assert expected.tobytes() == array.tobytes()
    return data


@pytest.mark.parametrize(
    ("dtype", "level", "ulps"),
    [(np.float32, 3.7, 3), (np.float32, -9.1, 1), (np.float64, 3.7, 3), (np.float64, -2.0, 8)],
)
def test_noise_beside_a_plateau(dtype: Any, level: float, ulps: int) -> None:
    """A plateau takes little more than the bits of its jitter: noise of 26 bits on a quarter, and log2(2*ulps + 1)."""
    array = beside_noise(dtype, level, ulps)
    data = restored_by_both(array)
    assert method_of(data) == PLATEAU
    assert 8 * len(data) / array.size < 0.25 * 26 + 0.75 * (np.log2(2 * ulps + 1) + 0.35) + 0.6


def test_special_samples_are_no_part_of_a_plateau() -> None:
    """NaN and -0.0 within the plateau and within the noise come back."""
    array = beside_noise(np.float32, 3.7, 3)
    array[2:5, :20], array[30, 28:34], array[50] = np.nan, np.nan, -0.0
    assert method_of(restored_by_both(array)) == PLATEAU


def test_random_doubles_in_zeros_are_gathered() -> None:
    """A few doubles among zeros take their 53 bits and their places, 2.5 kB here; 8 bytes each with a zstd frame."""
    rng = np.random.default_rng(2)
    array = np.zeros((200, 200))
    array[rng.integers(0, 200, 300), rng.integers(0, 200, 300)] = 0.1 * rng.exponential(size=300)
    data = restored_by_both(array)
    assert method_of(data) == PLATEAU
    assert len(data) < 300 * 7.2 + 350 + 60


def test_a_cube_of_plateaus() -> None:
    """Planes that share a tile come back."""
    restored_by_both(np.stack([beside_noise(np.float32, 3.7, 2, 40), beside_noise(np.float32, -5.0, 2, 40)]))


def test_lattices_have_no_plateaus() -> None:
    """A fit leaves a plateau out, and nothing of an image in steps."""
    flat = beside_noise(np.float32, 3.7, 3)[None]
    marks = with_plateaus(flat, None)
    assert marks is not None
    assert 0.7 < marks.mean() < 0.8
    steps = (np.rint(simulate_image((64, 64), seed=3) / 1e-4) * 1e-4 + 0.0).astype(np.float32)[None]
    assert with_plateaus(steps, None) is None
    assert plateau_values(np.random.default_rng(1).normal(size=(1, 64, 64)), None) is None


FIRST = bytes([5, 2, 1]) + np.array([7, 9], "<f4").tobytes() + b""


@pytest.mark.parametrize(
    "body",
    [
        b"",
        bytes([2, 1]) + FIRST,
        bytes([0, 0]),
        bytes([0, 200, 1]) + FIRST,
        bytes([0, 2, 0, 5]),
        bytes([0, len(FIRST)]) + FIRST,
        bytes([1, len(FIRST)]) + FIRST,
    ],
)
def test_bad_fields_are_rejected(body: bytes) -> None:
    """Unknown flags, lengths that do not fit, another method first, and a second stream that is not there."""
    with pytest.raises(CorruptError, match=r"detail stream|LEB128|expected"):
        decode_tile(bytes([PLATEAU]) + body, (1, 2, 2), SampleType.F4, None, None, None)


def test_plateaus_nest_at_most_eight_deep() -> None:
    """A stream within eight others is of no plateau, so that reading it needs little of the stack."""
    stream = bytes([0]) + np.full(4, 7, "<f4").tobytes()
    for _ in range(9):
        stream = bytes([PLATEAU, 0, len(FIRST)]) + FIRST + stream
    with pytest.raises(CorruptError, match="8 deep"):
        decode_tile(stream, (1, 2, 2), SampleType.F4, None, None, None)
