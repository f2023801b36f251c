"""What is known of a file is said: fill values in info, the largest error of a lossy file, the tile of an estimate."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

import radcodec
from radcodec.cli.app import run

pytestmark = pytest.mark.slow

OLD_MATRIX = {"PC001001": 1.0, "PC001002": 0.0, "PC002001": 0.0, "PC002002": 1.0}
MORE_AXES = {"WCSAXES": 4, "CTYPE3": "FREQ", "CRVAL3": 1.4e9, "CDELT3": 1e6, "CRPIX3": 1.0, "CTYPE4": "STOKES"}


def noise(shape: tuple[int, ...] = (96, 80)) -> np.ndarray:
    """Noise of 1 Jy/beam."""
    return np.random.default_rng(4).normal(size=shape).astype(np.float32)


def write(path: Path, pixels: np.ndarray, **cards: object) -> Path:
    """A FITS file of one image."""
    hdu = fits.PrimaryHDU(pixels)
    hdu.header.update(BUNIT="Jy/beam", **cards)
    hdu.writeto(path)
    return path


@pytest.mark.parametrize("dtype", ["f4", "f8", "i2"])
@pytest.mark.parametrize("options", [[], ["--max-error", "0.25sigma"]], ids=["exact", "bounded"])
def test_info_names_the_fill_value(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], dtype: str, options: list[str]
) -> None:
    """A value that fills an area is named in text and JSON, in physical units; NaN and lone outliers are not."""
    pixels = (noise() * 20).astype(dtype)
    pixels[:30, :30] = -9990
    if dtype != "i2":
        pixels[50:60, 50:60], pixels[40, 40] = np.nan, 4e4
    source = write(tmp_path / "a.fits", pixels)
    assert run(["compress", str(source), "--fill", "-9990", *options]) == 0
    capsys.readouterr()
    assert run(["info", f"{source}.rcz"]) == 0
    assert "  fill -9990" in capsys.readouterr().out
    assert run(["info", f"{source}.rcz", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["hdus"][0]["fill_values"] == [-9990.0]


def test_the_fill_value_is_physical(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A stored value of 100 with BSCALE 0.5 and BZERO 10 is named as 60."""
    pixels = (noise() * 5).astype(np.int16)
    pixels[:30, :30] = 100
    hdu = fits.PrimaryHDU(pixels)
    hdu.header["BSCALE"], hdu.header["BZERO"] = 0.5, 10.0
    hdu.writeto(tmp_path / "a.fits")
    assert run(["compress", str(tmp_path / "a.fits"), "--fill", "60"]) == 0
    capsys.readouterr()
    assert run(["info", str(tmp_path / "a.fits.rcz")]) == 0
    assert "  fill 60" in capsys.readouterr().out


def test_info_of_a_file_without_fill_values(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Files without fill values name none, and a damaged mask does not stop info."""
    source = write(tmp_path / "a.fits", noise())
    assert run(["compress", str(source)]) == 0
    capsys.readouterr()
    assert run(["info", f"{source}.rcz", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["hdus"][0]["fill_values"] == []
    pixels = noise()
    pixels[:30, :30] = np.nan
    packed = bytearray(radcodec.encode(pixels))
    with radcodec.open(bytes(packed)) as file:
        start, _ = file.reader.mask_range(0, 0)
    packed[start + 1] ^= 0xFF
    (tmp_path / "bad.rcz").write_bytes(packed)
    assert run(["info", str(tmp_path / "bad.rcz"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["hdus"][0]["fill_values"] is None


def test_info_imports_no_numpy_for_it(tmp_path: Path) -> None:
    """The masks are read without numpy."""
    pixels = noise()
    pixels[:30, :30] = -5.5
    (tmp_path / "a.rcz").write_bytes(radcodec.encode(pixels, max_error=1e-3))
    code = (
        "import sys\nfrom radcodec.cli.app import run\nassert run(['info', 'a.rcz']) == 0\n"
        "assert 'numpy' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "fill -5.5" in done.stdout


def test_the_summary_of_a_lossy_file_has_its_largest_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is that of the restored pixels, in physical units; other modes have none in JSON."""
    pixels = noise()
    pixels[:9, :9] = np.nan
    source = write(tmp_path / "a.fits", pixels)
    report = radcodec.compress(source, tmp_path / "a.rcz", lossy=True)
    error = np.nanmax(np.abs(radcodec.decode(tmp_path / "a.rcz").astype(np.float64) - pixels))
    assert error > 0
    assert report.largest_error == error
    assert run(["compress", str(source), str(tmp_path / "b.rcz"), "--lossy"]) == 0
    assert f"lossy (largest error {error:.4g} Jy/beam)" in capsys.readouterr().out
    assert radcodec.compress(source, tmp_path / "c.rcz").largest_error is None
    assert radcodec.compress(source, tmp_path / "d.rcz", max_error=0.1).largest_error is None


def test_an_estimate_takes_a_tile(tmp_path: Path) -> None:
    """Smaller tiles take more bits for an exact image, as compressing says too; a size that is none is refused."""
    pixels = noise((128, 128))
    source = write(tmp_path / "a.fits", pixels)
    rates = []
    for tile in (None, 16, "16x16"):
        rate = radcodec.estimate(source, tile=tile)[0]["bits_per_pixel"]
        out = io.BytesIO()
        options = {} if tile is None else {"tile": tile}
        radcodec.compress(source, out, preview=0, effort=4, **options)
        rates.append(rate)
        assert rate == pytest.approx(8 * len(out.getvalue()) / pixels.size, rel=0.03)
    assert rates[1] > 1.02 * rates[0]
    assert rates[1] == pytest.approx(rates[2], rel=1e-3)
    with pytest.raises(radcodec.InputError, match="expected a tile size"):
        radcodec.estimate(source, tile="big")
    assert run(["estimate", str(source), "--tile", "16"]) == 0


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("cards", [OLD_MATRIX, MORE_AXES, {"DATE-OBS": 1994.884}], ids=["PC00i00j", "4 axes", "date"])
def test_world_coordinates_hold_where_warnings_are_errors(cards: dict[str, object]) -> None:
    """Old cards that astropy reads with a warning are read without one, where warnings are errors too."""
    hdu = fits.PrimaryHDU(noise())
    hdu.header.update(CTYPE1="RA---SIN", CTYPE2="DEC--SIN", CRVAL1=10.0, CRVAL2=20.0, CRPIX1=40.0, CRPIX2=48.0)
    hdu.header.update(CDELT1=-0.01, CDELT2=0.01, **cards)
    file, packed = io.BytesIO(), io.BytesIO()
    hdu.writeto(file)
    radcodec.compress(io.BytesIO(file.getvalue()), packed, preview=0)
    with radcodec.open(packed.getvalue()) as opened:
        position = opened.wcs.celestial.pixel_to_world_values(39.0, 47.0)
    assert np.allclose(position, (10.0, 20.0))
