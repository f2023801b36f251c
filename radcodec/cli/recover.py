"""``radcodec recover``: the complete planes of a file that its writer could not close."""

from __future__ import annotations

import click

from radcodec import api
from radcodec.cli.common import json_option, overwrite_option, print_json, quiet_option, report_errors, size_text, warn
from radcodec.cli.errors import DONE
from radcodec.cli.streams import say
from radcodec.runtime.paths import is_rcz_name


@click.command()
@click.argument("source", metavar="PART.rcz")
@click.argument("output", metavar="OUT.rcz")
@overwrite_option
@quiet_option
@json_option
def recover(source: str, output: str, overwrite: bool, quiet: bool, as_json: bool) -> int:
    """Restore the planes of a stream whose writer was ended.

    PART.rcz is the NAME.part that radcodec.create left. Every complete plane is decoded, checked and copied. PART.rcz
    is not changed.
    """
    if not is_rcz_name(output):
        raise click.UsageError(f"{output}: expected a name that ends in .rcz for the output")
    with report_errors(source):
        report = api.recover(source, output, overwrite=overwrite)
    warn(source, report, quiet)
    if as_json:
        print_json({**report.to_dict(), "output": output})
    elif not quiet:
        shape = next((hdu["shape"] for hdu in report.hdus if hdu.get("shape")), [0])
        return say(f"{source} -> {output}  {shape[0]} planes  {size_text(report.size_bytes)}")
    return DONE
