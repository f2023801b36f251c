"""Bits against error of the lossy mode, its rivals and a Gaussian estimate, as CSV rows.

Errors are RMSEs over the finite samples of an HDU, with m their median and s 1.4826 times their median absolute
deviation:

- ``rmse_companded``: of 3 asinh((v - m) / 3s), where noise counts linearly and sources by their logarithm;
- ``rmse_faint``: of v / s, over samples of the original with abs(v - m) < 5s: the noise and what is in it.

Codec "R(D)" is an estimate, not a bound: reverse water-filling over the spectrum of the companded image. It assumes a
Gaussian field of known local amplitude, whose spectrum is fitted on blocks of 128 pixels and so too smooth. Real
streams are below it on half of FIRST. ``spectrum.py`` lists its limits. It has no row of ``rmse_faint``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.data.datasets import Image, images, sigma
from benchmarks.rivals.base import Unsupported
from benchmarks.rivals.lossy import LossyRival, compand, ladder
from benchmarks.rivals.registry import installed
from benchmarks.rows import append_row, failure, image_cells, rows_done
from benchmarks.run.spectrum import LocalSpectrum, local_spectrum
from benchmarks.types import F64, Array, Cells

COLUMNS = (
    "machine", "commit", "track", "set", "file", "hdu", "data_sha256", "shape", "dtype", "pixels", "codec",
    "codec_version", "variant", "setting", "knob", "quality", "status", "bytes", "bits_per_pixel", "rmse_companded",
    "rmse_faint", "max_error",
)  # fmt: skip
KEY = ("file", "hdu", "codec", "variant", "knob", "quality")
MEASURES = ("rmse_companded", "rmse_faint")
FAINT = 5.0  # s: evaluation by faint samples leaves out what is above
ESTIMATE = "R(D)"
WATER_LEVELS = ladder(0.003, 3.0, 40)  # of the estimate, as deviations of the companded image


@dataclass(frozen=True, slots=True, kw_only=True)
class Distortion:
    """Errors of a decoded array, over finite samples of the original; ``max_error`` in its unit."""

    rmse_companded: float
    rmse_faint: float
    max_error: float


def distortion(original: Array, decoded: Array) -> Distortion:
    """Measure the errors of a decoded array whose noise is not zero."""
    known = np.isfinite(original)
    before, after = original[known].astype(np.float64), decoded[known].astype(np.float64)
    median, noise = float(np.median(before)), sigma(original)
    faint = np.abs(before - median) < FAINT * noise
    return Distortion(
        rmse_companded=_rms(compand(after, median, noise) - compand(before, median, noise)),
        rmse_faint=_rms((after - before)[faint] / noise),
        max_error=float(np.abs(after - before).max()),
    )


def _rms(values: F64) -> float:
    return float(np.sqrt(np.mean(values**2)))


def water_filling(spectrum: LocalSpectrum, level: float) -> tuple[float, float]:
    """Return (RMSE, bits a finite sample) of a Gaussian field at one water level, a deviation.

    Power below the level is given up.
    """
    power = np.multiply.outer(spectrum.amplitude**2, spectrum.power)
    kept = np.maximum(power, level**2)
    return float(np.sqrt(np.minimum(power, level**2).mean())), 0.5 * float(np.log2(kept / level**2).mean())


def estimate_rows(image: Image) -> list[Cells]:
    """Return the rows of the Gaussian R(D) of the companded image, by the spectrum of ``spectrum.py``."""
    median = float(np.median(image.samples[np.isfinite(image.samples)]))
    spectrum = local_spectrum(compand(image.samples, median, sigma(image.samples)))
    rows: list[Cells] = []
    if spectrum is None:
        return rows
    for level in WATER_LEVELS:
        rmse, bits = water_filling(spectrum, level)
        rows.append({
            "quality": f"{level:g}", "status": "ok", "bits_per_pixel": f"{bits * spectrum.finite:.5f}",
            "rmse_companded": f"{rmse:.6f}",
        })  # fmt: skip
    return rows


def coded_row(rival: LossyRival, samples: Array, quality: float) -> Cells | None:
    """Measure the cells of a row; None if the rival has no such mode."""
    try:
        coded = rival.encode(samples, quality)
        got = distortion(samples, rival.decode(coded, shape=samples.shape, dtype=samples.dtype))
    except Unsupported:
        return None
    except Exception as err:  # whatever a foreign codec raises is its result
        return {"quality": f"{quality:g}", "status": failure(err)}
    return {
        "quality": f"{quality:g}", "status": "ok" if np.isfinite(got.max_error) else "not finite",
        "bytes": len(coded), "bits_per_pixel": f"{8 * len(coded) / samples.size:.5f}",
        "rmse_companded": f"{got.rmse_companded:.6f}", "rmse_faint": f"{got.rmse_faint:.6f}",
        "max_error": f"{got.max_error:.9g}",
    }  # fmt: skip


def run_rd(rivals: Sequence[LossyRival], *, estimate: bool, data: Path, sets: list[str], out: Path, commit: str) -> int:
    """Measure codecs, and the estimate if wanted; write each row as it is measured, and return how many were added."""
    versions, _ = installed(rivals)
    done, n_rows = rows_done(out, KEY), 0
    for chosen, image in ((name, image) for name in sets for image in images(data, name)):
        if sigma(image.samples) == 0:
            continue
        place = image_cells(image, chosen=chosen, commit=commit) | {"track": "lossy"}
        known: Cells = {"codec": ESTIMATE, "variant": "companded", "knob": "water level"}
        if estimate and _key(place | known | {"quality": f"{WATER_LEVELS[-1]:g}"}) not in done:
            for row in estimate_rows(image):
                append_row(out, COLUMNS, place | known | row)
                n_rows += 1
        for rival in (rival for rival in rivals if rival.name in versions):
            known = {
                "codec": rival.name, "codec_version": versions[rival.name], "variant": rival.variant,
                "setting": rival.setting, "knob": rival.knob,
            }  # fmt: skip
            for quality in rival.qualities:
                if _key(place | known | {"quality": f"{quality:g}"}) in done:
                    continue
                measured = coded_row(rival, image.samples, quality)
                if measured is not None:
                    append_row(out, COLUMNS, place | known | measured)
                    n_rows += 1
    return n_rows


def _key(cells: Cells) -> tuple[str, ...]:
    return tuple(str(cells[name]) for name in KEY)
