"""Anonymous memory of whole commands, as CSV rows: the most that each new process has at any time.

Read from the system (``RssAnon``) a hundred times a second. Pages of files, also of temporary ones that are mapped, are
no anonymous memory: the system takes them back where memory is short. Images are simulated, in one piece or repeated.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks import machine
from benchmarks.rows import append_row, rows_done

COLUMNS = (
    "machine", "commit", "track", "set", "file", "shape", "dtype", "pixels", "threads", "command", "status",
    "anonymous_bytes", "seconds",
)  # fmt: skip
KEY = ("file", "command", "threads")
PIECE_SIDE, SEED = 2048, 20
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
    "cutout bounded.rcz cut.fits --region 0:{side},0:{side}",
    "preview exact.rcz base.png",
    "preview exact.rcz full.png --full",
    "estimate image.fits",
)


def run_memory(*, sides: Sequence[int], threads: int, out: Path, commit: str) -> list[str]:
    """Add a row for each command and size that ``out`` lacks; gives the new ones as lines."""
    lines: list[str] = []
    for side in sides:
        with tempfile.TemporaryDirectory() as name:
            lines += _run_side(Path(name), side, threads, out, commit)
    return lines


def _run_side(folder: Path, side: int, threads: int, out: Path, commit: str) -> list[str]:
    """Add the rows of an image."""
    file = f"simulate_image(({PIECE_SIDE}, {PIECE_SIDE}), seed={SEED}) to {side}"
    done, lines = rows_done(out, KEY), []
    write_image(folder / "image.fits", side)
    for line in LINES:
        command = f"radcodec {line.format(side=side)}"
        if (file, command, str(threads)) in done:
            continue
        words = [*line.format(side=side).split(), "--threads", str(threads)]
        peak, seconds, status = anonymous_peak([sys.executable, "-m", "radcodec", *words, *_overwrite(line)], folder)
        append_row(
            out,
            COLUMNS,
            {
                "machine": machine.system(), "commit": commit, "track": "memory", "set": "simulated", "file": file,
                "shape": f"{side}x{side}", "dtype": "float32", "pixels": side * side, "threads": threads,
                "command": command, "status": status, "anonymous_bytes": peak, "seconds": f"{seconds:.2f}",
            },
        )  # fmt: skip
        lines.append(f"{side:6}  {command:72} {peak / 2**20:7.0f} MiB  {seconds:8.1f} s  {status}")
    return lines


def _overwrite(line: str) -> list[str]:
    return [] if line.startswith(("verify", "estimate")) else ["--overwrite"]


def write_image(path: Path, side: int) -> None:
    """Write a FITS file of a square field, in pieces: a simulated one, mirrored and repeated."""
    from radcodec.fits.arrays import minimal_header
    from radcodec.simulate import simulate_image
    from radcodec.types import SampleType

    piece = simulate_image((min(side, PIECE_SIDE),) * 2, seed=SEED).astype(">f4")
    row = np.concatenate([piece[:, :: (-1) ** n] for n in range(-(-side // len(piece)))], axis=1)[:, :side]
    with path.open("wb") as file:
        file.write(minimal_header(SampleType.F4, (side, side)))
        for start in range(0, side, len(piece)):
            file.write(row[: side - start].tobytes())
        file.write(bytes(-file.tell() % 2880))


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
