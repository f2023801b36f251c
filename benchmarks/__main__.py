"""The benchmark: ``python -m benchmarks all`` carries out the whole of it, the other commands a part each."""

from __future__ import annotations

import argparse
import datetime
from pathlib import Path

from benchmarks import machine
from benchmarks.ablation import run_ablation
from benchmarks.base_speed import run_base_speed
from benchmarks.cold import run_cold
from benchmarks.datasets import default_folder
from benchmarks.defaults import run_defaults
from benchmarks.downloads import SETS, fetch
from benchmarks.floor import run_floor
from benchmarks.layers import run_layers
from benchmarks.model_commands import add_model_commands, run_model_command
from benchmarks.protocol import STEPS, run_all
from benchmarks.rd import BOUND, read_out, run_rd
from benchmarks.reporting.documents import (
    HTML,
    RESULTS,
    ROOT,
    fill_documents,
    full_report,
    stale,
    write_page,
)
from benchmarks.reporting.results import Results
from benchmarks.rivals.base import Track
from benchmarks.rivals.registry import all_rivals, lossy_rivals
from benchmarks.run import run, run_files
from benchmarks.science import command as science
from benchmarks.speed import DEFAULT_CODECS, run_speed
from benchmarks.variants import VARIANTS


def parser() -> argparse.ArgumentParser:
    """The options."""
    top = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = top.add_subparsers(dest="command", required=True)
    every = commands.add_parser("all", help="the whole benchmark, command by command; goes on where it was stopped")
    every.add_argument("--data", type=Path, default=default_folder(), help="folder of the sets")
    every.add_argument("--list", action="store_true", help="only name the commands")
    runs = commands.add_parser("run", help="measure codecs on sets of images")
    runs.add_argument("--track", required=True, choices=[track.value for track in Track] + ["files", "defaults"])
    add_sets(runs, required=True)
    runs.add_argument("--rivals", help="names with commas between them (default: all)")
    runs.add_argument(
        "--divisor", type=float, action="append", help="bounded: E = sigma / DIVISOR; may be repeated (default: 8)"
    )
    runs.add_argument("--repeat", type=int, default=1, help="times to run each, of which the median counts")
    add_output(runs)
    speeds = commands.add_parser("speed", help="speed and memory side by side on simulated images")
    speeds.add_argument(
        "--side", type=int, action="append", help="of the image, pixels; may be repeated (default: 4096)"
    )
    speeds.add_argument("--divisor", type=float, default=8.0, help="bounded: E = sigma / DIVISOR")
    speeds.add_argument("--repeat", type=int, default=5, help="times to run each in turn, of which the median counts")
    speeds.add_argument(
        "--threads", type=int, action="append", help="of codecs that have some; may be repeated (default: 1, 2)"
    )
    speeds.add_argument("--rivals", default=",".join(DEFAULT_CODECS), help="default: %(default)s")
    speeds.add_argument("--no-memory", action="store_true", help="leave out memory, a process for each call")
    add_output(speeds)
    bases = commands.add_parser("base-speed", help="speed of the base layer beside OpenJPEG on one simulated image")
    bases.add_argument("--side", type=int, default=2048, help="of the image, pixels")
    bases.add_argument("--repeat", type=int, default=5, help="times to run each in turn, of which the median counts")
    bases.add_argument("--threads", type=int, action="append", help="of radcodec; may be repeated (default: 1 and 2)")
    bases.add_argument("--model", help="of radcodec: name or weights file (default: the default model)")
    add_output(bases)
    colds = commands.add_parser("cold", help="whole commands from a cold start, on the first image of a set")
    colds.add_argument("--data", type=Path, default=default_folder(), help="folder of the sets")
    colds.add_argument("--set", dest="chosen", default="first/test", help="default: %(default)s")
    colds.add_argument("--repeat", type=int, default=5, help="times to run each in turn, of which the median counts")
    add_output(colds)
    floors = commands.add_parser("floor", help="distance to the spectral floor")
    add_sets(floors, required=False)
    floors.add_argument("--divisor", type=float, default=8.0, help="E = sigma / DIVISOR")
    add_output(floors)
    ablations = commands.add_parser("ablation", help="variants of the detail layer")
    add_sets(ablations, required=False)
    ablations.add_argument("--divisor", type=float, default=8.0, help="E = sigma / DIVISOR; 0 for lossless")
    ablations.add_argument("--variants", help="names with commas between them (default: all); see variants.py")
    ablations.add_argument("--repeat", type=int, default=3, help="times to run each, of which the median counts")
    add_output(ablations)
    layers = commands.add_parser("layers", help="header dictionary, base under the detail, values inside their bins")
    add_sets(layers, required=False)
    layers.add_argument("--divisor", type=float, default=8.0, help="E = sigma / DIVISOR")
    add_output(layers)
    add_model_commands(commands, add_sets, add_output)
    lossy = commands.add_parser("rd", help="bits against error of the lossy mode; the tables alone without --set")
    add_sets(lossy, required=False)
    lossy.add_argument("--rivals", help="names with commas between them, radcodec and R(D) too (default: all)")
    lossy.add_argument("--model", help="of radcodec: name or weights file (default: the default model)")
    lossy.add_argument("--with", dest="others", action="append", type=Path, default=[], help="CSV to table as well")
    add_output(lossy)
    neural = commands.add_parser(
        "lossless-neural", help="learned base and exact residual; the tables alone without --set"
    )
    add_sets(neural, required=False)
    neural.add_argument("--every", type=int, default=1, help="of first/test, images taken: every so many")
    add_output(neural)
    science.add_commands(commands)
    reports = commands.add_parser("report", help="tables and charts of the newest rows; alone, all tables as Markdown")
    reports.add_argument(
        "--write", action="store_true", help="fill README.md and the pages in docs that have such tables"
    )
    reports.add_argument("--html", action="store_true", help=f"write the page, {HTML} unless --out is given")
    reports.add_argument("--check", action="store_true", help="exit 1 where one of these is not what the rows give")
    reports.add_argument("--data", type=Path, default=default_folder(), help="folder of the sets, for error maps")
    reports.add_argument("--out", type=Path, help="of the page")
    fetches = commands.add_parser("fetch", help="download the public files of the sets (needs the extra train)")
    fetches.add_argument("--data", type=Path, default=default_folder(), help="folder of the sets")
    fetches.add_argument("--set", dest="sets", action="append", help=f"may be repeated (default: {', '.join(SETS)})")
    commands.add_parser("list", help="the codecs, their versions and settings, and the variants")
    return top


def add_sets(command: argparse.ArgumentParser, *, required: bool) -> None:
    """Options that say where the images are."""
    command.add_argument("--data", type=Path, default=default_folder(), help="folder of the sets")
    command.add_argument(
        "--set", dest="sets", action="append", required=required, help="such as first/test; may be repeated"
    )


def add_output(command: argparse.ArgumentParser) -> None:
    """Options that say where rows go."""
    command.add_argument("--commit", help="what to write instead of the commit of this tree")
    command.add_argument(
        "--out",
        type=Path,
        help="default: DATE_MACHINE_COMMIT[_COMMAND].csv in benchmarks/results, gone on with if it is there",
    )


def chosen_names(given: str | None, known: list[str], what: str) -> list[str]:
    """The names given with commas between them, all for None."""
    chosen = given.split(",") if given else known
    unknown = [name for name in chosen if name not in known]
    if unknown:
        raise SystemExit(f"no such {what}: {', '.join(unknown)}; known: {', '.join(known)}")
    return chosen


def main() -> None:
    """Carry out the command line."""
    options = parser().parse_args()
    if options.command != "all":
        carry_out(options)
        return
    if options.list:
        print("\n".join(f"python -m benchmarks {step}" for step in STEPS))
        return

    def one(words: list[str]) -> None:
        step = parser().parse_args(words)
        if "data" in step:
            step.data = options.data
        carry_out(step)

    if failed := run_all(one):
        raise SystemExit("not carried out: " + "; ".join(failed))


def carry_out(options: argparse.Namespace) -> None:
    """What one command line asks for."""
    if options.command == "list":
        list_codecs()
        return
    if options.command == "report":
        write_report(options)
        return
    if options.command == "fetch":
        if missing := fetch(options.data, options.sets or list(SETS)):
            raise SystemExit("\n".join(missing))
        return
    commit = options.commit or machine.commit()
    for line in measured(options, options.out or default_out(options, commit), commit):
        print(line)


def list_codecs() -> None:
    """Print every codec of either mode, with its version or what it misses, and the variants of the detail layer."""
    exact = [(rival.name, rival) for rival in all_rivals().values()]
    lossy = [(f"{rival.name}, {rival.variant}, {rival.knob}", rival) for rival in lossy_rivals()]
    for mode, rivals in (
        ("Lossless, and within a largest error (run):", exact),
        ("Lossy, with a ladder of qualities (rd):", lossy),
    ):
        print(mode)
        for name, rival in rivals:
            try:
                told = f"{rival.version():24} {rival.setting}"
            except ImportError as err:
                told = f"missing: {err}"
            print(f"  {name:48} {told}")
    print(f"Variants (ablation): {', '.join(VARIANTS)}")


def default_out(options: argparse.Namespace, commit: str) -> Path:
    """The newest file of this machine, commit and command, to go on with; else a new one of today.

    A tree that is no commit may be another one on another day, so that only a file of today is gone on with.
    """
    track = getattr(options, "track", None)
    suffix = "_defaults" if track == "defaults" else "" if options.command == "run" else f"_{options.command}"
    name = f"{machine.slug()}_{commit}{suffix}.csv"
    today = RESULTS / f"{datetime.date.today():%Y-%m-%d}_{name}"
    if commit == machine.NO_COMMIT or commit.endswith(machine.DIRTY):
        return today
    return max(RESULTS.glob(f"????-??-??_{name}"), default=today)


def write_report(options: argparse.Namespace) -> None:
    """What the options of ``report`` ask for."""
    if options.write:
        print("\n".join(fill_documents()) or "all are current")
    if options.html:
        out = options.out or ROOT / HTML
        print(f"{out}: {write_page(out, options.data, machine.commit())} bytes")
    if options.check:
        if names := stale():
            raise SystemExit(f"not what the rows give: {', '.join(names)}; python -m benchmarks report --write --html")
    elif not options.write and not options.html:
        print(full_report(Results(RESULTS)), end="")


def measured(options: argparse.Namespace, out: Path, commit: str) -> list[str]:
    """Lines on the rows that the command added to ``out``."""
    if (lines := run_model_command(options, out, commit)) is not None:
        return lines
    if options.command in science.COMMANDS:
        return science.run_command(options, out, commit)
    rivals = all_rivals()
    if options.command == "speed":
        codecs, threads = chosen_names(options.rivals, list(rivals), "codec"), options.threads or [1, 2]
        return run_speed(
            codecs, sides=options.side or [4096], threads=threads, divisor=options.divisor, repeats=options.repeat,
            memory=not options.no_memory, out=out, commit=commit,
        )  # fmt: skip
    if options.command == "base-speed":
        return run_base_speed(
            side=options.side, threads=options.threads or [1, 2], repeats=options.repeat, model=options.model, out=out,
            commit=commit,
        )  # fmt: skip
    if options.command == "rd":
        candidates = lossy_rivals(options.model)
        chosen = chosen_names(options.rivals, [*dict.fromkeys(rival.name for rival in candidates), BOUND], "codec")
        n_rows = run_rd(
            [rival for rival in candidates if rival.name in chosen], bound=BOUND in chosen, data=options.data,
            sets=options.sets or [], out=out, commit=commit,
        )  # fmt: skip
        lines = [f"{n_rows} rows added to {out}", ""] if options.sets else []
        return lines + read_out([*options.others, *([out] if out.exists() else [])])
    if options.command == "cold":
        return run_cold(data=options.data, chosen=options.chosen, repeats=options.repeat, out=out, commit=commit)
    if options.command == "lossless-neural":
        from benchmarks.neural.lossless import run_lossless

        return run_lossless(data=options.data, sets=options.sets or [], every=options.every, out=out, commit=commit)
    data, sets, divisor = options.data, options.sets, options.divisor
    if options.command == "floor":
        sets = sets or ["first/test", "telescopes"]
        return run_floor(data=data, sets=sets, divisor=divisor, out=out, commit=commit)
    if options.command == "layers":
        sets = sets or ["first/val", "telescopes"]
        return run_layers(data=data, sets=sets, divisor=divisor, out=out, commit=commit)
    if options.command == "ablation":
        names = chosen_names(options.variants, list(VARIANTS), "variant")
        return run_ablation(
            names, data=data, sets=sets or [], divisor=divisor, out=out, repeats=options.repeat, commit=commit
        )
    if options.track == "defaults":
        return [f"{run_defaults(data=data, sets=sets, out=out, commit=commit)} rows added to {out}"]
    divisors, n_rows = divisor or [8.0], 0
    if options.track == "files":
        for bound in (None, *divisors):
            n_rows += run_files(data=data, sets=sets, divisor=bound, out=out, commit=commit)
    else:
        wanted = [rivals[name] for name in chosen_names(options.rivals, list(rivals), "codec")]
        for bound in divisors if options.track == Track.BOUNDED.value else [1.0]:
            n_rows += run(
                wanted, data=data, sets=sets, track=Track(options.track), divisor=bound, out=out,
                repeats=options.repeat, commit=commit,
            )  # fmt: skip
    return [f"{n_rows} rows added to {out}"]


if __name__ == "__main__":
    main()
