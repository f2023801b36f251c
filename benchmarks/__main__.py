"""The benchmarks: ``python -m benchmarks all`` runs the standing ones, the other commands one of them or a study."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from benchmarks import machine
from benchmarks.commands import add_data, default_out
from benchmarks.data.downloads import SETS, fetch
from benchmarks.protocol import STEPS, run_all
from benchmarks.reporting import command as reporting
from benchmarks.requirements import explain
from benchmarks.rivals.base import Rival
from benchmarks.rivals.lossy import LossyRival
from benchmarks.rivals.registry import all_rivals, lossy_rivals
from benchmarks.run import command as run
from benchmarks.science import command as science
from benchmarks.speed import command as speed
from benchmarks.studies import command as studies

MEASURING: tuple[ModuleType, ...] = (run, speed, science, studies)
"""Modules with ``COMMANDS`` (names), ``add_commands(commands)`` and ``run_command(options, out, commit)``."""


def parser() -> argparse.ArgumentParser:
    """Build the command line of all commands."""
    top = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    everything = commands.add_parser("all", help="run the standing benchmarks; continues where it was stopped")
    add_data(everything)
    everything.add_argument("--list", action="store_true", help="only print the commands")
    for module in MEASURING:
        module.add_commands(commands)
    reporting.add_commands(commands)
    fetching = commands.add_parser("fetch", help="download the public files of the sets (extra train)")
    add_data(fetching)
    fetching.add_argument("--set", dest="sets", action="append", help=f"may be repeated (default: {', '.join(SETS)})")
    commands.add_parser("list", help="print the codecs with versions and settings, and the variants of the ablation")
    return top


def main() -> None:
    """Run the command line."""
    options = parser().parse_args()
    if options.command != "all":
        run_one(options)
        return
    if options.list:
        print("\n".join(f"python -m benchmarks {step}" for step in STEPS))
        return

    def one_step(words: list[str]) -> None:
        step = parser().parse_args(words)
        if "data" in step:
            step.data = options.data
        run_one(step)

    if failed := run_all(one_step):
        raise SystemExit("failed: " + "; ".join(failed))


def run_one(options: argparse.Namespace) -> None:
    """Run one command; SystemExit names the extra of a package that it needs and that is not installed."""
    try:
        for line in lines_of(options):
            print(line)
    except ModuleNotFoundError as err:
        raise SystemExit(explain(err, options.command)) from err


def lines_of(options: argparse.Namespace) -> list[str]:
    """Run one command and return what it has to say."""
    others: dict[str, Callable[[], list[str]]] = {
        "list": list_codecs,
        "fetch": lambda: fetch_files(options.data, options.sets or list(SETS)),
    }
    if options.command in others:
        return others[options.command]()
    if reporting.handles(options):
        return reporting.run_command(options)
    module = next(module for module in MEASURING if options.command in module.COMMANDS)
    commit = options.commit or machine.commit()
    lines: list[str] = module.run_command(options, options.out or default_out(options, commit), commit)
    return lines


def fetch_files(folder: Path, sets: list[str]) -> list[str]:
    """Download the files of some sets; SystemExit lists those that are still missing."""
    if missing := fetch(folder, sets):
        raise SystemExit("\n".join(missing))
    return []


def list_codecs() -> list[str]:
    """Describe every codec of either mode, with its version or what it misses, and the variants of the ablation."""
    from benchmarks.studies.variants import VARIANTS

    exact = [(rival.name, rival) for rival in all_rivals().values()]
    lossy = [(f"{rival.name}, {rival.variant}, {rival.knob}", rival) for rival in lossy_rivals()]
    lines = ["Lossless, and within a largest error (run):", *(described(name, rival) for name, rival in exact)]
    lines += ["Lossy, with a ladder of qualities (rd):", *(described(name, rival) for name, rival in lossy)]
    return [*lines, f"Variants (ablation): {', '.join(VARIANTS)}"]


def described(name: str, rival: Rival | LossyRival) -> str:
    """Describe a codec in one line: version and setting, or what is missing."""
    try:
        return f"  {name:48} {rival.version():24} {rival.setting}"
    except ImportError as err:
        return f"  {name:48} missing: {err}"


if __name__ == "__main__":
    main()
