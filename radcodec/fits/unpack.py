"""Decompress streams in general-purpose formats: gzip, bzip2, xz, zstandard and Unix compress.

A format is recognised by the first bytes of a file, not by its name. Consecutive members are joined, and zero padding
after the last one is skipped. What is unpacked goes to a temporary file where it is much, and never past the cap.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol

from radcodec.errors import UnsupportedDataError
from radcodec.limits import MAX_UNPACK_BYTES
from radcodec.runtime.scratch import Spool

READ_BYTES = 1 << 20
# A zstandard block of 4 bytes may expand to 128 KiB, and its decoder has no limit. This input grows to 32 MiB at most.
_ZSTD_BYTES = 1 << 10
_LZW_UNKNOWN_FLAGS = 0x60


class ByteStream(Protocol):
    """The interface of a source of bytes."""

    def read(self, size: int, /) -> bytes:
        """Read at most ``size`` bytes, b"" at the end."""


class _Unpacker(Protocol):
    """A decompressor of one member of a stream, with the interface of `bz2.BZ2Decompressor`."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    @property
    def needs_input(self) -> bool: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        """Decompress at most ``max_length`` more bytes; unused input is kept."""


class _Inflater:
    """A gzip member as an `_Unpacker`."""

    def __init__(self) -> None:
        self._inflater = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._inflater.eof

    @property
    def unused_data(self) -> bytes:
        return self._inflater.unused_data

    @property
    def needs_input(self) -> bool:
        return not self._inflater.unconsumed_tail

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        return self._inflater.decompress(self._inflater.unconsumed_tail + data, max_length)


class _ZstdFrame:
    """A zstandard frame as an `_Unpacker`; it takes its input in small pieces, see ``_ZSTD_BYTES``."""

    def __init__(self) -> None:
        import zstandard

        self._frame = zstandard.ZstdDecompressor().decompressobj()
        self._data = b""
        self._used = 0

    @property
    def eof(self) -> bool:
        return bool(self._frame.eof)

    @property
    def unused_data(self) -> bytes:
        return bytes(self._frame.unused_data) + self._data[self._used :]

    @property
    def needs_input(self) -> bool:
        return self._used >= len(self._data)

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        if data:
            self._data, self._used = self._data[self._used :] + data, 0
        piece = self._data[self._used : self._used + _ZSTD_BYTES]
        self._used += len(piece)
        return bytes(self._frame.decompress(piece))


def _bunzip2() -> _Unpacker:
    import bz2

    return bz2.BZ2Decompressor()


def _unxz() -> _Unpacker:
    import lzma

    return lzma.LZMADecompressor(memlimit=MAX_UNPACK_BYTES)


def _library_errors() -> tuple[type[Exception], ...]:
    """Return the exceptions that the libraries raise for a damaged stream."""
    import lzma

    import zstandard

    return (zlib.error, lzma.LZMAError, zstandard.ZstdError, OSError, EOFError, ValueError)


@dataclass(frozen=True, slots=True)
class Packing:
    """A kind of compression: its name, its first bytes, and the decompressor of a member (None for LZW)."""

    name: str
    magic: bytes
    start: Callable[[], _Unpacker] | None


_PACKINGS = (
    Packing("gzip", b"\x1f\x8b", _Inflater),
    Packing("bzip2", b"BZh", _bunzip2),
    Packing("xz", b"\xfd7zXZ\0", _unxz),
    Packing("zstandard", b"\x28\xb5\x2f\xfd", _ZstdFrame),
    # A skippable frame, which starts files of pzstd.
    *(Packing("zstandard", bytes((low,)) + b"\x2a\x4d\x18", _ZstdFrame) for low in range(0x50, 0x60)),
    Packing("Unix compress (.Z)", b"\x1f\x9d", None),
)
MAGIC_BYTES = max(len(packing.magic) for packing in _PACKINGS)


def find_packing(start: bytes) -> Packing | None:
    """Return the compression that bytes start with, or None for an unknown start."""
    return next((packing for packing in _PACKINGS if start.startswith(packing.magic)), None)


def too_big(name: str, max_bytes: int) -> UnsupportedDataError:
    """Make the error for a source that holds more than its cap."""
    return UnsupportedDataError(
        f"expected at most {max_bytes} bytes of FITS in {name}, found more: cut the file, or raise max_bytes"
    )


def unpack(stream: ByteStream, packing: Packing, name: str, max_bytes: int, plain: Spool) -> None:
    """Unpack all members of a compressed stream into ``plain``.

    Raises
    ------
    UnsupportedDataError
        If the stream is cut off, damaged, followed by other bytes, or holds more than ``max_bytes``. For Unix compress
        also if the package that reads it is not installed.
    """
    if packing.start is None:
        _uncompress(stream, packing, name, max_bytes, plain)
        return
    member = packing.start()
    pending = b""
    errors = _library_errors()
    while True:
        if member.eof:
            pending = member.unused_data.lstrip(b"\0")
            while not pending:
                read = stream.read(READ_BYTES)
                if not read:
                    return
                pending = read.lstrip(b"\0")
            member = packing.start()
        elif member.needs_input:
            pending = stream.read(READ_BYTES)
            if not pending:
                raise UnsupportedDataError(
                    f"expected a whole {packing.name} file, but {name} is cut off after {len(plain)} bytes of "
                    "content: fetch it again"
                )
        try:
            plain += member.decompress(pending, READ_BYTES)
        except errors as err:
            raise _damaged(packing, name, len(plain), err) from err
        pending = b""
        if len(plain) > max_bytes:
            raise too_big(name, max_bytes)


def _damaged(packing: Packing, name: str, n_bytes: int, err: object) -> UnsupportedDataError:
    return UnsupportedDataError(
        f"expected a sound {packing.name} file, but {name} is corrupt after {n_bytes} bytes of content ({err}): "
        "fetch it again"
    )


def _uncompress(stream: ByteStream, packing: Packing, name: str, max_bytes: int, plain: Spool) -> None:
    """Decompress a Unix compress file with the optional package uncompresspy; it has no end mark and no check.

    Raises
    ------
    UnsupportedDataError
        If the package is missing, the header is malformed, or there is more than ``max_bytes``.
    """
    try:
        LZWFile = import_module("uncompresspy").LZWFile
    except ImportError as err:
        raise UnsupportedDataError(
            f"expected a FITS file, but {name} is a Unix compress (.Z) file: decompress it first (uncompress), "
            "or install the extra that reads it: pip install 'radcodec[lzw]'"
        ) from err
    packed = bytearray()
    while chunk := stream.read(READ_BYTES):
        packed += chunk
        if len(packed) > max_bytes:
            raise too_big(name, max_bytes)
    if len(packed) < 3:
        raise _damaged(packing, name, 0, "the header is cut off")
    if packed[2] & _LZW_UNKNOWN_FLAGS:
        raise _damaged(packing, name, 0, f"unknown flags {packed[2]:#x}")
    errors: tuple[Any, ...] = (ValueError, OSError, EOFError, IndexError)
    try:
        file = LZWFile(io.BytesIO(packed), warn_truncation=False, save_checkpoints=False)
        while piece := file.read(READ_BYTES):
            plain += piece
            if len(plain) > max_bytes:
                raise too_big(name, max_bytes)
    except UnsupportedDataError:
        raise
    except errors as err:
        raise _damaged(packing, name, len(plain), err) from err
