"""What is no file to read or to write is an InputError that says what is expected and what to call instead."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

import radcodec
from radcodec.cli.app import run

IMAGE = np.random.default_rng(0).normal(size=(20, 30)).astype(np.float32)
URL: Any = "https://example.org/x.fits"


class Silent:
    """A stream without data yet: what it reads is None."""

    def read(self, size: int = -1) -> None:
        """Give None, as a pipe that does not block does."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the current folder, with x.fits and x.rcz."""
    monkeypatch.chdir(tmp_path)
    fits.PrimaryHDU(IMAGE).writeto("x.fits")
    radcodec.compress("x.fits", "x.rcz", threads=1)
    return tmp_path


def raw() -> bytes:
    """Read the FITS file."""
    return Path("x.fits").read_bytes()


@pytest.mark.usefixtures("folder")
def test_sources_that_are_no_fits_file() -> None:
    """`compress`, `verify(against=)` and `estimate` refuse them in the same words; nothing is written."""
    with Path("x.fits").open(encoding="latin-1") as text, fits.open("x.fits") as hdus:
        cases: list[tuple[Any, str]] = [
            (raw(), r"found bytes: .*io\.BytesIO"),
            (bytearray(raw()), r"found bytearray: .*io\.BytesIO"),
            (memoryview(raw()), r"found memoryview: .*io\.BytesIO"),
            (hdus, r"found HDUList: .*io\.BytesIO"),
            (hdus[0], r"found PrimaryHDU: .*io\.BytesIO"),
            (None, "found NoneType"),
            (text, "opened in binary mode, found TextIOWrapper"),
            (io.StringIO("SIMPLE"), "opened in binary mode, found StringIO"),
            (Silent(), r"read\(\) to give bytes, found NoneType"),
            (URL, r"not a URL, found https://example\.org/x\.fits: fetch it first"),
        ]
        for source, words in cases:
            with pytest.raises(radcodec.InputError, match=words):
                radcodec.compress(source, "y.rcz")
            assert not Path("y.rcz").exists()
            if source is not None:  # the default: there is nothing to compare with
                with pytest.raises(radcodec.InputError, match=words):
                    radcodec.verify("x.rcz", against=source, threads=1)
            with pytest.raises(radcodec.InputError, match=words):
                radcodec.estimate(source, threads=1)
    for call in (radcodec.compress, lambda array, _: radcodec.verify("x.rcz", against=array)):
        with pytest.raises(radcodec.InputError, match=r"found ndarray: .*radcodec\.encode"):
            call(IMAGE, "y.rcz")  # type: ignore[arg-type]


@pytest.mark.usefixtures("folder")
def test_targets_that_are_no_file() -> None:
    """Each function that writes refuses them before any work."""
    with (
        Path("t").open("w") as text,
        Path("x.fits").open("rb") as reading,
        tempfile.NamedTemporaryFile("w") as t,
    ):
        cases: list[tuple[Any, str]] = [
            (5, "expected a path or a binary file to write to, found int"),
            (b"y.rcz", "expected a path or a binary file to write to, found bytes"),
            (IMAGE, "expected a path or a binary file to write to, found ndarray"),
            (text, "opened in binary mode to write to, found TextIOWrapper"),
            (io.StringIO(), "opened in binary mode to write to, found StringIO"),
            (t, "opened in binary mode to write to, found _TemporaryFileWrapper"),
            (reading, "expected a file opened for writing, found one for reading"),
            (URL, r"expected a file to write to, not a URL, found https://example\.org/x\.fits"),
        ]
        for target, words in cases:
            for call in (
                lambda target: radcodec.compress("x.fits", target),
                lambda target: radcodec.decompress("x.rcz", target),
                lambda target: radcodec.cutout("x.rcz", target, "0:5,0:5"),
            ):
                with pytest.raises(radcodec.InputError, match=words):
                    call(target)
            if target is not URL:  # a picture's name is refused by its ending
                with pytest.raises(radcodec.InputError, match=words):
                    radcodec.preview("x.rcz", target)
    with pytest.raises(radcodec.InputError, match="to write to, found NoneType"):
        radcodec.cutout("x.rcz", None, "0:5,0:5")  # type: ignore[arg-type]
    for wrong in (io.BytesIO(), None):
        with pytest.raises(radcodec.InputError, match="expected dst to be a name or a path, found"):
            radcodec.create(wrong, shape=(None, 8, 8), dtype="f4")  # type: ignore[arg-type]
        with pytest.raises(radcodec.InputError, match="expected src to be a name or a path, found"):
            radcodec.recover(wrong, "y.rcz")  # type: ignore[arg-type]
        with pytest.raises(radcodec.InputError, match="expected dst to be a name or a path, found"):
            radcodec.recover("x.rcz", wrong)  # type: ignore[arg-type]


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    "words",
    [
        ["compress", URL],
        ["compress", URL, "y.rcz"],
        ["compress", URL, "--out-dir", "out"],
        ["estimate", URL],
        ["verify", "x.rcz", "--against", URL],
        ["compress", "x.fits", "https://example.org/y.rcz"],
        ["decompress", "x.rcz", URL],
        ["compress", "x.fits", "--out-dir", "https://example.org/out"],
        ["batch", "x.fits", "--out-dir", "https://example.org/out"],
    ],
)
def test_commands_that_take_no_url(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """They say in one line that a URL is no file for them; no folder of that name is looked for or made."""
    assert run(words) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("total")]
    assert len(lines) == 1
    assert "not a URL, found https://example.org/" in lines[0]
    assert not Path("https:").exists()
