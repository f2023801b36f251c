"""The records of the format: hand-made bytes, and hypothesis round trips."""

from __future__ import annotations

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radcodec.coding.leb import pack_leb
from radcodec.container.layout import (
    MAGIC,
    MAX_PRELUDE_BYTES,
    Cursor,
    Prelude,
    entry_bytes,
    least_entry_bytes,
    pack_entry,
    pack_prelude,
    pack_str,
    unpack_entry,
    unpack_prelude,
)
from radcodec.container.meta import (
    HduRecord,
    ImageRecord,
    Meta,
    ParamBlocks,
    pack_image_record,
    pack_meta,
    pack_params,
    unpack_image_record,
    unpack_meta,
    unpack_params,
)
from radcodec.container.packing import pack_section, unpack_section
from radcodec.errors import (
    CorruptError,
    LimitError,
    ModelNotFoundError,
    NotRadcodecError,
    TruncatedError,
    UnsupportedVersionError,
)
from radcodec.types import HduKind, Kind, Mode, SampleType

FINITE = st.floats(allow_nan=False, allow_infinity=False)
U8 = st.integers(0, 2**64 - 1)


def _prelude_by_hand(
    kind: int = 1, mode: int = 0, flags: int = 0, version: int = 0, draft: int = 4, meta: str = "05"
) -> bytes:
    """A prelude from format.md 2.1, not from layout: 5 bytes of META, 1, 300, 0, 2^20 and 0 of the others."""
    fields = bytes([version, draft, kind, mode, flags]) + bytes.fromhex(meta + "01" + "ac02" + "00" + "808040" + "00")
    start = bytes.fromhex("8952435A0D0A1A0A") + fields + struct.pack("<3I", 11, 12, 13)
    return start + struct.pack("<I", zlib.crc32(start))


def test_prelude_bytes_are_those_of_the_format_page() -> None:
    """A prelude packs to the bytes that the table of the format page gives; sections without bytes have no CRC."""
    prelude = Prelude(
        kind=Kind.FITS,
        mode=Mode.LOSSLESS,
        flags=0,
        section_bytes=(5, 1, 300, 0, 1 << 20, 0),
        meta_crc=11,
        params_crc=12,
        index_crc=13,
        extra_crc=0,
    )
    assert pack_prelude(prelude) == _prelude_by_hand()
    assert unpack_prelude(_prelude_by_hand() + bytes(50)) == prelude
    assert prelude.file_bytes == 38 + 306 + (1 << 20) + 4
    assert prelude.section_start("TILES") == 38 + 306


def test_longest_prelude() -> None:
    """The largest sizes that the format page allows take 76 bytes, which is what is read at first."""
    sizes = (1 << 32, 1 << 32, 1 << 40, 1 << 60, 1 << 60, 1 << 60)
    crcs = {"meta_crc": 1, "params_crc": 2, "index_crc": 3, "extra_crc": 4}
    prelude = Prelude(kind=Kind.ARRAY, mode=Mode.LOSSY, flags=1, section_bytes=sizes, **crcs)
    assert len(pack_prelude(prelude)) == 76 == MAX_PRELUDE_BYTES
    assert unpack_prelude(pack_prelude(prelude)) == prelude


@pytest.mark.parametrize(
    ("data", "error", "match"),
    [
        (b"", NotRadcodecError, "starts with"),
        (b"SIMPLE  =", NotRadcodecError, "starts with"),
        (MAGIC[:4], TruncatedError, "ends after 4"),
        (_prelude_by_hand(version=1), UnsupportedVersionError, "found version 1 draft 4: a newer radcodec reads it"),
        (_prelude_by_hand(draft=5), UnsupportedVersionError, "found version 0 draft 5: a newer radcodec reads it"),
        (_prelude_by_hand(draft=0), UnsupportedVersionError, r"draft 0: radcodec 0\.1\.0 and its development versions"),
        (
            _prelude_by_hand(draft=1),
            UnsupportedVersionError,
            r"draft 1: .*development versions of 0\.2 that wrote draft 1",
        ),
        (
            _prelude_by_hand(draft=2),
            UnsupportedVersionError,
            r"draft 2: .*development versions of 0\.2 that wrote draft 2",
        ),
        (MAGIC + b"\0\0", UnsupportedVersionError, "draft 0"),
        (_prelude_by_hand()[:37], TruncatedError, "38 bytes"),
        (_prelude_by_hand()[:17], TruncatedError, "ends after 17"),
        (_prelude_by_hand(meta="8500"), CorruptError, "shortest form"),
        (_prelude_by_hand(meta="8180808010"), LimitError, "META"),
        (_prelude_by_hand()[:20] + b"\1" + _prelude_by_hand()[21:], CorruptError, "checksum"),
        (_prelude_by_hand(kind=2), CorruptError, "the kind"),
        (_prelude_by_hand(mode=3), CorruptError, "the mode"),
        (_prelude_by_hand(flags=32), CorruptError, "flags"),
        (_prelude_by_hand(flags=17), CorruptError, "flags"),
        (_prelude_by_hand(flags=24), CorruptError, "flags"),
        (_prelude_by_hand(flags=4), CorruptError, "flags"),
        (_prelude_by_hand(flags=8), CorruptError, "lossy array in a short file"),
    ],
)
def test_unsound_preludes_are_rejected(data: bytes, error: type[Exception], match: str) -> None:
    """Magic, version, length, checksum and ranges are checked, each with its own error."""
    with pytest.raises(error, match=match):
        unpack_prelude(data)


@pytest.mark.parametrize(
    ("value", "packed"), [(0, "00"), (127, "7f"), (128, "8001"), (624485, "e58e26"), (2**64 - 1, "ff" * 9 + "01")]
)
def test_leb_of_known_numbers(value: int, packed: str) -> None:
    """LEB128 packs as in the examples of the DWARF standard and reads back."""
    assert pack_leb(value).hex() == packed
    cursor = Cursor(bytes.fromhex(packed), "a test")
    assert cursor.leb() == value
    cursor.end()


@pytest.mark.parametrize("packed", ["8000", "80", "ff" * 10, "ff" * 9 + "02", "80" * 10 + "01", ""])
def test_unsound_leb_is_rejected(packed: str) -> None:
    """Numbers that are not in their shortest form, too long, too large or cut off are rejected."""
    with pytest.raises(CorruptError, match="a test"):
        Cursor(bytes.fromhex(packed), "a test").leb()


@given(U8)
def test_leb_round_trip(value: int) -> None:
    """Every unsigned 64-bit integer comes back."""
    assert Cursor(pack_leb(value), "a test").leb() == value


@pytest.mark.slow
@given(st.text(max_size=300))
def test_text_round_trip(text: str) -> None:
    """Every text without lone surrogates comes back."""
    assert Cursor(pack_str(text), "a test").text() == text.encode("utf-8", "replace").decode()


def test_text_over_the_limit_is_cut_between_characters() -> None:
    """A text of 5000 bytes is cut to at most 4096, and a longer one is refused when read."""
    packed = pack_str("é" * 2500)
    assert Cursor(packed, "a test").text() == "é" * 2048
    with pytest.raises(LimitError, match="4096"):
        Cursor(pack_leb(4097) + b"x" * 4097, "a test").text()


def _records() -> st.SearchStrategy[ImageRecord]:
    bounded = st.fixed_dictionaries(
        {
            "bound": st.floats(1e-300, 1e300),
            "bound_sigma": st.floats(0, 100),
            "has_step_map": st.booleans(),
            "dither_seed": st.none() | U8,
            "sigma": st.none() | st.floats(1e-300, 1e300),
        }
    )
    common = st.fixed_dictionaries(
        {
            "sample_type": st.sampled_from(SampleType),
            "n_stages": st.integers(0, 16),
            "bscale": FINITE,
            "bzero": FINITE,
            "unit": st.text(max_size=20),
        }
    )
    return st.builds(
        lambda *parts: ImageRecord(**{k: v for part in parts for k, v in part.items()}),
        _geometry(),
        common,
        st.just({}) | bounded,
    )


@st.composite
def _geometry(draw: st.DrawFn) -> dict[str, tuple[int, ...]]:
    """Axes, and sides of tiles that are boxes of planes that follow each other."""
    shape = draw(st.lists(st.integers(1, 9), max_size=6).map(tuple))
    sides = [draw(st.integers(1, length)) for length in shape]
    for axis in range(len(shape) - 3, 0, -1):
        if sides[axis] < shape[axis]:
            sides[:axis] = [1] * axis
    return {"shape": shape, "sides": tuple(sides)}


@given(_records())
def test_image_record_round_trip(record: ImageRecord) -> None:
    """Every sound image record comes back, and nothing is left over."""
    cursor = Cursor(pack_image_record(record), "a test")
    assert unpack_image_record(cursor) == record
    cursor.end()


def test_image_record_bytes_are_those_of_the_format_page() -> None:
    """A bounded, scaled record with BLANK has the bytes of the table in section 3.1."""
    record = ImageRecord(
        sample_type=SampleType.I2,
        shape=(3, 200),
        sides=(2, 200),
        n_stages=2,
        bound=0.5,
        bound_sigma=0.125,
        sigma=4.0,
        bscale=2.0,
        bzero=1.0,
        blank=-7,
        unit="Jy",
    )
    by_hand = (
        bytes([4, 2, 3, 0xC8, 1, 2, 0, 2, 0b111001]) + struct.pack("<5dq", 0.5, 0.125, 4.0, 2.0, 1.0, -7) + b"\x02Jy"
    )
    assert pack_image_record(record) == by_hand


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (bytes([11, 0, 0, 0, 0]), CorruptError),
        (bytes([1]) + pack_leb(1000) + bytes(1000), LimitError),
        (bytes([1, 1, 5, 6, 0, 0, 0]), CorruptError),
        (bytes([1, 2]) + pack_leb(4096) * 2 + bytes(5), CorruptError),
        (bytes([1, 0, 17, 0, 0]), LimitError),
        (bytes([1, 0, 0, 64, 0]), CorruptError),
        (bytes([1, 0, 0, 2, 0]), CorruptError),
        (bytes([9, 0, 0, 16]) + bytes(9), CorruptError),
        (bytes([1, 2]) + pack_leb(2**24) * 2 + bytes(6), LimitError),
        (bytes([1, 3, 0]) + pack_leb(2**47) * 2 + bytes(6), LimitError),
        (bytes([9, 0, 0, 1]) + struct.pack("<dd", -1.0, 0.0) + b"\0", CorruptError),
        (bytes([9, 0, 0, 1]) + struct.pack("<dd", float("nan"), 0.0) + b"\0", CorruptError),
        (bytes([9, 0, 0, 1]) + struct.pack("<dd", 1.0, float("inf")) + b"\0", CorruptError),
        (bytes([9, 0, 0, 33]) + struct.pack("<ddd", 1.0, 1.0, 0.0) + b"\0", CorruptError),
        (bytes([9, 0, 0, 32]) + struct.pack("<d", 1.0) + b"\0", CorruptError),
        (bytes([4, 0, 0, 8]) + struct.pack("<dd", float("inf"), 0.0) + b"\0", CorruptError),
        (bytes([4, 0, 0, 8]) + struct.pack("<dd", 1.0, 0.0) + b"\0", CorruptError),
        (bytes([4, 0, 0, 16]) + struct.pack("<q", 1 << 15) + b"\0", CorruptError),
    ],
)
def test_unsound_image_records_are_rejected(data: bytes, error: type[Exception]) -> None:
    """Fields out of their ranges are rejected before anything is made of them."""
    with pytest.raises(error, match="expected"):
        unpack_image_record(Cursor(data, "META"))


def _meta(**changes: object) -> Meta:
    fields: dict[str, object] = {
        "writer": "test",
        "original_bytes": 5760,
        "restored_sha256": bytes(32),
        "original_sha256": None,
        "model": None,
        "images": (ImageRecord(sample_type=SampleType.F4, shape=(2, 3), sides=(2, 3)),),
        "hdus": (
            HduRecord(kind=HduKind.IMAGE, name="P", note="", header_bytes=2880, data_bytes=24, tail_bytes=2),
            HduRecord(kind=HduKind.TABLE, name="", note="n", header_bytes=1, data_bytes=9, tail_bytes=0),
        ),
        "text": b"a" * 2883,
    }
    return Meta(**{**fields, **changes})  # type: ignore[arg-type]


def test_meta_round_trip() -> None:
    """META of a FITS file comes back, with the bytes of its image records as stored."""
    image = ImageRecord(sample_type=SampleType.F4, shape=(2, 3), sides=(2, 3), n_stages=1)
    meta = _meta(original_sha256=b"\1" * 32, model=("m", b"\2" * 32), images=(image,))
    found = unpack_meta(pack_meta(meta), Kind.FITS)
    assert found.image_records == (pack_image_record(meta.images[0]),)
    assert (found.images, found.hdus, found.text, found.model) == (meta.images, meta.hdus, meta.text, meta.model)


@pytest.mark.parametrize(
    ("meta", "kind", "match"),
    [
        (_meta(), Kind.ARRAY, "kind array"),
        (_meta(text=b"a" * 2882), Kind.FITS, "header text"),
        (_meta(images=()), Kind.FITS, "as many image records"),
        (_meta(images=(ImageRecord(sample_type=SampleType.F4, shape=(2, 4), sides=(2, 4)),)), Kind.FITS, "24 bytes"),
        (
            _meta(images=(ImageRecord(sample_type=SampleType.F4, shape=(2, 3), sides=(2, 3), n_stages=1),)),
            Kind.FITS,
            "model name exactly",
        ),
    ],
)
def test_meta_that_does_not_fit_together_is_rejected(meta: Meta, kind: Kind, match: str) -> None:
    """Records that contradict each other or the text are rejected."""
    with pytest.raises(CorruptError, match=match):
        unpack_meta(pack_meta(meta), kind)


@given(st.lists(st.tuples(st.binary(max_size=200), st.binary(max_size=9), st.binary(max_size=9)), max_size=4))
def test_params_round_trip(blocks: list[tuple[bytes, bytes, bytes]]) -> None:
    """The blocks of every image come back, and a left-over byte is rejected."""
    images = [ParamBlocks(base=a, bounds=b, predictors=c) for a, b, c in blocks]
    packed = pack_params(images)
    assert list(unpack_params(packed, len(images))) == images
    with pytest.raises(CorruptError, match="more bytes"):
        unpack_params(packed + b"\0", len(images))


@given(st.binary(max_size=3000))
def test_section_round_trip(raw: bytes) -> None:
    """A section comes back whatever form was the smallest, which is never over one byte more than it."""
    dictionary = (b"SIMPLE  =                    T" * 40, b"\5" * 32)
    packed = pack_section(raw, dictionary)
    assert len(packed) <= len(raw) + 1
    assert unpack_section(packed, "META", dictionaries=[dictionary], may_share=True) == raw


def test_section_made_with_a_dictionary_needs_it() -> None:
    """A dictionary that is not installed is a missing model, and PARAMS may not have one."""
    dictionary = (bytes(range(256)) * 8, b"\5" * 32)
    packed = pack_section(bytes(range(256)) * 2, dictionary)
    assert packed[0] == 2
    with pytest.raises(ModelNotFoundError, match="05050505"):
        unpack_section(packed, "META", dictionaries=[(b"other", b"\6" * 32)], may_share=True)
    with pytest.raises(CorruptError, match="packing of PARAMS"):
        unpack_section(packed, "PARAMS", dictionaries=[dictionary])


def test_section_that_lies_about_its_size_is_rejected() -> None:
    """A raw size that the frame does not give is rejected, and one that it cannot give is not allocated."""
    packed = pack_section(bytes(1000))
    assert packed[0] == 1
    with pytest.raises(CorruptError, match=r"expected 999 bytes|at most 999"):
        unpack_section(packed[:1] + pack_leb(999) + packed[3:], "META")
    with pytest.raises(LimitError, match="it declares 4294967296"):
        unpack_section(packed[:1] + pack_leb(2**32) + packed[3:], "META")


def test_entries_are_those_of_the_format_page() -> None:
    """An index entry has a CRC for each stream that is not empty, and the pixel CRC."""
    entry = pack_entry((0, 300), 1, 2, [(5, 3), (0, 0)])
    assert entry.hex() == "00" + "ac02" + "01000000" + "02000000" + "05" + "03000000" + "00"
    assert entry_bytes((0, 300), (5, 0)) == len(entry) == 17
    assert unpack_entry(Cursor(entry, "a test"), 2) == [0, 300, 1, 2, 5, 3, 0, 0]
    empty = pack_entry((0, 0), 0, 9, [(0, 0)] * 16)
    assert len(empty) == least_entry_bytes(16) == 22
    assert unpack_entry(Cursor(empty, "a test"), 16) == [0, 0, 0, 9] + [0] * 32
    with pytest.raises(LimitError, match="4294967295"):
        unpack_entry(Cursor(bytes.fromhex("8080808010") + bytes(20), "a test"), 0)
