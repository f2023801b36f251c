"""Learned codecs beside each other: docs/comparison.md and docs/tables/comparison.md, from two kinds of rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from benchmarks.reporting.facts import Facts, shown
from benchmarks.reporting.results import Results
from benchmarks.run.curves import Curves, curves_of, table
from benchmarks.run.distortion import MEASURES
from benchmarks.studies.learned_base import sum_up
from benchmarks.types import Row

CODECS = ("radcodec", "vae", "ae")
RATES = (0.1, 0.25, 0.5, 1.0, 2.0)


def error_lines(curves: Curves) -> list[str]:
    """Write a line for each codec: mean error at RATES over the images whose curve has them all."""
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


def rate_distortion(found: Sequence[Row]) -> list[str]:
    """Make the tables of every set: error at equal bits, then bits at equal error."""
    by_set: dict[str, list[Row]] = defaultdict(list)
    for row in found:
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


def comparison_summary(results: Results, model: str) -> str:
    """Return what docs/comparison.md shows: bits at equal error on two sets, and the best lossless sizes."""
    facts, lossy = Facts(results), [row for row in results.rows("rd") if row["codec"] in CODECS]
    lines = [f"**Bits of the learned codecs over those of `{model}` at its error, FIRST**", ""]
    lines += [f"| bits a pixel of `{model}` | general-v0 | vae | ae |", "|---:|---:|---:|---:|"]
    for rate in (0.1, 0.25, 0.5, 1.0):
        ratios = (facts.ratio_at_error("first/test", model, rate, codec) for codec in ("general-v0", "vae", "ae"))
        lines.append(f"| {rate:g} | {' | '.join(map(shown, ratios))} |")
    lines += ["", f"A dash: not every image reaches that error. From {names(results.sources(lossy))}.", ""]
    coded = results.rows("lossless-neural")
    lines += ["**Lossless bits a dimension, each base at its best rate**", ""]
    for line in sum_up(coded):
        lines.append("|".join(line.split("|")[:-2]) + "|" if line.startswith("|") else line)
    lines += [f"From {names(results.sources(coded))}."]
    return "\n".join(lines).rstrip() + "\n"


def comparison(results: Results) -> str:
    """Return all of docs/tables/comparison.md, from the newest rows of these codecs."""
    lossy = [row for row in results.rows("rd") if row["codec"] in CODECS]
    lines = ["## Lossy: rate and distortion", "", f"From {names(results.sources(lossy))}.", ""]
    lines += rate_distortion(lossy)
    coded = results.rows("lossless-neural")
    lines += ["## Lossless bits per dimension", "", f"From {names(results.sources(coded))}.", "", *sum_up(coded)]
    return "\n".join(lines).rstrip() + "\n"


def names(sources: Sequence[str]) -> str:
    """Return the names of files, as code."""
    return ", ".join(f"`{source}`" for source in sources) or "no rows yet"
