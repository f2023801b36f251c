"""CRC-32 of stored streams and of whole files."""

from __future__ import annotations

import zlib
from typing import BinaryIO


def crc_of(*parts: bytes | memoryview) -> int:
    """Compute the CRC-32 (RFC 1952) of the concatenated parts."""
    crc = 0
    for part in parts:
        crc = zlib.crc32(part, crc)
    return crc


class CrcWriter:
    """An output stream that counts its bytes and computes their CRC."""

    __slots__ = ("_out", "crc", "size_bytes")

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self.crc = 0
        self.size_bytes = 0

    def write(self, data: bytes | memoryview) -> None:
        """Write all of ``data``."""
        self._out.write(data)
        self.crc = zlib.crc32(data, self.crc)
        self.size_bytes += len(data)
