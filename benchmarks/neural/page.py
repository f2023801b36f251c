"""The tables of docs/comparison.md: learned codecs beside each other, from rows of ``rd`` and ``lossless-neural``."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.neural.lossless import sum_up
from benchmarks.rd import MEASURES, Curves, Row, curves_of, read_rows, table

CODECS = ("radcodec", "vae", "ae")
RATES = (0.1, 0.25, 0.5, 1.0, 2.0)


def error_lines(curves: Curves) -> list[str]:
    """One line a codec: mean error at RATES over the images whose curve has them all."""
    titles = " | ".join(f"{rate:g}" for rate in RATES)
    lines = [f"| codec | {titles} |", "|---|" + "---:|" * len(RATES)]
    for (codec, variant), by_image in sorted(curves.items(), key=lambda item: CODECS.index(item[0][0])):
        cells = []
        for rate in RATES:
            found = [error for curve in by_image.values() if (error := curve.error_at(rate)) is not None]
            short = "" if len(found) == len(by_image) else f" ({len(found)} of {len(by_image)})"
            cells.append(f"{np.mean(found):.3f}{short}" if found else "-")
        lines.append(f"| {variant if codec == 'radcodec' else codec} | {' | '.join(cells)} |")
    return lines


def rate_distortion(paths: Sequence[Path]) -> list[str]:
    """Tables of every set: error at equal bits, then bits at equal error."""
    by_set: dict[str, list[Row]] = defaultdict(list)
    for row in read_rows(paths):
        if row["codec"] in CODECS:
            by_set[row["set"]].append(row)
    lines: list[str] = []
    for chosen, rows in sorted(by_set.items()):
        for measure in MEASURES:
            curves = curves_of(rows, measure)
            lines += [f"**{chosen}: {measure} at equal bits a pixel, mean over images**", "", *error_lines(curves), ""]
            for model in sorted(variant for codec, variant in curves if codec == "radcodec"):
                lines += [f"**{chosen}: bits a pixel at the {measure} of {model} (ratio to its bits)**", ""]
                lines += [*table(curves, model), ""]
    return lines


def comparison(folder: Path) -> str:
    """Everything between the page's markers, from all rows in a folder that are for these codecs."""
    found = [path for path in sorted(folder.glob("*_rd.csv")) if codecs_of(path) & set(CODECS)]
    lines = ["### Lossy: rate and distortion", "", f"From {names(found)}.", "", *rate_distortion(found)]
    coded = sorted(folder.glob("*_lossless-neural.csv"))
    lines += ["### Lossless bits per dimension", "", f"From {names(coded)}.", "", *sum_up(coded)]
    return "\n".join(lines).rstrip() + "\n"


def codecs_of(path: Path) -> set[str]:
    """Codecs that a file has rows of."""
    with path.open(newline="", encoding="utf-8") as file:
        return {row["codec"] for row in csv.DictReader(file)}


def names(paths: Sequence[Path]) -> str:
    """Names of files, as code."""
    return ", ".join(f"`{path.name}`" for path in paths) or "no rows yet"
