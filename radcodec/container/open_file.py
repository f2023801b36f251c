"""Read open files (``docs/format.md`` 2.5): late files that nobody closed, up to the last record that is whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from radcodec.container.checksum import crc_of
from radcodec.container.layout import (
    FLAG_OPEN,
    MAGIC,
    MAX_PRELUDE_BYTES,
    Cursor,
    entry_words,
    pack_open_prelude,
    unpack_entry,
    unpack_prelude,
)
from radcodec.container.meta import Meta, unpack_meta
from radcodec.container.packing import Dictionary, unpack_section
from radcodec.container.ranges import ByteRanges
from radcodec.container.reader import TileCounter
from radcodec.container.records import RECORD_START_BYTES, PlaneRecord, RecordKind, record_bytes, unpack_record
from radcodec.container.writer import TileStreams
from radcodec.errors import CorruptError, FormatError, TruncatedError
from radcodec.limits import MAX_PREDICTOR_SETS
from radcodec.types import Kind, Mode


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """The first record of an open file. ``meta`` is that of an image of two tiles along its slowest axis.

    ``packed`` is the record as stored, and ``end`` is where it ends.
    """

    mode: Mode
    meta: Meta
    provenance: bool
    packed: bytes = field(repr=False)
    end: int

    @property
    def frames_a_tile(self) -> int:
        """Frames that tiles hold."""
        return self.meta.images[0].sides[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPlanes:
    """A record of planes with the streams of their tiles; ``end`` is where these end."""

    record: PlaneRecord
    tiles: tuple[TileStreams, ...] = field(repr=False)
    end: int


def is_open(start: bytes) -> bool:
    """Say whether a file that starts with these bytes, ``MAX_PRELUDE_BYTES`` of them, is open."""
    place = len(MAGIC) + 4
    return len(start) > place and start.startswith(MAGIC) and bool(start[place] & FLAG_OPEN)


def read_opening(source: ByteRanges, *, dictionaries: Sequence[Dictionary]) -> Opening:
    """Read the start of an open file.

    Raises
    ------
    FormatError
        If it is no open file, or its start is damaged or missing.
    """
    size = source.size_bytes or 0
    start = source.read(0, min(size, MAX_PRELUDE_BYTES), "the prelude")
    if not is_open(start):
        unpack_prelude(start)
        raise CorruptError("expected an open file, which radcodec.create writes, found a finished one")
    if len(start) < MAX_PRELUDE_BYTES:
        raise TruncatedError(f"expected {MAX_PRELUDE_BYTES} bytes of prelude, the file ends after {len(start)}")
    mode = next((mode for mode in Mode if pack_open_prelude(Kind.FITS, mode) == start), None)
    if mode is None:
        raise CorruptError("the prelude of the open file is damaged: none of its planes can be restored")
    packed = _read_record(source, MAX_PRELUDE_BYTES, size)
    found = None if packed is None else unpack_record(packed)
    if packed is None or found is None or found[0] is not RecordKind.OPENING or found[1][:1] not in (b"\0", b"\1"):
        raise TruncatedError("expected the opening record after the prelude, found none that is whole: no plane is")
    raw = unpack_section(found[1][1:], "META", dictionaries=dictionaries, may_share=True)
    meta = unpack_meta(raw, Kind.FITS, most_images=1)
    if len(meta.images) != 1 or len(meta.hdus) != 1 or meta.images[0].shape[0] != 2 * meta.images[0].sides[0]:
        raise CorruptError(
            "expected one image of two tiles along its slowest axis in the opening record, found another"
        )
    return Opening(
        mode=mode, meta=meta, provenance=found[1][0] == 1, packed=packed, end=MAX_PRELUDE_BYTES + len(packed)
    )


def _read_record(source: ByteRanges, start: int, size: int) -> bytes | None:
    """Read a record as stored; None where none is whole."""
    length = record_bytes(source.read(start, min(RECORD_START_BYTES, size - start), "a record"))
    if length is None or length > size - start:
        return None
    return source.read(start, length, "a record")


def iter_planes(source: ByteRanges, opening: Opening, count_tiles: TileCounter) -> Iterator[StoredPlanes]:
    """Yield the records of planes with all of their streams, up to the first that is not whole or unsound."""
    start, size, n_sets = opening.end, source.size_bytes or 0, 0
    is_last = False
    while not is_last:
        packed = _read_record(source, start, size)
        found = None if packed is None else unpack_record(packed)
        if packed is None or found is None or found[0] is not RecordKind.PLANES:
            return
        try:
            planes = _read_planes(source, found[1], start + len(packed), opening, count_tiles, n_sets)
        except FormatError:
            return
        yield planes
        n_sets += bool(planes.record.new_set)
        is_last = planes.record.n_frames < opening.frames_a_tile
        start = planes.end


def _read_planes(
    source: ByteRanges, head: bytes, start: int, opening: Opening, count_tiles: TileCounter, n_sets: int
) -> StoredPlanes:
    """Read the head of a record of planes and the streams behind it; raises FormatError where they are not whole."""
    image, cursor = opening.meta.images[0], Cursor(head, "a record of planes")
    n_frames, noise = cursor.leb_up_to(opening.frames_a_tile, "number of frames"), cursor.finite("noise")
    set_number = cursor.leb_up_to(MAX_PREDICTOR_SETS, "number of a set")
    new_set, bounds, base = (cursor.take(cursor.leb()) for _ in range(3))
    if not n_frames or noise < 0 or set_number > n_sets + bool(new_set) or (new_set and set_number != n_sets + 1):
        raise CorruptError("expected a sound record of planes, found another")
    tiles: list[TileStreams] = []
    n_words, size = entry_words(image.n_stages), source.size_bytes or 0
    for _ in range(count_tiles((n_frames, *image.shape[1:]), image.sides)):
        entry = unpack_entry(cursor, image.n_stages)
        sizes = (entry[0], entry[1], *entry[4:n_words:2])
        if sum(sizes) > size - start:
            raise TruncatedError("expected the streams of all tiles, found fewer bytes")
        streams: list[bytes] = []
        for length in sizes:
            streams.append(source.read(start, length, "a stream"))
            start += length
        crcs = (
            crc_of(*streams[:2]) if any(sizes[:2]) else 0,
            *(crc_of(stream) if stream else 0 for stream in streams[2:]),
        )
        if crcs != (entry[2], *entry[5:n_words:2]) or not any(sizes):
            raise CorruptError("expected streams of these checksums, found others")
        tiles.append(TileStreams(mask=streams[0], detail=streams[1], pixel_crc=entry[3], stages=tuple(streams[2:])))
    cursor.end()
    record = PlaneRecord(
        n_frames=n_frames, noise=noise, set_number=set_number, new_set=new_set, bounds=bounds, base=base
    )
    return StoredPlanes(record=record, tiles=tuple(tiles), end=start)
