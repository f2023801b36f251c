"""A bounded file is never larger than the lossless one plus its bound's record and its provenance cards."""

from __future__ import annotations

import io

import numpy as np
import pytest
from astropy.io import fits

import radcodec

SIDE = 132
RECORD, CARDS = 24, 480  # bytes of E, E / sigma and sigma; of six cards, were they not packed


def _maps() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(7)
    y, x = np.mgrid[:SIDE, :SIDE]
    noise = rng.normal(size=(SIDE, SIDE))
    clean = np.zeros((SIDE, SIDE), np.float32)
    clean.reshape(-1)[rng.choice(SIDE * SIDE, 300, replace=False)] = rng.exponential(1, 300)
    cube = np.stack([np.arange(64 * 64).reshape(64, 64) * 1e-3, rng.normal(size=(64, 64))] * 3)
    return {
        "coordinates": (150.0 + x * 2.7e-4).astype(np.float64),
        "ramp": (x + 3 * y).astype(np.float32),
        "counts": rng.poisson(3, (SIDE, SIDE)).astype(np.float32),
        "components": clean,
        "few values": rng.choice([1.5, 2.25, 7.0], (SIDE, SIDE)).astype(np.float32),
        "plateaus": np.floor(x / 20).astype(np.float32) * 1.1,
        "whole numbers": rng.integers(0, 50, (SIDE, SIDE)).astype(np.int16),
        "half noise": np.where(x < SIDE // 2, y * 0.5, noise).astype(np.float32),
        "planes of two kinds": cube.astype(np.float32),
        "repeats": np.tile(rng.normal(size=(8, SIDE)), (SIDE // 8, 1)).astype(np.float32),
    }


@pytest.mark.parametrize("kind", list(_maps()))
def test_maps_that_a_bound_spoils(kind: str) -> None:
    """Maps that are predictable or of few values take no more bytes with a bound than without, and keep to it."""
    image = _maps()[kind]
    lossless = len(radcodec.encode(image, threads=1))
    for bound in (1e-4, 0.3):
        data = radcodec.encode(image, max_error=bound, threads=1, force=True)
        assert len(data) <= lossless + RECORD, (kind, bound)
        assert np.abs(radcodec.decode(data).astype(np.float64) - image).max() <= bound


@pytest.mark.parametrize("preview", [0, 1])
def test_whole_files(preview: float) -> None:
    """A FITS file with a coordinate map beside noise, with and without a preview, is not larger with a bound."""
    maps = _maps()
    hdus = [fits.PrimaryHDU(maps["coordinates"]), fits.ImageHDU(maps["components"], name="CC")]
    buffer = io.BytesIO()
    fits.HDUList(hdus).writeto(buffer, checksum=True)

    def size(**options: object) -> int:
        out = io.BytesIO()
        radcodec.compress(io.BytesIO(buffer.getvalue()), out, preview=preview, threads=1, **options)  # type: ignore[arg-type]
        return len(out.getvalue())

    assert size(max_error=1e-3, force=True) <= size() + 2 * (RECORD + CARDS)


def test_the_exact_form_is_said() -> None:
    """Where the exact image is stored instead, there is no bound on record, and a warning says so."""
    buffer, out = io.BytesIO(), io.BytesIO()
    fits.PrimaryHDU(_maps()["ramp"]).writeto(buffer)
    buffer.seek(0)
    report = radcodec.compress(buffer, out, max_error=0.3, threads=1, force=True)
    assert report.max_error is None
    assert any("stored exactly" in warning or "takes fewer bytes" in warning for warning in report.warnings)
    restored = io.BytesIO()
    radcodec.decompress(io.BytesIO(out.getvalue()), restored)
    assert restored.getvalue() == buffer.getvalue()


@pytest.mark.parametrize(
    ("kind", "bound"), [("times", 1e-6), ("declinations", 1e-6), ("ramp of steps", 1), ("areas", 3), ("indices", 1)]
)
def test_maps_whose_start_takes_most(kind: str, bound: float) -> None:
    """Maps that only a whole tile shows to be predictable take no more bytes with a bound than without."""
    y, x = np.mgrid[:192, :192].astype(np.float64)
    image = {
        "times": 59000 + x / 86400 + y * 192 / 86400,
        "declinations": (30 + y * 1e-4 + x * 1e-7).astype(np.float32),
        "ramp of steps": (x * 0.5 + y * 0.25).astype(np.float32),
        "areas": (x // 32 * 10 + y // 32).astype(np.float32),
        "indices": (x * 1000 + y).astype(np.int32),
    }[kind]
    lossless = len(radcodec.encode(image, threads=1))
    assert len(radcodec.encode(image, max_error=bound, threads=1, force=True)) <= lossless + RECORD


def test_a_constant_plane_among_others_with_a_local_bound() -> None:
    """A plane without noise does not make the tile that it shares with noisy planes exact."""
    cube = np.random.default_rng(4).normal(size=(3, 96, 96)).astype(np.float32)
    cube[1] = 7.0
    data = radcodec.encode(cube, max_error="0.5localsigma", threads=1)
    assert len(data) < 0.3 * len(radcodec.encode(cube, threads=1))
    restored = radcodec.decode(data)
    assert (restored[1] == 7.0).all()
    assert np.abs(restored - cube).max() <= 0.6
