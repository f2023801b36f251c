"""Check the DATASUM and CHECKSUM keywords of an HDU, and update them where they exist.

References
----------
FITS Standard 4.0, section 4.4.2.7 and appendix J (ones-complement sum and its ASCII encoding).
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from radcodec.fits.cards import CARD_BYTES, card_comment, card_keyword, find_end, format_card, parse_value

ByteSource: TypeAlias = bytes | memoryview | npt.NDArray[np.uint8]

# Bytes summed at a time: small enough for the cache, far below the 2^34 at which a uint64 sum could overflow.
_CHUNK_BYTES = 1 << 20
_ALL_ONES = 0xFFFFFFFF
_PUNCTUATION = frozenset(b":;<=>?@[\\]^_`")


def ones_complement_sum(data: ByteSource, start_sum: int = 0) -> int:
    """Sum big-endian 32-bit words with end-around carry, starting from ``start_sum``.

    A length that is not a multiple of 4 is padded with zeros. The result is in 0 to 2^32-1.
    """
    octets = np.frombuffer(data, dtype=np.uint8)
    whole = len(octets) // 4 * 4
    total = start_sum
    for start in range(0, whole, _CHUNK_BYTES):
        words = octets[start : min(start + _CHUNK_BYTES, whole)].view(">u4")
        total += int(words.sum(dtype=np.uint64))
    if whole < len(octets):
        total += int.from_bytes(octets[whole:].tobytes().ljust(4, b"\0"), "big")
    while total > _ALL_ONES:
        total = (total & _ALL_ONES) + (total >> 32)
    return total


def _encode_byte(byte: int) -> list[int]:
    """Split ``byte`` + 4 * 48 into four alphanumeric ASCII codes."""
    quotient, remainder = byte // 4 + ord("0"), byte % 4
    codes = [quotient + remainder, quotient, quotient, quotient]
    while any(code in _PUNCTUATION for code in codes):
        for pair in (0, 2):
            if codes[pair] in _PUNCTUATION or codes[pair + 1] in _PUNCTUATION:
                codes[pair] += 1
                codes[pair + 1] -= 1
    return codes


def encode_checksum(value: int) -> str:
    """Encode a 32-bit value in the 16 characters of a CHECKSUM card."""
    codes = [_encode_byte(byte) for byte in value.to_bytes(4, "big")]
    plain = [codes[byte][place] for place in range(4) for byte in range(4)]
    return bytes(plain[-1:] + plain[:-1]).decode("ascii")


def _places(header: bytes) -> dict[bytes, int]:
    """Find the offsets of the DATASUM and CHECKSUM cards that hold a value; an empty string means undefined."""
    places: dict[bytes, int] = {}
    end = find_end(header)
    for start in range(0, len(header) if end < 0 else end, CARD_BYTES):
        card = header[start : start + CARD_BYTES]
        keyword = card_keyword(card)
        if keyword in (b"DATASUM", b"CHECKSUM") and keyword not in places and parse_value(card) not in (None, ""):
            places[keyword] = start
    return places


def checksum_status(header: bytes, data: ByteSource) -> tuple[bool | None, bool | None]:
    """Return whether DATASUM and CHECKSUM are right; None for one that is absent or undefined.

    Parameters
    ----------
    header
        The whole header, padding included.
    data
        The data with their padding, as in the file.
    """
    places = _places(header)
    if not places:
        return None, None
    datasum = ones_complement_sum(data)
    datasum_ok: bool | None = None
    if b"DATASUM" in places:
        start = places[b"DATASUM"]
        datasum_ok = str(parse_value(header[start : start + CARD_BYTES])).strip() == str(datasum)
    checksum_ok: bool | None = None
    if b"CHECKSUM" in places:
        # Both are zero in ones-complement arithmetic.
        checksum_ok = ones_complement_sum(header, datasum) in (0, _ALL_ONES)
    return datasum_ok, checksum_ok


def _with_card(header: bytes, start: int, keyword: bytes, value: str) -> bytes:
    """Replace the value of one card in a header and keep its comment."""
    comment = card_comment(header[start : start + CARD_BYTES])
    return header[:start] + format_card(keyword, value, comment) + header[start + CARD_BYTES :]


def refresh_checksums(header: bytes, data: ByteSource, *, datasum: bool = True, checksum: bool = True) -> bytes:
    """Correct DATASUM and CHECKSUM in a header for these data; its length stays the same.

    Cards that are absent or undefined are not added. ``datasum`` and ``checksum`` choose which of them to rewrite, so
    that a wrong one can stay wrong.
    """
    places = _places(header)
    if not places:
        return header
    total = ones_complement_sum(data)
    if datasum and b"DATASUM" in places:
        header = _with_card(header, places[b"DATASUM"], b"DATASUM", str(total))
    if checksum and b"CHECKSUM" in places:
        header = _with_card(header, places[b"CHECKSUM"], b"CHECKSUM", "0" * 16)
        complement = _ALL_ONES - ones_complement_sum(header, total)
        header = _with_card(header, places[b"CHECKSUM"], b"CHECKSUM", encode_checksum(complement))
    return header
