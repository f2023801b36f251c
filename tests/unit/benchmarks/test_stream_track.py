"""The benchmark of planes as they come: its rows, on a stream so small that it takes a moment."""

from __future__ import annotations

import csv
from pathlib import Path

from benchmarks.speed.stream import COLUMNS, imager, run_stream


def test_rows_say_rate_and_latency(tmp_path: Path) -> None:
    """There is a row for each mode, verified and not; a second run measures nothing again."""
    out = tmp_path / "rows.csv"
    for expected in (4, 0):
        lines = run_stream(side=64, count=3, threads=[1], effort=1, out=out, commit="c")
        assert len(lines) == expected
    with out.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == list(COLUMNS)
    assert {(row["track"], row["verify"]) for row in rows} == {
        (track, verify) for track in ("lossless", "bounded sigma/8") for verify in ("True", "False")
    }
    for row in rows:
        assert float(row["planes_per_s"]) > 0
        assert 0 < float(row["median_s"]) <= float(row["p95_s"]) <= float(row["most_s"])


def test_the_imager_gives_planes_that_differ() -> None:
    """No plane is like another, so that none is free."""
    planes = list(imager(32, 6))
    assert len({plane.tobytes() for plane in planes}) == 6
