"""ANS coder that writes the words that constriction's AnsCoder writes (docs/format.md, 8.6).

64-bit state, 32-bit words, 24-bit precision. The detail layer's passes decode, because there each symbol's table
depends on the pixels before it.

References: Duda (2013), arXiv:1311.2540; Bamler (2022), arXiv:2201.01741.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from radcodec.runtime.native import core, pointer


def encode_symbols(
    symbols: npt.NDArray[np.uint8],
    tables: npt.NDArray[np.uint16],
    cumulative: npt.NDArray[np.uint32],
    words: npt.NDArray[np.uint32],
) -> int:
    """Encode symbols [n], each with its row of cumulative [T, S + 1], to words [>= n + 2]; return the word count."""
    rows, columns = cumulative.shape
    count = int(
        core().ans_encode(
            pointer(symbols, np.uint8),
            pointer(tables, np.uint16, symbols.size),
            symbols.size,
            pointer(cumulative, np.uint32),
            rows,
            columns,
            pointer(words, np.uint32),
            words.size,
        )
    )
    if count < 0:
        raise ValueError(f"native core: {symbols.size} symbols, tables or their {words.size} words are out of range")
    return count


def count_symbols(
    symbols: npt.NDArray[np.uint8], tables: npt.NDArray[np.uint16], counts: npt.NDArray[np.int64]
) -> None:
    """Count in counts [T, S] how often each symbol [n] is coded with each table [n]."""
    rows, columns = counts.shape
    status = core().count_symbols(
        pointer(symbols, np.uint8),
        pointer(tables, np.uint16, symbols.size),
        symbols.size,
        pointer(counts, np.int64),
        rows,
        columns,
    )
    if status:
        raise ValueError(f"native core: symbols or tables beyond {rows} tables of {columns} symbols")
