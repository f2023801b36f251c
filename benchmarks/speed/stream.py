"""A stream of planes from a simulated imager: planes a second that are sustained, and the latency of each.

The imager has the next plane ready when the writer has taken the last one. The latency of a plane is the time of its
``append``: from its arrival to its bytes being with the operating system. The first plane, for which predictors are
fitted, counts. Wall-clock seconds mean something on an idle machine alone; CPU seconds are there for all others.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks import machine
from benchmarks.rows import append_row, rows_done

COLUMNS = (
    "machine", "commit", "track", "shape", "dtype", "planes", "threads", "verify", "effort", "status",
    "bits_per_pixel", "planes_per_s", "cpu_s_per_plane", "median_s", "p95_s", "most_s", "close_s", "sets",
)  # fmt: skip
KEY = ("track", "shape", "planes", "threads", "verify", "effort")
TRACKS: dict[str, dict[str, Any]] = {"lossless": {}, "bounded sigma/8": {"max_error": "0.125sigma"}}
SEED = 23
DRIFT = 0.3  # of the noise over the night, so that the planes are not all alike


def imager(side: int, count: int) -> Iterator[npt.NDArray[np.float32]]:
    """Yield planes [side, side] of one field: the same sources, other noise each, which grows over the night."""
    from radcodec.simulate import simulate_image

    skies = [simulate_image((side, side), seed=SEED + number) for number in range(4)]
    for number in range(count):
        yield skies[number % 4] * np.float32(1.0 + DRIFT * number / count)


def run_stream(*, side: int, count: int, threads: Sequence[int], effort: int, out: Path, commit: str) -> list[str]:
    """Measure each mode, verified and not, with each number of threads, and return a line on each row that is new."""
    import radcodec

    done, lines = rows_done(out, KEY), []
    for track, mode in TRACKS.items():
        for n_threads in threads:
            for verify in (True, False):
                key = (track, f"{side}x{side}", str(count), str(n_threads), str(verify), str(effort))
                if key in done:
                    continue
                seconds: list[float] = []
                with tempfile.TemporaryDirectory() as folder:
                    path = Path(folder) / "night.rcz"
                    stream = radcodec.create(
                        path, shape=(None, side, side), dtype="f4", threads=n_threads, verify=verify, effort=effort,
                        **mode,
                    )  # fmt: skip
                    cpu = 0.0
                    for plane in imager(side, count):
                        start, before = time.perf_counter(), time.process_time()
                        stream.append(plane)
                        seconds.append(time.perf_counter() - start)
                        cpu += time.process_time() - before
                    start = time.perf_counter()
                    report = stream.close()
                    close_s = time.perf_counter() - start
                    with radcodec.open(path) as file:
                        n_sets = _sets_of(file.reader.params[0].predictors)
                row = {
                    "machine": machine.system(), "commit": commit, "track": track, "shape": f"{side}x{side}",
                    "dtype": "float32", "planes": count, "threads": n_threads, "verify": verify, "effort": effort,
                    "status": "ok", "bits_per_pixel": f"{report.bits_per_pixel:.4f}",
                    "planes_per_s": f"{count / sum(seconds):.3f}", "cpu_s_per_plane": f"{cpu / count:.3f}",
                    "median_s": f"{np.median(seconds):.3f}", "p95_s": f"{np.quantile(seconds, 0.95):.3f}",
                    "most_s": f"{max(seconds):.3f}", "close_s": f"{close_s:.3f}", "sets": n_sets,
                }  # fmt: skip
                append_row(out, COLUMNS, row)
                lines.append(_line(row))
    return lines


def _sets_of(block: bytes) -> int:
    """Count the sets of predictors of an image."""
    from radcodec.coding.leb import unpack_leb

    return unpack_leb(block, 0, "the sets")[0] if block else 0


def _line(row: dict[str, Any]) -> str:
    """Say a row in one line."""
    checked = "verified" if row["verify"] else "not verified"
    return (
        f"{row['track']:16} {row['shape']} {row['threads']} threads, {checked:12}: {row['planes_per_s']} planes/s, "
        f"latency median {row['median_s']} s, 95 % {row['p95_s']} s, most {row['most_s']} s; "
        f"{row['cpu_s_per_plane']} CPU s a plane, {row['bits_per_pixel']} bits/px, {row['sets']} sets"
    )
