"""RczStore: zarr and xarray open a .rcz file as a store, from a path, from memory and over HTTP."""

from __future__ import annotations

import asyncio
import functools
import http.server
import pickle
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from made_cubes import cube_pixels, write_cube

import radcodec
from radcodec.decoding import image as decoding_image

zarr = pytest.importorskip("zarr", minversion="3.1.3")
from zarr.abc.store import OffsetByteRequest, RangeByteRequest, SuffixByteRequest  # noqa: E402
from zarr.core.buffer import default_buffer_prototype  # noqa: E402
from zarr.testing.store import StoreTests  # noqa: E402

from radcodec.integrations.zarr import RczStore  # noqa: E402


@pytest.fixture(scope="module")
def cube(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A cube as FITS and as .rcz, whose tiles do not cut the axes into equal parts."""
    return write_cube(tmp_path_factory.mktemp("store"))


def read(store: RczStore, key: str, part: Any = None) -> bytes | None:
    """The bytes of a key."""
    found = asyncio.run(store.get(key, default_buffer_prototype(), part))
    return None if found is None else found.to_bytes()


def names(store: RczStore, prefix: str) -> list[str]:
    """What lies below a prefix."""

    async def collect() -> list[str]:
        return [name async for name in store.list_dir(prefix)]

    return asyncio.run(collect())


def test_zarr_reads_the_pixels(cube: tuple[Path, Path]) -> None:
    """zarr.open_group gives the image and its coordinates; any part is that of the pixels."""
    group = zarr.open_group(RczStore(cube[1]), mode="r")
    pixels = cube_pixels()
    assert sorted(name for name, _ in group.arrays()) == ["freq", "image", "stokes"]
    image = group["image"]
    assert image.shape == pixels.shape
    assert image.dtype == pixels.dtype
    np.testing.assert_array_equal(image[...], pixels)
    np.testing.assert_array_equal(image[1, 2:5, 60:3:1, 7::13], pixels[1, 2:5, 60:3:1, 7::13])
    np.testing.assert_array_equal(image.oindex[0, [4, 0], slice(5), [89, 2]], pixels[0][[4, 0]][:, :5][:, :, [89, 2]])
    assert image.attrs["OBJECT"] == "M83"
    assert group["stokes"][...].tolist() == [1, 2]


def test_chunks_are_regular_and_as_large_as_tiles(cube: tuple[Path, Path]) -> None:
    """zarr wants equal chunks: they have the longest side of a tile of each axis."""
    with radcodec.open(cube[1]) as file:
        expected = tuple(max(pieces) for pieces in file.chunks)
    assert zarr.open_group(RczStore(cube[1]), mode="r")["image"].chunks == expected
    assert max(expected) <= 32


def test_xarray_reads_it(cube: tuple[Path, Path]) -> None:
    """xr.open_zarr opens the store without a warning, with dimensions and coordinates."""
    xr = pytest.importorskip("xarray")
    pytest.importorskip("dask")
    with xr.open_zarr(RczStore(cube[1])) as dataset:
        assert dataset["image"].dims == ("stokes", "freq", "y", "x")
        np.testing.assert_array_equal(dataset["freq"].values, 1.42e9 + 1e6 * np.arange(5))
        np.testing.assert_array_equal(dataset["image"].values, cube_pixels())
        assert float(dataset["image"].isel(stokes=0, freq=0).max()) == np.nanmax(cube_pixels()[0, 0])


def test_opening_decodes_nothing(cube: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Metadata, listing and sizes decode no tile."""
    tiles: list[int] = []
    real = decoding_image.decode_tile
    monkeypatch.setattr(decoding_image, "decode_tile", lambda image, tile: tiles.append(tile) or real(image, tile))
    store = RczStore(cube[1])
    group = zarr.open_group(store, mode="r")
    assert group["image"].nbytes == cube_pixels().nbytes
    assert "image" in names(store, "")
    assert asyncio.run(store.exists("image/c/1/4/2/2"))
    assert tiles == []
    group["image"][0, 0, 0, 0]
    assert 1 <= len(tiles) <= 4


def test_several_images(tmp_path: Path) -> None:
    """Each image has the name of its HDU; axes of other lengths have names of their own."""
    path = tmp_path / "x.fits"
    images = [
        fits.PrimaryHDU(),
        fits.ImageHDU(np.arange(20.0).reshape(4, 5), name="SCI"),
        fits.ImageHDU(np.zeros((6, 7), "i2"), name="a/b"),
        fits.ImageHDU(np.ones((4, 5), "u1"), name="SCI", ver=2),
        fits.ImageHDU(np.ones((4, 5), ">f8")),
    ]
    fits.HDUList(images).writeto(path)
    radcodec.compress(path, tmp_path / "x.rcz", preview=0, threads=1)
    store = RczStore(tmp_path / "x.rcz")
    group = zarr.open_group(store, mode="r")
    assert {name: array.shape for name, array in group.arrays()} == {
        "SCI": (4, 5), "A_B": (6, 7), "SCI_3": (4, 5), "hdu4": (4, 5),
    }  # fmt: skip
    np.testing.assert_array_equal(group["SCI"][...], images[1].data)
    xr = pytest.importorskip("xarray")
    pytest.importorskip("dask")
    with xr.open_zarr(store) as dataset:
        assert dataset["A_B"].dims == ("y_A_B", "x_A_B")
        assert dataset["SCI"].dims == dataset["hdu4"].dims == ("y", "x")


@pytest.mark.parametrize("dtype", ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8"])
@pytest.mark.parametrize("shape", [(), (5,), (3, 40), (2, 17, 33)])
def test_arrays_of_every_type(dtype: str, shape: tuple[int, ...]) -> None:
    """Streams of arrays are stores too, of any type and number of axes."""
    data = np.arange(int(np.prod(shape)), dtype=dtype).reshape(shape)
    group = zarr.open_group(RczStore(radcodec.encode(data, tile=16)), mode="r")
    assert group["image"].dtype == data.dtype
    np.testing.assert_array_equal(group["image"][...], data)


def test_an_empty_array() -> None:
    """An array without samples has no chunk."""
    group = zarr.open_group(RczStore(radcodec.encode(np.zeros((0, 3), "f4"))), mode="r")
    assert group["image"][...].shape == (0, 3)


def test_keys_and_ranges(cube: tuple[Path, Path]) -> None:
    """Keys that are none give nothing; parts of values are cut as zarr asks."""
    store = RczStore(cube[1])
    chunk = read(store, "image/c/0/0/0/0")
    assert chunk is not None
    assert read(store, "image/c/0/0/0/0", RangeByteRequest(3, 9)) == chunk[3:9]
    assert read(store, "image/c/0/0/0/0", OffsetByteRequest(len(chunk) - 5)) == chunk[-5:]
    assert read(store, "image/c/0/0/0/0", SuffixByteRequest(7)) == chunk[-7:]
    assert read(store, "image/c/0/0/0/0", SuffixByteRequest(0)) == b""
    for key in (
        "image/c/0/0/0",
        "image/c/0/0/0/9",
        "image/c/0/0/0/-1",
        "image/c/00/0/0/0",
        "image/zarr",
        "nothing/c/0",
        "c/0",
    ):
        assert read(store, key) is None
        assert not asyncio.run(store.exists(key))
    assert names(store, "image/") == ["zarr.json", "c"]
    assert names(store, "image/c/0/0") == ["0", "1", "2"]
    assert names(store, "nothing") == []


def test_every_listed_key_has_a_value(cube: tuple[Path, Path]) -> None:
    """list() gives the keys that get() knows, and no others."""
    store = RczStore(cube[1])

    async def keys(prefix: str) -> list[str]:
        return [key async for key in store.list_prefix(prefix)]

    everything = asyncio.run(keys(""))
    assert len(everything) == len(set(everything)) == 4 + 2 * 5 * 3 * 3 + 2
    assert all(asyncio.run(store.exists(key)) for key in everything)
    assert asyncio.run(keys("image/c/1/4/2/")) == [f"image/c/1/4/2/{n}" for n in range(3)]


class Kit(StoreTests[RczStore, Any]):
    """zarr's test kit for stores; what it writes with does not apply here."""

    store_cls = RczStore

    async def set(self, store: RczStore, key: str, value: Any) -> None:
        """Not called."""
        raise NotImplementedError

    async def get(self, store: RczStore, key: str) -> Any:
        """Not called."""
        raise NotImplementedError

    def test_store_repr(self, store: RczStore) -> None:
        """A name that says what it is."""
        assert repr(store).startswith("RczStore(<RczFile")

    def test_store_supports_writes(self, store: RczStore) -> None:
        """It takes no writes."""
        assert not store.supports_writes

    def test_store_supports_listing(self, store: RczStore) -> None:
        """It can be listed."""
        assert store.supports_listing


Kit.__test__ = False


def test_kit_of_zarr_for_stores(cube: tuple[Path, Path]) -> None:
    """The parts of zarr's kit for stores that write nothing: equality, opening, closing, refusals, missing keys."""
    kit, kwargs = Kit(), {"source": str(cube[1])}
    kit.buffer_cls = default_buffer_prototype().buffer
    store = asyncio.run(RczStore.open(**kwargs))
    kit.test_store_type(store)
    kit.test_store_eq(store, kwargs)
    kit.test_store_repr(store)
    kit.test_store_supports_writes(store)
    kit.test_store_supports_partial_writes(store)
    kit.test_store_supports_listing(store)
    for test in (kit.test_store_context_manager, kit.test_read_only_store_raises, kit.test_with_read_only_store):
        asyncio.run(test(dict(kwargs)))
    asyncio.run(kit.test_store_open_read_only(dict(kwargs), True))
    asyncio.run(kit.test_getsize_raises(store))
    with pytest.raises(ValueError, match="expected read_only=True"):
        RczStore(cube[1], read_only=False)


def test_pickled_stores_open_their_file_again(cube: tuple[Path, Path]) -> None:
    """A store of a path goes to another process; another file is another store."""
    store = RczStore(cube[1])
    again = pickle.loads(pickle.dumps(store))
    assert again == store
    np.testing.assert_array_equal(zarr.open_group(again, mode="r")["image"][1, 1], cube_pixels()[1, 1])
    assert RczStore(radcodec.encode(np.zeros(3))) != store


class Ranges(http.server.SimpleHTTPRequestHandler):
    """A file server that knows ranges and keeps count of what it sent."""

    sent: list[int] = []  # noqa: RUF012

    def log_message(self, *args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Send a range of a file, or all of it."""
        content = Path(self.translate_path(self.path)).read_bytes()
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        start, stop = (int(match[1]), int(match[2] or len(content) - 1) + 1) if match else (0, len(content))
        part = content[start:stop]
        self.sent.append(len(part))
        self.send_response(206 if match else 200)
        if match:
            self.send_header("Content-Range", f"bytes {start}-{start + len(part) - 1}/{len(content)}")
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        self.wfile.write(part)


@pytest.fixture
def server(cube: tuple[Path, Path]) -> Iterator[str]:
    """The address of a server of the cube on loopback."""
    Ranges.sent = []
    handler = functools.partial(Ranges, directory=str(cube[1].parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_over_http(server: str, cube: tuple[Path, Path]) -> None:
    """zarr and xarray open a URL, and one pixel does not fetch the file."""
    pytest.importorskip("fsspec")
    pytest.importorskip("aiohttp")
    url = f"{server}/{cube[1].name}"
    group = zarr.open_group(RczStore(url), mode="r")
    assert group["image"][1, 3, 5, 6] == cube_pixels()[1, 3, 5, 6]
    assert sum(Ranges.sent) < cube[1].stat().st_size / 2
    np.testing.assert_array_equal(group["image"][...], cube_pixels())
    xr = pytest.importorskip("xarray")
    from radcodec.integrations.xarray import RadcodecBackend

    with xr.open_dataset(url, engine=RadcodecBackend) as dataset:
        np.testing.assert_array_equal(dataset["image"][0, 1:3].values, cube_pixels()[0, 1:3])
    pytest.importorskip("dask")
    with xr.open_zarr(RczStore(url)) as dataset:
        np.testing.assert_array_equal(dataset["image"][1, 4].values, cube_pixels()[1, 4])
