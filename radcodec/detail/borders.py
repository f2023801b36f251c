"""Predictors for pixels whose window leaves the tile, derived from the image's predictor (docs/format.md, 8.3).

Outside a tile there is nothing to predict from. Coefficients that were fitted to whole windows fail there, by several
bits a pixel over a dozen rows. The autocorrelation of the predictor's impulse response is the covariance of the
process. The covariance gives the best coefficients for the taps that exist.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from radcodec.arrays import F64
from radcodec.runtime.native import OK, check, core, pointer

GRID_ROWS = 64
GRID_COLUMNS = 129
F8 = np.float64


class Taps(NamedTuple):
    """Coefficients of a predictor and its border sets, as the kernels use them.

    Numbers of the sets, for n = 0..b: 0 is the predictor, 1 + n top with n rows above.
    2 + b + n is left, 3 + 2b + n right. Without borders there is set 0 alone.

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


def impulse_response(coefs: F64, radius: int) -> F64:
    """Response [64, 129] of the process to an impulse at (0, 64)."""
    wide, response = np.empty((GRID_ROWS + radius, GRID_COLUMNS + 2 * radius)), np.empty((GRID_ROWS, GRID_COLUMNS))
    n_taps = 2 * radius * (radius + 1)
    given = pointer(coefs, np.float64, n_taps)
    check(core().impulse_response(given, radius, pointer(wide, F8), pointer(response, F8)), f"radius {radius}")
    return response


def covariance(response: F64, border: int) -> F64:
    """Covariance [b + 1, 4b + 1] at lags (0..b, -2b..2b) of a process with an impulse response [64, 129]."""
    out = np.zeros((border + 1, 4 * border + 1))
    given = pointer(response, F8, GRID_ROWS * GRID_COLUMNS)
    check(core().covariance(given, border, pointer(out, F8)), f"border {border}")
    return out


def best_coefficients(r: F64, dys: npt.NDArray[np.int64], dxs: npt.NDArray[np.int64]) -> tuple[bool, F64]:
    """(whether they exist, coefficients [n]) that predict a pixel best from the taps (dys, dxs) [n]."""
    border, n = len(r) - 1, dys.size
    square, out = np.empty((n, n)), np.zeros(n)
    status = core().best_coefficients(
        pointer(r, F8, (border + 1) * (4 * border + 1)),
        border,
        pointer(dys, np.int64),
        pointer(dxs, np.int64, n),
        n,
        pointer(square, F8),
        pointer(out, F8),
    )
    check(status, f"a tap beyond border {border}")
    return status == OK, out


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
