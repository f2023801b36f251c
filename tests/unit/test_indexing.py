"""Basic indexing, against NumPy itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from radcodec.decoding.indexing import select
from radcodec.pixels.tiles import plane_shape


def _take(array: np.ndarray, key: Any) -> np.ndarray:
    """What a file would give: only the planes, rows and columns that the selection names."""
    selection, new_axes = select(key, array.shape)
    planes = array.reshape(plane_shape(array.shape))[selection.planes]
    (y0, y1), (x0, x1) = selection.y, selection.x
    return selection.apply(planes[:, y0:y1, x0:x1], new_axes)


@given(hnp.array_shapes(min_dims=0, max_dims=4, max_side=6), st.data())
def test_same_as_numpy(shape: tuple[int, ...], data: st.DataObject) -> None:
    """Every basic index gives what NumPy gives."""
    array = np.arange(int(np.prod(shape))).reshape(shape)
    key = data.draw(hnp.basic_indices(shape, allow_newaxis=True, allow_ellipsis=True))
    expected = array[key]
    found = _take(array, key)
    assert found.shape == np.shape(expected)
    assert (found == expected).all()


@pytest.mark.parametrize("key", [(0, 0, 0), 5, -6, (Ellipsis, Ellipsis), [1, 2], True, 1.5, np.array([1])])
def test_what_numpy_refuses_or_calls_advanced_is_refused(key: Any) -> None:
    """Too many indices, indices out of bounds, and masks and lists raise IndexError."""
    with pytest.raises(IndexError, match=r"expected|out of bounds"):
        select(key, (5, 6))
