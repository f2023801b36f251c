"""Read folders of FITS images."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from astropy.io import fits

from radcodec.errors import InputError
from radcodec.training.datasets.images import LabelledImages


def load_planes(folder: Path) -> list[npt.NDArray[np.float64]]:
    """Return every 2-D plane of every image HDU below a folder, sorted by path, float64.

    Raises
    ------
    InputError
        The folder does not exist or holds no FITS image.
    """
    return [plane for _, plane in _named_planes(folder)]


def load_folder(folder: Path, limit: int | None = None) -> LabelledImages:
    """Return the planes of a folder, at most ``limit`` of them, as float32 images named by their files, without labels.

    Raises
    ------
    InputError
        The folder does not exist or holds no FITS image.
    """
    named = _named_planes(folder)[:limit]
    return LabelledImages(
        images=tuple(plane.astype(np.float32) for _, plane in named),
        names=tuple(name for name, _ in named),
        labels=None,
        label_names=(),
    )


def find_files(folder: Path) -> list[Path]:
    """Return the paths of the FITS files below a folder, sorted.

    Raises
    ------
    InputError
        The folder does not exist or holds none.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder of training images (set RADCODEC_DATA, or edit data.folders)")
    paths = sorted(p for p in folder.rglob("*") if p.name.lower().endswith((".fits", ".fit", ".fits.gz")))
    if not paths:
        raise InputError(f"{folder}: expected FITS images, found none")
    return paths


def _named_planes(folder: Path) -> list[tuple[str, npt.NDArray[np.float64]]]:
    """Return planes with the names of their files."""
    named = [(path.name, plane) for path in find_files(folder) for plane in _planes_of(path)]
    if not named:
        raise InputError(f"{folder}: expected FITS images, found none")
    return named


def _planes_of(path: Path) -> Iterator[npt.NDArray[np.float64]]:
    """Yield every plane of a file, float64."""
    with fits.open(path, memmap=False, ignore_missing_simple=True) as hdus:
        for hdu in hdus:
            if isinstance(hdu, fits.PrimaryHDU | fits.ImageHDU) and hdu.data is not None and hdu.data.ndim >= 2:
                yield from np.asarray(hdu.data, dtype=np.float64).reshape(-1, *hdu.data.shape[-2:])
