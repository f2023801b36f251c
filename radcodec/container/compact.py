"""Pack and unpack compact files: small exact or bounded arrays of one tile (``docs/format.md`` 2.7).

A compact file stands for an ordinary one. It leaves out what its other bytes say, and has one checksum for all of it.
"""

from __future__ import annotations

import zlib

from radcodec.coding.leb import pack_leb
from radcodec.container.layout import (
    CRC_BYTES,
    FLAG_COMPACT,
    MAX_PRELUDE_BYTES,
    PRELUDE_START_BYTES,
    SHA256_BYTES,
    Cursor,
    Prelude,
    pack_f8,
    pack_str,
    pack_u8,
    unpack_crc,
    unpack_prelude,
)
from radcodec.container.meta import (
    BOUNDED,
    DITHER,
    SIGMA,
    STEP_MAP,
    ImageRecord,
    Meta,
    ParamBlocks,
    array_meta,
    pack_image_record,
    unpack_image_record,
)
from radcodec.errors import CorruptError, TruncatedError
from radcodec.limits import MAX_COMPACT_BYTES, MAX_STREAM_BYTES
from radcodec.types import Kind, Mode

FLAG_MASK, FLAG_PREDICTORS, FLAG_BOUNDS = 32, 64, 16
MAX_COMPACT_AXES = 7
_UNIT = 128  # of the first byte of META
_TYPES = 16
_F8_BYTES = 8
# The start of a predictor block (8.2): the name of the one table set that compact files use, and its fill.
_TABLES = bytes.fromhex("c97a3778bf37a087")
_FILL_END = len(_TABLES) + _F8_BYTES
_HAS_BOUND_SIGMA = BOUNDED  # bit 0 of the flags is free in a compact file, whose mode says what is bounded


def pack_compact_meta(meta: Meta) -> bytes:
    """Pack META of a compact file."""
    record = meta.images[0]
    head = record.sample_type + _TYPES * len(record.shape) + (_UNIT if record.unit else 0)
    parts = [bytes([head]), *map(pack_leb, record.shape)]
    if record.bound is not None:
        flags = (
            (_HAS_BOUND_SIGMA if record.bound_sigma else 0)
            | (STEP_MAP if record.has_step_map else 0)
            | (DITHER if record.dither_seed is not None else 0)
            | (SIGMA if record.sigma is not None else 0)
        )
        parts += [bytes([flags]), pack_f8(record.bound)]
        parts += [pack_f8(value) for value in (record.bound_sigma or None, record.sigma) if value is not None]
        parts += [] if record.dither_seed is None else [pack_u8(record.dither_seed)]
    return b"".join([*parts, pack_str(record.unit) if record.unit else b"", meta.restored_sha256])


def pack_compact_params(blocks: ParamBlocks) -> bytes | None:
    """Pack PARAMS of a compact file; None for predictors of another table set."""
    parts: list[bytes] = []
    if blocks.bounds:
        parts += [pack_leb(len(blocks.bounds)), blocks.bounds]
    if blocks.predictors:
        if not blocks.predictors.startswith(_TABLES):
            return None
        fill = blocks.predictors[len(_TABLES) : _FILL_END][::-1].rstrip(b"\0")
        block = bytes([len(fill)]) + fill + blocks.predictors[_FILL_END:]
        parts += [pack_leb(len(block)), block]
    return b"".join(parts)


def starts_compact(start: bytes) -> bool:
    """Return whether the start of a file says that it is a compact one."""
    return len(start) >= PRELUDE_START_BYTES and bool(start[PRELUDE_START_BYTES - 1] & FLAG_COMPACT)


def may_be_compact(record: ImageRecord, mode: Mode, n_tiles: int) -> bool:
    """Return whether an array may be written as a compact file, if that is small enough."""
    whole = all(side >= length for side, length in zip(record.sides, record.shape, strict=True))
    few_axes = len(record.shape) <= MAX_COMPACT_AXES
    return mode is not Mode.LOSSY and n_tiles == 1 and whole and not record.n_stages and few_axes


def compact_prelude(mode: Mode, mask: int, detail: int, blocks: ParamBlocks, sizes: tuple[int, int, int]) -> Prelude:
    """Make the prelude of a compact file, without its checksum.

    Parameters
    ----------
    mask, detail
        Bytes of the streams.
    sizes
        Bytes of META, PARAMS and INDEX.
    """
    flags = FLAG_COMPACT | (FLAG_MASK if mask else 0)
    flags |= (FLAG_PREDICTORS if blocks.predictors else 0) | (FLAG_BOUNDS if blocks.bounds else 0)
    return _prelude(mode, flags, (*sizes, 0, mask + detail, 0), 0)


def _prelude(mode: Mode, flags: int, sizes: tuple[int, int, int, int, int, int], crc: int) -> Prelude:
    return Prelude(
        kind=Kind.ARRAY,
        mode=mode,
        flags=flags,
        section_bytes=sizes,
        meta_crc=crc,
        params_crc=0,
        index_crc=0,
        extra_crc=0,
    )


def pack_compact_index(mask: int, detail: int) -> bytes:
    """Pack INDEX of a compact file: the sizes of its streams."""
    return (pack_leb(mask) if mask else b"") + pack_leb(detail)


def unpack_compact_index(data: bytes, flags: int) -> tuple[int, int]:
    """Read the sizes of mask and detail stream; raises CorruptError where no writer gives such."""
    cursor = Cursor(data, "INDEX")
    mask = cursor.leb_up_to(MAX_STREAM_BYTES, "bytes of a mask") if flags & FLAG_MASK else 0
    detail = cursor.leb_up_to(MAX_STREAM_BYTES, "bytes of a detail stream")
    cursor.end()
    if not mask and (flags & FLAG_MASK or not detail):
        raise CorruptError("expected a stream for every size in INDEX, found a tile without one")
    return mask, detail


def read_start(data: bytes) -> Prelude:
    """Read the prelude of a file of any form from its first ``MAX_COMPACT_BYTES``, or from all of a shorter file.

    Raises
    ------
    NotRadcodecError, UnsupportedVersionError, TruncatedError, CorruptError, LimitError
        As `unpack_prelude`. Of a compact file the checksum of the whole is checked.
    """
    start = data[:MAX_PRELUDE_BYTES]
    prelude = unpack_prelude(start)
    if not prelude.is_compact:
        return prelude
    sizes = _section_sizes(data, prelude)
    found = _prelude(prelude.mode, prelude.flags, sizes, 0)
    size = found.file_bytes
    if size > MAX_COMPACT_BYTES:
        raise CorruptError(f"expected a compact file of at most {MAX_COMPACT_BYTES} bytes, it declares {size}")
    if size > len(data):
        raise TruncatedError(f"expected a file of {size} bytes, found {len(data)}: it is cut off, fetch it again")
    crc = unpack_crc(data[size - CRC_BYTES : size])
    if zlib.crc32(data[: size - CRC_BYTES]) != crc:
        raise CorruptError("the checksum of the file is wrong: it is damaged, fetch it again")
    return _prelude(prelude.mode, prelude.flags, sizes, crc)


def _section_sizes(data: bytes, prelude: Prelude) -> tuple[int, int, int, int, int, int]:
    """Find the sizes of the sections of a compact file, whose fields are not checked yet."""
    # Bytes of 1 end every number, so a truncated file parses to its end and is reported by the caller.
    cursor = Cursor(data + b"\1" * MAX_COMPACT_BYTES, "a compact file")
    cursor.take(PRELUDE_START_BYTES)
    start = cursor.position
    head = cursor.u1()
    for _ in range((head & ~_UNIT) // _TYPES):
        cursor.leb()
    if prelude.mode is Mode.BOUNDED:
        flags = cursor.u1()
        cursor.take(_F8_BYTES * (1 + (flags & (_HAS_BOUND_SIGMA | SIGMA | DITHER)).bit_count()))
    if head & _UNIT:
        _skip(cursor)
    cursor.take(SHA256_BYTES)
    meta, start = cursor.position - start, cursor.position
    for flag in (FLAG_BOUNDS, FLAG_PREDICTORS):
        if prelude.flags & flag:
            _skip(cursor)
    params, start = cursor.position - start, cursor.position
    tiles = sum(cursor.leb() for _ in range(2 if prelude.flags & FLAG_MASK else 1))
    return meta, params, cursor.position - start, 0, tiles, 0


def _skip(cursor: Cursor) -> None:
    """Pass over a field that starts with its length."""
    cursor.take(cursor.leb())


def unpack_compact_meta(data: bytes, mode: Mode) -> Meta:
    """Read and check META of a compact file.

    Raises
    ------
    CorruptError, LimitError
        If a field is out of its range.
    """
    cursor = Cursor(data, "META")
    head = cursor.u1()
    n_axes = (head & ~_UNIT) // _TYPES
    start = cursor.position
    for _ in range(n_axes):
        cursor.leb()
    # The bytes of the record as an ordinary file has them (3.1).
    record = bytes([head % _TYPES]) + pack_leb(n_axes) + cursor.since(start) + bytes(n_axes) + b"\0"
    record += _ordinary_bound(cursor) if mode is Mode.BOUNDED else b"\0"
    start = cursor.position
    if head & _UNIT and not cursor.text():
        raise CorruptError("expected a unit where a compact file says that there is one, found none")
    record += cursor.since(start) if head & _UNIT else pack_str("")
    restored = cursor.take(SHA256_BYTES)
    cursor.end()
    fields = Cursor(record, "the image record")
    image = unpack_image_record(fields, Kind.ARRAY)
    fields.end()
    return array_meta(image, pack_image_record(image), restored)


def _ordinary_bound(cursor: Cursor) -> bytes:
    """Read what a compact file says of a bound; gives it as an image record has it."""
    flags = cursor.u1()
    bound = cursor.take(_F8_BYTES)
    in_sigma = cursor.take(_F8_BYTES) if flags & _HAS_BOUND_SIGMA else bytes(_F8_BYTES)
    rest = cursor.take(_F8_BYTES * (flags & (SIGMA | DITHER)).bit_count())
    return bytes([flags | BOUNDED]) + bound + in_sigma + rest


def unpack_compact_params(data: bytes, flags: int) -> tuple[ParamBlocks, ...]:
    """Read the blocks of the image of a compact file; raises CorruptError where they do not fill PARAMS exactly."""
    cursor = Cursor(data, "PARAMS")
    bounds = cursor.take(cursor.leb()) if flags & FLAG_BOUNDS else b""
    predictors = b""
    if flags & FLAG_PREDICTORS:
        block = Cursor(cursor.take(cursor.leb()), "the predictor block")
        n_fill = block.u1()
        if n_fill > _F8_BYTES:
            raise CorruptError(f"expected at most {_F8_BYTES} bytes of fill, found {n_fill}")
        predictors = _TABLES + block.take(n_fill)[::-1].rjust(_F8_BYTES, b"\0") + block.take(block.left)
    cursor.end()
    if flags & FLAG_BOUNDS and not bounds:
        raise CorruptError("expected bounds where a compact file says that there are some, found none")
    return (ParamBlocks(bounds=bounds, predictors=predictors),)
