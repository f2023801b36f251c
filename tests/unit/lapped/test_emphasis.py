"""Bright sources keep their flux through coarse steps; nothing else is touched."""

from __future__ import annotations

import numpy as np
import pytest

from radcodec.base.lapped import emphasis
from radcodec.base.lapped.emphasis import (
    BRIGHT,
    LEAST,
    MARGIN,
    MOST,
    REACH,
    bright_parts,
    keep_flux,
    kept_shares,
    make_up,
)
from radcodec.base.store import load_model
from radcodec.simulate import simulate_image


def test_noise_is_left_alone() -> None:
    """Below 5 sigma there is nothing bright, of either sign."""
    assert bright_parts(np.full((20, 20), 0.999 * BRIGHT)) is None
    assert bright_parts(np.full((20, 20), -0.999 * BRIGHT)) is None


@pytest.mark.parametrize("sign", [1, -1])
def test_parts_by_hand(sign: int) -> None:
    """A bright sample, and a square around it that ends where the image does."""
    values = np.zeros((9, 12))
    values[1, 11] = sign * 1.001 * BRIGHT
    found = bright_parts(values)
    assert found is not None
    expected = np.zeros((9, 12), bool)
    expected[: 1 + MARGIN + 1, 11 - MARGIN :] = True
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("sign", [1, -1])
def test_factors_by_hand(sign: int) -> None:
    """The inverse of the share of the flux that is left, between limits; what is not bright stays."""
    flux = np.full((40, 120), sign * 20.0)
    place = np.arange(120)
    bright = np.broadcast_to((place < 20) | (place >= 40), flux.shape)
    share = np.select([place < 20, place < 60, place < 80], [0.5, 0.1, 4.0], -1.0)
    values, restored = (3 * np.arcsinh(v / 3) for v in (flux, share * flux))
    found = kept_shares(values, restored, bright)
    got = 3 * np.sinh(make_up(values, found, bright) / 3)
    assert got[20, 5] == pytest.approx(sign * 20.0 * 2)
    assert got[20, 50] == pytest.approx(sign * 20.0 * MOST)
    assert got[20, 70] == pytest.approx(sign * 20.0 * LEAST)
    assert got[20, 100] == pytest.approx(sign * 20.0 * MOST)
    assert got[:, 20:40] == pytest.approx(sign * 20.0)
    nothing = np.zeros((5, 5))
    blank = np.ones((5, 5), bool)
    assert np.array_equal(make_up(nothing, kept_shares(nothing, nothing, blank), blank), nothing)


def test_two_turns_by_hand() -> None:
    """A coder that keeps half of the flux is given four times of it in two turns; one of a tenth less only one turn."""
    values, bright = np.full((20, 20), 2.0), np.ones((20, 20), bool)
    asked: list[np.ndarray] = []

    def draft(target: np.ndarray) -> np.ndarray:
        asked.append(target)
        return 3 * np.arcsinh(0.25 * np.sinh(target / 3))

    flux = np.sinh(values / 3)
    got = np.sinh(keep_flux(values, 3 * np.arcsinh(0.5 * flux), bright, draft) / 3)
    assert len(asked) == 1
    assert np.sinh(asked[0] / 3) == pytest.approx(2 * flux)
    assert got == pytest.approx(4 * flux)
    got = np.sinh(keep_flux(values, 3 * np.arcsinh(0.9 * flux), bright, draft) / 3)
    assert len(asked) == 1
    assert got == pytest.approx(flux / 0.9)


def test_sums_of_squares() -> None:
    """Of bright samples, as counted one by one, in images smaller than the square too."""
    rng = np.random.default_rng(1)
    for shape in ((1, 1), (3, 17), (20, 21)):
        bright = rng.random(shape) < 0.4
        values = np.where(bright, rng.normal(size=shape), 0.0)
        expected = np.empty(shape)
        for y, x in np.ndindex(shape):
            expected[y, x] = values[max(0, y - REACH) : y + REACH + 1, max(0, x - REACH) : x + REACH + 1].sum()
        assert emphasis._sums(values[bright], bright) == pytest.approx(expected[bright])


def test_a_source_keeps_its_flux() -> None:
    """Point sources of 60 sigma, by coarse steps: fainter without, as bright as they were with their flux kept."""
    model = load_model("vqvae-v1")  # atoms would keep the flux already
    y, x = np.mgrid[:200, :200]
    away = (y - 90.3) ** 2 + (x - 120.6) ** 2
    shares: list[list[float]] = [[], []]
    for seed in range(4):
        noise = simulate_image((200, 200), seed=seed, noise_rms=1.0, n_sources=0, beam_fwhm_px=(3.0, 3.0))
        values = noise + 60 * np.exp(-4 * np.log(2) * away / 9)
        errors = []
        for keep in (False, True):
            codes = model.encode_tile(values, 0.0, 1.0, step=2.5, keep_flux=keep)
            decoded = model.restore_codes(codes, 0.0, 1.0)
            shares[keep].append(decoded[away < 20].sum() / values[away < 20].sum())
            errors.append(np.std((decoded - values)[away > 100]))
        assert errors[1] < 1.05 * errors[0]
    assert np.mean(shares[False]) < 0.9, shares
    assert np.mean(shares[True]) == pytest.approx(1.0, abs=0.05), shares
    quiet = [model.encode_tile(noise, 0.0, 1.0, step=4.0, keep_flux=keep) for keep in (False, True)]
    assert np.array_equal(quiet[0].coefficients, quiet[1].coefficients)
