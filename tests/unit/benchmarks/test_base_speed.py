"""benchmarks base-speed: rows of both codecs at equal error, what a search costs, and no row twice."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import pytest

from benchmarks.speed.base import run_base_speed, solve

pytest.importorskip("imagecodecs")


def test_rows(tmp_path: Path) -> None:
    """Every rate has rows of a search, of its step at the same size, and of OpenJPEG at the same error."""
    out = tmp_path / "base.csv"
    asked = {"sides": [128, 192], "rates": [0.5], "threads": [1, 2], "repeats": 1, "model": None, "out": out}
    lines = run_base_speed(**asked, commit="test")  # type: ignore[arg-type]
    with out.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 2 * 3
    assert len(lines) == len(rows) + 2 * 2
    assert sum("times the time of its step" in line for line in lines) == 2 * 2
    for side in ("128x128", "192x192"):
        for threads in ("1", "2"):
            some = {row["knob"]: row for row in rows if (row["shape"], row["threads"]) == (side, threads)}
            searched, once, theirs = some["bit-rate"], some["step"], some["RMSE of y"]
            assert float(searched["bits_per_pixel"]) <= 0.5
            assert abs(math.log(int(once["bytes"]) / int(searched["bytes"]))) < 0.03
            errors = [float(row["rmse_companded"]) for row in (theirs, searched)]
            assert abs(math.log(errors[0] / errors[1])) < 0.06  # the rival's control is coarse
            for row in some.values():
                least, median, most = (float(row[f"encode_mpix_s{end}"]) for end in ("_least", "", "_most"))
                assert 0 < least <= median <= most
                assert float(row["encode_cpu_s"]) > 0
    assert run_base_speed(**asked, commit="test") == []  # type: ignore[arg-type]


@pytest.mark.parametrize("power", [-2.0, -0.5, 1.0])
def test_solve(power: float) -> None:
    """What a power law gives is met within a hundredth, from a wrong guess of its power."""
    found = solve(lambda x: 3.0 * x**power, 0.3, 1.0, math.copysign(1.3, power))
    assert 3.0 * found**power == pytest.approx(0.3, rel=0.03)
