"""Names of array types that many modules annotate with; the median and distinct samples.

`numpy.median` and `numpy.unique` import `numpy.ma`, which takes a tenth of the first command after an installation.
The functions here do not.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]


def median(values: npt.NDArray[Any]) -> float:
    """Return the median of all samples, bit for bit that of `numpy.median`; NaN if one of them is NaN.

    Parameters
    ----------
    values
        One sample or more, of a type of real numbers.
    """
    flat = values.ravel()
    half = flat.size // 2
    first = half if flat.size % 2 else half - 1
    # NaN comes last.
    ordered = np.partition(flat, [first, half, flat.size - 1])
    return float(ordered[-1] if np.isnan(ordered[-1]) else np.mean(ordered[first : half + 1]))


def list_distinct(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the distinct samples of an array, sorted, as `numpy.unique` does; of two zeros either may come."""
    # With counts NumPy sorts and asks nobody about masks.
    return np.unique(values, return_counts=True)[0]
