"""Cut tables of one restoring beam a channel (BEAMS of CASA, CG of AIPS) together with the channels."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from radcodec.errors import UnsupportedDataError
from radcodec.fits.cards import (
    BLOCK_BYTES,
    CARD_BYTES,
    CardValue,
    card_comment,
    format_card,
    iter_cards,
    pad_header,
    parse_value,
)
from radcodec.fits.header import card_value

BEAM_TABLES = ("BEAMS", "AIPS CG")
_SPECTRAL = ("FREQ", "VELO", "VRAD", "VOPT", "FELO", "ZOPT", "BETA", "WAVE", "AWAV", "WAVN", "ENER")
_CTYPE = re.compile(rb"CTYPE([1-9][0-9]{0,2})\Z")
_TFORM = re.compile(r"\s*([0-9]*)([LXBIJKAEDCMPQ])")
_BYTES = dict(zip("LBIJKAEDCMPQ", (1, 1, 2, 4, 8, 1, 4, 8, 8, 16, 8, 16), strict=True))
_DTYPES = {"B": ">u1", "I": ">i2", "J": ">i4", "K": ">i8", "E": ">f4", "D": ">f8"}
_DEGREES = {"arcsec": 1 / 3600, "arcmin": 1 / 60, "deg": 1.0, "degree": 1.0, "degrees": 1.0, "rad": 180 / math.pi}

Range = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class BeamAxes:
    """The cut-out's part of the spectral and the Stokes axis, and their lengths before; None: no such axis."""

    channels: Range | None
    n_channels: int
    stokes: Range | None
    n_stokes: int

    @property
    def n_beams(self) -> int:
        """Number of beams of the whole image where each plane has its own."""
        return self.n_channels * self.n_stokes

    @property
    def is_whole(self) -> bool:
        """Whether no channel and no Stokes parameter is left out."""
        whole = (None, (0, self.n_channels)), (None, (0, self.n_stokes))
        return self.channels in whole[0] and self.stokes in whole[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class CutBeams:
    """A cut-out's table of beams: the HDU's bytes (b"": none), or one beam in degrees for its header."""

    table: bytes
    beam: tuple[float, float, float] | None = None


def beam_axes(header: bytes, ranges: Sequence[Range], shape: Sequence[int]) -> BeamAxes:
    """Find the spectral and the Stokes axis of an image by CTYPEn, and what ``ranges`` (x first) take of them."""
    found: dict[str, int] = {}
    for keyword, card in iter_cards(header):
        match, value = _CTYPE.match(keyword), parse_value(card)
        if match is None or not isinstance(value, str) or int(match[1]) > len(ranges):
            continue
        kind = "stokes" if value.strip().upper() == "STOKES" else "channels" if value[:4].upper() in _SPECTRAL else ""
        found.setdefault(kind, int(match[1]) - 1)
    lengths = tuple(reversed(shape))
    chan, stokes = found.get("channels"), found.get("stokes")
    return BeamAxes(
        channels=None if chan is None else ranges[chan],
        n_channels=1 if chan is None else lengths[chan],
        stokes=None if stokes is None else ranges[stokes],
        n_stokes=1 if stokes is None else lengths[stokes],
    )


class _Table:
    """Numeric columns of a binary table, as writable views of its rows."""

    def __init__(self, header: bytes, data: bytes) -> None:
        values: dict[str, CardValue] = {}
        for keyword, card in iter_cards(header):
            values.setdefault(keyword.decode("latin-1"), parse_value(card))
        self._values = values
        row_bytes, n_rows = values.get("NAXIS1"), values.get("NAXIS2")
        if not isinstance(row_bytes, int) or not isinstance(n_rows, int) or len(data) < row_bytes * n_rows:
            raise UnsupportedDataError("expected a binary table of beams with NAXIS1 and NAXIS2, found another one")
        self.rows = np.frombuffer(data, np.uint8, row_bytes * n_rows).reshape(n_rows, row_bytes).copy()
        self.columns: dict[str, tuple[int, str, str]] = {}  # name: offset, dtype, unit
        offset = 0
        for number in range(1, int(values.get("TFIELDS") or 0) + 1):
            form = _TFORM.match(str(values.get(f"TFORM{number}")))
            if form is None:
                break
            count = int(form[1] or 1)
            scaled = f"TSCAL{number}" in values or f"TZERO{number}" in values
            if form[2] in _DTYPES and count == 1 and not scaled:
                name = str(values.get(f"TTYPE{number}")).strip().upper()
                self.columns[name] = (offset, _DTYPES[form[2]], str(values.get(f"TUNIT{number}") or ""))
            offset += -(-count // 8) if form[2] == "X" else count * _BYTES[form[2]]

    def column(self, name: str) -> npt.NDArray[np.generic]:
        """Return the values of a column; writing to them writes to the rows."""
        offset, dtype, _ = self.columns[name]
        size = np.dtype(dtype).itemsize
        return self.rows[:, offset : offset + size].view(dtype)[:, 0]

    def degrees(self, name: str, row: int) -> float | None:
        """Return one angle in degrees; None if its unit is unknown or it is not finite."""
        if name not in self.columns:
            return None
        factor = _DEGREES.get(self.columns[name][2].strip().lower())
        value = float(self.column(name)[row])
        return value * factor if factor is not None and math.isfinite(value) else None


def _take(table: _Table, name: str, kept: Range | None) -> None:
    """Leave the rows whose number in a column lies in a range, and count from its start."""
    if kept is None or name not in table.columns:
        return
    numbers = table.column(name).astype(np.int64)
    table.rows = table.rows[(numbers >= kept[0]) & (numbers < kept[1])]
    column = table.column(name)
    column[...] = (column.astype(np.int64) - kept[0]).astype(column.dtype)


def cut_beams(header: bytes, data: bytes, axes: BeamAxes) -> CutBeams:
    """Cut a table of beams to the channels and Stokes parameters of a cut-out, numbered anew.

    A single beam goes into the header instead, if its units are known.

    Raises
    ------
    UnsupportedDataError
        If channels are left out and the table does not assign rows to channels.
    """
    if axes.is_whole:
        return CutBeams(table=header + data + bytes(-len(data) % BLOCK_BYTES))
    table = _Table(header, data)
    if "CHAN" in table.columns:
        _take(table, "CHAN", axes.channels)
        _take(table, "POL", axes.stokes)
    elif len(table.rows) == axes.n_channels and card_value(header, "PCOUNT") in (0, None):
        first, stop = axes.channels or (0, axes.n_channels)
        table.rows = table.rows[max(first, 0) : stop]
    else:
        raise UnsupportedDataError(
            f"expected a column CHAN or {axes.n_channels} rows in the table of beams, found {len(table.rows)} rows: "
            "cut out all channels"
        )
    if not len(table.rows):
        return CutBeams(table=b"")
    one_channel = axes.channels is None or axes.channels[1] - axes.channels[0] == 1
    one_stokes = axes.stokes is None or axes.stokes[1] - axes.stokes[0] == 1
    if len(table.rows) == 1 and one_channel and one_stokes:
        major, minor, angle = (table.degrees(name, 0) for name in ("BMAJ", "BMIN", "BPA"))
        if major is not None and minor is not None and angle is not None:
            return CutBeams(table=b"", beam=(major, minor, angle))
    return CutBeams(table=_table_bytes(header, table, axes))


def _table_bytes(header: bytes, table: _Table, axes: BeamAxes) -> bytes:
    """Return the HDU of a table with fewer rows; its checksums are dropped."""
    new: dict[bytes, int] = {b"NAXIS2": len(table.rows)}
    for keyword, kept in ((b"NCHAN", axes.channels), (b"NPOL", axes.stokes)):
        if kept is not None:
            new[keyword] = kept[1] - kept[0]
    cards = [
        format_card(keyword, new[keyword], card_comment(card)) if keyword in new else card.ljust(CARD_BYTES)
        for keyword, card in iter_cards(header)
        if keyword not in (b"CHECKSUM", b"DATASUM")
    ]
    rows = table.rows.tobytes()
    return pad_header(b"".join(cards) + b"END".ljust(CARD_BYTES)) + rows + bytes(-len(rows) % BLOCK_BYTES)


def with_beam(header: bytes, beam: tuple[float, float, float] | None, *, has_table: bool) -> bytes:
    """Write an image's beam to its header: one beam, or CASAMBM = T only where there is a table.

    Without a beam and a table only a wrong CASAMBM is removed.
    """
    values = dict(zip((b"BMAJ", b"BMIN", b"BPA"), beam, strict=True)) if beam is not None else {}
    cards: list[bytes] = []
    for keyword, card in iter_cards(header):
        if keyword == b"CASAMBM" and not has_table:
            continue
        value = values.pop(keyword, None)
        card = card if value is None else format_card(keyword, value, card_comment(card))
        cards.append(card.ljust(CARD_BYTES))
    cards += [format_card(keyword, value, b"[deg]") for keyword, value in values.items()]
    return pad_header(b"".join(cards) + b"END".ljust(CARD_BYTES))
