"""Tile-compressed images: warnings about them and their unpacking, checked against funpack."""

from __future__ import annotations

import io
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import astropy
import numpy as np
import pytest
from astropy.io import fits
from click.testing import CliRunner

import radcodec
from radcodec.cli.app import radcodec as command
from radcodec.errors import UnsupportedDataError
from radcodec.fits.tile_compressed import take_apart

RNG = np.random.default_rng(4)
FLOATS = (RNG.normal(size=(70, 90)) * 10 + 100).astype(np.float32)
WITH_NAN = np.where(RNG.random((70, 90)) < 0.02, np.float32(np.nan), FLOATS)
INTEGERS = RNG.integers(-500, 500, (70, 90)).astype(np.int16)


def _header() -> fits.Header:
    header = fits.Header()
    header["OBJECT"] = "M 31"
    header["BUNIT"] = "Jy/beam"
    header["HIERARCH ESO XX YY"] = 3
    header["HISTORY"] = "one"
    header["COMMENT"] = "two"
    return header


def _scaled() -> fits.PrimaryHDU:
    hdu = fits.PrimaryHDU(INTEGERS)
    hdu.header["BSCALE"], hdu.header["BZERO"], hdu.header["BLANK"] = 0.5, 10.0, -32768
    return hdu


PLAIN: dict[str, Callable[[], list[Any]]] = {
    "floats": lambda: [fits.PrimaryHDU(FLOATS, _header())],
    "nan": lambda: [fits.PrimaryHDU(WITH_NAN, _header())],
    "doubles": lambda: [fits.PrimaryHDU(FLOATS.astype(np.float64), _header())],
    "cube": lambda: [fits.PrimaryHDU(np.stack([FLOATS, 2 * FLOATS])[None], _header())],
    "shorts": lambda: [fits.PrimaryHDU(INTEGERS, _header())],
    "unsigned": lambda: [fits.PrimaryHDU((INTEGERS + 600).astype(np.uint16), _header())],
    "longs": lambda: [fits.PrimaryHDU(INTEGERS.astype(np.int32))],
    "bytes": lambda: [fits.PrimaryHDU((INTEGERS % 256).astype(np.uint8))],
    "scaled": lambda: [_scaled()],
    "extensions": lambda: [
        fits.PrimaryHDU(None, _header()),
        fits.ImageHDU(FLOATS, _header(), name="SCI"),
        fits.ImageHDU(INTEGERS, name="DQ"),
        fits.BinTableHDU.from_columns([fits.Column("a", "J", array=[1, 2])]),
    ],
}
# astropy before 7 shows cards of the compression in the image's header, and writes an order that funpack refuses.
OLD_ASTROPY = int(astropy.__version__.partition(".")[0]) < 7
SHOWN_BY_OLD_ASTROPY = {"ZBLANK", "ZSCALE", "ZZERO", "ZQUANTIZ", "ZDITHER0"} if OLD_ASTROPY else set()
needs_fpack = pytest.mark.skipif(
    shutil.which("fpack") is None or shutil.which("funpack") is None, reason="needs fpack and funpack (libcfitsio-bin)"
)


def _plain_file(name: str, path: Path) -> None:
    fits.HDUList(PLAIN[name]()).writeto(path)


def _funpack(path: Path) -> bytes:
    out = path.with_name("funpacked.fits")
    out.unlink(missing_ok=True)
    subprocess.run(["funpack", "-C", "-O", str(out), str(path)], check=True, capture_output=True, timeout=60)
    return out.read_bytes()


@needs_fpack
@pytest.mark.parametrize(
    "options",
    [
        ["-r"],
        ["-r", "-q", "4"],
        ["-r", "-qz", "4"],
        ["-g", "-q", "0"],
        ["-g2", "-q", "0"],
        ["-h"],
        ["-r", "-t", "30,70"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("name", list(PLAIN))
def test_what_fpack_made_comes_out_as_funpack_writes_it(tmp_path: Path, name: str, options: list[str]) -> None:
    """Headers, pixels and order of HDUs are those of funpack, bit for bit."""
    _plain_file(name, tmp_path / "x.fits")
    subprocess.run(["fpack", *options, str(tmp_path / "x.fits")], check=True, capture_output=True, timeout=60)
    packed = tmp_path / "x.fits.fz"
    found = bytes(take_apart(memoryview(packed.read_bytes())))
    if options[-1] == "0" and name not in ("nan", "extensions"):
        # Exact: the original itself, but that fpack changes the bits of NaN and adds checksums to other HDUs.
        assert found == (tmp_path / "x.fits").read_bytes()
    if name != "nan" or options[-1] != "30,70":
        # With tiles of several rows funpack decodes pixels after a NaN to others than were there.
        assert found == _funpack(packed)


@needs_fpack
@pytest.mark.parametrize(("image", "algorithm"), [((INTEGERS + 600).astype(np.uint16), "-p"), (INTEGERS % 256, "-p")])
def test_plio(tmp_path: Path, image: np.ndarray, algorithm: str) -> None:
    """PLIO, whose unsigned samples CFITSIO offsets, comes out as the original."""
    fits.PrimaryHDU(image).writeto(tmp_path / "x.fits")
    subprocess.run(["fpack", algorithm, str(tmp_path / "x.fits")], check=True, capture_output=True, timeout=60)
    packed = tmp_path / "x.fits.fz"
    found = bytes(take_apart(memoryview(packed.read_bytes())))
    assert found == _funpack(packed) == (tmp_path / "x.fits").read_bytes()


@needs_fpack
@pytest.mark.parametrize("name", ["fi_rice_dither2.fits.fz", "nt_m13real_rice.fits"])
def test_real_files(tmp_path: Path, shared_data: Path, name: str) -> None:
    """Real files come out as funpack writes them, but for checksums of other pixels, which are made right."""
    source = shared_data / "reports" / name
    found = bytes(take_apart(memoryview(source.read_bytes())))
    packed = tmp_path / "x.fits.fz"
    shutil.copy(source, packed)
    expected = _funpack(packed)
    with fits.open(io.BytesIO(found), checksum=True) as ours, fits.open(io.BytesIO(expected)) as theirs:
        assert fits.FITSDiff(ours, theirs, ignore_keywords=["CHECKSUM", "DATASUM"]).identical
        cards = [[card.image for card in hdu.header.cards if "SUM" not in card.keyword] for hdu in (*ours, *theirs)]
        assert cards[: len(cards) // 2] == cards[len(cards) // 2 :]


ASTROPY: dict[str, dict[str, Any]] = {
    "rice": {"data": FLOATS, "header": _header()},
    "dither 2": {"data": WITH_NAN, "header": _header(), "quantize_method": 2, "name": "SCI"},
    "gzip": {"data": INTEGERS, "compression_type": "GZIP_1"},
    "exact floats": {"data": WITH_NAN, "compression_type": "GZIP_2", "quantize_level": 0},
    "hcompress": {"data": INTEGERS.astype(np.int32), "compression_type": "HCOMPRESS_1", "tile_shape": (35, 30)},
    "unsigned": {"data": (INTEGERS + 600).astype(np.uint16), "compression_type": "RICE_1"},
}


@pytest.mark.parametrize("name", list(ASTROPY))
def test_what_astropy_made(tmp_path: Path, name: str) -> None:
    """The whole way through compress and decompress: astropy's pixels and header, in a plain image HDU."""
    source = tmp_path / "x.fits.fz"
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(**ASTROPY[name])]).writeto(source)
    report = radcodec.compress(source, recompress=True, preview=0)
    assert report.path == str(tmp_path / "x.fits.rcz")
    assert [hdu["kind"] for hdu in report.hdus] == ["empty", "image"]
    assert (report.warnings, report.original_sha256) == ((), report.restored_sha256)
    radcodec.verify(tmp_path / "x.fits.rcz", against=source)
    radcodec.decompress(tmp_path / "x.fits.rcz")
    raw = {"do_not_scale_image_data": True}
    with fits.open(tmp_path / "x.fits", **raw) as found, fits.open(source, **raw) as expected:
        assert type(found[1]) is fits.ImageHDU
        structure = {"XTENSION", "BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "PCOUNT", "GCOUNT", *SHOWN_BY_OLD_ASTROPY}
        ours, theirs = (
            [card.image for card in hdus[1].header.cards if card.keyword not in structure] for hdus in (found, expected)
        )
        assert sorted(ours) == sorted(theirs)  # astropy shows BSCALE before BZERO
    with fits.open(tmp_path / "x.fits") as found, fits.open(source) as expected:
        np.testing.assert_array_equal(found[1].data, expected[1].data)
        assert found[1].data.dtype.newbyteorder("=") == expected[1].data.dtype.newbyteorder("=")
    if shutil.which("funpack") and not (OLD_ASTROPY and name == "unsigned"):
        assert (tmp_path / "x.fits").read_bytes() == _funpack(
            source
        ) or name == "exact floats"  # of NaN funpack keeps no bits


def test_bounded_after_recompress(tmp_path: Path) -> None:
    """A bound holds for the decoded pixels, and saves bytes."""
    source = tmp_path / "x.fits.fz"
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(FLOATS)]).writeto(source)
    exact = radcodec.compress(source, tmp_path / "a.rcz", recompress=True, preview=0)
    bounded = radcodec.compress(source, tmp_path / "b.rcz", recompress=True, max_error=0.5, preview=0)
    assert bounded.size_bytes < exact.size_bytes
    radcodec.verify(tmp_path / "b.rcz", against=source)
    error = np.abs(radcodec.decode(tmp_path / "b.rcz").astype(np.float64) - fits.getdata(source))
    assert 0.1 < error.max() <= 0.5


@pytest.fixture
def tiled(tmp_path: Path) -> Path:
    """A file whose one image is tile-compressed."""
    path = tmp_path / "x.fits.fz"
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(FLOATS, name="SCI")]).writeto(path)
    return path


@pytest.mark.parametrize("options", [{}, {"max_error": "0.125sigma"}, {"lossy": True}])
def test_carried_as_it_is_with_a_warning(tiled: Path, options: dict[str, Any]) -> None:
    """Without recompress the file comes back byte for byte in any mode, under its name, and a warning says why."""
    report = radcodec.compress(tiled, preview=0, **options)
    assert len(report.warnings) == 1
    assert report.warnings[0].startswith("HDU 1 (SCI), a tile-compressed image, is carried unchanged")
    assert ("has no effect on it" in report.warnings[0]) == bool(options)
    before = tiled.read_bytes()
    tiled.unlink()
    radcodec.decompress(f"{tiled}.rcz")
    assert tiled.read_bytes() == before


def test_whoever_wants_pixels_hears_where_they_are(tiled: Path) -> None:
    """preview, cutout, decode, open and estimate name the HDU and both ways out."""
    packed = f"{tiled}.rcz"
    radcodec.compress(tiled, preview=0)
    match = r"HDU 1 \(SCI\), a tile-compressed image: use --recompress .* or funpack"

    def indexed() -> None:
        with radcodec.open(packed) as file:
            _ = file[0, 0]

    tries: list[Callable[[], object]] = [
        lambda: radcodec.preview(packed),
        lambda: radcodec.cutout(packed, tiled.with_name("c.fits"), "0:5,0:5"),
        lambda: radcodec.decode(packed),
        indexed,
        lambda: radcodec.estimate(tiled),
    ]
    for call in tries:
        with pytest.raises(radcodec.UnsupportedDataError, match=match):
            call()


def test_command_line(tiled: Path) -> None:
    """``--recompress`` names its output for what comes back, for one file and for a folder, and warns of nothing."""
    done = CliRunner().invoke(command, ["compress", str(tiled), "--recompress", "--no-preview"])
    assert (done.exit_code, done.stderr) == (0, "")
    assert (tiled.parent / "x.fits.rcz").exists()
    out = tiled.parent / "out"
    CliRunner().invoke(command, ["compress", str(tiled), "--recompress", "--no-preview", "--out-dir", str(out)])
    assert [path.name for path in out.iterdir()] == ["x.fits.rcz"]
    done = CliRunner().invoke(command, ["compress", str(tiled), "--no-preview", "--max-error", "1"])
    assert "warning" in done.stderr
    assert "tile-compressed" in done.stderr


def test_a_file_without_compressed_images_is_left(tmp_path: Path) -> None:
    """recompress does nothing to a plain file."""
    _plain_file("extensions", tmp_path / "x.fits")
    data = (tmp_path / "x.fits").read_bytes()
    assert take_apart(memoryview(data)) == data


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"ZNAXIS1 =                   90", b"ZNAXIS1 =                  900"),
        (b"ZNAXIS2 =                   70", b"ZNAXIS2 =           7000000000"),
        (b"ZBITPIX =                  -32", b"ZBITPIX =                   17"),
        (b"ZCMPTYPE= 'RICE_1  '", b"ZCMPTYPE= 'NONSENSE'"),
        (b"ZNAXIS  =                    2", b"ZNAXIS  =                  999"),
    ],
)
def test_unsound_tables_are_refused(tiled: Path, tmp_path: Path, old: bytes, new: bytes) -> None:
    """A compressed image that makes no sense is an error that names its HDU; without recompress it is carried."""
    data = tiled.read_bytes()
    assert data.count(old) == 1
    bad = tmp_path / "bad.fits.fz"
    bad.write_bytes(data.replace(old, new))
    with pytest.raises(radcodec.UnsupportedDataError, match=r"in HDU 1, .*without recompress"):
        radcodec.compress(bad, tmp_path / "a.rcz", recompress=True)
    radcodec.compress(bad, tmp_path / "a.rcz", preview=0)
    radcodec.decompress(tmp_path / "a.rcz", tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == bad.read_bytes()


def test_damaged_pixels_are_refused(tiled: Path, tmp_path: Path) -> None:
    """Descriptors that point out of the heap are an error, not a crash."""
    data = bytearray(tiled.read_bytes())
    place = data.index(b"END".ljust(80), 2880)
    start = place + 80 + -(place + 80) % 2880
    data[start : start + 8] = b"\x7f\xff\xff\xff" * 2
    (tmp_path / "bad.fits.fz").write_bytes(data)
    with pytest.raises(radcodec.UnsupportedDataError, match=r"in HDU 1, "):
        radcodec.compress(tmp_path / "bad.fits.fz", tmp_path / "a.rcz", recompress=True)


def test_images_that_are_cut_off_are_named() -> None:
    """Their bytes are kept, but there is no image that can be shown."""
    content, packed = io.BytesIO(), io.BytesIO()
    fits.PrimaryHDU(np.zeros((64, 64), np.float32)).writeto(content)
    cut = content.getvalue()[:9000]
    radcodec.compress(io.BytesIO(cut), packed, threads=1)
    with pytest.raises(
        UnsupportedDataError, match="found none, as HDU 0 is cut off or not valid: decompress it instead"
    ):
        radcodec.decode(packed.getvalue())
    with pytest.raises(UnsupportedDataError, match="HDU 0 is cut off"):
        radcodec.estimate(io.BytesIO(cut))
