"""Every file of the shared data set: restored byte for byte if it is FITS, refused with exit code 3 if it is not."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import radcodec
from radcodec.cli.app import run

# How many files of a folder are skipped between two that are tried; the large folders hold many of a kind.
STEPS = {
    "first/train": 8,
    "first/test": 4,
    "first/val": 4,
    "cubes": 1,
    "telescopes": 1,
    "oddities": 1,
    "eightbit": 1,
    "reports": 1,
}
# Every so many files have the default base layer and effort, which take longer than all else.
DEFAULTS_EVERY = 10


def files_of(folder: Path, step: int = 1) -> list[Path]:
    """Files of a folder, by name, every ``step``-th."""
    return sorted(path for path in folder.iterdir() if path.is_file())[::step]


def plain_fits(path: Path) -> bytes | None:
    """The FITS file that a file is or holds in gzip or bzip2, None where it is no FITS file."""
    content = path.read_bytes()
    if content.startswith(b"\x1f\x8b"):
        content = gzip.decompress(content)
    elif content.startswith(b"BZh"):
        content = bz2.decompress(content)
    return content if content.startswith(b"SIMPLE  =") else None


def check_lossless(path: Path, plain: bytes, options: dict[str, Any]) -> str:
    """What is wrong with a file after it was there and back, "" where nothing is."""
    packed, restored = io.BytesIO(), io.BytesIO()
    report = radcodec.compress(path, packed, threads=2, **options)
    digest = hashlib.sha256(plain).hexdigest()
    if (report.original_sha256, report.restored_sha256) != (digest, digest):
        return f"hashes {report.original_sha256} and {report.restored_sha256}, not {digest}"
    if (report.mode, report.original_bytes) != ("lossless", len(plain)):
        return f"{report.mode} of {report.original_bytes} bytes, not {len(plain)}"
    packed.seek(0)
    radcodec.decompress(packed, restored, threads=2)
    return "" if restored.getvalue() == plain else "other bytes came back"


@pytest.mark.parametrize("folder", STEPS)
def test_fits_files_come_back(shared_data: Path, folder: str) -> None:
    """FITS files and gzipped FITS files come back byte for byte, with the right hashes in their reports."""
    wrong = {}
    for number, path in enumerate(files_of(shared_data / folder, STEPS[folder])):
        plain = plain_fits(path)
        if plain is None:
            continue
        found = check_lossless(path, plain, {} if number % DEFAULTS_EVERY == 0 else {"preview": 0, "effort": 1})
        if found:
            wrong[path.name] = found
    assert wrong == {}


@pytest.mark.parametrize("options", [{"max_error": "0.25sigma"}, {"lossy": True}, {"recompress": True}], ids=str)
def test_reported_files_keep_their_promise(shared_data: Path, options: dict[str, Any]) -> None:
    """Files from bug reports of others: bounded, lossy and taken apart, each keeps what its mode promises."""
    for path in files_of(shared_data / "reports"):
        if plain_fits(path) is None:
            continue
        packed = io.BytesIO()
        radcodec.compress(path, packed, preview=0, threads=2, **options)
        radcodec.verify(packed.getvalue(), against=path, threads=2)


def test_other_files_are_refused(shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever else there is is refused with exit code 3 and one line, and nothing is written."""
    others = [path for folder in STEPS for path in files_of(shared_data / folder) if plain_fits(path) is None]
    others += [path for path in files_of(shared_data) if plain_fits(path) is None]
    if find_spec("uncompresspy"):
        others = [path for path in others if path.suffix != ".Z"]
    assert others
    for path in others:
        assert run(["compress", str(path), str(tmp_path / "out.rcz")]) == 3, path.name
        streams = capsys.readouterr()
        assert (streams.out, streams.err.count("\n")) == ("", 1), path.name
        assert path.name in streams.err
    assert list(tmp_path.iterdir()) == []


def test_refusal_of_a_real_process(shared_data: Path, tmp_path: Path) -> None:
    """The same through the installed command: exit code 3, one line on standard error, no traceback."""
    for name in ("eightbit/mirabest-batches.tar.gz", "MANIFEST.tsv"):
        result = subprocess.run(
            [sys.executable, "-m", "radcodec", "compress", str(shared_data / name), str(tmp_path / "out.rcz")],
            capture_output=True,
            check=False,
            timeout=120,
        )
        assert result.returncode == 3, name
        assert result.stderr.count(b"\n") == 1
        assert b"Traceback" not in result.stderr
    assert list(tmp_path.iterdir()) == []
