"""``radcodec compress``: one file, or many files and folders."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import click

from radcodec import api
from radcodec.cli.common import (
    STDIO,
    Progress,
    announce,
    check_model_option,
    check_output,
    json_option,
    overwrite_option,
    print_json,
    quiet_option,
    report_errors,
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
    list_jobs,
    make_folder,
    out_dir_option,
    run_many,
    with_own_outputs,
)
from radcodec.container.report import Report
from radcodec.limits import DEFAULT_EFFORT, DEFAULT_TILE, MAX_EFFORT, MIN_EFFORT
from radcodec.runtime.casa_folders import is_casa_image
from radcodec.runtime.paths import FITS_SUFFIXES, compressed_name, find_fits
from radcodec.types import DetailsOnBase


def _unit_text(report: Report) -> str:
    """Return the unit of the lossy images, if they have one in common."""
    units = {hdu["unit"] for hdu in report.hdus if hdu.get("fidelity") == "lossy"}
    return f" {units.pop()}" if len(units) == 1 and "" not in units else ""


def _bound_text(report: Report) -> str:
    """Return the bound, in sigma too if known, or of a lossy file its largest error, in the unit of the image."""
    if report.largest_error is not None:
        return f" (largest error {report.largest_error:.4g}{_unit_text(report)})"
    if report.max_error is None:
        return ""
    hdu = next((hdu for hdu in report.hdus if hdu.get("max_error") == report.max_error), {})
    in_sigma = report.max_error_sigma
    if not in_sigma and (noise := report.sigma or report.noise):
        in_sigma = report.max_error / noise
    unit = f" {hdu['unit']}" if hdu.get("unit") else ""
    return f" (max error {report.max_error:.6g}{unit}{f' = {in_sigma:.4g} sigma' if in_sigma else ''})"


def _hdus_text(report: Report) -> str:
    """Return the names of the bounded or lossy images and of the exact ones, for a file of several images."""
    groups = ((report.mode, report.changed_hdus), ("exact", report.exact_hdus))
    parts = [f"{kind}: {', '.join(names)}" for kind, names in groups if names]
    return f" ({'; '.join(parts)})" if parts else ""


def summary(name: str, report: Report) -> str:
    """Summarise a compressed file in one line."""
    rate = "no pixels" if report.bits_per_pixel is None else f"{report.bits_per_pixel:.3f} bits/px"
    sizes = f"{size_text(report.original_bytes)} -> {size_text(report.size_bytes)}"
    seconds = "" if report.seconds is None else f"  {report.seconds:.1f} s"
    target = report.path or "standard output"
    mode = report.mode + _bound_text(report) + _hdus_text(report)
    return f"{name} -> {target}  {mode}  {sizes}  {report.ratio:.2f}x  {rate}{seconds}"


def _pixels(name: str) -> int:
    """Estimate the number of pixels of a file for the progress bar: a quarter of its bytes; 0 for a stream."""
    return 0 if name == STDIO or not os.path.isfile(name) else max(1, os.path.getsize(name) // 4)


def _compress_one(name: str, output: str | None, options: dict[str, Any], quiet: bool) -> Report:
    with Progress(os.path.basename(name), _pixels(name), quiet=quiet) as progress:
        return api.compress(source_of(name), target_of(output), progress=progress, **options)


def _named_as_fits(job: Job) -> Job:
    """Name the output of a CASA image after the FITS file that comes back: ``x.image.fits.rcz``."""
    if not job.other or not is_casa_image(job.source):
        return job
    bare = job.other.removesuffix(".rcz").removesuffix(".fits")
    return replace(job, other=f"{bare}.fits.rcz")


def list_outputs(paths: Sequence[str], out_dir: str, *, recompress: bool) -> list[Job]:
    """List a job for each file of the inputs, with its output in a folder."""

    def place(name: str) -> str:
        return os.path.join(out_dir, compressed_name(name, recompress=recompress))

    return [_named_as_fits(job) for job in list_jobs(paths, "FITS", find_fits, place)]


def _compress_many(paths: Sequence[str], out_dir: str, options: dict[str, Any], *, quiet: bool, as_json: bool) -> int:
    """Compress many files with one line each and a total; return the exit code of the first failure."""
    from radcodec.cli.side_by_side import compressing

    with report_errors(out_dir):
        make_folder(out_dir)

    def sizes(total: dict[str, int]) -> str:
        ratio = total["original_bytes"] / max(total["size_bytes"], 1)
        return f"  {size_text(total['original_bytes'])} -> {size_text(total['size_bytes'])}  {ratio:.2f}x"

    jobs = with_own_outputs(list_outputs(paths, out_dir, recompress=options["recompress"]))
    with compressing(jobs, options, quiet=quiet or as_json) as compressed:

        def work(job: Job) -> Done:
            report = compressed(job)
            warn(job.source, report, quiet)
            return Done(report=report, line=summary(job.source, report))

        return run_many(jobs, work, sizes, quiet=quiet, as_json=as_json)


def _check_arguments(paths: Sequence[str], out_dir: str | None) -> None:
    """Raise a usage error if inputs and output do not fit together."""
    check_many(paths, out_dir)
    second = paths[1] if out_dir is None and len(paths) == 2 else ""
    if second.lower().endswith(FITS_SUFFIXES) and os.path.exists(second):
        raise click.UsageError(f"{second}: expected an output that is not a FITS file; for many give --out-dir DIR")


def kept_options(values: dict[str, Any]) -> dict[str, Any]:
    """Return the options under the names that `radcodec.compress` gives them."""
    preview = 0.0 if values["no_preview"] else values["preview_percent"]
    kept = {name: value for name, value in values.items() if name not in ("no_preview", "preview_percent", "no_verify")}
    return {**kept, "preview": preview, "verify": not values["no_verify"]}


HEADINGS = {
    "How exact (lossless by default)": ("max_error", "lossy", "lossy_bpp", "lossy_stages"),
    "Output": ("out_dir", "overwrite", "quiet", "as_json", "threads", "effort"),
    "Which images and pixels": ("hdu", "exact_hdu", "fill", "recompress"),
    "Preview and model": ("preview_percent", "no_preview", "model", "clean"),
    "Details of a bound": ("sigma", "force", "dither", "details_on_base", "smallest"),
    "Checks, headers and tiles": ("no_verify", "no_provenance", "tile"),
}
_EXAMPLES = (
    ("radcodec compress image.fits", "Keep every bit; writes image.fits.rcz:"),
    ("radcodec compress image.fits --max-error 0.125sigma", "Change no pixel by more than an eighth of the noise:"),
    ("radcodec compress survey --out-dir archive", "Compress all FITS files of a folder:"),
)


@click.command(cls=GroupedCommand, headings=HEADINGS, examples=_EXAMPLES)
@click.argument("paths", nargs=-1, required=True, metavar="IN... [OUT]")
@out_dir_option
@click.option("--max-error", metavar="E",
              help="Bounded: 2e-5, 20uJy/beam, 0.125sigma, 0.125localsigma, or auto: smallest for --bpp.")  # fmt: skip
@click.option("--force", is_flag=True, help="Allow a bound of over 10 sigma.")
@click.option("--sigma", type=float, metavar="S", help="Use this noise instead of the measured one.")
@click.option("--lossy", is_flag=True, help="Lossy: keep the base layer only.")
@click.option("--bpp", "lossy_bpp", type=float, metavar="B",
              help="At most B bits a pixel in the whole file: lossy, or bounded beside --max-error.")  # fmt: skip
@click.option("--stages", "lossy_stages", type=int, metavar="N", help="Lossy: N stages of the base layer.")
@click.option("--hdu", multiple=True, metavar="NAME|N",
              help="Apply the bound or lossy mode to this image HDU only; repeatable.")  # fmt: skip
@click.option("--exact-hdu", multiple=True, metavar="NAME|N", help="Keep this image HDU exact; repeatable.")
@click.option("--fill", multiple=True, metavar="VALUE",
              help="This value marks missing pixels, exact in every mode; repeatable.")  # fmt: skip
@click.option("--dither", is_flag=True, help="Use subtractive dither.")
@click.option("--details-on-base", type=click.Choice([choice.value for choice in DetailsOnBase]), default="auto",
              show_default=True,
              help="Code details on a base layer. always: smaller files at the same bound; "
                   "faint sources lose flux in stacks.")  # fmt: skip
@click.option("--effort", type=click.IntRange(MIN_EFFORT, MAX_EFFORT), default=DEFAULT_EFFORT, show_default=True,
              metavar="N", help="From 1 (fast) to 9 (smallest).")  # fmt: skip
@click.option("--smallest", is_flag=True, help="Same as --details-on-base always.")
@click.option("--preview", "preview_percent", type=float, metavar="PCT",
              help="Percent of the file for a quick-look preview (default: 1).")  # fmt: skip
@click.option("--no-preview", is_flag=True, help="Same as --preview 0.")
@click.option("--model", metavar="NAME|PATH", help="Model of the base layer (see: radcodec models).")
@click.option("--clean", is_flag=True,
              help="The file needs nothing learned from survey data (see: radcodec models vqvae-v2).")  # fmt: skip
@click.option("--tile", default=str(DEFAULT_TILE), show_default=True, metavar="N|AxBxC",
              help="Side of a tile, or its side along each axis, x first.")  # fmt: skip
@click.option("--no-verify", is_flag=True, help="Do not decode and compare before writing.")
@click.option("--no-provenance", is_flag=True, help="Do not record the compression in FITS headers.")
@click.option("--recompress", is_flag=True, help="Decode tile-compressed images (.fz), as funpack does.")
@threads_option
@overwrite_option
@quiet_option
@json_option
def compress(paths: tuple[str, ...], out_dir: str | None, quiet: bool, as_json: bool, **values: Any) -> int:
    """Compress FITS files, losslessly by default.

    OUT defaults to the name of IN with .rcz added; - is standard input or output.
    """
    _check_arguments(paths, out_dir)
    options = kept_options(values)
    check_model_option(options["model"])
    if out_dir is not None:
        return _compress_many(paths, out_dir, options, quiet=quiet, as_json=as_json)
    output = paths[1] if len(paths) == 2 else STDIO if paths[0] == STDIO else None
    check_output(output, as_json)
    with report_errors(paths[0]):
        report = _compress_one(paths[0], output, options, quiet or as_json)
    warn(paths[0], report, quiet)
    if as_json:
        print_json(report.to_dict())
    elif not quiet:
        return announce(summary(paths[0], report), output)
    return DONE
