"""Anonymous memory of whole commands, as CSV rows: the most that each new process has at any time.

Read from the system (``RssAnon``) a hundred times a second. Pages of files, also of temporary ones that are mapped, are
no anonymous memory: the system takes them back where memory is short. Images and cubes are simulated pieces, repeated.
"""

from __future__ import annotations

import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks import machine
from benchmarks.rows import append_row, rows_done
from benchmarks.types import Array

COLUMNS = (
    "machine", "commit", "track", "set", "file", "shape", "dtype", "pixels", "threads", "command", "status",
    "anonymous_bytes", "seconds",
)  # fmt: skip
KEY = ("file", "command", "threads")
PIECE_SIDE, SEED = 2048, 20
CUBE_PIECES = 4  # simulated planes, each in four mirrorings
INTERVAL_S = 0.01
#: In an order in which each finds what it works on.
LINES = (
    "compress image.fits exact.rcz",
    "compress image.fits bounded.rcz --max-error 0.125sigma",
    "compress image.fits coarse.rcz --max-error 0.5sigma",
    "compress image.fits lossy.rcz --lossy --bpp 0.3",
    "decompress exact.rcz back.fits",
    "verify exact.rcz --against image.fits",
    "verify coarse.rcz --against image.fits",
    "cutout bounded.rcz cut.fits --region 0:{width},0:{height}",
    "preview exact.rcz base.png",
    "preview exact.rcz full.png --full",
    "estimate image.fits",
)
CUBE_LINES = (
    "estimate image.fits",
    "compress image.fits bounded.rcz --max-error 0.125sigma",
    "cutout bounded.rcz spectrum.fits --region {x}:{next_x},{y}:{next_y}",
    "cutout bounded.rcz plane.fits --plane {plane}",
    "preview bounded.rcz base.png",
    "decompress bounded.rcz back.fits",
    "verify bounded.rcz --against image.fits",
    "compress image.fits exact.rcz",
)


@dataclass(frozen=True, slots=True)
class Subject:
    """An image to measure with: its name in the rows, its shape and what is run on it."""

    file: str
    shape: tuple[int, ...]
    lines: tuple[str, ...]


def square(side: int) -> Subject:
    """Describe a square image."""
    file = f"simulate_image(({PIECE_SIDE}, {PIECE_SIDE}), seed={SEED}) to {side}"
    return Subject(file, (side, side), tuple(line.format(width=side, height=side) for line in LINES))


def cube(width: int, height: int, planes: int) -> Subject:
    """Describe a cube."""
    file = f"simulate_image(({height}, {width}), seed={SEED} to {SEED + CUBE_PIECES - 1}) to {planes} planes"
    x, y = width // 2, height // 2
    places = {"x": x, "next_x": x + 1, "y": y, "next_y": y + 1, "plane": planes // 2}
    return Subject(file, (planes, height, width), tuple(line.format(**places) for line in CUBE_LINES))


def run_memory(*, subjects: Sequence[Subject], threads: int, out: Path, commit: str) -> list[str]:
    """Add a row for each command and image that ``out`` lacks; gives the new ones as lines."""
    lines: list[str] = []
    for subject in subjects:
        with tempfile.TemporaryDirectory() as name:
            lines += _run_lines(Path(name), subject, threads, out, commit)
    return lines


def _run_lines(folder: Path, subject: Subject, threads: int, out: Path, commit: str) -> list[str]:
    """Add the rows of an image; a file goes as soon as no later line names it."""
    done, lines = rows_done(out, KEY), []
    shape = "x".join(map(str, subject.shape))
    for number, line in enumerate(subject.lines):
        command = f"radcodec {line}"
        if (subject.file, command, str(threads)) in done:
            continue
        if not (folder / "image.fits").exists():
            write_image(folder / "image.fits", subject.shape)
        words = [*line.split(), "--threads", str(threads)]
        peak, seconds, status = anonymous_peak([sys.executable, "-m", "radcodec", *words, *_overwrite(line)], folder)
        append_row(
            out,
            COLUMNS,
            {
                "machine": machine.system(), "commit": commit, "track": "memory", "set": "simulated",
                "file": subject.file, "shape": shape, "dtype": "float32", "pixels": math.prod(subject.shape),
                "threads": threads, "command": command, "status": status, "anonymous_bytes": peak,
                "seconds": f"{seconds:.2f}",
            },
        )  # fmt: skip
        lines.append(f"{shape:14}  {command:72} {peak / 2**20:7.0f} MiB  {seconds:8.1f} s  {status}")
        needed = {word for later in subject.lines[number + 1 :] for word in later.split()}
        for path in folder.iterdir():
            if path.name not in needed:
                path.unlink()
    return lines


def _overwrite(line: str) -> list[str]:
    return [] if line.startswith(("verify", "estimate")) else ["--overwrite"]


def write_image(path: Path, shape: tuple[int, ...]) -> None:
    """Write a FITS file of a square field or of a cube, in pieces: simulated ones, mirrored and repeated."""
    from radcodec.fits.arrays import minimal_header
    from radcodec.types import SampleType

    with path.open("wb") as file:
        file.write(minimal_header(SampleType.F4, shape))
        for piece in _square_pieces(shape[0]) if len(shape) == 2 else _cube_pieces(shape):
            file.write(piece.astype(">f4").tobytes())
        file.write(bytes(-file.tell() % 2880))


def _square_pieces(side: int) -> Iterator[Array]:
    """Yield the rows of a field, many at a time."""
    from radcodec.simulate import simulate_image

    piece = simulate_image((min(side, PIECE_SIDE),) * 2, seed=SEED)
    row = np.concatenate([piece[:, :: (-1) ** n] for n in range(-(-side // len(piece)))], axis=1)[:, :side]
    for start in range(0, side, len(piece)):
        yield row[: side - start]


def _cube_pieces(shape: tuple[int, ...]) -> Iterator[Array]:
    """Yield the planes of a cube; none is like one of the fifteen before it."""
    from radcodec.simulate import simulate_image

    pieces = [simulate_image((shape[1], shape[2]), seed=SEED + n) for n in range(CUBE_PIECES)]
    for number in range(shape[0]):
        turn = number // CUBE_PIECES
        yield pieces[number % CUBE_PIECES][:: (-1) ** turn, :: (-1) ** (turn // 2)]


def anonymous_peak(command: Sequence[str], folder: Path) -> tuple[int, float, str]:
    """Run a command; gives the most bytes of anonymous memory that it had, its wall time, and how it ended."""
    start, peak = time.perf_counter(), 0
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(command, cwd=folder, env={**os.environ}, stdout=said, stderr=said) as process,
    ):
        while process.poll() is None:
            peak = max(peak, _anonymous(process.pid))
            time.sleep(INTERVAL_S)
        seconds = time.perf_counter() - start
        said.seek(0)
        text = said.read().decode(errors="replace").strip()[-100:].replace("\n", " ")
    return peak, seconds, "ok" if process.returncode == 0 else f"failed: {text}"


def _anonymous(process: int) -> int:
    """Return the anonymous bytes of a process; 0 where it has ended."""
    try:
        lines = Path(f"/proc/{process}/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon:")), 0)
