"""Orders of the axes in which the tiles of an image are coded (docs/format.md, 8.2 and 8.4).

A cube may have its spectral axis first. Its tiles are turned then, so that planes of the sky follow each other.
"""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import numpy.typing as npt

from radcodec.arrays import list_distinct, median

# For each axis of a turned tile its axis in the tile [p, h, w].
Order = tuple[int, ...]

ORDERS: tuple[Order, ...] = tuple(permutations(range(3)))
AS_IT_IS = ORDERS[0]
ORDER_UNIT = 16  # of an order's number in the field that it shares with the number of predictors
LOOK = 32  # places along each axis that are looked at
DIFFERENCES = 3
ROUGHER = 1.15  # times as rough as the slowest axis, from which another is tried for that of the planes


def turned(array: npt.NDArray[Any], order: Order) -> npt.NDArray[Any]:
    """Return an array [p, h, w] in an order of its axes, contiguous."""
    return np.ascontiguousarray(array.transpose(order))


def turned_back(array: npt.NDArray[Any], order: Order) -> npt.NDArray[Any]:
    """Return an array in the order [p, h, w] that was turned."""
    return np.ascontiguousarray(array.transpose(np.argsort(order)))


def order_by_roughness(image: npt.NDArray[Any], special: npt.NDArray[np.bool_] | None) -> Order:
    """Choose the order that makes planes of an image [P, H, W] along the axis that is roughest.

    The order stays where no axis stands out. Images of the sky are smooth over the beam, spectra are not.
    """
    if min(image.shape) <= DIFFERENCES:
        return AS_IT_IS
    sizes = [_roughness(image, special, axis) for axis in range(3)]
    roughest = int(np.argmax(sizes))
    if roughest == 0 or not sizes[roughest] > ROUGHER * sizes[0]:
        return AS_IT_IS
    return (roughest, *(axis for axis in range(3) if axis != roughest))


def _roughness(image: npt.NDArray[Any], special: npt.NDArray[np.bool_] | None, axis: int) -> float:
    """Return the median of the absolute third differences along an axis, at places spread evenly over the image."""
    places = [
        list_distinct(np.linspace(0, n - 1 - (DIFFERENCES if i == axis else 0), LOOK).astype(np.int64))
        for i, n in enumerate(image.shape)
    ]
    total, known = np.zeros(tuple(map(len, places))), np.ones(tuple(map(len, places)), np.bool_)
    with np.errstate(invalid="ignore", over="ignore"):
        for weight in (-1.0, 3.0, -3.0, 1.0):
            at = np.ix_(*places)
            total += weight * image[at].astype(np.float64)
            if special is not None:
                known &= ~special[at]
            places[axis] = places[axis] + 1
    known &= np.isfinite(total) & (total != 0.0)
    return median(np.abs(total[known])) if known.any() else 0.0
