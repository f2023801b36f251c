"""Masks of arrays, in every form in which they come, are not lost without a word."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from astropy import units
from astropy.nddata import NDDataArray
from astropy.utils.masked import Masked

import radcodec
from radcodec.errors import InputError, UnsupportedDataError

MASK = np.array([[False, True], [False, False]])
FORMS: list[Callable[[Any], Any]] = [
    lambda values: np.ma.masked_array(values, MASK),
    lambda values: [np.ma.masked_array(row, mask) for row, mask in zip(values, MASK, strict=True)],
    lambda values: Masked(values, MASK),
    lambda values: Masked(values * units.Jy, MASK),
    lambda values: NDDataArray(values, mask=MASK),
    lambda values: NDDataArray(values, mask=MASK.astype(np.uint8)),
]


@pytest.mark.parametrize("form", FORMS)
def test_masked_floats_become_nan(form: Callable[[Any], Any]) -> None:
    """All other pixels are what they were, and the array that was given is left as it is."""
    values = np.array([[1.0, 2.0], [3.0, 4.0]])
    restored = radcodec.decode(radcodec.encode(form(values)))
    assert np.array_equal(restored, [[1.0, np.nan], [3.0, 4.0]], equal_nan=True)
    assert values[0, 1] == 2.0


@pytest.mark.parametrize("form", [form for number, form in enumerate(FORMS) if number != 3])
@pytest.mark.parametrize("call", [radcodec.encode, radcodec.estimate])
def test_masked_integers_are_refused(form: Callable[[Any], Any], call: Callable[[Any], Any]) -> None:
    """They have no NaN, and what lies under the mask is not for others to see."""
    with pytest.raises(InputError, match="without masked pixels, as integers have no NaN, found 1 of int64"):
        call(form(np.array([[1, 2], [3, 4]])))


class _Marked:
    """Four zeros and a mask."""

    def __init__(self, mask: np.ndarray) -> None:
        self.mask = mask

    def __array__(self, dtype: object = None, copy: bool | None = None) -> np.ndarray:
        return np.zeros((2, 2))


def test_a_mask_of_another_shape_is_refused() -> None:
    """Nobody can say which pixels it means."""
    with pytest.raises(InputError, match=r"expected a mask of the shape of its array, \(2, 2\), found \(3,\)"):
        radcodec.encode(_Marked(np.ones(3, bool)))


def test_texts_are_no_numbers() -> None:
    """``<U1`` is a text of one character, and not an unsigned byte."""
    with pytest.raises(UnsupportedDataError, match=r"expected an array of integers .* found <U1"):
        radcodec.estimate(np.array(["a"]))
