"""Many files compressed side by side: small ones by one process each, large ones one after the other by all threads."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any, TypeAlias

from radcodec.cli.common import Progress
from radcodec.cli.many import Job
from radcodec.cli.pool import Outcome, in_processes
from radcodec.cli.streams import tell
from radcodec.cli.work import Task, compress_file
from radcodec.container.report import Report
from radcodec.runtime.parallel import usable_threads

Compressor: TypeAlias = Callable[[Job], Report]

# From here on a file has tiles enough for all threads, and two in memory at once may be too much.
LARGE_BYTES = 1 << 24
# Starting processes takes longer than fewer small files.
_FEW = 4


@contextmanager
def compressing(jobs: Sequence[Job], options: dict[str, Any], *, quiet: bool) -> Iterator[Compressor]:
    """Yield a function that gives the report of each job, called in order; it raises what compressing raised.

    Several files are worked on at once where there are enough of them and cores to use.
    """
    tasks = [Task(source=job.source, target=job.other, options=options) for job in jobs if job.error is None]
    cores = usable_threads(options["threads"])
    n_small = sum(not _is_large(task) for task in tasks)
    if cores < 2 or n_small < _FEW:
        yield lambda job: _alone(Task(source=job.source, target=job.other, options=options), quiet)
        return
    tasks = [
        Task(source=task.source, target=task.target, options={**options, "threads": cores if _is_large(task) else 1})
        for task in tasks
    ]
    with Progress("files", len(tasks), quiet=quiet) as progress:
        work = in_processes(compress_file, tasks, processes=cores, weigh=lambda task: cores if _is_large(task) else 1)
        with closing(_in_order(work, progress)) as outcomes:
            yield lambda job: _report(job, next(outcomes))


def _is_large(task: Task) -> bool:
    return os.path.isfile(task.source) and os.path.getsize(task.source) > LARGE_BYTES


def _alone(task: Task, quiet: bool) -> Report:
    """Compress one file in this process, with a bar of its pixels."""
    size = os.path.getsize(task.source) if os.path.isfile(task.source) else 0
    with Progress(os.path.basename(task.source), size // 4, quiet=quiet) as progress:
        return compress_file(
            Task(source=task.source, target=task.target, options={**task.options, "progress": progress})
        )


def _in_order(
    work: Generator[tuple[int, Outcome[Report]], None, None], progress: Progress
) -> Generator[Outcome[Report], None, None]:
    """Yield outcomes in the order of the files. Early ones wait; they are small."""
    early: dict[int, Outcome[Report]] = {}
    wanted = 0
    with closing(work):
        for number, outcome in work:
            early[number] = outcome
            progress(1)
            while wanted in early:
                yield early.pop(wanted)
                wanted += 1


def _report(job: Job, outcome: Outcome[Report]) -> Report:
    for warning in outcome.warnings:
        tell(f"radcodec: warning: {job.source}: {warning}")
    if outcome.error is not None:
        raise outcome.error
    assert outcome.result is not None
    return outcome.result
