"""Small files put together by hand from docs/format.md: tiles, predictors and parameters of any value."""

from __future__ import annotations

import hashlib
import struct
import subprocess
import sys
import zlib
from collections.abc import Sequence

import reference_decoder as ref
from corruption.repair import Parts, join, leb, pack_index, stored_sides

OPEN_ONLY = "open"


def predictor_block(
    fill: float, *, n: int = 1, radius: int = 1, shift: int = 0, border: int = 0, reach: int = 0
) -> bytes:
    """A predictor block (8.2) of ``n`` predictors whose coefficients are all 0."""
    # A zero with k = 0 is one 0 bit, and the mean of 16 stays at k = 0.
    body = bytes(-(-2 * radius * (radius + 1) // 8))
    one = bytes([radius, shift, border, reach]) + leb(len(body)) + body
    return table_set() + struct.pack("<d", fill) + leb(n) + one * n


def table_set() -> bytes:
    """What a predictor block names its table set by."""
    return hashlib.sha256((ref.MODELS / "detail.tables").read_bytes()).digest()[:8]


def learned(map_fields: bytes, *, level: int = 0, clamp: int = 0, words: bytes = b"", raw: bytes = b"") -> bytes:
    """A learned stream (8.4); ``map_fields`` is the map's number and its parameters."""
    head = b"\2\0" + map_fields + b"\0" + struct.pack("<2h", level, clamp)
    return head + leb(len(words) // 4) + leb(len(raw)) + leb(0) + words + raw


def record(
    sample_type: int, shape: Sequence[int], *, tile: int = 8, stages: int = 0, flags: int = 0, rest: bytes = b""
) -> bytes:
    """An image record (3.1); ``rest`` is what the flags announce."""
    axes = leb(len(shape)) + b"".join(map(leb, shape))
    return bytes([sample_type]) + axes + stored_sides(shape, tile) + bytes([stages, flags]) + rest + b"\0"


def params(base: bytes = b"", bounds: bytes = b"", predictors: bytes = b"") -> bytes:
    """PARAMS of one image, stored as they are."""
    return b"\0" + b"".join(leb(len(block)) + block for block in (base, bounds, predictors))


def array_file(
    image: bytes,
    n_bytes: int,
    tiles: Sequence[tuple[bytes, bytes]],
    *,
    blocks: bytes,
    mode: int = 0,
    pixel_crcs: Sequence[int] = (),
    sha256: bytes = bytes(32),
    **more: bytes,
) -> bytes:
    """A file of kind array of tiles of a mask and a detail stream each, with right checksums of all that is stored."""
    meta = b"\0" + leb(1) + b"x" + leb(n_bytes) + sha256 + b"\0\0" + leb(1) + image + leb(0)
    crcs = [*pixel_crcs, *[0] * (len(tiles) - len(pixel_crcs))]
    entries = [(len(m), len(d), zlib.crc32(m + d), crc) for (m, d), crc in zip(tiles, crcs, strict=True)]
    sections = {"META": meta, "PARAMS": blocks, "INDEX": pack_index(entries), "BASE": b"", "EXTRA": b""}
    sections["TILES"] = b"".join(mask + detail for mask, detail in tiles)
    return join(Parts(kind=0, mode=mode, flags=0, sections=sections | more))


CHILD = """
import json, resource, sys, time
import radcodec
data = sys.stdin.buffer.read()
if {warm}:
    import numpy
    radcodec.decode(radcodec.encode(numpy.arange(300.0).reshape(15, 20) ** 0.5, max_error=0.01))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
start = time.process_time()
try:
    {use}
    error = ""
except radcodec.RadcodecError as err:
    error = f"{{type(err).__name__}}: {{err}}"
grown = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
print(json.dumps([error, time.process_time() - start, grown]))
"""


def in_child(data: bytes, use: str = "radcodec.decode(data)", *, warm: bool = False) -> tuple[str, float, int]:
    """The typed error that a use of ``data`` ends with, its CPU seconds and the bytes that memory grew by.

    In a process of its own, as it may crash: then the test fails. ``warm`` compiles and loads what reading needs first.
    """
    import json

    code = CHILD.format(use=use, warm=warm)
    done = subprocess.run([sys.executable, "-c", code], input=data, capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, f"exit status {done.returncode}: {done.stderr.decode()[-1000:]}"
    error, seconds, grown = json.loads(done.stdout)
    return error, seconds, grown
