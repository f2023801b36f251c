"""VirtualiZarr: files stay as they are, one chunk each, and a stack of them is one array."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from made_cubes import cube_pixels, write_cube

import radcodec
from radcodec.decoding import image as decoding_image

virtualizarr = pytest.importorskip("virtualizarr")
xr = pytest.importorskip("xarray")
import zarr  # noqa: E402
from obspec_utils.registry import ObjectStoreRegistry  # noqa: E402
from obstore.store import LocalStore  # noqa: E402
from virtualizarr.manifests import ManifestGroup, ManifestStore  # noqa: E402

from radcodec.integrations.virtualizarr import RadcodecParser  # noqa: E402

N_EPOCHS = 3


@pytest.fixture(scope="module")
def epochs(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], np.ndarray]:
    """URLs of compressed images of one field, and their pixels."""
    folder = tmp_path_factory.mktemp("epochs")
    pixels = np.stack([cube_pixels((40, 50), seed=epoch) for epoch in range(N_EPOCHS)])
    paths = [write_cube(folder, f"epoch{number}", pixels=image)[1] for number, image in enumerate(pixels)]
    return [path.as_uri() for path in paths], pixels


@pytest.fixture
def registry() -> ObjectStoreRegistry:
    """Files of this machine."""
    return ObjectStoreRegistry({"file://": LocalStore()})


def stack_of(urls: list[str], registry: ObjectStoreRegistry) -> xr.Dataset:
    """A virtual data set with a new axis of epochs."""
    opened = [virtualizarr.open_virtual_dataset(url, registry=registry, parser=RadcodecParser()) for url in urls]
    return xr.concat(
        opened, dim="epoch", coords="minimal", compat="override", combine_attrs="override", join="override"
    )


def test_a_file_is_one_chunk(
    epochs: tuple[list[str], np.ndarray], registry: ObjectStoreRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A virtual data set has one chunk, the whole file, and nothing is decoded for it."""
    tiles: list[int] = []
    real = decoding_image.decode_tile
    monkeypatch.setattr(decoding_image, "decode_tile", lambda image, tile: tiles.append(tile) or real(image, tile))
    dataset = virtualizarr.open_virtual_dataset(epochs[0][0], registry=registry, parser=RadcodecParser())
    manifest = dataset["image"].data.manifest.dict()
    assert len(manifest) == 1
    path = Path(epochs[0][0].removeprefix("file://"))
    assert manifest["0.0"]["length"] == path.stat().st_size
    assert dataset["image"].attrs["OBJECT"] == "M83"
    assert tiles == []


def test_the_store_of_one_file_reads_its_pixels(
    epochs: tuple[list[str], np.ndarray], registry: ObjectStoreRegistry
) -> None:
    """zarr and xarray read the pixels through the parser's store."""
    store = RadcodecParser()(epochs[0][1], registry)
    with xr.open_zarr(store, consolidated=False, zarr_format=3) as dataset:
        np.testing.assert_array_equal(dataset["image"].values, epochs[1][1])
        np.testing.assert_array_equal(dataset["image"][3:9, ::7].values, epochs[1][1][3:9, ::7])


def test_a_stack_of_epochs_is_one_array(epochs: tuple[list[str], np.ndarray], registry: ObjectStoreRegistry) -> None:
    """Files joined along a new axis are read as one array, each pixel from its file."""
    stacked = stack_of(epochs[0], registry)
    assert stacked["image"].dims == ("epoch", "y", "x")
    group = ManifestGroup(arrays={"image": stacked["image"].data})
    image = zarr.open_group(ManifestStore(group=group, registry=registry), mode="r")["image"]
    assert image.shape == (N_EPOCHS, 40, 50)
    np.testing.assert_array_equal(image[...], epochs[1])
    np.testing.assert_array_equal(image[:, 20, 30], epochs[1][:, 20, 30])


def test_written_with_icechunk_and_read_back(
    epochs: tuple[list[str], np.ndarray], registry: ObjectStoreRegistry, tmp_path: Path
) -> None:
    """References that icechunk keeps have the codec, and another session reads the pixels."""
    icechunk = pytest.importorskip("icechunk")
    folder = str(Path(epochs[0][0].removeprefix("file://")).parent)
    prefix = f"file://{folder}/"
    config = icechunk.RepositoryConfig.default()
    config.set_virtual_chunk_container(icechunk.VirtualChunkContainer(prefix, icechunk.local_filesystem_store(folder)))
    access = icechunk.containers_credentials({prefix: None})
    storage = icechunk.local_filesystem_storage(str(tmp_path / "repo"))
    repository = icechunk.Repository.create(storage, config=config, authorize_virtual_chunk_access=access)
    session = repository.writable_session("main")
    stack_of(epochs[0], registry).vz.to_icechunk(session.store)
    session.commit("a stack of epochs")
    again = icechunk.Repository.open(storage, config=config, authorize_virtual_chunk_access=access)
    group = zarr.open_group(again.readonly_session("main").store, mode="r")
    assert group["image"].metadata.codecs[0].to_dict()["name"] == "radcodec"
    np.testing.assert_array_equal(group["image"][...], epochs[1])


def test_kerchunk_is_no_way_to_keep_references(
    epochs: tuple[list[str], np.ndarray], registry: ObjectStoreRegistry
) -> None:
    """What VirtualiZarr writes for kerchunk does not name our codec: the reason why the docs say not to."""
    references = stack_of(epochs[0], registry).vz.to_kerchunk(format="dict")
    metadata = json.loads(references["refs"]["image/.zarray"])
    assert metadata["compressor"] is metadata["filters"] is None


def test_an_hdu_is_chosen(tmp_path: Path, registry: ObjectStoreRegistry) -> None:
    """`hdu` names the image of each file, and the codec keeps it."""
    path = tmp_path / "two.fits"
    images = [fits.PrimaryHDU(np.ones((4, 5), "f4")), fits.ImageHDU(np.arange(12, dtype="i2").reshape(3, 4), name="DQ")]
    fits.HDUList(images).writeto(path)
    radcodec.compress(path, tmp_path / "two.fits.rcz", preview=0, threads=1)
    store = RadcodecParser(hdu=1)((tmp_path / "two.fits.rcz").as_uri(), registry)
    image = zarr.open_group(store, mode="r")["image"]
    assert image[...].tolist() == np.arange(12).reshape(3, 4).tolist()
    assert image.metadata.codecs[0].hdu == 1


def test_what_is_no_file_of_ours_is_refused(tmp_path: Path, registry: ObjectStoreRegistry) -> None:
    """A FITS file is not taken for a .rcz file."""
    plain = write_cube(tmp_path, pixels=cube_pixels((20, 20)))[0]
    with pytest.raises(radcodec.NotRadcodecError, match="expected"):
        RadcodecParser()(plain.as_uri(), registry)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without virtualizarr the module says which extra to install."""
    monkeypatch.delitem(sys.modules, "radcodec.integrations.virtualizarr")
    monkeypatch.setitem(sys.modules, "virtualizarr.manifests", None)
    with pytest.raises(ImportError, match=r'pip install "radcodec\[virtualizarr\]"'):
        import radcodec.integrations.virtualizarr  # noqa: F401
