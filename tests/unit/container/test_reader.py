"""Whole files: written, read back piece by piece, cut short, damaged, copied."""

from __future__ import annotations

import io
import zlib
from collections.abc import Sequence
from typing import Any

import pytest

from radcodec.container.layout import FLAG_BASE_ONLY
from radcodec.container.meta import ImageRecord, Meta, ParamBlocks
from radcodec.container.reader import Reader
from radcodec.container.writer import FileContents, TileStreams, cut_base_copy, write_file
from radcodec.errors import CorruptError, InputError, TruncatedError
from radcodec.types import Kind, Mode, SampleType

TILES = [
    TileStreams(mask=b"m0", detail=b"detail zero", pixel_crc=7, stages=(b"a", b"AA")),
    TileStreams(mask=b"", detail=b"d1", pixel_crc=8, stages=(b"bb", b"")),
]


def _count(shape: tuple[int, ...], sides: tuple[int, ...]) -> int:
    """Two tiles, whatever the shape: the container does not know geometry."""
    return 2


def _file(tiles: Sequence[TileStreams] = TILES, **changes: Any) -> bytes:
    record = ImageRecord(sample_type=SampleType.F4, shape=(8, 16), sides=(8, 8), n_stages=2)
    fields: dict[str, Any] = {"images": (record,), "model": ("m", bytes(32)), "hdus": (), "text": b""}
    meta = Meta(
        writer="t", original_bytes=512, restored_sha256=bytes(32), original_sha256=None, **{**fields, **changes}
    )
    params = [ParamBlocks(base=b"base", bounds=b"", predictors=b"pred")]
    contents = FileContents(kind=Kind.ARRAY, mode=Mode.LOSSLESS, meta=meta, params=params, tiles=[tiles])
    out = io.BytesIO()
    assert write_file(out, contents) == len(out.getvalue())
    return out.getvalue()


def _reader(data: bytes) -> Reader:
    return Reader(data, count_tiles=_count)


def test_all_streams_come_back() -> None:
    """Mask, detail and stage streams and parameter blocks are read where the index says they are."""
    reader = Reader(io.BytesIO(_file()), count_tiles=_count)
    assert [reader.read_tile(0, tile) for tile in (0, 1)] == [(b"m0", b"detail zero"), (b"", b"d1")]
    assert [[reader.read_stage(0, stage, tile) for tile in (0, 1)] for stage in (0, 1)] == [[b"a", b"bb"], [b"AA", b""]]
    assert [reader.pixel_crc(0, tile) for tile in (0, 1)] == [7, 8]
    assert reader.params[0].predictors == b"pred"
    reader.check_whole_file()


def test_a_tile_without_any_stream_is_rejected() -> None:
    """An index of entries that say nothing must not make a reader reserve memory for the pixels of its tiles."""
    empty = TileStreams(mask=b"", detail=b"", pixel_crc=9, stages=(b"", b""))
    with pytest.raises(CorruptError, match="a tile without one"):
        _reader(_file([TILES[0], empty]))
    base = TileStreams(mask=b"", detail=b"", pixel_crc=9, stages=(b"b", b""))
    with pytest.raises(CorruptError, match="says that it is lossless"):
        _reader(_file([TILES[0], base]))
    second = TileStreams(mask=b"", detail=b"d", pixel_crc=9, stages=(b"", b"b"))
    with pytest.raises(CorruptError, match="no base stream after an empty one"):
        _reader(_file([TILES[0], second]))


def test_base_is_stage_major() -> None:
    """A preview is one range: the first stage of all tiles stands together."""
    data = _file()
    start = _reader(data).prelude.section_start("BASE")
    assert data[start : start + 3] == b"abb"


def test_every_truncation_is_told() -> None:
    """A file that ends early at any byte is refused when it is opened."""
    data = _file()
    for length in range(1, len(data)):
        with pytest.raises(TruncatedError, match="expected"):
            _reader(data[:length])


def test_bytes_after_the_end_are_rejected() -> None:
    """A file with a byte too many is not what was written."""
    with pytest.raises(CorruptError, match="bytes follow its end"):
        _reader(_file() + b"\0")


def test_a_flipped_bit_anywhere_is_found() -> None:
    """Every byte is covered by a checksum that a full read looks at."""
    data = _file()
    for place in range(len(data)):
        damaged = bytearray(data)
        damaged[place] ^= 0x10
        with pytest.raises(ValueError, match=r"expected|checksum"):
            _reader(bytes(damaged)).check_whole_file()


def test_a_damaged_tile_is_found_without_reading_the_rest() -> None:
    """The checksum of one tile's streams is looked at when it is fetched."""
    data = _file()
    place = data.index(b"detail zero")
    damaged = data[:place] + b"D" + data[place + 1 :]
    reader = _reader(damaged)
    assert reader.read_tile(0, 1) == (b"", b"d1")
    with pytest.raises(CorruptError, match="tile 0 of image 0"):
        reader.read_tile(0, 0)


@pytest.mark.parametrize(
    ("n_tiles", "match"), [(1, "more bytes"), (3, "ends within a number"), (5, "at least 40 bytes of INDEX")]
)
def test_index_of_another_length_is_rejected(n_tiles: int, match: str) -> None:
    """INDEX that does not fit the number of tiles is refused; one that cannot, before it is read."""
    with pytest.raises(CorruptError, match=match):
        Reader(_file(), count_tiles=lambda shape, sides: n_tiles)


def test_base_only_copy_keeps_base_and_masks() -> None:
    """A base-only copy has the first stages and masks, no detail, mode 2 and its flag; its checksums hold."""
    copy = _reader(cut_base_copy(_reader(_file()), 1))
    copy.check_whole_file()
    assert copy.is_base_only
    assert copy.prelude.flags == FLAG_BASE_ONLY
    assert copy.prelude.mode is Mode.LOSSY
    assert copy.read_tile(0, 0) == (b"m0", b"")
    assert copy.read_stage(0, 0, 1) == b"bb"
    assert copy.read_stage(0, 1, 0) == b""
    assert copy.pixel_crc(0, 0) == 0  # those of the file are of pixels that a copy does not restore


def test_base_only_copy_needs_a_base() -> None:
    """No stages to keep is an error of the caller."""
    with pytest.raises(InputError, match="base layer"):
        cut_base_copy(_reader(_file()), 0)


def test_trailer_is_the_crc_of_all_before_it() -> None:
    """The last four bytes are the CRC-32 of the others."""
    data = _file()
    assert int.from_bytes(data[-4:], "little") == zlib.crc32(data[:-4])
