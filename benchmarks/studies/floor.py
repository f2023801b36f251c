"""Each image's distance to the spectral floor, as CSV rows (``run/spectrum.py`` says what the floor is)."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from pathlib import Path

import numpy as np

from benchmarks.data.datasets import Image, images, sigma
from benchmarks.measure import measure
from benchmarks.rivals.ours import Radcodec
from benchmarks.rows import append_row, image_cells, rows_done
from benchmarks.run.spectrum import dithered_floor, local_spectrum, rate_distortion

COLUMNS = (
    "machine", "commit", "track", "bound", "set", "file", "hdu", "data_sha256", "shape", "dtype", "pixels",
    "codec_version", "divisor", "max_error_allowed", "step", "n_blocks", "status", "floor_bits", "rd_bits",
    "radcodec_bits", "ratio",
)  # fmt: skip
KEY = ("bound", "file", "hdu")


def step_of(image: Image, max_error: float) -> float:
    """Return the width of the widest bins that keep the bound: 2E, for integers 2 floor(E) + 1."""
    return 2.0 * max_error if image.samples.dtype.kind == "f" else 2.0 * math.floor(max_error) + 1.0


def floor_cells(image: Image, divisor: float) -> dict[str, object] | None:
    """Measure the cells of an image's row, bits over all its pixels; None without noise or a whole block."""
    max_error = sigma(image.samples) / divisor
    spectrum = local_spectrum(image.samples)
    if max_error == 0 or spectrum is None:
        return None
    step = step_of(image, max_error)
    floor = spectrum.finite * dithered_floor(spectrum, step)
    got = measure(Radcodec(), image.samples, max_error=max_error)
    bits = 8.0 * got.size_bytes / image.samples.size
    return {
        "divisor": f"{divisor:g}", "max_error_allowed": repr(max_error), "step": repr(step),
        "n_blocks": spectrum.n_blocks, "status": "ok" if got.holds else "demand not met",
        "floor_bits": f"{floor:.5f}", "rd_bits": f"{spectrum.finite * rate_distortion(spectrum, step):.5f}",
        "radcodec_bits": f"{bits:.5f}", "ratio": f"{bits / floor:.5f}",
    }  # fmt: skip


def run_floor(*, data: Path, sets: list[str], divisor: float, out: Path, commit: str) -> list[str]:
    """Add the rows that ``out`` lacks; gives lines that sum up the new ones, set by set."""
    bound, done, version = f"sigma/{divisor:g}", rows_done(out, KEY), Radcodec().version()
    found: dict[str, list[tuple[float, float, float]]] = defaultdict(list)
    for chosen in sets:
        for image in images(data, chosen):
            if (bound, image.file, str(image.hdu)) in done:
                continue
            measured = floor_cells(image, divisor)
            if measured is None:
                continue
            known = {"track": "floor", "bound": bound, "codec_version": version}
            append_row(out, COLUMNS, image_cells(image, chosen=chosen, commit=commit) | known | measured)
            cells = (float(str(measured[name])) for name in ("floor_bits", "rd_bits", "radcodec_bits"))
            found[chosen].append((next(cells), next(cells), next(cells)))
    lines = []
    for chosen, rows in found.items():
        floor, rd, bits = (statistics.mean(column) for column in zip(*rows, strict=True))
        ratio = float(np.exp(np.mean([math.log(b / f) for f, _, b in rows])))
        lines.append(
            f"{chosen}: {len(rows)} images, floor {floor:.3f}, R(D) {rd:.3f}, radcodec {bits:.3f} bits a pixel; "
            f"geometric mean of the ratios to the floor {ratio:.3f}"
        )
    return lines
