"""Markdown of docs/scale.md from rows of ``memory``."""

from __future__ import annotations

import math

from benchmarks.reporting.results import Results, grouped
from benchmarks.reporting.tables import Table, from_files

MIB = 1 << 20
NO_ROWS = "No rows yet; `python -m benchmarks memory` makes them.\n"


def memory_report(results: Results) -> str:
    """Return the table of docs/scale.md: a line for each command, a column for each image."""
    rows = [row for row in results.rows("memory") if row["status"] == "ok"]
    if not rows:
        return NO_ROWS
    rows.sort(key=lambda row: int(row["pixels"]))
    shapes = [shape for (shape,) in grouped(rows, "shape")]
    peaks = {(row["command"], row["shape"]): int(row["anonymous_bytes"]) for row in rows}
    commands = sorted({row["command"] for row in rows}, key=_order)
    lines = [[f"`{command}`", *(_mib(peaks.get((command, shape))) for shape in shapes)] for command in commands]
    machines = "; ".join(sorted({f"{row['machine']}, {row['threads']} threads" for row in rows}))
    header = ["command", *(f"{shape}, {_size(shape)}" for shape in shapes)]
    notes = [f"float32, simulated; {machines}.", from_files(results.sources(rows))]
    return "\n".join(Table(title="Most anonymous memory, MiB", header=header, rows=lines, notes=notes).markdown())


def _order(command: str) -> tuple[int, str]:
    """Place a command: those that write first, by name."""
    verbs = ("compress", "decompress", "verify", "cutout", "preview", "estimate")
    return verbs.index(command.split()[1]), command


def _mib(peak: int | None) -> str:
    return "" if peak is None else f"{peak / MIB:.0f}"


def _size(shape: str) -> str:
    """Say how large the samples of a shape are."""
    return f"{4 * math.prod(map(int, shape.split('x'))) / 1e9:.1f} GB"
