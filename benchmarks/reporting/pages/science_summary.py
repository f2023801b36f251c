"""The conclusions of docs/science.md: four short tables, every number from the newest rows."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.reporting.facts import Facts, shown, value_of
from benchmarks.reporting.results import Results
from benchmarks.reporting.tables import Table, from_files
from benchmarks.types import Row

LEVELS = ("16", "8", "4", "2", "1")
RATES = ("0.1", "0.25", "0.5", "1")
BOUNDED = ("radcodec", "radcodec dither", "radcodec smallest", "fpack", "sz3", "sperr")
SIZED = (
    "radcodec",
    "radcodec lossy",
    "radcodec general-v0",
    "vae lossy",
    "jpeg2000 lossy",
    "jpegxl lossy",
    "sperr lossy",
)
FIELDS = (
    ("simulated", "simulated noise"),
    ("simulated-smooth", "smoother noise (a beam of 9 x 8 pixels)"),
    ("first/test", "FIRST's noise"),
)


def kept_cell(row: Row | None, used: list[Row]) -> str:
    """Write the share of the flux that a stack keeps, in percent, with the bits a pixel; note the row as used."""
    share = value_of(row, "recovered")
    if row is None or share is None:
        return "-"
    used.append(row)
    error = 100 * float(row["recovered_error"])
    return f"{100 * share:.1f} ± {error:.1f} ({float(row['bits_per_pixel']):.2f})"


def stack_table(results: Results, chosen: str, comparison: str, title: str) -> Table:
    """Make the table of stacks of 1-sigma sources: a line for each codec, a column for each bound or size."""
    facts, used, lines = Facts(results), list[Row](), list[list[str]]()
    levels, codecs = (LEVELS, BOUNDED) if comparison == "bound" else (RATES, SIZED)
    for codec in codecs:
        cells = [kept_cell(facts.stack(chosen, comparison, level, codec), used) for level in levels]
        if any(cell != "-" for cell in cells):
            lines.append([codec, *cells])
    named = [f"E = sigma/{level}".removesuffix("/1") if comparison == "bound" else f"{level} bit" for level in levels]
    notes = [from_files(results.sources(used))] if used else []
    return Table(title=title, header=["codec", *named], rows=lines, notes=notes)


def source_table(results: Results, comparison: str, level: str, codecs: Sequence[str], title: str) -> Table:
    """Make the table of sources on FIRST: fluxes with their scatter, and the share found again, by signal to noise."""
    facts, used, lines = Facts(results), list[Row](), list[list[str]]()
    for codec in codecs:
        cells = []
        for part in ("10-30", ">30"):
            row = facts.science("first/test", comparison, level, codec, "sep flux_ratio", part)
            used += [row] if row else []
            ratio, scatter = value_of(row), value_of(row, "scatter")
            cells.append("-" if ratio is None else f"{100 * ratio:.1f}, {100 * (scatter or 0.0):.1f}")
        row = facts.science("first/test", comparison, level, codec, "sep completeness", "5-10")
        found = value_of(row)
        cells.append("-" if found is None else f"{100 * found:.0f}")
        bits = shown(value_of(row, "bits_per_pixel"))
        if found is not None:
            lines.append([codec, bits, *cells])
    return Table(
        title=title,
        header=["codec", "bits a pixel", "10 to 30 sigma", "above 30 sigma", "5 to 10 sigma, found again, %"],
        rows=lines,
        notes=[f"Flux in percent of the original's, then its scatter. {from_files(results.sources(used))}"],
    )


def science_summary(results: Results) -> str:
    """Return what stands between the markers of docs/science.md."""
    tables = [
        stack_table(results, chosen, "bound", f"Stacks of 1-sigma sources on {name}: flux kept, % (bits a pixel)")
        for chosen, name in FIELDS
    ]
    tables += [
        stack_table(results, chosen, "size", f"The same at equal size, on {name}")
        for chosen, name in (FIELDS[0], FIELDS[2])
    ]
    tables += [
        source_table(results, "bound", level, BOUNDED, f"Sources of FIRST at E = sigma/{level}".removesuffix("/1"))
        for level in ("8", "1")
    ]
    tables.append(source_table(results, "size", "0.25", SIZED, "Sources of FIRST at 0.25 bit a pixel"))
    lines = [line for table in tables for line in table.markdown()]
    return "\n".join(lines).rstrip() + "\n"
