"""A damaged file is one line in the log of `radcodec serve`, with its name and what is wrong; no traceback."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import radcodec
from radcodec.simulate import simulate_fits

httpx = pytest.importorskip("httpx")
pytest.importorskip("starlette")
pytest.importorskip("uvicorn")


def test_one_line_for_a_file_that_is_cut_off(tmp_path: Path) -> None:
    """The answer ends early at the damage, and the log names file and damage in one line for each request."""
    (tmp_path / "deep").mkdir()
    (tmp_path / "sky.fits").write_bytes(simulate_fits((300, 200), seed=3))
    radcodec.compress(tmp_path / "sky.fits", tmp_path / "deep/sky.fits.rcz", tile=64, preview=0, threads=1)
    packed = bytearray((tmp_path / "deep/sky.fits.rcz").read_bytes())
    packed[len(packed) * 3 // 4] ^= 255
    (tmp_path / "deep/sky.fits.rcz").write_bytes(packed)
    command = [sys.executable, "-m", "radcodec", "serve", str(tmp_path), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        found = re.search(r"http://\S+/", child.stdout.readline())
        assert found is not None
        for _ in range(2):
            with pytest.raises(httpx.RemoteProtocolError):
                httpx.get(f"{found[0]}deep/sky.fits", timeout=60)
        child.send_signal(signal.SIGINT)
        log = child.communicate(timeout=60)[1].splitlines()
    assert log.pop() == "radcodec: interrupted"
    assert len(log) == 2, log
    assert all("radcodec: deep/sky.fits: the checksum of tile" in line for line in log)
