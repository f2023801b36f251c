"""What is known of the results files of each command: columns, and the columns that tell its rows apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.run import bounds, defaults, distortion, tracks
from benchmarks.science import run as science
from benchmarks.speed import anonymous, cold, effort, estimates, kernels, simulated, stream
from benchmarks.speed import base as base_speed
from benchmarks.studies import (
    ablation,
    base_under,
    clean,
    codebooks,
    cube_tiles,
    floor,
    latents,
    layers,
    learned_base,
    matrices,
    plane_taps,
    posterior,
    previews,
    prior,
)


@dataclass(frozen=True, slots=True)
class Kind:
    """Columns of a command's rows, and its key: of rows with the same cells there, the newest counts."""

    columns: tuple[str, ...]
    key: tuple[str, ...]


KINDS: dict[str, Kind] = {
    "run": Kind(tracks.COLUMNS, tracks.KEY),
    "defaults": Kind(defaults.COLUMNS, defaults.KEY),
    "bounds": Kind(bounds.COLUMNS, bounds.KEY),
    "speed": Kind(simulated.COLUMNS, simulated.KEY),
    "base-speed": Kind(base_speed.COLUMNS, base_speed.KEY),
    "effort": Kind(effort.COLUMNS, effort.KEY),
    "estimate": Kind(estimates.COLUMNS, estimates.KEY),
    "kernels": Kind(kernels.COLUMNS, kernels.KEY),
    "stream": Kind(stream.COLUMNS, stream.KEY),
    "cold": Kind(cold.COLUMNS, cold.KEY),
    "memory": Kind(anonymous.COLUMNS, anonymous.KEY),
    "rd": Kind(distortion.COLUMNS, ("set", *distortion.KEY)),
    "science": Kind(science.SCIENCE_COLUMNS, ("set", "codec", "comparison", "level", "metric", "bin")),
    "stack": Kind(science.STACK_COLUMNS, ("set", "codec", "comparison", "level", "amplitude", "n")),
    "floor": Kind(floor.COLUMNS, floor.KEY),
    "ablation": Kind(ablation.COLUMNS, ablation.KEY),
    "layers": Kind(layers.COLUMNS, layers.KEY),
    "lossless-neural": Kind(learned_base.COLUMNS, learned_base.KEY),
    "latents": Kind(latents.COLUMNS, latents.KEY),
    "codebooks": Kind(codebooks.COLUMNS, codebooks.KEY),
    "cube-tiles": Kind(cube_tiles.COLUMNS, cube_tiles.KEY),
    "plane-taps": Kind(plane_taps.COLUMNS, plane_taps.KEY),
    "matrices": Kind(matrices.COLUMNS, matrices.KEY),
    "prior": Kind(prior.COLUMNS, prior.KEY),
    "posterior": Kind(posterior.COLUMNS, posterior.KEY),
    "previews": Kind(previews.COLUMNS, previews.KEY),
    "clean": Kind(clean.COLUMNS, clean.KEY),
    "base": Kind(base_under.COLUMNS, (*base_under.KEY, "bound", "way")),
}
OF_SETS = ("science", "stack")  # commands whose rows are about all images of a set together


def command_of(columns: Sequence[str]) -> str:
    """Return the command whose rows have these columns; empty if there is none."""
    return next((command for command, kind in KINDS.items() if kind.columns == tuple(columns)), "")
