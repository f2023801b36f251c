"""Test the guarantee of a tile, for encoding and verifying (docs/guarantee.md)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from radcodec.container.meta import ImageRecord
from radcodec.decoding.tile import ImageCoding, Pixels
from radcodec.pixels.bounds import tile_errors
from radcodec.pixels.masks import Mask, as_bits
from radcodec.pixels.tiles import Box


@dataclass(frozen=True, slots=True, kw_only=True)
class Breach:
    """The samples of a tile that break its guarantee.

    ``where`` marks them, bool [p, h, w]. ``off`` says by how much, float64 [p, h, w] in physical units. ``text``
    describes all of them, and ``become`` each one where neither bits nor distance do.
    """

    where: Mask
    text: str
    off: npt.NDArray[np.float64] | None = None
    become: str = ""

    def describe(self, place: tuple[int, ...]) -> str:
        """Say what is wrong with one of the samples."""
        off = math.nan if self.off is None else float(self.off[place])
        return self.become or f"differs from the original{f' by {off}' if 0 < off < math.inf else ''}"


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


def blank_breach(original: Pixels, restored: Pixels, record: ImageRecord) -> Breach | None:
    """Find the restored integers that are BLANK where the original ones are not; None if there are none."""
    if record.blank is None or original.dtype.kind == "f":
        return None
    made = (restored == record.blank) & (original != record.blank)
    count = np.count_nonzero(made)
    return Breach(where=made, text=f"{count} pixels have become BLANK", become="has become BLANK") if count else None


def special_breach(original: Pixels, restored: Pixels, special: Mask | None) -> Breach | None:
    """Find the special samples that came back with other bits; None if there are none."""
    if special is None:
        return None
    other = special & (as_bits(original) != as_bits(restored))
    count = np.count_nonzero(other)
    return Breach(where=other, text=f"{count} special pixels differ from the original") if count else None


def find_breach(
    original: Pixels, restored: Pixels, special: Mask | None, coding: ImageCoding, box: Box
) -> Breach | None:
    """Find the restored samples [p, h, w] of a tile that break its guarantee; None if there are none.

    Special samples, and all samples with E = 0, must have the same bits. The others must be within E in physical units,
    without tolerance, and none of them may become BLANK.
    """
    if coding.record.bound is not None and _is_within(original, restored, special, coding, box):
        return None
    same = as_bits(original) == as_bits(restored)
    if coding.record.bound is None:
        count = np.count_nonzero(~same)
        return Breach(where=~same, text=f"{count} pixels differ from the original") if count else None
    errors = np.asarray(tile_errors(coding.bounds, box))
    with np.errstate(all="ignore"):
        difference = np.abs(_physical(restored, coding.record) - _physical(original, coding.record))
        within = same | ((difference <= errors) & (errors > 0) & np.isfinite(restored))
    if special is not None:
        within[special] = same[special]
    if bool(within.all()):
        return blank_breach(original, restored, coding.record)
    worst = np.nan_to_num(difference[~within], nan=np.inf).max()
    text = f"{np.count_nonzero(~within)} pixels are off by up to {worst}, more than allowed"
    return Breach(where=~within, text=text, off=difference)


def tile_breach(original: Pixels, restored: Pixels, special: Mask | None, coding: ImageCoding, box: Box) -> str:
    """Describe how restored samples [p, h, w] of a tile break its guarantee; "" if they keep it."""
    breach = find_breach(original, restored, special, coding, box)
    return "" if breach is None else breach.text
