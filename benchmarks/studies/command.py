"""The commands about the models themselves: ``latents``, ``codebooks``, ``prior``, ``previews`` and ``base``."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from benchmarks.base_under import run_base
from benchmarks.codebooks import run_codebooks
from benchmarks.datasets import default_folder
from benchmarks.latents import run_latents
from benchmarks.previews import run_previews
from benchmarks.prior import run_prior

FIGURES = Path(__file__).resolve().parents[1] / "docs" / "figures"
DRAWING: dict[str, tuple[str, Callable[..., list[str]]]] = {
    "latents": ("FR classes by neighbours in the models' latents, and UMAPs", run_latents),
    "codebooks": ("how the codebooks are used, with figures", run_codebooks),
    "previews": ("the previews in FITS files, with pictures", run_previews),
}
MEASURING: dict[str, tuple[str, Callable[..., list[str]]]] = {
    "prior": ("what the learned priors save, a stage", run_prior),
    "base": ("a base layer under the detail layer", run_base),
}


def add_model_commands(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    add_sets: Callable[..., None],
    add_output: Callable[[argparse.ArgumentParser], None],
) -> None:
    """Add the commands; add_sets and add_output add the options that other commands have too."""
    for name, (text, _) in DRAWING.items():
        command = commands.add_parser(name, help=text)
        command.add_argument("--data", type=Path, default=default_folder(), help="folder of the sets")
        command.add_argument("--figures", type=Path, default=FIGURES, help="folder (default: docs/figures)")
        add_output(command)
    for name, (text, _) in MEASURING.items():
        command = commands.add_parser(name, help=text)
        add_sets(command, required=False)
        add_output(command)


def run_model_command(options: argparse.Namespace, out: Path, commit: str) -> list[str] | None:
    """Lines on what a command did; None where it is none of these."""
    if options.command in DRAWING:
        run = DRAWING[options.command][1]
        return run(data=options.data, figures=options.figures, out=out, commit=commit)
    if options.command in MEASURING:
        return MEASURING[options.command][1](data=options.data, sets=options.sets or [], out=out, commit=commit)
    return None
