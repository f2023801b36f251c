"""``verify --against`` of a lossless file names the HDU, the pixel and the byte that differ."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

import radcodec


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    """Give a lossless file and its original: a primary header, an image SCI [3, 20, 30] float32, and a table."""
    folder = tmp_path_factory.mktemp("pair")
    cube = np.arange(3 * 20 * 30, dtype=np.float32).reshape(3, 20, 30)
    table = fits.BinTableHDU.from_columns([fits.Column("A", "J", array=np.arange(5))], name="ROWS")
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(cube, name="SCI"), table]).writeto(folder / "a.fits")
    radcodec.compress(folder / "a.fits", folder / "a.rcz", preview=0, threads=1)
    return folder / "a.rcz", (folder / "a.fits").read_bytes()


def message(pair: tuple[Path, bytes], tmp_path: Path, place: int) -> str:
    """Return the error for an original whose byte at a place is changed."""
    packed, original = pair
    changed = bytearray(original)
    changed[place] ^= 1
    (tmp_path / "b.fits").write_bytes(changed)
    with pytest.raises(radcodec.GuaranteeError) as caught:
        radcodec.verify(packed, against=tmp_path / "b.fits", threads=1)
    return str(caught.value)


def test_a_pixel(pair: tuple[Path, bytes], tmp_path: Path) -> None:
    """Plane 2, row 7, column 11 of SCI: x first, counted from 0, with the byte of the file."""
    start = 2880 + 2880  # two headers of one block
    place = start + 4 * ((2 * 20 + 7) * 30 + 11) + 2
    text = message(pair, tmp_path, place)
    assert text == f"HDU 1 (SCI): pixel x 11, y 7, axis 3 2 differs from the original (byte {place} of the file)"


def test_the_first_of_several(pair: tuple[Path, bytes], tmp_path: Path) -> None:
    """A whole image that differs is named by its first pixel."""
    packed, original = pair
    cube = (np.frombuffer(original[5760 : 5760 + 7200], ">f4") + 1).astype(">f4")
    (tmp_path / "b.fits").write_bytes(original[:5760] + cube.tobytes() + original[5760 + 7200 :])
    with pytest.raises(radcodec.GuaranteeError, match=r"HDU 1 \(SCI\): pixel x 0, y 0, axis 3 0 differs .*byte 5760"):
        radcodec.verify(packed, against=tmp_path / "b.fits", threads=1)


def test_data_of_a_table(pair: tuple[Path, bytes], tmp_path: Path) -> None:
    """A byte of a table is named within its data."""
    table = pair[1].index(np.arange(5).astype(">i4").tobytes(), 5760 + 7200)
    assert f"HDU 2 (ROWS): byte 9 of its data differs from the original (byte {table + 9} of the file)" == message(
        pair, tmp_path, table + 9
    )


def test_a_card(pair: tuple[Path, bytes], tmp_path: Path) -> None:
    """A header is named by its card, counted from 0."""
    card = pair[1].index(b"EXTNAME", 2880)
    text = message(pair, tmp_path, card + 40)
    assert text.startswith(f"HDU 1 (SCI): card {(card - 2880) // 80} of its header differs")


def test_padding(pair: tuple[Path, bytes], tmp_path: Path) -> None:
    """Bytes after the pixels, up to whole blocks, are named as padding."""
    assert message(pair, tmp_path, 5760 + 7200 + 5).startswith("HDU 1 (SCI): its padding differs")


def test_an_original_that_is_cut(pair: tuple[Path, bytes], tmp_path: Path) -> None:
    """An original that ends earlier or later is described by its length, not by a byte."""
    packed, original = pair
    (tmp_path / "long.fits").write_bytes(original + bytes(2880))
    with pytest.raises(
        radcodec.GuaranteeError, match=f"has {len(original)} bytes, the original {len(original) + 2880}"
    ):
        radcodec.verify(packed, against=tmp_path / "long.fits", threads=1)
    (tmp_path / "short.fits").write_bytes(original[:-2880])
    with pytest.raises(radcodec.GuaranteeError, match="bytes"):
        radcodec.verify(packed, against=tmp_path / "short.fits", threads=1)


def test_an_original_that_is_no_fits_file(pair: tuple[Path, bytes], tmp_path: Path) -> None:
    """Something else than a FITS file is the wrong input, not a broken guarantee."""
    (tmp_path / "c.fits").write_bytes(b"hello" * 4000)
    with pytest.raises(radcodec.UnsupportedDataError, match="expected a FITS file"):
        radcodec.verify(pair[0], against=tmp_path / "c.fits", threads=1)
