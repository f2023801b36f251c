"""The table of streams is what rows say."""

from __future__ import annotations

from pathlib import Path

from benchmarks.reporting.pages.streams import NO_ROWS, stream_report
from benchmarks.reporting.results import Results
from benchmarks.rows import append_row
from benchmarks.speed.stream import COLUMNS


def test_a_line_for_each_row(tmp_path: Path) -> None:
    """Planes a second, latencies and the time of closing are rounded; rows that failed are left out."""
    row = {
        "machine": "m", "commit": "c", "track": "lossless", "shape": "64x64", "dtype": "float32", "planes": 9,
        "threads": 2, "verify": "True", "effort": 5, "status": "ok", "bits_per_pixel": 18.5, "planes_per_s": 2.26,
        "cpu_s_per_plane": 0.5, "median_s": 0.404, "p95_s": 0.668, "most_s": 1.0, "close_s": 0.021, "sets": 1,
    }  # fmt: skip
    for cells in (row, row | {"threads": 1, "status": "failed"}):
        append_row(tmp_path / "2026-01-01_m_0123456789ab_stream.csv", COLUMNS, cells)
    lines = stream_report(Results(tmp_path)).splitlines()
    assert lines[4] == "| lossless | 2 | yes | 2.3 | 0.40 | 0.67 | 0.02 | 18.50 |"
    assert lines[6] == "9 planes of 64x64 float32; m."


def test_without_rows_the_command_is_named(tmp_path: Path) -> None:
    """A page without rows says how to make them."""
    assert stream_report(Results(tmp_path)) == NO_ROWS
