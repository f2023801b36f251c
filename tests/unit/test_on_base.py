"""Bounded images whose details are on the base layer: when that is so, what it saves, and that the bound holds."""

from __future__ import annotations

import io
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import radcodec.encoding.image
import radcodec.encoding.on_base
from radcodec.container.layout import Cursor
from radcodec.container.meta import ImageRecord, pack_image_record, unpack_image_record
from radcodec.container.reader import Reader
from radcodec.container.writer import cut_base_copy
from radcodec.detail import TileBound, decode_tile, encode_tile, fit_image, load_predictors
from radcodec.pixels.tiles import count_tiles
from radcodec.simulate import pack_fits, simulate_fits, simulate_image
from radcodec.types import SampleType

SIGMA = 1.5e-4  # noise of the simulated images


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    """A simulated image with a masked corner, float32 [150, 200]."""
    image = simulate_image((150, 200), seed=11)
    image[:9, :9] = np.nan
    return image


def on_base(data: bytes) -> bool:
    """Whether the details of the first image of a file are on its base layer."""
    with radcodec.open(data) as file:
        return bool(file.info.hdus[0]["on_base"])


def without_base(array: np.ndarray, **options: Any) -> bytes:
    """The stream of an array whose details stand alone."""
    with patch.object(radcodec.encoding.image, "find_base", lambda *_: (None, None)):
        return radcodec.encode(array, **options)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_smaller_at_a_coarse_bound(image: np.ndarray, dtype: str) -> None:
    """At half the noise the file is a tenth smaller at least, its errors are smaller, and each keeps the bound."""
    array, bound = image.astype(dtype), SIGMA / 2
    data, alone = radcodec.encode(array, max_error=bound), without_base(array, max_error=bound)
    assert on_base(data)
    assert not on_base(alone)
    assert len(data) < 0.9 * len(alone)
    found, plain = radcodec.decode(data), radcodec.decode(alone)
    assert np.array_equal(np.isnan(found), np.isnan(array))
    assert np.nanmax(np.abs(found.astype("f8") - array)) <= bound
    assert np.nanstd(found - array) < np.nanstd(plain - array)


def test_where_it_does_not_pay(image: np.ndarray) -> None:
    """Lossless and fine images and integers of fine steps stand alone."""
    assert not on_base(radcodec.encode(image))
    assert not on_base(radcodec.encode(image, max_error=SIGMA / 100))
    assert not on_base(radcodec.encode((np.nan_to_num(image) * 1e5).astype("i2"), max_error=15))
    assert not on_base(radcodec.encode(np.full((70, 80), np.nan, "f4"), max_error=SIGMA))


def test_models_without_a_step_carry_no_details(image: np.ndarray) -> None:
    """Details of images whose model takes no step stand alone."""
    pytest.importorskip("torch")
    assert not on_base(radcodec.encode(image, max_error=SIGMA, model="general-v0"))


def test_a_constant_plane_is_exact_beside_one_on_a_base(image: np.ndarray) -> None:
    """A plane of one value is masked, so that the plane beside it in its tile may be coded on a base layer."""
    planes = np.stack([image, np.full_like(image, 2.5)])
    data = radcodec.encode(planes, max_error="1sigma")
    assert on_base(data)
    assert (radcodec.decode(data)[1] == 2.5).all()


def test_only_if_asked_at_fine_bounds() -> None:
    """From a quarter of the noise on, where stacks would lose flux, it takes ``smallest`` or dither."""
    smooth = simulate_image((160, 160), seed=11, beam_fwhm_px=(9.0, 8.0))
    kept, small = (radcodec.encode(smooth, max_error=SIGMA / 4, smallest=smallest) for smallest in (False, True))
    assert not on_base(kept)
    assert on_base(small)
    assert len(small) < 0.8 * len(kept)
    assert np.abs(radcodec.decode(small) - smooth).max() <= SIGMA / 4
    for bound in ("0.25sigma", "0.25localsigma"):
        assert not on_base(radcodec.encode(smooth * np.linspace(1, 5, 160, dtype="f4"), max_error=bound))
    with pytest.raises(radcodec.BoundError, match="smallest"):
        radcodec.encode(smooth, smallest=True)


def test_model_that_is_not_there(image: np.ndarray) -> None:
    """A bounded image needs no model, unless one is named."""
    with patch("radcodec.base.normalise.model_store.load_model", side_effect=radcodec.ModelNotFoundError("none")):
        assert not on_base(radcodec.encode(image, max_error=SIGMA))
        with pytest.raises(radcodec.ModelNotFoundError):
            radcodec.encode(image, max_error=SIGMA, model="mine")


@pytest.mark.parametrize("bound", [SIGMA / 2, "1sigma", "1localsigma"])
def test_tiles_planes_and_regions(bound: float | str) -> None:
    """Tiles of several sizes and planes, and any region of them, restore the same."""
    cube = np.stack([simulate_image((90, 70), seed=i) * np.float32(1 + i) for i in range(4)])
    cube[:, :20, :20] = np.nan
    for tile in (32, 96):
        with patch.object(radcodec.encoding.on_base, "SURE", np.inf):
            data = radcodec.encode(cube, max_error=bound, tile=tile, smallest=True)
        assert on_base(data)
        found = radcodec.decode(data)
        assert np.array_equal(np.isnan(found), np.isnan(cube))
        with radcodec.open(data) as file:
            assert np.array_equal(file[1:3, 15:60, 10:50], found[1:3, 15:60, 10:50], equal_nan=True)
            most = file.info.max_error
        assert most is not None
        assert np.nanmax(np.abs(found.astype("f8") - cube)) <= most


@pytest.mark.parametrize("share", [1.0, 0.5, 0.25])
def test_generation_loss(image: np.ndarray, share: float) -> None:
    """What was restored is restored again, bit for bit, whatever the second file does."""
    with patch.object(radcodec.encoding.on_base, "SURE", np.inf):
        once = radcodec.decode(radcodec.encode(image, max_error=share * SIGMA, smallest=True))
        again = radcodec.encode(once, max_error=share * SIGMA, smallest=True)
    # The exact form of what was restored may be the smaller one by now.
    assert on_base(again) or radcodec.open(again).info.max_error is None
    for data in (again, radcodec.encode(once, max_error=share * SIGMA)):
        assert radcodec.decode(data).tobytes() == once.tobytes()


def test_dither(image: np.ndarray) -> None:
    """Errors of a dithered image are uniform and know nothing of the image."""
    image = np.nan_to_num(image)
    with patch.object(radcodec.encoding.on_base, "SURE", np.inf):
        data = radcodec.encode(image, max_error=SIGMA, dither=True)
    assert on_base(data)
    errors = (radcodec.decode(data).astype("f8") - image) / SIGMA
    assert np.abs(errors).max() <= 1
    assert errors.std() == pytest.approx(3**-0.5, abs=0.01)
    assert abs(np.corrcoef(errors.ravel(), image.ravel())[0, 1]) < 0.02


def test_fits_with_several_images() -> None:
    """In a file of floats and of integers that are both on the base, both are kept, and the preview is the base."""
    floats = simulate_image((150, 150), seed=5)
    integers = simulate_fits((160, 160), seed=6, bitpix=16)
    second = integers.replace(b"SIMPLE  =                    T", b"XTENSION= 'IMAGE   '          ", 1)
    content = pack_fits(floats) + second
    for preview in (0, 30):
        out, back = io.BytesIO(), io.BytesIO()
        report = radcodec.compress(io.BytesIO(content), out, max_error="1sigma", preview=preview)
        assert [hdu["on_base"] for hdu in report.hdus] == [True, True]
        assert [hdu["base_stages"] > 0 for hdu in report.hdus] == [True, True]
        radcodec.decompress(io.BytesIO(out.getvalue()), back)
        radcodec.verify(io.BytesIO(out.getvalue()), against=io.BytesIO(content))
        with radcodec.open(io.BytesIO(out.getvalue())) as file:
            picture = file.preview()
        assert np.std(picture - floats) < 2 * SIGMA


def test_base_only_copy(image: np.ndarray) -> None:
    """A copy without details restores to the base layer, near the image but beyond the bound."""
    data = radcodec.encode(image, max_error=SIGMA / 2)
    found = radcodec.decode(cut_base_copy(Reader(data, count_tiles=count_tiles), 16))
    assert np.array_equal(np.isnan(found), np.isnan(image))
    assert SIGMA / 2 < np.nanmax(np.abs(found - image)) < np.nanmax(image)
    assert np.nanstd(found - image) < SIGMA


@pytest.mark.parametrize("change", [{"n_stages": 0}, {"bound": None}])
def test_record_is_checked(change: dict[str, Any]) -> None:
    """The flag is for bounded images with base stages."""
    sound: dict[str, Any] = {
        "sample_type": SampleType.F4, "shape": (4, 4), "sides": (4, 4), "n_stages": 2, "bound": 1.0, "on_base": True
    }  # fmt: skip
    assert unpack_image_record(Cursor(pack_image_record(ImageRecord(**sound)), "META")).on_base
    with pytest.raises(radcodec.CorruptError, match="on the base"):
        unpack_image_record(Cursor(pack_image_record(ImageRecord(**(sound | change))), "META"))


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    far=st.sampled_from([0.0, 1.0, 1e6, 1e30, np.inf]),
    bound=st.floats(1e-3, 10),
    dithered=st.booleans(),
    kind=st.sampled_from([SampleType.F4, SampleType.F8]),
)
def test_any_base_keeps_the_bound(seed: int, far: float, bound: float, dithered: bool, kind: SampleType) -> None:
    """However far base values are from the image, no error is over the bound."""
    rng = np.random.default_rng(seed)
    tile = rng.normal(size=(1, 24, 20)).astype(kind.dtype_str)
    base = tile + rng.normal(size=tile.shape) * bound
    base[0, :3] += far
    limit = TileBound(error=bound, base=base, dither_seed=seed if dithered else None)
    predictors = load_predictors(fit_image(tile, None, bound, kind))
    stream = encode_tile(tile, None, predictors, limit)
    found = decode_tile(stream, tile.shape, kind, None, predictors, limit)
    assert np.abs(found.astype("f8") - tile).max() <= bound
