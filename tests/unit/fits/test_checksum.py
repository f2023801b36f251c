"""Tests of radcodec.fits.checksum against astropy."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from radcodec.fits.checksum import checksum_status, encode_checksum, ones_complement_sum, refresh_checksums
from radcodec.fits.parse import parse_fits


def with_checksum(seed: int) -> tuple[bytes, bytes]:
    """Header and padded data of an image for which astropy wrote both cards."""
    array = np.random.default_rng(seed).normal(size=(20, 30)).astype(np.float32)
    buffer = io.BytesIO()
    fits.PrimaryHDU(array).writeto(buffer, checksum=True)
    return buffer.getvalue()[:2880], buffer.getvalue()[2880:]


@given(st.binary(max_size=300), st.integers(0, 0xFFFFFFFF))
def test_sum_is_that_of_the_definition(data: bytes, start: int) -> None:
    """The sum is that of a plain loop with end-around carry, for any length."""
    total = start
    padded = data + b"\0" * (-len(data) % 4)
    for place in range(0, len(padded), 4):
        total += int.from_bytes(padded[place : place + 4], "big")
        total = (total & 0xFFFFFFFF) + (total >> 32)
    assert ones_complement_sum(data, start) == total


def test_long_sum() -> None:
    """A buffer of several chunks gives the sum that follows from its closed form."""
    data = b"\xff\xff\xff\xff" * 1_000_000 + b"\0\0\0\x05"
    assert ones_complement_sum(data) == 5


@given(st.integers(0, 0xFFFFFFFF))
def test_encoding_is_that_of_astropy(value: int) -> None:
    """The 16 characters are those of astropy."""
    assert encode_checksum(value) == fits.PrimaryHDU()._char_encode(value)


def test_status_of_right_and_wrong() -> None:
    """Cards that astropy wrote hold; changed data break both, a changed header breaks CHECKSUM alone."""
    header, data = with_checksum(1)
    assert checksum_status(header, data) == (True, True)
    assert checksum_status(header, b"\1" + data[1:]) == (False, False)
    assert checksum_status(header.replace(b"image", b"IMAGE").replace(b"array", b"ARRAY"), data) == (True, False)
    assert checksum_status(fits.PrimaryHDU().header.tostring().encode(), b"") == (None, None)


@pytest.mark.parametrize("seed", range(5))
def test_refreshed_cards_hold_in_astropy(seed: int) -> None:
    """After the data change, refreshed cards hold in astropy, and only those two cards changed."""
    header, _ = with_checksum(seed)
    _, data = with_checksum(seed + 100)
    new = refresh_checksums(header, data)
    assert checksum_status(new, data) == (True, True)
    changed = {header[i : i + 8] for i in range(0, 2880, 80) if header[i : i + 80] != new[i : i + 80]}
    assert changed == {b"CHECKSUM", b"DATASUM "}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with fits.open(io.BytesIO(new + data), checksum=True) as hdus:
            assert hdus[0].data.shape == (20, 30)
            assert (hdus[0]._datasum_valid, hdus[0]._checksum_valid) == (1, 1)


def test_refresh_leaves_what_it_is_told_to() -> None:
    """Cards that may not be rewritten, and headers without cards, stay as they are."""
    header, data = with_checksum(3)
    assert refresh_checksums(header, data[::-1], datasum=False, checksum=False) == header
    plain = fits.PrimaryHDU().header.tostring().encode()
    assert refresh_checksums(plain, b"") == plain


def test_shared_files_agree_with_astropy(shared_data: Path) -> None:
    """Files with right cards hold; the file whose cards are wrong does not."""
    for name, expected in (("checksum.fits", True), ("checksum_false.fits", False)):
        data = (shared_data / "oddities" / name).read_bytes()
        for hdu in parse_fits(data):
            status = checksum_status(data[hdu.header_start : hdu.data_start], data[hdu.data_start : hdu.end])
            assert status == (expected, expected)
