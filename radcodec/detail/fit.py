"""Least-squares fit of an image's causal linear predictor (docs/format.md, 8.2 and 8.3).

Normal equations are summed over blocks spread evenly over the image, weighted by the inverse square of the local error
(iteratively: the first turn is unweighted). Turn by turn this lowers the mean logarithm of the error, which is what
the bits are made of, where plain least squares would let a few bright sources decide what all the noise costs.
The products run in BLAS on one thread, whatever the caller's setting, because a sum's order depends on the number of
threads: the same image gives the same predictor on the same machine. Encoders may fit as they like: a file stores the
quantised coefficients.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit
from numpy.lib.stride_tricks import sliding_window_view

from radcodec.detail.kernels import predict_above

F64 = npt.NDArray[np.float64]

BLOCK = 64  # side of a fitting block in pixels
MAX_PIXELS = 131072  # determine the 312 coefficients of radius 12 far beyond what their bits can say
MIN_PIXELS = 64
MAX_TURNS = 9
WEIGHT_RADIUS = 6  # of the turns that only find weights, where values are quantised anyway
ENOUGH_BITS = 0.02  # gain in the mean logarithm of the error at which turns end
LEAST_WEIGHT = 1e-6  # error, in the rms error of the turn, under which a pixel gains no more weight
LOST = 4e-16  # of a diagonal element: what rounding leaves of a pivot that should be zero
RIDGES = (1e-16, 1e-13, 1e-8)  # of the mean diagonal: from maps that are exact to the last place to plain noise
COEFFICIENT_BITS = 7.0  # about what one Rice-coded coefficient costs
LOSS_BITS = 0.005  # bits a pixel that rounding the coefficients may cost
RADII = (1, 2, 3, 4, 6, 8, 10, 12)


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictor:
    """A quantised predictor: coefficient = integer * 2**-shift, in tap order."""

    radius: int
    shift: int
    integers: npt.NDArray[np.int64]

    @property
    def coefficients(self) -> F64:
        """Coefficients as binary64, in tap order."""
        return np.ascontiguousarray(self.integers.astype(np.float64) * 2.0**-self.shift)


def tap_offsets(radius: int) -> list[tuple[int, int]]:
    """(dy, dx) of every tap in tap order: pixel (y - dy, x + dx)."""
    above = [(dy, dx) for dy in range(radius, 0, -1) for dx in range(-radius, radius + 1)]
    return above + [(0, dx) for dx in range(-radius, 0)]


def fit_predictor(
    image: npt.NDArray[Any],
    special: npt.NDArray[np.bool_] | None,
    to_window: Callable[[npt.NDArray[Any]], F64],
    *,
    floor: float,
    max_radius: int,
) -> Predictor | None:
    """Predictor for the planes of image [P, H, W], or None where too few pixels are there to fit one.

    Parameters
    ----------
    special
        Bool [P, H, W], True where a pixel is special (its window value is 0 and it is not predicted); None if none is.
    to_window
        Gives the window values (fill taken off) of samples; need not be finite where a pixel is special.
    floor
        Error in window values below which precision is worth nothing.
    max_radius
        Largest radius to consider, 1 to 16.
    """
    radius = max((r for r in RADII if r <= max_radius), default=1)
    while radius > 1 and 2 * radius * (radius + 1) * 12 > image.size:
        radius = RADII[RADII.index(radius) - 1]
    blocks = _blocks(image, special, to_window, radius)
    largest = max(float(np.abs(b.padded).max()) for b in blocks)
    if sum(float(b.weight.sum()) for b in blocks) < MIN_PIXELS or not 0.0 < largest < np.inf:
        return None
    for b in blocks:  # coefficients have no unit: sums of squares stay in range
        b.padded /= largest
        b.target /= largest
    with _one_blas_thread():
        return _fit_blocks(blocks, radius, image.size, floor / largest)


@dataclass(slots=True, kw_only=True)
class _Block:
    """One fitting block: padded [radius + h, w + 2 radius], its targets [h, w] and their weights [h, w]."""

    padded: F64
    target: F64
    weight: F64


def _one_blas_thread() -> Any:
    """Context in which BLAS uses one thread."""
    from threadpoolctl import threadpool_limits

    return threadpool_limits(limits=1, user_api="blas")


def _blocks(
    image: npt.NDArray[Any],
    special: npt.NDArray[np.bool_] | None,
    to_window: Callable[[npt.NDArray[Any]], F64],
    radius: int,
) -> list[_Block]:
    """Blocks of together about MAX_PIXELS pixels, spread evenly over the planes."""
    n_planes, height, width = image.shape
    rows, cols = -(-height // BLOCK), -(-width // BLOCK)
    total = n_planes * rows * cols
    wanted = max(1, min(total, MAX_PIXELS * rows * cols // (height * width)))
    blocks = []
    for i in np.linspace(0, total - 1, wanted).round().astype(np.int64).tolist():
        p, rest = divmod(i, rows * cols)
        by, bx = divmod(rest, cols)
        y0, y1, x0, x1 = by * height // rows, (by + 1) * height // rows, bx * width // cols, (bx + 1) * width // cols
        top, left, right = max(0, y0 - radius), max(0, x0 - radius), min(width, x1 + radius)
        values = to_window(image[p, top:y1, left:right])
        known = np.ones(values.shape, np.bool_) if special is None else ~special[p, top:y1, left:right]
        padded = np.zeros((radius + y1 - y0, x1 - x0 + 2 * radius))
        padded[top - y0 + radius :, left - x0 + radius : right - x0 + radius] = np.where(known, values, 0.0)
        inside = (slice(y0 - top, None), slice(x0 - left, x0 - left + x1 - x0))
        target = padded[radius:, radius : radius + x1 - x0].copy()  # also where a view of it would be contiguous
        blocks.append(_Block(padded=padded, target=target, weight=known[inside].astype(np.float64)))
    return blocks


def _design(block: _Block, radius: int) -> F64:
    """Design matrix [taps, h * w] of a block for a radius up to the one it is padded for."""
    height, width = block.target.shape
    spare = block.padded.shape[0] - height - radius
    padded = block.padded[spare:, spare : spare + width + 2 * radius]
    views = sliding_window_view(padded, (height, width))  # [radius + 1, 2 radius + 1, h, w]
    above = views[:radius].reshape(-1, height * width)
    own = views[radius, :radius].reshape(-1, height * width)
    return np.concatenate([above, own])


def _fit_blocks(blocks: list[_Block], radius: int, n_pixels: int, floor: float) -> Predictor:
    """Predictor of the best radius for the blocks: small ones find the weights, the large one is fitted with them."""
    base = [b.weight.copy() for b in blocks]
    level = np.inf
    for turn in range(MAX_TURNS):
        exact = floor == 0.0 and turn > 0
        small = radius if exact else min(radius, WEIGHT_RADIUS)
        gram, right = _normal_equations(blocks, small)
        coefs, error = _best_ridge(blocks, radius, _taps_within(radius, small), gram, right)
        if not error > 0.0:
            break
        least = max(floor, LEAST_WEIGHT * np.sqrt(error / sum(float(b.weight.sum()) for b in blocks)), 1e-140)
        logs, count = 0.0, 0
        for b, w in zip(blocks, base, strict=True):
            local = np.maximum(local_error(b.padded, radius, coefs, w > 0), least)
            b.weight = w / local**2
            logs += float(np.log2(local[w > 0]).sum())
            count += int((w > 0).sum())
        before, level = level, logs / count
        if turn > 0 and before - level < ENOUGH_BITS:
            break
    gram, right = _normal_equations(blocks, radius)
    return _choose_radius(gram, right, radius, n_pixels, blocks)


def _taps_within(radius: int, r: int) -> list[int]:
    """Numbers of the taps of a radius that a smaller radius r has too, in its own tap order."""
    return [i for i, (dy, dx) in enumerate(tap_offsets(radius)) if dy <= r and -r <= dx <= r]


def _normal_equations(blocks: list[_Block], radius: int) -> tuple[F64, F64]:
    """Weighted X X^T and X y over the blocks."""
    n = 2 * radius * (radius + 1)
    gram, right = np.zeros((n, n)), np.zeros(n)
    for b in blocks:
        root = np.sqrt(b.weight).ravel()
        design = _design(b, radius)
        design *= root
        target = b.target.ravel() * root
        gram += design @ design.T
        right += design @ target
    return gram, right


def _best_ridge(blocks: list[_Block], radius: int, inside: list[int], gram: F64, right: F64) -> tuple[F64, float]:
    """Coefficients in the blocks' taps (zero outside ``inside``) of the ridge with the least error, and that error.

    gram and right are those of the taps inside.

    The error is measured on the blocks themselves: on maps that are predictable to the last place, the one that
    the normal equations give is nothing but rounding.
    """
    best, best_error = np.zeros(2 * radius * (radius + 1)), np.inf
    for ridge in RIDGES:
        coefs = np.zeros(len(best))
        coefs[inside] = solve_ridge(gram, right, ridge)
        error = sum(weighted_error(b.padded, radius, coefs, b.weight) for b in blocks)
        if error < best_error:
            best, best_error = coefs, error
    return best, best_error


@njit(cache=True, nogil=True)
def _predict_row(padded: F64, y: int, radius: int, coefs: F64, out: F64) -> None:
    """Fill out [w] with the predictions of row y of a block whose pixels are all known."""
    predict_above(padded, y, radius, coefs, out)
    first = radius * (2 * radius + 1)
    for x in range(out.shape[0]):
        for k in range(radius):
            out[x] += coefs[first + k] * padded[y + radius, x + k]


@njit(cache=True, nogil=True)
def weighted_error(padded: F64, radius: int, coefs: F64, weight: F64) -> float:
    """Sum of weight * squared prediction error over a block."""
    height, width = weight.shape
    predicted = np.empty(width)
    total = 0.0
    for y in range(height):
        _predict_row(padded, y, radius, coefs, predicted)
        for x in range(width):
            total += weight[y, x] * (padded[y + radius, x + radius] - predicted[x]) ** 2
    return total


def solve_ridge(gram: F64, right: F64, ridge: float) -> F64:
    """Solution of (gram + ridge * mean diagonal) c = right by a Cholesky factorisation; zeros where none exists."""
    n = len(right)
    diagonal = float(np.trace(gram)) / n
    if not diagonal > 0:
        return np.zeros(n)
    lower = np.ascontiguousarray(gram + ridge * diagonal * np.eye(n))
    return _cholesky_solve(lower, right.copy())


@njit(cache=True, nogil=True)
def _cholesky_solve(a: F64, b: F64) -> F64:
    """Solution of a x = b for a positive definite a [n, n] (overwritten); a pivot that is lost drops its unknown."""
    n = a.shape[0]
    for j in range(n):
        pivot = a[j, j]
        for k in range(j):
            pivot -= a[j, k] * a[j, k]
        dropped = not pivot > LOST * a[j, j]
        root = 1.0 if dropped else np.sqrt(pivot)
        a[j, j] = root
        for i in range(j + 1, n):
            t = a[i, j]
            for k in range(j):
                t -= a[i, k] * a[j, k]
            a[i, j] = 0.0 if dropped else t / root
        if dropped:
            b[j] = 0.0
            for k in range(j):
                a[j, k] = 0.0
    for i in range(n):
        t = b[i]
        for k in range(i):
            t -= a[i, k] * b[k]
        b[i] = t / a[i, i]
    for i in range(n - 1, -1, -1):
        t = b[i]
        for k in range(i + 1, n):
            t -= a[k, i] * b[k]
        b[i] = t / a[i, i]
    return b


@njit(cache=True, nogil=True)
def local_error(padded: F64, radius: int, coefs: F64, known: npt.NDArray[np.bool_]) -> F64:
    """Expected error [h, w] of each pixel of a block from the errors around it, before and after."""
    height, width = padded.shape[0] - radius, padded.shape[1] - 2 * radius
    error = np.empty((height, width))
    predicted = np.empty(width)
    for y in range(height):
        _predict_row(padded, y, radius, coefs, predicted)
        for x in range(width):
            error[y, x] = abs(padded[y + radius, x + radius] - predicted[x]) if known[y, x] else 0.0
    out = np.empty((height, width))
    for y in range(height):
        for x in range(width):
            t, n = 0.0, 1e-30
            for yy in range(max(0, y - 3), min(height, y + 4)):
                for xx in range(max(0, x - 3), min(width, x + 4)):
                    if known[yy, xx]:
                        t += error[yy, xx]
                        n += 1.0
            out[y, x] = t / n
    return out


def _choose_radius(gram: F64, right: F64, radius: int, n_pixels: int, blocks: list[_Block]) -> Predictor:
    """Quantised predictor of the radius at which fewer error bits still pay for more coefficients."""
    weight = sum(float(b.weight.sum()) for b in blocks)
    best_bits, best_radius, best_coefs, best_error = np.inf, 1, np.zeros(len(right)), 0.0
    for r in (r for r in RADII if r <= radius):
        inside = _taps_within(radius, r)
        coefs, error = _best_ridge(blocks, radius, inside, gram[np.ix_(inside, inside)], right[inside])
        bits = 0.5 * n_pixels * np.log2(max(error / weight, 1e-300)) + COEFFICIENT_BITS * len(inside)
        if bits < best_bits:
            best_bits, best_radius, best_coefs, best_error = bits, r, coefs, error
    inside = _taps_within(radius, best_radius)
    return _quantise(best_coefs[inside], best_radius, gram[np.ix_(inside, inside)], best_error)


def _quantise(coefs: F64, radius: int, gram: F64, error: float) -> Predictor:
    """Predictor with the fewest fraction bits whose rounding costs under LOSS_BITS a pixel.

    At the optimum a change d of the coefficients adds d^T gram d to the error.
    """
    allowed = error * (2.0 ** (2.0 * LOSS_BITS) - 1.0)
    for shift in range(4, 41):
        integers = np.rint(coefs * 2.0**shift)
        change = integers * 2.0**-shift - coefs
        if float(change @ (gram @ change)) <= allowed:
            break
    if np.abs(integers).max(initial=0.0) >= 2.0**45:
        integers = np.zeros(len(coefs))
    return Predictor(radius=radius, shift=shift, integers=integers.astype(np.int64))
