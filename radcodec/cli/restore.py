"""``radcodec decompress``, ``verify``, ``cutout`` and ``preview``: files back to pixels."""

from __future__ import annotations

import os

import click

from radcodec import api
from radcodec.cli.common import (
    STDIO,
    Progress,
    check_output,
    json_option,
    overwrite_option,
    print_json,
    quiet_option,
    seekable_source,
    size_text,
    source_of,
    target_of,
    threads_option,
    told_of,
)
from radcodec.cli.errors import DONE
from radcodec.paths import restored_name


@click.command()
@click.argument("source", metavar="IN.rcz")
@click.argument("output", required=False, metavar="[OUT.fits]")
@threads_option
@overwrite_option
@quiet_option
@json_option
def decompress(
    source: str, output: str | None, threads: int | None, overwrite: bool, quiet: bool, as_json: bool
) -> int:
    """Restore a FITS file. OUT defaults to the name of IN without .rcz; - is standard input or output."""
    with told_of(source):
        name = output or (STDIO if source == STDIO else restored_name(source))
        check_output(name, as_json)
        stream = seekable_source(source)
        with api.open(stream) as file:
            total = file.info.original_bytes
        with Progress(os.path.basename(source), total, quiet=quiet or as_json) as progress:
            target = target_of(name)
            report = api.decompress(stream, target, overwrite=overwrite, threads=threads, progress=progress)
    if as_json:
        print_json({**report.to_dict(), "output": name})
    elif not quiet:
        sizes = f"{size_text(report.size_bytes)} -> {size_text(report.original_bytes)}"
        line = f"{source} -> {name}  {report.mode}  {sizes}  {report.seconds or 0:.1f} s"
        click.echo(line, err=name == STDIO)
    return DONE


@click.command()
@click.argument("source", metavar="IN.rcz")
@click.option("--against", metavar="IN.fits", help="The original, to compare with.")
@threads_option
@quiet_option
@json_option
def verify(source: str, against: str | None, threads: int | None, quiet: bool, as_json: bool) -> int:
    """Check every checksum of a file by decoding all of it, and that it keeps its promise about the original."""
    with told_of(source):
        report = api.verify(
            seekable_source(source), against=None if against is None else source_of(against), threads=threads
        )
    if as_json:
        print_json({**report.to_dict(), "verified": True, "against": against})
    elif not quiet:
        compared = "" if against is None else f", and as promised against {against}"
        click.echo(f"{source}: all checksums hold{compared} ({report.mode})")
    return DONE


@click.command()
@click.argument("source", metavar="IN.rcz")
@click.argument("output", metavar="OUT.fits")
@click.option("--region", required=True, metavar="X0:X1,Y0:Y1", help="0-based, half-open, x fastest.")
@click.option("--plane", type=int, metavar="N", help="One plane only (default: all).")
@threads_option
@overwrite_option
@quiet_option
def cutout(
    source: str, output: str, region: str, plane: int | None, threads: int | None, overwrite: bool, quiet: bool
) -> int:
    """Write a rectangle of the first image as a FITS file, its world coordinates shifted."""
    with told_of(source):
        target = target_of(output) or output
        api.cutout(seekable_source(source), target, region, plane=plane, overwrite=overwrite, threads=threads)
    if not quiet:
        click.echo(f"{source}[{region}] -> {output}", err=output == STDIO)
    return DONE


@click.command()
@click.argument("source", metavar="IN.rcz")
@click.argument("output", metavar="OUT.png")
@click.option("--plane", type=int, default=0, show_default=True, metavar="N", help="Which plane.")
@threads_option
@overwrite_option
@quiet_option
def preview(source: str, output: str, plane: int, threads: int | None, overwrite: bool, quiet: bool) -> int:
    """Write a picture of the first image: from the base layer where there is one, else decoded; asinh stretch."""
    with told_of(source):
        api.preview(seekable_source(source), target_of(output), plane=plane, overwrite=overwrite, threads=threads)
    if not quiet:
        click.echo(f"{source} -> {output}", err=output == STDIO)
    return DONE
