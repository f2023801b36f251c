"""file(1) with docs/radcodec.magic knows every layout of a file: late, still open, short, a base-only copy."""

from __future__ import annotations

import io
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import radcodec
from radcodec.simulate import simulate_image

MAGIC = Path(__file__).resolve().parents[3] / "docs/radcodec.magic"


@pytest.mark.skipif(shutil.which("file") is None, reason="no file")
def test_layouts(tmp_path: Path) -> None:
    """A stream is told while it is written and after it is closed; a short file and a copy are told as well."""
    image = simulate_image((64, 64), seed=3)
    with radcodec.create(tmp_path / "late.rcz", shape=(None, 64, 64), dtype=np.float32, max_error=1e-3) as stream:
        stream.append(image)
        (tmp_path / "open.rcz").write_bytes(next(tmp_path.glob("*late.rcz*")).read_bytes())
    (tmp_path / "short.rcz").write_bytes(radcodec.encode(image, lossy_bpp=1.0))
    copy = io.BytesIO()
    radcodec.preview((tmp_path / "short.rcz").read_bytes(), copy, base_only=True)
    (tmp_path / "copy.rcz").write_bytes(copy.getvalue())
    names = ["late.rcz", "open.rcz", "short.rcz", "copy.rcz"]
    command = ["file", "-b", "-m", str(MAGIC), *names]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60)
    found = [line.split(", ", 2)[2] for line in done.stdout.splitlines()]
    assert found == [
        "a FITS file, within an error bound",
        "a FITS file, within an error bound, still being written",
        "an array, lossy",
        "an array, lossy, a copy of its base layer",
    ]
