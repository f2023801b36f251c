"""Sides of the tiles of an image: what a record may say of them, and how it stores them (``docs/format.md`` 3.1, 4)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from radcodec import limits
from radcodec.coding.leb import pack_leb
from radcodec.container.layout import Cursor
from radcodec.errors import CorruptError

# Length of a tile along each axis, slowest first; the last tile along an axis may be shorter.
Sides = tuple[int, ...]


def sides_fault(shape: tuple[int, ...], sides: Sides) -> str:
    """Say what is wrong with the sides of the tiles of an array, slowest axis first; "" where nothing is."""
    if math.prod(sides) > limits.MAX_TILE_SAMPLES:
        return f"expected at most {limits.MAX_TILE_SAMPLES} samples in a tile, found the sides {_x_first(sides)}"
    whole = True
    for length, side in zip(reversed(shape[:-2]), reversed(sides[:-2]), strict=True):
        if side > 1 and not whole:
            return (
                "expected a tile to hold planes that follow each other, so to be whole along every axis between y and "
                f"another one with a side above 1, found the sides {_x_first(sides)} of the axes {_x_first(shape)}"
            )
        whole = whole and side >= length
    return ""


def _x_first(lengths: Sequence[int]) -> str:
    """Write lengths in FITS order, at most eight of them."""
    return "x".join(map(str, lengths[:-9:-1])) + ("x..." if len(lengths) > 8 else "")


def pack_sides(shape: tuple[int, ...], sides: Sides) -> bytes:
    """Pack the sides of tiles: 0 along an axis that is whole in a tile."""
    return b"".join(pack_leb(0 if side >= length else side) for length, side in zip(shape, sides, strict=True))


def unpack_sides(cursor: Cursor, shape: tuple[int, ...]) -> Sides:
    """Read the sides of the tiles of an array; raises CorruptError where tiles cannot have them."""
    sides: list[int] = []
    for length in shape:
        side = cursor.leb_up_to(limits.MAX_PIXELS, "side of a tile")
        if side and side >= length:
            raise CorruptError(
                f"expected a side of a tile below the axis of {length}, or 0 for all of it, found {side}"
            )
        sides.append(side or max(1, length))
    if fault := sides_fault(shape, tuple(sides)):
        raise CorruptError(fault)
    return tuple(sides)
