"""Apply NumPy basic indexing to an image in a file: find the planes, rows and columns to decode."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from types import EllipsisType
from typing import Any

import numpy as np
import numpy.typing as npt

from radcodec.pixels.tiles import plane_shape

Part = int | slice | None | EllipsisType


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The selection of a key: plane numbers, ranges of rows and columns to decode, and the key to apply to them."""

    planes: npt.NDArray[np.int64]
    y: tuple[int, int]
    x: tuple[int, int]
    lead_shape: tuple[int, ...]
    inner: tuple[Any, ...]
    n_inner_axes: int

    def apply(self, region: npt.NDArray[Any], key_shape: tuple[Any, ...]) -> npt.NDArray[Any]:
        """Select from the decoded region [planes, y, x], with axes as NumPy gives them."""
        spatial = region.reshape(self.lead_shape + region.shape[3 - self.n_inner_axes :])
        picked = spatial[(..., *self.inner)] if self.inner else spatial
        return picked[key_shape] if key_shape else picked


def _expand(key: object, n_axes: int) -> list[Part]:
    """Return one part for each axis, and None for each new axis."""
    parts = list(key) if isinstance(key, tuple) else [key]
    n_given = sum(part is not None and part is not Ellipsis for part in parts)
    n_dots = sum(part is Ellipsis for part in parts)
    if n_dots > 1:
        raise IndexError("expected one ellipsis in an index, found more")
    if n_given > n_axes:
        raise IndexError(f"expected at most {n_axes} indices for the image, found {n_given}")
    if not n_dots:
        parts.append(Ellipsis)
    where = next(place for place, part in enumerate(parts) if part is Ellipsis)
    parts[where : where + 1] = [slice(None)] * (n_axes - n_given)
    return [_checked(part) for part in parts]


def _checked(part: Any) -> Part:
    if part is None or isinstance(part, slice):
        return part
    if isinstance(part, (bool, np.bool_)) or (isinstance(part, np.ndarray) and part.ndim):
        raise IndexError("expected integers, slices, ... and None in an index: masks and lists are for decoded arrays")
    try:
        return operator.index(part)
    except TypeError as err:
        raise IndexError(f"expected integers, slices, ... and None in an index, found {part!r}") from err


def _inner(part: int | slice, length: int, axis: int) -> tuple[tuple[int, int], int | slice]:
    """Return the range of an axis to decode, and the part relative to that range."""
    if isinstance(part, int):
        place = part + length if part < 0 else part
        if not 0 <= place < length:
            raise IndexError(f"index {part} is out of bounds for axis {axis} with size {length}")
        return (place, place + 1), 0
    chosen = range(length)[part]
    if not chosen:
        return (0, 0), slice(0, 0)
    low, high = min(chosen[0], chosen[-1]), max(chosen[0], chosen[-1]) + 1
    if chosen.step > 0:
        return (low, high), slice(None, None, chosen.step)
    return (low, high), slice(None, None, chosen.step)


def select(key: object, shape: tuple[int, ...]) -> tuple[Selection, tuple[Any, ...]]:
    """Return the selection for ``array[key]`` of an array of ``shape``, and the key that adds new axes.

    Raises
    ------
    IndexError
        As in NumPy; also for masks and lists, which are not basic indexing.
    """
    parts = _expand(key, len(shape))
    axes = [part for part in parts if part is not None]
    n_inner = min(2, len(shape))
    n_lead = len(shape) - n_inner
    _, height, width = plane_shape(shape)
    ranges, inner = [(0, height), (0, width)], []
    for place in range(n_inner):
        axis = n_lead + place
        part = axes[axis]
        if not isinstance(part, (int, slice)):
            raise IndexError(f"expected an integer or a slice for axis {axis}, found {part!r}")
        ranges[2 - n_inner + place], applied = _inner(part, shape[axis], axis)
        inner.append(applied)
    numbers = np.arange(plane_shape(shape)[0], dtype=np.int64).reshape(shape[:n_lead] or (1,))
    chosen = np.asarray(numbers[tuple(axes[:n_lead])] if n_lead else numbers[0])
    selection = Selection(
        planes=chosen.reshape(-1),
        y=ranges[0],
        x=ranges[1],
        lead_shape=chosen.shape,
        inner=tuple(inner),
        n_inner_axes=n_inner,
    )
    # Integers remove an axis, so only slices and new axes are left at this point.
    new = tuple(None if part is None else slice(None) for part in parts if not isinstance(part, int))
    return selection, new if None in new else ()
