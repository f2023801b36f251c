"""The median and the distinct samples: those of NumPy without what NumPy imports for them."""

from __future__ import annotations

import subprocess
import sys
import warnings

import hypothesis.extra.numpy as arrays
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radcodec.arrays import list_distinct, median

TYPES = st.sampled_from(["f8", "f4", "i4", "i8", "u2"])


@given(TYPES.flatmap(lambda kind: arrays.arrays(kind, st.integers(1, 40))))
def test_it_is_that_of_numpy(values: npt.NDArray[np.generic]) -> None:
    """Any samples, NaN, infinities and signed zeros among them, have the median that NumPy gives, bit for bit."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        expected, found = float(np.median(values)), median(values)
    assert np.array(found).tobytes() == np.array(expected).tobytes() or (np.isnan(found) and np.isnan(expected))


@pytest.mark.parametrize(
    ("values", "expected"), [([3.0], 3.0), ([1.0, 2.0], 1.5), ([9.0, 1.0, 4.0], 4.0), ([[1.0, 8.0], [2.0, 6.0]], 4.0)]
)
def test_it_is_the_one_in_the_middle(values: list[float], expected: float) -> None:
    """The median is the sample in the middle, or the mean of the two that are."""
    assert median(np.array(values)) == expected


@given(TYPES.flatmap(lambda kind: arrays.arrays(kind, st.integers(0, 40))))
def test_distinct_samples_are_those_of_numpy(values: npt.NDArray[np.generic]) -> None:
    """Any samples have the distinct ones that NumPy finds, in its order; NaN is there once."""
    np.testing.assert_array_equal(list_distinct(values), np.unique(values), strict=True)


@pytest.mark.parametrize("function", ["median", "list_distinct"])
def test_they_import_no_masked_arrays(function: str) -> None:
    """Neither imports `numpy.ma`, which takes longer than the median of an image."""
    code = f"import sys, numpy as np, radcodec.arrays as a; a.{function}(np.ones(3)); print('numpy.ma' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert done.stdout.strip() == "False"
