"""Fill values: found whatever their shape and direction, exact in every mode, and no burden to what is beside them."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

import radcodec
from radcodec.container.meta import ImageRecord
from radcodec.encoding.special import all_marks, find_special
from radcodec.pixels.masks import Mask
from radcodec.types import SampleType

UNSEEN = -1.6375e30
N = 96
RNG = np.random.default_rng(5)
Y, X = np.mgrid[:N, :N]


def _smooth(sigma: float = 1e-5) -> np.ndarray:
    """A field that linear prediction does well on: white noise, twice averaged along both axes."""
    field = RNG.normal(size=(N + 8, N + 8))
    for _ in range(2):
        field = (field[:-2] + field[1:-1] + field[2:])[:, 1:-1]
        field = (field[:, :-2] + field[:, 1:-1] + field[:, 2:])[1:-1]
    field = field[:N, :N]
    return (field / field.std() * sigma).astype(np.float32)


FIELD = _smooth()
SHAPES = {
    "rows": Y < 12,
    "row": Y == 40,
    "column": X == 41,
    "diagonal": X == Y,
    "slant": np.abs(Y - 0.37 * X - 20) < 1,
    "circle": (Y - N / 2) ** 2 + (X - N / 2) ** 2 > (N / 2) ** 2,
    "cells": (Y // 8 + X // 8) % 2 == 0,
    "scattered": RNG.random((N, N)) < 0.2,
    "block of 16": (Y // 4 == 5) & (X // 4 == 9),
}


def _found(image: np.ndarray, *, exact: bool = False, **options: Any) -> np.ndarray:
    record = ImageRecord(sample_type=SampleType[image.dtype.str[1:].upper()], shape=image.shape, sides=image.shape)
    marks: Mask | None = all_marks(find_special(image[None], record, exact=exact, **options))
    return np.zeros(image.shape, np.bool_) if marks is None else marks[0]


@pytest.mark.parametrize("fill", [0.0, -999.0, 1e20, UNSEEN])
@pytest.mark.parametrize("shape", SHAPES)
def test_fills_are_found_in_any_shape(shape: str, fill: float) -> None:
    """All pixels of a fill value are marked and no other, whatever they form."""
    image = FIELD.copy()
    image[SHAPES[shape]] = fill
    assert np.array_equal(_found(image), SHAPES[shape])


def test_several_fill_values_are_found() -> None:
    """Three different ones in one image are all marked."""
    image = FIELD.copy()
    image[:9], image[:, 80:], image[50:60, 20:30] = -999, UNSEEN, 0
    assert np.array_equal(_found(image), (image == -999) | (image == np.float32(UNSEEN)) | (image == 0))


@pytest.mark.parametrize("fill", [-32768, 0, -999])
def test_fills_of_integers_are_found_without_blank(fill: int) -> None:
    """Integers around 1000 with a margin of another value: that value is marked."""
    image = RNG.normal(1000, 25, (N, N)).astype(np.int16)
    image[:, :20] = fill
    assert np.array_equal(_found(image), X < 20)
    assert np.array_equal(_found(image, exact=True), X < 20)


@pytest.mark.parametrize(
    "image",
    [
        RNG.poisson(0.5, (N, N)).astype(np.int16),
        RNG.poisson(0.5, (N, N)).astype(np.float32),
        RNG.integers(0, 256, (N, N)).astype(np.uint8),
        np.where(RNG.random((N, N)) < 0.3, 255, RNG.integers(100, 256, (N, N))).astype(np.uint8),
        (RNG.random((N, N)) < 0.1).astype(np.int32),
        np.rint(RNG.normal(0, 3, (N, N))).astype(np.float32) + 0,
        FIELD,
    ],
    ids=["counts", "counts as floats", "bytes", "saturated", "flags", "steps", "field"],
)
def test_quantised_data_hold_no_fills(image: np.ndarray) -> None:
    """Values that repeat because all of them do are data."""
    assert not _found(image, exact=True).any()
    assert not _found(image, in_steps=True).any()


def test_a_tile_with_few_is_treated_like_the_others() -> None:
    """A fill value is one for the whole image: the three pixels of it in another tile are exact too."""
    image = _smooth()
    image[:40, :40] = 0
    image[90, 90:93] = 0
    for options in ({"max_error": 1.25e-6, "dither": True}, {"lossy": True}):
        restored = radcodec.decode(radcodec.encode(image, tile=48, threads=1, **options))
        assert not restored[image == 0].any()


@pytest.mark.parametrize("fill", [-999.0, 1e10, 1e20, UNSEEN])
def test_a_block_costs_no_more_than_nan(fill: float) -> None:
    """Bounded and lossless, a block of a fill value takes what a block of NaN does, and the rest keeps its bound."""
    with_fill, with_nan = FIELD.copy(), FIELD.copy()
    with_fill[:20], with_nan[:20] = fill, np.nan
    for options in ({}, {"max_error": 1.25e-6}):
        stream = radcodec.encode(with_fill, threads=1, **options)
        assert len(stream) <= len(radcodec.encode(with_nan, threads=1, **options)) + 2
        restored = radcodec.decode(stream)
        assert (restored[:20] == np.float32(fill)).all()
        assert (np.abs(restored[20:] - FIELD[20:].astype(np.float64)) <= options.get("max_error", 0.0)).all()
    assert (restored[20:] != FIELD[20:]).any()


@pytest.mark.parametrize("shape", ["rows", "column", "slant", "cells", "scattered"])
@pytest.mark.parametrize("options", [{"lossy": True}, {"max_error": 1.25e-6, "dither": True}, {"max_error": 5e-6}])
def test_fills_come_back_exactly(shape: str, options: dict[str, Any]) -> None:
    """In every mode fill pixels come back with the same bits, and no other becomes one."""
    for fill in (0.0, UNSEEN):
        image = FIELD.copy()
        image[SHAPES[shape]] = fill
        restored = radcodec.decode(radcodec.encode(image, threads=1, **options))
        assert (restored[SHAPES[shape]] == np.float32(fill)).all()
        assert (np.abs(restored[~SHAPES[shape]]) < 1e-3).all()


@pytest.mark.parametrize("dtype", ["f4", "f8", "i2", "i4"])
def test_a_given_fill_value_is_exact(dtype: str) -> None:
    """A value within the range of the data is special where it is given, for floats and integers."""
    image = np.rint(RNG.normal(100, 10, (64, 64))).astype(dtype)
    image[::7, ::5] = 103
    plain = radcodec.decode(radcodec.encode(image, max_error=6, threads=1))
    assert (plain[image == 103] != 103).any()
    for options in ({"max_error": 6}, {"lossy": True}):
        restored = radcodec.decode(radcodec.encode(image, fill=[103, -5.0], threads=1, **options))
        assert (restored[image == 103] == 103).all()


def test_a_given_fill_value_is_in_physical_units() -> None:
    """-99.5 of an image with BSCALE 0.5 and BZERO 100 is the stored -399; 32768 of an unsigned one the stored 0."""
    stored = RNG.normal(0, 40, (64, 64)).astype(np.int16)
    stored[::6, 3:9] = -399
    for bscale, bzero, fill in ((0.5, 100.0, -99.5), (1.0, 32768.0, 32369)):
        hdu = fits.PrimaryHDU(stored)
        hdu.header["BSCALE"], hdu.header["BZERO"] = bscale, bzero
        source, packed, restored = io.BytesIO(), io.BytesIO(), io.BytesIO()
        hdu.writeto(source)
        radcodec.compress(io.BytesIO(source.getvalue()), packed, max_error=7.0, fill=fill, threads=1, preview=0)
        radcodec.decompress(packed.getvalue(), restored)
        with fits.open(io.BytesIO(restored.getvalue()), do_not_scale_image_data=True) as hdus:
            assert (hdus[0].data[stored == -399] == -399).all()
            assert (hdus[0].data != stored).any()


@pytest.mark.parametrize("fill", [np.nan, np.inf, "x", None, True, [1.0, "y"]])
def test_what_is_no_fill_value_is_refused(fill: Any) -> None:
    """Fill values are finite numbers."""
    with pytest.raises(radcodec.InputError, match="fill value that is a finite number"):
        radcodec.encode(FIELD, fill=fill, threads=1)


def test_verification_takes_the_special_samples_from_the_file() -> None:
    """A bounded file verifies against its original, and not where a fill pixel of that is another value."""
    image = FIELD.copy()
    image[:, 41] = UNSEEN
    source, packed = io.BytesIO(), io.BytesIO()
    fits.PrimaryHDU(image).writeto(source)
    radcodec.compress(io.BytesIO(source.getvalue()), packed, lossy=True, threads=1)
    radcodec.verify(packed.getvalue(), against=io.BytesIO(source.getvalue()))
    for place, value in (((7, 41), 0.5), ((7, 40), np.nan), ((7, 40), -0.0)):
        other, changed = image.copy(), io.BytesIO()
        other[place] = value
        fits.PrimaryHDU(other).writeto(changed)
        with pytest.raises(radcodec.GuaranteeError, match="special pixels differ"):
            radcodec.verify(packed.getvalue(), against=io.BytesIO(changed.getvalue()))


def test_masked_arrays() -> None:
    """Masked pixels of floats become NaN; integers, which have none, are refused; an empty mask changes nothing."""
    image = np.ma.masked_array(FIELD, FIELD > 0)
    restored = radcodec.decode(radcodec.encode(image, threads=1))
    assert np.array_equal(np.isnan(restored), FIELD > 0)
    assert np.array_equal(restored[FIELD <= 0], FIELD[FIELD <= 0])
    whole = np.arange(100).reshape(10, 10)
    with pytest.raises(radcodec.InputError, match="50 of int64"):
        radcodec.encode(np.ma.masked_array(whole, whole >= 50), threads=1)
    for unmasked in (np.ma.masked_array(whole), np.ma.masked_array(whole, np.zeros(whole.shape, bool))):
        assert np.array_equal(radcodec.decode(radcodec.encode(unmasked, threads=1)), whole)


@pytest.mark.parametrize("value", [np.nan, -999.0, 7.0])
def test_a_plane_of_one_value_in_a_lossy_cube(value: float) -> None:
    """A plane of one value comes back exactly from a lossy cube and does not make the planes of its tile exact."""
    cube = np.random.default_rng(8).normal(size=(3, 64, 64)).astype(np.float32)
    cube[1] = value
    data = radcodec.encode(cube, lossy=True, threads=1)
    assert np.array_equal(radcodec.decode(data)[1], cube[1], equal_nan=True)
    assert len(data) < 0.3 * len(radcodec.encode(cube, threads=1))
