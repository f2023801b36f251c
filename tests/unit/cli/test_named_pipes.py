"""Named pipes as inputs: what can be read only once is copied to a temporary file first."""

from __future__ import annotations

import json
import os
import stat
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import radcodec
from radcodec.cli.app import run
from radcodec.simulate import simulate_fits

if sys.platform == "win32":
    pytest.skip("there are no named pipes", allow_module_level=True)

Feed = Callable[..., str]


@pytest.fixture
def feed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Feed:
    """A working folder, and a function that gives the name of a pipe that gives bytes once."""
    monkeypatch.chdir(tmp_path)
    writers: list[threading.Thread] = []

    def make(data: bytes, name: str = "") -> str:
        name = name or f"pipe{len(writers)}"
        os.mkfifo(name)
        writers.append(threading.Thread(target=Path(name).write_bytes, args=(data,), daemon=True))
        writers[-1].start()
        return name

    return make


@pytest.fixture(scope="module")
def original() -> bytes:
    """A small FITS image."""
    return simulate_fits((24, 40), seed=3)


@pytest.fixture(scope="module")
def packed(original: bytes, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The same, compressed."""
    folder = tmp_path_factory.mktemp("packed")
    (folder / "a.fits").write_bytes(original)
    radcodec.compress(folder / "a.fits", preview=0)
    return (folder / "a.fits.rcz").read_bytes()


def test_there_and_back(feed: Feed, original: bytes) -> None:
    """compress and decompress read pipes and write files, which are the same as from files."""
    assert run(["compress", feed(original), "a.rcz", "--no-preview", "--quiet"]) == 0
    assert run(["decompress", feed(Path("a.rcz").read_bytes()), "b.fits", "--quiet"]) == 0
    assert Path("b.fits").read_bytes() == original


def test_a_pipe_among_many_files(feed: Feed, original: bytes, packed: bytes) -> None:
    """Of a pipe the name is that of a file like any other."""
    assert run(["decompress", feed(packed, "x.rcz"), "--out-dir", "out", "--quiet"]) == 0
    assert Path("out/x.fits").read_bytes() == original


def test_the_other_commands(feed: Feed, original: bytes, packed: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    """info, verify (both of its files), preview, cutout and estimate read pipes."""
    assert run(["info", feed(packed), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["pixels"] == 24 * 40
    assert run(["verify", feed(packed), "--against", feed(original)]) == 0
    assert run(["preview", feed(packed), "p.png"]) == 0
    assert Path("p.png").read_bytes().startswith(b"\x89PNG")
    assert run(["cutout", feed(packed), "c.fits", "--region", "3:9,4:8"]) == 0
    assert Path("c.fits").stat().st_size == 2 * 2880
    assert run(["estimate", feed(original), "--json"]) == 0


def test_python_reads_pipes(feed: Feed, packed: bytes) -> None:
    """So do the functions."""
    expected = radcodec.decode(packed)
    assert np.array_equal(radcodec.decode(feed(packed)), expected)
    with radcodec.open(feed(packed)) as file:
        assert np.array_equal(file[4:8, 3:9], expected[4:8, 3:9])
    assert radcodec.verify(feed(packed)).mode == "lossless"
    assert radcodec.decompress(feed(packed), "b.fits").mode == "lossless"


def test_a_pipe_that_is_cut_off(feed: Feed, packed: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    """It is a truncated file, and nothing is written."""
    assert run(["decompress", feed(packed[:-5]), "b.fits"]) == 3
    assert "cut off" in capsys.readouterr().err
    assert not Path("b.fits").exists()


def test_an_output_that_cannot_be_is_found_before_a_pipe_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was read from a pipe is lost, so that nothing is read where it would be for nothing."""
    monkeypatch.chdir(tmp_path)
    Path("old.fits").write_bytes(b"precious")
    os.mkfifo("silent")
    assert run(["decompress", "silent", "old.fits"]) == 2
    assert "--overwrite" in capsys.readouterr().err


def test_a_pipe_or_device_to_write_to_needs_no_leave(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packed: bytes, original: bytes
) -> None:
    """It is written to and not replaced, so there is nothing that --overwrite would protect."""
    monkeypatch.chdir(tmp_path)
    Path("a.rcz").write_bytes(packed)
    os.mkfifo("out")
    found: list[bytes] = []
    reader = threading.Thread(target=lambda: found.append(Path("out").read_bytes()), daemon=True)
    reader.start()
    assert run(["decompress", "a.rcz", "out", "--quiet"]) == 0
    reader.join(20)
    assert found == [original]
    assert stat.S_ISFIFO(os.stat("out").st_mode)
    assert run(["decompress", "a.rcz", os.devnull, "--quiet"]) == 0
