"""What a lossy file says about some planes: decoded pixels, and a cell for every coefficient of every tile."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from radcodec.arrays import F64
from radcodec.base.companding import KNEE, OUTPUT_LIMIT, OUTPUT_UNIT
from radcodec.base.lapped import transform
from radcodec.base.lapped.model import LappedModel
from radcodec.base.normalise import read_tile_codes
from radcodec.base.trellis.model import TrellisModel
from radcodec.decoding.image import StoredImage, read_stages
from radcodec.errors import UnsupportedDataError
from radcodec.pixels.masks import decode_mask
from radcodec.pixels.tiles import Box
from radcodec.types import Mode

EDGE = 0.01  # share of a cell that is left free at both ends: the transform rounds to 2^-10


@dataclass(frozen=True, slots=True, kw_only=True)
class TileCells:
    """Cells of a tile.

    box : of the tile, with planes counted from the field's first. geometry : of its blocks.
    lower, upper : float64 [A, B, n, m], companded units.
    canvas : float64 [A n, B m], what the codes decode to, with the part of the blocks beyond the image.
    atoms : float64 like canvas, what of it coefficients do not give.
    """

    box: Box
    geometry: transform.Geometry
    lower: F64
    upper: F64
    canvas: F64
    atoms: F64


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """Planes of a lossy image that share tiles.

    decoded : float64 [P, H, W], companded. pairs : float64 [P, 2], offset and scale of each plane, stored units.
    special, listed : bool and float64 [P, H, W]; pixels that the file holds exactly, and their stored values.
    tiles : those with codes.
    """

    first_plane: int
    decoded: F64
    pairs: F64
    special: npt.NDArray[np.bool_]
    listed: F64
    tiles: tuple[TileCells, ...]

    def expand(self, companded: F64) -> F64:
        """Return stored values of companded planes [P, H, W]; special pixels get theirs."""
        offset, scale = self.pairs[:, 0, None, None], self.pairs[:, 1, None, None]
        values = offset + scale * KNEE * np.sinh(companded / KNEE)
        return np.asarray(np.where(self.special, self.listed, values))


def read_field(image: StoredImage, plane: int) -> Field:
    """Read the planes of the tiles of a plane.

    Raises
    ------
    UnsupportedDataError
        The image is not lossy, or its model has no cells.
    CorruptError, ModelError
        As decoding a tile does.
    """
    record, grid = image.coding.record, image.coding.grid
    if image.reader.prelude.mode is not Mode.LOSSY or not record.n_stages:
        raise UnsupportedDataError(
            "expected a lossy image to sample, found an exact or bounded one: its pixels are known, decompress it"
        )
    model = image.coding.shared.model
    if not isinstance(model, LappedModel):
        raise UnsupportedDataError(f"expected a lapped model, found {model.name!r}: its codes have no cells to sample")
    numbers = list(grid.tiles_in_region((plane, plane + 1, 0, grid.height, 0, grid.width)))
    first, end = grid.box(numbers[0])[0], grid.box(numbers[0])[1]
    shape = (end - first, grid.height, grid.width)
    decoded, listed, special = np.zeros(shape), np.zeros(shape), np.zeros(shape, np.bool_)
    tiles: list[TileCells] = []
    for number in numbers:
        p0, p1, y0, y1, x0, x1 = grid.box(number)
        box = (p0 - first, p1 - first, y0, y1, x0, x1)
        inside = (slice(box[0], box[1]), slice(y0, y1), slice(x0, x1))
        mask = image.reader.read_mask(image.number, number)
        if mask:
            marks, values = decode_mask(mask, decoded[inside].size, record.sample_type)
            special[inside] = marks.reshape(decoded[inside].shape)
            listed[inside][special[inside]] = values
        streams = read_stages(image, number)
        if streams:
            tile = _read_cells(model, streams, box)
            tiles.append(tile)
            decoded[inside] = image_part(tile, tile.canvas)
    pairs = image.coding.normalisation
    assert pairs is not None
    return Field(
        first_plane=first, decoded=decoded, pairs=pairs[first:end], special=special, listed=listed, tiles=tuple(tiles)
    )


def _read_cells(model: LappedModel, streams: tuple[bytes, ...], box: Box) -> TileCells:
    p0, p1, y0, y1, x0, x1 = box
    codes, left_out = read_tile_codes(model, streams, (p1 - p0, y1 - y0, x1 - x0))
    lower, upper = model.cells(codes, left_out)
    geometry = transform.geometry_of(codes.shape, codes.code)
    whole = (geometry.rows * geometry.height, geometry.columns * geometry.width)
    canvas = model.canvas(codes, left_out)
    assert canvas.shape == whole
    atoms = np.zeros(whole)
    if isinstance(model, TrellisModel):
        atoms[: codes.shape[0], : codes.shape[1]] = model.drawn(codes)
    return TileCells(box=box, geometry=geometry, lower=lower, upper=upper, canvas=canvas + atoms, atoms=atoms)


def image_part(tile: TileCells, canvas: F64) -> F64:
    """Return the pixels [p, h, w] of a tile's canvas."""
    p0, p1, y0, y1, x0, x1 = tile.box
    return canvas[: (p1 - p0) * (y1 - y0), : x1 - x0].reshape(p1 - p0, y1 - y0, x1 - x0)


def coefficients_of(tile: TileCells, pixels: F64) -> F64:
    """Return the coefficients [A, B, n, m] of pixels [p, h, w], the rest of the canvas being as decoded."""
    canvas = tile.canvas.copy()
    image_part(tile, canvas)[...] = pixels
    return transform.forward(np.rint((canvas - tile.atoms) * transform.UNIT), tile.geometry) / transform.UNIT


def canvas_of(tile: TileCells, coefficients: F64) -> F64:
    """Return the canvas that coefficients give."""
    whole = np.rint(coefficients * transform.UNIT).astype(np.int64)
    limit = OUTPUT_LIMIT / OUTPUT_UNIT
    return np.clip(transform.inverse(whole, tile.geometry) / transform.UNIT + tile.atoms, -limit, limit)


def inner_cells(tile: TileCells) -> tuple[F64, F64]:
    """Return the ends of the cells without their edges."""
    margin = EDGE * (tile.upper - tile.lower)
    return tile.lower + margin, tile.upper - margin
