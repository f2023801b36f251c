"""The spectral floor against fields whose entropy rate is known in closed form, and its command's rows."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from benchmarks.data.datasets import Image
from benchmarks.rows import append_row, rows_done
from benchmarks.run.spectrum import LocalSpectrum, dithered_floor, local_spectrum, noise_map, rate_distortion
from benchmarks.studies.floor import step_of

SIDE = 256
STEP = 0.25


def noise(seed: int, side: int = SIDE) -> np.ndarray:
    """White Gaussian noise of unit variance."""
    return np.random.default_rng(seed).normal(size=(side, side))


def floor_of(values: np.ndarray, step: float = STEP) -> float:
    """Floor of an image that has a model."""
    spectrum = local_spectrum(values)
    assert spectrum is not None
    return dithered_floor(spectrum, step)


def white_floor(variance: float, step: float = STEP) -> float:
    """Entropy of one Gaussian sample with dither noise, in bins of ``step``."""
    return 0.5 * float(np.log2(2 * np.pi * np.e * (variance + step**2 / 12) / step**2))


def markov(correlation: float) -> tuple[np.ndarray, np.ndarray]:
    """A separable first-order autoregressive field of unit variance, and its exact power spectrum [1024, 1024]."""
    margin = 128
    field = noise(3, SIDE + margin)
    gain = np.sqrt(1 - correlation**2)
    for _ in range(2):
        for row in range(1, field.shape[0]):
            field[row] = correlation * field[row - 1] + gain * field[row]
        field = field.T
    frequency = np.fft.fftfreq(1024)
    line = (1 - correlation**2) / (1 - 2 * correlation * np.cos(2 * np.pi * frequency) + correlation**2)
    return field[margin:, margin:], np.outer(line, line)


@pytest.mark.parametrize("step", [0.25, 1.0, 4.0])
def test_floor_of_white_noise(step: float) -> None:
    """White noise costs the entropy of one Gaussian sample, at fine and at coarse steps."""
    assert floor_of(noise(1), step) == pytest.approx(white_floor(1.0, step), abs=0.02)


@pytest.mark.parametrize("step", [0.25, 1.0])
def test_floor_of_autoregressive_noise(step: float) -> None:
    """The floor of a field of known spectrum is the mean logarithm of that spectrum, within 0.03 bit."""
    field, power = markov(0.8)
    expected = 0.5 * np.mean(np.log2(2 * np.pi * np.e * (power + step**2 / 12) / step**2))
    assert floor_of(field, step) == pytest.approx(expected, abs=0.03)


def test_floor_at_fine_steps_is_that_of_the_innovations() -> None:
    """At fine steps an autoregressive field costs what its innovations cost: of variance (1 - r^2)^2."""
    field, _ = markov(0.6)
    assert floor_of(field, 0.01) == pytest.approx(white_floor((1 - 0.36) ** 2, 0.01), abs=0.03)


def test_noise_that_varies_is_taken_locally() -> None:
    """Noise that is four times stronger in one half costs one bit more on average, not the 1.54 of the mean power."""
    field = noise(4)
    field[:, SIDE // 2 :] *= 4
    assert floor_of(field) == pytest.approx((white_floor(1.0) + white_floor(16.0)) / 2, abs=0.06)


def test_a_bright_source_does_not_lift_the_sky() -> None:
    """One source of a thousand sigma adds less than 0.03 bit a pixel; as stationary power it would add 3 bits."""
    field = noise(5)
    plain = floor_of(field)
    y, x = np.mgrid[:SIDE, :SIDE]
    bright = field + 1000 * np.exp(-((x - 100) ** 2 + (y - 90) ** 2) / 5)
    assert plain <= floor_of(bright) < plain + 0.03


def test_missing_pixels_are_left_out() -> None:
    """A border of NaN changes the share of finite pixels, not the floor of the others."""
    field = noise(6)
    field[:, :60] = np.nan
    spectrum = local_spectrum(field)
    assert spectrum is not None
    assert spectrum.finite == pytest.approx(196 / 256)
    assert dithered_floor(spectrum, STEP) == pytest.approx(white_floor(1.0), abs=0.03)
    assert local_spectrum(np.full((64, 64), np.nan)) is None


def test_noise_map_of_two_cells() -> None:
    """Of alternating +-1 and +-3 the cells have deviations 1 and 3; between their centres the map is linear."""
    values = np.where(np.indices((64, 128)).sum(axis=0) % 2, 1.0, -1.0)
    values[:, 64:] *= 3
    found = noise_map(values, np.ones(values.shape, np.bool_)) / 1.4826
    assert found[5, [0, 31, 96, 127]] == pytest.approx([1, 1, 3, 3], abs=0.02)
    assert found[5, [63, 64]].mean() == pytest.approx(2)


@pytest.mark.parametrize(
    ("powers", "step_squared", "expected"),
    [
        ((1.0, 1.0), 12 / 16, 2.0),  # white: half the logarithm of 16
        ((4.0, 0.25), 12 / 4, 1.0),  # distortion 1/4: water at 1/4, half of (log2 16) / 2
        ((8.0, 0.5), 12 * 1.25, 0.5),  # distortion 1.25 = (2 + 0.5) / 2: water at 2, half of (log2 4) / 2
        ((1.0, 0.5), 12.0, 0.0),  # more distortion than power
    ],
)
def test_rate_distortion_by_hand(powers: tuple[float, float], step_squared: float, expected: float) -> None:
    """Reverse water-filling over two frequencies of known power."""
    spectrum = LocalSpectrum(power=np.array([powers]), amplitude=np.ones(1), n_blocks=1, finite=1.0)
    assert rate_distortion(spectrum, float(np.sqrt(step_squared))) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("dtype", "step"), [(np.float32, 5.0), (np.int16, 5.0), (np.float64, 5.0)])
def test_step_of_a_bound(dtype: type, step: float) -> None:
    """Bins are 2E wide for floats, 2 floor(E) + 1 for integers: 5 for E = 2.5 both."""
    image = Image(file="f", hdu=0, sha256="", samples=np.zeros((8, 8), dtype), header_zstd_bytes=0)
    assert step_of(image, 2.5) == step
    assert step_of(image, 2.9) == (5.8 if dtype is not np.int16 else 5.0)


def test_rows_grow_and_are_known(tmp_path: Path) -> None:
    """Rows are added under one header, and their keys found again; a missing cell is empty."""
    out, columns = tmp_path / "rows.csv", ("file", "bits", "ratio")
    assert rows_done(out, ("file",)) == set()
    append_row(out, columns, {"file": "a", "bits": 2})
    append_row(out, columns, {"file": "b", "ratio": 3})
    assert out.read_text(encoding="utf-8") == "file,bits,ratio\na,2,\nb,,3\n"
    assert rows_done(out, ("file", "bits")) == {("a", "2"), ("b", "")}
    with out.open(newline="", encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == 2
