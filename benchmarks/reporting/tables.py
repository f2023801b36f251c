"""Tables, as Markdown and as HTML."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass, field

REPOSITORY_FOLDER = "benchmarks/results"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Cells of text; one in ``best`` (row, column) is the best of its column. ``notes`` are sentences below it."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    best: frozenset[tuple[int, int]] = frozenset()
    notes: Sequence[str] = field(default_factory=tuple)
    text_columns: int = 1

    def markdown(self) -> list[str]:
        """Return the lines, the last one empty."""
        align = "|---" * self.text_columns + "|---:" * (len(self.header) - self.text_columns) + "|"
        lines = [f"**{self.title}**", "", "| " + " | ".join(map(plain, self.header)) + " |", align]
        for y, row in enumerate(self.rows):
            cells = [f"**{plain(cell)}**" if (y, x) in self.best else plain(cell) for x, cell in enumerate(row)]
            lines.append("| " + " | ".join(cells) + " |")
        lines.append("")
        for note in self.notes:
            lines += [note, ""]
        return lines

    def html(self) -> str:
        """Return the table in a box of its own, which scrolls on a narrow screen."""
        kinds = [' class="text"' if x < self.text_columns else "" for x in range(len(self.header))]
        head = "".join(
            f'<th scope="col"{kind}>{html.escape(cell)}</th>' for cell, kind in zip(self.header, kinds, strict=True)
        )
        body = []
        for y, row in enumerate(self.rows):
            cells = []
            for x, cell in enumerate(row):
                text = marked(cell)
                text = f"<strong>{text}</strong>" if (y, x) in self.best else text
                cells.append(f'<th scope="row">{text}</th>' if x == 0 else f"<td{kinds[x]}>{text}</td>")
            body.append(f"<tr>{''.join(cells)}</tr>")
        notes = "".join(f'<p class="note">{code(note)}</p>' for note in self.notes)
        title = html.escape(self.title)
        return (
            f'<h3>{title}</h3><div class="table" tabindex="0" role="region" aria-label="{title}"><table>'
            f"<thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table></div>{notes}"
        )


def plain(cell: str) -> str:
    """Return a cell's text as Markdown takes it."""
    return cell.replace("|", "\\|")


def marked(cell: str) -> str:
    """Return a cell's text as HTML; superscripts stay."""
    return html.escape(cell).replace("&lt;sup&gt;", "<sup>").replace("&lt;/sup&gt;", "</sup>")


def code(text: str) -> str:
    """Return text as HTML, with parts between backticks as code."""
    parts = html.escape(text).split("`")
    return "".join(f"<code>{part}</code>" if number % 2 else part for number, part in enumerate(parts))


def from_files(names: Sequence[str]) -> str:
    """Write a sentence that names result files."""
    return "From " + ", ".join(f"`{REPOSITORY_FOLDER}/{name}`" for name in names) + "."


def least(rows: Sequence[Sequence[str]], skip: int = 1) -> frozenset[tuple[int, int]]:
    """Find the smallest number of each column, from column ``skip`` on."""
    found = set()
    for x in range(skip, len(rows[0]) if rows else 0):
        numbers = {y: value for y, row in enumerate(rows) if (value := number(row[x])) is not None}
        if len(numbers) > 1:
            smallest = min(numbers.values())
            found |= {(y, x) for y, value in numbers.items() if value == smallest}
    return frozenset(found)


def number(cell: str) -> float | None:
    """Return the number at the start of a cell; None if there is none."""
    try:
        return float(cell.split(" ")[0])
    except ValueError:
        return None
