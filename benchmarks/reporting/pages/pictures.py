"""Pictures of docs/figures that are drawn from rows: SVG that needs no style sheet."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.reporting.facts import Facts
from benchmarks.reporting.loss_sections import mean_curves
from benchmarks.reporting.results import Results
from benchmarks.reporting.size_sections import ladder_plot
from benchmarks.reporting.speeds import scatter

SPEED_BOUND = "sigma/8"


def sizes_picture(results: Results) -> str:
    """Draw the size at equal largest error on FIRST."""
    return ladder_plot(results).svg()


def lossy_picture(results: Results) -> str:
    """Draw the error of the lossy modes against bits on FIRST."""
    return mean_curves(Facts(results).curves("first/test"), "Bits against companded RMSE, FIRST").svg()


def speed_picture(results: Results) -> str:
    """Draw the ratio against the speed of encoding at sigma/8."""
    rows = [row for row in results.last("speed") if row["status"] == "ok" and row["bound"] == SPEED_BOUND]
    return scatter(rows, "encode", f"Encode speed against ratio, E = {SPEED_BOUND}").svg()


PICTURES: dict[str, Callable[[Results], str]] = {
    "sizes": sizes_picture,
    "lossy": lossy_picture,
    "speed": speed_picture,
}
