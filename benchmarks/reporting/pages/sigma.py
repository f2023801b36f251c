"""The table of docs/guarantee.md on two measures of the noise: the command line's, and 1.4826 MAD of the image."""

from __future__ import annotations

from pathlib import Path

from benchmarks.reporting.facts import Facts
from benchmarks.reporting.results import Results
from benchmarks.reporting.tables import from_files

OPTION, BOUND = "--max-error 0.125sigma", "sigma/8"


def sigma_block(results: Results) -> str:
    """Return a line for each telescope's image: both measures, and the size of the file with each."""
    lines = [
        "| image | command line's sigma / 1.4826 MAD | bits a pixel, `0.125sigma` | bits a pixel, E = 1.4826 MAD / 8 |",
        "|---|---:|---:|---:|",
    ]
    with_mad = {
        row["file"]: row
        for row in results.rows("run")
        if (row["track"], row["bound"], row["codec"], row["status"]) == ("files", BOUND, "radcodec", "ok")
    }
    used = []
    for row in Facts(results).whole_files("telescopes", "radcodec", OPTION):
        if row["file"] not in with_mad:
            continue
        other = with_mad[row["file"]]
        used += [row, other]
        ratio = float(row["sigma_used"]) / float(row["sigma_mad"])
        bits = " | ".join(f"{float(one['bits_per_pixel']):.2f}" for one in (row, other))
        lines.append(f"| {Path(row['file']).stem} | {ratio:.2f} | {bits} |")
    if not used:
        return "No rows yet; `python -m benchmarks run --track bounds --set telescopes` makes them.\n"
    return "\n".join([*lines, "", f"Whole files. {from_files(results.sources(used))}"]) + "\n"
