"""Whole commands from a cold start, as CSV rows: the wall time of a new process each, from its start to its end.

Files are in the system's cache, as after one call that is not timed. The process is cold: the interpreter starts and
imports modules. Commands take turns in ``--repeat`` rounds. Those marked *first use* run once, without compiled modules
of Python: pip compiles them when it installs, other installers may not. Each image is measured by itself: the first
one of every set, and simulated ones.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import machine
from benchmarks.data.datasets import images
from benchmarks.rows import append_row, rows_done

COLUMNS = (
    "machine", "commit", "track", "set", "file", "data_sha256", "shape", "dtype", "pixels", "command", "status",
    "median_s", "least_s", "most_s", "repeats",
)  # fmt: skip
KEY = ("file", "command")
BOUND = "0.125sigma"
SEED = 20
_COMPILED = ("PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX")  # variables that say where compiled modules go


@dataclass(slots=True, kw_only=True)
class Command:
    """A command line; what it makes is removed before each call, files that it works on are there.

    ``first_use``: it finds no compiled modules of Python.
    """

    arguments: list[str]
    makes: str | None = None
    first_use: bool = False
    seconds: list[float] = field(default_factory=list)
    status: str = "ok"

    @property
    def shown(self) -> str:
        """The command line in the results."""
        shown = " ".join(Path(part).name if part.startswith(os.sep) else part for part in self.arguments)
        return f"first use: {shown}" if self.first_use else shown

    def call(self, folder: Path) -> float:
        """Run the command, and return the seconds from start to end."""
        if self.makes:
            (folder / self.makes).unlink(missing_ok=True)
        with tempfile.TemporaryDirectory() as empty:
            # What keeps Python from writing compiled modules would make every call a first one.
            known = {name: value for name, value in os.environ.items() if name not in _COMPILED}
            known |= {"PYTHONPYCACHEPREFIX": empty} if self.first_use else {}
            start = time.perf_counter()
            done = subprocess.run(self.arguments, cwd=folder, env=known, capture_output=True, check=False)
            seconds = time.perf_counter() - start
        if done.returncode:
            text = done.stderr.decode(errors="replace").strip()[-100:]
            self.status = f"failed: {text}".replace("\n", " ")
        return seconds


def commands() -> list[Command]:
    """List the command lines, in an order in which each finds what it works on."""
    ours = shutil.which("radcodec", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    radcodec = [ours or "radcodec"]
    bound = ["--max-error", BOUND]
    return [
        Command(arguments=[*radcodec, "--help"]),
        Command(arguments=[*radcodec, "compress", "image.fits", "exact.rcz"], makes="exact.rcz"),
        Command(arguments=[*radcodec, "compress", "image.fits", *bound, "bounded.rcz"], makes="bounded.rcz"),
        Command(arguments=[*radcodec, "info", "exact.rcz"]),
        Command(arguments=[*radcodec, "decompress", "exact.rcz", "back.fits"], makes="back.fits"),
        Command(arguments=[*radcodec, "decompress", "bounded.rcz", "back.fits"], makes="back.fits"),
        Command(arguments=["fpack", "-O", "packed.fits.fz", "image.fits"], makes="packed.fits.fz"),
        Command(arguments=["funpack", "-O", "back.fits", "packed.fits.fz"], makes="back.fits"),
        Command(arguments=["gzip", "-k", "image.fits"], makes="image.fits.gz"),
        Command(arguments=["gzip", "-dc", "image.fits.gz"]),
        Command(arguments=[sys.executable, "-c", "pass"]),
        Command(
            arguments=[*radcodec, "compress", "image.fits", "--no-preview", "a.rcz"], makes="a.rcz", first_use=True
        ),
        Command(arguments=[*radcodec, "compress", "image.fits", "b.rcz"], makes="b.rcz", first_use=True),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A FITS file that commands work on, and the cells of its rows."""

    content: bytes
    cells: dict[str, object]

    @property
    def file(self) -> str:
        """The name of the file in rows."""
        return str(self.cells["file"])


def first_of(data: Path, chosen: str) -> Sample:
    """Return the first image of a set."""
    image = next(iter(images(data, chosen)))
    return Sample(
        content=(data / image.file).read_bytes(),
        cells={
            "set": chosen, "file": image.file, "data_sha256": image.sha256, "dtype": str(image.samples.dtype),
            "shape": "x".join(map(str, image.samples.shape)), "pixels": image.samples.size,
        },
    )  # fmt: skip


def simulated(side: int) -> Sample:
    """Return a simulated image of a square field."""
    from radcodec.simulate import simulate_fits

    content = simulate_fits((side, side), seed=SEED)
    return Sample(
        content=content,
        cells={
            "set": "simulated", "file": f"simulate_fits(({side}, {side}), seed={SEED})", "dtype": "float32",
            "data_sha256": hashlib.sha256(content).hexdigest(), "shape": f"{side}x{side}", "pixels": side * side,
        },
    )  # fmt: skip


def run_cold(*, samples: Iterable[Sample], repeats: int, out: Path, commit: str) -> list[str]:
    """Add a row for each command and image that ``out`` lacks; gives the new ones as lines."""
    return [line for sample in samples for line in run_sample(sample, repeats, out, commit)]


def run_sample(sample: Sample, repeats: int, out: Path, commit: str) -> list[str]:
    """Add the rows of one image."""
    done = rows_done(out, KEY)
    todo = [command for command in commands() if (sample.file, command.shown) not in done]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "image.fits").write_bytes(sample.content)
        for command in todo:
            if shutil.which(command.arguments[0]) is None:
                command.status = f"missing: {command.arguments[0]} is not installed"
                print(command.status, file=sys.stderr)
        for turn in range(repeats + 1 if todo else 0):
            # All of them, as some work on what others make.
            for command in commands() if turn == 0 else todo:
                if command.first_use and turn != 1:
                    continue
                if shutil.which(command.arguments[0]) and command.status == "ok":
                    seconds = command.call(folder)
                    command.seconds += [seconds] if turn else []
    lines = []
    for command in todo:
        known: dict[str, object] = sample.cells | {
            "machine": machine.system(), "commit": commit, "track": "cold", "command": command.shown,
            "status": command.status, "repeats": len(command.seconds),
        }  # fmt: skip
        if command.seconds:
            middle, least, most = statistics.median(command.seconds), min(command.seconds), max(command.seconds)
            known |= {"median_s": f"{middle:.4f}", "least_s": f"{least:.4f}", "most_s": f"{most:.4f}"}
            shown = f"{sample.cells['shape']}  {command.shown}"
            lines.append(f"{shown:72} {middle:.3f} s ({least:.3f} to {most:.3f}) {command.status}")
        append_row(out, COLUMNS, known)
    return lines
