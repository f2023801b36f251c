"""Find the tables in other HDUs that an image's world coordinates need, and adapt them to a cut-out.

References
----------
Greisen & Calabretta (2002), A&A 395, 1061 (-TAB is in Greisen et al. 2006, A&A 446, 747, section 6); FITS WCS paper IV
(draft) for CPDISj and DPj; D2IMDISj as ``astropy.wcs`` reads it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from radcodec.fits.cards import CARD_BYTES, CardValue, card_comment, format_card, iter_cards, pad_header, parse_value

_LOOKUP_OF = re.compile(rb"(CPDIS|CQDIS|D2IMDIS)([1-9][0-9]?)([A-Z]?)\Z")
# For each: keyword of its records, name of its tables, and whether they count in pixels of the image.
_LOOKUP_TABLES = {b"CPDIS": (b"DP", "WCSDVARR", True), b"CQDIS": (b"DQ", "WCSDVARR", False)}
_LOOKUP_TABLES[b"D2IMDIS"] = (b"D2IM", "D2IMARR", True)
_EXTVER = re.compile(r"EXTVER:\s*([0-9]+)(?:\.0*)?\s*\Z")
_COORDINATES = re.compile(rb"PS([1-9][0-9]?)_0([A-Z]?)\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class TableNeed:
    """An HDU that world coordinates refer to; ``in_pixels``: its own coordinates are pixels of the image."""

    name: str
    extver: int
    in_pixels: bool


def needed_tables(header: bytes) -> tuple[TableNeed, ...]:
    """List the HDUs that the world coordinates of an image refer to, each once."""
    values: dict[bytes, list[CardValue]] = {}
    for keyword, card in iter_cards(header):
        values.setdefault(keyword, []).append(parse_value(card))
    needs: list[TableNeed] = []
    for keyword, found in values.items():
        lookup, coordinates = _LOOKUP_OF.match(keyword), _COORDINATES.match(keyword)
        if lookup is not None and str(found[0]).strip().lower() == "lookup":
            records, name, in_pixels = _LOOKUP_TABLES[lookup[1]]
            matches = [_EXTVER.match(str(value)) for value in values.get(records + lookup[2] + lookup[3], [])]
            versions = [int(match[1]) for match in matches if match is not None]
            needs.append(TableNeed(name=name, extver=versions[-1] if versions else 1, in_pixels=in_pixels))
        elif keyword == b"AXISCORR":
            needs.append(TableNeed(name="D2IMARR", extver=1, in_pixels=True))
        elif coordinates is not None and isinstance(found[0], str) and found[0].strip():
            version = values.get(b"PV%s_1%s" % (coordinates[1], coordinates[2]), [1])[0]
            extver = int(version) if isinstance(version, (int, float)) else 1
            needs.append(TableNeed(name=found[0].strip().upper(), extver=extver, in_pixels=False))
    return tuple(dict.fromkeys(needs))


def shift_table(header: bytes, first: Sequence[int]) -> bytes:
    """Shift the reference values of a lookup table from pixels of the image to pixels of a cut-out.

    CRVAL1 belongs to x and CRVAL2 to y: ``astropy.wcs`` ignores AXIS.1 and AXIS.2. CHECKSUM is dropped; the data, and
    so DATASUM, do not change.

    Parameters
    ----------
    header
        Header of the table's HDU.
    first
        First pixel of the cut-out on each axis, the fastest axis first.
    """
    wanted = {b"CRVAL%d" % axis: first[axis - 1] for axis in (1, 2) if axis <= len(first) and first[axis - 1]}
    if not wanted:
        return header
    cards: list[bytes] = []
    for keyword, card in iter_cards(header):
        by = wanted.pop(keyword, None)
        if keyword in (b"CHECKSUM", b"ZHECKSUM"):
            continue
        value = parse_value(card)
        if by is not None and isinstance(value, (int, float)):
            card = format_card(keyword, float(value) - by, card_comment(card))
        cards.append(card.ljust(CARD_BYTES))
    cards += [format_card(keyword, -float(by)) for keyword, by in wanted.items()]
    return pad_header(b"".join(cards) + b"END".ljust(CARD_BYTES))
