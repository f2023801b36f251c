"""A quick look at one plane: from its base layer, or decoded where that is too small to show the image."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

import numpy as np
import numpy.typing as npt

from radcodec.base_picture import base_picture
from radcodec.decoder import StoredImage, decode_region
from radcodec.errors import InputError, ModelError, UnsupportedDataError
from radcodec.types import Mode


class Layer(Enum):
    """What a picture was made from."""

    BASE = "base layer"
    PIXELS = "pixels"


@dataclass(frozen=True, slots=True, kw_only=True)
class QuickLook:
    """A picture of one plane.

    ``pixels`` are float64 [H, W], physical values with NaN where undefined; ``note`` says why they were decoded
    although there is a base layer, or is empty.
    """

    pixels: npt.NDArray[np.float64] = field(repr=False)
    layer: Layer
    note: str = ""


def look_at(image: StoredImage, plane: int, *, full: bool, threads: int) -> QuickLook:
    """Look at a plane of an image, as `ImageHandle.quick_look` describes; errors as there."""
    record, grid = image.coding.record, image.coding.grid
    if not record.n_pixels:
        raise UnsupportedDataError(f"expected an image with pixels, found the axes {record.shape}: nothing to show")
    if not 0 <= plane < grid.n_planes:
        raise InputError(f"expected a plane of 0 to {grid.n_planes - 1}, found {plane}")
    stored, note = None, ""
    if record.n_stages and not full:
        stored, note = _from_base(image, plane, threads)
    layer = Layer.PIXELS if stored is None else Layer.BASE
    if stored is None:
        samples = decode_region(image, [plane], (0, grid.height), (0, grid.width), threads)[0]
        stored = samples.astype(np.float64)
        if record.blank is not None:
            stored[samples == record.blank] = np.nan
    with np.errstate(all="ignore"):
        return QuickLook(pixels=record.bzero + record.bscale * stored, layer=layer, note=note)


def _from_base(image: StoredImage, plane: int, threads: int) -> tuple[npt.NDArray[np.float64] | None, str]:
    try:
        return base_picture(image, plane, threads), ""
    except ModelError:
        # An exact or bounded file does not need its model to be looked at.
        if image.reader.prelude.mode is Mode.LOSSY:
            raise
        return None, "the model of its base layer is not there"
