"""Simulated images have the statistics that they are asked to have."""

from __future__ import annotations

import numpy as np
import pytest

from radcodec.simulate import FWHM_PER_SIGMA, pack_fits, simulate_fits, simulate_image


def test_noise_rms_is_the_one_asked_for() -> None:
    """The rms of a source-free image is noise_rms to within the sampling of the padded border."""
    image = simulate_image((400, 400), seed=1, n_sources=0, noise_rms=2e-4)
    assert image.dtype == np.float32
    assert np.std(image) == pytest.approx(2e-4, rel=0.03)


@pytest.mark.parametrize("fwhm_px", [3.0, 5.0])
def test_lag_1_correlation_is_that_of_the_beam(fwhm_px: float) -> None:
    """White noise convolved with a Gaussian of sigma s has the correlation exp(-1 / (4 s^2)) at lag 1."""
    image = simulate_image((500, 500), seed=2, n_sources=0, beam_fwhm_px=(fwhm_px, fwhm_px))
    expected = np.exp(-1 / (4 * (fwhm_px / FWHM_PER_SIGMA) ** 2))
    along_x = np.corrcoef(image[:, 1:].ravel(), image[:, :-1].ravel())[0, 1]
    along_y = np.corrcoef(image[1:].ravel(), image[:-1].ravel())[0, 1]
    assert along_x == pytest.approx(expected, abs=0.01)
    assert along_y == pytest.approx(expected, abs=0.01)


def test_same_seed_same_image_other_seed_other_image() -> None:
    """The seed decides everything."""
    first = simulate_image((50, 60), seed=7, kind="dirty", uv_coverage="tracks")
    again = simulate_image((50, 60), seed=7, kind="dirty", uv_coverage="tracks")
    other = simulate_image((50, 60), seed=8, kind="dirty", uv_coverage="tracks")
    assert first.tobytes() == again.tobytes()
    assert first.tobytes() != other.tobytes()


def test_peak_is_max_snr_and_dirty_beams_have_negative_side_lobes() -> None:
    """The brightest pixel is near max_snr; a dirty map goes far below the noise, a clean one does not."""
    clean = simulate_image((200, 200), seed=3, noise_rms=1.0, max_snr=1000.0, uv_coverage="tracks")
    dirty = simulate_image((200, 200), seed=3, noise_rms=1.0, max_snr=1000.0, uv_coverage="snapshot", kind="dirty")
    assert clean.max() == pytest.approx(1000.0, rel=0.02)
    assert clean.min() > -7
    assert dirty.min() < -20


def test_primary_beam_makes_the_noise_grow_outwards() -> None:
    """At half the primary beam's FWHM from the centre the noise is twice as large."""
    flat = simulate_image((201, 201), seed=4, n_sources=0)
    grown = simulate_image((201, 201), seed=4, n_sources=0, primary_beam_fwhm_px=200.0)
    assert grown[100, 100] == pytest.approx(flat[100, 100], rel=1e-6)
    assert grown[100, 200] == pytest.approx(2 * flat[100, 200], rel=1e-6)


def test_tiny_images_work() -> None:
    """One pixel is an image too."""
    assert simulate_image((1, 1), seed=5).shape == (1, 1)


@pytest.mark.parametrize("n_axes", [2, 3, 4])
@pytest.mark.parametrize("bitpix", [-32, -64, 16])
def test_fits_files_are_read_by_astropy(bitpix: int, n_axes: int) -> None:
    """Astropy verifies the file and gives back the pixels, NaN border included."""
    fits = pytest.importorskip("astropy.io.fits")
    data = simulate_fits((21, 30), seed=6, bitpix=bitpix, n_axes=n_axes, nan_border_px=2)  # type: ignore[arg-type]
    image = simulate_image((21, 30), seed=6)
    with fits.HDUList.fromstring(data) as hdus:
        hdus.verify("exception")
        pixels = hdus[0].data
        assert hdus[0].header["BUNIT"] == "JY/BEAM"
        assert hdus[0].header["CTYPE1"] == "RA---SIN"
        assert pixels.shape == (1,) * (n_axes - 2) + (21, 30)
        assert int(np.isnan(pixels).sum()) == 21 * 30 - 17 * 26
        inner = pixels.reshape(21, 30)[2:-2, 2:-2]
        assert np.allclose(inner, image[2:-2, 2:-2], atol=0 if bitpix < 0 else 1e-6, rtol=0)


def test_packed_files_are_whole_blocks() -> None:
    """A FITS file is a whole number of 2880-byte blocks."""
    assert len(pack_fits(np.zeros((3, 5), dtype=np.float32))) % 2880 == 0
