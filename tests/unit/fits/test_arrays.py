"""Tests of radcodec.fits.arrays against astropy."""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from radcodec.errors import UnsupportedDataError
from radcodec.fits.arrays import array_to_fits_bytes, to_physical
from radcodec.fits.parse import parse_fits

DTYPES = [f"{order}{kind}" for kind in ("i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8") for order in "<>"]


def as_file(array: npt.NDArray[Any]) -> bytes:
    """The FITS file of an array."""
    return b"".join(array_to_fits_bytes(array))


@given(st.sampled_from(DTYPES).flatmap(lambda d: hnp.arrays(d, hnp.array_shapes(min_dims=0, max_dims=5, max_side=4))))
def test_astropy_reads_the_same_array(array: npt.NDArray[Any]) -> None:
    """Astropy reads back the values and the dtype of any array, 0-d ones as one element."""
    data = as_file(array.T)
    assert len(data) % 2880 == 0
    with fits.open(io.BytesIO(data)) as hdus:
        hdus.verify("exception")
        read = hdus[0].data
        assert read.dtype.newbyteorder("=") == array.dtype.newbyteorder("=")
        np.testing.assert_array_equal(read, array.T.reshape(read.shape))
        assert read.shape == (array.T.shape or (1,))
    info = parse_fits(data)[0].image
    assert info is not None
    raw = np.frombuffer(array_to_fits_bytes(array.T)[1], f">{info.sample_type.dtype_str}").reshape(info.shape)
    native = to_physical(raw.astype(raw.dtype.newbyteorder("=")), info)
    np.testing.assert_array_equal(native, array.T.reshape(native.shape))


def test_nan_payloads_are_kept() -> None:
    """Signalling NaN, payloads and -0.0 keep their bits through both byte orders."""
    bits = np.array([0x7F800001, 0xFFC12345, 0x80000000, 1], dtype="<u4")
    for array in (bits.view("<f4"), bits.astype(">u4").view(">f4")):
        assert bytes(array_to_fits_bytes(array)[1]) == bits.astype(">u4").tobytes()


def test_empty_array() -> None:
    """An empty array keeps its axes and has no data."""
    header, data, padding = array_to_fits_bytes(np.zeros((3, 0), np.float32))
    assert (len(data), padding) == (0, b"")
    assert list(fits.Header.fromstring(header)["NAXIS*"].values()) == [2, 0, 3]


@pytest.mark.parametrize("dtype", ["f2", "c8", "?", "U3", "M8[s]"])
def test_other_dtypes_are_refused(dtype: str) -> None:
    """A dtype that FITS images do not have raises an error that names it."""
    with pytest.raises(UnsupportedDataError, match="expected an array of integers"):
        array_to_fits_bytes(np.zeros(2, dtype=dtype))


@pytest.mark.parametrize("bitpix", [8, 16, 32, 64, -32, -64])
@pytest.mark.parametrize("scale", [{}, {"BSCALE": 1.5e-3}, {"BZERO": 3}, {"BSCALE": 1.0, "BZERO": 0.0}])
@pytest.mark.parametrize("blank", [None, 7, 0, -99999])
def test_scaling_is_that_of_astropy(bitpix: int, scale: dict[str, float], blank: int | None) -> None:
    """Type and values of scaled images with and without BLANK are those of astropy, bit for bit."""
    stored = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}[bitpix]
    array = np.array([[0, 1, 7], [100, 120, 7]], dtype=stored)
    header = fits.PrimaryHDU(array).header
    header.update(scale | ({} if blank is None else {"BLANK": blank}))
    data = header.tostring().encode() + array.tobytes().ljust(2880, b"\0")
    info = parse_fits(data)[0].image
    assert info is not None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = fits.open(io.BytesIO(data))[0].data
    found = to_physical(array.astype(array.dtype.newbyteorder("=")), info)
    assert found.dtype == expected.dtype.newbyteorder("=")
    assert found.tobytes() == expected.astype(found.dtype).tobytes()
