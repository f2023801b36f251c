"""The lapped transform in integers and its inverse (docs/format.md, 9.5 and 9.9).

Lines of blocks are folded at the borders between blocks (time-domain aliasing cancellation, Princen and Bradley 1986,
doi:10.1109/TASSP.1986.1164954). A DCT-IV in each block follows, a DCT-II in the last. Matrix products run in binary64
on integers. Below 2^53 every sum is exact, so the order of summation and the library do not matter.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from radcodec.arrays import F64
from radcodec.base.lapped import wavelet

NOMINAL = (16, 32, 64, 128, 256, 512)
WAVELET = len(NOMINAL)  # block code of a single block with the wavelet transform
ONE = 2.0**15  # of matrix elements
UNIT = 2.0**10  # of samples and coefficients, a companded unit
LIMIT = 2.0**28  # of samples between the axes
COSINE = (1.0, -1 / 2, 1 / 24, -1 / 720, 1 / 40320, -1 / 3628800, 1 / 479001600)
SINE = (1.0, -1 / 6, 1 / 120, -1 / 5040, 1 / 362880, -1 / 39916800, 1 / 6227020800)
AVERAGED = 2  # pixels to a side of what previews are made from; block sides are even, so that it divides them
EXTENSIONS = 2  # passes that make the part beyond the image sparse


class Geometry(NamedTuple):
    """Blocks of a tile: rows and columns of blocks, and the sides of each; or one block of wavelets."""

    rows: int
    columns: int
    height: int
    width: int
    wavelet: bool = False


def geometry_of(shape: tuple[int, int], code: int) -> Geometry:
    """Return the blocks that cover an image [h, w] at a block code's nominal length, or one block for wavelets."""
    if code == WAVELET:
        return Geometry(1, 1, 2 * -(-shape[0] // 2), 2 * -(-shape[1] // 2), wavelet=True)
    nominal = NOMINAL[code]
    blocks = [max(1, (2 * n + nominal) // (2 * nominal)) for n in shape]
    sides = [2 * -(-n // (2 * nb)) for n, nb in zip(shape, blocks, strict=True)]
    return Geometry(blocks[0], blocks[1], sides[0], sides[1])


def cosine(r: npt.NDArray[np.int64], n: int) -> F64:
    """Return cos(pi r / (4 n)) by the polynomial of the format, not by a library."""
    r = r % (8 * n)
    r = np.where(r > 4 * n, 8 * n - r, r)
    negative = r > 2 * n
    r = np.where(negative, 4 * n - r, r)
    near = r <= n
    x = (np.pi * np.where(near, r, 2 * n - r).astype(np.float64)) / float(4 * n)
    t = x * x
    out = np.where(near, _horner(COSINE, t), x * _horner(SINE, t))
    return np.asarray(np.where(negative, -out, out))


def _horner(coefficients: tuple[float, ...], t: F64) -> F64:
    total = np.full(t.shape, coefficients[-1])
    for c in coefficients[-2::-1]:
        total = c + t * total
    return total


def _rounded(x: F64) -> F64:
    return np.asarray(np.floor(ONE * x + 0.5))


@lru_cache(maxsize=64)
def matrix(n: int, last: bool) -> F64:
    """Return the matrix [coefficient, sample] of a block in units of 2^-15; the last block of a line has its own."""
    k, i = np.arange(n)[:, None], np.arange(n)[None, :]
    size = np.sqrt(2.0 / n)
    if not last:
        return _rounded(size * cosine((2 * k + 1) * (2 * i + 1), n))
    out = _rounded(size * cosine(2 * k * (2 * i + 1), n))
    out[0] = _rounded(np.array([np.sqrt(1.0 / n)]))[0]
    return out


@lru_cache(maxsize=64)
def window(n: int) -> tuple[F64, F64]:
    """Return (W, V) [n / 2] of the folding at a border."""
    i = np.arange(n // 2)
    return _rounded(cosine(n - 2 * i - 1, n)), _rounded(cosine(n + 2 * i + 1, n))


def _scale_down(x: F64) -> F64:
    """Drop fifteen bits of x, rounded half up."""
    x += ONE / 2
    x *= 1.0 / ONE
    return np.floor(x, out=x)


def _blocks(x: F64, n: int, transposed: bool) -> F64:
    """Multiply every block of lines by its matrix, or its transpose: [nb, n, w]; x may omit rows of zeros."""
    common, last = (
        part[: x.shape[1]].T if transposed else part for part in (matrix(n, False), matrix(n, True))
    )  # fmt: skip
    out = np.empty((len(x), n, x.shape[2]))
    if len(x) > 1:
        np.matmul(common, x[:-1], out=out[:-1])
    np.matmul(last, x[-1], out=out[-1])
    return _scale_down(out)


def _rotate(x: F64, sign: float) -> None:
    """Fold (sign 1) or unfold (-1) lines [nb, n, w] at their borders.

    The DCT-IV is even at its first sample and odd at its last one. So folding keeps the sum of the two sides after a
    border, and their difference before it. With the other sign, basis functions would jump at every border.
    """
    n = x.shape[1]
    w, v = (part[:, None] for part in window(n))
    low, high = x[:-1, : n - 1 - n // 2 : -1].copy(), x[1:, : n // 2].copy()
    x[:-1, : n - 1 - n // 2 : -1] = _scale_down(w * low - sign * (v * high))
    x[1:, : n // 2] = _scale_down(w * high + sign * (v * low))


def _inverse_lines(x: F64, n: int) -> F64:
    out = _blocks(x, n, transposed=True)
    _rotate(out, -1.0)
    return out


def _forward_lines(x: F64) -> F64:
    out = x.copy()
    _rotate(out, 1.0)
    return _blocks(out, x.shape[1], transposed=False)


def inverse(coefficients: npt.NDArray[np.int64] | F64, g: Geometry) -> npt.NDArray[np.int64]:
    """Transform coefficients [rows, columns, height, width] to samples [rows * height, columns * width] in 2^-10.

    Coefficients are integers, also as floats.
    """
    if g.wavelet:
        return wavelet.inverse(coefficients[0, 0].astype(np.int64, copy=False))
    used: npt.NDArray[np.bool_] = np.asarray(coefficients.any(axis=(0, 1)))
    height, width = (int(np.flatnonzero(used.any(axis=axis))[-1:].sum()) + 1 for axis in (1, 0))
    x = coefficients[:, :, :height, :width].transpose(0, 2, 1, 3).astype(np.float64, order="C")
    x = _inverse_lines(x.reshape(g.rows, height, g.columns * width), g.height)
    np.clip(x, -LIMIT, LIMIT, out=x)
    x = x.reshape(g.rows * g.height, g.columns, width).transpose(1, 2, 0)
    x = _inverse_lines(np.ascontiguousarray(x), g.width)
    return x.reshape(g.columns * g.width, -1).T.astype(np.int64, order="C")


def forward(samples: F64, g: Geometry) -> F64:
    """Transform samples [rows * height, columns * width] to coefficients [rows, columns, height, width] in 2^-10.

    Wavelet coefficients are not integers.
    """
    if g.wavelet:
        return wavelet.forward(samples)[None, None]
    x = _forward_lines(samples.reshape(g.rows, g.height, g.columns * g.width))
    x = x.reshape(g.rows * g.height, g.columns, g.width)
    x = _forward_lines(np.ascontiguousarray(x.transpose(1, 2, 0)))
    x = x.reshape(g.columns, g.width, g.rows, g.height)
    return np.ascontiguousarray(x.transpose(2, 0, 3, 1))


def analyse(companded: F64, g: Geometry, step: float) -> F64:
    """Transform a companded image [h, w] to coefficients [rows, columns, height, width], in companded units.

    The part of blocks beyond the image is mirrored, then repeatedly replaced by what its large coefficients give there.
    """
    h, w = companded.shape
    samples = np.rint(companded * UNIT)
    extra = ((0, g.rows * g.height - h), (0, g.columns * g.width - w))
    if any(after for _, after in extra):
        samples = np.pad(samples, extra, mode="symmetric")
        for turn in range(0 if g.wavelet else EXTENSIONS):
            c = forward(samples, g)
            kept = np.where(np.abs(c) > step * UNIT * (1.6 - turn / EXTENSIONS), c, 0.0).astype(np.int64)
            again = inverse(kept, g).astype(np.float64)
            again[:h, :w] = samples[:h, :w]
            samples = again
    return forward(samples, g) / UNIT
