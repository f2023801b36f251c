"""Markdown tables from measured rows; those of a page are put between its markers."""

from __future__ import annotations

import csv
import math
import statistics
from collections import defaultdict
from pathlib import Path

BEGIN, END = "<!-- results -->", "<!-- /results -->"
Row = dict[str, str]

TITLES = {
    "files": "Whole FITS files {bound}, bits a pixel (8 x size of the file / pixels)",
    "lossless": "Lossless, bits a pixel",
    "bounded": "Bounded, bits a pixel at equal maximum error ({bound})",
    "integers": "Integer samples, lossless, bits a pixel",
}


def read_rows(paths: list[Path]) -> list[Row]:
    """Rows of all files; of rows for the same codec, image and track the last one counts.

    Files of the other commands (speed, floor, ablation), which have no column ``encode_s``, are passed over.
    """
    latest: dict[tuple[str, ...], Row] = {}
    for path in paths:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            if "encode_s" not in (reader.fieldnames or ()):
                continue
            for row in reader:
                row["source"] = path.name
                latest[tuple(row[name] for name in ("track", "bound", "file", "hdu", "codec"))] = row
    return list(latest.values())


def column_of(row: Row) -> str:
    """Set for FIRST's many cut-outs, file otherwise."""
    return f"{row['set']} (mean)" if row["set"].startswith("first/") else Path(row["file"]).stem


def table(rows: list[Row]) -> list[str]:
    """One line a codec, one column an image or set; cells without an acceptable result are dashes."""
    cells: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    wanted: dict[str, set[str]] = defaultdict(set)
    speeds: dict[str, list[tuple[float, float, float]]] = defaultdict(list)
    for row in rows:
        column = column_of(row)
        wanted[column].add(row["file"] + row["hdu"])
        if row["status"] == "ok":
            cells[row["codec"]][column].append(float(row["bits_per_pixel"]))
            speeds[row["codec"]].append((float(row["pixels"]), float(row["encode_s"]), float(row["decode_s"])))
    columns = sorted(wanted, key=lambda name: (not name.startswith("first/"), name))
    best = {}
    for column in columns:
        complete = [c[column] for c in cells.values() if len(c[column]) == len(wanted[column])]
        best[column] = min(map(statistics.mean, complete), default=None)
    lines = [
        "| codec | " + " | ".join(columns) + " | encode / decode, Mpix/s |",
        "|---|" + "---:|" * (len(columns) + 1),
    ]

    def order(codec: str) -> tuple[int, float]:
        values = [statistics.mean(cells[codec][c]) for c in columns if len(cells[codec][c]) == len(wanted[c])]
        return -len(values), statistics.mean(values) if values else math.inf

    for codec in sorted(cells, key=order):
        texts = []
        for column in columns:
            values = cells[codec][column]
            if len(values) != len(wanted[column]):
                texts.append("-")
                continue
            mean = statistics.mean(values)
            texts.append(f"**{mean:.3f}**" if mean == best[column] else f"{mean:.3f}")
        pixels, encode_s, decode_s = (sum(part) / 1e6 for part in zip(*speeds[codec], strict=True))
        texts.append(f"{pixels / encode_s / 1e6:.1f} / {pixels / decode_s / 1e6:.1f}" if encode_s and decode_s else "-")
        lines.append(f"| {codec} | " + " | ".join(texts) + " |")
    return lines


def report(paths: list[Path]) -> str:
    """Markdown: a table for each track and bound, with the files and machine that the numbers come from."""
    groups: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in read_rows(paths):
        groups[row["track"], row["bound"]].append(row)
    lines = []
    for (track, bound), rows in sorted(groups.items(), key=lambda item: (item[0][0] != "lossless", item[0])):
        lines += [f"**{TITLES[track].format(bound=bound)}**", "", *table(rows), ""]
        machines = sorted({row["machine"] for row in rows})
        sources = sorted({row["source"] for row in rows})
        failed = sorted({f"{row['codec']} on {row['file']}" for row in rows if row["status"] != "ok"})
        lines += [f"From {', '.join(f'`benchmarks/results/{name}`' for name in sources)}; {'; '.join(machines)}.", ""]
        if failed:
            shown = ", ".join(failed[:6]) + (f" and {len(failed) - 6} more" if len(failed) > 6 else "")
            lines += [f"Did not meet the demand: {shown}.", ""]
    return "\n".join(lines).rstrip() + "\n"


def fill_page(page: Path, text: str) -> None:
    """Put ``text`` between the markers of a page."""
    content = page.read_text(encoding="utf-8")
    before, found_begin, rest = content.partition(BEGIN)
    _, found_end, after = rest.partition(END)
    if not (found_begin and found_end):
        raise SystemExit(f"{page}: expected the markers {BEGIN} and {END}")
    page.write_text(f"{before}{BEGIN}\n{text}{END}{after}", encoding="utf-8")
