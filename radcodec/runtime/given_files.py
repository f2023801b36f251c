"""Check what a caller gives as a file to read or to write, before any work."""

from __future__ import annotations

import io
import os
import re
from typing import Any

from radcodec.errors import InputError
from radcodec.runtime.option_values import shown

# A scheme before // or, in a chain of file systems, before ::. A single letter is a drive.
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+(://|::)")


def is_url(source: object) -> bool:
    """Tell whether a source is a URL (``https://...``, ``s3://...``, chained by ``::``) and no file has that name."""
    return isinstance(source, str) and _URL.match(source) is not None and not os.path.lexists(source)


def _is_text(file: object) -> bool:
    """Tell whether a file is open in text mode; one of `tempfile` wraps the file itself."""
    return isinstance(file, io.TextIOBase) or isinstance(getattr(file, "file", None), io.TextIOBase)


def check_fits_source(source: object) -> None:
    """Check that a source is a path or a binary file, as those of FITS files must be.

    Raises
    ------
    InputError
        If it is a URL, bytes, an array, a file in text mode or anything else; the message says what to do instead.
    """
    if isinstance(source, (str, os.PathLike)):
        if is_url(source):
            raise InputError(
                f"expected a file, not a URL, found {source}: fetch it first (only reading .rcz files takes URLs)"
            )
        return
    found = f"expected a path or a binary file, found {type(source).__name__}"
    if hasattr(source, "__array__"):
        raise InputError(f"{found}: radcodec.encode compresses arrays")
    if isinstance(source, (bytes, bytearray, memoryview)):
        raise InputError(f"{found}: put the bytes of a FITS file into io.BytesIO")
    if not callable(getattr(source, "read", None)):
        raise InputError(f"{found}: write it to a file or an io.BytesIO first; radcodec.encode compresses arrays")
    if _is_text(source):
        raise InputError(f"expected a file opened in binary mode, found {type(source).__name__}: open it with 'rb'")


def read_bytes(stream: Any, size: int) -> bytes:
    """Read at most ``size`` bytes of a stream; raises InputError where it gives anything else, such as text or None."""
    piece = stream.read(size)
    if not isinstance(piece, (bytes, bytearray, memoryview)):
        raise InputError(f"expected read() to give bytes, found {type(piece).__name__}: give a blocking, binary file")
    return bytes(piece)


def check_target_kind(target: object) -> None:
    """Check that a target is a path or a binary file that can be written to.

    Raises
    ------
    InputError
        If it is a URL, a file in text mode or for reading, or anything else.
    """
    if isinstance(target, (str, os.PathLike)):
        if is_url(target):
            raise InputError(f"expected a file to write to, not a URL, found {target}: send the file there afterwards")
        return
    found = type(target).__name__
    if not callable(getattr(target, "write", None)):
        raise InputError(f"expected a path or a binary file to write to, found {found}: {shown(target)}")
    if _is_text(target):
        raise InputError(f"expected a file opened in binary mode to write to, found {found}: open it with 'wb'")
    writable = getattr(target, "writable", None)
    if callable(writable) and not writable():
        raise InputError(f"expected a file opened for writing, found one for reading ({found})")
