"""The commands ``report`` and ``tidy``, and the figures of the science page."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import machine
from benchmarks.commands import add_data
from benchmarks.paths import HTML, RESULTS

if TYPE_CHECKING:
    from benchmarks.commands import Commands


def add_commands(commands: Commands) -> None:
    """Add the commands to the command line."""
    reports = commands.add_parser("report", help="tables and charts of the newest rows; alone, all tables as Markdown")
    reports.add_argument(
        "--only", type=Path, action="append", metavar="FILE", help="only the rows of this file; may be repeated"
    )
    reports.add_argument("--write", action="store_true", help="fill README.md and the pages in docs with their tables")
    reports.add_argument(
        "--html", action="store_true", help="write the HTML page (default of --out: docs/benchmarks.html)"
    )
    reports.add_argument("--check", action="store_true", help="exit 1 if a page is not what the rows give")
    add_data(reports)
    reports.add_argument("--out", type=Path, help="of the HTML page")
    tidies = commands.add_parser("tidy", help="keep only the newest rows in benchmarks/results, in the short form")
    tidies.add_argument("--list", action="store_true", help="only print what would change")


def handles(options: argparse.Namespace) -> bool:
    """Tell whether a command line is one for this module: it reads rows, and measures nothing."""
    return options.command in ("report", "tidy") or bool(options.command == "stack" and options.figures)


def run_command(options: argparse.Namespace) -> list[str]:
    """Run one of the commands."""
    from benchmarks.reporting.results import Results

    if options.command == "tidy":
        from benchmarks.reporting.tidy import tidy

        return tidy(RESULTS, dry=options.list)
    if options.command == "stack":
        from benchmarks.reporting.science_figures import stack_figures

        return [str(path) for path in stack_figures(Results(RESULTS), options.figures)]
    return report(options)


def report(options: argparse.Namespace) -> list[str]:
    """Write or check the pages as the options ask; without one of them return all tables as Markdown.

    Raises SystemExit for a page that is not current (``--check``).
    """
    from benchmarks.reporting.documents import fill_documents, full_report, own_report, stale, write_page
    from benchmarks.reporting.results import Results

    if options.only:
        if options.write or options.html or options.check:
            raise SystemExit("report: expected --only alone; the pages are made from all rows in benchmarks/results")
        return own_report(Results(RESULTS, only=options.only)).splitlines()
    lines = []
    if options.write:
        lines += fill_documents() or ["all are current"]
    if options.html:
        out = options.out or HTML
        lines.append(f"{out}: {write_page(out, options.data, machine.commit())} bytes")
    if options.check:
        if names := stale():
            raise SystemExit(f"not what the rows give: {', '.join(names)}; python -m benchmarks report --write --html")
    elif not options.write and not options.html:
        lines += full_report(Results(RESULTS)).splitlines()
    return lines
