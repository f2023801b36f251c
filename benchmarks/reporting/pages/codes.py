"""Markdown of docs/codes.md, docs/tables/codes.md, docs/previews.md, docs/effort.md and docs/native.md from rows."""

from __future__ import annotations

import statistics
from collections.abc import Callable

from benchmarks.reporting.facts import Facts
from benchmarks.reporting.results import Results
from benchmarks.reporting.sizes import OURS
from benchmarks.run.curves import bits_needed
from benchmarks.speed.effort import effort_lines
from benchmarks.speed.estimates import estimate_lines
from benchmarks.speed.kernels import kernel_lines
from benchmarks.studies.clean import clean_lines
from benchmarks.studies.codebooks import codebook_lines
from benchmarks.studies.indices import MODELS, PLAIN
from benchmarks.studies.latents import SETS, latent_lines
from benchmarks.studies.previews import preview_lines
from benchmarks.studies.prior import prior_lines
from benchmarks.types import Row

#: The default model, and the one from simulations alone that is measured beside it.
SHIPPED, CLEAN = "vqvae-v1", "vqvae-v2"
CLEAN_SETS, CLEAN_RATES = ("first/test", "telescopes"), (0.1, 0.25, 0.5, 1.0)
Lines = Callable[[list[Row]], list[str]]
CODES: dict[str, tuple[str, Lines, tuple[str, ...]]] = {
    "prior": ("What the priors save, bits a pixel", prior_lines, ()),
    "codebooks": ("How the codebooks are used", codebook_lines, tuple(f"codebooks-{name}.png" for name in MODELS)),
    "latents": ("FR classes by neighbours", latent_lines, tuple(f"umap-{name}.png" for name in SETS)),
}


def section(results: Results, command: str, title: str, make: Lines, figures: tuple[str, ...]) -> list[str]:
    """Make a table with the file and command that it comes from, and the figures that the command draws."""
    return written(command, title, results.last(command), make, figures)


def written(command: str, title: str, rows: list[Row], make: Lines, figures: tuple[str, ...]) -> list[str]:
    """Make the table of some rows as ``section`` does."""
    if not rows:
        return [f"**{title}**", "", f"No rows yet; `python -m benchmarks {command}` makes them.", ""]
    origin = f"From {origin_of(rows)} (`python -m benchmarks {command}`); {rows[0]['machine']}."
    pictures = [line for name in figures for line in (f"![{name}](../figures/{name})", "")]
    return [f"**{title}**", "", *make(rows), "", origin, "", *pictures]


def origin_of(rows: list[Row]) -> str:
    """Return the names of the files that rows are from."""
    return ", ".join(f"`benchmarks/results/{name}`" for name in sorted({row["source"] for row in rows}))


def code_rows(results: Results, command: str) -> list[Row]:
    """Return the newest rows about the models that the pages show, the default first."""
    shown = [*reversed(MODELS), PLAIN]
    rows = [row for row in results.rows(command) if row["model"] in shown]
    sets = list(dict.fromkeys(row["set"] for row in rows))
    return sorted(rows, key=lambda row: (sets.index(row["set"]), shown.index(row["model"])))


def code_table(results: Results, command: str) -> list[str]:
    """Return the table of one command of docs/tables/codes.md."""
    title, make, figures = CODES[command]
    return written(command, title, code_rows(results, command), make, figures)


def codes_report(results: Results) -> str:
    """Return the tables and figures of docs/tables/codes.md."""
    lines = [line for command in CODES for line in code_table(results, command)]
    return "\n".join(lines).rstrip() + "\n"


def codes_summary(results: Results) -> str:
    """Return the sums over all stages, and the figures, that docs/codes.md shows."""
    rows = code_rows(results, "prior")
    lines = prior_lines(rows)
    lines = [*lines[:2], *(line for line in lines[2:] if "| all |" in line)]
    origin = f"From {origin_of(rows)}; {rows[0]['machine']}." if rows else "No rows yet."
    chosen = [row for row in code_rows(results, "latents") if row["chosen"]]
    known = ["**Classes by neighbours, the embedding that cross-validation chose**", "", *latent_lines(chosen)]
    known += ["", f"From {origin_of(chosen)}." if chosen else "No rows yet."]
    pictures = [line for _, _, names in CODES.values() for name in names for line in ("", f"![{name}](figures/{name})")]
    return "\n".join(["**What the priors save, bits a pixel**", "", *lines, "", origin, "", *known, *pictures]) + "\n"


def clean_weights(results: Results) -> list[str]:
    """Return the bits of the model from simulations alone over those of the default, at its errors."""
    facts = Facts(results)
    lines = [f"**Bits of `{CLEAN}` over those of `{SHIPPED}` at its error: geometric mean (least, most)**", ""]
    lines += [f"| bits a pixel of `{SHIPPED}` | {' | '.join(CLEAN_SETS)} |", "|---:|" + "---:|" * len(CLEAN_SETS)]
    for rate in CLEAN_RATES:
        cells = []
        for chosen in CLEAN_SETS:
            curves = facts.curves(chosen)
            ours, other = curves.get((OURS, SHIPPED), {}), curves.get((OURS, CLEAN), {})
            errors = {image: error for image in other if (error := ours[image].error_at(rate)) is not None}
            ratios = [bits / rate for bits in bits_needed(other, errors)]
            text = f"{statistics.geometric_mean(ratios):.3f} ({min(ratios):.3f}, {max(ratios):.3f})" if ratios else "-"
            cells.append(f"{text}, {len(ratios)} images" if ratios else text)
        lines.append(f"| {rate:g} | {' | '.join(cells)} |")
    rows = [row for row in results.rows("rd") if row["variant"] == CLEAN]
    return [*lines, "", f"From {origin_of(rows)} (`python -m benchmarks rd`)." if rows else "No rows yet.", ""]


def clean_report(results: Results) -> str:
    """Return the tables of docs/models.md: what weights, tables and dictionary from invented data alone cost."""
    lines = clean_weights(results)
    lines += written(
        "clean", "Tables and dictionary from invented data alone", results.rows("clean"), clean_lines, ()
    )  # fmt: skip
    return "\n".join(lines).rstrip() + "\n"


def previews_report(results: Results) -> str:
    """Return the table and pictures of docs/previews.md."""
    return "\n".join(section(results, "previews", "Previews of 1 % of a file", preview_lines, ())).rstrip() + "\n"


def effort_report(results: Results) -> str:
    """Return the tables of docs/effort.md."""
    lines = section(results, "effort", "Levels of effort", effort_lines, ())
    lines += section(results, "estimate", "Estimates", estimate_lines, ())
    return "\n".join(lines).rstrip() + "\n"


def kernels_report(results: Results) -> str:
    """Return the table of docs/native.md."""
    return "\n".join(section(results, "kernels", "Passes over a tile", kernel_lines, ())).rstrip() + "\n"
