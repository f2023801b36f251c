"""The sections of the report: tables and charts of each kind of measurement, or what makes them if there are none."""

from __future__ import annotations

import math
import statistics
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks import detail_report, rd
from benchmarks.reporting import sizes
from benchmarks.reporting.charts import Axis, Series, chart
from benchmarks.reporting.readme import lossy_table, size_table
from benchmarks.reporting.results import Results, Row, grouped
from benchmarks.reporting.sizes import OURS
from benchmarks.reporting.tables import Table, from_files

MODELS = Path(__file__).resolve().parents[2] / "models" / "registry.toml"
MAX_CURVES = 9
SKY = ("first/test", "telescopes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """``figures`` are HTML; ``command`` makes the rows, which a section without tables and figures says."""

    name: str
    title: str
    text: str
    command: str
    tables: Sequence[Table] = ()
    figures: Sequence[str] = field(default_factory=tuple)

    @property
    def empty(self) -> bool:
        """Whether nothing was measured."""
        return not self.tables and not self.figures

    def markdown(self) -> list[str]:
        """Lines: heading, text, tables."""
        lines = [f"## {self.title}", "", self.text, ""]
        if self.empty:
            return [*lines, f"No rows yet; `{self.command}` makes them.", ""]
        for table in self.tables:
            lines += table.markdown()
        return lines


def default_model() -> str:
    """Name of the base layer's default model."""
    listed = tomllib.loads(MODELS.read_text(encoding="utf-8"))["model"]
    return str(next(model["name"] for model in listed if model["default"]))


def kept(tables: Sequence[Table | None]) -> list[Table]:
    """The tables that there are."""
    return [table for table in tables if table is not None]


def summary(results: Results) -> Section:
    """What the README shows."""
    table = size_table(results)
    return Section(
        name="summary",
        title="In short",
        text="Bits a pixel are stored bytes times 8 over pixels; the smaller of each pair is in bold. "
        "E is the same for every codec: a part of sigma = 1.4826 MAD of the image.",
        command="python -m benchmarks run",
        tables=kept([table if table.rows else None, lossy_table(results, default_model())]),
    )


def beaten(results: Results) -> Section:
    """Where radcodec is not the smallest."""
    return Section(
        name="beaten",
        title="Where others are smaller",
        text="Of all lossless, bounded and integer rows, image by image. For the lossy mode see below: image by image, "
        "bits of the others over radcodec's.",
        command="python -m benchmarks run",
        tables=kept([sizes.beaten_table(results)]),
    )


def tracks(results: Results) -> Section:
    """Lossless and bounded sizes, and the ladder as a chart."""
    places = ("first/test", "telescopes", "cubes", "simulated")
    tables = []
    for bound in sizes.LADDER:
        title = f"Equal largest error, E = {sizes.SHOWN.get(bound, bound)}" if bound else "Lossless"
        tables.append(sizes.size_table(results, "bounded" if bound else "lossless", bound, title, places))
    curves = sizes.ladder_curves(results, "first/test")
    whole = {codec: points for codec, points in curves.items() if len(points) > 1}
    chosen = sorted(whole, key=lambda codec: (codec != OURS, statistics.mean(bits for _, bits in whole[codec])))
    series = [Series(name=sizes.label(codec), points=whole[codec]) for codec in chosen[:MAX_CURVES]]
    ticks = sorted({error for points in curves.values() for error, _ in points})
    texts = [f"σ/{round(1 / tick)}" if tick < 1 else "σ" for tick in ticks]
    x = Axis(title="largest error E", logarithmic=True, ticks=ticks, texts=texts)
    figure = chart(
        "Size at equal largest error, FIRST", series, x, Axis(title="bits a pixel"),
        "Mean of first/test; the codecs that are smallest on average.",
    )  # fmt: skip
    absent = results.missing("run")
    told = " Not installed when this was measured: " + ", ".join(sorted(absent)) + "." if absent else ""
    return Section(
        name="tracks",
        title="Equal largest error, and lossless",
        text="Every decode is checked; a codec without such a mode, or without a row for every image, has a dash. How "
        f"each maps floats to its integers is said in `benchmarks/rivals`.{told}",
        command="python -m benchmarks run --track bounded --divisor 16 --divisor 8 --set first/test",
        tables=kept(tables),
        figures=[figure] if figure else [],
    )


def telescopes(results: Results) -> Section:
    """A table for each telescope, cube and set."""
    return Section(
        name="telescopes",
        title="Telescope by telescope",
        text="The same numbers by image: one line a codec, one column a bound.",
        command="python -m benchmarks run --track lossless --set telescopes --set cubes",
        tables=sizes.place_tables(results, ("first/test", "telescopes", "cubes", "simulated")),
    )


def integers(results: Results) -> Section:
    """Integer cubes and maps, and 8-bit pictures."""
    sky = sizes.size_table(results, "integers", "", "Integer samples, lossless", ("first/test", "telescopes", "cubes"))
    floats, whole = (
        sizes.size_table(results, track, "", f"FIRST images on a lattice, {what}", ("first/train", "first/test"))
        for track, what in (("lattices", "as the floats that they are"), ("integers", "as the integers behind them"))
    )
    small = sizes.size_table(results, "lossless", "", "8 bits: test batch of MiraBest, 150 x 150", ("mirabest",))
    return Section(
        name="integers",
        title="Integers: cubes, maps, 8-bit pictures",
        text="Stored integers, and the integers behind floats that lie on an even lattice. MiraBest's pictures had all "
        "below 3 sigma set to 0, so that most of a file is what it says about itself.",
        command="python -m benchmarks run --track integers --set cubes",
        tables=kept([sky, floats, whole, small]),
    )


def archives(results: Results) -> Section:
    """Tools at their defaults."""
    return Section(
        name="defaults",
        title="Archive tools as they come",
        text="What `fpack`, astropy, gzip, Zstandard and radcodec do to a FITS file without any option. Bits are of "
        "whole files, header and padding included. Errors are in units of sigma = 1.4826 MAD of the file: the largest "
        "of all files, and the mean RMSE. Nothing here is at an equal bound, but for the last line: radcodec asked for "
        'the largest error that fpack made in the same file. Under "Whole FITS files" is what a `.rcz` has besides '
        "pixels: header, index, checksums, preview.",
        command="python -m benchmarks run --track defaults --set first/test",
        tables=kept([*sizes.defaults_tables(results), sizes.files_table(results)]),
    )


def distortion(results: Results) -> Section:
    """Rate-distortion of the lossy mode."""
    rows = results.rows("rd")
    figures, tables = [], []
    for (chosen,), some in grouped(rows, "set").items():
        for measure, unit in (("rmse_companded", "companded"), ("rmse_faint", "of faint pixels, in sigma")):
            curves = rd.curves_of(some, measure)
            figures.append(mean_curves(curves, f"Bits against RMSE {unit}, {chosen}"))
            for codec, model in sorted(curves):
                if codec == OURS:
                    tables.append(needed_table(results, some, curves, model, f"{chosen}, RMSE {unit}, {model}"))
            if chosen == "telescopes" and measure == "rmse_companded" and (OURS, default_model()) in curves:
                header, *lines = rd.single_images(curves, default_model())
                title = f"Image by image: bits of the others over those of {default_model()}, companded RMSE"
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


def split_lines(lines: Sequence[str]) -> list[list[str]]:
    """Cells of the lines of a Markdown table; the second are its dashes."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def needed_table(results: Results, rows: Sequence[Row], curves: rd.Curves, model: str, title: str) -> Table | None:
    """The table of ``rd`` for one model."""
    cells = split_lines(rd.table(curves, model))
    if len(cells) < 3:
        return None
    notes = [from_files(results.sources(rows))]
    return Table(title=f"Bits a pixel for equal error: {title}", header=cells[0], rows=cells[2:], notes=notes)


def mean_curves(curves: rd.Curves, title: str) -> str:
    """A chart: for each codec its best variant's mean error over all images at rates that all of them reach."""
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
    names = sorted(found, key=lambda codec: (codec != OURS, codec == rd.BOUND, codec))
    series = [Series(name=name, points=found[name]) for name in names]
    x, y = Axis(title="bits a pixel", logarithmic=True), Axis(title="RMSE", logarithmic=True)
    return chart(title, series, x, y, f"Means of {n_images} images; the best variant of each codec.")


def _area(points: Sequence[tuple[float, float]]) -> float:
    return statistics.mean(math.log(error * bits) for bits, error in points)


def science(results: Results) -> Section:
    """Science at equal size and bound: what changes in fluxes, positions, noise."""
    tables = []
    rows = [row for row in results.rows("science") if row["status"] == "ok"]
    for (chosen, comparison), some in grouped(rows, "set", "comparison").items():
        for wanted in ("0.25", "2"):
            level = [row for row in some if row["level"] == wanted]
            if level and (comparison, wanted) in (("size", "0.25"), ("bound", "2")):
                told = "at 0.25 bit a pixel" if comparison == "size" else "at E = sigma/2"
                tables.append(pivot(results, level, f"{chosen}, {told}"))
    return Section(
        name="science",
        title="Science at equal size and at equal bound",
        text="Sources found, their fluxes and positions, noise and moment maps against the originals; what each "
        "measure is, the other sizes and the conclusions are on the page of the science checks.",
        command="python -m benchmarks science",
        tables=tables,
    )


def pivot(results: Results, rows: Sequence[Row], title: str) -> Table:
    """One line a measure, one column a codec."""
    codecs = list(dict.fromkeys(row["codec"] for row in rows))
    lines = []
    for (metric, part), some in grouped(rows, "metric", "bin").items():
        by_codec = {row["codec"]: row["value"] for row in some}
        cells = [f"{float(by_codec[codec]):.4g}" if by_codec.get(codec) else "-" for codec in codecs]
        lines.append([" ".join(filter(None, (metric, part))), *cells])
    return Table(title=title, header=["measure", *codecs], rows=lines, notes=[from_files(results.sources(rows))])


def stacks(results: Results) -> Section:
    """Bias of stacked fluxes."""
    rows = [row for row in results.rows("stack") if row["status"] == "ok" and row["change"]]
    figures, tables = [], []
    for (chosen, comparison, level), some in grouped(rows, "set", "comparison", "level").items():
        if (comparison, level) not in (("bound", "2"), ("bound", "1"), ("size", "0.25"), ("size", "0.1")):
            continue
        most = {key: max(int(row["n"]) for row in part) for key, part in grouped(some, "amplitude").items()}
        last = [row for row in some if int(row["n"]) == most[(row["amplitude"],)]]
        told = f"{level} bit a pixel" if comparison == "size" else f"E = sigma/{level}"
        title = f"Stacks of {max(most.values())} sources, {chosen}, {told}"
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
    """One line a codec, one column an injected flux."""
    amplitudes = sorted({row["amplitude"] for row in rows}, key=float)
    lines = []
    for (codec,), some in grouped(rows, "codec").items():
        by_flux = {row["amplitude"]: f"{float(row['change']):.4f} ± {float(row['change_error']):.4f}" for row in some}
        bits = statistics.mean(float(row["bits_per_pixel"]) for row in some if row["bits_per_pixel"])
        lines.append([codec, f"{bits:.3f}", *(by_flux.get(amplitude, "-") for amplitude in amplitudes)])
    header = ["codec", "bits a pixel", *(f"{float(amplitude):g} sigma" for amplitude in amplitudes)]
    return Table(title=title, header=header, rows=lines, notes=[from_files(results.sources(rows))])


def detail(results: Results) -> Section:
    """Tables of docs/detail.md."""
    tables = []
    for command in ("floor", "ablation", "layers"):
        rows = results.last(command)
        if rows:
            title, make = detail_report.TABLES[command]
            cells = split_lines(make(rows))
            notes = [from_files(results.sources(rows))]
            tables.append(Table(title=title, header=cells[0], rows=cells[2:], notes=notes, text_columns=2))
    return Section(
        name="detail",
        title="The detail layer: its limit and its parts",
        text="How far radcodec is from what a Gaussian field of the image's spectrum would cost, and what each part of "
        "the layer brings; what the words mean is in `docs/detail.md` and `benchmarks/README.md`.",
        command="python -m benchmarks floor",
        tables=tables,
    )


def sections(results: Results) -> list[Section]:
    """All of them, in the order of the page."""
    from benchmarks.reporting.speeds import speeds

    makers: list[Callable[[Results], Section]] = [
        summary, beaten, tracks, telescopes, distortion, science, stacks, archives, integers, speeds, detail
    ]  # fmt: skip
    return [make(results) for make in makers]
