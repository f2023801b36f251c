"""Files taken apart and put together again, with every checksum of stored bytes made right.

What an attacker would do, or bad luck: the checks behind the checksums are what is tested then. Pixel CRCs and the
SHA-256 of the whole stay as they are, because they say what the file restores to and not what it holds.
"""

from __future__ import annotations

import itertools
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import reference_decoder as ref

from radcodec.container.tile_sides import pack_sides
from radcodec.pixels.tiles import tile_sides

CHECKED = ("META", "PARAMS", "INDEX", "EXTRA")
NAMES = ("META", "PARAMS", "INDEX", "BASE", "TILES", "EXTRA")
LATE_NAMES = ("BASE", "TILES", "EXTRA", "META", "PARAMS", "INDEX")  # as they lie in late files (2.4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """A file as its header fields and its sections as stored."""

    kind: int
    mode: int
    flags: int
    sections: dict[str, bytes] = field(repr=False)
    sizes: dict[str, int] | None = None  # what the prelude says, where that is not the truth
    version: int = 0
    draft: int = 4

    @property
    def late(self) -> bool:
        """Whether META, PARAMS and INDEX follow the tiles."""
        return bool(self.flags & 2)

    @property
    def short(self) -> bool:
        """Whether the file is short (2.6): no EXTRA, one checksum before the streams and none behind them."""
        return bool(self.flags & 8)

    @property
    def apart(self) -> bool:
        """Whether the masks lie at the start of BASE (5.2), which those of a late file never do."""
        return bool(self.flags & 16) and not self.late

    @property
    def sized(self) -> tuple[str, ...]:
        """The sections whose lengths the prelude has."""
        return NAMES[:5] if self.short else NAMES

    @property
    def order(self) -> tuple[str, ...]:
        """The sections as they lie in the file."""
        return LATE_NAMES if self.late else NAMES


def leb(value: int) -> bytes:
    """Unsigned LEB128 (docs/format.md, 1)."""
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def split(data: bytes) -> Parts | None:
    """Parts of a file, None where the lengths of its prelude are not those of the file."""
    cur = ref.Cursor(data)
    try:
        _, version, draft, kind, mode, flags = cur.take(8), *cur.take(5)
        if flags & 8:
            short = dict(zip(NAMES, [*_take_short(cur), b""], strict=True))
            return Parts(version=version, draft=draft, kind=kind, mode=mode, flags=flags, sections=short)
        sizes = [cur.leb() for _ in NAMES]
        cur.take(4 * sum(size > 0 for name, size in zip(NAMES, sizes, strict=True) if name in CHECKED))
        ref.need(not flags & 2 or cur.pos <= 72, "prelude")
        cur.take(76 - cur.pos if flags & 2 else 4)
        sizes_of = dict(zip(NAMES, sizes, strict=True))
        sections = {name: cur.take(sizes_of[name]) for name in (LATE_NAMES if flags & 2 else NAMES)}
        cur.take(4)
        cur.end()
    except ref.RejectError:
        return None
    return Parts(version=version, draft=draft, kind=kind, mode=mode, flags=flags, sections=sections)


def _take_short(cur: ref.Cursor) -> list[bytes]:
    """The five sections of a short file, from its lengths on."""
    sizes = [cur.leb() for _ in NAMES[:5]]
    cur.take(4)
    sections = [cur.take(size) for size in sizes]
    cur.end()
    return sections


def join(parts: Parts) -> bytes:
    """A file of parts, with right checksums of sections, prelude and file; tile checksums are left as they are."""
    stored = parts.sections
    sizes = {name: len(stored[name]) for name in NAMES} | (parts.sizes or {})
    head = struct.pack("<8s5B", ref.MAGIC, parts.version, parts.draft, parts.kind, parts.mode, parts.flags)
    head += b"".join(leb(sizes[name]) for name in parts.sized)
    if parts.short:
        front = b"".join(stored[name] for name in NAMES[:3])
        rest = b"".join(stored[name] for name in NAMES[3:])
        return head + struct.pack("<I", zlib.crc32(head + front)) + front + rest
    head += b"".join(struct.pack("<I", zlib.crc32(stored[name])) for name in CHECKED if sizes[name])
    head = head.ljust(72, b"\0") if parts.late else head
    head += struct.pack("<I", zlib.crc32(head))
    body = b"".join(stored[name] for name in parts.order)
    return head + body + struct.pack("<I", zlib.crc32(body if parts.late else head + body))


def read_meta(parts: Parts) -> ref.Meta | None:
    """META of a file, None where it cannot be read."""
    try:
        if parts.short:
            return ref.read_short_meta(parts.sections["META"])
        return ref.read_meta(ref.unpack_section(parts.sections["META"], True), parts.kind)
    except ref.RejectError:
        return None


def as_stored(parts: Parts, raw: bytes) -> bytes:
    """META or PARAMS as they are stored without packing (2.3, 2.6)."""
    return raw if parts.short else b"\0" + raw


def stored_sides(shape: Sequence[int], tile: int) -> bytes:
    """The sides of tiles of a record (3.1), those that our writer chooses."""
    return pack_sides(tuple(shape), tile_sides(tuple(shape), tile))


def pack_index(
    entries: Sequence[Sequence[int]], gaps: Sequence[int] = (), *, short: bool = False, masks: Sequence[int] = ()
) -> bytes:
    """INDEX of entries as ``ref.read_entry`` gives them; gaps are those of a late file, masks the CRCs of 5.2."""
    out, width = bytearray(), 2 if short else 4
    for tile, (mask, detail, crc, pixel_crc, *stages) in enumerate(entries):
        out += leb(gaps[tile]) if gaps else b""
        out += leb(mask) + leb(detail) + (struct.pack("<I", crc) if (mask and not masks) or detail else b"")
        out += struct.pack("<I", pixel_crc)
        for size, stage_crc in zip(stages[::2], stages[1::2], strict=True):
            out += leb(size) + (struct.pack("<I", stage_crc)[:width] if size else b"")
        out += struct.pack("<I", masks[tile]) if masks and mask else b""
    return bytes(out)


def repair_index(parts: Parts) -> Parts:
    """Parts with right CRCs of all streams in INDEX, as far as INDEX and the other sections allow it."""
    meta = read_meta(parts)
    if meta is None:
        return parts
    try:
        images, gaps = ref.read_index(ref.Cursor(parts.sections["INDEX"]), meta, True, parts.late, parts.apart)
    except ref.RejectError:
        return parts
    if parts.late:
        return _repair_late(parts, images, gaps)
    tiles_pos = base_pos = 0
    tiles, base = parts.sections["TILES"], parts.sections["BASE"]
    masks: list[int] = []
    for entry in itertools.chain.from_iterable(images) if parts.apart else ():
        masks.append(zlib.crc32(base[base_pos : base_pos + entry[0]]))
        base_pos += entry[0]
    for image, entries in zip(meta.images, images, strict=True):
        for entry in entries:
            size = entry[1] if parts.apart else entry[0] + entry[1]
            entry[2] = zlib.crc32(tiles[tiles_pos : tiles_pos + size])
            tiles_pos += size
        for stage in range(image.stages):
            for entry in entries:
                size = entry[4 + 2 * stage]
                entry[5 + 2 * stage] = zlib.crc32(base[base_pos : base_pos + size])
                base_pos += size
    fixed = pack_index([entry for entries in images for entry in entries], short=parts.short, masks=masks)
    return replace(parts, sections=parts.sections | {"INDEX": fixed})


def _repair_late(parts: Parts, images: list[list[list[int]]], gaps: list[list[int]]) -> Parts:
    """As ``repair_index``, for a late file."""
    position, tiles = 0, parts.sections["TILES"]
    for entries, own in zip(images, gaps, strict=True):
        for entry, gap in zip(entries, own, strict=True):
            position += gap
            entry[2] = zlib.crc32(tiles[position : position + entry[0] + entry[1]])
            position += entry[0] + entry[1]
            for stage in range(4, len(entry), 2):
                entry[stage + 1] = zlib.crc32(tiles[position : position + entry[stage]])
                position += entry[stage]
    flat = [entry for entries in images for entry in entries]
    fixed = pack_index(flat, [gap for own in gaps for gap in own])
    return replace(parts, sections=parts.sections | {"INDEX": fixed})


def repair(data: bytes) -> bytes:
    """The file with every checksum of stored bytes made right; only prelude and trailer where its lengths are wrong."""
    if len(data) > 16 and data[12] & 128:  # a compact file (2.7) has one checksum
        return data[:-4] + struct.pack("<I", zlib.crc32(data[:-4]))
    parts = split(data)
    if parts is not None:
        # Magic is no checksum: damage to it stays.
        return data[:8] + join(repair_index(parts))[8:]
    # The lengths are wrong: where the prelude ends is what they say, and the file is what there is.
    cur = ref.Cursor(data)
    try:
        flags = cur.take(13)[12]
        if flags & 8:
            front = sum([cur.leb() for _ in NAMES[:5]][:3])
            head, body = data[: cur.pos], data[cur.pos + 4 :]
            return head + struct.pack("<I", zlib.crc32(head + body[:front])) + body
        sizes = dict(zip(NAMES, (cur.leb() for _ in NAMES), strict=True))
        cur.take(4 * sum(sizes[name] > 0 for name in CHECKED))
    except ref.RejectError:
        return data
    head = data[: cur.pos] + struct.pack("<I", zlib.crc32(data[: cur.pos])) + data[cur.pos + 4 : -4]
    return head + struct.pack("<I", zlib.crc32(head))
