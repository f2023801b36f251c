"""Sources of a lossy tile keep their shapes and fluxes; drafts are nearly what codes decode to."""

from __future__ import annotations

import numpy as np
import pytest

from radcodec.arrays import F64
from radcodec.base.store import load_model
from radcodec.simulate import simulate_image

BEAM = 3.0  # px


def field(seed: int, peak: float) -> tuple[F64, F64]:
    """Return noise of 1 with 49 sources of a peak in it, [256, 256], and their places [49, 2]."""
    noise = simulate_image((256, 256), seed=seed, noise_rms=1.0, n_sources=0, beam_fwhm_px=(BEAM, BEAM))
    rng = np.random.default_rng(seed)
    places = np.array([(32.0 + 32 * k, 32.0 + 32 * j) for k in range(7) for j in range(7)])
    places += rng.uniform(-4, 4, places.shape)
    y, x = np.mgrid[:256, :256]
    values = noise.astype(np.float64)
    for at in places:
        values += peak * np.exp(-4 * np.log(2) * ((y - at[0]) ** 2 + (x - at[1]) ** 2) / BEAM**2)
    return values, places


def isophotes(values: F64, places: F64) -> F64:
    """Return the flux above 5 of each source within 6 px, [n]."""
    found = []
    for y, x in np.rint(places).astype(int):
        part = values[y - 6 : y + 7, x - 6 : x + 7]
        found.append(part[part > 5].sum())
    return np.array(found)


def test_isophotes_keep_their_flux() -> None:
    """Sources of 15 sigma keep the flux above 5 sigma through coarse steps, and those of 8 sigma are seen again."""
    model = load_model(None)
    kept, seen = [], []
    for seed in range(2):
        for peak in (15.0, 8.0):
            values, places = field(seed, peak)
            codes = model.encode_tile(values, 0.0, 1.0, step=3.0, keep_flux=True)
            before, after = isophotes(values, places), isophotes(model.restore_codes(codes, 0.0, 1.0), places)
            (kept if peak == 15.0 else seen).append(after / before)
    assert np.median(kept) == pytest.approx(1.0, abs=0.06)
    assert np.mean(np.concatenate(seen) > 0.25) > 0.8


@pytest.mark.parametrize("name", ["vqvae-v1", "lapped-v2"])
@pytest.mark.parametrize("step", [0.7, 3.0])
def test_drafts_are_near(name: str, step: float) -> None:
    """What a draft gives differs from what the codes of the same samples decode to by a small part of a step."""
    model = load_model(name)
    values, _ = field(3, 20.0)
    companded = 3 * np.arcsinh(values / 3)
    like = model.choices(model.encode_tile(values, 0.0, 1.0, step=step))
    codes = model.encode_tile(values, 0.0, 1.0, step=step, like=like)
    head = model._head(values.shape, step, like.code)
    assert (type(head), head.step) == (type(codes), codes.step)
    apart = model._draft(head, companded) - model.companded(codes) / 64
    assert np.std(apart) < 0.02 * step


@pytest.mark.parametrize("step", [1.0, 3.0])
def test_a_tile_full_of_emission_pays_nothing_for_its_flux(step: float) -> None:
    """Emission that fills a quarter of a tile is smooth: it keeps its flux, and raising it would cost bits."""
    model = load_model(None)
    y, x = np.mgrid[:256, :256]
    shape = 200.0 * np.exp(-((y - 128.0) ** 2 + (x - 110.0) ** 2) / (2 * 30.0**2)) * (1 + 0.5 * np.sin(x / 9))
    values = field(4, 0.0)[0] + shape
    plain, kept = (model.encode_tile(values, 0.0, 1.0, step=step, keep_flux=flux) for flux in (False, True))
    assert model.stage_streams(kept) == model.stage_streams(plain)
    bright = values > 5.0
    assert 0.2 < bright.mean() < 0.5
    restored = model.restore_codes(kept, 0.0, 1.0)
    assert restored[bright].sum() / values[bright].sum() == pytest.approx(1.0, abs=0.01)
