"""Steps of an earlier compression, found again in the pixels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from radcodec.pixels.pieces import spread

LOOK, ALL = 256, 8192  # values that are looked at first, and then
LEAST = 24  # values that can tell
MOST_STRAY = 0.03  # share of values that may be patches
TELLING = 8.0  # spacings of values in a unit of the steps, from which a value can tell


def kept_steps(
    plane: npt.NDArray[Any], special: npt.NDArray[np.bool_] | None, bounds: Mapping[int, float], bscale: float
) -> int | None:
    """Find the first of some bounds on whose steps the samples of a plane [H, W] lie; None for none of them."""
    if not bounds:
        return None
    some = spread(plane, special, ALL)
    few = some[:: max(1, some.size // LOOK)]
    for place, bound in bounds.items():
        if _on_steps(few, bound / abs(bscale)) and _on_steps(some, bound / abs(bscale)):
            return place
    return None


def _on_steps(values: npt.NDArray[Any], bound: float) -> bool:
    """Say whether all values but a few lie on the steps of a bound in stored units, as far as they can tell."""
    from radcodec.detail.maps import LOOP_UNIT, MAX_INT_BOUND, STEP_FACTOR

    if not (np.isfinite(bound) and bound > 0):
        return False
    if values.dtype.kind != "f":
        most = int(np.floor(min(bound, MAX_INT_BOUND)))
        telling = values[values != 0]
        steps = [2 * m + 1 for m in (most, most - 1) if m >= 1]
        return telling.size >= LEAST and any(_few(_off_steps(telling, step)) for step in steps)
    # Restored floats are multiples of D/16, mostly of D: near the spacing of the values only that can tell.
    for unit in (bound * STEP_FACTOR * LOOP_UNIT, bound * STEP_FACTOR):
        with np.errstate(all="ignore"):
            spacing = np.abs(np.spacing(values)).astype(np.float64)
            telling = values[(values != 0) & (spacing * TELLING < unit)]
            again = (unit * np.rint(telling.astype(np.float64) / unit)).astype(values.dtype)
        if telling.size >= max(LEAST, values.size // 8):
            stray = again.view(f"u{values.dtype.itemsize}") != telling.view(f"u{values.dtype.itemsize}")
            if _few(stray):
                return True
    return False


def _off_steps(values: npt.NDArray[Any], step: int) -> npt.NDArray[np.bool_]:
    """Mark the integers that are no steps, or where these are coarse no units of a step."""
    from radcodec.detail.int_steps import LEAST_STEP, nearest_units, restore_units

    if step < LEAST_STEP:
        return np.asarray(values % values.dtype.type(step) != 0)
    units = np.rint(nearest_units(values, np.asarray(step), None, 2.0**50)).astype(np.int64)
    off = restore_units(units, np.asarray(step), values.dtype) != values
    limits = np.iinfo(values.dtype)
    return np.asarray(off & (values != limits.min) & (values != limits.max))


def _few(marked: npt.NDArray[np.bool_]) -> bool:
    """Say whether hardly any are marked."""
    return bool(np.count_nonzero(marked) <= MOST_STRAY * marked.size)
