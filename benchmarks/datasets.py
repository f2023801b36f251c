"""Images of the shared data set, as the arrays that every codec is given."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import zstandard

from benchmarks.rivals.base import Array

MIN_PIXELS = 64
# Above this many levels a float image is not taken for scaled integers.
MAX_LATTICE_LEVELS = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """Stored samples of one image HDU, native byte order, two or three axes (degenerate ones dropped).

    ``header_zstd_bytes`` is what the header costs under Zstandard 19: no codec here stores it.
    """

    file: str
    hdu: int
    sha256: str
    samples: Array
    header_zstd_bytes: int

    @property
    def key(self) -> str:
        return f"{self.file}[{self.hdu}]"


def default_folder() -> Path:
    """RADCODEC_DATA, else ../shared/data beside the project."""
    return Path(os.environ.get("RADCODEC_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))


def images(folder: Path, chosen: str) -> Iterator[Image]:
    """Images of every FITS file of one set, such as ``first/test``, in order of name; or of one file."""
    from astropy.io import fits

    place = folder / chosen
    paths = [place] if place.is_file() else sorted(p for p in place.iterdir() if p.suffix == ".fits")
    for path in paths:
        content = path.read_bytes()
        with warnings.catch_warnings(), fits.open(path, do_not_scale_image_data=True, memmap=False) as hdus:
            warnings.simplefilter("ignore")
            for number, hdu in enumerate(hdus):
                if not isinstance(hdu, (fits.PrimaryHDU, fits.ImageHDU)) or hdu.data is None:
                    continue
                samples = np.ascontiguousarray(hdu.data.astype(hdu.data.dtype.newbyteorder("=")))
                if samples.size < MIN_PIXELS:
                    continue
                kept = tuple(n for n in samples.shape if n > 1)
                shape = (1,) * (2 - len(kept)) + kept if len(kept) <= 3 else (-1, *kept[-2:])
                info = hdu.fileinfo()
                header = content[info["hdrLoc"] : info["datLoc"]]
                yield Image(
                    file=path.relative_to(folder).as_posix(),
                    hdu=number,
                    sha256=hashlib.sha256(content).hexdigest(),
                    samples=samples.reshape(shape),
                    header_zstd_bytes=len(zstandard.ZstdCompressor(level=19).compress(header)),
                )


def sigma(samples: Array) -> float:
    """1.4826 times the median absolute deviation of the finite samples, in the stored unit."""
    finite = samples[np.isfinite(samples)].astype(np.float64)
    return 1.4826 * float(np.median(np.abs(finite - np.median(finite)))) if finite.size else 0.0


def lattice_integers(samples: Array) -> Array | None:
    """The integers of an integer image, or those behind floats that lie on an even lattice; None for other floats."""
    if samples.dtype.kind != "f":
        return samples
    if not np.isfinite(samples).all():
        return None
    levels = np.unique(samples).astype(np.float64)
    if len(levels) < 2 or len(levels) > samples.size // 4:
        return None
    step = np.diff(levels).min()
    # The smallest gap carries the rounding of two floats; spread over the whole range it becomes negligible.
    step = (levels[-1] - levels[0]) / max(1.0, np.rint((levels[-1] - levels[0]) / step))
    index = np.rint((samples.astype(np.float64) - levels[0]) / step)
    off = np.abs(levels[0] + index * step - samples)
    if index.max() >= MAX_LATTICE_LEVELS or off.max() > 1.5 * float(np.spacing(np.abs(samples).max())):
        return None
    return np.asarray(index, dtype=np.int32)
