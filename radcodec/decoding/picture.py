"""Draw pictures for quick looks: asinh stretch, averaging down, a small PNG writer, and JPEG by Pillow.

References
----------
Lupton et al. (1999), AJ 118, 1406 (asinh magnitudes). PNG: ISO/IEC 15948, sections 9 (filters) and 11 (chunks).
"""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from radcodec.arrays import median
from radcodec.errors import InputError
from radcodec.limits import MAX_ASKED_SIDE, MAX_PICTURE_SIDE

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GREY, _RGB = 0, 2
_JPEG = (".jpg", ".jpeg")
_JPEG_QUALITY = 92
_CHUNK = struct.Struct(">I")
_HEADER = struct.Struct(">IIBBBBB")
PictureWriter: TypeAlias = Callable[[npt.NDArray[Any], float | None], bytes]
# Noise is just visible above black, and the brightest source is just white.
_BLACK_SIGMA, _SOFT_SIGMA = -2.0, 3.0
# No telescope has such a dynamic range. Larger values mark missing pixels (such as 1e20) and must not set the white
# level.
_MOST_SIGMA = 1e9


@np.errstate(over="ignore", invalid="ignore")  # of values near the end of their range nothing finite may come out
def average_down(image: npt.NDArray[Any], side: int = MAX_PICTURE_SIDE) -> npt.NDArray[np.float64]:
    """Average an image, float64 [H, W], over squares so that no side exceeds ``side``; NaN where all are NaN."""
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


@np.errstate(over="ignore", invalid="ignore")  # of values near the end of their range nothing finite may come out
def stretch_limits(image: npt.NDArray[Any], noise: float | None = None) -> tuple[float, float, float]:
    """Choose black level, softening and white level from the median and spread of the finite pixels.

    ``noise`` is the spread of the original image, if known. Without it smoother pictures would show ripples far below
    the noise.
    """
    finite = image[np.isfinite(image)].astype(np.float64)
    if finite.size == 0:
        return 0.0, 1.0, 1.0
    middle = median(finite)
    sigma = 1.4826 * median(np.abs(finite - middle))
    top = float(finite.max())
    sigma = max(sigma, noise or 0.0)
    if sigma > 0:
        top = float(finite.max(initial=middle, where=finite <= middle + _MOST_SIGMA * sigma))
    if sigma <= 0:
        sigma = (top - middle) / 100 if top > middle else 1.0
    return middle + _BLACK_SIGMA * sigma, _SOFT_SIGMA * sigma, max(top, middle + sigma)


def stretch(image: npt.NDArray[Any], limits: tuple[float, float, float] | None = None) -> npt.NDArray[np.uint8]:
    """Map an image to grey levels uint8 [H, W] by asinh; NaN is black. ``limits`` are from `stretch_limits`."""
    black, soft, white = stretch_limits(image) if limits is None else limits
    with np.errstate(all="ignore"):
        scaled = np.arcsinh((image.astype(np.float64) - black) / soft) / np.arcsinh((white - black) / soft)
    levels = np.clip(np.nan_to_num(scaled, nan=0.0, posinf=1.0, neginf=0.0), 0.0, 1.0) * 255 + 0.5
    return np.asarray(levels, np.float64).astype(np.uint8)


def _chunk(name: bytes, data: bytes) -> bytes:
    return _CHUNK.pack(len(data)) + name + data + _CHUNK.pack(zlib.crc32(name + data))


def png_bytes(pixels: npt.NDArray[np.uint8]) -> bytes:
    """Encode grey [H, W] or colour [H, W, 3] pixels as PNG, first row on top."""
    height, width = pixels.shape[:2]
    colour = _RGB if pixels.ndim == 3 else _GREY
    rows = np.ascontiguousarray(pixels).reshape(height, -1)
    # Filter 2 (up) for every row: smooth pictures compress better as differences.
    above = np.vstack([np.zeros((1, rows.shape[1]), np.uint8), rows[:-1]])
    filtered = np.hstack([np.full((height, 1), 2, np.uint8), rows - above])
    header = _HEADER.pack(width, height, 8, colour, 0, 0, 0)
    return (
        _SIGNATURE
        + _chunk(b"IHDR", header)
        + _chunk(b"IDAT", zlib.compress(filtered.tobytes(), 9))
        + _chunk(b"IEND", b"")
    )


def jpeg_bytes(pixels: npt.NDArray[np.uint8]) -> bytes:
    """Encode grey [H, W] or colour [H, W, 3] pixels as JPEG, first row on top; needs Pillow."""
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=_JPEG_QUALITY)
    return out.getvalue()


def sky_pixels(
    image: npt.NDArray[Any], side: int = MAX_PICTURE_SIDE, noise: float | None = None
) -> npt.NDArray[np.uint8]:
    """Return grey levels of an image [H, W], averaged down to ``side``, with the first row at the bottom.

    ``noise`` is that of `stretch_limits`; averaging reduces it.
    """
    small = average_down(image, side)
    averaged = None if noise is None else noise * small.shape[0] / image.shape[0]
    return np.ascontiguousarray(stretch(small, stretch_limits(small, averaged))[::-1])


def picture_writer(dst: object, side: int | None = None) -> PictureWriter:
    """Choose the writer for a picture of an image [H, W] by the name's ending; PNG for streams and no ending.

    The result takes an image and its noise, like `sky_pixels`, and returns the bytes of a file.

    Raises
    ------
    InputError
        If the ending is unknown, if it is JPEG's and Pillow is missing, or if ``side`` (most pixels of the longer side)
        is below 1.
    """
    if side is not None and not 1 <= side <= MAX_ASKED_SIDE:
        raise InputError(f"expected a picture of 1 to {MAX_ASKED_SIDE} pixels a side, found {side}")
    ending = os.path.splitext(os.path.basename(dst))[1].lower() if isinstance(dst, (str, os.PathLike)) else ""
    if ending in _JPEG:
        if find_spec("PIL") is None:
            raise InputError(
                f"expected Pillow to write {ending}, which is not installed: pip install 'radcodec[jpeg]', or name "
                "the picture .png"
            )
        pack = jpeg_bytes
    elif ending in ("", ".png"):
        pack = png_bytes
    else:
        raise InputError(f"expected a picture's name that ends in .png, .jpg or .jpeg, found {ending}: give it another")
    longest = MAX_PICTURE_SIDE if side is None else side
    return lambda image, noise: pack(sky_pixels(image, longest, noise))
