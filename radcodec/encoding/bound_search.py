"""The search for the smallest bound whose file keeps to a bit-rate: which bound to try next, by the sizes so far.

A search holds bounds as multiples of the noise, which is one number for images of any kind. Were errors and noise white
and Gaussian, ``2**rate - 1`` would be a power of the bound, for fine bounds and coarse ones. For images it is so over a
few octaves, and the next bound is looked for along a line in the logarithms. Nothing here codes an image.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

STARTS = ((0.8, 0.125), (0.3, 0.5), (0.0, 1.0))  # bits a pixel from which a bound in sigma is tried first
TOLERANCE = 1.02  # of a bound that is found, over the smallest one that fits
AIM = 1.008  # of a bound that is tried, over the one that is expected to fill the room
LEAST = 2.0**-40  # bound in sigma, under which none is tried
TURNS, MOST_TURNS = 5, 9  # tries at most where a bound is found that is nearly the smallest one, and elsewhere
NEARLY = 1.1  # of a bound that fits, over one that does not
HALVING = 4  # tries from which the interval is halved after one that was far off
FAR = 0.35  # distance from the room, in `BoundSearch.height`, that is far off
SLOPES = (0.1, 8.0)  # least and greatest power that goes with the bound
FIRST_SLOPE = 0.65  # of bounds of a thousandth to a quarter of the noise
FINEST_RATE, COARSEST_RATE = 500.0, 1e-6  # bits a pixel
FARTHEST = 40.0  # logarithm of the factor to the next bound
NEAR = 0.4  # logarithm of the ratio of two bounds that are near each other
EXACT_FACTOR = 8.0  # to the next bound after one that left the images exact
EDGE = 0.02  # share of an interval that a try keeps from its ends
CLOSE_VALUES = 1e-9  # relative distance of equal bounds


@dataclass(frozen=True, slots=True)
class Point:
    """What a bound takes: its value in sigma, bytes of the images, and whether these are all exact."""

    value: float
    size: int
    is_exact: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundSearch:
    """Where a search stands.

    ``room`` is how many bytes the images may take, and ``n_pixels`` how many pixels these have. No bound over ``most``
    is tried. Bounds are multiples of ``unit`` where that is not 0. A search starts with the bound ``first``
    and the power ``slope``.
    """

    room: int
    n_pixels: int
    most: float
    first: float | None = None
    slope: float = FIRST_SLOPE
    unit: float = 0.0
    points: tuple[Point, ...] = ()

    @property
    def best(self) -> Point | None:
        """The smallest bound so far that fits; exact images count as none at all."""
        fits = [point for point in self.points if point.size <= self.room]
        return min(fits, key=lambda point: (not point.is_exact, point.value), default=None)

    @property
    def smallest(self) -> Point:
        """The point of fewest bytes so far."""
        return min(self.points, key=lambda point: point.size)

    def height(self, size: int) -> float:
        """Compute the logarithm of ``2**rate - 1`` for a number of bytes."""
        rate = min(max(8.0 * size / max(self.n_pixels, 1), COARSEST_RATE), FINEST_RATE)
        return math.log(2.0**rate - 1.0)

    def slope_between(self, one: Point, other: Point) -> float:
        """Compute the power that goes with the bound, from two points of different bounds."""
        rise = self.height(one.size) - self.height(other.size)
        return min(max(rise / math.log(other.value / one.value), SLOPES[0]), SLOPES[1])

    @property
    def pair(self) -> list[Point]:
        """Up to two points to look along: those nearest to the room, or the nearest one on each side of it."""
        near = sorted(
            (point for point in self.points if not point.is_exact),
            key=lambda point: abs(self.height(point.size) - self.height(self.room)),
        )
        sides = [point for point in near[1:] if (point.size <= self.room) != (near[0].size <= self.room)]
        if not sides or (near[0].value != near[1].value and abs(math.log(near[0].value / near[1].value)) < NEAR):
            return near[:2]
        return [near[0], sides[0]]

    @property
    def expected(self) -> float:
        """The bound that is expected to take all of the room, from the points nearest to it."""
        pair = self.pair
        if not pair:
            return LEAST
        height = self.height(pair[0].size) - self.height(self.room)
        factor = height / self.slope_here
        return max(pair[0].value * math.exp(min(max(factor, -FARTHEST), FARTHEST)), LEAST)

    @property
    def slope_here(self) -> float:
        """The power near the room; that to start with where there is one point."""
        pair = self.pair
        return self.slope_between(*pair) if len(pair) == 2 and pair[0].value != pair[1].value else self.slope

    @property
    def is_lost(self) -> bool:
        """Whether the last of several tries was far from what was expected of it."""
        miss = abs(self.height(self.points[-1].size) - self.height(self.room))
        return len(self.points) >= HALVING and miss > FAR

    def with_point(self, point: Point) -> BoundSearch:
        """Add what a try gave."""
        return replace(self, points=(*self.points, point))


def next_value(search: BoundSearch) -> float | None:
    """Choose the bound in sigma to try next; None where the best one stands, or where none fits."""
    if not search.points:
        rate = 8.0 * max(search.room, 0) / max(search.n_pixels, 1)
        first = search.first or next(value for least, value in STARTS if rate >= least)
        return min(first, search.most)
    best, n_points = search.best, len(search.points)
    if n_points >= MOST_TURNS or (best is not None and best.is_exact):
        return None
    low = max((point.value for point in search.points if point.size > search.room), default=0.0)
    if best is None:
        return _coarser(search, low)
    if n_points >= TURNS and best.value <= NEARLY * low:
        return None
    value = _finer(search, best, low if low < best.value else 0.0)
    # What is between two multiples of the unit takes as much as the lower one.
    last = math.floor(best.value / search.unit + CLOSE_VALUES) * search.unit if search.unit else best.value
    return last if value is None and 0.0 < last < best.value * (1.0 - CLOSE_VALUES) else value


def _coarser(search: BoundSearch, low: float) -> float | None:
    """Choose a bound over ``low``, the largest one so far, which takes too much; None where that is the largest."""
    if low >= search.most:
        return None
    if len(search.points) + 1 >= MOST_TURNS or search.room <= 0:
        return search.most
    last = max(search.points, key=lambda point: point.value)
    value = EXACT_FACTOR * low if last.is_exact else search.expected * AIM
    return min(_on_unit(search, max(value, TOLERANCE * low)), search.most)


def _finer(search: BoundSearch, best: Point, low: float) -> float | None:
    """Choose a bound between one that takes too much, 0 for none, and the best one; None where that is close."""
    expected = search.expected
    if best.value <= TOLERANCE * max(low, LEAST) or best.value / TOLERANCE <= expected <= best.value:
        return None
    value = max(expected * AIM, LEAST)
    if low:
        width = math.log(best.value / low)
        share = 0.5 if search.is_lost else math.log(value / low) / width
        value = low * math.exp(width * min(max(share, EDGE), 1.0 - EDGE))
    value = _on_unit(search, value)
    if value >= best.value * (1.0 - CLOSE_VALUES):
        value = best.value - search.unit
    return value if value > low * (1.0 + CLOSE_VALUES) and value < best.value else None


def _on_unit(search: BoundSearch, value: float) -> float:
    """Round a bound up to a multiple of the unit, where there is one."""
    return value if not search.unit else max(1.0, math.ceil(value / search.unit - CLOSE_VALUES)) * search.unit
