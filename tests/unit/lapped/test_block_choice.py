"""The encoder's block length is the one that promises fewest bits, wherever that is."""

from __future__ import annotations

import numpy as np
import pytest

from radcodec.lapped import search, transform
from radcodec.lapped.search import START_CODE, choose_blocks, promised_bits
from radcodec.lapped.transform import NOMINAL, WAVELET, analyse, geometry_of


def promises(companded: np.ndarray, step: float) -> list[float]:
    """What each block length promises."""
    shape = (companded.shape[0], companded.shape[1])
    return [promised_bits(analyse(companded, geometry_of(shape, code), step), step) for code in range(len(NOMINAL))]


def bursts(seed: int) -> np.ndarray:
    """Short wave trains of one frequency on a quiet sky, which blocks of their length hold in few coefficients."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:512, :512]
    image = 0.02 * rng.normal(size=(512, 512))
    for _ in range(40):
        a, b = rng.uniform(20, 492, 2)
        image += 6 * np.exp(-((y - a) ** 2 + (x - b) ** 2) / 98.0) * np.cos(0.9 * (y - a)) * np.cos(0.9 * (x - b))
    return image


def test_short_blocks_are_tried_where_long_ones_gain_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where 512 promises less than 256, and 32 less than both, the choice is not 512."""
    table = {16: 6.0, 32: 3.0, 64: 4.0, 128: 5.0, 256: 8.0, 512: 7.0}
    monkeypatch.setattr(search, "analyse", lambda companded, g, step: g)
    monkeypatch.setattr(search, "promised_bits", lambda g, step: 99.0 if g.wavelet else table[g.height])
    [(code, _)] = choose_blocks(np.zeros((512, 512)), 1.0)
    assert NOMINAL[code] == 32


def test_no_length_promises_less_on_wave_trains() -> None:
    """The choice is the least of all six promises, and a short one."""
    image = bursts(1)
    found = promises(image, 1.0)
    code = choose_blocks(image, 1.0)[0][0]
    assert code == int(np.argmin(found))
    assert code < START_CODE


@pytest.mark.parametrize("shape", [(40, 40), (300, 300), (200, 512), (512, 512)])
def test_coefficients_are_those_of_the_choice(shape: tuple[int, int]) -> None:
    """What comes with a block code is what the analysis with that code gives."""
    image = np.random.default_rng(3).normal(size=shape)
    for code, found in choose_blocks(image, 0.7):
        assert np.array_equal(found, transform.analyse(image, geometry_of(shape, code), 0.7))
        assert 0 <= code <= WAVELET
