"""Turned tiles: a cube may have its spectral axis in any place, and comes back as it was in every way of reading it."""

from __future__ import annotations

import io
import sys
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

import radcodec
from radcodec.detail import stream
from radcodec.detail.maps import TileBound
from radcodec.detail.orders import ORDERS, order_by_roughness, turned, turned_back
from radcodec.detail.predictors import Predictors, pack_predictors, unpack_predictors
from radcodec.detail.rounding import Predictor
from radcodec.detail.tables import default_tables
from radcodec.errors import CorruptError
from radcodec.pixels.tiles import tile_sides, turned_sides
from radcodec.simulate import simulate_image
from radcodec.types import SampleType

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
import reference_decoder as ref

pytestmark = pytest.mark.slow


def sky_cube(n_planes: int = 40, height: int = 36, width: int = 44) -> Any:
    """Beam-smoothed noise, new in every plane: smooth along two axes, rough along the first."""
    planes = [simulate_image((height, width), seed=p, n_sources=0, noise_rms=1.0) for p in range(n_planes)]
    return np.stack(planes).astype("f4")


def order_of(packed: bytes) -> tuple[int, ...]:
    """Order of the axes in which the tiles of a file's image are coded."""
    with radcodec.open(packed) as file:
        predictors = file.images[0].stored.coding.shared.predictors
    assert predictors is not None
    return predictors.order


@settings(max_examples=60)
@given(st.data())
def test_both_readers_turn_tiles_back(data: st.DataObject) -> None:
    """Tiles of any sides and type, in any order, with special samples and bounds, come back in both readers."""
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    shape = tuple(data.draw(st.tuples(st.integers(1, 6), st.integers(1, 7), st.integers(1, 8))))
    order = data.draw(st.sampled_from(ORDERS))
    own = Predictor(radius=1, shift=4, integers=rng.integers(-6, 6, 4))
    predictors = Predictors(tables=default_tables(), fill=1.0, predictors=(own,), order=order)
    block = pack_predictors(predictors)
    read = unpack_predictors(block)
    assert read.order == order
    code = data.draw(st.sampled_from(["f4", "f8", "i2", "u1"]))
    tile = np.abs(rng.normal(0, 9, shape) + np.arange(shape[1])[:, None]).astype(code)
    special = rng.random(shape) < 0.2 if data.draw(st.booleans()) else None
    bound = data.draw(st.sampled_from([None, TileBound(error=0.6), TileBound(error=1.5, dither_seed=7, tile_number=2)]))
    if bound is not None and code in ("f4", "f8") and data.draw(st.booleans()):
        bound = replace(bound, map=rng.choice([0.3, 0.6], shape))
    kind = SampleType[code.upper()]
    coded, known_restored = stream.code_tile(tile, special, predictors, bound)
    restored = stream.decode_tile(coded, shape, kind, special, read, bound)  # type: ignore[arg-type]
    known = np.ones(shape, bool) if special is None else ~special
    assert restored[known].tobytes() == known_restored[known].tobytes()
    limits = np.zeros(shape) if bound is None else np.full(shape, bound.error) if bound.map is None else bound.map
    assert (np.abs(restored.astype("f8") - tile.astype("f8")) <= limits)[known].all()
    dithered = bound is not None and bound.dither_seed is not None and code in ("f4", "f8")
    image = ref.Image(kind, shape, shape, 0, bounded=bound is not None, dithered=dithered, seed=7)
    image.predictors = ref.read_predictors(ref.Cursor(block))
    marks = np.zeros(tile.size, bool) if special is None else special.ravel()
    errors = None if bound is None else limits.ravel()
    again = ref.decode_turned(coded, image, 2, shape, marks, errors).reshape(shape)  # type: ignore[arg-type]
    assert again[known].tobytes() == restored[known].tobytes()


@settings(max_examples=60)
@given(st.sampled_from(ORDERS), st.tuples(st.integers(1, 5), st.integers(1, 5), st.integers(1, 5)))
def test_turning_back_undoes_turning(order: tuple[int, ...], shape: tuple[int, int, int]) -> None:
    """An array that is turned and turned back is the same, and sample i, j, k is where the format says."""
    array = np.arange(np.prod(shape)).reshape(shape)
    there = turned(array, order)
    assert np.array_equal(turned_back(there, order), array)
    place = np.array(there.shape) - 1
    at = [0, 0, 0]
    for axis, where in zip(order, place, strict=True):
        at[axis] = int(where)
    assert there[tuple(place)] == array[tuple(at)]


@pytest.mark.parametrize("axes", list(permutations(range(3))))
@pytest.mark.parametrize("bound", [None, 0.125])
def test_a_cube_is_as_small_in_every_order_of_its_axes(axes: tuple[int, int, int], bound: float | None) -> None:
    """The same cube takes within 3 % of the bytes wherever its spectral axis is, and restores within its bound."""
    cube = sky_cube()
    cube[4, 5, 6] = np.nan
    moved = np.ascontiguousarray(cube.transpose(axes))
    first = len(radcodec.encode(cube, max_error=bound, preview=0, threads=1))
    packed = radcodec.encode(moved, max_error=bound, preview=0, threads=1)
    assert abs(len(packed) - first) < 0.03 * first
    assert order_of(packed)[0] == axes.index(0)
    restored = radcodec.decode(packed)
    assert restored.shape == moved.shape
    assert np.array_equal(np.isnan(restored), np.isnan(moved))
    assert np.nanmax(np.abs(restored.astype("f8") - moved)) <= (bound or 0.0)
    if axes == (1, 2, 0):
        assert ref.decode_file(packed).tobytes() == restored.tobytes()  # type: ignore[union-attr]


@pytest.mark.parametrize("tile", [512, 16, (40, 20, 9)])
def test_regions_chunks_and_fits_files_are_those_of_the_cube(tmp_path: Path, tile: Any) -> None:
    """Slices, the grid of chunks, the virtual FITS file and the restored file do not depend on the order."""
    moved = np.ascontiguousarray(sky_cube().transpose(1, 2, 0))  # [36, 44, 40]: y, x, channels
    plain, packed, back = tmp_path / "cube.fits", tmp_path / "cube.rcz", tmp_path / "back.fits"
    header = fits.Header()
    for number, ctype in enumerate(("VELO", "RA---SIN", "DEC--SIN"), start=1):
        header[f"CTYPE{number}"] = ctype
    fits.PrimaryHDU(moved, header).writeto(plain)
    radcodec.compress(plain, packed, tile=tile, preview=0, threads=1)
    assert order_of(packed.read_bytes()) == ((0, 1, 2) if tile == 16 else (2, 0, 1))  # 16: tiles of one plane
    radcodec.decompress(packed, back)
    assert back.read_bytes() == plain.read_bytes()
    with radcodec.open(packed) as file:
        image = file.images[0]
        rng = np.random.default_rng(1)
        for _ in range(12):
            part = tuple(slice(*sorted(rng.integers(0, n + 1, 2).tolist())) for n in moved.shape)
            assert np.array_equal(image[part], moved[part])
        assert np.array_equal(image[5], moved[5])
        assert np.array_equal(image[:, :, 7], moved[:, :, 7])
        assert np.array_equal(image[3, 4, :], moved[3, 4])
        assert [sum(lengths) for lengths in image.chunks] == list(moved.shape)
        with file.hdulist() as hdus:
            assert np.array_equal(hdus[0].data, moved)
    radcodec.verify(packed, against=plain)


@pytest.mark.parametrize("error", ["0.125sigma", "0.125localsigma"])
def test_bounds_are_those_of_the_planes_of_the_file(error: str) -> None:
    """Sigma is measured in each plane of the file as it is, whatever the order of its tiles."""
    scale = np.linspace(1.0, 3.0, 36).astype("f4")[:, None, None]
    moved = np.ascontiguousarray(sky_cube().transpose(1, 2, 0)) * scale
    packed = radcodec.encode(moved, max_error=error, preview=0, threads=1)
    assert order_of(packed) == (2, 0, 1)
    with radcodec.open(packed) as file:
        errors = np.abs(file.images[0][:].astype("f8") - moved).max((1, 2))
    assert (errors <= 0.125 * 1.3 * scale[:, 0, 0]).all()
    assert errors[-1] > 1.5 * errors[0]


def test_blocks_with_an_order_that_is_none_are_refused() -> None:
    """Orders are 0 to 5: a block with 6 is refused by both readers."""
    own = Predictor(radius=1, shift=4, integers=np.zeros(4, np.int64))
    block = bytearray(pack_predictors(Predictors(tables=default_tables(), fill=0.0, predictors=(own,))))
    block[16] += 6 * 16
    with pytest.raises(CorruptError, match="order of axes"):
        unpack_predictors(bytes(block))
    with pytest.raises(ref.RejectError, match="order of axes"):
        ref.read_predictors(ref.Cursor(bytes(block)))


def test_planes_are_along_the_roughest_axis() -> None:
    """A cube that is rough along one axis gets its planes along it; one that is rough everywhere stays as it is."""
    cube = sky_cube(12, 20, 22)
    assert order_by_roughness(cube, None) == (0, 1, 2)
    assert order_by_roughness(cube.transpose(1, 0, 2), None) == (1, 0, 2)
    assert order_by_roughness(cube.transpose(1, 2, 0), None) == (2, 0, 1)
    assert order_by_roughness(np.random.default_rng(2).normal(0, 1, (30, 30, 30)), None) == (0, 1, 2)
    assert order_by_roughness(cube[:3], None) == (0, 1, 2)


def test_default_tiles_of_cubes() -> None:
    """Large cubes are cut into boxes, small planes and few planes are not; turned cubes as they would be turned.

    512 / 5 = 102.4, so five pieces of 103; 1000 / 51 = 19.6, so twenty of 50 planes.
    """
    assert tile_sides((1000, 512, 512), 512) == (50, 103, 103)
    assert tile_sides((100, 100, 100), 512) == (50, 100, 100)
    assert tile_sides((4, 2048, 2048), 512) == (1, 512, 512)
    assert tile_sides((512, 512), 512) == (512, 512)
    assert turned_sides((512, 512, 1000), 512, (2, 0, 1)) == (103, 103, 50)
    assert turned_sides((1, 512, 1000, 512), 512, (1, 0, 2)) == (1, 103, 50, 103)


def test_virtual_file_is_read_in_pieces(tmp_path: Path) -> None:
    """Ranges of the virtual FITS file of a turned cube are those of the file."""
    moved = np.ascontiguousarray(sky_cube(24, 16, 18).transpose(2, 0, 1))
    plain, packed = tmp_path / "cube.fits", tmp_path / "cube.rcz"
    fits.PrimaryHDU(moved).writeto(plain)
    radcodec.compress(plain, packed, preview=0, threads=1)
    data = plain.read_bytes()
    with radcodec.open(packed) as file, file.fits_file() as virtual:
        assert isinstance(virtual, io.IOBase)
        for start, size in ((0, 100), (2880, 7), (3000, 5000), (len(data) - 4000, 4000)):
            virtual.seek(start)
            assert virtual.read(size) == data[start : start + size]
