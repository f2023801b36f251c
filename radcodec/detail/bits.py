"""Bit strings of the detail layer's small parts (docs/format.md, 8.2)."""

from __future__ import annotations


class BitWriter:
    """Bits, least significant first in each byte."""

    def __init__(self) -> None:
        self._out = bytearray()
        self._hold = 0
        self._n = 0

    def put(self, value: int, n: int) -> None:
        """Append n bits of a value, least significant first."""
        self._hold |= value << self._n
        self._n += n
        while self._n >= 8:
            self._out.append(self._hold & 0xFF)
            self._hold >>= 8
            self._n -= 8

    def finish(self) -> bytes:
        """Return the bytes, the last one filled with zero bits."""
        return bytes(self._out) + (bytes((self._hold,)) if self._n else b"")
