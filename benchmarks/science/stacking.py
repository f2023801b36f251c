"""What is left of injected sources, one by one and stacked.

The flux at a place is the least-squares fit of the beam to the 3 x 3 pixels there, at its known sub-pixel position. It
is a peak, as one reads it off a stack. A fit over more pixels would scatter more, because the noise has the beam's own
spectrum. No background is taken away, so that a codec that shifts the mean shows as well.

The mean over N places is the mean stack. The median stack is the median over the cut-outs, pixel by pixel, each moved
by whole pixels; the mean beam is fitted to it. Both are given beside those of the uncoded image. The noise is the same
in both, so their difference has a far smaller error than either.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.science.scenes import AMPLITUDES, Scene
from benchmarks.types import F64, Array

COUNTS = (64, 256, 1024, 4096)
FALSE_ALARMS = 0.01  # of blank places, above which a source counts as found
CORE = 1  # px; fits reach so far from the middle
N_RESAMPLES = 30


@dataclass(frozen=True, slots=True)
class Stack:
    """Of one amplitude over all scenes: ``fluxes`` [n] and ``cores`` [n, 3, 3] in sigma, ``beams`` like these."""

    fluxes: F64
    cores: F64
    beams: F64


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """Mean stack of n places, in sigma: flux with standard error; less what the uncoded image gives, with its own."""

    n: int
    mean: float
    mean_error: float
    change: float
    change_error: float
    scatter: float


def windows(samples: Array, places: F64, reach: int) -> F64:
    """Cut out the pixels about each place, float64 [n, 2 reach + 1, 2 reach + 1]."""
    middles = np.rint(places).astype(np.int64)
    offsets = np.arange(-reach, reach + 1)
    rows = middles[:, 0, None, None] + offsets[None, :, None]
    columns = middles[:, 1, None, None] + offsets[None, None, :]
    return np.asarray(samples[rows, columns], np.float64)


def profiles(scene: Scene, places: F64, reach: int) -> F64:
    """Return the beam about each place, as ``windows``."""
    off = np.rint(places) - places
    offsets = np.arange(-reach, reach + 1)
    return scene.beam.profile(
        off[:, 0, None, None] + offsets[None, :, None], off[:, 1, None, None] + offsets[None, None, :]
    )


def fit(cut: F64, beams: F64) -> F64:
    """Fit the peaks of beams to cut-outs, over the last two axes."""
    return np.asarray((cut * beams).sum(axis=(-2, -1)) / (beams**2).sum(axis=(-2, -1)))


def stacks(scenes: Sequence[Scene], images: Sequence[Array]) -> dict[float, Stack]:
    """Measure ``images``, one for each scene, at the places, by amplitude (0 for blank places)."""
    found = {}
    for amplitude in (0.0, *AMPLITUDES):
        cores, beams = [], []
        for scene, samples in zip(scenes, images, strict=True):
            places = scene.places[amplitude]
            cores.append(windows(samples, places, CORE) / scene.noise)
            beams.append(profiles(scene, places, CORE))
        cut, shapes = np.concatenate(cores), np.concatenate(beams)
        found[amplitude] = Stack(fit(cut, shapes), cut, shapes)
    return found


def mean_stack(coded: Stack, plain: Stack, n: int) -> Recovered:
    """Average the first n places."""
    after, before = coded.fluxes[:n], plain.fluxes[:n]
    change, root = after - before, np.sqrt(len(after))
    return Recovered(
        n=len(after), mean=float(after.mean()), mean_error=float(after.std(ddof=1) / root),
        change=float(change.mean()), change_error=float(change.std(ddof=1) / root), scatter=float(after.std(ddof=1)),
    )  # fmt: skip


def median_stack(coded: Stack, plain: Stack) -> tuple[float, float, float]:
    """Return the flux of the median stack in sigma, its change by coding, and the change's bootstrap error."""

    def flux(stack: Stack, chosen: npt.NDArray[np.int64] | slice) -> float:
        return float(fit(np.median(stack.cores[chosen], axis=0), stack.beams[chosen].mean(axis=0)))

    everything, rng = slice(None), np.random.default_rng(0)
    after = flux(coded, everything)
    changes = []
    for _ in range(N_RESAMPLES):
        chosen = rng.integers(0, len(coded.fluxes), len(coded.fluxes))
        changes.append(flux(coded, chosen) - flux(plain, chosen))
    return after, after - flux(plain, everything), float(np.std(changes, ddof=1))


def found_share(source: Stack, blank: Stack) -> float:
    """Return the share of sources brighter than all but one in a hundred blank places of the same images."""
    return float((source.fluxes > np.quantile(blank.fluxes, 1 - FALSE_ALARMS)).mean())
