"""Charts of errors as SVG, and the numbers in them: a histogram and a power spectrum by spatial frequency."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from radcodec.pages.html import text

_WIDTH, _HEIGHT = 560, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 12, 10, 44
_BINS = 101
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Errors:
    """Errors of one plane: restored less original, where both are finite.

    ``edges`` and ``counts`` are a histogram. ``frequency`` is in cycles a pixel. ``power`` (errors) and ``image_power``
    (original) are averages over rings of frequency, in the square of the unit.
    """

    n_pixels: int
    largest: float
    rms: float
    mean: float
    edges: Floats = field(repr=False)
    counts: Floats = field(repr=False)
    frequency: Floats = field(repr=False)
    power: Floats = field(repr=False)
    image_power: Floats = field(repr=False)


@np.errstate(over="ignore", invalid="ignore")  # of values near the end of their range nothing finite may come out
def measure(original: Floats, restored: Floats) -> Errors | None:
    """Measure the errors of a plane [H, W], float64; None where no pixel is finite in both."""
    known = np.isfinite(original) & np.isfinite(restored)
    if not known.any():
        return None
    errors = np.where(known, restored - np.where(known, original, 0.0), 0.0)
    found = errors[known]
    largest = float(np.abs(found).max())
    edges = np.linspace(-largest, largest, _BINS + 1) if largest > 0 else np.linspace(-1.0, 1.0, _BINS + 1)
    counts = np.histogram(found, edges)[0].astype(np.float64)
    filled = np.where(known, original, float(np.median(original[known])))
    frequency, power = ring_power(errors)
    return Errors(
        n_pixels=int(found.size),
        largest=largest,
        rms=float(np.sqrt(np.mean(np.square(found)))),
        mean=float(found.mean()),
        edges=edges,
        counts=counts,
        frequency=frequency,
        power=power,
        image_power=ring_power(filled - filled.mean())[1],
    )


def ring_power(image: Floats) -> tuple[Floats, Floats]:
    """Average the power spectrum of an image [H, W] over rings; frequencies in cycles a pixel, up to a half.

    White noise of variance v has the power v at each frequency.
    """
    height, width = image.shape
    spectrum = np.square(np.abs(np.fft.rfft2(image))) / image.size
    v, u = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :]
    radius = np.hypot(v, u)
    n_rings = max(1, min(64, max(height, width) // 4))
    ring = np.minimum((radius * 2 * n_rings).astype(np.int64), n_rings)
    # All frequencies but u = 0 and u = 1/2 stand for two of the whole spectrum.
    weight = np.broadcast_to(np.where((u > 0) & (u < 0.5), 2.0, 1.0), spectrum.shape)
    total = np.bincount(ring.ravel(), (weight * spectrum).ravel(), n_rings + 1)[:n_rings]
    count = np.bincount(ring.ravel(), weight.ravel(), n_rings + 1)[:n_rings]
    there = count > 0
    return ((np.arange(n_rings) + 0.5) / (2 * n_rings))[there], total[there] / count[there]


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One line of a chart."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    colour: str


def chart(curves: Sequence[Curve], *, across: str, up: str, logarithmic: bool = False) -> str:
    """Draw curves as an SVG element; values that a logarithmic axis cannot show are left out."""
    points = [
        [(x, math.log10(y) if logarithmic else y) for x, y in zip(curve.x, curve.y, strict=True)
         if math.isfinite(y) and (y > 0 or not logarithmic)]
        for curve in curves
    ]  # fmt: skip
    every = [point for line in points for point in line]
    if not every:
        return '<p class="note">nothing to draw: all values are 0</p>'
    x0, x1 = _range([x for x, _ in every])
    y0, y1 = _range([y for _, y in every])
    if not logarithmic:
        # Room for the names of the curves.
        y0, y1 = min(y0, 0.0), y1 + 0.15 * (y1 - min(y0, 0.0))

    def place(x: float, y: float) -> str:
        across_px = _LEFT + (x - x0) / (x1 - x0) * (_WIDTH - _LEFT - _RIGHT)
        return f"{across_px:.1f},{_HEIGHT - _BOTTOM - (y - y0) / (y1 - y0) * (_HEIGHT - _TOP - _BOTTOM):.1f}"

    lines = "".join(
        f'<polyline fill="none" stroke="{curve.colour}" stroke-width="1.5" '
        f'points="{" ".join(place(*point) for point in line)}"/>'
        for curve, line in zip(curves, points, strict=True)
    )
    names = "".join(
        f'<text x="{_WIDTH - _RIGHT - 4}" y="{_TOP + 14 + 15 * number}" text-anchor="end" fill="{curve.colour}">'
        f"{text(curve.name)}</text>"
        for number, curve in enumerate(curves)
    )
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" role="img" font-family="system-ui,sans-serif" '
        f'font-size="12" aria-label="{text(f"{up} against {across}")}">'
        f'<rect x="{_LEFT}" y="{_TOP}" width="{_WIDTH - _LEFT - _RIGHT}" height="{_HEIGHT - _TOP - _BOTTOM}" '
        f'fill="none" stroke="#8c959f"/>{_labels(x0, x1, y0, y1, logarithmic)}{lines}{names}'
        f'<text x="{(_LEFT + _WIDTH) / 2}" y="{_HEIGHT - 6}" text-anchor="middle">{text(across)}</text>'
        f'<text transform="translate(12,{(_HEIGHT - _BOTTOM) / 2}) rotate(-90)" text-anchor="middle">{text(up)}</text>'
        "</svg>"
    )


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _labels(x0: float, x1: float, y0: float, y1: float, logarithmic: bool) -> str:
    """Label the ends and the middle of both axes."""
    bottom, parts = _HEIGHT - _BOTTOM, []
    for share, anchor in ((0.0, "start"), (0.5, "middle"), (1.0, "end")):
        x = _LEFT + share * (_WIDTH - _LEFT - _RIGHT)
        across = x0 + share * (x1 - x0)
        across = 0.0 if abs(across) < 1e-9 * (x1 - x0) else across
        parts.append(f'<text x="{x}" y="{bottom + 16}" text-anchor="{anchor}">{across:.3g}</text>')
        y = bottom - share * (bottom - _TOP) + (10 if share == 1.0 else 4 if share else 0)
        value = y0 + share * (y1 - y0)
        shown = f"{10**value:.2g}" if logarithmic else f"{value:.3g}"
        parts.append(f'<text x="{_LEFT - 5}" y="{y}" text-anchor="end">{shown}</text>')
    return "".join(parts)
