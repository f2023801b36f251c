"""Find the lattice a + b*k that values lie near: a line in the spectrum of their histogram, and least squares."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from radcodec.arrays import F64, list_distinct
from radcodec.detail.lattice_maps import LATTICE_RANGE, sound_lattice

WINDOWS = ((0.02, 0.98), (0.35, 0.65), (0.47, 0.53))  # quantiles between which values are looked at
LOOKED = 4096  # values in a window
BINS = 1 << 14
FEWEST_PERIODS = 12  # in a window: below that the shape of the histogram has lines of its own
CLEAR = 0.15  # height of a line, of what a comb has
LOWEST = 0.6  # of the highest line: a lower one of the same comb
LEAST_UNITS = 5.0  # of the largest value's spacing between points of a lattice that is worth it
SORTED = 1 << 14  # values that are looked at
RARE = 1000  # of them one may be wild
FITTED = 1 << 16  # values that the last fit looks at
INSIDE = 0.25  # steps from the lattice that count as on it
LEAST_SHARE = 0.95  # of the values that are
MOST_STEPS = 2.0**30  # of a value from the middle of a window
MULTIPLES = 16
FEWEST = 64
TURNS = 4


def near_lattice(values: F64, dtype: np.dtype[Any]) -> tuple[float, float] | None:
    """Find (a, b) such that nearly all finite values [n] are a + b*k but for errors that are small beside b."""
    if values.size < FEWEST:
        return None
    order = np.sort(values[:: max(1, values.size // SORTED)])
    edge = order.size // RARE  # a wild sample does not say how precise the others are
    largest = max(abs(float(order[edge])), abs(float(order[-1 - edge])))
    if not 2.0**-LATTICE_RANGE < largest < 2.0**LATTICE_RANGE:
        return None
    least = LEAST_UNITS * (1.0 if dtype.kind != "f" else float(np.spacing(dtype.type(largest))))
    for window in _windows(order):
        found = _line(window, least)
        if found is None:
            continue
        step = _grown(values[:: max(1, values.size // FITTED)], window, found)
        if step is not None and step[1] >= least and sound_lattice(*step):
            return step
    return None


def _windows(order: F64) -> Iterator[F64]:
    """Yield up to LOOKED of the sorted values in each window."""
    for low, high in WINDOWS:
        part = order[int(low * order.size) : max(int(high * order.size), int(low * order.size) + 1)]
        if part.size >= FEWEST and part[-1] > part[0]:
            yield part[:: max(1, part.size // LOOKED)]


def _line(window: F64, least: float) -> tuple[float, float] | None:
    """Find (a, b) of the lowest clear line in the spectrum of the values' histogram; None where there is none."""
    low, extent = float(window[0]), float(window[-1] - window[0])
    width = max(extent / BINS, least / 16)
    n_bins = int(extent / width) + 1
    histogram = np.bincount(((window - low) / width).astype(np.int64), minlength=n_bins)
    length = 1 << (2 * n_bins - 1).bit_length()
    spectrum = np.abs(np.fft.rfft(histogram, length)) / window.size
    first = int(FEWEST_PERIODS * length / n_bins)
    last = min(spectrum.size, int(length * width / least) + 2)
    if first + 3 >= last:
        return None
    part = spectrum[first:last]
    highest = float(part.max())
    if highest < max(CLEAR, 5.0 / np.sqrt(window.size)):
        return None
    place = int(np.argmax(part >= LOWEST * highest))
    while place + 1 < part.size and part[place + 1] >= part[place]:
        place += 1
    frequency = (first + place) / (length * width)
    return low, 1.0 / frequency


def _fit(x: F64, a: float, b: float) -> tuple[float, float, float]:
    """(a, b) by least squares of the values that lie near a + b*k, and their share."""
    k = np.rint((x - a) / b)
    inside = np.abs(x - a - b * k) <= INSIDE * abs(b)
    share = float(np.count_nonzero(inside)) / x.size
    k, x = k[inside], x[inside]
    spread = k - k.mean() if k.size else k
    power = float(spread @ spread)
    if power > 0:
        b = float(spread @ x) / power
    if k.size:
        a = float((x - b * k).mean())
    return a, b, share


def _grown(values: F64, window: F64, found: tuple[float, float]) -> tuple[float, float] | None:
    """Fit the step of a line to its window, then to more and more values; None where too many lie off it."""
    centre = 0.5 * float(window[0] + window[-1])
    b = found[1]
    x = window - centre
    phase = float(np.angle(np.exp(2j * np.pi * x / b).mean()))
    a, b, share = _fit(x, phase * b / (2 * np.pi), b)
    for _ in range(TURNS):
        a, b, share = _fit(x, a, b)
    if share < LEAST_SHARE:
        return None
    a, b = _coarsest(x, a, b)
    x = values - centre
    x = x[np.abs(x) < MOST_STEPS * b]  # wild samples say nothing of the lattice
    reach, furthest = float(np.abs(window - centre).max()), float(np.abs(x).max())
    while True:
        reach = min(2.0 * reach, furthest)
        a, b, share = _fit(x[np.abs(x) <= reach], a, b)
        if share < LEAST_SHARE:
            return None
        if reach >= furthest:
            break
    a, b, share = _fit(x, a, b)
    if share < LEAST_SHARE:
        return None
    a, b = _coarsest(x, a, b)
    near = round((centre + a) / b)  # so that numbers stay small whatever the centre is
    return centre + a - b * near, b


def _coarsest(x: F64, a: float, b: float) -> tuple[float, float]:
    """Make the step so many times larger as numbers of one remainder alone occur."""
    while True:
        k = np.rint((x - a) / b).astype(np.int64)
        for factor in range(MULTIPLES, 1, -1):
            counts = np.bincount(k % factor, minlength=factor)
            if counts.max() >= LEAST_SHARE * k.size and list_distinct(k).size > 1:
                a, b = a + b * int(np.argmax(counts)), b * factor
                break
        else:
            return a, b
