"""Late files: every truncation and flipped bit, declared sizes and sets of predictors that contradict each other."""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import reference_decoder as ref
from corruption.repair import Parts, join, leb, repair, split
from corruption.samples import check_damaged, read, same, sample
from corruption.test_damage import flipped
from late_files import as_late

import radcodec
from radcodec.container.layout import FORMAT_DRAFT
from radcodec.simulate import simulate_image


@cache
def late(name: str) -> bytes:
    """A small late file; that of sets has two of them, of several tiles each."""
    if name == "sets":
        cube = np.stack([simulate_image((12, 12), seed=70 + plane) for plane in range(4)])
        return as_late(radcodec.encode(cube, tile=(12, 12, 1)), split_sets=True)
    return as_late(sample(name), gap=b"gap")


NAMES = ("array_lossless", "array_tiles", "fits_scaled", "array_on_base", "sets")
SLOW = ("array_on_base",)


@pytest.mark.parametrize("name", NAMES)
def test_a_late_file_restores_what_the_other_layout_does(name: str) -> None:
    """The layout changes nothing of the pixels, for the library and for the reference decoder."""
    data = late(name)
    assert repair(data) == data
    assert same(read(data), ref.decode_file(data))
    if name != "sets":
        assert same(read(data), read(sample(name)))
    radcodec.verify(io.BytesIO(data))


@pytest.mark.parametrize("name", NAMES)
def test_every_truncation_of_a_late_file_is_rejected(name: str) -> None:
    """No late file that lacks its end restores to anything, and neither does one that is too long."""
    data = late(name)
    for n in range(len(data)):
        check_damaged(data[:n], None, f"{name} cut to {n} bytes")
    check_damaged(data + b"\0", None, f"{name} with one byte more")


@pytest.mark.parametrize("name", NAMES)
def test_every_flipped_byte_of_a_late_file_is_rejected(name: str) -> None:
    """The checksums cover every byte of what a full decode reads; those between streams are verify's."""
    data = late(name)
    expected = read(data)
    for position in range(len(data)):
        for bit in [position % 8] if name in SLOW else (position % 8, (position + 3) % 8):
            damaged = flipped(data, position, bit)
            with pytest.raises((radcodec.FormatError, radcodec.ModelError)):
                radcodec.verify(io.BytesIO(damaged), threads=1)
            check_damaged(damaged, expected, f"{name}, bit {bit} of byte {position} flipped")


@pytest.mark.parametrize("name", NAMES)
def test_every_flipped_byte_with_right_checksums_is_rejected_or_harmless(name: str) -> None:
    """What checksums no longer catch is caught behind them, or does not matter to the pixels."""
    data = late(name)
    expected = read(data)
    for position in range(len(data)):
        for bit in [position % 8] if name in SLOW else (position % 8, (position + 3) % 8):
            damaged = repair(flipped(data, position, bit))
            check_damaged(damaged, expected, f"{name}, bit {bit} of byte {position} flipped, checksums repaired")


def _parts(name: str) -> Parts:
    parts = split(late(name))
    assert parts is not None
    return parts


def _with_sets(block: bytes) -> bytes:
    """The file of sets with another third block in PARAMS."""
    parts = _parts("sets")
    return join(replace(parts, sections=parts.sections | {"PARAMS": b"\0\0\0" + leb(len(block)) + block}))


def _one_set() -> bytes:
    cur = ref.Cursor(_parts("sets").sections["PARAMS"][3:])
    cur.leb(), cur.leb()
    return cur.take(cur.leb())


@pytest.mark.parametrize(
    ("runs", "match"),
    [
        (b"\0", "runs of tiles for each"),  # no run
        (b"\1\1\1", "follow each other"),  # the first run does not start at the first tile
        (b"\2\0\1\0\1", "follow each other"),  # two runs from one tile
        (b"\2\0\1\4\1", "follow each other"),  # a run behind the last tile
        (b"\1\0\2", "runs of tiles for each"),  # a set that is not there
        (b"\1\0\0", "runs of tiles for each"),  # a set without a run
        (b"\1\0\1\0", "to end at"),  # a byte too many
    ],
)
def test_sets_without_sound_runs_are_rejected(runs: bytes, match: str) -> None:
    """Every tile has one set or none, and every set has tiles; both decoders say so."""
    one = _one_set()
    data = _with_sets(b"\1" + leb(len(one)) + one + runs)
    with pytest.raises(radcodec.CorruptError, match=match):
        radcodec.decode(data)
    with pytest.raises(ref.RejectError):
        ref.decode_file(data)


def test_one_set_for_all_tiles_is_sound() -> None:
    """The helper of the test above makes sound files of sound runs."""
    one = _one_set()
    assert same(radcodec.decode(_with_sets(b"\1" + leb(len(one)) + one + b"\1\0\1")), read(late("sets")))


def test_a_set_whose_tiles_have_too_few_bytes_for_its_borders_is_rejected() -> None:
    """Border sets take time, so the detail streams of a set's own tiles must be worth it; other tiles do not count."""
    one = _one_set()
    parts = _parts("sets")
    meta = ref.read_meta(ref.unpack_section(parts.sections["META"], True), parts.kind)
    entries, _ = ref.read_index(ref.Cursor(parts.sections["INDEX"]), meta, False, True)
    bordered = one[:19] + b"\1\1" + one[21:]  # radius, shift, border, reach
    eight = bordered[:16] + leb(8) + bordered[17:] + bordered[17:] * 7
    block = b"\1" + leb(len(eight)) + eight + b"\2\0\1\1\0"  # the first tile alone
    sizes = 128 * 8
    assert entries[0][0][1] < sizes
    data = _with_sets(block)
    with pytest.raises(radcodec.CorruptError, match=f"expected {sizes} bytes of details or more"):
        radcodec.decode(data)
    with pytest.raises(ref.RejectError, match="details for border sets"):
        ref.decode_file(data)


def test_index_that_passes_over_more_than_tiles_holds_is_rejected() -> None:
    """Bytes between streams are part of TILES, and the streams fill it to its end."""
    parts = _parts("array_lossless")
    index = parts.sections["INDEX"]
    for gap in (2, 4, (1 << 32) - 1):
        data = join(replace(parts, sections=parts.sections | {"INDEX": leb(gap) + index[1:]}))
        with pytest.raises(radcodec.CorruptError, match="fill BASE and TILES exactly"):
            radcodec.decode(data)
        with pytest.raises(ref.RejectError, match="length of TILES"):
            ref.decode_file(data)
    data = join(replace(parts, sections=parts.sections | {"INDEX": leb(1 << 32) + index[1:]}))
    with pytest.raises(radcodec.LimitError, match="bytes between streams"):
        radcodec.decode(data)
    longer = join(replace(parts, sections=parts.sections | {"TILES": parts.sections["TILES"] + b"x"}))
    with pytest.raises(radcodec.CorruptError, match="fill BASE and TILES exactly"):
        radcodec.decode(longer)


def test_base_of_a_late_file_is_rejected() -> None:
    """The base streams of a late file lie among its tiles."""
    parts = _parts("array_lossless")
    data = join(replace(parts, sections=parts.sections | {"BASE": b"x"}))
    with pytest.raises(radcodec.CorruptError, match="expected no BASE"):
        radcodec.decode(data)
    with pytest.raises(ref.RejectError, match="BASE"):
        ref.decode_file(data)


@pytest.mark.parametrize("position", [40, 71])
def test_bytes_in_the_empty_part_of_the_prelude_are_rejected(position: int) -> None:
    """What follows the fields of a late prelude is zero, so that nothing hides there."""
    data = bytearray(late("array_lossless"))
    data[position] = 1
    data[72:76] = struct.pack("<I", zlib.crc32(data[:72]))
    with pytest.raises(radcodec.CorruptError, match="prelude"):
        radcodec.decode(bytes(data))
    with pytest.raises(ref.RejectError, match="prelude"):
        ref.decode_file(bytes(data))


def test_an_open_file_is_truncated_and_the_error_names_recover() -> None:
    """A file whose writer did not close it says what to do."""
    head = b"\x89RCZ\r\n\x1a\n" + bytes([0, FORMAT_DRAFT, 1, 0, 6]) + bytes(59)
    head += struct.pack("<I", zlib.crc32(head))
    with pytest.raises(radcodec.TruncatedError, match="radcodec recover"):
        radcodec.decode(head + b"\x89RCR")
    with pytest.raises(ref.RejectError):
        ref.decode_file(head)


def test_a_flag_for_open_files_alone_is_rejected() -> None:
    """Only late files are open."""
    parts = _parts("array_lossless")
    data = join(replace(parts, flags=4))
    with pytest.raises(radcodec.CorruptError, match="known flags"):
        radcodec.decode(data)


def test_a_base_only_copy_of_a_late_file_shows_the_same_picture() -> None:
    """A copy of a late file is late, and both decoders read it."""
    data = as_late(sample("fits_preview"))
    out = io.BytesIO()
    with radcodec.open(data) as file:
        expected = file.preview()
    radcodec.preview(io.BytesIO(data), out, base_only=True)
    parts = split(out.getvalue())
    assert parts is not None
    assert parts.flags == 3
    with radcodec.open(out.getvalue()) as copy:
        np.testing.assert_array_equal(copy.preview(), expected)
    assert ref.decode_file(out.getvalue())
