"""Memory for what grows with an image: plain up to a limit, beyond it temporary files without a name, mapped.

Pages of a mapped file are no anonymous memory: where memory is short, the system writes them to the file and takes them
back. The files have no name, so that nothing is left of them however a process ends. Their room on the disk is
reserved before they are mapped. A full disk is then an error of the operating system, and never a signal (SIGBUS).
"""

from __future__ import annotations

import errno
import math
import mmap
import os
import threading
from typing import Any, BinaryIO, cast

import numpy as np
import numpy.typing as npt

from radcodec.limits import MAX_SCRATCH_MEMORY
from radcodec.types import Stream

# Small things share a file, as each takes a descriptor: what it holds at least, and as a power of 1/2 of all before it.
_CHUNK_BYTES, _GROWTH = 1 << 25, 3
_ALIGNMENT = 64


class Scratch:
    """Hand out arrays and keep bytes; several threads may share it.

    Parameters
    ----------
    memory_bytes
        How many bytes may be in memory; what comes after them goes to temporary files. A file is gone as soon as
        nothing in it is used any more.
    """

    def __init__(self, memory_bytes: int = MAX_SCRATCH_MEMORY) -> None:
        self._lock = threading.Lock()
        self._memory_bytes = memory_bytes
        self._mapped_bytes = 0  # of all chunks
        self._chunk = memoryview(b"")

    def empty(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """Reserve an array of any content.

        Raises
        ------
        OSError
            If there is no room for temporary files.
        """
        taken = self._take(math.prod(shape) * np.dtype(dtype).itemsize)
        return np.empty(shape, dtype) if taken is None else np.frombuffer(taken, dtype).reshape(shape)

    def zeros(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """Reserve an array of zeros; errors as `empty`."""
        taken = self._take(math.prod(shape) * np.dtype(dtype).itemsize)
        # The bytes of a new file are 0, and none are used twice.
        return np.zeros(shape, dtype) if taken is None else np.frombuffer(taken, dtype).reshape(shape)

    def keep(self, content: bytes) -> Stream:
        """Keep bytes that were made; errors as `empty`."""
        taken = self._take(len(content))
        if taken is None:
            return content
        taken[:] = content
        return taken.toreadonly()

    def check_room(self, size_bytes: int) -> None:
        """Refuse work that needs more than the temporary folder has room for, before it starts.

        Raises
        ------
        OSError
            If so many bytes fit neither into memory nor on the disk.
        """
        if size_bytes <= self._memory_bytes:
            return
        import shutil  # which take a while, and small files need none
        import tempfile

        folder = tempfile.gettempdir()
        if shutil.disk_usage(folder).free < size_bytes:
            raise _no_room(errno.ENOSPC, size_bytes, folder)

    def _take(self, size_bytes: int) -> memoryview | None:
        """Take bytes of a mapped file; None where they may be in memory."""
        with self._lock:
            if size_bytes <= self._memory_bytes:
                self._memory_bytes -= size_bytes
                return None
            if size_bytes >= _CHUNK_BYTES:
                return mapped(size_bytes)
            if size_bytes > len(self._chunk):
                size = max(_CHUNK_BYTES, self._mapped_bytes >> _GROWTH)
                self._chunk = mapped(size)
                self._mapped_bytes += size
            taken = self._chunk[:size_bytes]
            self._chunk = self._chunk[-(-size_bytes // _ALIGNMENT) * _ALIGNMENT :]
            return taken


class Spool:
    """Bytes that arrive piece by piece, in memory up to a limit and beyond it in a temporary file.

    It has of a ``bytearray`` what a stream that is unpacked needs: ``+=`` and ``len``. It is a context manager; what
    `finish` gives outlives the context.
    """

    def __init__(self, memory_bytes: int = MAX_SCRATCH_MEMORY) -> None:
        import tempfile

        # Closed at the end of the context.
        self._file = cast(BinaryIO, tempfile.SpooledTemporaryFile(max_size=memory_bytes))  # noqa: SIM115
        self._memory_bytes = memory_bytes
        self._size_bytes = 0

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __len__(self) -> int:
        return self._size_bytes

    def __iadd__(self, piece: bytes) -> Spool:
        self._file.write(piece)
        self._size_bytes += len(piece)
        return self

    def finish(self) -> memoryview:
        """Give all of the bytes, in memory of our own that may be written to, or in a mapped file."""
        if len(self) <= self._memory_bytes:
            content = memoryview(bytearray(len(self)))
            self._file.seek(0)
            self._file.readinto(content)  # type: ignore[attr-defined]
            return content
        self._file.flush()
        return memoryview(mmap.mmap(self._file.fileno(), len(self)))


def mapped(size_bytes: int) -> memoryview:
    """Map a new temporary file of zeros that has its room on the disk; ``size_bytes`` is at least 1.

    Raises
    ------
    OSError
        If there is no room.
    """
    import tempfile

    folder = tempfile.gettempdir()
    with tempfile.TemporaryFile(dir=folder) as file:
        try:
            _reserve(file.fileno(), size_bytes)
        except OSError as err:
            raise _no_room(err.errno or errno.ENOSPC, size_bytes, folder) from err
        return memoryview(mmap.mmap(file.fileno(), size_bytes))


def _reserve(handle: int, size_bytes: int) -> None:
    """Give a file its length and room on the disk for it."""
    try:
        os.posix_fallocate(handle, 0, size_bytes)
    except (AttributeError, OSError) as err:
        # Not every system and file system has it. Zeros that are written take the same room.
        if isinstance(err, OSError) and err.errno not in (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS):
            raise
        _fill(handle, size_bytes)


def _fill(handle: int, size_bytes: int) -> None:
    zeros = memoryview(bytes(1 << 20))
    left = size_bytes
    while left:
        left -= os.write(handle, zeros[:left])


def _no_room(number: int, size_bytes: int, folder: str) -> OSError:
    why = os.strerror(number)
    text = f"expected room for {size_bytes} bytes of temporary files ({why}): set TMPDIR to a folder with more"
    return OSError(number, text, folder)
