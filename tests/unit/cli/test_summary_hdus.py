"""The summary of a bounded file names the HDUs that the bound applies to, also those taken by default."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from radcodec.cli.app import run


def test_bounded_and_exact_images_are_both_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """SCI, ERR and VAR are bounded by default and DQ stays exact: the line says all of it."""
    noise = np.random.default_rng(5).normal(size=(64, 64)).astype(np.float32)
    images = [fits.ImageHDU(noise + number, name=name) for number, name in enumerate(("SCI", "ERR", "VAR"))]
    mask = fits.ImageHDU(np.zeros((64, 64), np.int16), name="DQ")
    fits.HDUList([fits.PrimaryHDU(), *images, mask]).writeto(tmp_path / "a.fits")
    arguments = ["compress", str(tmp_path / "a.fits"), "--max-error", "0.5sigma", "--no-preview", "--threads", "1"]
    assert run(arguments) == 0
    assert "(bounded: SCI, ERR, VAR; exact: DQ)" in capsys.readouterr().out


def test_one_image_needs_no_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file of one image names none."""
    noise = np.random.default_rng(5).normal(size=(64, 64)).astype(np.float32)
    fits.PrimaryHDU(noise).writeto(tmp_path / "a.fits")
    assert run(["compress", str(tmp_path / "a.fits"), "--max-error", "0.5sigma", "--no-preview", "--threads", "1"]) == 0
    assert "(bounded:" not in capsys.readouterr().out
