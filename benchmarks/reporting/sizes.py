"""Sizes on the tracks of ``run``: means over sets, one codec a line."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.reporting.results import Results, grouped
from benchmarks.reporting.tables import Table, from_files, least
from benchmarks.types import Row

LADDER = ("", "sigma/16", "sigma/8", "sigma/4", "sigma/2", "sigma/1")
OURS = "radcodec"
SHOWN = {"": "lossless", "sigma/1": "sigma"}
PACKAGES = {"rice": "rice (astropy)", "hcompress": "hcompress (astropy)", "gzip2": "gzip2 (astropy)"}
PACKAGES |= {"gzip2-lossless": "gzip2, floats (astropy)"}
#: Sets shown by their mean; others are shown image by image.
OF_MANY = ("first/", "simulated", "mirabest")


def label(codec: str) -> str:
    """Return a codec's name, with the program that runs it if there are several."""
    return PACKAGES.get(codec, codec)


def place_of(row: Row) -> str:
    """Return the column that a row belongs to: a set of many images, or an image."""
    return row["set"] if row["set"].startswith(OF_MANY) else Path(row["file"]).stem


@dataclass(frozen=True)
class Sizes:
    """Bits a pixel of every codec on one track at one bound, by place; only where all images have an acceptable row."""

    track: str
    bound: str
    rows: list[Row]

    def bits(self) -> dict[str, dict[str, float]]:
        """Return the mean bits by codec and place."""
        wanted: dict[str, set[str]] = defaultdict(set)
        found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
        for row in self.rows:
            wanted[place_of(row)].add(row["file"] + row["hdu"])
            if row["status"] == "ok":
                found[row["codec"]][place_of(row)].append(float(row["bits_per_pixel"]))
        return {
            codec: {place: statistics.mean(bits) for place, bits in places.items() if len(bits) == len(wanted[place])}
            for codec, places in found.items()
        }

    def images(self, place: str) -> int:
        """Count the images of a place."""
        return len({row["file"] + row["hdu"] for row in self.rows if place_of(row) == place})

    def source(self, codec: str, place: str) -> list[str]:
        """Return the files that a number is from."""
        return sorted({row["source"] for row in self.rows if row["codec"] == codec and place_of(row) == place})


def sizes(results: Results, track: str, bound: str, sets: tuple[str, ...] = ("",)) -> Sizes:
    """Return the sizes of one track at one bound, of the sets whose names start with one of ``sets``."""
    rows = [
        row
        for row in results.rows("run")
        if row["track"] == track and row["bound"] == bound and row["set"].startswith(sets)
    ]
    return Sizes(track, bound, rows)


def order_of(places: Sequence[str]) -> list[str]:
    """Sort places: sets of many images first, then images by name."""
    return sorted(places, key=lambda place: (not place.startswith(OF_MANY), place))


def size_table(results: Results, track: str, bound: str, title: str, sets: tuple[str, ...]) -> Table | None:
    """Make a table with a line for each codec; None without rows.

    radcodec comes first, then codecs with results in most places, then the smallest.
    """
    found = sizes(results, track, bound, sets)
    if not found.rows:
        return None
    bits = found.bits()
    places = order_of(sorted({place_of(row) for row in found.rows}))

    def order(codec: str) -> tuple[bool, int, float]:
        values = list(bits[codec].values())
        return codec != OURS, -len(values), statistics.mean(values)

    codecs = sorted((codec for codec in bits if bits[codec]), key=order)
    lines = [[label(c), *(f"{bits[c][p]:.3f}" if p in bits[c] else "-" for p in places)] for c in codecs]
    shown = [f"{p}, mean of {found.images(p)}" if p.startswith(OF_MANY) else p for p in places]
    notes = [from_files(results.sources(found.rows))]
    failed = sorted({f"{label(row['codec'])} on {row['file']}" for row in found.rows if row["status"] != "ok"})
    if failed:
        more = f" and {len(failed) - 4} more" if len(failed) > 4 else ""
        notes.append(f"Did not meet the demand or failed: {', '.join(failed[:4])}{more}.")
    return Table(title=title, header=["bits a pixel", *shown], rows=lines, best=least(lines), notes=notes)


def place_tables(results: Results, sets: tuple[str, ...]) -> list[Table]:
    """Make a table for each place, with a line for each codec and a column for each bound."""
    by_bound = {bound: sizes(results, "bounded" if bound else "lossless", bound, sets) for bound in LADDER}
    bits = {bound: found.bits() for bound, found in by_bound.items() if found.rows}
    places = order_of(sorted({place_of(row) for found in by_bound.values() for row in found.rows}))
    tables = []
    for place in places:
        codecs = {codec for found in bits.values() for codec, at in found.items() if place in at}
        lines = [
            [label(codec), *(f"{bits[b][codec][place]:.3f}" if place in bits[b].get(codec, {}) else "-" for b in bits)]
            for codec in sorted(codecs, key=lambda codec: _rank(bits, codec, place))
        ]
        used = [row for found in by_bound.values() for row in found.rows if place_of(row) == place]
        title = f"{place}, mean of {max(found.images(place) for found in by_bound.values())}"
        tables.append(
            Table(
                title=title if place.startswith(OF_MANY) else place,
                header=["bits a pixel", *(SHOWN.get(b, b) for b in bits)],
                rows=lines,
                best=least(lines),
                notes=[from_files(results.sources(used))],
            )
        )
    return tables


def _rank(bits: dict[str, dict[str, dict[str, float]]], codec: str, place: str) -> tuple[bool, int, float]:
    """Rank radcodec first, then codecs with most bounds, then the smaller ones."""
    values = [found[codec][place] for found in bits.values() if place in found.get(codec, {})]
    return codec != OURS, -len(values), sum(values)


def beaten_table(results: Results) -> Table | None:
    """Make a line for each track, bound and place where another codec's stream of an image is smaller."""
    demands = [("bounded" if bound else "lossless", bound) for bound in LADDER] + [("integers", ""), ("lattices", "")]
    lines: list[list[str]] = []
    used: list[Row] = []
    for track, bound in demands:
        by_image = grouped(sizes(results, track, bound).rows, "set", "file", "hdu")
        lost: dict[str, list[tuple[float, str]]] = defaultdict(list)
        total: dict[str, int] = defaultdict(int)
        for some in by_image.values():
            sound = {row["codec"]: float(row["bits_per_pixel"]) for row in some if row["status"] == "ok"}
            others = [codec for codec in sound if not codec.startswith(OURS)]  # another setting of it is no rival
            if OURS not in sound or not others:
                continue
            place = place_of(some[0])
            total[place] += 1
            other = min(others, key=lambda codec: sound[codec])
            if sound[other] < sound[OURS]:
                lost[place].append((sound[OURS] / sound[other], label(other)))
                used += some
        for place in order_of(list(lost)):
            ratio, worst = max(lost[place])
            names = sorted({name for _, name in lost[place]})
            demand = SHOWN.get(bound, bound) if track in ("bounded", "lossless") else track
            lines.append(
                [demand, place, f"{len(lost[place])} of {total[place]}", f"{ratio:.3f}", worst, ", ".join(names)]
            )
    if not lines:
        return None
    return Table(
        title="Images where another codec's stream is smaller",
        header=["demand", "image or set", "images", "radcodec's bits over the smallest", "of", "smaller on some"],
        rows=lines,
        notes=[from_files(results.sources(used))],
        text_columns=3,
    )


def defaults_tables(results: Results) -> list[Table]:
    """Make a table for each set of what archive tools do at their defaults: means over its files."""
    rows = [row for row in results.rows("defaults") if row["status"] == "ok"]
    absent = results.missing("defaults")
    notes = [f"Not installed: {', '.join(sorted(absent))}."] if absent else []
    header = ["called without options", "bits a pixel", "largest error", "RMSE", "noise after / before"]
    tables = []
    for (chosen,), of_set in grouped(rows, "set").items():
        lines = []
        for (codec,), some in grouped(of_set, "codec").items():
            worst = max(float(row["max_error_sigma"]) for row in some)
            bits, rmse = (
                statistics.mean(float(row[name]) for row in some) for name in ("bits_per_pixel", "rmse_sigma")
            )
            ratios = [float(row["rms_ratio"]) for row in some]
            errors = [f"{worst:.4f}", f"{rmse:.4f}"] if worst else ["0", "0"]
            lines.append([codec, f"{bits:.3f}", *errors, f"{min(ratios):.4f} to {max(ratios):.4f}"])
        n_files = len({row["file"] for row in of_set})
        title = f"Archive tools at their defaults, {chosen}, {n_files} files"
        tables.append(
            Table(title=title, header=header, rows=lines, notes=[*notes, from_files(results.sources(of_set))])
        )
    return tables


def bounds_tables(results: Results) -> list[Table]:
    """Make a table for each set of whole files under the options of the quick start: means over its files."""
    rows = [row for row in results.rows("bounds") if row["status"] == "ok"]
    header = [
        "options",
        "bits a pixel",
        "sigma / 1.4826 MAD",
        "RMSE",
        "RMSE, quiet",
        "RMSE, noisy",
        "noise after / before",
    ]
    tables = []
    for (chosen,), of_set in grouped(rows, "set").items():
        lines, n_files = [], len({row["file"] for row in of_set})
        for (codec, setting), some in grouped(of_set, "codec", "setting").items():
            name = f"{codec} {setting}".strip() + ("" if len(some) == n_files else f" ({len(some)} of {n_files})")
            bits = statistics.mean(float(row["bits_per_pixel"]) for row in some)
            ratios = [float(row["sigma_used"]) / float(row["sigma_mad"]) for row in some if row["sigma_used"]]
            errors = [
                statistics.mean(float(row[name]) for row in some)
                for name in ("rmse_mad", "rmse_quiet", "rmse_noisy", "rms_ratio")
            ]
            ratio = f"{statistics.mean(ratios):.3f}" if ratios else "-"
            line = [name, f"{bits:.3f}", ratio, *(f"{value:.4f}" for value in errors)]
            lines.append(line)
        title = f"Whole files, {chosen}, mean of {n_files}"
        tables.append(Table(title=title, header=header, rows=lines, notes=[from_files(results.sources(of_set))]))
    return tables


def files_table(results: Results) -> Table | None:
    """Make a table of whole FITS files, header and preview included: radcodec beside gzip; None without rows."""
    columns = (("gzip", "", "bits_per_pixel", "gzip -9"), *(
        (OURS, bound, cell, f"{OURS}, {SHOWN.get(bound, bound)}{which}")
        for bound in ("", "sigma/8")
        for cell, which in (("bits_per_pixel", ""), ("payload_bits_per_pixel", ": its pixels alone"))
    ))  # fmt: skip
    rows = [row for row in results.rows("run") if row["track"] == "files" and row["status"] == "ok"]
    by_place = {place: [row for row in rows if place_of(row) == place] for place in map(place_of, rows)}
    lines = []
    for place in order_of(list(by_place)):
        n_files = len({row["file"] for row in by_place[place]})
        cells = [f"{place}, mean of {n_files}" if place.startswith(OF_MANY) else place]
        for codec, bound, cell, _ in columns:
            bits = [float(row[cell]) for row in by_place[place] if (row["codec"], row["bound"]) == (codec, bound)]
            cells.append(f"{statistics.mean(bits):.3f}" if len(bits) == n_files else "-")
        lines.append(cells)
    if not lines:
        return None
    header = ["bits a pixel of the file", *(title for *_, title in columns)]
    return Table(title="Whole FITS files", header=header, rows=lines, notes=[from_files(results.sources(rows))])


def ladder_curves(results: Results, place: str) -> dict[str, list[tuple[float, float]]]:
    """Return (E / sigma, bits a pixel) for each bound, by codec."""
    curves: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for bound in LADDER[1:]:
        for codec, places in sizes(results, "bounded", bound).bits().items():
            if place in places:
                curves[codec].append((1.0 / float(bound.split("/")[1]), places[place]))
    return dict(curves)
