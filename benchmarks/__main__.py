"""``python -m benchmarks run|report|list``."""

from __future__ import annotations

import argparse
import datetime
from pathlib import Path

from benchmarks import machine
from benchmarks.datasets import default_folder
from benchmarks.report import fill_readme, report
from benchmarks.rivals import all_rivals
from benchmarks.rivals.base import Track
from benchmarks.run import installed, run, run_files

ROOT = Path(__file__).resolve().parents[1]


def parser() -> argparse.ArgumentParser:
    """The options."""
    top = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = top.add_subparsers(dest="command", required=True)
    runs = commands.add_parser("run", help="measure, and append rows to a CSV file")
    runs.add_argument("--track", required=True, choices=[track.value for track in Track] + ["files"])
    runs.add_argument("--data", type=Path, default=default_folder(), help="folder of the sets")
    runs.add_argument("--set", dest="sets", action="append", required=True, help="such as first/test; may be repeated")
    runs.add_argument("--rivals", help="names with commas between them (default: all)")
    runs.add_argument("--divisor", type=float, default=8.0, help="bounded: E = sigma / DIVISOR")
    runs.add_argument("--repeat", type=int, default=1, help="times to run each, of which the median counts")
    runs.add_argument("--commit", help="what to write instead of the commit of this tree")
    runs.add_argument("--out", type=Path, help="default: benchmarks/results/DATE_MACHINE_COMMIT.csv")
    reports = commands.add_parser("report", help="Markdown tables of CSV files")
    reports.add_argument("csv", nargs="*", type=Path, help="default: all of benchmarks/results")
    reports.add_argument("--readme", action="store_true", help="put the tables into README.md")
    commands.add_parser("list", help="the codecs, their versions and settings")
    return top


def main() -> None:
    """Carry out the command line."""
    options = parser().parse_args()
    rivals = all_rivals()
    if options.command == "list":
        versions = installed(list(rivals.values()))
        for name, version in versions.items():
            print(f"{name:24} {version:24} {rivals[name].setting}")
        return
    if options.command == "report":
        text = report(options.csv or sorted((ROOT / "benchmarks" / "results").glob("*.csv")))
        if options.readme:
            fill_readme(ROOT / "README.md", text)
        else:
            print(text, end="")
        return
    chosen = options.rivals.split(",") if options.rivals else list(rivals)
    unknown = sorted(set(chosen) - set(rivals))
    if unknown:
        raise SystemExit(f"no such codec: {', '.join(unknown)}; known: {', '.join(rivals)}")
    commit = options.commit or machine.commit()
    name = f"{datetime.date.today():%Y-%m-%d}_{machine.slug()}_{commit}.csv"
    out = options.out or ROOT / "benchmarks" / "results" / name
    if options.track == "files":
        n_rows = run_files(data=options.data, sets=options.sets, divisor=None, out=out, commit=commit)
        n_rows += run_files(data=options.data, sets=options.sets, divisor=options.divisor, out=out, commit=commit)
        print(f"{n_rows} rows added to {out}")
        return
    n_rows = run(
        [rivals[name] for name in chosen],
        data=options.data,
        sets=options.sets,
        track=Track(options.track),
        divisor=options.divisor,
        out=out,
        repeats=options.repeat,
        commit=commit,
    )
    print(f"{n_rows} rows added to {out}")


if __name__ == "__main__":
    main()
