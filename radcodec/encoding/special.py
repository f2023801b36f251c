"""The special samples of an image, found for all of it: they come back exactly, and nothing uses them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from radcodec.container.meta import ImageRecord
from radcodec.encoding.fills import Fills, find_fills, matches
from radcodec.encoding.outliers import find_outliers
from radcodec.pixels.masks import Mask, always_special
from radcodec.pixels.pieces import add_marks, copied, joined
from radcodec.runtime.scratch import Scratch

Pixels = npt.NDArray[Any]

# BLANK that takes more than this share of a lossless image costs less as a bitmap than as surprises.
_FREQUENT_SHARE = 1 / 64
# Of a step of a scaled integer image: how far a fill value may be from the sample that it means.
_NEAR_STEP = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Special:
    """``sure`` samples are special everywhere; a tile codes ``doubtful`` ones like others where that is smaller.

    Both are bool [P, H, W], None where there are none, and no sample is in both. ``values`` are fill values that are
    worth marking where it makes the image smaller. ``missing`` are the stored values that stand for missing pixels:
    no other sample may be restored as one of them.
    """

    sure: Mask | None
    doubtful: Mask | None
    values: tuple[Any, ...] = ()
    missing: tuple[Any, ...] = ()


def find_special(
    image: Pixels,
    record: ImageRecord,
    *,
    exact: bool,
    in_steps: bool = False,
    fills: Sequence[float] = (),
    scratch: Scratch | None = None,
) -> Special:
    """Find the special samples of an image, but for its outliers.

    NaN of any payload, infinities and -0.0; BLANK of integers; the fill values that are given and those that are found.

    Parameters
    ----------
    image
        Stored samples, native [P, H, W].
    record
        What is known of the image: BLANK and scaling.
    exact
        Whether the other samples are coded losslessly: then size alone decides on BLANK and on fill values.
    in_steps
        Whether they are rounded to multiples of a step where they are integers, so that 0 stays 0.
    fills
        Fill values in physical units, which are always special.
    scratch
        Holds the marks.
    """
    scratch, flat = scratch or Scratch(), image.reshape(-1)
    sure = add_marks(None, image, lambda piece: always_special(flat[piece], record.blank), scratch)
    doubtful: Mask | None = None
    if exact and image.dtype.kind != "f" and sure is not None:
        sure, doubtful = (sure, None) if np.count_nonzero(sure) > _FREQUENT_SHARE * image.size else (None, sure)
    missing = [] if record.blank is None or image.dtype.kind == "f" else [record.blank]
    for value in fills:
        sure = add_marks(sure, image, partial(_matches_physical_in, flat, value, record), scratch)
        stored = stored_value(value, image.dtype, record)
        missing += [] if stored is None else [stored]
    marks = all_marks(Special(sure=sure, doubtful=doubtful), scratch)
    if marks is not None and marks.all():
        return Special(sure=sure, doubtful=doubtful, missing=tuple(missing))
    with np.errstate(all="ignore"):
        found: Fills = find_fills(image, marks, exact=exact, in_steps=in_steps and image.dtype.kind != "f")
    for value in found.sure:
        sure = add_marks(sure, image, partial(_matches_beside, flat, value, marks), scratch)
    return Special(sure=sure, doubtful=doubtful, values=found.doubtful, missing=(*missing, *found.sure))


def _matches_physical_in(flat: Pixels, value: float, record: ImageRecord, piece: slice) -> Mask:
    return matches_physical(flat[piece], value, record)


def _matches_beside(flat: Pixels, value: Any, marks: Mask | None, piece: slice) -> Mask:
    """Say which samples of a piece are a value and not marked yet."""
    same = matches(flat[piece], value)
    return same if marks is None else same & ~marks.reshape(-1)[piece]


def with_value(special: Special, image: Pixels, value: Any, scratch: Scratch) -> Special:
    """Add a value that is special everywhere."""
    sure = None if special.sure is None else copied(special.sure, scratch)
    sure = add_marks(sure, image, partial(_matches_beside, image.reshape(-1), value, special.doubtful), scratch)
    return replace(special, sure=sure, values=())


def with_outliers(special: Special, image: Pixels, scratch: Scratch) -> Special:
    """Add the lone outliers of the image to the doubtful ones."""
    outliers = find_outliers(image, special.sure, scratch)
    if outliers is None:
        return special
    if special.sure is not None:
        np.greater(outliers, special.sure, out=outliers)
    doubtful = joined(special.doubtful, outliers if outliers.any() else None, scratch)
    return replace(special, doubtful=doubtful)


def all_marks(special: Special, scratch: Scratch | None = None) -> Mask | None:
    """Join sure and doubtful ones; None where there are none."""
    return joined(special.sure, special.doubtful, scratch or Scratch())


def matches_physical(image: Pixels, value: float, record: ImageRecord) -> Mask:
    """Say which stored samples stand for a physical value."""
    if image.dtype.kind == "f" and (record.bscale != 1.0 or record.bzero != 0.0):
        with np.errstate(all="ignore"):
            physical = record.bzero + record.bscale * image.astype(np.float64)
            return np.asarray(np.isclose(physical, value, rtol=1e-6, atol=0.0))
    stored = stored_value(value, image.dtype, record)
    return np.zeros(image.shape, np.bool_) if stored is None else matches(image, stored)


def stored_value(value: float, dtype: np.dtype[Any], record: ImageRecord) -> Any | None:
    """Return the sample that stands for a physical value; None if none does."""
    bscale, bzero = record.bscale, record.bzero
    with np.errstate(all="ignore"):
        if dtype.kind == "f":
            steps = value if bscale == 1.0 and bzero == 0.0 else (np.float64(value) - bzero) / np.float64(bscale)
            return dtype.type(steps)
        if bscale == 1.0 and float(bzero).is_integer():
            if isinstance(value, float) and not value.is_integer():
                return None
            stored = int(value) - int(bzero)
        elif bscale != 0.0:
            steps = (float(value) - bzero) / bscale
            if not np.isfinite(steps) or abs(steps - round(steps)) > _NEAR_STEP:
                return None
            stored = round(steps)
        else:
            return None
    limits = np.iinfo(dtype)
    return dtype.type(stored) if limits.min <= stored <= limits.max else None
