"""The predictor block of an image: how coefficients are written (docs/format.md, 8.2)."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace

import numpy as np

from radcodec.coding.leb import pack_leb, unpack_leb
from radcodec.detail.earlier import pack_earlier, unpack_earlier
from radcodec.detail.kernels import FILL_LIMIT
from radcodec.detail.orders import AS_IT_IS, ORDER_UNIT, ORDERS, Order
from radcodec.detail.rice import MAX_INTEGER_BYTES, rice_read, rice_write
from radcodec.detail.rounding import Predictor, coding_order
from radcodec.detail.tables import TableSet, clean_tables, find_tables
from radcodec.errors import CorruptError
from radcodec.limits import MAX_BORDER, MAX_PREDICTORS, MAX_RADIUS, MAX_SHIFT, MIN_BORDER_BYTES

HEAD = struct.Struct("<8sd")
EARLIER = 0x80  # bit of the radius: taps in earlier planes follow


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictors:
    """What the tiles of an image share: table set, fill, predictors, and the order of axes in which they are coded."""

    tables: TableSet
    fill: float
    predictors: tuple[Predictor, ...]
    order: Order = AS_IT_IS


def pack_predictors(predictors: Predictors) -> bytes:
    """Predictor block of an image."""
    out = bytearray(HEAD.pack(predictors.tables.sha256[:8], predictors.fill))
    out += pack_leb(len(predictors.predictors) + ORDER_UNIT * ORDERS.index(predictors.order))
    for p in predictors.predictors:
        body = rice_write(p.integers[coding_order(p.radius)])
        out += bytes((p.radius | (EARLIER if p.earlier is not None else 0), p.shift, p.border, p.reach))
        out += pack_leb(len(body))
        out += body
        if p.earlier is not None:
            out += pack_earlier(p.earlier)
    return bytes(out)


def unpack_predictors(block: bytes) -> Predictors:
    """Unpack the predictors of a block; border sets are not made here, so that work is bounded by the bytes.

    Raises
    ------
    CorruptError
        If the block is not of the form of docs/format.md, 8.2.
    ModelNotFoundError
        If it names a table set that is not installed.
    """
    if len(block) < HEAD.size:
        raise CorruptError(f"predictor block: expected at least {HEAD.size} bytes, found {len(block)}")
    name, fill = HEAD.unpack_from(block)
    if not abs(fill) <= FILL_LIMIT:
        raise CorruptError(f"predictor block: expected a fill within +-2^900, found {fill}")
    tables = find_tables(name)
    n, pos = unpack_leb(block, HEAD.size, "the predictor block")
    number, n = divmod(n, ORDER_UNIT)
    if number >= len(ORDERS):
        raise CorruptError(f"predictor block: expected an order of axes under {len(ORDERS)}, found {number}")
    if not 1 <= n <= MAX_PREDICTORS:
        raise CorruptError(f"predictor block: expected 1 to {MAX_PREDICTORS} predictors, found {n}")
    predictors = []
    for _ in range(n):
        if pos + 4 > len(block):
            raise CorruptError("predictor block: ends within a predictor")
        radius, shift, border, reach = block[pos : pos + 4]
        has_earlier, radius = radius & EARLIER, radius & ~EARLIER
        size, pos = unpack_leb(block, pos + 4, "the predictor block")
        if not 1 <= radius <= MAX_RADIUS or shift > MAX_SHIFT or pos + size > len(block):
            raise CorruptError(f"predictor block: radius {radius}, shift {shift}, {size} bytes are out of range")
        if border > min(radius, MAX_BORDER) or not border <= reach <= radius or (border == 0) != (reach == 0):
            raise CorruptError(f"predictor block: radius {radius}, border {border}, reach {reach} do not go together")
        if size > MAX_INTEGER_BYTES * 2 * radius * (radius + 1):
            raise CorruptError(f"predictor block: {size} bytes are more than the coefficients of radius {radius} take")
        predictor = _unpack_integers(block[pos : pos + size], radius, shift)
        earlier, pos = unpack_earlier(block, pos + size) if has_earlier else (None, pos + size)
        predictors.append(replace(predictor, border=border, reach=reach, earlier=earlier))
    if pos != len(block):
        raise CorruptError(f"predictor block: {len(block) - pos} bytes left over")
    return Predictors(tables=tables, fill=fill, predictors=tuple(predictors), order=ORDERS[number])


def with_clean_tables(block: bytes) -> bytes:
    """Return a block whose tiles are coded with the table set from simulated images alone; an empty one stays so."""
    name = clean_tables().sha256[:8]
    return name + block[len(name) :] if block else block


def least_detail_bytes(predictors: Predictors | None) -> int:
    """Return the least bytes of an image's detail streams, so that the work of border sets is bounded by them."""
    return 0 if predictors is None else MIN_BORDER_BYTES * sum(p.border > 0 for p in predictors.predictors)


def without_borders(predictors: Predictors) -> Predictors:
    """Return the predictors without border sets."""
    return replace(predictors, predictors=tuple(replace(p, border=0, reach=0) for p in predictors.predictors))


def _unpack_integers(body: bytes, radius: int, shift: int) -> Predictor:
    """Unpack the predictor of a Rice code."""
    order = coding_order(radius)
    found = rice_read(body, len(order))
    if found is None:
        raise CorruptError(f"predictor block: {len(body)} bytes that are no coefficients of radius {radius}")
    integers = np.empty(len(order), np.int64)
    integers[order] = found
    return Predictor(radius=radius, shift=shift, integers=integers)
