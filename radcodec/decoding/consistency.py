"""Check that the records, headers and parameters of a ``.rcz`` file do not contradict each other.

The check runs when a file is opened (``docs/format.md`` 3.2 and 6.2), so that a report never contradicts the decoded
file. It decodes no pixel and does not import numpy.
"""

from __future__ import annotations

import math
import sys
from array import array

from radcodec.container.layout import Cursor
from radcodec.container.meta import HduRecord, ImageRecord
from radcodec.container.reader import Reader
from radcodec.container.units import iter_units
from radcodec.errors import CorruptError
from radcodec.fits.cards import BLOCK_BYTES
from radcodec.fits.parse import HeaderFacts, header_facts, header_name
from radcodec.limits import MAX_CELL
from radcodec.pixels.tiles import plane_shape
from radcodec.types import HduKind, ImageInfo, Kind, Mode


def check_consistency(reader: Reader) -> None:
    """Check that the file's declarations agree with each other.

    Raises
    ------
    CorruptError, LimitError
        If a header and its record, the size of the original, or a bound and its parameters contradict each other.
    """
    if reader.prelude.kind is Kind.FITS:
        _check_headers(reader)
        _check_original_bytes(reader)
    for record, blocks in zip(reader.meta.images, reader.params, strict=True):
        _check_bounds(blocks.bounds, record)


def _check_original_bytes(reader: Reader) -> None:
    """Raise CorruptError if the size of the original does not match the HDU records."""
    meta = reader.meta
    restored = sum(hdu.header_bytes + hdu.data_bytes + hdu.tail_bytes for hdu in meta.hdus)
    grown = restored - meta.original_bytes
    most = 0 if reader.prelude.mode is Mode.LOSSLESS else BLOCK_BYTES * len(meta.images)
    if not 0 <= grown <= most or grown % BLOCK_BYTES:
        raise CorruptError(f"expected an original of about the {restored} restored bytes, found {meta.original_bytes}")


def _check_headers(reader: Reader) -> None:
    """Raise CorruptError if a header contradicts the records of its HDU."""
    last = len(reader.meta.hdus) - 1
    for unit in iter_units(reader):
        hdu, number, primary = unit.record, unit.number, unit.number == 0
        if hdu.kind is HduKind.OPAQUE:
            known = not hdu.name or hdu.name == header_name(unit.header, primary=primary)
        else:
            facts = header_facts(unit.header, primary=primary)
            known = facts is not None and _fits_header(hdu, facts, last=number == last)
            if unit.image is not None:
                known = known and facts is not None and _fits_image(reader.meta.images[unit.image], facts.image)
        if not known:
            raise CorruptError(f"the header of HDU {number} contradicts its record: the file is forged or damaged")


def _fits_header(hdu: HduRecord, facts: HeaderFacts, *, last: bool) -> bool:
    """Return whether the record of an HDU matches its header."""
    header_bytes = facts.end_bytes + -facts.end_bytes % BLOCK_BYTES
    cut = last and hdu.data_bytes == hdu.tail_bytes == 0
    tail_bytes = -hdu.data_bytes % BLOCK_BYTES
    return (
        (hdu.kind, hdu.name, hdu.note, hdu.data_bytes) == (facts.kind, facts.name, "", facts.data_bytes)
        and (hdu.header_bytes == header_bytes or (cut and hdu.header_bytes < header_bytes))
        and (hdu.tail_bytes == tail_bytes or (last and hdu.tail_bytes < tail_bytes))
    )


def _fits_image(record: ImageRecord, info: ImageInfo | None) -> bool:
    """Return whether an image record matches the header of its HDU."""
    if info is None:
        return False
    blank, bits = info.blank, 8 * record.sample_type.size_bytes
    if blank is not None:
        least = 0 if record.sample_type.name[0] == "U" else -(1 << (bits - 1))
        blank = blank if least <= blank < least + (1 << bits) else None
    return (record.sample_type, record.shape, record.bscale, record.bzero, record.blank, record.unit) == (
        info.sample_type,
        info.shape,
        info.bscale,
        info.bzero,
        blank,
        info.unit,
    )


def _check_bounds(block: bytes, record: ImageRecord) -> None:
    """Raise CorruptError if E in an image's record is not the largest of its bounds (6.2)."""
    if record.bound is None or (not block and not record.has_step_map):
        if block:
            raise CorruptError(f"expected no bounds for an image that is not bounded, found {len(block)} bytes")
        return
    n_planes, height, width = plane_shape(record.shape)
    cursor, count, code = Cursor(block, "the bounds"), n_planes, "d"
    if record.has_step_map:
        cell = cursor.leb_up_to(MAX_CELL, "cell size")
        if cell < 1:
            raise CorruptError("expected a cell size of at least 1 in the bounds, found 0")
        count, code = n_planes * -(-height // cell) * -(-width // cell), "f"
    values = array(code)
    if cursor.left != count * values.itemsize:
        raise CorruptError(f"expected {count * values.itemsize} bytes of bounds, found {cursor.left}")
    values.frombytes(cursor.take(cursor.left))
    if sys.byteorder == "big":
        values.byteswap()
    if not all(map(math.isfinite, values)) or min(values) < 0 or max(values) != record.bound:
        raise CorruptError(f"expected {record.bound} as the largest of the bounds, found others")
