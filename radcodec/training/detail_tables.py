"""Train the detail layer's table set: symbol counts for every shape, scale and phase (docs/format.md, 8.6).

Shapes start as Gaussian and Student-t errors integrated over bins. In every turn each training tile goes to the shape
that codes it in the fewest bits. Then each shape becomes the counts of its tiles, smoothed by its parametric start and
by the mirror symmetry of phases. Phase p of symbol k is phase 7 - p of symbol -k, and the centred phase is its own
mirror image.

    python -m radcodec.training.detail_tables [FITS_FOLDER] OUT

Without a folder the images are the simulated ones alone.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from radcodec.arrays import F64
from radcodec.detail.kernels import CENTRED, FIRST_TABLE, N_PHASES, N_SYMBOLS, N_TABLES, PHASES
from radcodec.detail.maps import TileBound
from radcodec.detail.stream import fit_image, load_predictors, model_tile
from radcodec.detail.tables import TOTAL, pack_tables
from radcodec.simulate import simulate_image
from radcodec.types import SampleType

FREEDOM = (np.inf, 8.0, 4.0, 2.2)  # degrees of freedom of the shapes at the start
ESCAPE_SHARE = 1e-6
SUB = 16  # points of a phase over which a table is averaged
PRIOR_PIXELS = 400.0  # weight of the parametric form in each row
TURNS = 4
STEPS = (None, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0, 2.0)  # bounds in sigma; None is lossless
FOLDER_IMAGES = 48
SIMULATED_IMAGES = 40

Histogram = npt.NDArray[np.int64]


def parametric_tables(freedom: float) -> F64:
    """Return probabilities [88, 9, 128] of Student-t errors (infinite freedom: Gaussian) of each scale and phase."""
    edges = np.arange(-63, 65, dtype=np.float64)
    out = np.empty((N_TABLES, N_PHASES, N_SYMBOLS))
    cumulative, mean_size = _distribution(freedom)
    for t in range(N_TABLES):
        octave, eighth = divmod(t - FIRST_TABLE, 8)
        size = 2.0**octave * (1.0 + (eighth + 0.5) / 8.0)
        for phase in range(N_PHASES):
            points = (phase + (np.arange(SUB) + 0.5) / SUB) / PHASES if phase < PHASES else [0.5]
            scale = size / mean_size if phase < PHASES else _centred_scale(cumulative, size)
            mass = np.mean([np.diff(cumulative((edges - f) / scale)) for f in points], axis=0)
            out[t, phase, 1:] = mass * (1.0 - 2.0 * ESCAPE_SHARE) + ESCAPE_SHARE / (N_SYMBOLS - 1)
            out[t, phase, 0] = ESCAPE_SHARE
    return np.asarray(out / out.sum(axis=2, keepdims=True), np.float64)


def _centred_scale(cumulative: Callable[[F64], F64], size: float) -> float:
    """Scale at which the mean size of the nearest whole number is ``size`` bins."""
    steps = np.arange(64, dtype=np.float64)
    low, high = 2.0**-6, 2.0**14
    for _ in range(60):
        middle = float(np.sqrt(low * high))
        mean = 2.0 * float((1.0 - cumulative((steps + 0.5) / middle)).sum())
        low, high = (middle, high) if mean < size else (low, middle)
    return high


def _distribution(freedom: float) -> tuple[Any, float]:
    """Return cumulative distribution and mean absolute value of a Student-t variable, by numerical integration."""
    x = np.sinh(np.linspace(-14.0, 14.0, 56001))
    power = -0.5 * x * x if np.isinf(freedom) else -0.5 * (freedom + 1.0) * np.log1p(x * x / freedom)
    density = np.exp(power)
    area = np.concatenate([[0.0], np.cumsum(0.5 * (density[1:] + density[:-1]) * np.diff(x))])
    size = np.abs(x) * density
    mean = float(np.sum(0.5 * (size[1:] + size[:-1]) * np.diff(x))) / float(area[-1])
    return (lambda z: np.interp(z, x, area / area[-1])), mean


def to_counts(probabilities: F64) -> npt.NDArray[np.uint32]:
    """Convert to counts of at least 1 that sum to 2**24 in the last axis."""
    counts = np.maximum(1, np.floor(probabilities * (TOTAL - N_SYMBOLS))).astype(np.int64)
    top = counts.argmax(axis=-1)[..., None]
    rest = TOTAL - counts.sum(axis=-1, keepdims=True)
    np.put_along_axis(counts, top, np.take_along_axis(counts, top, axis=-1) + rest, axis=-1)
    return counts.astype(np.uint32)


def train_tables(histograms: list[Histogram]) -> tuple[npt.NDArray[np.uint32], list[float]]:
    """Train counts [shapes, 88, 9, 128] on tile histograms [792, 128]; also return bits a symbol after each turn."""
    base = np.stack([parametric_tables(f).reshape(-1, N_SYMBOLS) for f in FREEDOM])
    shapes, progress = base, []
    total = sum(int(h.sum()) for h in histograms)
    for _ in range(TURNS + 1):
        logs = -np.log2(shapes)
        costs = np.array([[float((h * cost).sum()) for cost in logs] for h in histograms])
        progress.append(float(costs.min(axis=1).sum()) / total)
        if len(progress) > TURNS:
            break
        choice = costs.argmin(axis=1)
        shapes = np.stack([_learn(histograms, choice == i, base[i]) for i in range(len(FREEDOM))])
    return to_counts(shapes.reshape(len(FREEDOM), N_TABLES, N_PHASES, N_SYMBOLS)), progress


def _learn(histograms: list[Histogram], chosen: npt.NDArray[np.bool_], prior: F64) -> F64:
    """Return probabilities [792, 128] of the chosen histograms, smoothed by a prior and mirrored."""
    counts = np.zeros((N_TABLES, N_PHASES, N_SYMBOLS))
    for h, c in zip(histograms, chosen, strict=True):
        if c:
            counts += h.reshape(counts.shape)
    mirrored = counts[:, [*range(PHASES - 1, -1, -1), CENTRED]]
    counts[:, :, 1:] += mirrored[:, :, :0:-1]
    counts[:, :, 0] *= 2.0
    counts = counts.reshape(-1, N_SYMBOLS) + PRIOR_PIXELS * prior
    return np.asarray(counts / counts.sum(axis=1, keepdims=True), np.float64)


def training_images(folder: Path | None) -> Iterator[npt.NDArray[np.float32]]:
    """Yield images [1, H, W] of a folder's FITS files (evenly chosen), then simulated ones of other beams."""
    from astropy.io import fits

    files = sorted(folder.glob("*.fits")) if folder else []
    for path in files[:: max(1, len(files) // FOLDER_IMAGES)]:
        data = np.asarray(fits.getdata(path), np.float32)
        yield np.nan_to_num(data.reshape(-1, *data.shape[-2:])[:1])
    rng = np.random.default_rng(7)
    for i in range(SIMULATED_IMAGES):
        fwhm = float(rng.uniform(2.0, 8.0))
        image = simulate_image(
            (320, 320),
            seed=1000 + i,
            beam_fwhm_px=(fwhm, fwhm * float(rng.uniform(0.6, 1.0))),
            beam_pa_deg=float(rng.uniform(0.0, 180.0)),
            noise_rms=float(10.0 ** rng.uniform(-5, -3)),
            n_sources=int(rng.integers(5, 150)),
            max_snr=float(10.0 ** rng.uniform(1.5, 5.0)),
            kind="dirty" if i % 2 else "clean",
        )
        yield np.asarray(getattr(image, "pixels", image), np.float32)[None]


def gather(images: Iterator[npt.NDArray[np.float32]]) -> Iterator[Histogram]:
    """Yield the histogram [792, 128] of table and symbol for each image at each bound."""
    for image in images:
        sigma = 1.4826 * float(np.median(np.abs(image - np.median(image))))
        for step in STEPS:
            error = None if step is None or sigma == 0.0 else step * sigma
            predictors = load_predictors(fit_image(image, None, error, SampleType.F4))
            if predictors is None:
                continue
            bound = None if error is None else TileBound(error=error)
            symbols, tables = model_tile(image, None, predictors, bound)
            index = tables.astype(np.int64) * N_SYMBOLS + symbols
            yield np.bincount(index, minlength=N_TABLES * N_PHASES * N_SYMBOLS).reshape(-1, N_SYMBOLS)


def main() -> int:
    """Train on a folder and simulated images, or on these alone, and write the table set; gives an exit code."""
    *folders, out = sys.argv[1:] or [""]
    if len(folders) > 1 or not out or out.startswith("-"):
        sys.stderr.write("usage: python -m radcodec.training.detail_tables [FITS_FOLDER] OUT\n")
        return 2
    counts, progress = train_tables(list(gather(training_images(Path(folders[0]) if folders else None))))
    Path(out).write_bytes(pack_tables(counts))
    sys.stdout.write("bits a symbol, turn by turn: " + " ".join(f"{p:.5f}" for p in progress) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
