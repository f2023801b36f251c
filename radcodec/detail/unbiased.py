"""Predictors of a loop that leave sources their flux (docs/design/0020-flux-in-a-loop.md).

What a loop restores follows the prediction until the error reaches half a step. To signals below the noise its
rounding is a gain g under 1, with noise that does not depend on them. Let P be the predictor, A = 1 - P and s a signal.
Then s is restored as ``s - (1 - g) A / (g + (1 - g) A) s``. The error is 0 where P predicts s, but a predictor that is
best for noise overshoots at the peaks of sources. Of all predictors near the best one, the one that restores the peak
of a source is taken. A source has the shape of the beam, which is the root of the noise's spectrum.

Coarse steps take more off sources of several steps than theory has. So predictors aim at a small gain in flux that
grows with the step, measured as what leaves sources of 3 sigma at their flux.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from radcodec.arrays import F64
from radcodec.detail.borders import tap_offsets

I64 = npt.NDArray[np.int64]

SIDE = 64  # px of the spectra
LEAST_SIDE = 16  # px of a part of an image that is looked at
SPREAD = 0.26  # steps, rms of what a loop's own errors add to those of the prediction
CORE = 1  # px from its middle, over which a source's peak is measured
TURNS = 3
AIM_AT, AIM_GROWTH, AIM_POWER = -3.5e-4, 0.0272, 1.25  # share of a source that theory should add, by the power of steps
CLOSE = 2e-5  # share of a source that is as good as none
LEAST_LOSS = 5e-4  # share of a source added, under which predictors stay as they are
MOST_CHANGE = 0.02  # of the squared error, for the flux
LEAST_RESPONSE = 0.1  # of a loop: it would swing below that


def beam_spectrum(parts: Iterable[tuple[F64, float]]) -> F64 | None:
    """Estimate the spectrum [SIDE, SIDE] of the beam from parts [h, w] of an image and their weights.

    It is real, as the beam is symmetric, and is that of a beam with a peak of 1. None where there is nothing to see.
    """
    power, total = np.zeros((SIDE, SIDE)), 0.0
    for values, weight in parts:
        for y, x in product(range(0, values.shape[0], SIDE), range(0, values.shape[1], SIDE)):
            piece = values[y : y + SIDE, x : x + SIDE]
            if min(piece.shape) < LEAST_SIDE:
                continue
            window = np.hanning(piece.shape[0] + 2)[1:-1, None] * np.hanning(piece.shape[1] + 2)[1:-1]
            power += weight * np.abs(np.fft.fft2((piece - piece.mean()) * window, (SIDE, SIDE))) ** 2
            total += weight
    root = np.sqrt(power)
    peak = float(root.mean())
    return root / peak if total > 0.0 and 0.0 < peak < np.inf else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """What a predictor of a loop is made for: the spectrum of the beam.

    ``step`` is the power of errors of one step, ``power`` that of the values.
    """

    beam: F64
    step: float
    power: float


def rounding_gain(rms: float) -> float:
    """Compute the gain of rounding to whole steps, for normal errors of a prediction of an rms in steps."""
    spread = math.hypot(rms, SPREAD)
    return min(1.0, math.sqrt(2.0 / math.pi) / spread * math.exp(-0.125 / spread**2))


def keep_flux(coefs: F64, radius: int, solve: Callable[[F64], F64], loop: Loop, error: float) -> F64:
    """Change coefficients [n], in tap order, as little as needed to restore the peaks of sources.

    Parameters
    ----------
    solve
        Solves the normal equations of the fit, for a right side in tap order.
    error
        The squared error of the fit, in the unit of the equations.
    """
    beam, gain, most = loop.beam, rounding_gain(math.sqrt(error / loop.step)), MOST_CHANGE * error
    aim = AIM_AT + AIM_GROWTH * (loop.step / max(loop.power, loop.step)) ** AIM_POWER
    dys, dxs = np.array(tap_offsets(radius)).T
    at = (dys % SIDE, -dxs % SIDE)
    source = beam * _core_weights(beam)
    change, pull = np.zeros(len(coefs)), np.zeros(len(coefs))
    for _ in range(TURNS):
        found = _loss(coefs + change, at, source, gain)
        if found is None:
            return coefs
        loss, slope = found
        over = loss - aim
        # Predictors that fall short of peaks are those of coarse steps, where a change costs most and brings nothing.
        if abs(over) < CLOSE or (not change.any() and (over < 0.0 or loss < LEAST_LOSS)):
            break
        towards = solve(slope)
        rise = float(slope @ towards)
        if not rise > 0.0:
            break
        change -= towards * (over / rise)
        pull -= slope * (over / rise)
    added = float(pull @ change)
    if not np.isfinite(added):
        return coefs
    return coefs + change * (1.0 if added <= most else float(np.sqrt(most / added)))


def _core_weights(beam: F64) -> F64:
    """Compute the spectrum of the weights of pixels by which the peak of a source of flux 1 is fitted."""
    profile = np.fft.ifft2(beam).real
    core = np.zeros_like(profile)
    for y, x in product(range(-CORE, CORE + 1), repeat=2):
        core[y, x] = profile[y, x]
    return np.asarray(np.fft.fft2(core).real / float((core * core).sum()))


def _loss(coefs: F64, at: tuple[I64, I64], source: F64, gain: float) -> tuple[float, F64] | None:
    """Compute the share of a source's peak that a loop adds, and its slope [n]; None where the loop swings."""
    taps = np.zeros((SIDE, SIDE))
    taps[at] = coefs
    rest = 1.0 - np.fft.fft2(taps)
    response = gain + (1.0 - gain) * rest
    if not np.abs(response).min() > LEAST_RESPONSE:
        return None
    added = -(1.0 - gain) * rest / response
    slopes = (1.0 - gain) * gain / response**2 * source
    # A tap's part in the rest is a phase of its place, so that one transform has the slopes of all taps.
    return float((added * source).real.mean()), np.asarray(np.fft.fft2(slopes).real[at] / SIDE**2)
