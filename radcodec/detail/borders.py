"""Predictors for pixels whose window leaves the tile, derived from the image's predictor (docs/format.md, 8.3).

Outside a tile there is nothing to predict from. Coefficients that were fitted to whole windows fail there, by several
bits a pixel over a dozen rows. The predictor itself says what the process's covariance is (the autocorrelation
of its impulse response), and the covariance gives the best coefficients for the taps that exist.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from radcodec.compiled import kernel, part

F64 = npt.NDArray[np.float64]

MAX_BORDER = 8
GRID_ROWS = 64
GRID_REACH = 64
RIDGE = 2.0**-30


class Taps(NamedTuple):
    """Coefficients of a predictor and its border sets, as the kernels use them.

    Sets are numbered 0 (the predictor), 1 + n (top, n rows above), 2 + b + n (left) and 3 + 2b + n (right),
    n = 0..b; without borders there is set 0 alone.

    radius, border, reach : R, b and B
    above : float64 [2 + b, 2R(R + 1) - R] or [1, ...], taps of the rows above of set 0 and the top sets, as of radius R
    own : float64 [sets, R], taps of the own row, as of radius R
    left, right : float64 [2b(b + 1) - b, B], taps of the rows above of the B pixels at a row's start and end
    """

    radius: int
    border: int
    reach: int
    above: F64
    own: F64
    left: F64
    right: F64


@kernel
def impulse_response(coefs: F64, radius: int) -> F64:
    """Response [64, 129] of the process to an impulse at (0, 64)."""
    wide = np.zeros((GRID_ROWS + radius, 2 * GRID_REACH + 1 + 2 * radius))
    for y in range(GRID_ROWS):
        for x in range(2 * GRID_REACH + 1):
            if y == 0 and x <= GRID_REACH:
                wide[radius, x + radius] = 1.0 if x == GRID_REACH else 0.0
                continue
            p = 0.0
            i = 0
            for dy in range(radius, 0, -1):
                for j in range(2 * radius + 1):
                    p += coefs[i] * wide[y + radius - dy, x + j]
                    i += 1
            for j in range(radius):
                p += coefs[i] * wide[y + radius, x + j]
                i += 1
            wide[y + radius, x + radius] = p
    return wide[radius:, radius : radius + 2 * GRID_REACH + 1].copy()


@kernel
def covariance(g: F64, border: int) -> F64:
    """Covariance [b + 1, 4b + 1] at lags (0..b, -2b..2b) of a process with impulse response g."""
    height, width = g.shape
    r = np.zeros((border + 1, 4 * border + 1))
    for i in range(border + 1):
        for j in range(-2 * border, 2 * border + 1):
            total = 0.0
            for y in range(height - i):
                for x in range(max(0, -j), min(width, width - j)):
                    total += g[y, x] * g[y + i, x + j]
            r[i, j + 2 * border] = total
    return r


@part
def _lag(r: F64, dy: int, dx: int) -> float:
    """Covariance of two pixels dy rows and dx columns apart."""
    if dy < 0:
        dy, dx = -dy, -dx
    if dy == 0:
        dx = abs(dx)
    return float(r[dy, dx + r.shape[1] // 2])


@part
def substitute(lower: F64, z: F64) -> None:
    """Turn z [n] into the solution of L L^T x = z, L the lower triangle of ``lower`` [n, n]; ascending sums."""
    n = z.shape[0]
    for m in range(n):
        t = z[m]
        for h in range(m):
            t -= lower[m, h] * z[h]
        z[m] = t / lower[m, m]
    for m in range(n - 1, -1, -1):
        t = z[m]
        for h in range(m + 1, n):
            t -= lower[h, m] * z[h]
        z[m] = t / lower[m, m]


@kernel
def best_coefficients(r: F64, dys: npt.NDArray[np.int64], dxs: npt.NDArray[np.int64]) -> tuple[bool, F64]:
    """(whether they exist, coefficients [n]) that predict a pixel best from the taps (dys, dxs) [n]."""
    n = dys.shape[0]
    a = np.empty((n, n))
    z = np.empty(n)
    for m in range(n):
        for k in range(m + 1):
            a[m, k] = _lag(r, dys[m] - dys[k], dxs[k] - dxs[m])
        a[m, m] *= 1.0 + RIDGE
        z[m] = _lag(r, dys[m], -dxs[m])
    for k in range(n):
        if not 0.0 < a[k, k] < np.inf:
            return False, z
        root = np.sqrt(a[k, k])
        a[k, k] = root
        for m in range(k + 1, n):
            a[m, k] /= root
        for m in range(k + 1, n):
            factor = a[m, k]
            for h in range(k + 1, m + 1):
                a[m, h] -= factor * a[h, k]
    substitute(a, z)
    return bool(np.isfinite(z).all()), z


def tap_offsets(radius: int) -> list[tuple[int, int]]:
    """(dy, dx) of every tap in tap order: pixel (y - dy, x + dx)."""
    above = [(dy, dx) for dy in range(radius, 0, -1) for dx in range(-radius, radius + 1)]
    return above + [(0, dx) for dx in range(-radius, 0)]


def derive_taps(coefs: F64, radius: int, border: int, reach: int) -> Taps | None:
    """Coefficient sets of a predictor with a border radius and reach, or None where there are no such sets."""
    n_above = radius * (2 * radius + 1)
    above, own = [coefs[:n_above]], [coefs[n_above:]]
    sides = {False: np.zeros((0, 0)), True: np.zeros((0, 0))}
    if border:
        dys, dxs = np.array(tap_offsets(border), np.int64).T.copy()
        with np.errstate(over="ignore", invalid="ignore"):
            r = covariance(impulse_response(coefs, radius), border)
        if not np.isfinite(r).all():
            return None
        solved: list[F64] = []
        for kept in (
            [dys <= n for n in range(border + 1)]
            + [dxs >= -n for n in range(border + 1)]
            + [dxs <= n for n in range(border + 1)]
        ):
            found, values = best_coefficients(r, dys[kept], dxs[kept])
            if not found:
                return None
            solved.append(np.zeros(dys.size))
            solved[-1][kept] = values
        n_small = border * (2 * border + 1)
        for i, values in enumerate(solved):
            if i <= border:
                wide = np.zeros((radius, 2 * radius + 1))
                wide[radius - border :, radius - border : radius + border + 1] = values[:n_small].reshape(border, -1)
                above.append(wide.ravel())
            own.append(np.concatenate([np.zeros(radius - border), values[n_small:]]))
        pick = np.minimum(np.arange(reach), border)
        sides[False] = np.stack([solved[border + 1 + n][:n_small] for n in pick], axis=1)
        sides[True] = np.stack([solved[2 * border + 2 + n][:n_small] for n in pick[::-1]], axis=1)
    return Taps(
        radius=radius,
        border=border,
        reach=reach,
        above=np.ascontiguousarray(above),
        own=np.ascontiguousarray(own),
        left=np.ascontiguousarray(sides[False]),
        right=np.ascontiguousarray(sides[True]),
    )
