"""Look up header cards and insert provenance cards, without changing another byte of the header."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

from radcodec.errors import InputError
from radcodec.fits.cards import (
    BLOCK_BYTES,
    CARD_BYTES,
    CardValue,
    card_comment,
    card_keyword,
    find_end,
    format_card,
    is_commentary,
    iter_cards,
    pad_header,
    parse_value,
)
from radcodec.types import EarlierBound, Mode

PROVENANCE_KEYWORDS = ("RCZMODE", "RCZMAXE", "RCZSIGMA", "RCZMODEL", "RCZSHA", "RCZVERS")
LAST_KEYWORD = "RCZLAST"  # only for an image compressed before: the bound of the last compression


def header_cards(header: bytes) -> list[bytes]:
    """Return the 80-byte cards of a header, verbatim, up to and without END."""
    return [card for _, card in iter_cards(header)]


def card_value(header: bytes, keyword: str) -> CardValue:
    """Return the value of a keyword's first card, as astropy gives it; None if absent, undefined or unreadable."""
    wanted = keyword.upper().encode("ascii")
    for found, card in iter_cards(header):
        if found == wanted:
            return parse_value(card)
    return None


def insert_cards(header: bytes, cards: Sequence[tuple[str, CardValue, str]]) -> bytes:
    """Insert cards ``(keyword, value, comment)`` just before END; no other byte changes.

    A keyword that the header already holds is rewritten in its place (the first of repeated ones). So inserting twice
    changes nothing more. COMMENT and HISTORY have no value and are refused. Blank space after END is used first; then
    the header grows by blocks of 2880 bytes. Other bytes after END stay after it, in its block.

    Raises
    ------
    InputError
        If the header has no END card, or a card does not fit into 80 bytes.
    """
    end = find_end(header)
    if end < 0:
        raise InputError("expected a FITS header with an END card, found none: cards cannot be inserted")
    places: dict[bytes, int] = {}
    for start in range(0, end, CARD_BYTES):
        places.setdefault(card_keyword(header[start : start + CARD_BYTES]), start)
    body, added = bytearray(header[:end]), bytearray()
    for keyword, value, comment in cards:
        name = keyword.encode("ascii")
        if is_commentary(name):
            raise InputError(f"expected a keyword that has a value, found {keyword!r}")
        card = format_card(name, value, comment)
        place = places.get(name)
        if place is None:
            places[name] = end + len(added)
            added += card
        elif place < end:
            body[place : place + CARD_BYTES] = card
        else:
            added[place - end : place - end + CARD_BYTES] = card
    tail = header[end + CARD_BYTES :]
    blank = len(tail) - len(tail.lstrip(b" "))
    tail = tail[min(len(added), blank // CARD_BYTES * CARD_BYTES) :]
    # END must be in the last block, since readers expect the data after the block of END.
    cards_bytes, rest_bytes = len(body) + len(added), CARD_BYTES + len(tail)
    last_block = (cards_bytes + rest_bytes - 1) // BLOCK_BYTES * BLOCK_BYTES
    added += b" " * max(0, last_block - cards_bytes)
    new = bytes(body + added) + header[end : end + CARD_BYTES] + tail
    # A header cut off by the end of the file keeps its length unless it grows.
    return new if len(new) == len(header) or len(new) % BLOCK_BYTES == 0 else pad_header(new)


def provenance_cards(
    *,
    mode: Mode,
    bound: float | None,
    unit: str,
    sigma: float | None,
    model_name: str | None,
    model_sha256: str | None,
    version: str,
) -> list[tuple[str, CardValue, str]]:
    """Make the provenance cards of an image, for `insert_cards`: always the same keywords in the same order.

    None gives a card with an undefined value. No card depends on date or host.

    Parameters
    ----------
    bound, sigma
        Largest error and noise of the image, in ``unit`` (BUNIT), written so that they read back as the same float64.
    """
    return [
        ("RCZMODE", mode.name.lower(), "radcodec: fidelity of the pixels"),
        ("RCZMAXE", bound, _with_unit(unit, "largest error")),
        ("RCZSIGMA", sigma, _with_unit(unit, "noise")),
        ("RCZMODEL", model_name, "model"),
        ("RCZSHA", model_sha256, ""),
        ("RCZVERS", version, "radcodec version"),
    ]


def earlier_bound(header: bytes) -> EarlierBound | None:
    """Read what provenance cards say of an earlier compression; None where a header has none of a changed image.

    Errors in another unit than BUNIT are not known: pixels were converted since then, or the header was changed.
    """
    mode = card_value(header, "RCZMODE")
    names = [Mode.BOUNDED.name.lower(), Mode.LOSSY.name.lower()]
    if not isinstance(mode, str) or mode.strip().lower() not in names:
        return None
    total, last = _positive(header, "RCZMAXE"), _positive(header, LAST_KEYWORD)
    sigma, last = _positive(header, "RCZSIGMA"), total if last is None else last
    if not _has_unit(header, "RCZMAXE", "largest error"):
        total, last, sigma = None, None, None
    if mode.strip().lower() == Mode.LOSSY.name.lower():
        total = None
    return EarlierBound(mode=mode.strip().lower(), total=total, last=last, sigma=sigma)


def _with_unit(unit: str, text: str) -> str:
    """Begin the comment of a card with its unit."""
    return f"[{unit}] {text}" if unit else text


def _has_unit(header: bytes, keyword: str, text: str) -> bool:
    """Say whether the comment of a card names the unit of its image."""
    name, unit = keyword.encode("ascii"), card_value(header, "BUNIT")
    card = next((card for found, card in iter_cards(header) if found == name), b"")
    expected = _with_unit(unit if isinstance(unit, str) else "", text)
    return card_comment(card) == card_comment(format_card(name, parse_value(card), expected))


def _positive(header: bytes, keyword: str) -> float | None:
    """Return the value of a card if it is a finite number above 0, else None."""
    value = card_value(header, keyword)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if math.isfinite(value) and value > 0 else None


def cards_after(
    cards: Sequence[tuple[str, CardValue, str]], earlier: EarlierBound, unit: str
) -> list[tuple[str, CardValue, str]]:
    """Make the provenance cards of a bounded image that was compressed before.

    The largest error is the sum of the bounds, rounded upwards. After a lossy compression it is unknown: the mode stays
    lossy and the cards of its model do not change.
    """
    values = {keyword: value for keyword, value, _ in cards}
    last, kept = values["RCZMAXE"], list(cards)
    if earlier.total is None:
        kept = [card for card in cards if card[0] not in ("RCZMODE", "RCZMAXE", "RCZMODEL", "RCZSHA")]
        if earlier.mode != Mode.LOSSY.name.lower():
            kept.insert(0, ("RCZMODE", values["RCZMODE"], "radcodec: fidelity of the pixels"))
        kept.append(("RCZMAXE", None, _with_unit(unit, "largest error")))
    elif isinstance(last, float):
        total = sum_up(earlier.total, last)
        summed = ("RCZMAXE", total, _with_unit(unit, "largest error"))
        kept = [summed if card[0] == "RCZMAXE" else card for card in cards]
    return [*kept, (LAST_KEYWORD, last, _with_unit(unit, "of the last compression"))]


def sum_up(first: float, second: float) -> float | None:
    """Return the smallest float64 that is at least the sum of two; None if none is finite."""
    total = first + second
    if not math.isfinite(total):
        return None
    return math.nextafter(total, math.inf) if Fraction(total) < Fraction(first) + Fraction(second) else total
