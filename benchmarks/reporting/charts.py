"""Charts as SVG for the page: drawn by hand, coloured by its style sheet, values as tooltips.

Text is large for the width of 420 units, so that it can be read where the chart is as narrow as a phone.
"""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 420, 315
LEFT, RIGHT, TOP, BOTTOM = 62, 410, 12, 262
N_COLOURS = 9
DASHES = ("", "7 3", "2 3", "9 3 2 3")
HALF_LETTER = 4.5  # px, half the width of a letter of a tick's text
#: Colours of a picture that stands alone, on white; the page takes those of its style sheet.
COLOURS = ("#0b57d0", "#d55e00", "#00805d", "#9c27b0", "#8a6d00", "#0083a8", "#c2185b", "#5d4037", "#607d8b")
LEGEND_WIDTH, LEGEND_LINE = 190, 21


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Points (x, y) under one name; ``errors`` are half lengths of bars in y; ``marks`` are names of the points."""

    name: str
    points: Sequence[tuple[float, float]]
    errors: Sequence[float] = ()
    marks: Sequence[str] = ()
    joined: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """What an axis shows; without ``ticks`` they are chosen by the values."""

    title: str
    logarithmic: bool = False
    ticks: Sequence[float] = ()
    texts: Sequence[str] = ()

    def place(self, values: Sequence[float], low: float, high: float) -> Callable[[float], float]:
        """Return the function from values to units of the picture; the axis spans all values and a little more."""
        given = [*values, *self.ticks]
        scaled = [math.log10(v) if self.logarithmic else v for v in given]
        first, last = min(scaled), max(scaled)
        margin = 0.04 * ((last - first) or 1.0)
        first, last = first - margin, last + margin
        return lambda v: low + (high - low) * (((math.log10(v) if self.logarithmic else v) - first) / (last - first))

    def marks(self, values: Sequence[float]) -> list[tuple[float, str]]:
        """Return the ticks with their texts."""
        if self.ticks:
            texts = self.texts or [f"{tick:g}" for tick in self.ticks]
            return list(zip(self.ticks, texts, strict=True))
        low, high = min(values), max(values)
        if self.logarithmic:
            decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
            found = [digit * 10.0**power for power in decades for digit in (1, 2, 5)]
            found = [tick for tick in found if low * 0.98 <= tick <= high * 1.02]
            if len(found) > 1:
                return [(tick, f"{tick:g}") for tick in found[:: 2 if len(found) > 7 else 1]]
        raw = (high - low or 1.0) / 5
        power = 10.0 ** math.floor(math.log10(raw))
        step_size = next(digit * power for digit in (1, 2, 5, 10) if digit * power >= raw)
        start = math.ceil(low / step_size)
        ticks = [n * step_size for n in range(start, math.floor(high / step_size) + 1)]
        return [(tick, f"{tick:g}") for tick in ticks]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """A chart before it is drawn: for the page by ``html``, as a file of its own by ``svg``."""

    title: str
    series: Sequence[Series]
    x: Axis
    y: Axis
    caption: str = ""

    def html(self) -> str:
        """Return the figure of the page; empty without points."""
        return chart(self.title, self.series, self.x, self.y, self.caption)

    def svg(self) -> str:
        """Return a picture that needs no style sheet, with its legend at the right; empty without points."""
        if not any(one.points for one in self.series):
            return ""
        legend = []
        for number, one in enumerate(self.series):
            place = f"translate({WIDTH + 8} {TOP + LEGEND_LINE * number})"
            text = f'<text x="34" y="10">{html.escape(one.name)}</text>'
            legend.append(f'<g transform="{place}">{_sample(one, number)}{text}</g>')
        width = WIDTH + LEGEND_WIDTH
        drawn = _body(self.series, self.x, self.y) + "".join(legend)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {HEIGHT}" width="{width}" height="{HEIGHT}" '
            f'role="img" aria-label="{html.escape(self.title)}">\n<style>{_colours()}</style>\n'
            f'<rect width="100%" height="100%" fill="#fff"/>{drawn}</svg>\n'
        )


def _colours() -> str:
    """Return the style sheet of a picture that stands alone."""
    rules = [
        "text{fill:#1b1f24;font:14px system-ui,sans-serif}", ".frame{fill:none;stroke:#d0d7de}",
        ".grid{stroke:#d0d7de;stroke-width:.6}", ".line{fill:none;stroke-width:2}", ".dot{stroke:#fff;stroke-width:.8}",
        *(f".c{n}.line{{stroke:{colour}}}.dot.c{n}{{fill:{colour}}}" for n, colour in enumerate(COLOURS)),
    ]  # fmt: skip
    return "".join(rules)


def chart(title: str, series: Sequence[Series], x: Axis, y: Axis, caption: str = "") -> str:
    """Return an HTML figure: the chart, a legend that wraps, a caption."""
    if not any(one.points for one in series):
        return ""
    legend = "".join(
        f'<li><svg viewBox="0 0 28 10" width="28" height="10" aria-hidden="true">'
        f"{_sample(one, number)}</svg>{html.escape(one.name)}</li>"
        for number, one in enumerate(series)
    )
    return (
        f'<figure><svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{html.escape(title)}">'
        f"{_body(series, x, y)}</svg><ul class='legend'>{legend}</ul>"
        f"<figcaption><strong>{html.escape(title)}.</strong> {html.escape(caption)}</figcaption></figure>"
    )


def _body(series: Sequence[Series], x: Axis, y: Axis) -> str:
    """Draw frame, grid, texts and lines."""
    xs = [point[0] for one in series for point in one.points]
    ys = [v for one in series for v in _heights(one)]
    at_x, at_y = x.place(xs, LEFT, RIGHT), y.place(ys, BOTTOM, TOP)
    parts = [_frame(x, y, xs, ys, at_x, at_y)]
    # The first is drawn last, over the others.
    for number in reversed(range(len(series))):
        parts.append(_drawn(series[number], number, at_x, at_y, x, y))
    return "".join(parts)


def _heights(one: Series) -> list[float]:
    bars = one.errors or [0.0] * len(one.points)
    return [v for (_, y), bar in zip(one.points, bars, strict=True) for v in (y - bar, y + bar)]


def _sample(one: Series, number: int) -> str:
    colour = f"c{number % N_COLOURS}"
    if one.joined:
        return f'<path class="line {colour}" d="M1 5H27"{_dash(number)}/>'
    return f'<circle class="dot {colour}" cx="14" cy="5" r="5"/>'


def _dash(number: int) -> str:
    dash = DASHES[(number // N_COLOURS + number) % len(DASHES)] if number else ""
    return f' stroke-dasharray="{dash}"' if dash else ""


def _frame(
    x: Axis, y: Axis, xs: Sequence[float], ys: Sequence[float],
    at_x: Callable[[float], float], at_y: Callable[[float], float],
) -> str:  # fmt: skip
    parts = [f'<rect class="frame" x="{LEFT}" y="{TOP}" width="{RIGHT - LEFT}" height="{BOTTOM - TOP}"/>']
    free = -math.inf  # from where a text does not run into the one before
    for tick, text in x.marks(xs):
        place, half = at_x(tick), HALF_LETTER * len(text)
        parts.append(f'<path class="grid" d="M{place:.1f} {TOP}V{BOTTOM}"/>')
        if place - half > free:
            parts.append(f'<text x="{place:.1f}" y="{BOTTOM + 19}" text-anchor="middle">{html.escape(text)}</text>')
            free = place + half + HALF_LETTER
    for tick, text in y.marks(ys):
        place = at_y(tick)
        parts.append(f'<path class="grid" d="M{LEFT} {place:.1f}H{RIGHT}"/>')
        parts.append(f'<text x="{LEFT - 5}" y="{place + 5:.1f}" text-anchor="end">{html.escape(text)}</text>')
    middle = (TOP + BOTTOM) / 2
    parts.append(f'<text x="{(LEFT + RIGHT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">{html.escape(x.title)}</text>')
    turned = f'text-anchor="middle" transform="rotate(-90 14 {middle})"'
    parts.append(f'<text x="14" y="{middle}" {turned}>{html.escape(y.title)}</text>')
    return "".join(parts)


def _drawn(
    one: Series, number: int, at_x: Callable[[float], float], at_y: Callable[[float], float], x: Axis, y: Axis
) -> str:
    colour, parts = f"c{number % N_COLOURS}", []
    places = [(at_x(px), at_y(py)) for px, py in one.points]
    if one.joined and len(places) > 1:
        path = "M" + "L".join(f"{px:.1f} {py:.1f}" for px, py in places)
        parts.append(f'<path class="line {colour}" d="{path}"{_dash(number)}/>')
    for bar, (px, _), (_, value) in zip(one.errors, places, one.points, strict=False):
        parts.append(f'<path class="line {colour}" d="M{px:.1f} {at_y(value - bar):.1f}V{at_y(value + bar):.1f}"/>')
    marks = one.marks or [""] * len(places)
    for (px, py), (vx, vy), mark in zip(places, one.points, marks, strict=True):
        tooltip = f"{one.name}{', ' + mark if mark else ''}: {x.title} {vx:.4g}, {y.title} {vy:.4g}"
        dot = f'<circle class="dot {colour}" cx="{px:.1f}" cy="{py:.1f}" r="{3.4 if one.joined else 5}">'
        parts.append(f"{dot}<title>{html.escape(tooltip)}</title></circle>")
    if places and not one.joined:
        px, py = places[0]
        right = px > (LEFT + RIGHT) / 2
        px, py = px + (5 if right else -5), py + (21 if py < (TOP + BOTTOM) / 2 else -10)
        anchor = "end" if right else "start"
        parts.append(f'<text x="{px:.1f}" y="{py:.1f}" text-anchor="{anchor}">{html.escape(one.name)}</text>')
    return "".join(parts)
