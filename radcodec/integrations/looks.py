"""What a server makes of a file for one request: a picture, a cut-out, one value. All of it is capped."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from radcodec.decoding.cutouts import ImageSky, Part, cutout_pieces, part_ranges
from radcodec.decoding.image_handle import ImageHandle
from radcodec.decoding.picture import png_bytes, sky_pixels
from radcodec.decoding.rcz_file import RczFile
from radcodec.decoding.regions import Range, parse_region
from radcodec.errors import InputError, RadcodecError, UnsupportedDataError
from radcodec.limits import MAX_PICTURE_SIDE, SERVED_PIXELS
from radcodec.pages.report import report_page

_DIGITS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """The part of a URL behind ``?``; what is not given is None or False."""

    region: str | None = None
    center: str | None = None
    size: str | None = None
    plane: int | None = None
    hdu: str | None = None
    full: bool = False
    partial: bool = False

    @staticmethod
    def of(given: Mapping[str, str]) -> Query:
        """Read the parameters of a URL; raises InputError for a number that is none."""
        return Query(
            region=given.get("region"),
            center=given.get("center"),
            size=given.get("size"),
            plane=None if "plane" not in given else whole_number(given["plane"], "plane"),
            hdu=given.get("hdu"),
            full=given.get("full", "") not in ("", "0"),
            partial=given.get("partial", "") not in ("", "0"),
        )


def whole_number(text: str | None, name: str) -> int:
    """Read a number that is 0 or more; raises InputError for what is none."""
    if text is None or not text.isascii() or not text.isdigit() or len(text) > _DIGITS:
        raise InputError(f"expected {name} as a whole number of 0 or more, found {(text or 'nothing')[:40]!r}")
    return int(text)


def _check_pixels(count: int, what: str) -> None:
    if count > SERVED_PIXELS:
        raise InputError(
            f"expected {what} of at most {SERVED_PIXELS} pixels, found {count}: ask for a region, or read ranges of "
            "the FITS file"
        )


def _chosen(file: RczFile, query: Query) -> ImageHandle:
    image = file.choose(query.hdu)
    if not image.size:
        raise UnsupportedDataError("expected an image with pixels, found none: nothing to show")
    return image


def _two_axes(image: ImageHandle) -> tuple[int, int]:
    """Height and width of a plane."""
    shape = (1, 1, *image.shape)
    return shape[-2], shape[-1]


def preview_png(file: RczFile, query: Query) -> bytes:
    """Make a picture of a plane, or of a region of it, as PNG; the stretch is that of what is shown.

    Raises
    ------
    InputError
        If the region, plane or image is none, or more pixels than are served.
    """
    side = MAX_PICTURE_SIDE if query.size is None else min(whole_number(query.size, "size"), MAX_PICTURE_SIDE)
    if side < 1:
        raise InputError("expected a picture of 1 pixel or more, found 0")
    image, plane = _chosen(file, query), query.plane or 0
    height, width = _two_axes(image)
    if query.region is None:
        _check_pixels(height * width, "a plane")
        look = image.quick_look(plane, full=query.full)
        return png_bytes(sky_pixels(look.pixels, side, look.noise))
    ranges = parse_region(query.region, (height, width))
    _check_pixels(math.prod(stop - start for start, stop in ranges), "a region")
    return png_bytes(sky_pixels(_plane_part(image, plane, ranges), side))


def _plane_part(image: ImageHandle, plane: int, ranges: tuple[Range, ...]) -> Any:
    """Physical values [h, w] of a part of a plane; ``ranges`` are of x and y."""
    lead = image.shape[:-2]
    if not 0 <= plane < math.prod(lead):
        raise InputError(f"expected a plane of 0 to {math.prod(lead) - 1}, found {plane}")
    (x0, x1), (y0, y1) = ranges
    index = [int(place) for place in np.unravel_index(plane, lead)] if lead else []
    key = (*index, *(slice(y0, y1), slice(x0, x1))[2 - min(image.ndim, 2) :])
    return np.asarray(image[key]).reshape(y1 - y0, x1 - x0)


def cutout_fits(file: RczFile, query: Query) -> bytes:
    """Make a FITS file of a part, as `radcodec.cutout` does; errors as there, and for more pixels than are served."""
    image = _chosen(file, query)
    part = Part(region=query.region, center=query.center, size=query.size, plane=query.plane, partial=query.partial)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of old headers
        ranges = part_ranges(ImageSky(file.reader, image.stored, file.threads), part)
        _check_pixels(math.prod(stop - start for start, stop in ranges), "a cut-out")
        part = Part(region=ranges, partial=query.partial)
        return b"".join(cutout_pieces(file.reader, image.stored, part, file.threads))


def value_at(file: RczFile, query: Query, x: int, y: int) -> dict[str, Any]:
    """Give the value of a pixel, None where it is not finite, and its world coordinates, as far as there are any."""
    image = _chosen(file, query)
    ranges = parse_region(((x, x + 1), (y, y + 1)), _two_axes(image))
    plane = query.plane or 0
    value = float(_plane_part(image, plane, ranges)[0, 0])
    return {
        "x": x,
        "y": y,
        "plane": plane,
        "value": value if math.isfinite(value) else None,
        "unit": image.stored.coding.record.unit,
        "world": _world(image, x, y, plane),
    }


def _world(image: ImageHandle, x: int, y: int, plane: int) -> list[dict[str, Any]]:
    """Type, unit and value of each world axis at the centre of a pixel."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of old headers
            wcs = image.wcs
            lead = [int(place) for place in np.unravel_index(plane, image.shape[:-2])] if image.ndim > 2 else []
            pixel = [float(place) for place in (x, y, *reversed(lead))]
            values = np.atleast_1d(wcs.pixel_to_world_values(*(pixel + [0.0] * wcs.naxis)[: wcs.naxis]))
    except (RadcodecError, ValueError, OSError):
        return []
    return [
        {
            "type": str(wcs.wcs.ctype[axis]),
            "unit": str(wcs.wcs.cunit[axis]),
            "value": float(values[axis]) if math.isfinite(float(values[axis])) else None,
        }
        for axis in range(wcs.naxis)
    ]


def images_of(file: RczFile) -> list[dict[str, Any]]:
    """Describe the images of a file for the viewer: number of the HDU, name, planes, height and width."""
    described = []
    for image in file.images:
        if image.size:
            height, width = _two_axes(image)
            planes = image.size // (height * width)
            described.append(
                {"hdu": image.hdu_number, "name": image.name, "planes": planes, "height": height, "width": width}
            )
    return described


def report(file: RczFile) -> str:
    """Make the report about a file; raises InputError where its picture takes more pixels than are served."""
    if file.images and file.images[0].size:
        height, width = _two_axes(file.images[0])
        _check_pixels(height * width, "a plane")
    return report_page(file)
