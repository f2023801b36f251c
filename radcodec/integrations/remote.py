"""``.rcz`` files behind a URL, by fsspec: the start of a file in one request, then all ranges of a part in one go.

A server that does not know ranges answers with the whole file. That is taken where it is as long as PRELUDE says.
"""

from __future__ import annotations

import errno
import os
import tempfile
import threading
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any, BinaryIO, cast

from radcodec.container.compact import read_start
from radcodec.container.ranges import ByteRange, ByteRanges, checked_length
from radcodec.errors import CorruptError, InputError, RadcodecError, TruncatedError
from radcodec.integrations.file_systems import StorageOptions, find_file_system, request_options
from radcodec.limits import MAX_COMPACT_BYTES
from radcodec.runtime.extras import import_extra, missing_extra

# PRELUDE, META, PARAMS and INDEX of nearly all images fit, so that opening takes one request.
_HEAD_BYTES = 64 << 10
# A request costs about as much time as so many bytes of a fast connection.
_GAP_BYTES = 16 << 10
_BLOCK_BYTES = 8 << 20
# Requests of a preview, those that opened the file among them, where its parts are not too far from each other.
_REQUESTS_OF_A_PREVIEW = 3
# Blocks that nobody read to the end are forgotten beyond this: four times what is fetched in one go.
_HELD_BYTES = 256 << 20
# Of a download: so many blocks are asked for at once.
_BLOCKS_AT_ONCE = 8
_MEMORY_BYTES = 64 << 20


class _Block:
    """A part of the file that was fetched; ``unread`` counts the bytes that somebody still waits for."""

    __slots__ = ("age", "data", "start", "stop", "unread")

    def __init__(self, start: int, data: bytes, unread: int, age: int) -> None:
        self.start = start
        self.stop = start + len(data)
        self.data = data
        self.unread = unread
        self.age = age


def _start_of(block: _Block) -> int:
    return block.start


class RemoteRanges(ByteRanges):
    """Ranges of a file behind a URL. What `fetch` has got is given out once and then forgotten.

    Parameters
    ----------
    url
        As fsspec takes it: ``https://...``, ``s3://...``, ``memory://...``, chained by ``::``.
    storage_options
        What fsspec needs for it: headers, credentials, endpoints.

    Raises
    ------
    ImportError
        If fsspec, or what it needs for this URL, is not installed.
    InputError
        If fsspec does not know such a URL.
    OSError
        If the server or the network refuses.
    """

    def __init__(self, url: str, storage_options: StorageOptions | None = None) -> None:
        self.url = url
        self._merge = import_extra("fsspec.utils", "remote", "reading a URL").merge_offset_ranges
        self._system, self._path = find_file_system(url, storage_options)
        self._options = request_options(self._system)
        self._lock = threading.Lock()
        # By their starts.
        self._blocks: list[_Block] = []
        self._n_fetched = 0
        self._n_opening = 1
        self._whole: BinaryIO | None = None
        self._stream: Any = None
        self._closed = False
        self._size_bytes: int | None = None
        self._file_bytes: int | None = None
        self._head = self._read_head()

    @property
    def size_bytes(self) -> int | None:
        """Length of the file; None where the first answer did not say it."""
        return self._size_bytes

    def close(self) -> None:
        """Forget what was fetched; reads raise ValueError from here on."""
        with self._lock:
            self._closed = True
            self._head = b""
            self._blocks = []
            for file in (self._whole, self._stream):
                if file is not None:
                    with suppress(OSError):
                        file.close()

    def _check_open(self) -> None:
        if self._closed:
            raise ValueError("expected an open file, found one that was closed")

    def _read_head(self) -> bytes:
        """Read the first bytes of the file by one request."""
        try:
            if not self._options:
                head = bytes(self._system.cat_file(self._path, start=0, end=_HEAD_BYTES))
                self._size_bytes = None if len(head) == _HEAD_BYTES else len(head)
                return head
            return self._read_http_head()
        except Exception as err:
            raise self._error(err) from err

    def _read_http_head(self) -> bytes:
        """Read the first bytes by HTTP, as a stream: a whole file is not taken before its length is known."""
        headers = {**self._options["headers"], "Range": f"bytes=0-{_HEAD_BYTES - 1}"}
        # A size and no blocks: fsspec then opens a stream without a HEAD request.
        stream = self._system.open(self._path, "rb", block_size=0, size=1, headers=headers)
        head = _read_up_to(stream, _HEAD_BYTES)
        if stream.r.status == 206:
            # The end is seen by reading on, and only then is the connection used again.
            stream.read(1)
            stream.close()
            total = stream.r.headers.get("Content-Range", "").rpartition("/")[2]
            self._size_bytes = int(total) if total.isdecimal() else None
        elif len(head) < _HEAD_BYTES:
            stream.close()
        else:
            self._stream = stream
        if len(head) < _HEAD_BYTES:
            self._size_bytes = len(head)
        return head

    def expect(self, size_bytes: int) -> None:
        """Take note of the length; of an answer with the whole file the rest is read now.

        Raises
        ------
        TruncatedError
            If the whole file came and has another length.
        """
        self._file_bytes = size_bytes
        if self._stream is not None:
            try:
                self._whole = self._read_rest(size_bytes)
            except Exception as err:
                raise self._error(err) from err
        elif len(self._head) > _HEAD_BYTES and len(self._head) != size_bytes:
            raise self._other_length(size_bytes, str(len(self._head)))

    def _read_rest(self, size_bytes: int) -> BinaryIO:
        """Read the rest of a stream that has begun; the whole file is then in a temporary file."""
        stream, self._stream = self._stream, None
        declared = stream.r.headers.get("Content-Length", "")
        if declared.isdecimal() and int(declared) != size_bytes:
            stream.close()
            raise self._other_length(size_bytes, declared)
        file = cast(BinaryIO, tempfile.SpooledTemporaryFile(max_size=_MEMORY_BYTES))  # noqa: SIM115
        try:
            file.write(self._head)
            left = size_bytes - len(self._head)
            while left > 0 and (piece := stream.read(min(left, _BLOCK_BYTES))):
                file.write(piece)
                left -= len(piece)
            more = stream.read(1) if left == 0 else b""
            if left or more:
                raise self._other_length(size_bytes, f"more than {size_bytes}" if more else str(size_bytes - left))
        except BaseException:
            file.close()
            raise
        finally:
            stream.close()
        return file

    def _other_length(self, size_bytes: int, found: str) -> TruncatedError:
        return TruncatedError(
            f"expected ranges of {self.url}, or all {size_bytes} bytes of the file, found an answer of {found} bytes: "
            "the server gives no ranges, download the file"
        )

    def read(self, start: int, size: int, what: str) -> bytes:
        """Read ``size`` bytes from ``start``: what `fetch` has got, or by a request of its own."""
        with self._lock:
            self._check_open()
            data = self._take(start, start + size)
        if data is None:
            data = self._get([start], [start + size])[0]
        return checked_length(data, start, size, what)

    def fetch_start(self, stop: int, ahead: int) -> None:
        """Get the file up to ``stop`` with its first bytes; see `ByteRanges.fetch_start`."""
        first = len(self._head)
        if self._whole is None and first < stop:
            self._head += self._get([first], [stop + ahead])[0]
            self._n_opening += 1

    def fetch(self, ranges: Iterable[ByteRange], *, few: bool = False) -> None:
        """Get all ranges that are not there yet, in one go and with as few requests as that takes."""
        if self._whole is not None:
            return
        with self._lock:
            self._check_open()
            missing = [self._missing(start, stop) for start, stop in ranges if stop > start]
        wanted = sorted({span for span in missing if span is not None})
        if not wanted:
            return
        starts, stops = [start for start, _ in wanted], [stop for _, stop in wanted]
        _, starts, stops = self._merge(
            [self._path] * len(wanted), starts, stops, max_gap=_GAP_BYTES, max_block=_BLOCK_BYTES
        )
        if few:
            starts, stops = _join_some(starts, stops, max(1, _REQUESTS_OF_A_PREVIEW - self._n_opening))
        parts = self._get(starts, stops)
        with self._lock:
            if self._closed:
                return
            self._n_fetched += 1
            for start, stop, data in zip(starts, stops, parts, strict=True):
                # Each wanted range begins in one block.
                inside = wanted[bisect_left(wanted, (start, 0)) : bisect_left(wanted, (stop, 0))]
                unread = sum(min(stop, high) - low for low, high in inside)
                insort(self._blocks, _Block(start, data, unread, self._n_fetched), key=_start_of)
            self._forget_old()

    def _forget_old(self) -> None:
        """Forget what was fetched first, and not read, where too much is held; the lock is held."""
        held = sum(len(block.data) for block in self._blocks)
        while held > _HELD_BYTES:
            oldest = min(self._blocks, key=lambda block: block.age)
            if oldest.age == self._n_fetched:
                return
            held -= len(oldest.data)
            self._blocks.remove(oldest)

    def _holder(self, position: int) -> _Block | None:
        """Find the block that holds a position; the lock is held."""
        place = bisect_right(self._blocks, position, key=_start_of)
        if place and position < self._blocks[place - 1].stop:
            return self._blocks[place - 1]
        return None

    def _missing(self, start: int, stop: int) -> ByteRange | None:
        """Find what is missing of a range, without a part at its start that is there; None if all is there."""
        while start < stop:
            if start < len(self._head):
                start = len(self._head)
            elif (block := self._holder(start)) is not None:
                start = block.stop
            else:
                return start, stop
        return None

    def _take(self, start: int, stop: int) -> bytes | None:
        """Take bytes that are there, or None; the lock is held. Blocks that were read to the end are forgotten."""
        if self._whole is not None:
            self._whole.seek(start)
            return self._whole.read(stop - start)
        if start >= stop:
            return b""
        pieces: list[bytes] = []
        used: list[tuple[_Block, int]] = []
        while start < stop:
            if start < len(self._head):
                piece = self._head[start:stop]
            elif (block := self._holder(start)) is not None:
                piece = block.data[start - block.start : stop - block.start]
                used.append((block, len(piece)))
            else:
                return None
            pieces.append(piece)
            start += len(piece)
        for block, size in used:
            block.unread -= size
            if block.unread <= 0 and block in self._blocks:
                self._blocks.remove(block)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _get(self, starts: Sequence[int], stops: Sequence[int]) -> list[bytes]:
        """Get ranges by one request each, all at once, and check their lengths."""
        try:
            found = self._system.cat_ranges(
                [self._path] * len(starts), list(starts), list(stops), on_error="raise", **self._options
            )
        except Exception as err:
            raise self._error(err) from err
        parts: list[bytes] = []
        for start, stop, data in zip(starts, stops, found, strict=True):
            # Some file systems put the error where the bytes should be, whatever is asked for.
            if isinstance(data, BaseException):
                raise self._error(data) from data
            if len(data) == self._file_bytes and start > 0:
                data = data[start:stop]
            if len(data) > stop - start:
                raise self._other_length(self._file_bytes or 0, str(len(data)))
            parts.append(checked_length(bytes(data), start, stop - start, self.url))
        return parts

    def download(self) -> BinaryIO:
        """Copy the whole file to a temporary file, which is gone once it is closed.

        Raises
        ------
        FormatError
            If it does not start as a ``.rcz`` file does, or has another length than it says.
        """
        size = read_start(self._head[:MAX_COMPACT_BYTES]).file_bytes
        self.expect(size)
        if self._whole is not None:
            return self._whole
        self._check_size(size)
        file = cast(BinaryIO, tempfile.SpooledTemporaryFile(max_size=_MEMORY_BYTES))  # noqa: SIM115
        try:
            file.write(self._head[:size])
            starts = range(min(size, len(self._head)), size, _BLOCK_BYTES)
            for first in range(0, len(starts), _BLOCKS_AT_ONCE):
                some = starts[first : first + _BLOCKS_AT_ONCE]
                for data in self._get(some, [min(start + _BLOCK_BYTES, size) for start in some]):
                    file.write(data)
            file.seek(0)
        except BaseException:
            file.close()
            raise
        return file

    def _check_size(self, size: int) -> None:
        """Raise FormatError where the file has another length than ``size``."""
        try:
            found = self._size_bytes if self._size_bytes is not None else self._system.size(self._path)
        except Exception as err:
            raise self._error(err) from err
        if found is not None and found < size:
            raise TruncatedError(f"expected a file of {size} bytes, found {found}: it is cut off, fetch it again")
        if found is not None and found > size:
            raise CorruptError(f"expected a file of {size} bytes, found {found}: bytes follow its end")

    def _error(self, err: BaseException) -> Exception:
        """Make the error to raise for one of fsspec or of what is under it."""
        if isinstance(err, (RadcodecError, MemoryError)):
            return err
        if isinstance(err, ImportError):
            return missing_extra("remote", "reading this URL", err)
        if isinstance(err, TypeError):  # which fsspec finds with the first request
            return InputError(f"expected storage options that the file system of {self.url} takes, found: {err}")
        if isinstance(err, FileNotFoundError):
            return FileNotFoundError(errno.ENOENT, "expected a file at this URL, found none", self.url)
        # HTTP 416 as aiohttp has it and, as text alone, as object stores have it.
        if getattr(err, "status", None) == 416 or "not satisfiable" in str(err).lower():
            return TruncatedError(f"expected more bytes of {self.url}, the server has none there: fetch the file again")
        text = " ".join(str(err).split()) or type(err).__name__
        number = getattr(err, "errno", None) or errno.EIO
        kind = PermissionError if isinstance(err, PermissionError) else OSError
        return kind(number, f"expected the bytes of the file, the server or the network failed: {text}", self.url)


def _read_up_to(stream: Any, size: int) -> bytes:
    """So many bytes of a stream, or all that it has."""
    pieces: list[bytes] = []
    while size > 0 and (piece := stream.read(size)):
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)


def _join_some(starts: Sequence[int], stops: Sequence[int], few: int) -> tuple[list[int], list[int]]:
    """Join ranges over the smallest gaps until ``few`` are left, while less than a block is read on top of them."""
    spare = _BLOCK_BYTES
    gaps = sorted(range(1, len(starts)), key=lambda place: starts[place] - stops[place - 1])
    joined: set[int] = set()
    for place in gaps[: max(0, len(starts) - few)]:
        spare -= starts[place] - stops[place - 1]
        if spare < 0:
            break
        joined.add(place)
    cuts = [place for place in range(len(starts)) if place not in joined]
    ends = [*cuts[1:], len(starts)]
    return [starts[place] for place in cuts], [stops[end - 1] for end in ends]


def open_remote(url: str, storage_options: StorageOptions | None, *, whole: bool) -> RemoteRanges | BinaryIO:
    """Open a file behind a URL: ranges of it, or with ``whole`` a temporary copy; errors as `RemoteRanges`."""
    ranges = RemoteRanges(os.fspath(url), storage_options)
    if not whole:
        return ranges
    try:
        return ranges.download()
    except BaseException:
        ranges.close()
        raise
