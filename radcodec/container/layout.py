"""THE format: every struct string and magic number of a ``.rcz`` file, as pairs of pack and unpack.

``docs/format.md`` is normative; section numbers below are its sections. META, which is made of what is here, is in
`radcodec.container.meta`. Nothing here reads a file, knows a pixel or allocates by a number that was read.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeVar

from radcodec import limits
from radcodec.errors import (
    CorruptError,
    LimitError,
    NotRadcodecError,
    TruncatedError,
    UnsupportedVersionError,
)
from radcodec.leb import pack_leb, unpack_leb
from radcodec.types import Kind, Mode

Member = TypeVar("Member", bound=IntEnum)

MAGIC = b"\x89RCZ\r\n\x1a\n"
TRAILER_MAGIC = b"RCZE"
FORMAT_VERSION = 0
FLAG_BASE_ONLY = 1
SHA256_BYTES = 32

_PRELUDE = struct.Struct("<8sHBBI6Q4I")
_CRC = struct.Struct("<I")
_F8 = struct.Struct("<d")
_I8 = struct.Struct("<q")
_U8 = struct.Struct("<Q")
_ENTRY = struct.Struct("<4I")
_STAGE = struct.Struct("<2I")
PRELUDE_BYTES = _PRELUDE.size + _CRC.size
TRAILER_BYTES = _CRC.size + len(TRAILER_MAGIC)

SECTIONS = ("META", "PARAMS", "INDEX", "BASE", "TILES", "EXTRA")
_SECTION_CAPS = (
    limits.MAX_META_BYTES,
    limits.MAX_PARAMS_BYTES,
    limits.MAX_INDEX_BYTES,
    limits.MAX_SECTION_BYTES,
    limits.MAX_SECTION_BYTES,
    limits.MAX_SECTION_BYTES,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prelude:
    """The fixed start of a file (2.1): sizes of the six sections in the order of ``SECTIONS``, CRCs of four of them."""

    kind: Kind
    mode: Mode
    flags: int
    section_bytes: tuple[int, int, int, int, int, int]
    meta_crc: int
    params_crc: int
    index_crc: int
    extra_crc: int

    @property
    def file_bytes(self) -> int:
        """Length of the whole file."""
        return PRELUDE_BYTES + sum(self.section_bytes) + TRAILER_BYTES

    def section_start(self, name: str) -> int:
        """Offset of a section in the file."""
        return PRELUDE_BYTES + sum(self.section_bytes[: SECTIONS.index(name)])


def member_of(members: type[Member], value: int, what: str) -> Member:
    """The member of a closed set that ``value`` stands for; raises CorruptError where there is none."""
    try:
        return members(value)
    except ValueError as err:
        raise CorruptError(f"expected one of {[int(member) for member in members]} for {what}, found {value}") from err


def pack_prelude(prelude: Prelude) -> bytes:
    """The 84 bytes of a prelude."""
    packed = _PRELUDE.pack(
        MAGIC,
        FORMAT_VERSION,
        prelude.kind,
        prelude.mode,
        prelude.flags,
        *prelude.section_bytes,
        prelude.meta_crc,
        prelude.params_crc,
        prelude.index_crc,
        prelude.extra_crc,
    )
    return packed + pack_crc(zlib.crc32(packed))


def unpack_prelude(data: bytes) -> Prelude:
    """The prelude that a file begins with; ``data`` is its first 84 bytes, or all of a shorter file.

    Raises
    ------
    NotRadcodecError, UnsupportedVersionError, TruncatedError, CorruptError, LimitError
        Magic, version, length, CRC and ranges are checked, in this order.
    """
    if not data or data[: len(MAGIC)] != MAGIC[: len(data)]:
        raise NotRadcodecError(f"expected a .rcz file, which starts with {MAGIC!r}, found {data[:8]!r}")
    if len(data) >= len(MAGIC) + 2:
        version = int.from_bytes(data[len(MAGIC) : len(MAGIC) + 2], "little")
        if version != FORMAT_VERSION:
            raise UnsupportedVersionError(
                f"expected format version {FORMAT_VERSION}, found {version}: a newer radcodec reads it"
            )
    if len(data) < PRELUDE_BYTES:
        raise TruncatedError(f"expected {PRELUDE_BYTES} bytes of prelude, the file ends after {len(data)}")
    _, _, kind, mode, flags, *numbers = _PRELUDE.unpack(data[: _PRELUDE.size])
    if unpack_crc(data[_PRELUDE.size : PRELUDE_BYTES]) != zlib.crc32(data[: _PRELUDE.size]):
        raise CorruptError("the checksum of the first 80 bytes does not hold: the file is damaged")
    known_kind, known_mode = member_of(Kind, kind, "the kind"), member_of(Mode, mode, "the mode")
    if flags & ~FLAG_BASE_ONLY:
        raise CorruptError(f"expected known flags in the prelude, found {flags:#x}")
    sizes = (numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], numbers[5])
    for name, size, cap in zip(SECTIONS, sizes, _SECTION_CAPS, strict=True):
        if size > cap:
            raise LimitError(f"expected at most {cap} bytes of {name}, the prelude declares {size}")
    if sizes[0] < 1:
        raise CorruptError("expected at least 1 byte of META, the prelude declares none")
    return Prelude(
        kind=known_kind,
        mode=known_mode,
        flags=flags,
        section_bytes=sizes,
        meta_crc=numbers[6],
        params_crc=numbers[7],
        index_crc=numbers[8],
        extra_crc=numbers[9],
    )


def pack_crc(crc: int) -> bytes:
    """Four bytes of a CRC."""
    return _CRC.pack(crc)


def unpack_crc(data: bytes) -> int:
    """The CRC in four bytes."""
    return int.from_bytes(data, "little")


def pack_trailer(crc: int) -> bytes:
    """The 8 bytes of a trailer (2.2)."""
    return pack_crc(crc) + TRAILER_MAGIC


def unpack_trailer(data: bytes) -> int:
    """The CRC of the whole file; raises CorruptError where the end mark is missing."""
    if len(data) != TRAILER_BYTES or data[_CRC.size :] != TRAILER_MAGIC:
        raise CorruptError(f"expected the file to end with {TRAILER_MAGIC!r}, found {data[_CRC.size :]!r}")
    return unpack_crc(data[: _CRC.size])


def pixel_crc_prefix(record: bytes, tile_number: int) -> int:
    """CRC so far of what comes before the samples in a pixel CRC (section 5)."""
    return zlib.crc32(_U8.pack(tile_number), zlib.crc32(record))


def entry_bytes(n_stages: int) -> int:
    """Bytes of one INDEX entry (section 5) of an image with ``n_stages`` base stages."""
    return _ENTRY.size + _STAGE.size * n_stages


def entry_words(n_stages: int) -> int:
    """How many u4 one INDEX entry is made of."""
    return entry_bytes(n_stages) // _CRC.size


def pack_entry(sizes: tuple[int, int], crc: int, pixel_crc: int, stages: Sequence[tuple[int, int]]) -> bytes:
    """One INDEX entry: bytes of mask and detail stream, their CRC, the pixel CRC, bytes and CRC of each stage."""
    return _ENTRY.pack(*sizes, crc, pixel_crc) + b"".join(_STAGE.pack(*stage) for stage in stages)


def pack_str(text: str) -> bytes:
    """Length and UTF-8 of a text, cut to the 4096 bytes that the format allows."""
    encoded = text.encode("utf-8", "replace")
    if len(encoded) > limits.MAX_STR_BYTES:
        encoded = encoded[: limits.MAX_STR_BYTES].decode("utf-8", "ignore").encode("utf-8")
    return pack_leb(len(encoded)) + encoded


def pack_f8(value: float) -> bytes:
    """Eight bytes of a float64."""
    return _F8.pack(value)


def pack_i8(value: int) -> bytes:
    """Eight bytes of a signed integer."""
    return _I8.pack(value)


def pack_u8(value: int) -> bytes:
    """Eight bytes of an unsigned integer."""
    return _U8.pack(value)


class Cursor:
    """Reads the fields of a section one after the other; everything that runs over its end raises CorruptError."""

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
        """The next ``size`` bytes."""
        if size > self.left:
            raise CorruptError(f"expected {size} more bytes at {self.position} of {self.what}, found {self.left}")
        self.position += size
        return self._data[self.position - size : self.position]

    def since(self, start: int) -> bytes:
        """The bytes from ``start`` to the current position."""
        return self._data[start : self.position]

    def u1(self) -> int:
        """One byte."""
        return self.take(1)[0]

    def flag(self) -> bool:
        """One byte that is 0 or 1."""
        value = self.u1()
        if value > 1:
            raise CorruptError(f"expected 0 or 1 at {self.position - 1} of {self.what}, found {value}")
        return value == 1

    def leb(self) -> int:
        """An unsigned LEB128 integer under 2^64 in its shortest form."""
        value, self.position = unpack_leb(self._data, self.position, self.what)
        return value

    def leb_up_to(self, cap: int, name: str) -> int:
        """An integer that is at most ``cap``; raises LimitError for a larger one."""
        value = self.leb()
        if value > cap:
            raise LimitError(f"expected at most {cap} for the {name} in {self.what}, found {value}")
        return value

    def text(self) -> str:
        """A str of the format."""
        encoded = self.take(self.leb_up_to(limits.MAX_STR_BYTES, "length of a text"))
        try:
            return encoded.decode("utf-8")
        except UnicodeDecodeError as err:
            raise CorruptError(f"expected UTF-8 before {self.position} of {self.what}, found {encoded[:20]!r}") from err

    def f8(self) -> float:
        """A float64 of any value."""
        value: float = _F8.unpack(self.take(_F8.size))[0]
        return value

    def finite(self, name: str, *, above: float | None = None) -> float:
        """A finite float64, larger than ``above`` where that is given."""
        value = self.f8()
        if not math.isfinite(value) or (above is not None and value <= above):
            raise CorruptError(f"expected a sound number for the {name} in {self.what}, found {value}")
        return value

    def i8(self) -> int:
        """A signed 64-bit integer."""
        return int.from_bytes(self.take(_I8.size), "little", signed=True)

    def u8(self) -> int:
        """An unsigned 64-bit integer."""
        return int.from_bytes(self.take(_U8.size), "little")

    def end(self) -> None:
        """Nothing; raises CorruptError where bytes are left over."""
        if self.left:
            raise CorruptError(f"expected {self.what} to end at {self.position}, found {self.left} more bytes")
