"""Log a run: lines and a status on the terminal, rows of log.csv, scalars for TensorBoard."""

from __future__ import annotations

import csv
import re
import time
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TextIO

LOG_FILE = "log.csv"
TENSORBOARD_FOLDER = "tensorboard"
#: Least time between two updates of the status, seconds.
STATUS_SECONDS = 0.2

Value = float | int | str
#: Called with the finished rounds or steps and the model's bits a pixel; may raise to stop.
Watch = Callable[[int, float], None]


class Console:
    """The console of a run: lines, and on a terminal one status line below them. None prints nothing."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream
        self._live = stream is not None and stream.isatty()
        self._shown = False
        self._next = 0.0

    def line(self, text: str) -> None:
        """Write a line."""
        self.clear()
        self._write(text + "\n")

    def status(self, text: str) -> None:
        """Show the present activity on a terminal, until the next line or status."""
        if self._live and self._stream is not None and time.monotonic() >= self._next:
            self._write(f"\r\x1b[K{text}")
            self._shown = True
            self._next = time.monotonic() + STATUS_SECONDS

    def clear(self) -> None:
        """Take the status away."""
        if self._shown:
            self._write("\r\x1b[K")
        self._shown = False

    def _write(self, text: str) -> None:
        """Write text; a terminal or pipe that has gone must not end a run of hours."""
        if self._stream is None:
            return
        try:
            self._stream.write(text)
            self._stream.flush()
        except OSError:
            self._stream = None


class RunLog:
    """log.csv and tensorboard/ in the folder of a run.

    `rows` is the number of rows at the checkpoint. Later rows, from a run killed before its next checkpoint, are
    dropped, since they will be written again.
    """

    def __init__(self, folder: Path, *, rows: int, console: Console) -> None:
        self.console = console
        self.rows = rows
        self._folder = folder
        self._writer: Any = None
        cut_rows(folder / LOG_FILE, rows)
        if rows == 0:
            for events in (folder / TENSORBOARD_FOLDER).glob("events.out.*"):
                events.unlink()

    def row(self, step: int, values: Mapping[str, Value], text: str) -> None:
        """Log the values of step `step` (TensorBoard's), and print `text`."""
        append_row(self._folder / LOG_FILE, {name: rounded(value) for name, value in values.items()})
        self.rows += 1
        writer = self._tensorboard(step)
        if writer is not None:
            for name, value in values.items():
                if isinstance(value, float | int):
                    writer.add_scalar(tag(name), value, step)
            writer.flush()
        self.console.line(text)

    def close(self) -> None:
        """Close the files."""
        self.console.clear()
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _tensorboard(self, step: int) -> Any:
        """Return TensorBoard's writer, which drops an earlier run's records of this step and later ones."""
        if self._writer is None and find_spec("tensorboard") is not None:
            writer = import_module("torch.utils.tensorboard").SummaryWriter
            self._writer = writer(str(self._folder / TENSORBOARD_FOLDER), purge_step=step)
        return self._writer


def tell_missing_tensorboard(console: Console) -> None:
    """Report that there will be no TensorBoard files, if the package is missing."""
    if find_spec("tensorboard") is None:
        console.line("tensorboard is not installed: the log goes only to log.csv (pip install 'radcodec[train]')")


def append_row(path: Path, row: Mapping[str, object]) -> None:
    """Append one row to a CSV file, with a header if the file is new."""
    new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, fieldnames=list(row))
        if new:
            writer.writeheader()
        writer.writerow(row)


def cut_rows(path: Path, rows: int) -> None:
    """Keep the first rows of a CSV file; without any delete the file."""
    if not path.is_file():
        return
    lines = path.read_bytes().splitlines(keepends=True)
    if rows == 0:
        path.unlink()
    elif len(lines) > rows + 1:
        path.write_bytes(b"".join(lines[: rows + 1]))


def rounded(value: Value) -> Value:
    """Round a value for log.csv: floats with five digits after the point."""
    return f"{value:.5f}" if isinstance(value, float) else value


def tag(name: str) -> str:
    """Return TensorBoard's name of a column; numbered columns of one kind are drawn together."""
    found = re.fullmatch(r"(.*?)(?:_at_)?([\d.]+)", name)
    return f"{found[1]}/{found[2]}" if found else f"run/{name}"


def duration(seconds: float) -> str:
    """Format a duration for people."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
