"""The commands ``science`` and ``stack``."""

from __future__ import annotations

import argparse
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.commands import add_output, add_sets

if TYPE_CHECKING:
    from benchmarks.commands import Commands

SCIENCE_SETS = ("first/test", "telescopes", "simulated", "cubes")
STACK_SETS = ("simulated", "simulated-smooth", "first/test")
COMMANDS = ("science", "stack")
PACKAGES = {"sep": "sep", "photutils": "photutils", "pybdsf": "bdsf"}  # that bring the finders


def add_commands(commands: Commands) -> None:
    """Add the commands to the command line."""
    checks = commands.add_parser(
        "science", help="fluxes, positions, noise and moment maps through each codec, at equal bound and equal size"
    )
    stacks = commands.add_parser("stack", help="what is left of injected sources, single and stacked")
    for command, sets in ((checks, SCIENCE_SETS), (stacks, STACK_SETS)):
        add_sets(command, default=sets)
        command.add_argument(
            "--rivals", help="names with commas between them, or folders of models, with a slash (default: all)"
        )
        command.add_argument(
            "--compare", action="append", choices=["exact", "bound", "size"], help="may be repeated (default: all)"
        )
        command.add_argument(
            "--level", type=float, action="append",
            help="E = sigma / LEVEL, or LEVEL bits a pixel; may be repeated (default: all)",
        )  # fmt: skip
        command.add_argument("--limit", type=int, help="at most so many images of a set")
        add_output(command)
    checks.add_argument(
        "--finder", dest="finders", action="append", choices=list(PACKAGES),
        help="of sources; may be repeated (default: sep, photutils); pybdsf needs the extra pybdsf",
    )  # fmt: skip
    stacks.add_argument("--figures", type=Path, metavar="FOLDER", help="only draw the figures of the newest rows")


def run_command(options: argparse.Namespace, out: Path, commit: str) -> list[str]:
    """Run one of the commands and return a line on its rows."""
    from benchmarks.science.coders import coder_makers, make_coders
    from benchmarks.science.jobs import COMPARISONS
    from benchmarks.science.run import FAST_FINDERS, Choice, run_science, run_stack

    known = list(coder_makers())
    wanted = options.rivals.split(",") if options.rivals else known
    if unknown := [name for name in wanted if name not in known and "/" not in name]:
        raise SystemExit(f"no such codec: {', '.join(unknown)}; known: {', '.join(known)}")
    coders, sets = make_coders(wanted), options.sets
    choice = Choice(comparisons=options.compare or COMPARISONS, levels=options.level or (), limit=options.limit)
    if options.command == "stack":
        n_rows = run_stack(coders, choice, data=options.data, sets=sets or STACK_SETS, out=out, commit=commit)
        return [f"{n_rows} rows added to {out}"]
    finders = options.finders or FAST_FINDERS
    if absent := [PACKAGES[name] for name in finders if find_spec(PACKAGES[name]) is None]:
        raise SystemExit(f"not installed: {', '.join(absent)}; run `pip install '.[bench,pybdsf]'` in the checkout")
    n_rows = run_science(
        coders, choice, data=options.data, sets=sets or SCIENCE_SETS, out=out, commit=commit, finders=finders
    )
    return [f"{n_rows} rows added to {out}"]
