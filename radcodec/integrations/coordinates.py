"""Axes of an image by its world coordinates: names, values where an axis stands alone, and the header as attributes."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from radcodec.errors import InputError
from radcodec.fits.cards import CARD_BYTES, card_keyword, is_commentary, parse_value
from radcodec.types import Kind

if TYPE_CHECKING:
    from radcodec.decoding.image_handle import ImageHandle

# Codes of the FITS Standard 4.0, table 29.
STOKES = {
    1: "I",
    2: "Q",
    3: "U",
    4: "V",
    -1: "RR",
    -2: "LL",
    -3: "RL",
    -4: "LR",
    -5: "XX",
    -6: "YY",
    -7: "XY",
    -8: "YX",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageAxis:
    """One axis of an image.

    ``values`` are its world coordinates, None where they depend on another axis or are not known; ``ctype`` and
    ``unit`` are those of FITS.
    """

    name: str
    length: int
    values: npt.NDArray[np.float64] | None = field(default=None, repr=False)
    ctype: str = ""
    unit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SkyAxes:
    """The two axes of an image that celestial coordinates depend on.

    ``axes`` are their numbers in the order of NumPy, ascending; ``names`` are those of longitude and latitude.
    """

    wcs: Any = field(repr=False)
    axes: tuple[int, int]
    names: tuple[str, str]
    n_axes: int

    def world(
        self, first: npt.NDArray[np.int64], second: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Longitude and latitude, degrees float64 [len(first), len(second)], of pixels along the two axes.

        NaN where the projection has no sky.
        """
        grid = np.meshgrid(first, second, indexing="ij")
        pixels = _reference_pixels(self.wcs, grid[0].shape)
        for axis, places in zip(self.axes, grid, strict=True):
            pixels[self.n_axes - 1 - axis] = places.astype(np.float64)
        world = self.wcs.pixel_to_world_values(*pixels)
        return np.asarray(world[self.wcs.wcs.lng]), np.asarray(world[self.wcs.wcs.lat])


def _reference_pixels(wcs: Any, shape: tuple[int, ...]) -> list[npt.NDArray[np.float64]]:
    """Return the reference pixel, counted from 0, of every axis of world coordinates, as arrays of a shape."""
    return [np.full(shape, float(pixel) - 1.0) for pixel in wcs.wcs.crpix]


def image_wcs(image: ImageHandle) -> Any:
    """World coordinates of an image; None where the header has none, with a warning where it has unsound ones."""
    if image.file.reader.prelude.kind is Kind.ARRAY or not image.ndim or "CTYPE" not in image.header_text:
        return None
    try:
        return image.wcs
    except InputError as err:
        warnings.warn(f"the image is opened without world coordinates: {err}", UserWarning, stacklevel=2)
        return None


def _alone(wcs: Any, pixel_axis: int) -> int | None:
    """Find the one world axis that depends on this pixel axis and on no other; None if there is no such pair."""
    matrix = np.asarray(wcs.axis_correlation_matrix)
    if pixel_axis >= matrix.shape[1]:
        return None
    worlds = np.flatnonzero(matrix[:, pixel_axis])
    return int(worlds[0]) if len(worlds) == 1 and matrix[worlds[0]].sum() == 1 else None


def _name(ctype: str) -> str:
    """Return name of an axis by its CTYPE: FREQ gives freq."""
    return re.sub(r"[^a-z0-9]+", "_", ctype.split("-")[0].strip().lower()).strip("_")


def image_axes(image: ImageHandle, wcs: Any) -> tuple[ImageAxis, ...]:
    """Describe the axes of an image, slowest first.

    An axis whose world coordinate stands alone has the name of its CTYPE (``freq``, ``stokes``). Others are ``x``,
    ``y``, ``axis3`` and so on, counted as FITS counts them.

    Parameters
    ----------
    wcs
        What `image_wcs` gave.
    """
    axes: list[ImageAxis] = []
    taken: set[str] = set()
    for pixel_axis, length in enumerate(reversed(image.shape)):
        world = None if wcs is None else _alone(wcs, pixel_axis)
        ctype = "" if world is None else str(wcs.wcs.ctype[world])
        plain = ("x", "y")[pixel_axis] if pixel_axis < 2 else f"axis{pixel_axis + 1}"
        name = _name(ctype) or plain
        name = f"{name}_{pixel_axis + 1}" if name in taken else name
        taken.add(name)
        values, unit = None, ""
        if world is not None and ctype:
            pixels = _reference_pixels(wcs, (length,))
            pixels[pixel_axis] = np.arange(length, dtype=np.float64)
            values = np.asarray(wcs.pixel_to_world_values(*pixels)[world], np.float64)
            unit = str(wcs.world_axis_units[world] or "")
        axes.append(ImageAxis(name=name, length=length, values=values, ctype=ctype, unit=unit))
    return tuple(reversed(axes))


def sky_axes(image: ImageHandle, wcs: Any) -> SkyAxes:
    """Find the two axes that celestial coordinates depend on.

    Raises
    ------
    InputError
        If there are none, or they depend on more.
    """
    if wcs is None or not wcs.has_celestial:
        raise InputError("expected an image with celestial coordinates for sky_coords, found none")
    matrix = np.asarray(wcs.axis_correlation_matrix)
    pixel_axes = np.flatnonzero(matrix[[wcs.wcs.lng, wcs.wcs.lat]].any(axis=0))
    if len(pixel_axes) != 2 or pixel_axes[-1] >= image.ndim:
        raise InputError(f"expected celestial coordinates over two axes of the image, found {len(pixel_axes)}")
    first, second = sorted(image.ndim - 1 - int(axis) for axis in pixel_axes)
    names = [_name(str(wcs.wcs.ctype[world])) for world in (wcs.wcs.lng, wcs.wcs.lat)]
    return SkyAxes(wcs=wcs, axes=(first, second), names=(names[0], names[1]), n_axes=image.ndim)


def stokes_labels(codes: Sequence[float] | npt.NDArray[np.float64]) -> list[str]:
    """Return labels of FITS codes of Stokes parameters; the code itself where there is no label."""
    return [STOKES.get(round(float(code)), f"{float(code):g}") for code in codes]


def header_attrs(image: ImageHandle) -> dict[str, Any]:
    """Make attributes that every file format takes of a header: text and numbers by keyword, and all in ``header``.

    Logical values are ``"T"`` and ``"F"``; of a repeated keyword the first counts. COMMENT and HISTORY are joined by
    line ends. ``units`` is BUNIT, for libraries that look for it.
    """
    text = image.header_text
    attrs: dict[str, Any] = {}
    lines: dict[str, list[str]] = {}
    cards = [text[start : start + CARD_BYTES] for start in range(0, len(text), CARD_BYTES)]
    for line in cards:
        card = line.encode("latin-1", "replace")
        keyword = card_keyword(card)
        name = keyword.decode("latin-1")
        if keyword == b"END":
            break
        if is_commentary(keyword):
            lines.setdefault(name, []).append(line[8:].rstrip())
            continue
        value = parse_value(card)
        if value is not None and name not in attrs:
            attrs[name] = ("F", "T")[value] if isinstance(value, bool) else value
    attrs |= {name: "\n".join(texts) for name, texts in lines.items() if name}
    if isinstance(attrs.get("BUNIT"), str):
        attrs["units"] = attrs["BUNIT"]
    attrs["header"] = "\n".join(line.rstrip() for line in cards if line.strip())
    return attrs
