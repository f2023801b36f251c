"""Read the fields of a section in order."""

from __future__ import annotations

import math
import struct

from radcodec import limits
from radcodec.coding.leb import unpack_leb
from radcodec.errors import CorruptError, LimitError

CRC_BYTES = 4
SHORT_CRC_BYTES = 2  # of a base stream in a short file
_F8 = struct.Struct("<d")


class Cursor:
    """Read the fields of a section in order; reading past its end raises CorruptError."""

    __slots__ = ("_data", "position", "what")

    def __init__(self, data: bytes, what: str) -> None:
        self._data = data
        self.position = 0
        self.what = what

    @property
    def left(self) -> int:
        """Bytes not read yet."""
        return len(self._data) - self.position

    def take(self, size: int) -> bytes:
        """Read the next ``size`` bytes."""
        if size > self.left:
            raise CorruptError(f"expected {size} more bytes at {self.position} of {self.what}, found {self.left}")
        self.position += size
        return self._data[self.position - size : self.position]

    def since(self, start: int) -> bytes:
        """Return the bytes from ``start`` to the current position."""
        return self._data[start : self.position]

    def u1(self) -> int:
        """Read one byte."""
        return self.take(1)[0]

    def crc(self) -> int:
        """Read a CRC of four bytes."""
        return int.from_bytes(self.take(CRC_BYTES), "little")

    def short_crc(self) -> int:
        """Read the low half of a CRC."""
        return int.from_bytes(self.take(SHORT_CRC_BYTES), "little")

    def flag(self) -> bool:
        """Read one byte that must be 0 or 1."""
        value = self.u1()
        if value > 1:
            raise CorruptError(f"expected 0 or 1 at {self.position - 1} of {self.what}, found {value}")
        return value == 1

    def leb(self) -> int:
        """Read an unsigned LEB128 integer under 2^64 in its shortest form."""
        value, self.position = unpack_leb(self._data, self.position, self.what)
        return value

    def leb_up_to(self, cap: int, name: str) -> int:
        """Read an integer of at most ``cap``; raises LimitError for a larger one."""
        value = self.leb()
        if value > cap:
            raise LimitError(f"expected at most {cap} for the {name} in {self.what}, found {value}")
        return value

    def text(self) -> str:
        """Read a text: length and UTF-8."""
        encoded = self.take(self.leb_up_to(limits.MAX_STR_BYTES, "length of a text"))
        try:
            return encoded.decode("utf-8")
        except UnicodeDecodeError as err:
            raise CorruptError(f"expected UTF-8 before {self.position} of {self.what}, found {encoded[:20]!r}") from err

    def f8(self) -> float:
        """Read a float64 of any value."""
        value: float = _F8.unpack(self.take(_F8.size))[0]
        return value

    def finite(self, name: str, *, above: float | None = None) -> float:
        """Read a finite float64, larger than ``above`` if that is given."""
        value = self.f8()
        if not math.isfinite(value) or (above is not None and value <= above):
            raise CorruptError(f"expected a valid number for the {name} in {self.what}, found {value}")
        return value

    def i8(self) -> int:
        """Read a signed 64-bit integer."""
        return int.from_bytes(self.take(8), "little", signed=True)

    def u8(self) -> int:
        """Read an unsigned 64-bit integer."""
        return int.from_bytes(self.take(8), "little")

    def end(self) -> None:
        """Raise CorruptError if bytes are left over."""
        if self.left:
            raise CorruptError(f"expected {self.what} to end at {self.position}, found {self.left} more bytes")
