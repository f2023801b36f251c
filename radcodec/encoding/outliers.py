"""Single pixels that are far off all around them: hot pixels, cosmic rays, a lone -999.

One such pixel in the window of a linear predictor spoils the prediction of hundreds. Its neighbours tell it from a
compact source, as they know nothing of it. The fourth difference of a pixel (the second along x of the second along y)
is compared with those two pixels away. They are alike around a source of at least 1.4 pixels
at half maximum. Of a few outliers side by side each is also far from most of the 24 pixels around it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from radcodec.arrays import list_distinct, median
from radcodec.limits import MAX_CANDIDATES, MAX_PIECE_SAMPLES
from radcodec.pixels.pieces import copied
from radcodec.runtime.scratch import Scratch

Pixels = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[Any]
Places = npt.NDArray[np.int64]
Offsets = list[tuple[int, int]]

SLAB_SAMPLES = 1 << 15  # that are looked at in one go, so that they stay in the cache
LOOKED = 1 << 14  # pixels of a plane, from whose differences the usual one is taken
PROMINENT = 40.0  # differences, in the usual one, that are looked at closer
LONE = 40.0  # differences, in those two pixels away
RANK, MIDDLE = 0.65, 0.5  # of those: what a few others of the kind among them do not change
FEWEST = 4  # known pixels around: in a corner there are five
DISTANT = 20.0  # from the median around, in that of four fifths of the pixels around
MOST_SHARE = 1 / 64  # of a plane: more are no exceptions
MOST_KEPT = 1 << 21  # candidates of a plane that are kept; of more, they are looked for again
LEAST_SIDE = 5

_SQUARE = [(dy, dx) for dy in range(-2, 3) for dx in range(-2, 3)]
_RING = [place for place in _SQUARE if max(map(abs, place)) == 2]
_BESIDE = [place for place in _SQUARE if max(map(abs, place)) == 1]
_ROW_RING = [(0, dx) for dx in (-5, -4, -3, -2, 2, 3, 4, 5)]
_ROW_BESIDE = [(0, -1), (0, 1)]


def find_outliers(image: Pixels, special: Mask | None, scratch: Scratch | None = None) -> Mask | None:
    """Find the lone outliers of an image [P, H, W]; None where there are none.

    Beside special pixels, what lies opposite stands for these. Planes with so many outliers that they are no exceptions
    are left alone. ``scratch`` holds the marks.
    """
    _, height, width = image.shape
    if width < LEAST_SIDE or 1 < height < LEAST_SIDE:
        return None
    scratch = scratch or Scratch()
    found: Mask | None = None
    for number, plane in enumerate(image):
        with np.errstate(all="ignore"):  # values near the ends of the range, signalling NaN among the special ones
            marks = None if special is None else special[number]
            lone = _plane_outliers(plane, marks)
            if lone is None:
                continue
            if found is None:
                found = scratch.zeros(image.shape, np.bool_)
            found[number].reshape(-1)[lone] = True
            if height > 1:
                for y, x in _neighbours(plane, marks, lone, scratch):
                    found[number][y, x] = True
    return found


def _plane_outliers(plane: Pixels, special: Mask | None) -> Places | None:
    """Find the places [n] of the outliers of a plane [H, W], counted row by row; None where there are none."""
    height, width = plane.shape
    looked = list_distinct(np.linspace(0, plane.size - 1, min(plane.size, LOOKED)).astype(np.int64))
    usual = _differences(plane, special, looked // width, looked % width)
    usual = usual[usual > 0]  # not a number beside special ones
    if not usual.size:
        return None
    least = PROMINENT * median(usual)
    found: list[Places] = []
    count = 0
    for places in _candidates(plane, special, least / (4.0 if height > 1 else 2.0)):
        y, x = places // width, places % width
        large = _differences(plane, special, y, x) > least
        y, x = y[large], x[large]
        lone = _are_lone(plane, special, y, x) if y.size else large[:0]
        found.append(y[lone] * width + x[lone])
        count += found[-1].size
        if count > MOST_SHARE * plane.size + 1:
            return None
    return np.concatenate(found) if count else None


def _candidates(plane: Pixels, special: Mask | None, least: float) -> Iterator[Places]:
    """Give the places of `_prominent`, so many at a time; none where these are too many for exceptions."""
    total = 0
    kept: list[Places] | None = []
    for places in _prominent(plane, special, least):
        total += places.size
        if total > 9 * MOST_SHARE * plane.size + 9:
            return
        if kept is not None:
            kept.append(places)
        if total > MOST_KEPT:
            kept = None
    waiting: list[Places] = []
    for places in _prominent(plane, special, least) if kept is None else kept:
        waiting.append(places)
        if sum(some.size for some in waiting) >= MAX_CANDIDATES:
            joined = np.concatenate(waiting)
            yield from (joined[start : start + MAX_CANDIDATES] for start in range(0, joined.size, MAX_CANDIDATES))
            waiting = []
    if any(some.size for some in waiting):
        yield np.concatenate(waiting)


def _neighbours(plane: Pixels, special: Mask | None, lone: Places, scratch: Scratch) -> Iterator[tuple[Places, Places]]:
    """Find rows and columns of the places beside these [n] that are far from what is around as well."""
    height, width = plane.shape
    marks = scratch.zeros(plane.shape, np.bool_) if special is None else copied(special, scratch)
    marks.reshape(-1)[lone] = True
    for start in range(0, lone.size, MAX_CANDIDATES):
        y, x = lone[start : start + MAX_CANDIDATES] // width, lone[start : start + MAX_CANDIDATES] % width
        near = np.unique(np.concatenate([np.stack([y + dy, x + dx]) for dy, dx in _BESIDE], axis=1), axis=1)
        near = near[:, (near >= 0).all(axis=0) & (near[0] < height) & (near[1] < width)]
        near = near[:, ~marks[near[0], near[1]]]
        middle, spread = _surroundings(plane, marks, near[0], near[1])
        far = np.abs(_values(plane, None, near[0], near[1]) - middle) > DISTANT * spread
        yield near[0, far], near[1, far]


def _surroundings(plane: Pixels, special: Mask | None, y: Places, x: Places) -> tuple[Floats, Floats]:
    """Compute the median of the pixels around places [n], and the distance from it that four fifths of them keep."""
    values = np.stack([_values(plane, special, y + dy, x + dx) for dy, dx in (*_RING, *_BESIDE)])
    middle = _quantile(values, MIDDLE)
    return middle, _quantile(np.abs(values - middle), 0.8)


def _prominent(plane: Pixels, special: Mask | None, least: float) -> Iterator[Places]:
    """Find the pixels that differ from the mean of those to their left and right by more than least: places, in parts.

    Where one of these is special the other stands for both; pixels between two special ones are all taken.
    """
    height, width = plane.shape
    dtype = np.float32 if plane.dtype.itemsize <= 2 or plane.dtype == np.float32 else np.float64
    step = max(1, SLAB_SAMPLES // width)
    part, difference = np.empty((step, width + 2), dtype), np.empty((step, width), dtype)
    for start in range(0, height, step):
        stop = min(start + step, height)
        values, size = part[: stop - start], difference[: stop - start]
        values[:, 1:-1] = plane[start:stop]
        if special is not None:
            values[:, 1:-1][special[start:stop]] = np.nan
        values[:, 0], values[:, -1] = values[:, 2], values[:, -3]
        np.add(values[:, :-2], values[:, 2:], out=size)
        size *= 0.5
        size -= values[:, 1:-1]
        np.abs(size, out=size)
        if np.fmax.reduce(size, axis=None) > least:
            yield np.flatnonzero(size > least) + start * width
    if special is not None:
        yield _beside_special(plane, special, least)


def _beside_special(plane: Pixels, special: Mask, least: float) -> Places:
    """Find those of `_prominent` that have a special pixel to their left or right; none where these are very many."""
    height, width = plane.shape
    found: list[Places] = [np.empty(0, np.int64)]
    count = 0
    step = max(1, MAX_PIECE_SAMPLES // width)
    for start in range(0, height, step):
        marks = special[start : start + step]
        beside = np.zeros(marks.shape, np.bool_)
        beside[:, 1:] |= marks[:, :-1]
        beside[:, :-1] |= marks[:, 1:]
        beside &= ~marks
        y, x = np.nonzero(beside)
        y += start
        left, right = (_mirrored_values(plane, special, y, x + dx) for dx in (-1, 1))
        other = np.where(np.isnan(left), right, left)
        far = ~(np.abs(plane[y, x].astype(np.float64) - other) <= least)
        found.append(y[far] * width + x[far])
        count += found[-1].size
        if count > MOST_SHARE / 4 * plane.size + 9:
            return found[0]
    return np.concatenate(found)


def _are_lone(plane: Pixels, special: Mask | None, y: Places, x: Places) -> Mask:
    """Tell for candidates [n] whether nothing around them is like them."""
    own = _differences(plane, special, y, x)
    one_row = plane.shape[0] == 1
    ring = _around(plane, special, y, x, _ROW_RING if one_row else _RING)
    beside = _around(plane, special, y, x, _ROW_BESIDE if one_row else _BESIDE)
    peaks = (own > LONE * _quantile(ring, RANK)) & ~(beside > own).any(axis=0)
    if one_row:
        return np.asarray(peaks)
    middle, spread = _surroundings(plane, special, y, x)
    distant = np.abs(_values(plane, special, y, x) - middle) > DISTANT * spread
    if special is not None:
        # What stands for special pixels is a guess, so that differences alone do not tell.
        near = np.stack([_mirrored_values(plane, special, y + dy, x + dx) for dy, dx in _BESIDE])
        peaks &= distant | ~np.isnan(near).any(axis=0)
    return np.asarray(peaks | (distant & (own > LONE * _quantile(ring, MIDDLE))))


def _quantile(values: Floats, share: float) -> Floats:
    """Compute a quantile along the first axis of what is a number; not a number where fewer than FEWEST are."""
    ordered = np.sort(values, axis=0)  # not a number comes last
    known = np.count_nonzero(~np.isnan(ordered), axis=0)
    place = np.clip((share * known).astype(np.int64), 0, np.maximum(known - 1, 0))
    taken = np.take_along_axis(ordered, place[None], axis=0)[0]
    return np.where(known >= FEWEST, taken, np.nan)


def _around(plane: Pixels, special: Mask | None, y: Places, x: Places, offsets: Offsets) -> Floats:
    """Compute the differences at offsets from places [n], one row each; not a number outside the plane."""
    height, width = plane.shape
    rows = []
    for dy, dx in offsets:
        inside = (y + dy >= 0) & (y + dy < height) & (x + dx >= 0) & (x + dx < width)
        rows.append(np.where(inside, _differences(plane, special, y + dy, x + dx), np.nan))
    return np.stack(rows)


def _differences(plane: Pixels, special: Mask | None, y: Places, x: Places) -> Floats:
    """Compute the sizes of the fourth differences at places [n], of one row the second ones; mirrored at the edges.

    Special pixels around a place have the value of the one opposite, or else of the place, but in a plane of one row.
    Special ones give what is not a number.
    """
    downs = ((-1, 1.0), (0, -2.0), (1, 1.0)) if plane.shape[0] > 1 else ((0, 1.0),)
    offsets = [(dy, dx, down * across) for dy, down in downs for dx, across in ((-1, 1.0), (0, -2.0), (1, 1.0))]
    around = np.stack([_mirrored_values(plane, special, y + dy, x + dx) for dy, dx, _ in offsets])
    if special is not None and plane.shape[0] > 1:
        opposite = np.where(np.isnan(around), around[::-1], around)
        around = np.where(np.isnan(opposite), around[len(offsets) // 2], opposite)
    weights = np.array([weight for _, _, weight in offsets])
    return np.abs(np.tensordot(weights, around, axes=1))


def _mirrored_values(plane: Pixels, special: Mask | None, y: Places, x: Places) -> Floats:
    """Read the values at places [n], those outside the plane mirrored at its edges; not a number where special."""
    rows, columns = _mirrored(y, plane.shape[0]), _mirrored(x, plane.shape[1])
    values = plane[rows, columns].astype(np.float64)
    if special is not None:
        values[special[rows, columns]] = np.nan
    return np.asarray(values)


def _values(plane: Pixels, special: Mask | None, y: Places, x: Places) -> Floats:
    """Read the values at places [n], not a number outside the plane and where special."""
    height, width = plane.shape
    inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
    rows, columns = np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)
    if special is not None:
        inside &= ~special[rows, columns]
    return np.where(inside, plane[rows, columns].astype(np.float64), np.nan)


def _mirrored(places: Places, length: int) -> Places:
    places = np.abs(places)
    return np.asarray(np.where(places >= length, 2 * length - 2 - places, places))
