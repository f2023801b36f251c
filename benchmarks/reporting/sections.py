"""All sections of the report, in the order of the page."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.reporting.loss_sections import distortion, science, stacks
from benchmarks.reporting.pages.detail import TABLES
from benchmarks.reporting.results import Results
from benchmarks.reporting.section import Section, split_lines
from benchmarks.reporting.size_sections import archives, beaten, integers, summary, telescopes, tracks, whole_files
from benchmarks.reporting.speeds import speeds
from benchmarks.reporting.tables import Table, from_files


def detail(results: Results) -> Section:
    """Make the section with tables of docs/detail.md."""
    tables = []
    for command in ("floor", "ablation", "layers"):
        rows = results.last(command)
        if rows:
            title, make = TABLES[command]
            cells = split_lines(make(rows))
            notes = [from_files(results.sources(rows))]
            tables.append(Table(title=title, header=cells[0], rows=cells[2:], notes=notes, text_columns=2))
    return Section(
        name="detail",
        title="The detail layer: its limit and its parts",
        text="How far radcodec is from what a Gaussian field of the image's spectrum would cost, and what each part of "
        "the layer is worth. `docs/detail.md` and `benchmarks/studies/README.md` explain the words.",
        command="python -m benchmarks floor",
        tables=tables,
    )


def sections(results: Results) -> list[Section]:
    """Make all sections."""
    return [make(results) for make in MAKERS]


MAKERS: tuple[Callable[[Results], Section], ...] = (
    summary, beaten, tracks, telescopes, distortion, science, stacks, whole_files, archives, integers, speeds, detail,
)  # fmt: skip
