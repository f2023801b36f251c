"""Speed: against size of file, against size of image, threads, memory, and whole commands."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.reporting.charts import Axis, Plot, Series, chart
from benchmarks.reporting.results import Results, demand_of, grouped
from benchmarks.reporting.section import Section, kept
from benchmarks.reporting.sizes import OURS
from benchmarks.reporting.tables import Table, from_files
from benchmarks.types import Row

FLOAT_BITS = 32.0
SCATTER_SIDE = 4096


def speeds(results: Results) -> Section:
    """Make the section with tables and charts of ``speed``, ``base-speed`` and ``cold``."""
    rows = [row for row in results.last("speed") if row["status"] == "ok"]
    cold_rows = results.last("cold")
    figures = []
    for (bound,), some in grouped(rows, "bound").items():
        name = f"E = {bound}" if bound else "lossless"
        figures += [
            scatter(some, way, f"{way.capitalize()} speed against ratio, {name}").html() for way in ("encode", "decode")
        ]
        figures.append(scaling(some, f"Encode speed by size of image, {name}"))
    return Section(
        name="speed",
        title="Speed and memory",
        text="Side by side in one run, after a warm-up, medians; in brackets the slowest and the fastest repeat. "
        "Mpix/s are millions of pixels a second. Memory is the growth of a fresh process, in units of the float32 "
        "image. The command line's defaults are the lines with preview and verified: a preview of 1 % is made, and the "
        "file is decoded again and compared. Cold start: whole commands with these defaults, each a new process.",
        command="python -m benchmarks speed --side 256 --side 1024 --side 4096; python -m benchmarks cold",
        tables=kept([speed_table(results, rows), base_table(results), *cold_tables(results, cold_rows)]),
        figures=[figure for figure in figures if figure],
    )


def name_of(row: Row) -> str:
    """Name a codec with its threads; ours with what it does beside coding: a preview, a check of what it wrote."""
    threads = f", {row['threads']} threads" if row["threads"] != "1" else ""
    extras = ""
    if row["codec"] == OURS:
        extras += ", preview" if row["preview"] not in ("", "0") else ""
        extras += ", verified" if row["verify"] == "True" else ""
    return row["codec"] + threads + extras


def scatter(rows: Sequence[Row], way: str, title: str) -> Plot:
    """Plot ratio against speed, on the image that is nearest to 4096 x 4096."""
    pixels = min({int(row["pixels"]) for row in rows}, key=lambda n: abs(n - SCATTER_SIDE**2))
    here = [row for row in rows if int(row["pixels"]) == pixels]
    series = []
    for (codec,), some in grouped(here, "codec").items():
        points = [(float(row[f"{way}_mpix_s"]), FLOAT_BITS / float(row["bits_per_pixel"])) for row in some]
        marks = [name_of(row).removeprefix(codec).strip(", ") for row in some]
        series.append(Series(name=codec, points=points, marks=marks, joined=False))
    series.sort(key=lambda one: (one.name != OURS, one.name))
    side = round(pixels**0.5)
    x, y = Axis(title=f"{way}, Mpix/s", logarithmic=True), Axis(title="32 bits / bits a pixel")
    caption = f"Simulated, {side} x {side}; several points of a codec are its settings."
    return Plot(title=title, series=series, x=x, y=y, caption=caption)


def scaling(rows: Sequence[Row], title: str) -> str:
    """Draw speed against the side of the image, for codecs that have several."""
    series = []
    for name, some in _by_name(rows).items():
        points = sorted((float(row["pixels"]) ** 0.5, float(row["encode_mpix_s"])) for row in some)
        if len(points) > 1:
            series.append(Series(name=name, points=points))
    series.sort(key=lambda one: (not one.name.startswith(OURS), one.name))
    sides = sorted({x for one in series for x, _ in one.points})
    if not series:
        return ""
    x = Axis(title="side of the image, pixels", logarithmic=True, ticks=sides)
    return chart(title, series, x, Axis(title="encode, Mpix/s", logarithmic=True), "Simulated images.")


def _by_name(rows: Sequence[Row]) -> dict[str, list[Row]]:
    names: dict[str, list[Row]] = {}
    for row in rows:
        names.setdefault(name_of(row), []).append(row)
    return names


def speed_table(results: Results, rows: Sequence[Row]) -> Table | None:
    """Make a table with a line for each track, size and setting."""
    if not rows:
        return None
    lines = []
    for row in sorted(rows, key=lambda row: (row["track"], row["bound"], int(row["pixels"]))):
        side = round(int(row["pixels"]) ** 0.5)
        lines.append([
            demand_of(row), str(side), name_of(row), f"{float(row['bits_per_pixel']):.3f}", _speed(row, "encode"),
            _speed(row, "decode"), row["encode_memory_arrays"] or "-", row["decode_memory_arrays"] or "-",
        ])  # fmt: skip
    header = [
        "track", "side", "codec", "bits a pixel", "encode, Mpix/s", "decode, Mpix/s", "memory, encode", "memory, decode"
    ]  # fmt: skip
    machines = "; ".join(sorted({row["machine"] for row in rows}))
    notes = [f"{machines}; {rows[0]['repeats']} repeats.", from_files(results.sources(rows))]
    return Table(title="Speed and memory, simulated images", header=header, rows=lines, notes=notes, text_columns=3)


def _speed(row: Row, way: str) -> str:
    text = f"{float(row[f'{way}_mpix_s']):.2f}"
    low, high = (row.get(f"{way}_mpix_s_{end}") for end in ("least", "most"))
    return f"{text} ({float(low):.2f} to {float(high):.2f})" if low and high else text


def base_table(results: Results) -> Table | None:
    """Make a table of the lossy mode beside OpenJPEG, with a line for each size, rate, codec and number of threads."""
    rows = results.last("base-speed")
    if not rows:
        return None
    lines = [
        [
            row["shape"], f"{row['codec']}, {row['variant']}", f"{row['knob']} {row['quality']}", row["threads"],
            f"{float(row['bits_per_pixel']):.3f}", row["rmse_companded"] or "-",
            _speed(row, "encode"), _speed(row, "decode"), row["encode_cpu_s"] or "-", row["decode_cpu_s"] or "-",
        ]
        for row in rows
    ]  # fmt: skip
    notes = [
        f"Simulated images; {rows[0]['repeats']} repeats; not verified. OpenJPEG is at the companded error of the "
        "bit-rate above it.",
        from_files(results.sources(rows)),
    ]
    header = [
        "image", "codec", "setting", "threads", "bits a pixel", "error", "encode, Mpix/s", "decode, Mpix/s",
        "encode, CPU s", "decode, CPU s",
    ]  # fmt: skip
    return Table(title="Lossy mode beside OpenJPEG", header=header, rows=lines, notes=notes, text_columns=3)


def cold_tables(results: Results, rows: Sequence[Row]) -> list[Table]:
    """Make a table for each image, with a line for each command."""
    absent = results.missing("cold")
    tables = []
    for (file, shape), some in grouped(rows, "file", "shape").items():
        lines = [
            [
                row["command"], f"{float(row['median_s']):.3f}",
                f"{float(row['least_s']):.3f} to {float(row['most_s']):.3f}",
            ]
            for row in some
            if row["status"] == "ok"
        ]  # fmt: skip
        notes = [f"The image is `{file}`; {some[0]['repeats']} repeats; radcodec at commit {some[0]['commit']}."]
        notes += [f"Not installed: {', '.join(sorted(absent))}."] if absent else []
        notes.append(from_files(results.sources(some)))
        header = ["command", "median", "spread"]
        tables.append(Table(title=f"Whole commands, seconds, {shape}", header=header, rows=lines, notes=notes))
    return tables
