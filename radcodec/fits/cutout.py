"""The header of a rectangle cut out of an image, with its world coordinates shifted to match."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from radcodec.errors import InputError
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
# In an extension only: these cards have no meaning in a primary header.
_DROPPED_OF_EXTENSION = frozenset(b"PCOUNT GCOUNT INHERIT".split())
_CRPIX = re.compile(rb"CRPIX([1-9][0-9]{0,2})([A-Z]?)\Z")
_LTV = re.compile(rb"LTV([1-9])\Z")
_CNPIX = re.compile(rb"CNPIX([12])\Z")
_LENGTH = re.compile(rb"NAXIS([1-9][0-9]{0,2})\Z")
# Any of these cards gives an axis a world coordinate, whose CRPIX is 0 where it is not written.
_WCS = (
    re.compile(rb"(?:CTYPE|CRVAL|CDELT|CUNIT)([1-9][0-9]{0,2})([A-Z]?)\Z"),
    re.compile(rb"(?:PC|CD)[1-9][0-9]{0,2}_([1-9][0-9]{0,2})([A-Z]?)\Z"),
)
_LTM = re.compile(rb"LTM[1-9]_([1-9])\Z")


def _offsets(
    shape: Sequence[int], x: tuple[int, int], y: tuple[int, int], plane: int | None
) -> tuple[list[int], list[int]]:
    """First pixel and length of the cut-out on each axis, fastest axis first.

    Raises
    ------
    InputError
        If a range or the plane does not lie inside of the image, or is empty.
    """
    axes = list(reversed(shape))
    ranges = [("x", x)] if len(axes) == 1 else [("x", x), ("y", y)]
    if len(axes) == 1 and y != (0, 1):
        raise InputError(f"expected y 0:1 for an image with one axis, found {y[0]}:{y[1]}")
    for (name, (start, stop)), length in zip(ranges, axes, strict=False):
        if not 0 <= start < stop <= length:
            raise InputError(f"expected {name} within 0:{length} and not empty, found {start}:{stop}")
    first = [start for _, (start, _) in ranges] + [0] * (len(axes) - len(ranges))
    lengths = [stop - start for _, (start, stop) in ranges] + axes[len(ranges) :]
    if plane is not None:
        planes = math.prod(axes[2:])
        if not 0 <= plane < planes:
            raise InputError(f"expected a plane of 0 to {planes - 1}, found {plane}")
        for axis in range(2, len(axes)):
            plane, first[axis] = divmod(plane, axes[axis])
            lengths[axis] = 1
    return first, lengths


def _shifted(card: bytes, keyword: bytes, by: int) -> bytes:
    """The card with ``by`` added to its value and its comment kept; verbatim where the value is no number."""
    value = parse_value(card)
    if by == 0 or isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return card
    return format_card(keyword, value + by, card_comment(card))


def _rewritten(keyword: bytes, card: bytes, first: Sequence[int], lengths: Sequence[int]) -> bytes:
    """One card as the cut-out has it."""
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
    """Cards for reference pixels that the header leaves to their default of 0 and that are not 0 in the cut-out."""
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


def cutout_header(
    header: bytes, *, shape: Sequence[int], x: tuple[int, int], y: tuple[int, int], plane: int | None = None
) -> bytes:
    """Header, padding included, of a cut-out of the image that ``header`` describes, as a primary HDU.

    NAXISn hold the new lengths; CRPIXn of the primary and the alternate (A to Z) coordinates, LTVn and CNPIXn are
    shifted so that every pixel keeps its world coordinates (SIP and other distortions are relative to CRPIX);
    CHECKSUM and DATASUM are dropped; all other cards are verbatim, unprintable bytes included. Distortion tables in
    other HDUs are left as they are.

    Parameters
    ----------
    shape
        Axes of the whole image in NumPy order (slowest first).
    x, y
        Pixel ranges, 0-based and half-open, x along the fastest axis; ``y`` is ``(0, 1)`` for an image with one axis.
    plane
        Number of one plane, counted over all axes but the fastest two; those axes stay, of length 1. None keeps all.

    Raises
    ------
    InputError
        If the header has no axes, or a range or the plane is empty or not inside of the image.
    """
    if not shape:
        raise InputError("expected an image with one axis or more to cut from, found none")
    first, lengths = _offsets(shape, x, y, plane)
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
    return pad_header(b"".join(card.ljust(CARD_BYTES) for card in cards) + b"END".ljust(CARD_BYTES))
