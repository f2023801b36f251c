"""Images as dask arrays: on threads, on processes and on a cluster; what tasks decode and what tokens say."""

from __future__ import annotations

import io
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from spies import watch_tiles

import radcodec
from radcodec import errors

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")
TILE = 16


def values_of(shape: tuple[int, ...], seed: int = 2) -> np.ndarray:
    """An image of noise."""
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.fixture
def cube(tmp_path: Path) -> tuple[Path, np.ndarray]:
    """A cube of five planes in a file, and its pixels."""
    values = values_of((5, 40, 50))
    path = tmp_path / "cube.rcz"
    path.write_bytes(radcodec.encode(values, tile=TILE, threads=1))
    return path, values


def test_building_decodes_nothing(cube: tuple[Path, np.ndarray], monkeypatch: pytest.MonkeyPatch) -> None:
    """The array has the shape, type and pieces of the image; a task decodes the one tile of its chunk."""
    path, values = cube
    seen = watch_tiles(monkeypatch)
    with radcodec.open(path) as file:
        array = file.to_dask()
        assert (array.shape, array.dtype, array.chunks) == (file.shape, file.dtype, file.chunks)
        assert isinstance(array._meta, np.ndarray)
        assert (array._meta.shape, array._meta.dtype) == ((0, 0, 0), np.float32)
        assert seen == []
        assert np.array_equal(array.blocks[2, 1, 1].compute(scheduler="sync"), values[2, 14:28, 13:26][None])
        assert len(seen) == 1
        seen.clear()
        assert np.array_equal(array.compute(scheduler="threads", num_workers=2), values)
        assert len(seen) == len(set(seen)) == file.reader.n_tiles(0)


def test_computing_after_the_file_was_closed(cube: tuple[Path, np.ndarray]) -> None:
    """Tasks open the file themselves, so that its context may end before."""
    path, values = cube
    with radcodec.open(path) as file:
        array = file.to_dask()
    assert float(array.max().compute(scheduler="threads")) == values.max()
    assert np.array_equal(array[1, ::-2, 3:30:4].compute(scheduler="sync"), values[1, ::-2, 3:30:4])
    assert np.array_equal(array[[0, 4]][:, 5].compute(scheduler="sync"), values[[0, 4]][:, 5])


@pytest.mark.parametrize("shape", [(), (0, 7), (1,), (600,), (2, 3, 20, 9)], ids=str)
@pytest.mark.parametrize("chunks", ["tiles", "auto", -1])
def test_shapes_and_pieces(shape: tuple[int, ...], chunks: Any) -> None:
    """Any shape works with any pieces, also those that are not the tiles."""
    values = values_of(shape)
    with radcodec.open(radcodec.encode(values, tile=TILE)) as file:
        array = file.to_dask(chunks=chunks)
        assert np.array_equal(array.compute(scheduler="sync"), values)


def test_images_of_a_file(tmp_path: Path) -> None:
    """Each image of a file is an array of its own: physical values, as indexing gives them."""
    quality = fits.ImageHDU(np.arange(600, dtype=np.uint16).reshape(20, 30), name="DQ")
    plain, out = io.BytesIO(), io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(values_of((20, 30))), quality]).writeto(plain)
    radcodec.compress(io.BytesIO(plain.getvalue()), out, preview=0, threads=1, tile=TILE)
    with radcodec.open(out.getvalue()) as file:
        array = file.hdu("DQ").to_dask()
        assert array.dtype == np.uint16
        assert np.array_equal(array.compute(scheduler="sync"), quality.data)
        assert dask.base.tokenize(file) == dask.base.tokenize(file.images[0])
        assert dask.base.tokenize(file) != dask.base.tokenize(file.images[1])


def test_tokens_are_of_the_content(
    cube: tuple[Path, np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token is the same for a copy of the file, another for other pixels, and decodes nothing."""
    path, values = cube
    copy, other = tmp_path / "copy.rcz", tmp_path / "other.rcz"
    copy.write_bytes(path.read_bytes())
    other.write_bytes(radcodec.encode(values + 1, tile=TILE, threads=1))
    seen = watch_tiles(monkeypatch)
    files = [radcodec.open(name) for name in (path, copy, other)]
    tokens = [dask.base.tokenize(file) for file in files]
    names = [file.to_dask().name for file in files]
    assert (tokens[0], names[0]) == (tokens[1], names[1])
    assert tokens[0] != tokens[2]
    assert names[0] != names[2]
    assert files[0].to_dask(chunks=-1).name != names[0]
    # PRELUDE ends with its checksum.
    end = files[0].reader.prelude.section_start("META")
    checksum = int.from_bytes(path.read_bytes()[end - 4 : end], "little")
    assert files[0].__dask_tokenize__() == ("radcodec", checksum, files[0].info.restored_sha256, 0)
    assert seen == []
    for file in files:
        file.close()


def test_file_objects_stay_in_their_process(cube: tuple[Path, np.ndarray]) -> None:
    """Of an open file object threads compute; a pickle of the array says why it cannot be."""
    path, values = cube
    with radcodec.open(io.BytesIO(path.read_bytes())) as file:
        array = file.to_dask()
        assert np.array_equal(array.compute(scheduler="threads", num_workers=2), values)
        with pytest.raises(TypeError, match="open it by its path"):
            pickle.dumps(next(iter(v for k, v in array.dask.items() if "original" in str(k))))


def test_processes(cube: tuple[Path, np.ndarray]) -> None:
    """Processes that are started anew open the file themselves; bytes travel with the tasks."""
    path, values = cube
    with dask.config.set({"multiprocessing.context": "spawn"}):
        for source in (path, path.read_bytes()):
            with radcodec.open(source) as file:
                array = file.to_dask()
            assert np.array_equal(array[:2].compute(scheduler="processes", num_workers=2), values[:2])


@pytest.fixture(scope="module")
def client() -> Any:
    """A cluster of two processes on this machine."""
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1", worker_dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.mark.filterwarnings("ignore")
def test_a_cluster(client: Any, cube: tuple[Path, np.ndarray]) -> None:
    """A cluster computes from the path, and its errors are those of radcodec."""
    path, values = cube
    with radcodec.open(path) as file:
        array = file.to_dask()
    assert np.array_equal(client.compute(array).result(timeout=120), values)
    # Of other pixels: a copy that says that it has the same content has the same token.
    damaged = bytearray(radcodec.encode(values + 1, tile=TILE, threads=1))
    with radcodec.open(damaged) as file:
        damaged[file.reader.images[0].tile_starts[3] + 1] ^= 1
    with radcodec.open(damaged) as file:
        future = client.compute(file.to_dask() + 1)
    with pytest.raises(radcodec.CorruptError, match="tile 3 of image 0"):
        future.result(timeout=120)


@pytest.mark.filterwarnings("ignore")
def test_a_cluster_reads_urls(client: Any, cube: tuple[Path, np.ndarray]) -> None:
    """Workers get their own tiles from a server."""
    pytest.importorskip("aiohttp")
    from web_servers import web_server

    path, values = cube
    with web_server({"cube.rcz": path.read_bytes()}) as (url, _), radcodec.open(f"{url}/cube.rcz") as file:
        assert np.array_equal(client.compute(file.to_dask()).result(timeout=120), values)


CLASSES = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.RadcodecError)]


@pytest.mark.parametrize("kind", CLASSES)
def test_errors_keep_their_class(kind: type[Exception]) -> None:
    """Every error of radcodec has its class, text and attributes after it was pickled."""
    found = pickle.loads(pickle.dumps(kind("expected this, found that")))
    assert (type(found), found.args) == (kind, ("expected this, found that",))
    again = pickle.loads(pickle.dumps(errors.BoundError("a text", too_coarse=True)))
    assert (again.too_coarse, str(again)) == (True, "a text")


@pytest.mark.filterwarnings("ignore")
def test_errors_keep_their_class_across_a_cluster(client: Any) -> None:
    """Every error of radcodec that a task raises has its class where the result is asked for."""

    # Inside, so that it travels by value: workers cannot import a module of the tests.
    def fail(kind: type[Exception]) -> None:
        raise kind("expected this, found that")

    futures = [(kind, client.submit(fail, kind, pure=False)) for kind in CLASSES]
    for kind, future in futures:
        with pytest.raises(kind, match="expected this, found that") as caught:
            future.result(timeout=120)
        assert type(caught.value) is kind


def test_without_dask(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without dask the error names the extra."""
    for name in [name for name in sys.modules if name.split(".")[0] == "dask"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "dask", None)
    with (
        radcodec.open(radcodec.encode(values_of((8, 8)))) as file,
        pytest.raises(ImportError, match=r'pip install "radcodec\[dask\]"'),
    ):
        file.to_dask()
