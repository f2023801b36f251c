"""Outputs that cannot be written are found before the work, with exit code 5 and a line that names the folder."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import radcodec
from radcodec.cli.app import run

if sys.platform == "win32":
    pytest.skip("permissions and limits of names are those of POSIX", allow_module_level=True)

CARDS = ("SIMPLE  =                    T", "BITPIX  =                    8", "NAXIS   =                    0", "END")
# A file without pixels, so that no kernel is loaded.
FITS = "".join(card.ljust(80) for card in CARDS).ljust(2880).encode()
NOBODY = 65534
COMMANDS = {
    "compress": ["compress", "a.fits"],
    "decompress": ["decompress", "a.rcz"],
    "cutout": ["cutout", "a.rcz", "--region", "0:1,0:1"],
    "preview": ["preview", "a.rcz"],
}
# The endings that each command takes for its output.
ENDINGS = {"compress": ".rcz", "decompress": ".fits", "cutout": ".fits", "preview": ".png"}


@pytest.fixture
def no_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working folder with files in which no file may be encoded, decoded or opened for that."""
    monkeypatch.chdir(tmp_path)
    Path("a.fits").write_bytes(FITS)
    radcodec.compress("a.fits", "a.rcz")
    Path("file").write_text("no folder")

    def begun(*_: object, **__: object) -> None:
        raise AssertionError("work was begun")

    monkeypatch.setattr("radcodec.encoding.fits_file.encode_fits", begun)
    monkeypatch.setattr("radcodec.reading.open_reader", begun)
    monkeypatch.setattr("radcodec.reading.RczFile", begun)
    monkeypatch.setattr("radcodec.decoding.rcz_file.open_reader", begun)


@pytest.fixture
def read_only() -> Iterator[Path]:
    """A folder that this process cannot write to; a superuser becomes nobody for the time of a test."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o555)
    superuser = os.geteuid() == 0
    if superuser:
        os.seteuid(NOBODY)
    yield folder
    if superuser:
        os.seteuid(0)
    folder.chmod(0o755)
    shutil.rmtree(folder)


def _refused(capsys: pytest.CaptureFixture[str], command: str, output: str) -> str:
    """The one line that a command says of an output that cannot be, before any work."""
    before = sorted(Path().rglob("*"))
    name, source, *rest = COMMANDS[command]
    assert run([name, source, output, *rest]) == 5
    streams = capsys.readouterr()
    assert streams.out == ""
    assert streams.err.startswith("radcodec: ")
    assert streams.err.count("\n") == 1
    assert sorted(Path().rglob("*")) == before
    return streams.err


@pytest.mark.usefixtures("no_work")
@pytest.mark.parametrize("command", COMMANDS)
def test_a_missing_folder(capsys: pytest.CaptureFixture[str], command: str) -> None:
    """The line names the folder that is missing."""
    assert "/no/such: expected a folder to write to, found none" in _refused(
        capsys, command, "no/such/x" + ENDINGS[command]
    )


@pytest.mark.usefixtures("no_work")
@pytest.mark.parametrize("command", COMMANDS)
def test_a_path_through_a_file(capsys: pytest.CaptureFixture[str], command: str) -> None:
    """The line names the file that would have to be a folder."""
    assert "/file: expected a folder to write to, found none" in _refused(capsys, command, "file/x" + ENDINGS[command])


@pytest.mark.usefixtures("no_work")
@pytest.mark.parametrize("command", COMMANDS)
def test_a_name_that_is_too_long(capsys: pytest.CaptureFixture[str], command: str) -> None:
    """256 bytes are one more than file systems hold."""
    assert "expected a name that the file system can hold" in _refused(capsys, command, "x" * 256)


@pytest.mark.usefixtures("no_work")
def test_a_read_only_folder(capsys: pytest.CaptureFixture[str], read_only: Path) -> None:
    """The line names the folder and what the system says."""
    for output in (read_only / "x.rcz", read_only / "old.rcz"):
        with pytest.raises(
            PermissionError, match="expected a folder that can be written to: Permission denied"
        ) as found:
            radcodec.runtime.paths.check_output(str(output), None, overwrite=True)
        assert found.value.filename == str(read_only)


@pytest.mark.usefixtures("no_work")
@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="there is no file system without files of one's own")
@pytest.mark.parametrize("command", COMMANDS)
def test_a_folder_without_files_of_ones_own(capsys: pytest.CaptureFixture[str], command: str) -> None:
    """Permissions say that the superuser may write to /proc; that nobody can is found out by trying."""
    assert "/proc: expected a folder that can be written to" in _refused(capsys, command, "/proc/x" + ENDINGS[command])


@pytest.mark.usefixtures("no_work")
@pytest.mark.parametrize("command", ["compress", "decompress"])
@pytest.mark.parametrize("folder", ["file", "file/deep", "/proc/deep"])
def test_a_folder_for_many_that_cannot_be(capsys: pytest.CaptureFixture[str], command: str, folder: str) -> None:
    """It is said once, and not for each file."""
    name, source = COMMANDS[command]
    if folder.startswith("/proc") and not os.path.isdir("/proc/self"):
        pytest.skip("there is no /proc")
    assert run([name, source, source, source, "--out-dir", folder]) == 5
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert folder in error


@pytest.mark.parametrize("stem", ["x" * 251, "é" * 125 + "x", "海" * 83 + "xx"])
def test_the_longest_name_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stem: str) -> None:
    """A name of 255 bytes leaves no room for more in the name of the temporary file, whatever its characters."""
    monkeypatch.chdir(tmp_path)
    Path("a.fits").write_bytes(FITS)
    name = f"{stem}.rcz"
    assert len(os.fsencode(name)) == 255
    assert run(["compress", "a.fits", name, "--quiet"]) == 0
    assert run(["decompress", name, "b.fits", "--quiet"]) == 0
    assert Path("b.fits").read_bytes() == FITS
    assert len(list(tmp_path.iterdir())) == 3


def test_many_files_make_their_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """--out-dir is made, with the folders above it."""
    monkeypatch.chdir(tmp_path)
    Path("a.fits").write_bytes(FITS)
    assert run(["compress", "a.fits", "--out-dir", "deep/out", "--quiet"]) == 0
    assert run(["decompress", "deep/out", "--out-dir", "deep/back", "--quiet"]) == 0
    assert Path("deep/back/a.fits").read_bytes() == FITS


def test_a_file_of_another_user_in_a_sticky_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In /tmp and its like only owners may replace a file, which the rename would find out too late."""
    monkeypatch.chdir(tmp_path)
    Path("a.fits").write_bytes(FITS)
    Path("shared").mkdir()
    Path("shared").chmod(0o1777)
    Path("shared/x.rcz").write_bytes(b"theirs")
    monkeypatch.setattr("os.geteuid", lambda: os.stat("shared").st_uid + 1)
    assert run(["compress", "a.fits", "shared/x.rcz", "--overwrite"]) == 5
    assert "expected your own file to replace" in capsys.readouterr().err
    assert Path("shared/x.rcz").read_bytes() == b"theirs"


@pytest.mark.usefixtures("no_work")
@pytest.mark.parametrize("output", [[""], ["--out-dir", ""]])
def test_empty_names_are_refused(capsys: pytest.CaptureFixture[str], output: list[str]) -> None:
    """That is what a variable of a script gives that was never set."""
    assert run(["compress", "a.fits", *output]) == 2
    assert "found an empty name" in capsys.readouterr().err
    assert not Path("a.fits.rcz").exists()
