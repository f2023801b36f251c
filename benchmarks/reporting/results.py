"""The newest rows of every kind of measurement, with the file that each is in.

Of two rows for the same thing the one counts whose file has the later date; on one day the later commit, as the history
tells; then the later name. A row that says that a rival is missing counts only where there is no other.
"""

from __future__ import annotations

import csv
import re
import subprocess
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from benchmarks import (
    ablation,
    base_under,
    codebooks,
    cold,
    defaults,
    floor,
    latents,
    layers,
    previews,
    prior,
    rd,
    run,
    speed,
)
from benchmarks.neural import lossless

Row = dict[str, str]
NAME = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d)_.*?_(?:[0-9a-f]{7,40}|nocommit)(?:-dirty)?(?:_(?P<command>[a-z][a-z-]*)(?:_[\w-]*)?)?"
)
KEYS: dict[str, tuple[str, ...]] = {
    "run": run.KEY,
    "defaults": defaults.KEY,
    "speed": speed.KEY,
    "cold": cold.KEY,
    "floor": floor.KEY,
    "ablation": ablation.KEY,
    "layers": layers.KEY,
    "rd": ("set", *rd.KEY),
    "lossless-neural": lossless.KEY,
    "latents": latents.KEY,
    "codebooks": codebooks.KEY,
    "prior": prior.KEY,
    "previews": previews.KEY,
    "base": (*base_under.KEY, "bound", "way"),
    "science": ("set", "codec", "comparison", "level", "metric", "bin"),
    "stack": ("set", "codec", "comparison", "level", "amplitude", "n"),
}
OF_SETS = ("science", "stack")  # commands whose rows are of all images of a set together
OLDER = {"variant": ""}  # cells that rows of older commands do not have


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultFile:
    """``command`` is what made it: ``run`` where the name ends with the commit; empty for names of another form."""

    path: Path
    date: str
    command: str

    @classmethod
    def of(cls, path: Path) -> ResultFile:
        """What the name says."""
        found = NAME.fullmatch(path.stem)
        if found is None:
            return cls(path=path, date="", command="")
        return cls(path=path, date=found["date"], command=found["command"] or "run")

    def rows(self) -> list[Row]:
        """Its rows, each with the name of the file under ``source``."""
        with self.path.open(newline="", encoding="utf-8") as file:
            return [row | {"source": self.path.name} for row in csv.DictReader(file)]


@dataclass(frozen=True)
class Results:
    """A folder of result files."""

    folder: Path
    _known: dict[str, list[Row]] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def files(self) -> list[ResultFile]:
        """All of them, oldest first."""
        return sorted(map(ResultFile.of, self.folder.glob("*.csv")), key=lambda file: (file.date, file.path.name))

    @cached_property
    def ages(self) -> dict[str, int]:
        """Short commits by their place in the history, the first is 0; empty outside a repository."""
        command = ["git", "-C", str(self.folder), "log", "--reverse", "--format=%H"]
        told = subprocess.run(command, capture_output=True, text=True, check=False)
        return {commit[:7]: age for age, commit in enumerate(told.stdout.split())}

    def rows(self, command: str) -> list[Row]:
        """The newest rows of a command that say something about an image.

        Rows about a set as a whole count only where they are of the very images that its newest row is of.
        """
        rows = [row for row in self._newest(command) if not row.get("status", "").startswith("missing")]
        if command not in OF_SETS:
            return rows
        images = {row["set"]: row.get("data_sha256") for row in rows}
        return [row for row in rows if row.get("data_sha256") == images[row["set"]]]

    def last(self, command: str) -> list[Row]:
        """Rows of the newest file of a command alone, as what is compared by time must be measured side by side.

        Speeds are compared image by image and bound by bound.
        """
        rows = self.rows(command)
        apart = ("bound", "file") if command == "speed" else ()
        newest = {tuple(row[name] for name in apart): row["source"] for row in rows}
        return [row for row in rows if newest[tuple(row[name] for name in apart)] == row["source"]]

    def missing(self, command: str) -> dict[str, str]:
        """Why a codec is not there, of those that are in no other row of the command."""
        newest = self._newest(command)
        name = "command" if command == "cold" else "codec"
        there = {row.get(name) for row in newest if not row.get("status", "").startswith("missing")}
        absent = [row for row in newest if row.get("status", "").startswith("missing") and row.get(name) not in there]
        return {row[name]: row["status"].removeprefix("missing: ") for row in absent}

    def sources(self, rows: Sequence[Row]) -> list[str]:
        """Names of the files that rows are from."""
        return sorted({row["source"] for row in rows})

    def _newest(self, command: str) -> list[Row]:
        if command in self._known:
            return self._known[command]
        ranked = [
            (file.date, self.ages.get(row.get("commit", "")[:7], -1), file.path.name, row)
            for file in self.files
            if file.command == command
            for row in file.rows()
        ]
        latest: dict[tuple[str, ...], Row] = {}
        for _, _, _, row in sorted(ranked, key=lambda found: found[:3]):
            key = tuple((OLDER | row).get(name, "") for name in KEYS[command])
            latest.pop(key, None)
            latest[key] = row
        self._known[command] = list(latest.values())
        return self._known[command]


def demand_of(row: Row) -> str:
    """Track and bound of a row."""
    return f"{row['track']} {row['bound']}".rstrip()


def grouped(rows: Sequence[Row], *columns: str) -> dict[tuple[str, ...], list[Row]]:
    """Rows by the cells of some columns, in the order of their first appearance."""
    groups: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    for row in rows:
        groups[tuple(row[column] for column in columns)].append(row)
    return groups
