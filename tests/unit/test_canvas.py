"""Pictures of large planes: averaged while tiles are decoded, they are those of the whole plane."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import radcodec
from radcodec.decoding import canvas
from radcodec.decoding.canvas import make_canvas
from radcodec.decoding.picture import average_down
from radcodec.simulate import simulate_image


@pytest.mark.parametrize(("height", "width", "side"), [(70, 90, 20), (64, 64, 64), (5, 200, 7), (1, 33, 4)])
def test_averages_are_those_of_the_whole_plane(
    height: int, width: int, side: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tiles of any size, edges within squares, NaN and infinities: each square has the mean of its finite pixels."""
    monkeypatch.setattr(canvas, "MAX_WHOLE_LOOK", 0)
    plane = np.random.default_rng(4).normal(3, 1, (height, width))
    plane[:3, : width // 2] = np.nan
    plane[-1, -1] = np.inf
    for tile in (8, 11, 256):
        made = make_canvas(height, width, side)
        for y0 in range(0, height, tile):
            for x0 in range(0, width, tile):
                made.add(plane[y0 : y0 + tile, x0 : x0 + tile], y0, x0)
        np.testing.assert_allclose(made.picture(), average_down(plane, side), rtol=1e-12, equal_nan=True)
        finite = plane[np.isfinite(plane)]
        assert made.spread() == pytest.approx(1.4826 * np.median(np.abs(finite - np.median(finite))))


@pytest.mark.parametrize("full", [False, True])
def test_a_picture_does_not_depend_on_the_way(full: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The grey levels of a plane that is averaged on the way are those of the whole plane, but for rounding."""
    image = np.asarray(simulate_image((300, 420), seed=5), np.float32)
    image[10:40, 20:90] = np.nan
    data = radcodec.encode(image, preview=10, tile=128)
    whole = radcodec.preview(data, tmp_path / "whole.png", size=60, full=full)
    assert whole.shape == (300, 420)
    monkeypatch.setattr(canvas, "MAX_WHOLE_LOOK", 1000)
    small = radcodec.preview(data, tmp_path / "small.png", size=60, full=full)
    assert small.shape == (43, 60)
    np.testing.assert_allclose(small, average_down(whole, 60), rtol=1e-9, atol=1e-12, equal_nan=True)
    assert radcodec.preview(data, full=full).shape == (300, 420)
    image_module = pytest.importorskip("PIL.Image")

    ones, others = (np.asarray(image_module.open(tmp_path / name), np.int16) for name in ("whole.png", "small.png"))
    assert ones.shape == others.shape == (43, 60)
    assert int(np.abs(ones - others).max()) <= 1
