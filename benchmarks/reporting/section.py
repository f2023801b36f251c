"""A section of the report: a heading, a text, tables and charts."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.paths import ROOT
from benchmarks.reporting.results import Results
from benchmarks.reporting.tables import Table

MODELS = ROOT / "models" / "registry.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """``figures`` are HTML; ``command`` makes the rows, as a section without tables and figures says."""

    name: str
    title: str
    text: str
    command: str
    tables: Sequence[Table] = ()
    figures: Sequence[str] = field(default_factory=tuple)

    @property
    def empty(self) -> bool:
        """Whether there are no rows."""
        return not self.tables and not self.figures

    def markdown(self) -> list[str]:
        """Return the lines: heading, text, tables."""
        lines = [f"## {self.title}", "", self.text, ""]
        if self.empty:
            return [*lines, f"No rows yet; `{self.command}` makes them.", ""]
        for table in self.tables:
            lines += table.markdown()
        return lines


def default_model() -> str:
    """Return the name of the base layer's default model."""
    listed = tomllib.loads(MODELS.read_text(encoding="utf-8"))["model"]
    return str(next(model["name"] for model in listed if model["default"]))


def measured_model(results: Results) -> str:
    """Return the default model, or the one whose arrays it has as long as there are no rows of it on first/test."""
    name = default_model()
    rows = results.rows("rd")
    if not rows or any(row["variant"] == name and row["set"] == "first/test" for row in rows):
        return name
    config = MODELS.parent / name / "config.toml"
    start = tomllib.loads(config.read_text(encoding="utf-8"))["run"].get("start") if config.is_file() else None
    return str(start or name)


def kept(tables: Sequence[Table | None]) -> list[Table]:
    """Return the tables that are not None."""
    return [table for table in tables if table is not None]


def split_lines(lines: Sequence[str]) -> list[list[str]]:
    """Return the cells of the lines of a Markdown table; the second line are its dashes."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
