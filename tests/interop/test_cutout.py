"""Cut-outs beside astropy's: the same pixels bit by bit, the same world coordinates, no more tiles than needed."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from astropy.io import fits
from astropy.nddata import Cutout2D
from astropy.wcs import WCS

import radcodec
import radcodec.decoding.image
from radcodec.cli.app import run
from radcodec.simulate import simulate_fits

REGION = (37, 91, 12, 70)  # x0, x1, y0, y1


def check_cutout(original: Path, cut: Path, region: tuple[int, int, int, int]) -> None:
    """Pixels are those of Cutout2D, bit by bit; the sky is the same to 1e-9 degrees at every corner and the middle."""
    x0, x1, y0, y1 = region
    with fits.open(original) as before, fits.open(cut) as after:
        old, new = before[0], after[0]
        assert (new.header["NAXIS"], new.data.dtype) == (old.header["NAXIS"], old.data.dtype)
        assert new.data.shape == (*old.data.shape[:-2], y1 - y0, x1 - x0)
        flat = old.data.reshape(-1, *old.data.shape[-2:])
        position, size = ((x0 + x1 - 1) / 2, (y0 + y1 - 1) / 2), (y1 - y0, x1 - x0)
        for plane, found in zip(flat, new.data.reshape(-1, y1 - y0, x1 - x0), strict=True):
            expected = Cutout2D(plane, position, size, wcs=WCS(old.header).celestial, mode="strict")
            assert found.tobytes() == np.ascontiguousarray(expected.data).tobytes()
        x, y = np.meshgrid([0, (x1 - x0) / 2, x1 - x0 - 1], [0, (y1 - y0) / 2, y1 - y0 - 1])
        there = WCS(new.header).celestial.all_pix2world(x.ravel(), y.ravel(), 0)
        np.testing.assert_allclose(there, expected.wcs.all_pix2world(x.ravel(), y.ravel(), 0), rtol=0, atol=1e-9)
        np.testing.assert_allclose(
            there, WCS(old.header).celestial.all_pix2world(x.ravel() + x0, y.ravel() + y0, 0), rtol=0, atol=1e-9
        )


@pytest.mark.filterwarnings("ignore::astropy.wcs.FITSFixedWarning")
@pytest.mark.parametrize("n_axes", [2, 4])
@pytest.mark.parametrize("bitpix", [-32, -64, 16])
def test_simulated(tmp_path: Path, bitpix: Any, n_axes: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Simulated images with two and four axes, through the command line."""
    source, packed, cut = tmp_path / "in.fits", tmp_path / "in.rcz", tmp_path / "cut.fits"
    source.write_bytes(simulate_fits((100, 120), seed=41, bitpix=bitpix, n_axes=n_axes))
    assert run(["compress", str(source), str(packed), "--no-preview", "--tile", "32"]) == 0
    x0, x1, y0, y1 = REGION
    assert run(["cutout", str(packed), str(cut), "--region", f"{x0}:{x1},{y0}:{y1}", "--quiet"]) == 0
    check_cutout(source, cut, REGION)


@pytest.mark.filterwarnings("ignore::astropy.wcs.FITSFixedWarning")
@pytest.mark.parametrize("name", ["telescopes/ami-la-swift554620.fits", "oddities/sip-wcs.fits"])
def test_real(shared_data: Path, tmp_path: Path, name: str) -> None:
    """A telescope's image and one with distortions."""
    packed, cut = tmp_path / "in.rcz", tmp_path / "cut.fits"
    radcodec.compress(shared_data / name, packed, preview=0)
    shape = fits.getheader(shared_data / name)
    width, height = shape["NAXIS1"], shape["NAXIS2"]
    region = (width // 5, width // 2 + 1, height // 4, height // 2 + 2)
    radcodec.cutout(packed, cut, ((region[0], region[1]), (region[2], region[3])))
    check_cutout(shared_data / name, cut, region)


def test_plane_of_a_cube(tmp_path: Path) -> None:
    """One plane of a cube is cut out alone, its axis stays with length 1 and its coordinate."""
    cube = np.arange(3 * 20 * 30, dtype=np.float32).reshape(3, 20, 30)
    hdu = fits.PrimaryHDU(cube)
    hdu.header.update(CTYPE3="FREQ", CRVAL3=1.4e9, CRPIX3=1.0, CDELT3=1e6)
    hdu.writeto(tmp_path / "cube.fits")
    radcodec.compress(tmp_path / "cube.fits", tmp_path / "cube.rcz", preview=0)
    radcodec.cutout(tmp_path / "cube.rcz", tmp_path / "cut.fits", "3:9,5:7", plane=2)
    with fits.open(tmp_path / "cut.fits") as found:
        assert np.array_equal(found[0].data, cube[2:3, 5:7, 3:9])
        frequency = found[0].header["CRVAL3"] + (1 - found[0].header["CRPIX3"]) * found[0].header["CDELT3"]
        assert frequency == 1.402e9


@pytest.mark.parametrize(("region", "tiles"), [("0:32,0:32", 1), ("31:33,31:33", 4), ("0:128,40:41", 4)])
def test_only_the_tiles_that_are_needed(monkeypatch: pytest.MonkeyPatch, region: str, tiles: int) -> None:
    """No tile outside of the region is decoded, nor read."""
    content, packed, cut = simulate_fits((128, 128), seed=42), io.BytesIO(), io.BytesIO()
    radcodec.compress(io.BytesIO(content), packed, preview=0, tile=32)
    decoded: list[int] = []
    original = radcodec.decoding.image.decode_tile

    def counted(image: radcodec.decoding.image.StoredImage, tile: int) -> npt.NDArray[Any]:
        decoded.append(tile)
        return original(image, tile)

    monkeypatch.setattr(radcodec.decoding.image, "decode_tile", counted)
    radcodec.cutout(packed.getvalue(), cut, region)
    assert len(decoded) == len(set(decoded)) == tiles
    with radcodec.open(packed.getvalue()) as file:
        decoded.clear()
        part = file[100:128, 96:128]
        assert decoded == [15]
        assert part.shape == (28, 32)
