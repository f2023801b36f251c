"""The work on one file of many, as a process of this machine or of a cluster does it: plain data in, plain data out."""

from __future__ import annotations

import hashlib
import mmap
import os
import re
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from radcodec import api
from radcodec.cli.many import make_folder
from radcodec.container.report import Report
from radcodec.errors import RadcodecError, UnsupportedDataError
from radcodec.fits.cards import BLOCK_BYTES
from radcodec.fits.parse import FITS_START, parse_fits
from radcodec.runtime.paths import temporary_pattern
from radcodec.types import HduKind

_BLOCK_BYTES = 1 << 20
# What another try does not change.
_LASTING = (RadcodecError, FileExistsError, FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A file to compress.

    ``known`` are the SHA-256 of the input and of the output that the manifest has with these options, if it has any.
    ``resume``: an output that is there already is kept if it is what would be written.
    """

    source: str
    target: str
    options: Mapping[str, Any]
    known: tuple[str, str] | None = None
    resume: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Archived:
    """A file that is compressed: the SHA-256 of both ends, and the report, None where nothing had to be done."""

    input_sha256: str
    output_sha256: str
    report: Report | None = None


def compress_file(task: Task) -> Report:
    """Compress one file, whose folder is made where it is not there."""
    make_folder(os.path.dirname(task.target))
    return api.compress(task.source, task.target, **task.options)


def archive_file(task: Task) -> Archived:
    """Compress one file unless its output is there and both are what the manifest says.

    Raises
    ------
    FileExistsError
        If there is another output and it may not be replaced.
    RadcodecError, OSError
        As `radcodec.compress`.
    """
    digest = file_sha256(task.source)
    if task.known is not None and task.known[0] == digest:
        with suppress(OSError):
            if file_sha256(task.target) == task.known[1]:
                return Archived(input_sha256=digest, output_sha256=task.known[1])
    if task.resume:
        _remove_leftovers(task.target)
    try:
        report = compress_file(task)
    except FileExistsError:
        if not task.resume:
            raise
        report = _compress_again(task)
    return Archived(input_sha256=digest, output_sha256=file_sha256(task.target), report=report)


def archive_complete(task: Task) -> Archived:
    """Do the same with a file that an instrument may still write.

    Raises
    ------
    UnsupportedDataError
        If it is shorter than its headers say.
    RadcodecError, OSError
        As `archive_file`.
    """
    check_complete(task.source)
    return archive_file(task)


def check_complete(path: str) -> None:
    """Raise UnsupportedDataError where a plain FITS file is shorter than its headers say; others are not looked at."""
    if os.path.isdir(path):
        return
    with open(path, "rb") as file:
        if file.read(len(FITS_START)) != FITS_START:
            return
        size = os.fstat(file.fileno()).st_size
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped, memoryview(mapped) as data:
            last = parse_fits(data)[-1]
        note = last.note if last.kind is HduKind.OPAQUE and ("cut off" in last.note or "no END" in last.note) else ""
    if note:
        raise UnsupportedDataError(f"expected a complete file, found one of {size} bytes: {note}")
    if size % BLOCK_BYTES and last.kind is not HduKind.OPAQUE:
        raise UnsupportedDataError(f"expected a complete file of blocks of {BLOCK_BYTES} bytes, found {size} bytes")


def _compress_again(task: Task) -> Report:
    """Compress to a temporary file and compare: a run that was killed may have written the output but no record.

    Raises
    ------
    FileExistsError
        If the output is another file.
    """
    with tempfile.TemporaryFile() as copy:
        report = api.compress(task.source, copy, **task.options)
        copy.seek(0)
        if _stream_sha256(copy) != file_sha256(task.target):
            text = (
                "the output exists and is not what these options make of the input: give another folder, or allow to "
                "overwrite it (--overwrite)"
            )
            raise FileExistsError(17, text, task.target)
    return replace(report, path=task.target)


def _remove_leftovers(target: str) -> None:
    """Remove temporary files of a target that a run that was killed has left."""
    folder, pattern = os.path.dirname(os.path.realpath(target)), temporary_pattern(target)
    with suppress(OSError):
        for entry in list(os.scandir(folder)):
            if re.fullmatch(pattern, entry.name) and entry.is_file(follow_symlinks=False):
                os.unlink(entry.path)


def is_passing(error: BaseException | None) -> bool:
    """Return whether another try may succeed: the operating system refused, or memory ran out."""
    return isinstance(error, (OSError, MemoryError)) and not isinstance(error, _LASTING)


def file_sha256(path: str) -> str:
    """Return the SHA-256 of a file, hexadecimal; of a CASA image that of the names and SHA-256 of its files."""
    if os.path.isdir(path):
        files = sorted(os.path.join(folder, name) for folder, _, names in os.walk(path) for name in names)
        lines = (f"{os.path.relpath(name, path)} {file_sha256(name)}\n" for name in files)
        return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()
    with open(path, "rb") as file:
        return _stream_sha256(file)


def _stream_sha256(file: Any) -> str:
    digest = hashlib.sha256()
    while block := file.read(_BLOCK_BYTES):
        digest.update(block)
    return digest.hexdigest()
