"""The commands of the studies; README.md says what each found."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.commands import add_data, add_output, add_repeat, add_sets, chosen_names
from benchmarks.paths import FIGURES
from benchmarks.studies.indices import MODELS, PLAIN

if TYPE_CHECKING:
    from benchmarks.commands import Commands

DRAWING = {
    "latents": "study: FR classes by neighbours in the models' latents, with UMAPs",
    "codebooks": "study: how the codebooks are used, with figures",
    "posterior": "study: whether the spread of posterior samples covers the truth",
    "previews": "study: what the previews in FITS files show, with pictures",
}
MEASURING = {
    "floor": "study: distance to the spectral floor",
    "ablation": "study: parts of the detail layer, on and off",
    "layers": "study: header dictionary, and values inside their bins",
    "prior": "study: what the learned priors save, stage by stage",
    "base": "study: a base layer under the detail layer",
    "cube-tiles": "study: bits and reads of cubes in tiles of several shapes",
    "plane-taps": "study: what prediction from earlier planes saves in cubes of several kinds",
    "matrices": "study: what trained lapped matrices would save in the lossy mode",
    "clean": "study: what tables and header dictionary from invented data alone cost",
    "lossless-neural": "study: a learned base and its exact residual; without --set only the tables",
}
COMMANDS = (*MEASURING, *DRAWING)
AT_A_BOUND = ("floor", "ablation", "layers")
OF_MODELS = ("prior", "codebooks", "latents")


def add_commands(commands: Commands) -> None:
    """Add the commands to the command line."""
    made = {name: commands.add_parser(name, help=text) for name, text in (MEASURING | DRAWING).items()}
    for name in AT_A_BOUND:
        more = "; 0: lossless" if name == "ablation" else ""
        made[name].add_argument("--divisor", type=float, default=8.0, help=f"E = sigma / DIVISOR (default: 8{more})")
    made["ablation"].add_argument("--variants", help="names with commas between them (default: all); see `list`")
    add_repeat(made["ablation"], 3)
    for name in ("lossless-neural", "clean"):
        made[name].add_argument("--every", type=int, default=1, help="take every EVERYth image of a FITS set")
    made["lossless-neural"].add_argument("--codecs", help="names with commas between them (default: all)")
    made["clean"].add_argument("--tables", type=Path, help="table set of radcodec.training.detail_tables")
    made["clean"].add_argument("--headers", type=Path, help="dictionary of radcodec.training.header_dictionary")
    for name in OF_MODELS:
        names = [*MODELS, *([PLAIN] if name == "latents" else [])]
        made[name].add_argument(
            "--model", dest="models", action="append", help=f"may be repeated (default: {', '.join(names)})"
        )
    for name, command in made.items():
        if name in DRAWING:
            add_data(command)
            command.add_argument("--figures", type=Path, default=FIGURES, help="folder (default: docs/figures)")
        else:
            add_sets(command)
        add_output(command)


def run_command(options: argparse.Namespace, out: Path, commit: str) -> list[str]:
    """Run one of the studies and return lines that sum up its rows."""
    if options.command in DRAWING:
        return drawing_study(options, out, commit)
    data, sets = options.data, options.sets or []
    if options.command in AT_A_BOUND:
        return bounded_study(options, out, commit)
    if options.command == "lossless-neural":
        from benchmarks.studies.learned_base import CODECS, run_lossless

        codecs = chosen_names(options.codecs, list(CODECS), "codec")
        return run_lossless(data=data, sets=sets, every=options.every, codecs=codecs, out=out, commit=commit)
    if options.command == "prior":
        from benchmarks.studies.prior import run_prior

        return run_prior(data=data, sets=sets, models=options.models or MODELS, out=out, commit=commit)
    if options.command == "clean":
        from benchmarks.studies.clean import run_clean

        files = {"tables": options.tables, "headers": options.headers}
        return run_clean(data=data, sets=sets, every=options.every, **files, out=out, commit=commit)
    if options.command == "matrices":
        from benchmarks.studies.matrices import run_matrices

        return run_matrices(data=data, sets=sets, out=out, commit=commit)
    if options.command == "cube-tiles":
        from benchmarks.studies.cube_tiles import run_cube_tiles

        return run_cube_tiles(data=data, sets=sets, out=out, commit=commit)
    if options.command == "plane-taps":
        from benchmarks.studies.plane_taps import run_plane_taps

        return run_plane_taps(data=data, sets=sets, out=out, commit=commit)
    from benchmarks.studies.base_under import run_base

    return run_base(data=data, sets=sets, out=out, commit=commit)


def bounded_study(options: argparse.Namespace, out: Path, commit: str) -> list[str]:
    """Run one of the studies that code images within a bound."""
    data, sets, divisor = options.data, options.sets, options.divisor
    if options.command == "ablation":
        from benchmarks.studies.ablation import run_ablation
        from benchmarks.studies.variants import VARIANTS

        names = chosen_names(options.variants, list(VARIANTS), "variant")
        return run_ablation(
            names, data=data, sets=sets or [], divisor=divisor, out=out, repeats=options.repeat, commit=commit
        )
    if options.command == "floor":
        from benchmarks.studies.floor import run_floor

        return run_floor(data=data, sets=sets or ["first/test", "telescopes"], divisor=divisor, out=out, commit=commit)
    from benchmarks.studies.layers import run_layers

    return run_layers(data=data, sets=sets or ["first/val", "telescopes"], divisor=divisor, out=out, commit=commit)


def drawing_study(options: argparse.Namespace, out: Path, commit: str) -> list[str]:
    """Run one of the studies that draw figures."""
    from benchmarks.studies.codebooks import run_codebooks
    from benchmarks.studies.latents import run_latents
    from benchmarks.studies.posterior import run_posterior
    from benchmarks.studies.previews import run_previews

    place = {"data": options.data, "figures": options.figures, "out": out, "commit": commit}
    if options.command == "latents":
        return run_latents(models=options.models or [*MODELS, PLAIN], **place)
    if options.command == "codebooks":
        return run_codebooks(models=options.models or MODELS, **place)
    return {"posterior": run_posterior, "previews": run_previews}[options.command](**place)
