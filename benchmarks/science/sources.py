"""Sources that real finders see in an image, compared with those of another image."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.data.datasets import sigma
from benchmarks.science.beams import Beam
from benchmarks.types import F64, Array

THRESHOLD = 5.0  # sigma of the original
MIN_PIXELS = 3
SNR_BINS = ((5.0, 10.0), (10.0, 30.0), (30.0, np.inf))


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Sources: places in pixels, peak in the image's unit, flux in that unit times beams; each float64 [n]."""

    y: F64
    x: F64
    peak: F64
    flux: F64

    def __len__(self) -> int:
        return len(self.y)


Finder = Callable[[Array, float, Beam], Catalogue]


def find_sep(image: Array, threshold: float, beam: Beam) -> Catalogue:
    """Find sources above an absolute threshold over the median by SEP (Source Extractor).

    Places are windowed, fluxes are in circles of radius 1.5 beam widths. No filter smooths the noise.
    """
    import sep

    finite = np.isfinite(image)
    data = np.where(finite, image - np.median(image[finite]), 0.0).astype(np.float64)
    sep.set_extract_pixstack(2_000_000)
    sep.set_sub_object_limit(100_000)
    found = sep.extract(data, threshold, minarea=MIN_PIXELS, filter_kernel=None, mask=~finite)
    x, y = np.asarray(found["x"], np.float64), np.asarray(found["y"], np.float64)
    if not len(x):
        return Catalogue(y, x, y, y)
    wide = np.full(len(x), beam.width / 2.3548)
    at_x, at_y, flag = sep.winpos(data, x, y, wide)
    # Where the window runs off (crowded, or at the edge) the barycentre stands.
    kept = (np.hypot(at_x - x, at_y - y) < beam.width) & np.isfinite(at_x) & np.isfinite(at_y) & (flag >= 0)
    at_x, at_y = np.where(kept, at_x, x), np.where(kept, at_y, y)
    flux, _, _ = sep.sum_circle(data, at_x, at_y, 1.5 * beam.width, mask=~finite)
    return Catalogue(at_y, at_x, np.asarray(found["peak"], np.float64), np.asarray(flux) / beam.area)


def find_photutils(image: Array, threshold: float, beam: Beam) -> Catalogue:
    """Find sources above the same threshold by photutils' segmentation.

    They have barycentres, largest samples and isophotal fluxes.
    """
    from photutils.segmentation import SourceCatalog, detect_sources

    finite = np.isfinite(image)
    data = np.where(finite, image - np.median(image[finite]), 0.0).astype(np.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        segments = detect_sources(data, threshold, MIN_PIXELS, mask=~finite)
        if segments is None:
            return Catalogue(*(np.zeros(0) for _ in range(4)))
        found = SourceCatalog(data, segments, mask=~finite)
        places = np.atleast_2d(np.asarray(found.centroid, np.float64))
        peak, flux = (np.atleast_1d(np.asarray(v, np.float64)) for v in (found.max_value, found.segment_flux))
    return Catalogue(places[:, 1], places[:, 0], peak, flux / beam.area)


def match(before: Catalogue, after: Catalogue, radius: float) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Find the pairs that are each other's nearest and at most ``radius`` pixels apart; return their indices."""
    if not len(before) or not len(after):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    apart = np.hypot(before.y[:, None] - after.y[None, :], before.x[:, None] - after.x[None, :])
    there, back = apart.argmin(axis=1), apart.argmin(axis=0)
    mine = np.arange(len(before))
    kept = (back[there] == mine) & (apart[mine, there] <= radius)
    return mine[kept], there[kept]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """An image's sources in another catalogue; arrays over them, peaks in sigma.

    ``found``: whether there is one again within a beam; ratios and offsets (pixels) are NaN where not.
    ``spurious``: peaks of what is found in the decoded image only.
    """

    snr: F64
    found: npt.NDArray[np.bool_]
    peak_ratio: F64
    flux_ratio: F64
    offset: F64
    spurious: F64


def fate(before: Catalogue, after: Catalogue, noise: float, beam: Beam) -> Fate:
    """Compare the sources of an image with another catalogue."""
    mine, there = match(before, after, max(beam.width, 1.0))
    found = np.zeros(len(before), bool)
    found[mine] = True
    peak, flux, offset = (np.full(len(before), np.nan) for _ in range(3))
    peak[mine] = after.peak[there] / before.peak[mine]
    flux[mine] = after.flux[there] / before.flux[mine]
    offset[mine] = np.hypot(after.y[there] - before.y[mine], after.x[there] - before.x[mine])
    new = np.delete(np.arange(len(after)), there)
    return Fate(
        snr=before.peak / noise, found=found, peak_ratio=peak, flux_ratio=flux, offset=offset,
        spurious=after.peak[new] / noise,
    )  # fmt: skip


def joined(fates: list[Fate]) -> Fate:
    """Join the sources of several images."""
    names = ("snr", "found", "peak_ratio", "flux_ratio", "offset", "spurious")
    return Fate(**{name: np.concatenate([getattr(one, name) for one in fates]) for name in names})


@dataclass(frozen=True, slots=True)
class Figure:
    """A number with its scatter (or error) and what it is the number of."""

    value: float
    scatter: float
    n: int


def spread(values: F64) -> Figure:
    """Return the median, and 1.4826 times the median absolute deviation."""
    known = values[np.isfinite(values)]
    if not known.size:
        return Figure(float("nan"), float("nan"), 0)
    return Figure(float(np.median(known)), sigma(known), known.size)


def share(hits: int, n: int) -> Figure:
    """Return a share with its binomial error."""
    value = hits / n if n else float("nan")
    return Figure(value, float(np.sqrt(value * (1 - value) / n)) if n else float("nan"), n)


def source_figures(fate_of: Fate) -> dict[tuple[str, str], Figure]:
    """Return figures by metric and bin of S/N: ratios, offsets, completeness, share of spurious sources.

    Spurious ones are in the bin of their own peak; their scatter is Poisson's.
    """
    found = {}
    for low, high in SNR_BINS:
        name = f"{low:g}-{high:g}" if np.isfinite(high) else f">{low:g}"
        here = (fate_of.snr >= low) & (fate_of.snr < high)
        n = int(here.sum())
        found["peak_ratio", name] = spread(fate_of.peak_ratio[here])
        found["flux_ratio", name] = spread(fate_of.flux_ratio[here])
        found["offset_px", name] = spread(fate_of.offset[here])
        found["completeness", name] = share(int(fate_of.found[here].sum()), n)
        new = int(((fate_of.spurious >= low) & (fate_of.spurious < high)).sum())
        found["spurious", name] = Figure(
            new / n if n else float("nan"), float(np.sqrt(new)) / n if n else float("nan"), n
        )
    return found
