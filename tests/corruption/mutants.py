"""Structured mutants of small files: what an attacker would write, with every checksum made right that hides it.

A file is taken apart to the streams of its tiles; some are changed; all is put together again. Pixel CRCs and the
SHA-256 of the whole stay as they are: who reads mutants must look away from them to see what is behind.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from dataclasses import replace

import reference_decoder as ref
import zstandard
from corruption.repair import NAMES, Parts, as_stored, join, leb, pack_index, read_meta, repair, repair_index, split

# Numbers at the ends of every range of the format page, and beyond.
FLOATS = (
    *(0.0, -0.0, 1.0, 0.5, -1.0, 5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, -1.7976931348623157e308),
    *(float("inf"), float("-inf"), float("nan"), 2.0**900, -(2.0**900), 2.0**901, 2.0**-900, 2.0**1000, 2.0**-1000),
    *(2.0**200, 2.0**-200, 2.0**100, 2.0**-100, 2.0**53, 1e300, 1e-300, 3.4028234663852886e38, 1e-45),
)
LEBS = (0, 1, 2, 3, 7, 8, 9, 127, 128, 255, 4096, 1 << 16, (1 << 32) - 1, 1 << 32, 1 << 47, 1 << 60, (1 << 64) - 1)
Mutation = Callable[[random.Random, Parts], Parts]


def cut_index(parts: Parts) -> tuple[list[list[int]], list[int]] | None:
    """The entries of all tiles, and of late files the bytes between them; None where INDEX does not hold them."""
    meta = read_meta(parts)
    if meta is None:
        return None
    try:
        images, gaps = ref.read_index(ref.Cursor(parts.sections["INDEX"]), meta, True, parts.late)
    except ref.RejectError:
        return None
    return [entry for entries in images for entry in entries], [gap for own in gaps for gap in own]


def change_bytes(rng: random.Random, data: bytes) -> bytes:
    """Data with one change: bits, bytes, a number of a notable value, a piece removed, added, doubled or moved."""
    at, how = rng.randrange(len(data) + 1), rng.randrange(9)
    if how == 0 and at < len(data):
        return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]
    if how == 1 and at < len(data):
        return data[:at] + bytes([rng.choice((0, 1, 2, 3, 4, 5, 8, 127, 128, 254, 255))]) + data[at + 1 :]
    if how == 2:
        return data[:at] + struct.pack("<d", rng.choice(FLOATS)) + data[at + 8 :]
    if how == 3:
        value = leb(rng.choice(LEBS))
        return data[:at] + value + data[at + rng.choice((0, 1, len(value))) :]
    if how == 4:
        return (
            data[:at]
            + struct.pack("<h", rng.choice((-4001, -4000, -1000, -1022, 0, 52, 53, 1000, 4000)))
            + data[at + 2 :]
        )
    if how == 5:
        return data[:at] + data[at + rng.randrange(1, 9) :]
    if how == 6:
        return data[:at] + rng.randbytes(rng.randrange(1, 9)) + data[at:]
    if how == 7:
        return data[:at] + data[at : at + 8] + data[at:]
    return data[:at] + bytes(rng.randrange(1, 12))


def unpacked(parts: Parts, name: str) -> bytes | None:
    """META or PARAMS as it is before packing (short files pack nothing), None where it cannot be unpacked."""
    if parts.short:
        return parts.sections[name]
    try:
        return ref.unpack_section(parts.sections[name], name == "META") if parts.sections[name] else b""
    except ref.RejectError:
        return None


def with_section(parts: Parts, name: str, content: bytes) -> Parts:
    """Parts with another section as stored."""
    return replace(parts, sections=parts.sections | {name: content})


def change_packed(rng: random.Random, parts: Parts) -> Parts:
    """A change within META or PARAMS, stored as it is."""
    name = rng.choice(("META", "PARAMS"))
    raw = unpacked(parts, name)
    if raw is None:
        return parts
    # Most of META is text: the records in front of it are what counts.
    front = raw[: rng.choice((120, 400, len(raw)))]
    return with_section(parts, name, as_stored(parts, change_bytes(rng, front) + raw[len(front) :]))


def change_record(rng: random.Random, parts: Parts) -> Parts:
    """A change within an image record, whose fields may take a notable value."""
    raw, meta = unpacked(parts, "META"), read_meta(parts)
    if raw is None or meta is None or not meta.images:
        return parts
    record = rng.choice(meta.images).record
    return with_section(parts, "META", as_stored(parts, raw.replace(record, change_bytes(rng, record), 1)))


def change_predictors(rng: random.Random, parts: Parts) -> Parts:
    """A change within a block of PARAMS, whose length is made right."""
    raw, meta = unpacked(parts, "PARAMS"), read_meta(parts)
    if raw is None or meta is None:
        return parts
    cur = ref.Cursor(raw)
    try:
        blocks = [cur.take(cur.leb()) for _ in range((2 if parts.short else 3) * len(meta.images))]
    except ref.RejectError:
        return parts
    if not blocks:
        return parts
    number = rng.randrange(len(blocks)) if rng.random() < 0.5 else max(range(len(blocks)), key=lambda i: len(blocks[i]))
    blocks[number] = change_bytes(rng, blocks[number])
    return with_section(parts, "PARAMS", as_stored(parts, b"".join(leb(len(block)) + block for block in blocks)))


def change_stream(rng: random.Random, parts: Parts) -> Parts:
    """A change of one stream of one tile, with its size in INDEX made right: also added, taken away or exchanged."""
    meta, found = read_meta(parts), cut_index(parts)
    if meta is None or found is None or not found[0]:
        return parts
    entries, gaps = found
    tiles, base = ref.Cursor(parts.sections["TILES"]), ref.Cursor(parts.sections["BASE"])
    numbers = [ref.count_tiles(image) for image in meta.images]
    between: list[bytes] = []
    streams: list[list[bytes]] = []
    try:
        for tile, entry in enumerate(entries):
            between.append(tiles.take(gaps[tile]) if parts.late else b"")
            streams.append([tiles.take(entry[0]), tiles.take(entry[1])])
            if parts.late:
                streams[-1] += [tiles.take(size) for size in entry[4::2]]
        position = 0
        for image, count in () if parts.late else zip(meta.images, numbers, strict=True):
            for stage in range(image.stages):
                for tile in range(position, position + count):
                    streams[tile].append(base.take(entries[tile][4 + 2 * stage]))
            position += count
    except ref.RejectError:
        return parts
    own = rng.choice(streams)
    number = rng.randrange(len(own)) if rng.random() < 0.5 else 1
    if rng.random() < 0.15:
        own[number] = rng.choice((b"", b"\0", b"\0\0", rng.choice(rng.choice(streams))))
    elif number == 0 and own[0]:
        own[0] = change_mask(rng, own[0])
    elif number == 1 and len(own[1]) > 1 and own[1][0] in (1, 3):
        own[1] = own[1][:1] + change_frame(rng, own[1][1:])
    elif number == 1 and rng.random() < 0.6:
        own[1] = change_learned(rng, own[1])
    else:
        head = own[number][: rng.choice((40, len(own[number])))]
        own[number] = change_bytes(rng, head) + own[number][len(head) :]
    packed = []
    for entry, parts_of_tile in zip(entries, streams, strict=True):
        sizes = [len(stream) for stream in parts_of_tile]
        packed.append([sizes[0], sizes[1], 0, entry[3], *(n for size in sizes[2:] for n in (size, 0))])
    if parts.late:
        gaps = [len(before) if rng.random() < 0.95 else rng.choice(LEBS) for before in between]
        inside = b"".join(b"".join([before, *own]) for before, own in zip(between, streams, strict=True))
        return replace(parts, sections=parts.sections | {"INDEX": pack_index(packed, gaps), "TILES": inside})
    stages, position = b"", 0
    for image, count in zip(meta.images, numbers, strict=True):
        for stage in range(image.stages):
            stages += b"".join(streams[tile][2 + stage] for tile in range(position, position + count))
        position += count
    index = pack_index(packed, short=parts.short)
    both = b"".join(stream for own in streams for stream in own[:2])
    return replace(parts, sections=parts.sections | {"INDEX": index, "TILES": both, "BASE": stages})


def change_learned(rng: random.Random, stream: bytes) -> bytes:
    """A learned stream with one of its fields (docs/format.md, 8.4) of a notable value, the others in their places."""
    if len(stream) < 30 or stream[0] != 2 or stream[1] > 0:
        return change_bytes(rng, stream)
    kind, at = stream[2], 3
    size = {0: 3, 1: 16, 2: 16, 3: 1, 4: 0}.get(kind, 0)
    own = bytearray(stream)
    field_ = rng.randrange(5)
    if field_ == 0:
        own[2] = rng.randrange(7)
    elif field_ == 1 and kind == 0:
        own[3:6] = struct.pack(
            "<hB", rng.choice((-1023, -1022, -1021, -149, 0, 999, 1000, 1001)), rng.choice((0, 1, 23, 24, 52))
        )
    elif field_ == 1 and kind in (1, 2):
        own[3:19] = struct.pack("<2d", rng.choice(FLOATS), rng.choice(FLOATS))
    elif field_ == 1 and kind == 3:
        own[3] = rng.randrange(6)
    elif field_ == 2:
        own[at + size] = rng.choice((0, 1, 2, 3, 15, 16, 255))
    elif field_ == 3:
        own[at + size + 1 : at + size + 3] = struct.pack(
            "<h", rng.choice((-4001, -4000, -3000, -40, 0, 40, 3000, 4000, 4001))
        )
    else:
        own[at + size + 3 : at + size + 5] = struct.pack(
            "<h", rng.choice((-1001, -1000, -500, 0, 52, 53, 500, 1000, 1001))
        )
    return bytes(own)


def change_header(rng: random.Random, parts: Parts) -> Parts:
    """Another value in a card of a header, or a card more, or one of another name."""
    raw = unpacked(parts, "META")
    if raw is None or parts.kind != 1:
        return parts
    words = (
        b"NAXIS",
        b"NAXIS1",
        b"NAXIS2",
        b"BITPIX",
        b"BSCALE",
        b"BZERO",
        b"BLANK",
        b"BUNIT",
        b"EXTNAME",
        b"SIMPLE",
        b"END",
    )
    values = (
        b"0",
        b"1",
        b"16",
        b"-32",
        b"-64",
        b"+ 8",
        b"8.",
        b"1D0",
        b"1.0E+00",
        b"T",
        b"F",
        b"'Jy'",
        b"'a''b",
        b"",
        b"x",
        b"16.",
    )
    card = (
        rng.choice(words).ljust(8)
        + rng.choice((b"= ", b"= ", b"= ", b"  "))
        + rng.choice(values).rjust(rng.choice((1, 20)))
    )
    start = max(0, raw.find(b"SIMPLE  ="))
    end = max(start + 80, raw.find(b"END     ", start))
    at = start + 80 * rng.randrange((end - start) // 80 + 2)
    changed = raw[:at] + card.ljust(80)[:80] + raw[at + rng.choice((80, 80, 80, 0)) :]
    return with_section(parts, "META", as_stored(parts, changed))


def change_fill(rng: random.Random, parts: Parts) -> Parts:
    """Another fill, radius, shift or border in the predictor block of the first image."""
    raw = unpacked(parts, "PARAMS")
    place = (
        -1 if raw is None else raw.find(ref.hashlib.sha256((ref.MODELS / "detail.tables").read_bytes()).digest()[:8])
    )
    if raw is None or not 0 <= place < len(raw) - 21:
        return parts
    own = bytearray(raw)
    if rng.random() < 0.6:
        own[place + 8 : place + 16] = struct.pack("<d", rng.choice(FLOATS))
    else:
        own[place + 17 + rng.randrange(4)] = rng.choice((0, 1, 2, 3, 8, 9, 24, 25, 40, 41, 255))
    return with_section(parts, "PARAMS", as_stored(parts, bytes(own)))


def change_frame(rng: random.Random, frame: bytes) -> bytes:
    """A zstd frame of changed content, or that declares no size, or is damaged, doubled or followed by another."""
    try:
        content = zstandard.ZstdDecompressor().decompress(frame)
    except zstandard.ZstdError:
        return frame
    how = rng.randrange(6)
    if how == 0:
        return zstandard.ZstdCompressor(write_content_size=False).compress(content)
    if how == 1:
        return change_bytes(rng, frame)
    if how == 2:
        return frame + frame
    if how == 3:
        return b"\x50\x2a\x4d\x18\4\0\0\0junk" + frame
    return zstandard.ZstdCompressor(write_checksum=how == 4).compress(
        change_bytes(rng, content) if how == 5 else content
    )


def change_mask(rng: random.Random, mask: bytes) -> bytes:
    """A mask stream of another form, or with a changed frame."""
    form = mask[:1] if rng.random() < 0.8 else bytes([rng.randrange(3)])
    return form + change_frame(rng, mask[1:])


def change_extra(rng: random.Random, parts: Parts) -> Parts:
    """EXTRA changed as a frame, or put where none is."""
    extra = parts.sections["EXTRA"]
    new = change_frame(rng, extra) if extra else zstandard.ZstdCompressor().compress(rng.randbytes(rng.randrange(9)))
    return with_section(parts, "EXTRA", new)


def change_section(rng: random.Random, parts: Parts) -> Parts:
    """A change anywhere in a section as stored."""
    name = rng.choice(NAMES)
    return with_section(parts, name, change_bytes(rng, parts.sections[name]))


def change_prelude(rng: random.Random, parts: Parts) -> Parts:
    """Another kind, mode, flag, version or draft."""
    name = rng.choice(("kind", "mode", "mode", "mode", "flags", "flags", "version", "draft"))
    number = rng.choice((rng.randrange(32), 128 | rng.randrange(128))) if name == "flags" else rng.randrange(5)
    changed = replace(parts, **{name: number})  # type: ignore[arg-type]
    return replace(changed, mode=2) if changed.flags in (1, 9) and rng.random() < 0.5 else changed


MUTATIONS: tuple[Mutation, ...] = (
    *(change_stream, change_stream, change_stream, change_stream, change_record, change_record, change_predictors),
    *(change_predictors, change_packed, change_packed, change_extra, change_section, change_prelude, change_prelude),
    *(change_fill, change_fill, change_header, change_header),
)


def mutate(rng: random.Random, data: bytes) -> bytes:
    """A mutant of a sound file by one change, sometimes more."""
    if data[12] & 128:  # a compact file (2.7), whose only checksum is repaired
        for _ in range(rng.choice((1, 1, 2))):
            data = data[:8] + change_bytes(rng, data[8:-4]) + data[-4:]
        return repair(data)
    parts = split(data)
    assert parts is not None
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        parts = rng.choice(MUTATIONS)(rng, parts)
    return join(repair_index(parts))
