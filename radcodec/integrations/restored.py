"""The FITS file that an open ``.rcz`` file restores, for reading anywhere in it."""

from __future__ import annotations

import tempfile
import threading
from typing import BinaryIO, Protocol, cast

from radcodec import api
from radcodec.decoding.rcz_file import RczFile
from radcodec.errors import InputError

# A restored file that is larger than this goes to disk.
_MEMORY_BYTES = 1 << 24


class Restored(Protocol):
    """What a server needs of a restored FITS file; safe to use from several threads."""

    size_bytes: int

    def read_at(self, start: int, size: int) -> bytes:
        """Read ``size`` bytes from ``start`` on, fewer at the end."""

    def close(self) -> None:
        """Free what it holds."""


class _Copy:
    """A temporary copy of the whole restored file."""

    def __init__(self, file: RczFile) -> None:
        if file.info.path is None:
            raise InputError(
                "expected a file opened by its path, found one of an open file object: open it by its path"
            )
        self._lock = threading.Lock()
        self._copy = cast(BinaryIO, tempfile.SpooledTemporaryFile(max_size=_MEMORY_BYTES))  # noqa: SIM115  # closed by `close`
        try:
            api.decompress(file.info.path, self._copy, threads=file.threads)
            self.size_bytes = self._copy.seek(0, 2)
        except BaseException:
            self._copy.close()
            raise

    def read_at(self, start: int, size: int) -> bytes:
        with self._lock:
            self._copy.seek(start)
            return bytes(self._copy.read(size))

    def close(self) -> None:
        self._copy.close()


def open_restored(file: RczFile, *, cache_bytes: int) -> Restored:
    """Open the FITS file of an open ``.rcz`` file: one that decodes what is read, where this version has it.

    Raises
    ------
    RadcodecError, OSError
        As `radcodec.decompress`.
    """
    fits_file = getattr(file, "fits_file", None)
    return _Copy(file) if fits_file is None else cast(Restored, fits_file(cache_bytes=cache_bytes))
