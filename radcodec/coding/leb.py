"""Unsigned LEB128 integers (docs/format.md, section 1): the variable-length numbers of every layer."""

from __future__ import annotations

from radcodec.errors import CorruptError

_MAX_BYTES = 10


def pack_leb(value: int) -> bytes:
    """Pack a number as unsigned LEB128 in its shortest form."""
    packed = bytearray()
    while value > 0x7F:
        packed.append(value & 0x7F | 0x80)
        value >>= 7
    packed.append(value)
    return bytes(packed)


def unpack_leb(data: bytes | memoryview, position: int, what: str) -> tuple[int, int]:
    """Read the number at a position of ``data``; return it and the next position. ``what`` names the data.

    Raises
    ------
    CorruptError
        If it does not end within the data, is not under 2^64, or is not of the shortest form.
    """
    value = 0
    for i in range(_MAX_BYTES):
        if position + i >= len(data):
            raise CorruptError(f"{what} ends within a number, at {position + i}")
        byte = data[position + i]
        value |= (byte & 0x7F) << (7 * i)
        if byte < 0x80:
            if value >= 1 << 64 or (byte == 0 and i > 0):
                raise CorruptError(f"expected a number under 2^64 in its shortest form at {position} of {what}")
            return value, position + i + 1
    raise CorruptError(f"expected a number of at most {_MAX_BYTES} bytes at {position} of {what}")
