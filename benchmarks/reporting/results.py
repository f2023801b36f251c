"""The newest rows of every kind of measurement, with the file that each is in.

Of two rows for the same thing, the one whose file name has the later time counts. The name says the day, and for newer
files the hour and minute too. A row that says that a rival is missing counts only if there is no other.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from benchmarks.paths import ROOT
from benchmarks.reporting.kinds import KINDS, OF_SETS, command_of
from benchmarks.rows import columns_of, read_rows
from benchmarks.types import Row

NAME = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d(?:T\d{4})?)_.*?_(?:[0-9a-f]{7,40}|nocommit)(?:-dirty)?(?:_(?P<command>[a-z][a-z-]*)(?:_[\w-]*)?)?"
)
OLDER = {"variant": ""}  # cells that rows of older commands do not have


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultFile:
    """``command`` is what made it: ``run`` where the name ends with the commit; empty for a file of unknown kind."""

    path: Path
    date: str
    command: str

    @classmethod
    def of(cls, path: Path) -> ResultFile:
        """Read date and command off the name."""
        found = NAME.fullmatch(path.stem)
        if found is None:
            return cls(path=path, date="", command="")
        return cls(path=path, date=found["date"], command=found["command"] or "run")

    @classmethod
    def named_freely(cls, path: Path) -> ResultFile:
        """Tell the command by the name, or by the columns if the name does not say it.

        Raises SystemExit for a file that does not exist, or whose columns are those of no command.
        """
        if not path.is_file():
            raise SystemExit(f"{path}: expected a results file, found none")
        file = cls.of(path)
        command = file.command or command_of(columns_of(path))
        if command not in KINDS:
            raise SystemExit(f"{path}: expected the columns of a benchmark's rows (benchmarks/reporting/kinds.py)")
        return cls(path=path, date=file.date, command=command)

    def rows(self) -> list[Row]:
        """Read its rows, each with the name of the file under ``source``."""
        return [row | {"source": self.path.name} for row in read_rows(self.path)]


@dataclass(frozen=True)
class Results:
    """The result files of a folder, or with ``only`` those files alone."""

    folder: Path
    only: Sequence[Path] = ()
    _known: dict[str, list[Row]] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def files(self) -> list[ResultFile]:
        """All files, oldest first; those of ``only`` in the given order."""
        if self.only:
            return [ResultFile.named_freely(path) for path in self.only]
        return sorted(map(ResultFile.of, self.folder.glob("*.csv")), key=lambda file: (file.date, file.path.name))

    def rows(self, command: str) -> list[Row]:
        """Return the newest rows of a command that say something about an image.

        Rows about a set as a whole count only if they are about the same images as its newest row.
        """
        rows = [row for row in self.newest(command) if not row.get("status", "").startswith("missing")]
        if command not in OF_SETS:
            return rows
        images = {row["set"]: row.get("data_sha256") for row in rows}
        return [row for row in rows if row.get("data_sha256") == images[row["set"]]]

    def last(self, command: str) -> list[Row]:
        """Return the rows of a command's newest file: times compare only if they were measured side by side.

        Speeds are compared image by image and bound by bound.
        """
        rows = self.rows(command)
        apart = ("bound", "file") if command == "speed" else ()
        newest = {tuple(row[name] for name in apart): row["source"] for row in rows}
        return [row for row in rows if newest[tuple(row[name] for name in apart)] == row["source"]]

    def missing(self, command: str) -> dict[str, str]:
        """Return why each codec is missing that no other row of the command has."""
        newest = self.newest(command)
        name = "command" if command == "cold" else "codec"
        there = {row.get(name) for row in newest if not row.get("status", "").startswith("missing")}
        absent = [row for row in newest if row.get("status", "").startswith("missing") and row.get(name) not in there]
        return {row[name]: row["status"].removeprefix("missing: ") for row in absent}

    def sources(self, rows: Sequence[Row]) -> list[str]:
        """Return the names of the files that rows are from."""
        return sorted({row["source"] for row in rows})

    def newest(self, command: str) -> list[Row]:
        """Return the newest row for each key of a command, those on missing codecs too, oldest first."""
        if command not in self._known:
            self._known[command] = self._newest(command)
        return self._known[command]

    def _newest(self, command: str) -> list[Row]:
        latest: dict[tuple[str, ...], Row] = {}
        for row in (row for file in self.files if file.command == command for row in file.rows()):
            key = tuple((OLDER | row).get(name, "") for name in KINDS[command].key)
            latest.pop(key, None)
            latest[key] = row
        return list(latest.values())


def shown_path(path: Path) -> str:
    """Return a path as messages show it: below the checkout if it lies there."""
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else str(path)


def demand_of(row: Row) -> str:
    """Return track and bound of a row."""
    return f"{row['track']} {row['bound']}".rstrip()


def grouped(rows: Sequence[Row], *columns: str) -> dict[tuple[str, ...], list[Row]]:
    """Group rows by the cells of some columns, in the order of their first appearance."""
    groups: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    for row in rows:
        groups[tuple(row[column] for column in columns)].append(row)
    return groups
