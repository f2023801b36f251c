"""compress, decompress and verify on many files and folders: a line each, a total, no failure that stops the rest."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

import radcodec
from radcodec.cli.app import run

CARDS = ("SIMPLE  =                    T", "BITPIX  =                    8", "NAXIS   =                    0")


def _fits(number: int) -> bytes:
    """A FITS file without pixels, so that no kernel is loaded; another one for each number."""
    cards = (*CARDS, f"NUMBER  = {number:20d}", "END")
    return "".join(card.ljust(80) for card in cards).ljust(2880).encode()


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A working folder with ``originals`` (a.fits, deep/b.fit, deep/c.fits) and the same compressed in ``archive``."""
    monkeypatch.chdir(tmp_path)
    Path("originals/deep").mkdir(parents=True)
    for number, name in enumerate(("a.fits", "deep/b.fit", "deep/c.fits")):
        Path("originals", name).write_bytes(_fits(number))
    assert run(["compress", "originals", "--out-dir", "archive", "--quiet"]) == 0
    capsys.readouterr()


def _tree(folder: str) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


@pytest.mark.usefixtures("archive")
def test_a_folder_comes_back_as_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    """decompress keeps places and names, says a line a file and a total."""
    assert run(["decompress", "archive", "--out-dir", "back"]) == 0
    assert _tree("back") == _tree("originals")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert lines[0].startswith("archive/a.fits.rcz -> back/a.fits  lossless")
    assert lines[3].startswith("total: 3 of 3 files")


@pytest.mark.usefixtures("archive")
def test_one_failure_does_not_stop_the_rest(capsys: pytest.CaptureFixture[str]) -> None:
    """The exit code is that of the first failure; each failure is a line on standard error."""
    Path("archive/bad.rcz").write_bytes(b"\x89RCZ\r\n\x1a\n")
    Path("existing").mkdir()
    Path("existing/a.fits").write_bytes(b"precious")
    assert run(["decompress", "archive/bad.rcz", "none.rcz", "archive", "--out-dir", "existing"]) == 3
    streams = capsys.readouterr()
    errors = streams.err.splitlines()
    names = ("archive/bad.rcz", "none.rcz", "archive/a.fits.rcz: existing/a.fits", "archive/bad.rcz")
    assert [line.startswith(f"radcodec: {name}: ") for name, line in zip(names, errors, strict=True)] == [True] * 4
    assert "total: 2 of 6 files" in streams.out
    assert _tree("existing") == {**_tree("originals"), "a.fits": b"precious"}
    assert run(["decompress", "none.rcz", "archive", "--out-dir", "existing"]) == 5


@pytest.mark.usefixtures("archive")
def test_decompress_json_is_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    """It has the shape that compress gives, also where files fail."""
    assert run(["decompress", "archive", "none.rcz", "--out-dir", "back", "--json"]) == 5
    streams = capsys.readouterr()
    found = json.loads(streams.out)
    assert found.keys() == {"files", "total"}
    assert [file["input"] for file in found["files"]] == [
        "archive/a.fits.rcz", "archive/deep/b.fit.rcz", "archive/deep/c.fits.rcz", "none.rcz"
    ]  # fmt: skip
    assert [file.get("output") for file in found["files"]] == [
        "back/a.fits",
        "back/deep/b.fit",
        "back/deep/c.fits",
        None,
    ]
    assert found["files"][3]["exit_code"] == 5
    assert (found["total"]["files"], found["total"]["failed"]) == (4, 1)
    assert found["total"]["original_bytes"] == 3 * 2880
    assert streams.err.count("\n") == 1


@pytest.mark.usefixtures("archive")
def test_an_archive_is_verified_against_its_originals(capsys: pytest.CaptureFixture[str]) -> None:
    """Each file is compared with the original in the same place; one that differs is exit code 1."""
    assert run(["verify", "archive", "--against", "originals"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == (
        "archive/deep/b.fit.rcz: all checksums are correct, and the file keeps its promise about "
        "originals/deep/b.fit (lossless)"
    )
    assert lines[3] == "total: 3 of 3 files verified"
    Path("originals/a.fits").write_bytes(_fits(9))
    Path("originals/deep/b.fit").unlink()
    assert run(["verify", "archive", "--against", "originals"]) == 1
    streams = capsys.readouterr()
    assert streams.out.splitlines()[-1] == "total: 1 of 3 files verified"
    errors = streams.err.splitlines()
    card = f"card {len(CARDS)} of its header differs from the original"
    assert errors[0].startswith(f"radcodec: archive/a.fits.rcz: HDU 0 (PRIMARY): {card} (byte ")
    assert errors[1] == (
        "radcodec: archive/deep/b.fit.rcz: originals/deep/b.fit: expected the original of deep/b.fit.rcz, found none"
    )


@pytest.mark.usefixtures("archive")
def test_originals_that_are_packed_are_found(capsys: pytest.CaptureFixture[str]) -> None:
    """x.fits.gz was compressed to x.fits.rcz."""
    import gzip

    Path("originals/a.fits.gz").write_bytes(gzip.compress(Path("originals/a.fits").read_bytes()))
    Path("originals/a.fits").unlink()
    assert run(["verify", "archive/a.fits.rcz", "--against", "originals"]) == 0
    assert "promise about originals/a.fits.gz" in capsys.readouterr().out


@pytest.mark.usefixtures("archive")
def test_verify_json(capsys: pytest.CaptureFixture[str]) -> None:
    """One file gives its report, many give files and a total."""
    assert run(["verify", "archive/a.fits.rcz", "--against", "originals/a.fits", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["verified"], found["against"]) == (True, "originals/a.fits")
    assert run(["verify", "archive/a.fits.rcz", "archive/deep", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [file["verified"] for file in found["files"]] == [True] * 3
    assert (found["total"]["files"], found["total"]["failed"]) == (3, 0)


@pytest.mark.usefixtures("archive")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["decompress", "archive"], "--out-dir"),
        (["decompress", "archive/a.fits.rcz", "b.rcz", "c.rcz"], "--out-dir"),
        (["decompress", "archive/a.fits.rcz", "archive/deep/b.fit.rcz", "--overwrite"], "--out-dir"),
        (["decompress", "-", "archive", "--out-dir", "back"], "standard input"),
        (["verify", "-", "archive"], "standard input"),
        (["verify", "archive", "--against", "originals/a.fits"], "folder of the originals"),
        (["verify"], "Missing argument"),
    ],
)
def test_files_that_make_no_sense_together(
    capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    """They are usage errors before anything is read or replaced."""
    before = _tree(".")
    assert run(arguments) == 2
    assert words in capsys.readouterr().err
    assert _tree(".") == before


@pytest.mark.usefixtures("archive")
def test_a_folder_without_files_is_a_failure_among_others(capsys: pytest.CaptureFixture[str]) -> None:
    """It is named, and the rest is done."""
    Path("empty").mkdir()
    assert run(["decompress", "empty", "archive", "--out-dir", "back"]) == 3
    assert "expected .rcz files in the folder empty, found none" in capsys.readouterr().err
    assert run(["compress", "empty", "originals", "--out-dir", "out"]) == 3
    assert "expected FITS files in the folder empty, found none" in capsys.readouterr().err
    assert len(_tree("back")) == len(_tree("out")) == 3


@pytest.mark.usefixtures("archive")
def test_two_inputs_with_one_output(capsys: pytest.CaptureFixture[str]) -> None:
    """The second one fails, also with --overwrite, instead of replacing the first."""
    Path("originals/deep/a.fits").write_bytes(_fits(7))
    inputs = ["originals/a.fits", "originals/deep/a.fits"]
    assert run(["compress", *inputs, "--out-dir", "out", "--overwrite"]) == 2
    assert "expected a separate output for each file, found out/a.fits.rcz" in capsys.readouterr().err
    assert run(["verify", "out/a.fits.rcz", "--against", "originals/a.fits"]) == 0


@pytest.mark.usefixtures("archive")
@pytest.mark.skipif(sys.platform == "win32", reason="permissions are those of POSIX")
def test_a_folder_that_cannot_be_read_is_not_passed_over(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An archive without the files of a locked folder would look complete."""
    real = os.scandir

    def locked(path: str) -> object:
        if os.path.basename(path) == "deep":
            raise PermissionError(13, "Permission denied", path)
        return real(path)

    monkeypatch.setattr("os.scandir", locked)
    assert run(["compress", "originals", "--out-dir", "out"]) == 5
    assert "originals/deep: Permission denied" in capsys.readouterr().err


@pytest.mark.usefixtures("archive")
def test_the_message_of_an_output_that_exists_names_the_option(capsys: pytest.CaptureFixture[str]) -> None:
    """On the command line and in Python."""
    assert run(["decompress", "archive/a.fits.rcz", "originals/a.fits"]) == 2
    assert "--overwrite; in Python overwrite=True" in capsys.readouterr().err
    with pytest.raises(FileExistsError, match="overwrite=True"):
        radcodec.decompress("archive/a.fits.rcz", "originals/a.fits")
