"""Arrays as users give them: masks of NumPy, of astropy and of what has a ``mask`` beside its values."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import numpy.typing as npt

from radcodec.errors import InputError


def plain_array(array: Any) -> npt.NDArray[Any]:
    """Make a plain array of what a user gave, with NaN for masked pixels of floats.

    A mask is what `numpy.ma` has, also in a list of masked arrays, astropy's ``Masked``, and the ``mask`` of an
    ``NDDataArray``.

    Raises
    ------
    InputError
        If integers have masked pixels, or a mask has not the shape of its array.
    """
    # Importing it takes longer than a small image, and where nobody did there are no masked arrays.
    masked: Any = sys.modules.get("numpy.ma")
    if masked and isinstance(array, (list, tuple)) and any(isinstance(part, masked.MaskedArray) for part in array):
        array = masked.array(array)
    is_masked = masked is not None and isinstance(array, masked.MaskedArray)
    mask = masked.getmask(array) if is_masked else getattr(array, "mask", None)
    values = np.asarray(getattr(array, "unmasked", array))
    # Of pandas objects ``mask`` is a method.
    if mask is None or callable(mask) or values.dtype.kind not in "fiu" or not np.any(mask):
        return values
    marked = np.asarray(mask, bool)
    if marked.ndim and marked.shape != values.shape:
        raise InputError(f"expected a mask of the shape of its array, {values.shape}, found {marked.shape}")
    if values.dtype.kind != "f":
        n_masked = np.count_nonzero(np.broadcast_to(marked, values.shape))
        raise InputError(
            f"expected an array without masked pixels, as integers have no NaN, found {n_masked} of {values.dtype}: "
            "put a value there (array.filled(VALUE)) and give fill=VALUE, or give floats"
        )
    filled = values.copy()
    filled[np.broadcast_to(marked, values.shape)] = np.nan
    return filled
