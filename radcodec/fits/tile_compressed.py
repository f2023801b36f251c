"""Decode tile-compressed images to plain image HDUs, and name them in messages.

The result is the file that ``funpack -C`` writes: the same header cards and the same pixels.

References
----------
FITS Standard 4.0, section 10 (tiled image compression); CFITSIO's ``fits_img_decompress``, for what funpack keeps.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np

from radcodec.errors import UnsupportedDataError
from radcodec.fits.cards import BLOCK_BYTES, CARD_BYTES, CardValue, format_card, iter_cards, parse_value
from radcodec.fits.checksum import checksum_status, refresh_checksums
from radcodec.fits.parse import FitsBuffer, parse_fits
from radcodec.fits.source import FitsSource
from radcodec.types import Hdu, HduKind

_Cards = list[tuple[bytes, bytes]]  # keyword and card

# Cards of a compressed image that encode a card of the image.
_RENAMED = {
    b"ZSIMPLE": b"SIMPLE",
    b"ZTENSION": b"XTENSION",
    b"ZBITPIX": b"BITPIX",
    b"ZNAXIS": b"NAXIS",
    b"ZEXTEND": b"EXTEND",
    b"ZBLOCKED": b"BLOCKED",
    b"ZPCOUNT": b"PCOUNT",
    b"ZGCOUNT": b"GCOUNT",
    b"ZHECKSUM": b"CHECKSUM",
    b"ZDATASUM": b"DATASUM",
}
_NUMBERED = re.compile(rb"(ZNAXIS|NAXIS|TTYPE|TFORM|ZTILE|ZNAME|ZVAL)[0-9]+\Z")
_MANDATORY = re.compile(rb"(SIMPLE|XTENSION|BITPIX|NAXIS[0-9]*|PCOUNT|GCOUNT)\Z")
# Cards of the table that holds a compressed image, and of the compression itself.
_OF_THE_TABLE = frozenset(
    b"SIMPLE XTENSION BITPIX NAXIS PCOUNT GCOUNT TFIELDS THEAP ZIMAGE ZQUANTIZ ZDITHER0 ZCMPTYPE ZBLANK CHECKSUM "
    b"DATASUM".split()
)
# Cards of the empty primary HDU that are dropped when an image replaces it.
_OF_THE_PRIMARY = frozenset(
    b"SIMPLE BITPIX NAXIS PCOUNT EXTEND GCOUNT CHECKSUM DATASUM EXTNAME HISTORY COMMENT".split()
)
# Cards needed to decode pixels. All others are hidden from astropy, which would act on them or warn.
_NEEDED = re.compile(
    rb"(XTENSION|BITPIX|NAXIS[12]?|PCOUNT|GCOUNT|TFIELDS|THEAP|T(TYPE|FORM|NULL|SCAL|ZERO)[0-9]+"
    rb"|Z(IMAGE|CMPTYPE|BITPIX|NAXIS[0-9]*|TILE[0-9]+|NAME[0-9]+|VAL[0-9]+|QUANTIZ|DITHER0|BLANK|SCALE|ZERO|MASKCMP))\Z"
)
_DTYPES = {8: ">u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}


class _Unit(Protocol):
    """Common attributes of a unit of a FITS file and its record in a ``.rcz`` file."""

    @property
    def kind(self) -> HduKind: ...
    @property
    def name(self) -> str: ...


def compressed_notes(hdus: Iterable[_Unit]) -> list[str]:
    """Describe each tile-compressed image of a file in a phrase."""
    return [
        f"HDU {number}{f' ({hdu.name})' if hdu.name else ''}, a tile-compressed image"
        for number, hdu in enumerate(hdus)
        if hdu.kind is HduKind.COMPRESSED
    ]


def no_image(hdus: Iterable[_Unit], advice: str) -> UnsupportedDataError:
    """Make the error of a file without an image that can be read here; its tile-compressed ones are named."""
    hdus = tuple(hdus)
    notes = compressed_notes(hdus)
    if not notes:
        unsound = [str(number) for number, hdu in enumerate(hdus) if hdu.kind is HduKind.OPAQUE]
        what = f"none, as HDU {', '.join(unsound)} is cut off or not valid" if unsound else "none"
        return UnsupportedDataError(f"expected a file with an image that has pixels, found {what}: {advice}")
    return UnsupportedDataError(
        f"expected an image that is not compressed already, found {', and '.join(notes)}: use --recompress "
        "(recompress=True) when compressing, or funpack the FITS file first"
    )


def has_compressed(hdus: Iterable[_Unit]) -> bool:
    """Return whether a file has a tile-compressed image."""
    return any(hdu.kind is HduKind.COMPRESSED for hdu in hdus)


def _printable(card: bytes) -> bytes:
    """Replace what FITS forbids in a value or comment by blanks, as CFITSIO does."""
    return card[:8] + bytes(byte if 32 <= byte <= 126 else 32 for byte in card[8:])


def _renamed(cards: _Cards) -> _Cards:
    """Return the image's cards that its table's cards encode, in their order."""
    found: _Cards = []
    for keyword, card in cards:
        new = _RENAMED.get(keyword, keyword)
        if new is keyword:
            if keyword in _OF_THE_TABLE or (_NUMBERED.match(keyword) and not keyword.startswith(b"ZNAXIS")):
                continue
            if card.startswith(b"EXTNAME = 'COMPRESSED_IMAGE'"):
                continue
            if keyword.startswith(b"ZNAXIS"):
                new = keyword[1:]
        found.append((new, new.ljust(8) + _printable(card)[8:]))
    return found


def _extension_start(cards: _Cards) -> _Cards:
    """Return the structure cards of an image extension whose compressed form drops the original ones."""
    values = {keyword: parse_value(card) for keyword, card in cards}
    axes = [values.get(b"NAXIS%d" % n) for n in range(1, 1 + int(values.get(b"NAXIS") or 0))]
    start: list[tuple[str, CardValue, str]] = [
        ("XTENSION", "IMAGE", "IMAGE extension"),
        ("BITPIX", values.get(b"BITPIX"), "number of bits per data pixel"),
        ("NAXIS", len(axes), "number of data axes"),
    ]
    start += [(f"NAXIS{n}", length, f"length of data axis {n}") for n, length in enumerate(axes, start=1)]
    start += [("PCOUNT", 0, "required keyword; must = 0"), ("GCOUNT", 1, "required keyword; must = 1")]
    structure = {*_RENAMED.values()} | {b"NAXIS%d" % n for n in range(1, len(axes) + 1)}
    return [(name.encode(), format_card(name, value, note)) for name, value, note in start] + [
        (keyword, card) for keyword, card in cards if keyword not in structure
    ]


def _structure_first(cards: _Cards) -> _Cards:
    """Return the cards with the mandatory ones first: astropy 6.1 wrote BSCALE and BZERO before them."""
    mandatory = [pair for pair in cards if _MANDATORY.match(pair[0])]
    return mandatory + [pair for pair in cards if not _MANDATORY.match(pair[0])]


def _image_header(header: bytes, primary: bytes | None) -> bytes:
    """Return the padded header of the plain image HDU.

    Parameters
    ----------
    header
        Header of the table that holds the compressed image.
    primary
        Header of an empty primary HDU that the image replaces, None for an image extension.
    """
    all_cards = list(iter_cards(header))
    used = len(all_cards)
    while used and not all_cards[used - 1][1].strip(b" "):
        used -= 1
    cards = _renamed(all_cards[:used])
    keywords = [keyword for keyword, _ in cards]
    if primary is not None:
        cards += [
            (keyword, _printable(card))
            for keyword, card in iter_cards(primary)
            if keyword not in _OF_THE_PRIMARY and card.strip(b" ")
        ]
    elif b"XTENSION" not in keywords:
        cards = _extension_start(cards)
    if cards and cards[0][0] not in (b"XTENSION", b"SIMPLE"):
        cards = _structure_first(cards)
    # Spare blocks of the header are kept.
    spare = b" " * CARD_BYTES * ((len(all_cards) - used) // 36 * 36)
    text = b"".join(card for _, card in cards) + spare + b"END".ljust(CARD_BYTES)
    return text.ljust(-(-len(text) // BLOCK_BYTES) * BLOCK_BYTES)


def _integer(values: dict[bytes, CardValue], keyword: bytes) -> int:
    value = values.get(keyword)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 1 << 48:
        raise ValueError(f"{keyword.decode()} is {value!r}")
    return value


def _is_quantised(values: dict[bytes, CardValue]) -> bool:
    """Return whether samples were rounded to scaled integers: by a card, or by a column for each tile."""
    return b"ZSCALE" in values or "ZSCALE" in (value for key, value in values.items() if key.startswith(b"TTYPE"))


def _pixel_bytes(header: bytes, data: memoryview) -> memoryview:
    """Return the stored samples of a compressed image, big-endian, as astropy decodes them.

    Raises
    ------
    Exception
        Any exception that astropy, zlib or NumPy raise for a malformed table.
    """
    from astropy.io import fits

    values = {keyword: parse_value(card) for keyword, card in iter_cards(header)}
    bitpix = values.get(b"ZBITPIX")
    if not isinstance(bitpix, int) or bitpix not in _DTYPES:
        raise ValueError(f"ZBITPIX is {bitpix!r}")
    axes = [_integer(values, b"ZNAXIS%d" % n) for n in range(1, 1 + _integer(values, b"ZNAXIS"))]
    first_tile = [axes[0] if axes else 1] + [1] * (len(axes) - 1)
    tiles = [
        _integer(values, b"ZTILE%d" % n) if b"ZTILE%d" % n in values else default
        for n, default in enumerate(first_tile, start=1)
    ]
    n_tiles = math.prod(-(-length // max(tile, 1)) for length, tile in zip(axes, tiles, strict=True))
    if n_tiles != _integer(values, b"NAXIS2"):
        raise ValueError(f"the image has {n_tiles} tiles, the table {values.get(b'NAXIS2')} rows")
    cards = b"".join(card for keyword, card in iter_cards(header) if _NEEDED.match(keyword))
    start = b"".join(
        (format_card("SIMPLE", True), format_card("BITPIX", 8), format_card("NAXIS", 0), format_card("EXTEND", True))
    )
    blocks = [(text + b"END".ljust(CARD_BYTES)) for text in (start, cards)]
    headers = [text.ljust(-(-len(text) // BLOCK_BYTES) * BLOCK_BYTES) for text in blocks]
    file = io.BytesIO(b"".join((*headers, data, bytes(-len(data) % BLOCK_BYTES))))
    with fits.open(file, memmap=False, do_not_scale_image_data=True) as hdus:
        samples = np.asarray(hdus[1].data)
    shape = tuple(reversed(axes))
    if samples.shape != shape or samples.dtype.newbyteorder(">") != np.dtype(_DTYPES[bitpix]):
        raise ValueError(f"it decodes to {samples.dtype} {samples.shape}, its header says BITPIX {bitpix} {shape}")
    stored = np.ascontiguousarray(samples, _DTYPES[bitpix])
    bits = stored.view(f">u{stored.itemsize}")
    if values.get(b"ZCMPTYPE") == "PLIO_1" and bitpix == 16 and values.get(b"BZERO") == 32768:
        # PLIO has no negative numbers, so CFITSIO offsets unsigned samples before coding.
        bits ^= np.array(1 << 15, bits.dtype)
    if bitpix < 0 and _is_quantised(values):
        # Undefined samples have no stored bits; CFITSIO's NaN has all bits set.
        bits[np.isnan(stored)] = np.iinfo(bits.dtype).max
    return memoryview(bits.reshape(-1).view(np.uint8))


def _take_apart(data: memoryview, number: int, hdu: Hdu, primary: bytes | None) -> Sequence[bytes | memoryview]:
    """Return header, data and padding of the plain image of a tile-compressed HDU."""
    table = bytes(data[hdu.header_start : hdu.data_start])
    try:
        pixels = _pixel_bytes(table, data[hdu.data_start : hdu.data_stop])
    except MemoryError:
        raise
    except Exception as err:
        raise UnsupportedDataError(
            f"expected a tile-compressed image that astropy decodes in HDU {number}, found one that it does not "
            f"({' '.join(str(err).split()) or type(err).__name__}): compress the file without recompress"
        ) from err
    header, padding = _image_header(table, primary), bytes(-len(pixels) % BLOCK_BYTES)
    status = checksum_status(header, pixels)
    if False in status:
        # The checksums belong to the pixels before quantisation.
        header = refresh_checksums(header, pixels)
    return header, pixels, padding


def take_apart(data: memoryview) -> memoryview:
    """Replace tile-compressed images of a FITS file by plain ones; a file without any keeps its bytes.

    As in funpack, an image that was primary replaces an empty primary HDU directly before it. All other units, and
    bytes after the last one, do not change.

    Raises
    ------
    UnsupportedDataError
        If an image cannot be decoded.
    """
    hdus = parse_fits(data)
    if not has_compressed(hdus):
        return data
    pieces: list[Sequence[bytes | memoryview]] = []
    for number, hdu in enumerate(hdus):
        if hdu.kind is not HduKind.COMPRESSED:
            pieces.append((data[hdu.header_start : hdu.end],))
            continue
        primary = None
        first = hdus[0]
        table = bytes(data[hdu.header_start : hdu.data_start])
        if number == 1 and first.kind is HduKind.EMPTY and b"ZSIMPLE" in {key for key, _ in iter_cards(table)}:
            primary = bytes(data[first.header_start : first.data_start])
            pieces.clear()
        pieces.append(_take_apart(data, number, hdu, primary))
    plain = bytearray()
    for unit in pieces:
        for piece in unit:
            plain += piece
    return memoryview(plain)


def plain_like(restored: Iterable[_Unit], source: FitsSource) -> FitsBuffer:
    """Return the source to compare a restored file with, its images decoded where the restored ones are."""
    if has_compressed(restored) or not has_compressed(parse_fits(source.data)):
        return source.data
    return take_apart(source.to_memory())
