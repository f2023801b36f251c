"""Tables and figures of the science page from rows written by hand."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks.reporting.pages.science import number, percent, science_report
from benchmarks.reporting.results import Results
from benchmarks.reporting.science_figures import stack_figures
from benchmarks.science.run import SCIENCE_COLUMNS, STACK_COLUMNS


def write(folder: Path, command: str, columns: Sequence[str], rows: list[dict[str, object]]) -> None:
    """A result file of a command."""
    with (folder / f"2026-01-01_machine_0123456789ab_{command}.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)


def stack_rows() -> list[dict[str, object]]:
    """Of two codecs at one size; the second recovers 70 +- 5 % of everything, and one more has no result."""
    rows: list[dict[str, object]] = []
    for codec, recovered, error in (("good", 1.0, 0.01), ("radcodec lossy", 0.7, 0.05)):
        known = {"set": "simulated", "codec": codec, "comparison": "size", "level": "0.5", "status": "ok"}
        for amplitude in (0, 0.1, 0.3, 1, 3):
            for n in (64, 4096):
                told = {"recovered": recovered, "recovered_error": error} if amplitude else {}
                rows.append(
                    known | told | {
                        "bits_per_pixel": 0.49, "amplitude": amplitude, "n": n, "mean": amplitude, "mean_error": 0.1,
                        "change": 0.02, "change_error": 0.004, "median_change": -0.5, "median_change_error": 0.1,
                        "found": 0.25, "scatter": 1.1,
                    }
                )  # fmt: skip
    none = {"set": "simulated", "codec": "none", "comparison": "size", "level": "0.1", "status": "none: too small"}
    return [*rows, none]


def test_stack_tables(tmp_path: Path) -> None:
    """Shares are in percent, bold beyond three errors; only the largest stacks and what has a result are shown."""
    write(tmp_path, "stack", STACK_COLUMNS, stack_rows())
    lines = science_report(Results(tmp_path)).splitlines()
    assert lines[0] == "**Stacks of 4096 sources, simulated: recovered share of the injected flux, %**"
    good, bad = lines[4:6]
    assert good.startswith("| 0.5 bit a pixel | good | 0.490 | 100.0 ± 1.0 | 100.0 ± 1.0 |")
    assert "| **70.0 ± 5.0** |" in bad
    assert bad.endswith("| **50.0 ± 10.0** | +0.0200 ± 0.0040 |")
    assert "| 0.5 bit a pixel | good | 0.490 | 25.0 | 25.0 | 25.0 | 1.1 |" in lines
    assert "none" not in "".join(line for line in lines if line.startswith("|"))


def test_science_tables(tmp_path: Path) -> None:
    """Bins of S/N share a cell; finders and truth have tables of their own; cubes have one line each."""
    known = {
        "set": "first/test", "files": 2, "codec": "c", "comparison": "bound", "level": "8", "status": "ok",
        "bits_per_pixel": 1.5,
    }  # fmt: skip
    rows: list[dict[str, object]] = []
    for name in ("peak_ratio", "flux_ratio", "offset_px", "completeness", "spurious"):
        for place, value in (("5-10", 0.5), (">30", "nan")):
            for finder in ("sep", "sep truth"):
                scatter = 0.125 if finder == "sep" else 0.25
                rows.append(
                    known | {"metric": f"{finder} {name}", "bin": place, "value": value, "scatter": scatter, "n": 3}
                )
    metrics = ("rms_ratio", "mad_ratio", "ks", "kurtosis", "gain", "residual_correlation")
    rows += [known | {"metric": metric, "bin": "", "value": 0.75} for metric in metrics]
    rows += [known | {"metric": "power_ratio", "bin": a, "value": 2} for a in ("0.05-0.1", "0.15-0.2", "0.3-0.5")]
    cube = known | {"set": "cubes/cube-a.fits", "bin": "cube-a"}
    moments = ("moment0_ratio", "moment0_rms", "moment1_rms", "moment1_max")
    rows += [cube | {"metric": metric, "value": 0.5} for metric in moments]
    write(tmp_path, "science", SCIENCE_COLUMNS, rows)
    text = science_report(Results(tmp_path))
    start = "| E = sigma/8 | c | 1.500 |"
    assert f"{start} 0.500, - | 0.500, - | 0.125, 0.125 | 0.50, - | 0.50, - | 0.50, - |" in text
    assert f"{start} 0.500, - | 0.500, - | 0.250, 0.250 | 0.50, - | 0.50, - | 0.50, - |" in text
    assert f"{start} 0.750 | 0.750 | 0.750 | 0.750 | 0.750 | 0.750 | 2 | 2 | 2 |" in text
    assert "| E = sigma/8 | c | cube-a | 1.500 | 0.5000 | 0.500 | 0.500 | 0.500 |" in text
    assert "photutils" not in text


def test_no_rows(tmp_path: Path) -> None:
    """A page without rows says how to make them."""
    assert "python -m benchmarks stack" in science_report(Results(tmp_path))


def test_cells_by_hand() -> None:
    """Bold beyond three errors, though not for a twentieth of a percent; dashes for no number."""
    assert percent("0.98", "0.01", 1.0) == "98.0 ± 1.0"
    assert percent("0.96", "0.01", 1.0) == "**96.0 ± 1.0**"
    assert percent("0.9996", "0.0001", 1.0) == "100.0 ± 0.0"
    assert (number("nan", 2), number("", 2), number("1.234", 2)) == ("-", "-", "1.23")


def test_figures(tmp_path: Path) -> None:
    """Both are PNGs small enough for the docs."""
    pytest.importorskip("matplotlib")
    write(tmp_path, "stack", STACK_COLUMNS, stack_rows())
    for path in stack_figures(Results(tmp_path), tmp_path):
        assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
        assert path.stat().st_size < 150_000
