"""The commands ``run`` and ``rd``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.commands import add_output, add_repeat, add_sets, chosen_names
from benchmarks.rivals.base import Track

if TYPE_CHECKING:
    from benchmarks.commands import Commands

COMMANDS = ("run", "rd")
WHOLE_FILES = ("files", "defaults", "bounds")  # tracks of FITS files, beside those of arrays


def add_commands(commands: Commands) -> None:
    """Add the commands to the command line."""
    tracks = commands.add_parser("run", help="sizes of codecs on sets of images, lossless or within a largest error")
    tracks.add_argument("--track", required=True, choices=[*(track.value for track in Track), *WHOLE_FILES])
    add_sets(tracks, required=True)
    tracks.add_argument("--rivals", help="names with commas between them (default: all)")
    tracks.add_argument(
        "--divisor", type=float, action="append", help="bounded: E = sigma / DIVISOR; may be repeated (default: 8)"
    )
    tracks.add_argument("--every", type=int, default=1, help="track bounds: only each Nth file of a folder")
    add_repeat(tracks, 1)
    add_output(tracks)
    lossy = commands.add_parser("rd", help="bits against error of the lossy mode; without --set only the tables")
    add_sets(lossy)
    lossy.add_argument("--knob", help="only rungs of this knob, such as bit-rate (default: all)")
    lossy.add_argument("--rivals", help="names with commas between them, radcodec and R(D) too (default: all)")
    lossy.add_argument("--model", help="of radcodec: name or weights file (default: the default model)")
    lossy.add_argument("--with", dest="others", action="append", type=Path, default=[], help="more CSV for the tables")
    add_output(lossy)


def run_command(options: argparse.Namespace, out: Path, commit: str) -> list[str]:
    """Run one of the commands and return lines on its rows."""
    return rate_distortion(options, out, commit) if options.command == "rd" else track_sizes(options, out, commit)


def rate_distortion(options: argparse.Namespace, out: Path, commit: str) -> list[str]:
    """Measure bits against error, and return tables of all rows."""
    from benchmarks.rivals.registry import lossy_rivals
    from benchmarks.rows import parts_of
    from benchmarks.run.curves import read_out
    from benchmarks.run.distortion import ESTIMATE, run_rd

    candidates = lossy_rivals(options.model)
    chosen = chosen_names(options.rivals, [*dict.fromkeys(rival.name for rival in candidates), ESTIMATE], "codec")
    wanted = [rival for rival in candidates if rival.name in chosen and options.knob in (None, rival.knob)]
    n_rows = run_rd(
        wanted, estimate=ESTIMATE in chosen, data=options.data, sets=options.sets or [], out=out, commit=commit
    )
    lines = [f"{n_rows} rows added to {out}", ""] if options.sets else []
    return lines + read_out([*options.others, *parts_of(out)])


def track_sizes(options: argparse.Namespace, out: Path, commit: str) -> list[str]:
    """Measure one track."""
    from benchmarks.rivals.registry import all_rivals
    from benchmarks.run.bounds import run_bounds
    from benchmarks.run.defaults import run_defaults
    from benchmarks.run.tracks import Demand, run_files, run_track

    data, sets, divisors = options.data, options.sets, options.divisor or [8.0]
    if options.track == "defaults":
        n_rows = run_defaults(data=data, sets=sets, out=out, commit=commit)
    elif options.track == "bounds":
        n_rows = run_bounds(data=data, sets=sets, every=options.every, out=out, commit=commit)
    elif options.track == "files":
        n_rows = sum(
            run_files(data=data, sets=sets, divisor=divisor, out=out, commit=commit) for divisor in (None, *divisors)
        )
    else:
        rivals, track = all_rivals(), Track(options.track)
        wanted = [rivals[name] for name in chosen_names(options.rivals, list(rivals), "codec")]
        n_rows = sum(
            run_track(wanted, demand, data=data, sets=sets, repeats=options.repeat, out=out, commit=commit)
            for demand in (
                [Demand(track, divisor) for divisor in divisors] if track is Track.BOUNDED else [Demand(track)]
            )
        )
    return [f"{n_rows} rows added to {out}"]
