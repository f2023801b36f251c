"""Rice codes of coefficients (docs/format.md, 8.2)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from radcodec.detail.bits import BitWriter
from radcodec.runtime.native import OK, core, pointer

RICE_LIMIT = 24
RICE_ESCAPE_BITS = 48
MAX_INTEGER_BYTES = (RICE_LIMIT + RICE_ESCAPE_BITS) // 8  # of a coefficient
FIRST_MEAN = 16  # of the running mean that Rice parameters follow, in sixteenths


def rice_write(integers: npt.NDArray[np.int64]) -> bytes:
    """Rice code of integers [n] in coding order."""
    bits = BitWriter()
    mean = FIRST_MEAN
    for c in integers.tolist():
        z = 2 * c if c >= 0 else -2 * c - 1
        k = max(0, (mean >> 4).bit_length() - 1)
        if z >> k < RICE_LIMIT:
            bits.put((1 << (z >> k)) - 1, (z >> k) + 1)
            bits.put(z & ((1 << k) - 1), k)
        else:
            bits.put((1 << RICE_LIMIT) - 1, RICE_LIMIT)
            bits.put(z, RICE_ESCAPE_BITS)
        mean += (16 * z - mean) >> 2
    return bits.finish()


def rice_read(code: bytes, n: int) -> npt.NDArray[np.int64] | None:
    """Decode integers [n] in coding order from a Rice code; None where it is not one that ends with them."""
    data, integers = np.frombuffer(code, np.uint8), np.empty(n, np.int64)
    status = core().rice_read(pointer(data, np.uint8), data.size, pointer(integers, np.int64), n)
    return integers if status == OK else None


def rice_bits(integers: npt.NDArray[np.int64]) -> int:
    """Count the bits of the Rice code of integers [n] in coding order."""
    return int(core().rice_bits(pointer(integers, np.int64), integers.size))
