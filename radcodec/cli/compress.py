"""``radcodec compress``: one file, or many files and folders."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import click

from radcodec import api
from radcodec.cli.common import (
    STDIO,
    Progress,
    announce,
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
from radcodec.cli.errors import DONE
from radcodec.cli.many import (
    Done,
    Job,
    check_many,
    list_jobs,
    make_folder,
    out_dir_option,
    run_many,
    with_own_outputs,
)
from radcodec.cli.streams import tell
from radcodec.container.report import Report
from radcodec.limits import DEFAULT_TILE
from radcodec.runtime.paths import FITS_SUFFIXES, compressed_name, find_fits
from radcodec.types import DetailsOnBase


def _bound_text(report: Report) -> str:
    """The largest error of a bounded file in the unit of its image, and in units of its noise where that is known."""
    if report.max_error is None:
        return ""
    hdu = next((hdu for hdu in report.hdus if hdu.get("max_error") == report.max_error), {})
    in_sigma = report.max_error_sigma
    if not in_sigma and (noise := report.sigma or report.noise):
        in_sigma = report.max_error / noise
    unit = f" {hdu['unit']}" if hdu.get("unit") else ""
    return f" (max error {report.max_error:.6g}{unit}{f' = {in_sigma:.4g} sigma' if in_sigma else ''})"


def summary(name: str, report: Report) -> str:
    """One line about a file that was compressed."""
    rate = "no pixels" if report.bits_per_pixel is None else f"{report.bits_per_pixel:.3f} bits/px"
    sizes = f"{size_text(report.original_bytes)} -> {size_text(report.size_bytes)}"
    seconds = "" if report.seconds is None else f"  {report.seconds:.1f} s"
    target = report.path or "standard output"
    exact = f" (exact: {', '.join(report.exact_hdus)})" if report.exact_hdus else ""
    mode = report.mode + _bound_text(report) + exact
    return f"{name} -> {target}  {mode}  {sizes}  {report.ratio:.2f}x  {rate}{seconds}"


def warn(name: str, report: Report, quiet: bool) -> None:
    """Say what there was to say about a file while it was compressed."""
    for warning in report.warnings if not quiet else ():
        tell(f"radcodec: warning: {name}: {warning}")


def _pixels(name: str) -> int:
    """About how many pixels a file has, for the bar: half its bytes at least; 0 for a stream."""
    return 0 if name == STDIO or not os.path.isfile(name) else max(1, os.path.getsize(name) // 4)


def _compress_one(name: str, output: str | None, options: dict[str, Any], quiet: bool) -> Report:
    with Progress(os.path.basename(name), _pixels(name), quiet=quiet) as progress:
        return api.compress(source_of(name), target_of(output), progress=progress, **options)


def place_in(out_dir: str, *, recompress: bool) -> Callable[[str], str]:
    """Make a function that gives the output of a file from its name, or its path below a folder that was given."""
    return lambda name: os.path.join(out_dir, compressed_name(name, recompress=recompress))


def _compress_many(paths: Sequence[str], out_dir: str, options: dict[str, Any], *, quiet: bool, as_json: bool) -> int:
    """Exit code of the first failure, which does not stop the others; one line each and a total."""
    from radcodec.cli.side_by_side import compressing

    with told_of(out_dir):
        make_folder(out_dir)

    def sizes(total: dict[str, int]) -> str:
        ratio = total["original_bytes"] / max(total["size_bytes"], 1)
        return f"  {size_text(total['original_bytes'])} -> {size_text(total['size_bytes'])}  {ratio:.2f}x"

    place = place_in(out_dir, recompress=options["recompress"])
    jobs = with_own_outputs(list_jobs(paths, "FITS", find_fits, place))
    with compressing(jobs, options, quiet=quiet or as_json) as compressed:

        def work(job: Job) -> Done:
            report = compressed(job)
            warn(job.source, report, quiet)
            return Done(report=report, line=summary(job.source, report))

        return run_many(jobs, work, sizes, quiet=quiet, as_json=as_json)


def _check_arguments(paths: Sequence[str], out_dir: str | None) -> None:
    """Raise a usage error if the files make no sense together."""
    check_many(paths, out_dir)
    second = paths[1] if out_dir is None and len(paths) == 2 else ""
    if second.lower().endswith(FITS_SUFFIXES) and os.path.exists(second):
        raise click.UsageError(f"{second}: expected an output that is no FITS file; for many give --out-dir DIR")


def kept_options(values: dict[str, Any]) -> dict[str, Any]:
    """Options as `radcodec.compress` names them."""
    preview = 0.0 if values["no_preview"] else values["preview_percent"]
    kept = {name: value for name, value in values.items() if name not in ("no_preview", "preview_percent", "no_verify")}
    return {**kept, "preview": preview, "verify": not values["no_verify"]}


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="IN... [OUT]")
@out_dir_option
@click.option("--max-error", metavar="E", help="Bounded: 2e-5, 20uJy/beam, 0.125sigma or 0.125localsigma.")
@click.option("--force", is_flag=True, help="Bounded: take a bound of over 10 sigma.")
@click.option("--sigma", type=float, metavar="S", help="The noise to use instead of the measured one.")
@click.option("--lossy", is_flag=True, help="Base layer only.")
@click.option("--bpp", "lossy_bpp", type=float, metavar="B", help="Lossy: at most B bits a pixel, the whole file.")
@click.option("--stages", "lossy_stages", type=int, metavar="N", help="Lossy: N stages of the base layer.")
@click.option(
    "--hdu", multiple=True, metavar="NAME|N", help="Bound or lossy mode for this image HDU, all others exact; many."
)
@click.option("--exact-hdu", multiple=True, metavar="NAME|N", help="An image HDU that stays exact; many.")
@click.option("--fill", multiple=True, metavar="VALUE", help="A value of missing pixels, exact in every mode; many.")
@click.option("--dither", is_flag=True, help="Bounded: subtractive dither.")
@click.option("--details-on-base", type=click.Choice([choice.value for choice in DetailsOnBase]), default="auto",
              show_default=True,
              help="Bounded: code what a base layer leaves; always: also where faint sources lose flux.")  # fmt: skip
@click.option("--smallest", is_flag=True, help="The same as --details-on-base always.")
@click.option("--preview", "preview_percent", type=float, metavar="PCT", help="Share of the file for a preview (1).")
@click.option("--no-preview", is_flag=True, help="The same as --preview 0.")
@click.option("--model", metavar="NAME|PATH", help="Model of the base layer.")
@click.option("--tile", type=int, default=DEFAULT_TILE, show_default=True, metavar="N", help="Side of a tile.")
@click.option("--no-verify", is_flag=True, help="Do not decode and compare before writing.")
@click.option("--no-provenance", is_flag=True, help="Leave the headers of bounded and lossy images as they are.")
@click.option("--recompress", is_flag=True, help="Take tile-compressed images (.fz) apart, as funpack does.")
@threads_option
@overwrite_option
@quiet_option
@json_option
def compress(paths: tuple[str, ...], out_dir: str | None, quiet: bool, as_json: bool, **values: Any) -> int:
    """Compress FITS files: exactly unless told otherwise.

    OUT defaults to the name of IN with .rcz added; - is standard input or output.
    """
    _check_arguments(paths, out_dir)
    options = kept_options(values)
    if out_dir is not None:
        return _compress_many(paths, out_dir, options, quiet=quiet, as_json=as_json)
    output = paths[1] if len(paths) == 2 else STDIO if paths[0] == STDIO else None
    check_output(output, as_json)
    with told_of(paths[0]):
        report = _compress_one(paths[0], output, options, quiet or as_json)
    warn(paths[0], report, quiet)
    if as_json:
        print_json(report.to_dict())
    elif not quiet:
        return announce(summary(paths[0], report), output)
    return DONE
