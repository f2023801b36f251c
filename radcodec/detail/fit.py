"""Least-squares fit of an image's causal linear predictor (docs/format.md, 8.2 and 8.3).

Normal equations are summed over blocks spread evenly over the image. The first turn is unweighted. Each later turn
weights by the inverse square of the local error, which lowers the mean logarithm of the error and so the bits.
Plain least squares would let a few bright sources decide what all the noise costs. The products run in BLAS on one
thread, because a sum's order depends on the number of threads. So the same image gives the same predictor on the same
machine. Encoders may fit as they like: a file stores the quantised coefficients.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from radcodec.arrays import F64
from radcodec.detail.blocks import (
    EDGES,
    Block,
    cut_blocks,
    design_matrix,
    local_error,
    scale_blocks,
    total_weight,
    weighted_error,
)
from radcodec.detail.borders import tap_offsets
from radcodec.detail.rounding import Predictor, quantise_predictor
from radcodec.detail.task import NOISES, FitInput
from radcodec.detail.unbiased import Loop, beam_spectrum, keep_flux
from radcodec.runtime.native import core, pointer
from radcodec.runtime.parallel import one_blas_thread, ordered_map

MIN_PIXELS = 64
MAX_TURNS = 9
WEIGHT_RADIUS = 12  # most of the turns that only find weights; half of it where time matters
ENOUGH_BITS = 0.02  # gain in the mean logarithm of the error at which turns end
LEAST_WEIGHT = 1e-6  # error, in the rms error of the turn, under which a pixel gains no more weight
LEAST_SIZE = 1e-30  # skip fitting if all values are below 1e-30 of the error floor
MAX_ROUGH_SIZE = 256.0  # of values, in errors, up to which binary32 does
MAX_ROUGH_WEIGHT = 1e30  # up to which sums of weighted products stay in its range
SHRINK_TURNS = 2
LEAST_VARIANCE = 1e-12
NEAR_RADIUS = 12
ROUGH_RIDGE = 1e-9  # of the mean diagonal, where values have errors of a tenth of a step anyway
RIDGES = (1e-15, 1e-12, 1e-8)  # of the mean diagonal: from maps that are exact to the last place to plain noise
COARSE = 0.6  # mean error, in steps, under which steps are so coarse that a loop is better
CAPS = (24, 16, 12, 8)  # the best radius up to each of these is tried
LOOP_CAPS = (*CAPS, 6)  # for a loop, where far taps cost more than the equations promise
RADII = (1, 2, 3, 4, 6, 8, 10, 12, 16, 20, 24)
PIXELS_A_TAP = 30  # below which a radius is not tried


def fit_predictors(task: FitInput, *, thrift: float = 0.0, threads: int = 1) -> list[Predictor]:
    """Fit predictors to choose from for an image; an empty list where there are too few pixels to fit one.

    Parameters
    ----------
    thrift
        Bits a pixel that a smaller radius may cost: each tap takes time in every pixel.
    """
    radius = max((r for r in RADII if r <= task.max_radius), default=1)
    n_pixels = task.image.size if task.special is None else task.image.size - int(np.count_nonzero(task.special))
    side = min(task.image.shape[1:])
    while radius > 1 and (
        2 * radius * (radius + 1) * PIXELS_A_TAP > n_pixels or (radius > NEAR_RADIUS and EDGES * radius > side)
    ):
        radius = RADII[RADII.index(radius) - 1]
    blocks = cut_blocks(task.image, task.special, task.to_window, radius)
    largest = max(float(np.abs(b.padded).max()) for b in blocks)
    if total_weight(blocks) < MIN_PIXELS or not task.floor * LEAST_SIZE < largest < np.inf:
        return []
    with one_blas_thread():
        level = _find_weights(scale_blocks(blocks, largest), radius, task.floor / largest, task.exact, threads)
        radii = [r for r in RADII if r <= radius]
        if task.to_smooth is None or level > np.log2(COARSE / largest):
            return _fit(
                blocks,
                _normal_equations(blocks, radius, task.exact, threads),
                radii,
                n_pixels,
                task.exact,
                thrift * n_pixels,
            )
        smooth = scale_blocks(cut_blocks(task.image, task.special, task.to_smooth, radius), largest)
        for b, weighted in zip(smooth, blocks, strict=True):
            b.weight = weighted.weight
        equations = _normal_equations(smooth, radius, task.exact, threads)
        noise = total_weight(smooth) / largest**2
        near = equations.within(_taps_within(radius, min(radius, NEAR_RADIUS)))
        near_radii = [r for r in radii if r <= NEAR_RADIUS]
        jobs = [(equations.noisy(NOISES[0] * noise), radii)]
        jobs += [(near.noisy(n * noise), near_radii) for n in NOISES[1:]]
        beam = beam_spectrum((b.target, float(b.weight.mean())) for b in smooth)
        loop = None if beam is None else Loop(beam=beam, step=noise, power=equations.power)
        spare = thrift * n_pixels
        parts = ordered_map(lambda job: _fit(smooth, *job, n_pixels, task.exact, spare, loop), jobs, threads)
        return [predictor for found in parts for predictor in found]


def _find_weights(blocks: list[Block], radius: int, floor: float, exact: bool, threads: int) -> float:
    """Weigh the blocks' pixels by the inverse square of the local error; gives the mean logarithm of that error."""
    base = [b.weight.copy() for b in blocks]
    level = np.inf
    for turn in range(MAX_TURNS):
        small = min(radius, WEIGHT_RADIUS if radius > WEIGHT_RADIUS or (exact and turn > 0) else WEIGHT_RADIUS // 2)
        inside = _taps_within(radius, small)
        coefs, error = _solve(blocks, _normal_equations(blocks, small, exact, threads), radius, inside, exact)
        if not error > 0.0:
            break
        least = max(floor, LEAST_WEIGHT * np.sqrt(error / total_weight(blocks)), 1e-140)
        logs, count = 0.0, 0
        for b, w in zip(blocks, base, strict=True):
            local = np.maximum(local_error(b.padded, radius, coefs, w > 0), least)
            b.weight = w / local**2
            logs += float(np.log2(local[w > 0]).sum())
            count += int((w > 0).sum())
        before, level = level, logs / count
        if turn > 0 and before - level < ENOUGH_BITS:
            break
    return level


def _taps_within(radius: int, r: int) -> list[int]:
    """Return the numbers of the taps of a radius that a smaller radius r has too, in its own tap order."""
    return [i for i, (dy, dx) in enumerate(tap_offsets(radius)) if dy <= r and -r <= dx <= r]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Normal:
    """Weighted normal equations: gram [n, n] = X X^T, right [n] = X y and power = y y."""

    gram: F64
    right: F64
    power: float

    def within(self, inside: list[int]) -> _Normal:
        """Return the equations of some taps alone."""
        return _Normal(gram=self.gram[np.ix_(inside, inside)], right=self.right[inside], power=self.power)

    def noisy(self, power: float) -> _Normal:
        """Return the equations for taps with added white noise of a power that is summed over the weights."""
        return _Normal(gram=self.gram + power * np.eye(len(self.right)), right=self.right, power=self.power)


def _normal_equations(blocks: list[Block], radius: int, exact: bool, threads: int) -> _Normal:
    """Weighted normal equations over the blocks, in two halves whatever the number of threads.

    Not exact: products in binary32 where that is far finer than the errors.
    """
    size = max(float((np.abs(b.target) * np.sqrt(b.weight)).max()) for b in blocks)
    heaviest = max(float(b.weight.max()) for b in blocks)
    dtype = np.float64 if exact or size > MAX_ROUGH_SIZE or heaviest > MAX_ROUGH_WEIGHT else np.float32
    halves = [half for half in (blocks[::2], blocks[1::2]) if half]
    parts = list(ordered_map(partial(_sum_products, radius, dtype), halves, min(threads, 2)))
    return _Normal(
        gram=np.asarray(sum(p.gram for p in parts)),
        right=np.asarray(sum(p.right for p in parts)),
        power=sum(p.power for p in parts),
    )


def _sum_products(radius: int, dtype: type[np.floating[Any]], blocks: list[Block]) -> _Normal:
    """Weighted normal equations over some blocks."""
    n = 2 * radius * (radius + 1)
    gram, right, power = np.zeros((n, n)), np.zeros(n), 0.0
    for b in blocks:
        root = np.sqrt(b.weight).ravel()
        design = design_matrix(b, radius, dtype)
        design *= root.astype(dtype)
        target = (b.target.ravel() * root).astype(dtype)
        gram += design @ design.T
        right += design @ target
        power += float(target @ target)
    return _Normal(gram=gram, right=right, power=power)


def _solve(blocks: list[Block], equations: _Normal, radius: int, inside: list[int], exact: bool) -> tuple[F64, float]:
    """Find coefficients in the blocks' taps (zero outside ``inside``) with the least error, and that error.

    The equations are those of the taps inside. Exact chooses the best of several ridges by the error measured on the
    blocks. On maps that are predictable to the last place, the error that the equations give is only rounding.
    """
    gram, right = equations.gram, equations.right
    best, best_error = np.zeros(2 * radius * (radius + 1)), np.inf
    if not exact:
        ridge = ROUGH_RIDGE * float(np.trace(gram)) / len(right)
        if ridge > 0.0:
            best[inside] = np.nan_to_num(np.linalg.solve(gram + ridge * np.eye(len(right)), right))
        c = best[inside]
        return best, max(0.0, equations.power - 2.0 * float(c @ right) + float(c @ (gram @ c)))
    for ridge in RIDGES:
        coefs = np.zeros(len(best))
        coefs[inside] = solve_ridge(gram, right, ridge)
        error = sum(weighted_error(b.padded, radius, coefs, b.weight) for b in blocks)
        if error < best_error:
            best, best_error = coefs, error
    return best, best_error


def solve_ridge(gram: F64, right: F64, ridge: float) -> F64:
    """Solve (gram + ridge * mean diagonal) c = right by a Cholesky factorisation; zeros where it has no solution."""
    n = len(right)
    diagonal = float(np.trace(gram)) / n
    if not diagonal > 0:
        return np.zeros(n)
    lower = np.ascontiguousarray(gram + ridge * diagonal * np.eye(n))
    solution = right.copy()
    core().cholesky_solve(pointer(lower, np.float64, n * n), pointer(solution, np.float64, n), n)
    return solution


def _fit(
    blocks: list[Block],
    equations: _Normal,
    radii: list[int],
    n_pixels: int,
    exact: bool,
    spare: float,
    loop: Loop | None = None,
) -> list[Predictor]:
    """Quantised predictors: of the radius at which fewer error bits still pay for more coefficients, and of near ones.

    Those of a loop keep the flux of sources.
    The error that the equations promise flatters many coefficients, most of all in a loop. Of radii within ``spare``
    bits of the best the smallest is taken.
    """
    weight = total_weight(blocks)
    found: list[tuple[float, int, F64, float]] = []
    for r in radii:
        inside = _taps_within(radii[-1], r)
        some = equations.within(inside)
        coefs, error = _solve(blocks, some, radii[-1], inside, exact)
        error = max(error, 1e-300)
        bits = quantise_predictor(coefs[inside], r, some.gram, error, n_pixels)[1]
        found.append((bits + 0.5 * n_pixels * (np.log2(error) - np.log2(weight)), r, coefs[inside], error))
    caps = CAPS if loop is None else LOOP_CAPS
    ranges = [[f for f in found if f[1] <= max(cap, radii[0])] for cap in caps]
    chosen = {next(f[1] for f in some if f[0] <= min(some)[0] + spare) for some in ranges}
    out = []
    for _, r, coefs, error in found:
        if r in chosen:
            some = equations.within(_taps_within(radii[-1], r))
            forms = [(coefs, some.gram)] if exact else []
            if np.isfinite(some.gram).all():
                forms.append(_shrink(some, coefs, r, error, n_pixels))
            if loop is not None:
                forms = [(keep_flux(c, r, partial(np.linalg.solve, gram), loop, error), gram) for c, gram in forms]
            out += [quantise_predictor(c, r, gram, error, n_pixels)[0] for c, gram in forms or [(coefs, some.gram)]]
    return out


def _shrink(equations: _Normal, coefs: F64, radius: int, error: float, n_pixels: int) -> tuple[F64, F64]:
    """Draw coefficients [n] to zero as far as their size at their distance makes likely; also gives the matrix.

    Empirical Bayes: normal priors whose variances, one for each distance, make the data likeliest (MacKay 1992,
    doi:10.1162/neco.1992.4.3.415).
    """
    rings = np.array([int(np.hypot(dy, dx)) for dy, dx in tap_offsets(radius)])
    counts = np.bincount(rings)
    scale = error / n_pixels
    ridge = ROUGH_RIDGE * float(np.trace(equations.gram)) / len(coefs)  # as in _solve: an image may be constant
    c, spread = coefs, np.zeros(len(coefs))
    gram = equations.gram
    for _ in range(SHRINK_TURNS):
        variance = np.maximum((np.bincount(rings, c * c + spread) / np.maximum(counts, 1))[rings], LEAST_VARIANCE)
        gram = equations.gram + np.diag(scale / variance + ridge)
        try:
            inverse = np.linalg.inv(gram)
        except np.linalg.LinAlgError:
            return coefs, equations.gram
        c = inverse @ equations.right
        spread = scale * np.diag(inverse)
    return c, gram
