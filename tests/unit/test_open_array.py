"""Open files and their images as arrays: NumPy's protocol, pieces, pickling, the choice of an HDU."""

from __future__ import annotations

import io
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

import radcodec
from radcodec.pixels.tiles import axis_chunks, tile_grid, tile_sides


@pytest.fixture
def values() -> np.ndarray:
    """A small image of floats."""
    return np.random.default_rng(5).normal(size=(40, 50)).astype(np.float32)


def compressed(hdus: list[Any], **options: Any) -> bytes:
    """A FITS file of several HDUs, compressed."""
    file, out = io.BytesIO(), io.BytesIO()
    fits.HDUList(hdus).writeto(file)
    radcodec.compress(io.BytesIO(file.getvalue()), out, preview=0, threads=1, verify=False, **options)
    return out.getvalue()


def several(values: np.ndarray) -> bytes:
    """A file without pixels in its primary HDU and with SCI, DQ (scaled), a table and SCI,2."""
    quality = fits.ImageHDU(np.arange(12, dtype=np.uint16).reshape(3, 4), name="DQ")
    table = fits.BinTableHDU.from_columns([fits.Column("A", "1J", array=[1, 2])], name="LIST")
    science = [fits.ImageHDU(values + number, name="SCI", ver=number) for number in (1, 2)]
    return compressed([fits.PrimaryHDU(), science[0], quality, table, science[1]])


def test_numpy_takes_it_for_an_array(values: np.ndarray) -> None:
    """asarray, functions and arithmetic of NumPy work on an open file as on the array in it."""
    with radcodec.open(radcodec.encode(values, tile=16), threads=1) as file:
        assert (file.shape, file.ndim, file.size, len(file)) == ((40, 50), 2, 2000, 40)
        assert file.dtype == np.float32
        assert np.array_equal(np.asarray(file), values)
        assert np.asarray(file, np.float64).dtype == np.float64
        assert float(np.mean(file)) == float(np.mean(values))
        assert np.array_equal(np.asarray(file.images[0]), values)
        assert np.array(file, copy=True).flags.writeable
        with pytest.raises(ValueError, match="expected copy to be None or True"):
            np.array(file, copy=False)


def test_shapes_without_axes_or_pixels() -> None:
    """A single number and an empty array are arrays too; the number has no length."""
    with radcodec.open(radcodec.encode(np.float64(2.5))) as file:
        assert (np.asarray(file).shape, float(np.asarray(file)), file.ndim, file.chunks) == ((), 2.5, 0, ())
        with pytest.raises(TypeError, match="without axes"):
            len(file)
    with radcodec.open(radcodec.encode(np.zeros((0, 7), np.int16))) as file:
        assert (np.asarray(file).shape, len(file), file.size, file.chunks) == ((0, 7), 0, 0, ((0,), (7,)))


def test_pieces_are_those_of_the_tiles(values: np.ndarray) -> None:
    """Chunks end where tiles end: 40 rows in 3 pieces, 50 columns in 4, all but the last equal."""
    with radcodec.open(radcodec.encode(values, tile=16)) as file:
        assert file.chunks == ((14, 14, 12), (13, 13, 13, 11))
        assert file.images[0].chunks == file.chunks
    # 16 * 16 pixels hold 4 planes of 8 x 8: 10 planes are three pieces.
    for shape, pieces in (
        ((10, 8, 8), ((4, 4, 2), (8,), (8,))),
        ((1, 10, 8, 8), ((1,), (4, 4, 2), (8,), (8,))),
        ((5, 40, 8), ((1, 1, 1, 1, 1), (14, 14, 12), (8,))),
        ((600,), ((200, 200, 200),)),
    ):
        assert radcodec.open(radcodec.encode(np.zeros(shape, np.float32), tile=16)).chunks == pieces


@given(st.lists(st.integers(0, 70), max_size=4), st.integers(8, 20))
def test_pieces_fill_every_axis(shape: list[int], tile: int) -> None:
    """Whatever the shape, the pieces of each axis are equal but for the last, add up to it, and none is over a tile."""
    sides = tile_sides(tuple(shape), tile)
    chunks = axis_chunks(tuple(shape), sides)
    assert tuple(map(sum, chunks)) == tuple(shape)
    if tile_grid(tuple(shape), sides).n_tiles:
        assert all(0 < axis[-1] <= axis[0] and set(axis[:-1]) <= {axis[0]} for axis in chunks)
        assert np.prod([max(axis) for axis in chunks]) <= tile * tile


def test_pickles_of_paths_and_bytes(values: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that was opened by a path, relative ones included, or from bytes is opened again by its pickle."""
    monkeypatch.chdir(tmp_path)
    Path("a.rcz").write_bytes(several(values))
    with radcodec.open("a.rcz", threads=1) as file:
        pickles = [pickle.dumps(file), pickle.dumps(file.hdu("SCI,2"))]
    os.chdir(tmp_path.parent)
    first, second = map(pickle.loads, pickles)
    assert np.array_equal(first[3:5], (values + 1)[3:5])
    assert np.array_equal(second[...], values + 2)
    assert (second.name, second.hdu_number, second.file.threads) == ("SCI", 4, 1)
    with radcodec.open(radcodec.encode(values)) as file:
        assert np.array_equal(np.asarray(pickle.loads(pickle.dumps(file))), values)


def test_pickles_that_cannot_be_or_are_stale(values: np.ndarray, tmp_path: Path) -> None:
    """An open file object cannot be pickled, and another file in the place of a pickled one is found out."""
    data = radcodec.encode(values)
    with radcodec.open(io.BytesIO(data)) as file, pytest.raises(TypeError, match="open it by its path"):
        pickle.dumps(file)
    path = tmp_path / "a.rcz"
    path.write_bytes(data)
    with radcodec.open(path) as file:
        pickled = pickle.dumps(file)
    path.write_bytes(radcodec.encode(values + 1))
    with pytest.raises(radcodec.InputError, match="to be the file that was pickled, found another one"):
        pickle.loads(pickled)


def test_every_image_by_number_and_name(values: np.ndarray) -> None:
    """Images are in order and found by number, name (in any case) and EXTVER; each reads its own pixels."""
    with radcodec.open(several(values), threads=1) as file:
        assert [(image.hdu_number, image.name) for image in file.images] == [(1, "SCI"), (2, "DQ"), (4, "SCI")]
        assert np.array_equal(file.hdu("sci")[...], values + 1)
        for choice in ("SCI,2", ("sci", 2), 4, "4", np.int64(4)):
            assert np.array_equal(file.hdu(choice)[...], values + 2)
        quality = file.hdu("DQ")
        assert quality.dtype == np.uint16
        assert np.asarray(quality).tolist() == np.arange(12).reshape(3, 4).tolist()
        assert "EXTNAME = 'DQ" in quality.header_text
        assert file.header_text == file.hdu(1).header_text
        assert "SCI" in repr(file.images[0])
        for choice in ("LIST", 0, "PRIMARY"):
            with pytest.raises(radcodec.InputError, match="is no image"):
                file.hdu(choice)
        for choice in ("NONE", "SCI,3", 9):
            with pytest.raises(
                radcodec.InputError, match=r"expected an image HDU of this file \(1 SCI,1; 2 DQ; 4 SCI,2"
            ):
                file.hdu(choice)
        for choice in (-1, 1.5, "", None):
            with pytest.raises(radcodec.InputError, match="number"):
                file.hdu(choice)


def test_everything_that_reads_chooses_an_hdu(values: np.ndarray, tmp_path: Path) -> None:
    """decode, preview and cutout take the first image, or the one of ``hdu``."""
    data = several(values)
    assert np.array_equal(radcodec.decode(data, threads=1), values + 1)
    assert np.array_equal(radcodec.decode(data, hdu="SCI,2", threads=1), values + 2)
    assert radcodec.decode(data, hdu="DQ", threads=1).dtype == np.uint16
    assert radcodec.preview(data, hdu="DQ", threads=1).tolist() == np.arange(12.0).reshape(3, 4).tolist()
    radcodec.cutout(data, tmp_path / "c.fits", np.s_[2:4, 5:7], hdu=4, threads=1)
    assert np.array_equal(fits.getdata(tmp_path / "c.fits"), (values + 2)[2:4, 5:7])
    for read in (radcodec.decode, radcodec.preview):
        with pytest.raises(radcodec.InputError, match="no HDU '7'"):
            read(data, hdu=7)
    array = radcodec.encode(values)
    assert np.array_equal(radcodec.decode(array, hdu=0), values)
    with pytest.raises(radcodec.InputError, match="expected an HDU of this file"):
        radcodec.decode(array, hdu=1)


def test_world_coordinates(values: np.ndarray) -> None:
    """``wcs`` is astropy's, with the cards that an extension inherits; an array has plain pixels."""
    primary, image = fits.PrimaryHDU(), fits.ImageHDU(values, name="SCI")
    primary.header.update(RADESYS="FK4", EQUINOX=1950.0)
    image.header.update(INHERIT=True, CTYPE1="RA---SIN", CTYPE2="DEC--SIN", CRVAL1=15.0, CRVAL2=20.0)
    image.header.update(CRPIX1=3.0, CRPIX2=4.0)
    with radcodec.open(compressed([primary, image])) as file:
        assert (file.wcs.wcs.radesys, file.wcs.wcs.equinox) == ("FK4", 1950.0)
        np.testing.assert_allclose(file.wcs.all_pix2world(2, 3, 0), [15.0, 20.0])
    with radcodec.open(radcodec.encode(values)) as file:
        np.testing.assert_allclose(file.wcs.all_pix2world(2, 3, 1), [2.0, 3.0])


class Minimal:
    """A source of another library: it reads and perhaps seeks, and has no ``seekable``."""

    def __init__(self, data: bytes) -> None:
        self._file = io.BytesIO(data)

    def read(self, size: int = -1) -> bytes:
        """As a binary file."""
        return self._file.read(size)


class Seeking(Minimal):
    """One that seeks and says where it is."""

    def seek(self, offset: int, whence: int = 0) -> int:
        """As a binary file."""
        return self._file.seek(offset, whence)


class Silent(Minimal):
    """One that seeks and says nothing."""

    def seek(self, offset: int, whence: int = 0) -> None:
        """As a binary file, without a word."""
        self._file.seek(offset, whence)


@pytest.mark.parametrize("kind", [Minimal, Seeking, Silent])
def test_sources_without_seekable(values: np.ndarray, kind: Any) -> None:
    """What has ``read`` alone is enough for open, decode, decompress, verify, preview and cutout."""
    data = radcodec.encode(values)
    with radcodec.open(kind(data)) as file:
        assert np.array_equal(file[1:3], values[1:3])
    assert np.array_equal(radcodec.decode(kind(data)), values)
    assert radcodec.verify(kind(data)).mode == "lossless"
    assert radcodec.preview(kind(data)).shape == values.shape
    out, plain = io.BytesIO(), io.BytesIO()
    radcodec.cutout(kind(data), out, "0:2,0:2")
    radcodec.decompress(kind(data), plain)
    radcodec.compress(kind(plain.getvalue()), io.BytesIO(), preview=0)
    assert np.array_equal(fits.getdata(io.BytesIO(out.getvalue())), values[:2, :2])


@pytest.mark.parametrize("source", [None, 5, object(), ["a.rcz"], io.StringIO("text")])
def test_what_is_no_source(source: Any) -> None:
    """Anything that cannot be read from says so, and no AttributeError does."""
    with pytest.raises((radcodec.InputError, radcodec.FormatError), match="expected"):
        radcodec.open(source)


def test_cutting_an_array_opens_its_source_once(
    values: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cut-out of an array file opens its path once and closes it."""
    path = tmp_path / "a.rcz"
    path.write_bytes(radcodec.encode(values))
    opened: list[Any] = []
    original = open

    def counted(*args: Any, **options: Any) -> Any:
        opened.append(original(*args, **options))
        return opened[-1]

    monkeypatch.setattr("builtins.open", counted)
    radcodec.cutout(path, tmp_path / "c.fits", "0:4,0:4", threads=1)
    assert [file.closed for file in opened if file.name == str(path)] == [True]


class _Short(io.RawIOBase):
    """A file without a buffer that gives at most seven bytes at once, as sockets and remote files may."""

    def __init__(self, content: bytes) -> None:
        self._file = io.BytesIO(content)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def readinto(self, target: Any) -> int:
        return self._file.readinto(memoryview(target)[:7])


def test_sources_that_give_few_bytes_at_once(values: np.ndarray) -> None:
    """They are read until all is there; a file that ends before is cut off."""
    packed = radcodec.encode(values, threads=1)
    assert np.array_equal(radcodec.open(_Short(packed))[...], values)
    with pytest.raises(radcodec.errors.TruncatedError):
        radcodec.decode(_Short(packed[:-1]))


def test_files_opened_as_text_are_refused(tmp_path: Path) -> None:
    """Whatever they hold."""
    (tmp_path / "a.rcz").write_bytes(b"\xff" * 99)
    with (
        open(tmp_path / "a.rcz", encoding="utf-8") as file,
        pytest.raises(radcodec.errors.InputError, match="expected a file opened in binary mode, found TextIOWrapper"),
    ):
        radcodec.open(file)
