"""Arrays and FITS files to ``.rcz`` files: joins the images' streams, the headers and everything else in a file."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import numpy.typing as npt

from radcodec.allocation import fill_stages, n_leading, preview_stages
from radcodec.base_layer import load_named_model
from radcodec.container.layout import SHA256_BYTES, entry_bytes
from radcodec.container.meta import HduRecord, ImageRecord, Meta, pack_image_record
from radcodec.container.writer import FileContents, write_file
from radcodec.decoder import Pixels, array_sha256, sample_bytes
from radcodec.errors import BoundError, LimitError, ModelError, UnsupportedDataError
from radcodec.fits.checksum import checksum_status, refresh_checksums
from radcodec.fits.header import insert_cards, provenance_cards
from radcodec.fits.parse import FitsBuffer, parse_fits
from radcodec.image_encoder import CodedImage, EncodeOptions, FinishedImage, add_base, code_image, finish_image
from radcodec.limits import MAX_AXES, MAX_PIXELS
from radcodec.resources import load_header_dictionary
from radcodec.tiles import plane_shape
from radcodec.types import Hdu, HduKind, Kind, Mode, SampleType
from radcodec.version import VERSION, WRITER
from radcodec.zstd import pack_frame

if TYPE_CHECKING:
    from radcodec.vqvae import BaseModel

# Makes a file of finished images, whose base layer is of that model.
Packager = Callable[[Sequence[FinishedImage], "BaseModel | None"], FileContents]

_SAMPLE_TYPES = {member.dtype_str: member for member in SampleType}


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """A file ready to be written and what there is to say about it."""

    contents: FileContents = field(repr=False)
    warnings: tuple[str, ...] = ()

    def write_to(self, out: BinaryIO) -> int:
        """Number of bytes of the file, which is written to ``out``."""
        dictionary = load_header_dictionary() if self.contents.kind is Kind.FITS else None
        return write_file(out, self.contents, dictionary=dictionary)


class _Null:
    """A stream that keeps nothing."""

    def write(self, data: bytes | memoryview) -> int:
        """Number of bytes that were given."""
        return len(data)


def _size_of(contents: FileContents) -> int:
    return Encoded(contents=contents).write_to(_Null())  # type: ignore[arg-type]  # only write() is used


def _without_base(coded: Sequence[CodedImage]) -> int:
    """Bytes of a file that are neither base layer nor headers."""
    streams = sum(len(stream) for image in coded for stream in (*image.masks, *image.details))
    params = sum(len(image.params.bounds) + len(image.params.predictors) for image in coded)
    return streams + params + sum(len(image.masks) for image in coded) * entry_bytes(0)


def _finish(coded: Sequence[CodedImage], kept: Sequence[int], n_stages: int, options: EncodeOptions) -> list[FinishedImage]:
    """All images with ``n_stages`` stages, of which the tiles of all images in order keep ``kept``."""
    finished: list[FinishedImage] = []
    position = 0
    for image in coded:
        n_tiles = len(image.masks)
        # An image without tiles has no planes to normalise, so no stages either.
        stages = n_stages if n_tiles else 0
        finished.append(finish_image(image, kept[position : position + n_tiles], stages, options))
        position += n_tiles
    return finished


def _stage_sizes(coded: Sequence[CodedImage]) -> list[list[int]]:
    return [[len(stream) for stream in streams] for image in coded for streams in image.base]


def _encode_with_preview(
    coded: Sequence[CodedImage], options: EncodeOptions, package: Packager, extra_bytes: int
) -> Encoded:
    """Exact and bounded images with as many base stages as fit into the share that is asked for."""
    n_tiles = sum(len(image.masks) for image in coded)
    n_stages, warnings = 0, []
    model: BaseModel | None = None
    sizes: list[list[int]] = [[] for _ in range(n_tiles)]
    if options.preview_percent > 0 and n_tiles:
        try:
            model = load_named_model(options.model)
            coded = [add_base(image, model, options) for image in coded]
            sizes = _stage_sizes(coded)
            planes = sum(image.coding.grid.n_planes for image in coded)
            n_stages = preview_stages(
                sizes,
                other_bytes=_without_base(coded) + extra_bytes,
                fixed_bytes=16 * planes + len(model.name) + 1 + SHA256_BYTES,
                percent=options.preview_percent,
            )
        except ModelError as err:
            if options.model is not None:
                raise
            warnings.append(f"no preview: {err}")
    kept = [min(n_stages, n_leading(tile)) for tile in sizes]
    finished = _finish(coded, kept, n_stages, options)
    return Encoded(contents=package(finished, model if n_stages else None), warnings=tuple(warnings))


def _lossy_contents(
    coded: Sequence[CodedImage], n_stages: int, budget: int | None, options: EncodeOptions, finish: Packager, model: BaseModel
) -> FileContents | None:
    """The file with ``n_stages`` stages and at most ``budget`` bytes of base streams; None where that cannot be."""
    sizes = _stage_sizes(coded)
    kept: list[int] | None = [min(n_stages, n_leading(tile)) for tile in sizes]
    if budget is not None:
        kept = fill_stages(sizes, n_stages, budget)
    return None if kept is None else finish(_finish(coded, kept, n_stages, options), model)


def _base_bytes(contents: FileContents) -> int:
    return sum(len(stream) for tiles in contents.tiles for tile in tiles for stream in tile.stages)


def _encode_lossy(coded: Sequence[CodedImage], options: EncodeOptions, package: Packager) -> Encoded:
    """Images from the base layer alone, with all stages, the first few, or as many as a bit-rate allows.

    Raises
    ------
    BoundError
        If the model has fewer stages than asked for, or the bit-rate cannot be reached.
    """
    if not any(image.masks for image in coded):
        return Encoded(contents=package(_finish(coded, [], 0, options), None))
    model = load_named_model(options.model)
    n_stages = model.n_stages if options.n_stages is None else options.n_stages
    if not 1 <= n_stages <= model.n_stages:
        raise BoundError(f"expected 1 to {model.n_stages} stages, as the model {model.name} has, found {n_stages}")
    coded = [add_base(image, model, options) for image in coded]
    if options.bpp is None:
        contents = _lossy_contents(coded, n_stages, None, options, package, model)
        if contents is None:
            raise BoundError("expected a base layer for every tile, found none")
        return Encoded(contents=contents)
    n_pixels = sum(image.original.size for image in coded)
    target = math.floor(options.bpp * n_pixels / 8)
    smallest = _lossy_contents(coded, 1, 1 << 62, options, package, model)
    if smallest is None or (reached := _size_of(smallest)) > target:
        bpp = math.ceil(80000 * reached / n_pixels) / 10000 if smallest is not None else math.inf
        raise BoundError(
            f"expected at least {bpp} bits a pixel, which one stage of the base layer takes, found {options.bpp}"
        )
    return Encoded(contents=_fill(coded, n_stages, target, smallest, options, package, model))


def _fill(
    coded: Sequence[CodedImage],
    n_stages: int,
    target: int,
    smallest: FileContents,
    options: EncodeOptions,
    package: Packager,
    model: BaseModel,
) -> FileContents:
    """The file of at most ``target`` bytes with most bytes of base streams."""
    best, best_bytes = smallest, _base_bytes(smallest)
    overhead = _size_of(smallest) - best_bytes
    n_tiles = sum(len(image.masks) for image in coded)
    for stages in range(n_stages, 1, -1):
        budget = target - overhead - n_tiles * (entry_bytes(stages) - entry_bytes(1))
        # Headers that depend on the pixels pack to a few bytes more or less each time.
        for _ in range(4):
            contents = _lossy_contents(coded, stages, budget, options, package, model)
            if contents is None or (excess := _size_of(contents) - target) <= 0:
                break
            budget -= excess
        if contents is not None and excess <= 0 and _base_bytes(contents) > best_bytes:
            best, best_bytes = contents, _base_bytes(contents)
    return best


def _encode(
    images: Sequence[tuple[Pixels, ImageRecord]], options: EncodeOptions, package: Packager, *, seed: int, extra_bytes: int
) -> Encoded:
    coded = [
        code_image(image, record, options, seed=(seed + number) % (1 << 64))
        for number, (image, record) in enumerate(images)
    ]
    if options.mode is Mode.LOSSY:
        return _encode_lossy(coded, options, package)
    return _encode_with_preview(coded, options, package, extra_bytes)


def _model_of(model: BaseModel | None) -> tuple[str, bytes] | None:
    return None if model is None else (model.name, bytes.fromhex(model.sha256))


def _seed(sha256: bytes) -> int:
    return int.from_bytes(sha256[:8], "little")


def encode_array(array: npt.NDArray[Any], options: EncodeOptions) -> Encoded:
    """An array as a file of kind array.

    Parameters
    ----------
    array
        Of any strides, byte order and number of axes; int8 to int64, uint8 to uint64, float32 or float64.

    Raises
    ------
    UnsupportedDataError, BoundError, ModelError, GuaranteeError
        If the dtype, the bound, the model or the result is not what it should be.
    """
    sample_type = _SAMPLE_TYPES.get(array.dtype.str[1:])
    if sample_type is None:
        raise UnsupportedDataError(
            f"expected an array of integers of 8 to 64 bits, float32 or float64, found {array.dtype}: convert it first"
        )
    if array.ndim > MAX_AXES or math.prod(n for n in array.shape if n) > MAX_PIXELS:
        raise LimitError(f"expected at most {MAX_PIXELS} pixels, found {array.shape}")
    native = np.ascontiguousarray(array, array.dtype.newbyteorder("=")).reshape(array.shape)
    record = ImageRecord(sample_type=sample_type, shape=array.shape, tile_size=options.tile_size)
    seed = _seed(hashlib.sha256(sample_bytes(native, "<")).digest()) if options.dither else 0

    def package(images: Sequence[FinishedImage], model: BaseModel | None) -> FileContents:
        image = images[0]
        meta = Meta(
            writer=WRITER,
            original_bytes=native.nbytes,
            restored_sha256=array_sha256(image.pixels, pack_image_record(image.record)),
            original_sha256=None,
            model=_model_of(model),
            images=(image.record,),
            hdus=(),
            text=b"",
        )
        return FileContents(
            kind=Kind.ARRAY, mode=options.mode, meta=meta, params=[image.params], tiles=[image.tiles]
        )

    planes = native.reshape(plane_shape(array.shape))
    return _encode([(planes, record)], options, package, seed=seed, extra_bytes=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _FitsParts:
    """A FITS file taken apart; ``extra`` holds the data of what is no image, packed."""

    data: memoryview = field(repr=False)
    hdus: tuple[Hdu, ...]
    sha256: bytes
    extra: bytes = field(repr=False)


def _image_record(hdu: Hdu, options: EncodeOptions) -> ImageRecord:
    """What is known of an image HDU before it is coded. A BLANK that no pixel can have is left out."""
    info = hdu.image
    if info is None:
        raise UnsupportedDataError(f"expected an image in HDU {hdu.name!r}, found none")
    blank = info.blank
    if blank is not None:
        limits = np.iinfo(info.sample_type.dtype_str)
        blank = blank if limits.min <= blank <= limits.max else None
    return ImageRecord(
        sample_type=info.sample_type,
        shape=info.shape,
        tile_size=options.tile_size,
        bscale=info.bscale,
        bzero=info.bzero,
        blank=blank,
        unit=info.unit,
    )


def _image_pixels(data: memoryview, hdu: Hdu, record: ImageRecord) -> Pixels:
    """Native samples [P, H, W] of an image HDU."""
    stored = np.frombuffer(data[hdu.data_start : hdu.data_stop], ">" + record.sample_type.dtype_str)
    return stored.astype(record.sample_type.dtype_str).reshape(plane_shape(record.shape))


def _changed_header(
    parts: _FitsParts, hdu: Hdu, image: FinishedImage, model: BaseModel | None, options: EncodeOptions
) -> tuple[bytes, list[str]]:
    """Header of an image that is not exact: provenance in, checksums that were right made right again; warnings."""
    header = bytes(parts.data[hdu.header_start : hdu.data_start])
    tail = bytes(parts.data[hdu.data_stop : hdu.end])
    status = checksum_status(header, parts.data[hdu.data_start : hdu.end])
    new = header
    if options.provenance:
        cards = provenance_cards(
            mode=options.mode,
            bound=image.record.bound,
            unit=image.record.unit,
            sigma=image.record.sigma,
            model_name=model.name if model is not None and options.mode is Mode.LOSSY else None,
            model_sha256=model.sha256 if model is not None and options.mode is Mode.LOSSY else None,
            version=VERSION,
        )
        new = insert_cards(header, cards)
    if status == (None, None):
        return new, []
    restored = sample_bytes(image.pixels, ">").tobytes() + tail
    names = ("DATASUM", "CHECKSUM")
    warnings = [
        f"{name} of HDU {hdu.name or hdu.header_start!r} was wrong and is left as it is"
        for name, good in zip(names, status, strict=True)
        if good is False
    ]
    return refresh_checksums(new, restored, datasum=status[0] is True, checksum=status[1] is True), warnings


def _package_fits(
    parts: _FitsParts, options: EncodeOptions, images: Sequence[FinishedImage], model: BaseModel | None
) -> tuple[FileContents, list[str]]:
    """The file of a FITS file whose images are finished, and warnings."""
    digest = hashlib.sha256()
    texts: list[bytes] = []
    records: list[HduRecord] = []
    warnings: list[str] = []
    waiting = iter(images)
    for hdu in parts.hdus:
        header = bytes(parts.data[hdu.header_start : hdu.data_start])
        tail = bytes(parts.data[hdu.data_stop : hdu.end])
        restored: memoryview | npt.NDArray[np.uint8] = parts.data[hdu.data_start : hdu.data_stop]
        if hdu.kind is HduKind.IMAGE:
            image = next(waiting)
            if image.record.bound is not None or options.mode is Mode.LOSSY:
                header, found = _changed_header(parts, hdu, image, model, options)
                warnings += found
                restored = sample_bytes(image.pixels, ">")
        for piece in (header, restored, tail):
            digest.update(piece)
        texts += [header, tail]
        sizes = (len(header), hdu.data_stop - hdu.data_start, len(tail))
        records.append(
            HduRecord(
                kind=hdu.kind,
                name=hdu.name,
                note=hdu.note,
                header_bytes=sizes[0],
                data_bytes=sizes[1],
                tail_bytes=sizes[2],
            )
        )
    meta = Meta(
        writer=WRITER,
        original_bytes=len(parts.data),
        restored_sha256=digest.digest(),
        original_sha256=parts.sha256 if digest.digest() != parts.sha256 else None,
        model=_model_of(model),
        images=tuple(image.record for image in images),
        hdus=tuple(records),
        text=b"".join(texts),
    )
    contents = FileContents(
        kind=Kind.FITS,
        mode=options.mode,
        meta=meta,
        params=[image.params for image in images],
        tiles=[image.tiles for image in images],
        extra=parts.extra,
    )
    return contents, warnings


def encode_fits(buffer: FitsBuffer, options: EncodeOptions) -> Encoded:
    """A plain FITS file as a file of kind FITS.

    Raises
    ------
    UnsupportedDataError
        If the bytes do not start as a FITS file does.
    BoundError, ModelError, GuaranteeError
        If the bound, the model or the result is not what it should be.
    """
    data = memoryview(buffer)
    hdus = parse_fits(buffer)
    others = b"".join(data[hdu.data_start : hdu.data_stop] for hdu in hdus if hdu.kind is not HduKind.IMAGE)
    sha256 = hashlib.sha256(data).digest()
    parts = _FitsParts(data=data, hdus=hdus, sha256=sha256, extra=pack_frame(others) if others else b"")
    warnings: dict[str, None] = {}

    def package(images: Sequence[FinishedImage], model: BaseModel | None) -> FileContents:
        contents, found = _package_fits(parts, options, images, model)
        warnings.update(dict.fromkeys(found))
        return contents

    images: list[tuple[Pixels, ImageRecord]] = []
    for hdu in hdus:
        if hdu.kind is HduKind.IMAGE:
            record = _image_record(hdu, options)
            images.append((_image_pixels(data, hdu, record), record))
    encoded = _encode(images, options, package, seed=_seed(sha256), extra_bytes=len(parts.extra))
    return Encoded(contents=encoded.contents, warnings=(*encoded.warnings, *warnings))
