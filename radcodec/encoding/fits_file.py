"""Arrays and FITS files to ``.rcz`` files: joins the images' streams, the headers and everything else in a file."""

from __future__ import annotations

import hashlib
import math
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from radcodec.coding.zstd import pack_pieces
from radcodec.container.meta import HduRecord, ImageRecord, Meta, pack_image_record
from radcodec.container.writer import FileContents
from radcodec.decoding.image import Pixels, array_sha256, sample_bytes
from radcodec.encoding.coded_image import EncodeOptions, FinishedImage
from radcodec.encoding.fidelity import plan_fidelity
from radcodec.encoding.rate_control import Encoded, encode_images
from radcodec.errors import GuaranteeError, InputError, LimitError, UnsupportedDataError
from radcodec.fits.arrays import stored_samples
from radcodec.fits.checksum import checksum_status, ones_complement_sum, refresh_checksums
from radcodec.fits.header import cards_after, earlier_bound, insert_cards, provenance_cards, sum_up
from radcodec.fits.parse import parse_fits
from radcodec.fits.tile_compressed import compressed_notes
from radcodec.limits import MAX_AXES, MAX_PIXELS
from radcodec.pixels.tiles import plane_shape
from radcodec.types import EarlierBound, Hdu, HduKind, Kind, Mode, SampleType
from radcodec.version import VERSION, WRITER

if TYPE_CHECKING:
    from radcodec.base.store import Model

# Samples of an image that are turned to big-endian at a time, so that no second copy of it is made.
_SLAB_SAMPLES = 1 << 20
_SAMPLE_TYPES = {member.dtype_str: member for member in SampleType}


def _model_of(model: Model | None) -> tuple[str, bytes] | None:
    return None if model is None else (model.name, bytes.fromhex(model.sha256))


def _seed(sha256: bytes) -> int:
    return int.from_bytes(sha256[:8], "little")


def mode_of(images: Sequence[FinishedImage]) -> Mode:
    """The mode of a file of these images: what they hold, not what was asked for (docs/format.md, 2.1)."""
    return max((image.mode for image in images), default=Mode.LOSSLESS)


def _crc(native: npt.NDArray[Any]) -> int:
    """Checksum by which a change of an array that is not ours is noticed."""
    return zlib.crc32(native.reshape(-1).view(np.uint8).data)


def encode_array(array: npt.NDArray[Any], options: EncodeOptions, unit: str = "") -> Encoded:
    """An array as a file of kind array.

    Parameters
    ----------
    array
        Of any strides, byte order and number of axes; int8 to int64, uint8 to uint64, float32 or float64.
    unit
        Of the array, for bounds with a unit.

    Raises
    ------
    UnsupportedDataError, BoundError, ModelError, GuaranteeError
        If the dtype, the bound, the model or the result is not what it should be.
    InputError
        If the array changed meanwhile.
    """
    sample_type = _SAMPLE_TYPES.get(array.dtype.str[1:])
    if sample_type is None:
        raise UnsupportedDataError(
            f"expected an array of integers of 8 to 64 bits, float32 or float64, found {array.dtype}: convert it first"
        )
    if array.ndim > MAX_AXES or math.prod(n for n in array.shape if n) > MAX_PIXELS:
        raise LimitError(f"expected at most {MAX_PIXELS} pixels, found {array.shape}")
    native = np.ascontiguousarray(array, array.dtype.newbyteorder("=")).reshape(array.shape)
    record = ImageRecord(sample_type=sample_type, shape=array.shape, tile_size=options.tile_size, unit=unit)
    seed = _seed(hashlib.sha256(sample_bytes(native, "<")).digest()) if options.dither else 0

    def package(images: Sequence[FinishedImage], model: Model | None) -> FileContents:
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
            kind=Kind.ARRAY, mode=mode_of(images), meta=meta, params=[image.params], tiles=[image.tiles]
        )

    planes = native.reshape(plane_shape(array.shape))
    is_shared = np.may_share_memory(native, array)
    before = _crc(native) if is_shared else 0
    encoded = encode_images([(planes, record, options)], options, package, seed=seed, extra_bytes=0)
    if is_shared and _crc(native) != before:
        raise InputError(
            "the array changed while it was encoded: expected the same samples at the end, found others; give a copy"
        )
    return encoded


@dataclass(frozen=True, slots=True, kw_only=True)
class _FitsParts:
    """A FITS file taken apart; ``extra`` holds the data of what is no image, packed.

    ``data`` is the file, but for the data of images, which are in native byte order by now. ``checksums`` says of each
    HDU whether DATASUM and CHECKSUM held in the file.
    """

    data: memoryview = field(repr=False)
    hdus: tuple[Hdu, ...]
    sha256: bytes
    checksums: dict[Hdu, tuple[bool | None, bool | None]] = field(repr=False)
    extra: bytes = field(repr=False)


def _split_file(data: memoryview, *, exact: bool) -> _FitsParts:
    """Read all that is needed of a FITS file but its images; checksums only where headers may change."""
    hdus = parse_fits(data)
    sha256 = hashlib.sha256(data).digest()
    checksums = {
        hdu: checksum_status(bytes(data[hdu.header_start : hdu.data_start]), data[hdu.data_start : hdu.end])
        for hdu in hdus
        if hdu.kind is HduKind.IMAGE and not exact
    }
    others = [data[hdu.data_start : hdu.data_stop] for hdu in hdus if hdu.kind is not HduKind.IMAGE]
    others = [content for content in others if len(content)]
    return _FitsParts(
        data=data, hdus=hdus, sha256=sha256, checksums=checksums, extra=pack_pieces(others) if others else b""
    )


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


def _stored_bytes(pixels: Pixels) -> Iterator[memoryview]:
    """The bytes of an image as FITS stores them, in pieces, each but the last a multiple of 4 long."""
    flat = pixels.reshape(-1)
    for start in range(0, flat.size, _SLAB_SAMPLES):
        yield memoryview(sample_bytes(flat[start : start + _SLAB_SAMPLES], ">"))


def _datasum(pixels: Pixels, tail: bytes) -> int:
    """Ones-complement sum of an image's data and the padding after them."""
    total, last = 0, b""
    for piece in _stored_bytes(pixels):
        whole = len(piece) // 4 * 4
        total, last = ones_complement_sum(piece[:whole], total), bytes(piece[whole:])
    return ones_complement_sum(last + tail, total)


def _changed_header(
    parts: _FitsParts, hdu: Hdu, image: FinishedImage, model: Model | None, options: EncodeOptions
) -> tuple[bytes, list[str]]:
    """Header of an image that is not exact: provenance in, checksums that were right made right again; warnings."""
    header = bytes(parts.data[hdu.header_start : hdu.data_start])
    tail = bytes(parts.data[hdu.data_stop : hdu.end])
    status = parts.checksums[hdu]
    new = header
    if options.provenance:
        cards = provenance_cards(
            mode=image.mode,
            bound=image.record.bound,
            unit=image.record.unit,
            sigma=image.record.sigma,
            model_name=model.name if model is not None and image.mode is Mode.LOSSY else None,
            model_sha256=model.sha256 if model is not None and image.mode is Mode.LOSSY else None,
            version=VERSION,
        )
        earlier = earlier_bound(header)
        if earlier is not None and image.record.bound is not None:
            cards = cards_after(cards, earlier, image.record.unit)
        new = insert_cards(header, cards)
    if status == (None, None):
        return new, []
    # Four bytes that have the same sum as all of the data.
    restored = _datasum(image.pixels, tail).to_bytes(4, "big")
    names = ("DATASUM", "CHECKSUM")
    warnings = [
        f"{name} of HDU {hdu.name or hdu.header_start!r} was wrong and is left as it is"
        for name, good in zip(names, status, strict=True)
        if good is False
    ]
    return refresh_checksums(new, restored, datasum=status[0] is True, checksum=status[1] is True), warnings


def _earlier_warnings(earlier: EarlierBound | None, record: ImageRecord, options: EncodeOptions) -> list[str]:
    """What is said of an image that was compressed before and is changed again."""
    if earlier is None or record.bound is None:
        return []
    if earlier.total is None:
        return [
            f"the image was compressed before with an error that is not known (mode {earlier.mode}): the bound of "
            f"{record.bound:.6g} is against what it was compressed to, and no largest error is written to the header"
        ]
    total = sum_up(earlier.total, record.bound)
    if not options.provenance:
        return [f"the header still says a largest error of {earlier.total:.6g}, and with this bound it is {total:.6g}"]
    both = f"{earlier.total:.6g} and {record.bound:.6g}"
    return [f"the image was bounded before: its largest error in the header is now {total:.6g}, the sum of {both}"]


def _package_fits(
    parts: _FitsParts, options: EncodeOptions, images: Sequence[FinishedImage], model: Model | None
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
        pieces: Iterable[memoryview] = (parts.data[hdu.data_start : hdu.data_stop],)
        if hdu.kind is HduKind.IMAGE:
            image = next(waiting)
            pieces = _stored_bytes(image.pixels)
            if image.mode is not Mode.LOSSLESS:
                earlier = earlier_bound(header)
                if earlier is None or not image.is_unchanged:
                    header, found = _changed_header(parts, hdu, image, model, options)
                    warnings += found + _earlier_warnings(earlier, image.record, options)
        for piece in chain[bytes | memoryview]((header,), pieces, (tail,)):
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
    if options.mode is Mode.LOSSLESS and digest.digest() != parts.sha256:
        raise GuaranteeError(
            f"expected to restore a file of SHA-256 {parts.sha256.hex()}, found {digest.hexdigest()}: "
            "nothing was written"
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
        mode=mode_of(images),
        meta=meta,
        params=[image.params for image in images],
        tiles=[image.tiles for image in images],
        extra=parts.extra,
    )
    return contents, warnings


def _compressed_warnings(parts: _FitsParts, options: EncodeOptions) -> list[str]:
    """What there is to say about tile-compressed images, which are carried as they are."""
    untouched = "" if options.mode is Mode.LOSSLESS else f": the {options.mode.name.lower()} mode has no effect on it"
    return [
        f"{note}, is carried as it is{untouched}; --recompress (recompress=True) takes it apart"
        for note in compressed_notes(parts.hdus)
    ]


def encode_fits(data: memoryview, options: EncodeOptions) -> Encoded:
    """Encode a plain FITS file as a file of kind FITS.

    Parameters
    ----------
    data
        The file. Memory that may be written to is used up: the samples of images are swapped to native order in place.

    Raises
    ------
    UnsupportedDataError
        If the bytes do not start as a FITS file does.
    BoundError, ModelError, GuaranteeError
        If the bound, the model or the result is not what it should be.
    """
    parts = _split_file(data, exact=options.mode is Mode.LOSSLESS)
    warnings = dict.fromkeys(_compressed_warnings(parts, options))

    def package(images: Sequence[FinishedImage], model: Model | None) -> FileContents:
        contents, found = _package_fits(parts, options, images, model)
        warnings.update(dict.fromkeys(found))
        return contents

    plan = plan_fidelity(data, parts.hdus, options)
    images: list[tuple[Pixels, ImageRecord, EncodeOptions]] = []
    names: list[str] = []
    earlier: list[EarlierBound | None] = []
    each = iter(plan.options)
    for number, hdu in enumerate(parts.hdus):
        if hdu.kind is HduKind.IMAGE:
            record = _image_record(hdu, options)
            images.append((stored_samples(data, hdu).reshape(plane_shape(record.shape)), record, next(each)))
            names.append(_label(number, hdu))
            earlier.append(earlier_bound(bytes(data[hdu.header_start : hdu.data_start])))
    encoded = encode_images(
        images,
        options,
        package,
        seed=_seed(parts.sha256),
        extra_bytes=len(parts.extra),
        names=names,
        earlier=earlier,
    )
    carried = [] if options.mode is Mode.LOSSLESS else _carried_warnings(data, parts.hdus)
    return replace(encoded, warnings=(*carried, *plan.warnings, *encoded.warnings, *warnings))


def _label(number: int, hdu: Hdu) -> str:
    """What warnings call an HDU."""
    return f"HDU {number}{f' ({hdu.name})' if hdu.name else ''}"


def _carried_warnings(data: memoryview, hdus: Sequence[Hdu]) -> list[str]:
    """What is said of data that a bound or the lossy mode does not reach."""
    warnings: list[str] = []
    for number, hdu in enumerate(hdus):
        label = _label(number, hdu)
        is_unit = bytes(data[hdu.header_start : hdu.header_start + 8]) in (b"SIMPLE  ", b"XTENSION")
        if hdu.kind is HduKind.OPAQUE and is_unit:
            why = f" ({hdu.note})" if hdu.note else ""
            warnings.append(f"{label} is carried as it is{why}, exactly: nothing in it is bounded")
        elif hdu.kind is HduKind.GROUPS:
            warnings.append(f"{label} holds random groups and is carried as it is, exactly")
    if not warnings and not any(hdu.kind in (HduKind.IMAGE, HduKind.COMPRESSED) for hdu in hdus):
        warnings.append("the file has no image with pixels: all of it is exact")
    return warnings
