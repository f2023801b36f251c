"""The examples of docs/reading.md run as they stand, beside a cube and a server that has it."""

from __future__ import annotations

import re
import subprocess
import sys
from contextlib import nullcontext
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from web_servers import web_server

import radcodec

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "reading.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
COMMANDS = re.findall(r"^(radcodec cutout .*)$", PAGE, re.MULTILINE)
HOST = "https://archive.example.org"
# What an example needs beside the dependencies, by a word in it.
NEEDS = {"spectral_cube": "spectral_cube", "to_dask": "dask", HOST: "aiohttp"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the cube of the page."""
    hdu = fits.PrimaryHDU(np.random.default_rng(4).normal(size=(20, 40, 50)).astype(np.float32))
    hdu.header.update(CTYPE1="RA---SIN", CTYPE2="DEC--SIN", CTYPE3="FREQ", CRVAL1=10.0, CRVAL2=20.0, CRVAL3=1.4e9)
    hdu.header.update(CRPIX1=25.0, CRPIX2=20.0, CRPIX3=1.0, CDELT1=-0.01, CDELT2=0.01, CDELT3=1e6, RESTFRQ=1.42e9)
    hdu.header.update(CUNIT1="deg", CUNIT2="deg", CUNIT3="Hz", BUNIT="Jy/beam", BMAJ=0.03, BMIN=0.02, BPA=0.0)
    path = tmp_path_factory.mktemp("reading")
    hdu.writeto(path / "cube.fits")
    radcodec.compress(path / "cube.fits", path / "cube.fits.rcz", threads=1, preview=0)
    return path


def needs_of(text: str) -> None:
    """Skip a test of an example that needs a package which is not installed."""
    for word, package in NEEDS.items():
        if word in text and find_spec(package) is None:
            pytest.skip(f"{package} is not installed")


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_examples_run(folder: Path, number: int) -> None:
    """A Python block runs, and has eight lines at most; a spectrum is that of the cut-out beside it."""
    block = BLOCKS[number]
    needs_of(block)
    assert block.count("\n") <= 8
    files = {"cube.fits.rcz": (folder / "cube.fits.rcz").read_bytes()}
    with web_server(files) if HOST in block else nullcontext((HOST, None)) as (url, _):
        done = subprocess.run(
            [sys.executable, "-c", block.replace(HOST, url)],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )
    assert done.returncode == 0, done.stderr
    if "spectrum = " in block:
        assert fits.getdata(folder / "spectrum.fits").shape == (20, 1, 1)
        code = block + "import numpy\nfrom astropy.io import fits\n"
        code += "assert numpy.array_equal(spectrum, fits.getdata('spectrum.fits')[:, 0, 0])"
        code = code.replace('center="10.0 20.0")', 'center="10.0 20.0", overwrite=True)')
        done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_commands_run(folder: Path, tmp_path: Path) -> None:
    """The commands of the page work on a URL."""
    needs_of(HOST)
    assert len(COMMANDS) == 2
    with web_server({"cube.fits.rcz": (folder / "cube.fits.rcz").read_bytes()}) as (url, _):
        for command in COMMANDS:
            arguments = [part.strip('"') for part in re.findall(r'"[^"]*"|\S+', command.replace(HOST, url))][1:]
            done = subprocess.run(
                [sys.executable, "-m", "radcodec", *arguments],
                cwd=tmp_path,
                capture_output=True,
                text=True,
                check=False,
                timeout=120,
            )
            assert done.returncode == 0, done.stderr
    assert fits.getdata(tmp_path / "spectrum.fits").shape == (20, 1, 1)
