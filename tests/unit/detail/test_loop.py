"""Closed-loop quantisation: coarse bounds hold, coding again changes nothing, and smooth maps take fewer bytes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from radcodec.detail import stream
from radcodec.detail.learned import encode_learned, model
from radcodec.detail.maps import MapKind, TileBound
from radcodec.detail.plain import LEARNED
from radcodec.detail.predictors import Predictors
from radcodec.detail.prepare import prepare
from radcodec.simulate import simulate_image
from radcodec.types import SampleType

SIGMA = 1e-4
KINDS = {"f4": SampleType.F4, "f8": SampleType.F8}


@pytest.fixture(scope="module")
def image() -> Any:
    """A simulated image [1, 80, 72] with sources, smooth over the beam."""
    return simulate_image((80, 72), seed=21, noise_rms=SIGMA, n_sources=5)[None]


def coded(tile: Any, special: Any, bound: TileBound) -> tuple[Any, bytes, Predictors]:
    """Restored tile, its stream and its predictors, fitted for the smallest bound."""
    kind = KINDS[tile.dtype.str[1:]]
    least = bound.error if bound.map is None else float(bound.map.min())
    predictors = stream.load_predictors(stream.fit_image(tile, special, least, kind))
    assert predictors is not None
    data = stream.encode_tile(tile, special, predictors, bound)
    return stream.decode_tile(data, tile.shape, kind, special, predictors, bound), data, predictors


def uneven(shape: tuple[int, ...], error: float) -> Any:
    """E of each sample: half as much, as much and twice as much in three broad columns."""
    return error * 2.0 ** (np.arange(shape[2]) * 3 // shape[2] - 1.0) * np.ones(shape)


@pytest.mark.parametrize("share", [1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0, 2.0, 4.0])
@pytest.mark.parametrize("code", ["f4", "f8"])
@pytest.mark.parametrize("varies", [False, True], ids=["one", "map"])
@pytest.mark.parametrize("holes", [False, True], ids=["whole", "holes"])
def test_bound_holds_and_again_changes_nothing(image: Any, share: float, code: str, varies: bool, holes: bool) -> None:
    """Every sample is within its E; the restored image coded at the same bound is the same, bit by bit."""
    tile = image.astype(code)
    special = None
    if holes:
        tile[0, 30:44, 20:50] = np.nan
        tile[0, ::9, ::7] = np.nan
        special = np.isnan(tile)
    error = share * SIGMA
    bound = TileBound(error=error, map=uneven(tile.shape, error) if varies else None)
    restored, data, _ = coded(tile, special, bound)
    if share >= (1.0 if varies else 0.5):
        assert data[:3] == bytes([LEARNED, 0, MapKind.LOOP])
    known = np.ones(tile.shape, bool) if special is None else ~special
    wrong = np.abs(restored.astype("f8") - tile.astype("f8"))
    assert (wrong <= (error if bound.map is None else bound.map))[known].all()
    restored[~known] = np.nan
    again, _, _ = coded(restored, special, bound)
    assert again[known].tobytes() == restored[known].tobytes()


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_a_loop_takes_fewer_bytes_than_steps(share: float) -> None:
    """On a smooth map at a coarse bound, with the same predictor."""
    tile = simulate_image((128, 128), seed=22, noise_rms=SIGMA, beam_fwhm_px=(6.0, 5.0), n_sources=5)[None]
    bound = TileBound(error=share * SIGMA)
    _, data, predictors = coded(tile, None, bound)
    assert data[2] == MapKind.LOOP
    work = prepare(tile, None, bound)
    assert work is not None
    assert work.how.kind == MapKind.STEPS
    done = model(None, predictors, work)
    assert done is not None
    assert len(data) < 0.95 * len(encode_learned(tile, None, predictors, work, done))


def test_fine_bounds_are_steps(image: Any) -> None:
    """Where steps are far smaller than the errors a loop gains nothing."""
    _, data, _ = coded(image, None, TileBound(error=SIGMA / 1000))
    assert data[2] == MapKind.STEPS


def test_dither_is_never_in_a_loop(image: Any) -> None:
    """Dithered images keep their steps at any bound."""
    bound = TileBound(error=SIGMA, dither_seed=5)
    restored, data, _ = coded(image, None, bound)
    assert data[2] == MapKind.STEPS
    assert np.abs(restored.astype("f8") - image).max() <= SIGMA


def test_outlier_in_a_loop_is_patched(image: Any) -> None:
    """Samples far out of the model's range come back all the same."""
    tile = image.copy()
    tile[0, 40, 40] = 3e37
    tile[0, 41, 3] = -1e30
    restored, _, _ = coded(tile, None, TileBound(error=SIGMA))
    with np.errstate(over="ignore"):
        assert (np.abs(restored.astype("f8") - tile.astype("f8")) <= SIGMA).all()
