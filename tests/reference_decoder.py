"""A second reader of .rcz files, written from docs/format.md alone: slow, simple, one page of the format after another.

It shares no line with radcodec, so that the two agreeing says that the page describes the files. Section numbers are
those of docs/format.md. ``decode_file`` gives what a file restores to: bytes (kind FITS) or an array (kind array).
Everything that the page tells a reader to reject raises ``RejectError``.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import struct
import sys
import zlib
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors.numpy
import zstandard

MODELS = Path(__file__).resolve().parents[1] / "models"
TABLE_SETS = ("detail.tables", "clean.tables")
MAGIC = b"\x89RCZ\r\n\x1a\n"
DTYPES = ("", "u1", "i1", "<u2", "<i2", "<u4", "<i4", "<u8", "<i8", "<f4", "<f8")
Samples = npt.NDArray[Any]


class RejectError(ValueError):
    """The stream is one that docs/format.md tells a reader to reject."""


def need(condition: bool, what: str) -> None:
    """RejectError unless the condition holds."""
    if not condition:
        raise RejectError(what)


# ---- 1. Conventions -------------------------------------------------------------------------------------------------


class Cursor:
    """Reads fields one after another from bytes that must be used up."""

    def __init__(self, data: bytes) -> None:
        self.data, self.pos = bytes(data), 0

    def take(self, n: int) -> bytes:
        need(self.pos + n <= len(self.data), "a field reaches over the end")
        self.pos += n
        return self.data[self.pos - n : self.pos]

    def get(self, code: str) -> Any:
        return struct.unpack("<" + code, self.take(struct.calcsize("<" + code)))[0]

    def leb(self) -> int:
        value = 0
        for i in range(10):
            byte = self.get("B")
            value |= (byte & 127) << 7 * i
            if byte < 128:
                need(byte != 0 or i == 0, "leb is not of the shortest form")
                need(value < 1 << 64, "leb is over 64 bits")
                return value
        raise RejectError("leb is over 10 bytes")

    def str(self) -> str:
        n = self.leb()
        need(n <= 4096, "str is over 4096 bytes")
        try:
            return self.take(n).decode("utf-8")
        except UnicodeDecodeError as err:
            raise RejectError("str is not UTF-8") from err

    def rest(self) -> bytes:
        return self.take(len(self.data) - self.pos)

    def end(self) -> None:
        need(self.pos == len(self.data), "bytes are left over")


def unzig(z: int) -> int:
    """Signed integer of its unsigned code."""
    return z // 2 if z % 2 == 0 else -((z + 1) // 2)


def unzstd(frame: bytes, size: int, dictionary: bytes | None = None, least: int | None = None) -> bytes:
    """Content of exactly one frame, of ``size`` bytes, or of ``least`` to ``size``."""
    extra = {"dict_data": zstandard.ZstdCompressionDict(dictionary)} if dictionary else {}
    try:
        declared = zstandard.get_frame_parameters(frame).content_size
        need(declared != zstandard.CONTENTSIZE_UNKNOWN, "zstd frame without a size")
        need((size if least is None else least) <= declared <= size and declared > 0, "zstd frame of another size")
        need(declared <= 43691 * len(frame), "zstd frame of more than it can hold")
        decoder = zstandard.ZstdDecompressor(**extra)
        content = decoder.decompress(frame, max_output_size=declared, allow_extra_data=False)
    except zstandard.ZstdError as err:
        raise RejectError(f"zstd: {err}") from err
    need(len(content) == declared, "zstd frame of another size")
    return content


# ---- 2. The file ----------------------------------------------------------------------------------------------------


def read_sections(data: bytes) -> tuple[int, int, int, list[bytes]]:
    """Kind, mode, flags and the six sections as stored (2.1, 2.2)."""
    need(data[:8] == MAGIC, "magic")
    cur = Cursor(data)
    _, version, draft = cur.take(8), cur.get("B"), cur.get("B")
    need((version, draft) == (0, 4), f"unsupported version {version} draft {draft}")
    kind, mode, flags = cur.get("B"), cur.get("B"), cur.get("B")
    if flags & 128:
        return kind, mode, flags, read_compact(data, cur, kind, mode, flags)
    if flags & 8:
        return read_short(data, cur, kind, mode, flags)
    sizes = [cur.leb() for _ in range(6)]
    crcs = {section: cur.get("I") for section in (0, 1, 2, 5) if sizes[section]}
    late = flags & 2
    if late:  # 2.4
        need(cur.pos <= 72 and not any(cur.take(72 - cur.pos)), "bytes before the CRC of the prelude")
    need(zlib.crc32(data[: cur.pos]) == cur.get("I"), "CRC of the prelude")
    need(kind <= 1 and mode <= 2 and flags in (0, 1, 2, 3, 16), "kind, mode or flags")
    need(not (late and sizes[3]), "BASE of a late file")
    need(1 <= sizes[0] <= 1 << 32 and sizes[1] <= 1 << 32 and sizes[2] <= 1 << 40, "size of a section")
    need(max(sizes[3:]) <= 1 << 60, "size of a section")
    start = cur.pos if late else 0
    taken = {section: cur.take(sizes[section]) for section in ((3, 4, 5, 0, 1, 2) if late else range(6))}
    sections = [taken[section] for section in range(6)]
    for section, crc in crcs.items():
        need(zlib.crc32(sections[section]) == crc, "CRC of a section")
    need(zlib.crc32(data[start : cur.pos]) == cur.get("I"), "CRC of the file")
    cur.end()
    return kind, mode, flags, sections


def read_short(data: bytes, cur: Cursor, kind: int, mode: int, flags: int) -> tuple[int, int, int, list[bytes]]:
    """The sections of a short file (2.6)."""
    sizes = [cur.leb() for _ in range(5)]
    head, crc = data[: cur.pos], cur.get("I")
    need(kind == 0 and mode == 2 and flags & ~9 == 0, "kind, mode or flags of a short file")
    need(1 <= sizes[0] <= 1 << 32 and sizes[1] <= 1 << 32 and sizes[2] <= 1 << 40, "size of a section")
    need(max(sizes[3:]) <= 1 << 60, "size of a section")
    sections = [cur.take(size) for size in sizes]
    need(zlib.crc32(head + b"".join(sections[:3])) == crc, "CRC of PRELUDE to INDEX")
    cur.end()
    return kind, mode, flags, [*sections, b""]


def read_compact(data: bytes, cur: Cursor, kind: int, mode: int, flags: int) -> list[bytes]:
    """The sections that a compact file stands for (2.7), with a pixel CRC that is none."""
    need(kind == 0 and mode <= 1 and flags & 15 == 0 and len(data) <= 1 << 14, "kind, mode, flags or size")
    need(zlib.crc32(data[:-4]) == struct.unpack("<I", data[-4:])[0], "CRC of the file")
    first = cur.get("B")
    axes = b"".join(as_leb(cur.leb()) for _ in range(first >> 4 & 7))
    record = bytes([first & 15, first >> 4 & 7]) + axes + bytes(first >> 4 & 7) + b"\0"
    if mode == 1:
        own = cur.get("B")
        record += bytes([own | 1]) + cur.take(8) + (cur.take(8) if own & 1 else bytes(8))
        record += cur.take(8) if own & 32 else b""
        record += cur.take(8) if own & 4 else b""
    else:
        record += b"\0"
    unit = cur.str() if first & 128 else ""
    need(bool(unit) == bool(first & 128), "empty unit")
    record += as_leb(len(unit.encode())) + unit.encode()
    meta = Cursor(record)
    image = read_image_record(meta, 0)
    meta.end()
    need(count_tiles(image) == 1, "number of tiles")
    size = math.prod(image.shape) * image.dtype.itemsize
    stored_meta = b"\0" + b"\0" + as_leb(size) + cur.take(32) + b"\0\0" + b"\1" + record + b"\0"
    bounds = cur.take(cur.leb()) if flags & 16 else b""
    need(bool(bounds) == bool(flags & 16), "empty block of bounds")
    block = b""
    if flags & 64:
        stored = Cursor(cur.take(cur.leb()))
        m = stored.get("B")
        need(m <= 8, "bytes of fill")
        tables = hashlib.sha256((MODELS / "detail.tables").read_bytes()).digest()[:8]
        block = tables + bytes(8 - m) + stored.take(m)[::-1] + stored.rest()
    params = b"\0" + b"\0" + as_leb(len(bounds)) + bounds + as_leb(len(block)) + block
    mask = cur.leb() if flags & 32 else 0
    need(bool(mask) == bool(flags & 32), "empty mask")
    detail = cur.leb()
    tiles = cur.take(mask + detail)
    cur.take(4)
    cur.end()
    index = as_leb(mask) + as_leb(detail) + struct.pack("<I", zlib.crc32(tiles)) + bytes(4)
    return [stored_meta, params, index, b"", tiles, b""]


def as_leb(value: int) -> bytes:
    """An unsigned LEB128 integer."""
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def unpack_section(section: bytes, dictionary_allowed: bool) -> bytes:
    """A packed section (2.3)."""
    cur = Cursor(section)
    packing = cur.get("B")
    if packing == 0:
        return cur.rest()
    need(packing == 1 or (packing == 2 and dictionary_allowed), "packing")
    size, dictionary = cur.leb(), None
    if packing == 2:
        dictionary = shipped(("headers.zdict", "clean.zdict"), cur.take(32), "missing dictionary")
    frame = cur.rest()
    need(size <= min(1 << 32, (1 << 24) + 1024 * len(frame)), "raw size of a section")
    return unzstd(frame, size, dictionary)


def shipped(names: tuple[str, ...], sha: bytes, what: str) -> bytes:
    """The one of these files whose SHA-256 starts so."""
    contents = [(MODELS / name).read_bytes() for name in names]
    found = [content for content in contents if hashlib.sha256(content).digest().startswith(sha)]
    need(bool(found), what)
    return found[0]


# ---- 3. META --------------------------------------------------------------------------------------------------------


@dataclass
class Image:
    """An image record (3.1) and what PARAMS and INDEX say about the image."""

    sample_type: int
    shape: tuple[int, ...]
    sides: tuple[int, ...]  # of a tile, slowest axis first
    stages: int
    bounded: bool = False
    step_map: bool = False
    dithered: bool = False
    on_base: bool = False
    bound: float = 0.0
    bscale: float = 1.0
    bzero: float = 0.0
    blank: int | None = None
    seed: int = 0
    unit: str = ""
    record: bytes = b""
    short: bool = False  # of a short file (2.6)
    compact: bool = False  # of a compact file (2.7), which has no pixel CRC
    normalisation: list[tuple[float, float]] = field(default_factory=list)
    errors: Samples | None = None  # E of every pixel, [P, H, W]
    predictors: Predictors | None = None  # of late files those of the tile that is restored
    sets: Sets | None = None  # of late files (2.4)

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(DTYPES[self.sample_type])

    @property
    def planes(self) -> tuple[int, int, int]:
        """P, H, W (4)."""
        if len(self.shape) < 2:
            return 1, 1, math.prod(self.shape)
        return math.prod(self.shape[:-2]), self.shape[-2], self.shape[-1]


@dataclass
class Meta:
    """META (3)."""

    original_bytes: int
    restored_sha256: bytes
    original_sha256: bytes | None
    model: tuple[str, bytes] | None
    images: list[Image]
    hdus: list[tuple[int, int, int, int]]  # kind, header, data and tail bytes
    names: list[tuple[str, str]]  # name and note of each HDU
    text: bytes


def read_image_record(cur: Cursor, kind: int) -> Image:
    """One image record (3.1)."""
    start = cur.pos
    sample_type, n_axes = cur.get("B"), cur.leb()
    need(1 <= sample_type <= 10 and n_axes <= 64, "sample type or number of axes")
    shape = tuple(cur.leb() for _ in range(n_axes))
    need(kind == 0 or (n_axes > 0 and 0 not in shape), "axis of length 0, or none")
    need(math.prod(length for length in shape if length) < 1 << 48, "number of pixels")
    sides = read_sides(cur, shape)
    stages, flags = cur.get("B"), cur.get("B")
    need(stages <= 16 and flags < 128, "stages or flags")
    image = Image(
        sample_type, shape, sides, stages, bool(flags & 1), bool(flags & 2), bool(flags & 4), bool(flags & 64)
    )
    need(image.bounded or not flags & 0b100110, "flags of an image that is not bounded")
    need(sample_type < 9 or not flags & 16, "BLANK of floats")
    need(kind == 1 or not flags & 24, "scaling or BLANK of an array")
    need(not image.on_base or (image.bounded and stages >= 1), "details on a base")
    need(0 not in shape or not (image.bounded or stages), "bound or stages without samples")
    if image.bounded:
        image.bound, in_sigma = cur.get("d"), cur.get("d")
        need(math.isfinite(image.bound) and image.bound > 0, "E")
        need(math.isfinite(in_sigma) and in_sigma >= 0, "E in sigma")
    if flags & 32:
        sigma = cur.get("d")
        need(math.isfinite(sigma) and sigma > 0, "sigma")
    if flags & 8:
        image.bscale, image.bzero = cur.get("d"), cur.get("d")
        need(math.isfinite(image.bscale) and math.isfinite(image.bzero), "BSCALE or BZERO")
        need((image.bscale, image.bzero) != (1.0, 0.0), "scaling that is none")
    if flags & 16:
        image.blank = cur.get("q")
        need(clamp_int(image.blank, image.dtype) == image.blank, "BLANK")
    if image.dithered:
        image.seed = cur.get("Q")
    image.unit = cur.str()
    image.record = cur.data[start : cur.pos]
    return image


def read_sides(cur: Cursor, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Sides of the tiles (3.1, 4)."""
    stored = [cur.leb() for _ in shape]
    need(all(side == 0 or side < n for side, n in zip(stored, shape, strict=True)), "side of a tile over its axis")
    sides = tuple(side or max(n, 1) for side, n in zip(stored, shape, strict=True))
    need(math.prod(sides) <= 1 << 22, "samples of a tile")
    leading = stored[:-2]
    for i, side in enumerate(sides[:-2]):
        need(side == 1 or not any(leading[i + 1 :]), "planes of a tile that do not follow each other")
    return sides


def read_meta(meta: bytes, kind: int) -> Meta:
    """META after unpacking (3)."""
    cur = Cursor(meta)
    cur.str()
    original_bytes, restored = cur.leb(), cur.take(32)
    has_original = cur.get("B")
    need(has_original <= kind, "flag of original_sha256")
    original = cur.take(32) if has_original else None
    need(original != restored, "original_sha256 that is restored_sha256")
    has_model = cur.get("B")
    need(has_model <= 1, "flag of the model")
    model = (cur.str(), cur.take(32)) if has_model else None
    n_images = cur.leb()
    need(n_images <= 1 << 20 and (kind == 1 or n_images == 1), "number of images")
    images = [read_image_record(cur, kind) for _ in range(n_images)]
    n_hdus = cur.leb()
    need(n_hdus <= 1 << 20 and (kind == 1 or n_hdus == 0), "number of HDUs")
    hdus, names = [], []
    for _ in range(n_hdus):
        hdu_kind = cur.get("B")
        need(hdu_kind <= 5, "kind of HDU")
        names.append((cur.str(), cur.str()))
        hdus.append((hdu_kind, cur.leb(), cur.leb(), cur.leb()))
        need(max(hdus[-1][1], hdus[-1][3]) <= 1 << 32 and hdus[-1][2] <= 1 << 60, "size of an HDU")
    text = cur.rest()
    need(len(text) == sum(header + tail for _, header, _, tail in hdus), "length of the text")
    need((model is not None) == any(i.stages for i in images), "base stages without a model, or a model without")
    found = Meta(original_bytes, restored, original, model, images, hdus, names, text)
    if kind:
        check_headers(found)
    else:
        need(original_bytes == math.prod(images[0].shape) * images[0].dtype.itemsize, "original_bytes")
    return found


def read_short_meta(meta: bytes) -> Meta:
    """META of a short file (2.6)."""
    cur = Cursor(meta)
    restored, model = cur.take(8), cur.take(8)
    image = read_image_record(cur, 0)
    cur.end()
    need(image.stages > 0, "a model without base stages")
    image.short = True
    size = math.prod(image.shape) * image.dtype.itemsize
    return Meta(size, restored, None, ("", model), [image], [], [], b"")


def check_mode(kind: int, mode: int, is_copy: bool, meta: Meta, entries: list[list[list[int]]]) -> None:
    """The mode says what the file holds (2.1), and original_bytes how large it was (3.2)."""
    tiles = [entry for image in entries for entry in image]
    alone = [entry for entry in tiles if entry[1] == 0 and any(entry[4::2])]
    bounded = any(image.bounded for image in meta.images)
    if is_copy:
        need(mode == 2 and not any(entry[1] for entry in tiles), "base-only copy with details")
        need(bool(meta.images) and all(image.stages for image in meta.images), "base-only copy without a base")
        need(not any(entry[3] for entry in tiles), "base-only copy with pixel CRCs")
    elif mode == 2:
        need(bool(alone) and not bounded, "nothing lossy in a lossy file")
        need(not any(entry[1] and any(entry[4::2]) for entry in tiles), "details and base in a lossy file")
    else:
        need(not alone, "lossy tiles in a file that is not lossy")
        need(bounded == (mode == 1), "bound and mode")
        need(mode == 1 or meta.original_sha256 is None, "another original of a lossless file")
    if kind:
        grown = sum(sum(sizes) for _, *sizes in meta.hdus) - meta.original_bytes
        most = 2880 * len(meta.images) if mode else 0
        need(0 <= grown <= most and grown % 2880 == 0, "original_bytes")


# ---- 3.2 Headers ----------------------------------------------------------------------------------------------------

BITPIX = {8: 1, 16: 4, 32: 6, 64: 8, -32: 9, -64: 10}
BLANKS = b" \t\0\r\n"


def card_value(card: bytes) -> str | bool | int | float | None:
    """Value of a card."""
    if card[8:9] != b"=":
        return None
    field_ = card[9:]
    start = field_.lstrip(b" ")
    if start[:1] == b"'":
        text, i = b"", 1
        while i < len(start):
            if start[i : i + 2] == b"''":
                i += 1
            elif start[i : i + 1] == b"'":
                break
            text += start[i : i + 1]
            i += 1
        return text.rstrip(b" ").decode("latin-1")
    token = field_.split(b"/")[0].strip(BLANKS)
    if token in (b"T", b"F"):
        return token == b"T"
    sign, rest = (token[:1], token[1:].lstrip(b" ")) if token[:1] in (b"+", b"-") else (b"", token)
    if rest.isdigit():
        return int(sign + rest)
    mantissa, exponent = rest, b""
    for letter in b"EeDd":
        if letter in rest:
            mantissa, _, exponent = rest.partition(bytes([letter]))
            exponent = exponent.replace(b" ", b"") if is_exponent(exponent) else b"none"
            break
    if mantissa.replace(b".", b"", 1).isdigit() and exponent != b"none":
        return float(sign + mantissa + (b"E" + exponent if exponent else b""))
    return None


def is_exponent(text: bytes) -> bool:
    """Blanks, a sign or none, blanks and digits."""
    text = text.lstrip(b" ")
    return (text[1:].lstrip(b" ") if text[:1] in (b"+", b"-") else text).isdigit()


def read_header(text: bytes) -> tuple[dict[bytes, Any], int]:
    """Values of a header's cards by keyword, and its bytes up to END and with it."""
    values: dict[bytes, Any] = {}
    for start in range(0, len(text), 80):
        card = text[start : start + 80]
        if card[:3] == b"END" and len(card) >= 8 and not card[3:8].strip(BLANKS):
            return values, start + 80
        keyword = card[:8].rstrip(b" ")
        if keyword not in (b"BUNIT", b"EXTNAME") or keyword not in values:
            values[keyword] = card_value(card)
    raise RejectError("header without END")


def integer(values: dict[bytes, Any], keyword: bytes, default: int | None = None) -> int:
    """A structure card's integer, which must be there unless it has a default."""
    value = values.get(keyword, default)
    need(type(value) is int, f"{keyword!r} of a header")
    return int(value)


def structure_of(values: dict[bytes, Any], primary: bool) -> tuple[int, int, tuple[int, ...]]:
    """Kind, data bytes and axes, slowest first, of an HDU of kinds 0 to 4."""
    bitpix, naxis = integer(values, b"BITPIX"), integer(values, b"NAXIS")
    need(bitpix in BITPIX and 0 <= naxis <= 999, "BITPIX or NAXIS of a header")
    axes = [integer(values, b"NAXIS%d" % n) for n in range(1, naxis + 1)]
    pcount, gcount = integer(values, b"PCOUNT", 0), integer(values, b"GCOUNT", 1)
    need(min([pcount, gcount, *axes]) >= 0, "negative number in a header")
    groups = primary and values.get(b"GROUPS") is True and naxis > 1 and axes[0] == 0
    samples = math.prod(axes[1:] if groups else axes) if naxis else 0
    none = primary and not groups and samples == 0
    size = 0 if none else abs(bitpix) // 8 * gcount * (pcount + samples)
    extension = values.get(b"XTENSION")
    if groups:
        return 3, size, ()
    if not primary and extension in ("BINTABLE", "TABLE", "A3DTABLE"):
        return (4 if values.get(b"ZIMAGE") is True else 2), size, ()
    need(primary or extension == "IMAGE", "XTENSION of a header")
    if size == 0 and (0 in axes or not axes):
        return 1, size, ()
    need((pcount, gcount) == (0, 1) and naxis <= 64, "PCOUNT, GCOUNT or NAXIS of an image")
    return 0, size, tuple(reversed(axes))


def check_headers(meta: Meta) -> None:
    """What records say of HDUs is what their headers say (3.2)."""
    text, images = Cursor(meta.text), list(meta.images)
    for number, (hdu, (name, note)) in enumerate(zip(meta.hdus, meta.names, strict=True)):
        hdu_kind, header_bytes, data_bytes, tail_bytes = hdu
        primary, last = number == 0, number == len(meta.hdus) - 1
        header = text.take(header_bytes)
        text.take(tail_bytes)
        values: dict[bytes, Any] = {}
        if hdu_kind != 5 or name:
            values, end = read_header(header)
        own = values.get(b"EXTNAME")
        own_name = own if isinstance(own, str) else "PRIMARY" if primary else ""
        if hdu_kind == 5:
            need(name in ("", own_name), "name of an HDU")
            need(last or (header_bytes > 0 and header_bytes % 2880 == 0), "header bytes")
            continue
        need(name == own_name and note == "", "name or note of an HDU")
        need(header.startswith(b"SIMPLE  =" if primary else b"XTENSION"), "start of a header")
        need(not primary or values.get(b"SIMPLE") is True, "SIMPLE of a header")
        kind, size, shape = structure_of(values, primary)
        need((kind, size) == (hdu_kind, data_bytes), "kind or data bytes of an HDU")
        cut = last and data_bytes == tail_bytes == 0
        padded = end + -end % 2880
        need(header_bytes == padded or (cut and header_bytes < padded), "header bytes")
        whole = -data_bytes % 2880
        need(tail_bytes == whole or (last and tail_bytes < whole), "tail bytes")
        if kind == 0:
            need(bool(images), "image without a record")
            check_record(images.pop(0), shape, values)
    need(not images, "record without an image")


def check_record(image: Image, shape: tuple[int, ...], values: dict[bytes, Any]) -> None:
    """An image record is what the header of its HDU says."""
    need(image.shape == shape and image.sample_type == BITPIX[values[b"BITPIX"]], "axes or sample type of an image")
    for keyword, own, default in ((b"BSCALE", image.bscale, 1.0), (b"BZERO", image.bzero, 0.0)):
        value = values.get(keyword)
        sound = type(value) in (int, float) and math.isfinite(value)
        need(own == (float(value) if sound else default), "scaling of an image")
    blank, unit = values.get(b"BLANK"), values.get(b"BUNIT")
    known = type(blank) is int and image.dtype.kind != "f" and clamp_int(blank, image.dtype) == blank
    need(image.blank == (blank if known else None), "BLANK of an image")
    need(image.unit == (unit if isinstance(unit, str) else ""), "unit of an image")


# ---- 4. Planes and tiles --------------------------------------------------------------------------------------------


def cuts(n: int, side: int) -> list[slice]:
    """Pieces of an axis of length n."""
    return [slice(start, min(start + side, n)) for start in range(0, n, side)]


def count_tiles(image: Image) -> int:
    """Number of tiles of an image, without listing them."""
    if 0 in image.shape:
        return 0
    return math.prod(-(-n // side) for n, side in zip(image.shape, image.sides, strict=True))


def tile_slices(image: Image) -> list[tuple[slice, slice, slice]]:
    """Where the tiles of an image lie, in their order."""
    if 0 in image.shape:
        return []
    number = np.arange(math.prod(image.shape[:-2])).reshape(image.shape[:-2])
    pieces = [cuts(n, side) for n, side in zip(image.shape, image.sides, strict=True)]
    planes = []
    for place in itertools.product(*pieces[:-2]):
        inside = number[place].ravel()
        assert np.array_equal(inside, np.arange(inside[0], inside[-1] + 1))
        planes.append(slice(int(inside[0]), int(inside[-1]) + 1))
    y = pieces[-2] if len(pieces) > 1 else [slice(0, 1)]
    x = pieces[-1] if pieces else [slice(0, 1)]
    return [place for place in itertools.product(planes, y, x)]


# ---- 6. PARAMS ------------------------------------------------------------------------------------------------------


def read_params(params: bytes, images: list[Image], late: bool = False) -> None:
    """Put what PARAMS holds into the images (6.2)."""
    cur = Cursor(params)
    for image in images:
        blocks = [Cursor(cur.take(cur.leb())) for _ in range(2 if image.short else 3)]
        normalisation, bounds, block = blocks[0], Cursor(b"") if image.short else blocks[1], blocks[-1]
        P = image.planes[0]
        if image.stages:
            form = "f" if len(normalisation.data) == 8 * P else "d"
            image.normalisation = [(normalisation.get(form), normalisation.get(form)) for _ in range(P)]
            need(
                all(abs(a) <= 2.0**1000 and 2.0**-1000 <= b <= 2.0**1000 for a, b in image.normalisation),
                "normalisation",
            )
        normalisation.end()
        if image.bounded:
            image.errors = read_bounds(bounds, image)
        bounds.end()
        need(not block.data or math.prod(image.shape) > 0, "predictors without samples")
        if block.data and late:
            image.sets = read_sets(block, count_tiles(image))
        elif block.data:
            image.predictors = read_predictors(block)
        block.end()
    cur.end()


def read_bounds(cur: Cursor, image: Image) -> Samples:
    """E of every pixel [P, H, W] (6.2)."""
    P, H, W = image.planes
    if not image.step_map and not cur.data:
        return np.broadcast_to(np.float64(image.bound), (P, H, W))
    if not image.step_map:
        values = np.frombuffer(cur.take(8 * P), "<f8")
        errors = np.broadcast_to(values[:, None, None], (P, H, W))
    else:
        c = cur.leb()
        need(1 <= c <= 4096, "cell size")
        rows, columns = -(-H // c), -(-W // c)
        values = np.frombuffer(cur.take(4 * P * rows * columns), "<f4").astype("f8")
        cells = values.reshape(P, rows, columns)
        errors = cells[:, np.arange(H)[:, None] // c, np.arange(W)[None] // c]
    need(bool(np.all(np.isfinite(values) & (values >= 0))), "E of a plane or cell")
    need(float(values.max()) == image.bound, "largest E")
    return errors


# ---- 8.2 Predictor block --------------------------------------------------------------------------------------------


@dataclass
class Predictors:
    """fill, of each predictor (radius R, border radius b, reach B, coefficients in tap order, taps before), tables."""

    fill: float
    predictors: list[tuple[int, int, int, list[float], TapsBefore | None]]
    order: tuple[int, ...] = (0, 1, 2)
    table_set: bytes = b""


@dataclass
class TapsBefore:
    """Taps in earlier planes; sets[m - 1] has (j, dy, dx, coefficient) of the taps of a plane with m before it."""

    stride: int
    period: int
    blend: int
    sets: list[list[tuple[int, int, int, float]]]


@dataclass
class Sets:
    """Predictor blocks of a late file, and of each tile the number of its own, from 1, or 0 for none (2.4)."""

    blocks: list[bytes]
    numbers: list[int]


def read_sets(cur: Cursor, n_tiles: int) -> Sets:
    """Block 3 of an image of a late file (2.4)."""
    n_sets = cur.leb()
    need(1 <= n_sets <= 1 << 16, "number of sets")
    blocks = [cur.take(cur.leb()) for _ in range(n_sets)]
    need(all(blocks), "set without bytes")
    n_runs, numbers, number = cur.leb(), [], 0
    need(1 <= n_runs <= 1 << 20, "number of runs")
    for run in range(n_runs):
        step = cur.leb()
        need((step == 0) == (run == 0) and len(numbers) + step < n_tiles, "first tile of a run")
        numbers += [number] * step
        number = cur.leb()
        need(number <= n_sets, "number of a set")
    numbers += [number] * (n_tiles - len(numbers))
    need({*numbers} - {0} == {*range(1, n_sets + 1)}, "set without a run")
    return Sets(blocks, numbers)


class Bits:
    """Bits of bytes, least significant first; all bytes must be needed and spare bits must be 0."""

    def __init__(self, data: bytes) -> None:
        self.value, self.size, self.pos = int.from_bytes(data, "little"), len(data), 0

    def take(self, n: int) -> int:
        need(self.pos + n <= 8 * self.size, "raw bits run out")
        self.pos += n
        return (self.value >> self.pos - n) & ((1 << n) - 1)

    def end(self) -> None:
        need(-(-self.pos // 8) == self.size and self.value >> self.pos == 0, "raw bits are left over")


def tap_order(radius: int) -> list[tuple[int, int]]:
    """(dy, dx) of the taps of a window (8.3)."""
    above = [(dy, dx) for dy in range(radius, 0, -1) for dx in range(-radius, radius + 1)]
    return above + [(0, dx) for dx in range(-radius, 0)]


def rice_decode(data: bytes, *windows: list[tuple[int, int]]) -> list[int]:
    """Coefficients of windows in the order of their taps (dy, dx), one window after another."""
    bits, mean = Bits(data), 16
    out = [0] * sum(map(len, windows))
    for i in coding_order(windows):
        k, q = max(0, (mean >> 4).bit_length() - 1), 0
        while q < 24 and bits.take(1):
            q += 1
        z = bits.take(48) if q == 24 else q << k | bits.take(k)
        out[i] = unzig(z)
        need(abs(out[i]) < 1 << 46, "coefficient")
        mean += (16 * z - mean) >> 2
    bits.end()
    return out


def coding_order(windows: tuple[list[tuple[int, int]], ...]) -> list[int]:
    """Numbers of all taps as they are coded."""
    order: list[int] = []
    for taps in windows:
        nearest = sorted(range(len(taps)), key=lambda i: (taps[i][0] ** 2 + taps[i][1] ** 2, i))
        order += [len(order) + i for i in nearest]
    return order


def read_taps_before(cur: Cursor) -> TapsBefore:
    """Taps in earlier planes (8.2)."""
    stride, period, blend, lags = cur.leb(), cur.leb(), cur.get("B"), cur.get("B")
    need(1 <= stride <= 1 << 22 and 2 <= period <= 1 << 22 and blend <= 64 and 1 <= lags <= 8, "earlier planes")
    radii, shift = [cur.get("B") for _ in range(lags)], cur.get("B")
    need(max(radii) <= 4 and shift <= 40, "radius or shift of earlier planes")
    places = [(m, j) for m in range(1, lags + 1) for j in range(1, m + 1)]
    windows = []
    for _, j in places:
        reach = range(-radii[j - 1], radii[j - 1] + 1)
        windows.append([(dy, dx) for dy in reach for dx in reach])
    body = cur.take(cur.leb())
    need(len(body) <= 9 * sum(map(len, windows)), "bytes of coefficients in earlier planes")
    values = iter(rice_decode(body, *windows))
    sets: list[list[tuple[int, int, int, float]]] = [[] for _ in radii]
    for (m, j), window in zip(places, windows, strict=True):
        sets[m - 1] += [(j, dy, dx, next(values) * 2.0**-shift) for dy, dx in window]
    return TapsBefore(stride, period, blend, sets)


def read_predictors(cur: Cursor) -> Predictors:
    """The predictor block of an image."""
    table_set = cur.take(8)
    shipped(TABLE_SETS, table_set, "missing table set")
    fill = cur.get("d")
    need(abs(fill) <= 2.0**900, "fill")
    order, count = divmod(cur.leb(), 16)
    need(order <= 5 and 1 <= count <= 8, "order of axes or number of predictors")
    out = []
    for _ in range(count):
        radius, shift, border, reach = cur.get("B"), cur.get("B"), cur.get("B"), cur.get("B")
        has_before, radius = radius >> 7, radius & 127
        need(1 <= radius <= 24 and shift <= 40, "radius or shift")
        need(border <= min(radius, 8) and border <= reach <= radius and (border > 0 or reach == 0), "border")
        body = cur.take(cur.leb())
        need(len(body) <= 9 * 2 * radius * (radius + 1), "bytes of coefficients")
        coefficients = [c * 2.0**-shift for c in rice_decode(body, tap_order(radius))]
        out.append((radius, border, reach, coefficients, read_taps_before(cur) if has_before else None))
    return Predictors(fill, out, ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))[order], table_set)


# ---- 8.1, 8.6, 8.7 --------------------------------------------------------------------------------------------------


def bits_of(v: float) -> int:
    """Bit pattern of a binary64, as an unsigned integer."""
    return int(struct.unpack("<Q", struct.pack("<d", v))[0])


def exponent(v: float) -> int:
    """e(v) = floor(log2 v)."""
    return math.frexp(v)[1] - 1


def quarter(v: float) -> int:
    """Four steps an octave, 0 for 1.0."""
    return (bits_of(max(v, 2.0**-1000)) >> 50) - 4092


def eighth(v: float) -> int:
    """Eight steps an octave, 0 for 1.0."""
    return (bits_of(max(v, 2.0**-1000)) >> 49) - 8184


@cache
def table_counts(table_set: bytes) -> Samples:
    """Counts [shape, table, phase, symbol] of the table set of this name."""
    frame = shipped(TABLE_SETS, table_set, "missing table set")
    content = unzstd(frame, zstandard.get_frame_parameters(frame).content_size)
    shapes, *sizes = struct.unpack_from("<4I", content)
    need(sizes == [88, 9, 128], "table set")
    counts = np.frombuffer(content, "<u4", offset=16).reshape(shapes, 88, 9, 128)
    need(bool(np.all(counts >= 1) and np.all(counts.sum(-1) == 1 << 24)), "counts of the table set")
    return counts


@cache
def cumulative(table_set: bytes, shape: int, table: int, phase: int) -> list[int]:
    """129 cumulative counts."""
    return [0, *np.cumsum(table_counts(table_set)[shape, table, phase], dtype="i8").tolist()]


class Ans:
    """The entropy decoder (8.6)."""

    def __init__(self, words: list[int]) -> None:
        self.words, self.state = list(words), 0
        for _ in range(min(2, len(words))):
            self.state = self.state << 32 | self.words.pop()

    def symbol(self, cumulated: list[int]) -> int:
        q = self.state & ((1 << 24) - 1)
        S = bisect_right(cumulated, q) - 1
        self.state = (self.state >> 24) * (cumulated[S + 1] - cumulated[S]) + q - cumulated[S]
        if self.state < 1 << 32 and self.words:
            self.state = self.state << 32 | self.words.pop()
        return S

    def end(self) -> None:
        need(self.state == 0 and not self.words, "the entropy coded stream does not end")


def splitmix(x: int) -> int:
    """Mixed 64-bit number."""
    mask = (1 << 64) - 1
    x = (x + 0x9E3779B97F4A7C15) & mask
    x = ((x ^ x >> 30) * 0xBF58476D1CE4E5B9) & mask
    x = ((x ^ x >> 27) * 0x94D049BB133111EB) & mask
    return x ^ x >> 31


def dither(seed: int, tile: int, sample: int) -> float:
    """u of a sample (8.7)."""
    return (splitmix((seed + (tile << 32) + sample) & ((1 << 64) - 1)) >> 11) * 2.0**-53 - 0.5


# ---- 8.4 Detail stream ----------------------------------------------------------------------------------------------


def round_samples(values: list[float], dtype: np.dtype[Any]) -> Samples:
    """Floats rounded to a float sample type."""
    with np.errstate(over="ignore"):
        return np.array(values, "f8").astype(dtype)


def clamp_int(value: int, dtype: np.dtype[Any]) -> int:
    """Nearest integer of an integer sample type."""
    info = np.iinfo(dtype)
    return min(max(value, int(info.min)), int(info.max))


def decode_parts(
    cur: Cursor, image: Image, tile: int, shape: tuple[int, int, int], special: Samples, depth: int
) -> Samples:
    """Samples [n] of a tile of two parts (8.4); this is the rest of the stream."""
    axis, cut, first = cur.get("B"), cur.leb(), cur.leb()
    need(axis in (1, 2) and 1 <= cut < shape[axis], "cut")
    streams = cur.take(first), cur.rest()
    marks = np.split(special.reshape(shape), [cut], axis)
    parts = []
    for stream, marked in zip(streams, marks, strict=True):
        p, h, w = marked.shape
        found = decode_detail(stream, image, tile, (p, h, w), marked.ravel(), None, None, depth)
        parts.append(found.reshape(marked.shape))
    return np.concatenate(parts, axis).ravel()


def decode_plateau(
    cur: Cursor, image: Image, tile: int, shape: tuple[int, int, int], special: Samples, depth: int
) -> Samples:
    """Samples [n] of a tile with plateaus (8.4); this is the rest of the stream."""
    flags, first = cur.get("B"), Cursor(cur.take(cur.leb()))
    need(flags <= 1 and first.get("B") == 5, "flags or first stream of a plateau")
    samples, usual = decode_numbers(first, shape, image.dtype)
    left = usual & ~special.ravel()
    if flags:
        n = int(left.sum())
        need(n > 0, "nothing left beside a plateau")
        samples[left] = decode_detail(cur.rest(), image, tile, (1, 1, n), np.zeros(n, bool), None, None, depth)
    else:
        samples[left] = decode_detail(cur.rest(), image, tile, shape, ~left, None, None, depth)[left]
    return samples


def decode_detail(
    stream: bytes,
    image: Image,
    tile: int,
    shape: tuple[int, int, int],
    special: Samples,
    errors: Samples | None,
    base: Samples | None = None,
    depth: int = 0,
) -> Samples:
    """Samples [n] of a tile from its detail stream (8.4); special ones are whatever comes out.

    ``special`` is bool [n]; ``errors`` is E of each sample, float64 [n], or None in an image without a bound; ``base``
    its base value where details are on the base.
    """
    n, dtype, cur = math.prod(shape), image.dtype, Cursor(stream)
    method = cur.get("B")
    need(method <= 6, "method")
    if method == 6:
        need((errors is None or not errors.any() or image.bscale == 0.0) and depth < 8, "plateau")
        return decode_plateau(cur, image, tile, shape, special, depth + 1)
    if method == 4:
        exact = errors is None or not errors.any() or image.bscale == 0.0
        need(exact and dtype.kind == "f" and depth < 8, "parts")
        return decode_parts(cur, image, tile, shape, special, depth + 1)
    if method == 0:
        samples = np.frombuffer(cur.take(n * dtype.itemsize), dtype)
        cur.end()
        return samples
    if method == 1:
        shuffled = np.frombuffer(unzstd(cur.rest(), n * dtype.itemsize), "u1").reshape(dtype.itemsize, n)
        return np.frombuffer(shuffled.T.tobytes(), dtype)
    if method == 3:
        return np.frombuffer(unzstd(cur.rest(), n * dtype.itemsize), dtype)
    if method == 5:
        return decode_counted(cur, shape, dtype)
    if image.predictors is None:
        raise RejectError("method 2 without predictors")
    number = cur.leb()
    need(number < len(image.predictors.predictors), "predictor number")
    coder = LearnedTile(shape, special, *image.predictors.predictors[number])
    maps = ValueMap(cur, image, tile, shape, errors)
    if base is not None and maps.kind in (3, 4):
        maps.set_base(base.tolist())
    coder.kind, coder.z, coder.gain, coder.dither = maps.kind, maps.z, maps.gain, maps.dither
    coder.fraction_bits = maps.fraction_bits
    coder.fill = maps.working_fill(image.predictors.fill)
    coder.table_set = image.predictors.table_set
    coder.shape_number, coder.level, coder.clamp = cur.get("B"), cur.get("h"), cur.get("h")
    need(coder.shape_number < table_counts(coder.table_set).shape[0], "shape")
    need(abs(coder.level) <= 4000 and abs(coder.clamp) <= 1000, "level or clamp exponent")
    need(coder.kind == 0 or coder.clamp <= 52, "clamp exponent")
    n_words, n_raw, n_patches = cur.leb(), cur.leb(), cur.leb()
    patches, where = [], 0
    for i in range(n_patches):
        distance = cur.leb()
        need(i == 0 or distance > 0, "two patches of one sample")
        where += distance
        need(where < n, "patch outside the tile")
        patches.append((where, np.frombuffer(cur.take(dtype.itemsize), dtype)))
    coder.ans = Ans(list(struct.unpack(f"<{n_words}I", cur.take(4 * n_words))))
    coder.raw = Bits(cur.take(n_raw))
    cur.end()
    samples = maps.restore(coder.decode(), special.tolist())
    for where, value in patches:
        samples[where] = value[0]
    return samples


def decode_turned(
    stream: bytes,
    image: Image,
    tile: int,
    shape: tuple[int, int, int],
    special: Samples,
    errors: Samples | None,
    base: Samples | None = None,
) -> Samples:
    """As ``decode_detail``, of a tile in the order of the image (8.4)."""
    order = (0, 1, 2) if image.predictors is None else image.predictors.order
    if order == (0, 1, 2):
        return decode_detail(stream, image, tile, shape, special, errors, base)

    def turn(values: Samples | None) -> Any:
        return None if values is None else values.reshape(shape).transpose(order).ravel()

    sides = shape[order[0]], shape[order[1]], shape[order[2]]
    found = decode_detail(stream, image, tile, sides, turn(special), turn(errors), turn(base))
    back = sorted(range(3), key=lambda axis: order[axis])
    return found.reshape(sides).transpose(back).ravel()


class ValueMap:
    """Between working values and samples (8.4): reads its fields."""

    def __init__(
        self, cur: Cursor, image: Image, tile: int, shape: tuple[int, int, int], errors: Samples | None
    ) -> None:
        planes, n = shape[0], math.prod(shape)
        self.dtype, self.n, self.kind = image.dtype, n, cur.get("B")
        self.z = self.fraction_bits = 0
        self.gain, self.dither, self.steps = [1.0] * n, [0.0] * n, [1.0] * n
        self.base, self.shrink, self.in_units = [0] * n, 0, False
        is_float = self.dtype.kind == "f"
        need(self.kind <= 6, "map")
        need(self.kind in (3, 4, 6) or (self.kind == 2) != is_float, "map of another sample type")
        if self.kind == 0:
            self.z, self.fraction_bits = cur.get("h"), cur.get("B")
            need(-1022 <= self.z <= 1000, "quantum")
            need(self.fraction_bits <= (23 if self.dtype.itemsize == 4 else 52), "fraction bits")
        elif self.kind == 1:
            self.a, self.b = cur.get("d"), cur.get("d")
            self.check_lattice(self.a, self.b)
        elif self.kind == 5:
            self.set_lattices(cur)
        elif self.kind == 6:
            self.set_near(cur, planes)
        elif self.kind == 2:
            self.a, self.b = cur.get("q"), cur.get("Q")
            need(self.b > 0, "lattice")
        else:
            if errors is None:
                raise RejectError("map 3 or 4 without a bound")
            need(image.bscale != 0.0, "map 3 or 4 without a scale")
            shrink = cur.get("B") if self.kind == 3 or not is_float else 0
            need(shrink <= (4 if is_float else 3 if self.kind == 3 else 1), "shrink")
            need(self.kind == 3 or not image.dithered, "map 4 with dither")
            self.in_units = self.kind == 4 or (not is_float and shrink >= 2)
            self.set_steps(image, tile, errors.tolist(), shrink if is_float else shrink & 1)
            self.shrink = shrink if is_float else 0

    def check_lattice(self, a: float, b: float) -> None:
        """a and b of maps 1 and 5 are in their ranges."""
        need(abs(a) <= 2.0**200 and 2.0**-200 <= abs(b) <= 2.0**200, "lattice")

    def set_lattices(self, cur: Cursor) -> None:
        """a, b, g and u of every sample of map 5."""
        n = cur.leb()
        need(1 <= n <= 8, "number of lattices")
        pairs = [(cur.get("d"), cur.get("d")) for _ in range(n)]
        classes = unzstd(cur.take(cur.leb()), self.n)
        self.a, self.b = pairs[0]
        for a, b in pairs:
            self.check_lattice(a, b)
            need(2.0**-100 <= abs(b / self.b) <= 2.0**100 and abs((a - self.a) / b) <= 2.0**52, "range of a lattice")
        need(max(classes, default=0) < n, "class")
        self.pairs = [pairs[c] for c in classes]
        self.gain = [b / self.b for _, b in self.pairs]
        self.dither = [(a - self.a) / b for a, b in self.pairs]

    def set_steps(self, image: Image, tile: int, errors: list[float], shrink: int) -> None:
        """D, g and u of every sample of maps 3 and 4."""
        is_float = self.dtype.kind == "f"
        need(all(math.isfinite(E) and E > 0 for E in errors), "map 3 or 4 where E is 0")
        for i, E in enumerate(errors):
            Es = E if image.bscale == 1.0 else E / abs(image.bscale)
            whole = max(0, math.floor(min(Es, 2.0**40)) - shrink)
            self.steps[i] = Es * (2 - 2.0**-13) * 2.0**-shrink if is_float else 2.0 * whole + 1
            need(2.0**-900 < self.steps[i] < 2.0**900, "D")
            if is_float and image.dithered:
                self.dither[i] = dither(image.seed, tile, i)
        self.gain = [D / self.steps[0] for D in self.steps]
        need(all(2.0**-100 <= g <= 2.0**100 for g in self.gain), "D of another size than the first")

    def set_base(self, base: list[float]) -> None:
        """b of every sample of maps 3 and 4."""
        for i, (B, D) in enumerate(zip(base, self.steps, strict=True)):
            x = 16 * (B / (D * 2.0**self.shrink)) + 0.5
            self.base[i] = math.floor(min(max(x, -(2.0**40)), 2.0**40))

    def working_fill(self, fill: float) -> float:
        """fill'."""
        if self.kind == 0:
            return fill
        D0 = self.steps[0] * 2.0**-4 if self.in_units else self.steps[0]
        out = fill / D0 if self.kind in (3, 4) else (fill - float(self.a)) / float(self.b)
        need(math.isfinite(out) and abs(out) <= 2.0**52, "fill in working units")
        return out

    def set_near(self, cur: Cursor, planes: int) -> None:
        """a, b, g and u of every sample of map 6, the least unit, and the code of the corrections."""
        n = cur.leb()
        need(n in (1, planes), "number of near-lattices")
        pairs = [(cur.get("d"), cur.get("d")) for _ in range(n)]
        self.a, self.b = pairs[0]
        for a, b in pairs:
            self.check_lattice(a, b)
            need(2.0**-100 <= abs(b / self.b) <= 2.0**100 and abs((a - self.a) / b) <= 2.0**52, "range of a lattice")
        each = self.n // n
        self.pairs = [pairs[i // each] for i in range(self.n)]
        self.numbers = [i // each for i in range(self.n)]
        if n > 1:
            self.gain = [b / self.b for _, b in self.pairs]
            self.dither = [(a - self.a) / b for a, b in self.pairs]
        self.unit = cur.get("h")
        need(-400 <= self.unit <= 200 if self.dtype.kind == "f" else self.unit == 0, "unit")
        self.code = cur.take(cur.leb())

    def near_samples(self, values: list[int], special: list[bool]) -> Samples:
        """Samples [n] of the integers of map 6."""
        exponents, wholes, classes = [], [], []
        bits = {"f4": 23, "f8": 52}.get(self.dtype.str[1:])
        for (a, b), k in zip(self.pairs, values, strict=True):
            t = a + b * float(k)
            x = self.unit
            if bits is not None and abs(t) >= 2.0**-1000:
                x = max(x, exponent(abs(t)) - bits)
            units = math.ldexp(t, -x)
            whole = float(round(units))
            exponents.append(x)
            wholes.append(whole)
            classes.append(8 * min(x - self.unit, 31) + min(7, math.floor(8 * (units - whole + 0.5))))
        slots = [None if s else slot for s, slot in zip(special, zip(self.numbers, values, strict=True), strict=True)]
        found = read_corrections(self.code, slots, classes)
        sums = [whole + float(c) for whole, c in zip(wholes, found, strict=True)]
        if bits is not None:
            return round_samples([math.ldexp(v, x) for v, x in zip(sums, exponents, strict=True)], self.dtype)
        return np.array([clamp_int(int(min(max(v, -(2.0**53)), 2.0**53)), self.dtype) for v in sums], self.dtype)

    def restore(self, values: list[Any], special: list[bool]) -> Samples:
        """Samples [n] of working values (map 0) or integers k."""
        if self.kind == 6:
            return self.near_samples(values, special)
        if self.kind == 0:
            return round_samples(values, self.dtype)
        if self.kind == 1:
            return round_samples([self.a + self.b * float(k) for k in values], self.dtype)
        if self.kind == 2:
            low = np.array([(self.a + self.b * k) % (1 << 64) for k in values], "<u8")
            return low.view("u1").reshape(self.n, 8)[:, : self.dtype.itemsize].copy().view(self.dtype)[:, 0]
        if self.kind == 5:
            return round_samples([a + b * float(k) for (a, b), k in zip(self.pairs, values, strict=True)], self.dtype)
        if self.dtype.kind != "f":
            return np.array(
                [self.integer(D, v, b) for D, v, b in zip(self.steps, values, self.base, strict=True)], self.dtype
            )
        if self.kind == 4:
            units = zip(self.steps, values, self.base, strict=True)
            return round_samples([(D * 2.0**-4) * float(v + b) for D, v, b in units], self.dtype)
        moved = zip(self.steps, values, self.dither, self.base, strict=True)
        power = 2.0 ** (self.shrink - 4)
        return round_samples([D * (float(k) + (u + b * power)) for D, k, u, b in moved], self.dtype)

    def integer(self, step: float, value: int, base: int) -> int:
        """Sample of an integer image from v of map 3 or 4 and b (8.4, integers from units)."""
        D, n = int(step), (value if self.in_units else 16 * value) + base
        total = D * (n >> 4) + ((D * (n & 15) + 7) >> 4)
        return clamp_int((total + (1 << 63)) % (1 << 64) - (1 << 63), self.dtype)


# ---- 8.8, 8.9 Mixed decisions --------------------------------------------------------------------------------------

SQUASH = (
    1, 1, 1, 2, 3, 5, 8, 13, 22, 36, 60, 98, 162, 267, 439, 720, 1179,
    1921, 3108, 4971, 7812, 11955, 17625, 24743, 32768, 40793, 47911, 53581, 57724, 60565, 62428, 63615, 64357, 64816,
    65097, 65269, 65374, 65438, 65476, 65500, 65514, 65523, 65528, 65531, 65533, 65534, 65535, 65535, 65535,
)  # fmt: skip


def squash(x: int) -> int:
    """Q(x)."""
    x = min(max(x, -3071), 3071)
    i, f = (x + 3072) >> 7, (x + 3072) & 127
    return (SQUASH[i] * (128 - f) + SQUASH[i + 1] * f + 64) >> 7


@cache
def stretches() -> list[int]:
    """stretch(0..4095)."""
    tops = [squash(x) >> 4 for x in range(-3071, 3072)]
    return [min(bisect_left(tops, y) - 3071, 3071) for y in range(4096)]


class Decisions:
    """A stream of mixed decisions; counters and weights are named by any keys."""

    def __init__(self, data: bytes, rate: int, limit: int) -> None:
        self.data, self.rate, self.limit = data, rate, limit
        self.low, self.high, self.code, self.pos = 0, 2**32 - 1, 0, 0
        self.counters: dict[Any, list[int]] = {}
        self.weights: dict[Any, list[int]] = {}
        for _ in range(4):
            self.code = self.code << 8 | self.next()

    def next(self) -> int:
        self.pos += 1
        return self.data[self.pos - 1] if self.pos <= len(self.data) else 0

    def bit(self, P: int) -> int:
        """A bit whose probability to be 1 is P of 65536."""
        middle = self.low + ((self.high - self.low) * P >> 16)
        y = int(self.code <= middle)
        self.low, self.high = (self.low, middle) if y else (middle + 1, self.high)
        while self.low >> 24 == self.high >> 24:
            self.low = self.low << 8 & 0xFFFFFFFF
            self.high = self.high << 8 & 0xFFFFFFFF | 255
            self.code = self.code << 8 & 0xFFFFFFFF | self.next()
        return y

    def decide(self, names: list[Any], where: Any, start: list[int] | None = None) -> int:
        """A decision with the counters of these names and the weights of ``where``."""
        counters = [self.counters.setdefault((i, name), [1 << 21, 0]) for i, name in enumerate(names)]
        weights = self.weights.setdefault(where, list(start or [26214] * len(names)))
        s = [stretches()[p >> 10] for p, _ in counters]
        P = squash(sum(w * x for w, x in zip(weights, s, strict=True)) >> 16)
        y = self.bit(P)
        for i, (counter, x) in enumerate(zip(counters, s, strict=True)):
            step = (x * (65536 * y - P) * self.rate + (1 << 17)) >> 18
            weights[i] = min(max(weights[i] + step, -(1 << 20)), 1 << 20)
            p, n = counter
            p += (((y << 22) - p) * ((1 << 17) // (2 * n + 3))) >> 16
            counter[:] = min(max(p, 0), (1 << 22) - 1), min(n + 1, self.limit)
        return y

    def end(self) -> None:
        need(self.pos >= len(self.data) and self.data[-1:] != b"\0", "end of the decisions")


def read_corrections(code: bytes, slots: list[Any], classes: list[int]) -> list[int]:
    """Corrections [n]; slots are None where a sample is special (8.9)."""
    stream, out, before = Decisions(code, 4, 255), [], 0
    memory: dict[Any, tuple[int | None, int]] = {}
    for slot, number in zip(slots, classes, strict=True):
        if slot is None:
            out.append(0)
            continue
        last, run = memory.get(slot, (None, 0))
        known = None if last is None else min(max(last, -8), 8)
        around = min(max(before, -2), 2), number & 7

        def node(i: int, number: int = number, known: Any = known, run: int = run, around: Any = around) -> int:
            return stream.decide([(i, number), (i, known, run), (i, *around)], (i, run))

        if last is not None and node(0):
            c = last
            memory[slot] = last, min(run + 1, 7)
        else:
            m = 0
            while m < 31 and node(1 + m):
                m += 1
            c = 0
            if m:
                sign = -1 if node(36 + min(m, 3)) else 1
                c = 1
                for depth in range(m - 1):
                    if depth < 2 and m <= 17:
                        bit = node(40 + 3 * (m - 2) + (0 if depth == 0 else 1 + (c & 1)))
                    else:
                        bit = stream.bit(1 << 15)
                    c = c << 1 | bit
                c *= sign
            memory[slot] = c, 0
        out.append(c)
        before = c
    stream.end()
    return out


# ---- 8.4, 8.10 Numbers of values -------------------------------------------------------------------------------------


def decode_counted(cur: Cursor, shape: tuple[int, int, int], dtype: np.dtype[Any]) -> Samples:
    """Samples [n] of method 5; this is the rest of the stream."""
    return decode_numbers(cur, shape, dtype)[0]


def decode_numbers(cur: Cursor, shape: tuple[int, int, int], dtype: np.dtype[Any]) -> tuple[Samples, Samples]:
    """Samples [n] of method 5, and which have the usual value."""
    bits, kind = 8 * dtype.itemsize, dtype.kind
    half, whole = 1 << (bits - 1), 1 << bits

    def ordinal(sample: bytes) -> int:
        v = int.from_bytes(sample, "little")
        if kind == "f":
            return whole - 1 - v if v >= half else v + half
        return v if kind == "u" else (v + half) % whole

    def sample_of(x: int) -> bytes:
        if kind == "f":
            return (x - half if x >= half else whole - 1 - x).to_bytes(dtype.itemsize, "little")
        return (x if kind == "u" else (x + half) % whole).to_bytes(dtype.itemsize, "little")

    flags, m = cur.get("B"), cur.leb()
    need(flags < 4 and m < 1 << 14, "flags or number of values")
    usual, others = ordinal(cur.take(dtype.itemsize)), []
    if m:
        others.append(ordinal(cur.take(dtype.itemsize)))
        step = 0 if flags & 2 else cur.leb()
        for _ in range(m - 1):
            step = cur.leb() if flags & 2 else step
            others.append(others[-1] + step)
            need(step > 0 and others[-1] < whole, "values")
    need(usual not in others, "usual value")
    values = sorted([usual, *others])
    numbers = read_numbers(cur.rest(), shape, m + 1, values.index(usual), bool(flags & 1))
    samples = np.frombuffer(b"".join(sample_of(values[v]) for v in numbers), dtype).copy()
    return samples, np.array(numbers) == values.index(usual)


def half_octaves(x: int) -> int:
    """H(x)."""
    n = x.bit_length()
    return n if n < 2 else 2 * n - 2 + (x >> (n - 2) & 1)


def sign(x: int) -> int:
    return (x > 0) - (x < 0)


def read_numbers(code: bytes, shape: tuple[int, int, int], M: int, u: int, same: bool) -> list[int]:
    """Numbers of values of all samples (8.10)."""
    stream, out, run, past, top = Decisions(code, 6, 255), [], 0, 0, 0
    biases: dict[Any, list[int]] = {}
    for _ in range(shape[0]):
        numbers: dict[tuple[int, int], int] = {}
        errors: dict[tuple[int, int], int] = {}
        for y, x in itertools.product(range(shape[1]), range(shape[2])):

            def at(dy: int, dx: int, y: int = y, x: int = x, numbers: dict[tuple[int, int], int] = numbers) -> int:
                return numbers.get((y - dy, x + dx), u)

            def I(dy: int, dx: int, at: Any = at) -> bool:  # noqa: E743, N802  (the name of the format page)
                return bool(at(dy, dx) != u)

            w, n, nw, ne = at(0, -1), at(1, 0), at(1, -1), at(1, 1)
            around = sum(I(dy, dx) for dy in range(1, 7) for dx in range(-8, 9)) + sum(I(0, -d) for d in range(1, 9))
            few = min(around.bit_length(), 7)
            patterns = [
                (0, -1),
                (0, -2),
                (1, 0),
                (2, 0),
                (1, -1),
                (1, 1),
                (1, -2),
                (1, 2),
                (2, -1),
                (2, 1),
                (0, -3),
                (1, 3),
            ]
            lines = [(0, -1), *((d, 0) for d in range(1, 7)), (1, 1)]
            names = [
                tuple(I(*place) for place in patterns),
                tuple(min(abs(q - u).bit_length(), 5) for q in (w, n, nw, ne)),
                (few, I(0, -1), I(0, -2), I(1, 0), I(1, 1)),
                (min(run.bit_length(), 15), I(1, 0), I(1, 1)),
                tuple(I(*place) for place in lines),
                (),
            ]
            if not stream.decide([("usual", name) for name in names], ("usual", few), [13107] * 6):
                numbers[y, x] = u
                run += 1
                out.append(u)
                continue
            v = None
            given = [w, n, ne, top + 1 if top + 1 < M else u] if same else []
            for i, candidate in enumerate(given):
                if candidate == u or candidate in given[:i]:
                    continue
                found = stream.decide(
                    [
                        ("same", i, w != u, n != u, ne != u, nw != u),
                        ("same", i, w == nw, n == nw, n == ne, w == n),
                        ("same", i, past % 16),
                    ],
                    ("same", i),
                )
                past = 2 * past + found
                if found:
                    v = candidate
                    break
            if v is None and M == 2:
                v = 1 - u
            if v is None:
                p = (12 * w - 3 * at(0, -2) + 7 * n - 2 * at(2, 0) - 3 * nw + 8 * ne - 3 * at(2, 1) + 8) // 16
                p = min(max(p, 0), M - 1)
                level, known = min(half_octaves(abs(p - u)), 23), (w != u, n != u, ne != u, nw != u)
                bias = biases.setdefault((level, all(known)), [0, 0])
                if bias[1] > 2:
                    p = min(max(p + (2 * bias[0] + bias[1]) // (2 * bias[1]), 0), M - 1)
                ew, en, ene = (errors.get(place, 0) for place in ((y, x - 1), (y - 1, x), (y - 1, x + 1)))
                t, other = (min(max(q, 0), M - 1) - p for q in (w + ne - n, w + n - nw))
                contexts = [
                    (level, known),
                    (
                        min(half_octaves(abs(w - nw) + abs(n - nw) + abs(ne - n)), 15),
                        min(half_octaves(2 * abs(ew) + abs(en) + abs(ene)), 15),
                    ),
                    (min(half_octaves(abs(t)), 11), sign(t), sign(other)),
                    (sign(ew), sign(en), few),
                    (),
                ]

                def node(i: int, contexts: Any = contexts) -> int:
                    return stream.decide([("value", i, context) for context in contexts], ("value", i), [13107] * 5)

                k = 0
                while k < 15 and node(k):
                    k += 1
                e = 0
                if k:
                    negative, e = node(16 + min(k, 3)), 1
                    for depth in range(k - 1):
                        e = e << 1 | (node((20, 36)[depth] + k) if depth < 2 else stream.bit(1 << 15))
                    e = -e if negative else e
                v = p + e
                need(0 <= v < M, "number of a value")
                bias[0], bias[1] = bias[0] + e, bias[1] + 1
                if bias[1] == 64:
                    bias[:] = bias[0] // 2, 32
                errors[y, x] = e
            numbers[y, x] = v
            top, run = max(top, v), 0
            out.append(v)
    stream.end()
    return out


# ---- 8.3, 8.5 The learned method ------------------------------------------------------------------------------------

ERROR_WEIGHTS = (
    (1, -4, (16, 20, 28, 44, 63, 44, 28, 20, 16)),
    (2, -3, (18, 22, 28, 31, 28, 22, 18)),
    (3, -2, (18, 20, 21, 20, 18)),
    (4, -1, (15, 16, 15)),
    (0, -4, (16, 21, 31, 63)),
)
WEIGHTS_BEFORE = ((0, 1, 1, 1, 0), (1, 2, 3, 2, 1), (1, 3, 4, 3, 1), (1, 2, 3, 2, 1), (0, 1, 1, 1, 0))


class Process:
    """Border predictors (8.3): the coefficients of some of the taps of radius b, from the predictor's process."""

    def __init__(self, radius: int, border: int, coefficients: list[float]) -> None:
        self.border, self.known = border, dict[tuple[str, int], list[tuple[int, int, float]]]()
        self.order = tap_order(border)
        with np.errstate(over="ignore", invalid="ignore"):
            self.impulse = self.respond(radius, coefficients)
            self.r = {}
            for i in range(border + 1):
                for j in range(-2 * border, 2 * border + 1):
                    self.r[i, j] = self.covariance(i, j)
        need(all(math.isfinite(v) for v in self.r.values()), "covariance of a border")
        for kind in ("top", "left", "right"):
            for n in range(border + 1):
                self.taps(kind, n)

    def respond(self, radius: int, coefficients: list[float]) -> Samples:
        """g [64, 129]."""
        wide = np.zeros((64 + radius, 129 + 2 * radius))
        n_above = radius * (2 * radius + 1)
        for y in range(64):
            row = np.zeros(129)
            if y:
                for (dy, dx), c in zip(tap_order(radius)[:n_above], coefficients[:n_above], strict=True):
                    row = row + c * wide[y + radius - dy, radius + dx : radius + dx + 129]
            for x in range(129):
                if y == 0 and x <= 64:
                    wide[radius, radius + x] = float(x == 64)
                    continue
                p = row[x]
                for dx, c in enumerate(coefficients[n_above:]):
                    p = p + c * wide[y + radius, x + dx]
                wide[y + radius, x + radius] = p
        return wide[radius:, radius : radius + 129]

    def covariance(self, i: int, j: int) -> float:
        """r(i, j)."""
        first = self.impulse[: 64 - i, max(0, -j) : min(129, 129 - j)]
        second = self.impulse[i:, max(0, j) : min(129, 129 + j)]
        return float(np.add.accumulate((first * second).ravel())[-1])

    def c(self, s: tuple[int, int], t: tuple[int, int]) -> float:
        """Covariance of two taps."""
        i, j = s[0] - t[0], t[1] - s[1]
        if i < 0:
            i, j = -i, -j
        return self.r[i, abs(j) if i == 0 else j]

    def taps(self, kind: str, n: int) -> list[tuple[int, int, float]]:
        """(dy, dx, coefficient) of the taps of a border pixel, n being pick(...)."""
        if (kind, n) not in self.known:
            keep = {"top": lambda t: t[0] <= n, "left": lambda t: t[1] >= -n, "right": lambda t: t[1] <= n}[kind]
            used = [t for t in self.order if keep(t)]
            solved = self.solve(used)
            self.known[kind, n] = [(dy, dx, a) for (dy, dx), a in zip(used, solved, strict=True)]
        return self.known[kind, n]

    def solve(self, used: list[tuple[int, int]]) -> list[float]:
        """Coefficients of the best prediction from some taps."""
        n = len(used)
        M = np.array([[self.c(s, t) for t in used] for s in used]).reshape(n, n)
        M[np.diag_indices(n)] *= 1 + 2.0**-30
        for k in range(n):
            need(0.0 < M[k, k] < math.inf, "border predictor")
            M[k, k] = math.sqrt(M[k, k])
            M[k + 1 :, k] /= M[k, k]
            M[k + 1 :, k + 1 :] -= np.outer(M[k + 1 :, k], M[k + 1 :, k])
        z: list[float] = []
        for m in range(n):
            t = self.c(used[m], (0, 0))
            for h in range(m):
                t -= float(M[m, h]) * z[h]
            z.append(t / float(M[m, m]))
        for m in range(n - 1, -1, -1):
            t = z[m]
            for h in range(m + 1, n):
                t -= float(M[h, m]) * z[h]
            z[m] = t / float(M[m, m])
        need(all(math.isfinite(a) for a in z), "border predictor")
        return z


@cache
def process_of(radius: int, border: int, coefficients: tuple[float, ...]) -> Process:
    """Border predictors of a predictor, made once."""
    return Process(radius, border, list(coefficients))


class LearnedTile:
    """Working values of a tile from symbols and raw bits."""

    kind: int
    z: int
    fraction_bits: int
    fill: float
    table_set: bytes
    shape_number: int
    level: int
    clamp: int
    gain: list[float]
    dither: list[float]
    ans: Ans
    raw: Bits

    def __init__(
        self,
        shape: tuple[int, int, int],
        special: Samples,
        radius: int,
        border: int,
        reach: int,
        coefficients: list[float],
        before: TapsBefore | None,
    ) -> None:
        self.before = before
        self.size, self.special = shape, special.tolist()
        self.border, self.reach = border, reach
        self.process = process_of(radius, border, tuple(coefficients)) if border else None
        self.taps = [(dy, dx, c) for (dy, dx), c in zip(tap_order(radius), coefficients, strict=True)]

    def taps_of(self, y: int, x: int) -> list[tuple[int, int, float]]:
        """Taps of a pixel (8.3, borders)."""
        B, b, W = self.reach, self.border, self.size[2]
        if self.process is None:
            return self.taps
        if y < B:
            return self.process.taps("top", min(y, b))
        if W >= 2 * B and x < B:
            return self.process.taps("left", min(x, b))
        if W >= 2 * B and x >= W - B:
            return self.process.taps("right", min(W - 1 - x, b))
        return self.taps

    def decode(self) -> list[Any]:
        """Values (map 0) or integers k of all samples; 0 where special."""
        P, H, W = self.size
        l = self.level  # noqa: E741  (the name that the format page gives it)
        self.means = [2.0 ** ((i - 40 + l) // 4) * (1 + (i - 40 + l) % 4 / 4) for i in range(80)]
        self.counts = [0] * 80
        self.first_error = 2.0 ** (l // 4) * (1 + l % 4 / 4)
        self.floor = 2.0**-1000 if self.kind == 0 else 2.0**-8
        out: list[Any] = []
        self.full: list[list[list[float]]] = []  # full window values of all planes
        self.all_errors: list[list[list[float]]] = []
        for p in range(P):
            self.window: list[list[float]] = []
            self.errors: list[list[float]] = []
            self.full.append([])
            self.all_errors.append(self.errors)
            for y in range(H):
                self.window.append([])
                self.errors.append([])
                self.full[p].append([])
                for x in range(W):
                    self.q = self.predict_from_earlier(p, y, x)
                    out.append(self.decode_pixel(y, x, (p * H + y) * W + x))
                    self.full[p][y].append(self.q + self.window[y][x])
        self.ans.end()
        self.raw.end()
        return out

    def decode_pixel(self, y: int, x: int, i: int) -> Any:
        """One pixel; leaves its window value and its error in the rows."""
        p = self.predict(y, x)
        t = self.expected_error(i // (self.size[1] * self.size[2]), y, x)
        if self.special[i]:
            self.window[y].append(p)
            self.errors[y].append(t)
            return 0
        number = min(max(quarter(t) - self.level + 40, 0), 79)
        s = self.means[number]
        base = self.fill + self.q
        mu = base + p
        if self.kind == 0:
            s = max(s, 2.0**-1000)
            v = value = self.decode_float(mu, s)
            error = max(abs(v - mu), 2.0 ** (self.float_unit(mu) - 2))
        else:
            inner = min(max(mu / self.gain[i] - self.dither[i], -(2.0**54)), 2.0**54)
            start = math.floor(inner + 0.5)
            k = self.decode_integer(inner if self.kind != 4 else 0.0, s)
            value = k if self.kind != 4 else start + 16 * k
            need(self.kind != 4 or abs(value) <= 1 << 54, "v of map 4")
            v = self.gain[i] * (float(value) + self.dither[i])
            error = max(abs(float(k) - (inner if self.kind != 4 else 0.0)), 2.0**-8)
        self.window[y].append(v - base)
        self.errors[y].append(error)
        n = self.counts[number]
        self.means[number] = s + (error - s) * (1 / (n + 1.5))
        self.counts[number] = min(n + 1, 254)
        return value

    def predict(self, y: int, x: int) -> float:
        """Clamped p (8.3)."""
        p, W = 0.0, self.size[2]
        for dy, dx, coefficient in self.taps_of(y, x):
            inside = y - dy >= 0 and 0 <= x + dx < W
            p += coefficient * (self.window[y - dy][x + dx] if inside else 0.0)
        limit = 2.0**self.clamp
        return -limit if math.isnan(p) else min(max(p, -limit), limit)

    def n_earlier(self, p: int) -> int:
        """Number m of earlier planes of a plane (8.3)."""
        return 0 if self.before is None else min(len(self.before.sets), p // self.before.stride % self.before.period)

    def predict_from_earlier(self, p: int, y: int, x: int) -> float:
        """Clamped q (8.3)."""
        q, m = 0.0, self.n_earlier(p)
        _, H, W = self.size
        if self.before is not None and m:
            for j, dy, dx, coefficient in self.before.sets[m - 1]:
                if 0 <= y + dy < H and 0 <= x + dx < W:
                    q += coefficient * self.full[p - j * self.before.stride][y + dy][x + dx]
        limit = 2.0**self.clamp
        return -limit if math.isnan(q) else min(max(q, -limit), limit)

    def errors_before(self, p: int, y: int, x: int, t: float) -> tuple[float, int]:
        """t with the errors of the plane before, and the sum of all weights (8.5)."""
        if self.before is None or not self.before.blend or not self.n_earlier(p):
            return t, 720
        _, H, W = self.size
        errors = self.all_errors[p - self.before.stride]
        for i, weights in enumerate(WEIGHTS_BEFORE, -2):
            for k, weight in enumerate(weights, -2):
                if weight:
                    near = errors[min(max(y + i, 0), H - 1)][min(max(x + k, 0), W - 1)]
                    t += self.before.blend * weight * near
        return t, 720 + 36 * self.before.blend

    def expected_error(self, p: int, y: int, x: int) -> float:
        """Expected error t (8.5), raised to its floor."""
        t, W, total = 0.0, self.size[2], 720
        for dy, first_dx, weights in ERROR_WEIGHTS:
            if dy == 0:
                t, total = self.errors_before(p, y, x, t)
            for dx, weight in enumerate(weights, first_dx):
                row, column = y - dy, min(max(x + dx, 0), W - 1)
                if dy == 0 and x + dx < 0:
                    row -= 1
                t += weight * (self.errors[row][column] if row >= 0 else self.first_error)
        return max(t * (1 / total), self.floor)

    def read_bin(self, centre: float, h: float, d: int, s: float) -> int | None:
        """The bin m, or None where the value follows as 64 raw bits."""
        rho = (centre + h) * 2.0**-d
        base = math.floor(rho)
        phase = min(math.floor(8 * (rho - base)), 7)  # rho - base rounds to 1 for a rho a little under 0
        if self.kind == 4 and d == 0:
            phase = 8
        table = min(max(eighth(s) - 8 * d + 64, 0), 87)
        S = self.ans.symbol(cumulative(self.table_set, self.shape_number, table, phase))
        if S:
            return base + S - 64
        length = self.raw.take(6)
        if self.kind == 0 and length == 63:
            return None
        need(length <= 54, "escape")
        return base + unzig(self.raw.take(length))

    def decode_integer(self, centre: float, s: float) -> int:
        """Integer k of maps 1 to 4."""
        d = max(0, exponent(s) - 2)
        m = self.read_bin(centre, 0.5, d, s)
        assert m is not None
        need(abs(m) <= 1 << 54 >> d, "bin")
        return (m << d) + self.raw.take(d)

    def float_unit(self, mu: float) -> int:
        """u of map 0."""
        return max(self.z, exponent(abs(mu)) - self.fraction_bits) if abs(mu) >= 2.0**-1000 else self.z

    def decode_float(self, mu: float, s: float) -> float:
        """Value of map 0."""
        u = self.float_unit(mu)
        d = max(u, exponent(s) - 2)
        need(d <= 1000 and u >= -1020, "d or u")
        h = math.copysign(2.0 ** (u - 1), mu) if mu else 0.0
        m = self.read_bin(mu, h, d, s)
        if m is None:
            v = float(struct.unpack("<d", self.raw.take(64).to_bytes(8, "little"))[0])
        else:
            magnitude = self.refine(m if m >= 0 else -m - 1, d)
            v = magnitude if m >= 0 else -magnitude
        need(abs(v) <= 2.0**1001, "value")  # also false for a NaN
        return v

    def refine(self, M: int, d: int) -> float:
        """Magnitude in the magnitude bin M."""
        if M > 0:
            f = max(self.z, M.bit_length() - 1 + d - self.fraction_bits)
            r, f = (self.raw.take(d - f), f) if d > f else (0, d)
            return scaled(M, d) + scaled(r, f)
        f = d
        while f - self.fraction_bits - 1 >= self.z:
            if self.raw.take(1):
                return scaled(1, f - 1) + scaled(self.raw.take(self.fraction_bits), f - self.fraction_bits - 1)
            f -= 1
        return scaled(self.raw.take(max(0, f - self.z)), self.z)


def scaled(integer: int, power: int) -> float:
    """integer * 2**power, or infinity."""
    try:
        return math.ldexp(integer, power)
    except OverflowError:
        return math.inf


# ---- 9. Base layer --------------------------------------------------------------------------------------------------


@dataclass
class Model:
    """The parts of a model that reading takes (9.1)."""

    kind: str
    stages: int
    strides: list[int]
    classes: list[int]
    layers: dict[str, dict[str, int]]
    tensors: dict[str, Samples]

    def layer(self, name: str, x: Samples) -> Samples:
        """An integer layer [O, H, W] of an input [C, H, W]."""
        weight, bias = self.tensors[f"{name}.weight"].astype("i8"), self.tensors[f"{name}.bias"].astype("i8")
        size, (_, H, W) = weight.shape[2], x.shape
        padded = np.pad(x, ((0, 0), (size // 2, size // 2), (size // 2, size // 2)))
        total = np.zeros((len(bias), H, W), "i8") + bias[:, None, None]
        for i in range(size):
            for j in range(size):
                total += np.einsum("oc,chw->ohw", weight[:, :, i, j], padded[:, i : i + H, j : j + W])
        how = self.layers[name]
        return np.clip(total >> how["shift"], how["low"], how["high"])


@cache
def load_model(name: str, sha256: bytes) -> Model:
    """The model that a file names."""
    known = {hashlib.sha256(path.read_bytes()).digest(): path for path in MODELS.glob("*/weights.safetensors")}
    found = [path for digest, path in known.items() if digest[: len(sha256)] == sha256]
    need(len(found) == 1, "missing model")
    content = found[0].read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    about = json.loads(header["__metadata__"]["radcodec"])
    spec = about["spec"]
    need(name in ("", spec["name"]), "name of the model")
    tensors, kind = safetensors.numpy.load(content), spec.get("kind", "")
    if kind in ("lapped", "vqvae"):
        return Model(kind, int(spec["stages"]), [], [], about["layers"], tensors)
    return Model(kind, len(spec["strides"]), spec["strides"], spec["prior_classes"], about["layers"], tensors)


def repeat_cells(codes: Samples, factor: int, height: int, width: int) -> Samples:
    """Code vectors [D, height, width] of a finer grid, those of the coarser cells that its cells lie in."""
    return codes[:, np.arange(height)[:, None] // factor, np.arange(width)[None] // factor]


def latent_sum(model: Model, stages: list[Samples], stride: int, height: int, width: int) -> Samples:
    """Sum of code vectors [D, height, width] of the stages at the cells of a grid, clamped."""
    total = np.zeros((model.tensors["codebook0"].shape[1], height, width), "i8")
    for codes, own in zip(stages, model.strides, strict=False):
        total += repeat_cells(codes, own // stride, height, width)
    return np.clip(total, -1023, 1023)


def read_stage(model: Model, k: int, stream: bytes, latent: Samples) -> Samples:
    """Code vectors [D, height, width] of stage k (9.3); latent is the clamped sum of the stages before it."""
    _, height, width = latent.shape
    group, classes = 0, model.classes[k]
    if classes > 1 and stream:
        need(stream[0] < classes, "class of a base stream")
        group, stream = stream[0], stream[1:]
    need(len(stream) <= 3 * height * width + 8, "length of a base stream")
    need(not stream or stream[-1] != 0, "zero at the end of a base stream")
    words = stream + bytes(-len(stream) % 4)
    ans = Ans(list(struct.unpack(f"<{len(words) // 4}I", words)))
    book, table = model.tensors[f"codebook{k}"].astype("i8"), model.tensors[f"table{k}"]
    rows = [[0, *np.cumsum(row, dtype="i8").tolist()] for row in table]
    codes = np.zeros((book.shape[1], height, width), "i8")
    bias = model.tensors[f"class_bias{k}"][group].astype("i8")
    context = model.layer(f"prior{k}.context", latent)
    for odd in (0, 1):
        if odd:
            context = context + model.layer(f"prior{k}.neighbours", codes)
        hidden = model.layer(f"prior{k}.hidden", np.clip(context, 0, 511))
        best = (model.layer(f"prior{k}.output", hidden) + bias[:, None, None]).argmax(axis=0)
        found = codes.copy()
        for y in range(height):
            for x in range((y + odd) % 2, width, 2):
                found[:, y, x] = book[ans.symbol(rows[best[y, x]])]
        codes = found
    ans.end()
    return codes


def decode_base(named: tuple[str, bytes] | None, image: Image, where: Any, streams: list[bytes]) -> Samples:
    """Base values float64 [n] of a tile, stored units (9)."""
    if named is None:
        raise RejectError("base stages without a model")
    model = load_model(*named)
    planes, h, w = (part.stop - part.start for part in where)
    used = [stream for stream in streams if stream]
    need(streams[: len(used)] == used, "a base stream after an empty one")
    need(len(used) <= model.stages, "more stages than the model has")
    if model.kind in ("lapped", "vqvae"):
        from reference_lapped import lapped_units

        q = lapped_units(model.tensors, model.layers, model.stages, used, planes * h, w)
    else:
        q = convolutional_units(model, used, planes * h, w)
    value = np.sign(q) * model.tensors["sinh"][np.abs(q)]
    pairs = np.repeat(np.array(image.normalisation[where[0]]), h, axis=0)
    return (pairs[:, :1] + pairs[:, 1:] * value).ravel()


def convolutional_units(model: Model, used: list[bytes], height: int, width: int) -> Samples:
    """q [height, width] of a tile's streams (9.3, 9.4)."""
    stages: list[Samples] = []
    for k, stored in enumerate(used):
        stream, stride = b"" if stored == b"\0" else stored, model.strides[k]
        latent = latent_sum(model, stages, stride, -(-height // stride), -(-width // stride))
        stages.append(read_stage(model, k, stream, latent))
    x = model.layer("decoder.input", latent_sum(model, stages, 4, -(-height // 4), -(-width // 4)))
    i = 0
    while f"decoder.block{i}.first" in model.layers:
        change = model.layer(f"decoder.block{i}.second", model.layer(f"decoder.block{i}.first", x))
        x = np.clip(x + change, -1023, 1023)
        i += 1
    q = model.layer("decoder.output", x)
    rows, columns = q.shape[1:]
    return q.reshape(4, 4, rows, columns).transpose(2, 0, 3, 1).reshape(4 * rows, 4 * columns)[:height, :width]


# ---- 5, 7. Tiles ----------------------------------------------------------------------------------------------------


def read_mask(stream: bytes, n: int, dtype: np.dtype[Any]) -> tuple[Samples, Samples]:
    """bool [n], and the special samples in order (7.1)."""
    if not stream:
        return np.zeros(n, bool), np.zeros(0, dtype)
    form, n_map, item = stream[0], -(-n // 8), dtype.itemsize
    need(form <= 1, "form of a mask")
    content = unzstd(stream[1:], n_map + (item if form else n * item), None, n_map + (item if form else 0))
    bitmap, samples = (content[item:], content[:item]) if form else (content[:n_map], content[n_map:])
    bits = np.unpackbits(np.frombuffer(bitmap, "u1")) if len(bitmap) == n_map else np.zeros(0, "u1")
    need(bits.size == 8 * n_map and not bits[n:].any(), "bitmap of a mask")
    special = bits[:n].astype(bool)
    need(bool(special.any()), "mask that marks nothing")
    if form:
        samples *= int(special.sum())
    need(len(samples) == int(special.sum()) * item, "special samples of a mask")
    return special, np.frombuffer(samples, dtype)


def restore_tile(image: Image, meta: Meta, tile: int, where: Any, streams: list[bytes], is_copy: bool) -> Samples:
    """Samples [n] of a tile (7.2); streams are mask, detail and base stages."""
    mask, detail, *base = streams
    shape = tuple(part.stop - part.start for part in where)
    n, dtype = math.prod(shape), image.dtype
    special, values = read_mask(mask, n, dtype)
    out = np.zeros(n, dtype)
    need(not (special.all() and (detail or any(base))), "streams that no sample needs")
    if detail:
        errors = None if image.errors is None else image.errors[where].ravel()
        on_base = image.on_base and any(base) and detail[0] == 2
        values_below = decode_base(meta.model, image, where, base) if on_base else None
        out[:] = decode_turned(detail, image, tile, shape, special, errors, values_below)
    elif not special.all():
        need(any(base) or is_copy, "no stream for samples that need one")
        if any(base):
            base_values = decode_base(meta.model, image, where, base)
        else:  # 5.1
            offsets = np.array(image.normalisation[where[0]])[:, 0]
            base_values = np.repeat(offsets, n // offsets.size)
        if dtype.kind == "f":
            out[:] = round_samples(base_values.tolist(), dtype)
        else:
            out[:] = [clamp_int(round(v), dtype) for v in base_values.tolist()]
    out[special] = values
    return out


def read_entry(cur: Cursor, stages: int, short: bool, apart: bool = False) -> list[int]:
    """Bytes of mask and detail stream, their CRC, pixel CRC, bytes and CRC of each stage (5); an absent CRC is 0.

    In a file with masks apart (5.2) the first CRC is that of the detail stream; that of the mask is not in the list.
    """
    mask, detail = cur.leb(), cur.leb()
    entry = [mask, detail, cur.get("I") if (mask and not apart) or detail else 0, cur.get("I")]
    for _ in range(stages):
        size = cur.leb()
        need(size == 0 or len(entry) == 4 or entry[-2] > 0, "base stream after an empty one")
        entry += [size, cur.get("H" if short else "I") if size else 0]
    need(max(mask, detail, *entry[4::2]) < 1 << 32, "size of a stream")
    return entry


def restore_image(
    image: Image, meta: Meta, cur: dict[str, Cursor], entries: list[list[int]], gaps: list[int] | None, is_copy: bool
) -> Samples:
    """All samples of an image, in its shape (5); takes its parts of BASE and TILES, gaps are those of late files."""
    streams: list[list[bytes]] = [[] for _ in entries]
    if gaps is None:
        for tile, entry in enumerate(entries):
            streams[tile] = [cur["MASKS" if "MASKS" in cur else "TILES"].take(entry[0]), cur["TILES"].take(entry[1])]
        for stage in range(image.stages):
            for tile, entry in enumerate(entries):
                streams[tile].append(cur["BASE"].take(entry[4 + 2 * stage]))
    else:
        for tile, (entry, gap) in enumerate(zip(entries, gaps, strict=True)):
            cur["TILES"].take(gap)
            streams[tile] = [cur["TILES"].take(size) for size in (entry[0], entry[1], *entry[4::2])]
    for own, entry in zip(streams, entries, strict=True):
        for stream, crc in zip(own[2:], entry[5::2], strict=True):
            need(zlib.crc32(stream) & (0xFFFF if image.short else 0xFFFFFFFF) == crc, "CRC of a base stream")
    sets: dict[int, Predictors | None] = {0: None}
    for number, block in enumerate(image.sets.blocks if image.sets else (), 1):
        block_cur = Cursor(block)
        sets[number] = found = read_predictors(block_cur)
        block_cur.end()
        own_bytes = sum(e[1] for e, n in zip(entries, image.sets.numbers, strict=True) if n == number)
        need(is_copy or own_bytes >= 128 * sum(b > 0 for _, b, *_ in found.predictors), "details for border sets")
    if image.predictors is not None and entries and not is_copy:
        borders = sum(border > 0 for _, border, *_ in image.predictors.predictors)
        need(sum(entry[1] for entry in entries) >= 128 * borders, "bytes of details for border sets")
    out = np.zeros(image.planes, image.dtype)
    for tile, (where, entry) in enumerate(zip(tile_slices(image), entries, strict=True)):
        own = streams[tile][1] if "MASKS" in cur else streams[tile][0] + streams[tile][1]
        need(zlib.crc32(own) == entry[2], "CRC of a tile")
        if image.sets is not None:
            image.predictors = sets[image.sets.numbers[tile]]
        samples = restore_tile(image, meta, tile, where, streams[tile], is_copy)
        sides = [part.stop - part.start for part in where]
        crc = zlib.crc32(struct.pack("<BQ3I", image.sample_type, tile, *sides) + samples.tobytes())
        need(is_copy or image.compact or crc == entry[3], "pixel CRC of a tile")
        out[where] = samples.reshape(out[where].shape)
    return out


def read_index(
    index: Cursor, meta: Meta, is_copy: bool, late: bool, apart: bool = False
) -> tuple[list[list[list[int]]], list[list[int]]]:
    """The entries of each image (5); the bytes between streams of late files (2.4), CRCs of masks apart (5.2)."""
    least = sum(count_tiles(image) * (6 + late + image.stages) for image in meta.images)
    need(len(index.data) >= least, "length of INDEX")
    images: list[list[list[int]]] = []
    gaps: list[list[int]] = []
    for image in meta.images:
        images.append([])
        gaps.append([])
        for _ in range(count_tiles(image)):
            if late:
                gaps[-1].append(index.leb())
                need(gaps[-1][-1] < 1 << 32, "bytes between streams")
            images[-1].append(read_entry(index, image.stages, image.short, apart))
            if apart:
                gaps[-1].append(index.get("I") if images[-1][-1][0] else 0)
    index.end()
    for entries in images:
        for entry in entries:
            need(is_copy or any((entry[0], entry[1], *entry[4::2])), "tile without any stream")
    return images, gaps


def decode_file(data: bytes) -> bytes | Samples:
    """What a .rcz file restores to: the FITS file (kind FITS) or the array (kind array)."""
    kind, mode, flags, sections = read_sections(bytes(data))
    stored = dict(zip(("META", "PARAMS", "INDEX", "BASE", "TILES", "EXTRA"), sections, strict=True))
    is_copy, late, short, params = bool(flags & 1), bool(flags & 2), bool(flags & 8), stored["PARAMS"]
    apart = flags & 0x90 == 16
    meta = read_short_meta(stored["META"]) if short else read_meta(unpack_section(stored["META"], True), kind)
    entries, gaps = read_index(Cursor(stored["INDEX"]), meta, is_copy, late, apart)
    for image in meta.images:
        image.compact = bool(flags & 128)
    check_mode(kind, mode, is_copy, meta, entries)
    read_params(unpack_section(params, False) if params and not short else params, meta.images, late)
    cur = {name: Cursor(stored[name]) for name in ("BASE", "TILES")}
    sizes = [(sum(e[0] + e[1] for e in image), sum(sum(e[4::2]) for e in image)) for image in entries]
    if late:
        sizes = [(own + sum(gap) + base, 0) for (own, base), gap in zip(sizes, gaps, strict=True)]
    if apart:
        masks = [sum(e[0] for e in image) for image in entries]
        sizes = [(own - mask, base + mask) for (own, base), mask in zip(sizes, masks, strict=True)]
        need(sum(masks) <= len(stored["BASE"]), "length of BASE")
        cur["MASKS"] = Cursor(cur["BASE"].take(sum(masks)))
        for image, crcs in zip(entries, gaps, strict=True):
            for entry, crc in zip(image, crcs, strict=True):
                need(zlib.crc32(cur["MASKS"].take(entry[0])) == crc, "CRC of a mask")
        cur["MASKS"].pos = 0
    need(sum(size for size, _ in sizes) == len(stored["TILES"]), "length of TILES")
    need(sum(size for _, size in sizes) == len(stored["BASE"]), "length of BASE")
    extra_bytes = sum(hdu_data for hdu_kind, _, hdu_data, _ in meta.hdus if hdu_kind != 0)
    need(bool(extra_bytes) == bool(stored["EXTRA"]), "EXTRA without data, or data without EXTRA")
    extra = unzstd(stored["EXTRA"], extra_bytes) if extra_bytes else b""
    images = zip(meta.images, entries, gaps, strict=True)
    arrays = [restore_image(image, meta, cur, own, gap if late else None, is_copy) for image, own, gap in images]
    restored = assemble_fits(meta, arrays, extra) if kind else arrays[0].tobytes() + meta.images[0].record
    hashed = data_of(meta, restored) + meta.text if kind and late else restored
    digest = hashlib.sha256(hashed).digest()[: len(meta.restored_sha256)]
    need(is_copy or digest == meta.restored_sha256, "SHA-256 of what is restored")
    return arrays[0].reshape(meta.images[0].shape) if kind == 0 else restored


def data_of(meta: Meta, restored: bytes) -> bytes:
    """The data of all HDUs of a restored file, in order (2.4)."""
    cur, parts = Cursor(restored), []
    for _, header_bytes, data_bytes, tail_bytes in meta.hdus:
        cur.take(header_bytes)
        parts.append(cur.take(data_bytes))
        cur.take(tail_bytes)
    return b"".join(parts)


def assemble_fits(meta: Meta, arrays: list[Samples], extra: bytes) -> bytes:
    """The FITS file (3.3)."""
    text, rest, images, parts = Cursor(meta.text), Cursor(extra), iter(arrays), []
    for hdu_kind, header_bytes, data_bytes, tail_bytes in meta.hdus:
        parts.append(text.take(header_bytes))
        if hdu_kind == 0:
            samples = next(images)
            parts.append(samples.astype(samples.dtype.newbyteorder(">")).tobytes())
        else:
            parts.append(rest.take(data_bytes))
        parts.append(text.take(tail_bytes))
    return b"".join(parts)


if __name__ == "__main__":
    restored = decode_file(Path(sys.argv[1]).read_bytes())
    sys.stdout.buffer.write(restored if isinstance(restored, bytes) else restored.tobytes())
