"""Tests of radcodec.fits.parse: units tile the file, and images are what astropy says they are."""

from __future__ import annotations

import bz2
import gzip
import io
import warnings
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

import radcodec
from radcodec.errors import UnsupportedDataError
from radcodec.fits.arrays import to_physical
from radcodec.fits.parse import parse_fits
from radcodec.types import Hdu, HduKind, SampleType


def card(text: str) -> bytes:
    """One card of 80 bytes."""
    return text.encode("latin-1").ljust(80)


def block(*cards: str, end: bool = True) -> bytes:
    """A header of these cards, with END by default, padded to 2880."""
    joined = b"".join(card(text) for text in (*cards, "END") if end or text != "END")
    return joined + b" " * (-len(joined) % 2880)


PRIMARY = ("SIMPLE  =                    T", "BITPIX  =                   16", "NAXIS   =                    0")


def image(bitpix: int, *axes: int, extra: tuple[str, ...] = ()) -> bytes:
    """Header of a primary image with these axes, fastest first."""
    lengths = [f"{f'NAXIS{n}':8}= {length}" for n, length in enumerate(axes, start=1)]
    return block("SIMPLE  =                    T", f"BITPIX  = {bitpix}", f"NAXIS   = {len(axes)}", *lengths, *extra)


def assert_tiles(hdus: tuple[Hdu, ...], total: int) -> None:
    """Each unit starts where the one before ended, and the last ends with the file."""
    position = 0
    for hdu in hdus:
        assert hdu.header_start == position <= hdu.data_start <= hdu.data_stop <= hdu.end
        assert (hdu.image is not None) == (hdu.kind is HduKind.IMAGE)
        assert bool(hdu.note) == (hdu.kind is HduKind.OPAQUE)
        position = hdu.end
    assert position == total


def mixed_file() -> bytes:
    """Six units of different kinds, written by astropy."""
    hdus = fits.HDUList(
        [
            fits.PrimaryHDU(np.arange(12, dtype=np.float32).reshape(3, 4)),
            fits.ImageHDU(np.arange(6, dtype=np.uint16).reshape(1, 2, 3), name="SCI"),
            fits.BinTableHDU.from_columns([fits.Column("a", "J", array=[1, 2, 3])], name="TAB"),
            fits.CompImageHDU(np.ones((8, 8), np.int16), name="COMP"),
            fits.TableHDU.from_columns([fits.Column("a", "I6", array=[1, 2])]),
            fits.ImageHDU(np.zeros((5, 5))),
        ]
    )
    buffer = io.BytesIO()
    hdus.writeto(buffer)
    return buffer.getvalue()


MIXED = mixed_file()


def test_kinds_and_names() -> None:
    """Units of all kinds are recognised and named as in astropy."""
    hdus = parse_fits(MIXED)
    assert [hdu.kind.name for hdu in hdus] == ["IMAGE", "IMAGE", "TABLE", "COMPRESSED", "TABLE", "IMAGE"]
    assert [hdu.name for hdu in hdus] == ["PRIMARY", "SCI", "TAB", "COMP", "", ""]
    assert_tiles(hdus, len(MIXED))
    sci = hdus[1].image
    assert sci is not None
    assert (sci.sample_type, sci.shape, sci.bzero, sci.bscale) == (SampleType.I2, (1, 2, 3), 32768.0, 1.0)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_mutated_files_are_tiled(data: st.DataObject) -> None:
    """Any change, cut or insertion behind the first nine bytes gives units that tile the file."""
    mutated = bytearray(MIXED)
    for _ in range(data.draw(st.integers(1, 8))):
        place = data.draw(st.one_of(st.integers(9, 3000), st.integers(9, max(9, len(mutated) - 1))))
        piece = data.draw(st.one_of(st.binary(max_size=12), st.sampled_from([b"END".ljust(80), b"9" * 20, b"-", b"T"])))
        if data.draw(st.booleans()):
            mutated[place : place + len(piece)] = piece
        elif data.draw(st.booleans()):
            mutated[place:place] = piece
        else:
            del mutated[place : place + data.draw(st.integers(0, 6000))]
    assert_tiles(parse_fits(bytes(mutated)), len(mutated))


@given(st.binary(max_size=6000))
def test_garbage_after_the_first_card_is_tiled(tail: bytes) -> None:
    """Whatever follows the first nine bytes, nothing is raised."""
    assert_tiles(parse_fits(b"SIMPLE  =" + tail), 9 + len(tail))


@given(st.integers(0, len(MIXED)))
def test_every_truncation_is_tiled(length: int) -> None:
    """A file cut anywhere gives units that tile it."""
    if length >= 9:
        assert_tiles(parse_fits(memoryview(MIXED)[:length]), length)


@pytest.mark.parametrize(
    ("header", "note"),
    [
        (block(*PRIMARY, end=False), "no END"),
        (block("SIMPLE  =                    F", *PRIMARY[1:]), "SIMPLE is not T"),
        (block(PRIMARY[0], "BITPIX  = 12", PRIMARY[2]), "BITPIX is 12"),
        (block(PRIMARY[0], PRIMARY[1]), "NAXIS is None"),
        (block(PRIMARY[0], PRIMARY[1], "NAXIS   = 1000"), "NAXIS is 1000"),
        (image(16, 4, -1), "NAXIS2 is -1"),
        (block(*PRIMARY[:2], "NAXIS   = 2", "NAXIS1  = 3"), "NAXIS2 is None"),
        (image(-64, 9999999999, 9999999999, 9999999999), "0 bytes of 7999999997600000000239999999992 are there"),
        (image(16, 4, 4, extra=("PCOUNT  = -1",)), "PCOUNT is -1"),
        (image(8, 2880, extra=("GCOUNT  = 0",)), "PCOUNT 0 and GCOUNT 1, found 0 and 0"),
    ],
)
def test_malformed_header_is_opaque(header: bytes, note: str) -> None:
    """A header that makes no sense gives one opaque unit whose note says why."""
    hdu = parse_fits(header)[0]
    assert hdu.kind is HduKind.OPAQUE
    assert note in hdu.note
    assert hdu.end == len(header)


@pytest.mark.parametrize(("n_axes", "kind"), [(64, HduKind.IMAGE), (65, HduKind.OPAQUE), (999, HduKind.OPAQUE)])
def test_an_image_has_as_many_axes_as_an_array(n_axes: int, kind: HduKind) -> None:
    """FITS allows 999 axes. An HDU with more than an array of NumPy has is restored as it is."""
    data = image(8, *([3, 3] + [1] * (n_axes - 2))) + bytes(range(9)) + bytes(2871)
    assert parse_fits(data)[0].kind is kind
    packed, back = io.BytesIO(), io.BytesIO()
    radcodec.compress(io.BytesIO(data), packed)
    radcodec.decompress(io.BytesIO(packed.getvalue()), back)
    assert back.getvalue() == data


def test_truncated_data_are_opaque() -> None:
    """An image with one byte too few is opaque as a whole and keeps its header."""
    data = image(16, 10) + b"\0" * 19
    (hdu,) = parse_fits(data)
    assert (hdu.kind, hdu.data_start, hdu.data_stop, hdu.end) == (HduKind.OPAQUE, 2880, 2899, 2899)
    assert "19 bytes of 20" in hdu.note


def test_short_padding_is_an_image() -> None:
    """Complete data without padding are an image."""
    (hdu,) = parse_fits(image(16, 10) + b"\0" * 20)
    assert (hdu.kind, hdu.data_stop, hdu.end) == (HduKind.IMAGE, 2900, 2900)


def test_junk_after_the_last_unit() -> None:
    """Bytes after the last unit are one opaque unit."""
    hdus = parse_fits(block(*PRIMARY) + b"junk")
    assert [(hdu.kind.name, hdu.header_start, hdu.end) for hdu in hdus] == [("EMPTY", 0, 2880), ("OPAQUE", 2880, 2884)]


def test_unknown_extension_is_skipped_by_its_size() -> None:
    """An extension of an unknown type is opaque, and what follows it is parsed."""
    sizes = ("BITPIX  = 8", "NAXIS   = 1", "NAXIS1  = 100", "PCOUNT  = 2800", "GCOUNT  = 1")
    foreign = block("XTENSION= 'FOREIGN '", *sizes) + b"x" * 2900 + b"\0" * (5760 - 2900)
    last = block("XTENSION= 'IMAGE   '", "BITPIX  = 8", "NAXIS   = 1", "NAXIS1  = 3", "PCOUNT  = 0", "GCOUNT  = 1")
    data = block(*PRIMARY) + foreign + last + b"abc"
    hdus = parse_fits(data)
    assert [hdu.kind.name for hdu in hdus] == ["EMPTY", "OPAQUE", "IMAGE"]
    assert "FOREIGN" in hdus[1].note
    assert_tiles(hdus, len(data))


def test_random_groups_size() -> None:
    """Random groups take |BITPIX|/8 * GCOUNT * (PCOUNT + NAXIS2 * ...) bytes."""
    header = image(-32, 0, 3, 2, extra=("GROUPS  =                    T", "PCOUNT  = 4", "GCOUNT  = 5"))
    (hdu,) = parse_fits(header + b"\0" * 2880)
    assert (hdu.kind, hdu.data_stop - hdu.data_start) == (HduKind.GROUPS, 4 * 5 * (4 + 6))


def test_scale_cards_are_read_leniently() -> None:
    """Fortran exponents are read, and values that cannot be read are the defaults."""
    extra = ("BSCALE  = 1.5D-3", "BZERO   = 1E999", "BLANK   = -1", "BUNIT   = 'Jy/b''m '")
    info = parse_fits(image(8, 1, extra=extra) + b"\0")[0].image
    assert info is not None
    assert (info.bscale, info.bzero, info.blank, info.unit) == (0.0015, 0.0, -1, "Jy/b'm")
    zero = parse_fits(image(8, 1, extra=("BSCALE  = 0.0", "BLANK   = 1.5")) + b"\0")[0].image
    assert zero is not None
    assert (zero.bscale, zero.blank) == (0.0, None)


def test_repeated_cards_count_as_in_astropy() -> None:
    """Pixels are read by the last of repeated cards, name and unit come from the first, as in astropy."""
    extra = ("BSCALE  = 3.0", "BSCALE  = 5.0", "BLANK   = 1", "BLANK   = 2", "NAXIS1  = 2")
    extra += ("BUNIT   = 'a'", "BUNIT   = 'b'", "EXTNAME = 'A'", "EXTNAME = 'B'")
    data = image(8, 3, extra=extra) + b"\1\2" + b"\0" * 2878
    (hdu,) = parse_fits(data)
    assert hdu.image is not None
    with fits.open(io.BytesIO(data)) as hdus:
        assert (hdu.name, hdu.image.unit) == (hdus[0].name, hdus[0].header["BUNIT"]) == ("A", "a")
        np.testing.assert_array_equal(hdus[0].data, to_physical(np.array([1, 2], np.uint8), hdu.image))
        np.testing.assert_array_equal(hdus[0].data, np.array([5, np.nan], np.float32))


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "an empty file"),
        (gzip.compress(b"SIMPLE  =", mtime=0), "a gzip file"),
        (b"\x89HDF\r\n\x1a\n", "HDF5"),
        (b"\x89PNG\r\n\x1a\n", "PNG"),
        (b"\x1f\x9d\x90", r"\(\.Z\)"),
        (b"\0" * 257 + b"ustar", "a tar archive"),
        (b"\xbe\xbe\xbe\xbe\0\0", "measurement set"),
        (b"hello", "first bytes b'hello'"),
    ],
)
def test_other_files_are_named(data: bytes, what: str) -> None:
    """A file that is not FITS raises an error that says what it looks like."""
    with pytest.raises(UnsupportedDataError, match=what):
        parse_fits(data)


def test_shared_files_agree_with_astropy(shared_data: Path) -> None:
    """Every shared FITS file is tiled, and its images have astropy's shape, dtype and values."""
    n_images = 0
    for path in sorted(shared_data.rglob("*.fits*")):
        if path.suffix == ".Z" or (path.parent.parent.name == "first" and not path.name.startswith("100_1")):
            continue
        data = {".gz": gzip.decompress, ".bz2": bz2.decompress}.get(path.suffix, bytes)(path.read_bytes())
        hdus = parse_fits(data)
        assert_tiles(hdus, len(data))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with fits.open(io.BytesIO(data), disable_image_compression=True) as expected:
                for hdu, unit in zip(hdus, expected, strict=True):
                    if hdu.image is None:
                        continue
                    n_images += 1
                    raw = np.frombuffer(data[hdu.data_start : hdu.data_stop], f">{hdu.image.sample_type.dtype_str}")
                    native = raw.reshape(hdu.image.shape).astype(raw.dtype.newbyteorder("="))
                    physical = to_physical(native, hdu.image)
                    assert physical.dtype == unit.data.dtype.newbyteorder("="), path.name
                    np.testing.assert_array_equal(physical, unit.data, err_msg=path.name)
    assert n_images > 100
