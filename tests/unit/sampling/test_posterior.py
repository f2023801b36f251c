"""Posterior samples of lossy files agree with the files' codes and say that they are not data."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

import radcodec
from radcodec.simulate import simulate_fits, simulate_image

pytest.importorskip("torch", reason="sampling needs torch")

import itertools

from radcodec.integrations.posterior import SampleOptions, draw_posterior, sample
from radcodec.sampling.field import coefficients_of, read_field
from radcodec.sampling.posterior import noise_levels, truncated_mean

pytestmark = pytest.mark.slow

FEW = {"draws": 3, "steps": 4}


@pytest.fixture(scope="module")
def lossy() -> bytes:
    """A lossy file of a simulated image of 128 by 128 pixels, with a corner of NaN."""
    image = simulate_image((128, 128), seed=11)
    image[:9, :17] = np.nan
    return radcodec.encode(image, lossy_bpp=0.8)


@pytest.mark.parametrize("spread", [0.02, 1.0, 3.0])
def test_truncated_mean_is_that_of_scipy(spread: float) -> None:
    """The mean of a cut Gaussian is SciPy's, with the cell around, left and right of the mean."""
    stats = pytest.importorskip("scipy.stats")
    mean = np.array([0.0, 0.3, -2.0, 2.5, 0.9, -40.0, 40.0])
    lower, upper = np.full(7, -1.0), np.full(7, 1.0)
    expected = stats.truncnorm.mean((lower - mean) / spread, (upper - mean) / spread, loc=mean, scale=spread)
    found = truncated_mean(mean, spread, lower, upper)
    # Where the cell is over five spreads away its end is taken; the true mean is at most a fifth of a spread inside.
    assert np.abs(found - expected).max() <= 0.2 * spread + 1e-9
    near = (mean > -1 - 5 * spread) & (mean < 1 + 5 * spread)
    assert np.abs(found - expected)[near].max() < 1e-6


def test_noise_levels_fall_from_start_to_end() -> None:
    """Levels are those of Karras et al. (2022): 3 at first, 0.03 at last, falling."""
    levels = noise_levels(24)
    assert levels[0] == pytest.approx(3.0)
    assert levels[-1] == pytest.approx(0.03)
    assert all(a > b for a, b in itertools.pairwise(levels))


def test_coefficients_of_every_draw_lie_in_their_cells(lossy: bytes) -> None:
    """Each draw, analysed again, gives coefficients within the cells of the file's codes."""
    with radcodec.open(lossy) as file:
        found = draw_posterior(file, SampleOptions(**FEW))
        field = read_field(file.images[0].stored, 0)
    offset, scale = field.pairs[0]
    for draw in found.draws:
        companded = 3.0 * np.arcsinh((draw.astype(np.float64) - offset) / (3.0 * scale))
        companded[field.special[0]] = field.decoded[0][field.special[0]]
        for tile in field.tiles:
            c = coefficients_of(tile, companded[None])
            hidden = field.special[0].any()  # what lies under special pixels is not in the draw
            inside = (c >= tile.lower - 1e-3) & (c <= tile.upper + 1e-3)
            assert inside.mean() > (0.9 if hidden else 0.9999)


def test_draws_differ_and_are_those_of_their_seed(lossy: bytes) -> None:
    """The same seed gives the same draws, another gives others; all keep the mask."""
    with radcodec.open(lossy) as file:
        first, again = (draw_posterior(file, SampleOptions(**FEW)) for _ in range(2))
        other = draw_posterior(file, SampleOptions(**FEW, seed=5))
    assert np.array_equal(first.draws, again.draws, equal_nan=True)
    assert np.isnan(first.draws[:, :9, :17]).all()
    seen = np.isfinite(first.draws)
    assert seen.sum() == 3 * (128 * 128 - 9 * 17)
    assert np.nanmax(np.abs(first.draws[0] - first.draws[1])) > 0
    assert np.nanmax(np.abs(first.draws[0] - other.draws[0])) > 0
    assert np.array_equal(first.mean, first.draws.mean(axis=0, dtype=np.float64), equal_nan=True)


def test_headers_say_not_data(tmp_path: Path) -> None:
    """All HDUs carry NOTDATA and the world coordinates of the image; scaling of integers is gone."""
    source = tmp_path / "a.fits"
    source.write_bytes(simulate_fits((64, 64), seed=3, bitpix=16))
    radcodec.compress(source, tmp_path / "a.rcz", lossy_bpp=2.0)
    sample(tmp_path / "a.rcz", tmp_path / "out.fits", **FEW)
    with fits.open(source) as before, fits.open(tmp_path / "out.fits") as after:
        assert [hdu.name for hdu in after] == ["PRIMARY", "STDDEV", "DRAW", "DRAW", "DRAW"]
        for hdu in after:
            assert hdu.header["NOTDATA"] is True
            assert "NOT DATA" in str(hdu.header["HISTORY"])
            assert "BSCALE" not in hdu.header
            assert hdu.header["CRVAL1"] == before[0].header["CRVAL1"]
            assert hdu.data.dtype == np.dtype(">f4")
        noise = float(np.std(before[0].data))
        assert np.abs(after[0].data.squeeze() - before[0].data.squeeze()).mean() < 2 * noise


@pytest.mark.parametrize(
    ("options", "match"),
    [({"draws": 1}, "2 to 256 draws"), ({"steps": 1}, "2 to 1000 steps"), ({"seed": -1}, "seed of 0 or more")],
)
def test_numbers_out_of_range_are_refused(options: dict[str, int], match: str) -> None:
    """Counts and seeds out of range give an InputError."""
    with pytest.raises(radcodec.InputError, match=match):
        SampleOptions(**options)


def test_exact_and_bounded_files_are_refused(tmp_path: Path) -> None:
    """Exact and bounded files are refused by their kind, and no output is left."""
    image = simulate_image((64, 64), seed=2)
    for data in (radcodec.encode(image), radcodec.encode(image, max_error="0.5sigma", preview=5)):
        with pytest.raises(radcodec.UnsupportedDataError, match="expected a lossy image"):
            sample(data, tmp_path / "out.fits", **FEW)
    assert list(tmp_path.iterdir()) == []


def test_planes_are_counted_and_large_ones_refused(lossy: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plane that is not there, and too many pixels, are refused before anything is drawn."""
    with radcodec.open(lossy) as file:
        with pytest.raises(radcodec.InputError, match="plane of 0 to 0, found 3"):
            draw_posterior(file, SampleOptions(**FEW, plane=3))
        monkeypatch.setattr("radcodec.integrations.posterior.MAX_SAMPLED_PIXELS", 1000)
        with pytest.raises(radcodec.LimitError, match="at most 1000 pixels"):
            draw_posterior(file, SampleOptions(**FEW))


def test_weights_of_another_kind_are_refused(lossy: bytes, tmp_path: Path) -> None:
    """A model of the base layer is no sampler, and a missing one is named."""
    from radcodec.base.store import models_folder

    with radcodec.open(lossy) as file:
        with pytest.raises(radcodec.ModelMismatchError, match="expected the weights of a sampler"):
            draw_posterior(file, SampleOptions(**FEW, sampler=str(models_folder() / "lapped-v2")))
        with pytest.raises(radcodec.ModelNotFoundError, match="nowhere not found"):
            draw_posterior(file, SampleOptions(**FEW, sampler="nowhere"))


def test_command_writes_one_line_of_json(lossy: bytes, tmp_path: Path) -> None:
    """The command names what it wrote; a second run does not replace it."""
    (tmp_path / "a.rcz").write_bytes(lossy)
    command = [sys.executable, "-m", "radcodec", "sample", "a.rcz", "o.fits", "--draws", "2", "--steps", "2", "--json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["draws"] == 2
    with warnings.catch_warnings(), fits.open(io.BytesIO((tmp_path / "o.fits").read_bytes())) as hdus:
        assert len(hdus) == 4
    again = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert again.returncode == 2
    assert "o.fits" in again.stderr
