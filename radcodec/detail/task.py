"""What a fit of predictors needs to know of an image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from radcodec.arrays import F64

# Squared steps that pixels of a loop are taken to have: about that of uniform errors, or less for good predictions.
NOISES = (1 / 16, 1 / 24, 1 / 32, 1 / 40)
RADIUS_BY_SIZE = ((1 << 20, 24), (1 << 22, 16))  # samples up to which a radius costs too little time to mind


@dataclass(frozen=True, slots=True, kw_only=True)
class FitInput:
    """The planes to fit to, their values as predictors see them, and how exact the fit should be.

    Attributes
    ----------
    image
        Samples [P, H, W], or what gives parts of planes to the functions below in the same way.
    special
        Bool [P, H, W], True where a pixel is special (its window value is 0 and it is not predicted); None if none is.
    to_window
        Gives the window values (fill taken off) of samples; need not be finite where a pixel is special.
    to_smooth
        Gives window values before they are rounded to whole steps, for predictors of a loop at coarse steps; else None.
        A loop predicts from values with errors of up to half a step, taken as white noise of several sizes.
    floor
        Error in window values; a fit that is more precise saves no bits.
    exact
        Whether values may be predictable far below their size, so that the fit needs all the precision there is.
    max_radius
        Largest radius to consider, 1 to 24.
    """

    image: Any
    special: npt.NDArray[np.bool_] | None
    to_window: Callable[[Any], F64]
    to_smooth: Callable[[Any], F64] | None
    floor: float
    exact: bool
    max_radius: int
