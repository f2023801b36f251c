"""Options that several commands share, and where the rows of a command go."""

from __future__ import annotations

import argparse
import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import machine
from benchmarks.data.datasets import default_folder
from benchmarks.paths import RESULTS

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

OWN_FILES = ("defaults", "bounds")  # tracks of ``run`` with columns of their own


def add_data(command: argparse.ArgumentParser) -> None:
    """Add the option that says where the sets of images are."""
    command.add_argument(
        "--data", type=Path, default=default_folder(), help="folder of the sets (default: RADCODEC_DATA or shared/data)"
    )


def add_sets(command: argparse.ArgumentParser, *, required: bool = False, default: Sequence[str] = ()) -> None:
    """Add the options that say which images are measured."""
    add_data(command)
    text = f"default: {', '.join(default)}" if default else "such as first/test"
    command.add_argument("--set", dest="sets", action="append", required=required, help=f"may be repeated ({text})")


def add_repeat(command: argparse.ArgumentParser, default: int) -> None:
    """Add the option that says how often each call is timed."""
    command.add_argument(
        "--repeat", type=int, default=default, help="times to run each call; the median counts (default: %(default)s)"
    )


def add_output(command: argparse.ArgumentParser) -> None:
    """Add the options that say where rows go."""
    command.add_argument("--commit", help="what rows name as the commit (default: the commit of this tree)")
    command.add_argument(
        "--out",
        type=Path,
        help="results file; rows that it holds are not measured again "
        "(default: benchmarks/results/DATE_MACHINE_COMMIT_COMMAND.csv)",
    )


def chosen_names(given: str | None, known: Sequence[str], what: str) -> list[str]:
    """Split names at their commas; None means all known names.

    Raises SystemExit for an unknown name.
    """
    chosen = given.split(",") if given else list(known)
    if unknown := [name for name in chosen if name not in known]:
        raise SystemExit(f"no such {what}: {', '.join(unknown)}; known: {', '.join(known)}")
    return chosen


def default_out(options: argparse.Namespace, commit: str, folder: Path = RESULTS) -> Path:
    """Return the newest results file of this machine, commit and command, or the name of a new one.

    The name starts with day, hour and minute. A tree without a commit may change at any time: its file is a new one.
    """
    track = getattr(options, "track", None)
    command = track if track in OWN_FILES else options.command
    stem = f"{machine.slug()}_{commit}_{command}"
    now = f"{datetime.datetime.now(tz=datetime.UTC):%Y-%m-%dT%H%M}"
    if commit == machine.NO_COMMIT or commit.endswith(machine.DIRTY):
        return folder / f"{now}_{stem}.csv"
    found = [*folder.glob(f"*_{stem}.csv"), *folder.glob(f"*_{stem}_*.csv")]
    times = (path.name.partition("_")[0] for path in found)
    return folder / f"{max(times, default=now)}_{stem}.csv"
