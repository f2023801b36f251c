"""The quick fit of a predictor, for all levels of effort but the last (docs/design/0017-effort.md).

As in ``fit``, weighted least squares whose weights follow from the local errors of the turn before. Here weights are
constant over cells of 8 x 8 pixels, which makes the normal equations cheap. Turns start with few taps. The taps are
ordered so that one factorisation gives the error of every radius.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from radcodec.arrays import F64
from radcodec.detail.borders import tap_offsets
from radcodec.detail.cells import Area, cut_areas, largest_values, ring_order, squared_errors, sum_products
from radcodec.detail.effort import Effort
from radcodec.detail.rice import rice_bits
from radcodec.detail.rounding import (
    MAX_COEFFICIENT,
    Predictor,
    coding_order,
    round_to_plane,
)
from radcodec.detail.task import NOISES, FitInput
from radcodec.detail.unbiased import Loop, beam_spectrum, keep_flux
from radcodec.limits import MAX_SHIFT
from radcodec.runtime.native import check, core, pointer
from radcodec.runtime.parallel import one_blas_thread

Image = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]

MIN_PIXELS = 64
LEAST_SIZE = 1e-30  # of values, in errors below which precision is worth nothing, under which there is none to predict
LEAST_WEIGHT = 1e-6  # error, in the rms error of the turn, under which a cell gains no more weight
STRIDE = 2.0  # how far weights move of the way to those of the errors found, but in the first turn
MAX_ROUGH_SIZE = 256.0  # of values, in errors, up to which single precision does
ROUGH_RIDGE, FINE_RIDGE, MOST_RIDGE = 1e-9, 1e-15, 1e-3  # of the mean diagonal
LEAST_VARIANCE = 1e-12
COARSE = 0.6  # mean error, in steps, under which steps are so coarse that a loop is better
LOOP_RADIUS = 12
LOOP_CAPS = (12, 8, 6)  # of radii that are tried too for a loop, where far taps cost more than equations promise
HARD_CAPS = (12, 8)  # of radii that are tried too where the error that the equations promise is not what comes
PREDICTABLE = 1e-8  # share of the power that is left, under which that is so
MORE_TURNS, WORTH_A_TURN = 3, 1.0  # turns beyond those of the level, and the gain in bits of the one before
BITS_A_TAP = 4.0
RADII = (1, 2, 3, 4, 6, 8, 10, 12, 16, 20, 24)
NEAR_RADIUS = 12
PIXELS_A_TAP = 30  # below which a radius is not tried


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sums:
    """Weighted normal equations in ring order: gram [n, n], right [n], power; pixels is how many they stand for.

    loop is what predictors of a loop need to keep the flux of sources; None for other predictors.
    """

    gram: F64
    right: F64
    power: float
    pixels: int
    loop: Loop | None = None


def fit_quickly(task: FitInput, effort: Effort, *, threads: int = 1) -> list[Predictor]:
    """Fit predictors to choose from as ``fit.fit_predictors`` does, in less time."""
    n_pixels = task.image.size if task.special is None else task.image.size - int(np.count_nonzero(task.special))
    radius = _largest_radius(task.image, n_pixels, task.max_radius)
    areas = cut_areas(task.image, task.special, task.to_window, radius, effort.pixels)
    largest = max((float(np.abs(a.values).max()) for a in areas), default=0.0)
    if sum(float(a.share.sum()) for a in areas) < 1.0 or not task.floor * LEAST_SIZE < largest < np.inf:
        return []
    for area in areas:
        area.values /= largest
    with one_blas_thread():
        turns = effort.exact_turns if task.exact else effort.bounded_turns
        level, rough = _find_weights(areas, radius, turns, task.floor / largest, task.exact, threads)
        if task.to_smooth is None or level > np.log2(COARSE / largest):
            return _predictors(_sums(areas, radius, rough, threads, n_pixels), radius, effort.caps, effort, task.exact)
        smooth = cut_areas(task.image, task.special, task.to_smooth, radius, effort.pixels)
        for area, weighted in zip(smooth, areas, strict=True):
            area.values /= largest
            area.weight = weighted.weight
        sums = _sums(smooth, radius, rough, threads, n_pixels)
        noise = float(sum(a.weight.sum() for a in smooth)) * 64.0 / largest**2
        beam = beam_spectrum((_targets(a), float(a.weight.mean())) for a in smooth)
        loop = None if beam is None else Loop(beam=beam, step=noise, power=sums.power)
        found = []
        for number, power in enumerate(NOISES):
            near = sums if number == 0 else _within(sums, min(radius, LOOP_RADIUS))
            reach = radius if number == 0 else min(radius, LOOP_RADIUS)
            noisy = _with_diagonal(near.gram, power * noise)
            some = _Sums(gram=noisy, right=near.right, power=near.power, pixels=n_pixels, loop=loop)
            found += _predictors(some, reach, (*effort.caps, *LOOP_CAPS), effort, task.exact)
        return found


def _targets(area: Area) -> F64:
    """Return the values of an area without those around it."""
    return area.values[area.radius :, area.radius : area.values.shape[1] - area.radius]


def _largest_radius(image: Image, n_pixels: int, most: int) -> int:
    """Return the largest radius that the pixels can determine."""
    radius, side = max((r for r in RADII if r <= most), default=1), min(image.shape[1:])
    while radius > 1 and (
        2 * radius * (radius + 1) * PIXELS_A_TAP > n_pixels or (radius > NEAR_RADIUS and 8 * radius > side)
    ):
        radius = RADII[RADII.index(radius) - 1]
    return radius


def _find_weights(
    areas: list[Area], radius: int, turns: tuple[int, ...], floor: float, exact: bool, threads: int
) -> tuple[float, bool]:
    """Weigh the cells by the inverse square of the local error; gives the mean logarithm of that error.

    And whether single precision does for the sums from here on.
    """
    logs = [np.zeros(a.weight.shape) for a in areas]
    share = np.concatenate([a.share.ravel() for a in areas])
    level, rough = np.inf, False
    more = MORE_TURNS if exact else 0
    for turn in range(len(turns) + more):
        r = min(turns[min(turn, len(turns) - 1)], radius)
        sums = _sums(areas, r, rough, threads, 0)
        coefs = _solve(sums, exact)[1]
        coefs = coefs[list(ring_order(r))]
        squares = [squared_errors(a, r, coefs) for a in areas]
        mean = float(np.concatenate([s.ravel() for s in squares]) @ share) / float(share.sum())
        if not 0.0 < mean < np.inf:
            break
        least = max(floor**2, LEAST_WEIGHT**2 * mean, 1e-280)
        for log, square in zip(logs, squares, strict=True):
            target = -np.log2(np.maximum(square, least))
            log += (target - log) * (STRIDE if turn > 1 else 1.0)
            np.minimum(log, -np.log2(least), out=log)
        before, level = level, _mean_level(squares, areas, least)
        middle = float(np.mean(np.concatenate([log.ravel() for log in logs])))
        for a, log in zip(areas, logs, strict=True):
            a.weight = a.share * np.exp2(log - middle)
        sizes = [float((largest_values(a) * np.exp2(0.5 * log)).max()) for a, log in zip(areas, logs, strict=True)]
        rough = not exact and max(sizes) <= MAX_ROUGH_SIZE
        if turn + 1 >= len(turns) and before - level < WORTH_A_TURN:
            break
    return level, rough


def _mean_level(squares: list[F64], areas: list[Area], least: float) -> float:
    """Mean logarithm of the local error."""
    total = sum(float((np.log2(np.maximum(s, least)) * a.share).sum()) for s, a in zip(squares, areas, strict=True))
    return 0.5 * total / sum(float(a.share.sum()) for a in areas)


def _sums(areas: list[Area], radius: int, rough: bool, threads: int, pixels: int) -> _Sums:
    """Return the normal equations of the areas."""
    total = sum_products(areas, radius, rough, threads)
    return _Sums(gram=total[:-1, :-1], right=total[-1, :-1].copy(), power=float(total[-1, -1]), pixels=pixels)


def _within(sums: _Sums, radius: int) -> _Sums:
    """Return the equations of a smaller radius."""
    n = 2 * radius * (radius + 1)
    return _Sums(gram=sums.gram[:n, :n], right=sums.right[:n].copy(), power=sums.power, pixels=sums.pixels)


def _factor(gram: F64, least: float) -> F64 | None:
    """Cholesky factor of a normal matrix with the least ridge at which it exists; None where there is none."""
    diagonal = float(np.trace(gram)) / len(gram)
    ridge = least
    while diagonal > 0.0 and ridge <= MOST_RIDGE:
        try:
            lower = np.linalg.cholesky(_with_diagonal(gram, ridge * diagonal))
        except np.linalg.LinAlgError:
            ridge *= 10.0
            continue
        return np.ascontiguousarray(lower) if np.isfinite(lower).all() else None
    return None


def _with_diagonal(gram: F64, more: float | F64) -> F64:
    """Return the matrix with more on its diagonal."""
    out = gram.copy()
    out.reshape(-1)[:: len(gram) + 1] += more
    return out


def _forward(lower: F64, right: F64) -> F64:
    """Return solution of L z = right."""
    z, n = right.copy(), len(right)
    check(core().forward(pointer(lower, np.float64), n, lower.shape[1], pointer(z, np.float64, n)), "a factor")
    return z


def _backward(lower: F64, z: F64) -> F64:
    """Return solution of L^T c = z, of the first unknowns alone where there are fewer than L has."""
    c, n = z.copy(), len(z)
    check(core().backward(pointer(lower, np.float64), n, lower.shape[1], pointer(c, np.float64, n)), "a factor")
    return c


def _solve(sums: _Sums, exact: bool) -> tuple[F64 | None, F64, F64]:
    """Factor, coefficients in ring order, and z with which the error of the first n taps is power - sum z[:n]**2."""
    lower = _factor(sums.gram, FINE_RIDGE if exact else ROUGH_RIDGE)
    if lower is None:
        nothing = np.zeros(len(sums.right))
        return None, nothing, nothing
    z = _forward(lower, sums.right)
    return lower, _backward(lower, z), z


def _predictors(sums: _Sums, radius: int, caps: tuple[int, ...], effort: Effort, exact: bool) -> list[Predictor]:
    """Quantised predictors: for each cap of the radius where fewer error bits still pay for more coefficients."""
    lower, _, z = _solve(sums, exact)
    if lower is None:
        return [Predictor(radius=1, shift=0, integers=np.zeros(4, np.int64))]
    saved = np.cumsum(z * z)
    costs: list[tuple[float, int]] = []
    for r in (r for r in RADII if r <= radius):
        n = 2 * r * (r + 1)
        error = max(sums.power - float(saved[n - 1]), sums.power * 1e-14, 1e-300)
        bits = n * (BITS_A_TAP + effort.gain * sums.pixels) + 0.5 * sums.pixels * np.log2(error)
        costs.append((bits, r))
    if exact and sums.power - float(saved[-1]) < PREDICTABLE * sums.power:
        caps = (*caps, *HARD_CAPS)
    chosen = dict.fromkeys(min(cost for cost in costs if cost[1] <= max(cap, 1))[1] for cap in caps)
    return [_shrunk(sums, lower, z, r) for r in chosen]


def _shrunk(sums: _Sums, lower: F64, z: F64, radius: int) -> Predictor:
    """Quantised predictor of a radius, drawn to zero as far as the size of its coefficients at their distance says."""
    n = 2 * radius * (radius + 1)
    error = max(sums.power - float(z[:n] @ z[:n]), sums.power * 1e-14, 1e-300)
    coefs = _backward(lower, z[:n])
    place = list(ring_order(radius))
    rings = np.empty(n, np.int64)
    rings[place] = [int(np.hypot(dy, dx)) for dy, dx in tap_offsets(radius)]
    scale = error / sums.pixels
    variance = (np.bincount(rings, coefs * coefs) / np.maximum(np.bincount(rings), 1))[rings]
    gram = _with_diagonal(sums.gram[:n, :n], scale / np.maximum(variance, LEAST_VARIANCE))
    factor = _factor(gram, FINE_RIDGE)
    if factor is None:
        factor, shrunk = np.ascontiguousarray(lower[:n, :n]), coefs
    else:
        shrunk = _backward(factor, _forward(factor, sums.right[:n]))
    if sums.loop is not None:
        order = np.array(place)

        def solve(right: F64) -> F64:
            turned = np.empty(n)
            turned[order] = right
            return np.asarray(_backward(factor, _forward(factor, turned))[order])

        kept = keep_flux(shrunk[order], radius, solve, sums.loop, error)
        shrunk = np.empty(n)
        shrunk[order] = kept
    return _rounded(shrunk, factor, radius, error, sums.pixels)


def _rounded(coefs: F64, lower: F64, radius: int, error: float, n_pixels: int) -> Predictor:
    """Predictor at about the precision where the bits of coefficients and those that rounding costs are fewest."""
    n = len(coefs)
    place = np.array(ring_order(radius))
    order = place[coding_order(radius)]
    # At the best precision one bit more of each coefficient saves as much as it costs.
    spread = float(np.square(np.diag(lower)).sum()) / 12.0
    start = round(0.5 * np.log2(min(max(spread * n_pixels / (error * n), 1.0), 4.0**MAX_SHIFT)))  # may be infinite
    tried: dict[int, tuple[float, npt.NDArray[np.int64]]] = {}

    def bits(shift: int) -> float:
        if shift not in tried:
            rounded, added = round_to_plane(coefs * 2.0**shift, lower * 2.0**-shift)
            fits = bool(np.abs(rounded).max(initial=0.0) < MAX_COEFFICIENT / 2)
            integers = rounded.astype(np.int64) if fits else np.zeros(n, np.int64)
            cost = rice_bits(integers[order]) + 0.5 * n_pixels * np.log2(1.0 + added / error) if fits else np.inf
            tried[shift] = (float(cost), integers)
        return tried[shift][0]

    shift = min(max(start, 0), MAX_SHIFT)
    while shift > 0 and not bits(shift) < np.inf:
        shift -= 1
    step = 1 if shift < MAX_SHIFT and bits(shift + 1) < bits(shift) else -1
    while 0 <= shift + step <= MAX_SHIFT and bits(shift + step) < bits(shift):
        shift += step
    return Predictor(radius=radius, shift=shift, integers=tried[shift][1][place])
