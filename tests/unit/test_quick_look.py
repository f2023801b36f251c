"""Quick looks: what of a file they read, when the base layer gives way to the pixels, and the pictures they become."""

from __future__ import annotations

import io
import struct
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

import radcodec
from radcodec.cli.app import run
from radcodec.decoding.quick_look import Layer, base_share


def smooth(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Noise that a beam has smoothed, float32, with some pixels missing."""
    values = np.random.default_rng(seed).normal(size=shape)
    for axis in (-1, -2):
        values = sum(
            np.roll(values, shift, axis) * weight for shift, weight in zip(range(-2, 3), (1, 3, 4, 3, 1), strict=True)
        )
    values[..., 10:20, 30:50] = np.nan
    return values.astype(np.float32)


class Counting(io.BytesIO):
    """A file that notes which of its bytes were read."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.ranges: list[tuple[int, int]] = []

    def read(self, size: int | None = -1) -> bytes:
        """As a binary file."""
        start = self.tell()
        data = super().read(size)
        self.ranges.append((start, start + len(data)))
        return data


def packed(values: np.ndarray, **options: Any) -> bytes:
    """An image as a FITS file, compressed."""
    file, out = io.BytesIO(), io.BytesIO()
    fits.PrimaryHDU(values).writeto(file)
    radcodec.compress(io.BytesIO(file.getvalue()), out, threads=1, verify=False, **options)
    return out.getvalue()


@pytest.mark.parametrize("options", [{}, {"max_error": "0.25sigma"}])
def test_no_detail_stream_is_read(options: dict[str, Any]) -> None:
    """A quick look at one plane reads base streams and masks of its tiles, and not a byte of a detail stream."""
    data = packed(smooth((3, 200, 200)), tile=100, preview=30, **options)
    source = Counting(data)
    with radcodec.open(source, threads=1) as file:
        index, reader = file.reader.images[0], file.reader
        masks = {
            index.tile_starts[tile]: index.tile_starts[tile] + len(reader.read_mask(0, tile))
            for tile in range(index.n_tiles)
        }
        base = reader.prelude.section_start("BASE"), reader.prelude.section_start("TILES")
        source.ranges.clear()
        look = file.quick_look(1)
        assert (look.layer, look.note) == (Layer.BASE, "")
        assert np.isnan(look.pixels[10:20, 30:50]).all()
    assert source.ranges
    for start, stop in source.ranges:
        assert start == stop or base[0] <= start < stop <= base[1] or masks.get(start) == stop
    size = sum(stop - start for start, stop in source.ranges)
    assert size < (base[1] - base[0]) / 2 + sum(stop - start for start, stop in masks.items())


def test_a_base_layer_that_is_too_small_gives_way() -> None:
    """A base layer of some thirty bytes is left aside: the pixels are shown, and the note says why."""
    values = smooth((64, 64))
    data = packed(values)
    with radcodec.open(data, threads=1) as file:
        assert 0 < base_share(file.images[0].stored, 0) < 64
        look = file.quick_look()
        assert look.layer is Layer.PIXELS
        assert np.array_equal(look.pixels, values.astype(np.float64), equal_nan=True)
        assert "bytes for a plane of a tile, is too small to show the image" in look.note
        assert np.array_equal(file.preview(), look.pixels, equal_nan=True)
    notes: list[str] = []
    radcodec.preview(data, on_note=notes.append, threads=1)
    assert notes == [look.note]


def test_a_picture_without_the_noise_that_it_should_show_gives_way() -> None:
    """White noise that a few hundred bytes cannot show is decoded as well."""
    values = np.random.default_rng(2).normal(size=(300, 300)).astype(np.float32)
    with radcodec.open(packed(values, preview=0.05), threads=1) as file:
        look = file.quick_look()
        assert (look.layer, bool(look.note)) == (Layer.PIXELS, True)


def test_full_always_decodes() -> None:
    """With ``full`` the pixels are shown, without a note, though the base layer would do."""
    values = smooth((200, 200))
    with radcodec.open(packed(values, preview=5), threads=1) as file:
        assert file.quick_look().layer is Layer.BASE
        look = file.quick_look(full=True)
        assert (look.layer, look.note) == (Layer.PIXELS, "")
        assert np.array_equal(file.preview(full=True), values.astype(np.float64), equal_nan=True)
        assert not np.array_equal(file.preview(), look.pixels, equal_nan=True)


def test_the_base_layer_of_a_lossy_file_is_the_image() -> None:
    """A lossy file of few bytes is shown as it is: there is nothing else to decode."""
    values = np.random.default_rng(3).normal(size=(64, 64)).astype(np.float32)
    with radcodec.open(radcodec.encode(values, lossy_bpp=0.6), threads=1) as file:
        assert file.quick_look().layer is Layer.BASE


@pytest.mark.parametrize("shape", [(0, 5), (3, 0), (0,), (2, 0, 4)])
def test_nothing_to_show_or_estimate(shape: tuple[int, ...]) -> None:
    """An empty array says that it has no pixels, in a preview and in an estimate."""
    values = np.zeros(shape, np.float32)
    with pytest.raises(radcodec.UnsupportedDataError, match="nothing to show"):
        radcodec.preview(radcodec.encode(values))
    with pytest.raises(radcodec.UnsupportedDataError, match="nothing to estimate"):
        radcodec.estimate(values)


def test_single_numbers() -> None:
    """A number gives a picture of one pixel, and an estimate without bounds, as it has no noise."""
    for number in (np.float32(3), np.array(7), 5):
        out = io.BytesIO()
        assert radcodec.preview(radcodec.encode(np.asarray(number)), out).tolist() == [[float(number)]]
        assert struct.unpack(">II", out.getvalue()[16:24]) == (1, 1)
        assert radcodec.estimate(number)[0]["mode"] == "lossless"  # type: ignore[arg-type]
        assert all(row["mode"] != "bounded" for row in radcodec.estimate(number))  # type: ignore[arg-type]
    with pytest.raises(radcodec.UnsupportedDataError, match=r"expected an array of integers .* found bool"):
        radcodec.estimate(np.zeros((3, 3), bool))


def grey(png: bytes) -> np.ndarray:
    """Pixels of a PNG file as `picture.png_bytes` writes it."""
    width, height = struct.unpack(">II", png[16:24])
    start = png.index(b"IDAT") + 4
    rows = np.frombuffer(zlib.decompressobj().decompress(png[start:]), np.uint8).reshape(height, width + 1)[:, 1:]
    return np.cumsum(rows, axis=0, dtype=np.uint8)


def test_ripples_under_the_noise_are_not_stretched() -> None:
    """The picture of a base layer without noise is as dark between its sources as that of the image, not brighter."""
    from radcodec.decoding.picture import png_bytes, sky_pixels

    picture = np.tile(0.02 * np.sin(np.arange(60)), (60, 1))  # ripples of a fiftieth of the noise, one source
    picture[50, 50] = 50.0
    plain, calm = sky_pixels(picture), grey(png_bytes(sky_pixels(picture, noise=1.0)))
    assert np.ptp(plain[30:].astype(int)) > 10
    assert np.ptp(calm[30:].astype(int)) <= 2
    assert calm[9, 50] == 255


def test_fill_values_do_not_set_the_white() -> None:
    """A picture with 1e20 in missing pixels shows the sky as it does without them."""
    from radcodec.decoding.picture import sky_pixels

    values = np.random.default_rng(4).normal(size=(50, 60))
    values[20, 20] = 300.0
    filled = values.copy()
    filled[40:, 50:] = 1e20
    holes = np.where(filled == 1e20, np.nan, values)
    assert np.abs(sky_pixels(filled)[10:].astype(int) - sky_pixels(holes)[10:]).max() <= 1
    assert (sky_pixels(filled)[:10, 50:] == 255).all()


def test_pictures_are_what_their_names_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """.png and names without an ending are PNG, .jpg is JPEG, others and JPEG without Pillow are refused by name."""
    data = radcodec.encode(smooth((40, 60)))
    pytest.importorskip("PIL")
    for name, magic in (
        ("a.png", b"\x89PNG"),
        ("a", b"\x89PNG"),
        ("a.JPG", b"\xff\xd8\xff"),
        ("b.jpeg", b"\xff\xd8\xff"),
    ):
        radcodec.preview(data, tmp_path / name)
        assert (tmp_path / name).read_bytes().startswith(magic)
    for name in ("a.gif", "a.fits", "a.txt", "a.tiff"):
        with pytest.raises(radcodec.InputError, match=r"ends in \.png, \.jpg or \.jpeg, found \." + name[2:]):
            radcodec.preview(data, tmp_path / name)
        assert not (tmp_path / name).exists()
    monkeypatch.setitem(sys.modules, "PIL", None)
    monkeypatch.setattr("radcodec.decoding.picture.find_spec", lambda name: None)
    with pytest.raises(radcodec.InputError, match=r"Pillow to write .jpg.*radcodec\[jpeg\]"):
        radcodec.preview(data, tmp_path / "c.jpg")


def test_cutouts_are_fits_files_by_name(tmp_path: Path) -> None:
    """A cut-out is written under a FITS name or one without an ending, and refused under another."""
    data = radcodec.encode(smooth((40, 60)))
    for name in ("c.fits", "c.FIT", "c.fts", "c"):
        radcodec.cutout(data, tmp_path / name, "0:4,0:4")
        assert (tmp_path / name).read_bytes().startswith(b"SIMPLE  =")
    for name in ("c.png", "c.fits.gz", "c.rcz"):
        with pytest.raises(radcodec.InputError, match=r"ends in \.fits, \.fit, \.fts for a FITS file"):
            radcodec.cutout(data, tmp_path / name, "0:4,0:4")
        assert not (tmp_path / name).exists()


def test_the_size_of_a_picture(tmp_path: Path) -> None:
    """``size`` bounds the longer side of the picture and leaves the array alone; a senseless one is refused."""
    data = radcodec.encode(smooth((60, 100)))
    assert radcodec.preview(data, tmp_path / "a.png", size=40).shape == (60, 100)
    width, height = struct.unpack(">II", (tmp_path / "a.png").read_bytes()[16:24])
    assert (width, height) == (34, 20)
    for size in (0, -3, 70000):
        with pytest.raises(radcodec.InputError, match="expected a picture of 1 to 65535 pixels"):
            radcodec.preview(data, tmp_path / "b.png", size=size)


def test_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The commands know --full, --size, --hdu, --center and --partial, and say on standard error what they decoded."""
    monkeypatch.chdir(tmp_path)
    Path("a.rcz").write_bytes(packed(smooth((64, 64))))
    assert run(["preview", "a.rcz", "a.png"]) == 0
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("a.rcz -> a.png\n", 1)
    assert err.startswith("radcodec: a.rcz: the base layer, ")
    assert run(["preview", "a.rcz", "b.png", "--full", "--size", "32", "--hdu", "0", "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")
    assert run(["preview", "a.rcz", "c.gif"]) == 2
    assert "found .gif" in capsys.readouterr().err
    assert run(["cutout", "a.rcz", "c.png", "--region", "0:4"]) == 2
    assert "ends in .fits" in capsys.readouterr().err
    assert run(["cutout", "a.rcz", "c.fits", "--region", "-2:4,:", "--partial", "--hdu", "PRIMARY"]) == 0
    assert fits.getdata("c.fits").shape == (64, 6)
    for arguments, text in (
        (["--center", "10 20", "--size", "2arcmin"], "two axes on the sky"),
        ([], "a centre or a plane, found none"),
        (["--region", "-2:4"], "--partial"),
        (["--region", "0:4", "--hdu", "SCI"], "no HDU 'SCI'"),
    ):
        assert run(["cutout", "a.rcz", "d.fits", *arguments]) == 2
        assert text in capsys.readouterr().err
        assert not Path("d.fits").exists()


def test_the_sky_from_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """--center and --size cut a field, without a word of astropy's about an old header."""
    monkeypatch.chdir(tmp_path)
    hdu = fits.PrimaryHDU(np.arange(2000, dtype=np.float32).reshape(40, 50))
    hdu.header.update(CTYPE1="RA---SIN", CTYPE2="DEC--SIN", CRVAL1=150.0, CRVAL2=2.0, CRPIX1=20.0, CRPIX2=25.0)
    hdu.header.update(CDELT1=-1 / 3600, CDELT2=1 / 3600, RADECSYS="FK5", EQUINOX=2000.0, **{"DATE-OBS": "01/02/93"})
    hdu.writeto("a.fits")
    radcodec.compress("a.fits", "a.rcz", preview=0, threads=1)
    assert run(["cutout", "a.rcz", "c.fits", "--center", "10:00:00 +02:00:00", "--size", "0.05arcmin"]) == 0
    assert fits.getdata("c.fits").tolist() == hdu.data[23:26, 18:21].tolist()
    assert capsys.readouterr() == ("a.rcz[10:00:00 +02:00:00 0.05arcmin] -> c.fits\n", "")
