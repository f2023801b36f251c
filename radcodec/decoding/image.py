"""Files to pixels: joins the container, the masks, the detail layer and the base layer.

A tile goes: mask stream -> special samples; detail stream, else base streams -> all others; then its pixel CRC.
Nothing here encodes.
"""

from __future__ import annotations

import hashlib
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import numpy.typing as npt

from radcodec import detail
from radcodec.base.normalise import Normalisation, decode_base, find_stored_model, round_to_type, unpack_normalisation
from radcodec.container.layout import pixel_crc_prefix
from radcodec.container.meta import ImageRecord
from radcodec.container.reader import Reader
from radcodec.decoding.needed_ranges import fetched_ahead
from radcodec.errors import CorruptError, InputError, LimitError
from radcodec.pixels.bounds import ImageBounds, tile_bound, unpack_bounds
from radcodec.pixels.masks import decode_mask
from radcodec.pixels.tiles import Box, TileGrid, plane_shape, tile_grid
from radcodec.runtime.parallel import one_blas_thread, ordered_map
from radcodec.types import HduKind, ImageInfo, Kind, Mode

if TYPE_CHECKING:
    from radcodec.base.store import Model

Pixels = npt.NDArray[Any]
_PIECE_BYTES = 1 << 24  # of what is handed on at once: a writer may keep a copy


class Lazy:
    """What tiles of one image share and most files never need: predictors and model, made when first asked for.

    detail_bytes are those of the image's detail streams, which say how much work predictors may make; None for any.
    """

    def __init__(
        self, predictors: bytes, model: Model | tuple[str, bytes] | None, detail_bytes: int | None = None
    ) -> None:
        self._block = predictors
        self._detail_bytes = detail_bytes
        self._model = model
        self._predictors: detail.Predictors | None = None
        self._loaded = False
        self._lock = threading.Lock()

    @property
    def predictors(self) -> detail.Predictors | None:
        """The image's predictors, None where it has none; raises CorruptError where their block is unsound."""
        with self._lock:
            if not self._loaded:
                found = detail.load_predictors(self._block)
                least = detail.least_detail_bytes(found)
                if self._detail_bytes is not None and self._detail_bytes < least:
                    raise CorruptError(
                        f"predictor block: expected {least} bytes of details or more for its border sets, found "
                        f"{self._detail_bytes}"
                    )
                self._predictors = found
                self._loaded = True
            return self._predictors

    @property
    def model(self) -> Model:
        """The base model; raises ModelError where it is not there."""
        with self._lock:
            if self._model is None or isinstance(self._model, tuple):
                self._model = find_stored_model(self._model)
            return self._model


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageCoding:
    """All but the streams that decoding a tile of one image takes; ``is_copy`` for one of a base-only copy (5.1)."""

    record: ImageRecord
    grid: TileGrid
    bounds: ImageBounds
    lazy: Lazy
    normalisation: Normalisation | None = None
    is_copy: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredImage:
    """One image of an open file."""

    reader: Reader = field(repr=False)
    number: int
    coding: ImageCoding

    @property
    def n_tiles(self) -> int:
        """Number of tiles."""
        return self.coding.grid.n_tiles


def open_image(reader: Reader, number: int, model: Model | None = None) -> StoredImage:
    """Image ``number`` of a file, ready to decode tiles of; raises CorruptError where PARAMS is unsound.

    ``model`` is that of the base layer where the caller has it; it is looked for by its hash otherwise.
    """
    record, blocks = reader.meta.images[number], reader.params[number]
    n_planes = plane_shape(record.shape)[0]
    if not record.n_stages and blocks.base:
        raise CorruptError(f"expected no base normalisation without base stages, found {len(blocks.base)} bytes")
    grid = tile_grid(record.shape, record.tile_size)
    if not grid.n_tiles and blocks.predictors:
        raise CorruptError(f"expected no predictors for an image without samples, found {len(blocks.predictors)} bytes")
    coding = ImageCoding(
        record=record,
        grid=grid,
        bounds=unpack_bounds(blocks.bounds, record),
        lazy=Lazy(
            blocks.predictors, model or reader.meta.model, None if reader.is_base_only else reader.detail_bytes(number)
        ),
        normalisation=unpack_normalisation(blocks.base, n_planes) if record.n_stages else None,
        is_copy=reader.is_base_only,
    )
    return StoredImage(reader=reader, number=number, coding=coding)


def _box_shape(box: Box) -> tuple[int, int, int]:
    return box[1] - box[0], box[3] - box[2], box[5] - box[4]


def leading_stages(streams: Sequence[bytes]) -> tuple[bytes, ...]:
    """The streams before the first empty one, where a tile's base layer ends.

    Raises
    ------
    CorruptError
        If a stream follows an empty one.
    """
    n_full = next((stage for stage, stream in enumerate(streams) if not stream), len(streams))
    if any(streams[n_full:]):
        raise CorruptError(f"expected no base stream after an empty one, stage {n_full}")
    return tuple(streams[:n_full])


def base_values(
    coding: ImageCoding, box: Box, streams: Sequence[bytes], *, picture: bool = False
) -> npt.NDArray[np.float64]:
    """Values float64 [p, h, w] that the base streams of a tile give, stored units; ``streams`` is not empty."""
    if coding.normalisation is None:
        raise CorruptError("expected an offset and a scale for each plane beside base streams, found none")
    pairs = coding.normalisation[box[0] : box[1]]
    return decode_base(coding.lazy.model, streams, _box_shape(box), pairs, picture=picture)


def restore_tile(
    coding: ImageCoding,
    tile: int,
    mask: bytes,
    detail_stream: bytes,
    stages: Sequence[bytes],
    base: npt.NDArray[np.float64] | None = None,
) -> Pixels:
    """Samples [p, h, w] of a tile from its streams (7.2); its checksums are the caller's.

    base are the values [p, h, w] that the stages give, where the caller knows them.

    Raises
    ------
    CorruptError
        If a stream is unsound, or there is none for samples that need one.
    ModelError
        If it was made from base streams and the model is missing.
    """
    box, record = coding.grid.box(tile), coding.record
    shape = _box_shape(box)
    n_samples = shape[0] * shape[1] * shape[2]
    special, listed = decode_mask(mask, n_samples, record.sample_type) if mask else (None, None)
    marks = None if special is None else special.reshape(shape)
    if special is not None and special.all():
        if detail_stream or any(stages):
            raise CorruptError(f"expected no stream beside the mask of tile {tile}, whose samples are all special")
        samples = np.empty(shape, record.sample_type.dtype_str)
    elif detail_stream:
        bound = tile_bound(record, coding.bounds, box, tile)
        if bound is not None and record.on_base and detail.is_learned(detail_stream):
            if base is None and (full := leading_stages(stages)):
                base = base_values(coding, box, full)
            bound = replace(bound, base=base)
        samples = detail.decode_tile(detail_stream, shape, record.sample_type, marks, coding.lazy.predictors, bound)
    elif full := leading_stages(stages):
        values = base_values(coding, box, full) if base is None else base
        samples = round_to_type(values, record.sample_type)
    elif coding.is_copy and coding.normalisation is not None:
        offsets = coding.normalisation[box[0] : box[1], 0, None, None]
        samples = round_to_type(np.broadcast_to(offsets, shape), record.sample_type)
    else:
        raise CorruptError(f"expected a detail or base stream for tile {tile}, found neither")
    if marks is not None and listed is not None:
        samples[marks] = listed
    return samples


def sample_bytes(samples: Pixels, byte_order: str) -> npt.NDArray[np.uint8]:
    """The bytes of samples in C order, uint8 [n], in a byte order of ``<`` or ``>``; a copy only where it must be."""
    ordered = np.ascontiguousarray(samples, samples.dtype.newbyteorder(byte_order))  # type: ignore[arg-type]
    return ordered.reshape(-1).view(np.uint8)


def array_sha256(samples: Pixels, record_bytes: bytes) -> bytes:
    """SHA-256 of an array as kind array has it (3.3)."""
    digest = hashlib.sha256(sample_bytes(samples, "<"))
    digest.update(record_bytes)
    return digest.digest()


def pixel_crc(record_bytes: bytes, tile: int, samples: Pixels) -> int:
    """Pixel CRC of a tile (section 5)."""
    return zlib.crc32(sample_bytes(samples, "<"), pixel_crc_prefix(record_bytes, tile))


def read_stages(image: StoredImage, tile: int, n_stages: int | None = None) -> tuple[bytes, ...]:
    """Base streams of a tile, up to the first empty one and at most ``n_stages``."""
    total = image.coding.record.n_stages
    streams: list[bytes] = []
    for stage in range(total if n_stages is None else min(n_stages, total)):
        streams.append(image.reader.read_stage(image.number, stage, tile))
    return leading_stages(streams)


def decode_tile(image: StoredImage, tile: int) -> Pixels:
    """Samples [p, h, w] of a tile, native, its checksums checked.

    Raises
    ------
    CorruptError, TruncatedError
        If a checksum does not hold or a stream is unsound.
    ModelError
        If it needs a model that is missing.
    """
    mask, stream = image.reader.read_tile(image.number, tile)
    stages = () if stream and not image.coding.record.on_base else read_stages(image, tile)
    samples = restore_tile(image.coding, tile, mask, stream, stages)
    if not image.reader.is_base_only:
        record_bytes = image.reader.meta.image_records[image.number]
        if pixel_crc(record_bytes, tile, samples) != image.reader.pixel_crc(image.number, tile):
            raise CorruptError(
                f"the pixels of tile {tile} of image {image.number} do not match their checksum: the file is damaged, "
                "or this machine computes otherwise than the one that wrote it (then report it)"
            )
    return samples


def decode_tiles(image: StoredImage, tiles: Iterable[int], threads: int) -> Iterator[Pixels]:
    """Samples of several tiles by ``threads`` threads, in order; errors as `decode_tile`.

    The form of the predictor block is checked whether or not a tile makes use of it.
    """
    _ = image.coding.lazy.predictors
    from_base = image.reader.prelude.mode is Mode.LOSSY or image.coding.record.on_base
    with one_blas_thread() if from_base else nullcontext():  # decoding a base layer is mostly products of matrices
        yield from ordered_map(lambda tile: decode_tile(image, tile), fetched_ahead(image, tiles), threads)


def iter_slabs(image: StoredImage, threads: int) -> Iterator[tuple[int, Pixels]]:
    """Runs of samples [p, h, W] that follow each other in the array, with the index of the first sample of each."""
    grid = image.coding.grid
    tiles = decode_tiles(image, range(grid.n_tiles), threads)
    for first in range(0, grid.n_tiles, max(1, grid.x_pieces)):
        row = [next(tiles) for _ in range(grid.x_pieces)]
        p0, _, y0, _, _, _ = grid.box(first)
        start = (p0 * grid.height + y0) * grid.width
        yield start, row[0] if len(row) == 1 else np.concatenate(row, axis=2)


def _allocate(shape: tuple[int, ...], image: StoredImage) -> Pixels:
    """Memory for pixels; an image that does not fit raises LimitError."""
    try:
        return np.empty(shape, image.coding.record.sample_type.dtype_str)
    except (MemoryError, ValueError) as err:
        raise LimitError(f"an image of {shape} pixels does not fit into the memory of this machine") from err


def decode_image(image: StoredImage, threads: int) -> Pixels:
    """All stored samples of an image, native, in its own shape; errors as `decode_tile`."""
    record = image.coding.record
    samples = _allocate(record.shape, image)
    flat = samples.reshape(-1)
    for start, slab in iter_slabs(image, threads):
        flat[start : start + slab.size] = slab.reshape(-1)
    return samples


def decode_region(
    image: StoredImage, planes: Sequence[int], y: tuple[int, int], x: tuple[int, int], threads: int
) -> Pixels:
    """Stored samples [len(planes), y1 - y0, x1 - x0] of a part of an image; only the tiles it needs are decoded.

    Parameters
    ----------
    planes
        Numbers of planes in any order, also repeated.
    y, x
        Half-open ranges within the image.
    """
    grid = image.coding.grid
    (y0, y1), (x0, x1) = y, x
    result = _allocate((len(planes), y1 - y0, x1 - x0), image)
    wanted: dict[int, list[int]] = {}
    for place, plane in enumerate(planes):
        wanted.setdefault(grid.p_piece_of(plane), []).append(place)
    tiles: list[int] = []
    for piece in sorted(wanted):
        plane = planes[wanted[piece][0]]
        tiles += grid.tiles_in_region((plane, plane + 1, y0, y1, x0, x1))
    for tile, samples in zip(tiles, decode_tiles(image, tiles, threads), strict=True):
        p0, _, ty0, ty1, tx0, tx1 = grid.box(tile)
        rows, columns = (max(y0, ty0), min(y1, ty1)), (max(x0, tx0), min(x1, tx1))
        for place in wanted[grid.p_piece_of(p0)]:
            result[place, rows[0] - y0 : rows[1] - y0, columns[0] - x0 : columns[1] - x0] = samples[
                planes[place] - p0, rows[0] - ty0 : rows[1] - ty0, columns[0] - tx0 : columns[1] - tx0
            ]
    return result


def image_info(record: ImageRecord) -> ImageInfo:
    """What the FITS layer needs to know to make stored samples physical."""
    return ImageInfo(
        sample_type=record.sample_type,
        shape=record.shape,
        bscale=record.bscale,
        bzero=record.bzero,
        blank=record.blank,
        unit=record.unit,
    )


def decode_array(reader: Reader, threads: int) -> Pixels:
    """All stored samples of the one image of a file of kind array, its SHA-256 checked (3.3)."""
    image = open_image(reader, 0)
    samples = decode_image(image, threads)
    _check_unused_base(image)
    _check_digest(reader, array_sha256(samples, reader.meta.image_records[0]))
    return samples


def check_array(reader: Reader, threads: int, model: Model | None = None) -> None:
    """Decode the one image of a file of kind array, a few tiles at a time, and check its SHA-256 (3.3).

    Raises
    ------
    CorruptError
        If the SHA-256 differs; other errors as `decode_tile`.
    """
    digest = hashlib.sha256()
    image = open_image(reader, 0, model)
    for _, slab in iter_slabs(image, threads):
        digest.update(sample_bytes(slab, "<"))
    _check_unused_base(image)
    digest.update(reader.meta.image_records[0])
    _check_digest(reader, digest.digest())


def _check_unused_base(image: StoredImage) -> None:
    """Raise CorruptError if the checksum of a base stream that no sample needed does not hold."""
    if image.reader.prelude.mode is not Mode.LOSSY and not image.coding.record.on_base:
        image.reader.check_base(image.number)


def _check_digest(reader: Reader, found: bytes) -> None:
    """Raise CorruptError if what was restored is not what META says."""
    if not reader.is_base_only and found != reader.meta.restored_sha256:
        raise CorruptError(
            f"expected the SHA-256 {reader.meta.restored_sha256.hex()} of what is restored, found {found.hex()}: "
            "the file is damaged"
        )


def iter_fits_bytes(reader: Reader, threads: int, model: Model | None = None) -> Iterator[bytes | memoryview]:
    """The restored FITS file in pieces, in order; raises CorruptError at the end where its SHA-256 differs."""
    digest = hashlib.sha256()
    for piece in _fits_pieces(reader, threads, model):
        digest.update(piece)
        yield piece
    _check_digest(reader, digest.digest())


def _fits_pieces(reader: Reader, threads: int, model: Model | None) -> Iterator[bytes | memoryview]:
    extra = memoryview(reader.read_extra())
    text = memoryview(reader.meta.text)
    position = extra_position = number = 0
    for hdu in reader.meta.hdus:
        yield text[position : position + hdu.header_bytes]
        position += hdu.header_bytes
        if hdu.kind is HduKind.IMAGE:
            image = open_image(reader, number, model)
            for _, slab in iter_slabs(image, threads):
                yield memoryview(sample_bytes(slab, ">"))
            _check_unused_base(image)
            number += 1
        else:
            end = extra_position + hdu.data_bytes
            yield from (extra[at : min(at + _PIECE_BYTES, end)] for at in range(extra_position, end, _PIECE_BYTES))
            extra_position = end
        yield text[position : position + hdu.tail_bytes]
        position += hdu.tail_bytes


def decode_fits_to(
    reader: Reader, out: BinaryIO, threads: int, *, progress: Callable[[int], None] | None = None
) -> int:
    """Number of bytes of the restored FITS file, written to ``out`` as it is decoded.

    ``progress`` is told how many more bytes are done.

    Raises
    ------
    InputError
        If the file holds an array.
    FormatError, ModelError
        As `decode_tile`; also where the SHA-256 of the whole differs, so ``out`` must be thrown away then.
    """
    if reader.prelude.kind is not Kind.FITS:
        raise InputError("expected a file of kind FITS, found an array")
    total = 0
    for piece in iter_fits_bytes(reader, threads):
        out.write(piece)
        total += len(piece)
        if progress is not None:
            progress(len(piece))
    return total
