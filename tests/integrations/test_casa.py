"""CASA images as input: what casacore writes is read right, measured against casacore's own FITS files."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from made_cubes import cube_header, cube_pixels

import radcodec

pytestmark = [
    # casa-formats-io leaves the files of its tables to the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::astropy.wcs.FITSFixedWarning"),
]
OBSERVATORY = {"OBSGEO-X": -1601185.4, "OBSGEO-Y": -5041977.5, "OBSGEO-Z": 3554875.9, "OBSERVER": "N.N."}
GALACTIC = {"CTYPE1": "GLON-TAN", "CTYPE2": "GLAT-TAN", "RADESYS": None, "CRVAL1": 3.5, "CRVAL2": -40.0}
# Cards that differ from those of the cube, and the shape of the pixels.
CASES: dict[str, tuple[dict[str, Any], tuple[int, ...]]] = {
    "cube": (OBSERVATORY, (2, 5, 70, 90)),
    "fk5": ({"RADESYS": "FK5", "EQUINOX": 2000.0, "CRVAL1": 359.99, "CRVAL2": -62.0}, (1, 3, 40, 50)),
    "fk4": ({"RADESYS": "FK4", "EQUINOX": 1950.0, "SPECSYS": "BARYCENT"}, (1, 3, 40, 50)),
    "galactic": (GALACTIC, (1, 3, 40, 50)),
    "rotated": ({"PC1_1": 0.8, "PC1_2": -0.6, "PC2_1": 0.6, "PC2_2": 0.8}, (1, 3, 40, 50)),
    "ncp": ({"CTYPE1": "RA---NCP", "CTYPE2": "DEC--NCP", "CRVAL2": 62.0}, (1, 3, 40, 50)),
    "slant": ({"PV2_1": 0.1, "PV2_2": -0.2, "CRVAL2": 40.0}, (1, 3, 40, 50)),
    "velocity": (
        {"CTYPE3": "VRAD", "CUNIT3": "m/s", "CRVAL3": 1e5, "CDELT3": -2e3, "SPECSYS": "TOPOCENT"},
        (1, 4, 40, 50),
    ),
    "linear feeds": ({"CRVAL4": -5.0, "CDELT4": -1.0}, (2, 1, 40, 50)),
    "circular feeds": ({"CRVAL4": -1.0, "CDELT4": -1.0}, (2, 1, 40, 50)),
    "one stokes": ({"CRVAL4": 4.0, "SPECSYS": "GEOCENTR"}, (1, 2, 40, 50)),
    "plane": ({}, (40, 50)),
    "odd sides": ({}, (1, 7, 131, 257)),
    "negative reference": ({"CRPIX1": -300.5, "CRPIX2": 712.25, "CRPIX3": 3.0}, (1, 3, 40, 50)),
}


def _write(folder: Path, name: str) -> Path:
    """A CASA image of a case, written by casacore from a FITS file, and casacore's FITS file of it."""
    images = pytest.importorskip("casacore.images")
    image = folder / f"{name}.image"
    if not image.exists():
        cards, shape = CASES[name]
        header = cube_header(len(shape))
        for keyword, value in cards.items():
            if value is None:
                del header[keyword]
            else:
                header[keyword] = value
        fits.PrimaryHDU(cube_pixels(shape), header).writeto(folder / f"{name}.fits")
        images.image(str(folder / f"{name}.fits")).saveas(str(image))
        images.image(str(image)).tofits(
            str(folder / f"{name}.casacore.fits"), velocity=name == "velocity", optical=False
        )
    return image


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the images are written, once."""
    pytest.importorskip("casa_formats_io")
    return tmp_path_factory.mktemp("casa")


def _restored(image: Path, **kwargs: Any) -> fits.HDUList:
    """The FITS file that a compressed CASA image restores to."""
    packed, plain = io.BytesIO(), io.BytesIO()
    radcodec.compress(image, packed, preview=0, threads=1, **kwargs)
    radcodec.decompress(io.BytesIO(packed.getvalue()), plain, threads=1)
    return fits.open(io.BytesIO(plain.getvalue()))


@pytest.mark.parametrize("name", CASES)
def test_it_is_the_fits_file_that_casacore_writes(folder: Path, name: str) -> None:
    """Pixels, NaN, units, beam, observation and the sky position of every corner are those of casacore's own file."""
    image = _write(folder, name)
    with _restored(image) as hdus, fits.open(folder / f"{name}.casacore.fits") as expected:
        hdus.verify("exception")
        mine, theirs = hdus[0], expected[0]
        np.testing.assert_array_equal(mine.data, theirs.data)
        assert np.isnan(mine.data).any()
        for card in ("BUNIT", "BTYPE", "OBJECT", "TELESCOP", "OBSERVER", "RADESYS", "SPECSYS", "TIMESYS", "DATE-OBS"):
            assert mine.header.get(card) == theirs.header.get(card), card
        for card in (
            "BMAJ",
            "BMIN",
            "BPA",
            "RESTFRQ",
            "EQUINOX",
            "OBSGEO-X",
            "OBSGEO-Y",
            "OBSGEO-Z",
            "LONPOLE",
            "LATPOLE",
        ):
            assert mine.header.get(card, 0.0) == pytest.approx(theirs.header.get(card, 0.0), rel=1e-12), card
        ours, world = WCS(mine.header), WCS(theirs.header)
        assert [ctype[:4] for ctype in ours.wcs.ctype if name != "velocity"] == [
            ctype[:4] for ctype in world.wcs.ctype if name != "velocity"
        ]
        corners = np.array(np.meshgrid(*[(0, length - 1) for length in reversed(mine.data.shape)])).reshape(
            mine.data.ndim, -1
        )
        axes = [axis for axis in range(mine.data.ndim) if not (name == "velocity" and axis == 2)]
        found, wanted = (np.array(wcs.all_pix2world(corners.T, 0)).T for wcs in (ours, world))
        np.testing.assert_allclose(found[axes], wanted[axes], rtol=1e-11, atol=1e-11)


def test_velocities_come_back_as_frequencies(folder: Path) -> None:
    """casacore keeps a velocity axis as frequencies; channel for channel they are those of the velocities."""
    with _restored(_write(folder, "velocity")) as hdus:
        frequencies = WCS(hdus[0].header).sub([3]).all_pix2world(np.arange(4), 0)[0]
    velocities = 1e5 - 2e3 * np.arange(4)
    np.testing.assert_allclose(frequencies, 1420405751.786 * (1 - velocities / 299792458.0), rtol=1e-12)


def test_axes_of_a_wcs_are_those_of_casa_formats_io(folder: Path) -> None:
    """Where the library's own reading of coordinates applies, ours gives the same positions."""
    library = pytest.importorskip("casa_formats_io")
    image = _write(folder, "cube")
    wcs = library.coordsys_to_astropy_wcs(library.getdesc(str(image))["_keywords_"]["coords"])
    with _restored(image) as hdus:
        pixels = np.array([[3.0, 5.0, 2.0, 1.0], [89.0, 69.0, 4.0, 0.0]])
        np.testing.assert_allclose(
            WCS(hdus[0].header).all_pix2world(pixels, 0), wcs.all_pix2world(pixels, 0), rtol=1e-12
        )


def test_masked_pixels_are_nan(folder: Path, tmp_path: Path) -> None:
    """A pixel that the default mask leaves out is NaN, whatever value lies under it; all others are as they were."""
    images = pytest.importorskip("casacore.images")
    shutil.copytree(_write(folder, "cube"), tmp_path / "x.image")
    image = images.image(str(tmp_path / "x.image"))
    mask = np.zeros((2, 5, 70, 90), bool)
    mask[1, 2:4, 10:20, ::3] = True
    mask[0, :, 64:, 88:] = True
    image.putmask(mask)
    image.unlock()
    del image
    with _restored(tmp_path / "x.image") as hdus:
        np.testing.assert_array_equal(hdus[0].data, np.where(mask, np.nan, cube_pixels((2, 5, 70, 90))))


def test_images_without_a_mask_and_of_doubles(tmp_path: Path) -> None:
    """Without a mask all pixels count; doubles stay doubles."""
    pytest.importorskip("casa_formats_io")
    images = pytest.importorskip("casacore.images")
    pixels = np.random.default_rng(2).normal(size=(3, 33, 21))
    image = images.image(str(tmp_path / "d.image"), values=pixels)
    image.unlock()
    del image
    with _restored(tmp_path / "d.image") as hdus:
        assert hdus[0].data.dtype == np.dtype(">f8")
        np.testing.assert_array_equal(hdus[0].data, pixels)


def test_a_table_of_beams(folder: Path, tmp_path: Path) -> None:
    """Beams that differ from plane to plane are a table BEAMS, as casacore exports them."""
    images = pytest.importorskip("casacore.images")
    path = tmp_path / "beams.image"
    shutil.copytree(_write(folder, "cube"), path)
    tables = pytest.importorskip("casacore.tables")
    beams: dict[str, Any] = {"nChannels": np.int32(5), "nStokes": np.int32(2)}
    for number in range(10):
        beams[f"*{number}"] = {
            "major": {"value": 7.0 + number, "unit": "arcsec"},
            "minor": {"value": 5.0 + number / 4, "unit": "arcsec"},
            "positionangle": {"value": 30.0 - number, "unit": "deg"},
        }
    table = tables.table(str(path), readonly=False, ack=False)
    info = table.getkeyword("imageinfo")
    info.pop("restoringbeam")
    table.putkeyword("imageinfo", {**info, "perplanebeams": beams})
    table.close()
    again = images.image(str(path))
    again.tofits(str(tmp_path / "o.fits"), velocity=False)
    del again
    with _restored(path) as hdus, fits.open(tmp_path / "o.fits") as expected:
        assert hdus[0].header["CASAMBM"] is True
        assert "BMAJ" not in hdus[0].header
        mine, theirs = hdus["BEAMS"], expected["BEAMS"]
        assert (mine.header["NCHAN"], mine.header["NPOL"]) == (theirs.header["NCHAN"], theirs.header["NPOL"]) == (5, 2)

        def beams_of(hdu: Any) -> dict[tuple[int, int], list[float]]:
            scale = {"arcsec": 1.0, "deg": 3600.0}
            units = {name: hdu.columns[name].unit for name in ("BMAJ", "BMIN")}
            return {
                (int(row["CHAN"]), int(row["POL"])): [
                    float(row["BMAJ"]) * scale[units["BMAJ"]],
                    float(row["BMIN"]) * scale[units["BMIN"]],
                    float(row["BPA"]),
                ]
                for row in hdu.data
            }  # fmt: skip

        found, wanted = beams_of(mine), beams_of(theirs)
        assert found.keys() == wanted.keys()
        for key in found:
            assert found[key] == pytest.approx(wanted[key], rel=1e-6)


def test_other_keywords_and_the_log_go_along(folder: Path, tmp_path: Path) -> None:
    """The user's own keywords become cards, and the log of the image HISTORY."""
    tables = pytest.importorskip("casacore.tables")
    path = tmp_path / "k.image"
    shutil.copytree(_write(folder, "plane"), path)
    table = tables.table(str(path), readonly=False, ack=False)
    table.putkeyword(
        "miscinfo",
        {"weight": 0.5, "ROBUST": "briggs", "naxis": np.int32(9), "A_long_keyword": np.int32(3), "flagged": True},
    )
    table.close()
    log = tables.table(str(path / "logtable"), readonly=False, ack=False)
    log.addrows(2)
    log.putcell("MESSAGE", 0, "imported by a test")
    log.putcell("MESSAGE", 1, "cleaned " + "deeply " * 20)
    log.close()
    with _restored(path) as hdus:
        header = hdus[0].header
        assert (header["WEIGHT"], header["ROBUST"], header["FLAGGED"], header["NAXIS"]) == (0.5, "briggs", True, 2)
        assert header["A_long_keyword"] == 3
        assert header["HISTORY"][0] == "imported by a test"
        assert "".join(header["HISTORY"][1:]).startswith("cleaned deeply")


def test_info_says_what_lossless_means(folder: Path, tmp_path: Path) -> None:
    """The name, the note of info, and a verification against the folder; another image is a difference."""
    image = tmp_path / "x.image"
    shutil.copytree(_write(folder, "plane"), image)
    report = radcodec.compress(image, preview=0, threads=1)
    assert report.path == str(tmp_path / "x.image.fits.rcz")
    assert report.mode == "lossless"
    assert "mask (as NaN) and header, not the bytes of its tables" in report.hdus[0]["note"]
    with radcodec.open(report.path) as file:
        assert file.info.hdus[0]["note"] == report.hdus[0]["note"]
    radcodec.verify(report.path, against=image)
    with pytest.raises(radcodec.GuaranteeError, match="differs from the original"):
        radcodec.verify(report.path, against=_write(folder, "fk5"))


def test_a_bound_applies(folder: Path) -> None:
    """A bound with a unit holds for a CASA image as for any other."""
    with _restored(_write(folder, "plane"), max_error="2Jy/beam") as hdus:
        pixels = cube_pixels((40, 50)).astype("f8")
        off = np.abs(hdus[0].data - pixels)
        assert 0 < np.nanmax(off) <= 2
        assert (np.isnan(off) == np.isnan(pixels)).all()


def _command(*arguments: object) -> subprocess.CompletedProcess[str]:
    code = "import sys; from radcodec.cli import main; sys.exit(main())"
    words = [str(argument) for argument in arguments]
    return subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True)


def test_the_command_takes_images_in_folders(folder: Path, tmp_path: Path) -> None:
    """A folder argument finds FITS files and CASA images, and leaves out what lies inside of tables."""
    source = tmp_path / "in" / "deep"
    source.mkdir(parents=True)
    shutil.copytree(_write(folder, "plane"), source / "a.image")
    shutil.copy(folder / "plane.fits", source / "b.fits")
    shutil.copy(folder / "plane.fits", source / "a.image" / "inside.fits")
    done = _command("compress", tmp_path / "in", "--out-dir", tmp_path / "out", "--no-preview", "--threads", 1)
    assert done.returncode == 0, done.stderr
    found = sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.rcz"))
    assert found == ["deep/a.image.fits.rcz", "deep/b.fits.rcz"]
    done = _command("verify", tmp_path / "out", "--against", tmp_path / "in")
    assert done.returncode == 0, done.stderr
    done = _command("info", tmp_path / "out" / "deep" / "a.image.fits.rcz")
    assert "from a CASA image" in done.stdout


def _table_folder(path: Path, kind: str) -> Path:
    path.mkdir()
    (path / "table.dat").write_bytes(b"\xbe\xbe\xbe\xbe\0\0\0")
    (path / "table.info").write_text(f"Type = {kind}\nSubType = \n")
    return path


def test_a_measurement_set_is_refused(tmp_path: Path) -> None:
    """A measurement set is named as such, with exit code 3, and nothing is written."""
    path = _table_folder(tmp_path / "x.ms", "Measurement Set")
    with pytest.raises(radcodec.UnsupportedDataError, match="is a measurement set, which holds visibilities"):
        radcodec.compress(path, tmp_path / "x.rcz")
    done = _command("compress", path, tmp_path / "x.rcz")
    assert done.returncode == 3
    assert "measurement set" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "x.rcz").exists()


def test_other_tables_are_refused_by_their_type(tmp_path: Path) -> None:
    """A table of another type is named by it."""
    path = _table_folder(tmp_path / "x.cal", "Calibration")
    with pytest.raises(radcodec.UnsupportedDataError, match="of the type 'Calibration'"):
        radcodec.compress(path, tmp_path / "x.rcz")


def test_a_damaged_image_is_refused(folder: Path, tmp_path: Path) -> None:
    """An image whose pixels are cut off, or whose table is none, is an error of ours."""
    cut = tmp_path / "cut.image"
    shutil.copytree(_write(folder, "plane"), cut)
    os.truncate(cut / "table.f0_TSM0", 100)
    with pytest.raises(radcodec.UnsupportedDataError, match=r"casa-formats-io cannot read .*cut\.image"):
        radcodec.compress(cut, tmp_path / "x.rcz")
    none = _table_folder(tmp_path / "none.image", "Image")
    with pytest.raises(radcodec.UnsupportedDataError, match="casa-formats-io cannot read"):
        radcodec.compress(none, tmp_path / "x.rcz")
    assert not (tmp_path / "x.rcz").exists()


def test_the_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without casa-formats-io the error is an ImportError that names the extra; the command ends with exit code 3."""
    path = _table_folder(tmp_path / "x.image", "Image")
    monkeypatch.setitem(sys.modules, "casa_formats_io", None)
    with pytest.raises(ImportError, match=r'pip install "radcodec\[casa\]"'):
        radcodec.compress(path, tmp_path / "x.rcz")
    code = "import sys; sys.modules['casa_formats_io'] = None; from radcodec.cli import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", code, "compress", str(path), str(tmp_path / "x.rcz")], capture_output=True, text=True
    )
    assert done.returncode == 3
    assert 'pip install "radcodec[casa]"' in done.stderr


def _record(**changes: Any) -> dict[str, Any]:
    """Coordinates of an image of two axes on the sky and a spectrum, as casa-formats-io reads them."""
    record = {
        "direction0": {
            "axes": ["Right Ascension", "Declination"], "cdelt": [-1e-5, 1e-5], "crpix": [1.0, 1.0],
            "crval": [-0.5, 0.1], "latpole": 0.0, "longpole": 180.0, "pc": np.eye(2),
            "projection": "SIN", "system": "J2000",
            "projection_parameters": [0.0, 0.0], "units": ["rad", "rad"],
        },
        "spectral1": {"system": "LSRK", "restfreq": 0.0, "unit": "Hz",
                      "wcs": {"crval": 1e9, "cdelt": 1e6, "crpix": 0.0, "ctype": "FREQ"}},
        "worldmap0": [0, 1], "pixelmap0": [0, 1], "worldmap1": [2], "pixelmap1": [2],
    }  # fmt: skip
    return {**record, **changes}


def _header(coords: dict[str, Any], shape: tuple[int, ...] = (4, 5, 6)) -> fits.Header:
    from radcodec.integrations.casa import casa_header

    return casa_header("x.image", {"coords": coords}, shape)[0]


def test_negative_right_ascensions_and_no_rest_frequency() -> None:
    """Right ascension is 0 to 360 degrees in FITS, and a rest frequency of 0 is none."""
    pytest.importorskip("casa_formats_io")
    header = _header(_record())
    assert header["CRVAL1"] == pytest.approx(360 - np.degrees(0.5))
    assert "RESTFRQ" not in header
    assert (header["RADESYS"], header["EQUINOX"]) == ("FK5", 2000.0)


def test_a_table_of_frequencies_is_even_or_refused() -> None:
    """Evenly spaced frequencies of a table are an axis; others are refused, since one axis cannot hold them."""
    pytest.importorskip("casa_formats_io")
    table = {"axes": ["Frequency"], "units": ["Hz"], "pixelvalues": [0.0, 1.0, 2.0, 3.0], "cdelt": [1.0]}
    spectral = _record()["spectral1"]
    even = {**spectral, "tabular": {**table, "worldvalues": [1e9, 1.001e9, 1.002e9, 1.003e9]}}
    header = _header(_record(spectral1=even))
    assert (header["CTYPE3"], header["CRVAL3"], header["CRPIX3"]) == ("FREQ", 1e9, 1.0)
    assert header["CDELT3"] == pytest.approx(1e6)
    odd = {**spectral, "tabular": {**table, "worldvalues": [1e9, 1.001e9, 1.003e9, 1.004e9]}}
    with pytest.raises(radcodec.UnsupportedDataError, match=r"expected evenly spaced channels in x\.image"):
        _header(_record(spectral1=odd))


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        (["RR", "RL", "LR", "LL"], "found RR RL LR LL"),
        (["I", "Q", "V"], "found I Q V"),
        (["I", "Ptotal"], "found I Ptotal"),
    ],
)
def test_polarizations_that_fits_cannot_number_are_refused(labels: list[str], text: str) -> None:
    """An axis of FITS counts evenly, so other orders and unknown polarizations are refused by name."""
    coords = _record(stokes2={"stokes": labels}, worldmap2=[3], pixelmap2=[3])
    with pytest.raises(radcodec.UnsupportedDataError, match=text):
        _header(coords, (len(labels), 4, 5, 6))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"pixelmap1": [-1]}, r"found axes \[-1\] with coordinates \[2\]"),
        ({"pixelmap0": [1, 0]}, r"found axes \[1, 0\] with coordinates \[0, 1\]"),
        ({"quality2": {}, "worldmap2": [3], "pixelmap2": [3]}, "found others"),
    ],
)
def test_coordinates_that_fits_cannot_hold_are_refused(changes: dict[str, Any], text: str) -> None:
    """Axes without pixels, in another order, or of a kind that is not known are refused, never guessed."""
    with pytest.raises(radcodec.UnsupportedDataError, match=text):
        _header(_record(**changes))


def test_a_frame_that_fits_lacks_is_refused() -> None:
    """A direction in horizontal coordinates is refused by the name of its frame."""
    direction = {**_record()["direction0"], "system": "AZEL"}
    with pytest.raises(radcodec.UnsupportedDataError, match="found AZEL"):
        _header(_record(direction0=direction))
