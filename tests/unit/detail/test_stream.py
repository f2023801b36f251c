"""Detail streams: every tile restores exactly or within its bound, and malformed streams are refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from radcodec.detail import stream
from radcodec.detail.maps import TileBound
from radcodec.errors import CorruptError
from radcodec.simulate import simulate_image
from radcodec.types import SampleType

FLOATS = {np.dtype("f4"): "u4", np.dtype("f8"): "u8"}


def sample_type(tile: Any) -> SampleType:
    """Sample type of an array."""
    return SampleType[f"{tile.dtype.kind.upper()}{tile.dtype.itemsize}"]


def round_trip(tile: Any, bound: TileBound | None = None, special: Any = None) -> tuple[Any, int, int]:
    """Restored tile, method and size of a tile coded with a predictor of its own."""
    kind = sample_type(tile)
    block = stream.fit_image(tile, special, None if bound is None else bound.error / abs(bound.bscale), kind)
    predictors = stream.load_predictors(block)
    coded = stream.encode_tile(tile, special, predictors, bound)
    return stream.decode_tile(coded, tile.shape, kind, special, predictors, bound), coded[0], len(coded)


@pytest.fixture(scope="module")
def image() -> Any:
    """A simulated image [1, 96, 80] with sources."""
    return simulate_image((96, 80), seed=5, noise_rms=1e-4, n_sources=6)[None]


@pytest.mark.parametrize("dtype", ["f4", "f8", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "i1"])
def test_lossless_restores_every_type(image: Any, dtype: str) -> None:
    """A beam-smoothed tile of any sample type takes the learned method and restores bit for bit."""
    kind = np.dtype(dtype)
    scaled = image / image.std() * 9
    if kind.kind == "u":
        scaled = np.clip(scaled + 40, 0, 250)
    limit = 250 if kind.itemsize > 1 or kind.kind == "u" else 120
    tile = (image if kind.kind == "f" else np.clip(scaled, -120, limit)).astype(kind)
    restored, method, size = round_trip(tile)
    assert restored.tobytes() == tile.tobytes()
    assert method == (stream.COUNTED if dtype == "i1" else stream.LEARNED)  # clipped, it is mostly one value
    assert size < tile.nbytes


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("share", [0.01, 0.125, 2.0])
def test_bound_holds_for_floats(image: Any, dtype: str, share: float) -> None:
    """Every sample is within E, in exact arithmetic on the restored type."""
    tile = image.astype(dtype)
    bound = TileBound(error=share * 1e-4)
    restored, method, _ = round_trip(tile, bound)
    assert np.abs(restored.astype(np.float64) - tile.astype(np.float64)).max() <= bound.error
    assert method == stream.LEARNED


def test_bound_holds_with_dither_and_map(image: Any) -> None:
    """Dither and a map of bounds keep the bound, and dither changes the result."""
    errors = np.where(np.arange(80) < 40, 1e-5, 4e-5) * np.ones(image.shape)
    plain = TileBound(error=float(errors.max()), map=errors)
    dithered = TileBound(error=2e-5, dither_seed=12345, tile_number=3)
    restored, _, _ = round_trip(image, plain)
    assert (np.abs(restored.astype(np.float64) - image) <= errors).all()
    restored, _, _ = round_trip(image, dithered)
    assert np.abs(restored.astype(np.float64) - image).max() <= 2e-5
    assert np.unique(restored).size > 0.9 * restored.size


@pytest.mark.parametrize("error", [0.4, 1.0, 3.7, 1000.0])
def test_bound_holds_for_scaled_integers(image: Any, error: float) -> None:
    """Integers with BSCALE and BZERO stay within E in physical units; E under half a step means exact."""
    tile = np.rint(image / 1e-5).astype("i2")
    bound = TileBound(error=error * 1e-5, bscale=1e-5, bzero=0.3)
    restored, _, _ = round_trip(tile, bound)
    physical = np.abs((0.3 + 1e-5 * restored.astype(np.float64)) - (0.3 + 1e-5 * tile.astype(np.float64)))
    assert physical.max() <= bound.error
    if error != 1.0:  # there the rounding of physical values decides
        assert (restored.tobytes() == tile.tobytes()) == (error < 1.0)


def test_special_samples_are_left_out(image: Any) -> None:
    """A tile with NaN in special places restores the others exactly and still compresses."""
    tile = image.copy()
    tile[0, 20:50, 30:60] = np.nan
    tile[0, 3, 4] = np.inf
    special = ~np.isfinite(tile)
    restored, method, size = round_trip(tile, special=special)
    assert method == stream.LEARNED
    assert restored[~special].tobytes() == tile[~special].tobytes()
    assert size < 0.85 * 4 * (~special).sum()


def test_float_lattice_is_coded_as_integers(image: Any) -> None:
    """Floats that are roundings of BZERO + BSCALE*k cost about what the integers cost."""
    k = np.rint(image / 2e-5).astype("i2")
    tile = (1.25e-3 + 3.7e-6 * k.astype(np.float64)).astype("f4")
    restored, _, size = round_trip(tile)
    _, _, integer_size = round_trip(k)
    assert restored.tobytes() == tile.tobytes()
    assert size < 1.02 * integer_size + 16


def test_planes_of_a_tile_do_not_mix(image: Any) -> None:
    """A tile of several small planes restores, whatever the planes hold."""
    tile = np.concatenate([image[:, :24, :30], 100 * image[:, 24:48, :30], np.zeros((1, 24, 30), "f4")])
    restored, _, _ = round_trip(tile)
    assert restored.tobytes() == tile.tobytes()


@pytest.mark.parametrize(
    "tile",
    [
        np.zeros((1, 70, 70), "f4"),
        np.full((1, 70, 70), 3.25, "f8"),
        np.arange(4900, dtype="i8").reshape(1, 70, 70) * 2**50 - 2**62,
        np.arange(4900, dtype="u8").reshape(1, 70, 70) + np.uint64(2**64 - 5000),
        np.linspace(1e-310, 1e-300, 4900).reshape(1, 70, 70),
        np.linspace(-1e308, 1e307, 4900).reshape(1, 70, 70),
        np.float32(2) ** np.arange(-149, 106, dtype="f4").repeat(20)[:4900].reshape(1, 70, 70),
        np.where(np.arange(4900) == 77, 1e30, 1e-5).astype("f4").reshape(1, 70, 70),
        np.random.default_rng(1).integers(-(2**63), 2**63 - 1, (1, 70, 70)),
        np.where(np.arange(4900) == 77, 0.0, np.finfo("f4").max).astype("f4").reshape(1, 70, 70),
    ],
    ids=["zeros", "constant", "wide-int", "top-uint", "subnormal", "huge", "powers", "spike", "random", "largest"],
)
def test_extreme_tiles_restore(tile: Any) -> None:
    """Constant, huge, tiny, wide and random tiles restore exactly, never larger than raw plus a few bytes."""
    restored, _, size = round_trip(tile)
    assert restored.tobytes() == tile.tobytes()
    assert size <= tile.nbytes + 1


@settings(max_examples=60, deadline=None)
@given(
    tile=st.sampled_from(["f4", "f8", "i2", "i8", "u1", "u8"]).flatmap(
        lambda d: hnp.arrays(
            d,
            st.tuples(st.integers(1, 2), st.integers(1, 12), st.integers(1, 12)),
            elements=None if np.dtype(d).kind != "f" else {"allow_nan": False, "allow_infinity": False},
        )
    )
)
def test_any_tile_restores(tile: Any) -> None:
    """Any finite tile of any shape restores bit for bit (negative zero apart, which is special)."""
    special = np.signbit(tile) & (tile == 0) if tile.dtype.kind == "f" else None
    restored, _, size = round_trip(tile, special=special)
    keep = slice(None) if special is None else ~special
    assert restored[keep].tobytes() == tile[keep].tobytes()
    assert size <= tile.nbytes + 1


@settings(max_examples=40, deadline=None)
@given(
    tile=hnp.arrays("f4", (1, 10, 11), elements={"allow_nan": False, "allow_infinity": False}),
    error=st.floats(1e-30, 1e30),
)
def test_any_bound_holds(tile: Any, error: float) -> None:
    """Any finite tile keeps any bound."""
    restored, _, _ = round_trip(tile, TileBound(error=error))
    with np.errstate(over="ignore"):
        assert (np.abs(restored.astype(np.float64) - tile.astype(np.float64)) <= error).all()


def test_few_repeated_values_are_packed() -> None:
    """Values that repeat but lie on no lattice and follow nothing are what a dictionary coder is best at."""
    rng = np.random.default_rng(8)
    values = rng.normal(size=300).astype("f4")
    tile = values[rng.integers(0, 300, (1, 128, 128))]
    restored, method, size = round_trip(tile)
    assert restored.tobytes() == tile.tobytes()
    assert method == stream.PACKED
    assert size < 0.5 * tile.nbytes


def test_repeats_that_the_model_also_codes_well_are_still_packed() -> None:
    """The smallest method wins on large tiles too, where the learned one is small but a repeat is smaller."""
    pattern = np.random.default_rng(0).integers(0, 1000, (8, 256)).astype("i2")
    tile = np.tile(pattern, (32, 1))[None]
    restored, method, size = round_trip(tile)
    assert restored.tobytes() == tile.tobytes()
    assert method in (stream.SHUFFLED, stream.PACKED)
    assert size <= 1 + len(zstandard.ZstdCompressor(level=19).compress(tile.tobytes()))


def test_truncated_streams_are_refused(image: Any) -> None:
    """Every truncation of a learned stream raises CorruptError."""
    tile = image[:, :24, :20].copy()
    predictors = stream.load_predictors(stream.fit_image(tile, None, None, SampleType.F4))
    coded = stream.encode_tile(tile, None, predictors, None)
    assert coded[0] == stream.LEARNED
    for n in range(len(coded)):
        with pytest.raises(CorruptError, match=r"detail stream|detail layer"):
            stream.decode_tile(coded[:n], tile.shape, SampleType.F4, None, predictors, None)


def test_unknown_method_is_refused() -> None:
    """A method that the format does not know raises CorruptError."""
    with pytest.raises(CorruptError, match="method 0 to 6, found 9"):
        stream.decode_tile(b"\x09abc", (1, 1, 1), SampleType.F4, None, None, None)


def test_thread_count_does_not_change_the_fit(image: Any) -> None:
    """The predictor is the same for one and two BLAS threads."""
    from threadpoolctl import threadpool_limits

    blocks = set()
    for n in (1, 2):
        with threadpool_limits(limits=n):
            blocks.add(stream.fit_image(image, None, None, SampleType.F4))
    assert len(blocks) == 1


@pytest.mark.parametrize(("strips", "method", "bits"), [(6, 2, 9), (15, 3, 18)])
def test_mosaics_of_scaled_integers(strips: int, method: int, bits: int) -> None:
    """Strips on lattices of their own are predicted by one map of them all; more than it may name are packed."""
    picture = simulate_image((300, 300), seed=5, noise_rms=1.0, n_sources=6).astype(np.float64)
    tile = np.empty((1, 300, 300), np.float32)
    for i, rows in enumerate(np.array_split(np.arange(300), strips)):
        step = 0.004 * (1.0 + 0.137 * i)
        tile[0, rows] = np.rint(picture[rows] / step) * step + 0.01 * i
    restored, found, size = round_trip(tile)
    assert (restored == tile).all()
    assert found == method
    assert 8 * size / tile.size < bits
