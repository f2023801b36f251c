"""A unit in a spelling that astropy discourages is converted without a warning."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from radcodec.cli.app import run
from radcodec.fits.units import convert_bound


@pytest.mark.parametrize(
    ("bound", "unit", "wanted"),
    [("20mJy/beam^2", "Jy/beam/beam", 0.02), ("20mJy/beam/beam", "JY/BEAM/BEAM", 0.02), ("3 K/s/s", "K s-2", 3.0)],
)
def test_several_slashes(bound: str, unit: str, wanted: float) -> None:
    """``a/b/c`` is a/(b c), as astropy reads it, and the spelling is none of the user's business."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert convert_bound(bound, unit) == pytest.approx(wanted, rel=1e-15)


def test_nothing_on_standard_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With ``--quiet`` nothing is printed; an error about such a unit is one line."""
    image = fits.PrimaryHDU(np.random.default_rng(0).normal(size=(30, 40)).astype(np.float32))
    image.header["BUNIT"] = "Jy/beam/beam"
    image.writeto(tmp_path / "x.fits")
    source, target = str(tmp_path / "x.fits"), str(tmp_path / "x.rcz")
    assert run(["compress", source, target, "--max-error", "20mJy/beam^2", "--no-preview", "--quiet"]) == 0
    assert capsys.readouterr().err == ""
    assert run(["compress", source, target, "--overwrite", "--max-error", "1K/s/s", "--json"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
