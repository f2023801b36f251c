"""The lossy mode and its rivals: coders of pictures and of floats whose quality is turned down, through imagecodecs.

What all the rivals code is the image in units of its noise: with m the median of the finite samples and s 1.4826 times
their median absolute deviation,

    plain      y = (v - m) / s
    companded  y = 3 asinh((v - m) / 3s)      noise as it is, sources logarithmic

In front of each coder's own stream, and counted, are m and s and what restores non-finite samples (the median stands in
for them). Stacks of planes are coded as one tall image. One thread.
"""

from __future__ import annotations

import struct
from enum import Enum
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from benchmarks.datasets import sigma
from benchmarks.rivals.base import Array, Unsupported, pack_specials, tall, unpack_specials

F64 = npt.NDArray[np.float64]


class LossyRival(Protocol):
    """A codec with a ladder of qualities.

    ``variant`` is what it is given of the image (for radcodec: the model); only a codec's best variant counts. ``knob``
    says what a quality is. ``decode`` is told shape and dtype: no rival pays for storing them. A rival whose library is
    missing raises ImportError from ``version``, and one that cannot take an array or quality raises Unsupported from
    ``encode``.
    """

    name: str
    knob: str
    qualities: tuple[float, ...]

    @property
    def variant(self) -> str: ...

    @property
    def setting(self) -> str: ...

    def version(self) -> str: ...

    def encode(self, array: Array, quality: float) -> bytes: ...

    def decode(self, data: bytes, *, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array: ...


class Mapping(Enum):
    """What stands for the image: see above."""

    PLAIN = "plain"
    COMPANDED = "companded"


def compand(values: Array, median: float, noise: float) -> F64:
    """3 asinh((v - m) / 3s)."""
    return 3.0 * np.arcsinh((values.astype(np.float64) - median) / (3.0 * noise))


def expand(companded: Array, median: float, noise: float) -> F64:
    """Inverse of ``compand``."""
    return median + 3.0 * noise * np.sinh(companded.astype(np.float64) / 3.0)


def ladder(low: float, high: float, n: int) -> tuple[float, ...]:
    """``n`` values of three digits from ``low`` to ``high``, evenly spaced in logarithm."""
    return tuple(float(f"{value:.3g}") for value in np.geomspace(low, high, n))


class MappedRival:
    """What the rivals share: the mapping of images, and the head of the stream."""

    name: str
    setting: str
    knob: str
    qualities: tuple[float, ...]

    def __init__(self, mapping: Mapping) -> None:
        self.mapping, self.variant = mapping, mapping.value

    def version(self) -> str:
        import imagecodecs

        return str(getattr(imagecodecs, f"{self.name}_version")())

    def code(self, image: F64, quality: float) -> bytes:
        """Stream of a mapped image [H, W]."""
        raise NotImplementedError

    def restore(self, data: bytes, shape: tuple[int, ...]) -> Array:
        """Mapped image [H, W] of a stream."""
        raise NotImplementedError

    def encode(self, array: Array, quality: float) -> bytes:
        filled, specials = pack_specials(array)
        known = array[np.isfinite(array)]
        if not known.size or (noise := sigma(array)) == 0:
            raise Unsupported("no noise to scale by")
        head = struct.pack("<ffI", np.median(known), noise, len(specials))
        median, noise, _ = struct.unpack("<ffI", head)
        image = tall(filled)
        plain = self.mapping is Mapping.PLAIN
        mapped = (image.astype(np.float64) - median) / noise if plain else compand(image, median, noise)
        return head + specials + self.code(mapped, quality)

    def decode(self, data: bytes, *, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        median, noise, n_specials = struct.unpack_from("<ffI", data)
        specials, coded = data[12 : 12 + n_specials], data[12 + n_specials :]
        mapped = self.restore(coded, (int(np.prod(shape[:-1])), shape[-1])).astype(np.float64)
        plain = self.mapping is Mapping.PLAIN
        values = (median + noise * mapped if plain else expand(mapped, median, noise)).reshape(shape)
        if dtype.kind != "f":
            limits = np.iinfo(dtype)
            values = np.clip(np.rint(values), limits.min, limits.max)
        return unpack_specials(values.astype(dtype), specials)


class Jpeg2000(MappedRival):
    """JPEG 2000 (OpenJPEG), 9/7 wavelet, on y scaled to the whole of 16 bits; least and greatest y are stored.

    Quality is the RMSE of y, which it is asked for as a PSNR: no other control of its rate is to be had here.
    """

    name = "jpeg2000"
    setting = "9/7, 16 bits, 1 thread"
    knob = "RMSE of y"
    qualities = (0.01, 0.02, 0.03, *ladder(0.05, 3.0, 18))

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
        return head + bytes(jpeg2k_encode(levels, level=psnr, reversible=False, codecformat="j2k", numthreads=1))

    def restore(self, data: bytes, shape: tuple[int, ...]) -> Array:
        import imagecodecs

        return from_unit(data[:8], np.asarray(imagecodecs.jpeg2k_decode(data[8:], numthreads=1)) / 65535.0)


class JpegXl(MappedRival):
    """JPEG XL (libjxl), VarDCT, on y scaled to [0, 1] as 32-bit floats; least and greatest y are stored.

    Quality is the Butteraugli distance, of which 25 is the largest there is. It is made for the eye, so it matters what
    range y is scaled to: at half the contrast (1/4 to 3/4) it reaches lower rates, and does better at most of them.
    Effort 9 gives what 8 gives; modular lossy mode, which imagecodecs has no switch for, is worse at every rate.
    """

    name = "jpegxl"
    setting = "VarDCT, effort 8, float, 1 thread"
    knob = "distance"

    def __init__(self, mapping: Mapping, *, contrast: float = 1.0) -> None:
        super().__init__(mapping)
        self.contrast = contrast
        self.qualities = ladder(0.08 if mapping is Mapping.PLAIN else 0.3 * contrast, 25.0, 15)
        if contrast != 1.0:
            self.variant += f", contrast {contrast:g}"

    def code(self, image: F64, quality: float) -> bytes:
        import imagecodecs

        head, unit = to_unit(image)
        shown = (0.5 + (unit - 0.5) * self.contrast).astype(np.float32)
        stream = imagecodecs.jpegxl_encode(shown, distance=quality, effort=8, lossless=False, numthreads=1)
        return head + bytes(stream)

    def restore(self, data: bytes, shape: tuple[int, ...]) -> Array:
        import imagecodecs

        shown = np.asarray(imagecodecs.jpegxl_decode(data[8:], numthreads=1))
        return from_unit(data[:8], 0.5 + (shown.astype(np.float64) - 0.5) / self.contrast)


class Sperr(MappedRival):
    """SPERR (wavelet, SPECK) on y as 32-bit floats. Quality is the bit-rate, which it keeps to."""

    name = "sperr"
    setting = "float, 1 thread"
    knob = "bit-rate"
    qualities = ladder(0.03, 3.0, 15)

    def code(self, image: F64, quality: float) -> bytes:
        import imagecodecs

        if min(image.shape) < 2:
            raise Unsupported("an axis of one")
        return bytes(imagecodecs.sperr_encode(image.astype(np.float32), quality, "bpp", header=True, numthreads=1))

    def restore(self, data: bytes, shape: tuple[int, ...]) -> Array:
        import imagecodecs

        return np.asarray(imagecodecs.sperr_decode(data, header=True, numthreads=1))


class Sz3(MappedRival):
    """SZ3 on y as 32-bit floats. Quality is the largest absolute error of y."""

    name = "sz3"
    setting = "float, 1 thread"
    knob = "largest error of y"
    qualities = (0.02, 0.04, 0.08, *ladder(0.15, 10.0, 15))

    def code(self, image: F64, quality: float) -> bytes:
        import imagecodecs

        return bytes(imagecodecs.sz3_encode(image.astype(np.float32), mode="abs", abs=quality))

    def restore(self, data: bytes, shape: tuple[int, ...]) -> Array:
        import imagecodecs

        return np.asarray(imagecodecs.sz3_decode(data, shape, np.dtype(np.float32)))


class Zfp(MappedRival):
    """ZFP on y as 32-bit floats, fixed rate. Quality is bits a pixel; a block of 4 x 4 takes no less than 10 bits."""

    name = "zfp"
    setting = "float, 1 thread"
    knob = "bit-rate"
    qualities: tuple[float, ...] = (0.625, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0)

    def code(self, image: F64, quality: float) -> bytes:
        import imagecodecs

        # Typed as taking whole numbers only.
        zfp_encode: Any = imagecodecs.zfp_encode
        return bytes(zfp_encode(image.astype(np.float32), level=quality, mode="r", header=True))

    def restore(self, data: bytes, shape: tuple[int, ...]) -> Array:
        import imagecodecs

        return np.asarray(imagecodecs.zfp_decode(data))


def to_unit(image: F64) -> tuple[bytes, F64]:
    """Least and greatest value as 32-bit floats, and the image between them scaled to [0, 1]."""
    head = struct.pack("<ff", image.min(), image.max())
    low, high = struct.unpack("<ff", head)
    return head, np.clip((image - low) / max(high - low, 1e-30), 0.0, 1.0)


def from_unit(head: bytes, unit: Array) -> F64:
    """Inverse of ``to_unit``."""
    low, high = struct.unpack("<ff", head)
    return np.asarray(low + (high - low) * unit.astype(np.float64))


class Radcodec:
    """radcodec's lossy mode, base layer only: each number of stages, whole streams with their envelope.

    ``model`` is a name or a weights file, None for the default model; files of a model that does not ship decode only
    where RADCODEC_MODELS leads to it.
    """

    name = "radcodec"
    knob = "stages"

    def __init__(self, model: str | None = None, *, threads: int = 1) -> None:
        from radcodec.limits import MAX_STAGES

        self.model, self.threads = model, threads
        self.qualities: tuple[float, ...] = tuple(range(1, MAX_STAGES + 1))

    @cached_property
    def _known(self) -> tuple[str, str]:
        from radcodec.model_store import load_model

        found = load_model(self.model)
        return found.name, found.sha256

    @property
    def variant(self) -> str:
        return self._known[0]

    @property
    def setting(self) -> str:
        return f"model sha256 {self._known[1][:12]}, {self.threads} thread{'s' if self.threads > 1 else ''}"

    def version(self) -> str:
        from importlib.metadata import version

        return version("radcodec")

    def options(self, quality: float) -> dict[str, Any]:
        """What ``radcodec.encode`` is asked for."""
        return {"lossy_stages": int(quality)}

    def encode(self, array: Array, quality: float) -> bytes:
        import radcodec

        model: Any = self.model  # typed as a path
        try:
            options = self.options(quality)
            return bytes(radcodec.encode(array, model=model, threads=self.threads, verify=False, **options))
        except radcodec.BoundError as err:  # more stages than the model has, or less than its first one takes
            raise Unsupported(str(err)) from err

    def decode(self, data: bytes, *, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        import radcodec

        return np.asarray(radcodec.decode(data, threads=self.threads))


class RadcodecBitRate(Radcodec):
    """The same, asked for a bit-rate, which it does not exceed."""

    knob = "bit-rate"

    def __init__(self, model: str | None = None, *, threads: int = 1) -> None:
        super().__init__(model, threads=threads)
        self.qualities = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0)

    def options(self, quality: float) -> dict[str, Any]:
        return {"lossy_bpp": quality}


def lossy_rivals(model: str | None = None) -> list[LossyRival]:
    """Every variant of every rival, installed or not, and radcodec with one model."""
    from benchmarks.rivals.neural import NeuralAe, NeuralVae

    found: list[LossyRival] = [Radcodec(model), RadcodecBitRate(model), NeuralVae(), NeuralAe()]
    for mapping in Mapping:
        found += [Jpeg2000(mapping), JpegXl(mapping), Sperr(mapping), Sz3(mapping), Zfp(mapping)]
    return [*found, JpegXl(Mapping.COMPANDED, contrast=0.5)]
