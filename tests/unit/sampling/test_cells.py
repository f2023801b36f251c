"""Cells of codes: what `radcodec sample` keeps every coefficient within."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radcodec.base.lapped.cells import nearest_cells
from radcodec.base.lapped.codes import LappedCodes


def codes_of(values: list[int], offsets: tuple[int, int] = (0, 0)) -> LappedCodes:
    """Codes of one block with a step of 2: (256 + 0) * 2^-7."""
    coefficients = np.array(values, np.int32).reshape(1, 1, 1, -1)
    return LappedCodes(shape=(1, len(values)), code=0, last=7, gain=0, offsets=offsets, coefficients=coefficients)


def test_cells_end_half_way_between_values() -> None:
    """With offsets 16/64 and -16/64, values are 0, 1.25, 1.75, 2.75 ... steps; a step is 2."""
    lower, upper = nearest_cells(codes_of([0, 1, 2, -1, -3], (16, -16)))
    assert lower.ravel().tolist() == [-1.25, 1.25, 3.0, -3.0, -6.5]
    assert upper.ravel().tolist() == [1.25, 3.0, 4.5, -1.25, -4.5]


@pytest.mark.parametrize("left_out", [1, 2])
def test_cells_of_cut_codes_hold_all_codes_that_begin_so(left_out: int) -> None:
    """Magnitude 1 with two planes missing stands for 4 to 7, so its cell goes from 3.5 to 7.5 steps."""
    lower, upper = nearest_cells(codes_of([0, 1, -1]), left_out)
    least, most = (2**left_out - 0.5) * 2, (2 * 2**left_out - 0.5) * 2
    assert lower.ravel().tolist() == [-least, least, -most]
    assert upper.ravel().tolist() == [least, most, -least]


@given(
    st.lists(st.integers(-(2**20), 2**20), min_size=2, max_size=12),
    st.tuples(st.integers(-32, 31), st.integers(-32, 31)),
)
def test_cells_touch_and_are_not_empty(values: list[int], offsets: tuple[int, int]) -> None:
    """The cell of a magnitude ends where the next one begins, and cells of opposite codes are mirrored."""
    lower, upper = nearest_cells(codes_of(values, offsets))
    after, _ = nearest_cells(codes_of([v + (1 if v >= 0 else -1) for v in values], offsets))
    _, before = nearest_cells(codes_of([v - 1 if v < 0 else v for v in values], offsets))
    assert (lower < upper).all()
    for index, value in enumerate(values):
        edge = upper.ravel()[index] if value >= 0 else lower.ravel()[index]
        other = after.ravel()[index] if value >= 0 else before.ravel()[index]
        assert edge == other
    mirrored = nearest_cells(codes_of([-v for v in values], offsets))
    assert np.array_equal(mirrored[0], -upper)
    assert np.array_equal(mirrored[1], -lower)
