"""Late files (docs/format.md 2.4) made by hand out of other files: the same streams, in the other layout."""

from __future__ import annotations

import hashlib

import reference_decoder as ref
import zstandard
from corruption.repair import Parts, join, leb, pack_index, split

GAP = b"bytes that readers pass over"


def as_late(data: bytes, *, gap: bytes = GAP, split_sets: bool = False) -> bytes:
    """A file in the late layout, with ``gap`` before the streams of every second tile.

    ``split_sets``: the predictors of the image twice, for the first and for the second half of its tiles.
    """
    parts = split(data)
    assert parts is not None
    assert not parts.late
    stored = parts.sections
    raw = ref.unpack_section(stored["META"], True)
    meta = ref.read_meta(raw, parts.kind)
    images, _ = ref.read_index(ref.Cursor(stored["INDEX"]), meta, bool(parts.flags & 1), False)
    tiles, base = ref.Cursor(stored["TILES"]), ref.Cursor(stored["BASE"])
    out, gaps = b"", []
    for image, entries in zip(meta.images, images, strict=True):
        streams = [[tiles.take(entry[0]) + tiles.take(entry[1])] for entry in entries]
        for stage in range(image.stages):
            for own, entry in zip(streams, entries, strict=True):
                own.append(base.take(entry[4 + 2 * stage]))
        for tile, own in enumerate(streams):
            before = gap if tile % 2 == 0 else b""
            gaps.append(len(before))
            out += before + b"".join(own)
    if parts.kind == 1:
        raw = raw.replace(meta.restored_sha256, _late_sha256(data, meta), 1)
    sections = {
        "META": min(b"\0" + raw, b"\1" + leb(len(raw)) + zstandard.ZstdCompressor(level=19).compress(raw), key=len),
        "PARAMS": _late_params(stored["PARAMS"], meta, split_sets),
        "INDEX": pack_index([entry for entries in images for entry in entries], gaps),
        "BASE": b"",
        "TILES": out,
        "EXTRA": stored["EXTRA"],
    }
    return join(Parts(kind=parts.kind, mode=parts.mode, flags=parts.flags | 2, sections=sections))


def _late_sha256(data: bytes, meta: ref.Meta) -> bytes:
    """What a late file has as restored_sha256: the data of all HDUs first, then the headers and tails."""
    restored = ref.decode_file(data)
    assert isinstance(restored, bytes)
    return hashlib.sha256(ref.data_of(meta, restored) + meta.text).digest()


def _late_params(params: bytes, meta: ref.Meta, split_sets: bool) -> bytes:
    """PARAMS whose third blocks are those of a late file."""
    cur = ref.Cursor(ref.unpack_section(params, False) if params else b"")
    out = b"\0"
    for image in meta.images:
        blocks = [cur.take(cur.leb()) for _ in range(3)]
        n_tiles = ref.count_tiles(image)
        if blocks[2]:
            one = leb(len(blocks[2])) + blocks[2]
            halves = split_sets and n_tiles > 1
            runs = leb(2) + b"\0\1" + leb(n_tiles // 2) + b"\2" if halves else b"\1\0\1"
            blocks[2] = leb(1 + halves) + one * (1 + halves) + runs
        out += b"".join(leb(len(block)) + block for block in blocks)
    return out if meta.images else b""
