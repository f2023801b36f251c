"""What the preview in a FITS file shows: pictures side by side, and sources seen in them, as CSV rows.

Each file is compressed losslessly with the default preview (1 % of the file). ``preview_bytes`` is by how much the file
is smaller without it. One plane of the preview is compared with the original; ``rmse_companded`` and ``rmse_faint`` are
as in ``rd``. Sources are found by sep (Barbary 2016, doi:10.21105/joss.00058):

- ``sources``: those 5 rms above the background of the original;
- ``seen``: those of them with a detection in the preview above 5 rms of the original, within ``NEAR`` pixels;
- ``seen_low``: the same above 3 rms;
- ``false``: detections above 5 rms in the preview that are near none of the original's.

Pictures show original, preview, and preview less original (black to white 6 times the noise). They have an asinh
stretch, the first row at the bottom, and are averaged down to 300 pixels. Float images without BSCALE only.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.data.datasets import images, sigma
from benchmarks.figures import save_greys
from benchmarks.rows import append_row, image_cells, rows_done
from benchmarks.run.distortion import distortion
from benchmarks.types import F64, Row

COLUMNS = (
    "machine", "commit", "set", "file", "hdu", "data_sha256", "shape", "dtype", "pixels", "plane", "model", "stages",
    "file_bytes", "preview_bytes", "preview_percent", "preview_bits_per_pixel", "rmse_companded", "rmse_faint",
    "sources", "seen", "seen_low", "false", "figure",
)  # fmt: skip
KEY = ("file", "hdu", "plane")
CHOSEN = (
    ("first/test/100_124.729+020.106_0.0755_0033.11.fits", 0),
    ("first/test/210_217.764+033.762_0.2384_0191.87.fits", 0),
    ("telescopes/atca-scorpio-extended.fits", 0),
    ("telescopes/alma-dirty-a.fits", 0),
    ("cubes/wsrt-hi-ugc5079.fits", 56),
)
NAMES = ("first-1", "first-2", "scorpio", "alma", "cube")
THRESHOLD, LOW_THRESHOLD = 5.0, 3.0
MIN_AREA = 5
NEAR = 5.0
SIDE = 300
GAP = 6
DIFFERENCE_RANGE = 6.0  # s from black to white
Places = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Background:
    """Level [H, W] and rms of an image's background."""

    level: F64
    rms: float


def background(image: F64) -> Background:
    """Return the background of an image by sep."""
    import sep

    found = sep.Background(np.ascontiguousarray(image))
    return Background(level=np.asarray(found.back(), np.float64), rms=float(found.globalrms))


def detections(image: F64, behind: Background, threshold: float) -> Places:
    """Find the sources that are so many rms above the background; return their places [n, 2] (x, y)."""
    import sep

    sep.set_extract_pixstack(max(300_000, image.size))
    found = sep.extract(np.ascontiguousarray(image - behind.level), threshold * behind.rms, minarea=MIN_AREA)
    return np.stack([np.asarray(found["x"], np.float64), np.asarray(found["y"], np.float64)], axis=1)


def near(places: Places, others: Places) -> npt.NDArray[np.bool_]:
    """Tell which of the places [n, 2] have one of the others within ``NEAR`` pixels."""
    if not len(places) or not len(others):
        return np.zeros(len(places), np.bool_)
    distance = np.hypot(*(places[:, None] - others[None]).transpose(2, 0, 1))
    return np.asarray(distance.min(axis=1) <= NEAR)


def seen_cells(original: F64, preview: F64) -> dict[str, object]:
    """Count the sources of an image, those that a preview shows, and what it shows beside them."""
    behind = background(original)
    truth, high, low = (
        detections(image, behind, threshold)
        for image, threshold in ((original, THRESHOLD), (preview, THRESHOLD), (preview, LOW_THRESHOLD))
    )
    return {
        "sources": len(truth), "seen": int(near(truth, high).sum()), "seen_low": int(near(truth, low).sum()),
        "false": int((~near(high, truth)).sum()),
    }  # fmt: skip


def side_by_side(original: F64, preview: F64) -> npt.NDArray[np.uint8]:
    """Return original, preview and difference side by side as grey levels, the first row at the bottom."""
    from radcodec.decoding.picture import average_down, stretch, stretch_limits

    before, after = average_down(original, SIDE), average_down(preview, SIDE)
    limits = stretch_limits(before)
    share = (after - before) / (DIFFERENCE_RANGE * sigma(original)) + 0.5
    difference = np.rint(255 * np.clip(share, 0.0, 1.0)).astype(np.uint8)
    gap = np.full((before.shape[0], GAP), 255, np.uint8)
    return np.hstack([stretch(before, limits), gap, stretch(after, limits), gap, difference])[::-1]


def preview_cells(path: Path, plane: int, samples: F64, figure: Path) -> dict[str, object]:
    """Measure the cells of a file, whose plane [H, W] is ``samples``, and draw its picture."""
    import radcodec

    with tempfile.TemporaryDirectory() as folder:
        packed, without = Path(folder) / "a.rcz", Path(folder) / "b.rcz"
        report = radcodec.compress(path, packed, threads=1)
        radcodec.compress(path, without, threads=1, preview=0)
        size, preview_bytes = packed.stat().st_size, packed.stat().st_size - without.stat().st_size
        with radcodec.open(packed, threads=1) as file:
            look = file.quick_look(plane)
    if look.note:
        raise RuntimeError(f"{path}: expected a picture of the base layer to measure, but {look.note}")
    picture = look.pixels
    got, middle = distortion(samples, picture), float(np.nanmedian(samples))
    seen = seen_cells(*(np.where(np.isfinite(image), image, middle) for image in (samples, picture)))
    save_greys(side_by_side(samples, picture), figure)
    return {
        "model": (report.model or {}).get("name", ""), "stages": report.hdus[0]["base_stages"], "file_bytes": size,
        "preview_bytes": preview_bytes, "preview_percent": f"{100 * preview_bytes / size:.3f}",
        "preview_bits_per_pixel": f"{8 * preview_bytes / report.pixels:.5f}",
        "rmse_companded": f"{got.rmse_companded:.4f}", "rmse_faint": f"{got.rmse_faint:.4f}", "figure": figure.name,
    } | seen  # fmt: skip


def run_previews(*, data: Path, figures: Path, out: Path, commit: str) -> list[str]:
    """Add the rows that ``out`` lacks and draw their pictures; gives a line on each."""
    done, lines = rows_done(out, KEY), []
    for (name, plane), title in zip(CHOSEN, NAMES, strict=True):
        image = next(images(data, name))
        if (image.file, str(image.hdu), str(plane)) in done:
            continue
        samples = image.samples.reshape(-1, *image.samples.shape[-2:])[plane].astype(np.float64)
        cells = preview_cells(data / name, plane, samples, figures / f"preview-{title}.png")
        place = image_cells(image, chosen=Path(name).parent.as_posix(), commit=commit)
        append_row(out, COLUMNS, place | {"plane": plane} | cells)
        lines.append(
            f"{name}: {cells['preview_percent']} % of the file, RMSE {cells['rmse_companded']} companded, "
            f"{cells['seen']} of {cells['sources']} sources seen"
        )
    return lines


def preview_lines(rows: list[Row]) -> list[str]:
    """Write a Markdown table with a line for each image, then the pictures."""
    lines = [
        "| image | pixels | file, bits/px | preview, bytes | % of the file | bits/px | RMSE companded | RMSE faint "
        "| sources seen at 5, 3 | of | false |",
        "|---|---|" + "---:|" * 9,
    ]
    for row in rows:
        bits = 8 * float(row["file_bytes"]) / float(row["pixels"])
        cells = (
            title_of(row), row["shape"], f"{bits:.2f}", row["preview_bytes"], f"{float(row['preview_percent']):.2f}",
            f"{float(row['preview_bits_per_pixel']):.4f}", f"{float(row['rmse_companded']):.2f}",
            f"{float(row['rmse_faint']):.2f}", f"{row['seen']}, {row['seen_low']}", row["sources"], row["false"],
        )  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    for row in rows:
        lines += ["", f"**{title_of(row)}**", "", f"![{title_of(row)}](figures/{row['figure']})"]
    return lines


def title_of(row: Row) -> str:
    """Return the name of a row's image, with its plane if it has several."""
    plane = f", plane {row['plane']}" if row["shape"].count("x") > 1 else ""
    return f"{Path(row['file']).stem}{plane}"
