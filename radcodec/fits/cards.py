"""Read the 80-byte cards of a FITS header leniently, and write them in fixed format.

Header bytes may hold TABs and other characters that the standard forbids. So everything here works on bytes and decodes
one value at a time.

References
----------
FITS Standard 4.0, section 4 (headers) and 4.2 (values).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import TypeAlias

from radcodec.errors import InputError

CARD_BYTES = 80
BLOCK_BYTES = 2880

CardValue: TypeAlias = str | int | float | bool | None

_END = re.compile(rb"END[ \0\t\r\n]{5}")
_STRING = re.compile(rb" *'((?:[^']|'')*)'?")
_INTEGER = re.compile(rb"([+-]? *[0-9]+)\Z")
_REAL = re.compile(rb"[+-]? *(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[EeDd] *[+-]? *[0-9]+)?\Z")
_COMMENTARY = (b"COMMENT", b"HISTORY", b"")


def find_end(data: bytes | memoryview, start: int = 0, stop: int | None = None) -> int:
    """Return the offset of the END card of the header at ``start``; -1 if there is none before ``stop``.

    Cards are counted from ``start``: END counts only at the beginning of a card.
    """
    limit = len(data) if stop is None else stop
    for match in _END.finditer(data, start, limit):
        if (match.start() - start) % CARD_BYTES == 0:
            return match.start()
    return -1


def card_keyword(card: bytes) -> bytes:
    """Return the keyword of a card without trailing blanks; ``b""`` for a blank one."""
    return card[:8].rstrip(b" ")


def is_commentary(keyword: bytes) -> bool:
    """Return whether a keyword may be repeated in a header and has no value."""
    return keyword in _COMMENTARY


def iter_cards(header: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield keyword and 80 bytes of each card before END, or before the end of ``header`` without END."""
    end = find_end(header)
    for start in range(0, len(header) if end < 0 else end, CARD_BYTES):
        card = header[start : start + CARD_BYTES]
        yield card[:8].rstrip(b" "), card


def parse_value(card: bytes) -> CardValue:
    """Return the value of a card; None if it has none or is unreadable.

    Fortran exponents (``1.5D-3``) are read, blanks after a sign are skipped, and trailing blanks of strings are
    dropped. A string without a closing quote ends with the card. Real numbers may be infinite.
    """
    if card[8:9] != b"=":
        return None
    field = card[9:CARD_BYTES]
    string = _STRING.match(field)
    if string is not None:
        return string.group(1).replace(b"''", b"'").rstrip(b" ").decode("latin-1")
    token = field.split(b"/", 1)[0].strip(b" \t\0\r\n")
    if token in (b"T", b"F"):
        return token == b"T"
    if _INTEGER.match(token):
        return int(token.replace(b" ", b""))
    if _REAL.match(token):
        return float(token.replace(b" ", b"").upper().replace(b"D", b"E"))
    return None


def card_comment(card: bytes) -> bytes:
    """Return the comment of a card, without the slash and surrounding blanks; ``b""`` if there is none."""
    field = card[9:CARD_BYTES]
    string = _STRING.match(field)
    rest = field[string.end() :] if string is not None else field
    return rest.partition(b"/")[2].strip(b" ")


def format_real(value: float) -> str:
    """Return the shortest decimal that reads back as the same float64, with a point and an upper-case exponent."""
    if not math.isfinite(value):
        raise InputError(f"a FITS card needs a finite number, found {value!r}: leave the card out")
    mantissa, _, exponent = repr(float(value)).upper().partition("E")
    if "." not in mantissa:
        mantissa += ".0"
    return f"{mantissa}E{exponent}" if exponent else mantissa


def _printable(text: str) -> str:
    """Replace characters outside printable ASCII, which a header must not hold, by ``?``."""
    return "".join(char if " " <= char <= "~" else "?" for char in text)


def format_value(value: CardValue) -> bytes:
    """Format the value field (columns 11 and on) of a card in fixed format; None gives an undefined value.

    Numbers of more than 20 columns continue to the right, which the standard allows for keywords that are not
    mandatory. Characters of strings outside printable ASCII become ``?``.
    """
    if value is None:
        return b" " * 20
    if isinstance(value, str):
        quoted = _printable(value).replace("'", "''")
        return f"'{quoted:<8}'".ljust(20).encode("ascii")
    if isinstance(value, bool):
        text = "T" if value else "F"
    else:
        text = str(value) if isinstance(value, int) else format_real(value)
    return text.rjust(20).encode("ascii")


def format_card(keyword: str | bytes, value: CardValue, comment: str | bytes = b"") -> bytes:
    """Format a card of 80 bytes; a comment that does not fit is cut.

    Raises
    ------
    InputError
        If the value does not fit into one card, is not finite, or if the keyword is over 8 characters.
    """
    name = keyword if isinstance(keyword, bytes) else keyword.encode("ascii")
    note = comment if isinstance(comment, bytes) else _printable(comment).encode("ascii")
    card = name.ljust(8) + b"= " + format_value(value)
    if len(name) > 8 or len(card) > CARD_BYTES:
        raise InputError(
            f"card {name!r} needs a keyword of at most 8 characters and at most {CARD_BYTES} bytes in all, "
            f"found {len(name)} and {len(card)}: shorten the value"
        )
    if note:
        card += b" / " + note
    return card[:CARD_BYTES].ljust(CARD_BYTES)


def pad_header(cards: bytes) -> bytes:
    """Pad header bytes with blanks to a multiple of 2880."""
    return cards + b" " * (-len(cards) % BLOCK_BYTES)
