"""Convert bounds with a unit to the unit of an image."""

from __future__ import annotations

import math
import re
import warnings
from fractions import Fraction
from typing import TYPE_CHECKING

from radcodec.errors import BoundError

if TYPE_CHECKING:
    from astropy.units import UnitBase

_VALUE = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(\S.*?)\s*")
# Spellings in FITS files that the standard lacks, in lower case.
_SPELLINGS = {
    "jy": "Jy",
    "mjy": "mJy",
    "ujy": "uJy",
    "njy": "nJy",
    "beam": "beam",
    "beams": "beam",
    "bm": "beam",
    "pixel": "pix",
    "pixels": "pix",
    "pix": "pix",
    "kelvin": "K",
    "k": "K",
    "mk": "mK",
    "uk": "uK",
    "sr": "sr",
    "arcsec": "arcsec",
    "arcmin": "arcmin",
}


def _spelled(text: str) -> str:
    """Spell a unit's words as astropy does; a capital M is mega, also in MJY."""

    def word(match: re.Match[str]) -> str:
        found = match[0]
        spelled = _SPELLINGS.get(found.lower(), found)
        return "M" + spelled[1:] if found[0] == "M" and spelled[0] == "m" else spelled

    return re.sub(r"[A-Za-zµμ]+", word, text)


def _parse_unit(text: str) -> UnitBase:
    """Parse a unit in any spelling of FITS files; raises BoundError for an unknown one."""
    from astropy import units

    with warnings.catch_warnings():
        # Several slashes have one meaning, so that there is nothing to warn of.
        warnings.simplefilter("ignore", units.UnitsWarning)
        for candidate in (text.strip(), _spelled(text.strip())):
            unit = units.Unit(candidate, parse_strict="silent")
            if not isinstance(unit, units.UnrecognizedUnit):
                return unit
    raise BoundError(f"expected a unit that astropy knows, found {text!r}: give the bound without a unit or in sigma")


def convert_bound(value_with_unit: str, bunit: str) -> float:
    """Convert a bound to the unit ``bunit``, rounded down: ``convert_bound("20uJy/beam", "JY/BEAM")``.

    Raises
    ------
    BoundError
        If either unit is unknown, or one does not convert to the other.
    """
    from astropy import units

    match = _VALUE.fullmatch(value_with_unit)
    if match is None:
        raise BoundError(f"expected a number and a unit such as 20uJy/beam, found {value_with_unit!r}")
    given, wanted = _parse_unit(match[2]), _parse_unit(bunit)
    try:
        factor = float(given.to(wanted))
    except units.UnitConversionError as err:
        raise BoundError(
            f"expected a bound in a unit that converts to that of the image, {bunit!r}, found {value_with_unit!r}"
        ) from err
    # float64 only approximates most powers of ten; the exact decimal number is meant.
    exact = Fraction(match[1]) * Fraction(repr(factor))
    if abs(exact) > Fraction(1.7e308):
        raise BoundError(f"expected a bound that a float64 can hold, found {value_with_unit!r} in {bunit!r}")
    bound = float(exact)
    return math.nextafter(bound, 0.0) if Fraction(bound) > exact else bound
