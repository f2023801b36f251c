"""Check files: every checksum, every tile, and optionally against the original."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import zip_longest
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from radcodec.container.reader import Reader
from radcodec.container.units import iter_units
from radcodec.decoding.consistency import check_consistency
from radcodec.decoding.guarantee import Breach, blank_breach, find_breach, special_breach
from radcodec.decoding.image import StoredImage, decode_tiles, open_image, read_stages
from radcodec.decoding.regions import axis_name
from radcodec.decoding.restore import check_array, iter_fits_bytes
from radcodec.decoding.tile import Pixels, base_values
from radcodec.errors import FormatError, GuaranteeError, ModelError, UnsupportedDataError
from radcodec.fits.arrays import stored_box, to_physical
from radcodec.fits.cards import CARD_BYTES
from radcodec.fits.header import PROVENANCE_KEYWORDS, header_cards
from radcodec.fits.parse import FitsBuffer, iter_plain_units, parse_fits, unit_data
from radcodec.pixels.masks import Mask, always_special, decode_mask
from radcodec.pixels.tiles import Box
from radcodec.runtime.parallel import one_blas_thread, ordered_map
from radcodec.types import Hdu, Kind, Mode

if TYPE_CHECKING:
    from radcodec.base.store import Model

# Reads the native samples [p, h, w] in a box of an image.
ReadBox: TypeAlias = Callable[[Box], Pixels]

# Cards that may differ from the original in a bounded or lossy image.
_MAY_DIFFER = frozenset(name.encode("ascii") for name in (*PROVENANCE_KEYWORDS, "CHECKSUM", "DATASUM"))


def check_written(reader: Reader, threads: int, model: Model | None = None) -> None:
    """Decode every tile of a newly encoded file and compare it with the encoder's checksums.

    ``model`` made the base layer. Base streams that only previews need were decoded and compared before they were
    written; here only their checksums are compared.

    Raises
    ------
    GuaranteeError
        If the file does not decode to the encoder's result.
    """
    try:
        check_consistency(reader)
        _check_restored(reader, threads, model)
    except FormatError as err:
        raise GuaranteeError(f"the file does not decode to what was encoded: {err}; nothing was written") from err


def check_file(reader: Reader, threads: int) -> tuple[str, ...]:
    """Verify every checksum of a file, decode every tile and every base stream, and return warnings.

    If the model of a preview is missing, the preview is not decoded, and a warning says so.

    Raises
    ------
    FormatError, ModelError
        As in decoding; CorruptError also if the checksum of the whole file is wrong.
    """
    _check_restored(reader, threads)
    for image in _with_spare_base(reader):
        try:
            image.coding.shared.model  # noqa: B018  # found before any thread asks for it
        except ModelError as err:
            return (f"the base layer was not decoded: {err}",)
        with one_blas_thread():
            for _ in ordered_map(partial(_decode_base, image), range(image.n_tiles), threads):
                pass
    return ()


def _check_restored(reader: Reader, threads: int, model: Model | None = None) -> None:
    """Verify every checksum and decode every tile; only a few tiles are in memory at a time."""
    reader.check_whole_file()
    if reader.prelude.kind is Kind.ARRAY:
        check_array(reader, threads, model)
        return
    for _ in iter_fits_bytes(reader, threads, model):
        pass


def _with_spare_base(reader: Reader) -> list[StoredImage]:
    """Return the images whose base layer is only for previews, which a full decode does not read."""
    if reader.prelude.mode is Mode.LOSSY:
        return []
    records = enumerate(reader.meta.images)
    return [open_image(reader, number) for number, record in records if record.n_stages and not record.on_base]


def _decode_base(image: StoredImage, tile: int) -> None:
    """Decode the base streams of a tile, if it has any."""
    streams = read_stages(image, tile)
    if streams:
        base_values(image.coding, image.coding.grid.box(tile), streams)


def check_against(reader: Reader, original: FitsBuffer, threads: int) -> None:
    """Check that the file keeps its promise about ``original``, a plain FITS file.

    Lossless: the bytes are equal. Bounded: every pixel is within the bound, and special ones have equal bits. Lossy:
    special pixels have equal bits. In both, headers are equal but for provenance and checksum cards, and all other
    bytes are equal.

    Raises
    ------
    GuaranteeError
        If there is a difference that the mode does not allow; the message says where.
    UnsupportedDataError
        If ``original`` is no FITS file.
    """
    if reader.prelude.kind is Kind.ARRAY:
        _check_array(reader, original, threads)
    elif reader.prelude.mode is Mode.LOSSLESS:
        _check_bytes(reader, original, threads)
    else:
        _check_units(reader, original, threads)


def _check_bytes(reader: Reader, original: FitsBuffer, threads: int) -> None:
    position = 0
    for piece in iter_fits_bytes(reader, threads):
        if piece != original[position : position + len(piece)]:
            raise GuaranteeError(_first_difference(piece, original, position))
        position += len(piece)
    if position != len(original):
        raise GuaranteeError(f"the restored file has {position} bytes, the original {len(original)}")


def _first_difference(piece: bytes | memoryview, original: FitsBuffer, position: int) -> str:
    """Describe the first byte of a restored piece at ``position`` that differs, by its HDU and pixel.

    Raises
    ------
    UnsupportedDataError
        If ``original`` is not a FITS file.
    """
    hdus = parse_fits(original)
    before = np.frombuffer(original[position : position + len(piece)], np.uint8)
    after = np.frombuffer(piece, np.uint8)[: before.size]
    different = np.flatnonzero(before != after)
    if not different.size:
        return f"the original ends after {len(original)} bytes, the restored file is longer"
    offset = position + int(different[0])
    number = next(number for number, hdu in enumerate(hdus) if offset < hdu.end)
    return f"{_place_in_hdu(hdus[number], number, offset)} differs from the original (byte {offset} of the file)"


def _place_in_hdu(hdu: Hdu, number: int, offset: int) -> str:
    """Name the pixel, or the part of an HDU, that holds a byte of its file."""
    name = _hdu_name(hdu, number)
    if offset < hdu.data_start:
        return f"{name}: card {(offset - hdu.header_start) // CARD_BYTES} of its header"
    if offset >= hdu.data_stop:
        return f"{name}: its padding"
    if hdu.image is None:
        return f"{name}: byte {offset - hdu.data_start} of its data"
    index = (offset - hdu.data_start) // hdu.image.sample_type.size_bytes
    return f"{name}: {_pixel_name(hdu.image.shape, index)}"


def _hdu_name(hdu: Hdu, number: int) -> str:
    return f"HDU {number} ({hdu.name or ('without a name' if number else 'PRIMARY')})"


def _pixel_name(shape: tuple[int, ...], index: int) -> str:
    """Name a pixel by its place along each axis, x first, from its place in the file."""
    places: list[str] = []
    for axis, length in enumerate(reversed(shape)):
        index, at = divmod(index, length)
        places.append(f"{axis_name(axis)} {at}")
    return f"pixel {', '.join(places)}"


def _unchanged_cards(header: bytes) -> list[tuple[int, bytes]]:
    """Return the cards that must not change with their numbers, without the blank ones that pad before END."""
    cards = [
        (number, card) for number, card in enumerate(header_cards(header)) if card[:8].rstrip(b" ") not in _MAY_DIFFER
    ]
    while cards and not cards[-1][1].strip(b" "):
        cards.pop()
    return cards


def _check_cards(restored: bytes, original: bytes, name: str) -> None:
    """Raise GuaranteeError for the first card of an image's header that must not differ; its number counts from 0."""
    for after, before in zip_longest(_unchanged_cards(restored), _unchanged_cards(original)):
        if after is None or before is None or after[1] != before[1]:
            number, card = before or after or (0, b"")
            keyword = card[:8].decode("ascii", "replace").strip()
            raise GuaranteeError(f"{name}: card {number} of its header ({keyword}) differs from the original")


def _check_part(restored: bytes | memoryview, original: FitsBuffer, start: int, place: tuple[Hdu, int]) -> None:
    """Raise GuaranteeError for the first byte of a part of an HDU that differs; ``start`` is its place in the original.

    ``place`` is the HDU and its number.
    """
    if restored == original:
        return
    after, before = (np.frombuffer(part, np.uint8) for part in (restored, original[:]))
    n_both = min(after.size, before.size)
    different = np.flatnonzero(after[:n_both] != before[:n_both])
    if not different.size:
        raise GuaranteeError(f"{_hdu_name(*place)} has a part of {after.size} bytes, the original {before.size}")
    offset = start + int(different[0])
    raise GuaranteeError(f"{_place_in_hdu(*place, offset)} differs from the original (byte {offset} of the file)")


def _original_pixels(original: FitsBuffer, hdu: Hdu, image: StoredImage, name: str) -> ReadBox:
    """Say how to read native samples of an HDU of the original; raises GuaranteeError for a different image."""
    record = image.coding.record
    info = hdu.image
    if info is None or info.shape != record.shape or info.sample_type is not record.sample_type:
        found = None if info is None else (info.sample_type.dtype_str, info.shape)
        raise GuaranteeError(
            f"{name}: the file holds {record.sample_type.dtype_str} {record.shape}, the original {found}"
        )
    return partial(stored_box, original, hdu)


def _check_pixels(image: StoredImage, original: ReadBox, mode: Mode, threads: int, name: str) -> None:
    """Raise GuaranteeError if restored tiles break their guarantee about the original.

    The message says what is wrong with the first pixel, in the order of the file, of the HDU ``name``.
    """
    grid, record = image.coding.grid, image.coding.record
    tiles = range(grid.n_tiles)
    first: tuple[int, str] | None = None
    for tile, restored in zip(tiles, decode_tiles(image, tiles, threads), strict=True):
        box = grid.box(tile)
        samples = original(box)
        mask, stream = image.reader.read_tile(image.number, tile)
        special = _special(samples, mask, image)
        if mode is Mode.LOSSY and not stream:
            breach = special_breach(samples, restored, special) or blank_breach(samples, restored, record)
        else:
            breach = find_breach(samples, restored, special, image.coding, box)
        if breach is not None:
            found = _first_of(breach, box, record.shape)
            first = found if first is None else min(first, found)
    if first is not None:
        raise GuaranteeError(f"{name}: {_pixel_name(record.shape, first[0])} {first[1]}")


def _first_of(breach: Breach, box: Box, shape: tuple[int, ...]) -> tuple[int, str]:
    """Return the place in its image of the first sample of a breach, and what is wrong with it and in its tile."""
    place = tuple(int(at) for at in np.unravel_index(int(np.argmax(breach.where)), breach.where.shape))
    height, width = ((1, 1) + shape)[-2:]
    p, y, x = (start + at for start, at in zip(box[::2], place, strict=True))
    return (p * height + y) * width + x, f"{breach.describe(place)}; in its tile {breach.text}"


def _special(samples: Pixels, mask: bytes, image: StoredImage) -> Mask | None:
    """Mark the samples [p, h, w] of the original that must come back with the same bits.

    These are the samples in the file's mask, and those that are special in every image.
    """
    record = image.coding.record
    special = always_special(samples, record.blank)
    if mask:
        listed = decode_mask(mask, samples.size, record.sample_type)[0].reshape(samples.shape)
        special = listed if special is None else special | listed
    return special


def _check_units(reader: Reader, original: FitsBuffer, threads: int) -> None:
    """Compare a bounded or lossy file with the original, unit by unit."""
    hdus = parse_fits(original)
    records = reader.meta.hdus
    if [hdu.kind for hdu in hdus] != [record.kind for record in records]:
        raise GuaranteeError(f"the file has {len(records)} HDUs, the original {len(hdus)} or others")
    extra = memoryview(reader.read_extra())
    for plain, unit in zip(iter_plain_units(original, hdus), iter_units(reader), strict=True):
        hdu, name = plain.hdu, _hdu_name(plain.hdu, unit.number)
        place = (hdu, unit.number)
        if unit.image is not None:
            image = open_image(reader, unit.image)
            pixels = _original_pixels(original, hdu, image, name)
            _check_cards(unit.header, plain.header, name)
            _check_pixels(image, pixels, reader.prelude.mode, threads, name)
        else:
            _check_part(unit.header, plain.header, hdu.header_start, place)
            _check_part(extra[unit.extra], unit_data(original, hdu), hdu.data_start, place)
        _check_part(unit.tail, plain.tail, hdu.data_stop, place)


def _check_array(reader: Reader, original: FitsBuffer, threads: int) -> None:
    """Compare a file of kind array with the physical values of the first image of a FITS file."""
    hdus = enumerate(parse_fits(original))
    number, hdu = next(((number, hdu) for number, hdu in hdus if hdu.image is not None), (0, None))
    if hdu is None or hdu.image is None:
        raise UnsupportedDataError("expected an original with an image, found none")
    info = hdu.image
    image = open_image(reader, 0)
    record = image.coding.record
    dtype = to_physical(np.empty(0, info.sample_type.dtype_str), info).dtype
    if dtype != np.dtype(record.sample_type.dtype_str) or math.prod(info.shape) != record.n_pixels:
        raise GuaranteeError(f"the file holds {record.sample_type.dtype_str} {record.shape}, the original {info.shape}")
    # Axes of one pixel may be missing in either.
    alike = replace(hdu, image=replace(info, shape=record.shape))

    def read(box: Box) -> Pixels:
        return to_physical(stored_box(original, alike, box), info)

    _check_pixels(image, read, reader.prelude.mode, threads, _hdu_name(hdu, number))
