"""Tables of docs/detail.md and docs/tables/detail.md from the newest rows of speed and of studies."""

from __future__ import annotations

import statistics
from pathlib import Path

from benchmarks.reporting.results import Results, demand_of, grouped
from benchmarks.reporting.tables import REPOSITORY_FOLDER, from_files
from benchmarks.studies.base_under import base_lines
from benchmarks.types import Row

SIDE = 4096  # of the image whose speeds the page shows


def mean(rows: list[Row], column: str) -> float:
    """Return the mean of a column."""
    return statistics.mean(float(row[column]) for row in rows)


def speed_lines(rows: list[Row]) -> list[str]:
    """Write a line for each codec and setting."""
    lines = [
        "| track | codec, setting | bits/px | encode | decode | memory, encode | memory, decode |",
        "|" + "---|" * 7,
    ]
    for row in rows:
        cells = (
            demand_of(row), f"{row['codec']}, {row['setting']}", f"{float(row['bits_per_pixel']):.3f}",
            f"{float(row['encode_mpix_s']):.1f}", f"{float(row['decode_mpix_s']):.1f}",
            row["encode_memory_arrays"] or "-", row["decode_memory_arrays"] or "-",
        )  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def floor_lines(rows: list[Row]) -> list[str]:
    """Write a line for each telescope's image, and one for the mean of a set of many images."""
    lines = ["| bound | image | R(D) | floor | radcodec | ratio |", "|" + "---|" * 6]
    for (bound, chosen), some in grouped(rows, "bound", "set").items():
        parts = [[row] for row in some] if chosen == "telescopes" else [some]
        for part in parts:
            name = Path(part[0]["file"]).stem if len(part) == 1 else f"{chosen}, mean of {len(part)}"
            values = [mean(part, column) for column in ("rd_bits", "floor_bits", "radcodec_bits")]
            numbers = " | ".join(f"{value:.3f}" for value in values)
            lines.append(f"| {bound} | {name} | {numbers} | {values[2] / values[1]:.3f} |")
    return lines


def ablation_lines(rows: list[Row]) -> list[str]:
    """Write a line for each variant: mean bits of each set and bound, the change against the default, and speed."""
    groups = grouped([row for row in rows if row["status"] == "ok"], "variant")
    places = sorted({(row["bound"] or "lossless", row["set"]) for row in rows}, reverse=True)
    titles = " | ".join(f"{bound}, {chosen}" for bound, chosen in places)
    lines = [f"| variant | {titles} | encode | decode |", "|" + "---|" * (len(places) + 3)]
    base: dict[tuple[str, str], float] = {}
    for (variant,), some in groups.items():
        cells = []
        for place in places:
            here = [row for row in some if (row["bound"] or "lossless", row["set"]) == place]
            if not here:
                cells.append("-")
                continue
            bits = mean(here, "bits_per_pixel")
            if variant == "default":
                base[place] = bits
            change = "" if variant == "default" or place not in base else f" ({100 * (bits / base[place] - 1):+.1f} %)"
            cells.append(f"{bits:.3f}{change}")
        speeds = f"{mean(some, 'encode_mpix_s'):.2f} | {mean(some, 'decode_mpix_s'):.1f}"
        lines.append(f"| {variant} | {' | '.join(cells)} | {speeds} |")
    return lines


def layers_lines(rows: list[Row]) -> list[str]:
    """Write a line for each part, setting, bound and set."""
    lines = ["| bound | set | part | bits/px with it | without | RMSE with it / without |", "|" + "---|" * 6]
    for (bound, chosen, part, setting), some in grouped(rows, "bound", "set", "part", "setting").items():
        moved = [row for row in some if row["rmse"]]
        ratio = statistics.mean(float(row["rmse"]) / float(row["plain_rmse"]) for row in moved) if moved else None
        numbers = f"{mean(some, 'bits_per_pixel'):.3f} | {mean(some, 'plain_bits_per_pixel'):.3f}"
        error = "" if ratio is None else f"{ratio:.3f}"
        lines.append(f"| {bound} | {chosen} ({len(some)}) | {part}, {setting} | {numbers} | {error} |")
    return lines


#: Variants of the ablation that docs/detail.md shows.
SHOWN_PARTS = (
    "default", "max radius 4", "one class", "no adaptation", "closed loop off", "borders off",
    "smallest: on a base layer where that pays",
)  # fmt: skip
TABLES = {
    "speed": ("Speed and memory, Mpix/s, memory in arrays", speed_lines),
    "floor": ("Distance to the spectral floor, bits a pixel", floor_lines),
    "ablation": ("Parts of the layer on and off, mean bits a pixel; Mpix/s over all rows", ablation_lines),
    "base": ("A base layer under the detail: bits a pixel without, and the change with it", base_lines),
    "layers": ("What lies around the predictor, mean bits a pixel", layers_lines),
}


def rows_of(results: Results, command: str) -> list[Row]:
    """Return the rows of a table: speeds of images of SIDE in the newest file, all rows of other commands."""
    if command != "speed":
        return results.rows(command)
    return [row for row in results.last(command) if int(row["pixels"]) == SIDE**2]


def detail_report(results: Results) -> str:
    """Return the tables of the page, each with the files that its numbers come from."""
    lines: list[str] = []
    for command, (title, _) in TABLES.items():
        missing = [f"**{title}**", "", f"No rows yet; `python -m benchmarks {command}` makes them.", ""]
        lines += detail_table(results, command) or missing
    return "\n".join(lines).rstrip() + "\n"


def detail_summary(results: Results) -> str:
    """Return what docs/detail.md shows: the distance to the floor, and the parts that save most."""
    lines = detail_table(results, "floor")
    rows = rows_of(results, "ablation")
    if rows:
        made = ablation_lines(rows)
        shown = [line for line in made[2:] if line.startswith(tuple(f"| {name} |" for name in SHOWN_PARTS))]
        sources = from_files(results.sources(rows))
        lines += [f"**{TABLES['ablation'][0]}**", "", *made[:2], *shown, "", sources, ""]
    return "\n".join(lines).rstrip() + "\n"


def detail_table(results: Results, command: str) -> list[str]:
    """Return the table of one command with its title and sources; nothing without rows."""
    title, make = TABLES[command]
    rows = rows_of(results, command)
    if not rows:
        return []
    files = ", ".join(f"`{REPOSITORY_FOLDER}/{source}`" for source in results.sources(rows))
    systems = "; ".join(sorted({row["machine"] for row in rows}))
    return [f"**{title}**", "", *make(rows), "", f"From {files}; {systems}.", ""]
