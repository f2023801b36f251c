"""The commands ``science`` and ``stack`` of ``python -m benchmarks``."""

from __future__ import annotations

import argparse
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.datasets import default_folder

SCIENCE_SETS = ("first/test", "telescopes", "simulated", "cubes")
STACK_SETS = ("simulated", "simulated-smooth", "first/test")
COMMANDS = ("science", "stack")
PACKAGES = {"sep": "sep", "photutils": "photutils", "pybdsf": "bdsf"}  # that bring the finders


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the two to those of the command line."""
    told = "fluxes, positions, noise, moment maps through each codec at equal bound and equal size"
    made = {}
    for name, sets, text in (
        ("science", SCIENCE_SETS, told),
        ("stack", STACK_SETS, "what is left of injected sources, single and stacked"),
    ):
        command = made[name] = commands.add_parser(name, help=text)
        command.add_argument("--data", type=Path, default=default_folder(), help="folder of the sets")
        command.add_argument(
            "--set", dest="sets", action="append", help=f"may be repeated (default: {', '.join(sets)})"
        )
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
        command.add_argument("--commit", help="what to write instead of the commit of this tree")
        command.add_argument("--out", type=Path, help=f"default: DATE_MACHINE_COMMIT_{name}.csv in benchmarks/results")
    made["science"].add_argument(
        "--finder", dest="finders", action="append", choices=list(PACKAGES),
        help="of sources; may be repeated (default: sep, photutils); pybdsf needs the extra pybdsf",
    )  # fmt: skip
    made["stack"].add_argument("--figures", type=Path, metavar="FOLDER", help="only draw those of the newest rows")


def run_command(options: argparse.Namespace, out: Path, commit: str) -> list[str]:
    """Lines on the rows that one of the two added to ``out``."""
    from benchmarks.science.coders import coder_makers, make_coders
    from benchmarks.science.jobs import COMPARISONS
    from benchmarks.science.run import FAST_FINDERS, run_science, run_stack

    if options.command == "stack" and options.figures:
        from benchmarks.reporting.results import Results
        from benchmarks.science.figures import stack_figures

        results = Path(__file__).resolve().parents[1] / "results"
        return [str(path) for path in stack_figures(Results(results), options.figures)]
    known = list(coder_makers())
    wanted = options.rivals.split(",") if options.rivals else known
    if unknown := [name for name in wanted if name not in known and "/" not in name]:
        raise SystemExit(f"no such codec: {', '.join(unknown)}; known: {', '.join(known)}")
    coders = make_coders(wanted)
    common: dict[str, Any] = {
        "data": options.data, "limit": options.limit, "out": out, "commit": commit,
        "comparisons": options.compare or COMPARISONS, "levels": options.level or (),
    }  # fmt: skip
    if options.command == "science":
        finders = options.finders or FAST_FINDERS
        if absent := [PACKAGES[name] for name in finders if find_spec(PACKAGES[name]) is None]:
            raise SystemExit(f"not installed: {', '.join(absent)}; pip install radcodec[bench,pybdsf]")
        n_rows = run_science(coders, sets=options.sets or SCIENCE_SETS, finders=finders, **common)
    else:
        n_rows = run_stack(coders, sets=options.sets or STACK_SETS, **common)
    return [f"{n_rows} rows added to {out}"]
