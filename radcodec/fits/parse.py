"""Divide a plain FITS file into its header and data units, as byte ranges.

Only the few cards that give structure are decoded, and no file is refused. A part that is not understood becomes a unit
of kind OPAQUE, which is carried byte for byte. The units cover the file exactly, however malformed it is.

References
----------
FITS Standard 4.0, sections 4.4.1 (structure keywords, data size), 6 (random groups), 7 (extensions), 10 (compression).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from radcodec.errors import UnsupportedDataError
from radcodec.fits.cards import BLOCK_BYTES, CARD_BYTES, CardValue, find_end, parse_value
from radcodec.fits.sniff import describe_bytes
from radcodec.limits import MAX_AXES, MAX_FITS_AXES
from radcodec.types import Hdu, HduKind, ImageInfo, SampleType


class FitsBuffer(Protocol):
    """The bytes of a plain FITS file: bytes, a memoryview, or a file whose ranges are read on demand."""

    def __len__(self) -> int: ...
    def __getitem__(self, key: slice, /) -> bytes | memoryview: ...


FITS_START = b"SIMPLE  ="

_SAMPLE_TYPES = {
    8: SampleType.U1,
    16: SampleType.I2,
    32: SampleType.I4,
    64: SampleType.I8,
    -32: SampleType.F4,
    -64: SampleType.F8,
}
_WANTED = frozenset(
    b"SIMPLE XTENSION BITPIX NAXIS PCOUNT GCOUNT GROUPS ZIMAGE BSCALE BZERO BLANK BUNIT EXTNAME".split()
)
_NAMING = (b"BUNIT", b"EXTNAME")
# Bytes read at a time in the search for END, in whole cards. Most headers are short.
_FIRST_HEADER_BYTES = 4 * BLOCK_BYTES
_MOST_HEADER_BYTES = 256 * BLOCK_BYTES
_TABLES = ("BINTABLE", "TABLE", "A3DTABLE")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Structure:
    """The structure that one header declares; ``problem`` says why it is invalid, or is empty."""

    bitpix: int = 8
    shape: tuple[int, ...] = ()
    size_bytes: int = 0
    groups: bool = False
    pcount: int = 0
    gcount: int = 1
    problem: str = ""


def _wanted_values(header: bytes) -> dict[bytes, CardValue]:
    """Return the values of a header's structure cards, by keyword.

    If a keyword is repeated, the last card counts, but the first one for BUNIT and EXTNAME. ``astropy.io.fits`` does
    the same: it reads pixels by the last cards and gives the first for ``header["BUNIT"]``.
    """
    values: dict[bytes, CardValue] = {}
    for start in range(0, len(header), CARD_BYTES):
        keyword = header[start : start + 8].rstrip(b" ")
        if (keyword in _WANTED or keyword.startswith(b"NAXIS")) and not (keyword in _NAMING and keyword in values):
            values[keyword] = parse_value(header[start : start + CARD_BYTES])
    return values


def _integer(values: dict[bytes, CardValue], keyword: bytes, default: int | None) -> int | None:
    """Return an integer value; ``default`` if the card is absent, None if it is not an integer."""
    value = values.get(keyword, default)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _real(values: dict[bytes, CardValue], keyword: bytes, default: float) -> float:
    """Return a finite number; ``default`` if it is absent, unreadable or not finite."""
    value = values.get(keyword)
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    return default


def _structure(values: dict[bytes, CardValue], *, primary: bool) -> _Structure:
    """Return the structure that a header declares, with the exact data size as a Python integer."""
    bitpix = _integer(values, b"BITPIX", None)
    naxis = _integer(values, b"NAXIS", None)
    if bitpix not in _SAMPLE_TYPES:
        return _Structure(problem=f"BITPIX is {values.get(b'BITPIX')!r}, not one of 8, 16, 32, 64, -32, -64")
    if naxis is None or not 0 <= naxis <= MAX_FITS_AXES:
        return _Structure(problem=f"NAXIS is {values.get(b'NAXIS')!r}, not an integer of 0 to {MAX_FITS_AXES}")
    axes: list[int] = []
    for n in range(1, naxis + 1):
        length = _integer(values, b"NAXIS%d" % n, None)
        if length is None or length < 0:
            found = values.get(b"NAXIS%d" % n)
            return _Structure(problem=f"NAXIS{n} is {found!r}, not an integer of at least 0")
        axes.append(length)
    pcount, gcount = _integer(values, b"PCOUNT", 0), _integer(values, b"GCOUNT", 1)
    if pcount is None or gcount is None or pcount < 0 or gcount < 0:
        return _Structure(problem=f"PCOUNT is {values.get(b'PCOUNT')!r} and GCOUNT {values.get(b'GCOUNT')!r}")
    groups = primary and values.get(b"GROUPS") is True and naxis > 1 and axes[0] == 0
    pixels = math.prod(axes[1:] if groups else axes) if naxis else 0
    # An image without pixels has no data, even with a leftover PCOUNT; only groups and extensions have parameters.
    count = 0 if primary and not groups and pixels == 0 else gcount * (pcount + pixels)
    return _Structure(
        bitpix=bitpix,
        shape=tuple(reversed(axes)),
        size_bytes=abs(bitpix) // 8 * count,
        groups=groups,
        pcount=pcount,
        gcount=gcount,
    )


def _image_info(values: dict[bytes, CardValue], structure: _Structure) -> ImageInfo:
    """Return the pixel array that an image header describes."""
    sample_type = _SAMPLE_TYPES[structure.bitpix]
    unit = values.get(b"BUNIT")
    return ImageInfo(
        sample_type=sample_type,
        shape=structure.shape,
        bscale=_real(values, b"BSCALE", 1.0),
        bzero=_real(values, b"BZERO", 0.0),
        blank=None if sample_type.is_float else _integer(values, b"BLANK", None),
        unit=unit if isinstance(unit, str) else "",
    )


def _classify(values: dict[bytes, CardValue], structure: _Structure, *, primary: bool) -> tuple[HduKind, str]:
    """Return the kind of a complete unit, and the reason if it is OPAQUE."""
    extension = values.get(b"XTENSION")
    if structure.groups:
        return HduKind.GROUPS, ""
    if not primary and extension in _TABLES:
        return (HduKind.COMPRESSED if values.get(b"ZIMAGE") is True else HduKind.TABLE), ""
    if not primary and extension != "IMAGE":
        return HduKind.OPAQUE, f"the extension type {extension!r} is not known"
    if structure.size_bytes == 0 and 0 in (structure.shape or (0,)):
        return HduKind.EMPTY, ""
    if structure.pcount != 0 or structure.gcount != 1:
        found = f"found {structure.pcount} and {structure.gcount}"
        return HduKind.OPAQUE, f"an image has PCOUNT 0 and GCOUNT 1, {found}"
    if len(structure.shape) > MAX_AXES:
        return HduKind.OPAQUE, f"an image has at most {MAX_AXES} axes here, found {len(structure.shape)}"
    return HduKind.IMAGE, ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderFacts:
    """A header's declarations: ``end_bytes`` up to and including the END card, ``data_bytes`` without padding."""

    kind: HduKind
    name: str
    end_bytes: int
    data_bytes: int
    image: ImageInfo | None


def _name_of(values: dict[bytes, CardValue], *, primary: bool) -> str:
    name = values.get(b"EXTNAME")
    return name if isinstance(name, str) else "PRIMARY" if primary else ""


def header_name(header: bytes, *, primary: bool) -> str:
    """Return the name in a unit's header; "" if that has no END card."""
    end_card = find_end(header)
    return "" if end_card < 0 else _name_of(_wanted_values(header[:end_card]), primary=primary)


def header_facts(header: bytes, *, primary: bool) -> HeaderFacts | None:
    """Return what a header declares about its unit, as `parse_fits` reads it; None for a malformed one."""
    end_card = find_end(header)
    if end_card < 0 or not header.startswith(FITS_START if primary else b"XTENSION"):
        return None
    values = _wanted_values(header[:end_card])
    structure = _structure(values, primary=primary)
    if structure.problem or (primary and values.get(b"SIMPLE") is not True):
        return None
    kind, _ = _classify(values, structure, primary=primary)
    return HeaderFacts(
        kind=kind,
        name=_name_of(values, primary=primary),
        end_bytes=end_card + CARD_BYTES,
        data_bytes=structure.size_bytes,
        image=_image_info(values, structure) if kind is HduKind.IMAGE else None,
    )


def _opaque_rest(start: int, data_start: int, total: int, note: str) -> Hdu:
    """Return the unit that carries the rest of the file; ``data_start`` is ``start`` if no header was found."""
    return Hdu(
        kind=HduKind.OPAQUE,
        name="",
        header_start=start,
        data_start=data_start,
        data_stop=total,
        end=total,
        image=None,
        note=note,
    )


def _find_end(data: FitsBuffer, start: int) -> int:
    """Return the offset of the END card of the header at ``start``, or -1; reads a file piece by piece."""
    if isinstance(data, (bytes, memoryview)):
        return find_end(data, start)
    position, size = start, _FIRST_HEADER_BYTES
    while position < len(data):
        found = find_end(data[position : position + size])
        if found >= 0:
            return position + found
        position += size
        size = min(2 * size, _MOST_HEADER_BYTES)
    return -1


def _parse_unit(data: FitsBuffer, start: int) -> Hdu:
    """Parse the unit at ``start``; it is OPAQUE to the end of the file if its size is unknown."""
    total, primary = len(data), start == 0
    end_card = _find_end(data, start)
    if end_card < 0:
        return _opaque_rest(start, start, total, "the header has no END card")
    values = _wanted_values(bytes(data[start:end_card]))
    header_bytes = end_card + CARD_BYTES - start
    # The file may end within the last card or the padding of a header.
    data_start = min(start + header_bytes + -header_bytes % BLOCK_BYTES, total)
    if primary and values.get(b"SIMPLE") is not True:
        note = "SIMPLE is not T: the file declares that it does not conform to FITS"
        return _opaque_rest(start, data_start, total, note)
    structure = _structure(values, primary=primary)
    if structure.problem:
        return _opaque_rest(start, data_start, total, structure.problem)
    data_stop = data_start + structure.size_bytes
    if data_stop > total:
        found = f"{total - data_start} bytes of {structure.size_bytes} are there"
        return _opaque_rest(start, data_start, total, f"the data are cut off by the end of the file: {found}")
    kind, note = _classify(values, structure, primary=primary)
    return Hdu(
        kind=kind,
        name=_name_of(values, primary=primary),
        header_start=start,
        data_start=data_start,
        data_stop=data_stop,
        end=min(data_stop + -structure.size_bytes % BLOCK_BYTES, total),
        image=_image_info(values, structure) if kind is HduKind.IMAGE else None,
        note=note,
    )


def parse_fits(data: FitsBuffer) -> tuple[Hdu, ...]:
    """Parse the header and data units of a plain FITS file, in order, from 0 to ``len(data)`` without gaps.

    It never fails on a file that starts with ``SIMPLE  =``. Malformed parts become units of kind OPAQUE; their ``note``
    gives the reason. An opaque unit has its header if that ends with an END card. Otherwise, and for bytes after the
    last unit, the header is empty (``data_start == header_start``). Unreadable scale cards count as BSCALE 1 and BZERO
    0. ``blank`` may lie outside of the type's range.

    Raises
    ------
    UnsupportedDataError
        If the bytes do not start with ``SIMPLE  =``; the message says what they look like.
    """
    if bytes(data[: len(FITS_START)]) != FITS_START:
        raise UnsupportedDataError(
            f"expected a FITS file, which starts with {FITS_START.decode()!r}, "
            f"but found {describe_bytes(bytes(data[:300]))}"
        )
    hdus: list[Hdu] = []
    position, total = 0, len(data)
    while position < total:
        if position > 0 and bytes(data[position : position + 8]) != b"XTENSION":
            hdus.append(_opaque_rest(position, position, total, "bytes after the last unit, not an extension"))
        else:
            hdus.append(_parse_unit(data, position))
        position = hdus[-1].end
    return tuple(hdus)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainUnit:
    """One header and data unit of a plain FITS file; ``header`` and ``tail`` are its bytes, padding included."""

    number: int
    hdu: Hdu
    header: bytes = field(repr=False)
    tail: bytes = field(repr=False)


def iter_plain_units(data: FitsBuffer, hdus: Sequence[Hdu]) -> Iterator[PlainUnit]:
    """Walk over the header and data units of a plain FITS file, in order; data are read by `unit_data`."""
    for number, hdu in enumerate(hdus):
        header, tail = bytes(data[hdu.header_start : hdu.data_start]), bytes(data[hdu.data_stop : hdu.end])
        yield PlainUnit(number=number, hdu=hdu, header=header, tail=tail)


def unit_data(data: FitsBuffer, hdu: Hdu) -> bytes | memoryview:
    """Give the data of a unit, without padding."""
    return data[hdu.data_start : hdu.data_stop]
