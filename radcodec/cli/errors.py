"""Map errors to exit codes and lines on standard error, in one place."""

from __future__ import annotations

import click

from radcodec.cli.signals import Ended
from radcodec.errors import (
    BoundError,
    FormatError,
    GuaranteeError,
    InputError,
    ModelError,
    UnsupportedDataError,
)

DONE, NO_GUARANTEE, USAGE, BAD_INPUT, NO_MODEL, SYSTEM, INTERRUPTED = 0, 1, 2, 3, 4, 5, 130

# The first matching class decides.
_CODES: tuple[tuple[type[BaseException], int], ...] = (
    (GuaranteeError, NO_GUARANTEE),
    (UnsupportedDataError, BAD_INPUT),
    (BoundError, USAGE),
    (InputError, USAGE),
    (FormatError, BAD_INPUT),
    (ModelError, NO_MODEL),
    (FileExistsError, USAGE),
    (OSError, SYSTEM),
    (ImportError, SYSTEM),
    (MemoryError, SYSTEM),
    (click.ClickException, USAGE),
    (click.Abort, INTERRUPTED),
    (KeyboardInterrupt, INTERRUPTED),
)

# Errors reported in one line. Any other exception is a bug and shows a traceback.
EXPECTED = tuple(kind for kind, _ in _CODES)


def exit_code(error: BaseException) -> int:
    """Return the exit code for an error of a class in ``EXPECTED``."""
    if isinstance(error, Ended):
        return error.code
    return next(code for kind, code in _CODES if isinstance(error, kind))


def printable(text: str) -> str:
    r"""Replace each character that is not printable by an escape such as ``\x1b``.

    Names, units and notes come from files: printed as they are, they could command a terminal.
    """
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)


def error_line(error: BaseException, name: str = "") -> str:
    """Return the error as one line, with the name of its file unless the message has it."""
    if isinstance(error, click.ClickException):
        text = error.format_message()
    elif isinstance(error, (KeyboardInterrupt, click.Abort)):
        text = str(error) if isinstance(error, Ended) else "interrupted"
    elif isinstance(error, OSError) and error.strerror:
        text = f"{error.filename}: {error.strerror}" if error.filename is not None else error.strerror
    elif isinstance(error, MemoryError):
        text = "this machine does not have enough memory"
    else:
        text = str(error)
    text = " ".join(text.split())
    return printable(f"radcodec: {name}: {text}" if name and name not in text else f"radcodec: {text}")
