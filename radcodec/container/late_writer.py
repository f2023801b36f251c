"""Write a late file (``docs/format.md`` 2.4 and 2.5): tiles first, as they come, and what is known last at the end.

Until `LateWriter.close` the file is open: each record of planes says what `radcodec.container.open_file` needs to
restore them.
"""

from __future__ import annotations

import os
import zlib
from array import array
from collections.abc import Sequence
from io import UnsupportedOperation
from typing import BinaryIO

from radcodec.coding.leb import pack_leb
from radcodec.container.checksum import crc_of
from radcodec.container.layout import (
    FLAG_LATE,
    MAX_PRELUDE_BYTES,
    TRAILER_BYTES,
    Prelude,
    pack_crc,
    pack_f8,
    pack_open_prelude,
    pack_prelude,
)
from radcodec.container.meta import Meta, ParamBlocks, pack_meta, pack_params
from radcodec.container.packing import Dictionary, pack_section
from radcodec.container.predictor_sets import pack_sets
from radcodec.container.records import PlaneRecord, RecordKind, pack_record
from radcodec.container.writer import TileStreams, index_entry
from radcodec.types import Kind, Mode


def pack_opening(meta: Meta, *, provenance: bool, dictionary: Dictionary | None = None) -> bytes:
    """Pack the first record of an open file (2.5)."""
    return pack_record(RecordKind.OPENING, bytes([provenance]) + pack_section(pack_meta(meta), dictionary))


def pack_planes(record: PlaneRecord, tiles: Sequence[TileStreams]) -> bytes:
    """Pack a record of planes (2.5), without the streams that follow it."""
    parts = [pack_leb(record.n_frames), pack_f8(record.noise), pack_leb(record.set_number)]
    for block in (record.new_set, record.bounds, record.base):
        parts += [pack_leb(len(block)), block]
    return pack_record(RecordKind.PLANES, b"".join([*parts, *map(index_entry, tiles)]))


class LateWriter:
    """Add the planes of one image to a file as they come. Only `close` makes it a file that readers take.

    Parameters
    ----------
    out
        An empty binary file that can seek. What is added is with the operating system when `append` returns, if the
        file has no buffer.
    opening
        As `pack_opening` gives it.
    mode
        Of the file as it will be, as far as that is known.
    """

    def __init__(self, out: BinaryIO, opening: bytes, mode: Mode) -> None:
        self._out = out
        self._crc = 0
        self._end = MAX_PRELUDE_BYTES
        self._index = bytearray()
        self._set_numbers = array("L")
        self._sets: list[bytes] = []
        self._write_all(pack_open_prelude(Kind.FITS, mode))
        self._add(opening)
        self._gap = len(opening)

    @property
    def n_tiles(self) -> int:
        """Tiles so far."""
        return len(self._set_numbers)

    @property
    def n_sets(self) -> int:
        """Sets of predictors so far."""
        return len(self._sets)

    def _write_all(self, data: bytes) -> None:
        """Write all of some bytes: a file without a buffer may take fewer at once."""
        view = memoryview(data)
        while len(view):
            view = view[self._out.write(view) :]

    def _add(self, data: bytes) -> None:
        """Write bytes at the end and count them. If that fails, the file ends where it ended before."""
        try:
            self._write_all(data)
        except BaseException:
            self._out.seek(self._end)
            self._out.truncate()
            raise
        self._crc = zlib.crc32(data, self._crc)
        self._end += len(data)

    def append(self, record: PlaneRecord, tiles: Sequence[TileStreams]) -> int:
        """Add some planes with all of their tiles, in order; return the number of bytes.

        Raises
        ------
        OSError
            If the disk is full, for one. The planes before stay.
        """
        head = pack_planes(record, tiles)
        streams = [stream for tile in tiles for stream in (tile.mask, tile.detail, *tile.stages)]
        added = b"".join([head, *streams])
        self._add(added)
        if record.new_set:
            self._sets.append(record.new_set)
        self._gap += len(head)
        for tile in tiles:
            self._index += pack_leb(self._gap) + index_entry(tile)
            self._set_numbers.append(record.set_number)
            self._gap = 0
        return len(added)

    def sync(self) -> None:
        """Have the system put on the disk what was added, where the file is one of the system."""
        try:
            handle = self._out.fileno()
        except (AttributeError, UnsupportedOperation):
            return
        os.fsync(handle)

    def close(
        self, meta: Meta, mode: Mode, *, bounds: bytes = b"", base: bytes = b"", dictionary: Dictionary | None = None
    ) -> int:
        """Write what is known last, and then the prelude; return the number of bytes of the file.

        Parameters
        ----------
        meta
            With all planes that were added.
        mode
            What the file holds.
        bounds, base
            Blocks 2 and 1 of PARAMS (6.2).
        dictionary
            Zstandard dictionary for META, used if it makes META smaller.
        """
        blocks = ParamBlocks(base=base, bounds=bounds, predictors=pack_sets(self._sets, self._set_numbers))
        packed_meta, params = pack_section(pack_meta(meta), dictionary), pack_section(pack_params([blocks]))
        index = bytes(self._index)
        prelude = Prelude(
            kind=Kind.FITS,
            mode=mode,
            flags=FLAG_LATE,
            section_bytes=(len(packed_meta), len(params), len(index), 0, self._end - MAX_PRELUDE_BYTES, 0),
            meta_crc=crc_of(packed_meta),
            params_crc=crc_of(params),
            index_crc=crc_of(index),
            extra_crc=0,
        )
        self._add(packed_meta + params + index)
        self._write_all(pack_crc(self._crc))
        self.sync()  # before the file says that it is whole
        self._out.seek(0)
        self._write_all(pack_prelude(prelude))
        self.sync()
        return self._end + TRAILER_BYTES
