"""Shared parts of the commands: standard streams for ``-``, errors that name a file, progress, JSON."""

from __future__ import annotations

import json
import math
import os
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Any, BinaryIO

import click

from radcodec.cli.errors import DONE, EXPECTED, error_line, exit_code
from radcodec.cli.streams import say, show, standard_input, standard_output, tell
from radcodec.container.report import Report
from radcodec.runtime.spool import spooled

STDIO = "-"
# Shorter work shows no bar.
_PATIENCE_SECONDS = 2.0

threads_option = click.option("--threads", type=click.IntRange(min=1), help="Threads to use (default: all cores).")
overwrite_option = click.option("--overwrite", is_flag=True, help="Replace the output if it exists.")
quiet_option = click.option("--quiet", is_flag=True, help="Print errors only.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")


class FiniteRange(click.FloatRange):
    """A range of finite numbers: nan is in every range of click, and infinity in one without an end."""

    name = "finite range"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read a number; a usage error names the option of one that is not finite or out of range."""
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


def source_of(name: str) -> str | BinaryIO:
    """Return the name itself, or standard input for ``-``."""
    return standard_input() if name == STDIO else name


@contextmanager
def seekable_source(name: str) -> Iterator[str | BinaryIO]:
    """Yield the name itself, or a temporary copy of what can be read only once (standard input, a named pipe)."""
    if name == STDIO:
        with spooled(standard_input()) as copy:
            yield copy
    elif os.path.exists(name) and not os.path.isdir(name) and not stat.S_ISREG(os.stat(name).st_mode):
        with open(name, "rb") as pipe, spooled(pipe) as copy:
            yield copy
    else:
        yield name


def target_of(name: str | None) -> str | BinaryIO | None:
    """Return the name itself, or standard output for ``-``."""
    return standard_output() if name == STDIO else name


def check_output(output: str | None, as_json: bool) -> None:
    """Raise a usage error if standard output would hold a file and an object."""
    if output == STDIO and as_json:
        raise click.UsageError("expected an output file with --json, found - (standard output)")


def check_model_option(model: str | None) -> None:
    """End the command with an error if ``--model`` names no model, before any work; None is the default model."""
    if model is None:
        return
    from radcodec.base.store import check_model

    with report_errors("--model"):
        check_model(model)


@contextmanager
def report_errors(name: str) -> Iterator[None]:
    """Report an error in one line that names the file, and end the command with its exit code."""
    try:
        yield
    except BrokenPipeError:
        raise
    except click.ClickException:
        raise
    except EXPECTED as error:
        tell(error_line(error, "standard input" if name == STDIO else name))
        raise click.exceptions.Exit(exit_code(error)) from error


def print_json(value: Any) -> None:
    """Print an object as JSON; raises OSError where standard output does not take it."""
    show(json.dumps(value, indent=2, allow_nan=False))


def announce(line: str, output: str | None) -> int:
    """Print a line about finished work and return an exit code; use standard error if output is on standard output."""
    if output != STDIO:
        return say(line)
    tell(line)
    return DONE


def warn(name: str, report: Report, quiet: bool) -> None:
    """Print the warnings of a report about a file to standard error."""
    for warning in report.warnings if not quiet else ():
        tell(f"radcodec: warning: {name}: {warning}")


def mode_text(report: Report) -> str:
    """Return the mode of a file, and that it is a base-only copy if it is one."""
    return f"{report.mode}{', base-only copy' if report.base_only else ''}"


class Progress:
    """A progress bar on the terminal, shown after two seconds. Use it as a context manager and call it with steps.

    Parameters
    ----------
    total
        The whole work in the unit of the steps; 0 if unknown, which shows no bar.
    """

    def __init__(self, label: str, total: int, *, quiet: bool) -> None:
        self._label = label
        self._total = total
        self._wanted = not quiet and total > 0 and sys.stderr is not None and sys.stderr.isatty()
        self._start = time.monotonic()
        self._done = 0
        self._bar: Any = None

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            with suppress(OSError):
                self._bar.__exit__(kind, error, trace)

    def __call__(self, step: int) -> None:
        """Add ``step`` to the work that is finished."""
        self._done += step
        if not self._wanted:
            return
        try:
            self._draw(step)
        except OSError:
            # The terminal is closed, but the work goes on.
            self._wanted = False

    def _draw(self, step: int) -> None:
        """Move the bar, or show it when the work has taken long enough."""
        if self._bar is not None:
            self._bar.update(step)
        elif time.monotonic() - self._start > _PATIENCE_SECONDS:
            self._bar = click.progressbar(length=self._total, label=self._label, file=sys.stderr)
            self._bar.__enter__()
            self._bar.update(self._done)


def size_text(size_bytes: float) -> str:
    """Format a size for people."""
    for unit in ("B", "kB", "MB", "GB"):
        if size_bytes < 1000 or unit == "GB":
            break
        size_bytes /= 1000
    return f"{size_bytes:.0f} B" if unit == "B" else f"{size_bytes:.2f} {unit}"
