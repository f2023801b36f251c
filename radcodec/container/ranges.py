"""Where the bytes of a ``.rcz`` file come from: ranges of a file, of memory, or of something farther away."""

from __future__ import annotations

import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import BinaryIO

from radcodec.errors import TruncatedError

# First byte and last + 1.
ByteRange = tuple[int, int]


class ByteRanges(ABC):
    """Ranges of the bytes of a file; safe to use from several threads."""

    @property
    @abstractmethod
    def size_bytes(self) -> int | None:
        """Length of the file; None where only PRELUDE says it."""

    @abstractmethod
    def read(self, start: int, size: int, what: str) -> bytes:
        """Read ``size`` bytes from ``start``; ``what`` they are goes into messages.

        Raises
        ------
        TruncatedError
            If there are fewer.
        OSError
            If they cannot be had.
        """

    def expect(self, size_bytes: int) -> None:  # noqa: B027  # those who know the length need not hear it
        """Take note of the length of the file as PRELUDE has it."""

    def fetch_start(self, stop: int, ahead: int) -> None:  # noqa: B027
        """Get ready the file up to ``stop`` and keep it; if that takes a request, so are ``ahead`` bytes more."""

    def fetch(self, ranges: Iterable[ByteRange], *, few: bool = False) -> None:  # noqa: B027
        """Get ready what will be read next, in one go; for bytes that are at hand there is no need.

        Parameters
        ----------
        few
            Whether requests cost more than the bytes between the ranges: gaps may be read to save requests.
        """


class LocalRanges(ByteRanges):
    """Ranges of a seekable file or of bytes in memory."""

    def __init__(self, source: bytes | bytearray | memoryview | BinaryIO) -> None:
        self._file: BinaryIO | None = None
        self._view = memoryview(b"")
        self._lock = threading.Lock()
        if isinstance(source, (bytes, bytearray, memoryview)):
            self._view = memoryview(source).cast("B")
            self._size_bytes = len(self._view)
        else:
            self._file = source
            self._size_bytes = source.seek(0, os.SEEK_END)

    @property
    def size_bytes(self) -> int:
        """Length of the file."""
        return self._size_bytes

    def read(self, start: int, size: int, what: str) -> bytes:
        """Read ``size`` bytes from ``start``; see `ByteRanges.read`."""
        if self._file is None:
            data = bytes(self._view[start : start + size])
        else:
            with self._lock:
                self._file.seek(start)
                data = self._read(self._file, size)
        return checked_length(data, start, size, what)

    @staticmethod
    def _read(file: BinaryIO, size: int) -> bytes:
        """Read so many bytes, or to the end; a file without a buffer may give fewer at once."""
        data = file.read(size)
        if len(data) == size:
            return data
        pieces = [data]
        while data and (size := size - len(data)) > 0:
            data = file.read(size)
            pieces.append(data)
        return b"".join(pieces)


def checked_length(data: bytes, start: int, size: int, what: str) -> bytes:
    """Give bytes that were read back; raises TruncatedError where they are not as many as were asked for."""
    if len(data) != size:
        raise TruncatedError(f"expected {size} bytes of {what} at {start}, found {len(data)}: fetch the file again")
    return data
