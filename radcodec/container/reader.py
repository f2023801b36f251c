"""Read a ``.rcz`` file piece by piece: first PRELUDE to INDEX, then single tiles and stages on request."""

from __future__ import annotations

import operator
import zlib
from array import array
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import BinaryIO

from radcodec.coding.zstd import unpack_frame
from radcodec.container.checksum import crc_of
from radcodec.container.compact import (
    read_start,
    starts_compact,
    unpack_compact_index,
    unpack_compact_meta,
    unpack_compact_params,
)
from radcodec.container.image_index import (
    CRC,
    DETAIL,
    MASK,
    PIXEL_CRC,
    STAGES,
    ImageIndex,
    masks_apart,
    stages_apart,
    stages_inside,
    starts_of,
)
from radcodec.container.layout import (
    FLAG_BASE_ONLY,
    MAX_PRELUDE_BYTES,
    SECTIONS,
    Cursor,
    Prelude,
    entry_words,
    least_entry_bytes,
    short_crc,
    unpack_crc,
    unpack_entry,
)
from radcodec.container.meta import (
    Meta,
    ParamBlocks,
    unpack_meta,
    unpack_params,
    unpack_short_meta,
    unpack_short_params,
)
from radcodec.container.mode import check_mode
from radcodec.container.packing import Dictionary, unpack_section
from radcodec.container.ranges import ByteRange, ByteRanges, LocalRanges
from radcodec.container.tile_sides import Sides
from radcodec.errors import CorruptError, TruncatedError
from radcodec.limits import MAX_COMPACT_BYTES, MAX_HDUS, MAX_STREAM_BYTES
from radcodec.types import HduKind, Kind

_CHUNK_BYTES = 1 << 20
# Of a file elsewhere: masks that follow a long INDEX are read along with it up to so many bytes.
_MASKS_AHEAD_BYTES = 512 << 10

# Number of tiles of an image, by its shape and the sides of its tiles.
TileCounter = Callable[[tuple[int, ...], Sides], int]


class Reader:
    """One open ``.rcz`` file. The constructor reads only PRELUDE to INDEX; several threads may share it.

    Parameters
    ----------
    source
        The bytes of a file, a seekable binary file, which stays open, or ranges of a file that is elsewhere.
    count_tiles
        Number of tiles of an image, by its shape and tile size.
    dictionaries
        The installed zstandard dictionaries for headers.

    Raises
    ------
    FormatError
        If PRELUDE to INDEX are malformed.
    ModelNotFoundError
        If the headers need a dictionary that is not installed.
    """

    def __init__(
        self,
        source: bytes | bytearray | memoryview | BinaryIO | ByteRanges,
        *,
        count_tiles: TileCounter,
        dictionaries: Sequence[Dictionary] = (),
    ) -> None:
        self._source = source if isinstance(source, ByteRanges) else LocalRanges(source)
        self.prelude: Prelude = self._read_prelude()
        self.size_bytes = self.prelude.file_bytes
        self._fetch_index()
        if self.prelude.is_short:
            self._check_head()
        self.meta: Meta = self._read_meta(dictionaries)
        self._params = self._checked_section("PARAMS", self.prelude.params_crc)
        self.images: tuple[ImageIndex, ...] = self._read_index(count_tiles)
        check_mode(self.prelude, self.meta, self.images)
        self._check_extra()

    def _read_meta(self, dictionaries: Sequence[Dictionary]) -> Meta:
        """Read META in the form that the file has."""
        stored = self._checked_section("META", self.prelude.meta_crc)
        if self.prelude.is_compact:
            return unpack_compact_meta(stored, self.prelude.mode)
        if self.prelude.is_short:
            return unpack_short_meta(stored)
        raw = unpack_section(stored, "META", dictionaries=dictionaries, may_share=True)
        # An array without samples has no tile; any other image has one or more.
        least = least_entry_bytes(0, late=self.prelude.is_late)
        most = self.section_bytes("INDEX") // least if self.prelude.kind is Kind.FITS else MAX_HDUS
        return unpack_meta(raw, self.prelude.kind, most_images=min(most, MAX_HDUS))

    def _read_prelude(self) -> Prelude:
        """Read the start of the file and compare the length that it declares with the length that there is."""
        size = self._source.size_bytes
        start = MAX_PRELUDE_BYTES if size is None else min(size, MAX_PRELUDE_BYTES)
        data = self._source.read(0, start, "the prelude")
        if starts_compact(data):
            data = self._source.read(0, MAX_COMPACT_BYTES if size is None else min(size, MAX_COMPACT_BYTES), "the file")
        prelude = read_start(data)
        self._source.expect(prelude.file_bytes)
        if size is None:
            return prelude
        if size < prelude.file_bytes:
            raise TruncatedError(
                f"expected a file of {prelude.file_bytes} bytes, found {size}: it is cut off, fetch it again"
            )
        if size > prelude.file_bytes:
            raise CorruptError(f"expected a file of {prelude.file_bytes} bytes, found {size}: bytes follow its end")
        return prelude

    def _fetch_index(self) -> None:
        """Get ready the sections that are read when a file is opened, wherever they are in it."""
        if self.prelude.is_late:
            self._source.fetch(self._section_range(name) for name in ("META", "PARAMS", "INDEX"))
        else:
            ahead = min(_MASKS_AHEAD_BYTES, self.section_bytes("BASE")) if self.prelude.has_masks_apart else 0
            self._source.fetch_start(self._end_of("INDEX"), ahead)

    def _section_range(self, name: str) -> ByteRange:
        start = self.prelude.section_start(name)
        return start, start + self.section_bytes(name)

    def fetch(self, ranges: Iterable[ByteRange], *, few: bool = False) -> None:
        """Get ready ranges of the file that will be read next; see `ByteRanges.fetch`."""
        self._source.fetch(ranges, few=few)

    @property
    def is_near(self) -> bool:
        """Whether ranges are read without a request, so that none need to be collected before."""
        return isinstance(self._source, LocalRanges)

    def tile_range(self, image: int, tile: int) -> ByteRange:
        """Give the range of the mask and the detail stream of a tile; of the detail stream where masks lie apart."""
        return self.images[image].tile_range(tile)

    def tile_ranges(self, image: int, tile: int) -> list[ByteRange]:
        """Give the ranges that `read_tile` reads."""
        apart = [self.mask_range(image, tile)] if self.prelude.has_masks_apart else []
        return [*apart, self.tile_range(image, tile)]

    def mask_bytes(self, image: int, tile: int) -> int:
        """Return the size of the mask of a tile."""
        return self.images[image].word(tile, MASK)

    def mask_range(self, image: int, tile: int) -> ByteRange:
        """Give the range of the mask of a tile."""
        return self.images[image].mask_range(tile)

    def stage_ranges(self, image: int, tile: int) -> list[ByteRange]:
        """Give the ranges of the base streams of a tile, stage by stage."""
        index = self.images[image]
        return [index.stage_range(stage, tile) for stage in range(len(index.stage_starts))]

    def extra_range(self) -> ByteRange:
        """Give the range of EXTRA."""
        return self._section_range("EXTRA")

    @property
    def is_base_only(self) -> bool:
        """Whether this is a base-only copy of another file (5.1)."""
        return bool(self.prelude.flags & FLAG_BASE_ONLY)

    def section_bytes(self, name: str) -> int:
        """Return the stored size of a section."""
        return self.prelude.section_bytes[SECTIONS.index(name)]

    def read_section(self, name: str) -> bytes:
        """Read a section in its stored form, without checking its checksum."""
        return self._source.read(self.prelude.section_start(name), self.section_bytes(name), name)

    def _checked_section(self, name: str, crc: int) -> bytes:
        stored = self.read_section(name)
        # Short and compact files have one checksum for several sections.
        if not (self.prelude.is_short or self.prelude.is_compact) and crc_of(stored) != crc:
            raise CorruptError(f"the checksum of {name} is wrong: the file is damaged, fetch it again")
        return stored

    def _check_head(self) -> None:
        """Raise CorruptError if the checksum of all that a short file has before its streams does not hold (2.6)."""
        sections = map(self.read_section, ("META", "PARAMS", "INDEX"))
        if short_crc(self.prelude, *sections) != self.prelude.meta_crc:
            raise CorruptError("the checksum of PRELUDE to INDEX is wrong: the file is damaged, fetch it again")

    def _read_index(self, count_tiles: TileCounter) -> tuple[ImageIndex, ...]:
        """Read the offsets of all streams and check that they fill INDEX, BASE and TILES exactly."""
        counts = [count_tiles(image.shape, image.sides) for image in self.meta.images]
        if self.prelude.is_compact:
            return (self._read_compact_index(counts[0]),)
        late = self.prelude.is_late
        least = sum(
            n * least_entry_bytes(image.n_stages, late=late) for n, image in zip(counts, self.meta.images, strict=True)
        )
        if least > self.section_bytes("INDEX"):
            raise CorruptError(
                f"expected at least {least} bytes of INDEX for the tiles, found {self.section_bytes('INDEX')}"
            )
        cursor = Cursor(self._checked_section("INDEX", self.prelude.index_crc), "INDEX")
        tile_start, base_start = self.prelude.section_start("TILES"), self.prelude.section_start("BASE")
        entries = [
            self._read_entries(cursor, n_tiles, image.n_stages)
            for n_tiles, image in zip(counts, self.meta.images, strict=True)
        ]
        mask_start, apart = base_start, self.prelude.has_masks_apart
        if apart:
            strides = (entry_words(image.n_stages) for image in self.meta.images)
            base_start += sum(sum(words[MASK::n]) for (words, _), n in zip(entries, strides, strict=True))
        images: list[ImageIndex] = []
        for (words, extra), image in zip(entries, self.meta.images, strict=True):
            if late:
                index, tile_start = stages_inside(words, extra, image.n_stages, tile_start)
            else:
                n_words = entry_words(image.n_stages)
                details = iter(words[DETAIL::n_words])
                sizes = details if apart else map(operator.add, words[MASK::n_words], details)
                index = stages_apart(words, starts_of(sizes, tile_start), image.n_stages, base_start)
                if apart:
                    index = masks_apart(index, extra, mask_start)
                    mask_start = index.mask_starts[-1]
                tile_start = index.tile_starts[-1]
                base_start = index.stage_starts[-1][-1] if index.stage_starts else base_start
            images.append(index)
        cursor.end()
        ends = self._end_of("TILES"), self._end_of("BASE")
        if (tile_start, base_start) != ends:
            raise CorruptError("expected the streams in INDEX to fill BASE and TILES exactly, found other sizes")
        return tuple(images)

    def _read_compact_index(self, n_tiles: int) -> ImageIndex:
        """Read the entry of the only tile of a compact file (2.7), with the CRC that its streams have now."""
        if n_tiles != 1:
            raise CorruptError(f"expected one tile in a compact file, found {n_tiles}")
        mask, detail = unpack_compact_index(self.read_section("INDEX"), self.prelude.flags)
        words = array("L", (mask, detail, crc_of(self.read_section("TILES")), 0))
        starts = starts_of(iter((mask + detail,)), self.prelude.section_start("TILES"))
        return stages_apart(words, starts, 0, starts[-1])

    def _read_entries(self, cursor: Cursor, n_tiles: int, n_stages: int) -> tuple[array[int], array[int]]:
        """Read the entries of an image: their numbers, and one more for each.

        That is the bytes passed over before the tile in a late file, the CRC of the mask where masks lie apart.
        """
        words, extra = array("L"), array("L")  # of at least 32 bits
        apart = self.prelude.has_masks_apart
        for _ in range(n_tiles):
            if self.prelude.is_late:
                extra.append(cursor.leb_up_to(MAX_STREAM_BYTES, "bytes between streams"))
            entry = unpack_entry(cursor, n_stages, short=self.prelude.is_short, apart=apart)
            if apart:
                extra.append(cursor.crc() if entry[MASK] else 0)
            # Checked before memory is reserved for the pixels.
            if not self.is_base_only and not any((entry[MASK], entry[DETAIL], *entry[STAGES::2])):
                raise CorruptError("expected a stream for every tile in INDEX, found a tile without one")
            words.extend(entry)
        return words, extra

    def _end_of(self, name: str) -> int:
        """Give the end of a section in the file."""
        return self._section_range(name)[1]

    def _check_extra(self) -> None:
        """Raise CorruptError if EXTRA is there without data of units that are no images, or is missing."""
        size = self._extra_bytes
        if bool(size) != bool(self.section_bytes("EXTRA")):
            raise CorruptError(f"expected EXTRA to hold {size} bytes, it takes {self.section_bytes('EXTRA')}")

    @property
    def _extra_bytes(self) -> int:
        """Bytes that EXTRA holds, as the HDU records say."""
        return sum(hdu.data_bytes for hdu in self.meta.hdus if hdu.kind is not HduKind.IMAGE)

    @cached_property
    def params(self) -> tuple[ParamBlocks, ...]:
        """The PARAMS blocks of each image; raises CorruptError where PARAMS is unsound."""
        if self.prelude.is_compact:
            return unpack_compact_params(self._params, self.prelude.flags)
        if self.prelude.is_short:
            return unpack_short_params(self._params)
        raw = unpack_section(self._params, "PARAMS") if self._params else b""
        return unpack_params(raw, len(self.meta.images))

    def n_tiles(self, image: int) -> int:
        """Return the number of tiles of an image."""
        return self.images[image].n_tiles

    def detail_bytes(self, image: int, tiles: range | None = None) -> int:
        """Return the total size of an image's detail streams, or of those of a run of its tiles."""
        index = self.images[image]
        words = index.words if tiles is None else index.words[tiles.start * index.n_words : tiles.stop * index.n_words]
        return sum(words[DETAIL :: index.n_words])

    def base_bytes(self, image: int) -> int:
        """Return the total size of an image's base streams."""
        index = self.images[image]
        n_stages = len(index.stage_starts)
        return sum(sum(index.words[STAGES + 2 * stage :: index.n_words]) for stage in range(n_stages))

    def pixel_crc(self, image: int, tile: int) -> int:
        """Return the CRC of a tile's restored pixels, which starts with `layout.pixel_crc_prefix`."""
        return self.images[image].word(tile, PIXEL_CRC)

    def read_tile(self, image: int, tile: int) -> tuple[bytes, bytes]:
        """Read mask and detail stream of a tile; raises CorruptError if their checksum is wrong."""
        index = self.images[image]
        start, stop = index.tile_range(tile)
        what = f"tile {tile} of image {image}"
        mask = self.read_mask(image, tile) if self.prelude.has_masks_apart else b""
        stored = self._source.read(start, stop - start, what)
        if crc_of(stored) != index.word(tile, CRC):
            raise CorruptError(f"the checksum of {what} does not hold: the file is damaged, fetch it again")
        mask_bytes = 0 if self.prelude.has_masks_apart else index.word(tile, MASK)
        return mask or stored[:mask_bytes], stored[mask_bytes:]

    def read_mask(self, image: int, tile: int) -> bytes:
        """Read a tile's mask without its detail stream.

        Raises
        ------
        CorruptError
            If its checksum is wrong. Only masks that lie apart (5.2) have one of their own.
        """
        index = self.images[image]
        start, stop = index.mask_range(tile)
        what = f"the mask of tile {tile} of image {image}"
        stored = self._source.read(start, stop - start, what)
        if index.mask_crcs and crc_of(stored) != index.mask_crcs[tile]:
            raise CorruptError(f"the checksum of {what} does not hold: the file is damaged, fetch it again")
        return stored

    def stage_size(self, image: int, stage: int, tile: int) -> int:
        """Return the size of one base stream of a tile."""
        return self.images[image].word(tile, STAGES + 2 * stage)

    def read_stage(self, image: int, stage: int, tile: int) -> bytes:
        """Read one base stream of a tile; raises CorruptError if its checksum is wrong."""
        index = self.images[image]
        start, stop = index.stage_range(stage, tile)
        what = f"base stage {stage} of tile {tile} of image {image}"
        stored = self._source.read(start, stop - start, what)
        mask = 0xFFFF if self.prelude.is_short else 0xFFFFFFFF
        if crc_of(stored) & mask != index.word(tile, STAGES + 2 * stage + 1):
            raise CorruptError(f"the checksum of {what} does not hold: the file is damaged, fetch it again")
        return stored

    def read_extra(self) -> bytes:
        """Read the concatenated data of all units that are not images.

        Raises
        ------
        CorruptError
            If the checksum of EXTRA is wrong, or it is not a frame of the declared size.
        """
        stored = self._checked_section("EXTRA", self.prelude.extra_crc)
        return unpack_frame(stored, self._extra_bytes, what="EXTRA") if stored else b""

    def check_base(self, image: int) -> None:
        """Raise CorruptError if the checksum of a base stream of an image does not hold."""
        for stage in range(self.meta.images[image].n_stages):
            for tile in range(self.n_tiles(image)):
                self.read_stage(image, stage, tile)

    def check_whole_file(self) -> None:
        """Raise CorruptError if the checksum of the whole file (2.2) does not hold."""
        trailer_bytes = self.prelude.trailer_bytes
        if not trailer_bytes:  # every byte of a short file has a checksum of its own
            return
        end = self.size_bytes - trailer_bytes
        crc = 0
        for start in range(self.prelude.prelude_bytes if self.prelude.is_late else 0, end, _CHUNK_BYTES):
            crc = zlib.crc32(self._source.read(start, min(_CHUNK_BYTES, end - start), "the file"), crc)
        if crc != unpack_crc(self._source.read(end, trailer_bytes, "the trailer")):
            raise CorruptError("the checksum of the whole file is wrong: it is damaged, fetch it again")
