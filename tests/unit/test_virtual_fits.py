"""The restored FITS file as a file object: its bytes, its cache, what it decodes, what closing does."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.nddata import Cutout2D
from hypothesis import given, settings
from hypothesis import strategies as st
from spies import watch_tiles

import radcodec

TILE = 16


def several_hdus() -> bytes:
    """A FITS file of a primary image, a table, unsigned integers and a cube of two planes a tile."""
    rng = np.random.default_rng(8)
    table = fits.BinTableHDU.from_columns([fits.Column("A", "1J", array=np.arange(700))], name="LIST")
    hdus = [
        fits.PrimaryHDU(rng.normal(size=(37, 53)).astype(np.float32)),
        table,
        fits.ImageHDU(rng.integers(0, 9, (20, 30)).astype(np.uint16), name="DQ"),
        fits.ImageHDU(rng.normal(size=(3, 5, 8, 16)), name="CUBE"),
    ]
    out = io.BytesIO()
    fits.HDUList(hdus).writeto(out)
    return out.getvalue()


def compressed(plain: bytes, **options: Any) -> bytes:
    """A FITS file as ``.rcz``."""
    out = io.BytesIO()
    radcodec.compress(io.BytesIO(plain), out, **{"preview": 0, "threads": 1, "tile": TILE, "verify": False} | options)
    return out.getvalue()


PLAIN = several_hdus()
PACKED = compressed(PLAIN)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(PLAIN) + 99), st.integers(0, 9000)), max_size=6), st.integers(0, 5000))
def test_any_range_is_that_of_the_file(ranges: list[tuple[int, int]], cache_bytes: int) -> None:
    """Whatever is read, in any order and with any cache, is what the FITS file holds there."""
    with radcodec.open(PACKED, threads=1) as file, file.fits_file(cache_bytes=cache_bytes) as plain:
        for start, size in ranges:
            assert plain.seek(start) == start
            assert plain.read(size) == PLAIN[start : start + size]
            assert plain.tell() == start + len(PLAIN[start : start + size])
            assert plain.read_at(start, size) == PLAIN[start : start + size]


def test_it_is_a_binary_file() -> None:
    """It has the size, the ways to seek and read, and the buffer of a file; it cannot be written to."""
    with radcodec.open(PACKED, threads=2) as file, file.fits_file() as plain:
        assert isinstance(plain, io.RawIOBase)
        assert (plain.readable(), plain.seekable(), plain.writable(), plain.mode) == (True, True, False, "rb")
        assert (plain.seek(0, io.SEEK_END), plain.read()) == (len(PLAIN), b"")
        assert plain.seek(-5, io.SEEK_CUR) == len(PLAIN) - 5
        assert plain.read() == PLAIN[-5:]
        assert plain.seek(len(PLAIN) + 10) == len(PLAIN) + 10
        assert (plain.read(4), plain.readinto(bytearray(4))) == (b"", 0)
        plain.seek(0)
        buffer = np.zeros(1000, np.float32)
        assert plain.readinto(buffer) == 4000
        assert buffer.tobytes() == PLAIN[:4000]
        plain.seek(0)
        assert io.BufferedReader(plain, 100).read() == PLAIN
        for offset, whence, match in ((-1, 0, "position of 0 or more"), (0, 7, "whence of 0, 1 or 2")):
            with pytest.raises(ValueError, match=match):
                file.fits_file().seek(offset, whence)
        with pytest.raises(ValueError, match="start and a size of 0 or more"):
            file.fits_file().read_at(0, -1)
        with pytest.raises(radcodec.InputError, match="0 bytes or more for the cache"):
            file.fits_file(cache_bytes=-1)


@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"])
@pytest.mark.parametrize("shape", [(), (0, 3), (1,), (70,), (20, 30), (2, 3, 5, 4)], ids=str)
def test_arrays_read_as_decompress_writes_them(dtype: str, shape: tuple[int, ...]) -> None:
    """A file of kind array reads as the minimal FITS file that it restores, whatever its type and shape."""
    array = np.random.default_rng(3).integers(-100, 100, shape).astype(dtype)
    packed, out = radcodec.encode(array, tile=8, threads=1), io.BytesIO()
    radcodec.decompress(packed, out, threads=1)
    with radcodec.open(packed, threads=1) as file, file.fits_file() as plain:
        assert plain.read() == out.getvalue()
        assert file.header == fits.getheader(io.BytesIO(out.getvalue()))


@pytest.mark.parametrize("options", [{"max_error": "0.25sigma"}, {"lossy": True}, {"preview": 5}], ids=str)
def test_other_modes_read_as_decompress_writes_them(options: dict[str, Any]) -> None:
    """Bounded and lossy files, and exact ones with a preview, read as what they restore."""
    packed, out = compressed(PLAIN, **options), io.BytesIO()
    radcodec.decompress(packed, out, threads=1)
    with radcodec.open(packed, threads=1) as file, file.fits_file() as plain:
        assert plain.read() == out.getvalue()


def test_closed_files_are_refused() -> None:
    """After the file or the .rcz file was closed every read, seek and tell is a ValueError."""
    with radcodec.open(PACKED, threads=1) as file:
        plain, other = file.fits_file(), file.fits_file()
        plain.read(3000)
        plain.close()
        plain.close()
        assert plain.closed
        assert not file.closed
        for use in (plain.read, plain.tell, plain.readall, lambda: plain.seek(0), lambda: plain.readinto(bytearray(1))):
            with pytest.raises(ValueError, match="closed"):
                use()
    assert file.closed
    for use in (other.read, other.tell, lambda: other.seek(0), lambda: other.read_at(0, 1)):
        with pytest.raises(ValueError, match="expected an open file, found one that was closed"):
            use()


def test_astropy_reads_headers_without_a_tile(monkeypatch: pytest.MonkeyPatch) -> None:
    """``info`` and all headers are there without a tile and without EXTRA; a table is read without a tile."""
    seen = watch_tiles(monkeypatch)
    with radcodec.open(PACKED, threads=1) as file:
        monkeypatch.setattr(file.reader, "read_extra", lambda: pytest.fail("EXTRA was read"))
        with file.hdulist() as hdus, fits.open(io.BytesIO(PLAIN)) as expected:
            hdus.info(output=io.StringIO())
            assert [repr(hdu.header) for hdu in hdus] == [repr(hdu.header) for hdu in expected]
        monkeypatch.undo()
        seen = watch_tiles(monkeypatch)
        with file.hdulist() as hdus:
            assert hdus["LIST"].data["A"].tolist() == list(range(700))
    assert seen == []


def test_a_section_decodes_its_tiles_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cut-out of a section decodes the four tiles that it touches, each once, and has the pixels of the file."""
    seen = watch_tiles(monkeypatch)
    with radcodec.open(PACKED, threads=1) as file, file.hdulist() as hdus, fits.open(io.BytesIO(PLAIN)) as expected:
        # 37 rows are cut at 12 and 24, 53 columns at 13, 26 and 39: the cut-out has rows 10 to 15, columns 11 to 16.
        found = Cutout2D(hdus[0].section, (14, 13), 6)
        assert np.array_equal(found.data, expected[0].data[10:16, 11:17])
        assert sorted(seen) == [(0, 0), (0, 1), (0, 4), (0, 5)]
        seen.clear()
        assert np.array_equal(hdus["CUBE"].section[1, 2], expected["CUBE"].data[1, 2])
        assert len(seen) == 1


@pytest.mark.parametrize("cache_bytes", [0, None])
def test_reading_all_decodes_each_tile_once(monkeypatch: pytest.MonkeyPatch, cache_bytes: int | None) -> None:
    """Read from start to end in any portions, each tile is decoded once even with the smallest cache."""
    seen = watch_tiles(monkeypatch)
    with radcodec.open(PACKED, threads=1) as file:
        n_tiles = sum(file.reader.n_tiles(number) for number in range(3))
        for size in (100, 2880, -1):
            seen.clear()
            with file.fits_file(cache_bytes=cache_bytes) as plain:
                pieces = iter(lambda plain=plain, size=size: plain.read(size), b"")
                assert b"".join(pieces) == PLAIN
            assert len(seen) == len(set(seen)) == n_tiles


def test_scaling_and_blank_are_those_of_astropy() -> None:
    """Scaled integers with BLANK, raw or scaled, are what astropy makes of the original."""
    # astropy 8.0.2 fails for scaled sections with few BLANK pixels, of plain files too.
    values = (np.arange(600, dtype=np.int16) % 7 + 1).reshape(20, 30)
    header = fits.Header({"BSCALE": 0.5, "BZERO": 3.0, "BLANK": 7})
    out = io.BytesIO()
    first = fits.PrimaryHDU(values)
    first.header.update(header)
    out.write(first.header.tostring().encode() + values.astype(">i2").tobytes() + bytes(-1200 % 2880))
    plain = out.getvalue()
    with radcodec.open(compressed(plain), threads=1) as file:
        for options in ({}, {"do_not_scale_image_data": True}, {"uint": False}):
            with file.hdulist(**options) as hdus, fits.open(io.BytesIO(plain), **options) as expected:
                assert hdus[0].data.dtype == expected[0].data.dtype
                np.testing.assert_array_equal(hdus[0].data, expected[0].data)
                if "do_not_scale_image_data" in options:
                    assert np.array_equal(hdus[0].section[2:4, 1:9], expected[0].section[2:4, 1:9])


def test_closing_the_list_leaves_the_file_open() -> None:
    """Lists are closed on their own; what was read of them stays. Modes that write are refused."""
    with radcodec.open(PACKED, threads=1) as file:
        with file.hdulist() as hdus:
            data = hdus[0].data
        assert not file.closed
        assert np.array_equal(data, file[...])
        for mode in ("readonly", "denywrite", "copyonwrite", None):
            with file.hdulist(mode=mode) as hdus:
                assert len(hdus) == 4
        for mode in ("update", "append", "ostream"):
            with pytest.raises(radcodec.InputError, match=f"expected a mode that reads .* found {mode}"):
                file.hdulist(mode=mode)


def test_damage_is_found_where_it_is_read() -> None:
    """A damaged tile is a CorruptError for reads that touch it and for no other."""
    with radcodec.open(PACKED) as file:
        start = file.reader.images[0].tile_starts[5]
    damaged = bytearray(PACKED)
    damaged[start + 1] ^= 1
    with radcodec.open(damaged, threads=1) as file, file.fits_file() as plain:
        assert plain.read(2880 + 13 * 53 * 4) == PLAIN[: 2880 + 13 * 53 * 4]
        with pytest.raises(radcodec.CorruptError, match="tile 5 of image 0"):
            plain.read(53 * 4)


def test_headers_as_astropy_objects_and_as_text() -> None:
    """``header`` is an astropy Header of its own for each call; ``header_text`` has the bytes of the cards."""
    with radcodec.open(PACKED) as file, fits.open(io.BytesIO(PLAIN)) as expected:
        assert isinstance(file.header, fits.Header)
        assert file.header == expected[0].header
        file.header["NAXIS1"] = 3
        assert file.header["NAXIS1"] == 53
        assert file.header_text == PLAIN[:2880].decode()
        assert file.hdu("DQ").header == expected["DQ"].header
        assert file.hdu("DQ").header_text.startswith("XTENSION= 'IMAGE   '")
    empty = fits.PrimaryHDU()
    empty.header["OBJECT"] = "Cyg A"
    out = io.BytesIO()
    empty.writeto(out)
    with radcodec.open(compressed(out.getvalue())) as file:
        assert file.header["OBJECT"] == "Cyg A"
