"""Parts of an image as users name them, against NumPy's own indexing and by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from radcodec.decoding.regions import parse_region
from radcodec.errors import InputError

CUBE = (4, 60, 80)  # z, y, x


@pytest.mark.parametrize(
    ("region", "expected"),
    [
        ("1:2,30:40", ((1, 2), (30, 40), (0, 4))),
        ("1:2,30:40,2:3", ((1, 2), (30, 40), (2, 3))),
        (" 10: , :20 , : ", ((10, 80), (0, 20), (0, 4))),
        (":", ((0, 80), (0, 60), (0, 4))),
        (((1, 2), (30, 40)), ((1, 2), (30, 40), (0, 4))),
        ([[1, 2], [None, 40], [3, None]], ((1, 2), (0, 40), (3, 4))),
        (np.array([[1, 2], [30, 40]]), ((1, 2), (30, 40), (0, 4))),
        (np.s_[1, 30:40, -5:], ((75, 80), (30, 40), (1, 2))),
        (np.s_[..., 3:9], ((3, 9), (0, 60), (0, 4))),
        (np.s_[2:], ((0, 80), (0, 60), (2, 4))),
        (np.s_[-1], ((0, 80), (0, 60), (3, 4))),
        (np.s_[:, :100, np.int64(7)], ((7, 8), (0, 60), (0, 4))),
        (None, ((0, 80), (0, 60), (0, 4))),
    ],
)
def test_one_range_for_each_axis(region: Any, expected: Any) -> None:
    """Text and pairs name x first, an index the slowest axis first; what is not named is taken whole."""
    assert parse_region(region, CUBE) == expected


def test_one_axis() -> None:
    """A spectrum has one range, however it is given."""
    for region in ("10:20", ((10, 20),), np.s_[10:20], slice(10, 20)):
        assert parse_region(region, (50,)) == ((10, 20),)


@given(hnp.array_shapes(min_dims=1, max_dims=4, max_side=6), st.data())
def test_an_index_takes_what_numpy_takes(shape: tuple[int, ...], data: st.DataObject) -> None:
    """Integers, slices without a step and ``...`` select the pixels that NumPy selects, with every axis kept."""
    array = np.arange(int(np.prod(shape))).reshape(shape)
    key = data.draw(hnp.basic_indices(shape, allow_ellipsis=True))
    steps = [part.indices(1000)[2] for part in (key if isinstance(key, tuple) else (key,)) if isinstance(part, slice)]
    expected = array[key]
    if key == () or expected.size == 0 or any(step != 1 for step in steps):
        with pytest.raises(InputError, match="expected"):
            parse_region(key, shape)
        return
    ranges = parse_region(key, shape)
    found = array[tuple(slice(start, stop) for start, stop in reversed(ranges))]
    assert found.ravel().tolist() == np.ravel(expected).tolist()


@pytest.mark.parametrize(
    ("region", "match"),
    [
        ("1:2,3", "region such as"),
        ("a:b,1:2", "region such as"),
        ("1:2:3,4:5", "region such as"),
        ("1:2,", "region such as"),
        ("", "region such as"),
        ("1:2,3:4,0:1,0:1", "at most one range for each axis of an image of 3 axes, found 4"),
        ("0:81", "x within 0:80 and not empty, found 0:81"),
        ("90:95", "x within 0:80 and not empty, found 90:95, outside of the image"),
        ("-3:5", r"x within 0:80 and not empty, found -3:5: partial=True \(--partial\)"),
        ("5:5", "x within 0:80 and not empty, found 5:5"),
        (":,:,4:", "axis 3 within 0:4 and not empty"),
        (((1, 2), (3,)), "pairs"),
        (((1.5, 2), (3, 4)), "pairs"),
        (((True, 2), (3, 4)), "pairs"),
        (5.5, "pairs"),
        ((), "pairs"),
        (np.s_[0:3:2], "without a step"),
        (np.s_[::-1], "without a step"),
        (np.s_[5:5], "slice that holds a pixel"),
        (np.s_[4], "index within an axis of 4 pixels, found 4 for axis 0"),
        (np.s_["a":"b"], "integers in a slice"),
        (np.s_[0, 0, 0, 0], "at most 3 indices"),
        (np.s_[..., 1, ...], "one ellipsis"),
        ([None, 2], "pairs"),
        ({"x": 1}, "pairs"),
    ],
)
def test_bad_regions_say_what_is_expected(region: Any, match: str) -> None:
    """Whatever else is given is an InputError, never a TypeError or ValueError of Python's own."""
    with pytest.raises(InputError, match=match):
        parse_region(region, CUBE)


def test_planes() -> None:
    """A plane is counted over all axes but the fastest two, the third fastest of them first."""
    assert parse_region("1:2", (2, 4, 60, 80), plane=5) == ((1, 2), (0, 60), (1, 2), (1, 2))
    assert parse_region(None, (4, 60, 80), plane=3) == ((0, 80), (0, 60), (3, 4))
    for plane in (-1, 8, 1.0, True):
        with pytest.raises(InputError, match="plane of 0 to 7"):
            parse_region(None, (2, 4, 60, 80), plane=plane)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="plane or a range for axis 3, found both"):
        parse_region(":,:,1:2", (4, 60, 80), plane=1)


def test_partly_outside() -> None:
    """Only with ``partial`` may a region reach outside, and never may it lie there wholly."""
    assert parse_region("-3:5,50:70", CUBE, partial=True) == ((-3, 5), (50, 70), (0, 4))
    for region in ("-9:-3", "80:90", "-5:0"):
        with pytest.raises(InputError, match="expected x to touch 0:80"):
            parse_region(region, CUBE, partial=True)


def test_an_image_without_axes_has_no_regions() -> None:
    """A single number cannot be cut."""
    with pytest.raises(InputError, match="one axis or more to cut from, found none"):
        parse_region(":", ())
