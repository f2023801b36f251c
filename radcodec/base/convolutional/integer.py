"""The integer networks that decode, in NumPy int64 and in float32 torch with equal results.

::

    latent sum (int, +-1023) -> input -> [block: first (0..511) -> second, added, clamped] x n -> output
                                                              [C, h/4, w/4]          -> [16, h/4, w/4] -> [h, w]

The networks are written once (`decode_latent`, `choose_tables_*` in `prior`) against `Arithmetic`. `NumpyArithmetic` is
the definition, `TorchArithmetic` the fast version. A float32 sum of integers below 2^24 is exact in any order, so the
two agree bit for bit. `spec.check_arrays` checks the bound when a model is loaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from radcodec.base.convolutional.spec import CELL, LATENT_LIMIT, IntegerLayer, ModelSpec

Ints = npt.NDArray[np.int64]
T = TypeVar("T")


class Arithmetic(Protocol[T]):
    """Integer feature maps [C, h, w] and the five operations that the networks need."""

    def put(self, values: Ints) -> T:
        """Return a feature map holding the integers `values` [C, h, w]."""
        ...

    def get(self, features: T) -> Ints:
        """Return the integers of a feature map, int64 [C, h, w]."""
        ...

    def convolve(self, features: T, name: str) -> T:
        """Return the output of the integer layer `name`."""
        ...

    def add(self, left: T, right: T, low: int, high: int) -> T:
        """Return the sum, clamped to low..high."""
        ...

    def clamp(self, features: T, low: int, high: int) -> T:
        """Return the features clamped to low..high."""
        ...

    def pick(self, features: T, cells: npt.NDArray[np.int64]) -> T:
        """Return the columns at flat positions `cells` [n] (row-major) as a feature map [C, n, 1]."""
        ...


class NumpyArithmetic:
    """The definition, in int64; about a hundred times slower than torch."""

    def __init__(self, layers: Mapping[str, IntegerLayer]) -> None:
        self._layers = layers

    def put(self, values: Ints) -> Ints:
        """Return the values themselves."""
        return values

    def get(self, features: Ints) -> Ints:
        """Return the features themselves."""
        return features

    def convolve(self, features: Ints, name: str) -> Ints:
        """Return the layer's output by a sum over its kernel positions."""
        layer = self._layers[name]
        weight = layer.weight.astype(np.int64)
        size = weight.shape[2]
        margin = size // 2
        padded = np.pad(features, ((0, 0), (margin, margin), (margin, margin)))
        height, width = features.shape[1:]
        acc = np.zeros((weight.shape[0], height, width), dtype=np.int64) + layer.bias.astype(np.int64)[:, None, None]
        for i in range(size):
            for j in range(size):
                window = padded[:, i : i + height, j : j + width]
                acc += np.tensordot(weight[:, :, i, j], window, axes=1)
        return np.asarray(np.clip(acc >> layer.shift, layer.low, layer.high), dtype=np.int64)

    def add(self, left: Ints, right: Ints, low: int, high: int) -> Ints:
        """Return the clamped sum."""
        return np.asarray(np.clip(left + right, low, high), dtype=np.int64)

    def clamp(self, features: Ints, low: int, high: int) -> Ints:
        """Return the clamped features."""
        return np.asarray(np.clip(features, low, high), dtype=np.int64)

    def pick(self, features: Ints, cells: npt.NDArray[np.int64]) -> Ints:
        """Return the columns at `cells`."""
        return features.reshape(features.shape[0], -1)[:, cells][:, :, None]


def decode_latent(spec: ModelSpec, arithmetic: Arithmetic[T], latent: Ints) -> Ints:
    """Return the companded image in units of 1/64, int64 [h, w] with h and w four times the latent's.

    `latent` int64 [D, h/4, w/4] is the sum of the upsampled codebook vectors; it is clamped here.
    """
    features = arithmetic.put(np.clip(latent, -LATENT_LIMIT, LATENT_LIMIT))
    features = arithmetic.convolve(features, "decoder.input")  # [C, h/4, w/4]
    for block in range(spec.decoder_blocks):
        inner = arithmetic.convolve(features, f"decoder.block{block}.first")
        inner = arithmetic.convolve(inner, f"decoder.block{block}.second")
        features = arithmetic.add(features, inner, -LATENT_LIMIT, LATENT_LIMIT)
    cells = arithmetic.get(arithmetic.convolve(features, "decoder.output"))  # [16, h/4, w/4]
    height, width = cells.shape[1:]
    pixels = cells.reshape(CELL, CELL, height, width).transpose(2, 0, 3, 1)  # [h/4, 4, w/4, 4]
    return np.ascontiguousarray(pixels).reshape(height * CELL, width * CELL)


def upsample(cells: npt.NDArray[np.int16], factor: int, shape: tuple[int, int]) -> npt.NDArray[np.int16]:
    """Return `cells` [..., h, w] repeated `factor` times along both axes and cut to `shape`."""
    if factor == 1:
        return cells[..., : shape[0], : shape[1]]
    return cells.repeat(factor, axis=-2).repeat(factor, axis=-1)[..., : shape[0], : shape[1]]


def smooth(latent: Ints, factor: int) -> Ints:
    """Return `latent` [D, h, w] under a triangular filter of 2 * factor - 1 cells along both axes, rounded.

    The kernel sums to factor^4; edges are repeated. Blocks of `factor` cells become linear ramps.
    """
    for axis in (1, 2):
        length = latent.shape[axis]
        widths = [(0, 0), (0, 0), (0, 0)]
        widths[axis] = (factor - 1, factor - 1)
        padded = np.pad(latent, widths, mode="edge")
        shifts = range(2 * factor - 1)
        latent = np.sum(
            [(factor - abs(i - factor + 1)) * padded.take(range(i, i + length), axis=axis) for i in shifts], axis=0
        )
    return np.asarray((latent + factor**4 // 2) // factor**4, dtype=np.int64)
