"""Measure the largest error of images that are made from their base layer alone, while both versions are at hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from radcodec.encoding.coded_image import FinishedImage
from radcodec.types import Mode

_ROWS = 256


def largest_error(images: Sequence[FinishedImage]) -> float | None:
    """Compute the largest absolute error of a lossy file, in physical units; None for a file of another mode.

    Samples that are not finite come back exactly and do not count. Of several images it is that of the worst one.
    """
    worst = [_error(image) for image in images if image.mode is Mode.LOSSY]
    return max(worst, default=None)


def _error(image: FinishedImage) -> float:
    """Compute the largest absolute error of one image, some rows at a time."""
    width = image.original.shape[-1]
    before, after = image.original.reshape(-1, width), image.pixels.reshape(-1, width)
    largest = 0.0
    for first in range(0, len(before), _ROWS):
        part = slice(first, first + _ROWS)
        with np.errstate(invalid="ignore", over="ignore"):
            error = np.abs(after[part].astype(np.float64) - before[part].astype(np.float64))
        largest = max(largest, float(np.max(error, initial=0.0, where=np.isfinite(error))))
    return largest * abs(image.record.bscale)
