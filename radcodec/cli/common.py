"""What commands share: standard streams for ``-``, the file in an error, progress, JSON."""

from __future__ import annotations

import io
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, BinaryIO

import click

from radcodec.cli.errors import EXPECTED, error_line, exit_code

STDIO = "-"
# Shorter work needs no bar.
_PATIENCE_SECONDS = 2.0

threads_option = click.option("--threads", type=click.IntRange(min=1), help="Threads to use (default: all cores).")
overwrite_option = click.option("--overwrite", is_flag=True, help="Replace the output if it exists.")
quiet_option = click.option("--quiet", is_flag=True, help="Say nothing but errors.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")


def source_of(name: str) -> str | BinaryIO:
    """The name itself, or standard input for ``-``."""
    return sys.stdin.buffer if name == STDIO else name


def seekable_source(name: str) -> str | BinaryIO:
    """The name itself, or all of standard input for ``-``."""
    return io.BytesIO(sys.stdin.buffer.read()) if name == STDIO else name


def target_of(name: str | None) -> str | BinaryIO | None:
    """The name itself, or standard output for ``-``."""
    return sys.stdout.buffer if name == STDIO else name


def check_output(output: str | None, as_json: bool) -> None:
    """Nothing; a usage error where standard output would hold a file and an object."""
    if output == STDIO and as_json:
        raise click.UsageError("expected an output file beside --json, found - (standard output)")


@contextmanager
def told_of(name: str) -> Iterator[None]:
    """Errors in the block are told in one line that names the file, and end the command with their exit code."""
    try:
        yield
    except BrokenPipeError:
        raise
    except click.ClickException:
        raise
    except EXPECTED as error:
        click.echo(error_line(error, "standard input" if name == STDIO else name), err=True)
        raise click.exceptions.Exit(exit_code(error)) from error


def print_json(value: Any) -> None:
    """Print an object as JSON."""
    click.echo(json.dumps(value, indent=2, allow_nan=False))


class Progress:
    """A bar on a terminal's standard error once work has taken two seconds; a context manager called with steps.

    Parameters
    ----------
    total
        All there is to do, in the unit of the steps; 0 where that is not known, so that there is no bar.
    """

    def __init__(self, label: str, total: int, *, quiet: bool) -> None:
        self._label = label
        self._total = total
        self._wanted = not quiet and total > 0 and sys.stderr.isatty()
        self._start = time.monotonic()
        self._done = 0
        self._bar: Any = None

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.__exit__(kind, error, trace)

    def __call__(self, step: int) -> None:
        """Note that ``step`` more is done."""
        self._done += step
        if not self._wanted:
            return
        if self._bar is not None:
            self._bar.update(step)
        elif time.monotonic() - self._start > _PATIENCE_SECONDS:
            self._bar = click.progressbar(length=self._total, label=self._label, file=sys.stderr)
            self._bar.__enter__()
            self._bar.update(self._done)


def size_text(size_bytes: float) -> str:
    """A size as people read it."""
    for unit in ("B", "kB", "MB", "GB"):
        if size_bytes < 1000 or unit == "GB":
            break
        size_bytes /= 1000
    return f"{size_bytes:.0f} B" if unit == "B" else f"{size_bytes:.2f} {unit}"
