"""``radcodec batch``: thousands of files, on one machine or a share of a cluster's, with a manifest to go on from."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import click

from radcodec.cli.common import (
    STDIO,
    Progress,
    check_model_option,
    json_option,
    print_json,
    quiet_option,
    report_errors,
    size_text,
    warn,
)
from radcodec.cli.compress import HEADINGS as COMPRESS_HEADINGS
from radcodec.cli.compress import compress, kept_options, list_outputs, summary
from radcodec.cli.errors import DONE, EXPECTED, NO_GUARANTEE, error_line, exit_code
from radcodec.cli.headings import GroupedCommand
from radcodec.cli.manifest import Manifest, read_records
from radcodec.cli.many import Job, make_folder, with_own_outputs
from radcodec.cli.pool import Outcome, attempt, in_processes
from radcodec.cli.streams import say, tell
from radcodec.cli.work import Archived, Task, archive_file, is_passing
from radcodec.runtime.parallel import usable_threads
from radcodec.version import VERSION

# Of the options of compress: what the command has of its own.
_NOT_SHARED = ("paths", "out_dir", "quiet", "as_json")
# What changes no byte of the output.
_WITHOUT_EFFECT = ("threads", "overwrite", "verify", "force")
_TASK = re.compile(r"([0-9]{1,9})/([0-9]{1,9})")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Share:
    """Part ``number`` of ``count`` of the files, counted from 0."""

    number: int
    count: int


@dataclass(slots=True)
class _Tally:
    """What became of the files so far."""

    n_files: int
    files: dict[int, dict[str, Any]] = field(default_factory=dict)
    done: int = 0
    kept: int = 0
    failed: int = 0
    original_bytes: int = 0
    size_bytes: int = 0
    pixels: int = 0
    code: int = DONE

    def total(self) -> dict[str, int]:
        """Return the object of the total that --json prints."""
        names = ("done", "kept", "failed", "original_bytes", "size_bytes", "pixels")
        return {"files": self.n_files, **{name: getattr(self, name) for name in names}}

    def line(self) -> str:
        """Return the line of the total."""
        kept = f", {self.kept} of them before" if self.kept else ""
        ratio = self.original_bytes / max(self.size_bytes, 1)
        sizes = f"  {size_text(self.original_bytes)} -> {size_text(self.size_bytes)}  {ratio:.2f}x"
        return f"total: {self.done + self.kept} of {self.n_files} files{kept}{sizes if self.size_bytes else ''}"


def _share_of(text: str | None) -> _Share | None:
    """Part K of N, from 1/N to N/N or from 0/N to N-1/N; raises UsageError for what is neither."""
    if text is None:
        return None
    match = _TASK.fullmatch(text)
    if match is None or int(match[2]) < 1 or int(match[1]) > int(match[2]):
        raise click.UsageError(
            f"--task: expected K/N with K from 1 to N (or from 0 to N - 1), found {text}: "
            "a Slurm array gives ${SLURM_ARRAY_TASK_ID}/N"
        )
    return _Share(number=int(match[1]) % int(match[2]), count=int(match[2]))


def _named_in(files_from: str | None) -> list[str]:
    """Read the names of inputs from a file, one a line."""
    if files_from is None:
        return []
    with report_errors(files_from):
        if files_from == STDIO:
            lines = sys.stdin.read().splitlines() if sys.stdin is not None else []
        else:
            with open(files_from, encoding="utf-8", errors="surrogateescape") as file:
                lines = file.read().splitlines()
    return [line for line in lines if line]


def _plan(inputs: Sequence[str], out_dir: str, options: Mapping[str, Any], share: _Share | None) -> list[Job]:
    """List the files of a share, in order; raises UsageError where two of all inputs have one output."""
    found = list_outputs(inputs, out_dir, recompress=options["recompress"])
    # A file that is named twice is one file.
    jobs = list({(job.source, job.other): job for job in found}.values())
    for job, checked in zip(jobs, with_own_outputs(jobs), strict=True):
        if job.error is None and checked.error is not None:
            raise click.UsageError(f"{job.source}: {checked.error}")
    return jobs if share is None else jobs[share.number :: share.count]


def recorded_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Select the options that an output depends on, as the manifest has them."""
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in sorted(options.items())
        if name not in _WITHOUT_EFFECT
    }


def _known(paths: Sequence[str], options: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """SHA-256 of input and output, by the output, of all files that are done with these options."""
    known: dict[str, tuple[str, str]] = {}
    for path in paths:
        for record in read_records(path):
            output = os.path.abspath(str(record.get("output")))
            if record.get("status") != "done":
                continue
            known.pop(output, None)
            if record.get("options") == options:
                known[output] = (str(record.get("input_sha256")), str(record.get("output_sha256")))
    return known


def _manifests(out_dir: str) -> list[str]:
    """List all manifests in the folder of the outputs. Each task of an array has its own."""
    names = sorted(name for name in os.listdir(out_dir) if re.fullmatch(r"manifest(\.\d+-of-\d+)?\.jsonl", name))
    return [os.path.join(out_dir, name) for name in names]


def manifest_record(
    job: Job, outcome: Outcome[Archived], tries: int | None, options: Mapping[str, Any]
) -> dict[str, Any]:
    """Make one line of the manifest."""
    error, archived = outcome.error, outcome.result
    report = None if archived is None else archived.report
    return {
        "path": job.source,
        "output": job.other or None,
        "status": "done" if error is None else "failed",
        "error": None if error is None else _error_text(error, job.source),
        "error_class": None if error is None else type(error).__name__,
        "exit_code": DONE if error is None else _code(error),
        "tries": tries,
        "input_sha256": None if archived is None else archived.input_sha256,
        "output_sha256": None if archived is None else archived.output_sha256,
        "original_sha256": None if report is None else report.original_sha256,
        "restored_sha256": None if report is None else report.restored_sha256,
        "options": options,
        "radcodec": VERSION,
        "report": None if report is None else report.to_dict(),
    }


def _code(error: BaseException) -> int:
    """Exit code of an error; a bug ends a command with 1."""
    return exit_code(error) if isinstance(error, EXPECTED) else NO_GUARANTEE


def _error_text(error: BaseException, name: str) -> str:
    if isinstance(error, EXPECTED):
        return error_line(error, name)
    return error_line(RuntimeError(f"{type(error).__name__}: {error} (a bug: please report it)"), name)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """A run of batch: what to do, and where what is said goes."""

    jobs: list[Job]
    manifest: Manifest
    options: dict[str, Any]
    quiet: bool
    as_json: bool

    def note(self, tally: _Tally, number: int, outcome: Outcome[Archived], tries: int | None) -> None:
        """Write the line of the manifest, and say what became of a file."""
        job, archived = self.jobs[number], outcome.result
        for warning in () if self.quiet else outcome.warnings:
            tell(f"radcodec: warning: {job.source}: {warning}")
        if archived is not None and archived.report is None:
            tally.kept += 1
            tally.files[number] = {"input": job.source, "status": "kept"}
            return
        record = manifest_record(job, outcome, tries, recorded_options(self.options))
        self.manifest.append(record)
        tally.files[number] = {"input": job.source, **{name: record[name] for name in record if name != "path"}}
        if archived is None or archived.report is None:
            tell(record["error"])
            tally.failed += 1
            tally.code = tally.code or record["exit_code"]
            return
        report = archived.report
        warn(job.source, report, self.quiet)
        tally.done += 1
        tally.original_bytes += report.original_bytes
        tally.size_bytes += report.size_bytes
        tally.pixels += report.pixels
        if not self.quiet and not self.as_json:
            lost = say(summary(job.source, report))
            tally.code = tally.code or lost


def own_options(command: click.Command) -> click.Command:
    """Give a command the options of compress as well."""
    command.params += [param for param in compress.params if param.name not in _NOT_SHARED]
    return command


HEADINGS = {
    "Many files": ("out_dir", "files_from", "jobs", "task", "address", "retries", "skip_done", "manifest"),
    **{heading: names for heading, names in COMPRESS_HEADINGS.items() if heading != "Output"},
}
_EXAMPLES = (
    ("radcodec batch survey --out-dir archive --max-error 0.125sigma", "Compress a folder on all cores:"),
    ("radcodec batch survey --out-dir archive --max-error 0.125sigma --skip-done", "Do what is left of it:"),
)


@own_options
@click.command(cls=GroupedCommand, headings=HEADINGS, examples=_EXAMPLES)
@click.argument("paths", nargs=-1, metavar="IN...")
@click.option("--out-dir", metavar="DIR", required=True, help="Where the outputs go.")
@click.option("--files-from", metavar="FILE|-", help="Names of more inputs, one a line.")
@click.option("--jobs", type=click.IntRange(1, 256), metavar="N", help="Processes (default: all usable cores).")
@click.option("--task", metavar="K/N", help="Only part K of N of the files, as a task of an array does.")
@click.option("--dask", "address", metavar="ADDRESS", help="Let the workers of this dask scheduler do it.")
@click.option("--retries", type=click.IntRange(0, 100), default=2, show_default=True, metavar="N",
              help="Tries more where the system refused, or a process died.")  # fmt: skip
@click.option("--skip-done", is_flag=True, help="Pass over what the manifest has as done, with equal SHA-256.")
@click.option("--manifest", metavar="FILE", help="One JSON line a file is added (default: DIR/manifest.jsonl).")
@quiet_option
@json_option
def batch(
    paths: tuple[str, ...], out_dir: str, files_from: str | None, quiet: bool, as_json: bool, **values: Any
) -> int:
    """Compress many files with several processes, and write down what became of each.

    Run again with --skip-done, it goes on where it was ended. The exit code is 0 only if all files are done.
    """
    own = {name: values.pop(name) for name in ("jobs", "task", "address", "retries", "skip_done", "manifest")}
    options = kept_options(values)
    check_model_option(options["model"])
    share = _share_of(own["task"])
    if own["address"] is not None and (share is not None or own["jobs"] is not None):
        raise click.UsageError("expected --dask, or --task and --jobs, found both: choose one")
    inputs = [*paths, *_named_in(files_from)]
    if not inputs or STDIO in paths:
        raise click.UsageError("expected files or folders, or --files-from FILE, found none")
    if not out_dir:
        raise click.UsageError("expected the name of a folder for --out-dir, found an empty one")
    jobs = _plan(inputs, out_dir, options, share)
    with report_errors(out_dir):
        make_folder(out_dir)
    name = "manifest.jsonl" if share is None else f"manifest.{share.number or share.count}-of-{share.count}.jsonl"
    path = own["manifest"] or os.path.join(out_dir, name)
    with report_errors(path):
        manifest = Manifest(path)
        known = _known([path, *_manifests(out_dir)], recorded_options(options)) if own["skip_done"] else {}
    run = _Run(jobs=jobs, manifest=manifest, options=options, quiet=quiet, as_json=as_json)
    tasks = _tasks(run, known, resume=own["skip_done"])
    tally = _Tally(n_files=len(jobs))
    for number, job in enumerate(jobs):
        if job.error is not None:
            run.note(tally, number, Outcome(error=job.error), 0)
    work = (
        _with_processes(tasks, own["jobs"], own["retries"])
        if own["address"] is None
        else _with_dask(tasks, own["address"], own["retries"])
    )
    with Progress("files", len(tasks), quiet=quiet or as_json) as progress:
        for number, outcome, tries in work:
            run.note(tally, number, outcome, tries)
            progress(1)
    if as_json:
        print_json({"files": [tally.files[number] for number in sorted(tally.files)], "total": tally.total()})
    elif not quiet:
        lost = say(tally.line())
        tally.code = tally.code or lost
    return tally.code


def _tasks(run: _Run, known: Mapping[str, tuple[str, str]], *, resume: bool) -> dict[int, Task]:
    """Make the tasks, by the number of the job."""
    return {
        number: Task(
            source=job.source,
            target=job.other,
            options=run.options,
            known=known.get(os.path.abspath(job.other)),
            resume=resume,
        )
        for number, job in enumerate(run.jobs)
        if job.error is None
    }


def _with_processes(
    tasks: Mapping[int, Task], jobs: int | None, retries: int
) -> Iterator[tuple[int, Outcome[Archived], int]]:
    """Do the work in processes of this machine."""
    numbers, tries = list(tasks), [0] * len(tasks)
    cores = usable_threads(None)
    processes = max(1, min(jobs or cores, len(tasks)))
    threads = max(1, cores // processes)
    items = [
        replace(task, options={**task.options, "threads": task.options["threads"] or threads})
        for task in tasks.values()
    ]

    def retry(place: int, outcome: Outcome[Archived]) -> bool:
        tries[place] += 1
        return tries[place] <= retries and is_passing(outcome.error)

    for place, outcome in in_processes(archive_file, items, processes=processes, retry=retry):
        yield numbers[place], outcome, tries[place]


def _with_dask(
    tasks: Mapping[int, Task], address: str, retries: int
) -> Iterator[tuple[int, Outcome[Archived], int | None]]:
    """Do the work on the workers of a dask scheduler, which see the same files."""
    from radcodec.integrations.cluster import on_cluster

    numbers = list(tasks)
    items = [
        replace(
            task,
            source=os.path.abspath(task.source),
            target=os.path.abspath(task.target),
            options={**task.options, "threads": task.options["threads"] or 1},
        )
        for task in tasks.values()
    ]
    try:
        for place, given in on_cluster(attempt_once, items, address=address, retries=retries):
            outcome = given if isinstance(given, Outcome) else Outcome[Archived](error=given)
            yield numbers[place], outcome, None
    except ImportError as error:
        raise click.UsageError(f"--dask: {error}") from error


def attempt_once(task: Task) -> Outcome[Archived]:
    """Do the work on a worker of a cluster: raise what another try may mend, give all else back."""
    outcome = attempt(archive_file, task)
    if outcome.error is not None and is_passing(outcome.error):
        raise outcome.error
    return outcome
