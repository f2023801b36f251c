"""Fill values of a tile as a plateau instead of a mask, where that is smaller (docs/format.md, 8.4)."""

from __future__ import annotations

import numpy as np

from radcodec.arrays import list_distinct
from radcodec.detail.counted import ordinals
from radcodec.detail.plain import PLATEAU, Mask, Tile
from radcodec.detail.plateaus import LEAST_COUNT, MOST_VALUES, encode_plateau
from radcodec.detail.predictors import Predictors
from radcodec.detail.stream import code_rest


def encode_filled(tile: Tile, special: Mask, stream: bytes, predictors: Predictors | None) -> bytes | None:
    """Encode an exact tile whose special samples have a few values without a mask; None where these are many.

    Parameters
    ----------
    tile, special
        In the order of axes of the predictors.
    stream
        The detail stream that goes with the mask.
    """
    fills = ordinals(np.ascontiguousarray(tile[special]))
    values = list_distinct(fills)
    if tile.dtype.kind != "f" or (values.size > 1 and not values.size <= min(MOST_VALUES, fills.size // LEAST_COUNT)):
        return None
    if stream[:1] == bytes((PLATEAU,)):  # one more value of it
        return code_rest(tile, None, predictors, plateaus=True)

    def rest(part: Tile, marks: Mask | None) -> bytes:
        return code_rest(part, None, predictors) if marks is None else stream

    return encode_plateau(tile, None, rest, values)
