"""The commands for time and memory: those of ``COMMANDS``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.commands import add_data, add_output, add_repeat, add_sets, chosen_names

if TYPE_CHECKING:
    from benchmarks.commands import Commands

COMMANDS = ("speed", "base-speed", "effort", "estimate", "kernels", "cold", "stream", "memory")
DEFAULT_CODECS = (
    "radcodec", "jpeg2000", "jpegxl-e7", "jpegls", "rice", "sz3", "sperr", "fpzip", "pcodec", "shuffle+zstd", "gzip",
)  # fmt: skip
THREADS = (1, 2)
ESTIMATE_SETS, ESTIMATE_SIDES = ("first/test", "telescopes"), (1024, 4096)
MEMORY_SIDES = (4096, 8192)
LOSSY_SIDES = (2048, 4096)
COLD_SETS, COLD_SIDE = ("first/test", "telescopes/atca-scorpio-extended.fits"), 2048


def add_commands(commands: Commands) -> None:
    """Add the commands to the command line."""
    speeds = commands.add_parser("speed", help="speed and memory side by side on simulated images")
    speeds.add_argument(
        "--side", type=int, action="append", help="of the image, pixels; may be repeated (default: 4096)"
    )
    speeds.add_argument("--divisor", type=float, default=8.0, help="bounded: E = sigma / DIVISOR (default: 8)")
    speeds.add_argument("--rivals", default=",".join(DEFAULT_CODECS), help="default: %(default)s")
    speeds.add_argument("--no-memory", action="store_true", help="do not measure memory, which takes many processes")
    bases = _add_base_speed(commands)
    for command in (speeds, bases):
        command.add_argument(
            "--threads", type=int, action="append", help="of codecs that have threads; may be repeated (default: 1, 2)"
        )
    colds = commands.add_parser("cold", help="whole commands from a cold start, beside fpack and gzip")
    add_sets(colds, default=COLD_SETS)
    colds.add_argument(
        "--side", type=int, action="append", help=f"of simulated images, pixels; may be repeated (default: {COLD_SIDE})"
    )
    memories = commands.add_parser("memory", help="anonymous memory of whole commands on simulated images")
    memories.add_argument(
        "--side",
        type=int,
        action="append",
        help=f"pixels; may be repeated (default: {', '.join(map(str, MEMORY_SIDES))})",
    )
    memories.add_argument(
        "--cube", type=cube_sides, action="append", metavar="WxHxPLANES", help="a cube, x first; may be repeated"
    )
    memories.add_argument("--threads", type=int, default=2, help="of each command (default: %(default)s)")
    add_output(memories)
    efforts = commands.add_parser("effort", help="bits and seconds of each level of effort, with default options")
    add_data(efforts)
    efforts.add_argument("--set", dest="chosen", default="first/test", help="default: %(default)s")
    efforts.add_argument("--count", type=int, default=30, help="files of the set (default: %(default)s)")
    efforts.add_argument("--side", type=int, action="append", help="of simulated images (default: 1024, 4096)")
    efforts.add_argument("--effort", type=int, action="append", help="may be repeated (default: 1 to 9)")
    add_output(efforts)
    estimates = commands.add_parser("estimate", help="what estimate says beside what encoding gives, and its seconds")
    add_sets(estimates, default=ESTIMATE_SETS)
    estimates.add_argument("--count", type=int, default=6, help="images of each set (default: %(default)s)")
    estimates.add_argument("--side", type=int, action="append", help="of simulated images (default: 1024, 4096)")
    add_output(estimates)
    kernels = commands.add_parser("kernels", help="cycles a pixel of the passes over a tile, beside the machine's peak")
    kernels.add_argument("--radius", type=int, action="append", help="of predictors (default: 4, 8, 12, 16)")
    add_repeat(kernels, 30)
    add_output(kernels)
    streams = commands.add_parser("stream", help="planes as they come: sustained rate, and the latency of each")
    streams.add_argument("--side", type=int, default=2048, help="of the planes, pixels (default: %(default)s)")
    streams.add_argument("--planes", type=int, default=40, help="of the stream (default: %(default)s)")
    streams.add_argument("--effort", type=int, default=5, help="default: %(default)s")
    streams.add_argument("--threads", type=int, action="append", help="may be repeated (default: 1, 2)")
    add_output(streams)
    for command in (speeds, bases, colds):
        add_repeat(command, 5)
        add_output(command)


def _add_base_speed(commands: Commands) -> argparse.ArgumentParser:
    """Add the command for the lossy mode."""
    bases = commands.add_parser("base-speed", help="speed of the lossy mode beside OpenJPEG at equal error")
    bases.add_argument(
        "--side", type=int, action="append", help="of simulated images, pixels; may be repeated (default: 2048, 4096)"
    )
    bases.add_argument(
        "--rate", type=float, action="append", help="bits a pixel; may be repeated (default: 0.25, 0.5, 1)"
    )
    bases.add_argument("--model", help="of radcodec: name or weights file (default: the default model)")
    return bases


def cube_sides(text: str) -> tuple[int, int, int]:
    """Read ``WxHxPLANES``."""
    try:
        width, height, planes = map(int, text.split("x"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected WxHxPLANES, such as 1024x1024x2000, found {text!r}") from None
    return width, height, planes


def run_command(options: argparse.Namespace, out: Path, commit: str) -> list[str]:
    """Run one of the commands and return a line on each row."""
    if options.command == "cold":
        from benchmarks.speed.cold import first_of, run_cold, simulated

        samples = [first_of(options.data, chosen) for chosen in options.sets or COLD_SETS]
        samples += [simulated(side) for side in options.side or [COLD_SIDE]]
        return run_cold(samples=samples, repeats=options.repeat, out=out, commit=commit)
    if options.command == "memory":
        from benchmarks.speed.anonymous import cube, run_memory, square

        sides = options.side or ([] if options.cube else MEMORY_SIDES)
        subjects = [*map(square, sides), *(cube(*three) for three in options.cube or [])]
        return run_memory(subjects=subjects, threads=options.threads, out=out, commit=commit)
    if options.command == "effort":
        from benchmarks.speed.effort import run_effort

        return run_effort(
            data=options.data, chosen=options.chosen, count=options.count,
            sides=[1024, 4096] if options.side is None else options.side,
            levels=options.effort or range(1, 10), out=out, commit=commit,
        )  # fmt: skip
    if options.command == "estimate":
        from benchmarks.speed.estimates import run_estimates

        return run_estimates(
            data=options.data, sets=options.sets or ESTIMATE_SETS, count=options.count,
            sides=ESTIMATE_SIDES if options.side is None else options.side, out=out, commit=commit,
        )  # fmt: skip
    if options.command == "kernels":
        from benchmarks.speed.kernels import RADII, run_kernels

        return run_kernels(radii=options.radius or RADII, repeats=options.repeat, out=out, commit=commit)
    threads = options.threads or list(THREADS)
    if options.command == "stream":
        from benchmarks.speed.stream import run_stream

        return run_stream(
            side=options.side, count=options.planes, threads=threads, effort=options.effort, out=out, commit=commit
        )
    if options.command == "base-speed":
        from benchmarks.speed.base import BIT_RATES, run_base_speed

        return run_base_speed(
            sides=options.side or LOSSY_SIDES, rates=options.rate or BIT_RATES, threads=threads,
            repeats=options.repeat, model=options.model, out=out, commit=commit,
        )  # fmt: skip
    from benchmarks.rivals.registry import all_rivals
    from benchmarks.speed.simulated import Plan, run_speed

    plan = Plan(
        sides=options.side or [4096], threads=threads, divisor=options.divisor, repeats=options.repeat,
        memory=not options.no_memory,
    )  # fmt: skip
    return run_speed(chosen_names(options.rivals, list(all_rivals()), "codec"), plan, out=out, commit=commit)
