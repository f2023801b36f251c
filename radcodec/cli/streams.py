"""Standard streams that may be closed, full or without a reader: what is said there never stops the work."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from typing import BinaryIO, TextIO

from radcodec.cli.errors import DONE, SYSTEM, printable

_CLOSED = "expected an open stream, found it closed"


def open_missing() -> None:
    """Put the null device in the place of each standard stream that is closed.

    Without it the next file that is opened gets the number of that stream, and whatever is said goes into the file.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # The lowest free number is taken: all below this one are open.
            os.open(os.devnull, os.O_RDWR)


def standard_input() -> BinaryIO:
    """Return the bytes of standard input.

    Raises
    ------
    OSError
        It is closed.
    """
    if sys.stdin is None:
        raise OSError(errno.EBADF, _CLOSED, "standard input")
    return sys.stdin.buffer


def standard_output() -> BinaryIO:
    """Return standard output for bytes.

    Raises
    ------
    OSError
        It is closed.
    """
    if sys.stdout is None:
        raise OSError(errno.EBADF, _CLOSED, "standard output")
    return sys.stdout.buffer


def show(text: str) -> None:
    """Print what a command is for.

    Raises
    ------
    OSError
        Standard output is closed, full or has no reader (BrokenPipeError).
    """
    if sys.stdout is None:
        raise OSError(errno.EBADF, _CLOSED, "standard output")
    _write(sys.stdout, text)


def say(text: str) -> int:
    """Print a line about work that is done, and return an exit code.

    That is SYSTEM where the line is lost because the device refuses it, and DONE where nobody listens.
    """
    if sys.stdout is None:
        return DONE
    try:
        _write(sys.stdout, text)
    except BrokenPipeError:
        silence(sys.stdout)
    except OSError as error:
        silence(sys.stdout)
        tell(f"radcodec: standard output: {error.strerror or error}")
        return SYSTEM
    return DONE


def tell(text: str) -> None:
    """Print a line to standard error, if that still takes one."""
    if sys.stderr is None:
        return
    try:
        _write(sys.stderr, text)
    except OSError:
        silence(sys.stderr)


def finish() -> None:
    """Send what is left for standard output on its way.

    Raises
    ------
    OSError
        It is full or has no reader.
    """
    if sys.stdout is not None:
        sys.stdout.flush()


def silence(stream: TextIO | None) -> None:
    """Let what is still meant for a stream go nowhere, so that Python does not complain about it on its way out."""
    if stream is None:
        return
    # A stream that a test put there has no number.
    with suppress(OSError, ValueError, AttributeError):
        null = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(null, stream.fileno())
        finally:
            os.close(null)


def _write(stream: TextIO, text: str) -> None:
    """Write lines; characters that the stream cannot show, or that could command a terminal, are escaped."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    text = "\n".join(map(printable, text.split("\n")))
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
    stream.flush()
