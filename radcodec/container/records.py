"""Records of open files (``docs/format.md`` 2.5): each says what the streams of the planes behind it are."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from radcodec import limits
from radcodec.container.checksum import crc_of
from radcodec.container.layout import RECORD_MARK, pack_crc, unpack_crc

_SIZE_BYTES = _CRC_BYTES = 4
# Of the mark, the kind and the length of the head.
RECORD_START_BYTES = len(RECORD_MARK) + 1 + _SIZE_BYTES


class RecordKind(IntEnum):
    """What a record is about."""

    OPENING = 0
    PLANES = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaneRecord:
    """What a record of planes says before the streams of their tiles.

    ``noise`` is what the largest bound of these planes was made from, physical units, 0 for none. ``set_number`` is
    that of their predictors, from 1, or 0 for none; ``new_set`` is packed, where it is a new one. ``bounds`` and
    ``base`` are blocks 2 and 1 of PARAMS, of these planes alone.
    """

    n_frames: int
    noise: float = 0.0
    set_number: int = 0
    new_set: bytes = b""
    bounds: bytes = b""
    base: bytes = b""


def pack_record(kind: RecordKind, head: bytes) -> bytes:
    """Pack a record."""
    packed = RECORD_MARK + bytes([kind]) + len(head).to_bytes(_SIZE_BYTES, "little") + head
    return packed + pack_crc(crc_of(packed))


def record_bytes(start: bytes) -> int | None:
    """Return the length of a record by its first ``RECORD_START_BYTES``; None where no record starts so."""
    if len(start) < RECORD_START_BYTES or not start.startswith(RECORD_MARK):
        return None
    size = int.from_bytes(start[len(RECORD_MARK) + 1 : RECORD_START_BYTES], "little")
    return None if size > limits.MAX_RECORD_BYTES else RECORD_START_BYTES + size + _CRC_BYTES


def unpack_record(data: bytes) -> tuple[RecordKind, bytes] | None:
    """Read a record of just these bytes; None where its CRC is wrong or its kind is not known."""
    body, kind = data[:-_CRC_BYTES], data[len(RECORD_MARK)]
    if crc_of(body) != unpack_crc(data[-_CRC_BYTES:]) or kind not in (RecordKind.OPENING, RecordKind.PLANES):
        return None
    return RecordKind(kind), body[RECORD_START_BYTES:]
