"""Process many files and folders in one call: a line each and a total; a failure does not stop the rest."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import click

from radcodec.cli.common import STDIO, print_json
from radcodec.cli.errors import DONE, EXPECTED, error_line, exit_code
from radcodec.cli.streams import say, tell
from radcodec.container.report import Report
from radcodec.errors import InputError, UnsupportedDataError
from radcodec.runtime.given_files import check_target_kind
from radcodec.runtime.paths import check_folder

out_dir_option = click.option("--out-dir", metavar="DIR", help="Folder for the outputs of many files or folders.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One file of many: its source, the file to write or compare with, or the error that rules it out."""

    source: str
    other: str = ""
    error: Exception | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The result of one file: its report, additions for --json, and the line for people."""

    report: Report
    line: str
    fields: dict[str, Any] = field(default_factory=dict)


def is_folder(name: str) -> bool:
    """Return whether a name is a folder of files. A measurement set is one unit; the library refuses it by name."""
    return os.path.isdir(name) and not os.path.isfile(os.path.join(name, "table.dat"))


def check_many(paths: Sequence[str], out_dir: str | None) -> None:
    """Raise UsageError where the files of a command with IN [OUT] and --out-dir make no sense together."""
    if out_dir is not None:
        if not out_dir:
            raise click.UsageError("expected the name of a folder for --out-dir, found an empty name")
        if STDIO in paths:
            raise click.UsageError("expected files or folders with --out-dir, found - (standard input)")
        return
    if len(paths) > 2:
        raise click.UsageError(f"expected IN [OUT], or --out-dir DIR for many files, found {len(paths)} files")
    if is_folder(paths[0]):
        raise click.UsageError(f"{paths[0]}: expected --out-dir DIR with a folder, found none")


def list_jobs(
    inputs: Sequence[str], kind: str, find: Callable[[str], list[str]], place: Callable[[str], str]
) -> list[Job]:
    """Return a job for each file; files of a folder keep their places below it.

    Parameters
    ----------
    kind
        Kind of the files, for messages.
    find
        Lists the paths of the files in a folder and below.
    place
        Names the other file, from a file's name or its path below the given folder.
    """
    jobs: list[Job] = []
    for name in inputs:
        try:
            if not is_folder(name):
                jobs.append(_job(name, os.path.basename(os.path.normpath(name)), place))
                continue
            found = find(name)
            if not found:
                raise UnsupportedDataError(f"expected {kind} files in the folder {name}, found none")
            jobs += [_job(path, os.path.relpath(path, name), place) for path in found]
        except (UnsupportedDataError, OSError) as error:
            jobs.append(Job(source=name, error=error))
    return jobs


def _job(source: str, name: str, place: Callable[[str], str]) -> Job:
    try:
        return Job(source=source, other=place(name))
    except (InputError, OSError) as error:
        return Job(source=source, error=error)


def with_own_outputs(jobs: Sequence[Job]) -> list[Job]:
    """Return the jobs; one whose output another one before it has fails instead of replacing that."""
    first: dict[str, str] = {}
    checked: list[Job] = []
    for job in jobs:
        before = first.setdefault(os.path.normpath(job.other), job.source) if job.other else job.source
        if before != job.source:
            text = f"expected a separate output for each file, found {job.other}, which is that of {before}, too"
            job = Job(source=job.source, error=InputError(text))
        checked.append(job)
    return checked


def make_folder(folder: str) -> None:
    """Make a folder where it is not there; raise OSError where that cannot be, or nothing can be written to it.

    Raises InputError for a URL.
    """
    check_target_kind(folder)
    try:
        os.makedirs(folder or ".", exist_ok=True)
    except FileExistsError as error:
        raise OSError(errno.ENOTDIR, "expected a folder to write to, found a file", folder) from error
    check_folder(os.path.join(folder, "x"))


def run_many(
    jobs: Sequence[Job],
    work: Callable[[Job], Done],
    total_text: Callable[[dict[str, int]], str],
    *,
    quiet: bool,
    as_json: bool,
) -> int:
    """Run the work for each job and return the exit code of the first failure; later jobs still run.

    Parameters
    ----------
    total_text
        Formats the sizes of all finished files, from the object of the total.
    """
    files: list[dict[str, Any]] = []
    done: list[Report] = []
    code = DONE
    for job in jobs:
        try:
            if job.error is not None:
                raise job.error
            result = work(job)
        except KeyboardInterrupt:
            raise
        except EXPECTED as error:
            line = error_line(error, job.source)
            tell(line)
            code = code or exit_code(error)
            files.append({"input": job.source, "error": line, "exit_code": exit_code(error)})
            continue
        done.append(result.report)
        files.append({"input": job.source, **result.report.to_dict(), **result.fields})
        if not quiet and not as_json:
            lost = say(result.line)
            code = code or lost
    total = {
        "files": len(jobs),
        "failed": len(jobs) - len(done),
        "original_bytes": sum(report.original_bytes for report in done),
        "size_bytes": sum(report.size_bytes for report in done),
        "pixels": sum(report.pixels for report in done),
    }
    if as_json:
        print_json({"files": files, "total": total})
    elif not quiet:
        lost = say(f"total: {len(done)} of {len(jobs)} files{total_text(total)}")
        code = code or lost
    return code
