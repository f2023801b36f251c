"""Base layers through the public functions: previews, lossy files, bit-rates, base-only copies."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

import radcodec
from radcodec.base.normalise import (
    load_named_model,
    pack_normalisation,
    plan_normalisation,
    round_to_type,
    unpack_normalisation,
)
from radcodec.base.store import list_models
from radcodec.container.reader import Reader
from radcodec.container.writer import cut_base_copy
from radcodec.encoding.allocation import fill_stages, fits_preview
from radcodec.pixels.tiles import count_tiles
from radcodec.simulate import simulate_fits, simulate_image
from radcodec.types import SampleType


@pytest.fixture(scope="module")
def n_stages() -> int:
    """Stages of the default model; skips where there is no torch or no model."""
    try:
        return load_named_model(None).n_stages
    except radcodec.ModelError as error:
        pytest.skip(f"no base layer here: {error}")


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    """A simulated image with a masked corner, float32 [96, 160]."""
    image = simulate_image((96, 160), seed=11).astype(np.float32)
    image[:9, :9] = np.nan
    return image


def test_more_stages_are_closer(image: np.ndarray, n_stages: int) -> None:
    """Every stage takes more bytes, all of them are nearer than the first, and masks are exact."""
    sizes, errors = [], []
    for stages in range(1, n_stages + 1):
        data = radcodec.encode(image, lossy_stages=stages)
        found = radcodec.decode(data)
        assert np.array_equal(np.isnan(found), np.isnan(image))
        sizes.append(len(data))
        errors.append(float(np.nanmean((found.astype(np.float64) - image) ** 2)))
    assert sizes == sorted(sizes)
    assert errors[-1] < errors[0]
    assert radcodec.encode(image, lossy=True) == radcodec.encode(image, lossy_stages=n_stages, threads=1)
    with pytest.raises(radcodec.BoundError, match=f"1 to {n_stages} stages"):
        radcodec.encode(image, lossy_stages=n_stages + 1) if n_stages < 16 else radcodec.encode(image, lossy_stages=17)


def test_bit_rate_is_never_exceeded(image: np.ndarray, n_stages: int) -> None:
    """The whole stream is at most B bits a pixel; an unreachable B names one that is reached."""
    for bpp in (0.6, 1.0, 2.0):
        data = radcodec.encode(image, lossy_bpp=bpp, tile=48)
        assert 8 * len(data) <= bpp * image.size
        assert np.isfinite(radcodec.decode(data)).sum() == np.isfinite(image).sum()
    with pytest.raises(radcodec.BoundError, match="expected at least") as caught:
        radcodec.encode(image, lossy_bpp=0.001, tile=48)
    smallest = float(str(caught.value).split("expected at least ")[1].split()[0])
    assert 8 * len(radcodec.encode(image, lossy_bpp=smallest, tile=48)) <= smallest * image.size


def test_bit_rate_is_used_up(image: np.ndarray, n_stages: int) -> None:
    """A model that takes a step comes within 5 % of a bit-rate, from below, with one tile and with many."""
    if not load_named_model(None).takes_step:
        pytest.skip("the default model takes no step")
    for bpp, tile in ((0.3, 512), (0.7, 48), (0.7, 512), (1.5, 48), (1.5, 512)):
        size = 8 * len(radcodec.encode(image, lossy_bpp=bpp, tile=tile)) / image.size
        assert 0.95 * bpp < size <= bpp


def test_models_of_both_kinds_are_read(image: np.ndarray) -> None:
    """Every shipped model's lossy files decode, and the errors are below the noise with all its stages."""
    pytest.importorskip("torch")
    noise = 1.4826 * np.nanmedian(np.abs(image - np.nanmedian(image)))
    for record in list_models():
        restored = radcodec.decode(radcodec.encode(image, lossy=True, model=record.name))
        assert np.nanmedian(np.abs(restored - image)) < 0.3 * noise


def test_preview_keeps_to_its_share(image: np.ndarray, n_stages: int) -> None:
    """The base layer beside exact pixels is within its share, and the pixels are exact all the same."""
    data = radcodec.encode(image, preview=20)
    with radcodec.open(data) as file:
        layers = {layer["name"]: layer["bytes"] for layer in file.info.layers}
        assert 0 < layers["base"] <= 0.2 * len(data)
        assert file.info.model is not None
        quick = file.preview()
    assert np.array_equal(np.isnan(quick), np.isnan(image))
    assert np.nanstd(quick - image) < np.nanstd(image)
    assert radcodec.decode(data).tobytes() == image.tobytes()
    with radcodec.open(radcodec.encode(image, preview=0.01)) as file:
        assert file.info.model is None


def test_constant_planes_are_exact_in_lossy_files(n_stages: int) -> None:
    """A plane without noise is coded exactly beside lossy ones, and integers are clamped to their type."""
    cube = np.random.default_rng(0).normal(100, 60, (2, 64, 64)).clip(0, 255).astype(np.uint8)
    cube[1] = 7
    found = radcodec.decode(radcodec.encode(cube, lossy=True, tile=64))
    assert found.dtype == np.uint8
    assert (found[1] == 7).all()
    assert 0 < np.abs(found[0].astype(int) - cube[0]).mean() < 60


def test_lossy_fits_file_names_its_model(tmp_path: Path, n_stages: int) -> None:
    """The header of a lossy file tells mode and model, and verify agrees with the original."""
    from astropy.io import fits

    (tmp_path / "s.fits").write_bytes(simulate_fits((64, 64), seed=2))
    report = radcodec.compress(tmp_path / "s.fits", lossy=True)
    radcodec.decompress(tmp_path / "s.fits.rcz", tmp_path / "r.fits")
    header = fits.getheader(tmp_path / "r.fits")
    assert report.model is not None
    assert (header["RCZMODE"], header["RCZMODEL"]) == ("lossy", report.model["name"])
    radcodec.verify(tmp_path / "s.fits.rcz", against=tmp_path / "s.fits")


def test_base_only_copy_gives_the_preview(image: np.ndarray, n_stages: int) -> None:
    """A copy cut out without decoding is smaller and decodes to the base layer of the file."""
    data = radcodec.encode(image, preview=30, max_error="0.25sigma")
    reader = Reader(io.BytesIO(data), count_tiles=count_tiles)
    copy = cut_base_copy(reader, 16)
    assert len(copy) < len(data) / 2
    with radcodec.open(data) as whole, radcodec.open(copy) as part:
        assert part.info.base_only
        assert np.array_equal(whole.preview(), part.preview(), equal_nan=True)
    assert np.array_equal(np.isnan(radcodec.decode(copy)), np.isnan(image))


def test_stages_are_filled_coarse_first() -> None:
    """All tiles get a stage before any gets the next; within a stage larger streams come first."""
    tiles = [[10, 20, 40], [10, 30, 40], [0, 0, 0]]
    assert fill_stages(tiles, 3, 19) is None
    assert fill_stages(tiles, 3, 20) == [1, 1, 0]
    assert fill_stages(tiles, 3, 50) == [1, 2, 0]
    assert fill_stages(tiles, 3, 70) == [2, 2, 0]
    assert fill_stages(tiles, 3, 110) == [3, 2, 0]
    assert fill_stages(tiles, 2, 999) == [2, 2, 0]


def test_share_of_a_preview() -> None:
    """100 bytes of streams, 15 of index and 85 others are 1 % of 20,000 bytes and no less."""
    tiles = [[30, 40], [30]]
    others = {"fixed_bytes": 85, "percent": 1.0}
    assert fits_preview(tiles, other_bytes=19_800, **others)  # type: ignore[arg-type]
    assert not fits_preview(tiles, other_bytes=19_799, **others)  # type: ignore[arg-type]
    assert not fits_preview([[]], other_bytes=10**9, **others)  # type: ignore[arg-type]


def test_rounding_to_types() -> None:
    """Integers round to even and stop at the ends of their type, 64-bit ones included."""
    values = np.array([0.5, 1.5, -3.0, 1e30, -1e30])
    assert round_to_type(values, SampleType.U1).tolist() == [0, 2, 0, 255, 0]
    assert round_to_type(values, SampleType.I8).tolist() == [0, 2, -3, 2**63 - 1, -(2**63)]
    assert round_to_type(values, SampleType.U8).tolist() == [0, 2, 0, 2**64 - 1, 0]
    assert round_to_type(np.array([1e300]), SampleType.F4).tolist() == [np.inf]


def test_normalisation_is_sound_for_any_plane() -> None:
    """The scale is 1.4826 MAD, else the noise, else 1; what is packed is read back or rejected."""
    ramp, mostly_zero = np.arange(16.0).reshape(4, 4), np.eye(4)
    image = np.stack([np.full((4, 4), 5.0), ramp, mostly_zero, np.full((4, 4), np.nan)])
    pairs = plan_normalisation(image, np.isnan(image), [0.0, 2.0, 0.5, 0.0].__getitem__)
    assert pairs.tolist() == [[5.0, 1.0], [7.5, 4 * 1.4826], [0.0, 0.5], [0.0, 1.0]]
    assert (unpack_normalisation(pack_normalisation(pairs), 4) == pairs).all()
    with pytest.raises(radcodec.CorruptError, match=r"scales of 2\^-1000 to 2\^1000"):
        unpack_normalisation(pack_normalisation(pairs * 0), 4)
    with pytest.raises(radcodec.CorruptError, match="32 bytes"):
        unpack_normalisation(bytes(31), 2)


def test_base_only_copy_of_a_plane_without_noise(n_stages: int) -> None:
    """Tiles without base streams restore to their plane's offset, in the reference decoder too; EXTRA is kept."""
    import reference_decoder

    noisy = simulate_image((64, 64), seed=4)
    cube = np.stack([noisy, np.full((64, 64), 2.5, np.float32)])
    data = radcodec.encode(cube, preview=50, tile=64)
    reader = Reader(io.BytesIO(data), count_tiles=count_tiles)
    copy = cut_base_copy(reader, 16)
    restored = radcodec.decode(copy)
    assert (restored[1] == np.float32(2.5)).all()
    again = reference_decoder.decode_file(copy)
    assert not isinstance(again, bytes)
    assert again.tobytes() == restored.tobytes()


@pytest.mark.parametrize("blank", [np.nan, 1e20])
@pytest.mark.parametrize("options", [{"lossy": True}, {"lossy_bpp": 4.0}])
def test_blank_planes_do_not_make_their_neighbours_exact(blank: float, options: dict[str, Any]) -> None:
    """Cubes have channels without data; a tile that holds one of them is lossy all the same."""
    cube = np.random.default_rng(0).normal(size=(4, 60, 60)).astype(np.float32)
    cube[2] = blank
    packed = radcodec.encode(cube, threads=1, **options)
    with radcodec.open(packed) as file:
        assert file.info.mode == "lossy"
    restored = radcodec.decode(packed)
    assert np.array_equal(restored[2], cube[2], equal_nan=True)
    assert 0.0 < np.sqrt(np.mean((restored[[0, 1, 3]] - cube[[0, 1, 3]]) ** 2)) < 0.9
    assert 8 * len(packed) / cube.size < 5


def test_a_lossy_mode_without_effect_is_said(tmp_path: Path) -> None:
    """A constant image is exact in every mode."""
    fits.PrimaryHDU(np.full((40, 40), 7.0, np.float32)).writeto(tmp_path / "a.fits")
    report = radcodec.compress(tmp_path / "a.fits", lossy=True, threads=1)
    assert report.mode == "lossless"
    assert any("the lossy mode has no effect" in warning for warning in report.warnings)


def test_lone_special_samples_take_the_mean_beside_them() -> None:
    """What the base layer sees at a lone marked pixel fits its surroundings; in areas it is the offset."""
    from radcodec.base.normalise import _stacked

    tile = np.arange(50.0).reshape(2, 5, 5)
    special = np.zeros(tile.shape, np.bool_)
    special[0, 2, 2] = special[1, 0, 3] = special[1, 3:, :2] = True
    special[0, 0, 0] = True
    tile[special] = 1e30
    values = _stacked(tile, special, np.array([[1.0, 2.0], [0.0, 1.0]])).reshape(tile.shape)
    assert values[0, 2, 2] == pytest.approx((12.0 - 1.0) / 2.0)
    assert values[1, 0, 3] == pytest.approx((27.0 + 29.0 + 33.0) / 3)
    assert (values[1, 3:, :2] == 0).all()
    assert values[0, 0, 0] == 0
    assert (values[~special] == ((tile - [[[1.0]], [[0.0]]]) / [[[2.0]], [[1.0]]])[~special]).all()
