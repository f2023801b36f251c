"""Sources that another program changes while they are read: an error and nothing written, never a wrong file."""

from __future__ import annotations

import gzip
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import radcodec
from radcodec.fits.source import FileRanges
from radcodec.simulate import simulate_fits

MODES: list[dict[str, Any]] = [{}, {"max_error": "0.25sigma"}, {"lossy": True}]


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A FITS image of four tiles, in a folder of its own."""
    path = tmp_path / "in" / "x.fits"
    path.parent.mkdir()
    path.write_bytes(simulate_fits((192, 192), seed=5))
    return path


def _overwrite(path: Path) -> None:
    """Other pixels in place, as a program that reduces the image again writes them."""
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        file.write(b"\x40\x49\x0f\xdb" * 2000)


def _truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def _append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"\0" * 2880)


def _once(action: Callable[[Path], None], path: Path) -> Callable[[int], None]:
    """A progress callback that does something to the source at its first call."""
    waiting = [action]

    def progress(_: int) -> None:
        while waiting:
            waiting.pop()(path)

    return progress


@pytest.mark.parametrize("options", MODES)
@pytest.mark.parametrize("change", [_overwrite, _truncate, _append])
def test_a_source_that_changes_while_it_is_coded(
    image: Path, tmp_path: Path, options: dict[str, Any], change: Callable[[Path], None]
) -> None:
    """Whatever the mode: overwritten in place, cut or grown during the work is an error that says so; no output."""
    out = tmp_path / "out.rcz"
    with pytest.raises(radcodec.UnsupportedDataError, match=r"source changed: expected .*x\.fits to stay"):
        radcodec.compress(image, out, tile=64, preview=0, progress=_once(change, image), **options)
    assert os.listdir(tmp_path) == ["in"]


@pytest.mark.parametrize("options", MODES)
@pytest.mark.parametrize("change", [_overwrite, _truncate, _append])
def test_a_source_that_changes_while_it_is_read(
    image: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, Any],
    change: Callable[[Path], None],
) -> None:
    """The same while the bytes are read: half of them old, half of them new, are never coded."""
    read_into = FileRanges.read_into

    def slowly(self: FileRanges, content: memoryview, start: int) -> None:
        half = len(content) // 4
        read_into(self, content[:half], start)
        change(image)
        read_into(self, content[half:], start + half)

    monkeypatch.setattr(FileRanges, "read_into", slowly)
    with pytest.raises(radcodec.UnsupportedDataError, match="source changed"):
        radcodec.compress(image, tmp_path / "out.rcz", tile=64, preview=0, **options)
    assert os.listdir(tmp_path) == ["in"]


@pytest.mark.parametrize("options", MODES)
@pytest.mark.parametrize("replace", [False, True])
def test_a_source_that_is_deleted_or_replaced(
    image: Path, tmp_path: Path, options: dict[str, Any], replace: bool
) -> None:
    """The file that was opened is compressed, and its time kept, also when its name is gone or given to another."""
    before, out = image.read_bytes(), tmp_path / "out.rcz"
    os.utime(image, ns=(10**18, 10**18 + 7))

    def remove(path: Path) -> None:
        path.unlink()
        if replace:
            path.write_bytes(b"another file")

    radcodec.compress(image, out, tile=64, preview=0, progress=_once(remove, image), **options)
    assert out.stat().st_mtime_ns == 10**18 + 7
    original = tmp_path / "original.fits"
    original.write_bytes(before)
    radcodec.verify(out, against=original)
    if not options:
        radcodec.decompress(out, tmp_path / "again.fits")
        assert (tmp_path / "again.fits").read_bytes() == before


def test_a_gzipped_source_that_changes(image: Path, tmp_path: Path) -> None:
    """A compressed source that is overwritten meanwhile is refused, too."""
    packed = image.with_name("x.fits.gz")
    packed.write_bytes(gzip.compress(image.read_bytes()))
    with pytest.raises(radcodec.UnsupportedDataError, match="source changed"):
        radcodec.compress(packed, tmp_path / "out.rcz", tile=64, preview=0, progress=_once(_append, packed))
    assert os.listdir(tmp_path) == ["in"]


def test_overwriting_without_end(image: Path, tmp_path: Path) -> None:
    """While a thread rewrites the file over and over, each try is an error or a file that restores what it hashed."""
    contents = [simulate_fits((192, 192), seed=seed) for seed in (5, 6)]
    stop = threading.Event()

    def rewrite() -> None:
        turn = 0
        while not stop.is_set():
            turn += 1
            with image.open("r+b") as file:
                file.write(contents[turn % 2])

    writer = threading.Thread(target=rewrite)
    writer.start()
    try:
        for turn in range(6):
            out = tmp_path / f"{turn}.rcz"
            try:
                report = radcodec.compress(image, out, preview=0)
            except radcodec.UnsupportedDataError:
                assert not out.exists()
                continue
            assert report.original_sha256 == report.restored_sha256
            radcodec.verify(out)
    finally:
        stop.set()
        writer.join()


@pytest.mark.parametrize("options", MODES)
def test_an_original_that_is_cut_while_it_is_compared(
    image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
) -> None:
    """``verify`` says that the original changed, and does not blame the compressed file."""
    out = tmp_path / "out.rcz"
    radcodec.compress(image, out, tile=64, preview=0, **options)
    read_into = FileRanges.read_into

    def cut(self: FileRanges, content: memoryview, start: int) -> None:
        if start > 50_000 or len(content) > 50_000:
            os.truncate(image, 40_000)
        read_into(self, content, start)

    monkeypatch.setattr(FileRanges, "read_into", cut)
    with pytest.raises(radcodec.UnsupportedDataError, match="source changed"):
        radcodec.verify(out, against=image)


def test_estimate_of_a_file_that_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``estimate`` reads a few tiles and ends in an error, not in a signal, when the file is cut meanwhile."""
    path = tmp_path / "x.fits"
    path.write_bytes(simulate_fits((1200, 1200), seed=5))
    read_into = FileRanges.read_into

    def cut(self: FileRanges, content: memoryview, start: int) -> None:
        if start > 1_000_000:
            os.truncate(path, 5760)
        read_into(self, content, start)

    monkeypatch.setattr(FileRanges, "read_into", cut)
    with pytest.raises(radcodec.UnsupportedDataError, match="source changed"):
        radcodec.estimate(path)


def test_estimate_reads_the_tiles_that_it_says(tmp_path: Path) -> None:
    """A file on disk and the same file in memory give the same estimate."""
    path = tmp_path / "x.fits"
    path.write_bytes(simulate_fits((1200, 1200), seed=5))
    with path.open("rb") as stream:
        pairs = zip(radcodec.estimate(path), radcodec.estimate(stream), strict=True)
        assert all(a["bits_per_pixel"] == b["bits_per_pixel"] for a, b in pairs)


def test_an_array_that_changes_while_it_is_encoded(monkeypatch: pytest.MonkeyPatch) -> None:
    """An array of the caller's that changes meanwhile is refused: its tiles would be of two versions."""
    from radcodec import detail

    array = np.random.default_rng(1).normal(size=(150, 150)).astype(np.float32)
    code_tile = detail.code_tile

    def change(*args: Any) -> Any:
        array[-1, -1] += 1
        return code_tile(*args)

    monkeypatch.setattr(detail, "code_tile", change)
    for options in ({}, {"max_error": 0.1}):
        with pytest.raises(radcodec.InputError, match="array changed"):
            radcodec.encode(array, tile=64, threads=1, **options)
