"""``radcodec watch``: compress files as an instrument drops them in a folder, each once."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import click

from radcodec.cli.batch import HEADINGS as BATCH_HEADINGS
from radcodec.cli.batch import manifest_record, own_options, recorded_options
from radcodec.cli.common import FiniteRange, check_model_option, quiet_option, report_errors, warn
from radcodec.cli.compress import kept_options, list_outputs, summary
from radcodec.cli.errors import DONE, error_line
from radcodec.cli.headings import GroupedCommand
from radcodec.cli.manifest import Manifest, read_records
from radcodec.cli.many import Job, is_folder, make_folder, with_own_outputs
from radcodec.cli.pool import Outcome, attempt, in_processes
from radcodec.cli.streams import say, tell
from radcodec.cli.work import Archived, Task, archive_complete, is_passing
from radcodec.errors import UnsupportedDataError
from radcodec.limits import MAX_WAIT_S
from radcodec.runtime.parallel import usable_threads

_DEFAULT_SETTLE_S = 5.0
_DEFAULT_EVERY_S = 1.0
# What was last written so long before the start is not watched first: it is complete.
_OLD_S = 60.0

# Size and modification time in nanoseconds.
State = tuple[int, int]


def _state(path: str) -> State | None:
    """Return size and modification time of a file; None where it is gone."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


@dataclass(slots=True, kw_only=True)
class _Watched:
    """What is known of the files of a folder: since when they have their state, and with which one they were done."""

    settle: float
    seen: dict[str, tuple[State, float]] = field(default_factory=dict)
    done: dict[str, State] = field(default_factory=dict)

    def is_ready(self, path: str) -> bool | None:
        """Say whether a file is complete as far as its size and time tell; None where there is nothing to do."""
        state = _state(path)
        if state is None or self.done.get(path) == state:
            self.seen.pop(path, None)
            return None
        now = time.monotonic()
        known, since = self.seen.get(path, (None, now))
        if known != state:
            age = time.time() - state[1] / 1e9
            since = now - self.settle if known is None and age > self.settle + _OLD_S else now
            self.seen[path] = (state, since)
        return now - since >= self.settle

    def finish(self, path: str) -> None:
        """Note that a file was worked on in the state that it was seen in."""
        found = self.seen.pop(path, None)
        if found is not None:
            self.done[path] = found[0]


def _known(path: str, options: Mapping[str, Any]) -> dict[str, State]:
    """Read with which state the files of a manifest were done, or failed, with these options."""
    known: dict[str, State] = {}
    for record in read_records(path):
        watched = record.get("watched")
        name = os.path.abspath(str(record.get("path")))
        known.pop(name, None)
        if record.get("options") != options or not isinstance(watched, list) or len(watched) != 2:
            continue
        # What failed by chance, or has lost its output, is done again.
        output = record.get("output")
        if record.get("status") == "done" and not (isinstance(output, str) and os.path.exists(output)):
            continue
        if record.get("status") == "done" or record.get("lasting") is True:
            known[name] = (int(watched[0]), int(watched[1]))
    return known


@dataclass(frozen=True, slots=True, kw_only=True)
class _Watch:
    """A run of watch: the folder, what to do with its files, and where what is said goes."""

    folder: str
    out_dir: str
    options: dict[str, Any]
    manifest: Manifest
    watched: _Watched
    quiet: bool

    def jobs(self) -> list[Job]:
        """List the files of the folder with their outputs; those that are none, and the outputs, are left out."""
        found = list_outputs([self.folder], self.out_dir, recompress=self.options["recompress"])
        for job in found:
            if job.source == self.folder and isinstance(job.error, OSError):
                raise job.error
        return [job for job in with_own_outputs(found) if not isinstance(job.error, UnsupportedDataError)]

    def note(self, job: Job, outcome: Outcome[Archived], state: State | None) -> int:
        """Write down and say what became of a file; return its exit code."""
        record = manifest_record(job, outcome, 1, recorded_options(self.options))
        record |= {"watched": state, "lasting": outcome.error is not None and not is_passing(outcome.error)}
        self.manifest.append(record)
        for warning in () if self.quiet else outcome.warnings:
            tell(f"radcodec: warning: {job.source}: {warning}")
        if outcome.error is not None:
            tell(record["error"])
            return int(record["exit_code"])
        report = None if outcome.result is None else outcome.result.report
        if report is None:
            return DONE
        warn(job.source, report, self.quiet)
        return DONE if self.quiet else say(summary(job.source, report))


def _compressed(watch: _Watch, ready: list[Job]) -> Iterator[tuple[Job, Outcome[Archived]]]:
    """Compress the files that are complete: one alone here, several in processes."""
    cores = usable_threads(None)
    processes = min(cores, len(ready))
    threads = watch.options["threads"] or max(1, cores // processes)
    options = {**watch.options, "threads": threads}
    tasks = [Task(source=job.source, target=job.other, options=options, resume=True) for job in ready]
    if processes == 1:
        for job, task in zip(ready, tasks, strict=True):
            yield job, attempt(archive_complete, task)
        return
    for number, outcome in in_processes(archive_complete, tasks, processes=processes):
        yield ready[number], outcome


def _pass(watch: _Watch) -> tuple[int, bool]:
    """Look at the folder once and do what is complete; return an exit code and whether some files still settle."""
    code, ready, waiting = DONE, [], False
    for job in watch.jobs():
        key = os.path.abspath(job.source)
        is_ready = watch.watched.is_ready(key)
        waiting = waiting or is_ready is False
        if not is_ready:
            continue
        if job.error is not None:
            state = watch.watched.seen[key][0]
            watch.watched.finish(key)
            noted = watch.note(job, Outcome(error=job.error), state)
            code = code or noted
        else:
            ready.append(job)
    for job, outcome in _compressed(watch, ready) if ready else ():
        key = os.path.abspath(job.source)
        state = watch.watched.seen[key][0]
        noted = watch.note(job, outcome, state)
        code = code or noted
        if is_passing(outcome.error):
            watch.watched.seen.pop(key, None)  # tried again once it has settled anew
            waiting = True
        else:
            watch.watched.finish(key)
    return code, waiting


_HEADINGS = {
    "The folder": ("out_dir", "settle", "every", "once", "manifest"),
    **{heading: names for heading, names in BATCH_HEADINGS.items() if heading != "Many files"},
}
_EXAMPLES = (
    ("radcodec watch incoming --out-dir archive", "Compress what comes, losslessly, until Ctrl-C:"),
    ("radcodec watch incoming --out-dir archive --max-error 0.125sigma --once", "Do what is there, and end:"),
)


@own_options
@click.command(cls=GroupedCommand, headings=_HEADINGS, examples=_EXAMPLES)
@click.argument("folder", metavar="DIR")
@click.option("--out-dir", metavar="DIR", required=True, help="Where the outputs go.")
@click.option("--settle", type=FiniteRange(0.0, MAX_WAIT_S), default=_DEFAULT_SETTLE_S, show_default=True, metavar="S",
              help="Seconds without a change after which a file is complete.")  # fmt: skip
@click.option("--every", type=FiniteRange(0.05, MAX_WAIT_S), default=_DEFAULT_EVERY_S, show_default=True, metavar="S",
              help="Seconds between two looks at the folder.")  # fmt: skip
@click.option("--once", is_flag=True, help="Do what is there, and end.")
@click.option("--manifest", metavar="FILE", help="One JSON line a file is added (default: DIR/manifest.jsonl).")
@quiet_option
def watch(folder: str, out_dir: str, quiet: bool, once: bool, **values: Any) -> int:
    """Compress files as an instrument drops them in a folder, each once.

    A file is complete when its size and time did not change for some seconds and it is as long as its headers say.
    Ended and started again, it goes on with what is new.
    """
    settle, every, manifest = (values.pop(name) for name in ("settle", "every", "manifest"))
    options = kept_options(values)
    check_model_option(options["model"])
    if not is_folder(folder):
        raise click.UsageError(f"{folder}: expected a folder to watch, found none")
    if not out_dir:
        raise click.UsageError("expected the name of a folder for --out-dir, found an empty one")
    with report_errors(out_dir):
        make_folder(out_dir)
    path = manifest or os.path.join(out_dir, "manifest.jsonl")
    with report_errors(path):
        record = Manifest(path)
        watched = _Watched(settle=settle, done=_known(path, recorded_options(options)))
    return _run(
        _Watch(
            folder=os.path.abspath(folder),
            out_dir=out_dir,
            options=options,
            manifest=record,
            watched=watched,
            quiet=quiet,
        ),
        every,
        once=once,
    )


def _run(watch: _Watch, every: float, *, once: bool) -> int:
    """Look at the folder again and again; with ``once`` until nothing is left to do."""
    code, said = DONE, ""
    while True:
        waiting = True
        try:
            found, waiting = _pass(watch)
            code, said = code or found, ""
        except BrokenPipeError:
            raise
        except OSError as error:
            if once:
                raise
            # A folder behind a network may be away for a while.
            line = error_line(error, watch.folder)
            if line != said:
                tell(line)
            said = line
        if once and not waiting:
            return code
        time.sleep(every)
