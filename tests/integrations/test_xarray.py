"""xarray opens .rcz files: lazily, with coordinates, and right for every way to index."""

from __future__ import annotations

import io
import pickle
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from made_cubes import cube_header, cube_pixels, write_cube

import radcodec
from radcodec.decoding import image as decoding_image

xr = pytest.importorskip("xarray")
from radcodec.integrations.lazy_arrays import preferred_chunks  # noqa: E402
from radcodec.integrations.xarray import RadcodecBackend  # noqa: E402


@pytest.fixture(scope="module")
def cube(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A cube as FITS and as .rcz."""
    return write_cube(tmp_path_factory.mktemp("cube"))


def open_image(path: Path, **kwargs: object) -> xr.Dataset:
    """Open a file by our engine, whether or not the entry points of this checkout are installed."""
    return xr.open_dataset(path, engine=RadcodecBackend, **kwargs)


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of the tiles that are decoded."""
    tiles: list[int] = []
    real = decoding_image.decode_tile

    def spy(image: object, tile: int) -> np.ndarray:
        tiles.append(tile)
        return real(image, tile)

    monkeypatch.setattr(decoding_image, "decode_tile", spy)
    return tiles


def test_engine_is_found_by_itself(cube: tuple[Path, Path]) -> None:
    """The entry point is registered, and xarray chooses the engine without being told."""
    if not any(point.name == "radcodec" for point in entry_points(group="xarray.backends")):
        pytest.skip("the entry points of this checkout are not installed")
    with xr.open_dataset(cube[1]) as dataset:
        np.testing.assert_array_equal(dataset["image"].values, cube_pixels())


def test_opening_decodes_no_tile(cube: tuple[Path, Path], decoded: list[int]) -> None:
    """Opening, looking at coordinates and attributes, and selecting decode no tile; loading a part only its tiles."""
    dataset = open_image(cube[1], sky_coords=True)
    part = dataset["image"].isel(stokes=1, freq=2, x=slice(0, 10), y=slice(0, 10))
    assert dataset["freq"].values[0] == 1.42e9
    assert dataset["ra"].values.shape == (70, 90)
    assert decoded == []
    part.load()
    assert len(decoded) == 1


INDEXES = [
    {},
    {"x": slice(5, 60, 7)},
    {"y": slice(None, None, -1)},
    {"x": slice(80, 3, -9), "y": slice(-5, None)},
    {"freq": [4, 0, 0, 2]},
    {"x": [3, 89, 40], "y": [69, 0, 33, 34]},
    {"x": [-1, -90], "freq": slice(None, None, -2)},
    {"stokes": 1, "freq": -1, "y": 10, "x": 11},
    {"stokes": [True, False], "x": np.arange(90) % 13 == 0},
    {"y": slice(20, 20)},
    {"y": [], "x": 4},
    {"freq": 3, "x": 2},
    {"stokes": [1, 0], "freq": [1], "y": [5, 64, 31, 32], "x": [0, 31, 32, 89]},
]


@pytest.mark.parametrize("key", INDEXES)
@pytest.mark.parametrize("chunked", [False, True])
def test_indexing_equals_that_of_the_array(cube: tuple[Path, Path], key: dict[str, object], chunked: bool) -> None:
    """Steps, lists, negative strides, scalars and masks give what the array in memory gives, with dask and without."""
    if chunked:
        pytest.importorskip("dask")
    whole = xr.DataArray(cube_pixels(), dims=("stokes", "freq", "y", "x"))
    dataset = open_image(cube[1], **({"chunks": {}} if chunked else {}))
    found = dataset["image"].isel(key)
    expected = whole.isel(key)
    assert found.dims == expected.dims
    np.testing.assert_array_equal(found.values, expected.values)


def test_pointwise_indexing_equals_that_of_the_array(cube: tuple[Path, Path]) -> None:
    """Lists of points, one index for all axes, give the pixels of the points."""
    x, y = xr.DataArray([4, 88, 30], dims="point"), xr.DataArray([60, 2, 41], dims="point")
    found = open_image(cube[1])["image"].isel(x=x, y=y)
    np.testing.assert_array_equal(found.values, cube_pixels()[:, :, [60, 2, 41], [4, 88, 30]].transpose(0, 1, 2))


def test_a_list_decodes_only_the_tiles_of_its_pixels(cube: tuple[Path, Path], decoded: list[int]) -> None:
    """Two far channels decode the tiles of these channels and not of those between, each once."""
    open_image(cube[1])["image"].isel(stokes=0, freq=[0, 4], y=slice(0, 5), x=slice(0, 5)).load()
    assert len(decoded) == len(set(decoded)) == 2


def test_pixels_at_the_edge_of_a_tile_belong_to_it(cube: tuple[Path, Path], decoded: list[int]) -> None:
    """The first pixel of a tile and one inside of it decode that tile once."""
    open_image(cube[1])["image"].isel(stokes=0, freq=0, y=0, x=[30, 45]).load()
    assert len(decoded) == 1


def test_lists_count_from_the_end_too(cube: tuple[Path, Path]) -> None:
    """Negative places of a list are counted from the end; places outside of the axis are an error."""
    from radcodec.integrations.lazy_arrays import read_outer

    with radcodec.open(cube[1]) as file:
        found = read_outer(file.images[0], [1, slice(None), np.array([-1, 3, -70]), np.array([5, -2])])
        np.testing.assert_array_equal(found, cube_pixels()[1][:, [69, 3, 0]][:, :, [5, 88]])
        with pytest.raises(IndexError, match="expected pixels of an axis of 90, found 3 to 90"):
            read_outer(file.images[0], [0, 0, 0, np.array([3, 90])])


def test_axes_that_stand_alone_have_coordinates(cube: tuple[Path, Path]) -> None:
    """Frequency and Stokes parameters have coordinates as astropy computes them; x and y of a sky image have none."""
    dataset = open_image(cube[1])
    expected = WCS(cube_header(), fix=False).sub([3]).pixel_to_world_values(np.arange(5))
    np.testing.assert_array_equal(dataset["freq"].values, expected)
    assert dataset["freq"].attrs == {"ctype": "FREQ", "units": "Hz"}
    assert dataset["stokes"].values.tolist() == ["I", "Q"]
    assert set(dataset.coords) == {"freq", "stokes"}
    assert dataset["image"].sel(stokes="Q", freq=1.422e9, method=None).shape == (70, 90)


def test_sky_coordinates_are_those_of_astropy(cube: tuple[Path, Path]) -> None:
    """sky_coords gives right ascension and declination of each pixel; a part is computed by itself."""
    dataset = open_image(cube[1], sky_coords=True)
    y, x = np.mgrid[:70, :90]
    ra, dec = WCS(cube_header(), fix=False).celestial.pixel_to_world_values(x, y)
    np.testing.assert_allclose(dataset["ra"].values, ra, rtol=1e-14)
    np.testing.assert_allclose(dataset["dec"].isel(x=[3, 1], y=slice(5, 0, -2)).values, dec[5:0:-2, [3, 1]], rtol=1e-14)
    assert dataset["dec"].dims == ("y", "x")


def test_rotated_sky_and_velocity_axes(tmp_path: Path) -> None:
    """An axis that PC mixes with another has no coordinate of its own, whatever its CTYPE."""
    path = write_cube(tmp_path, PC1_3=1e-12, CTYPE3="VRAD", CUNIT3="m/s", CRVAL3=1e5, CDELT3=-2e3)[1]
    dataset = open_image(path)
    assert set(dataset.coords) == {"stokes"}
    assert dataset["image"].dims == ("stokes", "axis3", "y", "x")


def test_header_is_in_the_attributes(cube: tuple[Path, Path]) -> None:
    """Cards are attributes of the types that file formats take; the text of the header has all of them."""
    attrs = open_image(cube[1])["image"].attrs
    assert attrs["BMAJ"] == 0.002
    assert attrs["OBJECT"] == "M83"
    assert attrs["SIMPLE"] == "T"
    assert attrs["units"] == "Jy/beam"
    again = fits.Header.fromstring(attrs["header"], sep="\n")
    assert again.tostring() == fits.getheader(cube[0]).tostring()


def test_chunks_are_the_tiles(cube: tuple[Path, Path]) -> None:
    """The preferred chunks are the tiles that the file has, and dask takes them."""
    pytest.importorskip("dask")
    dataset = open_image(cube[1], chunks={})
    with radcodec.open(cube[1]) as file:
        assert dataset["image"].chunks == file.chunks
        chunks = preferred_chunks(file.images[0], dataset["image"].dims)
    assert dataset["image"].encoding["preferred_chunks"] == chunks


@pytest.mark.parametrize("dtype", ["u1", "i2", "i4", "i8", "f8"])
def test_other_types_of_samples(tmp_path: Path, dtype: str) -> None:
    """Integers and doubles come as astropy gives them."""
    plain, packed = write_cube(tmp_path, pixels=cube_pixels((40, 50), dtype))
    found = open_image(packed)["image"]
    expected = fits.getdata(plain)
    assert found.dtype == expected.dtype.newbyteorder("=")
    np.testing.assert_array_equal(found.values, expected)


def test_scaled_integers_with_blank(tmp_path: Path) -> None:
    """Scaled integers are physical values with NaN where BLANK is, as astropy has them."""
    pixels = cube_pixels((40, 50), "i2")
    pixels[3, 4] = -99
    hdu = fits.PrimaryHDU(pixels)
    hdu.header["BSCALE"], hdu.header["BZERO"], hdu.header["BLANK"] = 0.5, 10.0, -99
    with fits.HDUList([hdu]) as hdus:
        content = io.BytesIO()
        hdus.writeto(content, output_verify="ignore")
    raw = content.getvalue()
    packed = io.BytesIO()
    radcodec.compress(io.BytesIO(raw), packed, preview=0, threads=1)
    found = open_image(packed.getvalue())["image"]
    with fits.open(io.BytesIO(raw)) as hdus:
        np.testing.assert_array_equal(found.values, hdus[0].data)


def test_arrays_without_header_and_of_any_rank() -> None:
    """A stream of an array opens with plain axes; a number has none."""
    found = open_image(radcodec.encode(np.arange(24.0).reshape(2, 3, 4)))["image"]
    assert found.dims == ("axis3", "y", "x")
    assert found.values.tolist() == np.arange(24.0).reshape(2, 3, 4).tolist()
    number = open_image(radcodec.encode(np.float32(7)))["image"]
    assert number.shape == ()
    assert number.values == 7


def test_hdu_is_chosen_by_name(tmp_path: Path) -> None:
    """`hdu` chooses an image as everywhere; one that is not there is named in the error."""
    path = tmp_path / "two.fits"
    images = [fits.PrimaryHDU(), fits.ImageHDU(np.ones((4, 5)), name="SCI"), fits.ImageHDU(np.zeros((6, 7)), name="DQ")]
    fits.HDUList(images).writeto(path)
    radcodec.compress(path, tmp_path / "two.rcz", preview=0, threads=1)
    assert open_image(tmp_path / "two.rcz", hdu="dq")["image"].shape == (6, 7)
    assert open_image(tmp_path / "two.rcz")["image"].shape == (4, 5)
    with pytest.raises(radcodec.InputError, match="no HDU 'ERR'"):
        open_image(tmp_path / "two.rcz", hdu="ERR")
    with pytest.raises(radcodec.InputError, match="layouts fits, xradio, found 'casa'"):
        open_image(tmp_path / "two.rcz", layout="casa")


def test_guess_goes_by_the_first_bytes(cube: tuple[Path, Path], tmp_path: Path) -> None:
    """A file is known by its first bytes, a URL by its name, an open file by its bytes with its place kept."""
    backend = RadcodecBackend()
    liar = tmp_path / "liar.rcz"
    liar.write_bytes(b"SIMPLE  = not one")
    renamed = tmp_path / "renamed.dat"
    renamed.write_bytes(cube[1].read_bytes())
    assert backend.guess_can_open(renamed)
    assert backend.guess_can_open(str(cube[1]))
    assert not backend.guess_can_open(liar)
    assert not backend.guess_can_open(cube[0])
    assert backend.guess_can_open("https://example.org/a/x.fits.rcz?token=1")
    assert not backend.guess_can_open("https://example.org/a/x.fits")
    assert not backend.guess_can_open(object())
    with cube[1].open("rb") as file:
        file.seek(0)
        assert backend.guess_can_open(file)
        assert file.tell() == 0


def test_pickled_datasets_open_their_file_again(cube: tuple[Path, Path]) -> None:
    """A data set of a path goes to another process."""
    dataset = pickle.loads(pickle.dumps(open_image(cube[1], sky_coords=True)))
    np.testing.assert_array_equal(dataset["image"].isel(freq=1).values, cube_pixels()[:, 1])
    assert dataset["dec"].isel(x=39, y=29).values == pytest.approx(2.2)


def test_drop_variables_and_close(cube: tuple[Path, Path]) -> None:
    """Variables can be left out, and closing the data set closes the file."""
    assert "freq" not in open_image(cube[1], drop_variables="freq").variables
    dataset = open_image(cube[1])
    part = dataset["image"].isel(x=0)
    dataset.close()
    with pytest.raises(ValueError, match="closed file"):
        part.load()


def test_written_to_zarr_and_read_back(cube: tuple[Path, Path], tmp_path: Path) -> None:
    """Attributes and pixels are such that xarray writes them to other formats."""
    pytest.importorskip("zarr")
    dataset = open_image(cube[1]).drop_vars("stokes")
    dataset.to_zarr(tmp_path / "x.zarr", zarr_format=2, consolidated=False)
    with xr.open_zarr(tmp_path / "x.zarr", zarr_format=2, consolidated=False) as again:
        np.testing.assert_array_equal(again["image"].values, cube_pixels())
        assert again["image"].attrs["OBJECT"] == "M83"


def test_the_module_loads_nothing_but_xarray() -> None:
    """xarray loads every engine when it looks for one, so ours imports only os and xarray at its top."""
    code = "import sys, xarray; before = set(sys.modules); import radcodec.integrations.xarray\n"
    code += "print(sorted(name for name in set(sys.modules) - before if not name.startswith('radcodec.integrations')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['radcodec', 'radcodec.version']"


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without xarray the module says which extra to install."""
    monkeypatch.delitem(sys.modules, "radcodec.integrations.xarray")
    monkeypatch.setitem(sys.modules, "xarray", None)
    with pytest.raises(ImportError, match=r'pip install "radcodec\[xarray\]"'):
        import radcodec.integrations.xarray  # noqa: F401
