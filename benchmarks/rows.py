"""Result files: CSV that grows row by row, and the short form in which the repository keeps finished ones.

In the short form a cell that equals the one above it is written as ``AS_ABOVE``. Most cells of a row repeat (machine,
commit, hash of the image), so files are about a quarter of the size. A run may append full rows to such a file.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TextIO

from benchmarks import machine
from benchmarks.data.datasets import Image
from benchmarks.measure import Measurement
from benchmarks.types import Cells, Row

AS_ABOVE = "^"


def read_rows(path: Path) -> list[Row]:
    """Read all rows of a result file, with every cell of the short form filled in."""
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        rows: list[Row] = []
        above: Row = {}
        for number, row in enumerate(reader, start=2):
            if None in row or None in row.values():
                expected = len(reader.fieldnames or ())
                raise SystemExit(f"{path}, line {number}: expected {expected} cells; repair or delete the row")
            above = {name: above.get(name, "") if cell == AS_ABOVE else cell for name, cell in row.items()}
            rows.append(above)
    return rows


def columns_of(path: Path) -> tuple[str, ...]:
    """Read the column names of a result file."""
    with path.open(newline="", encoding="utf-8") as file:
        return tuple(next(csv.reader(file), ()))


def write_short(path: Path, columns: Sequence[str], rows: Iterable[Row]) -> None:
    """Write rows in the short form, in place of what the file held."""
    above: list[str] = []
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        for row in rows:
            cells = [row.get(name, "") for name in columns]
            # A cell of one character is as short as the mark.
            pairs = zip(cells, above or [""] * len(cells), strict=True)
            writer.writerow([AS_ABOVE if len(cell) > 1 and cell == old else cell for cell, old in pairs])
            above = cells


def parts_of(out: Path) -> list[Path]:
    """List the files with the rows of ``out``: itself, and the parts ``NAME_PART.csv`` that ``tidy`` made of it."""
    whole = [out] if out.exists() else []
    return whole + sorted(out.parent.glob(f"{out.stem}_*{out.suffix}"))


def rows_done(out: Path, key: Sequence[str]) -> set[tuple[str, ...]]:
    """Collect the cells under ``key`` of every row that ``out`` or one of its parts holds."""
    return {tuple(row[name] for name in key) for path in parts_of(out) for row in read_rows(path)}


def open_csv(file: TextIO, columns: Sequence[str]) -> csv.DictWriter[str]:
    """Return a writer at the end of ``file``; an empty file gets the column names first."""
    writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
    if file.tell() == 0:
        writer.writeheader()
    return writer


def append_row(out: Path, columns: Sequence[str], row: Cells) -> None:
    """Add one row to ``out``, which is created if it does not exist."""
    with out.open("a", newline="", encoding="utf-8") as file:
        open_csv(file, columns).writerow(row)


def image_cells(image: Image, *, chosen: str, commit: str) -> Cells:
    """Return the cells that say which image was measured, and on which machine and commit."""
    return {
        "machine": machine.system(), "commit": commit, "set": chosen, "file": image.file, "hdu": image.hdu,
        "data_sha256": image.sha256, "shape": shape_text(image.samples.shape),
        "dtype": str(image.samples.dtype), "pixels": image.samples.size,
    }  # fmt: skip


def shape_text(shape: Sequence[int]) -> str:
    """Write a shape as ``300x300``."""
    return "x".join(map(str, shape))


def size_cells(got: Measurement, pixels: int) -> Cells:
    """Return the cells on the size of a stream, and on whether it meets its demand."""
    return {
        "status": "ok" if got.holds else "demand not met",
        "bytes": got.size_bytes,
        "bits_per_pixel": f"{8 * got.size_bytes / pixels:.5f}",
    }


def failure(err: Exception) -> str:
    """Return the status of a row whose codec raised an error, in one line of at most 120 characters."""
    return f"failed: {type(err).__name__}: {err}"[:120].replace("\n", " ")
