"""``radcodec sample``: posterior samples of a lossy file, for viewing."""

from __future__ import annotations

import os
from typing import Any

import click

from radcodec.cli.common import (
    STDIO,
    Progress,
    announce,
    check_output,
    json_option,
    overwrite_option,
    print_json,
    quiet_option,
    report_errors,
    seekable_source,
    target_of,
    threads_option,
)
from radcodec.cli.errors import DONE
from radcodec.cli.headings import GroupedCommand
from radcodec.cli.restore import hdu_option


@click.command(
    cls=GroupedCommand,
    headings={
        "Samples": ("draws", "steps", "seed", "sampler"),
        "Part of the image": ("plane", "hdu"),
        "Output": ("overwrite", "quiet", "as_json", "threads"),
    },
    examples=[("radcodec sample IN.rcz OUT.fits --draws 16", "Mean, spread and 16 samples of the first image:")],
)
@click.argument("source", metavar="IN.rcz")
@click.argument("output", metavar="OUT.fits")
@click.option("--draws", type=int, default=8, show_default=True, metavar="N", help="Number of samples, 2 to 256.")
@click.option("--steps", type=int, default=24, show_default=True, metavar="N", help="Steps of the denoiser.")
@click.option("--seed", type=int, default=0, show_default=True, metavar="N", help="Seed of the noise.")
@click.option("--sampler", metavar="NAME|PATH", help="Diffusion model to use (default: the shipped one).")
@click.option("--plane", type=int, default=0, show_default=True, metavar="N", help="Plane to sample.")
@hdu_option
@threads_option
@overwrite_option
@quiet_option
@json_option
def sample(source: str, output: str, quiet: bool, as_json: bool, threads: int | None, **options: Any) -> int:
    """Draw images that a lossy file may have come from: a viewer, never a measurement.

    OUT holds the mean of the samples, their standard deviation and each sample. A diffusion model invents what the file
    leaves open, so its headers say NOTDATA. Needs the extra sample.
    """
    check_output(output, as_json)
    with report_errors(source), seekable_source(source) as stream:
        from radcodec.integrations.posterior import sample as write_samples
        from radcodec.runtime.extras import import_extra

        if threads is not None:
            import_extra("torch", "sample", "sampling").set_num_threads(threads)
        total = options["draws"]
        with Progress(os.path.basename(source), total, quiet=quiet or as_json) as progress:
            found = write_samples(stream, target_of(output) or output, threads=threads, progress=progress, **options)
    if as_json:
        print_json({"output": output, "draws": len(found.draws), "sampler": found.sampler, "sha256": found.sha256})
        return DONE
    target = "standard output" if output == STDIO else output
    return DONE if quiet else announce(f"{source} -> {target}  {len(found.draws)} samples, not data", output)
