"""Samples in the byte order of this machine, and as bytes in that of a file; NaN payloads and signs of zero are kept.

FITS files are big-endian, ``.rcz`` files little-endian. Nothing else in the package swaps bytes of samples.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from radcodec.limits import MAX_PIECE_SAMPLES

ByteOrder = Literal["<", ">"]


def native(samples: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Put samples of any strides and byte order into C order and native byte order; a copy only where it must be."""
    ordered = np.ascontiguousarray(samples, samples.dtype.newbyteorder("="))
    return ordered.reshape(samples.shape)


def native_of(data: bytes | bytearray | memoryview, dtype_str: str, byte_order: ByteOrder) -> npt.NDArray[Any]:
    """Copy samples [n] out of bytes in a byte order."""
    return np.frombuffer(data, byte_order + dtype_str).astype(dtype_str)


def native_in(data: memoryview, dtype_str: str, byte_order: ByteOrder) -> npt.NDArray[Any]:
    """Swap the bytes of samples [n] in memory that may be written to, and give the samples, which stay there."""
    stored, samples = np.frombuffer(data, byte_order + dtype_str), np.frombuffer(data, dtype_str)
    if stored.dtype != samples.dtype:
        samples.byteswap(inplace=True)
    return samples


def sample_bytes(samples: npt.NDArray[Any], byte_order: ByteOrder) -> npt.NDArray[np.uint8]:
    """Give the bytes of samples in C order, uint8 [n], in a byte order; a copy only where it must be."""
    ordered = np.ascontiguousarray(samples, samples.dtype.newbyteorder(byte_order))
    return ordered.reshape(-1).view(np.uint8)


def iter_sample_bytes(samples: npt.NDArray[Any], byte_order: ByteOrder) -> Iterator[memoryview]:
    """Give the bytes of contiguous samples in a byte order, in pieces; the length of all but the last divides by 4."""
    flat = samples.reshape(-1)
    for start in range(0, flat.size, MAX_PIECE_SAMPLES):
        yield memoryview(sample_bytes(flat[start : start + MAX_PIECE_SAMPLES], byte_order))
