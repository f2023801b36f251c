"""Pictures, read back by another program."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest

from radcodec.decoding.picture import average_down, png_bytes, stretch


def _read_png(data: bytes) -> np.ndarray:
    """Pixels of an 8-bit PNG with filter 2 rows, by the standard."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    position, chunks = 8, {}
    while position < len(data):
        size, name = struct.unpack_from(">I4s", data, position)
        body = data[position + 8 : position + 8 + size]
        assert struct.unpack_from(">I", data, position + 8 + size)[0] == zlib.crc32(name + body)
        chunks[name] = body
        position += 12 + size
    width, height, depth, colour, *rest = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert (depth, rest) == (8, [0, 0, 0])
    samples = 3 if colour == 2 else 1
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, 1 + width * samples)
    assert (rows[:, 0] == 2).all()
    pixels = np.cumsum(rows[:, 1:], axis=0, dtype=np.uint8)
    return pixels.reshape((height, width, 3) if samples == 3 else (height, width))


@pytest.mark.parametrize("shape", [(1, 1), (7, 5), (4, 6, 3)])
def test_png_comes_back(shape: tuple[int, ...]) -> None:
    """Grey and colour pictures decode to their pixels."""
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    assert (_read_png(png_bytes(pixels)) == pixels).all()


def test_stretch_is_monotonic_and_black_where_undefined() -> None:
    """Brighter pixels are never darker, NaN is black, the brightest white; constants and NaN alone do no harm."""
    image = np.concatenate([np.random.default_rng(0).normal(size=99), [50.0]]).reshape(10, 10)
    levels = stretch(image)
    order = np.argsort(image.ravel())
    assert (np.diff(levels.ravel()[order].astype(int)) >= 0).all()
    assert levels.max() == 255
    image[0, 0] = np.nan
    assert stretch(image)[0, 0] == 0
    assert stretch(np.full((2, 2), np.nan)).tolist() == [[0, 0], [0, 0]]
    assert stretch(np.ones((2, 2))).shape == (2, 2)


def test_averages_leave_undefined_pixels_out() -> None:
    """A picture twice too large is averaged over 2x2, NaN left out, all-NaN squares NaN."""
    image = np.array([[1.0, 3.0, np.nan, np.nan], [np.nan, 5.0, np.nan, np.nan]])
    small = average_down(image, side=2)
    assert small.shape == (1, 2)
    assert small[0, 0] == 3.0
    assert np.isnan(small[0, 1])
