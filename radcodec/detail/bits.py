"""Bit strings of the detail layer's small parts (docs/format.md, 8.2)."""

from __future__ import annotations

from radcodec.errors import CorruptError


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
        """The bytes, the last one filled with zero bits."""
        return bytes(self._out) + (bytes((self._hold,)) if self._n else b"")


class BitReader:
    """Reads what BitWriter wrote."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data, "little")
        self._left = 8 * len(data)

    def get(self, n: int) -> int:
        """Next n bits as a number.

        Raises
        ------
        CorruptError
            If fewer are left.
        """
        if n > self._left:
            raise CorruptError("detail layer: the data ends within a bit string")
        value = self._value & ((1 << n) - 1)
        self._value >>= n
        self._left -= n
        return value

    def finish(self) -> None:
        """Check that nothing but the last byte's zero bits is left.

        Raises
        ------
        CorruptError
            If anything is.
        """
        if self._left >= 8 or self._value:
            raise CorruptError("detail layer: bits are left over")
