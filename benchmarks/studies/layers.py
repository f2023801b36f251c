"""Two parts around the predictor, on and off, as CSV rows: the header dictionary, and values moved inside their bins.

The base layer has its own command, ``base``. ``bits_per_pixel`` is with the part and ``plain_bits_per_pixel`` without.
A part that loses is not in the library.
"""

from __future__ import annotations

import statistics
import tempfile
from collections import defaultdict
from pathlib import Path

import numpy as np

from benchmarks.data.datasets import Image, images, sigma
from benchmarks.rivals.ours import Radcodec
from benchmarks.rows import append_row, image_cells, rows_done
from benchmarks.run.files import absolute_error
from benchmarks.studies.variants import called
from benchmarks.types import Cells

COLUMNS = (
    "machine", "commit", "track", "bound", "set", "file", "hdu", "data_sha256", "shape", "dtype", "pixels",
    "codec_version", "part", "setting", "bits_per_pixel", "plain_bits_per_pixel", "rmse", "plain_rmse", "note",
)  # fmt: skip
KEY = ("bound", "file", "hdu", "part", "setting")


def dictionary_cells(path: Path, image: Image, max_error: float) -> list[Cells]:
    """Measure a whole FITS file without preview, with the header dictionary and without."""
    import radcodec

    def bits() -> float:
        with tempfile.TemporaryDirectory() as folder:
            packed = Path(folder) / "a.rcz"
            radcodec.compress(path, packed, max_error=max_error, preview=0, threads=1, verify=False)
            return 8.0 * packed.stat().st_size / image.samples.size

    full = bits()
    with called(("radcodec.encoding.encoded_file", "load_header_dictionary"), instead=lambda: None):
        plain = bits()
    return [row("header dictionary", "on", full, plain)]


def inside_cells(image: Image, max_error: float) -> list[Cells]:
    """Move each restored value to the mean of the originals that share its table, phase and symbol in this image.

    The means are the image's own, so no rule that knows less can do better. The note says how far a value may then be
    from its original, in units of the bound, and the bits that bins would cost which are smaller by as much.
    """
    from radcodec.detail.maps import TileBound
    from radcodec.detail.stream import code_tile, fit_image, load_predictors, model_tile
    from radcodec.types import SampleType

    tile = np.ascontiguousarray(image.samples.reshape(-1, *image.samples.shape[-2:]))
    predictors = load_predictors(fit_image(tile, None, max_error, SampleType[f"F{tile.dtype.itemsize}"]))
    if predictors is None:
        return []
    bound = TileBound(error=max_error)
    symbols, tables = model_tile(tile, None, predictors, bound)
    if symbols.size != tile.size:
        return []
    stream, restored = code_tile(tile, None, predictors, bound)
    error = (tile.astype(np.float64) - restored).ravel()
    _, group, count = np.unique(tables.astype(np.int64) * 128 + symbols, return_inverse=True, return_counts=True)
    moved = error - (np.bincount(group, error) / count)[group]
    reach = float(np.quantile(np.abs(moved), 0.9999)) / max_error
    bits = 8.0 * len(stream) / tile.size
    cells = row("value inside the bin", "group mean", bits, bits)
    return [
        cells
        | {
            "rmse": f"{np.sqrt(np.mean(moved**2)):.6g}",
            "plain_rmse": f"{np.sqrt(np.mean(error**2)):.6g}",
            "note": f"errors up to {reach:.3f} E; {np.log2(max(1.0, reach)):.3f} bit/px to keep the bound",
        }
    ]


def row(part: str, setting: str, bits: float, plain: float) -> Cells:
    """Return the cells that every part has."""
    return {
        "part": part, "setting": setting, "bits_per_pixel": f"{bits:.5f}", "plain_bits_per_pixel": f"{plain:.5f}"
    }  # fmt: skip


def run_layers(*, data: Path, sets: list[str], divisor: float, out: Path, commit: str) -> list[str]:
    """Add the rows that ``out`` lacks, finite float images alone; gives lines that sum up the new ones."""
    bound, done, version = f"sigma/{divisor:g}", rows_done(out, KEY), Radcodec().version()
    seen: dict[tuple[str, str, str], list[tuple[float, float]]] = defaultdict(list)
    for chosen in sets:
        for image in images(data, chosen):
            max_error = sigma(image.samples) / divisor
            key = (bound, image.file, str(image.hdu), "header dictionary", "on")
            if image.samples.dtype.kind != "f" or not np.isfinite(image.samples).all() or max_error == 0 or key in done:
                continue
            path = data / image.file
            rows = dictionary_cells(path, image, absolute_error(path, image, divisor))
            for cells in [*inside_cells(image, max_error), *rows]:
                known = {"track": "bounded", "bound": bound, "codec_version": version}
                append_row(out, COLUMNS, image_cells(image, chosen=chosen, commit=commit) | known | cells)
                pair = (float(str(cells["bits_per_pixel"])), float(str(cells["plain_bits_per_pixel"])))
                seen[chosen, str(cells["part"]), str(cells["setting"])].append(pair)
    return [
        f"{chosen}, {part}, {setting}: {statistics.mean(a for a, _ in pairs):.4f} bits a pixel, "
        f"{statistics.mean(b for _, b in pairs):.4f} without, {len(pairs)} images"
        for (chosen, part, setting), pairs in seen.items()
    ]
