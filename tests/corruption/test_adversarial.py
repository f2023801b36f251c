"""Headers that declare huge sizes: a reader must say no before it takes the memory."""

from __future__ import annotations

import math
import resource
import struct
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import reference_decoder as ref
import zstandard
from corruption.repair import Parts, join, leb, pack_index, read_meta, repair_index, split, stored_sides
from corruption.samples import check_damaged, read, sample

# What a reader may take beyond what it has when it reads the small file: some buffers, not what the header declares.
LIMIT_BYTES = 64 << 20


def parts_of(name: str) -> Parts:
    """A sample taken apart."""
    parts = split(sample(name))
    assert parts is not None
    return parts


def with_section(parts: Parts, name: str, content: bytes) -> Parts:
    """Parts with another section."""
    return replace(parts, sections=parts.sections | {name: content})


def record(
    shape: tuple[int, ...], *, sample_type: int = 9, tile: int = 512, stages: int = 0, tail: bytes = b""
) -> bytes:
    """An image record (docs/format.md, 3.1); tail is flags and what they announce, without unit."""
    axes = leb(len(shape)) + b"".join(leb(n) for n in shape)
    return bytes([sample_type]) + axes + stored_sides(shape, tile) + bytes([stages]) + (tail or b"\0") + b"\0"


def array_file(image_record: bytes, **sections: bytes) -> bytes:
    """A file of kind array of a record and sections, with right checksums of everything."""
    mode, n_bytes = 0, 1
    try:
        image = ref.read_image_record(ref.Cursor(image_record), 0)
        mode, n_bytes = int(image.bounded), min((1 << 64) - 1, image.dtype.itemsize * math.prod(image.shape))
    except ref.RejectError:
        pass  # the record itself is what is wrong
    meta = b"\0" + leb(1) + b"x" + leb(n_bytes) + bytes(34) + leb(1) + image_record + leb(0)
    stored = {"META": meta, "PARAMS": b"", "INDEX": b"", "BASE": b"", "TILES": b"", "EXTRA": b""} | sections
    return join(repair_index(Parts(kind=0, mode=mode, flags=0, sections=stored)))


def one_tile(image_record: bytes, mask: bytes, detail: bytes, params: bytes = b"\0\0\0\0") -> bytes:
    """A file of one tile with the streams given."""
    return array_file(
        image_record, PARAMS=params, INDEX=pack_index([(len(mask), len(detail), 0, 0)]), TILES=mask + detail
    )


def no_detail(n: int) -> dict[str, bytes]:
    """INDEX and TILES of n tiles whose detail streams are one byte."""
    return {"INDEX": pack_index([(0, 1, 0, 0)] * n), "TILES": bytes(n)}


def tiles_without_streams(n: int) -> bytes:
    """A file of n tiles of the largest size, with an INDEX that says that none of them has a stream."""
    return array_file(record((n << 22,), tile=2048, sample_type=8), PARAMS=b"\0\0\0\0", INDEX=bytes(6 * n))


def predictor_params() -> bytes:
    """PARAMS of one image with a predictor block that is right."""
    block = ref.hashlib.sha256((ref.MODELS / "detail.tables").read_bytes()).digest()[:8] + struct.pack("<d", 0.0)
    # Four zeros, Rice coded with k = 0 as the mean starts at 16: four 0 bits.
    block += leb(1) + bytes([1, 0, 0, 0]) + leb(1) + b"\0"
    return b"\0" + leb(0) + leb(0) + leb(len(block)) + block


def learned(words: int, raw: int, patches: int) -> bytes:
    """A learned detail stream that announces as many words, raw bytes and patches, and holds none."""
    head = b"\2" + leb(0) + b"\0" + struct.pack("<hB", -149, 23) + b"\0" + struct.pack("<2h", 0, 0)
    return head + leb(words) + leb(raw) + leb(patches) + bytes(64)


def frame(content_size: int, stored: bytes = b"") -> bytes:
    """A zstd frame that announces content_size bytes and has one raw block of what is given."""
    head = b"\x28\xb5\x2f\xfd" + b"\xe0" + struct.pack("<Q", content_size)
    return head + struct.pack("<I", len(stored) << 3 | 1)[:3] + stored


def bomb(n: int) -> bytes:
    """A real frame of n zeros."""
    compressor = zstandard.ZstdCompressor(level=1).compressobj(size=n)
    pieces = [compressor.compress(bytes(min(n - at, 1 << 20))) for at in range(0, n, 1 << 20)]
    return b"".join([*pieces, compressor.flush()])


def cases() -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Name and maker of each file."""
    for section in ("META", "PARAMS", "INDEX", "BASE", "TILES", "EXTRA"):
        for size in (1 << 31, 1 << 40, (1 << 64) - 1):
            yield (
                f"prelude_{section}_{size:x}",
                lambda s=section, n=size: join(replace(parts_of("array_lossless"), sizes={s: n})),
            )
    for size in ((1 << 32) - 1, 1 << 32, (1 << 64) - 1):
        packed = b"\1" + leb(size)
        for name in ("META", "PARAMS"):
            yield (
                f"packed_{name}_{size:x}",
                lambda p=packed, n=name, s=size: join(with_section(parts_of("array_lossless"), n, p + frame(s, b"x"))),
            )
    yield "meta_bomb", lambda: join(with_section(parts_of("array_lossless"), "META", b"\1" + leb(10) + bomb(1 << 28)))
    yield "extra_bomb", lambda: join(with_section(parts_of("fits_lossless"), "EXTRA", bomb(1 << 28)))
    for shape in (
        ((1 << 48) - 1,),
        (1 << 40, 1),
        (1, 1 << 40),
        (1 << 20, 1 << 20),
        (3, 0, 1 << 60),
        (1 << 47, 1, 1, 1),
    ):
        for tile in (8, 2048):
            yield f"shape_{shape}_{tile}", lambda s=shape, t=tile: array_file(record(s, tile=t))
    yield "axes_999", lambda: array_file(record((1 << 60,) * 999))
    yield "axes_10^18", lambda: array_file(b"\x09" + leb(10**18))
    for n in (2, 18):
        yield f"index_of_{1 << n}_tiles_without_streams", lambda n=n: tiles_without_streams(1 << n)
    yield "index_stages", lambda: array_file(record((64, 64), tile=8, stages=16), INDEX=b"\xff" * (6 + 16) * 64)
    for n in ((1 << 32) - 1, 1 << 62, (1 << 64) - 1):
        for what in (learned(n, 0, 0), learned(0, n, 0), learned(0, 0, n)):
            yield f"learned_{what[:30].hex()}", lambda w=what: one_tile(record((16, 16)), b"", w, predictor_params())
    big = record((2048, 2048), tile=2048, sample_type=8)
    yield "mask_frame_size", lambda: one_tile(big, b"\0" + frame(1 << 40, b"x"), b"")
    yield "mask_bomb", lambda: one_tile(record((16, 16)), b"\0" + bomb(1 << 28), b"")
    yield "mask_value_bomb", lambda: one_tile(record((16, 16)), b"\1" + bomb(1 << 28), b"")
    yield "shuffled_bomb", lambda: one_tile(record((16, 16)), b"", b"\1" + bomb(1 << 28))
    bounded = b"\3" + struct.pack("<2d", 1.0, 0.0)
    cells = leb(1) + bytes(64)
    step_map = b"\0" + leb(0) + leb(len(cells)) + cells + leb(0)
    yield (
        "step_map_of_cells_of_1",
        lambda: array_file(record((1 << 24, 64), tile=2048, tail=bounded), PARAMS=step_map, **no_detail(1 << 13)),
    )
    yield (
        "planes_of_bounds",
        lambda: array_file(
            record((1 << 27, 1, 1), tile=2048, tail=b"\1" + bounded[1:]),
            PARAMS=b"\0" + leb(0) + leb(8) + bytes(8) + leb(0),
            **no_detail(32),
        ),
    )
    coefficients = predictor_params()[:-2] + leb((1 << 64) - 1)
    yield "coefficients", lambda: one_tile(record((16, 16)), b"", learned(0, 0, 0), coefficients)
    for n in (1 << 32, (1 << 64) - 1):
        meta = b"\0" + leb(1) + b"x" + leb(1) + bytes(34)
        for name, rest in (
            ("images", leb(n)),
            ("hdus", leb(0) + leb(n)),
            ("hdu", leb(0) + leb(1) + b"\2\0\0" + leb(n) * 3),
        ):
            yield (
                f"{name}_{n:x}",
                lambda m=meta + rest: join(
                    Parts(kind=1, mode=0, flags=0, sections=dict.fromkeys(ref_names(), b"") | {"META": m})
                ),
            )
    yield "hdu_data", lambda: fits_with_data(1 << 59)


def ref_names() -> tuple[str, ...]:
    """Names of the sections."""
    return ("META", "PARAMS", "INDEX", "BASE", "TILES", "EXTRA")


def fits_with_data(n: int) -> bytes:
    """A FITS file of one table of n bytes that EXTRA does not hold."""
    meta = b"\0" + leb(1) + b"x" + leb(n) + bytes(34) + leb(0) + leb(1) + b"\2\0\0" + leb(0) + leb(n) + leb(0)
    sections = dict.fromkeys(ref_names(), b"") | {"META": meta, "EXTRA": frame(n, b"x")}
    return join(Parts(kind=1, mode=0, flags=0, sections=sections))


ALL = dict(cases())


@pytest.mark.parametrize("name", ALL)
def test_huge_sizes_are_rejected_without_the_memory(name: str) -> None:
    """Rejected in time, and with no more memory than a small file takes."""
    read(sample("array_lossless"))
    data = ALL[name]()
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    tracemalloc.start()
    try:
        check_damaged(data, None, name)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    if name.startswith("index_of_"):
        # 10 bytes of INDEX stand for up to 32 MiB of pixels, in a sound file too: the array may be reserved, but
        # nothing may be written to it before there is a stream.
        peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - resident) * 1024
    allowed = LIMIT_BYTES + 10 * len(data)
    assert peak < allowed, f"expected at most {allowed} bytes of memory, found {peak}"


def test_the_crafted_parts_are_sound() -> None:
    """A file put together here from the format page is read, so that the cases fail for the reason that they should."""
    values = struct.pack("<6f", *range(6))
    good = one_tile(record((2, 3)), b"", b"\0" + values)
    parts = split(good)
    assert parts is not None
    image = read_meta(parts)
    assert image is not None
    rec = image.images[0].record
    crc = ref.zlib.crc32(struct.pack("<BQ3I", 9, 0, 1, 2, 3) + values)
    sections = dict(parts.sections)
    sections["INDEX"] = sections["INDEX"][:-4] + struct.pack("<I", crc)
    meta = sections["META"]
    sections["META"] = meta.replace(bytes(32), ref.hashlib.sha256(values + rec).digest(), 1)
    data = join(replace(parts, sections=sections))
    restored = ref.decode_file(data)
    assert not isinstance(restored, bytes)
    assert restored.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert check_damaged(data, restored, "a sound file")
