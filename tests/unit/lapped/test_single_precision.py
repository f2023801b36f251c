"""The transform in single precision, which searches use, is nearly the exact one, and its inverse undoes it."""

from __future__ import annotations

import numpy as np
import pytest

from radcodec.base.lapped import search, single, transform
from radcodec.simulate import simulate_image

UNIT = 2.0**-10  # of the exact transform's coefficients


@pytest.mark.parametrize("shape", [(300, 300), (512, 256), (44, 150), (64, 33)])
@pytest.mark.parametrize("code", [0, 2, 3, 6])
def test_analysis_is_near(shape: tuple[int, int], code: int) -> None:
    """Coefficients differ from the exact transform's by a few of its units, also of blocks that reach beyond a tile."""
    values = np.random.default_rng(1).normal(size=shape)
    g = transform.geometry_of(shape, code)
    exact = transform.analyse(values, g, 1.0)
    found = single.analyse(values, g, 1.0)
    assert found.shape == exact.shape
    assert np.abs(found - exact).max() < 6 * UNIT


@pytest.mark.parametrize("code", [0, 1, 2, 3, 4])
def test_synthesis_undoes_analysis(code: int) -> None:
    """Samples come back from all coefficients; the matrices are rounded to 2^-15."""
    values = np.random.default_rng(2).normal(size=(256, 512)).astype(np.float32)
    g = transform.geometry_of((256, 512), code)
    back = single.synthesise(np.asarray(single.analyse(values, g, 1.0), np.float32), g)
    assert np.abs(back - values).max() < 0.003


def test_the_middle_decides_for_even_tiles_alone() -> None:
    """Noise of a large tile is told by its middle; a small tile, or one with emission in a corner, is not."""
    noise = simulate_image((512, 512), seed=4, noise_rms=1.0, n_sources=0).astype(np.float64)
    middle = search.middle_of(noise, 1.0)
    assert middle is not None
    assert np.array_equal(middle, noise[128:384, 128:384])
    assert search.middle_of(noise[:511], 1.0) is None
    uneven = noise.copy()
    uneven[:256, :256] *= 3.0
    assert search.middle_of(uneven, 1.0) is None
