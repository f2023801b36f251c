"""Pictures for quick looks: an asinh stretch, averaging down, and a PNG writer of a few lines.

References
----------
Lupton et al. (1999), AJ 118, 1406 (asinh magnitudes). PNG: ISO/IEC 15948, sections 9 (filters) and 11 (chunks).
"""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

from radcodec.limits import MAX_PICTURE_SIDE

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GREY, _RGB = 0, 2
_CHUNK = struct.Struct(">I")
_HEADER = struct.Struct(">IIBBBBB")
# Noise just visible above black, the brightest source just white.
_BLACK_SIGMA, _SOFT_SIGMA = -2.0, 3.0


def average_down(image: npt.NDArray[Any], side: int = MAX_PICTURE_SIDE) -> npt.NDArray[np.float64]:
    """The image, float64 [H, W], averaged over squares so that no side is over ``side``; NaN where all are NaN."""
    values = image.astype(np.float64)
    factor = -(-max(values.shape) // side)
    if factor <= 1:
        return values
    height, width = (-(-length // factor) for length in values.shape)
    padded = np.full((height * factor, width * factor), np.nan)
    padded[: values.shape[0], : values.shape[1]] = values
    blocks = padded.reshape(height, factor, width, factor)
    known = np.isfinite(blocks)
    count = known.sum(axis=(1, 3))
    total = np.where(known, blocks, 0.0).sum(axis=(1, 3))
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def stretch_limits(image: npt.NDArray[Any]) -> tuple[float, float, float]:
    """Black level, softening and white level for `stretch`, from the median and the spread of the finite pixels."""
    finite = image[np.isfinite(image)].astype(np.float64)
    if finite.size == 0:
        return 0.0, 1.0, 1.0
    middle = float(np.median(finite))
    sigma = 1.4826 * float(np.median(np.abs(finite - middle)))
    top = float(finite.max())
    if sigma <= 0:
        sigma = (top - middle) / 100 if top > middle else 1.0
    return middle + _BLACK_SIGMA * sigma, _SOFT_SIGMA * sigma, max(top, middle + sigma)


def stretch(image: npt.NDArray[Any], limits: tuple[float, float, float] | None = None) -> npt.NDArray[np.uint8]:
    """Grey levels uint8 [H, W] of an image under an asinh stretch; NaN is black. ``limits`` as by `stretch_limits`."""
    black, soft, white = stretch_limits(image) if limits is None else limits
    with np.errstate(all="ignore"):
        scaled = np.arcsinh((image.astype(np.float64) - black) / soft) / np.arcsinh((white - black) / soft)
    levels = np.clip(np.nan_to_num(scaled, nan=0.0, posinf=1.0, neginf=0.0), 0.0, 1.0) * 255 + 0.5
    return np.asarray(levels, np.float64).astype(np.uint8)


def _chunk(name: bytes, data: bytes) -> bytes:
    return _CHUNK.pack(len(data)) + name + data + _CHUNK.pack(zlib.crc32(name + data))


def png_bytes(pixels: npt.NDArray[np.uint8]) -> bytes:
    """A PNG file of grey [H, W] or colour [H, W, 3] pixels, first row on top."""
    height, width = pixels.shape[:2]
    colour = _RGB if pixels.ndim == 3 else _GREY
    rows = np.ascontiguousarray(pixels).reshape(height, -1)
    # Filter 2 (up) for every row: smooth pictures pack better as differences.
    above = np.vstack([np.zeros((1, rows.shape[1]), np.uint8), rows[:-1]])
    filtered = np.hstack([np.full((height, 1), 2, np.uint8), rows - above])
    header = _HEADER.pack(width, height, 8, colour, 0, 0, 0)
    return (
        _SIGNATURE
        + _chunk(b"IHDR", header)
        + _chunk(b"IDAT", zlib.compress(filtered.tobytes(), 9))
        + _chunk(b"IEND", b"")
    )


def sky_picture(image: npt.NDArray[Any]) -> bytes:
    """A PNG of an image [H, W] as it is seen on the sky: first row at the bottom, averaged down to a screen's size."""
    return png_bytes(stretch(average_down(image))[::-1])
