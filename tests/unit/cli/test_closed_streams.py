"""Standard streams that are closed, full or have no reader: no traceback, and never the code of a broken guarantee."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

if sys.platform == "win32":
    pytest.skip("needs a POSIX shell", allow_module_level=True)

CARDS = ("SIMPLE  =                    T", "BITPIX  =                    8", "NAXIS   =                    0", "END")
# A file without pixels, so that no kernel is loaded.
FITS = "".join(card.ljust(80) for card in CARDS).ljust(2880).encode()
WORK = ["compress a.fits new.rcz", "decompress a.rcz new.fits", "compress a.fits --out-dir out", "verify a.rcz"]
PRODUCTS = ["info a.rcz", "info a.rcz --json", "models", "verify a.rcz --json", "compress a.fits x --overwrite --json"]
HELP = ["--help", "compress --help", "--version"]


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """What the file without pixels compresses to."""
    folder = tmp_path_factory.mktemp("packed")
    (folder / "a.fits").write_bytes(FITS)
    assert _shell(folder, "compress a.fits a.rcz", "").returncode == 0
    return (folder / "a.rcz").read_bytes()


@pytest.fixture
def folder(tmp_path: Path, packed: bytes) -> Path:
    """A folder with a FITS file and what it compresses to."""
    (tmp_path / "a.fits").write_bytes(FITS)
    (tmp_path / "a.rcz").write_bytes(packed)
    return tmp_path


def _shell(folder: Path, arguments: str, redirection: str) -> subprocess.CompletedProcess[str]:
    command = ["sh", "-c", f'exec "$0" -m radcodec {arguments} {redirection}', sys.executable]
    return subprocess.run(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        errors="replace",
    )


def _unread(folder: Path, arguments: str) -> subprocess.CompletedProcess[str]:
    """The command line with a pipe for its output that has no reader any more."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        return subprocess.run(
            [sys.executable, "-m", "radcodec", *arguments.split()], cwd=folder, stdin=subprocess.DEVNULL,
            stdout=writing, stderr=subprocess.PIPE, text=True, check=False, timeout=120,
        )  # fmt: skip
    finally:
        os.close(writing)


def _outputs(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name not in ("a.fits", "a.rcz")]


@pytest.mark.parametrize("arguments", WORK)
@pytest.mark.parametrize("redirection", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_work_is_done_without_streams(folder: Path, packed: bytes, arguments: str, redirection: str) -> None:
    """What was asked for is written, whole, and nothing that is said goes into it."""
    done = _shell(folder, arguments, redirection)
    assert (done.returncode, done.stderr) == (0, "")
    assert _outputs(folder) == ([] if "verify" in arguments else [FITS if "decompress" in arguments else packed])


@pytest.mark.parametrize("arguments", WORK)
def test_work_is_done_without_a_reader(folder: Path, arguments: str) -> None:
    """Whoever read the summary has gone; the file is what counts."""
    done = _unread(folder, arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(_outputs(folder)) == ("verify" not in arguments)


def test_many_files_are_all_done_without_a_reader(folder: Path) -> None:
    """The first summary that cannot be printed does not end the rest."""
    for name in "bcd":
        (folder / f"{name}.fits").write_bytes(FITS)
    done = _unread(folder, "compress a.fits b.fits c.fits d.fits --out-dir out")
    assert (done.returncode, done.stderr) == (0, "")
    assert len(list((folder / "out").iterdir())) == 4


@pytest.mark.parametrize("arguments", PRODUCTS)
def test_a_product_that_cannot_be_printed_is_exit_5(folder: Path, arguments: str) -> None:
    """Where the output is what the command is for, one line says that it is lost."""
    for done in (_shell(folder, arguments, ">&-"), _unread(folder, arguments)):
        assert done.returncode == 5
        assert done.stderr.startswith("radcodec: ")
        assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("arguments", HELP)
def test_help_without_a_reader(folder: Path, arguments: str) -> None:
    """Help is lost in silence or with one line, never with a traceback."""
    assert _shell(folder, arguments, ">&-").returncode == 0
    done = _unread(folder, arguments)
    assert (done.returncode, done.stderr) == (5, "radcodec: the program that reads the output has exited\n")


@pytest.mark.parametrize("arguments", ["compress a.fits -", "decompress a.rcz -"])
def test_a_file_for_standard_output_without_one(folder: Path, arguments: str) -> None:
    """A file that has nowhere to go is exit code 5."""
    for done in (_shell(folder, arguments, ">&-"), _unread(folder, arguments)):
        assert done.returncode == 5
        assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("arguments", ["compress - new.rcz", "decompress - new.fits", "info -", "verify -"])
def test_no_standard_input(folder: Path, arguments: str) -> None:
    """A closed standard input is no input, and nothing is written."""
    done = _shell(folder, arguments, "<&-")
    assert done.returncode == 5
    assert done.stderr == "radcodec: standard input: expected an open stream, found it closed\n"
    assert _outputs(folder) == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no device that is always full")
@pytest.mark.parametrize("arguments", ["--help", "info a.rcz", "compress a.fits new.rcz", "compress a.fits -"])
def test_a_full_device_is_exit_5(folder: Path, arguments: str) -> None:
    """What was to be printed is lost, which is said in one line; a full standard error changes nothing."""
    done = _shell(folder, arguments, ">/dev/full")
    assert done.returncode == 5
    assert "No space left on device" in done.stderr
    assert done.stderr.count("\n") == 1
    assert _shell(folder, f"{arguments} {'--overwrite' if 'new' in arguments else ''}", "2>/dev/full").returncode == 0


def test_an_error_without_standard_error_keeps_its_code(folder: Path) -> None:
    """The line is lost, the exit code is not."""
    assert _shell(folder, "info none.rcz", "2>&-").returncode == 5
    assert _shell(folder, "bogus", "2>&-").returncode == 2
    assert _shell(folder, "decompress a.fits new.fits", "2>&-").returncode == 3


def test_a_name_that_is_no_text_is_printed(folder: Path) -> None:
    """Stray bytes in a file's name are escaped, in lines and in JSON."""
    name = os.fsencode(folder) + b"/\xff.fits"
    Path(os.fsdecode(name)).write_bytes(FITS)
    command = [sys.executable, "-m", "radcodec", "compress", name, os.fsencode(folder / "x.rcz")]
    done = subprocess.run(command, capture_output=True, check=False, timeout=120)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"\\udcff.fits -> " in done.stdout
    done = subprocess.run([*command, "--overwrite", "--json"], capture_output=True, check=False, timeout=120)
    assert json.loads(done.stdout)["mode"] == "lossless"
