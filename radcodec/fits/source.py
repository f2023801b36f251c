"""The bytes of the plain FITS file behind a path or a stream, gzip taken off."""

from __future__ import annotations

import mmap
import os
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from radcodec.errors import UnsupportedDataError
from radcodec.fits.parse import FitsBuffer

GZIP_MAGIC = b"\x1f\x8b"
DEFAULT_MAX_BYTES = 1 << 40
_READ_BYTES = 1 << 20


def _check_folder(path: str) -> None:
    """Nothing for a file; says what a folder is.

    Raises
    ------
    UnsupportedDataError
        If ``path`` is a folder.
    """
    if not os.path.isdir(path):
        return
    if os.path.isfile(os.path.join(path, "table.dat")):
        raise UnsupportedDataError(
            f"expected a FITS file, but {path} is a measurement set / CASA image (a folder that holds table.dat): "
            "export the image with exportfits first"
        )
    raise UnsupportedDataError(f"expected a FITS file, but {path} is a folder: give the files in it")


def _too_big(name: str, max_bytes: int) -> UnsupportedDataError:
    return UnsupportedDataError(
        f"expected at most {max_bytes} bytes of FITS in {name}, found more: cut the file, or raise max_bytes"
    )


def _gunzip(stream: BinaryIO, name: str, max_bytes: int) -> memoryview:
    """The decompressed bytes of all members of a gzip stream, read-only; zero padding after the last is skipped.

    Raises
    ------
    UnsupportedDataError
        If the stream is cut off, corrupt, followed by other bytes, or holds more than ``max_bytes``.
    """
    plain = bytearray()
    inflater = zlib.decompressobj(wbits=31)
    pending = stream.read(_READ_BYTES)
    between_members = False
    try:
        while pending or not between_members:
            if between_members:
                pending = pending.lstrip(b"\0")
                if pending:
                    inflater = zlib.decompressobj(wbits=31)
                    between_members = False
            elif not pending:
                raise UnsupportedDataError(
                    f"expected a whole gzip file, but {name} is cut off after {len(plain)} bytes of content: "
                    "fetch it again"
                )
            else:
                plain += inflater.decompress(pending, _READ_BYTES)
                if len(plain) > max_bytes:
                    raise _too_big(name, max_bytes)
                pending = inflater.unused_data if inflater.eof else inflater.unconsumed_tail
                between_members = inflater.eof
            pending = pending or stream.read(_READ_BYTES)
    except zlib.error as err:
        raise UnsupportedDataError(
            f"expected a sound gzip file, but {name} is corrupt after {len(plain)} bytes of content ({err}): "
            "fetch it again"
        ) from err
    return memoryview(plain).toreadonly()


class _Joined:
    """A stream with the bytes already taken from its start put back."""

    def __init__(self, start: bytes, rest: BinaryIO) -> None:
        self._start = start
        self._rest = rest

    def read(self, size: int) -> bytes:
        """At most ``size`` bytes, b"" at the end."""
        if self._start:
            start, self._start = self._start[:size], self._start[size:]
            return start
        return self._rest.read(size)


def _read_stream(stream: BinaryIO, name: str, max_bytes: int) -> FitsBuffer:
    """All that is left of a stream as plain FITS bytes."""
    start = stream.read(len(GZIP_MAGIC))
    while 0 < len(start) < len(GZIP_MAGIC) and (more := stream.read(len(GZIP_MAGIC) - len(start))):
        start += more
    joined = _Joined(start, stream)
    if start == GZIP_MAGIC:
        return _gunzip(joined, name, max_bytes)  # type: ignore[arg-type]  # only read() is used
    plain = bytearray()
    while chunk := joined.read(_READ_BYTES):
        plain += chunk
        if len(plain) > max_bytes:
            raise _too_big(name, max_bytes)
    return memoryview(plain).toreadonly()


@contextmanager
def open_fits_source(
    source: str | os.PathLike[str] | BinaryIO, *, max_bytes: int = DEFAULT_MAX_BYTES
) -> Iterator[FitsBuffer]:
    """Context manager that gives the plain FITS file as a read-only buffer: an mmap where it is a plain file on disk.

    Gzip (of one or more members, told by its first bytes and not by the name) is taken off into memory. Whether the
    bytes are FITS is left to `parse_fits`. Views of an mmap may outlive the context; it is freed with the last.

    Raises
    ------
    UnsupportedDataError
        If the source is a folder, a gzip file that is cut off or corrupt, or holds more than ``max_bytes``.
    OSError
        As the operating system gives it.
    """
    if not isinstance(source, (str, os.PathLike)):
        yield _read_stream(source, str(getattr(source, "name", "the stream")), max_bytes)
        return
    path = os.fspath(source)
    _check_folder(path)
    with open(path, "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_size == 0:
            yield _read_stream(file, path, max_bytes)
            return
        if file.read(len(GZIP_MAGIC)) == GZIP_MAGIC:
            file.seek(0)
            yield _gunzip(file, path, max_bytes)
            return
        if status.st_size > max_bytes:
            raise _too_big(path, max_bytes)
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    try:
        yield mapped
    finally:
        try:
            mapped.close()
        except BufferError:
            # Views are still held: the map goes when the last of them does.
            del mapped
