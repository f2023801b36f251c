"""Rows of the science checks and of the stacks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.data.datasets import Image, images, sigma
from benchmarks.rows import append_row, rows_done
from benchmarks.science import stacking
from benchmarks.science.beams import FALLBACK, Beam, beam_of
from benchmarks.science.coders import Coder
from benchmarks.science.jobs import COMMON, COMPARISONS, KEY, all_jobs, code_all, job_cells, place_cells
from benchmarks.science.moments import moment_figures, physical
from benchmarks.science.noise import noise_figures
from benchmarks.science.pybdsf import find_pybdsf
from benchmarks.science.scenes import AMPLITUDES, FIELDS, Scene, real_scenes, simulated_scenes, source_fields
from benchmarks.science.sources import (
    THRESHOLD,
    Catalogue,
    Fate,
    Figure,
    Finder,
    fate,
    find_photutils,
    find_sep,
    joined,
    source_figures,
)
from benchmarks.types import Array, Cells

SCIENCE_COLUMNS = (*COMMON, "finders", "metric", "bin", "n", "value", "scatter")
SCIENCE_KEY = (*KEY, "finders")
STACK_COLUMNS = (
    *COMMON, "amplitude", "n", "mean", "mean_error", "change", "change_error", "recovered", "recovered_error",
    "bias_in_errors", "scatter", "median", "median_change", "median_change_error", "found",
)  # fmt: skip
SIMULATED = "simulated"
Figures = dict[tuple[str, str], Figure]
FINDERS: dict[str, Finder] = {"sep": find_sep, "photutils": find_photutils, "pybdsf": find_pybdsf}
FAST_FINDERS = ("sep", "photutils")  # PyBDSF takes a second an image and more


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """An image with its beam, and the sources that are known to be in it (None where nobody knows)."""

    file: str
    sha256: str
    samples: Array
    beam: Beam
    truth: Catalogue | None = None


def pictures(folder: Path, chosen: str) -> list[Picture]:
    """Return the 2-D images of a set whose noise is not zero, of floats if it has such.

    The set ``simulated`` are fields of known point sources.
    """
    if chosen == SIMULATED:
        return [
            Picture(
                file=field.file, sha256=field.sha256, samples=field.samples, beam=field.beam,
                truth=Catalogue(field.places[:, 0], field.places[:, 1], field.peaks, field.peaks),
            )
            for field in source_fields()
        ]  # fmt: skip
    planes = [image for image in images(folder, chosen) if image.samples.ndim == 2 and sigma(image.samples) > 0]
    return [
        Picture(
            file=image.file, sha256=image.sha256, samples=image.samples, beam=beam_of(folder / image.file, image.hdu)
        )
        for image in [image for image in planes if image.samples.dtype.kind == "f"] or planes
    ]


def picture_check(found: Sequence[Picture], finders: Sequence[str]) -> Callable[[Sequence[Array]], Figures]:
    """Return the check of photometry and noise for a set; what the originals give is measured once."""
    originals = {
        name: [FINDERS[name](one.samples, THRESHOLD * sigma(one.samples), one.beam) for one in found]
        for name in finders
    }

    def check(decoded: Sequence[Array]) -> Figures:
        found_figures: Figures = {}
        for name in finders:
            fates, truths = [], []
            for one, samples, before in zip(found, decoded, originals[name], strict=True):
                noise = sigma(one.samples)
                after = FINDERS[name](samples, THRESHOLD * noise, one.beam)
                fates.append(fate(before, after, noise, one.beam))
                if one.truth is not None:
                    truths.append(fate(one.truth, after, noise, one.beam))
            found_figures |= prefixed(name, joined(fates))
            found_figures |= prefixed(f"{name} truth", joined(truths)) if truths else {}
        noises = [noise_figures(one.samples, samples) for one, samples in zip(found, decoded, strict=True)]
        return found_figures | averages(noises)

    return check


def prefixed(name: str, sources: Fate) -> Figures:
    """Return the figures of sources, with a name before their metric."""
    return {(f"{name} {metric}", place): figure for (metric, place), figure in source_figures(sources).items()}


def averages(figures: Iterable[dict[tuple[str, str], float]]) -> Figures:
    """Return mean and standard deviation over images, which count alike."""
    values: dict[tuple[str, str], list[float]] = defaultdict(list)
    for one in figures:
        for key, value in one.items():
            values[key].append(value)
    return {key: Figure(float(np.mean(some)), float(np.std(some)), len(some)) for key, some in values.items()}


def cube_check(cube: Image, folder: Path) -> Callable[[Sequence[Array]], Figures]:
    """Return the check of the moment maps of a cube; the bin is its name."""
    original = physical(cube, folder, cube.samples)

    def check(decoded: Sequence[Array]) -> Figures:
        found = moment_figures(original, physical(cube, folder, decoded[0]))
        return {(metric, Path(cube.file).stem): Figure(value, float("nan"), 1) for (metric, _), value in found.items()}

    return check


def cubes_of(folder: Path, chosen: str) -> list[Image]:
    """Return the cubes of a set whose noise is not zero."""
    return [image for image in images(folder, chosen) if image.samples.ndim == 3 and sigma(image.samples) > 0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What is measured: comparisons, levels (none: all of them), and how many images of a set (None: all)."""

    comparisons: Sequence[str] = COMPARISONS
    levels: Sequence[float] = ()
    limit: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """The results file of a command, its columns, and those of them by which a job is known as done."""

    out: Path
    columns: Sequence[str]
    key: Sequence[str]


def run_science(
    coders: Sequence[Coder], choice: Choice, *, data: Path, sets: Sequence[str], out: Path, commit: str,
    finders: Sequence[str] = FAST_FINDERS,
) -> int:  # fmt: skip
    """Measure all checks for every set, coder and level, each cube as a set; return the number of rows added."""
    n_rows, sheet = 0, Sheet(out=out, columns=SCIENCE_COLUMNS, key=SCIENCE_KEY)
    cubes = {cube.file: cube for chosen in sets if chosen.startswith("cubes") for cube in cubes_of(data, chosen)}
    for chosen in [*(chosen for chosen in sets if not chosen.startswith("cubes")), *cubes]:
        if chosen in cubes:
            samples, hashes = [cubes[chosen].samples], [cubes[chosen].sha256]
            check = cube_check(cubes[chosen], data)
        else:
            found = pictures(data, chosen)[: choice.limit]
            samples, hashes = [one.samples for one in found], [one.sha256 for one in found]
            check = picture_check(found, finders)
        place = place_cells(track="science", chosen=chosen, commit=commit, hashes=hashes, images=samples)
        place["finders"] = "" if chosen in cubes else ",".join(finders)
        n_rows += run_jobs(coders, choice, samples, place, partial(figure_rows, check), sheet)
    return n_rows


def figure_rows(check: Callable[[Sequence[Array]], Figures], decoded: Sequence[Array]) -> list[Cells]:
    """Return the measured cells of decoded images, one row for each figure of a check."""
    return [
        {
            "metric": metric, "bin": name, "n": figure.n, "value": f"{figure.value:.6g}",
            "scatter": f"{figure.scatter:.4g}",
        }
        for (metric, name), figure in check(decoded).items()
    ]  # fmt: skip


def run_jobs(
    coders: Sequence[Coder], choice: Choice, samples: Sequence[Array], place: Cells,
    rows: Callable[[Sequence[Array]], list[Cells]], sheet: Sheet,
) -> int:  # fmt: skip
    """Add the rows of each job that the sheet lacks, or one that says why there are none; return their number."""
    done, n_rows = rows_done(sheet.out, sheet.key), 0
    for job in all_jobs(coders, choice.comparisons, choice.levels):
        cells = place | dict(zip(KEY, job.key(str(place["set"])), strict=True))
        if tuple(str(cells[name]) for name in sheet.key) in done:
            continue
        coded, status = code_all(job, samples)
        known = place | job_cells(job, coded, samples, status)
        for row in rows([one.decoded for one in coded]) if coded else [{}]:
            append_row(sheet.out, sheet.columns, known | row)
            n_rows += 1
    return n_rows


def run_stack(
    coders: Sequence[Coder], choice: Choice, *, data: Path, sets: Sequence[str], out: Path, commit: str
) -> int:
    """Measure stacks for every set, coder, level, amplitude and number of cut-outs; return the number of rows added."""
    n_rows, sheet = 0, Sheet(out=out, columns=STACK_COLUMNS, key=KEY)
    for chosen in sets:
        made = simulated_scenes(chosen=chosen) if chosen in FIELDS else real_scenes(data, chosen, FALLBACK)
        scenes = list(made)[: choice.limit]
        samples = [scene.samples for scene in scenes]
        hashes = [scene.sha256 for scene in scenes]
        place = place_cells(track="stack", chosen=chosen, commit=commit, hashes=hashes, images=samples)
        rows = partial(scene_rows, scenes, stacking.stacks(scenes, samples))
        n_rows += run_jobs(coders, choice, samples, place, rows, sheet)
    return n_rows


def scene_rows(scenes: list[Scene], plain: dict[float, stacking.Stack], decoded: Sequence[Array]) -> list[Cells]:
    """Return the measured cells of decoded scenes, beside the stacks of the uncoded ones."""
    return stack_rows(stacking.stacks(scenes, decoded), plain)


def stack_rows(coded: dict[float, stacking.Stack], plain: dict[float, stacking.Stack]) -> list[Cells]:
    """Measure the cells for every amplitude and number of cut-outs; median stack and found share for all of them."""
    rows: list[Cells] = []
    for amplitude in (0.0, *AMPLITUDES):
        total = len(coded[amplitude].fluxes)
        for n in sorted({min(n, total) for n in (*stacking.COUNTS, total)}):
            stack = stacking.mean_stack(coded[amplitude], plain[amplitude], n)
            row: Cells = {
                "amplitude": f"{amplitude:g}", "n": n, "mean": f"{stack.mean:.6f}",
                "mean_error": f"{stack.mean_error:.6f}", "change": f"{stack.change:.7f}",
                "change_error": f"{stack.change_error:.7f}", "scatter": f"{stack.scatter:.5f}",
                "bias_in_errors": f"{stack.change / stack.change_error if stack.change_error else 0.0:.3f}",
            }  # fmt: skip
            if amplitude:
                row["recovered"] = f"{1 + stack.change / amplitude:.5f}"
                row["recovered_error"] = f"{stack.change_error / amplitude:.5f}"
            if n == total:
                flux, change, error = stacking.median_stack(coded[amplitude], plain[amplitude])
                row |= {
                    "median": f"{flux:.6f}", "median_change": f"{change:.6f}", "median_change_error": f"{error:.6f}",
                    "found": f"{stacking.found_share(coded[amplitude], coded[0.0]):.4f}",
                }  # fmt: skip
            rows.append(row)
    return rows
