"""Write to standard streams that may be closed, full or without a reader; a lost message never stops the work."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from typing import BinaryIO, TextIO

from radcodec.cli.errors import DONE, SYSTEM, printable

_CLOSED = "expected an open stream, found it closed"


def open_missing() -> None:
    """Replace each closed standard stream by the null device.

    Otherwise the next opened file gets that stream's number, and messages are written into the file.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # The system gives the lowest free number, which is this one.
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
    """Print the output of a command.

    Raises
    ------
    OSError
        Standard output is closed, full or has no reader (BrokenPipeError).
    """
    if sys.stdout is None:
        raise OSError(errno.EBADF, _CLOSED, "standard output")
    _write(sys.stdout, text)


def say(text: str) -> int:
    """Print a line about finished work and return an exit code.

    It is SYSTEM if the device refuses the line, and DONE if standard output is closed or has no reader.
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
    """Print a line to standard error, if it is open."""
    if sys.stderr is None:
        return
    try:
        _write(sys.stderr, text)
    except OSError:
        silence(sys.stderr)


def finish() -> None:
    """Flush standard output.

    Raises
    ------
    OSError
        It is full or has no reader.
    """
    if sys.stdout is not None:
        sys.stdout.flush()


def silence(stream: TextIO | None) -> None:
    """Redirect a stream to the null device, so that Python reports no error when it flushes it at exit."""
    if stream is None:
        return
    # A stream that a test installed has no number.
    with suppress(OSError, ValueError, AttributeError):
        null = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(null, stream.fileno())
        finally:
            os.close(null)


def _write(stream: TextIO, text: str) -> None:
    """Write lines; escape characters that the stream cannot show or that could control a terminal."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    text = "\n".join(map(printable, text.split("\n")))
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
    stream.flush()
