"""What each part of the detail layer is worth: bits and speed of its variants, as CSV rows (``variants.py``)."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.data.datasets import Image, images, sigma
from benchmarks.measure import measure
from benchmarks.rivals.ours import Radcodec
from benchmarks.rows import append_row, failure, image_cells, rows_done, size_cells
from benchmarks.studies.variants import HookError, in_variant

COLUMNS = (
    "machine", "commit", "track", "bound", "set", "file", "hdu", "data_sha256", "shape", "dtype", "pixels",
    "codec_version", "variant", "status", "bytes", "bits_per_pixel", "encode_mpix_s", "decode_mpix_s", "repeats",
)  # fmt: skip
KEY = ("track", "bound", "file", "hdu", "variant")
FIRST_VAL = 6  # images of first/val when no sets are named


def chosen_images(data: Path, sets: list[str]) -> Iterator[tuple[str, Image]]:
    """Yield (set, image) of the sets; without sets, six files of first/val, evenly chosen, and telescopes."""
    if sets:
        for chosen in sets:
            yield from ((chosen, image) for image in images(data, chosen))
        return
    paths = sorted(path for path in (data / "first" / "val").iterdir() if path.suffix == ".fits")
    for i in range(min(FIRST_VAL, len(paths))):
        path = paths[i * len(paths) // min(FIRST_VAL, len(paths))]
        yield from (("first/val", image) for image in images(data, path.relative_to(data).as_posix()))
    yield from (("telescopes", image) for image in images(data, "telescopes"))


def variant_cells(image: Image, max_error: float | None, repeats: int) -> dict[str, object]:
    """Measure the cells of an image's row, after one call each way that is not timed, without verification."""
    from radcodec.errors import RadcodecError

    codec = Radcodec(verify=False)
    try:
        measure(codec, image.samples, max_error=max_error)
        got = measure(codec, image.samples, max_error=max_error, repeats=repeats)
    except RadcodecError as err:
        return {"status": failure(err)}
    size = image.samples.size
    return size_cells(got, size) | {
        "encode_mpix_s": f"{size / 1e6 / got.encode_s:.4f}",
        "decode_mpix_s": f"{size / 1e6 / got.decode_s:.4f}",
    }


def run_ablation(
    names: list[str], *, data: Path, sets: list[str], divisor: float, out: Path, repeats: int, commit: str
) -> list[str]:
    """Add the rows that ``out`` lacks, lossless for a divisor of 0; gives lines that sum up the new ones.

    A variant's rows are written when all of them are measured, and none is if its hook did not bite.
    """
    track, bound = ("bounded", f"sigma/{divisor:g}") if divisor else ("lossless", "")
    done, version, lines = rows_done(out, KEY), Radcodec().version(), []
    pictures = [(chosen, image, sigma(image.samples)) for chosen, image in chosen_images(data, sets)]
    for name in names:
        known = {"track": track, "bound": bound, "codec_version": version, "variant": name, "repeats": repeats}
        todo = [
            (image_cells(image, chosen=chosen, commit=commit) | known, image, noise / divisor if divisor else None)
            for chosen, image, noise in pictures
            if (noise > 0 or not divisor) and (track, bound, image.file, str(image.hdu), name) not in done
        ]
        if not todo:
            continue
        try:
            with in_variant(name):
                rows = [cells | variant_cells(image, error, repeats) for cells, image, error in todo]
        except (HookError, ImportError, AttributeError) as err:
            print(f"left out: {name}: its hook does not fit this library: {err}", file=sys.stderr)
            continue
        for row in rows:
            append_row(out, COLUMNS, row)
        lines += summary(name, rows)
    return lines


def summary(name: str, rows: list[dict[str, object]]) -> list[str]:
    """Write a line on a variant's rows; none if all failed."""
    sound = [row for row in rows if row["status"] == "ok"]
    if not sound:
        return []
    bits, encode, decode = (
        statistics.mean(float(str(row[column])) for row in sound)
        for column in ("bits_per_pixel", "encode_mpix_s", "decode_mpix_s")
    )
    return [
        f"{name}: {len(sound)} of {len(rows)} images, mean {bits:.4f} bits a pixel, "
        f"{encode:.2f} / {decode:.2f} Mpix/s encode / decode"
    ]
