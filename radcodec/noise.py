"""Robust noise of an image from its pixel values.

Radio noise is correlated over the restoring beam, so an estimate from pixel differences reads far too low (fpack's
reads 0.24 to 0.7 of the truth). Here every cell of a grid gives a median absolute deviation of pixel values about its
own median, clipped iteratively at 3 sigma; the grid's cells span many correlation lengths; cells that emission
dominates are left out.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

MAD_TO_SIGMA = 1.4826  # sigma of a Gaussian over its median absolute deviation
CLIP = 3.0
TURNS = 4
MAX_CLIPPED = 0.2  # share of clipped pixels over which a cell counts as emission
QUIET_CLIPPED = 0.02  # share that noise alone has; cells up to it, or else the quietest quarter, give the one number
SAMPLES = 4096  # pixels of a cell that are looked at
MIN_SAMPLES = 16
MIN_CELL, MAX_CELL = 32, 256
CORRELATION_LENGTHS = 20  # side of a cell in correlation lengths (half width at half maximum)
MAX_LAG = 16

Plane = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]


@np.errstate(over="ignore", invalid="ignore")  # of values near the end of their range nothing finite may come out
def measure_sigma(plane: Plane, special: Mask | None) -> float:
    """Noise of a plane [H, W] in its own unit; 0.0 where it is zero or undefined (empty, constant, all special).

    The median over the cells of a grid of their clipped MAD, cells with emission left out (the quietest quarter is kept
    if all have some). Pixels marked special are ignored.
    """
    if plane.size == 0:
        return 0.0
    cell = _cell_size(plane, special)
    sigmas, clipped = _grid(plane, special, cell)
    valid = np.isfinite(sigmas) & (sigmas > 0.0)  # constant cells say nothing
    if not valid.any():
        return 0.0
    level = max(QUIET_CLIPPED, float(np.quantile(clipped[valid], 0.25)))
    return float(np.median(sigmas[valid & (clipped <= level)]))


@np.errstate(over="ignore", invalid="ignore")  # of values near the end of their range nothing finite may come out
def sigma_map(plane: Plane, special: Mask | None, cell: int) -> npt.NDArray[np.float32]:
    """Noise of each cell of a plane [H, W]: float32 [ceil(H/cell), ceil(W/cell)], 0 where it is zero or undefined.

    A cell's value is the median of the 3x3 cells around it, those dominated by emission or without pixels left out
    where others are.
    """
    sigmas, clipped = _grid(plane, special, cell)
    quiet = np.where(clipped <= MAX_CLIPPED, sigmas, np.nan)
    overall = measure_sigma(plane, special)
    rows, cols = sigmas.shape
    padded = np.full((rows + 2, cols + 2), np.nan)
    padded[1:-1, 1:-1] = quiet
    around = np.stack([padded[i : i + rows, j : j + cols] for i in range(3) for j in range(3)])
    empty = np.isnan(around).all(axis=0)
    around[0][empty] = overall
    middle = np.nanquantile(around, 0.5, axis=0, method="lower")  # at an edge of the noise, rather the lower side
    smooth: npt.NDArray[np.float32] = middle.astype(np.float32)
    return smooth


def _cell_size(plane: Plane, special: Mask | None) -> int:
    """Side of the grid's cells: many correlation lengths of the pixels in the middle of a plane."""
    height, width = plane.shape
    y0, x0 = max(0, height // 2 - 128), max(0, width // 2 - 128)
    part = plane[y0 : y0 + 256, x0 : x0 + 256].astype(np.float64)
    known = np.isfinite(part) if special is None else ~special[y0 : y0 + 256, x0 : x0 + 256]
    values = part[known]
    if values.size < MIN_SAMPLES:
        return MIN_CELL
    middle = np.median(values)
    sigma = MAD_TO_SIGMA * float(np.median(np.abs(values - middle)))
    quiet = np.where(known, np.clip(part - middle, -CLIP * sigma, CLIP * sigma), 0.0)
    power = float((quiet * quiet).mean())
    lag = 1
    while lag < min(MAX_LAG, part.shape[1]) and power > 0:
        if float((quiet[:, lag:] * quiet[:, :-lag]).mean()) < 0.5 * power:
            break
        lag += 1
    return int(min(max(CORRELATION_LENGTHS * lag, MIN_CELL), MAX_CELL))


def _grid(plane: Plane, special: Mask | None, cell: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Clipped sigma and share of clipped pixels of each cell; NaN where too few pixels are known."""
    height, width = plane.shape
    rows, cols = -(-height // cell), -(-width // cell)
    sigmas, clipped = np.full((rows, cols), np.nan), np.full((rows, cols), np.nan)
    for i in range(rows):
        for j in range(cols):
            ys, xs = slice(i * cell, (i + 1) * cell), slice(j * cell, (j + 1) * cell)
            part = plane[ys, xs]
            values = part.reshape(-1) if special is None else part[~special[ys, xs]]
            values = values[:: max(1, values.size // SAMPLES)].astype(np.float64)
            if values.size >= min(MIN_SAMPLES, plane.size):
                sigmas[i, j], clipped[i, j] = _clipped_sigma(values)
    return sigmas, clipped


def _clipped_sigma(values: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Sigma of values [n] from the MAD clipped at 3 sigma, and the share of values clipped."""
    kept = np.sort(values)
    sigma = 0.0
    for _ in range(TURNS):
        half = kept.size // 2
        distances = np.abs(kept - 0.5 * (kept[(kept.size - 1) // 2] + kept[half]))
        ranked = np.partition(distances, half)
        below = ranked[half] if kept.size % 2 else ranked[:half].max()
        sigma = MAD_TO_SIGMA * float(0.5 * (below + ranked[half]))
        inside = kept[distances <= CLIP * sigma]
        if inside.size == kept.size or inside.size == 0:
            break
        kept = inside
    return sigma, 1.0 - kept.size / values.size
