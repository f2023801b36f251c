"""Moment maps of spectral-line cubes, decoded against original."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.data.datasets import Image, sigma
from benchmarks.types import F64, Array

LINE = 3.0  # sigma; voxels of the original above it are the line
MIN_CHANNELS = 3


def physical(image: Image, folder: Path, samples: Array) -> F64:
    """Return stored samples [P, H, W] of a cube in physical units: BSCALE and BZERO applied, BLANK as NaN."""
    from astropy.io import fits

    with warnings.catch_warnings(), fits.open(folder / image.file, do_not_scale_image_data=True, memmap=False) as hdus:
        warnings.simplefilter("ignore")
        header = hdus[image.hdu].header
    values = samples.astype(np.float64) * float(header.get("BSCALE", 1)) + float(header.get("BZERO", 0))
    if samples.dtype.kind != "f" and "BLANK" in header:
        values[samples == header["BLANK"]] = np.nan
    return values


def moments(cube: F64, line: npt.NDArray[np.bool_]) -> tuple[F64, F64]:
    """Sum over channels, and mean channel weighted by flux, of the voxels in ``line``; each [H, W]."""
    kept = np.where(line, cube, 0.0)
    total = kept.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return total, (kept * np.arange(len(cube))[:, None, None]).sum(axis=0) / total


def moment_figures(original: F64, decoded: F64) -> dict[tuple[str, str], float]:
    """Return figures by metric, over pixels with at least 3 voxels of line; the same voxels in both cubes.

    ``moment0_rms``: of the difference, in units of what noise alone does to moment 0. ``moment0_ratio``: of total flux.
    ``moment1_rms`` and ``moment1_max``: of the difference of moment 1, channels.
    """
    noise = sigma(original)
    line = np.nan_to_num(original, nan=-np.inf) > LINE * noise
    counts = line.sum(axis=0)
    here = counts >= MIN_CHANNELS
    if not here.any():
        return {}
    before, after = moments(original, line), moments(decoded, line)
    zeroth = (after[0] - before[0])[here] / (noise * np.sqrt(counts[here]))
    first = np.abs(after[1] - before[1])[here]
    return {
        ("moment0_rms", ""): float(np.sqrt(np.mean(zeroth**2))),
        ("moment0_ratio", ""): float(after[0][here].sum() / before[0][here].sum()),
        ("moment1_rms", ""): float(np.sqrt(np.mean(first**2))),
        ("moment1_max", ""): float(first.max()),
    }
