"""Restoring beams: their shape on the pixels, and what a header says of them."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.types import F64

FWHM_PER_SIGMA = 2.3548200450309493


@dataclass(frozen=True, slots=True, kw_only=True)
class Beam:
    """An elliptical Gaussian: full widths at half maximum in pixels; angle in degrees from +y towards -x."""

    major: float
    minor: float
    angle_deg: float = 0.0

    @property
    def width(self) -> float:
        """Geometric mean of the widths, pixels."""
        return float(np.sqrt(self.major * self.minor))

    @property
    def area(self) -> float:
        """Integral over the peak, pixels."""
        return float(np.pi / (4 * np.log(2)) * self.major * self.minor)

    def profile(self, dy: F64, dx: F64) -> F64:
        """Return the beam's value, 1 at the middle, at distances in pixels."""
        angle = np.deg2rad(self.angle_deg)
        along, across = -dx * np.sin(angle) + dy * np.cos(angle), dx * np.cos(angle) + dy * np.sin(angle)
        squared = (along / self.major) ** 2 + (across / self.minor) ** 2
        return np.asarray(np.exp(-0.5 * FWHM_PER_SIGMA**2 * squared))


#: FIRST's (5.4 arcsec at 1.8 arcsec a pixel), whose cut-outs say nothing of it.
FALLBACK = Beam(major=3.0, minor=3.0)


def stamp(y: float, x: float, beam: Beam, reach: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], F64]:
    """Return the rows, columns and values [n, n] of a beam of peak 1 about a place; n = 2 ``reach`` + 1."""
    rows = round(y) + np.arange(-reach, reach + 1)
    columns = round(x) + np.arange(-reach, reach + 1)
    return rows, columns, beam.profile(np.asarray(rows[:, None] - y, float), np.asarray(columns[None, :] - x, float))


def beam_of(path: Path, hdu: int) -> Beam:
    """Read the beam from a header; FIRST's if it has none."""
    from astropy.io import fits

    with warnings.catch_warnings(), fits.open(path, memmap=False) as hdus:
        warnings.simplefilter("ignore")
        header = hdus[hdu].header
        cell = abs(float(header.get("CDELT2", 0) or 0))
        major, minor = (float(header.get(key, 0) or 0) for key in ("BMAJ", "BMIN"))
        if not (cell and major and minor):
            return FALLBACK
        return Beam(major=major / cell, minor=minor / cell, angle_deg=float(header.get("BPA", 0) or 0))
