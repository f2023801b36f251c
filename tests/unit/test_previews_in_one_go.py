"""Previews of many tiles: hardly a tile is coded twice."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from radcodec.base.lapped.codes import LappedCodes
from radcodec.base.lapped.model import LappedModel
from radcodec.base.normalise import load_named_model
from radcodec.encoding.preview_tiles import TileValues, fit_preview

SIDE = 64


@pytest.fixture(scope="module")
def model() -> LappedModel:
    """The default model."""
    found = load_named_model(None)
    assert isinstance(found, LappedModel)
    return found


def reader(seed: int) -> Callable[[int], TileValues]:
    """Tiles of smooth noise, as beams make it, whose strength grows over the image by a half."""

    def read(tile: int) -> TileValues:
        rng = np.random.default_rng(seed + tile)
        spectrum = np.fft.rfft2(rng.normal(size=(SIDE, SIDE)))
        frequency = np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE)[None])
        smooth = np.fft.irfft2(spectrum * np.exp(-((frequency / 0.08) ** 2)), s=(SIDE, SIDE))
        samples = (smooth / smooth.std() * (1.0 + tile / 200)).astype(np.float32)[None]
        return TileValues(samples=samples, special=None, pairs=np.array([[0.0, 1.0]]))

    return read


@pytest.mark.parametrize("bits", [0.03, 0.2])
def test_hardly_a_tile_is_coded_twice(model: LappedModel, monkeypatch: pytest.MonkeyPatch, bits: float) -> None:
    """A hundred tiles fill their budget, and are coded at most 125 times."""
    coded: list[LappedCodes] = []
    pack = LappedModel.stage_streams

    def counting(self: LappedModel, codes: LappedCodes, n_stages: int | None = None) -> list[bytes]:
        coded.append(codes)
        return pack(self, codes, n_stages)

    monkeypatch.setattr(LappedModel, "stage_streams", counting)
    n_tiles = 100
    budget = int(bits * n_tiles * SIDE**2 / 8)
    tiles = fit_preview(n_tiles, reader(5), n_tiles * SIDE**2, model=model, budget=budget, threads=1)
    assert tiles is not None
    assert 0.97 * budget <= sum(tile.n_bytes for tile in tiles) <= budget
    assert len(coded) <= 125


def test_the_number_of_threads_changes_nothing(model: LappedModel) -> None:
    """Two threads give the streams that one gives."""
    budget = 100 * 20
    one, two = (
        fit_preview(20, reader(7), 20 * SIDE**2, model=model, budget=budget, threads=threads) for threads in (1, 2)
    )
    assert one is not None
    assert two is not None
    assert [tile.streams for tile in one] == [tile.streams for tile in two]
