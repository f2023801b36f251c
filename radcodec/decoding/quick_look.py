"""Take a quick look at one plane: from its base layer, or decoded if that is too small to show the image."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

import numpy as np
import numpy.typing as npt

from radcodec.arrays import F64
from radcodec.decoding.base_picture import draw_base
from radcodec.decoding.canvas import Canvas, make_canvas
from radcodec.decoding.image import StoredImage, decode_tiles
from radcodec.decoding.needed_ranges import picture_ranges
from radcodec.errors import InputError, ModelError, UnsupportedDataError
from radcodec.types import Mode

# Measured on 64 to 112 pixels a side of five radio images (docs/previews.md): below this, sources become blobs.
_LEAST_BYTES = 64
# From this size on sources are right even without the noise between them. Below it, a picture smoother than a quarter
# of the noise shows too little.
_ENOUGH_BYTES = 512


class Layer(Enum):
    """The source of a picture."""

    BASE = "base layer"
    PIXELS = "pixels"


@dataclass(frozen=True, slots=True, kw_only=True)
class QuickLook:
    """A picture of one plane.

    ``pixels`` are float64 [H, W], physical values with NaN where undefined; averages where no more was asked for.
    ``noise`` is the plane's physical spread from the base layer's record, less by averaging, None without one. ``note``
    says why pixels were decoded in spite of a base layer, or is empty.
    """

    pixels: npt.NDArray[np.float64] = field(repr=False)
    layer: Layer
    noise: float | None = None
    note: str = ""


def look_at(image: StoredImage, plane: int, *, full: bool, threads: int, side: int | None = None) -> QuickLook:
    """Look at a plane of an image, as `ImageHandle.quick_look` describes; errors as there."""
    record, grid = image.coding.record, image.coding.grid
    if not record.n_pixels:
        raise UnsupportedDataError(f"expected an image with pixels, found the axes {record.shape}: nothing to show")
    if not 0 <= plane < grid.n_planes:
        raise InputError(f"expected a plane of 0 to {grid.n_planes - 1}, found {plane}")
    stored, note = None, ""
    if record.n_stages and not full:
        stored, note = _from_base(image, plane, threads, make_canvas(grid.height, grid.width, side))
    layer = Layer.PIXELS if stored is None else Layer.BASE
    if stored is None:
        stored = _from_pixels(image, plane, threads, make_canvas(grid.height, grid.width, side))
    pairs = image.coding.normalisation
    noise = None
    if pairs is not None and layer is Layer.BASE:
        noise = abs(record.bscale) * float(pairs[plane, 1]) * stored.shape[0] / grid.height
    with np.errstate(all="ignore"):
        return QuickLook(pixels=record.bzero + record.bscale * stored, layer=layer, noise=noise, note=note)


def _from_pixels(image: StoredImage, plane: int, threads: int, canvas: Canvas) -> F64:
    """Return the decoded pixels of a plane."""
    grid, blank = image.coding.grid, image.coding.record.blank
    tiles = list(grid.tiles_in_region((plane, plane + 1, 0, grid.height, 0, grid.width)))
    for tile, samples in zip(tiles, decode_tiles(image, tiles, threads), strict=True):
        p0, _, y0, _, x0, _ = grid.box(tile)
        own = samples[plane - p0]
        values = own.astype(np.float64)
        if blank is not None:
            values[own == blank] = np.nan
        canvas.add(values, y0, x0)
    return canvas.picture()


def _from_base(image: StoredImage, plane: int, threads: int, canvas: Canvas) -> tuple[F64 | None, str]:
    """Return the picture of the base layer; or None, and why it is not used."""
    is_lossy = image.reader.prelude.mode is Mode.LOSSY
    share = base_share(image, plane)
    if not is_lossy and share < _LEAST_BYTES:
        return None, _note(share)
    try:
        grid = image.coding.grid
        tiles = grid.tiles_in_region((plane, plane + 1, 0, grid.height, 0, grid.width))
        image.reader.fetch(picture_ranges(image, tiles), few=True)
        draw_base(image, plane, threads, canvas)
    except ModelError:
        # An exact or bounded file can be shown without its model.
        if is_lossy:
            raise
        return None, "the model of the base layer is not installed: the picture shows the decoded pixels"
    pairs = image.coding.normalisation
    if not is_lossy and share < _ENOUGH_BYTES and pairs is not None and canvas.spread() < pairs[plane, 1] / 4:
        return None, _note(share)
    return canvas.picture(), ""


def base_share(image: StoredImage, plane: int) -> float:
    """Return base-layer bytes per plane of a tile, averaged over the plane's tiles that have any."""
    reader, grid = image.reader, image.coding.grid
    shares: list[float] = []
    for tile in grid.tiles_in_region((plane, plane + 1, 0, grid.height, 0, grid.width)):
        sizes = (reader.stage_size(image.number, stage, tile) for stage in range(image.coding.record.n_stages))
        box = grid.box(tile)
        shares.append(sum(sizes) / (box[1] - box[0]))
    full = [share for share in shares if share]
    return sum(full) / len(full) if full else 0.0


def _note(share: float) -> str:
    return (
        f"the base layer, {share:.0f} bytes for a plane of a tile, is too small to show the image: "
        "the picture shows the decoded pixels"
    )
