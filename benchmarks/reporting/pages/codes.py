"""Markdown of docs/codes.md and docs/previews.md from the newest rows of latents, codebooks, prior and previews."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.reporting.results import Results
from benchmarks.studies.codebooks import codebook_lines
from benchmarks.studies.indices import MODELS
from benchmarks.studies.latents import SETS, latent_lines
from benchmarks.studies.previews import preview_lines
from benchmarks.studies.prior import prior_lines
from benchmarks.types import Row

Lines = Callable[[list[Row]], list[str]]
CODES: dict[str, tuple[str, Lines, tuple[str, ...]]] = {
    "prior": ("What the priors save, bits a pixel", prior_lines, ()),
    "codebooks": ("How the codebooks are used", codebook_lines, tuple(f"codebooks-{name}.png" for name in MODELS)),
    "latents": ("FR classes by neighbours", latent_lines, tuple(f"umap-{name}.png" for name in SETS)),
}


def section(results: Results, command: str, title: str, make: Lines, figures: tuple[str, ...]) -> list[str]:
    """Make a table with the file and command that it comes from, and the figures that the command draws."""
    rows = results.last(command)
    if not rows:
        return [f"**{title}**", "", f"No rows yet; `python -m benchmarks {command}` makes them.", ""]
    origin = f"From `benchmarks/results/{rows[0]['source']}` (`python -m benchmarks {command}`); {rows[0]['machine']}."
    pictures = [line for name in figures for line in (f"![{name}](figures/{name})", "")]
    return [f"**{title}**", "", *make(rows), "", origin, "", *pictures]


def code_table(results: Results, command: str) -> list[str]:
    """Return the table of one command of docs/codes.md."""
    return section(results, command, *CODES[command])


def codes_report(results: Results) -> str:
    """Return the tables and figures of docs/codes.md."""
    lines = [line for command in CODES for line in code_table(results, command)]
    return "\n".join(lines).rstrip() + "\n"


def previews_report(results: Results) -> str:
    """Return the table and pictures of docs/previews.md."""
    return "\n".join(section(results, "previews", "Previews of 1 % of a file", preview_lines, ())).rstrip() + "\n"
