"""What ``estimate`` says beside what encoding gives: bits a pixel of each mode, and the seconds that it takes.

Each image is estimated as an array in this process, on one thread, after one call that is not counted. Its true size is
that of ``radcodec.encode`` without a preview, at the default level of effort. ``error_percent`` is by how much more the
estimate says. CPU and wall time are those of the whole estimate, the same in all rows of an image.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import machine
from benchmarks.data.datasets import images
from benchmarks.rows import append_row, rows_done
from benchmarks.types import Array, Row

COLUMNS = (
    "machine", "commit", "set", "file", "pixels", "mode", "max_error_sigma", "status", "estimated_bits_per_pixel",
    "bits_per_pixel", "error_percent", "estimate_cpu_s", "estimate_wall_s",
)  # fmt: skip
KEY = ("file", "mode", "max_error_sigma")
SEED = 22


def samples_of(data: Path, sets: Sequence[str], count: int, sides: Sequence[int]) -> Iterator[tuple[str, str, Array]]:
    """Yield set, name and samples of the first images of each set, and of simulated images of some sides."""
    from radcodec.simulate import simulate_image

    for chosen in sets:
        found = images(data, chosen)
        for _, image in zip(range(count), found, strict=False):
            yield chosen, image.file, np.asarray(image.samples)
    for side in sides:
        yield "simulated", f"simulate_image(({side}, {side}), seed={SEED})", simulate_image((side, side), seed=SEED)


def run_estimates(
    *, data: Path, sets: Sequence[str], count: int, sides: Sequence[int], out: Path, commit: str
) -> list[str]:
    """Estimate and encode each image in each mode, and return a line on each row that is new."""
    import radcodec

    done, lines, warm = rows_done(out, KEY), [], False
    for name, file, samples in samples_of(data, sets, count, sides):
        if (file, "lossless", "") in done:
            continue
        if not warm:
            radcodec.estimate(samples, threads=1)
            warm = True
        cpu, wall = time.process_time(), time.perf_counter()
        found = radcodec.estimate(samples, threads=1)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        # The row of the lossless mode comes last: it says that all of an image is done.
        for rung in sorted(found, key=lambda rung: rung["mode"] == "lossless"):
            bits = 8 * len(radcodec.encode(samples, threads=1, preview=0, **_options(rung))) / samples.size
            said, bound = rung["bits_per_pixel"], rung["max_error_sigma"]
            row = {
                "machine": machine.system(), "commit": commit, "set": name, "file": file, "pixels": samples.size,
                "mode": rung["mode"], "max_error_sigma": "" if bound is None else f"{bound:g}", "status": "ok",
                "estimated_bits_per_pixel": f"{said:.4f}", "bits_per_pixel": f"{bits:.4f}",
                "error_percent": f"{100 * (said / bits - 1):.2f}", "estimate_cpu_s": f"{cpu:.3f}",
                "estimate_wall_s": f"{wall:.3f}",
            }  # fmt: skip
            append_row(out, COLUMNS, row)
            lines.append(
                f"{file:50} {rung['mode']:8} {row['max_error_sigma']:>6} {row['error_percent']:>7} % {cpu:6.2f} s"
            )
    return lines


def _options(rung: dict[str, Any]) -> dict[str, Any]:
    """Return the options of ``radcodec.encode`` for a mode that was estimated."""
    if rung["mode"] == "bounded":
        return {"max_error": rung["max_error"]}
    return {"lossy": True} if rung["mode"] == "lossy" else {}


def estimate_lines(rows: Sequence[Row]) -> list[str]:
    """Make the table of docs/effort.md: mean and worst error of each mode in each set, and the seconds."""
    lines = ["| set | images | mode | mean error | worst error | CPU s | wall s |", "|---|---:|---|" + "---:|" * 4]
    keys = {(row["set"], row["pixels"] if row["set"] == "simulated" else "", row["mode"], row["max_error_sigma"])
            for row in rows}  # fmt: skip
    for chosen, pixels, mode, bound in sorted(keys):
        some = [
            row for row in rows
            if (row["set"], row["mode"], row["max_error_sigma"]) == (chosen, mode, bound)
            and pixels in ("", row["pixels"])
        ]  # fmt: skip
        errors = [float(row["error_percent"]) for row in some]
        cpu, wall = (sum(float(row[f"estimate_{what}_s"]) for row in some) / len(some) for what in ("cpu", "wall"))
        title = f"{chosen}, {round(float(pixels) ** 0.5)}^2" if pixels else chosen
        what = f"{mode}, {bound} sigma" if bound else mode
        lines.append(
            f"| {title} | {len(some)} | {what} | {np.mean(np.abs(errors)):.1f} % | {max(errors, key=abs):+.1f} % "
            f"| {cpu:.2f} | {wall:.2f} |"
        )
    return lines
