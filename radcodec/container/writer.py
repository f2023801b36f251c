"""Write a ``.rcz`` file from its packed parts, and make base-only copies."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import BinaryIO

from radcodec.coding.leb import pack_leb
from radcodec.container.checksum import CrcWriter, crc_of
from radcodec.container.compact import (
    compact_prelude,
    may_be_compact,
    pack_compact_index,
    pack_compact_meta,
    pack_compact_params,
)
from radcodec.container.layout import (
    FLAG_APART,
    FLAG_BASE_ONLY,
    FLAG_SHORT,
    SECTIONS,
    Prelude,
    entry_bytes,
    file_bytes,
    pack_crc,
    pack_entry,
    pack_entry_apart,
    pack_prelude,
    short_crc,
)
from radcodec.container.meta import Meta, ParamBlocks, pack_meta, pack_params, pack_short_meta
from radcodec.container.packing import Dictionary, pack_section
from radcodec.container.reader import Reader
from radcodec.errors import InputError
from radcodec.limits import MAX_COMPACT_BYTES
from radcodec.types import Kind, Mode, Stream

# Behind more bytes of details than that a mask of an image with a base layer makes all masks lie apart.
_NEAR_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class TileStreams:
    """The packed streams of one tile; ``stages`` has one stream, possibly empty, for each base stage."""

    mask: Stream = b""
    detail: Stream = b""
    pixel_crc: int = 0
    stages: tuple[Stream, ...] = ()

    @property
    def is_base_alone(self) -> bool:
        """Whether the tile is made from base streams alone."""
        return not self.detail and any(self.stages)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileContents:
    """The parts of a file. ``tiles`` and ``params`` have one item an image; ``extra`` is a frame or empty."""

    kind: Kind
    mode: Mode
    meta: Meta
    params: Sequence[ParamBlocks]
    tiles: Sequence[Sequence[TileStreams]]
    extra: bytes = b""

    @property
    def is_short(self) -> bool:
        """Whether this is written as a short file (2.6)."""
        return self.kind is Kind.ARRAY and self.mode is Mode.LOSSY and self.meta.model is not None

    @property
    def has_masks_apart(self) -> bool:
        """Whether all masks are written together (5.2), because a preview would find some far from the base layer."""
        if self.is_short:
            return False
        details = 0
        for tiles in self.tiles:
            for tile in tiles:
                if details > _NEAR_BYTES and tile.mask and tile.stages:
                    return True
                details += len(tile.detail)
        return False

    def packed_meta(self, dictionary: Dictionary | None) -> bytes:
        """Return the stored form of META."""
        return pack_short_meta(self.meta) if self.is_short else pack_section(pack_meta(self.meta), dictionary)

    def packed_params(self) -> bytes:
        """Return the stored form of PARAMS."""
        raw = pack_params(self.params, short=self.is_short)
        return raw if self.is_short else pack_section(raw)


def index_entry(tile: TileStreams, *, short: bool = False, apart: bool = False) -> bytes:
    """Pack the INDEX entry of a tile (section 5), that of a short file (2.6), or of one with masks apart (5.2)."""
    sizes = len(tile.mask), len(tile.detail)
    stages = [(len(stream), crc_of(stream)) for stream in tile.stages]
    if apart:
        return pack_entry_apart(sizes, (crc_of(tile.mask), crc_of(tile.detail)), tile.pixel_crc, stages)
    return pack_entry(sizes, crc_of(tile.mask, tile.detail), tile.pixel_crc, stages, short=short)


def _pack_index(images: Sequence[Sequence[TileStreams]], *, short: bool = False, apart: bool = False) -> bytes:
    return b"".join(index_entry(tile, short=short, apart=apart) for tiles in images for tile in tiles)


def _tile_streams(images: Sequence[Sequence[TileStreams]], *, apart: bool = False) -> Iterator[Stream]:
    """Yield the streams of TILES in file order."""
    if apart:
        return (tile.detail for tiles in images for tile in tiles)
    return (stream for tiles in images for tile in tiles for stream in (tile.mask, tile.detail))


def _base_streams(images: Sequence[Sequence[TileStreams]], *, apart: bool = False) -> Iterator[Stream]:
    """Yield the streams of BASE in file order: masks that lie apart, then images, stages, tiles."""
    if apart:
        yield from (tile.mask for tiles in images for tile in tiles)
    for tiles in images:
        for stage in range(len(tiles[0].stages) if tiles else 0):
            yield from (tile.stages[stage] for tile in tiles)


def _write_sections(out: BinaryIO, prelude: Prelude, sections: Mapping[str, Iterable[Stream]]) -> int:
    """Write prelude, sections and trailer; return the number of bytes."""
    head = pack_prelude(prelude)
    sink = CrcWriter(out)
    (out if prelude.is_late else sink).write(head)
    for name in prelude.order:
        for stream in sections[name]:
            sink.write(stream)
    if prelude.trailer_bytes:
        out.write(pack_crc(sink.crc))
    return prelude.file_bytes


def _compact_sections(contents: FileContents) -> tuple[Prelude, dict[str, list[Stream]]] | None:
    """Make the prelude and the sections of a compact file (2.7); None for contents that have no such form."""
    record, tiles = contents.meta.images[0] if contents.meta.images else None, contents.tiles
    if contents.kind is not Kind.ARRAY or record is None or not may_be_compact(record, contents.mode, len(tiles[0])):
        return None
    tile, params = tiles[0][0], pack_compact_params(contents.params[0])
    if params is None:
        return None
    meta, index = pack_compact_meta(contents.meta), pack_compact_index(len(tile.mask), len(tile.detail))
    sizes = len(meta), len(params), len(index)
    prelude = compact_prelude(contents.mode, len(tile.mask), len(tile.detail), contents.params[0], sizes)
    if prelude.file_bytes > MAX_COMPACT_BYTES:
        return None
    sections: dict[str, list[Stream]] = {"META": [meta], "PARAMS": [params], "INDEX": [index]}
    return prelude, sections | {"TILES": [tile.mask, tile.detail], "BASE": [], "EXTRA": []}


def size_bytes(contents: FileContents, *, dictionary: Dictionary | None = None) -> int:
    """Compute the number of bytes of a file from the sizes of its streams; only META and PARAMS are packed for it.

    Parameters
    ----------
    dictionary
        As `write_file` takes it.
    """
    if (found := _compact_sections(contents)) is not None:
        return found[0].file_bytes
    tiles = [tile for image in contents.tiles for tile in image]
    short, apart = contents.is_short, contents.has_masks_apart
    index = sum(
        entry_bytes((len(tile.mask), len(tile.detail)), list(map(len, tile.stages)), short=short, apart=apart)
        for tile in tiles
    )
    masks = sum(len(tile.mask) for tile in tiles)
    return file_bytes(
        (
            len(contents.packed_meta(dictionary)),
            len(contents.packed_params()),
            index,
            sum(len(stream) for tile in tiles for stream in tile.stages) + (masks if apart else 0),
            sum(len(tile.detail) for tile in tiles) + (0 if apart else masks),
            len(contents.extra),
        ),
        short=short,
    )


def write_file(out: BinaryIO, contents: FileContents, *, dictionary: Dictionary | None = None) -> int:
    """Write a file to ``out`` from front to back; return its number of bytes.

    Parameters
    ----------
    dictionary
        Zstandard dictionary for META, used if it makes META smaller.
    """
    if (found := _compact_sections(contents)) is not None:
        return _write_sections(out, *found)
    meta = contents.packed_meta(dictionary)
    params = contents.packed_params()
    apart = contents.has_masks_apart
    index = _pack_index(contents.tiles, short=contents.is_short, apart=apart)
    prelude = Prelude(
        kind=contents.kind,
        mode=contents.mode,
        flags=FLAG_SHORT if contents.is_short else FLAG_APART if apart else 0,
        section_bytes=(
            len(meta),
            len(params),
            len(index),
            sum(map(len, _base_streams(contents.tiles, apart=apart))),
            sum(map(len, _tile_streams(contents.tiles, apart=apart))),
            len(contents.extra),
        ),
        meta_crc=crc_of(meta),
        params_crc=crc_of(params),
        index_crc=crc_of(index),
        extra_crc=crc_of(contents.extra),
    )
    if prelude.is_short:
        prelude = replace(prelude, meta_crc=short_crc(prelude, meta, params, index))
    sections = {"META": [meta], "PARAMS": [params], "INDEX": [index], "EXTRA": [contents.extra]}
    base, tiles = _base_streams(contents.tiles, apart=apart), _tile_streams(contents.tiles, apart=apart)
    return _write_sections(out, prelude, sections | {"BASE": base, "TILES": tiles})


def _checked_mask(reader: Reader, image: int, tile: int) -> bytes:
    """Read a mask and compare its checksum, which it shares with the details of its tile unless masks lie apart."""
    if not reader.mask_bytes(image, tile):
        return b""
    return reader.read_mask(image, tile) if reader.prelude.has_masks_apart else reader.read_tile(image, tile)[0]


def cut_base_copy(reader: Reader, n_stages: int) -> bytes:
    """Make a base-only copy (5.1) of a file with at most ``n_stages`` base stages, without decoding a pixel.

    The data of units that are not images are copied. The copy of a late file is late (2.4).

    Raises
    ------
    InputError
        If the file has no base layer, or ``n_stages`` is not positive.
    FormatError
        If the file is damaged.
    """
    records = reader.meta.images
    if n_stages < 1 or not records or not all(record.n_stages for record in records):
        raise InputError(
            f"expected images that all have a base layer and 1 stage or more to keep, found {n_stages} stages"
        )
    images: list[list[TileStreams]] = []
    for number, record in enumerate(records):
        tiles: list[TileStreams] = []
        for tile in range(reader.n_tiles(number)):
            mask = _checked_mask(reader, number, tile)
            kept = [reader.read_stage(number, stage, tile) for stage in range(min(n_stages, record.n_stages))]
            kept += [b""] * (record.n_stages - len(kept))
            tiles.append(TileStreams(mask=mask, pixel_crc=0, stages=tuple(kept)))
        images.append(tiles)
    meta, params, extra = (reader.read_section(name) for name in ("META", "PARAMS", "EXTRA"))
    sections: dict[str, list[Stream]] = {"META": [meta], "PARAMS": [params], "EXTRA": [extra]}
    if reader.prelude.is_late:
        sections["INDEX"] = [b"".join(pack_leb(0) + index_entry(tile) for tiles in images for tile in tiles)]
        sections["TILES"] = [stream for tiles in images for tile in tiles for stream in (tile.mask, *tile.stages)]
        sections["BASE"] = []
    else:
        sections["INDEX"] = [_pack_index(images, short=reader.prelude.is_short)]
        sections["TILES"], sections["BASE"] = list(_tile_streams(images)), list(_base_streams(images))
    sizes = {name: sum(map(len, streams)) for name, streams in sections.items()}
    meta_bytes, params_bytes, index_bytes, base_bytes, tiles_bytes, extra_bytes = (sizes[name] for name in SECTIONS)
    prelude = replace(
        reader.prelude,
        mode=Mode.LOSSY,
        flags=reader.prelude.flags & ~FLAG_APART | FLAG_BASE_ONLY,
        section_bytes=(meta_bytes, params_bytes, index_bytes, base_bytes, tiles_bytes, extra_bytes),
        index_crc=crc_of(*sections["INDEX"]),
    )
    if prelude.is_short:
        prelude = replace(prelude, meta_crc=short_crc(prelude, meta, params, *sections["INDEX"]))
    out = io.BytesIO()
    _write_sections(out, prelude, sections)
    return out.getvalue()
