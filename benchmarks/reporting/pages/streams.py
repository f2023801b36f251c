"""Markdown of docs/streaming.md from rows of ``stream``."""

from __future__ import annotations

from benchmarks.reporting.results import Results
from benchmarks.reporting.tables import Table, from_files

NO_ROWS = "No rows yet; `python -m benchmarks stream` makes them.\n"


def stream_report(results: Results) -> str:
    """Return the table of docs/streaming.md: a line for each mode, number of threads, and with or without checks."""
    rows = [row for row in results.rows("stream") if row["status"] == "ok"]
    if not rows:
        return NO_ROWS
    lines = [
        [
            row["track"], row["threads"], "yes" if row["verify"] == "True" else "no",
            f"{float(row['planes_per_s']):.1f}",
            *(f"{float(row[name]):.2f}" for name in ("median_s", "p95_s", "close_s", "bits_per_pixel")),
        ]
        for row in rows
    ]  # fmt: skip
    header = ["mode", "threads", "verified", "planes/s", "latency, s: median", "of 95 %", "closing, s", "bits/px"]
    machines = "; ".join(sorted({row["machine"] for row in rows}))
    shapes = ", ".join(sorted({f"{row['planes']} planes of {row['shape']} {row['dtype']}" for row in rows}))
    notes = [f"{shapes}; {machines}.", from_files(results.sources(rows))]
    return "\n".join(Table(title="A simulated imager", header=header, rows=lines, notes=notes).markdown())
