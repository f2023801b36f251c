"""Memory for what grows with an image: in memory up to a limit, beyond it in temporary files without a name."""

from __future__ import annotations

import errno
import gzip
import io
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

import radcodec
from radcodec.fits.source import open_fits_source
from radcodec.pixels import pieces as pixel_pieces
from radcodec.pixels.pieces import add_marks, copied, joined, same_bits, spread
from radcodec.runtime.scratch import Scratch, Spool

needs_proc = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="mappings are listed in /proc")


def mapped_files() -> list[str]:
    """The deleted files that this process has mapped from the temporary folder."""
    lines = Path("/proc/self/maps").read_text(encoding="ascii").splitlines()
    return [line for line in lines if tempfile.gettempdir() in line and line.endswith("(deleted)")]


@needs_proc
def test_what_is_over_the_limit_lies_in_files_without_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first bytes are in memory; the next ones are mapped, and their file goes with the last use of them."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    room = Scratch(1000)
    assert isinstance(room.keep(bytes(600)), bytes)
    assert not mapped_files()
    kept, values = room.keep(b"abc" * 200), room.zeros((20, 30), np.float64)
    assert isinstance(kept, memoryview)
    assert kept == b"abc" * 200
    assert kept.readonly
    assert values.shape == (20, 30)
    assert not values.any()
    values[:] = 7.0
    assert kept == b"abc" * 200
    assert len(mapped_files()) == 1  # small things share a file
    assert not list(tmp_path.iterdir())
    del room, kept, values
    assert not mapped_files()


def test_a_large_array_has_a_file_of_its_own() -> None:
    """Arrays of every type and shape come out writable, and zeros are zeros."""
    room = Scratch(0)
    large = room.zeros((3, 2048, 2048), np.float32)
    assert large.flags.writeable
    assert not large.any()
    for dtype in ("?", "<i2", "<f8"):
        assert room.empty((5, 7), dtype).shape == (5, 7)
    assert room.empty((0, 4), np.float32).size == 0
    assert room.keep(b"") == b""


@pytest.mark.parametrize("limit", [10, 1 << 20])
def test_a_spool_gives_back_what_it_was_given(limit: int) -> None:
    """Pieces come back joined, in memory that may be written to, whichever side of the limit they are on."""
    with Spool(limit) as spool:
        for piece in (b"abc", b"", b"defghijklmnop"):
            spool += piece
        assert len(spool) == 16
        content = spool.finish()
    assert content == b"abcdefghijklmnop"
    content[0:1] = b"x"
    assert bytes(content[:3]) == b"xbc"


def test_a_full_disk_is_an_error_before_anything_is_mapped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Room is reserved on the disk: where there is none, the error says how much was needed and what to do."""

    def full(handle: int, start: int, size: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match=r"room for 40000000 bytes of temporary files .*set TMPDIR") as caught:
        Scratch(0).empty((10_000_000,), np.float32)
    assert caught.value.errno == errno.ENOSPC


def test_a_system_without_fallocate_writes_zeros(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the file system has no such call, zeros take the room."""

    def none(handle: int, start: int, size: int) -> None:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr(os, "posix_fallocate", none)
    assert not Scratch(0).empty((3_000_000,), np.uint8).any()


def test_what_needs_more_room_than_there_is_is_refused_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A source that temporary files have no room for is refused before it is read, and nothing is written."""
    source = tmp_path / "a.fits"
    fits.PrimaryHDU(np.zeros((100, 100), np.float32)).writeto(source)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: _Usage())
    monkeypatch.setattr(Scratch.__init__, "__defaults__", (1000,))
    with pytest.raises(OSError, match="temporary files") as caught:
        radcodec.compress(source, tmp_path / "a.rcz")
    assert caught.value.errno == errno.ENOSPC
    assert [path.name for path in tmp_path.iterdir()] == ["a.fits"]


class _Usage:
    free = 20_000


LIMITED = """
import resource, sys
import radcodec.limits
radcodec.limits.MAX_SCRATCH_MEMORY = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
sys.argv = ["radcodec", *sys.argv[2:]]
import radcodec.cli
radcodec.cli.main()
"""


@pytest.mark.parametrize("memory", [1 << 16, 1 << 26])
def test_the_command_ends_with_code_5_on_a_full_disk(memory: int, tmp_path: Path) -> None:
    """Neither a temporary file that cannot be made nor an output that cannot grow leaves anything behind."""
    values = np.random.default_rng(1).integers(0, 2**31, (300, 300), np.int32)
    fits.PrimaryHDU(values).writeto(tmp_path / "a.fits")  # 360 kB that nothing makes smaller
    words = ["compress", "a.fits", "out.rcz", "--threads", "1", "--effort", "1"]
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(memory), *words],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 5, done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["a.fits"]


@needs_proc
def test_large_sources_from_pipes_are_mapped(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream, compressed or not, whose content is over the limit comes out of a temporary file."""
    plain = b"SIMPLE  =" + np.random.default_rng(2).bytes(3_000_000)
    monkeypatch.setattr(Spool.__init__, "__defaults__", (1 << 20,))
    for packed in (plain, gzip.compress(plain, 1)):
        with open_fits_source(io.BytesIO(packed)) as source:
            content = source.to_memory()
            assert content == plain
            assert not content.readonly
            assert mapped_files()
        del source, content


def test_marks_are_those_of_all_samples_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces of any size give the marks, copies, joints and samples that whole arrays give."""
    monkeypatch.setattr(pixel_pieces, "MAX_PIECE_SAMPLES", 16)
    image = np.random.default_rng(3).integers(0, 4, (3, 7, 11)).astype(np.int16)
    flat, room = image.reshape(-1), Scratch(0)
    ones = add_marks(None, image, lambda piece: flat[piece] == 1, room)
    assert ones is not None
    assert np.array_equal(ones, image == 1)
    both = add_marks(copied(ones, room), image, lambda piece: flat[piece] == 2, room)
    assert both is not None
    assert np.array_equal(both, (image == 1) | (image == 2))
    assert np.array_equal(ones, image == 1)
    assert add_marks(None, image, lambda piece: flat[piece] == 9, room) is None
    union = joined(ones, image == 3, room)
    assert union is not None
    assert np.array_equal(union, (image == 1) | (image == 3))
    for most in (1, 7, 50, 1000):
        known = image[~ones]
        assert np.array_equal(spread(image, ones, most), known[:: max(1, known.size // most)])
    other = image.copy()
    assert same_bits(image, other)
    other[2, 6, 10] ^= 1
    assert not same_bits(image, other)
