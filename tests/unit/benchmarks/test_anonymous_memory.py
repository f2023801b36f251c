"""Memory of whole commands: what is measured, on squares and on cubes, and which files stay meanwhile."""

from __future__ import annotations

import argparse
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from benchmarks.reporting.pages.memory import memory_report
from benchmarks.reporting.results import Results
from benchmarks.rows import append_row, read_rows
from benchmarks.speed.anonymous import COLUMNS, Subject, anonymous_peak, cube, run_memory, write_image
from benchmarks.speed.command import cube_sides
from radcodec.simulate import simulate_image

MIB = 1 << 20


def test_cube_has_a_row_for_each_command(tmp_path: Path) -> None:
    """Each command works on a small cube; a second call adds nothing."""
    out, subject = tmp_path / "out.csv", cube(40, 24, 6)
    assert subject.shape == (6, 24, 40)
    lines = run_memory(subjects=[subject], threads=1, out=out, commit="c")
    rows = read_rows(out)
    assert [row["status"] for row in rows] == ["ok"] * len(subject.lines)
    assert len(lines) == len(rows)
    assert {row["shape"] for row in rows} == {"6x24x40"}
    assert {row["pixels"] for row in rows} == {"5760"}
    assert all(int(row["anonymous_bytes"]) > MIB for row in rows)
    commands = " ".join(row["command"] for row in rows)
    assert "--region 20:21,12:13" in commands
    assert "--plane 3" in commands
    assert run_memory(subjects=[subject], threads=1, out=out, commit="c") == []


def test_square_is_the_simulated_field(tmp_path: Path) -> None:
    """The file holds the values of the simulated piece, then those of its mirror image."""
    piece = simulate_image((2048, 2048), seed=20)
    write_image(tmp_path / "square.fits", (2600, 2600))
    data = fits.getdata(tmp_path / "square.fits")
    assert data.shape == (2600, 2600)
    assert np.array_equal(data[:2048, :2048], piece)
    assert np.array_equal(data[:2048, 2048:], piece[:, ::-1][:, :552])
    assert np.array_equal(data[2048:, :2048], piece[:552])


def test_planes_of_a_cube_differ(tmp_path: Path) -> None:
    """Sixteen planes in turn are all different, of the mirrored pieces."""
    path = tmp_path / "cube.fits"
    write_image(path, (18, 20, 32))
    data = fits.getdata(path)
    assert np.array_equal(data[1], simulate_image((20, 32), seed=21))
    assert data.shape == (18, 20, 32)
    assert data.dtype == np.dtype(">f4")
    assert len({plane.tobytes() for plane in data}) == 16
    assert np.array_equal(data[4], data[0, ::-1])
    assert np.array_equal(data[12], data[0, ::-1, ::-1])


def test_files_go_when_no_command_needs_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A file is there while a later command names it, so that large cubes do not fill the disk."""
    seen: list[set[str]] = []

    def note(command: list[str], folder: Path) -> tuple[int, float, str]:
        seen.append({path.name for path in folder.iterdir()})
        (folder / command[5]).touch()
        return 1, 1.0, "ok"

    monkeypatch.setattr("benchmarks.speed.anonymous.anonymous_peak", note)
    lines = ("compress image.fits a.rcz", "cutout a.rcz cut.fits", "compress image.fits b.rcz")
    run_memory(subjects=[Subject("file", (8, 8), lines)], threads=1, out=tmp_path / "out.csv", commit="c")
    assert seen == [{"image.fits"}, {"image.fits", "a.rcz"}, {"image.fits"}]


def test_peak_is_what_a_process_holds(tmp_path: Path) -> None:
    """A process that fills 96 MiB and frees them has this peak at least; one that maps a file does not have it."""
    held = "import time; a = bytearray(b'x') * (96 << 20); time.sleep(0.2); del a"
    peak, _, status = anonymous_peak([sys.executable, "-c", held], tmp_path)
    assert status == "ok"
    assert 96 * MIB < peak < 140 * MIB
    (tmp_path / "file").write_bytes(bytes(96 * MIB))
    mapped = "import mmap, time; m = mmap.mmap(open('file', 'rb').fileno(), 0, prot=1); sum(m[::4096]); time.sleep(0.2)"
    assert anonymous_peak([sys.executable, "-c", mapped], tmp_path)[0] < 48 * MIB


def test_sides_of_a_cube_are_read() -> None:
    """The width is first; what is no cube is refused with an example."""
    assert cube_sides("1024x512x2000") == (1024, 512, 2000)
    for wrong in ("1024x512", "axbxc"):
        with pytest.raises(argparse.ArgumentTypeError, match="expected WxHxPLANES, such as 1024x1024x2000"):
            cube_sides(wrong)


@pytest.mark.parametrize("words", [["--cube", "8x8"], ["--cube", "large"]])
def test_command_refuses_what_is_no_cube(words: list[str], tmp_path: Path) -> None:
    """The command line says what it expects."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "memory", *words, "--out", str(tmp_path / "out.csv")],
        capture_output=True, text=True, check=False, env={**os.environ},
    )  # fmt: skip
    assert done.returncode == 2
    assert "expected WxHxPLANES" in done.stderr


def test_page_has_a_line_for_each_command(tmp_path: Path) -> None:
    """Images are columns, the smallest first; a command that was not run on one, or failed, leaves a gap."""
    rows = [
        memory_row("compress image.fits a.rcz", "2000x1024x1024", 300 * MIB),
        memory_row("estimate image.fits", "8192x8192", 100 * MIB),
        memory_row("compress image.fits a.rcz", "8192x8192", 200 * MIB),
        memory_row("estimate image.fits", "2000x1024x1024", 1 * MIB) | {"status": "failed: no room"},
    ]
    for row in rows:
        append_row(tmp_path / "2026-01-01_m_0123456789ab_memory.csv", COLUMNS, row)
    lines = memory_report(Results(tmp_path)).splitlines()
    assert lines[2] == "| command | 8192x8192, 0.3 GB | 2000x1024x1024, 8.4 GB |"
    assert lines[4] == "| `radcodec compress image.fits a.rcz` | 200 | 300 |"
    assert lines[5] == "| `radcodec estimate image.fits` | 100 |  |"
    assert lines[6] == ""


def memory_row(line: str, shape: str, peak: int) -> dict[str, object]:
    """A row written by hand."""
    pixels = math.prod(map(int, shape.split("x")))
    cells = {"machine": "m", "commit": "c", "file": shape, "shape": shape, "pixels": pixels, "threads": 2}
    return cells | {"command": f"radcodec {line}", "status": "ok", "anonymous_bytes": peak}
