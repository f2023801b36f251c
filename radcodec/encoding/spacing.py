"""Bounds of a few units in the last place: the largest ones whose steps floating-point values can follow.

A restored value is rounded to its type. Let E be m + f units of the last place of a value, 0 <= f < 1. A step of
nearly 2 E leads beyond E for some values if f is over 0.5, for none if not (docs/format.md, 8.4). Each of these is a
patch that costs its sample. A smaller bound may then take fewer bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from radcodec.arrays import median
from radcodec.pixels.bounds import ImageBounds

LOOK = 4096  # values that are looked at
FINE = 2.0**13  # units in the last place from which the slack of a step takes the rounding
SLACK = 1.0 - 2.0**-14  # half a step, in E
PATCH_BITS = 10.0  # of a patch beside its sample
MOST = 1 / 80  # share of patches that is allowed, below that of a tile
TRIES = 64  # shares of the bound that are tried
FEW = 0.005  # share of values whose spacing is not thought of


def fit_to_spacing(
    pixels: npt.NDArray[Any], special: npt.NDArray[np.bool_] | None, bounds: ImageBounds, bscale: float
) -> float:
    """Find the share of its bounds, 0.5 to 1, with which a float image [P, H, W] takes the fewest bits."""
    units = _units(pixels, special, bounds, bscale)
    if units.size == 0 or median(units) > FINE or median(units) < 0.5:
        return 1.0
    shares = [1.0, *(1.0 - np.arange(1, TRIES // 2 + 1) / TRIES), *_half_places(units)]
    costs = [_cost(units, share, pixels.dtype.itemsize) for share in shares]
    return float(shares[int(np.argmin(costs))])


def _units(
    pixels: npt.NDArray[Any], special: npt.NDArray[np.bool_] | None, bounds: ImageBounds, bscale: float
) -> npt.NDArray[np.float64]:
    """Compute E in units of the last place of some values; 0 and what is exact left out."""
    places = np.arange(0, pixels.size, max(1, pixels.size // LOOK))
    if special is not None:
        places = places[~special.reshape(-1)[places]]
    values = pixels.reshape(-1)[places]
    p, y, x = np.unravel_index(places, pixels.shape)
    if bounds.cells is not None:
        errors = bounds.cells[p, y // bounds.cell, x // bounds.cell].astype(np.float64)
    elif bounds.planes is not None:
        errors = bounds.planes[p]
    else:
        errors = np.full(places.size, bounds.everywhere)
    with np.errstate(all="ignore"):
        units = errors / (np.abs(np.spacing(values)).astype(np.float64) * abs(bscale))
    return np.asarray(units[(values != 0) & (errors > 0) & np.isfinite(units)])


def _half_places(units: npt.NDArray[np.float64]) -> list[float]:
    """List shares of the bound that are just at half a unit of the last place, for the frequent ones of few units."""
    found, counts = np.unique(units, return_counts=True)
    frequent = found[counts > FEW * units.size]
    shares = [(np.floor(u + 0.5) - n + 0.5) / u for u in frequent[:TRIES].tolist() for n in (0, 1, 2) if u >= 0.5]
    return [float(share) * SLACK for share in shares if 0.5 <= share <= 1.0]


def _cost(units: npt.NDArray[np.float64], share: float, sample_bytes: int) -> float:
    """Compute the bits a value that a share of the bound costs against all of it, patches included."""
    half = SLACK * share * units
    # Of differences that are even between -half and half, those that round to more than E.
    whole = np.floor(share * units) + 0.5
    broken = float((np.maximum(half - whole, 0.0) / half).mean())
    if broken > MOST:
        return np.inf if share > 0.5 else 10.0
    return broken * (8.0 * sample_bytes + PATCH_BITS) - float(np.log2(share))
