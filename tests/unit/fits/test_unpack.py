"""General-purpose compression of sources: what is read, what is refused, and in how much memory."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import sys
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import zstandard

import radcodec
from radcodec.fits.source import open_fits_source
from radcodec.simulate import simulate_fits

PLAIN = b"SIMPLE  =".ljust(2880) + np.random.default_rng(0).bytes(1_500_000)
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstandard": lambda data: zstandard.ZstdCompressor().compress(data),
}
kinds = pytest.mark.parametrize("kind", list(PACKERS))


def _read(packed: bytes, **options: int) -> bytes:
    with open_fits_source(io.BytesIO(packed), **options) as source:
        return bytes(source.to_memory())


@kinds
def test_members_are_joined_whatever_the_name(tmp_path: Path, kind: str) -> None:
    """Several members and zero padding after them give one file, from a path of any name and from a stream."""
    pack = PACKERS[kind]
    packed = pack(PLAIN[:700_000]) + pack(b"") + pack(PLAIN[700_000:]) + b"\0" * 512
    assert _read(packed) == PLAIN
    path = tmp_path / "x.dat"
    path.write_bytes(packed)
    with open_fits_source(path) as source:
        assert source.to_memory() == PLAIN


@kinds
@pytest.mark.parametrize("cut", [7, 12, 1000, -1, -5])
def test_cut_streams_are_refused(kind: str, cut: int) -> None:
    """A stream that ends early is an error that says so, at any place."""
    with pytest.raises(radcodec.UnsupportedDataError, match=f"whole {kind} file, but the stream is cut off"):
        _read(PACKERS[kind](PLAIN[:50_000])[:cut])


@kinds
def test_damaged_streams_are_refused(kind: str) -> None:
    """Bytes that were changed, and other bytes after the last member, are errors that name the kind."""
    packed = bytearray(PACKERS[kind](np.random.default_rng(1).integers(0, 9, 50_000).astype(np.uint8).tobytes()))
    if kind == "zstandard":
        packed = bytearray(zstandard.ZstdCompressor(write_checksum=True).compress(PLAIN[:50_000]))
    packed[len(packed) // 2] ^= 0x10
    for bad in (bytes(packed), PACKERS[kind](PLAIN) + b"other bytes"):
        with pytest.raises(radcodec.UnsupportedDataError, match=f"sound {kind} file, but the stream is corrupt"):
            _read(bad)


@kinds
def test_a_bomb_stops_at_the_cap(kind: str) -> None:
    """A small file that holds 60 MB stops at a cap of 10 MB, with little more than that in memory."""
    if kind == "zstandard":
        packed = zstandard.ZstdCompressor(level=19).compress(b"SIMPLE  =" + b"\0" * 60_000_000)
    else:
        one = PACKERS[kind](b"SIMPLE  =" + b"\0" * 6_000_000)
        packed = one * 10
    assert len(packed) < 250_000
    tracemalloc.start()
    try:
        with pytest.raises(radcodec.UnsupportedDataError, match="expected at most 10000000 bytes"):
            _read(packed, max_bytes=10_000_000)
        assert tracemalloc.get_traced_memory()[1] < 80_000_000
    finally:
        tracemalloc.stop()


def test_xz_with_a_huge_dictionary() -> None:
    """An xz header that asks for 1.5 GiB of memory is refused before any of it is taken."""
    frame = bytearray(lzma.compress(b"SIMPLE  =", filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 16}]))
    # The size of the dictionary is one byte of the block header: 40 stands for 4 GiB, 37 for 1.5 GiB.
    place = frame.index(bytes([0x21, 0x01]))
    frame[place + 2] = 37
    frame[12 + 8 : 12 + 12] = zlib.crc32(bytes(frame[12 : 12 + 8])).to_bytes(4, "little")
    with pytest.raises(radcodec.UnsupportedDataError, match=r"xz file.*[Mm]emory"):
        _read(bytes(frame))


@pytest.mark.parametrize(("kind", "suffix"), [("bzip2", ".bz2"), ("xz", ".xz"), ("zstandard", ".zst")])
def test_compress_and_verify_as_with_gzip(tmp_path: Path, kind: str, suffix: str) -> None:
    """The FITS file inside comes back under its name, and ``verify --against`` reads the packed original."""
    plain = simulate_fits((40, 50), seed=3)
    source = tmp_path / f"x.fits{suffix}"
    source.write_bytes(PACKERS[kind](plain))
    report = radcodec.compress(source, preview=0)
    assert report.path == str(tmp_path / "x.fits.rcz")
    assert report.original_bytes == len(plain)
    radcodec.verify(tmp_path / "x.fits.rcz", against=source)
    radcodec.decompress(tmp_path / "x.fits.rcz")
    assert (tmp_path / "x.fits").read_bytes() == plain
    assert radcodec.estimate(source)[0]["mode"] == "lossless"


def test_real_bzip2_file(tmp_path: Path, shared_data: Path) -> None:
    """A file that another library's authors compressed with bzip2 comes back as bzip2 gives it."""
    source = shared_data / "reports" / "nt_test.fits.bz2"
    radcodec.compress(source, tmp_path / "a.rcz")
    radcodec.decompress(tmp_path / "a.rcz", tmp_path / "a.fits")
    assert (tmp_path / "a.fits").read_bytes() == bz2.decompress(source.read_bytes())


def test_unix_compress_without_its_package(tmp_path: Path, shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A .Z file is refused by its kind, with the program and the extra that read it."""
    monkeypatch.setitem(sys.modules, "uncompresspy", None)
    source = shared_data / "reports" / "rp600245.fits.Z"
    with pytest.raises(
        radcodec.UnsupportedDataError, match=r"is a Unix compress \(\.Z\) file: .*\(uncompress\).*radcodec\[lzw\]"
    ):
        radcodec.compress(source, tmp_path / "a.rcz")


def test_unix_compress(tmp_path: Path, shared_data: Path) -> None:
    """With the extra, a real .Z file comes back as the program uncompress gives it."""
    pytest.importorskip("uncompresspy")
    source = shared_data / "reports" / "rp600245.fits.Z"
    packed = source.read_bytes()
    radcodec.compress(source, tmp_path / "a.rcz")
    radcodec.decompress(tmp_path / "a.rcz", tmp_path / "a.fits")
    # gzip -dc reads .Z as well; its output for this file has this digest.
    assert hashlib.sha256((tmp_path / "a.fits").read_bytes()).hexdigest() == DIGEST_OF_Z
    for bad in (packed[:2], b"\x1f\x9d\xff" + packed[3:], b"\x1f\x9d\x00" + packed[3:]):
        with pytest.raises(radcodec.UnsupportedDataError, match=r"sound Unix compress \(\.Z\) file"):
            _read(bad)


DIGEST_OF_Z = "4fd7863b6fb2f8755f17598a9ad1c557ae816cd147a4b6205c9412fb33e777f3"


def test_a_rcz_file_is_named(tmp_path: Path) -> None:
    """A .rcz file given to ``compress`` is an error that says what it is."""
    (tmp_path / "a.rcz").write_bytes(radcodec.encode(np.zeros((4, 4))))
    with pytest.raises(radcodec.UnsupportedDataError, match=r"a \.rcz file already"):
        radcodec.compress(tmp_path / "a.rcz", tmp_path / "b.rcz")


@pytest.mark.parametrize("low", [0x50, 0x5F])
def test_zstandard_files_that_start_with_a_skippable_frame(low: int) -> None:
    """So do those of pzstd; the frame says how many bytes it has, here 4 (RFC 8878, 3.1.2)."""
    packed = zstandard.ZstdCompressor().compress(PLAIN)
    assert _read(bytes([low]) + b"\x2a\x4d\x18\x04\0\0\0abcd" + packed) == PLAIN


@pytest.mark.parametrize(
    ("start", "match"),
    [(b"\x04\x22\x4d\x18", "an lz4 file"), (b"LZIP\x01", "an lzip file"), (b"\x5d\0\0\x80\0", "an lzma file")],
)
def test_other_compressions_are_refused_by_name(start: bytes, match: str) -> None:
    """Whoever has one reads what to do."""
    with pytest.raises(radcodec.errors.UnsupportedDataError, match=f"found {match}: decompress it first"):
        radcodec.compress(io.BytesIO(start + bytes(3000)), io.BytesIO())


def test_files_compressed_twice_are_refused() -> None:
    """One compression is taken off, and the other one is named."""
    with pytest.raises(radcodec.errors.UnsupportedDataError, match="a gzip file inside of another compressed file"):
        radcodec.compress(io.BytesIO(gzip.compress(gzip.compress(PLAIN))), io.BytesIO())
