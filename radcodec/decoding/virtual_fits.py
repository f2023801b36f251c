"""The FITS file that a ``.rcz`` file restores, as a file object: nothing is decoded before it is read.

Headers and padding come from META. Pixels come from tiles, which are decoded when a read touches them. The data of
all other units come from EXTRA, which is unpacked at its first touch.
"""

from __future__ import annotations

import io
import os
import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from radcodec.container.reader import Reader
from radcodec.container.units import iter_units
from radcodec.decoding.image import StoredImage, decode_tiles, open_image
from radcodec.errors import InputError
from radcodec.fits.arrays import big_endian_samples, minimal_header
from radcodec.fits.cards import BLOCK_BYTES
from radcodec.limits import MAX_CACHED_BYTES
from radcodec.pixels.tiles import TileGrid
from radcodec.types import Kind

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

    from radcodec.decoding.rcz_file import RczFile

# Pixels [p, h, w] of a tile as FITS stores them, big-endian.
_Tile = npt.NDArray[Any]
# Holds the rows of tiles of most images, and is little beside what decoding takes.
_LEAST_CACHE_BYTES = 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class _Segment:
    """A run of bytes of the FITS file: those of ``content``, of an image, or of EXTRA from ``extra_start`` on."""

    start: int
    stop: int
    content: bytes | None = None
    image: int | None = None
    extra_start: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Block:
    """A part of one plane whose pixels follow each other in the file: rows ``y`` of ``x``, of one row of tiles."""

    first: int
    plane: int
    y: tuple[int, int]
    x: tuple[int, int]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.y[1] - self.y[0], self.x[1] - self.x[0]


def _segments(reader: Reader) -> Iterator[_Segment]:
    """Yield the runs of bytes that make up the restored file, in order, without empty ones."""
    position = 0

    def run(size: int, **content: Any) -> Iterator[_Segment]:
        nonlocal position
        if size:
            yield _Segment(start=position, stop=position + size, **content)
            position += size

    if reader.prelude.kind is Kind.ARRAY:
        record = reader.meta.images[0]
        header = minimal_header(record.sample_type, record.shape)
        data_bytes = record.n_pixels * record.sample_type.size_bytes
        yield from run(len(header), content=header)
        yield from run(data_bytes, image=0)
        yield from run(-data_bytes % BLOCK_BYTES, content=bytes(-data_bytes % BLOCK_BYTES))
        return
    for unit in iter_units(reader):
        yield from run(len(unit.header), content=unit.header)
        if unit.image is None:
            yield from run(unit.record.data_bytes, extra_start=unit.extra.start)
        else:
            record = reader.meta.images[unit.image]
            yield from run(record.n_pixels * record.sample_type.size_bytes, image=unit.image)
        yield from run(len(unit.tail), content=unit.tail)


def _row_bytes(grid: TileGrid, itemsize: int) -> int:
    """Compute the most bytes that the tiles of one row of tiles hold."""
    return grid.p_side * grid.y_side * grid.width * itemsize if grid.n_tiles else 0


def _slab_bytes(grid: TileGrid, itemsize: int) -> int:
    """Compute what reading in order holds so that no tile is decoded twice: all tiles of some planes, within a limit.

    Tiles of one plane need a row of tiles alone: 0.
    """
    size = grid.p_side * grid.height * grid.width * itemsize
    return size if grid.n_tiles and grid.p_side > 1 and size <= MAX_CACHED_BYTES else 0


def _blocks(grid: TileGrid, first: int, stop: int) -> Iterator[_Block]:
    """Cut the pixels ``first`` to ``stop`` of an image into blocks, in order."""
    width, height = grid.width, grid.height
    while first < stop:
        row, x = divmod(first, width)
        plane, y = divmod(row, height)
        y_stop, x_stop = y + 1, min(width, x + stop - first)
        if x == 0 and x_stop == width:
            tile = next(grid.tiles_in_region((plane, plane + 1, y, y + 1, 0, 1)))
            y_stop = min(grid.box(tile)[3], y + (stop - first) // width)
        block = _Block(first=first, plane=plane, y=(y, y_stop), x=(x, x_stop))
        yield block
        first += block.shape[0] * block.shape[1]


class _TileCache:
    """Decoded tiles of all images of a file, those used last, of so many bytes at most."""

    def __init__(self, reader: Reader, threads: int, cache_bytes: int | None) -> None:
        self.images: list[StoredImage] = [open_image(reader, number) for number in range(len(reader.meta.images))]
        self._threads = threads
        row = max((self._row(image) for image in self.images), default=0)
        slab = max((self._slab(image) for image in self.images), default=0)
        wanted = max(_LEAST_CACHE_BYTES, 2 * row, slab) if cache_bytes is None else cache_bytes
        self.limit_bytes = max(wanted, row)
        self._tiles: OrderedDict[tuple[int, int], _Tile] = OrderedDict()
        self._used_bytes = 0

    @staticmethod
    def _row(image: StoredImage) -> int:
        return _row_bytes(image.coding.grid, image.coding.record.sample_type.size_bytes)

    @staticmethod
    def _slab(image: StoredImage) -> int:
        return _slab_bytes(image.coding.grid, image.coding.record.sample_type.size_bytes)

    def clear(self) -> None:
        """Forget all tiles."""
        self._tiles.clear()
        self._used_bytes = 0

    def tiles(self, number: int, wanted: list[int]) -> dict[int, _Tile]:
        """Return tiles of an image by their numbers; those that are not in the cache are decoded together."""
        found: dict[int, _Tile] = {}
        for tile in wanted:
            if (number, tile) in self._tiles:
                self._tiles.move_to_end((number, tile))
                found[tile] = self._tiles[number, tile]
        missing = [tile for tile in wanted if tile not in found]
        for tile, samples in zip(missing, decode_tiles(self.images[number], missing, self._threads), strict=True):
            found[tile] = big_endian_samples(samples)
            self._keep((number, tile), found[tile])
        return found

    def _keep(self, key: tuple[int, int], tile: _Tile) -> None:
        self._tiles[key] = tile
        self._used_bytes += tile.nbytes
        while self._used_bytes > self.limit_bytes and len(self._tiles) > 1:
            self._used_bytes -= self._tiles.popitem(last=False)[1].nbytes

    def batches(self, number: int, blocks: Iterator[_Block]) -> Iterator[tuple[list[_Block], dict[int, _Tile]]]:
        """Yield blocks in runs whose tiles fit into the cache together, with the tiles of each run."""
        grid = self.images[number].coding.grid
        itemsize = self.images[number].coding.record.sample_type.size_bytes
        waiting: list[_Block] = []
        tiles: dict[int, None] = {}
        held = 0
        for block in blocks:
            region = (block.plane, block.plane + 1, *block.y, *block.x)
            new = {tile: None for tile in grid.tiles_in_region(region) if tile not in tiles}
            size = sum(_box_pixels(grid, tile) for tile in new) * itemsize
            if waiting and held + size > self.limit_bytes:
                yield waiting, self.tiles(number, list(tiles))
                waiting, tiles, held = [], {}, 0
                new = {tile: None for tile in grid.tiles_in_region(region)}
                size = sum(_box_pixels(grid, tile) for tile in new) * itemsize
            waiting.append(block)
            tiles |= new
            held += size
        if waiting:
            yield waiting, self.tiles(number, list(tiles))


def _box_pixels(grid: TileGrid, tile: int) -> int:
    p0, p1, y0, y1, x0, x1 = grid.box(tile)
    return (p1 - p0) * (y1 - y0) * (x1 - x0)


class VirtualFits(io.RawIOBase):
    """A read-only binary file that reads as the FITS file that a ``.rcz`` file restores, byte for byte.

    Safe to use from several threads with `read_at`. Checksums of tiles are compared, the SHA-256 of the whole is not.

    Parameters
    ----------
    file
        The file, which has to stay open: a read after it was closed raises ValueError.
    cache_bytes
        Memory for decoded tiles; at least what one row of tiles takes. The larger of 64 MiB and two rows for None.
    owned
        Whether closing this file closes ``file`` too.

    Raises
    ------
    InputError
        If ``cache_bytes`` is negative.
    """

    mode = "rb"

    def __init__(self, file: RczFile, *, cache_bytes: int | None = None, owned: bool = False) -> None:
        super().__init__()
        self._rcz = file
        self._lock = threading.RLock()
        # Also a file that cannot be made is closed in the end, and leaves the other open.
        self._owned = False
        if cache_bytes is not None and cache_bytes < 0:
            raise InputError(f"expected 0 bytes or more for the cache, found {cache_bytes}")
        self._owned = owned
        self._reader = file.reader
        self._segments = tuple(_segments(self._reader))
        self._starts = [segment.start for segment in self._segments]
        self.size_bytes = self._segments[-1].stop if self._segments else 0
        self._cache_bytes = cache_bytes
        self._opened_cache: _TileCache | None = None
        self._extra: bytes | None = None
        self._position = 0

    @property
    def name(self) -> str:
        """Path or URL of the ``.rcz`` file, or what stands for it."""
        return self._rcz.info.path or "<.rcz file in memory>"

    def __repr__(self) -> str:
        return f"<VirtualFits of {self.name}: {self.size_bytes} bytes>"

    def readable(self) -> bool:
        """Return True: it can be read."""
        return True

    def seekable(self) -> bool:
        """Return True: it can be sought."""
        return True

    def tell(self) -> int:
        """Return the position where the next read starts."""
        self._check_open()
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Set where the next read starts; past the end, where nothing is read, too."""
        self._check_open()
        bases = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self.size_bytes}
        if whence not in bases:
            raise ValueError(f"expected a whence of 0, 1 or 2, found {whence}")
        position = bases[whence] + offset
        if position < 0:
            raise ValueError(f"expected a position of 0 or more, found {position}")
        self._position = position
        return position

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Read into memory; the number of bytes, fewer than it holds only at the end of the file."""
        with self._lock:
            self._check_open()
            view = memoryview(buffer).cast("B")
            size = max(0, min(len(view), self.size_bytes - self._position))
            self._fill(view[:size], self._position)
            self._position += size
            return size

    def read(self, size: int | None = -1, /) -> bytes:
        """Read at most ``size`` bytes, or all that are left for -1 and None."""
        with self._lock:
            self._check_open()
            left = max(0, self.size_bytes - self._position)
            content = self.read_at(self._position, left if size is None or size < 0 else min(size, left))
            self._position += len(content)
            return content

    def readall(self) -> bytes:
        """Read all bytes that are left."""
        return self.read(-1)

    def read_at(self, start: int, size: int) -> bytes:
        """Read at most ``size`` bytes from ``start``, without a change of the position.

        Raises
        ------
        ValueError
            If this file or the ``.rcz`` file was closed, or ``start`` or ``size`` is negative.
        FormatError, ModelError
            As decoding a tile does.
        """
        with self._lock:
            self._check_open()
            if start < 0 or size < 0:
                raise ValueError(f"expected a start and a size of 0 or more, found {start} and {size}")
            content = np.empty(max(0, min(size, self.size_bytes - start)), np.uint8)
            self._fill(content.data, start)
            return content.tobytes()

    def close(self) -> None:
        """Close the file and forget what was decoded; reads raise ValueError from here on."""
        if not self.closed:
            with self._lock:
                self._extra, self._opened_cache = None, None
                super().close()
                if self._owned:
                    self._rcz.close()

    def _check_open(self) -> None:
        if self.closed or self._rcz.closed:
            raise ValueError("expected an open file, found one that was closed")

    @property
    def _cache(self) -> _TileCache:
        if self._opened_cache is None:
            self._opened_cache = _TileCache(self._reader, self._rcz.threads, self._cache_bytes)
        return self._opened_cache

    def _fill(self, view: memoryview, start: int) -> None:
        """Fill memory with the bytes from ``start`` on; the file is long enough."""
        position, end = start, start + len(view)
        place = bisect_right(self._starts, start) - 1
        while position < end:
            segment = self._segments[place]
            stop = min(end, segment.stop)
            part = view[position - start : stop - start]
            self._fill_part(segment, part, position - segment.start)
            position, place = stop, place + 1

    def _fill_part(self, segment: _Segment, part: memoryview, start: int) -> None:
        """Fill memory with bytes of one segment, from its byte ``start`` on."""
        if segment.content is not None:
            part[:] = segment.content[start : start + len(part)]
        elif segment.image is not None:
            self._fill_pixels(segment.image, part, start)
        else:
            if self._extra is None:
                self._extra = self._reader.read_extra()
            start += segment.extra_start
            part[:] = self._extra[start : start + len(part)]

    def _fill_pixels(self, number: int, part: memoryview, start: int) -> None:
        """Fill memory with bytes of the pixels of an image, from byte ``start`` of its data on."""
        coding = self._cache.images[number].coding
        itemsize = coding.record.sample_type.size_bytes
        blocks = _blocks(coding.grid, start // itemsize, -(-(start + len(part)) // itemsize))
        for batch, tiles in self._cache.batches(number, blocks):
            for block in batch:
                self._fill_block(block, tiles, coding.grid, part, start)

    @staticmethod
    def _fill_block(block: _Block, tiles: dict[int, _Tile], grid: TileGrid, part: memoryview, start: int) -> None:
        """Copy the pixels of a block to where they belong; the first and the last one may be wanted in part."""
        region = (block.plane, block.plane + 1, *block.y, *block.x)
        numbers = list(grid.tiles_in_region(region))
        dtype = tiles[numbers[0]].dtype
        rows, columns = block.shape
        offset = block.first * dtype.itemsize - start
        size = rows * columns * dtype.itemsize
        whole = offset >= 0 and offset + size <= len(part)
        target = np.frombuffer(part[offset : offset + size], np.uint8) if whole else np.empty(size, np.uint8)
        pixels = target.view(dtype).reshape(rows, columns)
        for number in numbers:
            p0, _, y0, _, x0, x1 = grid.box(number)
            left, right = max(x0, block.x[0]), min(x1, block.x[1])
            pixels[:, left - block.x[0] : right - block.x[0]] = tiles[number][
                block.plane - p0, block.y[0] - y0 : block.y[1] - y0, left - x0 : right - x0
            ]
        if not whole:
            low, high = max(0, -offset), min(size, len(part) - offset)
            part[max(0, offset) : max(0, offset) + high - low] = target[low:high].data
