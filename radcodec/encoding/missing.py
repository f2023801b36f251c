"""Keep the values of missing pixels for missing pixels: a sample that would be restored as one is made special."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from radcodec.decoding.tile import ImageCoding, Pixels
from radcodec.pixels.bounds import tile_errors
from radcodec.pixels.masks import Mask
from radcodec.pixels.tiles import Box

TURNS = 3  # in which only samples that became missing are marked; then all that might


class Restored(Protocol):
    """What a tile was coded as."""

    @property
    def restored(self) -> Pixels:
        """Its samples [p, h, w], but for special ones."""


Coded = TypeVar("Coded", bound=Restored)


def made_missing(samples: Pixels, restored: Pixels, special: Mask | None, missing: Sequence[Any]) -> Mask | None:
    """Mark the samples that are neither special nor missing and were restored as a missing value; None for none."""
    made = np.zeros(samples.shape, np.bool_)
    for value in missing:
        made |= (restored == value) & (samples != value)
    if special is not None:
        made &= ~special
    return made if made.any() else None


def code_apart(
    code: Callable[[Mask | None], Coded],
    samples: Pixels,
    special: Mask | None,
    missing: Sequence[Any],
    place: tuple[ImageCoding, Box],
) -> Coded:
    """Code a tile within its bound so that no sample is restored as a missing value.

    Parameters
    ----------
    code
        Codes the tile with these special samples.
    samples
        Stored samples [p, h, w].
    missing
        Stored values that stand for missing pixels.
    place
        Where the bounds of the tile are found.
    """
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
