"""The encoder's transform of a tile is the one that takes fewest bits for equal error, as far as it looks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from radcodec.base.companding import OUTPUT_UNIT, compand
from radcodec.base.lapped import search
from radcodec.base.lapped.codes import LappedCodes
from radcodec.base.lapped.model import CUT, DEFAULT_STEP
from radcodec.base.lapped.search import START_CODE, choose_blocks, promised_bits
from radcodec.base.lapped.transform import NOMINAL, WAVELET, analyse, geometry_of
from radcodec.base.store import load_model


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
    [code] = choose_blocks(np.zeros((512, 512)), 1.0)
    assert NOMINAL[code] == 32


def test_a_length_that_promises_little_more_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second best length within 4 % comes second, one beyond does not; a small rise does not end the search."""
    table = {16: 9.0, 32: 6.0, 64: 6.1, 128: 8.1, 256: 8.0, 512: 7.0}
    monkeypatch.setattr(search, "analyse", lambda companded, g, step: g)
    monkeypatch.setattr(search, "promised_bits", lambda g, step: 5.0 if g.wavelet else table[g.height])
    found = choose_blocks(np.zeros((512, 512)), 1.0)
    assert [NOMINAL[code] for code in found[:2]] == [32, 64]
    assert found[2:] == [WAVELET]
    table[64] = 6.5
    assert choose_blocks(np.zeros((512, 512)), 1.0) == [1, WAVELET]


def test_no_length_promises_less_on_wave_trains() -> None:
    """The choice is the least of all six promises, and a short one."""
    image = bursts(1)
    found = promises(image, 1.0)
    code = choose_blocks(image, 1.0)[0]
    assert code == int(np.argmin(found))
    assert code < START_CODE


def emission(seed: int) -> np.ndarray:
    """Smooth emission of all scales, as a steep spectrum has it, on the noise of a beam; 1 is the noise."""
    rng = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(256)[:, None], np.fft.rfftfreq(256)[None])
    frequency[0, 0] = 1.0
    cloud = np.fft.irfft2(np.fft.rfft2(rng.normal(size=(256, 256))) * frequency**-1.6)
    bright = np.exp(1.1 * (cloud - cloud.mean()) / cloud.std())
    sky, noise = (
        np.fft.irfft2(np.fft.rfft2(part) * np.exp(-32 * frequency**2))
        for part in (3 * bright / np.median(bright), rng.normal(size=(256, 256)))
    )  # fmt: skip
    return np.asarray(sky - np.median(sky) + noise / noise.std())


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_no_transform_takes_fewer_bits_for_equal_error(seed: int) -> None:
    """Of the transforms, forced one by one at three steps, none needs 3 % fewer bits at the error of the choice."""
    model, image = load_model("lapped-v2"), emission(seed)
    target = compand(image, 0.0, 1.0)

    def point(codes: LappedCodes) -> tuple[float, float]:
        bits = sum(map(len, model.stage_streams(codes)))
        return float(np.log(np.square(model.companded(codes) / OUTPUT_UNIT - target).mean())), float(np.log(bits))

    own = model.encode_tile(image, 0.0, 1.0, step=2.2)
    error, bits = point(own)
    for code in range(1, WAVELET + 1):
        forced = [
            point(model.encode_tile(image, 0.0, 1.0, step=step, like=replace(own, code=code)))
            for step in (3.3, 2.5, 1.9, 1.4)
        ]
        errors, others = (np.array(part)[::-1] for part in zip(*forced, strict=True))
        assert np.interp(error, errors, others) > bits + np.log(0.97), (own.code, code)


def test_first_stages_have_a_transform_of_their_rate() -> None:
    """At the default step, whose stages may be left off, the transform is that of twice the step."""
    model = load_model("lapped-v2")
    for seed in (1, 2):
        image = emission(seed)
        wanted = model.encode_tile(image, 0.0, 1.0, step=CUT * DEFAULT_STEP).code
        found = model.encode_tile(image, 0.0, 1.0)
        assert found.code == wanted
        assert found.step == pytest.approx(DEFAULT_STEP, rel=0.0025)
