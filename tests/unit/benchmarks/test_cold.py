"""Cold starts on several images: each has its rows, and one that the file holds is not measured again."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import pytest
from astropy.io import fits

from benchmarks.rows import read_rows
from benchmarks.speed.cold import Command, run_cold, simulated


def test_each_image_has_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command works on the file of its sample; a second call with one more sample adds the rows of that one."""
    count = "import pathlib; pathlib.Path('size').write_text(str(pathlib.Path('image.fits').stat().st_size))"
    monkeypatch.setattr(
        "benchmarks.speed.cold.commands", lambda: [Command(arguments=[sys.executable, "-c", count], makes="size")]
    )
    out = tmp_path / "out.csv"
    small, large = simulated(16), simulated(48)
    assert len(run_cold(samples=[small], repeats=2, out=out, commit="c")) == 1
    assert len(run_cold(samples=[small, large], repeats=2, out=out, commit="c")) == 1
    assert [(row["shape"], row["pixels"], row["status"]) for row in read_rows(out)] == [
        ("16x16", "256", "ok"),
        ("48x48", "2304", "ok"),
    ]


def test_simulated_sample_is_its_file() -> None:
    """The row names shape and hash of the FITS file that commands get."""
    sample = simulated(32)
    assert sample.cells["data_sha256"] == hashlib.sha256(sample.content).hexdigest()
    assert fits.HDUList.fromstring(sample.content)[0].shape == (32, 32)
