"""``radcodec.integrations.astropy``: HDU lists that own their file, CCDData, and lazy cubes of spectral-cube."""

from __future__ import annotations

import io
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits, registry
from astropy.nddata import CCDData, Cutout2D
from astropy.wcs import WCS
from conftest import find_shared_data
from spies import watch_tiles

import radcodec
from radcodec.integrations import astropy as integration

pytestmark = pytest.mark.filterwarnings("ignore")
TILE = 32


def write(path: Path, hdus: list[Any]) -> tuple[Path, Path]:
    """A FITS file and the ``.rcz`` file of it."""
    fits.HDUList(hdus).writeto(path)
    packed = path.with_name(path.name + ".rcz")
    radcodec.compress(path, packed, preview=0, threads=1, tile=TILE, verify=False)
    return path, packed


@pytest.fixture
def image(tmp_path: Path) -> tuple[Path, Path]:
    """An image of 90 by 100 pixels with coordinates and a unit."""
    hdu = fits.PrimaryHDU(np.random.default_rng(6).normal(size=(90, 100)).astype(np.float32))
    hdu.header.update(CTYPE1="RA---SIN", CTYPE2="DEC--SIN", CRVAL1=10.0, CRVAL2=20.0, CRPIX1=50.0, CRPIX2=45.0)
    hdu.header.update(CDELT1=-0.01, CDELT2=0.01, BUNIT="Jy")
    return write(tmp_path / "image.fits", [hdu])


@pytest.fixture
def cube(tmp_path: Path) -> tuple[Path, Path]:
    """A scaled cube of 6 channels of 70 by 80 pixels with a table of beams and BLANK pixels."""
    rng = np.random.default_rng(7)
    hdu = fits.PrimaryHDU(rng.integers(-900, 900, (6, 70, 80)).astype(np.int16))
    hdu.header.update(CTYPE1="RA---SIN", CTYPE2="DEC--SIN", CTYPE3="FREQ", CRVAL1=10.0, CRVAL2=20.0, CRVAL3=1.4e9)
    hdu.header.update(CRPIX1=40.0, CRPIX2=35.0, CRPIX3=1.0, CDELT1=-0.01, CDELT2=0.01, CDELT3=1e6)
    hdu.header.update(CUNIT1="deg", CUNIT2="deg", CUNIT3="Hz", BUNIT="Jy/beam", RESTFRQ=1.42e9, CASAMBM=True)
    columns = [fits.Column(name, "1E", array=np.full(6, 0.02), unit="deg") for name in ("BMAJ", "BMIN", "BPA")]
    columns += [fits.Column(name, "1J", array=np.arange(6)) for name in ("CHAN", "POL")]
    return write(tmp_path / "cube.fits", [hdu, fits.BinTableHDU.from_columns(columns, name="BEAMS")])


def test_closing_the_list_closes_the_file(image: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """``open`` gives an HDU list of its own; a cut-out with coordinates decodes the tiles that it needs."""
    plain, packed = image
    opened: list[radcodec.RczFile] = []
    original = radcodec.RczFile.__init__

    def init(self: radcodec.RczFile, *args: Any, **options: Any) -> None:
        original(self, *args, **options)
        # Those that could be opened.
        opened.append(self)

    monkeypatch.setattr(radcodec.RczFile, "__init__", init)
    seen = watch_tiles(monkeypatch)
    with integration.open(packed, threads=1, cache_bytes=0) as hdus, fits.open(plain) as expected:
        hdus.info(output=io.StringIO())
        assert seen == []
        options: dict[str, Any] = {"position": (20, 15), "size": 10}
        found = Cutout2D(hdus[0].section, wcs=WCS(hdus[0].header), **options)
        wanted = Cutout2D(expected[0].data, wcs=WCS(expected[0].header), **options)
        assert np.array_equal(found.data, wanted.data)
        assert repr(found.wcs.to_header()) == repr(wanted.wcs.to_header())
        assert seen == [(0, 0)]
    assert opened[-1].closed
    with pytest.raises(radcodec.NotRadcodecError):
        integration.open(plain)
    with pytest.raises(radcodec.InputError, match="0 bytes or more for the cache"):
        integration.open(packed, cache_bytes=-1)
    with pytest.raises(ValueError, match="not recognized"):
        integration.open(packed, mode="nonsense")
    assert all(file.closed for file in opened)


def test_ccddata(image: tuple[Path, Path]) -> None:
    """CCDData reads a path, an open file and an open .rcz file as it reads the FITS file."""
    plain, packed = image
    expected = CCDData.read(plain)
    with packed.open("rb") as stream, radcodec.open(packed) as file:
        for source, options in ((packed, {}), (stream, {}), (file, {"format": "rcz"}), (str(packed), {"hdu": 0})):
            found = CCDData.read(source, **options)
            assert np.array_equal(found.data, expected.data)
            assert (found.unit, found.header) == (expected.unit, expected.header)
            assert repr(found.wcs.to_header()) == repr(expected.wcs.to_header())
    assert np.array_equal(CCDData.read(plain).data, expected.data)


def test_what_is_taken_for_a_file(image: tuple[Path, Path]) -> None:
    """The first eight bytes count, and leave the position; the name counts where there is no open file."""
    plain, packed = image
    for path, expected in ((plain, False), (packed, True)):
        stream = io.BytesIO(b"123" + path.read_bytes())
        stream.seek(3)
        assert integration.is_rcz("read", "named.fits.rcz", stream) is expected
        assert stream.tell() == 3
    assert integration.is_rcz("read", "https://host/x.fits.RCZ", None)
    assert not integration.is_rcz("read", "x.fits", None)
    assert not integration.is_rcz("write", "x.rcz", None)
    assert not integration.is_rcz("read", None, None)
    assert "rcz" in registry.get_formats(CCDData, "Read")["Format"]


def test_nothing_is_registered_by_a_call(image: tuple[Path, Path]) -> None:
    """Opening lists and reading headers registers nothing with astropy: the import of the module does."""
    code = (
        "import sys, radcodec; from astropy.io import registry; from astropy.nddata import CCDData\n"
        f"file = radcodec.open({str(image[1])!r}); file.header; file.hdulist().close()\n"
        "assert 'rcz' not in registry.get_formats(CCDData)['Format']\n"
        "assert 'radcodec.integrations.astropy' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr


def spectral_cube() -> Any:
    """spectral-cube with the reader of this format; skips the test where it is not installed."""
    module = pytest.importorskip("spectral_cube")
    integration._register()
    return module


def test_cubes_stay_in_the_file(cube: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """A cube read by its path decodes no tile before it is computed, and then those of its part."""
    module = spectral_cube()
    plain, packed = cube
    seen = watch_tiles(monkeypatch)
    found, expected = module.SpectralCube.read(packed), module.SpectralCube.read(plain)
    assert seen == []
    assert isinstance(found, module.dask_spectral_cube.DaskVaryingResolutionSpectralCube)
    assert (found.shape, found.unit) == (expected.shape, expected.unit)
    assert repr(found.wcs.to_header()) == repr(expected.wcs.to_header())
    assert [repr(beam) for beam in found.beams] == [repr(beam) for beam in expected.beams]
    part, wanted = found[2:4, 5:20, 20:40], expected[2:4, 5:20, 20:40]
    assert np.array_equal(part.filled_data[:].value, wanted.filled_data[:].value, equal_nan=True)
    # 70 rows are cut at 23 and 46, 80 columns at 26 and 53: two tiles of each of two channels.
    assert len(set(seen)) == 4


def test_cubes_of_lists_and_without_dask(cube: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """An HDU list, and ``use_dask=False``, decode each tile once and give what the FITS file gives."""
    module = spectral_cube()
    plain, packed = cube
    expected = module.SpectralCube.read(plain)
    seen = watch_tiles(monkeypatch)
    with radcodec.open(packed, threads=1) as file, file.hdulist() as hdus:
        for source, options in ((hdus, {}), (packed, {"use_dask": False})):
            found = module.SpectralCube.read(source, **options)
            assert len(seen) == len(set(seen)) == file.reader.n_tiles(0)
            seen.clear()
            assert found.header == expected.header
            assert np.array_equal(found.filled_data[:].value, expected.filled_data[:].value, equal_nan=True)


def test_stokes_axes(tmp_path: Path) -> None:
    """A file with a Stokes axis gives the intensity, or all of it, as the FITS file does."""
    module = spectral_cube()
    hdu = fits.PrimaryHDU(np.random.default_rng(9).normal(size=(2, 4, 20, 30)).astype(np.float32))
    hdu.header.update(CTYPE1="RA---SIN", CTYPE2="DEC--SIN", CTYPE3="FREQ", CTYPE4="STOKES", CRVAL3=1.4e9, CRVAL4=1.0)
    hdu.header.update(CDELT1=-0.01, CDELT2=0.01, CDELT3=1e6, CDELT4=1.0, CUNIT3="Hz", BUNIT="Jy", CRPIX4=1.0)
    plain, packed = write(tmp_path / "stokes.fits", [hdu])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found, expected = module.SpectralCube.read(packed), module.SpectralCube.read(plain)
        assert np.array_equal(found.filled_data[:].value, expected.filled_data[:].value)
        both = module.StokesSpectralCube.read(packed), module.StokesSpectralCube.read(plain)
    assert both[0].components == both[1].components
    assert np.array_equal(both[0].Q.filled_data[:].value, both[1].Q.filled_data[:].value)


@pytest.mark.parametrize("name", ["wsrt-hi-ugc5079", "wsrt-hi-ngc6946-int16"])
def test_cubes_of_telescopes(name: str, tmp_path: Path) -> None:
    """Cubes of the shared data have the pixels, coordinates and beam of the FITS file."""
    module, root = spectral_cube(), find_shared_data()
    if root is None:
        pytest.skip("shared data not found")
    plain, packed = root / "cubes" / f"{name}.fits", tmp_path / "cube.rcz"
    radcodec.compress(plain, packed, preview=0, threads=1, verify=False)
    found, expected = module.SpectralCube.read(packed), module.SpectralCube.read(plain)
    assert repr(found.wcs.to_header()) == repr(expected.wcs.to_header())
    assert found.meta == expected.meta
    assert np.array_equal(found.filled_data[7:9].value, expected.filled_data[7:9].value, equal_nan=True)
