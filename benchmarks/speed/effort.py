"""Levels of effort: bits and CPU seconds of ``radcodec.compress`` with the command line's defaults.

Each file is compressed in this process, from memory, on one thread, after one call that is not counted. Previews and
verification are on, as by default, and off in the rows named *fit alone*, in which most of the time is the fit.
"""

from __future__ import annotations

import io
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.rows import append_row, rows_done
from benchmarks.types import Row

COLUMNS = (
    "machine", "commit", "track", "set", "file", "pixels", "effort", "parts", "status", "bytes", "bits_per_pixel",
    "cpu_s",
)  # fmt: skip
KEY = ("track", "file", "effort", "parts")
TRACKS: dict[str, dict[str, Any]] = {"lossless": {}, "bounded sigma/8": {"max_error": "0.125sigma"}}
PARTS: dict[str, dict[str, Any]] = {"all": {}, "fit alone": {"preview": 0, "verify": False}}
SEED = 21


def files(data: Path, chosen: str, count: int, sides: Sequence[int]) -> Iterator[tuple[str, str, bytes, int]]:
    """Yield set, name, bytes and pixels of the first files of a set, and of simulated images of some sides."""
    from radcodec.simulate import simulate_fits

    for path in sorted((data / chosen).glob("*.fits"))[:count]:
        yield chosen, f"{chosen}/{path.name}", path.read_bytes(), 300 * 300
    for side in sides:
        yield "simulated", f"simulated-{side}", simulate_fits((side, side), seed=SEED), side * side


def run_effort(
    *, data: Path, chosen: str, count: int, sides: Sequence[int], levels: Sequence[int], out: Path, commit: str
) -> list[str]:
    """Measure each level on each file, and return a line on each row that is new."""
    import radcodec

    done, lines, warm = rows_done(out, KEY), [], False
    for name, file, content, pixels in files(data, chosen, count, sides):
        for track, mode in TRACKS.items():
            for effort in levels:
                for parts, options in PARTS.items():
                    if (track, file, str(effort), parts) in done:
                        continue
                    given = {"threads": 1, "effort": effort, **mode, **options}
                    if not warm:
                        radcodec.compress(io.BytesIO(content), io.BytesIO(), **given)
                        warm = True
                    cpu = time.process_time()
                    size = radcodec.compress(io.BytesIO(content), io.BytesIO(), **given).size_bytes
                    cpu = time.process_time() - cpu
                    row = {
                        "machine": machine.system(), "commit": commit, "track": track, "set": name, "file": file,
                        "pixels": pixels, "effort": effort, "parts": parts, "status": "ok", "bytes": size,
                        "bits_per_pixel": f"{8 * size / pixels:.5f}", "cpu_s": f"{cpu:.4f}",
                    }  # fmt: skip
                    append_row(out, COLUMNS, row)
                    lines.append(f"{track:16} {file:32} {effort} {parts:9} {8 * size / pixels:9.4f} {cpu:8.3f} s")
    return lines


def effort_lines(rows: Sequence[Row]) -> list[str]:
    """Make the table of docs/effort.md: one line a level, mean bits a pixel and CPU seconds a file of each kind."""
    kinds = sorted({(row["track"], int(row["pixels"])) for row in rows})
    columns = ("bits/px", "CPU s", "CPU s, no preview, not verified")
    titles = [f"{track}, {round(pixels**0.5)}^2: {what}" for track, pixels in kinds for what in columns]
    lines = ["| effort | " + " | ".join(titles) + " |", "|---|" + "---:|" * len(titles)]
    for level in sorted({int(row["effort"]) for row in rows}):
        cells = []
        for track, pixels in kinds:
            key = (track, pixels, level)
            some = [row for row in rows if (row["track"], int(row["pixels"]), int(row["effort"])) == key]
            whole = [row for row in some if row["parts"] == "all"]
            alone = [row for row in some if row["parts"] != "all"]
            cells += [mean(whole, "bits_per_pixel", 3), mean(whole, "cpu_s", 2), mean(alone, "cpu_s", 2)]
        lines.append(f"| {level} | " + " | ".join(cells) + " |")
    return lines


def mean(rows: Sequence[Row], name: str, digits: int) -> str:
    """Write the mean of a column, a dash for no rows."""
    return f"{sum(float(row[name]) for row in rows) / len(rows):.{digits}f}" if rows else "-"
