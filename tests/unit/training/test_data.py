"""Training images come out of FITS folders noise-normalised, and crops keep their statistics."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("astropy")

from radcodec.errors import InputError
from radcodec.simulate import simulate_fits, simulate_image
from radcodec.training.config import DataConfig
from radcodec.training.data import CropStream, compand_ratio, load_planes, measure_noise, normalise, zoom


def _config(folders: tuple[str, ...], share: float) -> DataConfig:
    return DataConfig(folders=folders, validation="", simulated_share=share, crop_px=32, pool=3)


def test_folders_give_every_plane_sorted_by_path(tmp_path: Path) -> None:
    """2-D and 4-D files in sub-folders are found; pixels are those that were written."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.fits").write_bytes(simulate_fits((40, 50), seed=2, n_axes=4))
    (tmp_path / "a.fits").write_bytes(simulate_fits((33, 35), seed=1))
    (tmp_path / "readme.txt").write_text("no image")
    planes = load_planes(tmp_path)
    assert [plane.shape for plane in planes] == [(33, 35), (40, 50)]
    assert np.array_equal(planes[0], simulate_image((33, 35), seed=1))


def test_empty_and_missing_folders_are_input_errors(tmp_path: Path) -> None:
    """The message names the folder."""
    with pytest.raises(InputError, match="found none"):
        load_planes(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        load_planes(tmp_path / "nowhere")


def test_noise_is_the_scaled_mad_of_finite_pixels() -> None:
    """1, 2, 3, 4, 100 have the median 3 and the MAD 1; a constant plane gets sigma 1."""
    assert measure_noise(np.array([[1.0, 2.0, np.nan, 3.0, 4.0, 100.0]])) == (3.0, pytest.approx(1.4826, rel=1e-4))
    assert measure_noise(np.full((3, 3), 7.0)) == (7.0, 1.0)
    assert measure_noise(np.full((3, 3), np.nan)) == (0.0, 1.0)
    assert normalise(np.array([[1.0, 2.0, 3.0, 4.0, np.inf]]), sigma=0.5).tolist() == [[-3.0, -1.0, 1.0, 3.0, 0.0]]


def test_batches_are_companded_crops_of_unit_noise(tmp_path: Path) -> None:
    """Real and simulated crops have the shape asked for and a robust scatter of about 1; a seed repeats them."""
    for number in range(3):
        (tmp_path / f"{number}.fits").write_bytes(simulate_fits((80, 90), seed=number))
    for share in (0.0, 1.0):
        batch = CropStream(_config((str(tmp_path),), share), 5).batch(20)
        again = CropStream(_config((str(tmp_path),), share), 5).batch(20)
        assert batch.shape == (20, 1, 32, 32)
        assert np.array_equal(batch.numpy(), again.numpy())
        assert 0.5 < 1.4826 * float(batch.abs().median()) < 2.0


def test_zoom_keeps_band_limited_waves() -> None:
    """A wave of 4 periods still has 4 periods after zooming, and the mean is kept."""
    x = np.arange(64)
    wave = np.broadcast_to(2.0 + np.cos(2 * np.pi * 4 * x / 64), (64, 64)).astype(np.float32)
    for factor in (0.75, 1.5):
        zoomed = zoom(wave, factor, 16)
        length = round(64 * factor)
        expected = 2.0 + np.cos(2 * np.pi * 4 * np.arange(length) / length)
        assert zoomed.shape == (length, length)
        assert np.allclose(zoomed, expected[None, :], atol=1e-5)


def test_companding_clamps_at_48() -> None:
    """3 asinh(1e9 / 3) is 61: clamped to the decoder's 3071 / 64."""
    assert compand_ratio(np.array([[1e9, -1e9, 0.0]], dtype=np.float32)).tolist() == [[47.984375, -47.984375, 0.0]]
