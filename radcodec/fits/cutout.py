"""Make the header of a part cut out of an image, with its world coordinates shifted to match."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from radcodec.fits.cards import (
    CARD_BYTES,
    card_comment,
    card_keyword,
    format_card,
    iter_cards,
    pad_header,
    parse_value,
)

_DROPPED = frozenset(b"CHECKSUM DATASUM ZHECKSUM ZDATASUM".split())
# These cards belong in an extension only.
_DROPPED_OF_EXTENSION = frozenset(b"PCOUNT GCOUNT INHERIT".split())
_CRPIX = re.compile(rb"CRPIX([1-9][0-9]{0,2})([A-Z]?)\Z")
_LTV = re.compile(rb"LTV([1-9])\Z")
_CNPIX = re.compile(rb"CNPIX([12])\Z")
_LENGTH = re.compile(rb"NAXIS([1-9][0-9]{0,2})\Z")
# Any of these cards gives an axis a world coordinate; its CRPIX is 0 by default.
_WCS = (
    re.compile(rb"(?:CTYPE|CRVAL|CDELT|CUNIT)([1-9][0-9]{0,2})([A-Z]?)\Z"),
    re.compile(rb"(?:PC|CD)[1-9][0-9]{0,2}_([1-9][0-9]{0,2})([A-Z]?)\Z"),
)
_LTM = re.compile(rb"LTM[1-9]_([1-9])\Z")
# The origin of distortions that are functions of the pixel (FITS WCS paper IV, draft).
_CPDIS = re.compile(rb"CPDIS([1-9][0-9]?)([A-Z]?)\Z")
_DP = re.compile(rb"DP([1-9][0-9]?)([A-Z]?)\Z")
_RECORD = re.compile(r"(NAXES|AXIS\.[1-9]|OFFSET\.[1-9]):\s*([-+0-9.EeDd]+)\s*\Z")
_LOOKUP = "lookup"


def _shifted(card: bytes, keyword: bytes, by: int) -> bytes:
    """Add ``by`` to a card's value and keep its comment; a card without a number stays verbatim."""
    value = parse_value(card)
    if by == 0 or isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return card
    return format_card(keyword, value + by, card_comment(card))


def _rewritten(keyword: bytes, card: bytes, first: Sequence[int], lengths: Sequence[int]) -> bytes:
    """Rewrite one card for the cut-out."""
    length = _LENGTH.match(keyword)
    if length is not None:
        axis = int(length[1]) - 1
        if axis >= len(lengths) or parse_value(card) == lengths[axis]:
            return card
        return format_card(keyword, lengths[axis], card_comment(card))
    for pattern, sign in ((_CRPIX, -1), (_LTV, -1), (_CNPIX, 1)):
        match = pattern.match(keyword)
        if match is not None and int(match[1]) <= len(first):
            return _shifted(card, keyword, sign * first[int(match[1]) - 1])
    return card


def _missing(keywords: Sequence[bytes], first: Sequence[int]) -> list[bytes]:
    """Make cards for reference pixels that are absent (0 by default) and not 0 in the cut-out."""
    present = set(keywords)
    wanted: dict[bytes, int] = {}
    for keyword in keywords:
        for pattern in _WCS:
            match = pattern.match(keyword)
            if match is not None:
                wanted[b"CRPIX" + match[1] + match[2]] = int(match[1])
        match = _LTM.match(keyword)
        if match is not None:
            wanted[b"LTV" + match[1]] = int(match[1])
    return [
        format_card(name, float(-first[axis - 1]))
        for name, axis in sorted(wanted.items())
        if name not in present and axis <= len(first) and first[axis - 1]
    ]


def _distortion_records(cards: Sequence[bytes]) -> dict[bytes, dict[str, float]]:
    """Collect NAXES, AXIS.k and OFFSET.k of each DPj whose distortion is a function, not a table."""
    records: dict[bytes, dict[str, float]] = {}
    for card in cards:
        match, value = _CPDIS.match(card_keyword(card)), parse_value(card)
        if match is not None and isinstance(value, str) and value.strip().lower() != _LOOKUP:
            records[b"DP" + match[1] + match[2]] = {}
    for card in cards:
        fields, value = records.get(card_keyword(card)), parse_value(card)
        record = _RECORD.match(value) if fields is not None and isinstance(value, str) else None
        if fields is not None and record is not None:
            fields[record[1]] = float(record[2].upper().replace("D", "E"))
    return records


def _with_offsets(cards: list[bytes], first: Sequence[int]) -> list[bytes]:
    """Shift the OFFSET.k of every distortion by a function to the pixels of the cut-out."""
    for keyword, fields in _distortion_records(cards).items():
        for place in range(1, int(fields.get("NAXES", 2)) + 1):
            axis = int(fields.get(f"AXIS.{place}", place))
            by = first[axis - 1] if 1 <= axis <= len(first) else 0
            if not by:
                continue
            name = f"OFFSET.{place}"
            card = format_card(keyword, f"{name}: {float(fields.get(name, 0.0)) - by!r}")
            old = [
                number
                for number, other in enumerate(cards)
                if card_keyword(other) == keyword and str(parse_value(other)).startswith(f"{name}:")
            ]
            if old:
                cards[old[-1]] = card
            else:
                last = max(number for number, other in enumerate(cards) if card_keyword(other) == keyword)
                cards.insert(last + 1, card)
    return cards


def cutout_header(header: bytes, ranges: Sequence[tuple[int, int]]) -> bytes:
    """Make the header, padding included, of a part of the image that ``header`` describes, as a primary HDU.

    NAXISn hold the new lengths. Every pixel keeps its world coordinates. For that CRPIXn of the primary and the
    alternate (A to Z) coordinates, LTVn, CNPIXn and the offsets of distortions by a function are shifted. SIP needs no
    change, since it is relative to CRPIX. CHECKSUM and DATASUM are dropped. All other cards are verbatim, unprintable
    bytes included.

    Parameters
    ----------
    header
        Header of the whole image, with the cards that it inherits.
    ranges
        First pixel and last + 1 for every axis, counted from 0, the fastest axis first. They may reach outside of the
        image.
    """
    first, lengths = [start for start, _ in ranges], [stop - start for start, stop in ranges]
    extension = header[:8] == b"XTENSION"
    cards: list[bytes] = []
    for number, (keyword, card) in enumerate(iter_cards(header)):
        if keyword in _DROPPED or (extension and keyword in _DROPPED_OF_EXTENSION):
            continue
        if extension and number == 0:
            cards.append(format_card(b"SIMPLE", True, b"conforms to FITS standard"))
            continue
        cards.append(_rewritten(keyword, card, first, lengths) if card[8:9] == b"=" else card)
    cards += _missing([card_keyword(card) for card in cards], first)
    cards = _with_offsets(cards, first)
    return pad_header(b"".join(card.ljust(CARD_BYTES) for card in cards) + b"END".ljust(CARD_BYTES))


def with_extensions(header: bytes) -> bytes:
    """Add EXTEND = T after the axes of a primary header that lacks it."""
    cards = [card for _, card in iter_cards(header)]
    keywords = [card_keyword(card) for card in cards]
    if b"EXTEND" in keywords:
        place = keywords.index(b"EXTEND")
        if parse_value(cards[place]) is not True:
            cards[place] = format_card(b"EXTEND", True, card_comment(cards[place]))
    else:
        place = max(number for number, keyword in enumerate(keywords) if keyword.startswith(b"NAXIS"))
        cards.insert(place + 1, format_card(b"EXTEND", True))
    return pad_header(b"".join(card.ljust(CARD_BYTES) for card in cards) + b"END".ljust(CARD_BYTES))
