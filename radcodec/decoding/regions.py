"""Parse parts of an image as users give them: a range of pixels for each axis, from text, pairs or slices."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Sequence
from types import EllipsisType
from typing import Any, SupportsIndex, TypeAlias

from radcodec.errors import InputError

# First pixel and last + 1 of an axis, counted from 0.
Range: TypeAlias = tuple[int, int]
RegionKey: TypeAlias = SupportsIndex | slice | EllipsisType
# "X0:X1,Y0:Y1", pairs for x, y, ..., or a NumPy index (slowest axis first).
Region: TypeAlias = str | RegionKey | Sequence[RegionKey] | Sequence[tuple[int | None, int | None]]

_TEXT_RANGE = re.compile(r"\s*([+-]?[0-9]{1,15})?\s*:\s*([+-]?[0-9]{1,15})?\s*\Z")
_SHAPE_OF_TEXT = "expected a region such as 100:200,300:400 (x, then y, then other axes; : for all of one)"


def axis_name(axis: int) -> str:
    """Return the name of an axis for a message: x, y, then its FITS number."""
    return "xy"[axis] if axis < 2 else f"axis {axis + 1}"


def parse_region(
    region: Region | None, shape: Sequence[int], *, plane: int | None = None, partial: bool = False
) -> tuple[Range, ...]:
    """Parse a region into one range of pixels for each axis, the fastest axis first.

    Parameters
    ----------
    region
        Text such as ``"100:200,:,5:"`` or pairs such as ``((100, 200), (None, None))``, x first. Or integers, slices
        and ``...`` as `numpy` takes them for the whole image, slowest axis first. Axes left out stay whole; None means
        all of them.
    shape
        Axes of the image, slowest first.
    plane
        Number of one plane, counted over all axes but the fastest two.
    partial
        Whether text and pairs may reach outside of the image.

    Raises
    ------
    InputError
        If the region is malformed, has too many axes, or a range is empty or not inside of the image.
    """
    lengths = tuple(reversed(shape))
    if not lengths:
        raise InputError("expected an image with one axis or more to cut from, found none")
    region = region.tolist() if region is not None and hasattr(region, "tolist") else region
    if region is None:
        given: list[tuple[int | None, int | None]] = []
    elif isinstance(region, str):
        given = [_text_range(part, region) for part in region.split(",")]
    elif _is_key(region):
        given = list(_key_ranges(region, shape))
    else:
        given = _pairs(region)
    if len(given) > len(lengths):
        axes = "one axis" if len(lengths) == 1 else f"{len(lengths)} axes"
        raise InputError(f"expected at most one range for each axis of an image of {axes}, found {len(given)}")
    given += [(None, None)] * (len(lengths) - len(given))
    if plane is not None:
        _take_plane(given, lengths, plane)
    ranges = tuple(
        (0 if start is None else start, length if stop is None else stop)
        for (start, stop), length in zip(given, lengths, strict=True)
    )
    check_ranges(ranges, shape, partial=partial)
    return ranges


def check_ranges(ranges: Sequence[Range], shape: Sequence[int], *, partial: bool) -> None:
    """Refuse ranges that are empty or not inside of an image; with ``partial`` only those entirely outside.

    Raises
    ------
    InputError
        If one of the ``ranges`` (fastest axis first) is refused.
    """
    for axis, ((start, stop), length) in enumerate(zip(ranges, reversed(shape), strict=True)):
        name = axis_name(axis)
        outside = stop <= 0 or start >= length
        if start >= stop or (not partial and not 0 <= start < stop <= length):
            hint = ""
            if start < stop:
                hint = ", outside of the image" if outside else ": partial=True (--partial) fills what is outside"
            raise InputError(f"expected {name} within 0:{length} and not empty, found {start}:{stop}{hint}")
        if outside:
            raise InputError(f"expected {name} to touch 0:{length}, found {start}:{stop}, outside of the image")


def _text_range(part: str, region: str) -> tuple[int | None, int | None]:
    match = _TEXT_RANGE.match(part)
    if match is None:
        raise InputError(f"{_SHAPE_OF_TEXT}, found {region!r}")
    return (
        None if match[1] is None else int(match[1]),
        None if match[2] is None else int(match[2]),
    )


def _is_key(region: object) -> bool:
    """Return whether a region is a NumPy index: integers, slices and ``...``."""
    parts = region if isinstance(region, (tuple, list)) else [region]
    return bool(parts) and all(
        isinstance(part, slice) or part is Ellipsis or (hasattr(part, "__index__") and not isinstance(part, bool))
        for part in parts
    )


def _key_ranges(region: Any, shape: Sequence[int]) -> list[Range]:
    """Convert an index that `_is_key` accepts to ranges, fastest axis first; negative numbers count from the end."""
    parts = list(region) if isinstance(region, (tuple, list)) else [region]
    n_dots = sum(part is Ellipsis for part in parts)
    n_given = len(parts) - n_dots
    if n_dots > 1 or n_given > len(shape):
        raise InputError(f"expected at most {len(shape)} indices and one ellipsis for the image, found {region!r}")
    place = parts.index(Ellipsis) if n_dots else len(parts)
    parts[place : place + n_dots] = [slice(None)] * (len(shape) - n_given)
    ranges: list[Range] = []
    for axis, (part, length) in enumerate(zip(parts, shape, strict=True)):
        if isinstance(part, slice):
            ranges.append(_slice_range(part, length, axis))
            continue
        try:
            start = range(length)[operator.index(part)]
        except (IndexError, TypeError) as err:
            raise InputError(
                f"expected an index within an axis of {length} pixels, found {part!r} for axis {axis}"
            ) from err
        ranges.append((start, start + 1))
    return ranges[::-1]


def _slice_range(part: slice, length: int, axis: int) -> Range:
    try:
        start, stop, step = part.indices(length)
    except (TypeError, ValueError) as err:
        raise InputError(f"expected integers in a slice of a region, found {part!r}") from err
    if step != 1:
        raise InputError(f"expected slices without a step in a region, found {part!r}: cut first, then thin out")
    if start >= stop:
        raise InputError(f"expected a slice that holds a pixel of axis {axis}, 0:{length}, found {part!r}")
    return start, stop


def _pairs(region: Any) -> list[tuple[int | None, int | None]]:
    """Convert pairs to ranges; raises InputError for anything else."""
    expected = 'expected a region as text ("X0:X1,Y0:Y1"), pairs ((x0, x1), (y0, y1)) or slices (numpy.s_[...])'
    pairs: list[tuple[int | None, int | None]] = []
    try:
        for start, stop in region:
            pairs.append((_end(start), _end(stop)))
    except (TypeError, ValueError) as err:
        raise InputError(f"{expected}, found {region!r}") from err
    if not pairs:
        raise InputError(f"{expected}, found {region!r}")
    return pairs


def _end(value: Any) -> int | None:
    if isinstance(value, bool):
        raise TypeError("a bool is not a pixel number")
    return None if value is None else operator.index(value)


def _take_plane(given: list[tuple[int | None, int | None]], lengths: Sequence[int], plane: int) -> None:
    """Set the ranges of one plane; raises InputError if it does not exist or other ranges are given too."""
    planes = math.prod(lengths[2:])
    if isinstance(plane, bool) or not hasattr(plane, "__index__") or not 0 <= plane < planes:
        raise InputError(f"expected a plane of 0 to {planes - 1}, found {plane}")
    for axis in range(2, len(lengths)):
        if given[axis] not in ((None, None), (0, lengths[axis])):
            raise InputError(f"expected a plane or a range for {axis_name(axis)}, found both")
        plane, place = divmod(plane, lengths[axis])
        given[axis] = (place, place + 1)
