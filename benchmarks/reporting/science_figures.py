"""Figures of docs/science.md from the newest rows of stack."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.figures import new_figure, save_figure
from benchmarks.reporting.results import Results, grouped
from benchmarks.science.scenes import AMPLITUDES
from benchmarks.types import Row

#: Colour and marker of the codecs that are drawn, in the order of the legend.
STYLES = {
    "radcodec": ("#1f4e9c", "o"),
    "radcodec dither": ("#6aa5e8", "s"),
    "radcodec lossy": ("#c8102e", "o"),
    "radcodec lossy + dither": ("#f58a9b", "s"),
    "radcodec general-v0": ("#8a1a6b", "D"),
    "radcodec smallest": ("#0b3d7a", "D"),
    "vae lossy": ("#e377c2", "P"),
    "ae lossy": ("#17a2a2", "X"),
    "jpeg2000 lossy": ("#2e8b57", "^"),
    "jpegxl lossy": ("#8fbc3f", "v"),
    "sperr lossy": ("#8c6d31", "<"),
    "sz3 lossy": ("#444444", ">"),
    "zfp lossy": ("#bbbbbb", "x"),
    "fpack": ("#ff8c00", "^"),
    "fpack dither": ("#ffc266", "v"),
    "sperr": ("#8c6d31", "<"),
    "sz3": ("#444444", ">"),
    "zfp": ("#bbbbbb", "x"),
}


def stack_figures(results: Results, folder: Path, chosen: str = "simulated") -> list[Path]:
    """Draw two figures of the stacks of a set, bias and stacks by number of sources; return their paths."""
    rows = [row for row in results.rows("stack") if row["status"] == "ok" and row["set"] == chosen]
    if not rows:
        raise SystemExit(f"no rows of stacks of {chosen}; python -m benchmarks stack makes them")
    return [
        save_figure(bias_figure(rows), folder / "stack_bias.png"),
        save_figure(count_figure(rows), folder / "stack_n.png"),
    ]


def bias_figure(rows: Sequence[Row]) -> Any:
    """Draw the recovered share of the flux, against bits a pixel at equal size (above) and the bound (below)."""
    most = max(int(row["n"]) for row in rows)
    last = [row for row in rows if int(row["n"]) == most]
    figure, axes = new_figure(2, len(AMPLITUDES), (12.5, 7.2))
    drawn: dict[str, Any] = {}
    for line, comparison in enumerate(("size", "bound")):
        for column, amplitude in enumerate(AMPLITUDES):
            axis = axes[line, column]
            axis.axhline(1.0, color="black", linewidth=0.8)
            here = [row for row in last if row["comparison"] == comparison and float(row["amplitude"]) == amplitude]
            for (codec,), some in grouped(here, "codec").items():
                if codec not in STYLES:
                    continue
                some = sorted(some, key=lambda row: float(row["level"]))
                x = [float(row["level"]) if comparison == "size" else 1 / float(row["level"]) for row in some]
                drawn[codec] = draw(axis, codec, x, some)
            axis.set_xscale("log")
            ticks = (0.1, 0.25, 0.5, 1) if comparison == "size" else (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1)
            labels = ("0.1", "0.25", "0.5", "1") if comparison == "size" else ("1/16", "1/8", "1/4", "1/2", "1")
            axis.set_xticks(ticks, labels)
            axis.minorticks_off()
            axis.set_xlabel("bits a pixel" if comparison == "size" else "largest error, sigma")
            axis.set_title(f"{amplitude:g} sigma, stack of {most}", fontsize=9)
            axis.set_ylim((-0.15, 1.3) if comparison == "size" else (0.55, 1.2))
            axis.grid(alpha=0.25)
        axes[line, 0].set_ylabel("recovered / injected flux")
    names = [name for name in STYLES if name in drawn]
    figure.legend([drawn[name] for name in names], names, loc="outside lower center", ncols=6, fontsize=8)
    return figure


def draw(axis: Any, codec: str, x: Sequence[float], rows: Sequence[Row]) -> Any:
    """Draw the line of a codec, with errors of the difference to the uncoded stack."""
    colour, marker = STYLES[codec]
    y, errors = ([float(row[name]) for row in rows] for name in ("recovered", "recovered_error"))
    return axis.errorbar(x, y, errors, color=colour, marker=marker, markersize=4, linewidth=1, capsize=2)


def count_figure(rows: Sequence[Row]) -> Any:
    """Draw mean stacks with their standard errors against the number of sources, uncoded beside some codecs."""
    shown = (
        ("radcodec lossless", "exact", "0"), ("radcodec", "bound", "2"), ("radcodec", "bound", "1"),
        ("radcodec dither", "bound", "1"), ("radcodec lossy", "size", "0.25"), ("jpeg2000 lossy", "size", "0.25"),
    )  # fmt: skip
    faint = AMPLITUDES[:3]
    figure, axes = new_figure(1, len(faint), (12.5, 4.0))
    for axis, amplitude in zip(axes[0], faint, strict=True):
        axis.axhline(amplitude, color="black", linewidth=0.8)
        for place, (codec, comparison, level) in enumerate(shown):
            some = [
                row for row in rows
                if (row["codec"], row["comparison"], row["level"]) == (codec, comparison, level)
                and float(row["amplitude"]) == amplitude
            ]  # fmt: skip
            labels = {
                "exact": "uncoded (lossless)",
                "bound": f"{codec}, E = sigma/{level}",
                "size": f"{codec}, {level} bit",
            }
            colour = "black" if comparison == "exact" else STYLES[codec][0]
            axis.errorbar(
                [int(row["n"]) * 1.06 ** (place - 2.5) for row in some], [float(row["mean"]) for row in some],
                [float(row["mean_error"]) for row in some], label=labels[comparison], color=colour, capsize=2,
                marker="s" if level == "1" else "o", markersize=4, linewidth=1,
            )  # fmt: skip
        axis.set_xscale("log")
        axis.set_xlabel("sources in the stack")
        axis.set_title(f"{amplitude:g} sigma injected", fontsize=9)
        axis.grid(alpha=0.25)
    axes[0, 0].set_ylabel("stacked flux, sigma")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=6, fontsize=8)
    return figure
