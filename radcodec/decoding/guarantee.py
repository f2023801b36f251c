"""Test the guarantee of a tile, for encoding and verifying (docs/guarantee.md)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from radcodec.container.meta import ImageRecord
from radcodec.decoding.tile import ImageCoding, Pixels
from radcodec.pixels.bounds import tile_errors
from radcodec.pixels.masks import Mask, as_bits
from radcodec.pixels.tiles import Box


def _physical(samples: Pixels, record: ImageRecord) -> npt.NDArray[np.float64]:
    values = samples.astype(np.float64)
    return values if record.bscale == 1.0 and record.bzero == 0.0 else record.bzero + record.bscale * values


def tile_breach(original: Pixels, restored: Pixels, special: Mask | None, coding: ImageCoding, box: Box) -> str:
    """Describe how restored samples [p, h, w] of a tile break its guarantee; "" if they keep it.

    Special samples, and all samples with E = 0, must have the same bits. The others must be within E in physical units,
    without tolerance.
    """
    same = as_bits(original) == as_bits(restored)
    if coding.record.bound is None:
        return "" if bool(same.all()) else f"{np.count_nonzero(~same)} pixels differ from the original"
    errors = np.asarray(tile_errors(coding.bounds, box))
    with np.errstate(all="ignore"):
        difference = np.abs(_physical(restored, coding.record) - _physical(original, coding.record))
        within = same | ((difference <= errors) & (errors > 0) & np.isfinite(restored))
    if special is not None:
        within[special] = same[special]
    if bool(within.all()):
        return ""
    worst = np.nan_to_num(difference[~within], nan=np.inf).max()
    return f"{np.count_nonzero(~within)} pixels are off by up to {worst}, more than allowed"
