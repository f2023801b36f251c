"""The codec of numcodecs: its own test kit, and round trips in zarr's format 2."""

from __future__ import annotations

import sys
from importlib.metadata import entry_points

import numpy as np
import pytest
from made_cubes import cube_pixels

import radcodec

numcodecs = pytest.importorskip("numcodecs")
from numcodecs.registry import get_codec, register_codec  # noqa: E402
from numcodecs.tests import common  # noqa: E402

from radcodec.integrations.numcodecs import Radcodec  # noqa: E402

rng = np.random.default_rng(3)
# Those of numcodecs' own tests of codecs: integers and floats, flat and not, in both orders of memory.
ARRAYS = [
    np.arange(1000, dtype="i4"),
    np.arange(1000, dtype="u2").reshape(10, 100),
    np.linspace(1000, 1001, 1000, dtype="f8"),
    np.linspace(1000, 1001, 1000, dtype="f4"),
    rng.normal(loc=1000, scale=1, size=(100, 10)),
    np.asfortranarray(rng.normal(loc=1000, scale=1, size=(100, 10))),
    rng.normal(loc=1000, scale=1, size=(10, 10, 10)).astype("f4"),
    rng.integers(0, 2**60, size=1000, dtype="u8"),
    rng.integers(-(2**63), -(2**63) + 20, size=1000, dtype="i8"),
    rng.integers(0, 2, size=1000, dtype=bool),
    rng.integers(0, 2**60, size=1000, dtype="i8").view("M8[ns]"),
    rng.integers(0, 2**60, size=1000, dtype="i8").view("m8[m]"),
    rng.integers(-100, 100, size=300, dtype="i1"),
]


@pytest.fixture(autouse=True)
def registered() -> None:
    """The codec is in the registry, whether or not the entry points of this checkout are installed."""
    register_codec(Radcodec)


def test_the_entry_point_is_registered() -> None:
    """numcodecs finds the codec by its id."""
    if not any(point.name == "radcodec" for point in entry_points(group="numcodecs.codecs")):
        pytest.skip("the entry points of this checkout are not installed")
    numcodecs.registry.codec_registry.pop("radcodec", None)
    assert type(get_codec({"id": "radcodec", "tile": 64})).__name__ == "Radcodec"


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: f"{array.dtype}{array.shape}")
def test_kit_of_numcodecs_buffers(array: np.ndarray) -> None:
    """numcodecs' check of every kind of buffer, in and out."""
    common.check_encode_decode(array, Radcodec())


@pytest.mark.parametrize("array", [array for array in ARRAYS if array.dtype.kind in "iuf"], ids=str)
def test_kit_of_numcodecs_arrays(array: np.ndarray) -> None:
    """numcodecs' check of codecs that know about arrays."""
    common.check_encode_decode_array(array, Radcodec())


def test_kit_of_numcodecs_configuration() -> None:
    """numcodecs' checks of configurations, of how the codec is written, and of arrays of objects."""
    common.check_config(Radcodec())
    common.check_config(Radcodec(max_error=0.25, tile=64, dtype="<f4"))
    common.check_err_encode_object_buffer(Radcodec())
    common.check_err_decode_object_buffer(Radcodec())
    assert repr(Radcodec(max_error=0.5)) == "Radcodec(dtype=None, max_error=0.5, tile=512)"
    assert Radcodec(tile=64) != Radcodec(tile=32)


@pytest.mark.parametrize("dtype", ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_round_trips_in_format_2(dtype: str, order: str) -> None:
    """Arrays of zarr's format 2 come back exactly in both orders of memory."""
    zarr = pytest.importorskip("zarr")
    data = cube_pixels((3, 20, 30), dtype)
    store = zarr.storage.MemoryStore()
    zarr.create_array(
        store, data=data, chunks=(2, 13, 17), order=order, zarr_format=2, compressors=Radcodec(), filters=None
    )
    array = zarr.open_array(store, mode="r", zarr_format=2)
    assert array[...].tobytes() == data.tobytes()
    np.testing.assert_array_equal(array[1, 5:18:3, ::7], data[1, 5:18:3, ::7])
    assert array.metadata.compressor == Radcodec()


def test_a_bound_holds() -> None:
    """Bounded chunks are within the bound; one in sigma is refused, and one of truth values."""
    data = cube_pixels((40, 50))
    found = Radcodec(max_error=0.5).decode(Radcodec(max_error=0.5).encode(data)).reshape(data.shape)
    finite = np.isfinite(data)
    assert 0 < np.abs(found[finite] - data[finite]).max() <= 0.5
    with pytest.raises(radcodec.BoundError, match="would give each chunk another bound"):
        Radcodec(max_error="0.125sigma")
    with pytest.raises(radcodec.BoundError, match="found bool"):
        Radcodec(max_error=0.5).encode(np.zeros(9, bool))


def test_samples_of_the_other_byte_order_are_refused() -> None:
    """A decoded buffer has no byte order, so such an array would come back as other numbers."""
    with pytest.raises(radcodec.UnsupportedDataError, match="give the array the type <f4"):
        Radcodec().encode(np.zeros(8, ">f4"))
    with pytest.raises(radcodec.UnsupportedDataError, match="expected an array of integers"):
        Radcodec().encode(np.zeros(8, "c8"))


def test_another_type_or_size_is_corrupt() -> None:
    """A stream of another type or size is an error: against `dtype`, and against the output."""
    stream = Radcodec().encode(np.arange(16, dtype="i4"))
    with pytest.raises(radcodec.CorruptError, match="expected a chunk of float32, found int32"):
        Radcodec(dtype="<f4").decode(stream)
    with pytest.raises(
        radcodec.CorruptError, match="expected 16 samples of float32 to fill the output, found 16 of int32"
    ):
        Radcodec().decode(stream, out=np.empty(16, "f4"))
    with pytest.raises(radcodec.CorruptError, match="expected 15 samples of int32"):
        Radcodec().decode(stream, out=np.empty(15, "i4"))
    assert Radcodec(dtype="<i4").decode(stream, out=np.empty((4, 4), "i4")).tolist()[3] == [12, 13, 14, 15]
    times = np.arange(8).view("M8[s]")
    assert (Radcodec(dtype=times.dtype.str).decode(Radcodec().encode(times)).view("M8[s]") == times).all()


def test_damage_is_an_error() -> None:
    """A cut stream and one that is none are radcodec's errors."""
    stream = Radcodec().encode(np.arange(1600.0))
    with pytest.raises(radcodec.TruncatedError, match="expected"):
        Radcodec().decode(stream[:-3])
    with pytest.raises(radcodec.NotRadcodecError, match="expected"):
        Radcodec().decode(b"no stream of this kind" * 9)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without numcodecs the module says which extra to install."""
    monkeypatch.delitem(sys.modules, "radcodec.integrations.numcodecs")
    monkeypatch.setitem(sys.modules, "numcodecs.abc", None)
    with pytest.raises(ImportError, match=r'pip install "radcodec\[numcodecs\]"'):
        import radcodec.integrations.numcodecs  # noqa: F401
