"""The size of prediction errors in a corner of a tile, from which the symbols of its first samples are chosen."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from radcodec.arrays import median
from radcodec.detail import kernels
from radcodec.detail.blocks import local_error
from radcodec.detail.maps import MapKind, ValueMap
from radcodec.detail.plain import Mask
from radcodec.detail.predictors import Predictors
from radcodec.detail.rounding import Predictor

LOOP_LEVEL = -3  # quarter-octave index of the error, in steps, under which a loop is better


def loop_level(values: npt.NDArray[Any], how: ValueMap, special: Mask | None, predictors: Predictors) -> int | None:
    """Measure the level of a loop by the steps [p, h, w] of a tile's corner.

    None where they are so fine that a bin's middle need not be predicted.
    """
    level = error_level(values, how, special, predictors.predictors[0], how.fill(predictors.fill))
    return level if level < LOOP_LEVEL else None


def error_level(
    values: npt.NDArray[Any], how: ValueMap, special: Mask | None, predictor: Predictor, fill: float
) -> int:
    """Measure the median prediction error in a corner of a tile, as a quarter-octave index.

    Parameters
    ----------
    values
        Working values [p, h, w] of the tile, which ``how`` maps to samples.
    """
    gain = how.gain[0, :64, :64] if how.gain.size else 1.0
    moved = how.dither[0, :64, :64] if how.dither.size else 0.0
    predicted = (values[0, :64, :64].astype(np.float64) + moved) * gain - fill
    known = np.ones(predicted.shape, np.bool_) if special is None else ~special[0, :64, :64]
    r = predictor.radius
    padded = np.zeros((predicted.shape[0] + r, predicted.shape[1] + 2 * r))
    padded[r:, r:-r] = np.where(known, predicted, 0.0)
    error = local_error(padded, r, predictor.coefficients, known)[known]
    middle = median(error) if error.size else 1.0
    floor = 2.0**-1000 if how.kind == MapKind.FLOAT else kernels.ERROR_FLOOR
    return max(-3900, min(3900, int(np.floor(4.0 * np.log2(max(middle, floor))))))
