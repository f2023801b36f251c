"""The layout xradio: accepted by xradio's own check, and equal to what xradio reads from the restored FITS file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from made_cubes import cube_header, cube_pixels, write_cube

import radcodec

xr = pytest.importorskip("xarray")
from radcodec.integrations.xarray import RadcodecBackend  # noqa: E402


def open_xradio(path: Path, **kwargs: Any) -> xr.Dataset:
    """Open a file in the layout xradio."""
    return xr.open_dataset(path, engine=RadcodecBackend, layout="xradio", **kwargs)


def check(dataset: xr.Dataset) -> None:
    """Have xradio check a data set against its schema; skip where it is not installed."""
    schema = pytest.importorskip("xradio.image.schema")
    issues = schema.check_image(dataset)
    assert not list(issues), str(issues)
    assert dataset.attrs["schema_version"] == schema.IMAGE_SCHEMA_VERSION


def xradio_itself(path: Path, **kwargs: Any) -> xr.Dataset:
    """What xradio makes of a FITS file."""
    image = pytest.importorskip("xradio.image")
    return image.open_image(str(path), chunks={}, **kwargs)


def plain(value: Any) -> Any:
    """Dictionaries of attributes with tuples as lists and numbers rounded, to compare."""
    if isinstance(value, dict):
        return {
            name: plain([part] if name == "dims" and isinstance(part, str) else part) for name, part in value.items()
        }
    if isinstance(value, (list, tuple, np.ndarray)):
        return [plain(part) for part in value]
    if isinstance(value, (float, np.floating)):
        return float(f"{float(value):.11e}")
    return value


CASES: dict[str, dict[str, Any]] = {
    "cube": {},
    "topocentric": {"SPECSYS": "TOPOCENT", "OBSGEO-X": -1601185.4, "OBSGEO-Y": -5041977.5, "OBSGEO-Z": 3554875.9},
    "rotated": {"PC1_1": 0.8, "PC1_2": -0.6, "PC2_1": 0.6, "PC2_2": 0.8},
    "velocity": {"CTYPE3": "VRAD", "CUNIT3": "m/s", "CRVAL3": 1e5, "CDELT3": -2e3, "BTYPE": "Intensity"},
    "correlations": {"CRVAL4": -1.0, "CDELT4": -1.0},
    "old": {"RADESYS": "FK5", "EQUINOX": 2000.0, "OBSRA": 150.2, "OBSDEC": 2.3, "OBSERVER": "N.N."},
    "undated": {"DATE-OBS": ""},
    "no beam": {"BMAJ": None, "BMIN": None, "BPA": None},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the cubes are written, once."""
    return tmp_path_factory.mktemp("xradio")


def case(folder: Path, name: str) -> tuple[Path, Path]:
    """The cube of a case as FITS and as .rcz."""
    packed = folder / f"{name}.fits.rcz"
    if not packed.exists():
        shape = (4, 3, 40, 50) if name == "correlations" else (2, 3, 40, 50)
        header = cube_header()
        for keyword, value in CASES[name].items():
            if value is None or value == "":
                del header[keyword]
            else:
                header[keyword] = value
        fits.PrimaryHDU(cube_pixels(shape), header).writeto(folder / f"{name}.fits")
        radcodec.compress(folder / f"{name}.fits", packed, preview=0, tile=16, threads=1)
    return folder / f"{name}.fits", packed


@pytest.mark.parametrize("name", CASES)
def test_the_check_of_xradio_accepts_it(folder: Path, name: str) -> None:
    """xradio's own schema check finds no issue, before anything is decoded and after."""
    dataset = open_xradio(case(folder, name)[1], sky_coords=True)
    check(dataset)
    check(dataset.load())


@pytest.mark.filterwarnings("ignore::Warning")
@pytest.mark.parametrize("name", CASES)
def test_it_equals_what_xradio_reads_from_the_fits_file(folder: Path, name: str) -> None:
    """Pixels, flags, beams, coordinates and world coordinates are those that xradio reads from the FITS file itself."""
    plain_path, packed = case(folder, name)
    expected, found = xradio_itself(plain_path, do_sky_coords=True), open_xradio(packed, sky_coords=True)
    assert set(expected.variables) <= set(found.variables) | {"beam_params_label"}
    np.testing.assert_array_equal(found["SKY"].values, expected["SKY"].values)
    np.testing.assert_array_equal(found["FLAG_SKY"].values, expected["FLAG_SKY"].values)
    assert ("BEAM_FIT_PARAMS_SKY" in found) == ("BEAM_FIT_PARAMS_SKY" in expected) == (name != "no beam")
    if name != "no beam":
        np.testing.assert_allclose(found["BEAM_FIT_PARAMS_SKY"], expected["BEAM_FIT_PARAMS_SKY"], rtol=1e-12)
    for coord in ("time", "frequency", "velocity", "l", "m", "right_ascension", "declination"):
        np.testing.assert_allclose(found[coord].values, expected[coord].values, rtol=1e-10, atol=1e-12, err_msg=coord)
        assert found[coord].dims == expected[coord].dims
    assert found["polarization"].values.tolist() == expected["polarization"].values.tolist()
    system = plain(expected.attrs["coordinate_system_info"])
    mine = plain(found.attrs["coordinate_system_info"])
    for key in ("projection", "projection_parameters", "pixel_coordinate_transformation_matrix"):
        assert mine[key] == system[key]
    for key in ("reference_direction", "native_pole_direction"):
        assert mine[key]["data"] == system[key]["data"]
        assert {**mine[key]["attrs"], "frame": ""} == {**system[key]["attrs"], "frame": ""}
        assert mine[key]["attrs"]["frame"].lower() == system[key]["attrs"]["frame"].lower()
    theirs = plain(dict(expected["frequency"].attrs))
    assert {key: value for key, value in plain(dict(found["frequency"].attrs)).items() if key in theirs} == theirs
    for key in ("units", "object_name", "observer", "telescope", "obsdate", "pointing_center", "sub_type"):
        assert plain(found["SKY"].attrs.get(key)) == plain(expected["SKY"].attrs.get(key)), key


def test_pixels_are_where_the_names_say(tmp_path: Path) -> None:
    """SKY(time, frequency, polarization, l, m) holds the pixel of FITS at [stokes, freq, y, x] at [0, f, p, x, y]."""
    dataset = open_xradio(write_cube(tmp_path)[1])
    pixels = cube_pixels()
    assert dataset["SKY"].dims == ("time", "frequency", "polarization", "l", "m")
    np.testing.assert_array_equal(dataset["SKY"].values, pixels.transpose(1, 0, 3, 2)[None])
    np.testing.assert_array_equal(dataset["FLAG_SKY"].values, np.isnan(pixels).transpose(1, 0, 3, 2)[None])
    part = dataset["SKY"].isel(time=0, frequency=[4, 1], polarization=1, l=slice(60, 10, -7), m=[2, 69])
    np.testing.assert_array_equal(part.values, pixels[1][[4, 1]][:, [2, 69]].transpose(0, 2, 1)[:, 60:10:-7])
    assert dataset["SKY"].isel(time=[0, 0]).shape == (2, 5, 2, 90, 70)
    assert dataset["SKY"].isel(time=slice(0, 0)).shape == (0, 5, 2, 90, 70)
    assert dataset["l"].values[39] == 0
    assert dataset["l"].values[0] == pytest.approx(np.radians(39 * 2e-4))
    chunks = dataset["SKY"].encoding["preferred_chunks"]
    assert {name: chunks[name] for name in ("time", "frequency", "polarization", "l")} == {
        "time": 1, "frequency": 1, "polarization": 1, "l": 30,
    }  # fmt: skip


def test_correlations_are_in_the_order_of_jones_matrices(folder: Path) -> None:
    """RR, LL, RL, LR of FITS become RR, RL, LR, LL, and the pixels go with them."""
    plain_path, packed = case(folder, "correlations")
    dataset = open_xradio(packed)
    pixels = fits.getdata(plain_path)
    assert dataset["polarization"].values.tolist() == ["RR", "RL", "LR", "LL"]
    np.testing.assert_array_equal(dataset["SKY"].sel(polarization="LL").values[0], pixels[1].transpose(0, 2, 1))
    np.testing.assert_array_equal(dataset["SKY"].isel(polarization=-2).values[0], pixels[3].transpose(0, 2, 1))


@pytest.mark.filterwarnings("ignore::Warning")
def test_a_table_of_beams(tmp_path: Path) -> None:
    """Each plane has its own beam where the file has a table of them, in radians."""
    header = cube_header(CASAMBM=True)
    for name in ("BMAJ", "BMIN", "BPA"):
        del header[name]
    chan, pol = np.meshgrid(np.arange(3), np.arange(2), indexing="ij")
    columns = [
        fits.Column("BMAJ", "1E", unit="arcsec", array=7 + chan.ravel() + 10 * pol.ravel()),
        fits.Column("BMIN", "1E", unit="arcsec", array=5 + chan.ravel()),
        fits.Column("BPA", "1E", unit="deg", array=30 + pol.ravel()),
        fits.Column("CHAN", "1J", array=chan.ravel()),
        fits.Column("POL", "1J", array=pol.ravel()),
    ]
    table = fits.BinTableHDU.from_columns(columns, name="BEAMS")
    table.header["NCHAN"], table.header["NPOL"] = 3, 2
    path = tmp_path / "beams.fits"
    fits.HDUList([fits.PrimaryHDU(cube_pixels((2, 3, 20, 20)), header), table]).writeto(path)
    radcodec.compress(path, tmp_path / "beams.fits.rcz", preview=0, threads=1)
    dataset = open_xradio(tmp_path / "beams.fits.rcz")
    check(dataset)
    beams = dataset["BEAM_FIT_PARAMS_SKY"].values
    assert beams.shape == (1, 3, 2, 3)
    np.testing.assert_allclose(beams[0, 2, 1], [np.radians(19 / 3600), np.radians(7 / 3600), np.radians(31)], rtol=1e-7)
    expected = xradio_itself(path)["BEAM_FIT_PARAMS_SKY"]
    np.testing.assert_allclose(beams, expected.values, rtol=1e-12)


def test_images_of_integers_are_sky_in_floats(tmp_path: Path) -> None:
    """The schema wants floats: integers are given as such, without flags."""
    pixels = cube_pixels((1, 1, 20, 30), "i2")
    dataset = open_xradio(write_cube(tmp_path, pixels=pixels)[1])
    check(dataset)
    assert dataset["SKY"].dtype == np.float32
    np.testing.assert_array_equal(dataset["SKY"].values[0, 0, 0], pixels[0, 0].T)


def test_an_image_of_the_sky_alone_has_one_channel(tmp_path: Path) -> None:
    """An image of two axes has one time, frequency and polarization."""
    dataset = open_xradio(write_cube(tmp_path, pixels=cube_pixels((40, 50)))[1])
    check(dataset)
    assert dataset["SKY"].shape == (1, 1, 1, 50, 40)


@pytest.mark.parametrize(
    ("cards", "text"),
    [
        ({"CTYPE3": "FREQ", "CTYPE4": "ANTENNA"}, "found 'ANTENNA'"),
        ({"CTYPE1": "OFFSET", "CTYPE2": "OFFSET2"}, "celestial coordinates for the layout xradio, found none"),
        ({"CTYPE3": "VOPT", "CUNIT3": "m/s", "RESTFRQ": 0.0}, "a rest frequency"),
    ],
)
def test_what_the_schema_has_no_place_for_is_refused(tmp_path: Path, cards: dict[str, Any], text: str) -> None:
    """Axes that are neither sky, spectrum nor polarization are refused by name."""
    path = write_cube(tmp_path, pixels=cube_pixels((2, 3, 20, 20)), **cards)[1]
    with pytest.raises(radcodec.InputError, match=text):
        open_xradio(path)


@pytest.mark.filterwarnings("ignore::astropy.wcs.FITSFixedWarning")
def test_shared_cube_of_casa(shared_data: Path, tmp_path: Path) -> None:
    """A cube that AIPS and casacore wrote is accepted."""
    path = tmp_path / "x.fits.rcz"
    radcodec.compress(shared_data / "cubes" / "vla-hi-ngc5921.fits", path, preview=0, threads=1)
    dataset = open_xradio(path)
    check(dataset)
    assert dataset["SKY"].shape == (1, 8, 1, 6, 11)
