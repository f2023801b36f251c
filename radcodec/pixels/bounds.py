"""Store the largest error that each pixel may have, and look it up for the pixels of a tile.

E is a float64 in physical units (BSCALE applied) and is only ever rounded downwards.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from radcodec import detail
from radcodec.coding.leb import pack_leb
from radcodec.container.layout import Cursor
from radcodec.container.meta import ImageRecord
from radcodec.errors import CorruptError
from radcodec.limits import MAX_CELL
from radcodec.pixels.tiles import Box, plane_shape


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageBounds:
    """E of every pixel of one image in physical units; 0 means exact. It is ``cells`` float32 [P, ceil(H/cell),
    ceil(W/cell)], else ``planes`` float64 [P], else ``everywhere``.
    """

    everywhere: float = 0.0
    planes: npt.NDArray[np.float64] | None = None
    cell: int = 0
    cells: npt.NDArray[np.float32] | None = None


def pack_bounds(bounds: ImageBounds) -> bytes:
    """Pack the bounds block of PARAMS (6.2)."""
    if bounds.cells is not None:
        return pack_leb(bounds.cell) + bounds.cells.astype("<f4").tobytes()
    return b"" if bounds.planes is None else bounds.planes.astype("<f8").tobytes()


def unpack_bounds(block: bytes, record: ImageRecord) -> ImageBounds:
    """Read E of every pixel of an image from its PARAMS block.

    Raises
    ------
    CorruptError
        If the block's size does not match the image, or a number is negative or not finite.
    """
    if record.bound is None:
        if block:
            raise CorruptError(f"expected no bounds for an image that is not bounded, found {len(block)} bytes")
        return ImageBounds()
    n_planes, height, width = plane_shape(record.shape)
    if not record.has_step_map:
        if not block:
            return ImageBounds(everywhere=record.bound)
        if len(block) != 8 * n_planes:
            raise CorruptError(f"expected {8 * n_planes} bytes of bounds for {n_planes} planes, found {len(block)}")
        return ImageBounds(planes=_sound(np.frombuffer(block, "<f8").astype(np.float64)))
    cursor = Cursor(block, "the bounds")
    cell = cursor.leb_up_to(MAX_CELL, "cell size")
    if cell < 1:
        raise CorruptError("expected a cell size of at least 1 in the bounds, found 0")
    shape = (n_planes, -(-height // cell), -(-width // cell))
    if cursor.left != 4 * math.prod(shape):
        raise CorruptError(f"expected {4 * math.prod(shape)} bytes in a map of bounds, found {cursor.left}")
    cells = np.frombuffer(cursor.take(cursor.left), "<f4").astype(np.float32).reshape(shape)
    return ImageBounds(cell=cell, cells=_sound(cells))


def _sound(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if not np.isfinite(values).all() or (values < 0).any():
        raise CorruptError("expected bounds that are finite and not negative")
    return values


def tile_errors(bounds: ImageBounds, box: Box) -> float | npt.NDArray[np.float64]:
    """Return E of a tile's samples in physical units: one number, or float64 [p, h, w] if E varies."""
    p0, p1, y0, y1, x0, x1 = box
    if bounds.cells is not None:
        rows, columns = np.arange(y0, y1) // bounds.cell, np.arange(x0, x1) // bounds.cell
        # Picked along the last axis, cells come in another order in memory; kernels need that of the samples.
        errors = np.ascontiguousarray(bounds.cells[p0:p1][:, rows][:, :, columns], np.float64)
    elif bounds.planes is not None:
        errors = np.broadcast_to(bounds.planes[p0:p1, None, None], (p1 - p0, y1 - y0, x1 - x0))
    else:
        return bounds.everywhere
    first = float(errors.flat[0])
    return first if bool((errors == first).all()) else errors


def tile_bound(record: ImageRecord, bounds: ImageBounds, box: Box, tile: int) -> detail.TileBound | None:
    """Return a tile's bound in physical units for the detail layer; None if the whole tile is exact."""
    # With BSCALE 0 all physical values are equal, so a bound cannot become a step.
    if record.bound is None or record.bscale == 0.0:
        return None
    errors = tile_errors(bounds, box)
    largest, each = (errors, None) if isinstance(errors, float) else (float(errors.max()), errors)
    if largest == 0.0:
        return None
    return detail.TileBound(
        error=largest,
        map=each,
        bscale=record.bscale,
        bzero=record.bzero,
        dither_seed=record.dither_seed,
        tile_number=tile,
    )
