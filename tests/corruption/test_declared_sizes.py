"""Memory and work are bounded by the bytes that are read: sizes are declared and checked, borders made when needed."""

from __future__ import annotations

import io
import struct
import time
import zlib

import numpy as np
import pytest
import reference_decoder as ref
import zstandard
from corruption.crafted import array_file, in_child, learned, params, predictor_block, record
from corruption.mutants import unpacked, with_section
from corruption.repair import Parts, join, leb, pack_index, repair_index, split
from corruption.samples import sample
from corruption.test_adversarial import bomb

import radcodec
from radcodec.coding.zstd import unpack_frame, unpack_frame_within
from radcodec.container.packing import pack_section, unpack_section
from radcodec.detail.predictors import unpack_predictors

MIB = 1 << 20


def without_size(content: bytes) -> bytes:
    """A sound frame that declares no size."""
    frame = zstandard.ZstdCompressor(write_content_size=False).compress(content)
    assert zstandard.frame_content_size(frame) == -1
    return frame


def parts_of(name: str) -> Parts:
    """A sample taken apart."""
    parts = split(sample(name))
    assert parts is not None
    return parts


def check_both_reject(data: bytes, match: str = "declares") -> None:
    """Both decoders reject a file, in typed errors."""
    with pytest.raises(radcodec.CorruptError, match=match):
        radcodec.verify(io.BytesIO(data))
    with pytest.raises(ref.RejectError, match=r"zstd frame (without a|of another) size"):
        ref.decode_file(data)


@pytest.mark.parametrize("name", ["META", "PARAMS"])
def test_packed_sections_declare_their_size(name: str) -> None:
    """A frame of META or PARAMS that declares no size is refused, though it holds what it should."""
    parts = parts_of("fits_bounded")
    raw = unpacked(parts, name)
    assert raw is not None
    check_both_reject(join(with_section(parts, name, b"\1" + leb(len(raw)) + without_size(raw))))


def test_extra_declares_the_bytes_of_its_records() -> None:
    """EXTRA that declares no size, or another than the HDU records have, is refused before it is unpacked."""
    parts = parts_of("fits_lossless")
    content = zstandard.ZstdDecompressor().decompress(parts.sections["EXTRA"])
    check_both_reject(join(with_section(parts, "EXTRA", without_size(content))))
    for other in (content[:-1], content + b"x"):
        frame = zstandard.ZstdCompressor().compress(other)
        check_both_reject(join(with_section(parts, "EXTRA", frame)), "expected 69 bytes")


@pytest.mark.parametrize("method", [1, 3])
def test_detail_frames_declare_their_size(method: int) -> None:
    """The frame of a shuffled or packed tile declares the bytes of its samples."""
    values = np.arange(64, dtype="<f8").tobytes()
    for frame in (without_size(values), zstandard.ZstdCompressor().compress(values + b"x")):
        check_both_reject(array_file(record(10, (8, 8)), 512, [(b"", bytes([method]) + frame)], blocks=params()))


@pytest.mark.parametrize("form", [0, 1])
def test_mask_frames_declare_their_size(form: int) -> None:
    """The frame of a mask declares its bitmap and one sample or as many as it may mark."""
    content = (bytes(8) if form else b"") + b"\x80" + bytes(7) + (b"" if form else bytes(8))
    tile = b"\0" + bytes(512)
    for frame in (without_size(content), zstandard.ZstdCompressor().compress(bytes(9000))):
        mask = bytes([form]) + frame
        check_both_reject(array_file(record(10, (8, 8)), 512, [(mask, tile)], blocks=params()))


def test_frames_of_nothing_are_refused() -> None:
    """A frame that declares no bytes passes over whatever follows it, in zstandard's Python bindings."""
    nothing = zstandard.ZstdCompressor().compress(b"")
    assert zstandard.ZstdDecompressor().decompress(nothing + b"junk", allow_extra_data=False) == b""
    with pytest.raises(radcodec.CorruptError, match="declares how many"):
        unpack_frame(nothing + b"junk", 0, what="a test")
    with pytest.raises(radcodec.CorruptError, match="declares how many"):
        unpack_frame_within(nothing, 0, 10, what="a test")


def test_a_frame_cannot_declare_more_than_it_can_hold() -> None:
    """A block of 3 bytes gives at most 128 KiB (RFC 8878): 20 bytes that declare a gigabyte allocate nothing."""
    frame = b"\x28\xb5\x2f\xfd\xe0" + (1 << 30).to_bytes(8, "little") + b"\x03\0\0\0\0\0\0"
    with pytest.raises(radcodec.CorruptError, match="cannot hold"):
        unpack_frame(frame, 1 << 30, what="a test")


def test_a_short_meta_takes_little_memory() -> None:
    """META of 33 kB may hold at most 16 MiB and 1024 bytes a byte: one that holds a gigabyte is refused unread."""
    frame = bomb(1 << 30)
    assert 30000 < len(frame) < 50000
    meta = b"\1" + leb(1 << 30) + frame
    data = join(with_section(parts_of("fits_lossless"), "META", meta))
    error, _, grown = in_child(data, "radcodec.open(data)", warm=True)
    assert error.startswith("LimitError: expected at most"), error
    assert grown < 64 * MIB
    with pytest.raises(ref.RejectError, match="raw size"):
        ref.decode_file(data)


def test_many_records_in_few_bytes_are_refused_early() -> None:
    """A million records pack to a kilobyte: INDEX must have room for the tiles of each image, the text for headers."""
    one = record(1, (1,), tile=8)
    head = b"\0" + leb(1 << 20) + bytes(34)
    many = head + leb(1 << 20) + one * (1 << 20) + leb(0)
    hdus = head + leb(0) + leb(1 << 20) + (b"\5\0\0\0\0\0" * (1 << 20))
    for raw in (many, hdus):
        stored = dict.fromkeys(("PARAMS", "INDEX", "BASE", "TILES", "EXTRA"), b"")
        packed = b"\1" + leb(len(raw)) + zstandard.ZstdCompressor(level=19).compress(raw)
        data = join(Parts(kind=1, mode=0, flags=0, sections=stored | {"META": packed}))
        assert len(data) < 4000
        error, seconds, grown = in_child(data, "radcodec.open(data)", warm=True)
        assert error.startswith(("LimitError", "CorruptError")), error
        assert grown < 64 * MIB
        assert seconds < 2.0


def test_what_packs_better_than_the_ratio_is_stored_as_it_is() -> None:
    """The writer keeps to the rule that its reader applies."""
    raw = bytes(40 * MIB)
    stored = pack_section(raw)
    assert stored[0] == 0
    assert unpack_section(stored, "META") == raw
    less = bytes(12 * MIB)
    stored = pack_section(less)
    assert stored[0] == 1
    assert unpack_section(stored, "META") == less


def test_unused_predictors_cost_nothing() -> None:
    """Border sets take milliseconds to make: they are made where a tile uses the predictor, and at most 8 are read."""
    block = predictor_block(0.0, n=8, radius=24, border=8, reach=24)
    unpack_predictors(block)
    start = time.process_time()
    for _ in range(20):
        unpack_predictors(block)
    assert (time.process_time() - start) / 20 < 0.02
    with pytest.raises(radcodec.CorruptError, match="1 to 8 predictors"):
        unpack_predictors(predictor_block(0.0, n=9, radius=8, border=8, reach=8))
    raw = b"\0" + bytes(2048)
    data = array_file(record(10, (16, 16), tile=16), 2048, [(b"", raw)], blocks=params(predictors=block))
    error, seconds, _ = in_child(data, warm=True)
    assert error.startswith("CorruptError: the pixels of tile 0"), error
    assert seconds < 0.5


@pytest.mark.parametrize(("n", "border", "least"), [(1, 1, 128), (8, 8, 1024), (8, 0, 0)])
def test_border_sets_need_bytes_of_details(n: int, border: int, least: int) -> None:
    """Each predictor with border sets asks for 128 bytes of details, so that many small images cost little time."""
    block = predictor_block(0.0, n=n, radius=8, border=border, reach=border)
    for n_bytes in sorted({8, least // 8 * 8 - 16, least // 8 * 8}):
        if n_bytes < 8:
            continue
        image, detail = record(10, (1, n_bytes // 8), tile=128), b"\0" + bytes(n_bytes)
        data = array_file(image, n_bytes, [(b"", detail)], blocks=params(predictors=block))
        enough = len(detail) >= least
        error = "do not match their checksum" if enough else f"expected {least} bytes of details or more"
        with pytest.raises(radcodec.CorruptError, match=error):
            radcodec.decode(data)
        with pytest.raises(ref.RejectError, match="pixel CRC" if enough else "bytes of details"):
            ref.decode_file(data)


def test_images_of_few_bytes_have_no_border_sets() -> None:
    """What the encoder writes keeps to that: a plane that takes a few bytes comes back, in any mode."""
    y, x = np.mgrid[:64, :64]
    for image in (np.full((64, 64), 2.5, "f4"), (y + x).astype("i2"), np.sin(y / 9.0).astype("f4")):
        for bound in (None, 0.4):
            data = radcodec.encode(image, max_error=bound)
            restored = radcodec.decode(data)
            assert np.abs(restored.astype("f8") - image).max() <= (bound or 0.0)
            assert np.array_equal(ref.decode_file(data), restored)


def many_images(n: int) -> bytes:
    """A FITS file of n images of one tile, each with a learned stream and 8 predictors of its own."""
    header = b"".join(
        card.ljust(80)
        for card in (
            b"XTENSION= 'IMAGE   '",
            b"BITPIX  =                  -64",
            b"NAXIS   =                    2",
            b"NAXIS1  =                    8",
            b"NAXIS2  =                    8",
            b"PCOUNT  =                    0",
            b"GCOUNT  =                    1",
            b"END",
        )
    ).ljust(2880)
    first = b"SIMPLE  =                    T".ljust(80) + header[80:]
    block = predictor_block(0.0, n=8, radius=24, border=8, reach=24)
    stream = learned(b"\0" + struct.pack("<hB", -1022, 52))
    image, hdu = record(10, (8, 8)), b"\0\7PRIMARY\0" + leb(2880) + leb(512) + leb(2368)
    hdus = hdu + hdu.replace(b"\7PRIMARY", b"\0") * (n - 1)
    text = b"".join([first, bytes(2368)] + [header, bytes(2368)] * (n - 1))
    raw = leb(1) + b"x" + leb(5760 * n) + bytes(34) + leb(n) + image * n + leb(n) + hdus + text
    meta = b"\1" + leb(len(raw)) + zstandard.ZstdCompressor(level=3).compress(raw)
    own = params(predictors=block)[1:] * n
    blocks = b"\1" + leb(len(own)) + zstandard.ZstdCompressor(level=3).compress(own)
    sections = dict.fromkeys(("BASE", "EXTRA"), b"") | {"META": meta, "PARAMS": blocks, "TILES": stream * n}
    sections["INDEX"] = pack_index([(0, len(stream), zlib.crc32(stream), 0)] * n)
    return join(Parts(kind=1, mode=0, flags=0, sections=sections))


def test_many_images_cost_no_more_than_their_bytes() -> None:
    """A file of some kilobytes whose images all name 8 predictors with border sets is refused at the first of them."""
    data = many_images(300)
    assert len(data) < 20_000
    error, seconds, _ = in_child(data, "radcodec.verify(data)", warm=True)
    assert "1024 bytes of details or more" in error
    assert seconds < 1.0


@pytest.mark.parametrize("kind", [2, 5])
def test_many_hdus_need_text(kind: int) -> None:
    """A million records of HDUs with headers that META does not hold pack to 700 bytes: refused at the first few."""
    n = 1 << 20
    raw = leb(1) + b"x" + leb(0) + bytes(34) + leb(0) + leb(n) + (bytes([kind]) + b"\0\0" + leb(2880) + b"\0\0") * n
    meta = b"\1" + leb(len(raw)) + zstandard.ZstdCompressor(level=3).compress(raw)
    sections = dict.fromkeys(("PARAMS", "INDEX", "BASE", "TILES", "EXTRA"), b"") | {"META": meta}
    data = join(Parts(kind=1, mode=0, flags=0, sections=sections))
    assert len(data) < 1000
    error, seconds, grown = in_child(data, "radcodec.open(data)", warm=True)
    assert "of header text" in error
    assert seconds < 2.0
    assert grown < 64 * MIB


def test_coefficients_have_no_more_bytes_than_they_need() -> None:
    """A block that says that four coefficients take a megabyte is refused before they are looked at."""
    block = predictor_block(0.0)
    long = block[:-2] + leb(MIB) + bytes(MIB)
    with pytest.raises(radcodec.CorruptError, match="more than the coefficients"):
        unpack_predictors(long)
    with pytest.raises(ref.RejectError, match="bytes of coefficients"):
        ref.read_predictors(ref.Cursor(long))


def test_a_predictor_without_border_sets_is_refused_where_it_is_used() -> None:
    """A process that grows without end has no covariance: the tile that uses it is refused, others are not."""
    image = np.random.default_rng(4).normal(0, 1, (16, 16)).astype("f4").cumsum(0)
    parts = split(radcodec.encode(image, max_error=0.01))
    assert parts is not None
    stream = parts.sections["TILES"]
    assert stream[0] == 2
    head = predictor_block(0.0)[:16]
    huge = head + leb(1) + bytes([1, 0, 1, 1]) + leb(len(HUGE)) + HUGE
    data = join(repair_index(with_section(parts, "PARAMS", params(predictors=huge))))
    with pytest.raises(radcodec.CorruptError, match="gives no border sets"):
        radcodec.decode(data)
    with pytest.raises(ref.RejectError, match="border"):
        ref.decode_file(data)


def rice(values: list[int]) -> bytes:
    """Rice code of the coefficients of radius 1 in coding order (8.2), each as an escape."""
    bits = "".join("1" * 24 + f"{2 * c if c >= 0 else -2 * c - 1:048b}"[::-1] for c in values)
    return bytes(int(bits[i : i + 8].ljust(8, "0")[::-1], 2) for i in range(0, len(bits), 8))


HUGE = rice([1 << 45] * 4)
