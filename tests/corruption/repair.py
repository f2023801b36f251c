"""Files taken apart and put together again, with every checksum of stored bytes made right.

What an attacker would do, or bad luck: the checks behind the checksums are what is tested then. Pixel CRCs and the
SHA-256 of the whole stay as they are, because they say what the file restores to and not what it holds.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field, replace

import reference_decoder as ref

PRELUDE_BYTES, TRAILER_BYTES = 84, 8
NAMES = ("META", "PARAMS", "INDEX", "BASE", "TILES", "EXTRA")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """A file as its header fields and its sections as stored."""

    kind: int
    mode: int
    flags: int
    sections: dict[str, bytes] = field(repr=False)
    sizes: dict[str, int] | None = None  # what the prelude says, where that is not the truth
    version: int = 0


def split(data: bytes) -> Parts | None:
    """Parts of a file, None where the lengths of its prelude are not those of the file."""
    if len(data) < PRELUDE_BYTES + TRAILER_BYTES:
        return None
    _, version, kind, mode, flags, *sizes = struct.unpack_from("<8sHBBI6Q", data)
    if PRELUDE_BYTES + sum(sizes) + TRAILER_BYTES != len(data):
        return None
    sections, pos = {}, PRELUDE_BYTES
    for name, size in zip(NAMES, sizes, strict=True):
        sections[name] = data[pos : pos + size]
        pos += size
    return Parts(version=version, kind=kind, mode=mode, flags=flags, sections=sections)


def join(parts: Parts) -> bytes:
    """A file of parts, with right checksums of sections, prelude and file; tile checksums are left as they are."""
    stored = parts.sections
    sizes = {name: len(stored[name]) for name in NAMES} | (parts.sizes or {})
    head = struct.pack("<8sHBBI", ref.MAGIC, parts.version, parts.kind, parts.mode, parts.flags)
    head += struct.pack("<6Q", *(sizes[name] for name in NAMES))
    head += struct.pack("<4I", *(zlib.crc32(stored[name]) for name in ("META", "PARAMS", "INDEX", "EXTRA")))
    body = head + struct.pack("<I", zlib.crc32(head)) + b"".join(stored[name] for name in NAMES)
    return body + struct.pack("<I", zlib.crc32(body)) + b"RCZE"


def read_meta(parts: Parts) -> ref.Meta | None:
    """META of a file, None where it cannot be read."""
    try:
        return ref.read_meta(ref.unpack_section(parts.sections["META"], True), parts.kind)
    except ref.RejectError:
        return None


def count_tiles(image: ref.Image) -> int:
    """Number of tiles of an image, without listing them."""
    P, H, W = image.planes
    if P * H * W == 0:
        return 0
    T = image.tile
    x_limit = T * T if H == 1 else T
    per_tile = max(1, T * T // (H * W)) if T >= H and x_limit >= W else 1
    return -(-P // per_tile) * -(-H // T) * -(-W // x_limit)


def repair_index(parts: Parts) -> Parts:
    """Parts with right CRCs of all streams in INDEX, as far as INDEX and the other sections allow it."""
    meta = read_meta(parts)
    index = bytearray(parts.sections["INDEX"])
    if meta is None or sum(count_tiles(i) * (16 + 8 * i.stages) for i in meta.images) != len(index):
        return parts
    start = tiles_pos = base_pos = 0
    tiles, base = parts.sections["TILES"], parts.sections["BASE"]
    for image in meta.images:
        entry_bytes, n = 16 + 8 * image.stages, count_tiles(image)
        starts = range(start, start + n * entry_bytes, entry_bytes)
        for at in starts:
            size = sum(struct.unpack_from("<2I", index, at))
            struct.pack_into("<I", index, at + 8, zlib.crc32(tiles[tiles_pos : tiles_pos + size]))
            tiles_pos += size
        for stage in range(image.stages):
            for at in starts:
                (size,) = struct.unpack_from("<I", index, at + 16 + 8 * stage)
                struct.pack_into("<I", index, at + 20 + 8 * stage, zlib.crc32(base[base_pos : base_pos + size]))
                base_pos += size
        start += n * entry_bytes
    return replace(parts, sections=parts.sections | {"INDEX": bytes(index)})


def repair(data: bytes) -> bytes:
    """The file with every checksum of stored bytes made right; only prelude and trailer where its lengths are wrong."""
    parts = split(data)
    if parts is not None:
        fixed = join(repair_index(parts))
        # Magic and trailer are no checksums: damage to them stays.
        return data[:8] + fixed[8:-4] + data[-4:]
    if len(data) < PRELUDE_BYTES + TRAILER_BYTES:
        return data
    head = data[:80] + struct.pack("<I", zlib.crc32(data[:80])) + data[84:-8]
    return head + struct.pack("<I", zlib.crc32(head)) + data[-4:]
