"""``radcodec compress``: one file, or many files and folders."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

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
    size_text,
    source_of,
    target_of,
    threads_option,
    told_of,
)
from radcodec.cli.errors import DONE, EXPECTED, error_line, exit_code
from radcodec.errors import UnsupportedDataError
from radcodec.limits import DEFAULT_TILE
from radcodec.paths import FITS_SUFFIXES, compressed_name, find_fits
from radcodec.report import Report


def summary(name: str, report: Report) -> str:
    """One line about a file that was compressed."""
    rate = "no pixels" if report.bits_per_pixel is None else f"{report.bits_per_pixel:.3f} bits/px"
    bound = "" if report.max_error is None else f" (max error {report.max_error:.6g})"
    sizes = f"{size_text(report.original_bytes)} -> {size_text(report.size_bytes)}"
    seconds = "" if report.seconds is None else f"  {report.seconds:.1f} s"
    target = report.path or "standard output"
    return f"{name} -> {target}  {report.mode}{bound}  {sizes}  {report.ratio:.2f}x  {rate}{seconds}"


def _warn(name: str, report: Report, quiet: bool) -> None:
    for warning in report.warnings if not quiet else ():
        click.echo(f"radcodec: warning: {name}: {warning}", err=True)


def _pixels(name: str) -> int:
    """About how many pixels a file has, for the bar: half its bytes at least; 0 for a stream."""
    return 0 if name == STDIO or not os.path.isfile(name) else max(1, os.path.getsize(name) // 4)


def _compress_one(name: str, output: str | None, options: dict[str, Any], quiet: bool) -> Report:
    with Progress(os.path.basename(name), _pixels(name), quiet=quiet) as progress:
        return api.compress(source_of(name), target_of(output), progress=progress, **options)


def _jobs(inputs: Sequence[str], out_dir: str) -> list[tuple[str, str]]:
    """Input and output of every file; files of a folder keep their places below it."""
    jobs: list[tuple[str, str]] = []
    for name in inputs:
        if os.path.isdir(name) and not os.path.isfile(os.path.join(name, "table.dat")):
            found = find_fits(name)
            if not found:
                raise UnsupportedDataError(f"expected FITS files in the folder {name}, found none")
            jobs += [(path, os.path.join(out_dir, compressed_name(os.path.relpath(path, name)))) for path in found]
        else:
            jobs.append((name, os.path.join(out_dir, compressed_name(os.path.basename(os.path.normpath(name))))))
    return jobs


def _compress_many(jobs: Sequence[tuple[str, str]], options: dict[str, Any], *, quiet: bool, as_json: bool) -> int:
    """Exit code of the first failure, which does not stop the others; one line each and a total."""
    files: list[dict[str, Any]] = []
    done: list[Report] = []
    code = DONE
    for name, output in jobs:
        try:
            os.makedirs(os.path.dirname(output) or ".", exist_ok=True)
            report = _compress_one(name, output, options, quiet or as_json)
        except KeyboardInterrupt:
            raise
        except EXPECTED as error:
            click.echo(error_line(error, name), err=True)
            code = code or exit_code(error)
            files.append({"input": name, "error": error_line(error, name), "exit_code": exit_code(error)})
            continue
        done.append(report)
        files.append({"input": name, **report.to_dict()})
        _warn(name, report, quiet)
        if not quiet and not as_json:
            click.echo(summary(name, report))
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
        ratio = total["original_bytes"] / max(total["size_bytes"], 1)
        sizes = f"{size_text(total['original_bytes'])} -> {size_text(total['size_bytes'])}"
        click.echo(f"total: {len(done)} of {len(jobs)} files  {sizes}  {ratio:.2f}x")
    return code


def _check_arguments(paths: Sequence[str], out_dir: str | None) -> None:
    """Nothing; a usage error where the files make no sense together."""
    if out_dir is not None:
        if STDIO in paths:
            raise click.UsageError("expected files or folders beside --out-dir, found - (standard input)")
        return
    if len(paths) > 2:
        raise click.UsageError(f"expected IN [OUT], or --out-dir DIR for many files, found {len(paths)} files")
    if os.path.isdir(paths[0]) and not os.path.isfile(os.path.join(paths[0], "table.dat")):
        raise click.UsageError(f"{paths[0]}: expected --out-dir DIR beside a folder, found none")
    if len(paths) == 2 and paths[1].lower().endswith(FITS_SUFFIXES) and os.path.exists(paths[1]):
        raise click.UsageError(f"{paths[1]}: expected an output that is no FITS file; for many give --out-dir DIR")


def _dropped(values: dict[str, Any]) -> dict[str, Any]:
    """Options as `radcodec.compress` names them."""
    preview = 0.0 if values["no_preview"] else values["preview_percent"]
    kept = {name: value for name, value in values.items() if name not in ("no_preview", "preview_percent", "no_verify")}
    return {**kept, "preview": preview, "verify": not values["no_verify"]}


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="IN... [OUT]")
@click.option("--out-dir", metavar="DIR", help="Where to put the outputs of many files or folders.")
@click.option("--max-error", metavar="E", help="Bounded: 2e-5, 20uJy/beam, 0.125sigma or 0.125localsigma.")
@click.option("--sigma", type=float, metavar="S", help="The noise to use instead of the measured one.")
@click.option("--lossy", is_flag=True, help="Base layer only.")
@click.option("--bpp", "lossy_bpp", type=float, metavar="B", help="Lossy: at most B bits a pixel, the whole file.")
@click.option("--stages", "lossy_stages", type=int, metavar="N", help="Lossy: N stages of the base layer.")
@click.option("--dither", is_flag=True, help="Bounded: subtractive dither.")
@click.option("--smallest", is_flag=True, help="Bounded: save bits where it costs faint sources flux, too.")
@click.option("--preview", "preview_percent", type=float, metavar="PCT", help="Share of the file for a preview (1).")
@click.option("--no-preview", is_flag=True, help="The same as --preview 0.")
@click.option("--model", metavar="NAME|PATH", help="Model of the base layer.")
@click.option("--tile", type=int, default=DEFAULT_TILE, show_default=True, metavar="N", help="Side of a tile.")
@click.option("--no-verify", is_flag=True, help="Do not decode and compare before writing.")
@click.option("--no-provenance", is_flag=True, help="Leave the headers of bounded and lossy images as they are.")
@threads_option
@overwrite_option
@quiet_option
@json_option
def compress(paths: tuple[str, ...], out_dir: str | None, quiet: bool, as_json: bool, **values: Any) -> int:
    """Compress FITS files: exactly unless told otherwise.

    OUT defaults to the name of IN with .rcz added; - is standard input or output.
    """
    _check_arguments(paths, out_dir)
    options = _dropped(values)
    if out_dir is not None:
        with told_of(out_dir):
            jobs = _jobs(paths, out_dir)
        return _compress_many(jobs, options, quiet=quiet, as_json=as_json)
    output = paths[1] if len(paths) == 2 else STDIO if paths[0] == STDIO else None
    check_output(output, as_json)
    with told_of(paths[0]):
        report = _compress_one(paths[0], output, options, quiet or as_json)
    _warn(paths[0], report, quiet)
    if as_json:
        print_json(report.to_dict())
    elif not quiet:
        click.echo(summary(paths[0], report), err=output == STDIO)
    return DONE
