"""``radcodec report``: one page about a file, for a browser."""

from __future__ import annotations

import click

from radcodec import api
from radcodec.cli.common import (
    STDIO,
    announce,
    overwrite_option,
    quiet_option,
    report_errors,
    seekable_source,
    source_of,
    target_of,
    threads_option,
)
from radcodec.cli.errors import DONE
from radcodec.runtime.paths import check_output, is_rcz_name, output_file


@click.command()
@click.argument("source", metavar="IN.rcz")
@click.argument("output", required=False, metavar="[OUT.html]")
@click.option("--against", metavar="IN.fits", help="The original: check the promise, and show the errors.")
@threads_option
@overwrite_option
@quiet_option
def report(
    source: str, output: str | None, against: str | None, threads: int | None, overwrite: bool, quiet: bool
) -> int:
    """Write a page about a file: a picture, mode and bound, header and coordinates, layers, errors.

    OUT defaults to the name of IN with .html in place of .rcz. The page needs no other file and runs no script.
    """
    if output is None:
        stem = source[:-4] if is_rcz_name(source) else source
        output = STDIO if source == STDIO else f"{stem}.html"
    target = target_of(output) or output
    with report_errors(source), seekable_source(source) as stream:
        check_output(target, source, overwrite)
        from radcodec.pages.report import report_page

        with api.open(stream, threads=threads) as file:
            page = report_page(file, against=None if against is None else source_of(against))
        with output_file(target, overwrite=overwrite, like=None) as out:
            out.write(page.encode("utf-8"))
    return DONE if quiet else announce(f"{source} -> {output}", output)
