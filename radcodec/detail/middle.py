"""The middle of an image's values, from a sample of them."""

from __future__ import annotations

import numpy as np

from radcodec.arrays import median
from radcodec.detail.plain import Mask, Tile


def _some(image: Tile, special: Mask | None) -> Tile:
    """About 65536 samples [n] that are not special."""
    stride = max(1, image.size // 65536)
    if image.flags.c_contiguous:
        values = image.reshape(-1)[::stride]
        return values if special is None else values[~special.reshape(-1)[::stride]]
    at = np.unravel_index(np.arange(0, image.size, stride), image.shape)  # a turned image is not copied
    return image[at] if special is None else image[at][~special[at]]


def typical_size(image: Tile, special: Mask | None, fill: float) -> float:
    """Median distance of samples that are not special from the fill; 0 if there are none."""
    values = _some(image, special)
    with np.errstate(over="ignore", invalid="ignore"):
        return median(np.abs(values.astype(np.float64) - fill)) if values.size else 0.0


def median_fill(image: Tile, special: Mask | None) -> float:
    """Compute the median of about 65536 samples that are not special; 0 if there are none or it is out of range."""
    values = _some(image, special)
    if values.size == 0:
        return 0.0
    middle = float(np.partition(values, values.size // 2)[values.size // 2])
    return middle if np.isfinite(middle) and abs(middle) < 2.0**900 else 0.0
