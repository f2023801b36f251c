"""Short files (docs/format.md, 2.6) written as any other file: the format leaves the choice to the writer."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import reference_decoder as ref
from corruption.repair import join, leb, pack_index, read_meta, repair_index, split


def as_long(data: bytes, model: tuple[str, bytes]) -> bytes:
    """A short file with whole hashes, all checksums and the name of its model; ``model`` is its name and SHA-256."""
    parts = split(data)
    assert parts is not None
    assert parts.short
    meta = read_meta(parts)
    assert meta is not None
    image = meta.images[0]
    restored = ref.decode_file(data)
    assert not isinstance(restored, bytes)
    sha256 = hashlib.sha256(restored.tobytes() + image.record).digest()
    named = b"\1" + leb(len(model[0])) + model[0].encode("ascii") + model[1]
    head = leb(1) + b"x" + leb(meta.original_bytes) + sha256 + b"\0" + named + leb(1) + image.record + leb(0)
    cur = ref.Cursor(parts.sections["PARAMS"])
    base, predictors = (cur.take(cur.leb()) for _ in range(2))
    blocks = b"".join(leb(len(block)) + block for block in (base, b"", predictors))
    entries, _ = ref.read_index(ref.Cursor(parts.sections["INDEX"]), meta, True, False)
    sections = {"META": b"\0" + head, "PARAMS": b"\0" + blocks, "INDEX": pack_index(entries[0])}
    return join(repair_index(replace(parts, flags=parts.flags & ~8, sections=parts.sections | sections)))
