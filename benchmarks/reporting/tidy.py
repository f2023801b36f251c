"""The folder of results, kept small: only the newest rows of each command, in the short form, in files under 1 MB.

The report shows the same rows afterwards (``Results.newest``); only names of files change on the pages.
"""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

from benchmarks.reporting.kinds import KINDS, OF_SETS
from benchmarks.reporting.results import NAME, ResultFile, Results
from benchmarks.rows import columns_of, write_short
from benchmarks.types import Row

MAX_BYTES = 1_000_000
JOB = ("set", "codec", "comparison", "level")  # of rows about whole sets


def tidy(folder: Path, *, dry: bool = False) -> list[str]:
    """Rewrite the files of a folder and return a line on each that changed; ``dry`` changes nothing."""
    results = Results(folder)
    kept = {file: kept_rows(results, file) for file in results.files if file.command in KINDS}
    lines = []
    for file, rows in kept.items():
        if dry:
            lines.append(f"{file.path.name}: {len(rows)} of {len(file.rows())} rows are the newest")
            continue
        before, columns = file.path.read_bytes(), columns_of(file.path)
        file.path.unlink()
        written = write_parts(file, columns, rows)
        if written != [file.path] or file.path.read_bytes() != before:
            lines.append(
                f"{file.path.name}: {len(rows)} rows kept, in {', '.join(path.name for path in written) or '-'}"
            )
    return lines


def kept_rows(results: Results, file: ResultFile) -> list[Row]:
    """Return the rows of a file that no newer row replaces.

    Of the rows about whole sets, one that says why there is no result goes if a later run had one.
    """
    newest = results.newest(file.command)
    if file.command in OF_SETS:
        shown = {id(row) for row in results.rows(file.command)}
        last = {tuple(row[name] for name in JOB): row["status"] for row in newest}
        newest = [
            row
            for row in newest
            if id(row) in shown and (row["status"] == "ok" or last[tuple(row[name] for name in JOB)] != "ok")
        ]
    return [row for row in newest if row["source"] == file.path.name]


def write_parts(file: ResultFile, columns: tuple[str, ...], rows: list[Row]) -> list[Path]:
    """Write rows to one file, or if that is too large to one for each set; return the files (none without rows).

    Sets in one folder, such as the cubes, share a part. The part of a large set has several files with a number each.
    """
    if not rows:
        return []
    stem = file.path.stem
    if (found := NAME.fullmatch(stem)) and not found["command"]:
        stem += f"_{file.command}"
    whole = file.path.with_name(f"{stem}.csv")
    if written := write_within(whole, columns, rows):
        return [written]
    parts: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        parts[part_name(row.get("set", ""))].append(row)
    paths: list[Path] = []
    for name, some in parts.items():
        for count in range(1, len(some) + 1):
            size = -(-len(some) // count)
            chunks = [some[at : at + size] for at in range(0, len(some), size)]
            names = [name] if count == 1 else [f"{name}-{number}" for number in range(1, len(chunks) + 1)]
            made = [
                write_within(whole.with_name(f"{stem}_{one}.csv"), columns, chunk)
                for one, chunk in zip(names, chunks, strict=True)
            ]
            if all(made):
                paths += [path for path in made if path]
                break
            for path in filter(None, made):
                path.unlink()
    return paths


def write_within(path: Path, columns: tuple[str, ...], rows: list[Row]) -> Path | None:
    """Write a file of at most ``MAX_BYTES``; None, and no file, if the rows need more."""
    write_short(path, columns, rows)
    if path.stat().st_size <= MAX_BYTES:
        return path
    path.unlink()
    return None


def part_name(chosen: str) -> str:
    """Name the part of a set: ``first-test`` for first/test, ``cubes`` for a cube, ``none`` for rows of no set."""
    if chosen.startswith("cubes"):
        return "cubes"
    return re.sub(r"[^A-Za-z0-9]+", "-", chosen) or "none"
