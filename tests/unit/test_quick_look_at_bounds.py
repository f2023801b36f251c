"""A tile's guarantee has one answer, whether one look over the whole tile settles it or each sample is looked at."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from radcodec.container.meta import ImageRecord
from radcodec.decoding.guarantee import tile_breach
from radcodec.decoding.tile import ImageCoding, SharedParts
from radcodec.pixels.bounds import ImageBounds
from radcodec.pixels.tiles import tile_grid
from radcodec.types import SampleType

SHAPE = (1, 3, 4)
BOX = (0, 1, 0, 3, 0, 4)


def coding_of(error: float) -> ImageCoding:
    """An image of one tile with the same E for every pixel."""
    record = ImageRecord(sample_type=SampleType.F4, shape=(3, 4), sides=(3, 4), bound=error)
    return ImageCoding(
        record=record,
        grid=tile_grid((3, 4), (3, 4)),
        bounds=ImageBounds(everywhere=error),
        shared=SharedParts(b"", None),
    )


def tiles(**changes: Any) -> SimpleNamespace:
    """An original and a restored tile whose differences are at most 0.5; changes sets pixel (1, 2) of either."""
    original = np.arange(12, dtype=np.float32).reshape(SHAPE)
    restored = original + np.float32(0.5)
    for name, value in changes.items():
        {"original": original, "restored": restored}[name][0, 1, 2] = value
    return SimpleNamespace(original=original, restored=restored)


def test_within() -> None:
    """A difference of exactly E keeps the guarantee, the next smaller E does not."""
    t = tiles()
    assert tile_breach(t.original, t.restored, None, coding_of(0.5), BOX) == ""
    assert "12 pixels" in tile_breach(t.original, t.restored, None, coding_of(np.nextafter(0.5, 0.0)), BOX)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 7.0])
def test_one_pixel_off(value: float) -> None:
    """One pixel off by more than E, or not finite on either side, breaks it; the same bits on both sides do not."""
    t = tiles(restored=value)
    assert "1 pixels" in tile_breach(t.original, t.restored, None, coding_of(0.5), BOX)
    t = tiles(original=value - 2.0)
    assert "1 pixels" in tile_breach(t.original, t.restored, None, coding_of(0.5), BOX)
    t = tiles(original=value, restored=value)
    assert tile_breach(t.original, t.restored, None, coding_of(0.5), BOX) == ""


def test_special_pixels_have_equal_bits() -> None:
    """A special pixel may hold anything but must keep its bits: a NaN of another payload breaks the guarantee."""
    special = np.zeros(SHAPE, np.bool_)
    special[0, 1, 2] = True
    first, second = (np.array(bits, np.uint32).view(np.float32) for bits in (0x7FC00001, 0x7FC00002))
    t = tiles(original=first, restored=first)
    assert tile_breach(t.original, t.restored, special, coding_of(0.5), BOX) == ""
    t = tiles(original=first, restored=second)
    assert "1 pixels" in tile_breach(t.original, t.restored, special, coding_of(0.5), BOX)
    t = tiles(restored=6.25)  # within E of the original 6, but with other bits
    assert "1 pixels" in tile_breach(t.original, t.restored, special, coding_of(0.5), BOX)


def test_an_exact_bound_asks_for_equal_bits() -> None:
    """With E = 0 every pixel must have equal bits."""
    t = tiles()
    assert "12 pixels" in tile_breach(t.original, t.restored, None, coding_of(0.0), BOX)
    assert tile_breach(t.original, t.original.copy(), None, coding_of(0.0), BOX) == ""
