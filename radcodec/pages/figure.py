"""Labelled pictures: panels side by side, each with a title, and a colour scale below."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from radcodec.decoding.picture import png_bytes
from radcodec.pages.lettering import HEIGHT, letters

Colours = npt.NDArray[np.uint8]
Levels = npt.NDArray[np.float64]

_MARGIN, _LINE, _BAR = 10, 22, 12
_PAPER, _INK = 255, 30
# Samples of the map inferno of Matplotlib (CC0): from black over red to yellow, in even steps of lightness.
FIRE = ((0, 0, 4), (40, 11, 84), (101, 21, 110), (159, 42, 99), (212, 72, 66), (245, 125, 21), (250, 193, 39),
        (252, 255, 164))  # fmt: skip
# From blue over white to red, for what is negative and positive.
SIGNED = ((33, 102, 172), (146, 197, 222), (247, 247, 247), (244, 165, 130), (178, 24, 43))


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How values become colours.

    ``soft`` is the value about which an asinh stretch turns from linear to logarithmic; None is a linear scale.
    """

    low: float
    high: float
    soft: float | None
    ticks: tuple[float, ...]
    colours: tuple[tuple[int, int, int], ...]
    name: str

    def place(self, values: npt.NDArray[np.float64]) -> Levels:
        """Map values to the scale, 0 to 1; NaN is at 0."""
        ends = np.array([self.low, self.high], np.float64)
        if self.soft is not None:
            values, ends = np.arcsinh(values / self.soft), np.arcsinh(ends / self.soft)
        levels = np.nan_to_num((values - ends[0]) / (ends[1] - ends[0]), nan=0.0)
        return np.asarray(np.clip(levels, 0.0, 1.0), np.float64)

    def paint(self, levels: Levels) -> Colours:
        """Return the colours [..., 3] of places on the scale."""
        anchors = np.array(self.colours, np.float64)
        steps = np.linspace(0.0, 1.0, len(anchors))
        return np.stack([np.interp(levels, steps, anchors[:, part]) + 0.5 for part in range(3)], -1).astype(np.uint8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """An image [H, W] in the unit of its scale, and the lines over it."""

    image: npt.NDArray[np.float64] = field(repr=False)
    title: Sequence[str]
    scale: Scale


def draw(panels: Sequence[Panel]) -> bytes:
    """Draw panels of one size from left to right as a PNG file, first row of each image at the bottom."""
    columns = [_column(panel) for panel in panels]
    gap = np.full((columns[0].shape[0], _MARGIN, 3), _PAPER, np.uint8)
    return png_bytes(np.hstack([gap, *(part for column in columns for part in (column, gap))]))


def _column(panel: Panel) -> Colours:
    """Draw one panel with its title above and its scale below."""
    height, width = panel.image.shape
    n_lines = len(panel.title)
    top = _MARGIN + n_lines * _LINE
    sheet = np.full((top + height + 2 * _MARGIN + _BAR + 2 * HEIGHT + 12, width, 3), _PAPER, np.uint8)
    for number, line in enumerate(panel.title):
        _write(sheet, line, x=0, y=_MARGIN + number * _LINE, centre=False, scale=2)
    sheet[top : top + height] = panel.scale.paint(panel.scale.place(panel.image.astype(np.float64)))[::-1]
    bar = top + height + _MARGIN
    sheet[bar : bar + _BAR] = panel.scale.paint(np.linspace(0.0, 1.0, width))[None, :]
    for tick in panel.scale.ticks:
        x = round(float(panel.scale.place(np.array(tick, np.float64))) * (width - 1))
        sheet[bar + _BAR : bar + _BAR + 4, x] = _INK
        _write(sheet, f"{tick:g}", x=x, y=bar + _BAR + 7, centre=True, scale=1)
    _write(sheet, panel.scale.name, x=width // 2, y=bar + _BAR + 7 + HEIGHT + 5, centre=True, scale=1)
    return sheet


def _write(sheet: Colours, words: str, *, x: int, y: int, centre: bool, scale: int) -> None:
    """Write a line into a sheet, moved so that it is inside; what is still too long is cut off."""
    ink = letters(words, scale=scale)[:, : sheet.shape[1]]
    start = x - ink.shape[1] // 2 if centre else x
    start = max(0, min(start, sheet.shape[1] - ink.shape[1]))
    sheet[y : y + ink.shape[0], start : start + ink.shape[1]][ink] = _INK
