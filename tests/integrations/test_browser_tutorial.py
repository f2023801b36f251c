"""The tutorial from disk to browser, and the examples about batch, work as they stand."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from astropy.io import fits
from installed import is_installed

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^```(python|sh|bash)\n(.*?)^```", re.DOTALL | re.MULTILINE)
# What a block needs beside radcodec, by a word in it.
NEEDS = {
    "spectral_cube": "spectral_cube",
    "hdulist": "radcodec.decoding.virtual_fits",
    "use_fsspec": "aiohttp",
    "xarray": "xarray.backends: radcodec",
}


def _missing(text: str) -> bool:
    return any(word in text and not is_installed(module) for word, module in NEEDS.items())


def _environment(folder: Path) -> dict[str, str]:
    """An environment in which ``radcodec`` is the command of this checkout."""
    (folder / "bin").mkdir()
    command = folder / "bin" / "radcodec"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m radcodec "$@"\n')
    command.chmod(0o755)
    return {**os.environ, "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"}


@pytest.mark.skipif(shutil.which("bash") is None or shutil.which("curl") is None, reason="needs bash and curl")
def test_the_tutorial_runs(tmp_path: Path) -> None:
    """Every block runs in the order of the page; the files that it promises are there and right."""
    pytest.importorskip("starlette")
    pytest.importorskip("uvicorn")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = str(probe.getsockname()[1])
    page = (ROOT / "docs/tutorials/browser.md").read_text(encoding="utf-8").replace("8421", port)
    environment, work = _environment(tmp_path), tmp_path / "work"
    work.mkdir()
    server: subprocess.Popen[bytes] | None = None
    try:
        for kind, text in BLOCK.findall(page):
            if _missing(text):
                continue
            if text.rstrip().endswith("&"):
                command = ["bash", "-ec", f"exec {text.rstrip().rstrip('&')}"]
                server = subprocess.Popen(command, cwd=work, env=environment, stdout=subprocess.DEVNULL)
                _wait_for(int(port))
                continue
            words = [sys.executable, "-c", text] if kind == "python" else ["bash", "-ec", text]
            done = subprocess.run(
                words, cwd=work, env=environment, capture_output=True, text=True, check=False, timeout=240
            )
            assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"
    finally:
        if server is not None:
            server.terminate()
            server.wait(60)
    assert len((work / "archive/manifest.jsonl").read_text().splitlines()) == 5
    assert (work / "field0.html").read_text().startswith("<!DOCTYPE html>")
    with fits.open(work / "part.fits") as part:
        # 60 arcsec of 1.8 arcsec a pixel, about the centre of the field.
        assert part[0].data.shape == (33, 33) or part[0].data.shape == (34, 34)


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_the_example_of_a_slurm_array_runs(tmp_path: Path) -> None:
    """The script of the page does its share for each number of the array, and all shares are all files."""
    if shutil.which("bash") is None:
        pytest.skip("no bash")
    blocks = BLOCK.findall((ROOT / "docs/batch.md").read_text(encoding="utf-8"))
    script = next(text for _, text in blocks if "#SBATCH" in text).replace("/16", "/2").replace("1-16", "1-2")
    (tmp_path / "survey").mkdir()
    header = "".join(card.ljust(80) for card in ("SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 0", "END"))
    for number in range(5):
        (tmp_path / f"survey/{number}.fits").write_bytes(header.ljust(2880).encode())
    environment = {**_environment(tmp_path), "SCRATCH": str(tmp_path), "SLURM_CPUS_PER_TASK": "1"}
    for task in ("1", "2"):
        given = {**environment, "SLURM_ARRAY_TASK_ID": task}
        subprocess.run(["bash", "-ec", script], env=given, cwd=tmp_path, check=True, timeout=240)
    assert len(list((tmp_path / "archive").glob("*.rcz"))) == 5
    reads = next(text for kind, text in blocks if kind == "python" and "import json" in text)
    done = subprocess.run([sys.executable, "-c", reads], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("0 files")


def test_the_example_of_snakemake_runs(tmp_path: Path) -> None:
    """Snakemake takes the rule of the page and every part is done."""
    program = shutil.which("snakemake")
    if program is None:
        pytest.skip("no snakemake")
    blocks = BLOCK.findall((ROOT / "docs/batch.md").read_text(encoding="utf-8"))
    rule = next(text for _, text in blocks if "rule all" in text).replace("N = 16", "N = 2")
    (tmp_path / "Snakefile").write_text(rule)
    (tmp_path / "survey").mkdir()
    header = "".join(card.ljust(80) for card in ("SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 0", "END"))
    for number in range(3):
        (tmp_path / f"survey/{number}.fits").write_bytes(header.ljust(2880).encode())
    command = [program, "--cores", "2", "--quiet", "all"]
    done = subprocess.run(
        command, cwd=tmp_path, env=_environment(tmp_path), capture_output=True, text=True, check=False, timeout=240
    )
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "archive").glob("*.rcz"))) == 3
