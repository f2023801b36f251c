"""Records whose tiles are no boxes of planes that follow each other, or of no size that a reader takes."""

from __future__ import annotations

import pytest
import reference_decoder as ref
from corruption.crafted import array_file, params
from corruption.repair import leb

import radcodec


def file_of(shape: tuple[int, ...], sides: tuple[int, ...], n_tiles: int) -> bytes:
    """A file of zeros, u1, that stores these sides as they are; each tile holds its samples raw."""
    record = bytes([1]) + leb(len(shape)) + b"".join(map(leb, shape + sides)) + b"\0\0\0"
    n_bytes = 1
    for length in shape:
        n_bytes *= length
    return array_file(record, n_bytes, [(b"", b"\0" + bytes(n_bytes // n_tiles))] * n_tiles, blocks=params())


def errors_of(data: bytes) -> tuple[str, str]:
    """How radcodec and the reference decoder reject a file."""
    with pytest.raises(radcodec.CorruptError) as ours:
        radcodec.decode(data)
    with pytest.raises(ref.RejectError) as theirs:
        ref.decode_file(data)
    return str(ours.value), str(theirs.value)


@pytest.mark.parametrize(
    ("shape", "sides", "n_tiles"),
    [
        ((6,), (3,), 2),
        ((4, 6), (2, 0), 2),
        ((4, 2, 3), (2, 0, 0), 2),
        ((4, 2, 1, 2), (2, 0, 0, 0), 2),  # both planes of the second axis, of two of the first
        ((4, 1, 1, 2), (2, 0, 0, 0), 2),
        ((2, 4, 1, 2), (1, 2, 0, 0), 4),
        ((2, 1, 2), (0, 0, 1), 2),
    ],
)
def test_sound_sides_reach_the_pixels(shape: tuple[int, ...], sides: tuple[int, ...], n_tiles: int) -> None:
    """Sides that are sound are taken: only the pixel CRC is wrong here. So the tests below fail for their sides."""
    ours, theirs = errors_of(file_of(shape, sides, n_tiles))
    assert "do not match their checksum" in ours
    assert theirs == "pixel CRC of a tile"


@pytest.mark.parametrize(
    ("shape", "sides", "n_tiles"),
    [
        ((6,), (6,), 1),  # all of an axis is stored as 0
        ((6,), (7,), 1),
        ((1,), (1,), 1),
        ((4, 6), (0, 1 << 40), 1),
        ((4, 6), (4, 0), 1),
        ((4, 2, 3), (5, 0, 0), 1),
    ],
)
def test_sides_over_the_axis_are_rejected(shape: tuple[int, ...], sides: tuple[int, ...], n_tiles: int) -> None:
    """A side is below its axis, or 0."""
    ours, theirs = errors_of(file_of(shape, sides, n_tiles))
    assert "expected a side of a tile below the axis" in ours
    assert theirs == "side of a tile over its axis"


@pytest.mark.parametrize(
    ("shape", "sides", "n_tiles"),
    [
        ((4, 4, 1, 2), (2, 2, 0, 0), 4),
        ((4, 4, 1, 2), (0, 1, 0, 0), 4),
        ((4, 4, 1, 2), (0, 2, 0, 0), 2),
        ((2, 2, 4, 1, 2), (0, 1, 0, 0, 0), 2),
        ((2, 1, 4, 1, 2), (0, 0, 2, 0, 0), 2),
    ],
)
def test_planes_that_do_not_follow_each_other_are_rejected(
    shape: tuple[int, ...], sides: tuple[int, ...], n_tiles: int
) -> None:
    """Planes of two leading axes share a tile only where the faster axis is whole in it."""
    ours, theirs = errors_of(file_of(shape, sides, n_tiles))
    assert "planes that follow each other" in ours
    assert theirs == "planes of a tile that do not follow each other"


@pytest.mark.parametrize("sides", [(0, 0), (2049, 0), (0, 1025)])
def test_tiles_of_too_many_samples_are_rejected(sides: tuple[int, int]) -> None:
    """4194304 samples are the most, which 2048 rows of 2048 are and 4096 rows of 1025 are not."""
    record = bytes([1, 2]) + leb(4096) + leb(2048) + b"".join(map(leb, sides)) + b"\0\0\0"
    data = array_file(record, 4096 * 2048, [(b"", b"\0x")] * 2, blocks=params())
    ours, theirs = errors_of(data)
    assert "expected at most 4194304 samples in a tile" in ours
    assert theirs == "samples of a tile"


def test_the_largest_tile_is_read() -> None:
    """A tile of 2048 by 2048 samples passes this check: its detail stream is what is wrong here."""
    record = bytes([1, 2]) + leb(4096) + leb(2048) + leb(2048) + b"\0\0\0\0"
    ours, _ = errors_of(array_file(record, 4096 * 2048, [(b"", b"\0x")] * 2, blocks=params()))
    assert "in a tile" not in ours
