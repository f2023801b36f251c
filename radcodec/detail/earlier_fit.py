"""Fit of the taps in earlier planes of a tile (docs/design/0019-planes-and-axes.md).

What a plane's own predictor leaves of it is regressed on what it leaves of the planes before. Both are nearly white, so
that a few taps do what would take hundreds on the planes themselves. Encoders may fit as they like.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from radcodec.arrays import F64
from radcodec.detail.borders import tap_offsets
from radcodec.detail.cells import box_sums
from radcodec.detail.earlier import EarlierTaps, PlaneAxis, count_integers, count_taps
from radcodec.detail.fit import solve_ridge
from radcodec.detail.rounding import Predictor
from radcodec.detail.task import FitInput
from radcodec.limits import MAX_LAG_RADIUS

BLOCK = 64  # side of a block in pixels
ROUGH_RADIUS = 6  # of the predictor whose errors are compared between planes
FITS = {False: (3, 1, 1 << 16), True: (4, 2, 1 << 17)}  # lags, radius and pixels; thorough or not
BLEND, OTHER_BLENDS = 14, (7, 28)
SHIFT = 9  # the errors of planes are nearly as large as what is left: finer coefficients save nothing
BITS_A_TAP = 5.0
LEAST_GAIN = 0.002  # bits a pixel under which a predictor is not fitted again to what taps leave
RIDGE = 1e-9  # of the mean diagonal
TURNS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class _Errors:
    """What rough predictors leave of blocks: targets [n, h, w], taps [lags, n, h + 2r, w + 2r] and what is known."""

    targets: F64
    taps: F64
    known: npt.NDArray[np.bool_]
    reach: int

    def regressor(self, lag: int, dy: int, dx: int) -> F64:
        """Return a tap's values [n, h, w]."""
        h, w = self.targets.shape[1:]
        r = self.reach
        return self.taps[lag, :, r + dy : r + dy + h, r + dx : r + dx + w]


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What a level of effort does to find a predictor.

    candidates, rough : predictors fitted to a task, with all the effort and with the least
    choose : the best candidate in a trial of planes along an axis, with its border sets
    cheapest : the predictor that is smallest in such a trial
    thorough : whether more taps are tried, and several blends
    """

    candidates: Callable[[FitInput], list[Predictor]]
    rough: Callable[[FitInput], list[Predictor]]
    choose: Callable[[list[Predictor], PlaneAxis], Predictor]
    cheapest: Callable[[list[Predictor], PlaneAxis], Predictor]
    thorough: bool


def with_earlier(alone: Predictor, task: FitInput, axes: tuple[PlaneAxis, ...], search: Search) -> Predictor:
    """Fit a predictor with taps in earlier planes along one of the axes; give ``alone`` where that is smaller."""
    rough = search.rough(replace(task, max_radius=ROUGH_RADIUS))
    if not rough:
        return alone
    lags, radius, pixels = FITS[search.thorough]
    with np.errstate(over="ignore", invalid="ignore"):
        found = [(fit, axis) for axis in axes if (fit := fit_earlier(task, rough[0], axis, lags, radius, pixels))]
        if not found:
            return alone
        (taps, gain), axis = max(found, key=lambda one: one[0][1])
        candidates = search.candidates(WhatIsLeft(task, taps).task()) if gain > LEAST_GAIN else []
    best = [alone, replace(alone, earlier=taps)]
    if candidates:
        best[1:] = [search.choose([replace(candidate, earlier=taps) for candidate in candidates], axis)]
    if search.thorough:
        best += [replace(best[-1], earlier=replace(taps, blend=blend)) for blend in OTHER_BLENDS]
    return search.cheapest(best, axis)


def fit_earlier(
    task: FitInput, rough: Predictor, axis: PlaneAxis, lags: int, radius: int, pixels: int
) -> tuple[EarlierTaps, float] | None:
    """Fit taps in earlier planes along an axis; also gives what they should save, in bits a pixel.

    None where they save nothing.

    Parameters
    ----------
    rough
        A predictor of planes alone.
    lags, radius
        The most earlier planes, and the largest radius of the taps in them.
    pixels
        About how many targets to look at.
    """
    lags = min(lags, axis.depth - 1, axis.period - 1)
    radius = min(radius, MAX_LAG_RADIUS)
    errors = _errors(task, rough, axis, lags, radius, pixels)
    if errors is None:
        return None
    offsets = [
        (lag, dy, dx) for lag in range(lags) for dy in range(-radius, radius + 1) for dx in range(-radius, radius + 1)
    ]
    regressors = np.stack([errors.regressor(*offset).ravel() for offset in offsets])
    target = errors.targets.ravel()
    left = errors.targets
    best: tuple[float, tuple[int, ...]] | None = None
    for _ in range(TURNS):
        local = _local_error(left, errors.known, task.floor)
        weight = np.where(errors.known, 1.0 / local**2, 0.0).ravel()
        weighted = regressors * weight
        gram, right = weighted @ regressors.T, weighted @ target
        power = float(weight @ target**2)
        if not power > 0.0:
            return None
        best = _choose(gram, right, power, offsets, lags, radius, task.image.size)
        if best is None:
            return None
        inside = _inside(offsets, best[1])
        left = (target - solve_ridge(gram[np.ix_(inside, inside)], right[inside], RIDGE) @ regressors[inside]).reshape(
            errors.targets.shape
        )
    assert best is not None
    gain, radii = best
    sets = []
    for n in range(1, len(radii) + 1):
        inside = _inside(offsets, radii[:n])
        sets.append(solve_ridge(gram[np.ix_(inside, inside)], right[inside], RIDGE))
    coefs = np.rint(np.concatenate(sets) * 2.0**SHIFT)
    if not np.abs(coefs).max(initial=0.0) < 2.0**40:
        return None
    taps = EarlierTaps(
        stride=axis.stride, period=axis.period, radii=radii, blend=BLEND, shift=SHIFT, integers=coefs.astype(np.int64)
    )
    return taps, gain


def _choose(
    gram: F64, right: F64, power: float, offsets: list[tuple[int, int, int]], lags: int, radius: int, n_pixels: int
) -> tuple[float, tuple[int, ...]] | None:
    """Choose the radii that save most; also gives what they save, in bits a pixel."""
    best: tuple[float, tuple[int, ...]] = (-np.inf, ())
    for n in range(1, lags + 1):
        for first in range(radius + 1):
            for others in range(first + 1) if n > 1 else (0,):
                radii = (first, *[others] * (n - 1))
                inside = _inside(offsets, radii)
                c = solve_ridge(gram[np.ix_(inside, inside)], right[inside], RIDGE)
                error = max(power - float(c @ right[inside]), 1e-14 * power)
                gain = -0.5 * np.log2(error / power) - BITS_A_TAP * count_integers(radii) / n_pixels
                if gain > best[0]:
                    best = (float(gain), radii)
    return best if best[1] else None


def _inside(offsets: list[tuple[int, int, int]], radii: tuple[int, ...]) -> list[int]:
    """Return the numbers of the offsets within radii."""
    return [
        i
        for i, (lag, dy, dx) in enumerate(offsets)
        if lag < len(radii) and abs(dy) <= radii[lag] and abs(dx) <= radii[lag]
    ]


def _errors(task: FitInput, rough: Predictor, axis: PlaneAxis, lags: int, radius: int, pixels: int) -> _Errors | None:
    """Compute what a rough predictor leaves of blocks spread evenly over the image, and of the planes before them."""
    n_planes, height, width = task.image.shape
    h, w = min(BLOCK, height), min(BLOCK, width)
    coordinate = np.arange(n_planes) // axis.stride % axis.period
    planes = np.flatnonzero(coordinate >= lags)
    down, across = -(-height // h), -(-width // w)
    total = len(planes) * down * across
    if not total:
        return None
    wanted = max(1, min(total, pixels // (h * w)))
    targets, taps, known = [], [], []
    for i in np.linspace(0, total - 1, wanted).round().astype(np.int64).tolist():
        at, rest = divmod(i, down * across)
        p = int(planes[at])
        y, x = (rest // across * (height - h) // max(1, down - 1), rest % across * (width - w) // max(1, across - 1))
        parts = [_window(task, p - lag * axis.stride, (y, x), (h, w), radius + rough.radius) for lag in range(lags + 1)]
        targets.append(parts[0][0])
        taps.append([part[0] for part in parts[1:]])
        known.append(parts[0][1])
    margin = radius + rough.radius
    white = _whiten(np.array(targets), rough)
    r = radius
    before = np.stack([_whiten(np.array([t[lag] for t in taps]), rough) for lag in range(lags)])
    inner = np.array(known)[:, margin:-margin, margin:-margin]
    return _Errors(
        targets=np.ascontiguousarray(white[:, r : r + h, r : r + w]),
        taps=before,
        known=inner & np.isfinite(white[:, r : r + h, r : r + w]),
        reach=r,
    )


def _window(
    task: FitInput, p: int, start: tuple[int, int], size: tuple[int, int], margin: int
) -> tuple[F64, npt.NDArray[np.bool_]]:
    """Window values of a block of a plane with a margin on all sides, 0 where unknown; and which are known."""
    height, width = task.image.shape[1:]
    (y, x), (h, w) = start, size
    top, left, bottom, right = (
        max(0, y - margin),
        max(0, x - margin),
        min(height, y + h + margin),
        min(width, x + w + margin),
    )
    out = np.zeros((h + 2 * margin, w + 2 * margin))
    known = np.zeros(out.shape, np.bool_)
    at = (slice(top - y + margin, bottom - y + margin), slice(left - x + margin, right - x + margin))
    marks = None if task.special is None else task.special[p, top:bottom, left:right]
    values = task.to_window(task.image[p, top:bottom, left:right])
    out[at] = values if marks is None else np.where(marks, 0.0, values)
    known[at] = True if marks is None else ~marks
    return out, known


def _whiten(values: F64, rough: Predictor) -> F64:
    """Return what a predictor leaves of blocks [n, h, w], without its margin."""
    r = rough.radius
    h, w = values.shape[1] - 2 * r, values.shape[2] - 2 * r
    out = values[:, r : r + h, r : r + w].copy()
    for c, (dy, dx) in zip(rough.coefficients.tolist(), tap_offsets(r), strict=True):
        out -= c * values[:, r - dy : r - dy + h, r + dx : r + dx + w]
    return out


def _local_error(errors: F64, known: npt.NDArray[np.bool_], floor: float) -> F64:
    """Mean absolute error over 9 x 9 pixels around each."""
    local = np.empty(errors.shape)
    for i, (block, marks) in enumerate(zip(errors, known, strict=True)):
        total = box_sums(np.where(marks, np.abs(block), 0.0))
        local[i] = total / np.maximum(box_sums(marks.astype(np.float64)), 1.0)
    middle = float(np.sqrt(np.mean(np.where(known, errors, 0.0) ** 2)))
    return np.maximum(local, max(floor, 1e-6 * middle, 1e-140))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """A part of a plane, by its number and its rows and columns."""

    plane: int
    rows: slice
    columns: slice


class WhatIsLeft:
    """What taps in earlier planes leave of an image [P, H, W], part by part: an image to fit a predictor to."""

    def __init__(self, task: FitInput, taps: EarlierTaps) -> None:
        self.shape, self.size = task.image.shape, task.image.size
        self._task, self._taps = task, taps

    def __getitem__(self, part: tuple[int, slice, slice]) -> _Part:
        """Name a part of a plane."""
        return _Part(plane=part[0], rows=part[1], columns=part[2])

    def task(self) -> FitInput:
        """Return the task of fitting a predictor to what is left."""
        task = self._task
        smooth = task.to_smooth
        return FitInput(
            image=self,
            special=task.special,
            to_window=lambda part: self._left(part, task.to_window),
            to_smooth=None if smooth is None else lambda part: self._left(part, smooth),
            floor=task.floor,
            exact=task.exact,
            max_radius=task.max_radius,
        )

    def _left(self, part: _Part, to_window: Callable[[Any], F64]) -> F64:
        """Compute window values of a part of a plane less what earlier planes give to them."""
        task, taps = self._task, self._taps
        height, width = self.shape[1:]
        y0, y1, x0, x1 = part.rows.start, part.rows.stop, part.columns.start, part.columns.stop
        out = np.array(to_window(task.image[part.plane, y0:y1, x0:x1]), np.float64)
        n = min(len(taps.radii), part.plane // taps.stride % taps.period)
        if n == 0:
            return out
        coefs, start = taps.coefficients_of(n), 0
        for lag in range(n):
            r = taps.radii[lag]
            p = part.plane - (lag + 1) * taps.stride
            top, left, bottom, right = max(0, y0 - r), max(0, x0 - r), min(height, y1 + r), min(width, x1 + r)
            wide = np.zeros((y1 - y0 + 2 * r, x1 - x0 + 2 * r))
            values = to_window(task.image[p, top:bottom, left:right])
            if task.special is not None:
                values = np.where(task.special[p, top:bottom, left:right], 0.0, values)
            wide[top - y0 + r : bottom - y0 + r, left - x0 + r : right - x0 + r] = values
            for i in range(count_taps((r,))):
                dy, dx = divmod(i, 2 * r + 1)
                out -= coefs[start + i] * wide[dy : dy + y1 - y0, dx : dx + x1 - x0]
            start += count_taps((r,))
        return out
