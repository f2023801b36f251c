"""LEB128 numbers and bit strings of the detail layer's small parts (docs/format.md, 1 and 8.2)."""

from __future__ import annotations

from radcodec.errors import CorruptError

LEB_BYTES = 10


def put_leb(out: bytearray, value: int) -> None:
    """Append an unsigned LEB128 number."""
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)


def get_leb(data: bytes | memoryview, pos: int) -> tuple[int, int]:
    """Number at a position, and the position behind it.

    Raises
    ------
    CorruptError
        If it does not end within the data, is over 64 bits, or is not of the shortest form.
    """
    value = 0
    for i in range(LEB_BYTES):
        if pos + i >= len(data):
            raise CorruptError("detail layer: the data ends within a number")
        byte = data[pos + i]
        value |= (byte & 0x7F) << (7 * i)
        if byte < 0x80:
            if (byte == 0 and i > 0) or value >= 1 << 64:
                raise CorruptError("detail layer: a number is not of the shortest form")
            return value, pos + i + 1
    raise CorruptError("detail layer: a number is longer than ten bytes")


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
