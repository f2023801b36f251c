"""The lapped transform in single precision, for searches and previews: choices need no exact coefficients."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from radcodec.base.lapped import transform
from radcodec.base.lapped.transform import ONE, Geometry

F32 = npt.NDArray[np.float32]
Floats = npt.NDArray[np.floating]


def analyse(companded: Floats, g: Geometry, step: float) -> Floats:
    """Return about what ``transform.analyse`` gives: in single precision where blocks cover a tile exactly."""
    if g.wavelet or companded.shape != (g.rows * g.height, g.columns * g.width):
        return transform.analyse(companded.astype(np.float64, copy=False), g, step)
    return forward(np.array(companded, np.float32, order="C"), g, 1.0)


def synthesise(coefficients: F32, g: Geometry) -> F32:
    """Transform coefficients [rows, columns, height, width] of blocks to samples [rows * height, columns * width]."""
    common, last, keep, swap = _matrices(g.width, 1.0)
    x = np.ascontiguousarray(coefficients.transpose(0, 2, 1, 3))
    lines = np.empty((g.rows * g.height, g.columns, g.width), np.float32)
    x = x.reshape(lines.shape)
    if g.columns > 1:
        np.matmul(x.reshape(-1, g.width), common, out=lines.reshape(-1, g.width))
    lines[:, -1] = x[:, -1] @ last
    half = g.width // 2
    _unfold(lines[:, :-1, : g.width - 1 - half : -1], lines[:, 1:, :half], keep, swap)
    common, last, keep, swap = _matrices(g.height, 1.0)
    x, out = lines.reshape(g.rows, g.height, -1), np.empty((g.rows, g.height, g.columns * g.width), np.float32)
    np.matmul(common.T, x[:-1], out=out[:-1])
    np.matmul(last.T, x[-1], out=out[-1])
    half = g.height // 2
    _unfold(out[:-1, : g.height - 1 - half : -1], out[1:, :half], keep[:, None], swap[:, None])
    return out.reshape(g.rows * g.height, -1)


@lru_cache(maxsize=32)
def _matrices(n: int, scale: float) -> tuple[F32, F32, F32, F32]:
    """Return the matrices of a block and of the last one, times ``scale``, and the window at a border."""
    common, last = ((transform.matrix(n, which) * (scale / ONE)).astype(np.float32) for which in (False, True))
    keep, swap = ((part / ONE).astype(np.float32) for part in transform.window(n))
    return common, last, keep, swap


def forward(samples: F32, g: Geometry, scale: float) -> F32:
    """Transform samples [rows * height, columns * width], which are overwritten, to [rows, columns, height, width]."""
    common, last, keep, swap = _matrices(g.height, scale)
    x = samples.reshape(g.rows, g.height, -1)
    _fold(x[:-1, : g.height - 1 - g.height // 2 : -1], x[1:, : g.height // 2], keep[:, None], swap[:, None])
    lines = np.empty_like(x)
    np.matmul(common, x[:-1], out=lines[:-1])
    np.matmul(last, x[-1], out=lines[-1])
    common, last, keep, swap = _matrices(g.width, 1.0)
    x = lines.reshape(-1, g.columns, g.width)
    _fold(x[:, :-1, : g.width - 1 - g.width // 2 : -1], x[:, 1:, : g.width // 2], keep, swap)
    if g.columns > 1:
        out = (x.reshape(-1, g.width) @ common.T).reshape(x.shape)
        out[:, -1] = x[:, -1] @ last.T
    else:
        out = (x.reshape(-1, g.width) @ last.T).reshape(x.shape)
    return np.ascontiguousarray(out.reshape(g.rows, g.height, g.columns, g.width).transpose(0, 2, 1, 3))


def window_matrix(blocks: int, n: int, low: int, start: int, count: int) -> tuple[int, F32]:
    """Return the first block that samples of a line reach, and what each adds to low coefficients of that and the next.

    Parameters
    ----------
    blocks, n
        Of the line: their number and their length.
    low
        Coefficients of each block.
    start, count
        Of the samples; those outside the line add nothing.

    Returns
    -------
    first : int
    matrix : float32 [reached blocks, low, count]
    """
    common, last, keep, swap = _matrices(n, 1.0)
    first, end = max(0, (start - n // 2) // n), min(blocks, (start + count - 1 + n // 2) // n + 1)
    samples = np.arange(max(0, start), min(blocks * n, start + count))
    x = np.zeros((end - first, n, count), np.float32)
    x[samples // n - first, samples % n, samples - start] = 1.0
    _fold(x[:-1, : n - 1 - n // 2 : -1], x[1:, : n // 2], keep[:, None], swap[:, None])
    used = np.flatnonzero(x.any(axis=(0, 2)))
    out = common[:low, used] @ x[:, used]
    if end == blocks:
        out[-1] = last[:low, used] @ x[-1, used]
    return first, out


def _fold(low: F32, high: F32, keep: F32, swap: F32) -> None:
    """Fold the two sides of borders in place."""
    before = low.copy()
    low *= keep
    low -= swap * high
    high *= keep
    high += swap * before


def _unfold(low: F32, high: F32, keep: F32, swap: F32) -> None:
    """Undo ``_fold``."""
    before = low.copy()
    low *= keep
    low += swap * high
    high *= keep
    high -= swap * before
