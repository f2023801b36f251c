"""Where the tiles of a plane are put together for a look at it: all of its pixels, or their averages."""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
import numpy.typing as npt

from radcodec.arrays import F64, median
from radcodec.limits import MAX_WHOLE_LOOK
from radcodec.pixels.noise import MAD_TO_SIGMA

_SPREAD_PIXELS = 1 << 20  # of a large plane, from which its spread is taken


class Canvas(Protocol):
    """A plane that is put together tile by tile."""

    def add(self, values: F64, y0: int, x0: int) -> None:
        """Add the pixels [h, w] from row ``y0`` and column ``x0`` on; NaN where undefined."""

    def picture(self) -> F64:
        """Give what was put together; NaN where undefined."""

    def spread(self) -> float:
        """Give 1.4826 times the median absolute deviation of the finite pixels; 0 without any."""


def make_canvas(height: int, width: int, side: int | None) -> Canvas:
    """Make the canvas for a plane: of averages where it is large, and a picture of at most ``side`` pixels will do."""
    if side is None or height * width <= MAX_WHOLE_LOOK or max(height, width) <= side:
        return _Pixels(height, width)
    return _Averages(height, width, side)


class _Pixels:
    """All pixels of a plane, float64 [H, W]."""

    def __init__(self, height: int, width: int) -> None:
        self._values = np.full((height, width), np.nan)

    def add(self, values: F64, y0: int, x0: int) -> None:
        """Put in pixels."""
        self._values[y0 : y0 + values.shape[0], x0 : x0 + values.shape[1]] = values

    def picture(self) -> F64:
        """Give all pixels."""
        return self._values

    def spread(self) -> float:
        """Take the spread of all pixels."""
        return _spread(self._values)


class _Averages:
    """Averages of the finite pixels in squares, so that no side of the picture exceeds ``side``."""

    def __init__(self, height: int, width: int, side: int) -> None:
        self._factor = -(-max(height, width) // side)
        shape = (-(-height // self._factor), -(-width // self._factor))
        self._totals, self._counts = np.zeros(shape), np.zeros(shape, np.int64)
        self._stride = max(1, math.isqrt(height * width // _SPREAD_PIXELS))
        self._some: list[npt.NDArray[np.float64]] = []

    @np.errstate(over="ignore", invalid="ignore")  # of values near the end of their range nothing finite may come out
    def add(self, values: F64, y0: int, x0: int) -> None:
        """Add pixels to the squares that they lie in."""
        known = np.isfinite(values)
        rows, ys = self._squares(y0, values.shape[0])
        columns, xs = self._squares(x0, values.shape[1])
        for target, part in ((self._totals, np.where(known, values, 0.0)), (self._counts, known.astype(np.int64))):
            target[rows, columns] += np.add.reduceat(np.add.reduceat(part, ys, axis=0), xs, axis=1)
        self._some.append(values[:: self._stride, :: self._stride].ravel())

    def _squares(self, start: int, length: int) -> tuple[slice, npt.NDArray[np.int64]]:
        """Give the squares along an axis that pixels reach, and where among the pixels each starts."""
        first, last = start // self._factor, (start + length - 1) // self._factor
        starts = np.arange(first, last + 1, dtype=np.int64) * self._factor - start
        return slice(first, last + 1), np.maximum(starts, 0)

    def picture(self) -> F64:
        """Give the averages."""
        return np.where(self._counts > 0, self._totals / np.maximum(self._counts, 1), np.nan)

    def spread(self) -> float:
        """Take the spread of some pixels."""
        return _spread(np.concatenate([np.empty(0), *self._some]))


def _spread(picture: F64) -> float:
    finite = picture[np.isfinite(picture)]
    return MAD_TO_SIGMA * median(np.abs(finite - median(finite))) if finite.size else 0.0
