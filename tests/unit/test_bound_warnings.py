"""A bound that changes nothing, or not what one would think, is said."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

import radcodec
from radcodec.cli.app import run
from radcodec.container.report import Report


def _compress(data: bytes, **options: object) -> Report:
    return radcodec.compress(io.BytesIO(data), io.BytesIO(), threads=1, preview=0, **options)  # type: ignore[arg-type]


def _file(*hdus: object) -> bytes:
    buffer = io.BytesIO()
    fits.HDUList(list(hdus)).writeto(buffer)
    return buffer.getvalue()


def _noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def test_files_cut_off_are_carried_as_they_are() -> None:
    """A file cut off in its data is named with what is missing."""
    data = _file(fits.PrimaryHDU(_noise(64, 64)))[: 2880 + 64 * 64 * 4 - 100]
    for options in ({"max_error": "0.125sigma"}, {"max_error": 0.1}):
        (warning,) = _compress(data, **options).warnings
        assert "HDU 0 (PRIMARY) is carried unchanged" in warning
        assert "16284 bytes of 16384" in warning


def test_tile_compressed_images_are_carried_as_they_are() -> None:
    """A bound does not reach into a tile-compressed image, and that is said; so is what takes the image apart."""
    data = _file(fits.PrimaryHDU(), fits.CompImageHDU(np.arange(4096, dtype=np.int16).reshape(64, 64), name="SCI"))
    assert any("tile-compressed" in warning for warning in _compress(data, max_error="1sigma").warnings)
    assert any("--recompress" in warning for warning in _compress(data).warnings)


def test_files_without_an_image() -> None:
    """Where there is nothing to bound at all, that is said."""
    table = fits.BinTableHDU.from_columns([fits.Column("A", "J", array=np.arange(5))])
    assert any("no image" in warning for warning in _compress(_file(fits.PrimaryHDU(), table), max_error=1.0).warnings)


def test_planes_without_noise_are_counted() -> None:
    """Constant planes stay exact; planes that are blank everywhere are not counted."""
    cube = _noise(5, 64, 64)
    cube[1], cube[3], cube[4] = 2.5, -1.0, np.nan
    report = _compress(_file(fits.PrimaryHDU(cube)), max_error="0.25sigma")
    assert any("the noise of 2 of 5 planes is zero or undefined" in warning for warning in report.warnings)
    assert report.max_error == pytest.approx(0.25, rel=0.1)


def test_a_constant_image_with_a_bound_in_sigma() -> None:
    """An image without noise is stored exactly, and that is said."""
    report = _compress(_file(fits.PrimaryHDU(np.full((40, 40), 3.0, np.float32))), max_error="1sigma")
    assert report.max_error is None
    assert any("the noise is zero or undefined" in warning for warning in report.warnings)


def test_spectra_are_measured_over_all_planes() -> None:
    """A cube of one pixel a plane has its noise along the spectrum, within a tenth of the truth; that is said."""
    report = _compress(_file(fits.PrimaryHDU(_noise(3000, 1, 1))), max_error="0.5sigma")
    assert report.max_error == pytest.approx(0.5, rel=0.1)
    assert any("over all 3000 planes together" in warning for warning in report.warnings)
    few = _compress(_file(fits.PrimaryHDU(_noise(3, 1, 1))), max_error="0.5sigma")
    assert few.max_error is None
    assert any("the noise of 3 of 3 planes is zero or undefined" in warning for warning in few.warnings)


def test_a_bound_under_the_spacing_of_the_values() -> None:
    """Whole numbers with a bound under one half stay exact, and that is said."""
    image = np.random.default_rng(1).integers(0, 1000, (64, 64)).astype(np.int16)
    report = _compress(_file(fits.PrimaryHDU(image)), max_error=0.4)
    assert report.max_error is None
    assert any("changes no pixel" in warning for warning in report.warnings)


def test_images_are_named_where_there_are_several() -> None:
    """A warning about one of several images says which."""
    hdus = fits.PrimaryHDU(_noise(48, 48)), fits.ImageHDU(np.ones((48, 48), np.float32), name="FLAT")
    (warning,) = _compress(_file(*hdus), max_error="0.5sigma").warnings
    assert warning.startswith("HDU 1 (FLAT): the noise is zero")


def test_noise_that_varies_names_localsigma() -> None:
    """Where the noise grows sevenfold from the centre to the edge, plain sigma names the range and localsigma."""
    y, x = np.mgrid[:256, :256]
    growing = (_noise(256, 256) * np.exp((np.hypot(y - 128, x - 128) / 90) ** 2)).astype(np.float32)
    assert any(
        "0.5localsigma" in warning
        for warning in _compress(_file(fits.PrimaryHDU(growing)), max_error="0.5sigma").warnings
    )
    assert _compress(_file(fits.PrimaryHDU(_noise(256, 256))), max_error="0.5sigma").warnings == ()


def test_the_summary_names_the_unit_and_sigma(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The line on a file that was compressed gives its bound in the image's unit and in sigma."""
    path = str(tmp_path / "a.fits")
    hdu = fits.PrimaryHDU(_noise(64, 64) * np.float32(1e-3))
    hdu.header["BUNIT"] = "Jy/beam"
    hdu.writeto(path)
    assert run(["compress", path, "--max-error", "0.25mJy/beam", "--no-preview"]) == 0
    line = capsys.readouterr().out
    assert "max error 0.00025 Jy/beam = 0.2" in line
    assert "sigma)" in line


def test_force_lets_a_huge_bound_pass(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On the command line, 0.125 where 0.125sigma was meant has exit code 2, and 0 with --force."""
    path = str(tmp_path / "a.fits")
    fits.PrimaryHDU(_noise(64, 64) * np.float32(1e-3)).writeto(path)
    assert run(["compress", path, "--max-error", "0.125"]) == 2
    assert "write 0.125sigma" in capsys.readouterr().err
    assert run(["compress", path, "--max-error", "0.125", "--force", "--no-preview"]) == 0


def test_a_bound_that_suits_one_image_of_several() -> None:
    """A bound that is huge for one image only, the weights beside a map, say, is taken, and that image is named."""
    hdus = fits.PrimaryHDU(_noise(48, 48)), fits.ImageHDU(_noise(48, 48, seed=1) * np.float32(1e-3), name="ERR")
    warnings = _compress(_file(*hdus), max_error=0.1).warnings
    assert any(warning.startswith("HDU 1 (ERR): the bound is over 10 times the noise") for warning in warnings)
    with pytest.raises(radcodec.BoundError, match="at most 10 times"):
        _compress(_file(*hdus), max_error=100.0)


def test_maps_of_coordinates_have_no_noise() -> None:
    """The spread of a map of declinations is no noise: a bound in sigma leaves it exact, and says so."""
    y, x = np.mgrid[:180, :200]
    for values in (0.3 + 1e-3 * y + 2e-4 * x, np.hypot(y - 400.0, x + 300.0), (y * 200 + x).astype(np.float64)):
        report = _compress(_file(fits.PrimaryHDU(values)), max_error="0.125sigma")
        assert report.max_error is None
        assert any("noise is zero or undefined" in warning for warning in report.warnings)


def test_smooth_images_with_noise_are_bounded() -> None:
    """A beam of 20 pixels makes noise smooth, but it is noise."""
    image = _noise(256, 256).astype(np.float64)
    for axis in (0, 1):
        image = sum(np.roll(image, k, axis) * np.exp(-(k**2) / (2 * 8.5**2)) for k in range(-30, 31))
    report = _compress(_file(fits.PrimaryHDU(image.astype(np.float32))), max_error="0.125sigma")
    assert report.max_error is not None


def test_coarse_integers_have_noise() -> None:
    """Of 8-bit pixels whose noise is about one step many neighbours are equal; they have noise all the same."""
    image = np.rint(100 + 0.9 * _noise(256, 256) / _noise(256, 256).std()).astype(np.uint8)
    image[:, 100:] += 20
    report = _compress(_file(fits.PrimaryHDU(image)), max_error="1sigma", force=True)
    assert not any("noise is zero or undefined" in warning for warning in report.warnings)
