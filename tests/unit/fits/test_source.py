"""Tests of radcodec.fits.source."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import numpy as np
import pytest

from radcodec.errors import UnsupportedDataError
from radcodec.fits.source import open_fits_source

PLAIN = b"SIMPLE  =".ljust(2880) + np.random.default_rng(0).bytes(3_000_000)


def test_plain_file_is_read_by_ranges(tmp_path: Path) -> None:
    """A plain file is read where it is asked for and never mapped; what was read outlives the context."""
    path = tmp_path / "a.fits"
    path.write_bytes(PLAIN)
    with open_fits_source(path) as source:
        assert len(source.data) == len(PLAIN)
        assert bytes(source.data[2_000_000:2_000_100]) == PLAIN[2_000_000:2_000_100]
        assert bytes(source.data[len(PLAIN) - 5 : len(PLAIN) + 5]) == PLAIN[-5:]
        whole = source.to_memory()
    assert whole == PLAIN
    assert not whole.readonly


@pytest.mark.parametrize("tail", [b"", b"\0" * 700])
def test_gzip_of_two_members(tmp_path: Path, tail: bytes) -> None:
    """Members are joined and zero padding is skipped, from a path whatever its name and from a stream."""
    packed = gzip.compress(PLAIN[:1_500_000], 1) + gzip.compress(PLAIN[1_500_000:], 1) + tail
    path = tmp_path / "a.fits"
    path.write_bytes(packed)
    with open_fits_source(str(path)) as source:
        assert source.to_memory() == PLAIN
    with open_fits_source(io.BytesIO(packed)) as source:
        assert source.to_memory() == PLAIN


def test_streams_and_empty_files(tmp_path: Path) -> None:
    """A stream of plain bytes comes as it is; so do an empty and a one-byte one."""
    (tmp_path / "empty").write_bytes(b"")
    with open_fits_source(tmp_path / "empty") as source:
        assert bytes(source.data[:]) == b""
    for plain in (PLAIN, b"", b"\x1f"):
        with open_fits_source(io.BytesIO(plain)) as source:
            assert source.data[:] == plain


def test_highly_compressible_gzip() -> None:
    """Input that expands a thousandfold comes out whole, and the cap stops it."""
    packed = gzip.compress(b"\0" * 5_000_000)
    with open_fits_source(io.BytesIO(packed)) as source:
        assert len(source.data) == 5_000_000
    with (
        pytest.raises(UnsupportedDataError, match="at most 1000 bytes"),
        open_fits_source(io.BytesIO(packed), max_bytes=1000),
    ):
        pass


@pytest.mark.parametrize("cut", [2, 5, 10, 1000, -1, -8, -9])
def test_truncated_gzip(cut: int) -> None:
    """A gzip stream cut anywhere is refused."""
    packed = gzip.compress(PLAIN[:100_000], 1)
    with pytest.raises(UnsupportedDataError, match="cut off"), open_fits_source(io.BytesIO(packed[:cut])):
        pass


def test_corrupt_gzip() -> None:
    """A flipped bit in the checksum, or bytes after the last member, are refused."""
    packed = gzip.compress(PLAIN[:100_000], 1)
    flipped = packed[:-6] + bytes([packed[-6] ^ 1]) + packed[-5:]
    for bad in (flipped, packed + b"junk"):
        with pytest.raises(UnsupportedDataError, match="corrupt"), open_fits_source(io.BytesIO(bad)):
            pass


def test_folders_and_missing_files(tmp_path: Path) -> None:
    """A folder is named for what it is; an error of the operating system passes."""
    with pytest.raises(UnsupportedDataError, match="is a folder"), open_fits_source(tmp_path):
        pass
    (tmp_path / "table.dat").write_bytes(b"\xbe\xbe\xbe\xbe")
    with pytest.raises(UnsupportedDataError, match="measurement set / CASA image"), open_fits_source(tmp_path):
        pass
    with pytest.raises(FileNotFoundError), open_fits_source(tmp_path / "none.fits"):
        pass
