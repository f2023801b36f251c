"""JPEG 2000 through imagecodecs (OpenJPEG)."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.rivals.base import IntegerRival, Plane, Unsupported, safe_error, tall
from benchmarks.rivals.lossy import MappedRival, Mapping, from_unit, ladder, to_unit
from benchmarks.types import F64, Array


class Jpeg2000(IntegerRival):
    """Reversible 5/3 wavelet on quantised integers (mapping: IntegerRival)."""

    name = "jpeg2000"
    eight_bits = True

    def __init__(self, *, threads: int = 1) -> None:
        self.threads = threads
        self.setting = f"5/3 lossless, {threads} thread{'s' if threads > 1 else ''}"

    def version(self) -> str:
        import imagecodecs

        return str(imagecodecs.jpeg2k_version())

    def encode_plane(self, plane: Plane) -> bytes:
        import imagecodecs

        threads = self.threads
        return bytes(imagecodecs.jpeg2k_encode(plane, level=0, reversible=True, codecformat="j2k", numthreads=threads))

    def decode_plane(self, data: bytes) -> Array:
        import imagecodecs

        return np.asarray(imagecodecs.jpeg2k_decode(data, numthreads=self.threads))


class Jpeg2000Lossy:
    """Irreversible 9/7 wavelet on samples scaled to 16 bits, at the lowest PSNR whose largest error meets the bound.

    The PSNR is found by bisection to 0.1 dB; the time given is that of the search.
    """

    name = "jpeg2000-9/7"
    setting = "9/7, PSNR by bisection, 1 thread"

    def version(self) -> str:
        return Jpeg2000().version()

    def _code(self, image: Array, psnr: float) -> bytes:
        import imagecodecs

        # Typed as taking whole numbers only.
        jpeg2k_encode: Any = imagecodecs.jpeg2k_encode
        return bytes(jpeg2k_encode(image, level=psnr, reversible=False, codecformat="j2k", numthreads=1))

    def encode(self, array: Array, *, max_error: float | None) -> bytes:
        if max_error is None or array.dtype.kind != "f" or not np.isfinite(array).all():
            raise Unsupported("bounded finite floats only")
        values = tall(array).astype(np.float64)
        low, high = float(values.min()), float(values.max())
        scale = (high - low) / 65535
        if scale == 0 or scale / 2 > safe_error(array, max_error):
            raise Unsupported("16 bits do not hold the dynamic range within the bound")
        image = np.rint((values - low) / scale).astype(np.uint16)
        best, below, above = b"", 20.0, 130.0
        while above - below > 0.1:
            psnr = (below + above) / 2
            coded = np.array([low, scale]).tobytes() + self._code(image, psnr)
            decoded = self.decode(coded, shape=array.shape, dtype=array.dtype)
            if np.abs(decoded.astype(np.float64) - array).max() <= max_error:
                best, above = coded, psnr
            else:
                below = psnr
        if not best:
            raise Unsupported("no PSNR meets the bound")
        return best

    def decode(self, data: bytes, *, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        import imagecodecs

        low, scale = np.frombuffer(data, np.float64, count=2)
        image = np.asarray(imagecodecs.jpeg2k_decode(data[16:], numthreads=1))
        return np.asarray(image.astype(np.float64) * scale + low).reshape(shape).astype(dtype)


class MappedJpeg2000(MappedRival):
    """JPEG 2000 (OpenJPEG), 9/7 wavelet, on y scaled to the whole of 16 bits; least and greatest y are stored.

    Quality is the RMSE of y, which it is asked for as a PSNR: no other control of its rate is to be had here.
    """

    name = "jpeg2000"
    knob = "RMSE of y"
    qualities = (0.01, 0.02, 0.03, *ladder(0.05, 3.0, 18))

    def __init__(self, mapping: Mapping, *, threads: int = 1) -> None:
        super().__init__(mapping)
        self.threads = threads
        self.setting = f"9/7, 16 bits, {threads} thread{'s' if threads > 1 else ''}"

    def version(self) -> str:
        import imagecodecs

        return str(imagecodecs.jpeg2k_version())

    def code(self, image: F64, quality: float) -> bytes:
        import imagecodecs

        # Typed as taking whole numbers only.
        jpeg2k_encode: Any = imagecodecs.jpeg2k_encode
        head, unit = to_unit(image)
        psnr = max(1.0, 20.0 * np.log10(float(np.ptp(image)) / quality))
        levels = np.rint(unit * 65535.0).astype(np.uint16)
        return head + bytes(
            jpeg2k_encode(levels, level=psnr, reversible=False, codecformat="j2k", numthreads=self.threads)
        )

    def restore(self, data: bytes, shape: tuple[int, ...]) -> Array:
        import imagecodecs

        return from_unit(data[:8], np.asarray(imagecodecs.jpeg2k_decode(data[8:], numthreads=self.threads)) / 65535.0)
