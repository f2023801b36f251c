"""Draw the picture that a file's base layer gives without its detail layer."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from radcodec.decoding.canvas import Canvas
from radcodec.decoding.image import StoredImage, read_stages
from radcodec.decoding.tile import base_values
from radcodec.pixels.masks import decode_mask
from radcodec.runtime.parallel import one_blas_thread, ordered_map


def draw_base(image: StoredImage, plane: int, threads: int, canvas: Canvas) -> None:
    """Decode the base layer of one plane and add it to a canvas, in stored units; NaN at masked pixels.

    Tiles without base streams (constant, or wholly masked) hold the plane's offset.
    """
    grid, coding = image.coding.grid, image.coding
    tiles = list(grid.tiles_in_region((plane, plane + 1, 0, grid.height, 0, grid.width)))

    def one(tile: int) -> npt.NDArray[np.float64]:
        box = coding.grid.box(tile)
        mask = image.reader.read_mask(image.number, tile)
        streams = read_stages(image, tile)
        pairs = coding.normalisation
        if streams:
            values = base_values(coding, box, streams, picture=True)
        else:
            shape = (box[1] - box[0], box[3] - box[2], box[5] - box[4])
            values = np.full(shape, 0.0 if pairs is None else pairs[plane, 0])
        if mask:
            special, listed = decode_mask(mask, values.size, coding.record.sample_type)
            marks = special.reshape(values.shape)
            values[marks] = listed
            if coding.record.blank is not None:
                values[marks & (values == coding.record.blank)] = np.nan
        base: npt.NDArray[np.float64] = values[plane - box[0]]
        return base

    with one_blas_thread():
        for tile, values in zip(tiles, ordered_map(one, tiles, threads), strict=True):
            _, _, y0, _, x0, _ = grid.box(tile)
            canvas.add(values, y0, x0)
