"""Signals that end the program: nothing half written stays, and the exit code is 128 and the signal's number."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

if sys.platform == "win32":
    pytest.skip("there are no such signals", allow_module_level=True)

SIGNALS: dict[int, str] = {signal.SIGTERM: "terminated", signal.SIGHUP: "hung up", signal.SIGINT: "interrupted"}
HEADER = "".join(
    card.ljust(80)
    for card in (
        "SIMPLE  =                    T",
        "BITPIX  =                    8",
        "NAXIS   =                    0",
        "END",
    )
)
# A file without pixels, so that no kernel is loaded.
FITS = HEADER.ljust(2880).encode()

# Runs the command line with one function replaced by one that sends a signal to the process first.
CHILD = """
import importlib, os, signal, sys, time
module, name, number = sys.argv[1], sys.argv[2], int(sys.argv[3])
place = importlib.import_module(module)
original = getattr(place, name)
def struck(*arguments, **options):
    setattr(place, name, original)
    {before}
    os.kill(os.getpid(), number)
    {after}
    return original(*arguments, **options)
setattr(place, name, struck)
sys.argv[1:] = sys.argv[4:]
from radcodec.cli import main
main()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a FITS file and what it compresses to."""
    (tmp_path / "a.fits").write_bytes(FITS)
    done = _run(tmp_path, "compress", "a.fits", "a.rcz")
    assert done.returncode == 0
    return tmp_path


def _run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "radcodec", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)


def _heed_signals() -> None:
    """Let the child heed signals that this process ignores, as one started with nohup does."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)


def _struck(
    folder: Path, place: str, number: int, *arguments: str, before: str = "pass", after: str = "pass"
) -> subprocess.CompletedProcess[str]:
    """The command line that gets a signal when it calls ``module.name`` for the first time."""
    module, _, name = place.rpartition(".")
    code = CHILD.format(before=before, after=after)
    command = [sys.executable, "-c", code, module, name, str(number), *arguments]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=120, preexec_fn=_heed_signals
    )


COMPRESS, DECOMPRESS = ("compress", "a.fits", "new.rcz"), ("decompress", "a.rcz", "new.fits")


@pytest.mark.parametrize(
    ("number", "place", "arguments"),
    [
        *((number, "os.fsync", COMPRESS) for number in SIGNALS),
        (signal.SIGHUP, "os.fsync", DECOMPRESS),
        (signal.SIGTERM, "radcodec.encoding.fits_file.encode_fits", COMPRESS),
        (signal.SIGTERM, "os.utime", DECOMPRESS),
        (signal.SIGTERM, "radcodec.decoding.rcz_file.describe", DECOMPRESS),
    ],
)
def test_nothing_half_written_stays(
    folder: Path, number: signal.Signals, place: str, arguments: tuple[str, ...]
) -> None:
    """Whenever the signal comes, one line is said, and the folder is as it was."""
    before = sorted(folder.iterdir())
    done = _struck(folder, place, number, *arguments)
    assert (done.returncode, done.stdout) == (128 + number, "")
    assert done.stderr == f"radcodec: {arguments[1]}: {SIGNALS[number]}\n"
    assert sorted(folder.iterdir()) == before


def test_an_existing_output_is_not_touched(folder: Path) -> None:
    """A signal before the rename leaves the older file under the name."""
    (folder / "old.rcz").write_bytes(b"precious")
    done = _struck(folder, "os.fsync", signal.SIGTERM, "compress", "a.fits", "old.rcz", "--overwrite")
    assert done.returncode == 143
    assert (folder / "old.rcz").read_bytes() == b"precious"
    assert sorted(path.name for path in folder.iterdir()) == ["a.fits", "a.rcz", "old.rcz"]


def test_of_many_files_the_complete_ones_stay(folder: Path) -> None:
    """The process waits for a pipe that nobody writes, after one file is done; the rest is not begun."""
    os.mkfifo(folder / "b.fits")
    (folder / "c.fits").write_bytes(FITS)
    command = [sys.executable, "-m", "radcodec", "compress", "a.fits", "b.fits", "c.fits", "--out-dir", "out"]
    child = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not (folder / "out" / "a.fits.rcz").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.1)
    child.send_signal(signal.SIGTERM)
    out, error = child.communicate(timeout=60)
    assert (child.returncode, error) == (143, "radcodec: terminated\n")
    assert out.startswith("a.fits -> ")
    assert [path.name for path in (folder / "out").iterdir()] == ["a.fits.rcz"]
    assert _run(folder, "verify", "out/a.fits.rcz", "--against", "a.fits").returncode == 0


def test_a_second_signal_does_not_stop_the_cleaning(folder: Path) -> None:
    """SIGTERM and SIGHUP come in pairs from service managers; the temporary file goes all the same."""
    again = "import radcodec.runtime.paths; real = os.unlink; "
    again += "os.unlink = lambda path: (os.kill(os.getpid(), 1), real(path))"
    done = _struck(folder, "os.fsync", signal.SIGTERM, "compress", "a.fits", "new.rcz", before=again)
    assert (done.returncode, done.stderr) == (143, "radcodec: a.fits: terminated\n")
    assert sorted(path.name for path in folder.iterdir()) == ["a.fits", "a.rcz"]


def test_a_signal_in_a_callback_is_not_lost(folder: Path) -> None:
    """Python drops what is raised in a finaliser; the program ends all the same."""
    finaliser = "type('Kind', (), {'__del__': lambda self: (os.kill(os.getpid(), number), time.sleep(0))})()"
    code = CHILD.format(before="pass", after="time.sleep(100)").replace("os.kill(os.getpid(), number)", finaliser)
    command = [sys.executable, "-c", code, "os", "fsync", str(int(signal.SIGTERM)), "compress", "a.fits", "new.rcz"]
    begun = time.monotonic()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stderr) == (143, "radcodec: a.fits: terminated\n")
    assert time.monotonic() - begun < 100
    assert sorted(path.name for path in folder.iterdir()) == ["a.fits", "a.rcz"]


def test_nohup_is_respected(folder: Path) -> None:
    """A hang-up that whoever started the program has it ignore stays ignored."""
    code = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)" + CHILD.format(before="pass", after="pass")
    command = [sys.executable, "-c", code, "os", "fsync", str(int(signal.SIGHUP)), "compress", "a.fits", "new.rcz"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    assert (folder / "new.rcz").exists()


def test_ctrl_c_while_kernels_are_loaded(folder: Path) -> None:
    """An interrupt in the middle of the imports is one line, too."""
    done = _struck(folder, "importlib.import_module", signal.SIGINT, "models")
    assert (done.returncode, done.stderr) == (130, "radcodec: interrupted\n")


def test_a_signal_while_the_temporary_file_is_made(folder: Path) -> None:
    """The name is known before the file is there, so that it goes away, too."""
    (folder / "old.rcz").write_bytes(b"precious")
    done = _struck(folder, "os.chmod", signal.SIGTERM, "compress", "a.fits", "old.rcz", "--overwrite")
    assert done.returncode == 143
    assert sorted(path.name for path in folder.iterdir()) == ["a.fits", "a.rcz", "old.rcz"]
