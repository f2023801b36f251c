"""The hooks of the ablation, the speed table and the command line, on small simulated images."""

from __future__ import annotations

import csv
import dataclasses
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from benchmarks import __main__ as command_line
from benchmarks.rivals.base import Track
from benchmarks.speed.contestants import Contestant
from benchmarks.speed.memory import STATUS, memory_growth
from benchmarks.speed.simulated import Plan, run_speed
from benchmarks.studies import variants
from benchmarks.studies.ablation import run_ablation
from benchmarks.studies.variants import HookError, called, constant
from radcodec.simulate import simulate_fits


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Folder with a set of one simulated FITS file."""
    (tmp_path / "data" / "some").mkdir(parents=True)
    (tmp_path / "data" / "some" / "a.fits").write_bytes(simulate_fits((128, 128), seed=3))
    return tmp_path / "data"


def rows_of(path: Path) -> list[dict[str, str]]:
    """Rows of a CSV file."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_hooks_that_do_not_bite_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that is gone, or that nothing calls, is an error: no variant silently measures the default."""
    module = types.ModuleType("some_module")
    module.f = lambda: 1  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "some_module", module)
    with pytest.raises(HookError, match=r"nothing called some_module\.f"), called(("some_module", "f"), instead=int):
        pass
    with called(("some_module", "f"), instead=lambda: 2):
        assert module.f() == 2
    assert module.f() == 1
    with pytest.raises(HookError, match="some_module has no LIMIT"):
        constant("some_module", "LIMIT", 3)


@pytest.mark.parametrize("name", ["default", "closed loop off", "borders off", "reweighting off"])
def test_hooks_into_the_library_fit(name: str) -> None:
    """The constants that the variants replace are still there."""
    with variants.VARIANTS[name]():
        pass


def test_ablation_rows(data: Path, tmp_path: Path) -> None:
    """Every variant decodes within the bound; one tap row costs bits on a smooth image; no row is measured twice."""
    names, out = ["default", "max radius 1", "Gaussian tables"], tmp_path / "rows.csv"
    options = {"data": data, "sets": ["some"], "divisor": 8.0, "out": out, "repeats": 1, "commit": "c"}
    lines = run_ablation(names, **options)  # type: ignore[arg-type]
    rows = rows_of(out)
    assert [(row["variant"], row["status"], row["file"]) for row in rows] == [(n, "ok", "some/a.fits") for n in names]
    bits = [float(row["bits_per_pixel"]) for row in rows]
    assert bits[1] > 1.1 * bits[0]
    assert bits[2] != bits[0]
    assert len(lines) == 3
    assert run_ablation(names, **options) == []  # type: ignore[arg-type]
    assert rows_of(out) == rows


def test_variant_that_does_not_fit_is_left_out(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A variant whose hook fails gets no rows and is named; the others go on."""
    monkeypatch.setitem(variants.VARIANTS, "gone", lambda: constant("radcodec.detail.stream", "NO_SUCH", 1))
    out = tmp_path / "rows.csv"
    run_ablation(["gone", "default"], data=data, sets=["some"], divisor=8.0, out=out, repeats=1, commit="c")
    assert [row["variant"] for row in rows_of(out)] == ["default"]
    assert (
        "left out: gone: its hook does not fit this library: radcodec.detail.stream has no" in capsys.readouterr().err
    )


def test_floor_command(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row has R(D) under the floor, and the ratio of its two rates."""
    out = tmp_path / "rows.csv"
    words = ["benchmarks", "floor", "--data", str(data), "--set", "some", "--out", str(out), "--commit", "c"]
    monkeypatch.setattr(sys, "argv", words)
    command_line.main()
    (row,) = rows_of(out)
    floor, rd, ours = (float(row[name]) for name in ("floor_bits", "rd_bits", "radcodec_bits"))
    assert 0 < rd < floor
    assert row["status"] == "ok"
    assert float(row["ratio"]) == pytest.approx(ours / floor, abs=1e-4)
    assert float(row["step"]) == 2 * float(row["max_error_allowed"])


def test_speed_rows(tmp_path: Path) -> None:
    """radcodec has rows for each track, the command line's defaults first, gzip a lossless one; none is made twice."""
    out = tmp_path / "rows.csv"
    plan = Plan(sides=[256], threads=[1], divisor=8.0, repeats=1, memory=False)
    run_speed(["radcodec", "gzip"], plan, out=out, commit="c")
    rows = rows_of(out)
    both = [("1", "True"), ("1", "False"), ("0", "True"), ("0", "False")]
    assert [(row["codec"], row["track"], row["preview"], row["verify"]) for row in rows] == [
        *(("radcodec", "bounded", *each) for each in both),
        *(("radcodec", "lossless", *each) for each in both),
        ("gzip", "lossless", "0", "False"),
    ]
    sizes = {(row["track"], row["preview"]): int(row["bytes"]) for row in rows if row["codec"] == "radcodec"}
    # One percent of the small bounded stream has no room for a picture.
    assert 0 < sizes["lossless", "1"] - sizes["lossless", "0"] <= 0.011 * sizes["lossless", "0"] + 64
    assert {row["status"] for row in rows} == {"ok"}
    assert all(float(row["encode_mpix_s"]) > 0 and float(row["decode_mpix_s"]) > 0 for row in rows)
    assert run_speed(["radcodec", "gzip"], plan, out=out, commit="c") == []
    assert rows_of(out) == rows
    run_speed(["radcodec", "gzip"], dataclasses.replace(plan, divisor=2.0), out=out, commit="c")
    assert [row["bound"] for row in rows_of(out)[len(rows) :]] == ["sigma/2"] * 4


def test_integer_coders_are_given_integers() -> None:
    """Samples of 0, 1 and 2.6 with a bound of a half are 0, 1 and 3; a decode that differs does not hold."""
    contestant = Contestant(codec="jpeg2000", track=Track.BOUNDED)
    given = contestant.given(np.array([[0.0, 1.0, 2.6]], np.float32), 0.5)
    assert given.dtype == np.uint8
    assert given.tolist() == [[0, 1, 3]]
    assert contestant.holds(given.copy(), given, 0.5)
    assert not contestant.holds(given + 1, given, 0.5)


@pytest.mark.skipif(not STATUS.exists(), reason="the system does not tell a process's size")
def test_memory_counts_what_is_loaded_and_made() -> None:
    """Encoding grows a fresh process by the array at least, decoding too, neither by more than ten times that."""
    contestant = Contestant(codec="gzip", track=Track.LOSSLESS)
    array = np.zeros((1024, 2048), np.float32)
    data = contestant.encode(array, 0.0)
    for stream in (None, data):
        grown = memory_growth(contestant, array, stream, 1e-5)
        assert grown is not None
        assert array.nbytes * 0.98 < grown < 10 * array.nbytes
