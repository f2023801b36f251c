"""What a fit is given for an image: its window values, how exact it should be, and its largest radius."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from radcodec.detail.int_steps import LEAST_STEP
from radcodec.detail.maps import MAX_INT_BOUND, STEP_FACTOR, TileBound
from radcodec.detail.middle import typical_size
from radcodec.detail.plain import Mask, Tile
from radcodec.detail.task import RADIUS_BY_SIZE, FitInput
from radcodec.types import SampleType

LARGE_IMAGE_RADIUS = 12
EXACT_RADIUS = 16  # largest for lossless images, whose fit takes many turns
PRECISE = 2.0**12  # typical values in steps from which predictors need all the precision there is


def fit_input(
    image: Tile,
    special: Mask | None,
    limit: TileBound | None,
    fill: float,
    sample_type: SampleType,
    max_radius: int | None,
) -> FitInput:
    """Choose the window values of a fit and how exact it should be; limit is in stored units."""
    unit, bound = 1.0, None if limit is None else limit.error
    if bound is not None and bound > 0:
        is_float = sample_type.is_float
        unit = bound * STEP_FACTOR if is_float else 2.0 * np.floor(min(bound, MAX_INT_BOUND)) + 1.0
    lossless_float = sample_type.is_float and not (bound is not None and bound > 0)
    shift = fill / unit

    def to_smooth(values: Tile) -> npt.NDArray[np.float64]:
        with np.errstate(over="ignore", invalid="ignore"):
            return values.astype(np.float64) / unit - shift

    def to_steps(values: Tile) -> npt.NDArray[np.float64]:
        with np.errstate(over="ignore", invalid="ignore"):
            return np.rint(values.astype(np.float64) / unit) - shift

    no_loop = not sample_type.is_float and (unit < LEAST_STEP or (limit is not None and limit.dither_seed is not None))
    exact = bound is None or not bound > 0 or typical_size(image, special, fill) > PRECISE * unit
    if max_radius is None:
        max_radius = next((r for size, r in RADIUS_BY_SIZE if image.size <= size), LARGE_IMAGE_RADIUS)
        max_radius = min(max_radius, EXACT_RADIUS if exact else max_radius)
    return FitInput(
        image=image,
        special=special,
        to_window=to_smooth if lossless_float else to_steps,
        to_smooth=None if exact or no_loop else to_smooth,
        floor=0.0 if lossless_float else 0.3,
        exact=exact,
        max_radius=max_radius,
    )
