"""Shared parts of the lossy mode's rivals: coders of pictures and of floats with a knob for quality.

All of them code the image in units of its noise. With m the median of the finite samples and s 1.4826 times their
median absolute deviation, that is

    plain      y = (v - m) / s
    companded  y = 3 asinh((v - m) / 3s)      noise linear, sources logarithmic

m, s and the record of non-finite samples precede each coder's own stream, and count. The median replaces
non-finite samples. Stacks of planes are coded as one tall image. One thread.
"""

from __future__ import annotations

import struct
from enum import Enum
from typing import Any, Protocol

import numpy as np

from benchmarks.data.datasets import sigma
from benchmarks.rivals.base import Unsupported, pack_specials, tall, unpack_specials
from benchmarks.types import F64, Array


class LossyRival(Protocol):
    """A codec with a ladder of qualities.

    ``variant`` is what it is given of the image (for radcodec: the model); only a codec's best variant counts. ``knob``
    says what a quality is. ``decode`` gets shape and dtype: no rival pays for storing them. A rival whose library is
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
    """Return 3 asinh((v - m) / 3s)."""
    return 3.0 * np.arcsinh((values.astype(np.float64) - median) / (3.0 * noise))


def expand(companded: Array, median: float, noise: float) -> F64:
    """Undo ``compand``."""
    return median + 3.0 * noise * np.sinh(companded.astype(np.float64) / 3.0)


def ladder(low: float, high: float, n: int) -> tuple[float, ...]:
    """Return ``n`` values of three digits from ``low`` to ``high``, evenly spaced in logarithm."""
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
        """Encode a mapped image [H, W]."""
        raise NotImplementedError

    def restore(self, data: bytes, shape: tuple[int, ...]) -> Array:
        """Decode a stream to a mapped image [H, W]."""
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


def to_unit(image: F64) -> tuple[bytes, F64]:
    """Return the least and greatest value as 32-bit floats, and the image between them scaled to [0, 1]."""
    head = struct.pack("<ff", image.min(), image.max())
    low, high = struct.unpack("<ff", head)
    return head, np.clip((image - low) / max(high - low, 1e-30), 0.0, 1.0)


def from_unit(head: bytes, unit: Array) -> F64:
    """Undo ``to_unit``."""
    low, high = struct.unpack("<ff", head)
    return np.asarray(low + (high - low) * unit.astype(np.float64))
