"""Convert positions and sizes on the sky to ranges of pixels, by an image's world coordinates, with astropy."""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from radcodec.errors import InputError
from radcodec.fits.arrays import minimal_header
from radcodec.fits.cards import CARD_BYTES, is_commentary, iter_cards, pad_header
from radcodec.types import SampleType

_CENTRE = (
    'expected a position such as "150.1 2.2" (degrees), "10:00:24 +02:12:00" or "10h00m24s +02d12m00s", alone in the '
    "frame of the image, or with icrs, fk5, fk4 or galactic before it"
)
_SIZE = 'expected a size such as "2arcmin", "90arcsec 1arcmin" (width, height) or "64pix"'
_FRAMES = {"icrs": "icrs", "fk5": "fk5", "j2000": "fk5", "fk4": "fk4", "b1950": "fk4", "galactic": "galactic"}
_NUMBER = r"[0-9]+\.?[0-9]*(?:[eE][+-]?[0-9]+)?|\.[0-9]+(?:[eE][+-]?[0-9]+)?"
_DECIMAL = re.compile(rf"[+-]?(?:{_NUMBER})(?:d|deg)?\Z")
_SEXAGESIMAL = re.compile(r"([+-]?)([0-9]{1,3})[:hd]([0-9]{1,2})[:m]([0-9]{1,2}\.?[0-9]*)s?\Z")
_LENGTH = rf"({_NUMBER})\s*([a-z'\"]*)"
_LENGTHS = re.compile(rf"\s*{_LENGTH}\s*(?:[,x\s]\s*{_LENGTH}\s*)?\Z")
_DEGREES = {"deg": 1.0, "d": 1.0, "arcmin": 1 / 60, "'": 1 / 60, "arcsec": 1 / 3600, '"': 1 / 3600}
_DEGREES |= {"mas": 1 / 3.6e6, "rad": 180 / math.pi}
_PIXELS = ("pix", "px", "pixel", "pixels")


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Longitude and latitude in degrees; ``frame`` is "" for the image's own."""

    longitude: float
    latitude: float
    frame: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One side of a field, in degrees or in pixels."""

    value: float
    is_pixels: bool


def _angle(token: str, *, hours: bool) -> float:
    """Parse one coordinate in degrees; raises ValueError if it is malformed. ``hours``: 10:00:00 is in hours."""
    if _DECIMAL.match(token):
        return float(token.removesuffix("deg").removesuffix("d"))
    match = _SEXAGESIMAL.match(token)
    if match is None:
        raise ValueError(f"{token!r} is not an angle")
    whole, minutes, seconds = int(match[2]), int(match[3]), float(match[4])
    if minutes >= 60 or seconds >= 60:
        raise ValueError(f"{token!r} has minutes or seconds of 60 or more")
    size = whole + minutes / 60 + seconds / 3600
    in_hours = "h" in token or (":" in token and hours)
    return (-1 if match[1] == "-" else 1) * size * (15 if in_hours else 1)


def _plain_degrees(value: Any) -> Any:
    """Convert a Quantity to a number of degrees; anything else is returned unchanged."""
    try:
        return float(value.to_value("deg")) if hasattr(value, "to_value") else value
    except Exception as err:  # UnitConversionError is no built-in one
        raise InputError(f"{_CENTRE}, found {value!r}") from err


def parse_position(center: Any, *, equatorial: bool = True) -> Position:
    """Parse a position: text, a pair of degrees, or an ``astropy`` SkyCoord.

    Parameters
    ----------
    equatorial
        Whether the image's own longitude is a right ascension, so that 10:00:00 is in hours.

    Raises
    ------
    InputError
        If it is none of these.
    """
    if hasattr(center, "icrs"):
        if not getattr(center, "isscalar", True):
            raise InputError(f"expected one position, found {len(center)}")
        sky = center.icrs
        return Position(longitude=float(sky.ra.deg), latitude=float(sky.dec.deg), frame="icrs")
    if isinstance(center, (tuple, list)) and len(center) == 2:
        center = " ".join(str(_plain_degrees(value)) for value in center)
    if not isinstance(center, str):
        raise InputError(f"{_CENTRE}, found {center!r}")
    # The second one is the typographic minus sign.
    tokens = center.replace(",", " ").replace("\u2212", "-").lower().split()
    frame = ""
    for place in (0, -1):
        if tokens and not frame and tokens[place] in _FRAMES:
            frame = _FRAMES[tokens.pop(place)]
    if len(tokens) == 6:
        tokens = [":".join(tokens[:3]), ":".join(tokens[3:])]
    hours = frame != "galactic" if frame else equatorial
    if not hours and tokens and "h" in tokens[0]:
        raise InputError(
            f"expected a longitude in degrees, as this frame has no right ascension, found {center!r}: put icrs, "
            "fk5 or fk4 before it"
        )
    try:
        longitude, latitude = tokens
        position = Position(
            longitude=_angle(longitude, hours=hours), latitude=_angle(latitude, hours=False), frame=frame
        )
    except ValueError as err:
        raise InputError(f"{_CENTRE}, found {center!r}") from err
    if not (abs(position.longitude) <= 360 and abs(position.latitude) <= 90):
        raise InputError(f"expected a longitude within 360 and a latitude within 90 degrees, found {center!r}")
    return position


def parse_size(size: Any) -> tuple[Side, Side]:
    """Parse width and height of a field: text or an ``astropy`` Quantity; a single value is used for both.

    Raises
    ------
    InputError
        If it is malformed, has no unit, or is not above 0.
    """
    if hasattr(size, "to_value"):
        size = _quantity_text(size)
    elif isinstance(size, (tuple, list)) and len(size) == 2:
        size = " ".join(_quantity_text(side) if hasattr(side, "to_value") else str(side) for side in size)
    match = _LENGTHS.match(size.lower()) if isinstance(size, str) else None
    if match is None:
        raise InputError(f"{_SIZE}, found {size!r}")
    values = (match[1], match[1] if match[3] is None else match[3])
    units = (match[2] or match[4] or "", match[2] if match[3] is None else match[4])
    sides: list[Side] = []
    for value, unit in zip(values, units, strict=True):
        factor = 1.0 if unit in _PIXELS else _DEGREES.get(unit)
        if factor is None or not 0 < float(value) < math.inf:
            raise InputError(f"{_SIZE}, found {size!r}")
        sides.append(Side(value=float(value) * factor, is_pixels=unit in _PIXELS))
    return sides[0], sides[1]


def _quantity_text(size: Any) -> str:
    """Format a Quantity as text that `parse_size` reads."""
    unit = "pix" if str(size.unit) == "pix" else "deg"
    try:
        values = size.to_value(unit).reshape(-1).tolist() if size.shape else [float(size.to_value(unit))]
    except Exception as err:  # UnitConversionError is no built-in one
        raise InputError(f"{_SIZE}, found {size}") from err
    return " ".join(f"{value!r}{unit}" for value in values)


def make_wcs(header: bytes, tables: bytes = b"") -> Any:
    """Make the ``astropy.wcs.WCS`` of an image header.

    Parameters
    ----------
    header
        The header with inherited cards; forbidden bytes are read as ``?``.
    tables
        The concatenated HDUs that it refers to.

    Raises
    ------
    InputError
        If astropy cannot read it.
    """
    from astropy.io import fits
    from astropy.utils.exceptions import AstropyWarning
    from astropy.wcs import WCS

    plain = bytes(byte if 32 <= byte < 127 else ord("?") for byte in range(256))
    cards = [card.ljust(CARD_BYTES).translate(plain) for key, card in iter_cards(header) if not is_commentary(key)]
    # The old name of RADESYS; astropy warns about it.
    cards = [b"RADESYS " + card[8:] if card.startswith(b"RADECSYS") else card for card in cards]
    text = pad_header(b"".join(cards) + b"END".ljust(CARD_BYTES)).decode("ascii")
    try:
        # astropy warns about each old card that it reads all the same; where warnings are errors it would stop there.
        with (
            warnings.catch_warnings(category=AstropyWarning, action="ignore"),
            fits.open(io.BytesIO(minimal_header(SampleType.U1, (0,)) + tables)) as hdus,
        ):
            # WCS.fix warns about every old date; the wcslib call below repairs the same without a warning.
            wcs = WCS(fits.Header.fromstring(text), hdus if tables else None, fix=False, _do_set=False)
        wcs.wcs.fix()
        wcs.wcs.set()
    except Exception as err:  # astropy, wcslib and its parsers raise a dozen kinds
        raise InputError(
            f"expected world coordinates in the header that astropy can read, found others: {err}"
        ) from err
    return wcs


def _celestial(wcs: Any) -> tuple[Any, tuple[int, int]]:
    """Return the world coordinates of the two sky axes alone, and the numbers of these axes (x is 0)."""
    places = sorted((wcs.wcs.lng, wcs.wcs.lat))
    if places[0] < 0:
        raise InputError("expected an image with two axes on the sky for a centre, found none: give a region")
    return (wcs if wcs.naxis == 2 else wcs.celestial), (places[0], places[1])


def _pixel(sky: Any, position: Position) -> tuple[float, float]:
    """Convert a position to a pixel, counted from 0; raises InputError if it has none."""
    import numpy as np
    from astropy.coordinates import SkyCoord
    from astropy.wcs.utils import wcs_to_celestial_frame

    longitude, latitude = position.longitude, position.latitude
    try:
        if position.frame:
            given = SkyCoord(longitude, latitude, unit="deg", frame=position.frame)
            there = given.transform_to(wcs_to_celestial_frame(sky)).spherical
            longitude, latitude = float(there.lon.deg), float(there.lat.deg)
        world = [latitude, longitude] if sky.wcs.lng > sky.wcs.lat else [longitude, latitude]
        x, y = (float(np.asarray(value).reshape(())) for value in sky.all_world2pix(*world, 0))
    except Exception as err:  # no frame, no convergence, outside of the projection: each its own kind
        raise InputError(f"expected a centre that the image's world coordinates can place: {err}") from err
    if not (math.isfinite(x) and math.isfinite(y)) or max(abs(x), abs(y)) > 1e9:
        raise InputError(f"expected a centre on the image, found {longitude:g} {latitude:g}, outside of its projection")
    return x, y


def sky_ranges(wcs: Any, center: Any, size: Any, shape: Sequence[int]) -> list[tuple[int | None, int | None]]:
    """Return the pixel ranges, fastest axis first, of a field on the sky; other axes stay whole.

    The pixels are those of astropy's ``Cutout2D``: the rounded size, centred on the position.

    Parameters
    ----------
    center, size
        See `parse_position` and `parse_size`; without a size the pixel that contains the position.

    Raises
    ------
    InputError
        If the image has no sky axes, or position or size are malformed or outside of the image's projection.
    """
    from astropy.wcs.utils import proj_plane_pixel_scales

    sky, axes = _celestial(wcs)
    equatorial = str(sky.wcs.ctype[sky.wcs.lng]).upper().startswith("RA")
    place = _pixel(sky, parse_position(center, equatorial=equatorial))
    sides = (Side(value=1.0, is_pixels=True),) * 2 if size is None else parse_size(size)
    scales = proj_plane_pixel_scales(sky)
    ranges: list[tuple[int | None, int | None]] = [(None, None)] * len(shape)
    for axis, position, side, scale in zip(axes, place, sides, scales, strict=True):
        length = max(1, round(side.value if side.is_pixels else side.value / float(scale)))
        # Rounded, so that the last bits of a position at a pixel's middle do not matter.
        start = math.ceil(round(position - length / 2, 6))
        if axis >= len(shape):
            raise InputError(f"expected an image with {axis + 1} axes for a centre, found {len(shape)}: give a region")
        ranges[axis] = (start, start + length)
    return ranges
