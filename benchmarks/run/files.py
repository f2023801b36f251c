"""radcodec on whole FITS files, header and all, beside the file inside a gzip.

Bits a pixel are 8 x size of the .rcz / pixels, with the default preview; the pixel payload is given beside them.
"""

from __future__ import annotations

import gzip
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.data.datasets import Image, images, sigma


def scale_of(path: Path, hdu: int) -> float:
    """Return |BSCALE| of an image."""
    from astropy.io import fits

    return abs(float(fits.getheader(path, hdu).get("BSCALE", 1.0)))


def absolute_error(path: Path, image: Image, divisor: float) -> float:
    """Return sigma / divisor of the image in its physical unit."""
    return sigma(image.samples) / divisor * scale_of(path, image.hdu)


def largest_error(path: Path, restored: Path) -> float:
    """Return the largest difference of two files' images, in physical units.

    Infinite if other than finite pixels differ.
    """
    largest = 0.0
    pairs = zip(images(path.parent, path.name), images(restored.parent, restored.name), strict=True)
    for before, after in pairs:
        finite = np.isfinite(before.samples)
        if before.samples[~finite].tobytes() != after.samples[~finite].tobytes():
            return float("inf")
        difference = np.abs(before.samples[finite].astype(np.float64) - after.samples[finite])
        largest = max(largest, float(difference.max(initial=0.0)) * scale_of(path, before.hdu))
    return largest


def measure_file(path: Path, *, max_error: float | None) -> dict[str, object]:
    """Measure the cells of a row: one compression, with its verification, and one decompression."""
    import radcodec

    with tempfile.TemporaryDirectory() as folder:
        packed, restored = Path(folder) / "a.rcz", Path(folder) / "a.fits"
        start = time.perf_counter()
        report = radcodec.compress(path, packed, max_error=max_error, threads=1)
        middle = time.perf_counter()
        radcodec.decompress(packed, restored, threads=1)
        stop = time.perf_counter()
        found = largest_error(path, restored)
        holds = found <= max_error if max_error is not None else restored.read_bytes() == path.read_bytes()
        return {
            "status": "ok" if holds else "demand not met",
            "max_error": f"{found:.9g}",
            "bytes": packed.stat().st_size,
            "bits_per_pixel": f"{8 * packed.stat().st_size / report.pixels:.5f}",
            "payload_bits_per_pixel": f"{report.payload_bits_per_pixel:.5f}",
            "max_error_allowed": "" if max_error is None else repr(max_error),
            "encode_s": f"{middle - start:.6f}",
            "decode_s": f"{stop - middle:.6f}",
        }


def gzip_file(path: Path, pixels: int) -> dict[str, object]:
    """Measure the cells of the file as .fits.gz."""
    content = path.read_bytes()
    start = time.perf_counter()
    packed = gzip.compress(content, 9, mtime=0)
    middle = time.perf_counter()
    exact = gzip.decompress(packed) == content
    return {
        "status": "ok" if exact else "demand not met",
        "bytes": len(packed),
        "bits_per_pixel": f"{8 * len(packed) / pixels:.5f}",
        "encode_s": f"{middle - start:.6f}",
        "decode_s": f"{time.perf_counter() - middle:.6f}",
    }
