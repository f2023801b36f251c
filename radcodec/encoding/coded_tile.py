"""One tile with the special samples that suit it: the doubtful ones where that is smaller, and none that looks missing.

The values of missing pixels are kept for missing pixels: a sample that would be restored as one is made special.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from radcodec.decoding.tile import ImageCoding, Pixels
from radcodec.pixels.bounds import tile_errors
from radcodec.pixels.masks import Mask
from radcodec.pixels.tiles import Box

TURNS = 3  # in which only samples that became missing are marked; then all that might


@dataclass(frozen=True, slots=True, kw_only=True)
class CodedTile:
    """Streams of a tile, its special samples, and what it restores to but for these."""

    mask: bytes
    detail: bytes
    special: Mask | None
    restored: Pixels

    def size_bytes(self) -> int:
        """Count the bytes of both streams."""
        return len(self.mask) + len(self.detail)


def code_smallest(
    code: Callable[[Mask | None], CodedTile],
    samples: Pixels,
    marks: tuple[Mask | None, Mask | None],
    missing: Sequence[Any],
    place: tuple[ImageCoding, Box],
) -> CodedTile:
    """Code a tile with its doubtful samples marked or not, whichever is smaller; none is restored as a missing value.

    Parameters
    ----------
    code
        Codes the tile with these special samples.
    samples
        Stored samples [p, h, w].
    marks
        Special samples, and those of them that are doubtful.
    missing
        Stored values that stand for missing pixels.
    place
        Where the bounds of the tile are found.
    """
    special, doubtful = marks
    found = [_code_apart(code, samples, special, missing, place)]
    if special is not None and doubtful is not None:
        sure = special & ~doubtful
        found.append(_code_apart(code, samples, sure if sure.any() else None, missing, place))
    return min(found, key=CodedTile.size_bytes)


def made_missing(samples: Pixels, restored: Pixels, special: Mask | None, missing: Sequence[Any]) -> Mask | None:
    """Mark the samples that are neither special nor missing and were restored as a missing value; None for none."""
    made = np.zeros(samples.shape, np.bool_)
    for value in missing:
        made |= (restored == value) & (samples != value)
    if special is not None:
        made &= ~special
    return made if made.any() else None


def _code_apart(
    code: Callable[[Mask | None], CodedTile],
    samples: Pixels,
    special: Mask | None,
    missing: Sequence[Any],
    place: tuple[ImageCoding, Box],
) -> CodedTile:
    """Code a tile so that no sample is restored as a missing value."""
    coded = code(special)
    for turn in range(TURNS + 1):
        made = made_missing(samples, coded.restored, special, missing) if missing else None
        if made is None:
            break
        if turn == TURNS:
            made |= _within_reach(samples, missing, *place)
        special = made if special is None else special | made
        coded = code(special)
    return coded


def _within_reach(samples: Pixels, missing: Sequence[Any], coding: ImageCoding, box: Box) -> npt.NDArray[np.bool_]:
    """Mark the samples that their bound allows to become a missing value."""
    reach = np.asarray(tile_errors(coding.bounds, box)) / abs(coding.record.bscale) * (1 + 1e-9)
    near = np.zeros(samples.shape, np.bool_)
    with np.errstate(all="ignore"):
        for value in map(float, missing):
            near |= np.abs(samples.astype(np.float64) - value) <= reach + 2 * np.spacing(abs(value))
    return near
