"""Sections on what is lost: error against bits of the lossy mode, science checks, and stacks of faint sources."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

import numpy as np

from benchmarks.reporting.charts import Axis, Plot, Series, chart
from benchmarks.reporting.results import Results, grouped
from benchmarks.reporting.section import Section, kept, measured_model, split_lines
from benchmarks.reporting.sizes import OURS
from benchmarks.reporting.tables import Table, from_files
from benchmarks.run import curves as rd
from benchmarks.run.curves import title_of
from benchmarks.run.distortion import ESTIMATE
from benchmarks.types import Row


def distortion(results: Results) -> Section:
    """Make the section on bits against error of the lossy mode."""
    rows = results.rows("rd")
    figures, tables, model_shown = [], [], measured_model(results)
    for (chosen,), some in grouped(rows, "set").items():
        for measure, unit in (("rmse_companded", "companded"), ("rmse_faint", "of faint pixels, in sigma")):
            curves = rd.curves_of(some, measure)
            figures.append(mean_curves(curves, f"Bits against RMSE {unit}, {chosen}").html())
            for codec, model in sorted(curves):
                if codec == OURS:
                    tables.append(needed_table(results, some, curves, model, f"{chosen}, RMSE {unit}, {model}"))
            if chosen == "telescopes" and measure == "rmse_companded" and (OURS, model_shown) in curves:
                header, *lines = rd.single_images(curves, model_shown)
                title = f"Image by image: bits of the others over those of {model_shown}, companded RMSE"
                notes = [from_files(results.sources(some))]
                tables.append(Table(title=title, header=header, rows=lines, notes=notes))
    return Section(
        name="rd",
        title="Equal RMSE: the lossy mode",
        text="What the others need where radcodec takes 0.1, 0.25, 0.5 and 1 bit a pixel, image by image; in brackets "
        "the ratio to radcodec (above 1: radcodec is smaller) and the variant. Companded: 3 asinh((v - m) / 3s).",
        command="python -m benchmarks rd --set first/test",
        tables=kept(tables),
        figures=[figure for figure in figures if figure],
    )


def needed_table(results: Results, rows: Sequence[Row], curves: rd.Curves, model: str, title: str) -> Table | None:
    """Return the table of ``rd`` for one model."""
    cells = split_lines(rd.table(curves, model))
    if len(cells) < 3:
        return None
    notes = [from_files(results.sources(rows))]
    return Table(title=f"Bits a pixel for equal error: {title}", header=cells[0], rows=cells[2:], notes=notes)


def mean_curves(curves: rd.Curves, title: str) -> Plot:
    """Plot each codec's best variant: its mean error over all images, at rates that all images reach."""
    found: dict[str, list[tuple[float, float]]] = {}
    n_images = max((len(by_image) for by_image in curves.values()), default=0)
    for (codec, _), by_image in curves.items():
        if len(by_image) < n_images:
            continue
        points = []
        for rate in np.geomspace(0.02, 4.0, 24):
            errors = [curve.error_at(float(rate)) for curve in by_image.values()]
            known = [error for error in errors if error is not None and error > 0]
            if len(known) == n_images:
                points.append((float(rate), statistics.mean(known)))
        best = found.get(codec)
        if points and (best is None or _area(points) < _area(best)):
            found[codec] = points
    names = sorted(found, key=lambda codec: (codec != OURS, codec == ESTIMATE, codec))
    series = [Series(name=title_of(name), points=found[name]) for name in names]
    x, y = Axis(title="bits a pixel", logarithmic=True), Axis(title="RMSE", logarithmic=True)
    caption = f"Means of {n_images} images; the best variant of each codec."
    return Plot(title=title, series=series, x=x, y=y, caption=caption)


def _area(points: Sequence[tuple[float, float]]) -> float:
    return statistics.mean(math.log(error * bits) for bits, error in points)


def science(results: Results) -> Section:
    """Make the section on science at equal size and bound: what changes in fluxes, positions, noise."""
    tables = []
    rows = [row for row in results.rows("science") if row["status"] == "ok"]
    for (chosen, comparison), some in grouped(rows, "set", "comparison").items():
        for wanted in ("0.25", "2"):
            level = [row for row in some if row["level"] == wanted]
            if level and (comparison, wanted) in (("size", "0.25"), ("bound", "2")):
                demand = "at 0.25 bit a pixel" if comparison == "size" else "at E = sigma/2"
                tables.append(pivot(results, level, f"{chosen}, {demand}"))
    return Section(
        name="science",
        title="Science at equal size and at equal bound",
        text="Sources found, their fluxes and positions, noise and moment maps against the originals; what each "
        "measure is, the other sizes and the conclusions are on the page of the science checks.",
        command="python -m benchmarks science",
        tables=tables,
    )


def pivot(results: Results, rows: Sequence[Row], title: str) -> Table:
    """Make a table with a line for each measure and a column for each codec."""
    codecs = list(dict.fromkeys(row["codec"] for row in rows))
    lines = []
    for (metric, part), some in grouped(rows, "metric", "bin").items():
        by_codec = {row["codec"]: row["value"] for row in some}
        cells = [f"{float(by_codec[codec]):.4g}" if by_codec.get(codec) else "-" for codec in codecs]
        lines.append([" ".join(filter(None, (metric, part))), *cells])
    return Table(title=title, header=["measure", *codecs], rows=lines, notes=[from_files(results.sources(rows))])


def stacks(results: Results) -> Section:
    """Make the section on the bias of stacked fluxes."""
    rows = [row for row in results.rows("stack") if row["status"] == "ok" and row["change"]]
    figures, tables = [], []
    for (chosen, comparison, level), some in grouped(rows, "set", "comparison", "level").items():
        if (comparison, level) not in (("bound", "2"), ("bound", "1"), ("size", "0.25"), ("size", "0.1")):
            continue
        most = {key: max(int(row["n"]) for row in part) for key, part in grouped(some, "amplitude").items()}
        last = [row for row in some if int(row["n"]) == most[(row["amplitude"],)]]
        demand = f"{level} bit a pixel" if comparison == "size" else f"E = sigma/{level}"
        title = f"Stacks of {max(most.values())} sources, {chosen}, {demand}"
        amplitudes = sorted({float(row["amplitude"]) for row in last})
        series = []
        for (codec,), of_codec in grouped(last, "codec").items():
            points = [(float(row["amplitude"]), float(row["change"])) for row in of_codec]
            series.append(Series(name=codec, points=points, errors=[float(row["change_error"]) for row in of_codec]))
        series.sort(key=lambda one: (not one.name.startswith(OURS), one.name))
        x, y = Axis(title="injected flux, sigma", ticks=amplitudes), Axis(title="change of the mean, sigma")
        figures.append(chart(title, series, x, y, "Bars are standard errors; 0 is no bias."))
        tables.append(stack_table(results, last, title))
    return Section(
        name="stacks",
        title="Stacks of faint sources",
        text="What is left of sources below the noise in the mean of many: recovered less uncoded flux, in sigma, with "
        "its standard error.",
        command="python -m benchmarks stack",
        tables=tables,
        figures=[figure for figure in figures if figure],
    )


def stack_table(results: Results, rows: Sequence[Row], title: str) -> Table:
    """Make a table with a line for each codec and a column for each injected flux."""
    amplitudes = sorted({row["amplitude"] for row in rows}, key=float)
    lines = []
    for (codec,), some in grouped(rows, "codec").items():
        by_flux = {row["amplitude"]: f"{float(row['change']):.4f} ± {float(row['change_error']):.4f}" for row in some}
        bits = statistics.mean(float(row["bits_per_pixel"]) for row in some if row["bits_per_pixel"])
        lines.append([codec, f"{bits:.3f}", *(by_flux.get(amplitude, "-") for amplitude in amplitudes)])
    header = ["codec", "bits a pixel", *(f"{float(amplitude):g} sigma" for amplitude in amplitudes)]
    return Table(title=title, header=header, rows=lines, notes=[from_files(results.sources(rows))])
