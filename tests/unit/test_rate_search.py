"""A bit-rate is found by looking at parts of an image, and mended by few of its tiles."""

from __future__ import annotations

import io
import math
from typing import Any

import numpy as np
import pytest

import radcodec
from radcodec.base.normalise import code_base
from radcodec.container.reader import Reader
from radcodec.encoding import base_codes, rate_control
from radcodec.encoding.rate_control import SHIFT, search_step
from radcodec.pixels.tiles import count_tiles
from radcodec.simulate import simulate_image


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    """A simulated image of 16 tiles of 192 x 192."""
    return simulate_image((768, 768), seed=4).astype(np.float32)


def counted(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, bool, float]]:
    """Return the list of all codings of tiles that follow: pixels, whether choices were given, and the step."""
    found: list[tuple[int, bool, float]] = []

    def code(model: Any, tile: Any, special: Any, pairs: Any, step: Any = None, like: Any = None, **more: Any) -> Any:
        found.append((tile.size, like is not None, step))
        return code_base(model, tile, special, pairs, step, like, **more)

    for module in (base_codes, rate_control):
        monkeypatch.setattr(module, "code_base", code, raising=False)
    return found


@pytest.mark.parametrize("bpp", [0.1, 0.5])
def test_few_pixels_are_coded_more_than_once(image: np.ndarray, monkeypatch: pytest.MonkeyPatch, bpp: float) -> None:
    """A bit-rate codes at most twice as many pixels as the image has, and is used up to 4 %."""
    found = counted(monkeypatch)
    data = radcodec.encode(image, lossy_bpp=bpp, tile=192, threads=1, verify=False)
    assert 0.96 * bpp <= 8 * len(data) / image.size <= bpp
    assert sum(pixels for pixels, _, _ in found) <= 2 * image.size
    assert sum(pixels for pixels, given, _ in found if not given) <= 0.6 * image.size


def test_steps_of_tiles_are_near_each_other(image: np.ndarray) -> None:
    """The steps in the headers of all tiles of a file differ by at most a sixth."""
    steps = []
    for bpp in (0.1, 0.3):
        reader = Reader(io.BytesIO(radcodec.encode(image, lossy_bpp=bpp, tile=192)), count_tiles=count_tiles)
        heads = [bytes(reader.read_stage(0, 0, tile)) for tile in range(16)]
        steps.append([(256 + head[2]) * 2.0 ** -head[1] for head in heads])
        assert max(steps[-1]) < math.exp(2 * SHIFT) * min(steps[-1])
    assert min(steps[0]) > max(steps[1])


def test_threads_do_not_change_a_file_of_a_rate(image: np.ndarray) -> None:
    """Any number of threads gives the same bytes."""
    assert radcodec.encode(image, lossy_bpp=0.2, tile=192, threads=1) == radcodec.encode(
        image, lossy_bpp=0.2, tile=192, threads=3
    )


def test_search_takes_the_slope_it_is_given() -> None:
    """Of sizes that go with the inverse square of a step, the second one tried is right if the slope is a half."""
    tried: list[float] = []

    def measure(step: float) -> tuple[float, int]:
        tried.append(step)
        return step, round(1e6 / step**2)

    step, made = search_step(measure, 40_000, 20.0, 5, slope=0.5)
    assert len(tried) == 2
    assert step == made == pytest.approx(1e3 / math.sqrt(0.985 * 40_000), rel=1e-3)


def test_the_smallest_rate_is_named(image: np.ndarray) -> None:
    """Where no step fits, the error names the rate of the coarsest step, which is reached."""
    with pytest.raises(radcodec.BoundError, match="which the coarsest step takes") as caught:
        radcodec.encode(image, lossy_bpp=0.0005, tile=192)
    smallest = float(str(caught.value).split("expected at least ")[1].split()[0])
    assert 8 * len(radcodec.encode(image, lossy_bpp=smallest, tile=192)) <= smallest * image.size


@pytest.mark.parametrize("side", [256, 100])
def test_more_than_enough_is_the_finest_step(image: np.ndarray, side: int) -> None:
    """Where no step uses a rate up, all tiles have the finest step: many tiles, and few of them."""
    part = np.ascontiguousarray(image[:side, :side])
    reader = Reader(io.BytesIO(radcodec.encode(part, lossy_bpp=40.0, tile=64)), count_tiles=count_tiles)
    heads = [bytes(reader.read_stage(0, 0, tile)) for tile in range(reader.n_tiles(0))]
    steps = {(256 + head[2]) * 2.0 ** -head[1] for head in heads}
    assert len(heads) == math.ceil(side / 64) ** 2
    assert all(0.0199 <= step < 0.03 for step in steps), steps
