"""The clipped MAD of many cells at once is, bit for bit, that of each cell by itself as its definition says."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from radcodec.pixels import noise


def clipped_by_definition(values: npt.NDArray[np.float64]) -> tuple[float, float]:
    """1.4826 times the median distance from the median of what earlier turns kept: what is within 3 sigma."""
    kept, sigma = values, 0.0
    for _ in range(4):
        distances = np.abs(kept - np.median(kept))
        sigma = 1.4826 * float(np.median(distances))
        inside = kept[distances <= 3.0 * sigma]
        if inside.size in (0, kept.size):
            break
        kept = inside
    return sigma, 1.0 - kept.size / values.size


@pytest.mark.parametrize("dtype", ["f4", "f8", "i2", "i8", "u1"])
@pytest.mark.parametrize("scene", ["noise", "few values", "half constant", "outliers"])
def test_cells_as_defined(dtype: str, scene: str) -> None:
    """Odd and even counts, ties, constants, outliers and special samples give the numbers of the definition."""
    rng = np.random.default_rng(len(scene))
    for turn, shape in enumerate([(130, 97), (33, 200), (1, 50), (64, 5)]):
        values = 100.0 + rng.normal(0.0, 12.0, shape)
        if scene == "few values":
            values = np.rint(values / 12.0)
        elif scene == "half constant":
            values[rng.random(shape) < 0.6] = 7.0
        elif scene == "outliers":
            values[rng.random(shape) < 0.1] = 250.0
        plane = np.clip(values, 0.0, 255.0).astype(dtype)
        special = rng.random(shape) < 0.4 if turn % 2 else None
        sigmas, clipped = noise._grid(plane, special, 32)
        for (i, j), sigma in np.ndenumerate(sigmas):
            part = (slice(32 * i, 32 * i + 32), slice(32 * j, 32 * j + 32))
            known = plane[part].ravel() if special is None else plane[part][~special[part]]
            if known.size < 16:
                assert np.isnan(sigma)
            else:
                assert (sigma, clipped[i, j]) == clipped_by_definition(known.astype(np.float64))


def test_a_cell_of_many_samples_is_thinned() -> None:
    """A cell of more than 4096 samples is measured by every n-th of them."""
    plane = np.random.default_rng(8).normal(0.0, 1.0, (100, 100))
    sigmas, clipped = noise._grid(plane, None, 100)
    assert (sigmas[0, 0], clipped[0, 0]) == clipped_by_definition(plane.ravel()[::2])
