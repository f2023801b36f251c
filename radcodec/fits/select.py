"""Select an HDU of a file by number, by name, or by name and EXTVER, as astropy does."""

from __future__ import annotations

import operator
import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from radcodec.errors import InputError
from radcodec.fits.header import card_value
from radcodec.types import HduChoice

# EXTNAME (PRIMARY for a first HDU without one) and EXTVER of an HDU.
HduName: TypeAlias = tuple[str, int]

_PRIMARY = "PRIMARY"
_NUMBER = re.compile(r"[+-]?[0-9]{1,9}\Z")
_VERSIONED = re.compile(r"(.*),\s*([+-]?[0-9]{1,9})\s*\Z", re.DOTALL)
_MOST_LISTED = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class HduSelector:
    """A selector of HDUs: a number, or a name in capitals with an optional EXTVER."""

    number: int | None = None
    name: str = ""
    extver: int | None = None

    def __str__(self) -> str:
        """Return the selector as a user would write it."""
        if self.number is not None:
            return str(self.number)
        return self.name if self.extver is None else f"{self.name},{self.extver}"

    def matches(self, number: int, hdu: HduName) -> bool:
        """Return whether this selects the HDU with that number, name and EXTVER."""
        if self.number is not None:
            return number == self.number
        named = hdu[0].strip().upper() == self.name or (self.name == _PRIMARY and number == 0)
        return named and self.extver in (None, hdu[1])


def parse_hdu(choice: HduChoice) -> HduSelector:
    """Parse a user's choice of an HDU.

    Parameters
    ----------
    choice
        The HDU's number (0: primary), also as text; its name in upper or lower case; or name and EXTVER, as
        ``"SCI,2"`` or ``("SCI", 2)``.

    Raises
    ------
    InputError
        If it is none of these.
    """
    if isinstance(choice, str):
        text = choice.strip()
        if _NUMBER.match(text):
            return _numbered(int(text), choice)
        versioned = _VERSIONED.match(text)
        name, extver = (versioned[1].strip(), int(versioned[2])) if versioned else (text, None)
        if name:
            return HduSelector(name=name.upper(), extver=extver)
    elif isinstance(choice, tuple):
        if len(choice) == 2 and isinstance(choice[0], str) and choice[0].strip() and _is_integer(choice[1]):
            return HduSelector(name=choice[0].strip().upper(), extver=operator.index(choice[1]))
    elif _is_integer(choice):
        return _numbered(operator.index(choice), choice)
    raise InputError(f"expected an HDU's number, its name, or its name and EXTVER such as 'SCI,2', found {choice!r}")


def _is_integer(value: object) -> bool:
    return hasattr(value, "__index__") and not isinstance(value, bool)


def _numbered(number: int, choice: object) -> HduSelector:
    if number < 0:
        raise InputError(f"expected the number of an HDU, 0 for the primary one, found {choice!r}")
    return HduSelector(number=number)


def find_hdus(
    hdus: Sequence[HduName],
    selector: HduSelector,
    *,
    images: Collection[int] | None = None,
    compressed: Collection[int] = (),
) -> tuple[int, ...]:
    """Find the numbers of all HDUs that a selector matches; a name without EXTVER matches every HDU of that name.

    Parameters
    ----------
    hdus
        Name and EXTVER of every HDU of a file, in order.
    images
        Numbers of the HDUs allowed, None for all.
    compressed
        Numbers of the tile-compressed images, which the message names as such.

    Raises
    ------
    InputError
        If there is no such HDU, or none of them is allowed; the message lists the allowed ones.
    """
    found = tuple(number for number, hdu in enumerate(hdus) if selector.matches(number, hdu))
    fitting = found if images is None else tuple(number for number in found if number in images)
    if fitting:
        return fitting
    what = "HDU" if images is None else "image HDU"
    listed = range(len(hdus)) if images is None else sorted(images)
    counts = Counter(name.upper() for name, _ in hdus)
    names = [
        f"{number} {name},{extver}" if counts[name.upper()] > 1 and name else f"{number} {name}".rstrip()
        for number, (name, extver) in ((number, hdus[number]) for number in listed)
    ]
    if len(names) > _MOST_LISTED:
        names[_MOST_LISTED:] = [f"and {len(names) - _MOST_LISTED} more"]
    there = f"of this file ({'; '.join(names)})" if names else "but the file has none"
    kind = "a tile-compressed image (recompress decodes it)" if set(found) & set(compressed) else "no image"
    reason = f"{str(selector)!r}, which is {kind}" if found else f"no HDU {str(selector)!r}"
    raise InputError(f"expected an {what} {there}, found {reason}")


def find_hdu(
    hdus: Sequence[HduName],
    selector: HduSelector,
    *,
    images: Collection[int] | None = None,
    compressed: Collection[int] = (),
) -> int:
    """Find the number of the first HDU that a selector means; arguments and errors as `find_hdus`."""
    return find_hdus(hdus, selector, images=images, compressed=compressed)[0]


def hdu_name(header: bytes, number: int) -> HduName:
    """Read name and EXTVER of the HDU of that number from its header; PRIMARY for a first one without a name."""
    name, extver = card_value(header, "EXTNAME"), card_value(header, "EXTVER")
    known = name.strip() if isinstance(name, str) else ""
    version = extver if isinstance(extver, int) and not isinstance(extver, bool) else 1
    return known or (_PRIMARY if number == 0 else ""), version


def hdu_labels(names: Sequence[HduName]) -> list[str]:
    """Name every HDU of a file as messages do: number and name, with EXTVER where others have the same name."""
    counts = Counter(name for name, _ in names)
    labels: list[str] = []
    for number, (name, extver) in enumerate(names):
        shown = f"{name},{extver}" if counts[name] > 1 else name
        labels.append(f"HDU {number} ({shown})" if name else f"HDU {number}")
    return labels
