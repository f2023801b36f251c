"""Cubes with world coordinates, for tests of other libraries: written by astropy, compressed with small tiles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

import radcodec

TILE = 32


AXES = [
    ("RA---SIN", 150.1, -2e-4, 40.0, "deg"),
    ("DEC--SIN", 2.2, 2e-4, 30.0, "deg"),
    ("FREQ", 1.42e9, 1e6, 1.0, "Hz"),
    ("STOKES", 1.0, 1.0, 1.0, ""),
]


def cube_header(n_axes: int = 4, **cards: Any) -> fits.Header:
    """Header of a cube of right ascension, declination, frequency and Stokes parameters."""
    header = fits.Header()
    for number, (ctype, value, step, pixel, unit) in enumerate(AXES[:n_axes], start=1):
        header[f"CTYPE{number}"], header[f"CRVAL{number}"], header[f"CDELT{number}"] = ctype, value, step
        header[f"CRPIX{number}"], header[f"CUNIT{number}"] = pixel, unit
    header["RESTFRQ"], header["SPECSYS"], header["RADESYS"] = 1420405751.786, "LSRK", "ICRS"
    header["BUNIT"], header["BMAJ"], header["BMIN"], header["BPA"] = "Jy/beam", 0.002, 0.001, 30.0
    header["DATE-OBS"], header["OBJECT"], header["TELESCOP"] = "2024-03-01T12:00:00.0", "M83", "VLA"
    header.update(cards)
    return header


def cube_pixels(shape: tuple[int, ...] = (2, 5, 70, 90), dtype: str = "f4", seed: int = 1) -> np.ndarray:
    """Noise with a gradient; of floats one corner and one pixel are NaN."""
    rng = np.random.default_rng(seed)
    pixels = rng.normal(0, 40, shape) + np.arange(shape[-1])
    if np.dtype(dtype).kind == "f":
        pixels[..., :3, :4] = np.nan
        pixels[(0,) * (len(shape) - 2) + (9, 11)] = np.nan
        pixels[(-1,) * len(shape)] = -0.0
    return pixels.astype(dtype)


def write_cube(
    folder: Path, name: str = "cube", *, pixels: np.ndarray | None = None, **cards: Any
) -> tuple[Path, Path]:
    """Write a cube as FITS and as .rcz; the paths of both."""
    plain, packed = folder / f"{name}.fits", folder / f"{name}.fits.rcz"
    data = cube_pixels() if pixels is None else pixels
    fits.PrimaryHDU(data, cube_header(data.ndim, **cards)).writeto(plain)
    radcodec.compress(plain, packed, preview=0, tile=TILE, threads=1)
    return plain, packed
