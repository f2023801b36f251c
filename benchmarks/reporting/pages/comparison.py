"""Learned codecs beside each other: docs/comparison.md and docs/tables/comparison.md, from two kinds of rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from benchmarks.reporting.facts import Facts, shown, value_of
from benchmarks.reporting.results import Results
from benchmarks.run.curves import Curves, curves_of, table, title_of
from benchmarks.run.distortion import ESTIMATE, MEASURES
from benchmarks.studies.learned_base import BASES, WHOLE, sum_up
from benchmarks.types import Row

CODECS = ("radcodec", "vae", "ae")
RATES = (0.1, 0.25, 0.5, 1.0, 2.0)
#: Codecs and models beside the default, as rows of rd name them, and what the page calls them.
OTHERS = {
    "general-v0": "VQ-VAE `general-v0`", "vae": "VAE", "ae": "autoencoder", "jpeg2000": "JPEG 2000",
    "jpegxl": "JPEG XL",
}  # fmt: skip
#: The same of rows of science at equal size.
SIZED = {
    "radcodec lossy": "radcodec", "radcodec general-v0": "VQ-VAE `general-v0`", "vae lossy": "VAE",
    "ae lossy": "autoencoder", "jpeg2000 lossy": "JPEG 2000", "jpegxl lossy": "JPEG XL",
}  # fmt: skip
LOSSLESS = (*WHOLE, *BASES)


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
    """Return what docs/comparison.md shows: bits at equal error, lossless sizes, and what is left of faint sources."""
    lines = [line for chosen in ("first/test", "telescopes") for line in ratio_table(results, model, chosen)]
    coded = lossless_rows(results)
    lines += ["**Lossless bits a dimension, each base at its best rate**", ""]
    for line in sum_up(coded):
        lines.append("|".join(line.split("|")[:-2]) + "|" if line.startswith("|") else line)
    lines += [f"From {names(results.sources(coded))}.", "", *faint_table(results)]
    return "\n".join(lines).rstrip() + "\n"


def ratio_table(results: Results, model: str, chosen: str) -> list[str]:
    """Return the bits of the other codecs over those of a model, at the errors that it has at a few rates."""
    facts = Facts(results)
    codecs = [*OTHERS, ESTIMATE]
    titles = [*OTHERS.values(), title_of(ESTIMATE)]
    lines = [f"**Bits over those of `{model}` at its error, {chosen}**", ""]
    lines += [f"| bits a pixel of `{model}` | {' | '.join(titles)} |", "|" + "---:|" * (1 + len(titles))]
    for rate in (0.1, 0.25, 0.5, 1.0):
        ratios = (facts.ratio_at_error(chosen, model, rate, codec) for codec in codecs)
        lines.append(f"| {rate:g} | {' | '.join(map(shown, ratios))} |")
    compared = [row for row in results.rows("rd") if row["set"] == chosen and compared_here(row, model)]
    return [*lines, "", f"A dash: not every image reaches that error. From {names(results.sources(compared))}.", ""]


def compared_here(row: Row, model: str) -> bool:
    """Return whether the page compares a row's codec with the model."""
    return row["codec"] in (*OTHERS, ESTIMATE) or row["variant"] in (model, *OTHERS)


def lossless_rows(results: Results) -> list[Row]:
    """Return the lossless rows of the codecs that are compared now, in one order."""
    rows = [row for row in results.rows("lossless-neural") if row["codec"] in LOSSLESS]
    return sorted(rows, key=lambda row: (row["set"] != "mirabest", row["set"], LOSSLESS.index(row["codec"])))


def faint_table(results: Results, level: str = "0.25") -> list[str]:
    """Return what is left of faint sources of FIRST at one size: sources found again, their fluxes, stacks."""
    facts, used = Facts(results), list[Row]()
    lines = [f"**Faint sources of first/test at {level} bit a pixel**", ""]
    lines += ["| codec | bits a pixel | 5 to 10 sigma, found again, % | flux at 10 to 30 sigma, % | its scatter, % |"]
    lines += ["|---|---:|---:|---:|---:|"]
    for codec, title in SIZED.items():
        found, flux = (
            facts.science("first/test", "size", level, codec, metric, part)
            for metric, part in (("sep completeness", "5-10"), ("sep flux_ratio", "10-30"))
        )
        share, ratio, scatter = value_of(found), value_of(flux), value_of(flux, "scatter")
        if found is None or flux is None or share is None or ratio is None:
            continue
        used += [found, flux]
        name = found["variant"] if codec == "radcodec lossy" else title
        cells = (f"{100 * share:.0f}", f"{100 * ratio:.1f}", f"{100 * (scatter or 0.0):.1f}")
        lines.append(f"| {name} | {float(found['bits_per_pixel']):.2f} | {' | '.join(cells)} |")
    return [*lines, "", f"Sources by sep. From {names(results.sources(used))}."]


def comparison(results: Results) -> str:
    """Return all of docs/tables/comparison.md, from the newest rows of these codecs."""
    lossy = [row for row in results.rows("rd") if row["codec"] in CODECS]
    lines = ["## Lossy: rate and distortion", "", f"From {names(results.sources(lossy))}.", ""]
    lines += rate_distortion(lossy)
    coded = lossless_rows(results)
    lines += ["## Lossless bits per dimension", "", f"From {names(results.sources(coded))}.", "", *sum_up(coded)]
    return "\n".join(lines).rstrip() + "\n"


def names(sources: Sequence[str]) -> str:
    """Return the names of files, as code."""
    return ", ".join(f"`{source}`" for source in sources) or "no rows yet"
