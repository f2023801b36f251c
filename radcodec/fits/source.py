"""Read the plain FITS file behind a path or a stream, without its general-purpose compression.

No source is mapped into memory. If another program cut a mapped file, the process would end (SIGBUS); if it wrote to
it, the encoder's input would change. Bytes are read once, into our own memory; many go to a temporary file of our own,
which is mapped. Then the source's size and time are compared with those at the start.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

import numpy as np

from radcodec.errors import UnsupportedDataError
from radcodec.fits.parse import FitsBuffer
from radcodec.fits.unpack import MAGIC_BYTES, READ_BYTES, ByteStream, find_packing, too_big, unpack
from radcodec.limits import MAX_FITS_BYTES
from radcodec.runtime.casa_folders import casa_table_type
from radcodec.runtime.given_files import read_bytes
from radcodec.runtime.scratch import Scratch, Spool

DEFAULT_MAX_BYTES = MAX_FITS_BYTES


def _check_folder(path: str) -> None:
    """Refuse a folder; the message names its kind.

    Raises
    ------
    UnsupportedDataError
        If ``path`` is a folder.
    """
    if not os.path.isdir(path):
        return
    kind = casa_table_type(path)
    if kind == "Measurement Set":
        raise UnsupportedDataError(
            f"expected an image, but {path} is a measurement set, which holds visibilities: make an image of it first"
        )
    if kind == "Image":
        raise UnsupportedDataError(
            f"expected a FITS file, but {path} is a CASA image: it can be compressed and compared with, not read here"
        )
    if kind:
        raise UnsupportedDataError(
            f"expected a FITS file, but {path} is a measurement set / CASA image (a folder that holds table.dat) of "
            f"the type {kind!r}: export the image with exportfits first"
        )
    raise UnsupportedDataError(f"expected a FITS file, but {path} is a folder: give the files in it")


class FileRanges:
    """A plain file on disk whose byte ranges are read on demand, each into new memory.

    Parameters
    ----------
    file
        File opened for reading without a buffer.
    """

    def __init__(self, file: BinaryIO, path: str) -> None:
        self._file = file
        self._path = path
        self._stamp = self._now()

    def _now(self) -> tuple[int, int]:
        status = os.fstat(self._file.fileno())
        return status.st_size, status.st_mtime_ns

    def __len__(self) -> int:
        return self._stamp[0]

    def __getitem__(self, key: slice) -> memoryview:
        start, stop, _ = key.indices(len(self))
        content = memoryview(bytearray(max(0, stop - start)))
        self.read_into(content, start)
        return content

    def read_into(self, content: memoryview, start: int) -> None:
        """Fill a buffer with the bytes from ``start`` on.

        Raises
        ------
        UnsupportedDataError
            If the file ends early, because it was cut after it was opened.
        """
        self._file.seek(start)
        position = 0
        while position < len(content):
            n_read = self._file.readinto(content[position : position + READ_BYTES])  # type: ignore[attr-defined]
            if not n_read:
                raise self._changed(f"an end after {start + position} bytes")
            position += n_read

    def check_unchanged(self) -> None:
        """Compare size and modification time with those when the file was opened.

        A file that was deleted, or replaced by another of its name, is read to its end unchanged.

        Raises
        ------
        UnsupportedDataError
            If the file was written to or cut.
        """
        if self._now() != self._stamp:
            raise self._changed(f"{self._now()[0]} bytes and another modification time")

    def _changed(self, found: str) -> UnsupportedDataError:
        return UnsupportedDataError(
            f"the source changed: expected {self._path} to stay as it was while it is read ({len(self)} bytes), "
            f"found {found}: nothing was written; try again when no other program writes to it"
        )


class FitsSource:
    """A plain FITS file open for reading: ``data`` are its bytes, in memory or read on demand."""

    def __init__(self, data: FitsBuffer, file: FileRanges | None = None) -> None:
        self.data = data
        self._file = file

    def to_memory(self, scratch: Scratch | None = None) -> memoryview:
        """Return all of the bytes, read once, in writable memory of our own; many are mapped from a temporary file."""
        if not isinstance(self.data, memoryview):
            content = memoryview((scratch or Scratch()).empty((len(self.data),), np.uint8))
            if isinstance(self.data, FileRanges):
                self.data.read_into(content, 0)
            else:
                content[:] = self.data[:]
            self.data = content
        self.check_unchanged()
        return self.data

    def check_unchanged(self) -> None:
        """Raise UnsupportedDataError where the file on disk is not any more what it was when it was opened."""
        if self._file is not None:
            self._file.check_unchanged()


class _Joined:
    """A stream that first repeats the bytes already read from its start."""

    def __init__(self, start: bytes, rest: ByteStream) -> None:
        self._start = start
        self._rest = rest

    def read(self, size: int, /) -> bytes:
        """Read at most ``size`` bytes, b"" at the end."""
        if self._start:
            start, self._start = self._start[:size], self._start[size:]
            return start
        return read_bytes(self._rest, size)


def _read_stream(stream: ByteStream, name: str, max_bytes: int) -> memoryview:
    """Read the rest of a stream as plain FITS bytes."""
    start = read_bytes(stream, MAGIC_BYTES)
    while 0 < len(start) < MAGIC_BYTES and (more := read_bytes(stream, MAGIC_BYTES - len(start))):
        start += more
    joined, packing = _Joined(start, stream), find_packing(start)
    with Spool() as plain:
        if packing is not None:
            unpack(joined, packing, name, max_bytes, plain)
            return plain.finish()
        while chunk := joined.read(READ_BYTES):
            plain += chunk
            if len(plain) > max_bytes:
                raise too_big(name, max_bytes)
        return plain.finish()


@contextmanager
def open_fits_source(
    source: str | os.PathLike[str] | BinaryIO, *, max_bytes: int = DEFAULT_MAX_BYTES
) -> Iterator[FitsSource]:
    """Open the plain FITS file behind a path or a stream, as a context manager.

    A compressed source, recognised by its first bytes and not by its name, is decompressed. A stream is read to its
    end. Both go into memory, or into a temporary file where that is much. `parse_fits` checks whether the bytes are
    FITS.

    Raises
    ------
    UnsupportedDataError
        If the source is a folder or a damaged compressed file, holds more than ``max_bytes``, or changes while it is
        read.
    OSError
        The operating system refuses.
    """
    if not isinstance(source, (str, os.PathLike)):
        yield FitsSource(_read_stream(source, str(getattr(source, "name", "the stream")), max_bytes))
        return
    path = os.fspath(source)
    _check_folder(path)
    with open(path, "rb", buffering=0) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_size == 0:
            yield FitsSource(_read_stream(file, path, max_bytes))
            return
        ranges = FileRanges(file, path)
        start = file.read(MAGIC_BYTES)
        file.seek(0)
        if find_packing(start) is not None:
            content = _read_stream(file, path, max_bytes)
            ranges.check_unchanged()
            yield FitsSource(content, ranges)
            return
        if len(ranges) > max_bytes:
            raise too_big(path, max_bytes)
        yield FitsSource(ranges, ranges)
