"""Sources of PyBDSF, which fits Gaussians to islands as the surveys of LOFAR, MeerKAT and ASKAP do."""

from __future__ import annotations

import gc
import tempfile
import warnings
from pathlib import Path

import numpy as np

from benchmarks.science.beams import Beam
from benchmarks.science.sources import THRESHOLD, Catalogue
from benchmarks.types import Array

CELL_DEG = 1 / 3600


def find_pybdsf(image: Array, threshold: float, beam: Beam) -> Catalogue:
    """Find the sources with a peak above an absolute threshold over the median.

    Centroids, peaks and fluxes are those of the Gaussians that make up a source. Islands are above 3/5 of the
    threshold, PyBDSF's default; the rms is given, not estimated. An image that PyBDSF refuses has no sources; it
    refuses images in which a coarse step left no noise.
    """
    import bdsf
    from astropy.io import fits

    finite = np.isfinite(image)
    data = np.asarray(image - np.median(image[finite]), np.float32)
    if not (data[finite] > threshold).any():
        return Catalogue(*(np.zeros(0) for _ in range(4)))
    header = fits.Header()
    for axis, kind, step in ((1, "RA---SIN", -CELL_DEG), (2, "DEC--SIN", CELL_DEG)):
        header[f"CTYPE{axis}"], header[f"CDELT{axis}"], header[f"CRVAL{axis}"] = kind, step, 0.0
        header[f"CRPIX{axis}"] = image.shape[2 - axis] / 2
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        path = Path(folder) / "image.fits"
        fits.PrimaryHDU(data, header).writeto(path)
        try:
            found = bdsf.process_image(
                str(path), quiet=True, ncores=1, frequency=1.4e9, mean_map="zero", rms_map=False,
                rms_value=threshold / THRESHOLD, thresh="hard", thresh_pix=THRESHOLD,
                beam=(beam.major * CELL_DEG, beam.minor * CELL_DEG, beam.angle_deg),
            )  # fmt: skip
            gaussians = [
                (*found.sky2pix(source.posn_sky_centroid), source.peak_flux_max, source.total_flux)
                for source in found.sources
            ]
            del found
        except RuntimeError as err:
            if "unphysical rms" not in str(err):
                raise
            gaussians = []
        gc.collect()  # it leaves files open
    x, y, peak, flux = np.array(gaussians, np.float64).reshape(-1, 4).T
    return Catalogue(y, x, peak, flux)
