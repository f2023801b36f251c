"""FITS files to ``.rcz`` files: joins the images' streams, the headers and everything else in a file."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import TYPE_CHECKING

from radcodec.coding.samples import iter_sample_bytes
from radcodec.coding.zstd import pack_pieces
from radcodec.container.meta import HduRecord, ImageRecord, Meta
from radcodec.container.writer import FileContents
from radcodec.decoding.tile import Pixels
from radcodec.encoding.array_file import seed_of
from radcodec.encoding.coded_image import FinishedImage
from radcodec.encoding.cube_sides import choose_sides
from radcodec.encoding.encoded_file import EncodedFile, count_bytes, stored_model
from radcodec.encoding.fidelity import plan_fidelity
from radcodec.encoding.image_plan import SourceImage
from radcodec.encoding.image_set import EncodedImages, encode_images, smaller_images
from radcodec.encoding.largest_error import largest_error
from radcodec.encoding.options import EncodeOptions, Fidelity, Lossless
from radcodec.errors import GuaranteeError, UnsupportedDataError
from radcodec.fits.arrays import possible_blank, stored_samples
from radcodec.fits.checksum import checksum_status, ones_complement_sum, refresh_checksums
from radcodec.fits.header import cards_after, earlier_bound, insert_cards, provenance_cards, sum_up
from radcodec.fits.parse import PlainUnit, iter_plain_units, parse_fits, unit_data
from radcodec.fits.select import hdu_labels, hdu_name
from radcodec.fits.tile_compressed import compressed_notes
from radcodec.pixels.tiles import TileOption, plane_shape, tile_sides
from radcodec.types import EarlierBound, Hdu, HduKind, Kind, Mode
from radcodec.version import VERSION, WRITER

if TYPE_CHECKING:
    from radcodec.base.store import Model


@dataclass(frozen=True, slots=True, kw_only=True)
class _FitsParts:
    """The parts of a FITS file; ``extra`` holds the data of what is no image, packed.

    ``data`` is the file, but for the data of images, which are in native byte order by now. ``labels`` name its HDUs in
    warnings. ``checksums`` says of each HDU whether DATASUM and CHECKSUM held in the file.
    """

    data: memoryview = field(repr=False)
    units: tuple[PlainUnit, ...]
    labels: Sequence[str]
    sha256: bytes
    checksums: dict[int, tuple[bool | None, bool | None]] = field(repr=False)
    extra: bytes = field(repr=False)


def _split_file(data: memoryview, *, exact: bool) -> _FitsParts:
    """Read all of a FITS file that is needed but its images; checksums only where headers may change."""
    units = tuple(iter_plain_units(data, parse_fits(data)))
    checksums = {
        unit.number: checksum_status(unit.header, data[unit.hdu.data_start : unit.hdu.end])
        for unit in units
        if unit.hdu.kind is HduKind.IMAGE and not exact
    }
    others = [unit_data(data, unit.hdu) for unit in units if unit.hdu.kind is not HduKind.IMAGE]
    others = [content for content in others if len(content)]
    return _FitsParts(
        data=data,
        units=units,
        labels=hdu_labels([hdu_name(unit.header, unit.number) for unit in units]),
        sha256=hashlib.sha256(data).digest(),
        checksums=checksums,
        extra=pack_pieces(others) if others else b"",
    )


def _image_record(hdu: Hdu, tile: TileOption) -> ImageRecord:
    """Make the record of an image HDU before it is coded. A BLANK that no pixel can have is left out."""
    info = hdu.image
    if info is None:
        raise UnsupportedDataError(f"expected an image in HDU {hdu.name!r}, found none")
    return ImageRecord(
        sample_type=info.sample_type,
        shape=info.shape,
        sides=tile_sides(info.shape, tile),
        bscale=info.bscale,
        bzero=info.bzero,
        blank=possible_blank(info),
        unit=info.unit,
    )


def _datasum(pixels: Pixels, tail: bytes) -> int:
    """Sum an image's data and the padding after them in ones complement."""
    total, last = 0, b""
    for piece in iter_sample_bytes(pixels, ">"):
        whole = len(piece) // 4 * 4
        total, last = ones_complement_sum(piece[:whole], total), bytes(piece[whole:])
    return ones_complement_sum(last + tail, total)


def _changed_header(
    unit: PlainUnit, image: FinishedImage, model: Model | None, *, earlier: EarlierBound | None
) -> bytes:
    """Put provenance into the header of an image that is not exact."""
    lossy_model = model if image.mode is Mode.LOSSY else None
    cards = provenance_cards(
        mode=image.mode,
        bound=image.record.bound,
        unit=image.record.unit,
        sigma=image.record.sigma,
        model_name=None if lossy_model is None else lossy_model.name,
        model_sha256=None if lossy_model is None else lossy_model.sha256,
        version=VERSION,
    )
    if earlier is not None and image.record.bound is not None:
        cards = cards_after(cards, earlier, image.record.unit)
    return insert_cards(unit.header, cards)


def _with_checksums(
    header: bytes, unit: PlainUnit, pixels: Pixels, status: tuple[bool | None, bool | None]
) -> tuple[bytes, list[str]]:
    """Refresh the checksums in a header that were right; gives warnings of those that were wrong."""
    if status == (None, None):
        return header, []
    # Four bytes that have the same sum as all of the data.
    restored = _datasum(pixels, unit.tail).to_bytes(4, "big")
    names = ("DATASUM", "CHECKSUM")
    warnings = [
        f"{name} of HDU {unit.hdu.name or unit.hdu.header_start!r} was wrong and is kept unchanged"
        for name, good in zip(names, status, strict=True)
        if good is False
    ]
    return refresh_checksums(header, restored, datasum=status[0] is True, checksum=status[1] is True), warnings


def _earlier_warnings(earlier: EarlierBound | None, record: ImageRecord, *, provenance: bool) -> list[str]:
    """Return a warning about an image that was compressed before and is changed again."""
    if earlier is None or record.bound is None:
        return []
    if earlier.total is None:
        return [
            f"the image was compressed before with an error that is not known (mode {earlier.mode}): the bound of "
            f"{record.bound:.6g} is against what it was compressed to, and no largest error is written to the header"
        ]
    total = sum_up(earlier.total, record.bound)
    if not provenance:
        return [f"the header still says a largest error of {earlier.total:.6g}, and with this bound it is {total:.6g}"]
    both = f"{earlier.total:.6g} and {record.bound:.6g}"
    return [f"the image was bounded before: its largest error in the header is now {total:.6g}, the sum of {both}"]


def _restored_header(
    parts: _FitsParts, unit: PlainUnit, image: FinishedImage, encoded: EncodedImages, *, provenance: bool
) -> tuple[bytes, list[str]]:
    """Make the header that an image comes back with; gives warnings too."""
    earlier = earlier_bound(unit.header) if image.mode is not Mode.LOSSLESS else None
    if image.mode is Mode.LOSSLESS or (earlier is not None and image.is_unchanged):
        return unit.header, []
    header = _changed_header(unit, image, encoded.model, earlier=earlier) if provenance else unit.header
    header, warnings = _with_checksums(header, unit, image.pixels, parts.checksums[unit.number])
    return header, warnings + _earlier_warnings(earlier, image.record, provenance=provenance)


def _contents(parts: _FitsParts, options: EncodeOptions, encoded: EncodedImages) -> tuple[FileContents, list[str]]:
    """Put together the file of a FITS file whose images are finished; gives warnings too.

    Raises
    ------
    GuaranteeError
        If a lossless file would not restore the original.
    """
    digest = hashlib.sha256()
    texts: list[bytes] = []
    records: list[HduRecord] = []
    warnings: list[str] = []
    waiting = iter(encoded.images)
    for unit in parts.units:
        header, pieces = unit.header, iter((unit_data(parts.data, unit.hdu),))
        if unit.hdu.kind is HduKind.IMAGE:
            image = next(waiting)
            header, found = _restored_header(parts, unit, image, encoded, provenance=options.provenance)
            warnings += found
            pieces = iter_sample_bytes(image.pixels, ">")
        for piece in chain[bytes | memoryview]((header,), pieces, (unit.tail,)):
            digest.update(piece)
        texts += [header, unit.tail]
        records.append(_hdu_record(unit, header))
    if isinstance(options.fidelity, Lossless) and digest.digest() != parts.sha256:
        raise GuaranteeError(
            f"expected to restore a file of SHA-256 {parts.sha256.hex()}, found {digest.hexdigest()}: "
            "nothing was written"
        )
    meta = Meta(
        writer=WRITER,
        original_bytes=len(parts.data),
        restored_sha256=digest.digest(),
        original_sha256=parts.sha256 if digest.digest() != parts.sha256 else None,
        model=stored_model(encoded.model),
        images=tuple(image.record for image in encoded.images),
        hdus=tuple(records),
        text=b"".join(texts),
    )
    contents = FileContents(
        kind=Kind.FITS,
        mode=encoded.mode,
        meta=meta,
        params=[image.params for image in encoded.images],
        tiles=[image.tiles for image in encoded.images],
        extra=parts.extra,
    )
    return contents, warnings


def _hdu_record(unit: PlainUnit, header: bytes) -> HduRecord:
    return HduRecord(
        kind=unit.hdu.kind,
        name=unit.hdu.name,
        note=unit.hdu.note,
        header_bytes=len(header),
        data_bytes=unit.hdu.data_stop - unit.hdu.data_start,
        tail_bytes=len(unit.tail),
    )


def _compressed_warnings(parts: _FitsParts, mode: Mode) -> list[str]:
    """Say that tile-compressed images are carried as they are."""
    untouched = "" if mode is Mode.LOSSLESS else f": the {mode.name.lower()} mode has no effect on it"
    return [
        f"{note}, is carried unchanged{untouched}; --recompress (recompress=True) codes its pixels"
        for note in compressed_notes([unit.hdu for unit in parts.units])
    ]


def encode_fits(data: memoryview, options: EncodeOptions) -> EncodedFile:
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
    parts = _split_file(data, exact=isinstance(options.fidelity, Lossless))
    plan = plan_fidelity(parts.units, options)
    fidelities = iter(plan.fidelities)
    images = [unit for unit in parts.units if unit.hdu.kind is HduKind.IMAGE]
    sources = [_source_image(parts, unit, next(fidelities), options.tile) for unit in images]
    encoded = encode_images(sources, options, seed=seed_of(parts.sha256), extra_bytes=len(parts.extra))
    contents, changed = _contents(parts, options, encoded)
    while encoded.may_be_too_large:
        smaller = smaller_images(encoded, count_bytes(contents, clean=options.clean))
        if smaller is None:
            break
        encoded = smaller
        contents, changed = _contents(parts, options, encoded)
    carried = [] if isinstance(options.fidelity, Lossless) else _carried_warnings(parts)
    last = dict.fromkeys([*_compressed_warnings(parts, options.fidelity.mode), *changed])
    return EncodedFile(
        contents=contents,
        model=encoded.model,
        warnings=(*carried, *plan.warnings, *encoded.warnings, *last),
        noise=encoded.noise,
        largest_error=largest_error(encoded.images),
        clean=options.clean,
    )


def _source_image(parts: _FitsParts, unit: PlainUnit, fidelity: Fidelity, tile: TileOption) -> SourceImage:
    """Read the samples of an image HDU, which are swapped in place, and what its header says of them."""
    record = _image_record(unit.hdu, tile)
    pixels = stored_samples(parts.data, unit.hdu).reshape(plane_shape(record.shape))
    record = replace(record, sides=choose_sides(pixels.reshape(record.shape), tile))
    return SourceImage(
        pixels=pixels,
        record=record,
        fidelity=fidelity,
        name=parts.labels[unit.number],
        earlier=earlier_bound(unit.header),
    )


def _carried_warnings(parts: _FitsParts) -> list[str]:
    """Return warnings about data that a bound or the lossy mode does not reach."""
    warnings: list[str] = []
    for unit in parts.units:
        hdu, label = unit.hdu, parts.labels[unit.number]
        is_unit = bytes(parts.data[hdu.header_start : hdu.header_start + 8]) in (b"SIMPLE  ", b"XTENSION")
        if hdu.kind is HduKind.OPAQUE and is_unit:
            why = f" ({hdu.note})" if hdu.note else ""
            warnings.append(f"{label} is carried unchanged{why}: nothing in it is bounded")
        elif hdu.kind is HduKind.GROUPS:
            warnings.append(f"{label} holds random groups and is carried unchanged")
    if not warnings and not any(unit.hdu.kind in (HduKind.IMAGE, HduKind.COMPRESSED) for unit in parts.units):
        warnings.append("the file has no image with pixels: all of it is exact")
    return warnings
