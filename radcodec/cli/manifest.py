"""The manifest of a batch: one JSON object a line and a file, written so that a run that is killed loses none."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from radcodec.errors import InputError

# How far back the start of a line is looked for: a report of hundreds of HDUs is far shorter.
_TAIL_BYTES = 1 << 24
# Of every line: the first key.
_START = b'{"path": '


class Manifest:
    """A file of JSON lines that several processes may append to.

    Parameters
    ----------
    path
        It is made where it is not there.

    Raises
    ------
    InputError
        If its last line is no record.
    OSError
        If it cannot be written.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        # Found here, before any work is done.
        with self._opened():
            pass

    def append(self, record: Mapping[str, Any]) -> None:
        """Write one record, whose first key is path, whole or not at all; raises OSError where the disk is full."""
        line = (json.dumps(record, allow_nan=False) + "\n").encode()
        with self._opened() as (handle, end):
            written = os.write(handle, line)
            if written != len(line):
                os.ftruncate(handle, end)
                raise OSError(28, "expected room for a line of the manifest, found the disk full", self._path)

    @contextmanager
    def _opened(self) -> Iterator[tuple[int, int]]:
        """Yield the locked descriptor and the length, after half a line at the end is cut off."""
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o666)
        try:
            _lock(handle)
            end = os.fstat(handle).st_size
            half = _half_line(handle, end)
            if not (half.startswith(_START) or _START.startswith(half)):
                # A file of something else, which must not be cut.
                raise _no_manifest(self._path, half)
            if half:
                os.ftruncate(handle, end - len(half))
            yield handle, end - len(half)
        finally:
            os.close(handle)  # which unlocks it


def _lock(handle: int) -> None:
    """Lock a file for this process; file systems without locks, and Windows, go without."""
    with suppress(ImportError, OSError):
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX)


def _half_line(handle: int, size: int) -> bytes:
    """Return the bytes behind the last line end of a file, 16 MiB at most."""
    length = 1
    while size:
        length = min(length, size)
        os.lseek(handle, size - length, os.SEEK_SET)
        tail = os.read(handle, length)
        if b"\n" in tail or length in (size, _TAIL_BYTES):
            return tail[tail.rfind(b"\n") + 1 :]
        length = _TAIL_BYTES
    return b""


def _no_manifest(path: str, line: bytes) -> InputError:
    return InputError(
        f"expected JSON objects in the lines of the manifest {path}, found {line[:40]!r}: "
        "give another name (--manifest)"
    )


def read_records(path: str) -> Iterator[dict[str, Any]]:
    """Read the records of a manifest, none where it is not there; half a line at the end is left out.

    Raises
    ------
    InputError
        If a line is no JSON object.
    OSError
        If it cannot be read.
    """
    try:
        file = open(path, "rb")  # noqa: SIM115
    except FileNotFoundError:
        return
    with file:
        for line in file:
            if not line.endswith(b"\n"):
                return
            try:
                record = json.loads(line)
            except ValueError:
                record = None
            if not isinstance(record, dict):
                raise _no_manifest(path, line)
            yield record
