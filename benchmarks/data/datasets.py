"""The sets of images, as the arrays that every codec gets: FITS files, and images that are simulated."""

from __future__ import annotations

import hashlib
import os
import tempfile
import warnings
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zstandard

from benchmarks.paths import ROOT
from benchmarks.types import Array

MIN_PIXELS = 64
# Above this many levels a float image is not taken for scaled integers.
MAX_LATTICE_LEVELS = 1 << 20
SIMULATED, MIRABEST = "simulated", "mirabest"
ROUGH, SPARSE = "rough", "sparse"
MADE = (SIMULATED, MIRABEST, ROUGH, SPARSE)  # sets without files
# Shape, and options of radcodec.simulate.simulate_image; the seed is the CRC-32 of the name.
SIMULATIONS: dict[str, tuple[tuple[int, int], dict[str, Any]]] = {
    "beam-300": ((300, 300), {"beam_fwhm_px": (3.1, 2.9), "n_sources": 15}),
    "tracks-512": ((512, 512), {"uv_coverage": "tracks", "n_sources": 60, "max_snr": 1000.0}),
    "tracks-wide-1024": (
        (1024, 1024),
        {
            "uv_coverage": "tracks", "beam_fwhm_px": (5.5, 3.8), "n_sources": 250, "max_snr": 3000.0,
            "primary_beam_fwhm_px": 800.0,
        },
    ),
    "snapshot-400": ((400, 400), {"uv_coverage": "snapshot", "beam_fwhm_px": (3.6, 2.8), "n_sources": 25}),
    "dirty-256": (
        (256, 256),
        {"kind": "dirty", "uv_coverage": "tracks", "beam_fwhm_px": (8.0, 6.0), "n_sources": 4, "max_snr": 80.0},
    ),
    "long-beam-400x300": ((400, 300), {"uv_coverage": "tracks", "beam_fwhm_px": (9.0, 3.2), "beam_pa_deg": 5.0}),
    "crowded-512": (
        (512, 512),
        {"uv_coverage": "snapshot", "beam_fwhm_px": (3.0, 2.6), "n_sources": 900, "max_snr": 100.0},
    ),
    "noise-256": ((256, 256), {"n_sources": 0}),
    "narrow-beam-256": ((256, 256), {"beam_fwhm_px": (2.2, 2.0), "n_sources": 10}),
}  # fmt: skip


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
    """Return the folder of the sets: RADCODEC_DATA, or shared/data beside the checkout."""
    return Path(os.environ.get("RADCODEC_DATA", ROOT.parent / "shared" / "data"))


def images(folder: Path, chosen: str) -> Iterator[Image]:
    """Yield the images of one set.

    A set is ``simulated``, ``rough`` or ``sparse`` (made in code), ``mirabest`` (8-bit), a folder of FITS files such as
    ``first/test``, in order of name, or
    one file.
    """
    if chosen == SIMULATED:
        return simulated_images()
    if chosen == MIRABEST:
        return mirabest_images(folder)
    if chosen in (ROUGH, SPARSE):
        return made_images(chosen)
    return fits_images(folder, chosen)


def has_files(chosen: str) -> bool:
    """Tell whether a set is made of FITS files."""
    return chosen not in MADE


def simulated_images() -> Iterator[Image]:
    """Yield images that anyone can make: several uv coverages, beams, fields and sizes, with fixed seeds."""
    from radcodec.simulate import simulate_image

    for name, (shape, options) in SIMULATIONS.items():
        samples = simulate_image(shape, seed=zlib.crc32(name.encode()), **options)
        yield _bare(f"{SIMULATED}/{name}", samples)


def made_images(chosen: str) -> Iterator[Image]:
    """Yield images whose exact values look rough, or that are mostly one value."""
    from benchmarks.data.rough import rough_images
    from benchmarks.data.sparse import sparse_images

    for name, samples in rough_images() if chosen == ROUGH else sparse_images():
        yield _bare(f"{chosen}/{name}", samples)


def mirabest_images(folder: Path) -> Iterator[Image]:
    """Yield the test batch of MiraBest, uint8 150 x 150, from its archive ``eightbit/mirabest-batches.tar.gz``."""
    from radcodec.training.datasets.archives import unpack_archive
    from radcodec.training.datasets.batches import load_batches
    from radcodec.training.datasets.images import Split
    from radcodec.training.datasets.mirabest import MIRABEST as LAYOUT

    with tempfile.TemporaryDirectory() as root:
        archive = folder / "eightbit" / "mirabest-batches.tar.gz"
        if not archive.exists():
            raise SystemExit(f"no set {MIRABEST}: there is no {archive}; see python -m benchmarks fetch --help")
        unpack_archive(archive, LAYOUT.archive, Path(root) / LAYOUT.archive.folder)
        batch = load_batches(LAYOUT, Path(root), Split.TEST)
    for name, samples in zip(batch.names, batch.images, strict=True):
        yield _bare(f"{MIRABEST}/{name}", np.array(samples))


def _bare(file: str, samples: Array) -> Image:
    """Return an image without a header; its hash is that of the samples."""
    digest = hashlib.sha256(samples.tobytes()).hexdigest()
    return Image(file=file, hdu=0, sha256=digest, samples=samples, header_zstd_bytes=0)


def fits_images(folder: Path, chosen: str) -> Iterator[Image]:
    """Yield the images of one FITS file, or of every FITS file of a folder below ``folder``.

    Raises SystemExit if neither exists.
    """
    from astropy.io import fits

    place = folder / chosen
    if not place.exists():
        raise SystemExit(f"no set {chosen}: there is no {place}; see python -m benchmarks fetch --help")
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
    """Return 1.4826 times the median absolute deviation of the finite samples, in the stored unit."""
    finite = samples[np.isfinite(samples)].astype(np.float64)
    return 1.4826 * float(np.median(np.abs(finite - np.median(finite)))) if finite.size else 0.0


def lattice_integers(samples: Array) -> Array | None:
    """Return integer samples, or the integers behind floats on an even lattice; None for other floats."""
    if samples.dtype.kind != "f":
        return samples
    if not np.isfinite(samples).all():
        return None
    levels = np.unique(samples).astype(np.float64)
    if len(levels) < 2 or len(levels) > samples.size // 4:
        return None
    gaps = np.diff(levels)
    step = gaps.min()
    # The smallest gap carries the rounding of two floats; spread over more and more gaps it becomes negligible.
    for reach in (8, 64, 512, 4096):
        near = gaps[gaps < reach * step]
        step = near.sum() / np.rint(near / step).sum()
    step = (levels[-1] - levels[0]) / max(1.0, np.rint((levels[-1] - levels[0]) / step))
    index = np.rint((samples.astype(np.float64) - levels[0]) / step)
    off = np.abs(levels[0] + index * step - samples)
    if index.max() >= MAX_LATTICE_LEVELS or off.max() > 1.5 * float(np.spacing(np.abs(samples).max())):
        return None
    return np.asarray(index, dtype=np.int32)
