"""The codec of zarr: round trips in format 3, sharded and not, with the strategies of zarr's own test kit."""

from __future__ import annotations

import json
import sys
import warnings
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_cubes import cube_pixels, write_cube

import radcodec
from radcodec.decoding import image as decoding_image

zarr = pytest.importorskip("zarr", minversion="3.1.3")
from zarr.abc.codec import ArrayBytesCodec  # noqa: E402
from zarr.registry import get_codec_class, register_codec  # noqa: E402
from zarr.storage import MemoryStore  # noqa: E402

from radcodec.integrations.zarr import RadcodecCodec  # noqa: E402

TYPES = ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8"]


@pytest.fixture(autouse=True)
def registered() -> None:
    """The codec is in zarr's registry, whether or not the entry points of this checkout are installed."""
    register_codec("radcodec", RadcodecCodec)


def create(data: np.ndarray, **kwargs: Any) -> Any:
    """An array in memory whose chunks our codec makes, read back from its metadata."""
    codec = RadcodecCodec(**kwargs.pop("codec", {}))
    store = kwargs.pop("store", None) or MemoryStore()
    kwargs = {"chunks": tuple(max(1, n // 2 + 1) for n in data.shape), "compressors": None, **kwargs}
    zarr.create_array(store, data=data, serializer=codec, **kwargs)
    return zarr.open_array(store, mode="r")


def test_the_entry_point_is_registered() -> None:
    """zarr finds the codec by its name."""
    if not any(point.name == "radcodec" for point in entry_points(group="zarr.codecs")):
        pytest.skip("the entry points of this checkout are not installed")
    assert get_codec_class("radcodec").__name__ == "RadcodecCodec"


@pytest.mark.parametrize("dtype", TYPES)
def test_every_type_comes_back_exactly(dtype: str) -> None:
    """Integers of 8 to 64 bits and both floats, chunks at the edges included."""
    data = cube_pixels((3, 20, 30), dtype)
    array = create(data, chunks=(2, 13, 17))
    assert array[...].tobytes() == data.tobytes()
    assert array.dtype == data.dtype
    assert isinstance(array.metadata.codecs[0], ArrayBytesCodec)


@pytest.mark.parametrize("dtype", [">f4", ">i2"])
def test_big_endian_arrays_keep_their_values(dtype: str) -> None:
    """Samples of the other byte order come back with the same values."""
    data = cube_pixels((20, 30), "f4").astype(dtype) if "f" in dtype else cube_pixels((20, 30), "i2").astype(dtype)
    np.testing.assert_array_equal(create(data)[...], data)


@pytest.mark.parametrize("dtype", ["bool", "c8", "f2", "M8[s]", "S3"])
def test_other_types_are_refused_before_anything_is_written(dtype: str) -> None:
    """A type that no stream holds is refused by name when the array is made."""
    store = MemoryStore()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(radcodec.UnsupportedDataError, match="expected an array of integers of 8 to 64 bits"):
            zarr.create_array(store, shape=(4, 4), dtype=dtype, serializer=RadcodecCodec(), compressors=None)
    assert store._store_dict == {}


def test_special_values_keep_their_bits() -> None:
    """NaN payloads, infinities, -0.0 and subnormals are the same bits."""
    data = np.zeros((16, 16), "f4")
    data.view("u4")[0, :6] = [0x7FC00001, 0xFFC12345, 0x7F800000, 0xFF800000, 0x80000000, 1]
    assert create(data, fill_value=5.0)[...].tobytes() == data.tobytes()


def test_sharded_arrays_read_single_chunks() -> None:
    """In shards each inner chunk is a stream; a part reads its chunks alone."""
    data = cube_pixels((64, 96))
    array = create(data, chunks=(16, 16), shards=(32, 48))
    np.testing.assert_array_equal(array[...], data)
    np.testing.assert_array_equal(array[5:50:3, 7], data[5:50:3, 7])
    np.testing.assert_array_equal(array.oindex[[3, 60], [1, 90, 20]], data[np.ix_([3, 60], [1, 90, 20])])


def test_a_part_of_a_large_chunk_decodes_only_its_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """A chunk of many tiles is not decoded whole for one pixel."""
    data = cube_pixels((96, 96))
    array = create(data, chunks=(96, 96), codec={"tile": 16})
    tiles: list[int] = []
    real = decoding_image.decode_tile
    monkeypatch.setattr(decoding_image, "decode_tile", lambda image, tile: tiles.append(tile) or real(image, tile))
    assert array[40, 50] == data[40, 50]
    assert len(tiles) == 1
    np.testing.assert_array_equal(array[10:20, 3], data[10:20, 3])
    assert len(tiles) == 3


def test_chunks_of_the_fill_value_are_not_written(tmp_path: Path) -> None:
    """Empty chunks take no space and read as the fill value; NaN as fill value too."""
    for fill in (0.0, np.nan, -7.5):
        store = MemoryStore()
        array = zarr.create_array(
            store,
            shape=(40, 40),
            chunks=(20, 20),
            dtype="f4",
            fill_value=fill,
            serializer=RadcodecCodec(),
            compressors=None,
        )
        array[:20, :20] = np.arange(400).reshape(20, 20)
        assert [key for key in store._store_dict if key.startswith("c/")] == ["c/0/0"]
        whole = zarr.open_array(store, mode="r")[...]
        np.testing.assert_array_equal(whole[20:], np.full((20, 40), fill, "f4"))
        np.testing.assert_array_equal(whole[:20, :20], np.arange(400).reshape(20, 20))


def test_writing_a_part_of_a_chunk_keeps_the_rest() -> None:
    """A chunk is read, changed and written again."""
    data = cube_pixels((30, 30), "i4")
    store = MemoryStore()
    array = zarr.create_array(store, data=data, chunks=(16, 16), serializer=RadcodecCodec(), compressors=None)
    array[10:20, 5] = 7
    data[10:20, 5] = 7
    np.testing.assert_array_equal(zarr.open_array(store, mode="r")[...], data)


def test_numbers_and_empty_arrays() -> None:
    """An array without axes has one chunk; one without samples has none."""
    assert create(np.array(3.5, "f8"), chunks=())[()] == 3.5
    assert create(np.zeros((0, 4), "f4"), chunks=(2, 2))[...].shape == (0, 4)


def test_other_codecs_before_and_after() -> None:
    """A transposing codec before and a compressor after make no difference."""
    data = cube_pixels((20, 30, 40), "f4")
    array = create(data, filters=[zarr.codecs.TransposeCodec(order=(2, 0, 1))], compressors=[zarr.codecs.ZstdCodec()])
    np.testing.assert_array_equal(array[...], data)
    np.testing.assert_array_equal(array[3:9, 4, ::5], data[3:9, 4, ::5])


@pytest.mark.parametrize("max_error", [0.5, 3, np.float32(0.25)])
def test_a_bound_holds_in_every_chunk(max_error: float) -> None:
    """No sample is further off than the bound, in the type of the array, and special values are exact."""
    data = cube_pixels((64, 64))
    array = create(data, chunks=(32, 32), codec={"max_error": max_error})
    found = array[...]
    finite = np.isfinite(data)
    assert (np.isnan(found) == ~finite).all()
    off = np.abs(found[finite].astype("f8") - data[finite].astype("f8"))
    assert 0 < off.max() <= float(max_error)
    assert array.metadata.codecs[0].to_dict() == {
        "name": "radcodec",
        "configuration": {"max_error": float(max_error), "tile": 512},
    }


@pytest.mark.parametrize("bound", ["0.125sigma", "0.125localsigma", "2e-5", "20uJy/beam"])
def test_bounds_that_differ_from_chunk_to_chunk_are_refused(bound: str) -> None:
    """A bound in sigma or with a unit is refused, and the message says why."""
    with pytest.raises(radcodec.BoundError, match="would give each chunk another bound"):
        RadcodecCodec(max_error=bound)


@pytest.mark.parametrize("bound", [0, -1.0, np.nan, np.inf, True])
def test_unsound_bounds_are_refused(bound: object) -> None:
    """A bound is finite and above 0."""
    with pytest.raises(radcodec.BoundError, match="expected a"):
        RadcodecCodec(max_error=bound)


@pytest.mark.parametrize("tile", [7, 2049, 1.5, True, "512"])
def test_unsound_tiles_are_refused(tile: object) -> None:
    """A tile has 8 to 2048 pixels a side."""
    with pytest.raises(radcodec.InputError, match="expected a tile of 8 to 2048 pixels"):
        RadcodecCodec(tile=tile)


def test_metadata_goes_back_and_forth() -> None:
    """The codec is the same after JSON; unknown fields are refused."""
    codec = RadcodecCodec(max_error=0.1, tile=64)
    assert RadcodecCodec.from_dict(json.loads(json.dumps(codec.to_dict()))) == codec
    assert RadcodecCodec.from_dict({"name": "radcodec"}) == RadcodecCodec()
    with pytest.raises(radcodec.InputError, match=r"found .*'level'"):
        RadcodecCodec.from_dict({"name": "radcodec", "configuration": {"level": 3}})


@pytest.mark.parametrize(
    "other", [np.zeros((8, 9), "f4"), np.zeros((8, 8), "i4"), np.zeros((8, 8), "f8"), np.zeros(64, "f4")]
)
def test_a_chunk_of_another_array_is_corrupt(other: np.ndarray) -> None:
    """A chunk whose stream has another shape or type is an error and never other pixels."""
    store = MemoryStore()
    array = zarr.create_array(
        store, data=np.ones((8, 8), "f4"), chunks=(8, 8), serializer=RadcodecCodec(), compressors=None
    )
    store._store_dict["c/0/0"] = type(store._store_dict["c/0/0"]).from_bytes(radcodec.encode(other))
    with pytest.raises(radcodec.CorruptError, match="expected a chunk of float32 and shape"):
        array[...]
    with pytest.raises(radcodec.CorruptError, match="expected a chunk of float32 and shape"):
        array[0, 0]


def test_a_damaged_chunk_is_an_error() -> None:
    """A flipped bit and a cut chunk are radcodec's errors."""
    store = MemoryStore()
    array = zarr.create_array(
        store, data=cube_pixels((32, 32)), chunks=(32, 32), serializer=RadcodecCodec(), compressors=None
    )
    good = store._store_dict["c/0/0"].to_bytes()
    kind = type(store._store_dict["c/0/0"])
    store._store_dict["c/0/0"] = kind.from_bytes(good[:-9])
    with pytest.raises(radcodec.FormatError, match="expected"):
        array[...]
    bad = bytearray(good)
    bad[len(bad) // 2] ^= 4
    store._store_dict["c/0/0"] = kind.from_bytes(bytes(bad))
    with pytest.raises(radcodec.FormatError, match=r"checksum|expected"):
        array[...]


def test_files_of_images_are_chunks_too(tmp_path: Path) -> None:
    """A chunk may be a whole .rcz file of a FITS file: physical values of its image, axes of length 1 aside."""
    pixels = cube_pixels((1, 1, 20, 30))
    packed = write_cube(tmp_path, pixels=pixels)[1]
    store = MemoryStore()
    array = zarr.create_array(
        store,
        shape=(2, 20, 30),
        chunks=(1, 20, 30),
        dtype="f4",
        serializer=RadcodecCodec(),
        compressors=None,
        fill_value=0,
    )
    array[0] = 1
    kind = type(store._store_dict["c/0/0/0"])
    store._store_dict["c/1/0/0"] = kind.from_bytes(packed.read_bytes())
    np.testing.assert_array_equal(array[1], pixels[0, 0])
    np.testing.assert_array_equal(array[:, 9, 3:20], np.stack([np.ones(17), pixels[0, 0, 9, 3:20]]))


strategies = pytest.importorskip("zarr.testing.strategies")


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_indexing_by_the_strategies_of_zarr(data: st.DataObject) -> None:
    """zarr's own strategies for shapes, chunks and indices: what is read is what NumPy gives."""
    shape = tuple(data.draw(st.lists(st.integers(1, 12), min_size=1, max_size=3)))
    dtype = data.draw(st.sampled_from(TYPES))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    pixels = rng.integers(0, 100, shape).astype(dtype)
    chunks = tuple(data.draw(st.integers(1, length)) for length in shape)
    array = create(pixels, chunks=chunks)
    key = data.draw(strategies.basic_indices(shape=shape, allow_ellipsis=True))
    np.testing.assert_array_equal(array[key], pixels[key])
    zarr_key, numpy_key = data.draw(strategies.orthogonal_indices(shape=shape))
    np.testing.assert_array_equal(array.oindex[zarr_key], pixels[numpy_key])


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without zarr the module says which extra to install."""
    for name in ("radcodec.integrations.zarr", "radcodec.integrations.rcz_store"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    for name in [name for name in sys.modules if name == "zarr" or name.startswith("zarr.")]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=r'pip install "radcodec\[zarr\]"'):
        import radcodec.integrations.zarr  # noqa: F401
