"""Streams of tiles on their way into a file, kept in a temporary file instead of in memory."""

from __future__ import annotations

import threading
from array import array
from collections.abc import Sequence
from typing import BinaryIO, overload

from radcodec.container.ranges import checked_length
from radcodec.container.writer import TileStreams


class TileSpool(Sequence[TileStreams]):
    """The streams of the tiles of an image in a file; memory holds their sizes alone.

    It is what `FileContents.tiles` takes: `write_file` reads a tile back when it comes to it. Several threads may read.

    Parameters
    ----------
    file
        A binary file to write to and read from, such as one of `tempfile`; it stays open. Several spools may share
        one, but then only one thread at a time may use them.
    n_stages
        Base stages of every tile.
    """

    def __init__(self, file: BinaryIO, *, n_stages: int = 0) -> None:
        self._file = file
        self._n_sizes = 2 + n_stages
        self._starts = array("Q")
        self._crcs = array("Q")
        self._sizes = array("Q")
        self._lock = threading.Lock()

    def append(self, tile: TileStreams) -> None:
        """Add the next tile; raises OSError where the disk is full."""
        streams = (tile.mask, tile.detail, *tile.stages)
        if len(streams) != self._n_sizes:
            raise ValueError(f"expected {self._n_sizes - 2} base streams of a tile, found {len(streams) - 2}")
        with self._lock:
            self._starts.append(self._file.seek(0, 2))
            self._file.write(b"".join(streams))
            self._crcs.append(tile.pixel_crc)
            self._sizes.extend(map(len, streams))

    @property
    def size_bytes(self) -> int:
        """Bytes of all streams."""
        return sum(self._sizes)

    def sizes(self, tile: int) -> Sequence[int]:
        """Give the bytes of the mask, the detail stream and each base stream of a tile; nothing is read."""
        return self._sizes[tile * self._n_sizes : (tile + 1) * self._n_sizes]

    def __len__(self) -> int:
        return len(self._starts)

    @overload
    def __getitem__(self, tile: int) -> TileStreams: ...

    @overload
    def __getitem__(self, tile: slice) -> list[TileStreams]: ...

    def __getitem__(self, tile: int | slice) -> TileStreams | list[TileStreams]:
        """Read the streams of a tile."""
        if isinstance(tile, slice):
            return [self[number] for number in range(*tile.indices(len(self)))]
        number = range(len(self))[tile]
        sizes = self.sizes(number)
        with self._lock:
            self._file.seek(self._starts[number])
            data = checked_length(self._file.read(sum(sizes)), self._starts[number], sum(sizes), "a temporary file")
        streams: list[bytes] = []
        position = 0
        for size in sizes:
            streams.append(data[position : position + size])
            position += size
        return TileStreams(mask=streams[0], detail=streams[1], pixel_crc=self._crcs[number], stages=tuple(streams[2:]))
