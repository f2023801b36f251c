"""Measure the noise of an image robustly from its pixel values.

Radio noise is correlated over the restoring beam. An estimate from pixel differences is therefore far too low; fpack's
is 0.24 to 0.7 of the true value. Here every cell of a grid gives a median absolute deviation about its own median,
clipped iteratively at 3 sigma. The cells span many correlation lengths. Cells dominated by emission are left out.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from radcodec.arrays import median

MAD_TO_SIGMA = 1.4826  # sigma of a Gaussian over its median absolute deviation
CLIP = 3.0
TURNS = 4
MAX_CLIPPED = 0.2  # share of clipped pixels over which a cell counts as emission
QUIET_CLIPPED = 0.02  # share in pure noise; cells up to it, or else the quietest quarter, give sigma
SAMPLES = 4096  # pixels sampled in a cell
MIN_SAMPLES = 16
MIN_CELL, MAX_CELL = 32, 256
CORRELATION_LENGTHS = 20  # side of a cell in correlation lengths (half width at half maximum)
MAX_LAG = 16
CELLS_AT_ONCE = 512  # that are measured together

MIN_WINDOW, WINDOW_LENGTHS = 48, 16  # side of a window of the map, and that in correlation lengths
WINDOW_SHARE, MOST_WINDOW = 1 / 8, 1 / 4  # of the side of a plane, and at most because of the correlation
WINDOW_SAMPLES = 32  # rows and columns sampled in a window
CELLS_A_WINDOW, MIN_LOCAL_CELL, MAX_LOCAL_CELL = 4, 8, 256
SPREAD_WINDOWS = 12  # fewest windows for a range of the noise

Plane = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]


@np.errstate(over="ignore", invalid="ignore")  # of values near the end of their range nothing finite may come out
def measure_sigma(plane: Plane, special: Mask | None) -> float:
    """Measure the noise of a plane [H, W] in its own unit; 0.0 where it is undefined (empty, constant, all special).

    The result is the median of the clipped MAD over the cells of a grid. Cells with emission are left out; if all have
    some, the quietest quarter is kept. Pixels marked special are ignored.
    """
    if plane.size == 0:
        return 0.0
    cell = _cell_size(plane, special)
    sigmas, clipped = _grid(plane, special, cell)
    valid = np.isfinite(sigmas) & (sigmas > 0.0)  # constant cells carry no information
    if not valid.any():
        return 0.0
    level = max(QUIET_CLIPPED, float(np.quantile(clipped[valid], 0.25)))
    return median(sigmas[valid & (clipped <= level)])


@np.errstate(over="ignore", invalid="ignore")  # of values near the end of their range nothing finite may come out
def sigma_range(plane: Plane, special: Mask | None) -> tuple[float, float]:
    """Measure how far the noise differs over a plane [H, W]: its 10th and 90th percentile over windows.

    Emission is left out as in `sigma_map`. Both are 0 if there are too few windows.
    """
    if plane.size == 0:
        return 0.0, 0.0
    window = _window(plane, special)
    sigmas = _corner_sigmas(plane, special, window, window)
    known = ~np.isnan(sigmas)
    if np.count_nonzero(known) < SPREAD_WINDOWS:
        return 0.0, 0.0
    low, high = np.quantile(_without_emission(sigmas, 1)[known], [0.1, 0.9])
    return float(low), float(high)


@np.errstate(all="ignore")
def local_cell(plane: Plane, special: Mask | None) -> int:
    """Choose the side of the cells of a map of the noise: a quarter of the windows that it is measured in."""
    return max(MIN_LOCAL_CELL, min(_window(plane, special) // CELLS_A_WINDOW, MAX_LOCAL_CELL))


def _window(plane: Plane, special: Mask | None) -> int:
    """Return the side of the windows: many correlation lengths, and a share of a plane."""
    side = math.sqrt(plane.size)
    # Sources in the middle can look like a wide beam.
    lengths = min(WINDOW_LENGTHS * _correlation_length(plane, special), round(side * MOST_WINDOW))
    return max(MIN_WINDOW, lengths, round(side * WINDOW_SHARE))


@np.errstate(over="ignore", invalid="ignore")
def sigma_map(plane: Plane, special: Mask | None, cell: int) -> npt.NDArray[np.float32]:
    """Map the noise of a plane [H, W]: float32 [ceil(H/cell), ceil(W/cell)], 0 everywhere where it is undefined.

    The noise is measured in overlapping windows around the corners of the cells. A peak narrower than two windows is
    emission and is removed by a morphological opening. A cell gets the lowest of its four corners. A window without
    noise gets the lowest value of the map.
    """
    rows, cols = -(-plane.shape[0] // cell), -(-plane.shape[1] // cell)
    if plane.size == 0:
        return np.zeros((rows, cols), np.float32)
    window = max(_window(plane, special), cell)
    sigmas = _corner_sigmas(plane, special, cell, window)
    if not np.isfinite(sigmas).any():
        return np.full((rows, cols), measure_sigma(plane, special), np.float32)
    corners = _without_emission(sigmas, round(window / cell))
    cells = np.minimum(np.minimum(corners[:-1, :-1], corners[1:, 1:]), np.minimum(corners[:-1, 1:], corners[1:, :-1]))
    known = np.isfinite(cells)
    lowest = cells[known].min() if known.any() else float(np.nanmin(sigmas))
    smooth: npt.NDArray[np.float32] = np.where(known, cells, lowest).astype(np.float32)
    return smooth


def _without_emission(sigmas: npt.NDArray[np.float64], radius: int) -> npt.NDArray[np.float64]:
    """Lower the map's peaks that are narrower than twice the radius; infinite where NaN."""
    values = np.where(np.isnan(sigmas), np.inf, sigmas)
    return np.asarray(np.minimum(values, -_lowest(-_lowest(values, radius), radius)))


def _lowest(values: npt.NDArray[np.float64], radius: int) -> npt.NDArray[np.float64]:
    """Return the lowest value within a radius along both axes; pixels outside do not count."""
    for axis in (0, 1):
        widths = [(radius, radius) if a == axis else (0, 0) for a in (0, 1)]
        padded = np.pad(values, widths, constant_values=np.inf)
        values = np.lib.stride_tricks.sliding_window_view(padded, 2 * radius + 1, axis).min(axis=-1)
    return values


def _corner_sigmas(plane: Plane, special: Mask | None, cell: int, window: int) -> npt.NDArray[np.float64]:
    """Return clipped sigma around each cell corner, NaN for none; at most the plane's where emission dominates."""
    rows, cols = -(-plane.shape[0] // cell), -(-plane.shape[1] // cell)
    # A plane with few rows has longer windows of the same area.
    heights, widths = min(window, plane.shape[0]), min(window, plane.shape[1])
    tall = min(plane.shape[0], window * window // widths)
    wide = min(plane.shape[1], window * window // heights)
    ys, xs = (
        _samples(np.arange(n + 1) * cell, side, length, count)
        for n, side, length, count in (
            (rows, tall, plane.shape[0], _counts(tall, wide)[0]),
            (cols, wide, plane.shape[1], _counts(tall, wide)[1]),
        )
    )
    sigmas, emission = np.full((rows + 1, cols + 1), np.nan), np.zeros((rows + 1, cols + 1), np.bool_)
    for i in range(rows + 1):
        part = plane[ys[i][:, None, None], np.maximum(xs, 0)[None]].astype(np.float64)  # [y, corner, x]
        part[np.broadcast_to((xs < 0)[None], part.shape)] = np.nan
        part[ys[i] < 0] = np.nan
        if special is not None:
            part[special[ys[i][:, None, None], np.maximum(xs, 0)[None]]] = np.nan
        found, clipped = _clipped_sigmas(part.transpose(1, 0, 2).reshape(cols + 1, -1))
        sigmas[i] = np.where(found > 0, found, np.nan)
        emission[i] = clipped > MAX_CLIPPED
    emission &= ~np.isnan(sigmas)
    if emission.any():
        # This also lowers the surroundings of emission, which it contaminates.
        sigmas[emission] = np.minimum(sigmas[emission], measure_sigma(plane, special) or np.inf)
    return sigmas


def _counts(tall: int, wide: int) -> tuple[int, int]:
    """Return the numbers of rows and columns of a window to sample."""
    rows = min(tall, max(WINDOW_SAMPLES, WINDOW_SAMPLES**2 // wide))
    return rows, min(wide, max(WINDOW_SAMPLES, WINDOW_SAMPLES**2 // rows))


def _samples(middles: npt.NDArray[np.int64], side: int, length: int, count: int) -> npt.NDArray[np.int64]:
    """Return sample positions [middle, count] of windows along an axis; -1 outside of the plane.

    At least three quarters of a window lie inside of the plane.
    """
    middles = np.clip(middles, min(side // 4, length // 2), max(length - side // 4, length // 2))
    offsets = np.floor((np.arange(count) + 0.5) * side / count - side / 2).astype(np.int64)
    places = middles[:, None] + offsets
    return np.where((places >= 0) & (places < length), places, -1)


def _clipped_sigmas(values: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return sigma of each row of values [n, k] from its MAD clipped at 3 sigma, and the share clipped; skips NaN.

    A row with fewer than MIN_SAMPLES values gives NaN.
    """
    ranked = np.sort(values, axis=1)
    total = np.count_nonzero(~np.isnan(ranked), axis=1)
    low, high, places = np.zeros_like(total), total, np.arange(ranked.shape[1])
    for _ in range(TURNS):
        distances = np.abs(ranked - _middles(ranked, low, high)[:, None])
        distances[(places < low[:, None]) | (places >= high[:, None])] = np.inf
        sigma = MAD_TO_SIGMA * _middles(np.sort(distances, axis=1), np.zeros_like(total), high - low)
        inside = distances <= CLIP * sigma[:, None]
        count, before = np.count_nonzero(inside, axis=1), high - low
        low = np.argmax(inside, axis=1)
        high = low + count
        if (before == count).all():
            break
    few = total < MIN_SAMPLES
    return np.where(few, np.nan, sigma), np.where(few, 1.0, 1.0 - (high - low) / np.maximum(total, 1))


def _middles(
    ranked: npt.NDArray[np.float64], low: npt.NDArray[np.int64], high: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Return the median of the sorted values from ``low`` to before ``high`` of each row [n, k]."""
    lines, last = np.arange(len(ranked)), ranked.shape[1] - 1
    below, above = (low + np.maximum(high - 1, low)) // 2, np.minimum((low + high) // 2, last)
    middle: npt.NDArray[np.float64] = 0.5 * (ranked[lines, below] + ranked[lines, above])
    return middle


def _cell_size(plane: Plane, special: Mask | None) -> int:
    """Return the side of the grid's cells: many correlation lengths of a plane."""
    return min(max(CORRELATION_LENGTHS * _correlation_length(plane, special), MIN_CELL), MAX_CELL)


def _correlation_length(plane: Plane, special: Mask | None) -> int:
    """Return the correlation's half width at half maximum along x, at least 1 pixel, in the middle of a plane."""
    height, width = plane.shape
    y0, x0 = max(0, height // 2 - 128), max(0, width // 2 - 128)
    part = plane[y0 : y0 + 256, x0 : x0 + 256].astype(np.float64)
    known = np.isfinite(part) if special is None else ~special[y0 : y0 + 256, x0 : x0 + 256]
    values = part[known]
    if values.size < MIN_SAMPLES:
        return 1
    middle = median(values)
    sigma = MAD_TO_SIGMA * median(np.abs(values - middle))
    quiet = np.where(known, np.clip(part - middle, -CLIP * sigma, CLIP * sigma), 0.0)
    # Scaled by a power of two, so that no square leaves the range of floats.
    quiet = np.ldexp(quiet, -int(np.frexp(np.abs(quiet).max(initial=0.0))[1]))
    power = float((quiet * quiet).mean())
    lag = 1
    while lag < min(MAX_LAG, part.shape[1]) and power > 0:
        if float((quiet[:, lag:] * quiet[:, :-lag]).mean()) < 0.5 * power:
            break
        lag += 1
    return lag


def _grid(plane: Plane, special: Mask | None, cell: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return clipped sigma and share of clipped pixels of each cell; NaN if too few pixels are known."""
    height, width = plane.shape
    rows, cols = -(-height // cell), -(-width // cell)
    sigmas, clipped = np.full(rows * cols, np.nan), np.full(rows * cols, np.nan)
    waiting: dict[int, list[tuple[int, Plane]]] = {}
    for number in range(rows * cols):
        i, j = divmod(number, cols)
        ys, xs = slice(i * cell, (i + 1) * cell), slice(j * cell, (j + 1) * cell)
        part = plane[ys, xs]
        values = part.reshape(-1) if special is None else part[~special[ys, xs]]
        # A copy, so that not all of a cell is kept where some of it is special.
        values = values[:: max(1, values.size // SAMPLES)].copy()
        if values.size < min(MIN_SAMPLES, plane.size):
            continue
        # Cells of one size are measured together.
        alike = waiting.setdefault(values.size, [])
        alike.append((number, values))
        if len(alike) == CELLS_AT_ONCE:
            _measure_cells(waiting.pop(values.size), sigmas, clipped)
    for alike in waiting.values():
        _measure_cells(alike, sigmas, clipped)
    return sigmas.reshape(rows, cols), clipped.reshape(rows, cols)


def _measure_cells(
    cells: list[tuple[int, Plane]], sigmas: npt.NDArray[np.float64], clipped: npt.NDArray[np.float64]
) -> None:
    """Fill in clipped sigma and share of clipped pixels of cells, given as (number, values) with equally many each."""
    ranked = np.empty((len(cells), cells[0][1].size), cells[0][1].dtype)
    for line, (_, values) in zip(ranked, cells, strict=True):
        line[:] = values
    ranked.sort(axis=1)
    numbers = [number for number, _ in cells]
    sigmas[numbers], clipped[numbers] = _clipped_ranked(ranked)


def _clipped_ranked(ranked: Plane) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return sigma of each row of sorted values [n, k] from its MAD clipped at 3 sigma, and the share clipped."""
    lines = np.arange(len(ranked))
    low, high = np.zeros(len(ranked), np.int64), np.full(len(ranked), ranked.shape[1], np.int64)
    sigma = np.zeros(len(ranked))
    for _ in range(TURNS):
        # Rows that lose nothing stay as they are, so turning once more does not change them.
        values = _Distances(ranked, lines, _middles_of(ranked, lines, low, high))
        sigma = MAD_TO_SIGMA * values.median(low, high)
        first, last = values.within(CLIP * sigma, low, high)
        some = last > first
        changed = some & (last - first < high - low)
        low, high = np.where(some, first, low), np.where(some, last, high)
        if not changed.any():
            break
    return sigma, 1.0 - (high - low) / ranked.shape[1]


def _middles_of(
    ranked: Plane, lines: npt.NDArray[np.int64], low: npt.NDArray[np.int64], high: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Return the median of the sorted values from ``low`` to before ``high`` of each row."""
    below, above = ranked[lines, (low + high - 1) // 2], ranked[lines, (low + high) // 2]
    return np.asarray(0.5 * (below.astype(np.float64) + above.astype(np.float64)))


class _Distances:
    """Distances of sorted values [n, k] from the middle of each row: they fall up to the middle and rise after it."""

    def __init__(self, ranked: Plane, lines: npt.NDArray[np.int64], middles: npt.NDArray[np.float64]) -> None:
        self._ranked, self._lines, self._middles = ranked, lines, middles

    def at(self, places: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """Return the distance at one place of each row."""
        return np.abs(self._ranked[self._lines, places].astype(np.float64) - self._middles)

    def median(self, low: npt.NDArray[np.int64], high: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """Return the median distance of the values from ``low`` to before ``high``."""
        count = high - low
        spare = count // 2  # distances that come after the lesser half and the one behind it: one more for even counts
        size = spare + 1
        start, stop = low.copy(), high - size
        while (start < stop).any():  # where the ``size`` least distances start
            middle = (start + stop) // 2
            right = (start < stop) & (self.at(middle) > self.at(np.minimum(middle + size, high - 1)))
            start, stop = np.where(right, middle + 1, start), np.where(right, stop, np.minimum(middle, stop))
        last = start + size - 1
        first_distance, last_distance = self.at(start), self.at(last)
        above = np.maximum(first_distance, last_distance)
        drops_first = first_distance > last_distance
        inner = np.maximum(
            self.at(np.minimum(start + drops_first, last)), self.at(np.maximum(last - ~drops_first, start))
        )
        below = np.where(count % 2 == 1, above, inner)
        return np.asarray(0.5 * (below + above))

    def within(
        self, limits: npt.NDArray[np.float64], low: npt.NDArray[np.int64], high: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return the first place from ``low`` to before ``high`` within the limits, and the one after the last."""
        start, stop = low.copy(), (low + high) // 2
        while (start < stop).any():
            middle = (start + stop) // 2
            right = (start < stop) & ~(self.at(middle) <= limits)
            start, stop = np.where(right, middle + 1, start), np.where(right, stop, np.minimum(middle, stop))
        first = start
        start, stop = (low + high) // 2, high.copy()
        while (start < stop).any():
            middle = (start + stop) // 2
            right = (start < stop) & (self.at(np.minimum(middle, high - 1)) <= limits)
            start, stop = np.where(right, middle + 1, start), np.where(right, stop, np.minimum(middle, stop))
        return first, start
