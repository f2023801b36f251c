"""Pack and unpack every struct and magic number of a ``.rcz`` file.

``docs/format.md`` is normative; section numbers below refer to it. `radcodec.container.meta` builds META from these
parts. No function here reads a file, decodes a pixel or allocates by a number read from a file.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeVar

from radcodec import limits
from radcodec.coding.leb import pack_leb
from radcodec.container.cursor import CRC_BYTES as CRC_BYTES
from radcodec.container.cursor import SHORT_CRC_BYTES
from radcodec.container.cursor import Cursor as Cursor
from radcodec.errors import (
    CorruptError,
    LimitError,
    NotRadcodecError,
    TruncatedError,
    UnsupportedVersionError,
)
from radcodec.types import Kind, Mode, SampleType, Stream
from radcodec.version import VERSION

Member = TypeVar("Member", bound=IntEnum)

MAGIC = b"\x89RCZ\r\n\x1a\n"
FORMAT_VERSION = 0
FORMAT_DRAFT = 4
# Releases that read other drafts of version 0, and the name for unknown ones.
_READERS = {
    (0, 0): "radcodec 0.1.0 and its development versions before 0.2",
    (0, 1): "radcodec of the development versions of 0.2 that wrote draft 1",
    (0, 2): "radcodec of the development versions of 0.2 that wrote draft 2",
    (0, 3): "radcodec of the development versions of 0.2 that wrote draft 3",
}
_NEWER = "a newer radcodec"
FLAG_BASE_ONLY = 1
FLAG_LATE = 2
FLAG_OPEN = 4
FLAG_SHORT = 8
FLAG_APART = 16
FLAG_COMPACT = 128
_COMPACT_FLAGS = 0xF0  # what a compact file may have (2.7)
SHA256_BYTES = 32
SHORT_HASH_BYTES = 8  # of hashes in short files (2.6)

_PRELUDE = struct.Struct("<8s5B")
_CRC = struct.Struct("<I")
_F8 = struct.Struct("<d")
_I8 = struct.Struct("<q")
_U8 = struct.Struct("<Q")
_TILE = struct.Struct("<BQ3I")
RECORD_MARK = b"\x89RCR"
# The longest LEB128 of each section's size, four CRCs and the prelude's own CRC.
MAX_PRELUDE_BYTES = _PRELUDE.size + 5 + 5 + 6 + 3 * 9 + 5 * _CRC.size
TRAILER_BYTES = _CRC.size
PRELUDE_START_BYTES = _PRELUDE.size

_SHORT_SECTIONS = 5  # a short file has no EXTRA
SECTIONS = ("META", "PARAMS", "INDEX", "BASE", "TILES", "EXTRA")
# Where they lie in a late file (2.4), which has nothing in BASE.
_LATE_ORDER = ("BASE", "TILES", "EXTRA", "META", "PARAMS", "INDEX")
_CHECKED = tuple(
    SECTIONS.index(name) for name in ("META", "PARAMS", "INDEX", "EXTRA")
)  # sections with a CRC in the prelude
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
    """The start of a file (2.1): the sizes of the six ``SECTIONS`` in order, and CRCs of four of them.

    The CRC of a section without bytes is 0. In a short file (2.6) ``meta_crc`` is that of PRELUDE, META, PARAMS
    and INDEX together; the other CRCs are 0. In a compact file (2.7) it is that of the whole file, and the sizes are
    those that its fields say.
    """

    kind: Kind
    mode: Mode
    flags: int
    section_bytes: tuple[int, int, int, int, int, int]
    meta_crc: int
    params_crc: int
    index_crc: int
    extra_crc: int

    @property
    def is_short(self) -> bool:
        """Whether the file is short (2.6)."""
        return bool(self.flags & FLAG_SHORT)

    @property
    def has_masks_apart(self) -> bool:
        """Whether all masks lie together at the start of BASE (5.2)."""
        return bool(self.flags & FLAG_APART) and not self.is_compact

    @property
    def is_compact(self) -> bool:
        """Whether the file is compact (2.7)."""
        return bool(self.flags & FLAG_COMPACT)

    @property
    def trailer_bytes(self) -> int:
        """Length of the trailer; short files have none."""
        return 0 if self.is_short else TRAILER_BYTES

    @property
    def prelude_bytes(self) -> int:
        """Length of the prelude itself."""
        return len(pack_prelude(self))

    @property
    def file_bytes(self) -> int:
        """Length of the whole file."""
        return self.prelude_bytes + sum(self.section_bytes) + self.trailer_bytes

    @property
    def is_late(self) -> bool:
        """Whether META, PARAMS and INDEX follow the tiles (2.4)."""
        return bool(self.flags & FLAG_LATE)

    @property
    def order(self) -> tuple[str, ...]:
        """The names of the sections in the order in which they lie in the file."""
        return _LATE_ORDER if self.is_late else SECTIONS

    def section_start(self, name: str) -> int:
        """Return the offset of a section in the file."""
        before = self.order[: self.order.index(name)]
        return self.prelude_bytes + sum(self.section_bytes[SECTIONS.index(other)] for other in before)


def member_of(members: type[Member], value: int, what: str) -> Member:
    """Return the enum member for ``value``; raises CorruptError if there is none."""
    try:
        return members(value)
    except ValueError as err:
        raise CorruptError(f"expected one of {[int(member) for member in members]} for {what}, found {value}") from err


def pack_prelude(prelude: Prelude) -> bytes:
    """Pack a prelude."""
    packed = _PRELUDE.pack(MAGIC, FORMAT_VERSION, FORMAT_DRAFT, prelude.kind, prelude.mode, prelude.flags)
    if prelude.is_compact:
        return packed
    if prelude.is_short:
        packed += b"".join(map(pack_leb, prelude.section_bytes[:_SHORT_SECTIONS]))
        return packed + pack_crc(prelude.meta_crc)
    packed += b"".join(map(pack_leb, prelude.section_bytes))
    crcs = (prelude.meta_crc, prelude.params_crc, prelude.index_crc, prelude.extra_crc)
    sizes = (prelude.section_bytes[place] for place in _CHECKED)
    packed += b"".join(pack_crc(crc) for crc, size in zip(crcs, sizes, strict=True) if size)
    if prelude.is_late:
        packed = packed.ljust(MAX_PRELUDE_BYTES - _CRC.size, b"\0")
    return packed + pack_crc(zlib.crc32(packed))


def pack_open_prelude(kind: Kind, mode: Mode) -> bytes:
    """Pack the prelude of an open file (2.5), which has no lengths yet."""
    crcs = {"meta_crc": 0, "params_crc": 0, "index_crc": 0, "extra_crc": 0}
    flags = FLAG_LATE | FLAG_OPEN
    return pack_prelude(Prelude(kind=kind, mode=mode, flags=flags, section_bytes=(0, 0, 0, 0, 0, 0), **crcs))


def short_crc(prelude: Prelude, *sections: Stream) -> int:
    """Compute the CRC that ends the prelude of a short file: of its bytes before and META, PARAMS and INDEX (2.6)."""
    crc = zlib.crc32(pack_prelude(prelude)[: -_CRC.size])
    for section in sections:
        crc = zlib.crc32(section, crc)
    return crc


def prelude_crc(prelude: Prelude) -> int:
    """Compute the CRC that ends a prelude; of a compact file it is that of the file."""
    return prelude.meta_crc if prelude.is_compact else unpack_crc(pack_prelude(prelude)[-_CRC.size :])


def file_bytes(section_bytes: tuple[int, int, int, int, int, int], *, short: bool = False) -> int:
    """Compute the length of a file, or a short one, from the sizes of its sections, in the order of ``SECTIONS``."""
    crcs = {"meta_crc": 0, "params_crc": 0, "index_crc": 0, "extra_crc": 0}
    flags = FLAG_SHORT if short else 0
    return Prelude(kind=Kind.FITS, mode=Mode.LOSSLESS, flags=flags, section_bytes=section_bytes, **crcs).file_bytes


def _check_version(version: int, draft: int) -> None:
    """Raise UnsupportedVersionError for another version or draft, and name the release that reads it."""
    if (version, draft) != (FORMAT_VERSION, FORMAT_DRAFT):
        reader = _READERS.get((version, draft), _NEWER)
        raise UnsupportedVersionError(
            f"expected format version {FORMAT_VERSION} draft {FORMAT_DRAFT}, which radcodec {VERSION} reads, found "
            f"version {version} draft {draft}: {reader} reads it, decompress it with that"
        )


def unpack_prelude(data: bytes) -> Prelude:
    """Read the prelude from a file's first ``MAX_PRELUDE_BYTES``, or from all of a shorter file.

    That of a compact file has no sizes yet: `radcodec.container.compact.read_start` finds them.

    Raises
    ------
    NotRadcodecError, UnsupportedVersionError, TruncatedError, CorruptError, LimitError
        Magic, version, length, CRC and ranges are checked, in this order.
    """
    if not data or data[: len(MAGIC)] != MAGIC[: len(data)]:
        raise NotRadcodecError(f"expected a .rcz file, which starts with {MAGIC!r}, found {data[:8]!r}")
    if len(data) >= len(MAGIC) + 2:
        _check_version(data[len(MAGIC)], data[len(MAGIC) + 1])
    # A byte of 1 ends every number, so a truncated file parses to its end and is reported below.
    cursor = Cursor(data + b"\1" * MAX_PRELUDE_BYTES, "the prelude")
    _, _, _, kind, mode, flags = _PRELUDE.unpack(cursor.take(_PRELUDE.size))
    if flags & FLAG_COMPACT:
        return _unpack_compact(kind, mode, flags, len(data))
    short = bool(flags & FLAG_SHORT)
    sizes = (cursor.leb(), cursor.leb(), cursor.leb(), cursor.leb(), cursor.leb(), 0 if short else cursor.leb())
    crcs = [0] * len(_CHECKED) if short else [cursor.crc() if sizes[place] else 0 for place in _CHECKED]
    sound = True
    if flags & FLAG_LATE:
        room = MAX_PRELUDE_BYTES - _CRC.size - cursor.position
        sound = room >= 0 and not any(cursor.take(max(0, room)))
    crc = zlib.crc32(cursor.since(0))
    last = cursor.crc()
    if short:  # which covers sections, too: the reader checks it
        crcs[0], crc = last, last
    if (last != crc or not sound) and cursor.position <= len(data):
        raise CorruptError("the checksum of the prelude is wrong: the file is damaged")
    if cursor.position > len(data):
        raise TruncatedError(f"expected {cursor.position} bytes of prelude, the file ends after {len(data)}")
    known_kind, known_mode = member_of(Kind, kind, "the kind"), member_of(Mode, mode, "the mode")
    _check_flags(flags)
    if short and (known_kind, known_mode, flags & FLAG_LATE) != (Kind.ARRAY, Mode.LOSSY, 0):
        raise CorruptError("expected a lossy array in a short file, the prelude says something else")
    _check_sizes(sizes, flags)
    return Prelude(
        kind=known_kind,
        mode=known_mode,
        flags=flags,
        section_bytes=sizes,
        meta_crc=crcs[0],
        params_crc=crcs[1],
        index_crc=crcs[2],
        extra_crc=crcs[3],
    )


def _unpack_compact(kind: int, mode: int, flags: int, size: int) -> Prelude:
    """Read the prelude of a compact file of at least ``size`` bytes, without the sizes of its sections."""
    if size < _PRELUDE.size:
        raise TruncatedError(f"expected {_PRELUDE.size} bytes of prelude, the file ends after {size}")
    if kind != Kind.ARRAY or mode not in (Mode.LOSSLESS, Mode.BOUNDED) or flags & ~_COMPACT_FLAGS:
        raise CorruptError("expected an exact or bounded array in a compact file, found another kind, mode or flags")
    crcs = {"meta_crc": 0, "params_crc": 0, "index_crc": 0, "extra_crc": 0}
    return Prelude(kind=Kind.ARRAY, mode=Mode(mode), flags=flags, section_bytes=(0, 0, 0, 0, 0, 0), **crcs)


def _check_flags(flags: int) -> None:
    """Raise an error where no file, or no finished one, has these flags."""
    known = flags & ~(FLAG_BASE_ONLY | FLAG_LATE | FLAG_OPEN | FLAG_SHORT | FLAG_APART) == 0
    alone = not flags & FLAG_APART or flags == FLAG_APART
    if not known or not alone or flags & (FLAG_OPEN | FLAG_LATE) == FLAG_OPEN:
        raise CorruptError(f"expected known flags in the prelude, found {flags:#x}")
    if flags & FLAG_OPEN:
        raise TruncatedError(
            "expected a finished file, found one that is still being written or whose writer was ended: "
            "radcodec recover restores its complete planes"
        )


def _check_sizes(sizes: tuple[int, ...], flags: int) -> None:
    """Raise an error where a prelude may not declare sections of these sizes."""
    for name, size, cap in zip(SECTIONS, sizes, _SECTION_CAPS, strict=True):
        if size > cap:
            raise LimitError(f"expected at most {cap} bytes of {name}, the prelude declares {size}")
    if sizes[0] < 1:
        raise CorruptError("expected at least 1 byte of META, the prelude declares none")
    if flags & FLAG_LATE and sizes[SECTIONS.index("BASE")]:
        raise CorruptError("expected no BASE in a file whose META follows the tiles, the prelude declares one")


def pack_crc(crc: int) -> bytes:
    """Pack a CRC in four bytes."""
    return _CRC.pack(crc)


def unpack_crc(data: bytes) -> int:
    """Read a CRC from four bytes."""
    return int.from_bytes(data, "little")


def pixel_crc_prefix(sample_type: SampleType, tile_number: int, shape: tuple[int, int, int]) -> int:
    """Compute the CRC of the bytes before the samples in a pixel CRC (section 5); shape is that of the tile."""
    return zlib.crc32(_TILE.pack(sample_type, tile_number, *shape))


def least_entry_bytes(n_stages: int, *, late: bool = False) -> int:
    """Return the least size of an INDEX entry (section 5) for an image with ``n_stages`` base stages."""
    return late + 2 + _CRC.size + n_stages


def entry_bytes(
    tile_bytes: Sequence[int], stage_bytes: Sequence[int] = (), *, short: bool = False, apart: bool = False
) -> int:
    """Return the size of an INDEX entry, given the sizes of mask, detail stream and base streams."""
    stages = sum(
        stage_entry_bytes(size) - (_CRC.size - SHORT_CRC_BYTES if short else 0) if size else 1 for size in stage_bytes
    )
    n_crcs = 1 + (sum(map(bool, tile_bytes)) if apart else any(tile_bytes))
    return sum(len(pack_leb(size)) for size in tile_bytes) + _CRC.size * n_crcs + stages


def stage_entry_bytes(size: int) -> int:
    """Return the largest size in an INDEX entry of a base stream of at most ``size`` bytes."""
    return len(pack_leb(size)) + _CRC.size


def entry_words(n_stages: int) -> int:
    """Return the number of integers in one INDEX entry."""
    return 4 + 2 * n_stages


def pack_entry(
    sizes: tuple[int, int], crc: int, pixel_crc: int, stages: Sequence[tuple[int, int]], *, short: bool = False
) -> bytes:
    """Pack an INDEX entry: sizes of mask and detail stream, their CRC, pixel CRC, size and CRC of each stage.

    In a short file a stage has the low half of its CRC.
    """
    width = SHORT_CRC_BYTES if short else _CRC.size
    tile = b"".join(map(pack_leb, sizes)) + (pack_crc(crc) if any(sizes) else b"") + pack_crc(pixel_crc)
    return tile + b"".join(pack_leb(size) + (pack_crc(crc)[:width] if size else b"") for size, crc in stages)


def pack_entry_apart(
    sizes: tuple[int, int], crcs: tuple[int, int], pixel_crc: int, stages: Sequence[tuple[int, int]]
) -> bytes:
    """Pack an INDEX entry of a file whose masks lie apart (5.2); ``crcs`` are those of mask and detail stream."""
    tile = b"".join(map(pack_leb, sizes)) + (pack_crc(crcs[1]) if sizes[1] else b"") + pack_crc(pixel_crc)
    base = b"".join(pack_leb(size) + (pack_crc(crc) if size else b"") for size, crc in stages)
    return tile + base + (pack_crc(crcs[0]) if sizes[0] else b"")


def unpack_entry(cursor: Cursor, n_stages: int, *, short: bool = False, apart: bool = False) -> list[int]:
    """Read the ``entry_words`` integers of an INDEX entry, in the order of ``pack_entry``; an absent CRC is 0.

    With ``apart`` the CRC is that of the detail stream alone, and that of the mask (5.2) still follows.
    """
    cap = limits.MAX_STREAM_BYTES
    words = [cursor.leb_up_to(cap, "bytes of a mask"), cursor.leb_up_to(cap, "bytes of a detail stream")]
    words.append(cursor.crc() if (words[1] if apart else any(words)) else 0)
    words.append(cursor.crc())
    for stage in range(n_stages):
        size = cursor.leb_up_to(cap, "bytes of a base stream")
        if size and stage and not words[-2]:
            raise CorruptError(
                f"expected no base stream after an empty one in {cursor.what}, found one of {size} bytes"
            )
        words += size, (cursor.short_crc() if short else cursor.crc()) if size else 0
    return words


def pack_str(text: str) -> bytes:
    """Pack a text as length and UTF-8, cut to the format's limit of 4096 bytes."""
    encoded = text.encode("utf-8", "replace")
    if len(encoded) > limits.MAX_STR_BYTES:
        encoded = encoded[: limits.MAX_STR_BYTES].decode("utf-8", "ignore").encode("utf-8")
    return pack_leb(len(encoded)) + encoded


def pack_f8(value: float) -> bytes:
    """Pack a float64 in eight bytes."""
    return _F8.pack(value)


def pack_i8(value: int) -> bytes:
    """Pack a signed integer in eight bytes."""
    return _I8.pack(value)


def pack_u8(value: int) -> bytes:
    """Pack an unsigned integer in eight bytes."""
    return _U8.pack(value)
