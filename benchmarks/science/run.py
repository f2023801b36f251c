"""Rows of the science checks and of the stacks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.datasets import Image, images, sigma
from benchmarks.rivals.base import Array
from benchmarks.rows import append_row, rows_done
from benchmarks.science import stacking
from benchmarks.science.beams import FALLBACK, Beam, beam_of
from benchmarks.science.coders import Coder
from benchmarks.science.jobs import COMMON, COMPARISONS, KEY, Job, all_jobs, code_all, job_cells, place_cells
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
    """The 2-D images of a set whose noise is not zero, of floats if it has such; ``simulated`` are fields of known
    point sources."""
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
    """The check of photometry and noise for a set; what the originals give is measured once."""
    originals = {
        name: [FINDERS[name](one.samples, THRESHOLD * sigma(one.samples), one.beam) for one in found]
        for name in finders
    }

    def check(decoded: Sequence[Array]) -> Figures:
        told: Figures = {}
        for name in finders:
            fates, truths = [], []
            for one, samples, before in zip(found, decoded, originals[name], strict=True):
                noise = sigma(one.samples)
                after = FINDERS[name](samples, THRESHOLD * noise, one.beam)
                fates.append(fate(before, after, noise, one.beam))
                if one.truth is not None:
                    truths.append(fate(one.truth, after, noise, one.beam))
            told |= prefixed(name, joined(fates))
            told |= prefixed(f"{name} truth", joined(truths)) if truths else {}
        noises = [noise_figures(one.samples, samples) for one, samples in zip(found, decoded, strict=True)]
        return told | averages(noises)

    return check


def prefixed(name: str, told: Fate) -> Figures:
    """Figures of sources, their metric behind a name."""
    return {(f"{name} {metric}", place): figure for (metric, place), figure in source_figures(told).items()}


def averages(figures: Iterable[dict[tuple[str, str], float]]) -> Figures:
    """Mean and standard deviation over images, which count alike."""
    values: dict[tuple[str, str], list[float]] = defaultdict(list)
    for one in figures:
        for key, value in one.items():
            values[key].append(value)
    return {key: Figure(float(np.mean(some)), float(np.std(some)), len(some)) for key, some in values.items()}


def cube_check(cube: Image, folder: Path) -> Callable[[Sequence[Array]], Figures]:
    """The check of the moment maps of a cube; the bin is its name."""
    original = physical(cube, folder, cube.samples)

    def check(decoded: Sequence[Array]) -> Figures:
        told = moment_figures(original, physical(cube, folder, decoded[0]))
        return {(metric, Path(cube.file).stem): Figure(value, float("nan"), 1) for (metric, _), value in told.items()}

    return check


def cubes_of(folder: Path, chosen: str) -> list[Image]:
    """The cubes of a set whose noise is not zero."""
    return [image for image in images(folder, chosen) if image.samples.ndim == 3 and sigma(image.samples) > 0]


def run_science(
    coders: Sequence[Coder],
    *,
    data: Path,
    sets: Sequence[str],
    limit: int | None,
    out: Path,
    commit: str,
    comparisons: Sequence[str] = COMPARISONS,
    levels: Sequence[float] = (),
    finders: Sequence[str] = FAST_FINDERS,
) -> int:
    """Number of rows added to ``out``: for every set, coder and level those of all checks; each cube is a set."""
    n_rows = 0
    cubes = {cube.file: cube for chosen in sets if chosen.startswith("cubes") for cube in cubes_of(data, chosen)}
    for chosen in [*(chosen for chosen in sets if not chosen.startswith("cubes")), *cubes]:
        if chosen in cubes:
            samples, hashes = [cubes[chosen].samples], [cubes[chosen].sha256]
            check = cube_check(cubes[chosen], data)
        else:
            found = pictures(data, chosen)[:limit]
            samples, hashes = [one.samples for one in found], [one.sha256 for one in found]
            check = picture_check(found, finders)
        place = place_cells(track="science", chosen=chosen, commit=commit, hashes=hashes, images=samples)
        place["finders"] = "" if chosen in cubes else ",".join(finders)

        def rows(
            decoded: Sequence[Array], check: Callable[[Sequence[Array]], Figures] = check
        ) -> list[dict[str, object]]:
            return [
                {
                    "metric": metric, "bin": name, "n": figure.n, "value": f"{figure.value:.6g}",
                    "scatter": f"{figure.scatter:.4g}",
                }
                for (metric, name), figure in check(decoded).items()
            ]  # fmt: skip

        jobs = all_jobs(coders, comparisons, levels)
        n_rows += run_jobs(jobs, chosen, samples, place, rows, out, SCIENCE_COLUMNS, SCIENCE_KEY)
    return n_rows


def run_jobs(
    jobs: Iterable[Job], chosen: str, samples: Sequence[Array], place: dict[str, object],
    rows: Callable[[Sequence[Array]], list[dict[str, object]]], out: Path, columns: Sequence[str],
    key: Sequence[str] = KEY,
) -> int:  # fmt: skip
    """Number of rows added: those of each job that ``out`` does not hold, or one that says why there are none."""
    done, n_rows = rows_done(out, key), 0
    for job in jobs:
        cells = place | dict(zip(KEY, job.key(chosen), strict=True))
        if tuple(str(cells[name]) for name in key) in done:
            continue
        coded, status = code_all(job, samples)
        known = place | job_cells(job, coded, samples, status)
        for row in rows([one.decoded for one in coded]) if coded else [{}]:
            append_row(out, columns, known | row)
            n_rows += 1
    return n_rows


def run_stack(
    coders: Sequence[Coder],
    *,
    data: Path,
    sets: Sequence[str],
    limit: int | None,
    out: Path,
    commit: str,
    comparisons: Sequence[str] = COMPARISONS,
    levels: Sequence[float] = (),
) -> int:
    """Number of rows added to ``out``: for every set, coder, level and amplitude, by number of cut-outs."""
    n_rows = 0
    for chosen in sets:
        made = simulated_scenes(chosen=chosen) if chosen in FIELDS else real_scenes(data, chosen, FALLBACK)
        scenes = list(made)[:limit]
        samples = [scene.samples for scene in scenes]
        plain = stacking.stacks(scenes, samples)
        hashes = [scene.sha256 for scene in scenes]
        place = place_cells(track="stack", chosen=chosen, commit=commit, hashes=hashes, images=samples)

        def rows(
            decoded: Sequence[Array], scenes: list[Scene] = scenes, plain: dict[float, stacking.Stack] = plain
        ) -> list[dict[str, object]]:
            return stack_rows(stacking.stacks(scenes, decoded), plain)

        n_rows += run_jobs(all_jobs(coders, comparisons, levels), chosen, samples, place, rows, out, STACK_COLUMNS)
    return n_rows


def stack_rows(coded: dict[float, stacking.Stack], plain: dict[float, stacking.Stack]) -> list[dict[str, object]]:
    """Measured cells for every amplitude and number of cut-outs; the median stack and what is found for all of them."""
    rows: list[dict[str, object]] = []
    for amplitude in (0.0, *AMPLITUDES):
        total = len(coded[amplitude].fluxes)
        for n in sorted({min(n, total) for n in (*stacking.COUNTS, total)}):
            told = stacking.mean_stack(coded[amplitude], plain[amplitude], n)
            row: dict[str, object] = {
                "amplitude": f"{amplitude:g}", "n": n, "mean": f"{told.mean:.6f}",
                "mean_error": f"{told.mean_error:.6f}", "change": f"{told.change:.7f}",
                "change_error": f"{told.change_error:.7f}", "scatter": f"{told.scatter:.5f}",
                "bias_in_errors": f"{told.change / told.change_error if told.change_error else 0.0:.3f}",
            }  # fmt: skip
            if amplitude:
                row["recovered"] = f"{1 + told.change / amplitude:.5f}"
                row["recovered_error"] = f"{told.change_error / amplitude:.5f}"
            if n == total:
                flux, change, error = stacking.median_stack(coded[amplitude], plain[amplitude])
                row |= {
                    "median": f"{flux:.6f}", "median_change": f"{change:.6f}", "median_change_error": f"{error:.6f}",
                    "found": f"{stacking.found_share(coded[amplitude], coded[0.0]):.4f}",
                }  # fmt: skip
            rows.append(row)
    return rows
