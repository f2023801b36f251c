"""Cells of an image: areas whose weighted normal equations are summed cell by cell (docs/design/0017-effort.md)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from radcodec.arrays import F64
from radcodec.detail.borders import tap_offsets
from radcodec.runtime.native import check, core, pointer
from radcodec.runtime.parallel import ordered_map

Image = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]

CELL = 8  # side in pixels, that of the native sums
REACH = 4  # of a local error, to each side
EDGES = 8  # radii that a plane must span for targets at its edges to be left out
AREA = 96  # side of an area of a large image
WHOLE = 1 << 18  # samples of an image that is looked at whole
BAND = 20  # rows of cells of an area at most, so that two threads can share a plane
KNOWN = 0.5  # share of a cell's pixels that must be known for it to count


@dataclass(slots=True, kw_only=True)
class Area:
    """A part of a plane with whole cells.

    values : float64 [8 rows + radius, 8 columns + 2 radius], window values, special ones filled in
    radius : that the values are padded for
    known : bool [8 rows, 8 columns], targets that are not special; None if all are
    share : float64 [rows, columns], share of a cell's targets that are known, 0 where it does not count
    weight : float64 [rows, columns], of the squared errors in a cell
    """

    values: F64
    radius: int
    known: Mask | None
    share: F64
    weight: F64

    def within(self, radius: int) -> F64:
        """Return the values that a smaller radius needs."""
        spare = self.radius - radius
        width = self.values.shape[1]
        return np.ascontiguousarray(self.values[spare:, spare : width - spare])


def cut_areas(
    image: Image, special: Mask | None, to_window: Callable[[Image], F64], radius: int, pixels: int
) -> list[Area]:
    """Return areas of an image [P, H, W]: all of a small one, else about so many pixels in squares spread evenly."""
    n_planes, height, width = image.shape
    inner = min(height, width) >= EDGES * radius
    top, left, right = (radius, radius, width - radius) if inner else (0, 0, width)
    boxes: list[tuple[int, int, int, int, int]] = []
    if image.size <= min(WHOLE, 2 * pixels):
        bands = max(1, -(-(height - top) // (BAND * CELL)))
        rows = max(1, (height - top) // CELL)
        edges = [top + CELL * (rows * i // bands) for i in range(bands + 1)]
        boxes += [(p, y0, y1, left, right) for p in range(n_planes) for y0, y1 in pairwise(edges)]
    else:
        down, across = (max(1, n // AREA) for n in (height - top, right - left))
        total = n_planes * down * across
        wanted = max(1, min(total, pixels // (AREA * AREA)))
        for i in np.linspace(0, total - 1, wanted).round().astype(np.int64).tolist():
            p, rest = divmod(i, down * across)
            y, x = (top + rest // across * (height - top) // down, left + rest % across * (right - left) // across)
            boxes.append((p, y, min(y + AREA, height), x, min(x + AREA, right)))
    return [area for box in boxes if (area := _cut(image, special, to_window, radius, box)) is not None]


def _cut(
    image: Image,
    special: Mask | None,
    to_window: Callable[[Image], F64],
    radius: int,
    box: tuple[int, int, int, int, int],
) -> Area | None:
    """Return the area of plane, y0, y1, x0, x1 with whole cells; None where all of it is special."""
    p, y0, y1, x0, x1 = box
    rows, columns = max(1, (y1 - y0) // CELL), max(1, (x1 - x0) // CELL)
    height, width = rows * CELL, columns * CELL
    high, wide = image.shape[1:]
    top, left, bottom, right = (
        max(0, y0 - radius),
        max(0, x0 - radius),
        min(high, y0 + height),
        min(wide, x0 + width + radius),
    )
    part = to_window(image[p, top:bottom, left:right])
    marks = None if special is None else special[p, top:bottom, left:right]
    marks = marks if marks is not None and marks.any() else None
    values = np.zeros((height + radius, width + 2 * radius))
    at = (slice(top - y0 + radius, bottom - y0 + radius), slice(left - x0 + radius, right - x0 + radius))
    values[at] = part if marks is None else _filled(part, marks)
    known = None
    if marks is not None or bottom - y0 < height or min(right, wide) - x0 < width:
        whole = np.zeros(values.shape, np.bool_)
        whole[at] = True if marks is None else ~marks
        known = np.ascontiguousarray(whole[radius:, radius : radius + width])
        if not known.any():
            return None
    share = np.ones((rows, columns)) if known is None else _cell_means(known.astype(np.float64))
    share = np.where(share >= min(KNOWN, float(share.max())), share, 0.0)
    return Area(values=values, radius=radius, known=known, share=share, weight=share.copy())


def _filled(values: F64, marks: Mask) -> F64:
    """Replace special values of [h, w] by the mean of known ones near them, as the coder predicts them."""
    known = (~marks).astype(np.float64)
    values = np.where(marks, 0.0, values)
    count = box_sums(known)
    return np.where(marks, box_sums(values) / np.maximum(count, 1.0), values)


def box_sums(values: F64) -> F64:
    """Return sums over 9 x 9 pixels around each."""
    for axis in (0, 1):
        n = values.shape[axis]
        sums = np.cumsum(np.insert(values, 0, 0.0, axis), axis)
        place = np.arange(n)
        values = sums.take(np.minimum(place + REACH + 1, n), axis) - sums.take(np.maximum(place - REACH, 0), axis)
    return values


def _cell_means(values: F64) -> F64:
    """Return means [h / 8, w / 8] over cells."""
    height, width = values.shape
    means: F64 = values.reshape(height // CELL, CELL, width // CELL, CELL).mean((1, 3))
    return means


@lru_cache(maxsize=32)
def ring_order(radius: int) -> tuple[int, ...]:
    """Return place of each tap, in tap order, if taps of smaller radii come first."""
    rings = [max(dy, abs(dx)) for dy, dx in tap_offsets(radius)]
    order = sorted(range(len(rings)), key=lambda i: (rings[i], i))
    place = [0] * len(order)
    for at, tap in enumerate(order):
        place[tap] = at
    return tuple(place)


def sum_products(areas: list[Area], radius: int, rough: bool, threads: int) -> F64:
    """Weighted normal equations [n + 1, n + 1] of all areas, taps in ring order, the target last.

    The lower triangle alone is filled.
    """
    groups = [group for group in (areas[::2], areas[1::2]) if group]
    parts = list(ordered_map(partial(_sum_group, radius=radius, rough=rough), groups, min(threads, 2)))
    for part in parts[1:]:
        parts[0] += part
    return parts[0]


def _sum_group(areas: list[Area], *, radius: int, rough: bool) -> F64:
    """Return the normal equations of some areas."""
    place = np.array([*ring_order(radius), 2 * radius * (radius + 1)], np.int64)
    out = np.zeros((place.size, place.size))
    for area in areas:
        _add_products(out, area, radius, place, rough)
    return out


def _add_products(out: F64, area: Area, radius: int, place: npt.NDArray[np.int64], rough: bool) -> None:
    """Add the normal equations of one area to those of others."""
    rows, columns = area.weight.shape
    n = place.size
    size = core().products_bytes(radius, rows, columns)
    scratch = np.empty(max(size, 0), np.uint8)
    values = area.within(radius)
    status = core().products(
        pointer(values, np.float64, (rows * CELL + radius) * (columns * CELL + 2 * radius)),
        radius,
        rows,
        columns,
        pointer(np.ascontiguousarray(area.weight), np.float64, rows * columns),
        pointer(place, np.int64, n),
        int(rough),
        pointer(out, np.float64),
        pointer(scratch, np.uint8),
        scratch.size,
    )
    check(status, f"radius {radius} or an area of {rows} x {columns} cells")


def squared_errors(area: Area, radius: int, coefs: F64) -> F64:
    """Expected squared error [rows, columns] of each cell's pixels with coefficients in tap order."""
    rows, columns = area.weight.shape
    height, width = rows * CELL, columns * CELL
    padded, out = area.within(radius), np.empty((height, width))
    status = core().error_sums(
        pointer(padded, np.float64, (height + radius) * (width + 2 * radius)),
        radius,
        pointer(coefs, np.float64, 2 * radius * (radius + 1)),
        pointer(area.known, np.bool_, height * width),
        height,
        width,
        pointer(np.empty(width + 2 * REACH), np.float64),
        pointer(np.empty((height, width)), np.float64),
        pointer(out, np.float64),
    )
    check(status, f"radius {radius}")
    known = area.known
    out /= _counts(height, width) if known is None else np.maximum(box_sums(known.astype(np.float64)), 1.0)
    out *= out
    if known is None:
        return _cell_means(out)
    out[~known] = 0.0
    return np.asarray(_cell_means(out) / np.maximum(area.share, 1.0 / CELL**2))


def largest_values(area: Area) -> F64:
    """Largest absolute target [rows, columns] of each cell."""
    rows, columns = area.weight.shape
    target = area.values[area.radius :, area.radius : area.radius + columns * CELL]
    sizes: F64 = np.abs(target).reshape(rows, CELL, columns, CELL).max((1, 3))
    return sizes


@lru_cache(maxsize=8)
def _counts(height: int, width: int) -> F64:
    """Return pixels in the 9 x 9 around each."""
    return box_sums(np.ones((height, width)))
