"""CSV files that grow row by row; what a file already holds is not measured again."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from benchmarks import machine
from benchmarks.datasets import Image
from benchmarks.measure import Measurement


def open_csv(file: TextIO, columns: Sequence[str]) -> csv.DictWriter[str]:
    """Writer at the end of ``file``, which gets its first line if it is empty."""
    writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
    if file.tell() == 0:
        writer.writeheader()
    return writer


def rows_done(out: Path, key: Sequence[str]) -> set[tuple[str, ...]]:
    """The cells under ``key`` of every row that ``out`` holds."""
    if not out.exists():
        return set()
    with out.open(newline="", encoding="utf-8") as file:
        return {tuple(row[name] for name in key) for row in csv.DictReader(file)}


def append_row(out: Path, columns: Sequence[str], row: dict[str, object]) -> None:
    """Add one row to ``out``, which is made if it is not there."""
    with out.open("a", newline="", encoding="utf-8") as file:
        open_csv(file, columns).writerow(row)


def image_cells(image: Image, *, chosen: str, commit: str) -> dict[str, object]:
    """Cells that say what was measured, and where."""
    return {
        "machine": machine.system(), "commit": commit, "set": chosen, "file": image.file, "hdu": image.hdu,
        "data_sha256": image.sha256, "shape": "x".join(map(str, image.samples.shape)),
        "dtype": str(image.samples.dtype), "pixels": image.samples.size,
    }  # fmt: skip


def size_cells(got: Measurement, pixels: int) -> dict[str, object]:
    """Cells on how small a stream is, and whether it does what was asked of it."""
    return {
        "status": "ok" if got.holds else "demand not met",
        "bytes": got.size_bytes,
        "bits_per_pixel": f"{8 * got.size_bytes / pixels:.5f}",
    }
