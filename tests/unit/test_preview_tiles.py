"""Tiles of a preview: they fill their budget and keep to it, and do not depend on threads."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made_up_model import made_up

from radcodec.base.lapped.model import LappedModel
from radcodec.base.normalise import decode_base
from radcodec.encoding.preview_tiles import PreviewTile, ReadTile, TileValues, check_preview, fit_preview
from radcodec.errors import GuaranteeError

SIDE = 64


@pytest.fixture(scope="module")
def model() -> LappedModel:
    """An untrained model."""
    spec, arrays = made_up()
    return LappedModel(spec, arrays, "0" * 64)


def reader(n_tiles: int, *, empty: int | None = None, width: float = 4.0) -> ReadTile:
    """Tiles of noise and sources of some width; one of them has nothing to show."""
    y, x = np.mgrid[:SIDE, :SIDE]
    tiles = []
    for tile in range(n_tiles):
        rng = np.random.default_rng(tile)
        image = rng.normal(size=(SIDE, SIDE))
        for px, py, flux in zip(*rng.uniform(0, SIDE, (2, 4)), rng.exponential(80, 4), strict=True):
            image += flux * np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * width**2))
        tiles.append(image.astype(np.float32)[None])

    def read(tile: int) -> TileValues | None:
        if tile == empty:
            return None
        return TileValues(samples=tiles[tile], special=None, pairs=np.array([[0.0, 1.0]]))

    return read


def size_of(tiles: list[PreviewTile]) -> int:
    """Bytes of all streams."""
    return sum(tile.n_bytes for tile in tiles)


@pytest.mark.parametrize("n_tiles", [1, 3, 5, 16, 40])
@pytest.mark.parametrize("bits", [0.03, 0.2, 1.0])
def test_the_budget_is_filled_and_kept(model: LappedModel, n_tiles: int, bits: float) -> None:
    """All streams take at most the budget, and at least 85 % of it, for few tiles and many, coarse and fine."""
    budget = int(bits * n_tiles * SIDE**2 / 8) + 40 * n_tiles
    tiles = fit_preview(n_tiles, reader(n_tiles), n_tiles * SIDE**2, model=model, budget=budget, threads=1)
    assert tiles is not None
    assert 0.85 * budget <= size_of(tiles) <= budget
    assert all(len(tile.streams) == model.n_stages for tile in tiles)


def test_threads_do_not_matter(model: LappedModel) -> None:
    """One thread and three give the same streams."""
    found = [fit_preview(20, reader(20), 20 * SIDE**2, model=model, budget=3000, threads=threads) for threads in (1, 3)]
    streams = [[tile.streams for tile in tiles or ()] for tiles in found]
    assert len(streams[0]) == 20
    assert streams[0] == streams[1]


def test_tiles_with_nothing_to_show_have_no_streams(model: LappedModel) -> None:
    """A tile that is blank has none, wherever it lies; the others share the budget."""
    for empty in (0, 7, 19):
        tiles = fit_preview(20, reader(20, empty=empty), 20 * SIDE**2, model=model, budget=3000, threads=1)
        assert tiles is not None
        assert [tile for tile in range(20) if not tiles[tile].streams] == [empty]
        assert 2400 <= size_of(tiles) <= 3000


def test_a_budget_that_no_step_keeps(model: LappedModel) -> None:
    """Each tile needs its header of six bytes: with less there is no preview."""
    assert fit_preview(8, reader(8), 8 * SIDE**2, model=model, budget=40, threads=1) is None


def test_the_finest_step_may_leave_room(model: LappedModel) -> None:
    """A budget far above what the finest step takes gives the finest step."""
    tiles = fit_preview(2, reader(2), 2 * SIDE**2, model=model, budget=1 << 20, threads=1)
    assert tiles is not None
    assert size_of(tiles) < 1 << 18


def test_sharp_sources_are_coded_at_full_resolution(model: LappedModel) -> None:
    """Sources one pixel wide keep half of their peak at three bits a pixel; averages would keep a quarter."""
    read = reader(6, width=0.7)
    tiles = fit_preview(6, read, 6 * SIDE**2, model=model, budget=3 * 6 * SIDE**2 // 8, threads=1)
    assert tiles is not None
    for tile, made in enumerate(tiles):
        values = read(tile)
        assert values is not None
        picture = decode_base(model, made.streams, (1, SIDE, SIDE), values.pairs)[0]
        brightest = np.unravel_index(int(values.samples[0].argmax()), (SIDE, SIDE))
        if values.samples[0][brightest] > 20:
            assert picture[brightest] > 0.5 * values.samples[0][brightest]


def test_damaged_streams_are_found(model: LappedModel) -> None:
    """A stream that was changed, cut or exchanged breaks the guarantee."""
    made = fit_preview(3, reader(3), 3 * SIDE**2, model=model, budget=600, threads=1)
    assert made is not None
    shapes = [(1, SIDE, SIDE)] * 3
    check_preview(made, shapes, model, 1)
    first = made[0].streams[0]
    for changed in (first[:-1], first[:-1] + bytes([first[-1] ^ 1]), b"", made[1].streams[0]):
        bad = replace(made[0], streams=(changed, *made[0].streams[1:]))
        with pytest.raises(GuaranteeError, match=r"base layer of tile 0 (does not decode|decodes to other values)"):
            check_preview([bad, *made[1:]], shapes, model, 1)
