"""Read ``--tile N`` and ``--tile AxBxC``."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence

from radcodec.errors import InputError
from radcodec.limits import MAX_AXES, MAX_PIXELS, MAX_TILE, MIN_TILE, MIN_TILE_SAMPLES
from radcodec.pixels.tiles import TileOption
from radcodec.runtime.option_values import whole_number

_SIDES = re.compile(r"[0-9]{1,15}(x[0-9]{1,15})*", re.ASCII)


def parse_tile(tile: int | str | Sequence[int]) -> TileOption:
    """Read the largest side of a tile: one for x and y, or one for each axis in FITS order, x first.

    Raises
    ------
    InputError
        If it is neither, or a side is out of range.
    """
    if isinstance(tile, str):
        text = tile.strip().lower()
        if not _SIDES.fullmatch(text):
            raise InputError(
                f"expected a tile size such as 512, or sides x first such as 128x128x64, found {tile!r:.80}"
            )
        parts: Sequence[object] = list(map(int, text.split("x")))
        if len(parts) == 1:
            return _square(_whole(parts[0]))
    elif isinstance(tile, Iterable):
        parts = list(tile)
    else:
        return _square(_whole(tile))
    sides = tuple(map(_whole, parts))
    if not 1 <= len(sides) <= MAX_AXES:
        raise InputError(f"expected sides of a tile for 1 to {MAX_AXES} axes, found {len(sides)}")
    if min(sides) < 1 or max(sides) > MAX_PIXELS:
        raise InputError(f"expected sides of a tile of 1 or more, found {tile!r:.80}")
    if math.prod(sides) < MIN_TILE_SAMPLES:
        raise InputError(f"expected a tile size of at least {MIN_TILE_SAMPLES} samples, found {tile!r:.80}")
    return sides


def _square(side: int) -> int:
    if not MIN_TILE <= side <= MAX_TILE:
        raise InputError(f"expected a tile size of {MIN_TILE} to {MAX_TILE}, found {side}")
    return side


def _whole(side: object) -> int:
    return whole_number("the side of a tile", side)
