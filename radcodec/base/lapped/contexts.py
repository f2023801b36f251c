"""Cells of a plane of coefficients, and the number of known pairs around each (docs/format.md, 9.6 and 9.7)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

CELLS = 16
RECENT_BOXES = ((1, 1), (2, 1), (4, 2))  # rows and columns to each side


def known_counts(n: int, m: int) -> npt.NDArray[np.uint8]:
    """Count the pairs of earlier phases in the three boxes, at most 45: uint8 [parity, phase, box, n, m]."""
    out = np.zeros((2, 3, 3, n, m), np.uint8)
    k, j = np.arange(n)[:, None], np.arange(m)[None]
    for parity in range(2):
        row, column = (k + parity) & 1, j & 1
        phases = np.where(row != column, 2, row)
        for phase in (1, 2):
            sums = np.zeros((n + 1, m + 1), np.int64)
            sums[1:, 1:] = (phases < phase).cumsum(0).cumsum(1)
            for box, (r, t) in enumerate(RECENT_BOXES):
                low, high = np.maximum(k - r, 0), np.minimum(k + r + 1, n)
                left, right = np.maximum(j - t, 0), np.minimum(j + t + 1, m)
                out[parity, phase, box] = sums[high, right] - sums[low, right] - sums[high, left] + sums[low, left]
    return out
