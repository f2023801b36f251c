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


def _is_within(original: Pixels, restored: Pixels, special: Mask | None, coding: ImageCoding, box: Box) -> bool:
    """Say whether a tile keeps its guarantee, as far as one quick look can tell.

    That is for floats without a scale and with one E over 0. NaN, and what comes of infinities, is within none.
    """
    record, errors = coding.record, tile_errors(coding.bounds, box)
    if not isinstance(errors, float) or errors <= 0 or original.dtype.kind != "f":
        return False
    if record.bscale != 1.0 or record.bzero != 0.0:
        return False
    with np.errstate(all="ignore"):
        difference = np.subtract(restored, original, dtype=np.float64)
    np.abs(difference, out=difference)
    if special is not None:
        if not np.array_equal(as_bits(original)[special], as_bits(restored)[special]):
            return False
        difference[special] = 0.0
    return bool((difference <= errors).all())


def blank_breach(original: Pixels, restored: Pixels, record: ImageRecord) -> str:
    """Describe how restored integers are BLANK where the original ones are not; "" if they are not."""
    if record.blank is None or original.dtype.kind == "f":
        return ""
    made = np.count_nonzero((restored == record.blank) & (original != record.blank))
    return f"{made} pixels have become BLANK" if made else ""


def tile_breach(original: Pixels, restored: Pixels, special: Mask | None, coding: ImageCoding, box: Box) -> str:
    """Describe how restored samples [p, h, w] of a tile break its guarantee; "" if they keep it.

    Special samples, and all samples with E = 0, must have the same bits. The others must be within E in physical units,
    without tolerance, and none of them may become BLANK.
    """
    if coding.record.bound is not None and _is_within(original, restored, special, coding, box):
        return ""
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
        return blank_breach(original, restored, coding.record)
    worst = np.nan_to_num(difference[~within], nan=np.inf).max()
    return f"{np.count_nonzero(~within)} pixels are off by up to {worst}, more than allowed"
