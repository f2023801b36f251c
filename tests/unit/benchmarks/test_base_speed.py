"""benchmarks base-speed: rows of both codecs at rates that can be compared, and none twice."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from benchmarks.speed.base import BIT_RATES, STAGES, run_base_speed

pytest.importorskip("imagecodecs")


def test_rows(tmp_path: Path) -> None:
    """Every setting has a row with its threads; OpenJPEG has one within a factor of 1.5 of each of radcodec's sizes."""
    out = tmp_path / "base.csv"
    lines = run_base_speed(side=128, threads=[1, 2], repeats=1, model=None, out=out, commit="test")
    with out.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(lines) == len(rows)
    ours = [row for row in rows if row["codec"] == "radcodec"]
    assert len(ours) == 2 * (len(STAGES) + len(BIT_RATES))
    assert {row["threads"] for row in ours} == {"1", "2"}
    theirs = [float(row["bits_per_pixel"]) for row in rows if row["codec"] == "jpeg2000"]
    for row in ours:
        assert min(abs(bits / float(row["bits_per_pixel"]) - 1) for bits in theirs) < 0.5
        assert 0 < float(row["encode_mpix_s_least"]) <= float(row["encode_mpix_s"]) <= float(row["encode_mpix_s_most"])
    assert run_base_speed(side=128, threads=[1, 2], repeats=1, model=None, out=out, commit="test") == []
