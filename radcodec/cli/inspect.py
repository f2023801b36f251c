"""``radcodec info``, ``estimate`` and ``models``, which write no files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from radcodec import api
from radcodec.cli.common import (
    check_model_option,
    json_option,
    print_json,
    report_errors,
    seekable_source,
    size_text,
    source_of,
    threads_option,
)
from radcodec.cli.errors import DONE
from radcodec.cli.streams import show
from radcodec.container.report import Report
from radcodec.errors import FormatError

if TYPE_CHECKING:
    from radcodec.base.store import ModelRecord
    from radcodec.decoding.rcz_file import RczFile


def _hdu_line(number: int, hdu: dict[str, Any]) -> str:
    words = [f"  HDU {number}", hdu["kind"]]
    if hdu["name"]:
        words.append(repr(hdu["name"]))
    if "shape" in hdu:
        shape = "x".join(map(str, hdu["shape"])) or "one pixel"
        words += [hdu["sample_type"], shape, f"tile {'x'.join(map(str, hdu['tile'])) or 1}", hdu["fidelity"]]
        if hdu["base_stages"]:
            words.append(f"{hdu['base_stages']} base stages{', details on the base' if hdu['on_base'] else ''}")
        if hdu["max_error"] is not None:
            local = f" local sigma, a map of {hdu['sigma_cell']} x {hdu['sigma_cell']} pixel cells"
            name = " sigma" if hdu["sigma_cell"] is None else local
            in_sigma = f" = {hdu['max_error_sigma']:g}{name}" if hdu["max_error_sigma"] else ""
            words.append(f"max error {hdu['max_error']:.6g} {hdu['unit']}".rstrip() + in_sigma)
    if hdu.get("fill_values"):
        words.append(f"fill {', '.join(f'{value:.9g}' for value in hdu['fill_values'])}")
    if hdu["note"]:
        words.append(f"({hdu['note']})")
    return "  ".join(words)


def _info_lines(name: str, report: Report) -> list[str]:
    """Return the lines that describe a file to people."""
    rate = "no pixels" if report.bits_per_pixel is None else f"{report.bits_per_pixel:.3f} bits/px"
    sizes = f"{size_text(report.original_bytes)} -> {size_text(report.size_bytes)} ({report.ratio:.2f}x, {rate})"
    lines = [f"{name}: {report.mode}, {report.kind}, {sizes}"]
    by = f", written by {report.writer}" if report.writer else ""  # lossy arrays do not say
    lines.append(f"  format {report.format_version} draft {report.format_draft}{by}")
    if report.base_only:
        lines.append("  base-only copy of another file: it restores the base layer, not the pixels")
    if report.model is not None:
        lines.append(f"  model {report.model['name']}  sha256 {report.model['sha256']}")
    lines += [_hdu_line(number, hdu) for number, hdu in enumerate(report.hdus)]
    lines += [f"  {layer['name']:<12}{layer['bytes']:>14,} bytes" for layer in report.layers if layer["bytes"]]
    if report.restored_sha256 is not None:
        lines.append(f"  restores to sha256 {report.restored_sha256}")
    if report.original_sha256 not in (None, report.restored_sha256):
        lines.append(f"  original    sha256 {report.original_sha256}")
    return lines


def _with_fills(file: RczFile) -> Report:
    """Return the report of a file with the fill values of its images, None where they cannot be read."""
    from radcodec.decoding.fill_values import fill_values

    hdus, number = [], 0
    for hdu in file.info.hdus:
        if "shape" in hdu:
            try:
                hdu = {**hdu, "fill_values": fill_values(file.reader, number)}
            except FormatError:  # info describes damaged files too
                hdu = {**hdu, "fill_values": None}
            number += 1
        hdus.append(hdu)
    return replace(file.info, hdus=hdus)


@click.command()
@click.argument("source", metavar="IN.rcz")
@json_option
def info(source: str, as_json: bool) -> int:
    """Describe a file, from its header and tile index alone."""
    # Not by `radcodec.open`, whose module restores and verifies too: importing that takes as long as all of this.
    from radcodec.decoding.rcz_file import RczFile

    with report_errors(source), seekable_source(source) as stream, RczFile(stream) as file:
        report = _with_fills(file)
    if as_json:
        print_json(report.to_dict())
    else:
        show("\n".join(_info_lines(source, report)))
    return DONE


@click.command()
@click.argument("source", metavar="IN.fits")
@click.option("--tile", metavar="N|AxBxC", help="Side of a tile, or its side along each axis, as for compress.")
@click.option("--model", metavar="NAME|PATH", help="Model of the base layer.")
@threads_option
@json_option
def estimate(source: str, tile: str | None, model: str | None, threads: int | None, as_json: bool) -> int:
    """Estimate the size, noise and time of each mode, from a sample of the first image."""
    check_model_option(model)
    with report_errors(source):
        rows = api.estimate(source_of(source), tile=tile, model=model, threads=threads)
    if as_json:
        print_json({"input": source, "modes": rows})
        return DONE
    lines = [f"{'mode':<10}{'max error':>14}{'in sigma':>10}{'bits/px':>10}{'noise +%':>10}{'seconds':>9}"]
    for row in rows:
        error = "" if row["max_error"] is None else f"{row['max_error']:.4g}"
        in_sigma = "" if row["max_error_sigma"] is None else f"{row['max_error_sigma']:g}"
        noise = "" if row["noise_added_percent"] is None else f"{row['noise_added_percent']:.2f}"
        rate, seconds = f"{row['bits_per_pixel']:.3f}", f"{row['seconds']:.1f}"
        lines.append(f"{row['mode']:<10}{error:>14}{in_sigma:>10}{rate:>10}{noise:>10}{seconds:>9}")
    show("\n".join(lines))
    return DONE


@click.command()
@click.argument("name", required=False)
@json_option
def models(name: str | None, as_json: bool) -> int:
    """List the models of the base layer, or print the card of model NAME."""
    from radcodec.base.store import find_record, list_models

    with report_errors("models"):
        records = list_models() if name is None else [find_record(name)]
    if as_json:
        fields = ("name", "sha256", "default", "summary", "card")
        print_json({"models": [{field: getattr(record, field) for field in fields} for record in records]})
    elif name is not None:
        card = records[0].card.rstrip() or f"{name}: no card is installed"
        show(f"{name}  sha256 {records[0].sha256}\n\n{card}")
    else:
        show("\n".join(_model_lines(records)))
    return DONE


def _model_lines(records: Sequence[ModelRecord]) -> list[str]:
    """Return the table of models, with its heading."""
    if not records:
        return ["no models are installed"]
    rows = [("name", "", "sha256", "summary")]
    rows += [(one.name, "default" if one.default else "", one.sha256[:12], one.summary) for one in records]
    width = max(len(row[0]) for row in rows)
    lines = [f"{name:<{width}}  {default:<7}  {sha256:<12}  {summary}" for name, default, sha256, summary in rows]
    return [*lines, "radcodec models NAME prints a card; --json has full hashes"]
