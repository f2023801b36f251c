"""Compiled ANS coder that writes the words constriction's AnsCoder writes (docs/format.md, 8.6).

64-bit state, 32-bit words, 24-bit precision. Decoding is woven into the detail layer's kernels, because there each
symbol's table depends on the pixels before it.

References: Duda (2013), arXiv:1311.2540; Bamler (2022), arXiv:2201.01741.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from radcodec.compiled import kernel


@kernel
def encode_symbols(
    symbols: npt.NDArray[np.uint8],
    tables: npt.NDArray[np.uint16],
    cumulative: npt.NDArray[np.uint32],
    words: npt.NDArray[np.uint32],
) -> int:
    """Number of words written to words [>= n + 2] for symbols [n], each coded with its row of cumulative [T, 129]."""
    state = np.uint64(0)
    mask = np.uint64(0xFFFFFFFF)
    count = 0
    for i in range(symbols.shape[0] - 1, -1, -1):
        row = cumulative[tables[i]]
        low = np.uint64(row[symbols[i]])
        size = np.uint64(row[symbols[i] + 1]) - low
        if (state >> np.uint64(40)) >= size:
            words[count] = np.uint32(state & mask)
            count += 1
            state = state >> np.uint64(32)
        quotient = state // size
        state = (quotient << np.uint64(24)) | (low + (state - quotient * size))
    while state != np.uint64(0):
        words[count] = np.uint32(state & mask)
        count += 1
        state = state >> np.uint64(32)
    return count


@kernel
def count_symbols(
    symbols: npt.NDArray[np.uint8], tables: npt.NDArray[np.uint16], counts: npt.NDArray[np.int64]
) -> None:
    """Add up in counts [T, symbols] how often each symbol [n] is coded with each table [n]."""
    for i in range(symbols.shape[0]):
        counts[tables[i], symbols[i]] += 1
