"""``radcodec decompress``, ``verify``, ``cutout`` and ``preview``: from files back to pixels."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from typing import Any

import click

from radcodec import api
from radcodec.cli.common import (
    STDIO,
    Progress,
    announce,
    check_output,
    json_option,
    mode_text,
    overwrite_option,
    print_json,
    quiet_option,
    report_errors,
    seekable_source,
    size_text,
    source_of,
    target_of,
    threads_option,
    warn,
)
from radcodec.cli.errors import DONE
from radcodec.cli.headings import GroupedCommand
from radcodec.cli.many import (
    Done,
    Job,
    check_many,
    is_folder,
    list_jobs,
    make_folder,
    out_dir_option,
    run_many,
    with_own_outputs,
)
from radcodec.cli.streams import say, tell
from radcodec.container.report import Report
from radcodec.runtime.paths import check_output as check_target
from radcodec.runtime.paths import find_original, find_rcz, is_rcz_name, restored_name


def _restore_one(source: str, output: str, *, threads: int | None, overwrite: bool, quiet: bool) -> Report:
    """Restore a file and return its report."""
    target = target_of(output)
    if isinstance(target, str):
        # Checked before a pipe is read to its end.
        check_target(target, source, overwrite)
    with seekable_source(source) as stream:
        with api.open(stream) as file:
            total = file.info.original_bytes
        with Progress(os.path.basename(source), total, quiet=quiet) as progress:
            return api.decompress(stream, target, overwrite=overwrite, threads=threads, progress=progress)


def _restored_line(source: str, output: str, report: Report) -> str:
    sizes = f"{size_text(report.size_bytes)} -> {size_text(report.original_bytes)}"
    target = "standard output" if output == STDIO else output
    return f"{source} -> {target}  {mode_text(report)}  {sizes}  {report.seconds or 0:.1f} s"


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="IN.rcz... [OUT.fits]")
@out_dir_option
@threads_option
@overwrite_option
@quiet_option
@json_option
def decompress(paths: tuple[str, ...], out_dir: str | None, quiet: bool, as_json: bool, **options: Any) -> int:
    """Restore FITS files.

    OUT defaults to the name of IN without .rcz; - is standard input or output. With --out-dir, IN may be any number of
    files and folders; all .rcz files in a folder are restored.
    """
    check_many(paths, out_dir)
    if out_dir is not None:
        return _restore_many(paths, out_dir, options, quiet=quiet, as_json=as_json)
    source, output = paths[0], paths[1] if len(paths) == 2 else None
    if output is not None and is_rcz_name(output) and os.path.exists(output):
        raise click.UsageError(f"{output}: expected an output that is not a .rcz file; for many give --out-dir DIR")
    with report_errors(source):
        name = output or (STDIO if source == STDIO else restored_name(source))
        check_output(name, as_json)
        report = _restore_one(source, name, quiet=quiet or as_json, **options)
    warn(source, report, quiet)
    if as_json:
        print_json({**report.to_dict(), "output": name})
    elif not quiet:
        return announce(_restored_line(source, name, report), name)
    return DONE


def _restore_many(paths: Sequence[str], out_dir: str, options: dict[str, Any], *, quiet: bool, as_json: bool) -> int:
    """Restore many files with one line each and a total; return the exit code of the first failure."""
    with report_errors(out_dir):
        make_folder(out_dir)

    def place(name: str) -> str:
        return os.path.join(out_dir, restored_name(name))

    def work(job: Job) -> Done:
        make_folder(os.path.dirname(job.other))
        report = _restore_one(job.source, job.other, quiet=quiet or as_json, **options)
        warn(job.source, report, quiet)
        return Done(report=report, line=_restored_line(job.source, job.other, report), fields={"output": job.other})

    def sizes(total: dict[str, int]) -> str:
        return f"  {size_text(total['size_bytes'])} -> {size_text(total['original_bytes'])}"

    jobs = with_own_outputs(list_jobs(paths, ".rcz", find_rcz, place))
    return run_many(jobs, work, sizes, quiet=quiet, as_json=as_json)


def _verify_one(job: Job, threads: int | None, *, quiet: bool) -> Done:
    against = job.other or None
    with seekable_source(job.source) as stream:
        report = api.verify(stream, against=None if against is None else source_of(against), threads=threads)
    warn(job.source, report, quiet)
    compared = "" if against is None else f", and the file keeps its promise about {against}"
    line = f"{job.source}: all checksums are correct{compared} ({mode_text(report)})"
    return Done(report=report, line=line, fields={"verified": True, "against": against})


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="IN.rcz...")
@click.option("--against", metavar="FILE|DIR", help="The original, or the folder of the originals, to compare with.")
@threads_option
@quiet_option
@json_option
def verify(paths: tuple[str, ...], against: str | None, threads: int | None, quiet: bool, as_json: bool) -> int:
    """Verify every checksum and decode every tile; with --against, compare with the originals.

    A folder means all .rcz files in it; each original is searched at the same place in the other folder.
    """
    many = len(paths) > 1 or is_folder(paths[0])
    in_folder = against is not None and is_folder(against)
    if many and STDIO in paths:
        raise click.UsageError("expected files or folders, found - (standard input)")
    if many and against is not None and not in_folder:
        raise click.UsageError(f"{against}: expected the folder of the originals for many files, found none")

    def place(name: str) -> str:
        return find_original(against, name) if in_folder and against is not None else against or ""

    jobs = list_jobs(paths, ".rcz", find_rcz, place)
    if many:
        return run_many(
            jobs,
            lambda job: _verify_one(job, threads, quiet=quiet),
            lambda _: " verified",
            quiet=quiet,
            as_json=as_json,
        )
    with report_errors(paths[0]):
        if jobs[0].error is not None:
            raise jobs[0].error
        result = _verify_one(jobs[0], threads, quiet=quiet)
    if as_json:
        print_json({**result.report.to_dict(), **result.fields})
    elif not quiet:
        return say(result.line)
    return DONE


hdu_option = click.option("--hdu", metavar="NAME|N", help="The image: HDU name, number (0: primary) or SCI,2.")


@click.command(
    cls=GroupedCommand,
    headings={
        "Part of the image": ("region", "center", "size", "plane", "partial", "hdu"),
        "Output": ("overwrite", "quiet", "threads"),
    },
    examples=[
        ("radcodec cutout IN.rcz OUT.fits --region 100:200,300:400", "100 x 100 pixels, x first:"),
        ('radcodec cutout IN.rcz OUT.fits --center "150.1 2.2" --size 2arcmin', "A field on the sky:"),
    ],
)
@click.argument("source", metavar="IN.rcz")
@click.argument("output", metavar="OUT.fits")
@click.option("--region", metavar="X0:X1,Y0:Y1", help="A range for each axis, 0-based, half-open, x first; : is all.")
@click.option("--center", metavar='"RA DEC"', help="A position in the image's frame (or: icrs RA DEC).")
@click.option("--size", metavar="2arcmin", help="Width and height around --center (default: one pixel).")
@click.option("--plane", type=int, metavar="N", help="One plane only (default: all).")
@click.option("--partial", is_flag=True, help="Fill outside of the image with NaN (integers: BLANK).")
@hdu_option
@threads_option
@overwrite_option
@quiet_option
def cutout(source: str, output: str, quiet: bool, **options: Any) -> int:
    """Write a part of an image as a FITS file, its world coordinates shifted."""
    with report_errors(source), warnings.catch_warnings(), seekable_source(source) as stream:
        # astropy's warnings about old headers do not matter for a cut-out.
        warnings.simplefilter("ignore")
        api.cutout(stream, target_of(output) or output, **options)
    if not quiet:
        parts = (options["region"], options["center"], options["size"])
        named = " ".join(part for part in parts if part) or f"plane {options['plane']}"
        return announce(f"{source}[{named}] -> {output}", output)
    return DONE


@click.command(
    cls=GroupedCommand,
    headings={
        "Picture": ("size", "plane", "hdu", "full"),
        "Copy": ("base_only",),
        "Output": ("overwrite", "quiet", "threads"),
    },
    examples=[
        ("radcodec preview IN.rcz OUT.png", "A picture of the first image:"),
        ("radcodec preview IN.rcz OUT.rcz --base-only", "A small .rcz file that holds only the base layer:"),
    ],
)
@click.argument("source", metavar="IN.rcz")
@click.argument("output", metavar="OUT")
@click.option("--plane", type=int, default=0, show_default=True, metavar="N", help="Plane to show.")
@click.option("--full", is_flag=True, help="Decode the pixels instead of the base layer.")
@click.option("--size", type=int, metavar="N", help="Most pixels of the longer side (default: 2048).")
@click.option("--base-only", is_flag=True, help="Write a base-only copy OUT.rcz instead of a picture.")
@hdu_option
@threads_option
@overwrite_option
@quiet_option
def preview(source: str, output: str, quiet: bool, **options: Any) -> int:
    """Write a picture of an image, or a base-only copy.

    The picture has an asinh stretch. It comes from the base layer if that shows the image, else from decoded pixels.
    """
    notes: list[str] = []
    with report_errors(source), seekable_source(source) as stream:
        api.preview(stream, target_of(output), on_note=notes.append, **options)
    for note in [] if quiet else notes:
        tell(f"radcodec: {source}: {note}")
    if not quiet:
        copy = "  base-only copy" if options["base_only"] else ""
        return announce(f"{source} -> {output}{copy}", output)
    return DONE
