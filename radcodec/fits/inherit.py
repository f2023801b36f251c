"""Inherit cards of the primary header in an extension with INHERIT = T.

References
----------
FITS Standard 4.0, section 4.4.2.6 (INHERIT) and the registered convention "FITS Header Inheritance".
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from radcodec.fits.cards import CARD_BYTES, is_commentary, iter_cards, pad_header
from radcodec.fits.header import card_value

# Structure, scaling, names and checksums belong to one HDU.
_OWN = frozenset(
    b"SIMPLE XTENSION BITPIX NAXIS EXTEND NEXTEND GROUPS PCOUNT GCOUNT INHERIT EXTNAME EXTVER EXTLEVEL TFIELDS THEAP "
    b"BLOCKED BSCALE BZERO BLANK DATAMIN DATAMAX CHECKSUM DATASUM ZHECKSUM ZDATASUM END".split()
)
_OWN_NUMBERED = re.compile(rb"NAXIS[0-9]+\Z|PTYPE[0-9]+\Z|PSCAL[0-9]+\Z|PZERO[0-9]+\Z")
# Cards that place the pixels of one array. They are inherited together, and only if the extension has none.
_OF_AXES = re.compile(
    rb"(?:WCSAXES|WCSNAME|(?:CTYPE|CRPIX|CRVAL|CDELT|CUNIT|CROTA|CNAME|CRDER|CSYER)[1-9][0-9]*"
    rb"|(?:PC|CD|PV|PS)[0-9]+_[0-9]+)([A-Z]?)\Z"
)
_OF_PIXELS = re.compile(
    rb"(?:[AB]P?_(?:ORDER|DMAX|[0-9]+_[0-9]+)|(?:CPDIS|CQDIS|CPERR|CQERR|DP|DQ|D2IM|D2IMDIS|D2IMERR)[0-9]+[A-Z]?"
    rb"|D2IMEXT|NPOLEXT|AXISCORR|CNPIX[12]|LTV[1-9]|LTM[1-9]_[1-9]|WAT[0-9]_[0-9]+)\Z"
)
_CONTINUE, _HIERARCH = b"CONTINUE", b"HIERARCH"


def _full_keyword(keyword: bytes, card: bytes) -> bytes:
    """Return the keyword of a card; for HIERARCH cards including the words after it."""
    return card.split(b"=", 1)[0].rstrip(b" ") if keyword == _HIERARCH else keyword


def _alternates(keywords: Iterable[bytes]) -> set[bytes]:
    """Return which of the primary (b"") and alternate coordinates (A to Z) have their own cards."""
    return {match[1] for match in map(_OF_AXES.match, keywords) if match is not None}


def _inherited(primary: bytes, own: set[bytes]) -> list[bytes]:
    """Return the primary header's cards, in order, that an extension with the keywords ``own`` inherits."""
    placed = _alternates(own)
    cards: list[bytes] = []
    taken = False
    for keyword, card in iter_cards(primary):
        if keyword == _CONTINUE:
            if taken:
                cards.append(card)
            continue
        name = _full_keyword(keyword, card)
        axes = _OF_AXES.match(name)
        taken = not (
            is_commentary(name)
            or name in own
            or name in _OWN
            or _OWN_NUMBERED.match(name)
            or (axes is not None and axes[1] in placed)
            or (b"" in placed and _OF_PIXELS.match(name))
        )
        if taken:
            cards.append(card)
    return cards


def inherit_cards(header: bytes, primary: bytes) -> bytes:
    """Return an extension's header with the primary header's cards that it inherits (INHERIT = T).

    Cards of the extension have precedence. Structure, scaling, names, checksums, COMMENT and HISTORY are not inherited.
    Cards that place pixels (CRPIX, CD, SIP ...) are inherited only if the extension has none. INHERIT does not change.
    """
    if header[:8] != b"XTENSION" or card_value(header, "INHERIT") is not True:
        return header
    own = [(keyword, card) for keyword, card in iter_cards(header)]
    cards = _inherited(primary, {_full_keyword(keyword, card) for keyword, card in own})
    if not cards:
        return header
    body = [card for _, card in own] + cards
    return pad_header(b"".join(card.ljust(CARD_BYTES) for card in body) + b"END".ljust(CARD_BYTES))
