"""The VAE's search of symbols: steps are those that pay, and a search lowers what it says it lowers."""

from __future__ import annotations

import math

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from benchmarks.rivals.neural import coding, search
from benchmarks.rivals.neural.networks import level_lambda, load_network


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    """Noise smoothed over two pixels each way, and a source of 40 sigma."""
    white = np.random.default_rng(8).normal(size=(65, 81))
    smooth = (white[1:, 1:] + white[:-1, 1:] + white[1:, :-1] + white[:-1, :-1]) / 2
    y, x = np.mgrid[:64, :80]
    ratio = smooth + 40 * np.exp(-0.5 * ((y - 30) ** 2 + (x - 41) ** 2) / 2.0**2)
    return np.asarray(3 * np.arcsinh(ratio / 3))


def test_steps_by_hand() -> None:
    """With no gradient a symbol of 1 goes to 0 where the bits of a unit Gaussian that this saves outweigh the energy.

    Within a half of 0 lies 0.38292 of it, between a half and one and a half 0.24173: log2 of their ratio is 0.6637.
    """
    symbols, zero = torch.tensor([[[[1.0]]]]), torch.tensor([[[[0.0]]]])
    for energy, saved in ((0.5, 0.1637), (0.8, -0.1363)):
        step, found = search.best_steps(symbols, torch.tensor([[[[1.0]]]]), zero, torch.tensor([[[[energy]]]]))
        assert step.item() == -1
        assert found.item() == pytest.approx(saved, abs=1e-3)


def test_steps_follow_the_gradient() -> None:
    """Where bits are the same both ways, the step goes against the gradient and saves it less the energy."""
    zero = torch.zeros(1, 1, 1, 1)
    bits = math.log2(0.38292 / 0.24173)
    step, saved = search.best_steps(zero, zero + 1, zero - 3.0, zero + 1.0)
    assert step.item() == 1
    assert saved.item() == pytest.approx(3 - 1 - bits, abs=1e-3)


@pytest.mark.parametrize("level", [0.0, 3.0])
def test_search_lowers_error_and_bits_together(level: float) -> None:
    """Without sources lambda times the squared companded error plus bits falls by 1 % at least, in real streams."""
    picture = np.clip(np.random.default_rng(8).normal(size=(64, 80)).cumsum(axis=1) * 0.2, -1.5, 1.5)
    network = load_network("vae")
    weight = search.WEIGHT * float(level_lambda(torch.tensor(level)))
    costs = []
    for plain in (True, False):
        coder = coding.VaeCoder(network, plain=plain)  # type: ignore[arg-type]
        stream = coder.encode(picture, level)
        error = np.square(coder.decode(stream, (64, 80)) - picture).sum()
        costs.append(8 * len(stream) + weight * error)
    assert costs[1] < 0.99 * costs[0]


def test_flux_of_a_bright_source_is_kept(picture: np.ndarray) -> None:
    """At a coarse level the aperture of a source of 40 sigma is nearer the original's than with plain encoding."""
    network, found = load_network("vae"), []
    for plain in (True, False):
        coder = coding.VaeCoder(network, plain=plain)  # type: ignore[arg-type]
        back = coder.decode(coder.encode(picture, 0.0), (64, 80))
        part = (slice(26, 35), slice(37, 46))
        found.append(float(np.sinh(back[part] / 3).sum() / np.sinh(picture[part] / 3).sum()))
    assert abs(found[1] - 1) < abs(found[0] - 1)


def test_slivers_are_searched_too() -> None:
    """Tiles smaller than the spacing of the probes have energies, and come back in their shape."""
    coder = coding.VaeCoder(load_network("vae"))  # type: ignore[arg-type]
    for shape in ((1, 1), (3, 40)):
        sliver = np.random.default_rng(2).normal(size=shape)
        assert coder.decode(coder.encode(sliver, 5.0), shape).shape == shape
